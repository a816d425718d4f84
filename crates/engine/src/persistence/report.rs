//! What INFO says of the log, its rewrite and its recovery.

use bio::Kind;

use super::{Persistence, Phase};
use crate::clock::Now;
use crate::engine::Engine;
use crate::info::{Lines, percent};

/// Where the log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// `aof_state` of INFO.
    pub state: &'static str,
    /// `aof_rewrite_phase` of INFO.
    pub rewrite_phase: &'static str,
    /// An fsync has failed: nothing is acknowledged until the data is in another file.
    pub must_heal: bool,
    /// `rdb_bgsave_in_progress` of INFO.
    pub saving: bool,
}

/// The copy-on-write memory of the child that runs, as last told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChildCow {
    peak_bytes: u64,
    measurements: u64,
    /// When it was last measured, monotonic.
    measured_ms: Option<u64>,
}

/// What a child last said of itself.
#[derive(Clone, Copy, Debug, Default)]
struct ChildReport {
    keys: u64,
    cow_bytes: u64,
    measurements: u64,
}

impl Persistence {
    /// CONFIG RESETSTAT: what is counted here begins anew.
    pub(crate) fn reset_stats(&mut self) {
        self.forks = 0;
        self.rewrites = 0;
        self.snapshots.reset_stats();
        self.succeeded_before = self.rewriter.status(0).succeeded;
        self.errors.reset();
        self.aof.reset_stats();
    }

    pub(crate) fn latest_fork_us(&self) -> u64 {
        if self.forks == 0 { 0 } else { self.latest_fork_us }
    }

    pub(crate) fn forks(&self) -> u64 {
        self.forks
    }

    /// How fast the last child was forked, in gigabytes of memory a second; `None` if none was, or memory is not known.
    /// Source: stat_fork_rate of Redis.
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    pub(crate) fn fork_gb_per_second(&self) -> Option<f64> {
        let fork_us = self.latest_fork_us();
        let known = self.forked_bytes > 0 && fork_us > 0;
        known.then(|| self.forked_bytes as f64 / fork_us as f64 * 1e6 / f64::from(1 << 30))
    }

    pub(crate) fn lazyfree_pending(&self) -> usize {
        self.bio.pending(Kind::LazyFree)
    }

