//! Whole rewrites in simulation: whatever the order of events, the new log is the dataset.

use aof_rewrite::{LiveLog as _, Mode, Notice};
use bio::Bio as _;

use crate::world::World;

#[test]
fn whatever_happens_first_the_new_log_builds_the_dataset() {
    for seed in 0..150 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new();
        world.preamble = seed % 2 == 1;
        world.children.set_pipe_bytes(rng.usize(1..5_000));
        world.diff_bytes = rng.usize(1..100_000);
        for _ in 0..rng.usize(..200) {
            world.set_any(&mut rng);
        }
        world.start(Mode::Switch).unwrap();
        world.run(&mut rng);
        assert_eq!(world.log.promoted, 1, "seed {seed}: {:?}", world.notices);
        world.check_log();
        for _ in 0..rng.usize(..20) {
            world.set_any(&mut rng);
        }
        world.settle();
        world.check_log();
    }
}

#[test]
fn one_rewrite_after_the_other_works_on_what_the_last_one_left() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut world = World::new();
    // From one form to the other and back, as a setting that changes at run time asks for it.
    for i in 0..5 {
        world.preamble = i % 2 == 1;
        for _ in 0..50 {
            world.set_any(&mut rng);
        }
        world.start(Mode::Switch).unwrap();
        world.run(&mut rng);
        world.check_log();
        assert_eq!(world.log_bytes().starts_with(b"REDIS"), world.preamble);
    }
    assert_eq!(world.rewriter.status(world.mono_ms).succeeded, 5);
}

#[test]
fn a_diff_larger_than_child_memory_pipe_and_loop_write_arrives_whole() {
    let mut rng = fastrand::Rng::with_seed(2);
    let mut world = World::new();
    world.diff_bytes = 10_000;
    world.set(0, "a", b"1");
    world.start(Mode::Switch).unwrap();
    // Once per turn, the parent keeps what the pipe does not take.
    for i in 0..60 {
        world.set(1, &format!("big:{i}"), &vec![b'x'; 100_000]);
    }
    world.run(&mut rng);
    world.check_log();
    assert!(world.said(|n| matches!(n, Notice::ResidualWritten { .. })));
}

#[test]
fn what_is_fed_while_the_child_writes_goes_to_it_and_not_to_the_loop() {
    let mut world = World::new();
    for i in 0..200 {
        world.set(0, &format!("before:{i}"), &[b'x'; 1_000]);
    }
    world.start(Mode::Switch).unwrap();
    for i in 0..50 {
        world.set(0, &format!("during:{i}"), &[b'x'; 1_000]);
        world.children.step(world.mono_ms);
        world.turn();
    }
    world.run(&mut fastrand::Rng::with_seed(5));
    let taken = |n: &Notice| matches!(n, Notice::Concatenating { bytes } if *bytes > 50_000);
    assert!(world.said(taken), "{:?}", world.notices);
    world.check_log();
}

#[test]
fn the_old_log_is_closed_by_a_job() {
    let mut rng = fastrand::Rng::with_seed(6);
    let mut world = World::new();
    world.set(0, "a", b"1");
    world.settle();
    world.start(Mode::Switch).unwrap();
    while world.log.promoted == 0 {
        world.step(&mut rng);
    }
    assert_eq!(world.bio.pending(bio::Kind::Close), 1, "to drop a large file takes time, which is not the loop's");
    world.settle();
    world.check_log();
}

#[test]
fn the_loop_writes_no_more_than_its_share_of_a_large_residual_diff() {
    let mut world = World::new();
    world.start(Mode::Switch).unwrap();
    while world.children.step(world.mono_ms) || !world.said(|n| *n == Notice::AskedToStop) {
        world.mono_ms += 1;
        world.turn();
    }
    for i in 0..40 {
        world.set(0, &format!("big:{i}"), &vec![b'x'; 100_000]);
    }
    // A turn that feeds nothing: 4 MB are left, and none of it is the loop's to write.
    for _ in 0..2 {
        world.children.step(world.mono_ms);
        world.turn();
    }
    world.children.step(world.mono_ms);
    while world.rewriter.status(world.mono_ms).child_pid.is_some() {
        world.children.step(world.mono_ms);
        world.turn();
    }
    let before = world.log.diff_len();
    assert!(before > 2_000_000, "{before}");
    world.turn();
    assert_eq!(world.log.diff_len(), before, "one job at a time, and the loop waits for it");
    let mut left = before;
    while !world.log.is_attached() {
        left = world.log.diff_len();
        world.bio.run_all();
        world.turn();
    }
    assert!(left <= 64 * 1024, "the loop wrote {left} bytes");
    world.run(&mut fastrand::Rng::with_seed(3));
    world.check_log();
}

#[test]
fn notices_come_in_the_order_operators_know() {
    let mut world = World::new();
    world.set(0, "a", b"1");
    let pid = world.start(Mode::Switch).unwrap();
    world.run(&mut fastrand::Rng::with_seed(4));
    let first_words: Vec<String> =
        world.notices.iter().map(|n| n.to_string().chars().take(28).collect::<String>()).collect();
    assert_eq!(world.notices[0], Notice::Started { pid });
    let expected = [
        "Background append only file ",
        "AOF rewrite child asks to st",
        "Parent agreed to stop sendin",
        "Concatenating 0.00 MB of AOF",
        "SYNC append only file rewrit",
        "Background AOF rewrite termi",
        "Residual parent diff success",
        "Background AOF rewrite finis",
    ];
    assert_eq!(first_words, expected);
}
