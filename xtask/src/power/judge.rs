//! Judges what a crash left of a scripted load: the state after one of its units, none older than the policy allows. Pure.

use std::time::{Duration, Instant};

use powerfs::{Mode, Operation, ROOT, Record};
use serde_json::Value as Json;
use testkit::dataset::{DEADLINE_TOLERANCE_MS, What};
use testkit::{Dataset, compare};

use crate::crash::Policy;

/// How much may be lost under `everysec`, beside what fsyncs take.
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// How much later a busy machine may let an fsync begin before it counts as a broken promise.
const BUSY: Duration = Duration::from_secs(1);

/// When a reply was there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    /// How many operations had taken effect.
    pub(super) position: u64,
    pub(super) at: Instant,
}

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
}

/// A crash: after so many operations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) position: u64,
    /// The latest time at which so many and no more had taken effect.
    pub(super) at: Instant,
}

impl Moment {
    /// The crash before operation number `position` of a recording.
    pub(super) fn before(records: &[Record], position: usize, end: Instant) -> Self {
        let at = records.get(position).map_or(end, |record| record.ended);
        Self { position: position as u64, at }
    }
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
    /// Nothing was promised: the log was just turned on again, and the start names the old one, which was set aside.
    SetAside,
    /// Nothing promised is behind a hole that cannot be told from corruption, as no state file speaks of the new log yet: the start
    /// names the place.
    HoleAfterSwitch,
    /// The server refuses to start.
    Refused(String),
    /// What is there is no state that ever was.
    Wrong(String),
}

/// How long an ack may be lost at `at` under `everysec`, by the fsyncs there were: a second, the one in flight, and the one
/// before it, from whose end the second counts.
pub(super) fn everysec_allows(records: &[Record], at: Instant) -> Duration {
    let syncs = || records.iter().filter(|record| matches!(record.operation, Operation::Sync { .. }));
    let running = syncs().filter(|r| r.began < at && at <= r.ended).map(|r| at - r.began).max();
    let recent = |r: &&Record| r.ended < at && at.duration_since(r.ended) < 2 * SECOND;
    let before = syncs().filter(recent).map(|r| r.ended - r.began).max();
    SECOND + running.unwrap_or_default() + before.unwrap_or_default()
}

/// Whether an ack may not be lost.
pub(super) fn must_hold(ack: Ack, moment: Moment, policy: Policy, mode: Mode, records: &[Record]) -> bool {
    ack.position <= moment.position
        && match (mode, policy) {
            (Mode::Killed, _) | (_, Policy::Always) => true,
            (_, Policy::Everysec) => {
                moment.at.saturating_duration_since(ack.at) > everysec_allows(records, moment.at) + BUSY
            }
            (_, Policy::No) => false,
        }
}

/// From the first fsync that fails, nothing becomes durable any more until acks go on: what was acked in the second before it
/// is what `everysec` may lose with the power, however long that takes.
fn while_fsyncs_work(moment: Moment, states: &[State], records: &[Record]) -> Moment {
    let failed = |record: &Record| matches!(record.operation, Operation::Sync { succeeded: false, .. });
    let (Some(first), Some(last)) = (records.iter().position(failed), records.iter().rposition(failed)) else {
        return moment;
    };
    let mut acks = states.iter().filter_map(|state| state.acked);
    let resumed = acks.find(|ack| ack.position > last as u64).map_or(u64::MAX, |ack| ack.position);
    if (first as u64..resumed).contains(&moment.position) {
        return Moment { at: moment.at.min(records[first].began), ..moment };
    }
    moment
}

/// What a start says when a crash came between turning the log on and its first rewrite (docs/durability.md, row turning-on).
const SET_ASIDE: &str = "it was moved aside when 'appendonly' was turned on";

/// What a start says of damage with whole commands behind it.
const NO_TORN_TAIL: &str = "so this is no torn tail";

/// Whether a log got its name by a rewrite and no state file that came after was durable by name (docs/durability.md,
/// Exceptions).
fn just_switched(records: &[Record], moment: Moment) -> bool {
    let before = &records[..records.len().min(usize::try_from(moment.position).unwrap_or(usize::MAX))];
    let renamed = |record: &Record, wanted: &dyn Fn(&str, &str) -> bool| match &record.operation {
        Operation::Rename { from, to } => wanted(&from.1, &to.1),
        _ => false,
    };
    let switch = |from: &str, to: &str| from.starts_with("temp-rewriteaof-bg") && !to.starts_with("temp-");
    let Some(switched) = before.iter().rposition(|record| renamed(record, &switch)) else { return false };
    let after = &before[switched..];
    let stated = after.iter().position(|record| renamed(record, &|_, to| to.ends_with(".state")));
    let by_name = |record: &Record| matches!(record.operation, Operation::Sync { inode: ROOT, succeeded: true, .. });
    !stated.is_some_and(|stated| after[stated..].iter().any(by_name))
}

