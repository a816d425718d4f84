//! The AOF buffer's part in the event loop: one write a turn, fsyncs by policy, and the results of both.
//!
//! Here plans meet system calls. What fails is recorded in its file, told once as a notice, and, if it is the log, handed
//! to the engine as a [`FailedFlush`].
//!
//! Invariant: one write is in flight at most, whichever files it goes to.

use std::io;
use std::sync::{Arc, OnceLock};

use aof_state::LogOffset;
use bio::{Bio, Completion, JobId, Kind, Meter};
use mutants::{Mutant, planted};

use crate::buffer::{AofBuffer, Gathering};
use crate::files::{Covered, FsyncInFlight, FsyncTicket, LogFile};
use crate::health::{AofError, FailedFlush, Failure};
use crate::notice::Notice;
use crate::plan::{
    AppendFsync, DELAYED_AFTER_MS, FsyncPlan, FsyncTerms, WriteInput, WritePlan, WriterBusy, is_complete, plan_fsync,
    plan_write,
};
use crate::timed::Timed;
use crate::writer::{FileId, Target, WriteFault, Written, flush_file, fsync_file};

/// The least time between two error lines, in milliseconds.
/// Source: `AOF_WRITE_LOG_ERROR_RATE` of Redis 4.0.
const ERROR_NOTICE_EVERY_MS: u64 = 30_000;

/// One turn of the event loop.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Monotonic time in milliseconds.
    pub mono_ms: u64,
    /// Write in the loop although an fsync runs.
    pub force: bool,
    /// One client alone waits and nothing else is ready: under `always` the loop may fsync itself.
    pub alone: bool,
}

impl Turn {
    /// An ordinary turn at `mono_ms`.
    pub fn at(mono_ms: u64) -> Self {
        Self { mono_ms, force: false, alone: false }
    }
}

/// What a flush did to each of its files, left by the job for whoever settles it.
type WriteTicket = Arc<OnceLock<Vec<Written>>>;

/// A write job.
pub(crate) struct Flight {
    id: JobId,
    batch: Arc<Vec<u8>>,
    batch_start: LogOffset,
    files: Vec<FileId>,
    ticket: WriteTicket,
    busy: WriterBusy,
}

impl AofBuffer {
    /// Writes everything pending, once, and starts the fsyncs that are due. Call it once a loop turn, after the commands
    /// and before replies leave.
    pub fn turn(&mut self, mut turn: Turn, bio: &mut dyn Bio) {
        debug_assert!(!self.feed.in_unit(), "what a flush writes as a whole ends with a unit");
        self.now_ms = turn.mono_ms;
        // The loop would wait for the disk that the fsync of a file given up has not come back from.
        turn.alone &= self.retired.is_empty();
        self.gather(turn);
        let fsync_running = bio.pending(Kind::Fsync) + bio.pending(Kind::BulkFsync) > 0;
        let plan = plan_write(WriteInput {
            unwritten: self.group_complete && self.write_due_ms().is_some_and(|due_ms| due_ms <= self.now_ms),
            writer: self.flight.as_ref().map(|flight| flight.busy),
            fsync_running,
            force: turn.force,
            now_ms: self.now_ms,
        });
        match plan {
            WritePlan::Nothing | WritePlan::Wait { delayed: false } => {}
            WritePlan::Wait { delayed: true } => self.count_delayed(),
            WritePlan::InLoop => self.write_in_loop(false, fsync_running),
            WritePlan::InThread => self.submit_write(bio),
        }
        self.start_fsyncs(turn.alone, bio);
    }

    /// Judges whether what was fed so far is a complete group. Only `always` has groups: elsewhere everything is, always.
    fn gather(&mut self, turn: Turn) {
        let end = self.pending.end();
        let fed = std::mem::replace(&mut self.turn_end, end) < end;
        if !self.files().any(|file| file.gathers(end)) || self.effective_policy() != AppendFsync::Always {
            self.forget_group();
            return;
        }
        // Once an fsync has started for what was there when a group began, another one gathers.
        let same = self.gathering.filter(|group| self.files().any(|file| file.gathers(group.begun_at)));
        let group = same.unwrap_or(Gathering { begun_at: end, since_ms: self.now_ms });
        self.gathering = Some(group);
        let waited_ms = self.now_ms.saturating_sub(group.since_ms);
        let is_complete = |file: &LogFile| file.fsync_failed() || is_complete(file.group_input(end, fed, waited_ms));
        let complete = self.files().filter(|file| file.gathers(end)).any(is_complete);
        self.group_complete = turn.alone || turn.force || complete;
    }

