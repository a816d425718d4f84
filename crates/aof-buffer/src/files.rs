//! One log file: how far it is written and fsynced, and what failed on it.
//!
//! The state only; `writer.rs` makes the system calls and `plan.rs` decides on them.
//!
//! Invariants: `start <= proven <= fsynced <= written`; the file holds exactly the stream from `start` to `written` behind its
//! first `start_size_bytes`; after a failed fsync `fsynced` and `proven` never move again.

use std::io;
use std::sync::{Arc, OnceLock};

use aof_state::LogOffset;
use bio::JobId;
use mutants::{Mutant, planted};
use vfs::File;

use crate::health::{Failure, Health};
use crate::plan::{FsyncInput, FsyncTerms, GroupInput, RETRY_EVERY_MS};
use crate::writer::{FileId, Target, WriteFault, Written};

/// The result of an fsync, left by the job for whoever settles it: the completion, or a blocking flush.
pub(crate) type FsyncTicket = Arc<OnceLock<Result<(), Arc<io::Error>>>>;

/// How many fsyncs of one file may overlap.
const OVERLAPPING_FSYNCS: usize = 2;

/// What an fsync covers of a file, as of its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Covered {
    /// What was written.
    pub(crate) upto: LogOffset,
    /// The end of the last flush in it that was written as a whole.
    pub(crate) whole: LogOffset,
    /// How much of it no fsync before it covers.
    pub(crate) bytes: u64,
}

/// An fsync in a bio thread.
#[derive(Debug)]
pub(crate) struct FsyncInFlight {
    pub(crate) id: JobId,
    /// Which description it is of.
    pub(crate) slot: usize,
    pub(crate) covered: Covered,
    pub(crate) ticket: FsyncTicket,
}

/// A series of failed writes.
#[derive(Debug)]
struct WriteTrouble {
    error: Arc<io::Error>,
    since_ms: u64,
    retry_at_ms: u64,
}

/// A failed fsync.
#[derive(Debug)]
struct FsyncTrouble {
    error: Arc<io::Error>,
    since_ms: u64,
    /// What was written then: nothing after it is acknowledged on this file.
    written: LogOffset,
}

/// A file of the log.
pub(crate) struct LogFile {
    id: FileId,
    file: Arc<dyn File>,
    /// Further descriptions of the file, for fsyncs that overlap. They are opened with it, before anything is written to it:
    /// a description tells of the errors that arise after it was opened.
    descriptions: Vec<Arc<dyn File>>,
    start: LogOffset,
    start_size_bytes: u64,
    written: LogOffset,
    /// The end of the last flush that was written as a whole: behind it may be a part of one that could not be cut off.
    whole: LogOffset,
    fsynced: LogOffset,
    /// What was whole when an fsync started that succeeded.
    proven: LogOffset,
    /// The end of what the last fsync started covers, whatever came of it.
    fsync_started_upto: LogOffset,
    last_fsync_started_ms: Option<u64>,
    /// In order of their start, no two of one description.
    fsyncs: Vec<FsyncInFlight>,
    /// How many bytes the last one to end was the first to cover.
    last_group_bytes: u64,
    write_trouble: Option<WriteTrouble>,
    fsync_trouble: Option<FsyncTrouble>,
    /// A write job vanished: the file may hold more than is known.
    tail_unknown: bool,
}

