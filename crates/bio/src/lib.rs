//! Background I/O: jobs by kind, with stated concurrency and result order; it does not know what the jobs mean.
//!
//! Two executors behind one trait: threads (real), and an inline one that runs jobs only when told to, in an order its
//! owner chooses (simulation).

use std::io;

/// The kinds of jobs. Each kind has its own queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// write(2) to a log: one at a time, in order of submission.
    Write,
    /// fsync of a file: several may overlap; their results are reported in order of submission.
    Fsync,
    /// Closing (and so possibly unlinking) a file: one at a time.
    Close,
    /// rename(2): one at a time, in order.
    Rename,
    /// fsync of a directory: one at a time, in order.
    DirFsync,
    /// Freeing memory off the loop: one at a time; nobody waits for it.
    LazyFree,
}

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
    /// Its result. A job that panicked is reported as an error of kind `Other`.
    pub outcome: Outcome,
}

/// Takes jobs and hands back completions. Only the event loop's thread calls it.
pub trait Bio {
    /// Queues a job; never blocks.
    fn submit(&mut self, kind: Kind, job: Job) -> JobId;
    /// Moves what has finished into `out`, within each kind in order of submission. Never blocks.
    fn poll(&mut self, out: &mut Vec<Completion>);
    /// Jobs of `kind` submitted and not yet handed back by `poll`.
    fn pending(&self, kind: Kind) -> usize;
    /// Blocks until every job of `kind` submitted so far has run; completions are still handed out by `poll`.
    /// For shutdown only: never called from a loop turn.
    fn drain(&mut self, kind: Kind);
}
