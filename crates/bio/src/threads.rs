//! The real executor: threads per kind, started when a kind gets its first job.
//!
//! The way of a job: `submit` opens its slot and queues it under the kind's lock; a thread of that kind takes it, runs it
//! without any lock, fills the slot and sets the kind's bit in `ready` under the lock, and calls `wake` if no bit was set.
//! `poll` clears the bits and visits only the kinds whose bit was set: a loop turn in which nothing ended costs one atomic
//! read. No wake is lost, because the bit is set after the slot was filled, and cleared before the slots are read.
//!
//! Fork: a child forked while these threads run has none of them, and may find any lock in here taken for ever. It must
//! not touch its copy of the executor, nor drop it: it leaves with `_exit`.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is the seam to threads")]

use crate::job::run;
use crate::slots::{Slots, Ticket};
use crate::{Bio, Completion, Job, JobId, Kind, Outcome};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{Builder, JoinHandle};

/// Called by a bio thread when there is something to poll where there was nothing: typically writes to an eventfd. Must be
/// quick and must not call back into the executor.
type Wake = Arc<dyn Fn() + Send + Sync>;

/// Runs jobs in threads.
///
/// `wake` is called after a completion became pollable, unless an earlier one that nobody polled already called it: who is
/// woken must poll. Dropping it runs what is queued, then joins the threads, but for those of a kind of which something hangs that was
/// released.
pub struct ThreadBio {
    shared: Arc<Shared>,
    next_id: u64,
    /// Submitted and not yet handed back, by kind.
    pending: [usize; Kind::COUNT],
    threads: [Vec<JoinHandle<()>>; Kind::COUNT],
}

struct Shared {
    queues: [Queue; Kind::COUNT],
    /// One bit for each kind of which a result may leave, set since the last poll.
    ready: AtomicU32,
    wake: Wake,
}

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    /// A job was queued, or the executor is being dropped.
    job_ready: Condvar,
    /// The last job that is awaited has ended. Only `drain` and the end wait for it.
    all_done: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<(Ticket, Job)>,
    slots: Slots,
    /// Threads waiting for a job; one that was notified counts until it has the lock.
    idle_threads: usize,
    /// Threads in all.
    threads: usize,
    closing: bool,
}

impl QueueState {
    /// How many threads there may be: one more for each job that was released and still runs, since it may do so for ever.
    fn most_threads(&self, kind: Kind) -> usize {
        let is_queued = |ticket: Ticket| self.jobs.iter().any(|(queued, _)| *queued == ticket);
        kind.concurrency() + self.slots.released().filter(|ticket| !is_queued(*ticket)).count()
    }

    fn lacks_thread(&self, kind: Kind) -> bool {
        self.jobs.len() > self.idle_threads && self.threads < self.most_threads(kind)
    }
}

impl ThreadBio {
    /// Makes an executor; no thread is started yet.
    #[must_use]
    pub fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let shared = Shared { queues: Default::default(), ready: AtomicU32::new(0), wake };
        Self { shared: Arc::new(shared), next_id: 0, pending: [0; Kind::COUNT], threads: Default::default() }
    }

    /// Starts one more thread for `kind` if its queue lacks one.
    fn start_lacking_thread(&mut self, kind: Kind) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.queues[kind.index()].state.lock();
        if !state.lacks_thread(kind) {
            return;
        }
        state.threads += 1;
        drop(state);
        let threads = &mut self.threads[kind.index()];
        threads.retain(|thread| !thread.is_finished());
        let builder = Builder::new().name(kind.thread_name().to_owned());
        let worker = Arc::clone(&shared);
        match with_signals_blocked(|| builder.spawn(move || work(&worker, kind))) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                let mut state = shared.queues[kind.index()].state.lock();
                state.threads -= 1;
                let others = state.threads + kind.concurrency() - state.most_threads(kind);
                drop(state);
                // The threads there are will come to it, but for those that what was released may keep for ever.
                if others == 0 {
                    self.refuse_queued(kind, &error);
                }
            }
        }
    }

    /// Ends the queued jobs of a kind that has no thread and can get none.
    fn refuse_queued(&self, kind: Kind, error: &io::Error) {
        let queue = &self.shared.queues[kind.index()];
        loop {
            let Some((ticket, job)) = queue.state.lock().jobs.pop_front() else { return };
            drop(job);
            let same = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            self.shared.finish(kind, ticket, Err(same));
        }
    }
}