    /// Takes the result of a job, if it is one of ours; returns whether it is. Call [`turn`](Self::turn) after the
    /// completions of a loop turn.
    pub fn complete(&mut self, completion: &Completion, mono_ms: u64) -> bool {
        let id = completion.id;
        self.now_ms = mono_ms;
        if let Some(at) = self.orphans.iter().position(|orphan| *orphan == id) {
            self.orphans.swap_remove(at);
            return true;
        }
        if let Some(at) = self.retired.iter().position(|retired| *retired == id) {
            self.retired.swap_remove(at);
            if let Err(error) = &completion.outcome {
                self.retired_fsync_failed(Arc::new(copy_of(error)));
            }
            return true;
        }
        if let Some(flight) = self.flight.take_if(|flight| flight.id == id) {
            self.settle_write(flight, completion.outcome.as_ref().err());
            return true;
        }
        let Some(fsync) = self.take_fsync(Some(id)) else { return false };
        self.settle_fsync(fsync, completion.outcome.as_ref().err());
        true
    }

    /// When [`turn`](Self::turn) must be called again even if nothing else happens, in monotonic milliseconds. Completions
    /// must wake the loop by themselves. A time in the past means now.
    pub fn next_wakeup_ms(&self) -> Option<u64> {
        let write_ms = match &self.flight {
            // The end of an fsync in flight wakes the loop; with none, a turn that brings nothing more completes the group.
            None if !self.group_complete => {
                self.files().all(|file| file.fsyncs_in_flight().is_empty()).then_some(self.now_ms)
            }
            None => self.write_due_ms(),
            Some(flight) if flight.busy.counted => None,
            Some(flight) => Some(flight.busy.since_ms.saturating_add(DELAYED_AFTER_MS)),
        };
        let terms = self.fsync_terms(false);
        let fsync_ms = self.files().filter_map(|file| match plan_fsync(file.fsync_input(terms)) {
            FsyncPlan::Nothing => None,
            FsyncPlan::InLoop | FsyncPlan::InBio => Some(self.now_ms),
            FsyncPlan::At { mono_ms } => Some(mono_ms),
        });
        write_ms.into_iter().chain(fsync_ms).min()
    }

    /// Writes and fsyncs everything before it returns: for SHUTDOWN and `appendonly no`, under every policy. A rewrite is
    /// ended before; with a mirror attached both files count.
    ///
    /// # Errors
    /// The first failure, now or earlier. What was not written stays in the buffer, and the server may go on.
    pub fn flush_and_fsync_blocking(&mut self, bio: &mut dyn Bio) -> Result<(), AofError> {
        debug_assert!(!self.feed.in_unit(), "what a flush writes as a whole ends with a unit");
        bio.drain(Kind::Write);
        if let Some(flight) = self.flight.take() {
            self.orphans.push(flight.id);
            self.settle_write(flight, None);
        }
        bio.drain(Kind::Fsync);
        while let Some(fsync) = self.take_fsync(None) {
            self.orphans.push(fsync.1.id);
            self.settle_fsync(fsync, None);
        }
        self.write_in_loop(true, bio.pending(Kind::BulkFsync) > 0);
        self.forget_group();
        let ids: Vec<FileId> = self.files().map(LogFile::id).collect();
        for id in ids {
            self.fsync_in_loop(id);
        }
        self.files().find_map(LogFile::failure).map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Takes an fsync in flight, that of job `id` if given, with its file.
    fn take_fsync(&mut self, id: Option<JobId>) -> Option<(FileId, FsyncInFlight)> {
        self.files_mut().find_map(|file| Some((file.id(), file.take_fsync(id)?)))
    }

    /// When the first file that lacks bytes may be written.
    fn write_due_ms(&self) -> Option<u64> {
        let end = self.pending.end();
        self.files().filter_map(|file| file.write_due_ms(end)).min()
    }

    /// The files that are written now. `anyway`: also those that wait after an error.
    fn targets(&self, anyway: bool) -> Vec<Target> {
        let (start, end) = (self.pending.start(), self.pending.end());
        self.files()
            .filter(|file| file.write_due_ms(end).is_some_and(|due_ms| anyway || due_ms <= self.now_ms))
            .map(|file| file.target(start))
            .collect()
    }

    fn write_in_loop(&mut self, anyway: bool, beside_fsync: bool) {
        debug_assert!(self.flight.is_none(), "one write at a time");
        for target in self.targets(anyway) {
            let flush = || flush_file(&target, self.pending.bytes());
            let written = self.timings.meter().time(Timed::Write { beside_fsync }, flush);
            self.take_written(&written);
        }
        self.trim();
    }

    fn submit_write(&mut self, bio: &mut dyn Bio) {
        debug_assert!(self.flight.is_none(), "one write at a time");
        let targets = self.targets(false);
        let files = targets.iter().map(|target| target.id).collect();
        let batch_start = self.pending.start();
        let batch = Arc::new(self.pending.lend());
        let ticket = WriteTicket::default();
        let job = {
            let (batch, ticket, meter) = (Arc::clone(&batch), Arc::clone(&ticket), self.timings.meter().clone());
            Box::new(move || {
                // Only an fsync in flight brings a write here.
                let event = Timed::Write { beside_fsync: true };
                let flush = |target| meter.time(event, || flush_file(target, &batch));
                let written: Vec<Written> = targets.iter().map(flush).collect();
                drop(batch);
                let total_bytes = written.iter().map(|w| w.written_bytes).sum();
                ticket.set(written).expect("a job runs once");
                Ok(total_bytes)
            })
        };
        let id = bio.submit(Kind::Write, job);
        let busy = WriterBusy { since_ms: self.now_ms, counted: false };
        self.flight = Some(Flight { id, batch, batch_start, files, ticket, busy });
    }

    fn count_delayed(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.busy.counted = true;
            self.delayed_fsync += 1;
            self.notices.push(Notice::FsyncTooSlow);
        }
    }

