//! Everything executed and acknowledged in one process's life, and what a crash may take of it.
//!
//! The engine runs commands one after the other, so a history is a list; a crash leaves a prefix of it. How long that must
//! be at least is the promise of the policy, written here once, from docs and not from the engine.

use std::collections::{HashMap, HashSet};

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
}

/// The history of one life.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The dataset it began with.
    pub base: Dataset,
    /// What was executed, in order.
    pub executed: Vec<Executed>,
    /// How many operations must be there whatever crashes, by the word of WAITAOF.
    promised: usize,
    /// How often WAITAOF gave its word.
    pub promises: usize,
    /// How many operations were executed when each key was last changed, that change included.
    last_write: HashMap<Name, usize>,
}

impl History {
    /// An empty history on a dataset.
    pub fn new(base: Dataset) -> Self {
        Self { base, ..Self::default() }
    }

    /// Notes an operation; returns its number.
    pub fn execute(&mut self, db: u32, op: Op, unix_ms: i64, changed: bool) -> usize {
        let nth = self.executed.len();
        let names: Vec<Name> = op.keys().into_iter().map(|key| (db, key.to_owned())).collect();
        if changed {
            self.last_write.extend(names.iter().map(|name| (name.clone(), nth + 1)));
        }
        let needs = names.iter().filter_map(|name| self.last_write.get(name)).max().copied().unwrap_or(0);
        self.executed.push(Executed { db, op, unix_ms, needs, acked_ms: None });
        nth
    }

    /// WAITAOF said that the first `needs` operations are on stable storage.
    pub fn promise(&mut self, needs: usize) {
        self.promised = self.promised.max(needs);
        self.promises += 1;
    }

    /// How many operations must have survived a crash at `crash_ms`.
    pub fn required(&self, policy: Policy, crash: Crash, crash_ms: u64, fsyncs: &[FsyncRun]) -> usize {
        let may_be_lost = |acked_ms: u64| match (crash, policy) {
            (Crash::Kill, _) | (_, Policy::Always) => false,
            (_, Policy::EverySec) => in_window(acked_ms, crash_ms, fsyncs),
            (_, Policy::No) => true,
        };
        let acked = self.executed.iter().filter(|done| done.acked_ms.is_some_and(|at_ms| !may_be_lost(at_ms)));
        acked.map(|done| done.needs).max().unwrap_or(0).max(self.promised)
    }

    /// The numbers of operations after which the dataset was `found`, keys expired at `now_ms` left aside.
    pub fn prefixes_equal_to(&self, found: &Dataset, now_ms: i64) -> Vec<usize> {
        let mut dataset = self.base.clone();
        let names = found.0.keys().chain(self.base.0.keys()).cloned();
        let mut differing: HashSet<Name> = names.filter(|name| dataset.differs(found, name, now_ms)).collect();
        let mut equal = Vec::new();
        for nth in 0..=self.executed.len() {
            if differing.is_empty() {
                equal.push(nth);
            }
            let Some(done) = self.executed.get(nth) else { break };
            dataset.apply(done.db, &done.op, done.unix_ms);
            for key in done.op.keys() {
                let name = (done.db, key.to_owned());
                if dataset.differs(found, &name, now_ms) {
                    differing.insert(name);
                } else {
                    differing.remove(&name);
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

    #[test]
    fn everysec_may_lose_a_second_and_what_was_acked_behind_a_running_fsync() {
        let run = |start_ms, end_ms| FsyncRun { start_ms, end_ms };
        assert!(!in_window(8_000, 10_000, &[]));
        assert!(in_window(9_100, 10_000, &[]));
        assert!(in_window(5_000, 10_000, &[run(5_500, None)]), "an fsync has been running since 5,500");
        assert!(!in_window(4_000, 10_000, &[run(5_500, None)]));
        assert!(in_window(4_000, 10_000, &[run(3_500, Some(9_900))]), "the last fsync took long");
        assert!(!in_window(3_000, 10_000, &[run(3_500, Some(9_900))]));
        assert!(!in_window(4_000, 10_000, &[run(3_500, Some(5_000))]), "a tail must not wait longer than a second");
    }
}
