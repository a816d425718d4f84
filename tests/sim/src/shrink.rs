//! Makes a failed campaign smaller: what can be left out without the failure's going away is left out.
//!
//! Each step changes one thing of the shape: fewer lives, turns or clients, no settings, no jumps, no rewrites, one kind of fault
//! less. What is drawn differs then, so a step is tried with the same seed first and with some others after it; one that fails
//! in the same way is gone on from.

use crate::campaign::Campaign;
use crate::caught;
use crate::failure::Failure;
use crate::trouble::{Faults, Kind};

/// How many campaigns may be run in all.
const MOST_RUNS: u32 = 1_500;

/// How many seeds a step is tried with.
const SEEDS: u64 = 24;

/// The smallest campaign found that fails as `failure` did; `None` if nothing could be left out.
pub fn shrink(failure: &Failure) -> Option<Box<Failure>> {
    let mut smallest: Option<Box<Failure>> = None;
    let mut runs = 0;
    loop {
        let current = smallest.as_deref().unwrap_or(failure);
        let steps = steps(&current.campaign);
        let found = steps.into_iter().find_map(|step| try_step(&step, failure.problem.name(), &mut runs));
        match found {
            Some(smaller) => smallest = Some(smaller),
            None => return smallest,
        }
    }
}

fn try_step(step: &Campaign, problem: &str, runs: &mut u32) -> Option<Box<Failure>> {
    (0..SEEDS).find_map(|nth| {
        *runs += 1;
        if *runs > MOST_RUNS {
            return None;
        }
        let campaign = Campaign { seed: step.seed.wrapping_add(nth), record: false, ..step.clone() };
        let failure = caught::run(&campaign).err()?;
        (failure.problem.name() == problem).then_some(failure)
    })
}

/// Campaigns that are each a little smaller, the largest steps first.
fn steps(campaign: &Campaign) -> Vec<Campaign> {
    let mut steps = Vec::new();
    let mut step = |change: &dyn Fn(&mut Campaign)| {
        let mut smaller = campaign.clone();
        change(&mut smaller);
        if smaller.shape != campaign.shape
            || smaller.lives != campaign.lives
            || smaller.second_faults != campaign.second_faults
        {
            steps.push(smaller);
        }
    };
    step(&|c| c.lives = 1.min(c.lives));
    step(&|c| c.lives = c.lives.saturating_sub(1).max(1));
    step(&|c| c.second_faults = 0);
    step(&|c| c.shape.fault_every = 0);
    step(&|c| c.shape.config_every = 0);
    step(&|c| c.shape.jump_every = 0);
    step(&|c| c.shape.rewrite_every = 0);
    step(&|c| c.shape.wait_every = 0);
    step(&|c| c.shape.save_every = if c.without_log { c.shape.save_every } else { 0 });
    step(&|c| c.shape.end_every = 0);
    step(&|c| c.shape.long_values = false);
    step(&|c| c.shape.turns = (c.shape.turns / 2).max(1));
    step(&|c| c.shape.turns = (c.shape.turns * 4 / 5).max(1));
    step(&|c| c.shape.clients = 1);
    step(&|c| c.shape.clients = (c.shape.clients - 1).max(1));
    if campaign.shape.fault_every > 0 {
        for kind in Kind::ALL {
            step(&|c| c.shape.faults = Faults::NONE.with(kind));
        }
        for kind in Kind::ALL {
            step(&|c| c.shape.faults = c.shape.faults.without(kind));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use engine::TestHooks;

    use super::*;
    use crate::campaign::STRICT;
    use crate::server::Policy;

    #[test]
    fn a_failure_is_made_smaller_and_stays_the_same_failure() {
        let planted = |seed| Campaign {
            hooks: TestHooks { ack_early: true },
            policies: vec![Policy::Always],
            crashes: vec![STRICT],
            ..Campaign::hard(seed)
        };
        let failure = (0..100).find_map(|seed| caught::run(&planted(seed)).err());
        let failure = failure.expect("a server that answers before the fsync loses something");
        let smaller = shrink(&failure).expect("there was much that could be left out");
        assert_eq!(smaller.problem.name(), failure.problem.name());
        assert!(smaller.campaign.lives == 1 && smaller.campaign.shape.turns < 90, "{:?}", smaller.campaign);
        let again = caught::run(&smaller.campaign).expect_err("it fails again");
        assert_eq!(again.to_string(), smaller.to_string());
    }
}
