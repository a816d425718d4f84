//! The first rewrite, the one-time snapshot, shutting down, scheduling.

use aof_rewrite::{AutoRewrite, Mode, Notice, Shutdown, ShutdownRule};
use bio::Bio as _;
use keyspace::Deadline;
use vfs::sim::{Call, Fault, Rule};

use crate::replay::replay;
use crate::world::{DIR, LOG_NAME, World};

fn with_data(mut world: World) -> World {
    for i in 0..20 {
        let key = format!("key:{i}");
        let hashed = world.keyspace.key(key.as_bytes());
        world.keyspace.db_mut(0).set_str(hashed, b"before the log", Deadline::Clear);
    }
    world
}

#[test]
fn the_first_rewrite_makes_the_log_and_keeps_a_file_that_had_the_name() {
    for preamble in [false, true] {
        keeps_what_had_the_name(preamble);
    }
}

fn keeps_what_had_the_name(preamble: bool) {
    let mut world = with_data(World::without_log());
    world.preamble = preamble;
    world.disk.put(DIR, LOG_NAME, b"somebody's");
    world.start(Mode::First).unwrap();
    assert_eq!(world.rewriter.shutdown_rule(), ShutdownRule::Refuse);
    world.run(&mut fastrand::Rng::with_seed(1));
    assert!(world.log.is_open());
    assert_eq!(replay(&world.log_bytes()).digest(), world.keyspace.digest());
    let kept = "appendonly.aof.old-1700000000000";
    assert_eq!(world.disk.content(DIR, kept).unwrap(), b"somebody's");
    assert!(world.said(|n| *n == Notice::MovedAside { to: kept.into() }));
    assert_eq!(world.rewriter.shutdown_rule(), ShutdownRule::Free);
}

#[test]
fn a_first_rewrite_that_fails_is_tried_again_after_a_second() {
    let mut world = with_data(World::without_log());
    let mut rng = fastrand::Rng::with_seed(2);
    let pid = world.start(Mode::First).unwrap();
    world.children.signal(pid, libc::SIGKILL);
    world.run(&mut rng);
    let failed_ms = world.mono_ms;
    assert_eq!(world.rewriter.due(failed_ms - 2), None);
    assert!(world.rewriter.next_wakeup_ms(failed_ms).is_some_and(|at| at <= failed_ms + 1_000));
    assert_eq!(world.rewriter.due(failed_ms + 1_000), Some(Mode::First));
    world.mono_ms += 1_000;
    world.start(Mode::First).unwrap();
    world.run(&mut rng);
    world.check_log();
    assert_eq!(world.rewriter.due(u64::MAX), None);
}

#[test]
fn while_the_file_of_a_failed_first_rewrite_is_removed_nobody_is_woken_for_the_next() {
    let mut world = with_data(World::without_log());
    let pid = world.start(Mode::First).unwrap();
    world.children.signal(pid, libc::SIGKILL);
    world.turn();
    assert!(!world.is_running());
    assert_eq!(world.bio.pending(bio::Kind::Close), 1, "the job that removes it waits for the disk");
    // The retry is long due, and cannot start: a time to wake at would lie in the past, turn after turn.
    world.mono_ms += 10_000;
    assert_eq!((world.rewriter.due(world.mono_ms), world.rewriter.next_wakeup_ms(world.mono_ms)), (None, None));
    world.settle();
    assert_eq!(world.rewriter.due(world.mono_ms), Some(Mode::First));
    assert!(world.rewriter.next_wakeup_ms(world.mono_ms).is_some_and(|at| at <= world.mono_ms));
}

#[test]
fn a_first_rewrite_whose_name_is_not_durable_is_not_tried_again_as_a_first() {
    // The file is the log by then: another first rewrite would move the log itself aside, and a crash before its end would
    // leave no file under the name.
    let mut world = with_data(World::without_log());
    world.start(Mode::First).unwrap();
    world.disk.inject(Rule::nth(Call::DirFsync, 2, Fault::FSYNC_EIO));
    world.run(&mut fastrand::Rng::with_seed(7));
    assert!(world.log.is_open());
    assert_eq!(world.log.not_durable, [libc::EIO]);
    assert_eq!(world.rewriter.due(u64::MAX), None);
    world.check_log();
}

