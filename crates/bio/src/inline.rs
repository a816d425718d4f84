//! The executor of simulations: a job runs when, and in the order in which, its owner says, on the owner's thread.
//!
//! It allows exactly the orders that threads could produce: jobs of a kind start in order of submission, at most
//! [`Kind::concurrency`] of them are under way beside those that were released, and those may end in any order; kinds are independent of each other.

use crate::job::run;
use crate::slots::{Slots, Ticket};
use crate::{Bio, Completion, Job, JobId, Kind};
use std::collections::VecDeque;

/// Runs jobs when told to.
///
/// Dropping it drops the queued jobs unrun, as the death of a process does.
#[derive(Default)]
pub struct InlineBio {
    queues: [Queue; Kind::COUNT],
    next_id: u64,
    pending: [usize; Kind::COUNT],
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Ticket, Job)>,
    slots: Slots,
}

impl InlineBio {
    /// Makes an executor with nothing queued.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many jobs of `kind` threads might end next: any of them may be given to [`run_nth`](Self::run_nth).
    #[must_use]
    pub fn runnable(&self, kind: Kind) -> usize {
        let queue = &self.queues[kind.index()];
        let mut room = kind.concurrency();
        let has_thread = |(ticket, _): &&(Ticket, Job)| {
            let released = queue.is_released(*ticket);
            let has_thread = released || room > 0;
            room -= usize::from(has_thread && !released);
            has_thread
        };
        queue.jobs.iter().take_while(has_thread).count()
    }

    /// Runs the oldest queued job of `kind`; false if there is none.
    pub fn run_next(&mut self, kind: Kind) -> bool {
        self.run_nth(kind, 0)
    }

    /// Runs one of the [`runnable`](Self::runnable) jobs of `kind`, counted from the oldest; false if there are not so many.
    pub fn run_nth(&mut self, kind: Kind, nth: usize) -> bool {
        if nth >= self.runnable(kind) {
            return false;
        }
        let queue = &mut self.queues[kind.index()];
        let Some((ticket, job)) = queue.jobs.remove(nth) else { return false };
        queue.slots.fill(ticket, run(job));
        true
    }

    /// Runs one job that threads might end next, chosen by `rng`; says of which kind, or `None` if nothing is queued.
    pub fn run_chosen(&mut self, rng: &mut fastrand::Rng) -> Option<Kind> {
        let choices: usize = Kind::ALL.iter().map(|&kind| self.runnable(kind)).sum();
        if choices == 0 {
            return None;
        }
        let mut choice = rng.usize(..choices);
        for kind in Kind::ALL {
            if choice < self.runnable(kind) {
                self.run_nth(kind, choice);
                return Some(kind);
            }
            choice -= self.runnable(kind);
        }
        unreachable!("the choice is below the sum")
    }

    /// Runs everything that is queued, kind by kind in the order of [`Kind::ALL`].
    pub fn run_all(&mut self) {
        for kind in Kind::ALL {
            while self.run_next(kind) {}
        }
    }
}

impl Queue {
    fn is_released(&self, ticket: Ticket) -> bool {
        self.slots.released().any(|released| released == ticket)
    }
}

impl Bio for InlineBio {
    fn submit(&mut self, kind: Kind, job: Job) -> JobId {
        let id = JobId(self.next_id);
        self.next_id += 1;
        self.pending[kind.index()] += 1;
        let queue = &mut self.queues[kind.index()];
        let ticket = queue.slots.open(id);
        queue.jobs.push_back((ticket, job));
        id
    }

    fn poll(&mut self, out: &mut Vec<Completion>) {
        for kind in Kind::ALL {
            self.pending[kind.index()] -= self.queues[kind.index()].slots.take(kind, out);
        }
    }

    fn pending(&self, kind: Kind) -> usize {
        self.pending[kind.index()]
    }

    fn release(&mut self, kind: Kind, id: JobId) {
        self.queues[kind.index()].slots.release(id);
    }

    fn drain(&mut self, kind: Kind) {
        let awaited = |queue: &Queue| queue.jobs.iter().position(|(ticket, _)| !queue.is_released(*ticket));
        while let Some(nth) = awaited(&self.queues[kind.index()]) {
            self.run_nth(kind, nth);
        }
    }
}