    /// Takes what a write job did. Without a result (it panicked) nothing is known of the files' tails but that they are
    /// not to be relied on.
    fn settle_write(&mut self, flight: Flight, error: Option<&io::Error>) {
        match flight.ticket.get() {
            Some(results) => {
                for written in results {
                    self.take_written(written);
                }
            }
            None => {
                let error = Arc::new(lost_job(error));
                for id in &flight.files {
                    if let Some(file) = self.files_mut().find(|file| file.id() == *id) {
                        file.doubt_tail();
                    }
                    let fault = Some(WriteFault { error: Arc::clone(&error), short: None, cut_error: None });
                    self.take_written(&Written { id: *id, written_bytes: 0, fault });
                }
            }
        }
        let batch = Arc::try_unwrap(flight.batch).unwrap_or_else(|shared| shared.to_vec());
        // Not `marks()`: bytes lent out are not counted in `pending` while it says where the stream ends without a file.
        let written = self.files().map(LogFile::written).min().unwrap_or(self.pending.end());
        self.pending.give_back(flight.batch_start, batch, written);
    }

    /// Records the result of one file's flush. A file that was retired meanwhile is no longer ours.
    fn take_written(&mut self, written: &Written) {
        let now_ms = self.now_ms;
        if let Some(fault) = &written.fault {
            let all = std::iter::once(&fault.error).chain(&fault.cut_error);
            self.errors.extend(all.map(|error| Failure::Write(Arc::clone(error))));
        }
        let Some(file) = self.files_mut().find(|file| file.id() == written.id) else { return };
        let solved = file.wrote(written, now_ms);
        // The mirror's failures are the rewriter's to report and to act on.
        if !self.is_log(written.id) {
            return;
        }
        if solved {
            self.notices.push(Notice::WriteErrorSolved);
        }
        if let Some(fault) = &written.fault {
            self.log_write_failed(fault);
        }
    }

    pub(crate) fn log_write_failed(&mut self, fault: &WriteFault) {
        let quiet = self
            .last_error_notice_ms
            .is_some_and(|last_ms| self.now_ms.saturating_sub(last_ms) < ERROR_NOTICE_EVERY_MS);
        if !quiet {
            self.last_error_notice_ms = Some(self.now_ms);
            self.notices.push(match fault.short {
                Some((nwritten_bytes, expected_bytes)) => Notice::ShortWrite { nwritten_bytes, expected_bytes },
                None => Notice::WriteError { error: Arc::clone(&fault.error) },
            });
            self.notices.extend(fault.cut_error.clone().map(|error| Notice::CutFailed { error }));
        }
        self.log_failed(Failure::Write(Arc::clone(&fault.error)));
    }

    /// Records a failed fsync of the log, or what counts as one.
    pub(crate) fn log_fsync_failed(&mut self, error: Arc<io::Error>) {
        let now_ms = self.now_ms;
        let Some(log) = &mut self.log else { return };
        let first = !log.fsync_failed();
        log.fail_fsync(Arc::clone(&error), now_ms);
        if !first {
            return;
        }
        self.report_failed_fsync(error);
    }

    /// Records that an fsync of a file failed that nothing depends on any more.
    fn retired_fsync_failed(&mut self, error: Arc<io::Error>) {
        self.errors.push(Failure::Fsync(Arc::clone(&error)));
        self.notices.push(Notice::RetiredFsyncError { error });
    }

