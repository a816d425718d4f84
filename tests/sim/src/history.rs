//! Everything executed and acknowledged in one process's life, and what a crash may take of it.
//!
//! The engine runs commands one after the other, so a history is a list; a crash leaves a prefix of it. How long that must
//! be at least is the promise of the policy, written here once, from docs and not from the engine. The policy may change at run
//! time, and the log may be turned off: each operation keeps the promise under which it was answered.

use std::collections::{BTreeMap, BTreeSet};

use crate::background::FsyncRun;
use crate::model::{Dataset, Name, Op};
use crate::server::Policy;
use crate::verdict::Crash;

/// The longest time a turn of the simulated loop takes, in milliseconds.
pub const LONGEST_TURN_MS: u64 = 50;

/// What `everysec` may lose, in milliseconds. Source: the promise table of docs/durability.md.
const EVERYSEC_MS: u64 = 1_000;

/// One executed operation.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The database.
    pub db: u32,
    /// What was executed.
    pub op: Op,
    /// When, Unix milliseconds.
    pub unix_ms: i64,
    /// How many operations of the history must be there if its reply is to stay true.
    pub needs: usize,
    /// When its success was received, monotonic milliseconds.
    pub acked_ms: Option<u64>,
    /// Whose promise its reply is. `None` while there is no log.
    pub promise: Option<Policy>,
    /// It changed something, when an fsync of the log had failed and the server had been told: it must not be acknowledged.
    pub hopeless: bool,
}

/// What is true of the turn in which operations are executed.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Unix milliseconds.
    pub unix_ms: i64,
    /// The policy; `None` while there is no log.
    pub policy: Option<Policy>,
    /// The server has been told that an fsync of the log failed.
    pub fsync_failed: bool,
}

/// The history of one life.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The dataset it began with.
    pub base: Dataset,
    /// What was executed, in order.
    pub executed: Vec<Executed>,
    /// The wall clock when that was read, Unix milliseconds: what had passed its deadline then was not seen, but files may hold it.
    pub began_ms: i64,
    /// The wall clock at its end, Unix milliseconds.
    pub ended_ms: i64,
    /// How many operations must be there whatever crashes, by the word of WAITAOF or of CONFIG SET appendonly no.
    promised: usize,
    /// How many operations the snapshot must hold, whatever crashes.
    pub saved: usize,
    /// How often WAITAOF gave its word.
    pub promises: usize,
    /// How many operations were executed when each key was last changed, that change included.
    last_write: BTreeMap<Name, usize>,
}

impl History {
    /// An empty history on a dataset that was read at `began_ms`.
    pub fn new(base: Dataset, began_ms: i64) -> Self {
        Self { base, began_ms, ..Self::default() }
    }

    /// Notes an operation; returns its number.
    pub fn execute(&mut self, db: u32, op: Op, terms: Terms, changed: bool) -> usize {
        let nth = self.executed.len();
        let names = op.keys().map(|key| (db, key));
        if changed {
            self.last_write.extend(names.clone().map(|name| (name, nth + 1)));
        }
        let needs = names.filter_map(|name| self.last_write.get(&name)).max().copied().unwrap_or(0);
        let hopeless = changed && terms.fsync_failed && terms.policy.is_some();
        let Terms { unix_ms, policy: promise, .. } = terms;
        self.executed.push(Executed { db, op, unix_ms, needs, acked_ms: None, promise, hopeless });
        nth
    }

    /// Notes that operation `nth` was acknowledged under `policy`. What was executed under `always` is judged by it for ever; of
    /// other policies the weaker one counts, since a reply may have left long before it was read.
    pub fn acknowledge(&mut self, nth: usize, mono_ms: u64, policy: Option<Policy>) {
        let done = &mut self.executed[nth];
        done.acked_ms = Some(mono_ms);
        done.promise = match (done.promise, policy) {
            (Some(Policy::Always), Some(_)) => Some(Policy::Always),
            (Some(Policy::EverySec), Some(Policy::EverySec | Policy::Always)) => Some(Policy::EverySec),
            (Some(_), Some(_)) => Some(Policy::No),
            _ => None,
        };
    }

