//! Counts what the runs did, and decides whether it was enough to mean something.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use super::plan::Policy;
use super::watch::{Phase, SWITCH_PHASES, Sight};

/// The least median of acked writes in a run.
const MIN_MEDIAN_ACKED: u64 = 1_000;
/// The least share of kills while a child runs, in percent.
const MIN_CHILD_PERCENT: usize = 20;
/// The least number of kills in the switch, and as many while a flush waits: in many runs, and one in how many of few.
/// A quarter of the runs aims at each.
const MIN_SPECIAL_KILLS: usize = 10;
const SPECIAL_KILL_EVERY: usize = 8;

/// One run that ended with its kill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunReport {
    pub(crate) policy: Policy,
    /// Transactions acknowledged; each holds three writes and counts as one.
    pub(crate) acked: u64,
    /// What was last seen before the kill.
    pub(crate) sight: Sight,
    /// Whether the kill left a temp file of a rewrite: nothing else can, so this confirms what was seen.
    pub(crate) temp_file_left: bool,
}

/// What a session did.
#[derive(Debug, Default)]
pub(crate) struct SessionReport {
    pub(crate) runs: Vec<RunReport>,
    pub(crate) kills_in_start: usize,
    pub(crate) failure: Option<Failure>,
}

/// A broken promise.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The session's seed.
    pub(crate) seed: u64,
    pub(crate) policy: Policy,
    /// The number of the run in its session.
    pub(crate) run: usize,
    /// Each thing that is wrong.
    pub(crate) findings: Vec<Finding>,
    /// The directory as it was left.
    pub(crate) kept: PathBuf,
}

/// One thing that is wrong.
#[derive(Debug)]
pub(crate) enum Finding {
    /// A client's history.
    History { client: usize, violation: testkit::history::Violation },
    /// Anything else, in words.
    Other(String),
}

impl Failure {
    /// Whether an acknowledged write is gone.
    pub(crate) fn is_loss(&self) -> bool {
        use testkit::history::Violation;
        self.findings.iter().any(|f| matches!(f, Finding::History { violation: Violation::LostAck { .. }, .. }))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "FAILED: policy {}, session seed {:#x}, run {}", self.policy.name(), self.seed, self.run)?;
        for finding in &self.findings {
            match finding {
                Finding::History { client, violation } => writeln!(f, "  client {client}: {violation}")?,
                Finding::Other(text) => writeln!(f, "  {text}")?,
            }
        }
        write!(f, "  files: {}", self.kept.display())
    }
}

/// All sessions together.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    runs: Vec<RunReport>,
    kills_in_start: usize,
    pub(crate) failures: Vec<Failure>,
}

