//! The judge is judged: bugs that must be found, promises that a server does not make.

use engine::TestHooks;
use tests_sim::campaign::{Campaign, STRICT};
use tests_sim::failure::{Failure, Problem};
use tests_sim::server::Policy;
use tests_sim::verdict::{Crash, Violation};

/// The first loss found in some hundred seeds.
fn first_loss(change: impl Fn(&mut Campaign)) -> Option<Box<Failure>> {
    (0..300).find_map(|seed| {
        let mut campaign = Campaign::new(seed);
        campaign.lives = 1;
        change(&mut campaign);
        let failure = campaign.run().err()?;
        let lost = matches!(failure.problem, Problem::Crash { violation: Violation::Lost { .. }, .. });
        assert!(lost, "{failure}");
        Some(failure)
    })
}

#[test]
fn replies_that_leave_before_the_write_are_found_by_a_kill() {
    let found = first_loss(|campaign| {
        campaign.hooks = TestHooks { ack_early: true };
        campaign.policies = vec![Policy::EverySec];
        campaign.crashes = vec![Crash::Kill];
    });
    assert!(found.is_some(), "a server that answers before write(2) lost nothing in 300 crashes");
}

#[test]
fn replies_that_leave_before_the_fsync_are_found_by_a_power_cut() {
    let found = first_loss(|campaign| {
        campaign.hooks = TestHooks { ack_early: true };
        campaign.policies = vec![Policy::Always];
        campaign.crashes = vec![STRICT];
    });
    assert!(found.is_some(), "a server that answers before the fsync lost nothing in 300 power cuts");
}

#[test]
fn a_waitaof_that_answers_before_the_fsync_is_found_by_a_power_cut() {
    // Under `no` a power cut may take everything but what WAITAOF gave its word for.
    let found = first_loss(|campaign| {
        campaign.hooks = TestHooks { ack_early: true };
        campaign.policies = vec![Policy::No];
        campaign.crashes = vec![STRICT];
    });
    assert!(found.is_some(), "a WAITAOF that takes what is written for fsynced lost nothing in 300 power cuts");
}

#[test]
fn everysec_does_not_keep_the_promise_of_always() {
    let found = first_loss(|campaign| {
        campaign.policies = vec![Policy::EverySec];
        campaign.promise = Some(Policy::Always);
        campaign.crashes = vec![STRICT];
    });
    assert!(found.is_some(), "the judge does not tell everysec from always");
}

#[test]
fn no_does_not_keep_the_promise_of_everysec() {
    let found = first_loss(|campaign| {
        campaign.policies = vec![Policy::No];
        campaign.promise = Some(Policy::EverySec);
        // It makes durable what the policy would not.
        campaign.shape.wait_every = 0;
        campaign.crashes = vec![STRICT];
    });
    assert!(found.is_some(), "the judge does not tell no from everysec");
}
