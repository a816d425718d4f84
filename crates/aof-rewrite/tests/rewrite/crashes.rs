//! Power cuts: at every instant of a rewrite, the file that has the log's name afterwards holds at least what was promised.

use aof_rewrite::{LiveLog as _, Mode};
use vfs::sim::{CrashMode, NameMode};

use crate::replay::replay_torn;
use crate::world::{DIR, LOG_NAME, World};

#[test]
fn a_power_cut_at_any_instant_loses_nothing_that_was_fsynced() {
    for seed in 0..16 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::with_history();
        world.preamble = seed % 2 == 1;
        world.children.set_pipe_bytes(500);
        for _ in 0..rng.usize(..40) {
            world.set_any(&mut rng);
        }
        world.settle();
        world.start(Mode::Switch).unwrap();
        while world.is_running() {
            world.step(&mut rng);
            if rng.u32(..3) == 0 || world.rewriter.is_switching() {
                check_crash(&world, &mut rng, seed);
            }
        }
        assert_eq!(world.log.promoted, 1);
        // What goes to the new file alone must not depend on a name that is not durable.
        for _ in 0..5 {
            world.set_any(&mut rng);
            world.settle();
            check_crash(&world, &mut rng, seed);
        }
    }
}

#[test]
fn a_power_cut_around_a_failed_rewrite_loses_nothing_that_was_fsynced() {
    for seed in 0..16 {
        let mut rng = fastrand::Rng::with_seed(1_000 + seed);
        let mut world = World::with_history();
        world.preamble = seed % 2 == 1;
        for _ in 0..rng.usize(1..40) {
            world.set_any(&mut rng);
        }
        let pid = world.start(Mode::Switch).unwrap();
        let kill_at = rng.u32(..60);
        for i in 0.. {
            if i == kill_at {
                world.children.signal(pid, libc::SIGKILL);
            }
            if !world.is_running() {
                break;
            }
            world.step(&mut rng);
            if rng.u32(..3) == 0 || world.rewriter.is_switching() {
                check_crash(&world, &mut rng, seed);
            }
        }
    }
}

/// Cuts the power now, in some way, and compares what a restart would find with what has been promised.
fn check_crash(world: &World, rng: &mut fastrand::Rng, seed: u64) {
    let mode = [CrashMode::Strict, CrashMode::TornAnyByte][rng.usize(..2)];
    let names = NameMode::ALL[rng.usize(..2)];
    let promised = world.log.marks().fsynced.0;
    let after = world.disk.crash(rng, mode, names);
    let found = after.content(DIR, LOG_NAME).expect("the log's name is durable since the first start");
    let digest = replay_torn(&found).0.digest();
    let history = world.history.as_ref().expect("kept");
    let kept = history.iter().rev().find(|(_, then)| *then == digest);
    let (kept, _) = kept.unwrap_or_else(|| panic!("seed {seed}: what is left is no state the server was in"));
    // The same state may have been reached twice; the latest one counts.
    assert!(*kept >= promised, "seed {seed}: {kept} of {promised} promised bytes, {mode:?} {names:?}");
}