impl Summary {
    pub(crate) fn add(&mut self, session: SessionReport) {
        self.runs.extend(session.runs);
        self.kills_in_start += session.kills_in_start;
        self.failures.extend(session.failure);
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Removes the directories of failures that were wanted.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub(crate) fn remove_kept(&self) -> Result<()> {
        self.failures.iter().try_for_each(|f| Ok(std::fs::remove_dir_all(&f.kept)?))
    }

    /// The runs of one policy alone.
    pub(super) fn of(&self, policy: Policy) -> Self {
        let runs = self.runs.iter().filter(|run| run.policy == policy).copied().collect();
        Self { runs, ..Self::default() }
    }

    /// All acknowledged transactions.
    pub(super) fn acked(&self) -> u64 {
        self.runs.iter().map(|run| run.acked).sum()
    }

    pub(super) fn median_acked(&self) -> u64 {
        let mut acked: Vec<u64> = self.runs.iter().map(|r| r.acked).collect();
        acked.sort_unstable();
        acked.get(acked.len() / 2).copied().unwrap_or(0)
    }

    /// How many kills in the switch, and while a flush waits, so many runs must have.
    fn min_special_kills(&self) -> usize {
        MIN_SPECIAL_KILLS.min(self.runs() / SPECIAL_KILL_EVERY)
    }

    fn count(&self, wanted: impl Fn(&RunReport) -> bool) -> usize {
        self.runs.iter().filter(|r| wanted(r)).count()
    }

    pub(super) fn child_kills(&self) -> usize {
        self.count(|r| r.sight.phase == Phase::Child)
    }

    pub(super) fn switch_kills(&self) -> usize {
        self.count(|r| matches!(r.sight.phase, Phase::Switch(_)))
    }

    pub(super) fn flush_kills(&self) -> usize {
        self.count(|r| r.sight.flush_waits)
    }

    /// Prints what was done.
    pub(crate) fn print(&self, took: Duration, foreign: bool) {
        let mut by_policy: BTreeMap<Policy, (usize, u64)> = BTreeMap::new();
        for run in &self.runs {
            let entry = by_policy.entry(run.policy).or_default();
            *entry = (entry.0 + 1, entry.1 + run.acked);
        }
        println!(
            "  runs: {} in {:.1} s, {} more kills during a start",
            self.runs(),
            took.as_secs_f64(),
            self.kills_in_start
        );
        for (policy, (runs, acked)) in by_policy {
            println!("  {}: {runs} runs, {acked} acked transactions of three writes", policy.name());
        }
        println!("  acked transactions in a run, median: {} (at least {MIN_MEDIAN_ACKED})", self.median_acked());
        println!("  killed while a child ran: {} (at least {MIN_CHILD_PERCENT} %)", self.child_kills());
        let phases = SWITCH_PHASES.iter().enumerate();
        let each: Vec<String> =
            phases.map(|(i, name)| format!("{name} {}", self.count(|r| r.sight.phase == Phase::Switch(i)))).collect();
        let least = self.min_special_kills();
        println!("  killed in the switch: {} (at least {least}): {}", self.switch_kills(), each.join(", "));
        println!("  killed while a flush waited: {} (at least {least})", self.flush_kills());
        println!("  kills that left a rewrite's temp file: {}", self.count(|r| r.temp_file_left));
        if foreign {
            println!("  not judged for a server given by hand: kills in the switch, temp files, orphaned children");
        }
    }

    /// Whether enough was acknowledged.
    ///
    /// # Errors
    /// If it was not.
    pub(super) fn require_acked(&self) -> Result<()> {
        if self.median_acked() < MIN_MEDIAN_ACKED {
            bail!("too little was tested: only {} acked transactions in the median run", self.median_acked());
        }
        Ok(())
    }

    /// Whether enough was tested.
    ///
    /// # Errors
    /// If it was not, with each number that is too small.
    pub(crate) fn require_quota(&self, foreign: bool) -> Result<()> {
        let mut short = Vec::new();
        if self.median_acked() < MIN_MEDIAN_ACKED {
            short.push(format!("{} acked writes in the median run", self.median_acked()));
        }
        if self.child_kills() * 100 < self.runs() * MIN_CHILD_PERCENT {
            short.push(format!("{} of {} kills while a child ran", self.child_kills(), self.runs()));
        }
        // Only our INFO shows the switch, and only a delay that foreign servers have no hook for makes flushes wait.
        if !foreign && self.switch_kills() < self.min_special_kills() {
            short.push(format!("{} kills in the switch", self.switch_kills()));
        }
        if !foreign && self.flush_kills() < self.min_special_kills() {
            short.push(format!("{} kills while a flush waited", self.flush_kills()));
        }
        if !short.is_empty() {
            bail!("no promise was broken, but too little was tested: only {}", short.join(", only "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(acked: u64, runs: usize, phase: Phase, flush_waits: bool) -> Summary {
        let sight = Sight { phase, flush_waits };
        let run = RunReport { policy: Policy::No, acked, sight, temp_file_left: false };
        Summary { runs: vec![run; runs], ..Summary::default() }
    }

    fn quota(summary: &Summary) -> String {
        summary.require_quota(false).map_or_else(|e| e.to_string(), |()| String::new())
    }

    #[test]
    fn enough_of_everything_passes() {
        let mut enough = summary(1_000, 10, Phase::Child, true);
        enough.runs.extend(summary(1_000, 10, Phase::Switch(0), false).runs);
        assert_eq!(quota(&enough), "");
    }

    #[test]
    fn fewer_runs_need_fewer_kills_at_the_rare_moments() {
        let with_special = |special, runs: usize| {
            let mut all = summary(1_000, special, Phase::Switch(0), true);
            all.runs.extend(summary(1_000, runs - special, Phase::Child, false).runs);
            quota(&all)
        };
        assert_eq!(with_special(2, 20), "");
        assert!(with_special(1, 20).contains("1 kills in the switch"));
        assert!(with_special(9, 160).contains("9 kills while a flush"));
    }

    #[test]
    fn each_number_that_is_too_small_is_named() {
        let text = quota(&summary(999, 20, Phase::Idle, false));
        for part in ["999 acked", "0 of 20 kills while a child", "0 kills in the switch", "0 kills while a flush"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