/// Judges what a start after the crash shows.
pub(super) fn judge(
    states: &[State],
    records: &[Record],
    moment: Moment,
    (policy, mode): (Policy, Mode),
    found: &Result<Dataset, String>,
) -> Outcome {
    let pending = |state: &State| state.acked.is_none_or(|ack| ack.position > moment.position);
    let found = match found {
        Ok(dataset) => dataset,
        // Units that were executed while it was off are promised only later.
        Err(text) if text.contains(SET_ASIDE) && states.iter().any(|s| s.asked < moment.position && pending(s)) => {
            return Outcome::SetAside;
        }
        Err(text) if mode == Mode::Holes && text.contains(NO_TORN_TAIL) && just_switched(records, moment) => {
            return Outcome::HoleAfterSwitch;
        }
        Err(refusal) => return Outcome::Refused(refusal.clone()),
    };
    let moment = while_fsyncs_work(moment, states, records);
    let possible = states.iter().take_while(|state| state.asked <= moment.position).count().max(1);
    let same = |state: &State| compare(&state.dataset, found, DEADLINE_TOLERANCE_MS).is_empty();
    let nearly = |state: &State| mode == Mode::Holes && differs_by_zeros(&state.dataset, found);
    let exact = states[..possible].iter().rposition(same);
    let Some(at) = exact.or_else(|| states[..possible].iter().rposition(nearly)) else {
        return Outcome::Wrong(describe(states, possible, found));
    };
    let acked = |state: &State| state.acked.filter(|ack| state.promised && ack.position <= moment.position);
    let holds = |state: &State| acked(state).is_some_and(|ack| must_hold(ack, moment, policy, mode, records));
    let promised = states.iter().rposition(holds).unwrap_or(0);
    if at < promised {
        return Outcome::Lost { promised, found: at };
    }
    let oldest = states[at + 1..].iter().find_map(acked);
    let oldest_lost = oldest.map(|ack| moment.at.saturating_duration_since(ack.at));
    Outcome::Kept { oldest_lost, altered: exact.is_none() }
}

/// Whether values alone differ, and only where zeros stand.
fn differs_by_zeros(expected: &Dataset, found: &Dataset) -> bool {
    compare(expected, found, DEADLINE_TOLERANCE_MS).iter().all(|difference| match &difference.what {
        What::Value { expected, found } => expected.kind == found.kind && zeroed(&expected.value, &found.value),
        _ => false,
    })
}

fn zeroed(expected: &Json, found: &Json) -> bool {
    match (expected, found) {
        (Json::String(a), Json::String(b)) => {
            a.chars().count() == b.chars().count() && a.chars().zip(b.chars()).all(|(a, b)| a == b || b == '\0')
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| zeroed(a, b)),
        _ => expected == found,
    }
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
    use std::sync::OnceLock;

    use super::*;

    /// A moment so many milliseconds after a beginning.
    fn ms(after: u64) -> Instant {
        static BEGIN: OnceLock<Instant> = OnceLock::new();
        *BEGIN.get_or_init(Instant::now) + Duration::from_millis(after)
    }

    fn dataset(value: &str) -> Dataset {
        let value = serde_json::to_string(value).unwrap();
        let line = format!(r#"{{"db": 0, "key": "k", "pexpireat": null, "type": "string", "value": {value}}}"#);
        Dataset::parse(&line).unwrap()
    }

    /// States "0", "1", …, acked at these operations and milliseconds.
    fn states(acks: &[(u64, u64)]) -> Vec<State> {
        let state =
            |number: usize, asked, acked| State { dataset: dataset(&number.to_string()), asked, acked, promised: true };
        let first = state(0, 0, None);
        let rest = (1..).zip(acks).map(|(number, (position, at))| {
            state(number, position.saturating_sub(2), Some(Ack { position: *position, at: ms(*at) }))
        });
        std::iter::once(first).chain(rest).collect()
    }

    fn at(position: u64, millis: u64) -> Moment {
        Moment { position, at: ms(millis) }
    }

    fn verdict(policy: Policy, mode: Mode, moment: Moment, value: &str) -> Outcome {
        judge(&states(&[(2, 10), (4, 20), (6, 3_000)]), &[], moment, (policy, mode), &Ok(dataset(value)))
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
    fn a_killed_process_loses_nothing_under_any_policy() {
        for policy in [Policy::Always, Policy::Everysec, Policy::No] {
            let lost = Outcome::Lost { promised: 3, found: 2 };
            assert_eq!(verdict(policy, Mode::Killed, at(6, 3_001), "2"), lost);
        }
    }

    #[test]
    fn zeros_in_a_value_are_excused_where_there_may_be_holes() {
        let states = [State { dataset: dataset("abc"), asked: 0, acked: None, promised: true }];
        let judged = |mode| judge(&states, &[], at(0, 0), (Policy::No, mode), &Ok(dataset("a\0c")));
        assert_eq!(judged(Mode::Holes), Outcome::Kept { oldest_lost: None, altered: true });
        assert!(matches!(judged(Mode::Torn), Outcome::Wrong(_)));
    }

    #[test]
    fn a_hole_right_after_a_switch_is_excused_until_a_state_file_is_durable_by_name() {
        let rename =
            |from: &str, to: &str| Operation::Rename { from: (ROOT, from.to_owned()), to: (ROOT, to.to_owned()) };
        let sync = Operation::Sync { inode: ROOT, data_only: false, since: 0, succeeded: true };
        let switch = rename("temp-rewriteaof-bg-1.aof", "appendonly.aof");
        let operations =
            [sync.clone(), switch, sync.clone(), rename("temp-appendonly.aof.state", "appendonly.aof.state"), sync];
        let records = operations.map(|operation| Record { operation, began: ms(0), ended: ms(0) });
        let excused: Vec<bool> = (0..=5).map(|position| just_switched(&records, at(position, 0))).collect();
        assert_eq!(excused, [false, false, true, true, true, false]);
    }

    #[test]
    fn slow_fsyncs_widen_the_second() {
        let sync = Operation::Sync { inode: 2, data_only: true, since: 0, succeeded: true };
        let record = |began, ended| Record { operation: sync.clone(), began: ms(began), ended: ms(ended) };
        let records = [record(0, 300), record(1_300, 1_900)];
        assert_eq!(everysec_allows(&records, ms(1_500)), Duration::from_millis(1_000 + 200 + 300));
        assert_eq!(everysec_allows(&records, ms(5_000)), SECOND);
    }
}