impl LogFile {
    /// A file of `size_bytes` that goes on with the stream at `start`.
    pub(crate) fn new(id: FileId, file: Arc<dyn File>, size_bytes: u64, start: LogOffset) -> Self {
        // Where it cannot be opened again, one fsync at a time has to do.
        let descriptions = (0..OVERLAPPING_FSYNCS).map_while(|_| file.reopen().ok()).collect();
        Self {
            id,
            file,
            descriptions,
            start,
            start_size_bytes: size_bytes,
            written: start,
            whole: start,
            fsynced: start,
            proven: start,
            fsync_started_upto: start,
            last_fsync_started_ms: None,
            fsyncs: Vec::new(),
            last_group_bytes: 0,
            write_trouble: None,
            fsync_trouble: None,
            tail_unknown: false,
        }
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    pub(crate) fn written(&self) -> LogOffset {
        self.written
    }

    pub(crate) fn fsynced(&self) -> LogOffset {
        self.fsynced
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.position_bytes(self.written)
    }

    /// How much of the file is proven durable, in bytes from its beginning. It ends with a unit, unlike what is fsynced.
    pub(crate) fn proven_size_bytes(&self) -> u64 {
        if planted(Mutant::StateAhead) {
            return self.size_bytes();
        }
        self.position_bytes(self.proven)
    }

    fn position_bytes(&self, offset: LogOffset) -> u64 {
        self.start_size_bytes + (offset.0 - self.start.0)
    }

    pub(crate) fn fsyncs_in_flight(&self) -> &[FsyncInFlight] {
        &self.fsyncs
    }

    /// How far the last fsync in flight goes that is of the description the file is written by. Whoever fsyncs by that one
    /// as well may have its error taken.
    pub(crate) fn shared_fsync_upto(&self) -> Option<LogOffset> {
        if self.descriptions.is_empty() { self.fsyncs.last().map(|fsync| fsync.covered.upto) } else { None }
    }

    pub(crate) fn fsync_failed(&self) -> bool {
        self.fsync_trouble.is_some()
    }

    /// Beyond this offset nothing is acknowledged; `None` while no fsync failed.
    pub(crate) fn ack_limit(&self) -> Option<LogOffset> {
        self.fsync_trouble.as_ref().map(|trouble| trouble.written)
    }

    pub(crate) fn health(&self) -> Health {
        match (&self.fsync_trouble, &self.write_trouble) {
            (Some(t), _) => Health::FsyncFailed { error: Arc::clone(&t.error), since_ms: t.since_ms },
            (None, Some(t)) => Health::WriteError { error: Arc::clone(&t.error), since_ms: t.since_ms },
            (None, None) => Health::Ok,
        }
    }

    /// What stands against a durable end: an fsync that failed weighs more than a write that may be tried again.
    pub(crate) fn failure(&self) -> Option<Failure> {
        match (&self.fsync_trouble, &self.write_trouble) {
            (Some(t), _) => Some(Failure::Fsync(Arc::clone(&t.error))),
            (None, Some(t)) => Some(Failure::Write(Arc::clone(&t.error))),
            (None, None) => None,
        }
    }

    /// Whether the last write failed.
    pub(crate) fn write_failed(&self) -> bool {
        self.write_trouble.is_some()
    }

    /// When a file that lacks bytes up to `end` may be written: `None` if it lacks none, now unless a write failed lately.
    pub(crate) fn write_due_ms(&self, end: LogOffset) -> Option<u64> {
        (self.written < end).then(|| self.write_trouble.as_ref().map_or(0, |trouble| trouble.retry_at_ms))
    }

    /// This file's part in a flush of the batch that begins at `batch_start`.
    pub(crate) fn target(&self, batch_start: LogOffset) -> Target {
        let from = self.written.0.checked_sub(batch_start.0).expect("a batch begins where the slowest file ends");
        Target {
            id: self.id,
            file: Arc::clone(&self.file),
            from: usize::try_from(from).expect("the batch is in memory"),
            size_bytes: self.size_bytes(),
            cut_first: self.tail_unknown,
        }
    }

    /// Takes the result of a flush. Returns whether it ended a series of failed writes.
    pub(crate) fn wrote(&mut self, written: &Written, now_ms: u64) -> bool {
        debug_assert_eq!(written.id, self.id);
        self.written.0 += written.written_bytes;
        match &written.fault {
            Some(WriteFault { error, .. }) => {
                let since_ms = self.write_trouble.as_ref().map_or(now_ms, |trouble| trouble.since_ms);
                let retry_at_ms = now_ms.saturating_add(RETRY_EVERY_MS);
                self.write_trouble = Some(WriteTrouble { error: Arc::clone(error), since_ms, retry_at_ms });
                false
            }
            None => {
                // A batch ends with a unit.
                self.whole = self.written;
                self.tail_unknown = false;
                self.write_trouble.take().is_some()
            }
        }
    }

    /// A write job vanished without a result: what it left is cut off before the next write.
    pub(crate) fn doubt_tail(&mut self) {
        self.tail_unknown = true;
    }

    /// What the decision to fsync this file depends on.
    pub(crate) fn fsync_input(&self, all: FsyncTerms) -> FsyncInput {
        let FsyncTerms { policy, held, wanted, alone, complete, now_ms } = all;
        FsyncInput {
            policy,
            unsynced_bytes: self.written.0 - self.fsync_started_upto.0,
            running: !self.fsyncs.is_empty(),
            busy: self.free_slot().is_none(),
            complete,
            failed: self.fsync_trouble.is_some(),
            held,
            alone,
            wanted: self.fsync_started_upto < wanted,
            last_started_ms: self.last_fsync_started_ms,
            now_ms,
        }
    }

    /// What it depends on whether the group is complete that ends at `end`.
    pub(crate) fn group_input(&self, end: LogOffset, fed: bool, waited_ms: u64) -> GroupInput {
        GroupInput {
            group_bytes: end.0 - self.fsync_started_upto.0,
            in_flight_bytes: (!self.fsyncs.is_empty()).then(|| self.fsync_started_upto.0 - self.fsynced.0),
            last_bytes: self.last_group_bytes,
            fed,
            waited_ms,
        }
    }

    /// Whether bytes up to `end` wait for an fsync that has not started.
    pub(crate) fn gathers(&self, end: LogOffset) -> bool {
        self.fsync_started_upto < end
    }

    /// A description that no fsync in flight is of.
    fn free_slot(&self) -> Option<usize> {
        (0..self.descriptions.len().max(1)).find(|slot| self.fsyncs.iter().all(|fsync| fsync.slot != *slot))
    }

    /// The free description to fsync next, and its number.
    ///
    /// # Panics
    /// If none is free.
    pub(crate) fn free_description(&self) -> (usize, &Arc<dyn File>) {
        let slot = self.free_slot().expect("an fsync is planned only for a free description");
        (slot, self.descriptions.get(slot).unwrap_or(&self.file))
    }

    /// Notes that an fsync starts; returns what it covers.
    pub(crate) fn start_fsync(&mut self, now_ms: u64) -> Covered {
        debug_assert!(self.free_slot().is_some() && self.fsync_trouble.is_none());
        self.last_fsync_started_ms = Some(now_ms);
        let bytes = self.written.0 - self.fsync_started_upto.0;
        self.fsync_started_upto = self.written;
        Covered { upto: self.written, whole: self.whole, bytes }
    }

    pub(crate) fn fsync_submitted(&mut self, fsync: FsyncInFlight) {
        debug_assert!(self.fsyncs.iter().all(|other| other.slot != fsync.slot), "one fsync a description");
        self.fsyncs.push(fsync);
    }

    /// Takes an fsync in flight out: the one of job `id` if given, else the oldest.
    pub(crate) fn take_fsync(&mut self, id: Option<JobId>) -> Option<FsyncInFlight> {
        let at = self.fsyncs.iter().position(|fsync| id.is_none_or(|id| fsync.id == id))?;
        let fsync = self.fsyncs.remove(at);
        self.last_group_bytes = fsync.covered.bytes;
        Some(fsync)
    }

    /// Takes the result of an fsync.
    pub(crate) fn take_fsynced(&mut self, mut covered: Covered, result: Result<(), Arc<io::Error>>, now_ms: u64) {
        if planted(Mutant::FsyncCoversMore) {
            (covered.upto, covered.whole) = (self.written, self.whole);
        }
        match result {
            Ok(()) if self.fsync_trouble.is_none() => {
                self.fsynced = self.fsynced.max(covered.upto);
                self.proven = self.proven.max(covered.whole);
            }
            // A success after a failure only says that the kernel has forgotten the failure.
            Ok(()) => {}
            Err(error) => self.fail_fsync(error, now_ms),
        }
        debug_assert!(self.proven <= self.fsynced && self.fsynced <= self.written);
    }

    /// Nothing written from now on counts as fsynced. The first reason is kept.
    pub(crate) fn fail_fsync(&mut self, error: Arc<io::Error>, now_ms: u64) {
        let written = self.written;
        if planted(Mutant::FsyncTroubleForgotten) {
            return;
        }
        self.fsync_trouble.get_or_insert(FsyncTrouble { error, since_ms: now_ms, written });
    }

    /// Gives the file back.
    pub(crate) fn into_file(self) -> Arc<dyn File> {
        self.file
    }
}
