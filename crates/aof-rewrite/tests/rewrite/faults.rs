//! Faults: whatever fails, the old log or the new one is whole, nothing is left over, and the status tells.

use aof_rewrite::{Abort, Call as Failed, FileError, Level, Mode, Notice};
use bio::Bio as _;
use vfs::sim::{Call, Fault, Rule};

use crate::world::World;

fn prepared(seed: u64) -> (World, fastrand::Rng) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = World::new();
    for _ in 0..30 {
        world.set_any(&mut rng);
    }
    world.settle();
    (world, rng)
}

/// Runs a rewrite and kills its child by `signal` before its step number `at`; false if the child had ended before that.
fn killed_at(at: u64, signal: i32, preamble: bool) -> bool {
    let (mut world, mut rng) = prepared(at);
    world.preamble = preamble;
    let before = world.log_bytes();
    let pid = world.start(Mode::Switch).unwrap();
    while world.children.steps(pid) < at && !world.children.running().is_empty() {
        world.children.step(world.mono_ms);
        world.with_rewriter(|rewriter, env| rewriter.turn(env));
        world.mono_ms += 1;
    }
    let killed = !world.children.running().is_empty();
    world.children.signal(pid, signal);
    world.run(&mut rng);
    if killed {
        assert!(world.log_bytes().starts_with(&before), "the old log is only appended to");
        assert_eq!(world.log.promoted, 0);
        assert_eq!(world.rewriter.status(0).last_ok, signal == libc::SIGUSR1);
        assert!(world.said(|n| *n == Notice::ChildKilled { signal }));
    }
    world.check_log();
    killed
}

#[test]
fn a_child_killed_at_any_step_leaves_the_old_log_and_no_file() {
    for preamble in [false, true] {
        let killed_at_each = (0..).take_while(|step| killed_at(*step, libc::SIGKILL, preamble)).count();
        assert!(killed_at_each > 20, "{killed_at_each}");
        assert!(killed_at(5, libc::SIGSEGV, preamble));
    }
}

#[test]
fn the_diff_of_a_failed_rewrite_is_not_freed_in_the_loop() {
    let (mut world, mut rng) = prepared(8);
    let pid = world.start(Mode::Switch).unwrap();
    world.children.signal(pid, libc::SIGKILL);
    world.set_any(&mut rng);
    world.turn();
    assert!(!world.is_running());
    assert_eq!(world.bio.pending(bio::Kind::LazyFree), 1);
    world.settle();
    world.check_log();
}

#[test]
fn a_child_killed_by_sigusr1_at_any_step_is_no_failure() {
    assert!((0..).take_while(|step| killed_at(*step, libc::SIGUSR1, false)).count() > 20);
}

#[test]
fn one_failed_call_on_the_new_file_at_any_point_costs_the_rewrite_and_nothing_else() {
    let mut failures = 0;
    for nth in 0..40 {
        for call in [Call::Append, Call::Fdatasync, Call::Fsync, Call::Metadata, Call::Rename] {
            let (mut world, mut rng) = prepared(nth);
            world.preamble = rng.bool();
            let mut seen = 0;
            world.disk.inject(Rule::when(Fault::EIO, move |a| {
                let hit = a.call == call && a.name.starts_with("temp-rewriteaof-");
                seen += u64::from(hit);
                hit && seen == nth + 1
            }));
            let started = world.start(Mode::Switch).is_ok();
            world.run(&mut rng);
            world.disk.heal();
            if world.log.has_failed() {
                // The call came after the rename: the file is the log's by then, and so is the failure.
                assert_eq!(world.log.promoted, 1);
                continue;
            }
            world.check_log();
            let failed = !world.rewriter.status(0).last_ok;
            assert_eq!(failed, world.log.promoted == 0, "{call:?} {nth}: {:?}", world.notices);
            assert!(started || failed);
            failures += u32::from(failed);
        }
    }
    assert!(failures > 8, "{failures}");
}

#[test]
fn a_failed_call_says_what_failed() {
    let (mut world, mut rng) = prepared(1);
    world.disk.inject(Rule::when(Fault::ENOSPC, |a| a.call == Call::Append && a.name.starts_with("temp-")));
    world.start(Mode::Switch).unwrap();
    world.run(&mut rng);
    assert!(world.said(|n| *n == Notice::ChildError { step: "write", errno: libc::ENOSPC }), "{:?}", world.notices);
    assert!(world.said(|n| *n == Notice::ChildFailed));
}

/// What a rewrite tells of errors, one call of which on the new file fails.
fn errors_after(rule: Rule) -> Vec<FileError> {
    let (mut world, mut rng) = prepared(3);
    world.disk.inject(rule);
    let _started = world.start(Mode::Switch);
    world.run(&mut rng);
    assert_eq!(world.notices.iter().filter(|n| n.level() == Level::Warning).count().min(1), 1, "it is logged");
    world.errors
}

