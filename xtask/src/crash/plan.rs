//! Draws a session: which runs, what each kill aims at, how slow fsync and switch are. Pure: a function of the seed.

use fastrand::Rng;

/// How many runs share a directory.
pub(crate) const RUNS_PER_SESSION: usize = 8;

/// An fsync policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Policy {
    Always,
    Everysec,
    No,
}

impl Policy {
    /// Every policy, the strictest first.
    pub(crate) const ALL: [Self; 3] = [Self::Always, Self::Everysec, Self::No];

    /// The value of `appendfsync`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
            Self::No => "no",
        }
    }
}

/// What a kill aims at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Any moment.
    Moment,
    /// A living rewrite child.
    Child,
    /// The switch of files after it: the phase with this number, counted round the phases there are.
    Switch { phase: usize },
    /// Bytes that wait behind a write or an fsync in flight.
    FlushWait,
}

/// What the caller of a crash test set by hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Knobs {
    /// Every fsync takes at least so long, whatever the plan would draw.
    pub(crate) fsync_delay_ms: Option<u64>,
    /// The server acknowledges too early.
    pub(crate) ack_early: bool,
}

/// One run: a server's life.
#[derive(Clone, Debug)]
pub(crate) struct RunPlan {
    /// What the kill aims at.
    pub(crate) target: Target,
    /// Before that, the process is killed once so many milliseconds after its start, most likely while it recovers.
    pub(crate) killed_in_start_after_ms: Option<u64>,
    /// When a rewrite is asked for, in milliseconds of load.
    pub(crate) rewrite_after_ms: Option<u64>,
    /// The earliest kill, in milliseconds of load.
    pub(crate) kill_after_ms: u64,
    /// The fewest transactions acknowledged before the kill, so that a slow machine tests as much as a fast one.
    pub(crate) kill_after_acked: u64,
    /// How long the kill waits once its target is seen, in microseconds.
    pub(crate) linger_us: u64,
    /// How long an fsync takes at least.
    pub(crate) fsync_delay_ms: u64,
    /// How long each step of the switch takes at least.
    pub(crate) switch_delay_ms: u64,
    /// Draws the clients' batches and payloads.
    pub(crate) workload_seed: u64,
}

/// A session: runs over one directory.
#[derive(Clone, Debug)]
pub(crate) struct SessionPlan {
    pub(crate) seed: u64,
    pub(crate) policy: Policy,
    /// How many clients write.
    pub(crate) clients: usize,
    /// Keys written once at the beginning, so that a rewrite child has something to do.
    pub(crate) preloaded_keys: u64,
    /// Whether the server is told to acknowledge too early.
    pub(crate) ack_early: bool,
    pub(crate) runs: Vec<RunPlan>,
}

impl SessionPlan {
    /// Draws a session of `runs` runs.
    pub(crate) fn draw(seed: u64, policy: Policy, runs: usize, knobs: Knobs) -> Self {
        let mut rng = Rng::with_seed(seed);
        let clients = rng.usize(3..=8);
        let preloaded_keys = rng.u64(20_000..=60_000);
        let mut targets = targets(policy, knobs, &mut rng);
        targets.truncate(runs);
        let runs = targets.into_iter().map(|target| draw_run(target, policy, knobs, &mut rng)).collect();
        Self { seed, policy, clients, preloaded_keys, ack_early: knobs.ack_early, runs }
    }
}

/// The targets of a whole session, shuffled: a quarter each, where the policy knows all of them.
fn targets(policy: Policy, knobs: Knobs, rng: &mut Rng) -> Vec<Target> {
    // Under `no` nothing is fsynced, so that no flush waits for one.
    let waits = if policy == Policy::No { Target::Child } else { Target::FlushWait };
    let mut switch = || Target::Switch { phase: rng.usize(..64) };
    let mut targets =
        vec![Target::Moment, Target::Moment, Target::Child, Target::Child, switch(), switch(), waits, waits];
    debug_assert_eq!(targets.len(), RUNS_PER_SESSION);
    if knobs.ack_early {
        targets.fill(waits);
    }
    rng.shuffle(&mut targets);
    targets
}

fn draw_run(target: Target, policy: Policy, knobs: Knobs, rng: &mut Rng) -> RunPlan {
    // Drawn whether used or not, so that one choice does not shift the next.
    let rewrite_ms = rng.u64(30..150);
    let moment_ms = rng.u64(60..500);
    let child_linger_us = rng.u64(..40_000);
    let short_linger_us = rng.u64(..4_000);
    let flush_delay_ms = rng.u64(30..120);
    let (any_acked, enough_acked) = (rng.u64(..3_000), rng.u64(1_000..3_000));
    let (with_rewrite, start_kill, start_kill_ms) = (rng.bool(), rng.u8(..4) == 0, rng.u64(1..40));
    let rewrites = match target {
        Target::Child | Target::Switch { .. } => true,
        Target::Moment => with_rewrite,
        Target::FlushWait => false,
    };
    let waits_for_fsync = target == Target::FlushWait;
    let fsync_delay_ms = knobs.fsync_delay_ms.unwrap_or(if waits_for_fsync { flush_delay_ms } else { 0 });
    // Under `always` nothing is acked before an fsync has ended: a kill during the first one would test little.
    let first_acks_ms = if policy == Policy::Always { 3 * fsync_delay_ms } else { 0 };
    RunPlan {
        target,
        killed_in_start_after_ms: start_kill.then_some(start_kill_ms),
        rewrite_after_ms: rewrites.then_some(rewrite_ms),
        kill_after_ms: first_acks_ms + if target == Target::Moment { moment_ms } else { rewrite_ms },
        // Any moment is also one at which next to nothing was acknowledged.
        kill_after_acked: if target == Target::Moment { any_acked } else { enough_acked },
        linger_us: if target == Target::Child { child_linger_us } else { short_linger_us },
        fsync_delay_ms,
        switch_delay_ms: if matches!(target, Target::Switch { .. }) { 12 } else { 0 },
        workload_seed: rng.u64(..),
    }
}

/// A seed made from another and a number (SplitMix64), so that every session has its own.
pub(crate) fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: u64, policy: Policy, runs: usize) -> SessionPlan {
        SessionPlan::draw(seed, policy, runs, Knobs::default())
    }

    #[test]
    fn a_seed_draws_the_same_session_again() {
        let text = |runs| format!("{:?}", draw(7, Policy::Everysec, runs));
        assert_eq!(text(8), text(8));
    }

    #[test]
    fn a_shorter_session_is_the_beginning_of_the_longer_one() {
        let (long, short) = (draw(9, Policy::Always, 8), draw(9, Policy::Always, 3));
        assert_eq!(format!("{:?}", &long.runs[..3]), format!("{:?}", short.runs));
    }

    #[test]
    fn every_session_aims_at_every_target() {
        for seed in 0..50 {
            let runs = draw(seed, Policy::Always, 8).runs;
            for wanted in [Target::Moment, Target::Child, Target::FlushWait] {
                assert_eq!(runs.iter().filter(|r| r.target == wanted).count(), 2, "seed {seed}, {wanted:?}");
            }
        }
    }

    #[test]
    fn the_seeds_of_sessions_differ() {
        let seeds: std::collections::BTreeSet<u64> = (0..1000).map(|n| mix(1, n)).collect();
        assert_eq!(seeds.len(), 1000);
    }
}