    /// The policy becomes `no`: what `everysec` might lose at this moment nobody is going to fsync.
    pub fn weaken(&mut self, mono_ms: u64, fsyncs: &[FsyncRun]) {
        for done in &mut self.executed {
            let lately = done.acked_ms.is_none_or(|acked_ms| in_window(acked_ms, mono_ms, fsyncs));
            if lately && done.promise == Some(Policy::EverySec) {
                done.promise = Some(Policy::No);
            }
        }
    }

    /// The log is on, after its first rewrite: what was answered while there was none is as good as if it were answered now. Not
    /// so what was executed in this very turn, from `began` on: it was answered before the log was on.
    pub fn log_is_on(&mut self, mono_ms: u64, policy: Policy, began: usize) {
        for done in self.executed.iter_mut().take(began).filter(|done| done.promise.is_none()) {
            done.promise = Some(policy);
            done.acked_ms = done.acked_ms.map(|_| mono_ms);
        }
    }

    /// WAITAOF said that the first `needs` operations are on stable storage.
    pub fn promise(&mut self, needs: usize) {
        self.secure(needs);
        self.promises += 1;
    }

    /// The first `needs` operations must be there whatever crashes.
    pub fn secure(&mut self, needs: usize) {
        self.promised = self.promised.max(needs);
    }

    /// How many operations must have survived a crash at `crash_ms`. `policy` counts instead of the server's, if it is given.
    pub fn required(&self, policy: Option<Policy>, crash: Crash, crash_ms: u64, fsyncs: &[FsyncRun]) -> usize {
        let may_be_lost = |done: &Executed, acked_ms: u64| match (crash, policy.or(done.promise)) {
            (_, None) => true,
            (Crash::Kill, _) | (_, Some(Policy::Always)) => false,
            (_, Some(Policy::EverySec)) => in_window(acked_ms, crash_ms, fsyncs),
            (_, Some(Policy::No)) => true,
        };
        let acked = self.executed.iter().filter(|done| done.acked_ms.is_some_and(|at_ms| !may_be_lost(done, at_ms)));
        acked.map(|done| done.needs).max().unwrap_or(0).max(self.promised)
    }

    /// The numbers of operations after which the dataset was `found` at `now_ms`. A key whose deadline has passed may be there or
    /// not: then, or when the next operation was executed, as far as the clock had come by then; before the first, when the
    /// dataset was read that the life began with.
    pub fn prefixes_equal_to(&self, found: &Dataset, now_ms: i64) -> Vec<usize> {
        let mut dataset = self.base.clone();
        let mut equal = Vec::new();
        if !found.strange.is_empty() {
            return equal;
        }
        let names = found.keys.keys().chain(self.base.keys.keys()).copied();
        let mut differing: BTreeSet<Name> =
            names.filter(|name| dataset.keys.get(name) != found.keys.get(name)).collect();
        for nth in 0..=self.executed.len() {
            let next_ms = self.executed.get(nth).map_or(self.ended_ms, |next| next.unix_ms);
            let until_ms = if nth == 0 { next_ms.max(self.began_ms) } else { next_ms }.max(now_ms);
            if !differing.iter().any(|name| dataset.differs(found, name, until_ms)) {
                equal.push(nth);
            }
            let Some(done) = self.executed.get(nth) else { break };
            dataset.apply(done.db, &done.op, done.unix_ms);
            for name in done.op.keys().map(|key| (done.db, key)) {
                if dataset.keys.get(&name) == found.keys.get(&name) {
                    differing.remove(&name);
                } else {
                    differing.insert(name);
                }
            }
        }
        equal
    }
}

