//! A snapshot by a real process, on a real directory.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the real process: its clock, its files")]

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bio::{Bio as _, Kind, ThreadBio};
use child::ForkSpawner;
use keyspace::Keyspace;
use rdb_save::{ForkSource, Outcome, SaveConfig, SaveEnv, Saver};
use vfs::{Dir, RealDir};

use crate::world::{CONFIG, DUMP, NOW, World, keys_of};

/// A server on a real directory. Its allocator aborts a child that calls it.
struct Process {
    place: tempfile::TempDir,
    dir: Arc<dyn Dir>,
    bio: ThreadBio,
    saver: Saver,
    started: Instant,
}

impl Process {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let dir: Arc<dyn Dir> = Arc::new(RealDir::open(place.path()).unwrap());
        let bio = ThreadBio::new(Arc::new(|| {}));
        Self { place, dir, bio, saver: Saver::new(), started: Instant::now() }
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Saver, &mut SaveEnv<'_>) -> T) -> T {
        let config = SaveConfig { server_pid: std::process::id(), ..CONFIG };
        let mono_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap();
        let mut env = SaveEnv { dir: &self.dir, bio: &mut self.bio, config, mono_ms, now: NOW };
        call(&mut self.saver, &mut env)
    }

    fn start(&mut self, keyspace: &Keyspace) -> i32 {
        let mut spawner = ForkSpawner::new(Box::new(|_| {}));
        self.with(|saver, env| saver.start(env, ForkSource { spawner: &mut spawner, keyspace }).unwrap())
    }

    fn end(&mut self) -> Outcome {
        loop {
            assert!(self.started.elapsed() < Duration::from_secs(60), "it never ends");
            if let Some(outcome) = self.with(|saver, env| saver.turn(env)) {
                self.bio.drain(Kind::Close);
                return outcome;
            }
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_real_child_writes_the_whole_snapshot_and_calls_no_allocator() {
    let world = World::with_keys(3_000);
    let mut process = Process::new();
    process.start(&world.keyspace);
    assert_eq!(process.end(), Outcome::Saved, "{:?}", process.saver.take_notices());
    let path = process.place.path().join(DUMP);
    assert_eq!(keys_of(&std::fs::read(&path).unwrap()), world.keys());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(process.dir.list().unwrap(), [DUMP]);
}

#[test]
fn a_real_child_that_is_stopped_leaves_nothing_but_whole_files() {
    let world = World::with_keys(3_000);
    let mut process = Process::new();
    process.start(&world.keyspace);
    let outcome = process.with(|saver, env| saver.stop_and_wait(env)).unwrap();
    process.bio.drain(Kind::Close);
    assert_eq!(outcome, Outcome::Stopped);
    let left = process.dir.list().unwrap();
    assert!(left.is_empty() || left == [DUMP], "{left:?}");
}
