//! Judges what a crash left of a scripted load: the state after one of its units, none older than the policy allows. Pure.

use std::time::Duration;

use powerfs::Mode;
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Dataset, compare};

use super::allowed::{Ack, LogSyncs, Moment, must_hold};
use super::excuses::{self, Images};
use crate::crash::Policy;

/// The server's data after a unit: a command or a transaction.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) dataset: Dataset,
    /// How many operations had taken effect before the unit was sent.
    pub(super) asked: u64,
    /// When its success was told; none if it was answered with an error, though it was executed.
    pub(super) acked: Option<Ack>,
    /// The log was on.
    pub(super) promised: bool,
    /// After how many operations its server had ended in order: from there on it is there under every policy.
    pub(super) secured: Option<u64>,
}

/// A crash of a recorded load.
pub(super) struct Crash<'a> {
    pub(super) policy: Policy,
    pub(super) mode: Mode,
    pub(super) moment: Moment,
    pub(super) syncs: &'a LogSyncs,
    /// The disk before it, and what it left.
    pub(super) images: &'a Images,
}

/// What a crash came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everything promised is there.
    Kept {
        /// How long ago the oldest lost unit had been acknowledged: within what the policy allows.
        oldest_lost: Option<Duration>,
        /// Values have zeros where bytes that were never fsynced landed out of order, which nothing can tell.
        altered: bool,
    },
    /// Less is there than was promised.
    Lost { promised: usize, found: usize },
    /// The server refuses to start.
    Refused(String),
    /// What is there is no state that ever was.
    Wrong(String),
}

impl Crash<'_> {
    /// Judges what a start after the crash shows.
    pub(super) fn judge(&self, states: &[State], found: &Result<Dataset, String>) -> Outcome {
        let nothing = Dataset::default();
        let found = match found {
            Ok(dataset) => dataset,
            // What an operator then has is an empty log, which must not be less than was promised.
            Err(text) if excuses::is_of_empty_log(text) => &nothing,
            Err(text) => return Outcome::Refused(text.clone()),
        };
        let moment = self.syncs.while_they_work(self.moment, states.iter().filter_map(|state| state.acked));
        let possible = states.iter().take_while(|state| state.asked <= moment.position).count().max(1);
        let Some((at, altered)) = self.find(&states[..possible], found) else {
            return Outcome::Wrong(describe(states, possible, found));
        };
        let acked = |state: &State| state.acked.filter(|ack| state.promised && ack.position <= moment.position);
        let must = |ack| must_hold(ack, moment, self.policy, self.mode, self.syncs);
        let secured = |state: &State| state.secured.is_some_and(|position| position <= moment.position);
        let kept = |state: &State| acked(state).is_some_and(must) || secured(state);
        let promised = states.iter().rposition(kept).unwrap_or(0);
        if at < promised {
            return Outcome::Lost { promised, found: at };
        }
        if let Some((key, _)) = altered.iter().find(|(key, text)| was_there(&states[promised].dataset, key, text)) {
            return Outcome::Wrong(format!("the value of {key:?} has zeros, and was promised in state {promised}"));
        }
        let oldest = states[at + 1..].iter().find_map(acked);
        let oldest_lost = oldest.map(|ack| moment.at.saturating_duration_since(ack.at));
        Outcome::Kept { oldest_lost, altered: !altered.is_empty() }
    }

    /// The last state that is the same, or else one that is but for zeros that the crash may have left; and which texts have them.
    fn find(&self, states: &[State], found: &Dataset) -> Option<(usize, Altered)> {
        let same = |state: &State| compare(&state.dataset, found, DEADLINE_TOLERANCE_MS).is_empty();
        if let Some(at) = states.iter().rposition(same) {
            return Some((at, Altered::new()));
        }
        let mut numbered = states.iter().enumerate().rev().filter(|_| self.mode == Mode::Holes);
        numbered.find_map(|(at, state)| Some((at, excuses::zeroed_values(&state.dataset, found, self.images)?)))
    }
}

/// Texts with zeros, as they were written, each with its database and key.
type Altered = Vec<((u32, String), String)>;

/// Whether a key's value held this text.
fn was_there(dataset: &Dataset, key: &(u32, String), text: &str) -> bool {
    dataset.entries.get(key).is_some_and(|entry| excuses::holds(&entry.value, text))
}

/// Says how a dataset differs from the state that it is nearest to.
fn describe(states: &[State], possible: usize, found: &Dataset) -> String {
    let differences = |number: usize| compare(&states[number].dataset, found, DEADLINE_TOLERANCE_MS);
    let nearest = (0..states.len()).rev().min_by_key(|number| differences(*number).len()).unwrap_or(0);
    let late = if nearest >= possible { ", which was not sent yet" } else { "" };
    let named: Vec<String> = differences(nearest).iter().take(3).map(ToString::to_string).collect();
    format!("no state of {possible}; nearest is number {nearest}{late}: {}", named.join("; "))
}

#[cfg(test)]
mod tests {
    use powerfs::{Disk, Inode, Operation};

    use super::super::allowed::tests::{create, ms, recording};
    use super::*;

