//! The AOF buffer: what it is made of, how it is opened and fed, and what it reports.
//!
//! It joins the unwritten bytes (`pending`), one or two files, the rewrite buffer and the failures. `turn.rs` is its part
//! in the event loop, `switch.rs` its part in a rewrite.
//!
//! Invariant: `pending` holds every byte from the least `written` of its files on, so that any file can still be brought
//! up to the end of the stream; with no file it holds nothing.

use std::sync::Arc;

use aof_state::{LogOffset, Marks};
use bio::{Bio, Clock, JobId, Kind, Timing, Timings};
use mutants::{Mutant, planted};
use resp_codec::{Args, Effect, Effects};
use vfs::File;

use crate::diff::Diff;
use crate::feed::{EXEC, Feed, MULTI};
use crate::files::LogFile;
use crate::health::{FailedFlush, Failure, Health};
use crate::notice::Notice;
use crate::pending::Pending;
use crate::plan::AppendFsync;
use crate::timed::Timed;
use crate::turn::Flight;
use crate::writer::FileId;

/// How an [`AofBuffer`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The policy to begin with.
    pub policy: AppendFsync,
}

impl Default for Options {
    fn default() -> Self {
        Self { policy: AppendFsync::EverySec }
    }
}

/// For INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// `aof_current_size`: the log file's size. 0 without one.
    pub current_size_bytes: u64,
    /// `aof_base_size`: its size when it was opened or last switched to.
    pub base_size_bytes: u64,
    /// `aof_buffer_length`: bytes fed and not yet written.
    pub buffer_length_bytes: u64,
    /// `aof_rewrite_buffer_length`: bytes in the rewrite buffer.
    pub rewrite_buffer_length_bytes: u64,
    /// `aof_pending_bio_fsync`: fsyncs of ours in flight.
    pub pending_bio_fsync: u64,
    /// `aof_delayed_fsync`: flushes that waited 2 s or longer.
    pub delayed_fsync: u64,
    /// `aof_last_write_status`: whether the last write to the log succeeded.
    pub last_write_ok: bool,
    /// `aof_effective_fsync`: the policy that fsyncs follow at present.
    pub effective_fsync: AppendFsync,
}

/// A group of `always` that is not yet complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gathering {
    /// The end of the stream when it was first seen.
    pub(crate) begun_at: LogOffset,
    /// When that was, monotonic.
    pub(crate) since_ms: u64,
}

/// The AOF buffer. See the crate's documentation.
pub struct AofBuffer {
    pub(crate) feed: Feed,
    pub(crate) pending: Pending,
    pub(crate) log: Option<LogFile>,
    pub(crate) mirror: Option<LogFile>,
    pub(crate) diff: Option<Diff>,
    pub(crate) flight: Option<Flight>,
    /// Jobs in flight whose result was read without the completion.
    pub(crate) orphans: Vec<JobId>,
    /// fsyncs in flight of files that are no longer ours: an error counts, and changes nothing.
    pub(crate) retired: Vec<JobId>,
    pub(crate) policy: AppendFsync,
    /// After `always` was given up: until this is fsynced, everything is judged by it.
    pub(crate) always_until: Option<LogOffset>,
    /// `no-appendfsync-on-rewrite`, while a child does I/O.
    pub(crate) fsync_held: bool,
    /// Somebody waits until this is fsynced, whatever the policy.
    pub(crate) fsync_wanted: LogOffset,
    pub(crate) failed: Option<FailedFlush>,
    pub(crate) errors: Vec<Failure>,
    /// What [`durable`](Self::durable) was when the log was last switched.
    pub(crate) durable_before_switch: Option<LogOffset>,
    /// The log's name may not outlive a power cut: no more counts as fsynced than did before it got that name.
    pub(crate) name_in_doubt: bool,
    pub(crate) notices: Vec<Notice>,
    pub(crate) last_error_notice_ms: Option<u64>,
    pub(crate) timings: Timings<Timed>,
    pub(crate) delayed_fsync: u64,
    pub(crate) base_size_bytes: u64,
    /// The end of the stream at the last turn.
    pub(crate) turn_end: LogOffset,
    /// The group that gathers under `always`, if one does.
    pub(crate) gathering: Option<Gathering>,
    /// Whether that group is complete, as of the last turn: see [`crate::plan::is_complete`].
    pub(crate) group_complete: bool,
    pub(crate) now_ms: u64,
    next_file: u64,
}

