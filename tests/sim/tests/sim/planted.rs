//! The judge is judged: bugs that must be found, promises that a server does not make, damage that nothing excuses.

use engine::{Now, TestHooks};
use tests_sim::campaign::{Campaign, STRICT};
use tests_sim::excuse::Written;
use tests_sim::failure::{Failure, Problem};
use tests_sim::life::{Life, Shape};
use tests_sim::model::Dataset;
use tests_sim::server::{DIR, LOG, Policy, Server, Spawn};
use tests_sim::verdict::{Crash, Crashed, Survivor, Violation, judge};
use vfs::sim::SimDisk;

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

/// The judgement of a server under `policy` that lost its power, after the log that is found was changed. `None` if it was not.
fn judge_changed(
    policy: Policy,
    seed: u64,
    change: impl FnOnce(&mut Vec<u8>) -> bool,
) -> Option<Result<Survivor, Violation>> {
    let spawn = |at_us: u64| Spawn {
        config: policy.config(),
        now: Now { mono_us: at_us, unix_us: 1_790_000_000_000_000 },
        boot: 1,
        pid: 77,
        seed,
        hooks: TestHooks::default(),
    };
    let shape = Shape { long_values: true, rewrite_every: 0, turns: 60, ..Shape::PLAIN };
    let server = Server::start(&SimDisk::new(), &spawn(1_000_000)).unwrap_or_else(|_| panic!("an empty disk"));
    let mut life = Life::new(server, Dataset::default(), shape);
    life.play(shape, &mut fastrand::Rng::with_seed(seed)).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let image = STRICT.image(&life.server.disk, &mut fastrand::Rng::with_seed(seed));
    let written = Written::of(&life.server.disk, &image);
    let mut changed = false;
    image.tamper(DIR, LOG, |log| changed = change(log));
    let at_us = life.server.now.mono_us;
    let fsyncs = life.server.bio.fsyncs();
    let history = &life.history;
    let crashed = Crashed {
        history,
        policy: None,
        fsyncs: &fsyncs,
        at_ms: at_us / 1_000,
        written,
        stateless: false,
        start_failed: false,
        clock_set: false,
        dump: None,
        latest_ms: 0,
    };
    let spawn = Spawn { boot: 2, ..spawn(at_us + 1_000_000) };
    changed.then(|| judge(&image, &spawn, STRICT, &crashed))
}

/// Zeros a whole sector inside of the last long value of a log. Whether there is one.
fn zero_a_sector(log: &mut [u8]) -> bool {
    let sectors = (0..log.len() / 512).rev().map(|nth| nth * 512..nth * 512 + 512);
    let mut inside = sectors.filter(|sector| log[sector.clone()].iter().all(u8::is_ascii_digit));
    inside.next().is_some_and(|sector| {
        log[sector].fill(0);
        true
    })
}

#[test]
fn a_hole_in_what_was_promised_is_a_loss() {
    // Holes were excused wherever there were any, once a disk had failed.
    let verdicts = (0..20).filter_map(|seed| judge_changed(Policy::Always, seed, |log| zero_a_sector(log)));
    let (mut lost, mut excused) = (0, 0);
    for verdict in verdicts {
        match verdict {
            Err(Violation::Lost { .. }) => lost += 1,
            // Not the last value of its key, or one that nobody has been answered yet.
            Ok(survivor) => excused += u32::from(survivor.survived.is_none()),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(lost > 3 && excused < lost, "{lost} holes were found, {excused} excused");
}

#[test]
fn zeros_in_a_short_value_are_never_excused() {
    let zero = |log: &mut Vec<u8>| {
        let at = log.windows(5).rposition(|bytes| bytes == b"$10\r\n");
        at.is_some_and(|at| {
            log[at + 7..at + 9].fill(0);
            true
        })
    };
    let verdicts: Vec<_> = (0..10).filter_map(|seed| judge_changed(Policy::No, seed, zero)).collect();
    assert!(!verdicts.is_empty(), "there were short values");
    assert!(verdicts.iter().all(|verdict| verdict.as_ref().map_or(true, |survivor| survivor.survived.is_some())));
}
