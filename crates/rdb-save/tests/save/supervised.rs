//! How a snapshot begins, is looked after, and ends.

use child::{Kill, STALLED_AFTER_MS};
use rdb_save::{Outcome, StartError};

use crate::world::{DIR, DUMP, World};
use alloc_watch::taken_by;

#[test]
fn a_snapshot_holds_the_keys_as_they_were_at_the_fork() {
    let mut world = World::with_keys(100);
    let expected = world.keys();
    let pid = world.start().unwrap();
    world.set("key:5", "after");
    world.set("new", "after");
    assert_eq!(world.settle(), Outcome::Saved);
    assert_eq!(world.dump(), Some(expected));
    assert_eq!(world.disk.names(DIR), [DUMP]);
    assert!(world.logged(&format!("Background saving started by pid {pid}")));
    assert!(world.logged("DB saved on disk") && world.logged("Background saving terminated with success"));
}

#[test]
fn a_snapshot_in_ones_own_process_is_the_same_file() {
    let mut world = World::with_keys(100);
    world.snapshot(Outcome::Saved);
    let by_child = world.disk.content(DIR, DUMP);
    world.save_now().unwrap();
    assert_eq!(world.disk.content(DIR, DUMP), by_child);
    assert_eq!(world.disk.names(DIR), [DUMP]);
}

#[test]
fn one_at_a_time_and_none_before_what_a_failed_one_left_is_gone() {
    let mut world = World::with_keys(1);
    let pid = world.start().unwrap();
    assert!(matches!(world.start(), Err(StartError::AlreadyRunning)));
    world.children.signal(pid, Kill::Hard.signal());
    assert!(world.saver.is_running() && !world.saver.may_start());
    let ended = world.stop_and_wait();
    assert_eq!(ended, Some(Outcome::Stopped));
    assert!(!world.saver.is_running() && !world.saver.may_start(), "its file is there");
    world.jobs();
    assert!(world.disk.names(DIR).is_empty());
    world.snapshot(Outcome::Saved);
}

#[test]
fn a_child_that_is_killed_fails_the_snapshot_unless_politely() {
    for (kill, expected) in [(Kill::Hard, Outcome::Failed), (Kill::Polite, Outcome::Stopped)] {
        let mut world = World::with_keys(10);
        let pid = world.start().unwrap();
        world.children.step(world.mono_ms);
        world.children.signal(pid, kill.signal());
        assert_eq!(world.settle(), expected);
        assert!(world.logged(&format!("Background saving terminated by signal {}", kill.signal())));
        assert!(world.disk.names(DIR).is_empty());
    }
}

#[test]
fn a_child_that_does_nothing_for_a_minute_is_killed() {
    let mut world = World::with_keys(10);
    let pid = world.start().unwrap();
    world.children.set_stuck(pid, true);
    world.mono_ms += STALLED_AFTER_MS - 1;
    assert_eq!(world.turn(), None);
    world.mono_ms += 2;
    assert_eq!(world.turn(), None);
    assert!(world.logged("RDB child made no progress for 60 seconds: killing it"));
    assert_eq!(world.turn(), None, "it is in an uninterruptible call");
    world.children.set_stuck(pid, false);
    assert_eq!(world.turn(), Some(Outcome::Failed));
    assert!(world.disk.names(DIR).is_empty());
}

#[test]
fn a_fork_that_fails_leaves_nothing() {
    let mut world = World::with_keys(1);
    world.children.fail_next_fork(libc::EAGAIN);
    assert!(matches!(world.start(), Err(StartError::Fork(_))));
    assert!(world.logged("Can't save in background: fork: Resource temporarily unavailable"));
    world.jobs();
    assert!(world.disk.names(DIR).is_empty());
    world.snapshot(Outcome::Saved);
}

#[test]
fn figures_tell_of_the_one_that_runs_and_of_the_last_one() {
    let mut world = World::with_keys(500);
    world.children.set_cow_bytes(4_096);
    assert_eq!(world.saver.status(0).last_duration_ms, None);
    let pid = world.start().unwrap();
    for _ in 0..10 {
        world.mono_ms += 500;
        world.children.step(world.mono_ms);
        assert_eq!(world.turn(), None);
    }
    let running = world.saver.status(world.mono_ms);
    assert_eq!((running.in_progress, running.child_pid), (true, Some(pid)));
    assert_eq!((running.current_duration_ms, running.current_cow_bytes), (Some(5_000), 4_096));
    assert!(running.keys_processed > 0, "{running:?}");
    assert_eq!(world.settle(), Outcome::Saved);
    let ended = world.saver.status(world.mono_ms);
    assert_eq!((ended.in_progress, ended.child_pid, ended.current_cow_bytes), (false, None, 0));
    assert_eq!((ended.last_duration_ms, ended.last_cow_bytes), (Some(5_000), 4_096));
}

#[test]
fn no_step_of_a_snapshot_calls_the_allocator() {
    use child::{Step, Task as _};
    use rdb_save::{SaveFiles, SaveTask};

    let world = World::with_keys(300);
    let temp_name = "temp-ledgerstone-42.rdb".to_owned();
    let file = child_file::create_temp(&*world.dir, &temp_name).unwrap();
    let files = SaveFiles { dir: world.dir.clone(), file, temp_name, name: DUMP.to_owned() };
    let mut task = SaveTask::reserve(files, &world.keyspace, crate::world::CONFIG, crate::world::NOW);
    let mut env = Quiet;
    loop {
        // The steps of files are the simulated disk's, which allocates; `process` runs them in a real child, where an allocation
        // aborts.
        let writes = world.disk.calls();
        let (step, taken) = taken_by(|| task.step(&mut env));
        assert!(taken.calls == 0 || world.disk.calls() > writes, "a step without a call allocated: {taken:?}");
        match step {
            Step::Exit(code) => return assert_eq!(code, 0),
            _ => continue,
        }
    }
}

/// A parent that hears nothing.
struct Quiet;

impl child::ChildEnv for Quiet {
    fn pid(&self) -> i32 {
        7
    }

    fn mono_ms(&mut self) -> u64 {
        1_000
    }

    fn read_data(&mut self, _buf: &mut [u8]) -> std::io::Result<child::Received> {
        Ok(child::Received::Nothing)
    }

    fn ask_stop(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn read_ack(&mut self, _byte: &mut u8) -> std::io::Result<child::Received> {
        Ok(child::Received::Nothing)
    }

    fn report(&mut self, _info: &child::Info) {}

    fn report_last(&mut self, _info: &child::Info) {}

    fn cow_bytes(&mut self) -> u64 {
        0
    }
}