impl AofBuffer {
    /// A buffer without a file: what is fed goes nowhere but to the rewrite buffer, if there is one.
    pub fn new(options: Options) -> Self {
        Self {
            feed: Feed::default(),
            pending: Pending::default(),
            log: None,
            mirror: None,
            diff: None,
            flight: None,
            orphans: Vec::new(),
            retired: Vec::new(),
            policy: options.policy,
            always_until: None,
            fsync_held: false,
            fsync_wanted: LogOffset(0),
            failed: None,
            errors: Vec::new(),
            durable_before_switch: None,
            name_in_doubt: false,
            notices: Vec::new(),
            last_error_notice_ms: None,
            timings: Timings::default(),
            delayed_fsync: 0,
            base_size_bytes: 0,
            turn_end: LogOffset(0),
            gathering: None,
            group_complete: true,
            now_ms: 0,
            next_file: 0,
        }
    }

    /// Lets the stream go on at `offset`, instead of 0, for a server whose offsets outlive it.
    ///
    /// # Panics
    /// If anything was opened or fed before.
    pub fn preload_offset(&mut self, offset: LogOffset) {
        assert!(!self.has_file() && self.pending.end() == LogOffset(0), "offsets are preloaded before the first byte");
        self.pending.restart_at(offset);
    }

    /// Makes `file`, which ends after `size_bytes` proven and durable bytes, the log. Everything fed from now on is
    /// appended to it, a `SELECT` first.
    ///
    /// # Panics
    /// If there is a log or a mirror, or a unit is open.
    pub fn open(&mut self, file: Arc<dyn File>, size_bytes: u64) {
        assert!(!self.has_file(), "one log at a time; its successor comes by attach and promote");
        self.feed.forget_db();
        self.log = Some(self.new_file(file, size_bytes));
        self.base_size_bytes = size_bytes;
    }

    /// Gives up the log and drops what was not written: call [`flush_and_fsync_blocking`] first, and close only if it
    /// succeeded. The file is for a bio thread to close. Without a file all marks stand at the end of the stream.
    ///
    /// # Panics
    /// If a mirror is attached: a rewrite is ended before.
    ///
    /// [`flush_and_fsync_blocking`]: Self::flush_and_fsync_blocking
    pub fn close(&mut self) -> Option<Arc<dyn File>> {
        assert!(self.mirror.is_none(), "the rewrite is ended before its log is closed");
        let log = self.log.take()?;
        self.always_until = None;
        self.forget_group();
        self.name_in_doubt = false;
        self.base_size_bytes = 0;
        Some(self.retire(log))
    }

    /// Whether there is a log.
    pub fn is_open(&self) -> bool {
        self.log.is_some()
    }

    /// Appends one effect, after a `SELECT` if its database differs from the last. Returns the end of the stream: a reply
    /// may leave when [`reply_mark`](Self::reply_mark) has reached it.
    pub fn feed(&mut self, effect: Effect<'_>) -> LogOffset {
        debug_assert!(effect.command.starts_with(b"*") && effect.command.ends_with(b"\r\n"), "a canonical command");
        if self.has_file() || self.diff.is_some() {
            if let Some(select) = self.feed.select(effect.db) {
                self.put(select.bytes());
            }
            if self.feed.multi() {
                self.put(MULTI);
            }
            self.put(effect.command);
        }
        self.pending.end()
    }

    /// Begins a unit: what is fed until [`end_unit`](Self::end_unit) is replayed as a whole or not at all. No turn may
    /// come in between. For a transaction, whose commands are fed one by one.
    ///
    /// # Panics
    /// Inside a unit.
    pub fn begin_unit(&mut self) {
        self.feed.begin_unit();
    }

    /// Ends a unit; one in which nothing was fed leaves no trace. Returns the end of the stream.
    ///
    /// # Panics
    /// Outside of a unit.
    pub fn end_unit(&mut self) -> LogOffset {
        if self.feed.end_unit() {
            self.put(EXEC);
        }
        self.pending.end()
    }

    /// Appends the effects of one command, as a unit if there are several. Inside a unit they become part of it.
    /// `request` is what verbatim effects stand for. Returns the end of the stream.
    pub fn feed_effects(&mut self, effects: &Effects, request: &Args<'_>) -> LogOffset {
        let unit = effects.len() > 1 && !self.feed.in_unit();
        if unit {
            self.begin_unit();
        }
        effects.for_each(request, |effect| {
            self.feed(effect);
        });
        if unit {
            self.end_unit();
        }
        self.pending.end()
    }