    /// The policy in effect: see `aof_buffer::Stats`.
    pub(crate) fn effective_fsync(&self) -> &'static str {
        if self.is_on() { self.aof.stats().effective_fsync.as_str() } else { "no" }
    }

    /// What the log is to the server at the moment, in a word.
    fn state(&self) -> &'static str {
        match &self.phase {
            Phase::Off => "off",
            Phase::Loading(loading) => loading.state(),
            Phase::WaitRewrite => "wait_rewrite",
            // Nothing was promised of what was answered just before.
            Phase::On if self.aof.reply_mark() < self.on_from => "wait_rewrite",
            Phase::On => "on",
        }
    }

    /// Where a rewrite stands, for operators and for the crash test.
    fn rewrite_phase(&self) -> &'static str {
        self.rewriter.phase_name()
    }

    /// The fields of a load in progress.
    pub(crate) fn info_loading(&self, now: Now, out: &mut Lines<'_>) {
        if let Phase::Loading(loading) = &self.phase {
            loading.info(now, out);
        }
    }

    /// What the child that rewrites or makes a snapshot last said; `None` if there is none.
    fn child(&self, mono_ms: u64) -> Option<ChildReport> {
        let r = self.rewriter.status(mono_ms);
        let s = self.snapshots.saver.status(mono_ms);
        let of = |(keys, cow_bytes, measurements)| ChildReport { keys, cow_bytes, measurements };
        let rewrite = r.child_pid.map(|_| of((r.keys_processed, r.current_cow_bytes, r.cow_measurements)));
        rewrite.or_else(|| s.child_pid.map(|_| of((s.keys_processed, s.current_cow_bytes, s.cow_measurements))))
    }

    /// Whether a child lives that shares the memory, dying ones included.
    pub(super) fn has_child(&self, mono_ms: u64) -> bool {
        self.child(mono_ms).is_some()
    }

    /// The fields of the child, if there is one.
    pub(crate) fn info_child(&self, now: Now, out: &mut Lines<'_>) {
        let child = self.child(now.mono_ms());
        let (cow, total) = if child.is_some() { (self.child_cow, self.child_keys) } else { (ChildCow::default(), 0) };
        let ChildReport { keys: processed, cow_bytes, .. } = child.unwrap_or_default();
        out.put("current_cow_peak", cow.peak_bytes.max(cow_bytes));
        out.put("current_cow_size", cow_bytes);
        out.put("current_cow_size_age", cow.measured_ms.map_or(0, |at_ms| (now.mono_ms() - at_ms) / 1_000));
        out.put("current_fork_perc", format_args!("{:.2}", percent(processed, total)));
        out.put("current_save_keys_processed", processed);
        out.put("current_save_keys_total", total);
    }

    /// Follows the copy-on-write memory of a child.
    pub(super) fn watch_child(&mut self, mono_ms: u64) {
        let ChildReport { cow_bytes, measurements, .. } = self.child(mono_ms).unwrap_or_default();
        if measurements == 0 {
            self.child_cow = ChildCow::default();
        } else if measurements != self.child_cow.measurements {
            self.child_cow = ChildCow {
                peak_bytes: self.child_cow.peak_bytes.max(cow_bytes),
                measurements,
                measured_ms: Some(mono_ms),
            };
        }
    }

    /// The fields of the log and its rewrite that Redis has, in its order.
    pub(crate) fn info_aof(&self, now: Now, out: &mut Lines<'_>) {
        let s = self.rewriter.status(now.mono_ms());
        let seconds = |ms: Option<u64>| ms.map_or(-1, |ms| i64::try_from(ms / 1000).unwrap_or(i64::MAX));
        let enabled = match &self.phase {
            Phase::Off => false,
            Phase::Loading(loading) => loading.is_of_log(),
            Phase::WaitRewrite | Phase::On => true,
        };
        out.put("aof_enabled", u8::from(enabled));
        out.put("aof_rewrite_in_progress", u8::from(s.in_progress));
        out.put("aof_rewrite_scheduled", u8::from(s.scheduled));
        out.put("aof_last_rewrite_time_sec", seconds(s.last_duration_ms));
        out.put("aof_current_rewrite_time_sec", seconds(s.current_duration_ms));
        out.put("aof_last_bgrewrite_status", ok_or_err(s.last_ok));
        out.put("aof_rewrites", self.rewrites);
        out.put("aof_rewrites_consecutive_failures", s.failures_in_a_row);
        out.put("aof_last_write_status", ok_or_err(self.aof.health().is_ok()));
        out.put("aof_last_cow_size", s.last_cow_bytes);
        out.put("module_fork_in_progress", 0);
        out.put("module_fork_last_cow_size", 0);
        if enabled {
            let stats = self.aof.stats();
            out.put("aof_current_size", stats.current_size_bytes);
            out.put("aof_base_size", stats.base_size_bytes);
            out.put("aof_pending_rewrite", u8::from(s.scheduled));
            out.put("aof_buffer_length", self.aof.backlog_bytes());
            // Redis has it up to 6.2.
            out.put("aof_rewrite_buffer_length", self.aof.diff_len());
            out.put("aof_pending_bio_fsync", stats.pending_bio_fsync);
            out.put("aof_delayed_fsync", stats.delayed_fsync);
        }
    }

    /// The fields that Redis does not have.
    pub(crate) fn info_ours(&self, now: Now, out: &mut Lines<'_>) {
        let s = self.rewriter.status(now.mono_ms());
        let marks = self.aof.marks();
        out.put("aof_state", self.state());
        out.put("aof_effective_fsync", self.effective_fsync());
        out.put("aof_appended_offset", marks.appended.0);
        out.put("aof_written_offset", marks.written.0);
        out.put("aof_fsynced_offset", marks.fsynced.0);
        out.put("aof_flush_pending", u8::from(self.aof.write_in_flight()));
        out.put("aof_rewrite_phase", self.rewrite_phase());
        out.put("aof_rewrites_succeeded", s.succeeded - self.succeeded_before);
        out.put("aof_rewrite_written_bytes", s.written_bytes);
        out.put("aof_rewrite_diff_sent_bytes", s.sent_bytes);
        out.put("aof_rewrite_diff_read_bytes", s.read_bytes);
        self.errors.info(out);
    }
}

impl Engine {
    /// Where log and snapshots stand, by the words of INFO: `aof_state`, `aof_rewrite_phase`, `rdb_bgsave_in_progress`. For who looks at every turn.
    pub fn log_status(&self) -> LogStatus {
        let p = &self.persistence;
        LogStatus {
            state: p.state(),
            rewrite_phase: p.rewrite_phase(),
            must_heal: p.must_heal(),
            saving: p.snapshots.saver.is_running(),
        }
    }
}

fn ok_or_err(ok: bool) -> &'static str {
    if ok { "ok" } else { "err" }
}
