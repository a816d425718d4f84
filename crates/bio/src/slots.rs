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
    /// Slots of jobs that were released: few, and each of them may stay for as long as its job hangs.
    released: Vec<(Ticket, Slot)>,
    /// Jobs that have not ended and were not released.
    awaited: usize,
}

struct Slot {
    id: JobId,
    state: SlotState,
}

enum SlotState {
    /// The job has not ended.
    Waiting,
    /// It has ended.
    Filled(Outcome),
    /// It was released.
    Released,
}

impl Slots {
    /// Opens the slot of a job that was just queued.
    pub(crate) fn open(&mut self, id: JobId) -> Ticket {
        self.open.push_back(Slot { id, state: SlotState::Waiting });
        self.awaited += 1;
        Ticket(self.first + self.open.len() as u64 - 1)
    }

    /// Fills a slot; says whether its result may leave now.
    pub(crate) fn fill(&mut self, ticket: Ticket, outcome: Outcome) -> bool {
        if let Some((_, slot)) = self.released.iter_mut().find(|(of, _)| *of == ticket) {
            slot.fill(outcome);
            return true;
        }
        let at = usize::try_from(ticket.0 - self.first).expect("a slot is open until it was filled");
        self.open[at].fill(outcome);
        self.awaited -= 1;
        !self.open.range(..at).any(Slot::is_waiting)
    }

    /// Lets the results of later jobs leave before that of job `id`; says whether one may leave now.
    pub(crate) fn release(&mut self, id: JobId) -> bool {
        let held = self.open.iter_mut().enumerate().find(|(_, slot)| slot.id == id && slot.is_waiting());
        let Some((at, slot)) = held else { return false };
        slot.state = SlotState::Released;
        self.awaited -= 1;
        self.released.push((Ticket(self.first + at as u64), Slot { id, state: SlotState::Waiting }));
        self.open.iter().take_while(|slot| !slot.is_waiting()).any(|slot| matches!(slot.state, SlotState::Filled(_)))
    }

    /// Jobs that have not ended, what was released aside.
    pub(crate) fn awaited(&self) -> usize {
        self.awaited
    }

    /// Jobs that were released and have not ended.
    pub(crate) fn released(&self) -> impl Iterator<Item = Ticket> + '_ {
        self.released.iter().filter(|(_, slot)| slot.is_waiting()).map(|(ticket, _)| *ticket)
    }

    /// Moves out what may leave; returns how many did.
    pub(crate) fn take(&mut self, kind: Kind, out: &mut Vec<Completion>) -> usize {
        let before = out.len();
        while let Some(slot) = self.open.pop_front_if(|slot| !slot.is_waiting()) {
            self.first += 1;
            out.extend(slot.into_completion(kind));
        }
        for (_, slot) in self.released.extract_if(.., |(_, slot)| !slot.is_waiting()) {
            out.extend(slot.into_completion(kind));
        }
        out.len() - before
    }
}

impl Slot {
    /// Whether its job has not ended: what later results wait for.
    fn is_waiting(&self) -> bool {
        matches!(self.state, SlotState::Waiting)
    }

    fn fill(&mut self, outcome: Outcome) {
        assert!(self.is_waiting(), "a job ends once");
        self.state = SlotState::Filled(outcome);
    }

    fn into_completion(self, kind: Kind) -> Option<Completion> {
        match self.state {
            SlotState::Filled(outcome) => Some(Completion { id: self.id, kind, outcome }),
            SlotState::Waiting | SlotState::Released => None,
        }
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
        assert_eq!(slots.awaited(), 0);
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
        assert_eq!((slots.awaited(), slots.open.len()), (0, 0), "nothing gathers behind it");
        assert_eq!(slots.released().count(), 1);
        assert!(slots.fill(tickets[0], Ok(0)));
        assert_eq!(slots.take(Kind::Fsync, &mut out), 1);
        assert_eq!(out.iter().map(|done| done.id.0).collect::<Vec<_>>(), [1, 2, 0]);
        let next = slots.open(JobId(3));
        assert!(slots.fill(next, Ok(3)));
        assert_eq!((slots.take(Kind::Fsync, &mut out), slots.open.len()), (1, 0));
    }
}