#[test]
fn every_failed_call_is_told_once_for_the_counts_of_info() {
    let new_file = |call| Rule::when(Fault::EIO, move |a| a.call == call && a.name.starts_with("temp-rewriteaof-"));
    let eio = |call, step| vec![FileError { call, step, errno: libc::EIO }];
    assert_eq!(errors_after(new_file(Call::Append)), eio(Failed::Write, "write"));
    assert_eq!(errors_after(new_file(Call::Fdatasync)), eio(Failed::Fsync, "fsync"));
    assert_eq!(errors_after(new_file(Call::Metadata)), eio(Failed::Other, "reading the size of the new file"));
    assert_eq!(errors_after(new_file(Call::Rename)), eio(Failed::Other, "rename"));
    assert_eq!(errors_after(Rule::nth(Call::DirFsync, 2, Fault::EIO)), eio(Failed::Other, "fsync of the directory"));
    assert_eq!(errors_after(new_file(Call::Open)), eio(Failed::Other, "opening the temp file"));
    let state_file = |a: &vfs::sim::Attempt<'_>| a.call == Call::Fsync && a.name == "temp-appendonly.aof.state";
    assert_eq!(errors_after(Rule::when(Fault::EIO, state_file)), eio(Failed::Other, "writing the state file"));
}