    pub(crate) fn report_failed_fsync(&mut self, error: Arc<io::Error>) {
        self.notices.push(Notice::FsyncError { error: Arc::clone(&error) });
        self.log_failed(Failure::Fsync(error));
    }

    /// Fails everything held.
    fn log_failed(&mut self, failure: Failure) {
        self.failed = Some(FailedFlush { upto: self.pending.end(), failure });
    }

    fn is_log(&self, id: FileId) -> bool {
        self.log.as_ref().is_some_and(|log| log.id() == id)
    }

    /// What the decisions on fsyncs have in common at present.
    fn fsync_terms(&self, alone: bool) -> FsyncTerms {
        FsyncTerms {
            policy: self.effective_policy(),
            held: self.fsync_held,
            wanted: self.fsync_wanted,
            alone,
            complete: self.group_complete,
            now_ms: self.now_ms,
        }
    }

    fn start_fsyncs(&mut self, alone: bool, bio: &mut dyn Bio) {
        let (terms, now_ms) = (self.fsync_terms(alone), self.now_ms);
        let meter = self.fsync_meter();
        let mut in_loop = Vec::new();
        for file in self.files_mut() {
            match plan_fsync(file.fsync_input(terms)) {
                FsyncPlan::Nothing | FsyncPlan::At { .. } => {}
                FsyncPlan::InLoop => in_loop.push(file.id()),
                FsyncPlan::InBio => submit_fsync(file, now_ms, meter.clone(), bio),
            }
        }
        for id in in_loop {
            self.fsync_in_loop(id);
        }
    }

    /// What measures fsyncs: under `always` alone, where replies wait for them.
    fn fsync_meter(&self) -> Meter<Timed> {
        if self.effective_policy() == AppendFsync::Always { self.timings.meter().clone() } else { Meter::off() }
    }

    /// fsyncs one file here and now, unless there is nothing to fsync or nothing to be gained by it.
    fn fsync_in_loop(&mut self, id: FileId) {
        let (now_ms, meter) = (self.now_ms, self.fsync_meter());
        let Some(file) = self.files_mut().find(|file| file.id() == id) else { return };
        if file.fsync_failed() || file.fsynced() == file.written() {
            return;
        }
        let description = Arc::clone(file.free_description().1);
        let covered = file.start_fsync(now_ms);
        let result = meter.time(Timed::FsyncAlways, || fsync_file(&*description));
        self.take_fsynced(id, covered, result);
    }

    fn settle_fsync(&mut self, (id, fsync): (FileId, FsyncInFlight), error: Option<&io::Error>) {
        let result = fsync.ticket.get().cloned().unwrap_or_else(|| Err(Arc::new(lost_job(error))));
        self.take_fsynced(id, fsync.covered, result);
    }

    fn take_fsynced(&mut self, id: FileId, covered: Covered, result: Result<(), Arc<io::Error>>) {
        let now_ms = self.now_ms;
        let result = if planted(Mutant::FsyncErrorIgnored) { Ok(()) } else { result };
        self.errors.extend(result.as_ref().err().map(|error| Failure::Fsync(Arc::clone(error))));
        match result {
            Err(error) if self.is_log(id) => self.log_fsync_failed(error),
            result => {
                if let Some(file) = self.files_mut().find(|file| file.id() == id) {
                    file.take_fsynced(covered, result, now_ms);
                }
            }
        }
        if self.always_until.is_some_and(|until| self.marks().fsynced >= until) {
            self.always_until = None;
        }
    }
}

fn submit_fsync(file: &mut LogFile, now_ms: u64, meter: Meter<Timed>, bio: &mut dyn Bio) {
    let (slot, description) = file.free_description();
    let description = Arc::clone(description);
    let covered = file.start_fsync(now_ms);
    let ticket = FsyncTicket::default();
    let job = {
        let ticket = Arc::clone(&ticket);
        Box::new(move || {
            let result = meter.time(Timed::FsyncAlways, || fsync_file(&*description));
            let outcome = match &result {
                Ok(()) => Ok(0),
                Err(error) => Err(copy_of(error)),
            };
            ticket.set(result).expect("a job runs once");
            outcome
        })
    };
    let id = bio.submit(Kind::Fsync, job);
    file.fsync_submitted(FsyncInFlight { id, slot, covered, ticket });
}

/// The error of a job that left no result.
fn lost_job(error: Option<&io::Error>) -> io::Error {
    error.map_or_else(|| io::Error::other("the background job did not end"), copy_of)
}

fn copy_of(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}
