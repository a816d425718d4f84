//! Results in order of submission: a job gets a slot when it is queued, and a result leaves only when every earlier one of
//! its kind has left. So an fsync is never reported as done before one that was started earlier.

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
    /// Slots in `open` without a result.
    unfinished: usize,
}

struct Slot {
    id: JobId,
    outcome: Option<Outcome>,
}

impl Slots {
    /// Opens the slot of a job that was just queued.
    pub(crate) fn open(&mut self, id: JobId) -> Ticket {
        self.open.push_back(Slot { id, outcome: None });
        self.unfinished += 1;
        Ticket(self.first + self.open.len() as u64 - 1)
    }

    /// Fills a slot; says whether it is the oldest, so that something can now leave.
    pub(crate) fn fill(&mut self, ticket: Ticket, outcome: Outcome) -> bool {
        let at = usize::try_from(ticket.0 - self.first).expect("a slot is open until it was filled");
        let slot = &mut self.open[at];
        assert!(slot.outcome.is_none(), "a job ends once");
        slot.outcome = Some(outcome);
        self.unfinished -= 1;
        at == 0
    }

    /// Jobs that have not ended.
    pub(crate) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Moves out what may leave; returns how many did.
    pub(crate) fn take(&mut self, kind: Kind, out: &mut Vec<Completion>) -> usize {
        let mut taken = 0;
        while self.open.front().is_some_and(|slot| slot.outcome.is_some()) {
            let Some(Slot { id, outcome: Some(outcome) }) = self.open.pop_front() else {
                unreachable!("the front was just seen to be filled");
            };
            out.push(Completion { id, kind, outcome });
            taken += 1;
        }
        self.first += taken as u64;
        taken
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
}
