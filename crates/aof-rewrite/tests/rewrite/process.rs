//! A rewrite by a real process, on a real directory, with real threads for the jobs.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the real process: its clock, its files, its signals"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use aof_rewrite::{ForkSource, LiveLog as _, Mode, Notice, RewriteConfig, RewriteEnv, Rewriter, SnapshotSettings};
use bio::{Bio, ThreadBio};
use child::ForkSpawner;
use keyspace::{Deadline, Keyspace};
use vfs::{Dir, Open, RealDir};

use crate::emitter::{Sample, emit, fill};
use crate::fake_log::FakeLog;
use crate::preamble::emit_preamble;
use crate::replay::{empty, replay};
use crate::world::{LOG_NAME, NOW, PREAMBLE, STATE_NAME};

struct Process {
    place: tempfile::TempDir,
    dir: Arc<dyn Dir>,
    bio: ThreadBio,
    log: FakeLog,
    keyspace: Keyspace,
    rewriter: Rewriter,
    notices: Vec<Notice>,
    started: Instant,
    preamble: Option<SnapshotSettings<'static>>,
}

impl Process {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let dir: Arc<dyn Dir> = Arc::new(RealDir::open(place.path()).unwrap());
        let log = FakeLog::over(dir.open(LOG_NAME, Open::AppendOrCreate).unwrap());
        Self {
            place,
            dir,
            bio: ThreadBio::new(Arc::new(|| {})),
            log,
            keyspace: empty(),
            rewriter: Rewriter::new(),
            notices: Vec::new(),
            started: Instant::now(),
            preamble: None,
        }
    }

    fn set(&mut self, key: &str, value: &[u8]) {
        let hashed = self.keyspace.key(key.as_bytes());
        self.keyspace.db_mut(1).set_str(hashed, value, Deadline::Clear);
        self.log.feed(1, &[b"SET", key.as_bytes(), value]);
    }

    fn with_rewriter<T>(&mut self, f: impl FnOnce(&mut Rewriter, &mut RewriteEnv<'_>, &Keyspace) -> T) -> T {
        let config = RewriteConfig {
            log_name: LOG_NAME,
            incremental_fsync: true,
            child_diff_bytes: aof_rewrite::CHILD_DIFF_BYTES,
            server_pid: std::process::id(),
            boot_id: aof_state::BootId([1; 16]),
            preamble: self.preamble,
        };
        let mono_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap();
        let mut env = RewriteEnv { dir: &self.dir, bio: &mut self.bio, log: &mut self.log, config, mono_ms, now: NOW };
        let value = f(&mut self.rewriter, &mut env, &self.keyspace);
        self.notices.extend(self.rewriter.take_notices());
        value
    }

    fn start(&mut self) -> i32 {
        let mut spawner = ForkSpawner::new(Box::new(|_| {}));
        self.with_rewriter(|rewriter, env, keyspace| {
            rewriter.start(env, ForkSource { spawner: &mut spawner, keyspace }, Mode::Switch).unwrap()
        })
    }

    fn turn(&mut self) {
        self.log.flush();
        self.log.fsync();
        self.with_rewriter(|rewriter, env, _| rewriter.turn(env));
        let mut completions = Vec::new();
        self.bio.poll(&mut completions);
        for completion in completions {
            assert!(self.with_rewriter(|rewriter, env, _| rewriter.complete(env, &completion)));
        }
    }

    fn is_running(&self) -> bool {
        self.rewriter.status(0).in_progress
    }

    /// Turns until the rewrite has ended, feeding `fed` commands on the way.
    fn run(&mut self, fed: usize) {
        let mut left = fed;
        while self.is_running() || left > 0 {
            assert!(self.started.elapsed() < Duration::from_secs(60), "{:?}", self.notices);
            if left > 0 {
                left -= 1;
                self.set(&format!("during:{left}"), &vec![b'd'; left % 3_000]);
            }
            self.turn();
            std::thread::yield_now();
        }
        self.bio.drain(bio::Kind::Close);
        self.turn();
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.place.path().join(LOG_NAME)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.dir.list().unwrap()
    }
}

#[test]
fn the_new_log_is_the_snapshot_and_the_diff_byte_for_byte() {
    for preamble in [None, Some(PREAMBLE)] {
        writes_snapshot_and_diff(preamble);
    }
}

fn writes_snapshot_and_diff(preamble: Option<SnapshotSettings<'static>>) {
    let mut process = Process::new();
    process.preamble = preamble;
    fill(&mut process.keyspace, &mut fastrand::Rng::with_seed(1), 2_000);
    Sample::fill_with_every_type(&mut process.keyspace);
    let mut expected = match preamble {
        None => emit(&process.keyspace, NOW),
        Some(settings) => emit_preamble(&process.keyspace, NOW, settings),
    };
    let at_fork = process.log.marks().appended.0;
    process.start();
    process.run(400);
    expected.extend_from_slice(process.log.stream_from(at_fork));
    assert!(process.bytes() == expected, "{:?}", process.notices);
    assert_eq!(replay(&expected).digest(), process.keyspace.digest());
    assert_eq!(process.names(), [LOG_NAME, STATE_NAME]);
    let status = process.rewriter.status(0);
    assert!(status.last_ok && status.last_cow_bytes > 0 && status.latest_fork_us > 0, "{status:?}");
}

#[test]
fn a_killed_process_leaves_the_old_log_and_no_file() {
    let mut process = Process::new();
    process.set("a", b"1");
    process.turn();
    let before = process.bytes();
    let pid = process.start();
    // SIGKILL by hand: the parent only sees what is left.
    std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    process.run(0);
    assert!(process.notices.contains(&Notice::ChildKilled { signal: 9 }), "{:?}", process.notices);
    assert_eq!(process.bytes(), before);
    assert_eq!(process.names(), [LOG_NAME]);
}

#[test]
fn a_process_stopped_on_request_ends_and_is_no_failure() {
    let mut process = Process::new();
    fill(&mut process.keyspace, &mut fastrand::Rng::with_seed(2), 1_000);
    process.start();
    process.with_rewriter(|rewriter, env, _| rewriter.abort(env));
    process.run(0);
    assert!(process.rewriter.status(0).last_ok);
    assert_eq!(process.names(), [LOG_NAME]);
}