impl Bio for ThreadBio {
    /// Queues a job. If it is the kind's first and no thread can be started (EAGAIN), the job is dropped unrun and its
    /// completion carries that error.
    fn submit(&mut self, kind: Kind, job: Job) -> JobId {
        let id = JobId(self.next_id);
        self.next_id += 1;
        self.pending[kind.index()] += 1;
        let queue = &self.shared.queues[kind.index()];
        let mut state = queue.state.lock();
        let ticket = state.slots.open(id);
        state.jobs.push_back((ticket, job));
        let lacks_thread = state.lacks_thread(kind);
        drop(state);
        queue.job_ready.notify_one();
        if lacks_thread {
            self.start_lacking_thread(kind);
        }
        id
    }

    fn poll(&mut self, out: &mut Vec<Completion>) {
        if self.shared.ready.load(Ordering::Relaxed) == 0 {
            return;
        }
        let ready = self.shared.ready.swap(0, Ordering::AcqRel);
        for kind in Kind::ALL {
            if ready & bit(kind) != 0 {
                let taken = self.shared.queues[kind.index()].state.lock().slots.take(kind, out);
                self.pending[kind.index()] -= taken;
            }
        }
    }

    fn pending(&self, kind: Kind) -> usize {
        self.pending[kind.index()]
    }

    fn release(&mut self, kind: Kind, id: JobId) {
        let mut state = self.shared.queues[kind.index()].state.lock();
        let pollable = state.slots.release(id);
        self.shared.announce(kind, pollable, state);
        // What waits for a thread gets the one that it would have taken.
        self.start_lacking_thread(kind);
    }

    fn drain(&mut self, kind: Kind) {
        let queue = &self.shared.queues[kind.index()];
        let mut state = queue.state.lock();
        while state.slots.awaited() > 0 {
            queue.all_done.wait(&mut state);
        }
    }
}

impl Drop for ThreadBio {
    fn drop(&mut self) {
        for queue in &self.shared.queues {
            queue.state.lock().closing = true;
            queue.job_ready.notify_all();
        }
        for kind in Kind::ALL {
            self.drain(kind);
            let hangs = self.shared.queues[kind.index()].state.lock().slots.released().next().is_some();
            for thread in self.threads[kind.index()].drain(..).filter(|_| !hangs) {
                // A job's panic is caught where it runs; one of our own has gone to the panic hook.
                drop(thread.join());
            }
        }
    }
}

impl Shared {
    /// Records the end of a job and wakes the loop if there is now something to poll.
    fn finish(&self, kind: Kind, ticket: Ticket, outcome: Outcome) {
        let queue = &self.queues[kind.index()];
        let mut state = queue.state.lock();
        let pollable = state.slots.fill(ticket, outcome);
        if state.slots.awaited() == 0 {
            queue.all_done.notify_all();
        }
        self.announce(kind, pollable, state);
    }

    /// Says that something of a kind can be polled, if so, and lets go of its queue.
    fn announce(&self, kind: Kind, pollable: bool, state: MutexGuard<'_, QueueState>) {
        // Under the lock, so that a `poll` after a `drain` finds the bit; `wake` after it, because the loop, once woken,
        // wants the lock.
        let wakes = pollable && self.ready.fetch_or(bit(kind), Ordering::AcqRel) == 0;
        drop(state);
        if wakes {
            (self.wake)();
        }
    }
}

/// The bit of `kind` in `ready`.
fn bit(kind: Kind) -> u32 {
    1 << kind.index()
}

/// The body of a thread: jobs of `kind` in order of submission, until the executor is dropped and the queue is empty, or what hung
/// beside it has ended.
fn work(shared: &Shared, kind: Kind) {
    let queue = &shared.queues[kind.index()];
    loop {
        let mut state = queue.state.lock();
        if state.threads > state.most_threads(kind) {
            state.threads -= 1;
            return;
        }
        let (ticket, job) = loop {
            if let Some(next) = state.jobs.pop_front() {
                break next;
            }
            if state.closing {
                return;
            }
            state.idle_threads += 1;
            queue.job_ready.wait(&mut state);
            state.idle_threads -= 1;
        };
        drop(state);
        shared.finish(kind, ticket, run(job));
    }
}

/// Runs `start` with every signal blocked that can be, so that the thread it starts never takes one meant for the loop.
/// Signals that report the thread's own fault stay open: blocked, they would kill the process without its handler.
fn with_signals_blocked<T>(start: impl FnOnce() -> T) -> T {
    let mut set = SigSet::all();
    for own in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGTRAP, Signal::SIGABRT] {
        set.remove(own);
    }
    // Changing the mask fails only for a bad `how`. A thread inherits its mask, so there is no instant without it.
    let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let started = start();
    if let Ok(before) = before {
        before.thread_set_mask().unwrap_or_default();
    }
    started
}