    /// As [`feed_effects`](Self::feed_effects), for effects that stand by themselves, such as the keys of an expiry cycle.
    pub fn feed_unit<'e>(&mut self, effects: impl ExactSizeIterator<Item = Effect<'e>>) -> LogOffset {
        let unit = effects.len() > 1 && !self.feed.in_unit();
        if unit {
            self.begin_unit();
        }
        for effect in effects {
            self.feed(effect);
        }
        if unit {
            self.end_unit();
        }
        self.pending.end()
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.has_file() {
            self.pending.push(bytes);
        }
        if let Some(diff) = &mut self.diff
            && !planted(Mutant::DiffDropped)
        {
            diff.push(bytes, &mut self.notices);
        }
    }

    /// The policy configured.
    pub fn policy(&self) -> AppendFsync {
        self.policy
    }

    /// Changes the policy. Nothing is lost by it, and [`reply_mark`](Self::reply_mark) judges by the stricter of the old
    /// and the new one until all bytes fed so far have passed: giving up `always` takes effect when they are fsynced.
    pub fn set_policy(&mut self, policy: AppendFsync) {
        let leaves_always = self.policy == AppendFsync::Always && policy != AppendFsync::Always;
        if leaves_always && !planted(Mutant::AlwaysLeftEarly) {
            self.always_until = Some(self.pending.end());
        }
        self.policy = policy;
    }

    /// Says whether, by `no-appendfsync-on-rewrite`, a child's I/O holds back fsyncs. `always` stays `always`.
    pub fn set_fsync_held(&mut self, held: bool) {
        self.fsync_held = held;
    }

    /// Says that somebody waits until everything up to `upto` is fsynced: also where the policy fsyncs nothing by itself, the
    /// next turn begins an fsync, unless one in flight covers it. Under `everysec` it keeps to its second.
    pub fn want_fsync(&mut self, upto: LogOffset) {
        self.fsync_wanted = self.fsync_wanted.max(upto);
    }

    /// The policy that replies and fsyncs follow: `always` also while bytes fed under it are not fsynced.
    pub(crate) fn effective_policy(&self) -> AppendFsync {
        let draining = self.always_until.is_some_and(|until| self.marks().fsynced < until);
        if draining { AppendFsync::Always } else { self.policy }
    }

    /// How far the log has come; with two files, the lesser of both. Without a file nothing is promised, and all marks
    /// stand at the end of the stream.
    pub fn marks(&self) -> Marks {
        Marks { appended: self.pending.end(), written: self.written(), fsynced: self.fsynced() }
    }

    fn written(&self) -> LogOffset {
        self.files().map(LogFile::written).min().unwrap_or(self.pending.end())
    }

    fn fsynced(&self) -> LogOffset {
        if planted(Mutant::OneFileCounts) {
            return self.files().map(LogFile::fsynced).max().unwrap_or(self.pending.end());
        }
        let fsynced = self.files().map(LogFile::fsynced).min().unwrap_or(self.pending.end());
        if self.name_in_doubt { fsynced.min(self.durable_before_switch.unwrap_or_default()) } else { fsynced }
    }

    /// Up to where a power cut takes nothing, whatever the policy. `None` where there is nothing that it would surely leave: no
    /// log, or the first one, whose name may not last.
    pub fn durable(&self) -> Option<LogOffset> {
        self.log.as_ref()?;
        if self.name_in_doubt {
            self.durable_before_switch?;
        }
        Some(self.fsynced())
    }

    /// The offset up to which replies may leave: `fsynced` under `always`, else `written`. It stands still while the log
    /// has a failed fsync.
    pub fn reply_mark(&self) -> LogOffset {
        let mark = match self.effective_policy() {
            AppendFsync::Always if planted(Mutant::AckBeforeFsync) => self.written(),
            AppendFsync::EverySec | AppendFsync::No if planted(Mutant::AckBeforeWrite) => self.pending.end(),
            AppendFsync::Always => self.fsynced(),
            AppendFsync::EverySec | AppendFsync::No => self.written(),
        };
        self.files().filter_map(LogFile::ack_limit).fold(mark, LogOffset::min)
    }

    /// The state of the log. In every state but [`Health::Ok`] the engine refuses write commands.
    pub fn health(&self) -> Health {
        self.log.as_ref().map_or(Health::Ok, LogFile::health)
    }

    /// Whether an fsync of the log has failed: nothing more is acknowledged until another file is the log.
    pub fn needs_new_file(&self) -> bool {
        self.log.as_ref().is_some_and(LogFile::fsync_failed)
    }

    /// The last failure not yet taken: up to its offset held replies become errors.
    pub fn take_failed(&mut self) -> Option<FailedFlush> {
        self.failed.take()
    }

    /// Every system call on a file that failed since the last call, whichever file and whichever thread: for INFO. What it
    /// means for the log is told elsewhere.
    pub fn take_errors(&mut self) -> Vec<Failure> {
        std::mem::take(&mut self.errors)
    }

    /// What the log should say since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// From now on measures writes and the fsyncs of `always`, and keeps those that take `at_least_ms`. Without a clock, or
    /// at 0, nothing is measured.
    pub fn measure(&mut self, clock: Option<Clock>, at_least_ms: u64) {
        self.timings.measure(clock, at_least_ms);
    }

    /// The calls that took long and ended since the last time.
    pub fn take_timings(&self) -> impl Iterator<Item = Timing<Timed>> + '_ {
        self.timings.take()
    }

    /// Bytes fed and not yet written to every file. Beyond 256 MB the engine stops reading clients that write.
    pub fn backlog_bytes(&self) -> u64 {
        self.pending.end().0 - self.written().0
    }

    /// How much of the log file is proven durable, in bytes from its beginning: for the state file. It ends with a unit: of one that
    /// was written in part and could not be cut off, nothing is in it until the rest is fsynced too.
    pub fn proven_size_bytes(&self) -> Option<u64> {
        self.log.as_ref().map(LogFile::proven_size_bytes)
    }

    /// For INFO.
    pub fn stats(&self) -> Stats {
        let effective = self.effective_policy();
        let held = self.fsync_held && effective == AppendFsync::EverySec;
        Stats {
            current_size_bytes: self.log.as_ref().map_or(0, LogFile::size_bytes),
            base_size_bytes: self.base_size_bytes,
            buffer_length_bytes: self.backlog_bytes(),
            rewrite_buffer_length_bytes: self.diff_len(),
            pending_bio_fsync: self.files().map(|file| file.fsyncs_in_flight().len() as u64).sum(),
            delayed_fsync: self.delayed_fsync,
            last_write_ok: !self.log.as_ref().is_some_and(LogFile::write_failed),
            effective_fsync: if held { AppendFsync::No } else { effective },
        }
    }

    /// Sets `aof_delayed_fsync` back to 0, for CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.delayed_fsync = 0;
    }

    /// Whether a write is with the writer thread.
    pub fn write_in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// How far the log's own file alone is fsynced, a mirror left aside; the appended mark while no file is open.
    pub fn log_fsynced(&self) -> LogOffset {
        self.log.as_ref().map_or(self.pending.end(), LogFile::fsynced)
    }

    /// Nothing gathers any more.
    pub(crate) fn forget_group(&mut self) {
        (self.gathering, self.group_complete) = (None, true);
    }

    pub(crate) fn has_file(&self) -> bool {
        self.log.is_some() || self.mirror.is_some()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &LogFile> {
        self.log.iter().chain(&self.mirror)
    }

    pub(crate) fn files_mut(&mut self) -> impl Iterator<Item = &mut LogFile> {
        self.log.iter_mut().chain(&mut self.mirror)
    }

    /// A file that goes on with the stream at its present end.
    pub(crate) fn new_file(&mut self, file: Arc<dyn File>, size_bytes: u64) -> LogFile {
        self.next_file += 1;
        LogFile::new(FileId(self.next_file), file, size_bytes, self.pending.end())
    }

    /// Lets go of a file: its fsyncs in flight no longer matter, nor do bytes that only it lacked.
    pub(crate) fn retire(&mut self, file: LogFile) -> Arc<dyn File> {
        self.retired.extend(file.fsyncs_in_flight().iter().map(|fsync| fsync.id));
        // With a write in flight, `pending` is trimmed when it ends.
        if self.flight.is_none() {
            self.trim();
        }
        file.into_file()
    }

    /// Lets no acknowledgement wait for the fsyncs of files that are no longer ours. To be called after a mirror was promoted or
    /// detached.
    pub fn release_retired(&self, bio: &mut dyn Bio) {
        self.retired.iter().for_each(|id| bio.release(Kind::Fsync, *id));
    }

    /// Forgets what every file holds.
    pub(crate) fn trim(&mut self) {
        let written = self.marks().written;
        self.pending.consume_to(written);
    }
}
