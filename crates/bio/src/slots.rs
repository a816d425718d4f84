//! Results in order of submission: a job gets a slot when it is queued, and a result leaves only when every earlier one of
//! its kind has left, but for those that were released: nobody's order depends on them any more. So an fsync is never reported as done
//! before one of the same file that was started earlier.

use crate::{Completion, JobId, Kind, Outcome};
use std::collections::VecDeque;

/// Names a slot: the number of slots opened before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// The open slots of one kind, oldest first.
#[derive(Default)]
pub(crate) struct Slots {
    open: VecDeque<Slot>,
    /// Ticket of the first slot in `open`.
    first: u64,
    /// Slots in `open` of jobs that have not ended.
    unfinished: usize,
}

struct Slot {
    id: JobId,
    state: SlotState,
}

enum SlotState {
    /// The job has not ended. `released`: it holds up nobody.
    Waiting { released: bool },
    /// It has ended.
    Filled(Outcome),
    /// Its result has left, before that of a released one.
    Taken,
}

impl Slots {
    /// Opens the slot of a job that was just queued.
    pub(crate) fn open(&mut self, id: JobId) -> Ticket {
        self.open.push_back(Slot { id, state: SlotState::Waiting { released: false } });
        self.unfinished += 1;
        Ticket(self.first + self.open.len() as u64 - 1)
    }

    /// Fills a slot; says whether its result may leave now.
    pub(crate) fn fill(&mut self, ticket: Ticket, outcome: Outcome) -> bool {
        let at = usize::try_from(ticket.0 - self.first).expect("a slot is open until it was filled");
        assert!(matches!(self.open[at].state, SlotState::Waiting { .. }), "a job ends once");
        self.open[at].state = SlotState::Filled(outcome);
        self.unfinished -= 1;
        !self.open.range(..at).any(Slot::holds_up)
    }

    /// Lets the results of later jobs leave before that of job `id`; says whether one may leave now.
    pub(crate) fn release(&mut self, id: JobId) -> bool {
        let held = self.open.iter_mut().find(|slot| slot.id == id && slot.holds_up());
        let Some(slot) = held else { return false };
        slot.state = SlotState::Waiting { released: true };
        self.open.iter().take_while(|slot| !slot.holds_up()).any(|slot| matches!(slot.state, SlotState::Filled(_)))
    }

    /// Jobs that have not ended.
    pub(crate) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Moves out what may leave; returns how many did.
    pub(crate) fn take(&mut self, kind: Kind, out: &mut Vec<Completion>) -> usize {
        let before = out.len();
        for slot in self.open.iter_mut().take_while(|slot| !slot.holds_up()) {
            if let SlotState::Filled(_) = slot.state
                && let SlotState::Filled(outcome) = std::mem::replace(&mut slot.state, SlotState::Taken)
            {
                out.push(Completion { id: slot.id, kind, outcome });
            }
        }
        while self.open.pop_front_if(|slot| matches!(slot.state, SlotState::Taken)).is_some() {
            self.first += 1;
        }
        out.len() - before
    }
}

impl Slot {
    /// Whether later results wait for this one.
    fn holds_up(&self) -> bool {
        matches!(self.state, SlotState::Waiting { released: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_waits_for_every_earlier_one() {
        let mut slots = Slots::default();
        let tickets: Vec<Ticket> = (0..3).map(|id| slots.open(JobId(id))).collect();
        let mut out = Vec::new();
        assert!(!slots.fill(tickets[2], Ok(2)));
        assert!(!slots.fill(tickets[1], Ok(1)));
        assert_eq!(slots.take(Kind::Fsync, &mut out), 0);
        assert!(slots.fill(tickets[0], Ok(0)));
        assert_eq!(slots.take(Kind::Fsync, &mut out), 3);
        assert_eq!(out.iter().map(|done| done.id.0).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(slots.unfinished(), 0);
    }

    #[test]
    fn a_result_does_not_wait_for_one_that_was_released_and_that_comes_when_it_ends() {
        let mut slots = Slots::default();
        let tickets: Vec<Ticket> = (0..3).map(|id| slots.open(JobId(id))).collect();
        let mut out = Vec::new();
        assert!(!slots.fill(tickets[1], Ok(1)));
        assert!(!slots.release(JobId(7)), "one that has left");
        assert!(slots.release(JobId(0)));
        assert_eq!(slots.take(Kind::Fsync, &mut out), 1);
        assert!(slots.fill(tickets[2], Ok(2)));
        assert_eq!(slots.take(Kind::Fsync, &mut out), 1);
        assert_eq!((slots.unfinished(), slots.open.len()), (1, 3));
        assert!(slots.fill(tickets[0], Ok(0)));
        assert_eq!(slots.take(Kind::Fsync, &mut out), 1);
        assert_eq!(out.iter().map(|done| done.id.0).collect::<Vec<_>>(), [1, 2, 0]);
        let next = slots.open(JobId(3));
        assert!(slots.fill(next, Ok(3)));
        assert_eq!((slots.take(Kind::Fsync, &mut out), slots.open.len()), (1, 0));
    }
}
