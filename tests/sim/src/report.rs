//! What campaigns went through, to see that they went through something.

use std::collections::BTreeMap;
use std::fmt;

use vfs::sim::Call;

use crate::life::Life;
use crate::moment::State;
use crate::verdict::{Crash, Survivor};

/// What a campaign, or many, went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Campaigns.
    pub campaigns: u64,
    /// Operations executed.
    pub executed: usize,
    /// Operations acknowledged.
    pub acked: usize,
    /// Operations answered with the error of a failed flush, or of a disk that takes no writes.
    pub failed: usize,
    /// How often WAITAOF said that what was written is on stable storage.
    pub promises: usize,
    /// Operations found after crashes.
    pub survived: usize,
    /// Rewrites that replaced the log.
    pub rewrites: u32,
    /// Snapshots that ended well.
    pub saved: u32,
    /// How often a server that refused writes took them again after everything had healed, and the longest that took.
    pub healed: u32,
    /// In milliseconds.
    pub longest_healing_ms: u64,
    /// Recoveries with a hole inside of a value.
    pub holes: u32,
    /// Recoveries before which an operator had to cut the log.
    pub repaired: u32,
    /// Recoveries.
    pub recoveries: u32,
    /// How often the wall clock was set while a server ran.
    pub jumps: usize,
    /// How often a setting was changed.
    pub changes: usize,
    /// Crashes, by the state they came in; one may have been in several.
    pub states: BTreeMap<State, u64>,
    /// What crashes left, by the kind of image.
    pub images: BTreeMap<String, u64>,
    /// Faults that struck, by name.
    pub faults: BTreeMap<String, u64>,
    /// A digest of every call to the disk in every life.
    pub digest: u64,
}

impl Report {
    /// Adds what another campaign went through.
    pub fn absorb(&mut self, other: &Self) {
        self.campaigns += other.campaigns;
        self.executed += other.executed;
        self.acked += other.acked;
        self.failed += other.failed;
        self.promises += other.promises;
        self.survived += other.survived;
        self.rewrites += other.rewrites;
        self.recoveries += other.recoveries;
        self.holes += other.holes;
        self.healed += other.healed;
        self.saved += other.saved;
        self.longest_healing_ms = self.longest_healing_ms.max(other.longest_healing_ms);
        self.repaired += other.repaired;
        self.jumps += other.jumps;
        self.changes += other.changes;
        other.states.iter().for_each(|(state, times)| *self.states.entry(*state).or_default() += times);
        other.images.iter().for_each(|(image, times)| *self.images.entry(image.clone()).or_default() += times);
        other.faults.iter().for_each(|(fault, times)| *self.faults.entry(fault.clone()).or_default() += times);
        // The order of campaigns on several threads is not theirs.
        self.digest = self.digest.wrapping_add(other.digest);
    }

    /// The states that no crash came in.
    pub fn never_crashed_in(&self) -> Vec<State> {
        State::ALL.into_iter().filter(|state| !self.states.contains_key(state)).collect()
    }

    /// How many crashes there were, while a server ran or started.
    pub fn crashes(&self) -> u64 {
        self.images.values().sum()
    }

    pub(crate) fn add(&mut self, life: &Life) {
        self.failed += life.failed;
        self.promises += life.history.promises;
        self.executed += life.history.executed.len();
        self.acked += life.history.executed.iter().filter(|done| done.acked_ms.is_some()).count();
        self.saved += life.snapshots.saved;
        self.healed += u32::from(life.healed_ms.is_some());
        self.longest_healing_ms = self.longest_healing_ms.max(life.healed_ms.unwrap_or(0));
        self.jumps += life.jumps;
        self.changes += life.settings.len();
        let log = life.server.log.0.borrow();
        let finished = log.iter().filter(|(_, line)| line.contains("rewrite finished successfully"));
        self.rewrites += u32::try_from(finished.count()).unwrap_or(u32::MAX);
        self.digest = self.digest.rotate_left(7) ^ life.server.disk.digest();
        self.faults(life.server.disk.struck().into_iter());
        for name in &life.trouble.planted {
            *self.faults.entry((*name).to_owned()).or_default() += 1;
        }
    }

    pub(crate) fn faults(&mut self, struck: impl Iterator<Item = ((Call, &'static str), u64)>) {
        for ((call, fault), times) in struck {
            *self.faults.entry(format!("{call:?}: {fault}")).or_default() += times;
        }
    }

    pub(crate) fn crash(&mut self, crash: Crash, states: &[State]) {
        states.iter().for_each(|state| *self.states.entry(*state).or_default() += 1);
        // The repair of a torn tail is a part of the start, whose crash has been counted; an error is no crash.
        if !states.iter().any(|state| matches!(state, State::TornTailRepair | State::SecondFault)) {
            *self.images.entry(crash.text()).or_default() += 1;
        }
    }

    pub(crate) fn recovered(&mut self, survivor: &Survivor) {
        self.recoveries += 1;
        self.holes += u32::from(survivor.survived.is_none());
        self.repaired += u32::from(survivor.repaired);
        self.survived += survivor.survived.unwrap_or(0);
        if survivor.torn {
            *self.states.entry(State::TornTail).or_default() += 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { campaigns, recoveries, executed, acked, failed, survived, promises, rewrites, .. } = self;
        writeln!(f, "{campaigns} seeds, {} crashes, {recoveries} recoveries judged", self.crashes())?;
        writeln!(
            f,
            "{executed} operations: {acked} acknowledged, {failed} answered with an error, {survived} found again"
        )?;
        writeln!(
            f,
            "{promises} promises of WAITAOF, {rewrites} rewrites, {} snapshots, {} changes of settings, {} of the wall clock",
            self.saved, self.changes, self.jumps
        )?;
        let Self { healed, longest_healing_ms, .. } = self;
        writeln!(
            f,
            "{healed} servers took writes again when everything had healed, after {longest_healing_ms} ms at most"
        )?;
        writeln!(f, "holes inside one argument, of what was not promised: {}", self.holes)?;
        writeln!(
            f,
            "starts refused for a hole, as no state file could be written, and repaired by hand: {}",
            self.repaired
        )?;
        writeln!(f, "crashes, by what they came in:")?;
        for state in State::ALL {
            writeln!(f, "{:>9}  {}", self.states.get(&state).unwrap_or(&0), state.text())?;
        }
        table(f, "what they left:", &self.images)?;
        table(f, "faults:", &self.faults)?;
        write!(f, "digest of all calls: {:#018x}", self.digest)
    }
}

fn table(f: &mut fmt::Formatter<'_>, title: &str, rows: &BTreeMap<String, u64>) -> fmt::Result {
    writeln!(f, "{title}")?;
    rows.iter().try_for_each(|(name, times)| writeln!(f, "{times:>9}  {name}"))
}