/// Whether `everysec` may lose what was acked at `acked_ms`: it was acked in the second before the fsync in flight began (or
/// before the crash), or while that one or the one directly before it ran.
fn in_window(acked_ms: u64, crash_ms: u64, fsyncs: &[FsyncRun]) -> bool {
    let running = fsyncs.iter().filter(|run| run.end_ms.is_none()).map(|run| run.start_ms).min();
    let window_ms = running.unwrap_or(crash_ms).saturating_sub(EVERYSEC_MS + LONGEST_TURN_MS);
    let lately = fsyncs.iter().filter(|run| run.end_ms.is_some_and(|end_ms| end_ms >= window_ms));
    let lost_from_ms = lately.map(|run| run.start_ms).min().unwrap_or(window_ms).min(window_ms);
    acked_ms >= lost_from_ms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    #[test]
    fn everysec_may_lose_a_second_and_what_was_acked_behind_a_running_fsync() {
        let run = |start_ms, end_ms| FsyncRun { start_ms, end_ms, failed: false };
        assert!(!in_window(8_000, 10_000, &[]));
        assert!(in_window(9_100, 10_000, &[]));
        assert!(in_window(5_000, 10_000, &[run(5_500, None)]), "an fsync has been running since 5,500");
        assert!(!in_window(4_000, 10_000, &[run(5_500, None)]));
        assert!(in_window(4_000, 10_000, &[run(3_500, Some(9_900))]), "the last fsync took long");
        assert!(!in_window(3_000, 10_000, &[run(3_500, Some(9_900))]));
        assert!(!in_window(4_000, 10_000, &[run(3_500, Some(5_000))]), "a tail must not wait longer than a second");
    }

    fn set(text: &str) -> Op {
        Op::Set { key: Key::new("k"), text: text.into(), px_ms: None }
    }

    #[test]
    fn an_operation_is_judged_by_the_promise_under_which_it_was_answered() {
        let strict = Crash::Power(vfs::sim::CrashMode::Strict, vfs::sim::NameMode::OnlyDirFsync);
        let mut history = History::default();
        let terms = |policy| Terms { unix_ms: 0, policy, fsync_failed: false };
        for policy in [Some(Policy::Always), Some(Policy::No), None] {
            let nth = history.execute(0, set("v"), terms(policy), true);
            history.acknowledge(nth, 1_000, Some(Policy::No));
        }
        assert_eq!(history.required(None, strict, 1_000, &[]), 1, "executed under always");
        assert_eq!(history.required(None, Crash::Kill, 1_000, &[]), 2, "nothing is promised while there is no log");
        assert_eq!(history.required(Some(Policy::Always), strict, 1_000, &[]), 3);
        history.secure(2);
        assert_eq!(history.required(None, strict, 1_000, &[]), 2);
    }

    #[test]
    fn a_key_past_its_deadline_may_be_missing_from_the_time_on_that_the_clock_had_passed_it() {
        let mut history = History::default();
        let terms = |unix_ms| Terms { unix_ms, policy: None, fsync_failed: false };
        let mortal = Op::Set { key: Key::new("k"), text: "v".into(), px_ms: Some(100) };
        history.execute(0, mortal, terms(1_000), true);
        history.execute(0, set("w"), terms(2_000), true);
        history.ended_ms = 500;
        assert_eq!(history.prefixes_equal_to(&Dataset::default(), 0), [0, 1], "the clock went back afterwards");
    }

    #[test]
    fn what_had_passed_its_deadline_at_the_start_comes_back_with_the_clock_but_only_from_before_the_first_operation() {
        let mut found = Dataset::default();
        found.apply(0, &Op::Set { key: Key::new("k"), text: "v".into(), px_ms: Some(100) }, 1_000);
        let mut history = History::new(Dataset::default(), 2_000);
        history.ended_ms = 500;
        assert_eq!(history.prefixes_equal_to(&found, 600), [0], "an older file holds it yet, and the clock went back");
        let terms = Terms { unix_ms: 600, policy: None, fsync_failed: false };
        history.execute(0, Op::Get { key: Key::new("other") }, terms, false);
        assert_eq!(history.prefixes_equal_to(&found, 600), [0], "no later file has it");
        history.began_ms = 1_100;
        assert_eq!(history.prefixes_equal_to(&found, 600), [0; 0], "it was there when the dataset was read");
    }
}
