//! What is handed in and handed back, and what each kind of job may do at once.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The kinds of jobs. Each kind has its own queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// write(2) to a log: one at a time, in order of submission.
    Write,
    /// fsync of a file for which somebody waits: several may overlap; their results are reported in order of submission.
    Fsync,
    /// fsync of a file that may have gigabytes to write back: one at a time. Of a kind of its own, since the result of an
    /// [`Fsync`](Self::Fsync) submitted behind it would have to wait for it.
    BulkFsync,
    /// Closing (and so possibly unlinking) a file: one at a time.
    Close,
    /// rename(2): one at a time, in order.
    Rename,
    /// fsync of a directory: one at a time, in order.
    DirFsync,
    /// Freeing memory off the loop: one at a time; nobody waits for it.
    LazyFree,
}

/// What a kind may do.
struct Row {
    kind: Kind,
    /// Name of its threads, as `top -H` shows it (at most 15 bytes).
    thread_name: &'static str,
    /// How many of its jobs may run at the same time, beside those that were released. They start in order of submission in any case.
    concurrency: usize,
}

/// The one table. More than one fsync at a time is what makes group commit deep enough under `always`: a second group
/// starts while the device still works on the first. Four is a choice, not a measurement: enough to keep a device busy, few
/// enough that a failing one does not hold a crowd of threads.
const TABLE: [Row; Kind::COUNT] = [
    Row { kind: Kind::Write, thread_name: "bio_write", concurrency: 1 },
    Row { kind: Kind::Fsync, thread_name: "bio_fsync", concurrency: 4 },
    Row { kind: Kind::BulkFsync, thread_name: "bio_bulk_fsync", concurrency: 1 },
    Row { kind: Kind::Close, thread_name: "bio_close", concurrency: 1 },
    Row { kind: Kind::Rename, thread_name: "bio_rename", concurrency: 1 },
    Row { kind: Kind::DirFsync, thread_name: "bio_dir_fsync", concurrency: 1 },
    Row { kind: Kind::LazyFree, thread_name: "bio_lazy_free", concurrency: 1 },
];

impl Kind {
    /// How many kinds there are.
    pub const COUNT: usize = 7;

    /// Every kind.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Write, Self::Fsync, Self::BulkFsync, Self::Close, Self::Rename, Self::DirFsync, Self::LazyFree];

    /// How many jobs of this kind may run at the same time.
    #[must_use]
    pub fn concurrency(self) -> usize {
        TABLE[self.index()].concurrency
    }

    /// Name of the threads that run it.
    #[must_use]
    pub fn thread_name(self) -> &'static str {
        TABLE[self.index()].thread_name
    }

    /// Position in arrays that hold something for each kind.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

// The table is indexed by the kind: the rows must stand in the order of the variants.
const _: () = {
    let mut at = 0;
    while at < Kind::COUNT {
        assert!(TABLE[at].kind as usize == at && Kind::ALL[at] as usize == at);
        assert!(TABLE[at].thread_name.len() <= 15 && TABLE[at].concurrency > 0);
        at += 1;
    }
};

/// Names one submitted job. Unique for the life of an executor, growing in order of submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// What a job returns: a byte count where that means something, else 0; or the error of the system call.
pub type Outcome = io::Result<u64>;

/// A job. Runs once, on whichever thread.
pub type Job = Box<dyn FnOnce() -> Outcome + Send>;

/// A finished job.
#[derive(Debug)]
pub struct Completion {
    /// Which job.
    pub id: JobId,
    /// Its kind.
    pub kind: Kind,
    /// Its result. A job that panicked is reported as an error of kind `Other` that holds [`JobPanicked`].
    pub outcome: Outcome,
}

/// The error inside the outcome of a job that panicked. The panic's message has gone to the panic hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a background job panicked")]
pub struct JobPanicked;

/// Takes jobs and hands back completions. Only the event loop's thread calls it.
pub trait Bio {
    /// Queues a job; never blocks.
    fn submit(&mut self, kind: Kind, job: Job) -> JobId;
    /// Moves what has finished into `out`, within each kind in order of submission, what was [released](Self::release) aside. Never
    /// blocks.
    fn poll(&mut self, out: &mut Vec<Completion>);
    /// Jobs of `kind` submitted and not yet handed back by `poll`.
    fn pending(&self, kind: Kind) -> usize;
    /// Lets go of job `id`, which is of a file that no longer counts, and may hang. It is handed out when it ends, whatever ended before.
    /// Nothing waits for it: no result of `kind`, no `drain`, not the end of the executor; nor does it keep a thread from other jobs. Never
    /// blocks; nothing happens if it has been handed out.
    fn release(&mut self, kind: Kind, id: JobId);
    /// Blocks until every job of `kind` submitted so far has run, what was [released](Self::release) aside; completions are still handed out by `poll`.
    /// For shutdown only: never called from a loop turn.
    fn drain(&mut self, kind: Kind);
}

/// Runs a job; a panic in it becomes an error.
pub(crate) fn run(job: Job) -> Outcome {
    // The job is gone after a panic and shares state with others only through what it captured, whose owner is told of the
    // failure by the outcome: nothing here is left half-changed.
    match catch_unwind(AssertUnwindSafe(job)) {
        Ok(outcome) => outcome,
        Err(payload) => {
            // A payload may panic when dropped, and this thread must live on.
            std::mem::forget(payload);
            Err(io::Error::other(JobPanicked))
        }
    }
}
