//! After a failed fsync: when the disk is probed, and when the data goes to a new file.
//!
//! Nothing is acknowledged on a file whose fsync has failed, whatever later ones say: the kernel may have dropped the pages.
//! So once a second a small file is written and fsynced instead; when that succeeds, a rewrite starts, and its switch makes
//! the log well again. [`Healing`] only decides.

use std::io;
use std::sync::Arc;

use aof_rewrite::Mode;
use bio::{Completion, JobId, Kind};
use vfs::error_chain;

use super::Persistence;
use crate::engine::Engine;
use crate::log::Level;

/// The least time between two tries, in milliseconds.
const RETRY_MS: u64 = 1_000;
/// The longest time that a failed rewrite is waited after, in milliseconds.
const LONGEST_RETRY_MS: u64 = 60_000;
/// The least time between two log lines about failed probes, in milliseconds. Source: `AOF_WRITE_LOG_ERROR_RATE` of Redis.
const NOTICE_EVERY_MS: u64 = 30_000;

/// Where the healing of the log stands. At rest while the log is well.
#[derive(Debug, Default)]
pub(super) struct Healing {
    /// No probe before this time, monotonic.
    not_before_ms: u64,
    probe: Option<JobId>,
    /// The disk was found well: a rewrite is wanted.
    probed: bool,
    /// When the rewrite began that should heal, monotonic.
    rewrite_since_ms: Option<u64>,
    last_notice_ms: Option<u64>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Wait,
    Probe,
    Rewrite,
}

impl Healing {
    /// Decides on the next step. `rewriting`: a rewrite runs, whoever wanted it; its switch heals as well.
    fn step(&mut self, rewriting: bool, mono_ms: u64) -> Step {
        if rewriting {
            self.rewrite_since_ms.get_or_insert(mono_ms);
            self.probed = false;
            return Step::Wait;
        }
        if let Some(since_ms) = self.rewrite_since_ms.take() {
            // It failed. To try as long as was tried keeps a large dataset from being written over and over.
            let took_ms = mono_ms.saturating_sub(since_ms);
            self.not_before_ms = mono_ms + took_ms.clamp(RETRY_MS, LONGEST_RETRY_MS);
        }
        if std::mem::take(&mut self.probed) {
            return Step::Rewrite;
        }
        if self.probe.is_some() || mono_ms < self.not_before_ms { Step::Wait } else { Step::Probe }
    }

    /// Takes the result of a probe. Returns whether its failure is worth a log line.
    fn probed(&mut self, well: bool, mono_ms: u64) -> bool {
        self.probe = None;
        self.probed = well;
        self.not_before_ms = mono_ms + RETRY_MS;
        let quiet = well || self.last_notice_ms.is_some_and(|last_ms| mono_ms - last_ms < NOTICE_EVERY_MS);
        if !quiet {
            self.last_notice_ms = Some(mono_ms);
        }
        !quiet
    }
}

impl Engine {
    /// Takes the next step of healing, if the log needs it.
    pub(super) fn heal(&mut self) {
        let mono_ms = self.now.mono_ms();
        let p = &mut self.persistence;
        if !p.must_heal() {
            // A probe still under way finds nobody who wants to know.
            p.healing = Healing { last_notice_ms: p.healing.last_notice_ms, ..Healing::default() };
            return;
        }
        match p.healing.step(!p.rewriter.may_start(), mono_ms) {
            Step::Wait => {}
            Step::Probe => p.probe_disk(),
            // The log comes first: nothing is acknowledged until it is well.
            Step::Rewrite if p.snapshots.saver.is_running() => {
                p.healing.probed = true;
                p.snapshots.saver.stop();
                p.snapshots.schedule();
            }
            Step::Rewrite => {
                self.log_line(
                    Level::Notice,
                    format_args!("The disk takes fsyncs again: the data goes to a new append only file."),
                );
                // A failure to start was counted and logged by the rewriter; the next probe comes in a second.
                let _started = self.fork_rewrite(Mode::Switch);
            }
        }
    }

    /// Takes the result of a job if it was the probe.
    pub(super) fn disk_probed(&mut self, completion: &Completion) -> bool {
        let healing = &mut self.persistence.healing;
        if healing.probe != Some(completion.id) {
            return false;
        }
        let told = healing.probed(completion.outcome.is_ok(), self.now.mono_ms());
        if let Err(error) = &completion.outcome {
            self.persistence.errors.count_background("probing the disk", error);
        }
        if let (true, Err(error)) = (told, &completion.outcome) {
            self.log_line(
                Level::Warning,
                format_args!(
                    "The disk still fails ({}): writes are refused until it takes an fsync again",
                    error_chain(error)
                ),
            );
        }
        true
    }
}

impl Persistence {
    /// Whether nothing more can be acknowledged on the file that is the log.
    pub(super) fn must_heal(&self) -> bool {
        self.is_on() && self.aof.needs_new_file()
    }

    fn probe_disk(&mut self) {
        let (dir, name) = (Arc::clone(&self.dir), self.log_name.clone());
        let job = move || -> io::Result<u64> { aof_state::probe_disk(&*dir, &name).map(|()| 0) };
        self.healing.probe = Some(self.bio.submit(Kind::DirFsync, Box::new(job)));
    }

    /// When `heal` wants a turn though nothing else happens; a completion wakes the loop by itself.
    pub(super) fn healing_wakeup_ms(&self) -> Option<u64> {
        let waits = self.must_heal() && self.healing.probe.is_none() && self.rewriter.may_start();
        waits.then_some(self.healing.not_before_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_a_second_until_one_succeeds_and_then_a_rewrite() {
        let mut healing = Healing::default();
        for second in 0..3 {
            let now_ms = 10_000 + second * 1_000;
            assert_eq!(healing.step(false, now_ms), Step::Probe);
            healing.probe = Some(JobId(second));
            assert_eq!(healing.step(false, now_ms + 400), Step::Wait, "one at a time");
            assert_eq!(healing.probed(false, now_ms), second == 0, "told once in thirty seconds");
            assert_eq!(healing.step(false, now_ms + 999), Step::Wait);
        }
        assert!(!healing.probed(true, 13_000));
        assert_eq!(healing.step(false, 13_000), Step::Rewrite);
    }

    #[test]
    fn a_rewrite_that_fails_is_tried_again_after_as_long_as_it_took() {
        for (took_ms, wait_ms) in [(10, RETRY_MS), (7_000, 7_000), (600_000, LONGEST_RETRY_MS)] {
            let mut healing = Healing::default();
            assert_eq!(healing.step(true, 5_000), Step::Wait);
            let ended_ms = 5_000 + took_ms;
            assert_eq!(healing.step(true, ended_ms), Step::Wait);
            assert_eq!(healing.step(false, ended_ms), Step::Wait);
            assert_eq!(healing.step(false, ended_ms + wait_ms - 1), Step::Wait);
            assert_eq!(healing.step(false, ended_ms + wait_ms), Step::Probe);
        }
    }
}
