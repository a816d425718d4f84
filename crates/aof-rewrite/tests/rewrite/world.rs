//! Everything a rewrite needs, simulated, and turned by hand.

use std::sync::Arc;

use aof_rewrite::{
    FileError, ForkSource, Mode, Notice, RewriteConfig, RewriteEnv, Rewriter, SnapshotSettings, StartError,
};
use bio::{Bio as _, Completion, InlineBio};
use child::sim::SimChildren;
use keyspace::{Deadline, Keyspace, UnixMs};
use vfs::sim::SimDisk;
use vfs::{Dir, Open};

use crate::fake_log::FakeLog;
use crate::replay::{DATABASES, empty, replay};

pub(crate) const LOG_NAME: &str = "appendonly.aof";
pub(crate) const STATE_NAME: &str = "appendonly.aof.state";
pub(crate) const DIR: &str = "/data";
pub(crate) const NOW: UnixMs = UnixMs(1_700_000_000_000);

/// The settings of every RDB preamble, unless a test is about them.
pub(crate) const PREAMBLE: SnapshotSettings<'static> =
    SnapshotSettings { redis_ver: "7.2.4", used_mem_bytes: 1_000_000, compress: true, checksum: true, field: None };

/// A server reduced to what a rewrite touches.
pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) bio: InlineBio,
    pub(crate) children: SimChildren,
    pub(crate) keyspace: Keyspace,
    pub(crate) log: FakeLog,
    pub(crate) rewriter: Rewriter,
    pub(crate) mono_ms: u64,
    pub(crate) diff_bytes: usize,
    /// Whether the snapshot is written as RDB.
    pub(crate) preamble: bool,
    pub(crate) notices: Vec<Notice>,
    pub(crate) errors: Vec<FileError>,
    /// After each fed command: the stream's length and the keyspace's digest. Kept only if asked for: in an unoptimised
    /// build a digest costs more than all else that a step does.
    pub(crate) history: Option<Vec<(u64, [u8; 20])>>,
}

impl World {
    /// A server with an open, empty log.
    pub(crate) fn new() -> Self {
        let mut world = Self::without_log();
        world.log = FakeLog::over(world.dir.open(LOG_NAME, Open::AppendOrCreate).unwrap());
        world.dir.fsync().unwrap();
        world
    }

    /// A server without a log.
    pub(crate) fn without_log() -> Self {
        let disk = SimDisk::new();
        let children = SimChildren::new();
        let keyspace = empty();
        Self {
            dir: disk.dir(DIR),
            bio: InlineBio::new(),
            children,
            history: None,
            keyspace,
            log: FakeLog::default(),
            rewriter: Rewriter::new(),
            mono_ms: 1_000_000,
            diff_bytes: 1 << 20,
            preamble: false,
            notices: Vec::new(),
            errors: Vec::new(),
            disk,
        }
    }

    /// As `new`, keeping the history.
    pub(crate) fn with_history() -> Self {
        let mut world = Self::new();
        world.history = Some(vec![(0, world.keyspace.digest())]);
        world
    }

    /// SET, as a client's write: applied and fed.
    pub(crate) fn set(&mut self, db: u32, key: &str, value: &[u8]) {
        let hashed = self.keyspace.key(key.as_bytes());
        self.keyspace.db_mut(db).set_str(hashed, value, Deadline::Clear);
        self.log.feed(db, &[b"SET", key.as_bytes(), value]);
        if let Some(history) = &mut self.history {
            history.push((self.log.stream_from(0).len() as u64, self.keyspace.digest()));
        }
    }

    /// A write chosen by `rng`.
    pub(crate) fn set_any(&mut self, rng: &mut fastrand::Rng) {
        let value = vec![b'v'; rng.usize(..40)];
        self.set(rng.u32(..DATABASES), &format!("key:{}", rng.u32(..50)), &value);
    }

    pub(crate) fn with_rewriter<T>(&mut self, f: impl FnOnce(&mut Rewriter, &mut RewriteEnv<'_>) -> T) -> T {
        let config = RewriteConfig {
            log_name: LOG_NAME,
            incremental_fsync: true,
            child_diff_bytes: self.diff_bytes,
            server_pid: 42,
            boot_id: aof_state::BootId([1; 16]),
            preamble: self.preamble.then_some(PREAMBLE),
        };
        let (bio, log) = (&mut self.bio, &mut self.log);
        let mut env = RewriteEnv { dir: &self.dir, bio, log, config, mono_ms: self.mono_ms, now: NOW };
        let value = f(&mut self.rewriter, &mut env);
        self.notices.extend(self.rewriter.take_notices());
        self.errors.extend(self.rewriter.take_errors());
        value
    }

    pub(crate) fn start(&mut self, mode: Mode) -> Result<i32, StartError> {
        let keyspace = self.keyspace.clone();
        let mut spawner = self.children.spawner();
        self.with_rewriter(|rewriter, env| {
            rewriter.start(env, ForkSource { spawner: &mut spawner, keyspace: &keyspace }, mode)
        })
    }

    /// One turn of the event loop: flush, fsync (as under `always`), the rewriter, finished jobs.
    pub(crate) fn turn(&mut self) {
        self.log.flush();
        self.log.fsync();
        self.with_rewriter(|rewriter, env| rewriter.turn(env));
        self.take_completions();
    }

    pub(crate) fn take_completions(&mut self) {
        let mut completions: Vec<Completion> = Vec::new();
        self.bio.poll(&mut completions);
        for completion in completions {
            let ours = self.with_rewriter(|rewriter, env| rewriter.complete(env, &completion));
            assert!(ours, "only the rewriter submits jobs here");
        }
    }

    /// One thing that can happen next, chosen by `rng`.
    pub(crate) fn step(&mut self, rng: &mut fastrand::Rng) {
        match rng.u32(..10) {
            0..=4 => _ = self.children.step(self.mono_ms),
            5 | 6 => _ = self.bio.run_chosen(rng),
            7 if self.log.is_open() || self.is_running() => self.set_any(rng),
            _ => self.turn(),
        }
        self.mono_ms += rng.u64(..2);
    }

    /// Lets things happen until the rewrite has ended.
    pub(crate) fn run(&mut self, rng: &mut fastrand::Rng) {
        for _ in 0..200_000 {
            if !self.is_running() {
                break;
            }
            self.step(rng);
        }
        assert!(!self.is_running(), "a rewrite ends");
        self.settle();
    }

    /// Runs what is queued, and writes what is pending.
    pub(crate) fn settle(&mut self) {
        self.bio.run_all();
        self.turn();
    }

    pub(crate) fn is_running(&self) -> bool {
        self.rewriter.status(self.mono_ms).in_progress
    }

    pub(crate) fn log_bytes(&self) -> Vec<u8> {
        self.disk.content(DIR, LOG_NAME).expect("the log has its name")
    }

    /// Asserts that the file under the log's name holds the whole dataset, and that nothing else is left.
    pub(crate) fn check_log(&self) {
        assert_eq!(replay(&self.log_bytes()).digest(), self.keyspace.digest(), "{:?}", self.notices);
        let names = self.disk.names(DIR);
        assert!(names.iter().all(|name| [LOG_NAME, STATE_NAME].contains(&name.as_str())), "{names:?}");
    }

    pub(crate) fn said(&self, wanted: impl Fn(&Notice) -> bool) -> bool {
        self.notices.iter().any(wanted)
    }
}