#[test]
fn a_new_log_that_no_state_file_speaks_of_does_not_get_its_name() {
    let of_state: [fn(&vfs::sim::Attempt<'_>) -> bool; 3] = [
        |a| a.call == Call::Append && a.name == "temp-appendonly.aof.state",
        |a| a.call == Call::Rename && a.name == "temp-appendonly.aof.state",
        |a| a.call == Call::DirFsync,
    ];
    for fails in of_state {
        let (mut world, mut rng) = prepared(9);
        world.disk.inject(Rule::when(Fault::EIO, fails));
        world.start(Mode::Switch).unwrap();
        world.run(&mut rng);
        assert_eq!((world.log.promoted, world.rewriter.status(0).last_ok), (0, false), "{:?}", world.notices);
        assert!(world.said(|n| *n == Notice::SwitchFailed { step: "writing the state file", errno: libc::EIO }));
        assert!(world.disk.names(crate::world::DIR).iter().all(|name| !name.starts_with("temp-rewriteaof-")));
    }
}

/// That the file of a failed rewrite could not be removed was ignored: the disk filled up with it, and nothing said so.
#[test]
fn a_file_that_cannot_be_removed_is_told_of() {
    let (mut world, mut rng) = prepared(4);
    world.disk.inject(Rule::when(Fault::EIO, |a| a.call == Call::Unlink));
    let pid = world.start(Mode::Switch).unwrap();
    world.children.signal(pid, libc::SIGKILL);
    world.run(&mut rng);
    let step = "removing a file that was given up";
    assert_eq!(world.errors, [FileError { call: Failed::Other, step, errno: libc::EIO }]);
    assert!(world.said(|n| *n == Notice::CleanupFailed { step, errno: libc::EIO }));
}

#[test]
fn a_failed_directory_fsync_is_a_failed_fsync_of_the_log() {
    let (mut world, mut rng) = prepared(2);
    world.disk.inject(Rule::nth(Call::DirFsync, 2, Fault::FSYNC_EIO));
    world.start(Mode::Switch).unwrap();
    world.run(&mut rng);
    assert_eq!(world.log.promoted, 1, "for every process the name stands for the new file");
    assert_eq!(world.log.not_durable, [libc::EIO]);
    assert!(!world.rewriter.status(0).last_ok);
    world.check_log();
}

#[test]
fn an_interrupted_fsync_is_made_again() {
    for call in [Call::Fsync, Call::DirFsync] {
        let (mut world, mut rng) = prepared(2);
        world.disk.inject(Rule::nth(call, 2, Fault::EINTR));
        world.start(Mode::Switch).unwrap();
        world.run(&mut rng);
        assert_eq!((world.log.promoted, world.errors.as_slice()), (1, [].as_slice()), "{call:?}");
        assert!(world.log.not_durable.is_empty() && world.rewriter.status(0).last_ok, "{call:?}");
        world.check_log();
    }
}

/// A rewrite whose own fsync of the attached file has succeeded while one of the log's is under way.
fn with_an_fsync_beside() -> (World, fastrand::Rng) {
    let (mut world, mut rng) = prepared(7);
    world.log.slow_fsync = true;
    world.start(Mode::Switch).unwrap();
    while !world.log.is_attached() {
        world.step(&mut rng);
    }
    world.set_any(&mut rng);
    world.log.flush();
    world.log.fsync();
    world.bio.drain(bio::Kind::BulkFsync);
    world.take_completions();
    (world, rng)
}

#[test]
fn an_fsync_counts_only_if_the_logs_own_beside_it_has_not_taken_the_error() {
    // Linux reports a write-back error once: of two fsyncs at the same time one succeeds on pages that are lost.
    let (mut world, mut rng) = with_an_fsync_beside();
    for _ in 0..10 {
        world.turn();
        assert!(
            !world.rewriter.holds_state_file(),
            "the other fsync has not ended: no state file may speak of the new one"
        );
    }
    world.log.end_mirror_fsync(Err(libc::EIO));
    world.log.slow_fsync = false;
    world.run(&mut rng);
    assert_eq!(world.log.promoted, 0);
    assert!(world.said(|n| *n == Notice::SwitchFailed { step: "writing to the new file", errno: libc::EIO }));
    world.check_log();
}

#[test]
fn a_switch_that_waited_for_the_logs_own_fsync_goes_on() {
    let (mut world, mut rng) = with_an_fsync_beside();
    world.log.end_mirror_fsync(Ok(()));
    world.log.slow_fsync = false;
    world.run(&mut rng);
    assert_eq!(world.log.promoted, 1);
    world.check_log();
}

#[test]
fn a_fork_that_fails_leaves_nothing_and_counts() {
    let (mut world, _) = prepared(3);
    for _ in 0..3 {
        world.children.fail_next_fork(libc::ENOMEM);
        world.start(Mode::Switch).unwrap_err();
    }
    world.check_log();
    let status = world.rewriter.status(0);
    assert_eq!((status.last_ok, status.failures_in_a_row, status.in_progress), (false, 3, false));
    assert!(world.said(|n| *n == Notice::CannotStart { step: "fork", errno: libc::ENOMEM }));
    assert!(world.said(|n| matches!(n, Notice::BackedOff { failures: 3, wait_ms: 60_000 })));
    let auto = aof_rewrite::AutoRewrite { percentage: 100, min_size_bytes: 0 };
    assert!(!world.rewriter.auto_trigger(100, 1, auto, world.mono_ms + 59_999));
    assert!(world.rewriter.auto_trigger(100, 1, auto, world.mono_ms + 60_000));
}

#[test]
fn a_child_that_does_nothing_for_a_minute_is_killed_and_never_waited_for() {
    let (mut world, _) = prepared(4);
    let pid = world.start(Mode::Switch).unwrap();
    world.children.set_stuck(pid, true);
    world.mono_ms += 59_999;
    world.turn();
    assert!(!world.said(|n| matches!(n, Notice::ChildStalled { .. })));
    world.mono_ms += 1;
    world.turn();
    assert!(world.said(|n| *n == Notice::ChildStalled { stalled_ms: 60_000 }));
    for _ in 0..5 {
        world.mono_ms += 10_000;
        world.turn();
        assert!(world.is_running(), "a child in the kernel is still there");
    }
    assert!(world.start(Mode::Switch).is_err());
    world.children.set_stuck(pid, false);
    world.turn();
    assert!(!world.is_running() && !world.rewriter.status(0).last_ok);
    world.settle();
    world.check_log();
}

#[test]
fn a_child_without_acknowledgement_gives_up_after_five_seconds() {
    let (mut world, mut rng) = prepared(5);
    world.start(Mode::Switch).unwrap();
    while !world.children.running().is_empty() {
        // The parent's loop stands still.
        world.children.step(world.mono_ms);
        world.mono_ms += 1;
    }
    assert!((5_000..7_000).contains(&(world.mono_ms - 1_000_000)));
    world.run(&mut rng);
    assert!(world.said(|n| matches!(n, Notice::ChildError { step, .. } if step.contains("did not agree"))));
    world.check_log();
}

#[test]
fn a_stop_at_any_instant_leaves_a_whole_log_and_no_file() {
    let (mut stopped, mut switched) = (0, 0);
    for at in 0..400 {
        let (mut world, mut rng) = prepared(at);
        world.start(Mode::Switch).unwrap();
        for _ in 0..at {
            world.step(&mut rng);
        }
        let outcome = world.with_rewriter(|rewriter, env| rewriter.abort(env));
        assert_eq!(outcome == Abort::Switching, world.rewriter.is_switching());
        assert!(!world.log.is_attached() || outcome == Abort::Switching);
        world.run(&mut rng);
        world.check_log();
        assert!(world.rewriter.status(0).last_ok, "a stop is no failure");
        stopped += u32::from(world.log.promoted == 0);
        switched += u32::from(outcome == Abort::Switching);
    }
    assert!(stopped > 50 && switched > 0, "{stopped} {switched}");
}

#[test]
fn a_file_under_the_temp_name_left_by_a_crash_is_no_obstacle() {
    let (mut world, mut rng) = prepared(6);
    world.disk.put(crate::world::DIR, "temp-rewriteaof-42.aof", b"left over");
    world.start(Mode::Switch).unwrap();
    world.run(&mut rng);
    world.check_log();
}
