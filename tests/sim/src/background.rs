//! Background jobs that run when the schedule says so, and a record of when each fsync of a log was asked for and ended.
//!
//! The record is what the promise of `everysec` is measured by; nothing of the engine is asked for it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bio::{Bio, Completion, InlineBio, Job, JobId, Kind};

/// One fsync of a file, as the background saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FsyncRun {
    /// When it was asked for, monotonic milliseconds.
    pub start_ms: u64,
    /// When it succeeded. One that failed has proven nothing, and ends when the log is in another file.
    pub end_ms: Option<u64>,
    /// It failed.
    pub failed: bool,
}

/// An fsync whose end has not been told yet.
struct Untold {
    id: JobId,
    failed: Arc<AtomicBool>,
}

/// Background threads of a simulated process. A clone is the same set.
#[derive(Clone, Default)]
pub struct SimBio {
    jobs: Rc<RefCell<InlineBio>>,
    mono_ms: Arc<AtomicU64>,
    fsyncs: Arc<Mutex<Vec<FsyncRun>>>,
    untold: Rc<RefCell<Vec<Untold>>>,
}

impl SimBio {
    /// Whether an fsync has failed and nobody has been told: they are told of in order, so that one may wait for an earlier one to end.
    pub fn has_untold_failure(&self) -> bool {
        self.untold.borrow().iter().any(|untold| untold.failed.load(Ordering::Relaxed))
    }

    /// Sets the time at which jobs are asked for and end from now on.
    pub fn set_mono_ms(&self, mono_ms: u64) {
        self.mono_ms.store(mono_ms, Ordering::Relaxed);
    }

    /// Every fsync of a log asked for so far, in order.
    pub fn fsyncs(&self) -> Vec<FsyncRun> {
        locked(&self.fsyncs).clone()
    }

    /// Notes an fsync of the log that failed in the loop, at this time.
    pub fn failed_in_loop(&self, mono_ms: u64) {
        locked(&self.fsyncs).push(FsyncRun { start_ms: mono_ms, end_ms: None, failed: true });
    }

    /// The log is in another file, all of it durable: what failed before has ended.
    pub fn healed(&self, mono_ms: u64) {
        for run in locked(&self.fsyncs).iter_mut().filter(|run| run.failed) {
            run.end_ms.get_or_insert(mono_ms);
        }
    }

    /// Runs one job that threads might end next, of a kind that `allowed` lets run; false if there is none.
    pub fn run_one(&self, rng: &mut fastrand::Rng, allowed: impl Fn(Kind) -> bool) -> bool {
        let mut jobs = self.jobs.borrow_mut();
        let choices: Vec<(Kind, usize)> = Kind::ALL
            .into_iter()
            .filter(|&kind| allowed(kind))
            .flat_map(|kind| (0..jobs.runnable(kind)).map(move |nth| (kind, nth)))
            .collect();
        let Some(&(kind, nth)) = rng.choice(&choices) else { return false };
        jobs.run_nth(kind, nth)
    }

    /// Runs the oldest job of `kind`; false if there is none.
    pub fn run_next(&self, kind: Kind) -> bool {
        self.jobs.borrow_mut().run_next(kind)
    }

    /// Runs everything queued.
    pub fn run_all(&self) {
        self.jobs.borrow_mut().run_all();
    }

    /// Jobs of `kind` that wait to be run.
    pub fn runnable(&self, kind: Kind) -> usize {
        self.jobs.borrow().runnable(kind)
    }

    /// A job that does the same and records its end.
    fn recorded(&self, job: Job) -> Job {
        let mono_ms = Arc::clone(&self.mono_ms);
        let fsyncs = Arc::clone(&self.fsyncs);
        let nth = {
            let mut fsyncs = locked(&fsyncs);
            fsyncs.push(FsyncRun { start_ms: mono_ms.load(Ordering::Relaxed), end_ms: None, failed: false });
            fsyncs.len() - 1
        };
        Box::new(move || {
            let outcome = job();
            let run = &mut locked(&fsyncs)[nth];
            run.failed = outcome.is_err();
            if outcome.is_ok() {
                run.end_ms = Some(mono_ms.load(Ordering::Relaxed));
            }
            outcome
        })
    }

    /// The fsync of a directory proves nothing of a file, but one that fails counts as a failed fsync of the log.
    fn recorded_if_it_fails(&self, job: Job) -> Job {
        let fsyncs = Arc::clone(&self.fsyncs);
        let start_ms = self.mono_ms.load(Ordering::Relaxed);
        Box::new(move || {
            let outcome = job();
            if outcome.is_err() {
                locked(&fsyncs).push(FsyncRun { start_ms, end_ms: None, failed: true });
            }
            outcome
        })
    }
}

/// A job that does the same and notes whether it failed.
fn noting_failure(job: Job, failed: Arc<AtomicBool>) -> Job {
    Box::new(move || {
        let outcome = job();
        failed.store(outcome.is_err(), Ordering::Relaxed);
        outcome
    })
}

fn locked(fsyncs: &Mutex<Vec<FsyncRun>>) -> MutexGuard<'_, Vec<FsyncRun>> {
    fsyncs.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bio for SimBio {
    fn submit(&mut self, kind: Kind, job: Job) -> JobId {
        // A rewrite's own fsyncs, which are bulk, prove nothing of what has the log's name, and excuse no delay of what does.
        let job = match kind {
            Kind::Fsync => self.recorded(job),
            Kind::DirFsync => self.recorded_if_it_fails(job),
            _ => job,
        };
        if !matches!(kind, Kind::Fsync | Kind::DirFsync) {
            return self.jobs.borrow_mut().submit(kind, job);
        }
        let failed = Arc::new(AtomicBool::new(false));
        let id = self.jobs.borrow_mut().submit(kind, noting_failure(job, Arc::clone(&failed)));
        self.untold.borrow_mut().push(Untold { id, failed });
        id
    }

    fn poll(&mut self, out: &mut Vec<Completion>) {
        self.jobs.borrow_mut().poll(out);
        self.untold.borrow_mut().retain(|untold| !out.iter().any(|completion| completion.id == untold.id));
    }

    fn pending(&self, kind: Kind) -> usize {
        self.jobs.borrow().pending(kind)
    }

    fn release(&mut self, kind: Kind, id: JobId) {
        self.jobs.borrow_mut().release(kind, id);
    }

    fn drain(&mut self, kind: Kind) {
        self.jobs.borrow_mut().drain(kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_of_an_fsync_that_failed_before_an_earlier_one_has_ended() {
        let mut bio = SimBio::default();
        bio.submit(Kind::Fsync, Box::new(|| Ok(0)));
        bio.submit(Kind::Fsync, Box::new(|| Err(std::io::Error::from_raw_os_error(5))));
        assert!(bio.jobs.borrow_mut().run_nth(Kind::Fsync, 1), "the second one ends first");
        let mut told = Vec::new();
        bio.poll(&mut told);
        assert!(told.is_empty() && bio.has_untold_failure());
        assert!(bio.run_next(Kind::Fsync));
        bio.poll(&mut told);
        assert!(told.len() == 2 && !bio.has_untold_failure());
    }
}