    fn dataset(value: &str) -> Dataset {
        let value = serde_json::to_string(value).unwrap();
        let line = format!(r#"{{"db": 0, "key": "k", "pexpireat": null, "type": "string", "value": {value}}}"#);
        Dataset::parse(&line).unwrap()
    }

    /// States with these values, acked at these operations and milliseconds, after an empty one.
    fn states(acks: &[(&str, u64, u64)]) -> Vec<State> {
        let first = State { dataset: dataset("0"), asked: 0, acked: None, promised: true, secured: None };
        let rest = acks.iter().map(|(value, position, at)| State {
            dataset: dataset(value),
            asked: position.saturating_sub(2),
            acked: Some(Ack { position: *position, at: ms(*at) }),
            promised: true,
            secured: None,
        });
        std::iter::once(first).chain(rest).collect()
    }

    fn at(position: u64, millis: u64) -> Moment {
        Moment { position, at: ms(millis) }
    }

    /// A log that sets the key to a value.
    fn log(value: &str) -> Disk {
        let inode: Inode = 2;
        let text = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\n", value.len());
        let operations =
            [create("appendonly.aof", inode), Operation::Write { inode, offset: 0, bytes: text.as_bytes().into() }];
        let mut disk = Disk::default();
        operations.iter().for_each(|operation| disk.apply(operation));
        disk
    }

    fn judged(states: &[State], crash: (Policy, Mode, Moment), log_before: &str, found: &str) -> Outcome {
        let (policy, mode, moment) = crash;
        let syncs = LogSyncs::of(&recording(vec![]));
        let images = Images { written: log(log_before), left: log(found) };
        let crash = Crash { policy, mode, moment, syncs: &syncs, images: &images };
        crash.judge(states, &Ok(dataset(found)))
    }

    fn verdict(policy: Policy, mode: Mode, moment: Moment, value: &str) -> Outcome {
        judged(&states(&[("1", 2, 10), ("2", 4, 20), ("3", 6, 3_000)]), (policy, mode, moment), value, value)
    }

    #[test]
    fn under_always_every_acked_unit_must_be_there() {
        let judged = |value| verdict(Policy::Always, Mode::Strict, at(4, 30), value);
        assert_eq!(judged("2"), Outcome::Kept { oldest_lost: None, altered: false });
        assert_eq!(judged("1"), Outcome::Lost { promised: 2, found: 1 });
    }

    #[test]
    fn what_was_sent_and_not_acked_may_be_there_and_what_was_not_sent_may_not() {
        let judged = |position| verdict(Policy::Always, Mode::Strict, at(position, 30), "2");
        assert_eq!(judged(3), Outcome::Kept { oldest_lost: None, altered: false });
        assert!(matches!(judged(1), Outcome::Wrong(why) if why.contains("not sent yet")));
    }

    #[test]
    fn under_everysec_a_second_may_be_lost_and_is_told() {
        let judged = |millis| verdict(Policy::Everysec, Mode::Strict, at(6, millis), "2");
        let oldest_lost = Some(Duration::from_millis(900));
        assert_eq!(judged(3_900), Outcome::Kept { oldest_lost, altered: false });
        assert_eq!(judged(5_100), Outcome::Lost { promised: 3, found: 2 });
    }

    #[test]
    fn what_a_server_had_that_ended_in_order_is_there_under_every_policy() {
        let mut states = states(&[("1", 2, 10), ("2", 4, 20), ("3", 8, 25)]);
        states[2].secured = Some(6);
        let judged = |position, found| judged(&states, (Policy::No, Mode::Strict, at(position, 30)), found, found);
        assert_eq!(judged(6, "1"), Outcome::Lost { promised: 2, found: 1 });
        assert!(matches!(judged(5, "1"), Outcome::Kept { .. }), "it had not ended yet");
        assert!(matches!(judged(8, "2"), Outcome::Kept { .. }), "what came later is as good as its policy");
    }

    #[test]
    fn a_killed_process_loses_nothing_under_any_policy() {
        for policy in [Policy::Always, Policy::Everysec, Policy::No] {
            let lost = Outcome::Lost { promised: 3, found: 2 };
            assert_eq!(verdict(policy, Mode::Killed, at(6, 3_001), "2"), lost);
        }
    }

    #[test]
    fn zeros_in_a_value_are_excused_where_there_may_be_holes_and_nothing_was_promised() {
        let states = states(&[("abc", 4, 20)]);
        let judged = |policy, mode, position| judged(&states, (policy, mode, at(position, 30)), "abc", "a\0c");
        let excused = Outcome::Kept { oldest_lost: None, altered: true };
        assert_eq!(judged(Policy::No, Mode::Holes, 4), excused);
        assert_eq!(judged(Policy::Always, Mode::Holes, 3), excused, "sent and not acked");
        assert!(matches!(judged(Policy::No, Mode::Torn, 4), Outcome::Wrong(_)));
        assert!(matches!(judged(Policy::Always, Mode::Holes, 4), Outcome::Wrong(why) if why.contains("was promised")));
    }

    #[test]
    fn a_refusal_of_an_empty_log_beside_a_snapshot_is_excused_where_nothing_was_promised() {
        let mut states = states(&[("abc", 4, 20)]);
        states[0].dataset = Dataset::default();
        let syncs = LogSyncs::of(&recording(vec![]));
        let images = Images { written: log("abc"), left: log("") };
        let refusal =
            Err("appendonly.aof (…) holds nothing, and nothing says that its server ended in order".to_owned());
        let judged = |policy| {
            let crash = Crash { policy, mode: Mode::Strict, moment: at(4, 30), syncs: &syncs, images: &images };
            crash.judge(&states, &refusal)
        };
        assert!(matches!(judged(Policy::No), Outcome::Kept { .. }));
        assert_eq!(judged(Policy::Always), Outcome::Lost { promised: 1, found: 0 });
    }

    #[test]
    fn no_other_refusal_is_excused() {
        let syncs = LogSyncs::of(&recording(vec![]));
        let images = Images { written: log("a"), left: log("a") };
        let crash = Crash { policy: Policy::No, mode: Mode::Holes, moment: at(1, 0), syncs: &syncs, images: &images };
        let text = "valid up to byte 3; a whole command follows at byte 9, so this is no torn tail".to_owned();
        assert_eq!(crash.judge(&states(&[]), &Err(text.clone())), Outcome::Refused(text));
    }
}