#[test]
fn a_first_rewrite_that_is_called_off_is_not_tried_again() {
    let mut world = with_data(World::without_log());
    world.start(Mode::First).unwrap();
    world.with_rewriter(|rewriter, env| rewriter.abort(env));
    world.run(&mut fastrand::Rng::with_seed(3));
    assert_eq!(world.rewriter.due(u64::MAX), None);
    assert!(world.disk.names(DIR).is_empty());
}

#[test]
fn a_snapshot_of_a_server_without_log_opens_none() {
    for preamble in [false, true] {
        leaves_a_snapshot(preamble);
    }
}

fn leaves_a_snapshot(preamble: bool) {
    let mut world = with_data(World::without_log());
    world.preamble = preamble;
    world.disk.put(DIR, LOG_NAME, b"an older one");
    world.start(Mode::Once).unwrap();
    let mut rng = fastrand::Rng::with_seed(4);
    while world.is_running() {
        world.children.step(world.mono_ms);
        world.bio.run_chosen(&mut rng);
        world.turn();
        world.mono_ms += 1;
    }
    assert!(!world.log.is_open());
    world.settle();
    world.check_log();
}

#[test]
fn shutting_down_at_any_instant_ends_everything_and_leaves_a_whole_log() {
    for at in 0..300 {
        let mut rng = fastrand::Rng::with_seed(at);
        let mut world = World::new();
        for _ in 0..10 {
            world.set_any(&mut rng);
        }
        world.start(Mode::Switch).unwrap();
        for _ in 0..at {
            world.step(&mut rng);
        }
        let expected = if world.is_running() { ShutdownRule::Kill } else { ShutdownRule::Free };
        assert_eq!(world.rewriter.shutdown_rule(), expected);
        while let Shutdown::Drain(kind) = world.with_rewriter(|rewriter, env| rewriter.shutdown(env)) {
            world.bio.drain(kind);
            world.take_completions();
        }
        assert!(!world.is_running());
        world.log.flush();
        world.check_log();
        assert!(world.children.running().is_empty());
    }
}

#[test]
fn what_is_scheduled_is_due_when_nothing_runs() {
    let mut world = World::new();
    world.start(Mode::Switch).unwrap();
    world.rewriter.schedule(Mode::Switch);
    assert!(world.rewriter.status(0).scheduled);
    assert_eq!(world.rewriter.due(world.mono_ms), None);
    world.run(&mut fastrand::Rng::with_seed(5));
    assert_eq!(world.rewriter.due(world.mono_ms), Some(Mode::Switch));
    world.rewriter.schedule(Mode::First);
    world.rewriter.schedule(Mode::Switch);
    assert_eq!(world.rewriter.due(u64::MAX), Some(Mode::First), "the first rewrite is never forgotten for another");
    world.rewriter.unschedule();
    assert_eq!(world.rewriter.due(u64::MAX), None);
}

#[test]
fn growth_triggers_nothing_while_a_rewrite_runs_or_waits() {
    let auto = AutoRewrite { percentage: 100, min_size_bytes: 10 };
    let mut world = World::new();
    assert!(world.rewriter.auto_trigger(100, 10, auto, 0));
    assert_eq!(world.rewriter.take_notices(), [Notice::Automatic { growth_percent: 900 }]);
    world.start(Mode::Switch).unwrap();
    assert!(!world.rewriter.auto_trigger(100, 10, auto, 0));
    world.run(&mut fastrand::Rng::with_seed(6));
    world.rewriter.schedule(Mode::Switch);
    assert!(!world.rewriter.auto_trigger(100, 10, auto, 0));
}
