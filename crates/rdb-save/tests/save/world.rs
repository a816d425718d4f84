//! A server reduced to what a snapshot touches, turned by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use bio::{Bio as _, InlineBio};
use child::sim::SimChildren;
use keyspace::{Deadline, HashSeed, Keyspace, UnixMs};
use rdb::{Content, Entry, Options, Reader};
use rdb_save::{ForkSource, Notice, Outcome, SaveConfig, SaveEnv, SaveError, Saver, SnapshotSettings, StartError};
use rio::Source;
use vfs::Dir;
use vfs::sim::SimDisk;

pub(crate) const DIR: &str = "/data";
pub(crate) const DUMP: &str = "dump.rdb";
pub(crate) const NOW: UnixMs = UnixMs(1_700_000_000_000);

pub(crate) const CONFIG: SaveConfig<'static> = SaveConfig {
    name: DUMP,
    incremental_fsync: true,
    server_pid: 42,
    snapshot: SnapshotSettings {
        redis_ver: "7.2.4",
        used_mem_bytes: 1_000_000,
        compress: true,
        checksum: true,
        field: None,
    },
};

pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) bio: InlineBio,
    pub(crate) children: SimChildren,
    pub(crate) keyspace: Keyspace,
    pub(crate) saver: Saver,
    pub(crate) mono_ms: u64,
    pub(crate) notices: Vec<Notice>,
}

/// The keys of a file by name, with their values as text.
pub(crate) type Keys = BTreeMap<String, String>;

impl World {
    /// A server on an empty disk, with `keys` keys.
    pub(crate) fn with_keys(keys: usize) -> Self {
        let disk = SimDisk::new();
        let mut world = Self {
            dir: disk.dir(DIR),
            disk,
            bio: InlineBio::new(),
            children: SimChildren::new(),
            keyspace: Keyspace::new(16, HashSeed([3; 16])),
            saver: Saver::new(),
            mono_ms: 1_000,
            notices: Vec::new(),
        };
        (0..keys).for_each(|i| world.set(&format!("key:{i}"), "before"));
        world
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) {
        let key = self.keyspace.key(key.as_bytes());
        self.keyspace.db_mut(0).set_str(key, value.as_bytes(), Deadline::Clear);
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Saver, &mut SaveEnv<'_>, &Keyspace) -> T) -> T {
        let mut env = SaveEnv { dir: &self.dir, bio: &mut self.bio, config: CONFIG, mono_ms: self.mono_ms, now: NOW };
        let value = call(&mut self.saver, &mut env, &self.keyspace);
        self.notices.extend(self.saver.take_notices());
        value
    }

    pub(crate) fn start(&mut self) -> Result<i32, StartError> {
        let mut spawner = self.children.spawner();
        self.with(|saver, env, keyspace| saver.start(env, ForkSource { spawner: &mut spawner, keyspace }))
    }

    pub(crate) fn save_now(&mut self) -> Result<(), SaveError> {
        self.with(|saver, env, keyspace| saver.save_now(env, keyspace))
    }

    pub(crate) fn stop_and_wait(&mut self) -> Option<Outcome> {
        self.with(|saver, env, _| saver.stop_and_wait(env))
    }

    /// One turn of the parent.
    pub(crate) fn turn(&mut self) -> Option<Outcome> {
        let outcome = self.with(|saver, env, _| saver.turn(env));
        self.jobs();
        outcome
    }

    pub(crate) fn jobs(&mut self) {
        self.bio.run_all();
        let mut done = Vec::new();
        self.bio.poll(&mut done);
        for completion in &done {
            assert!(self.with(|saver, _, _| saver.complete(completion)));
        }
    }

    /// Runs the child and the parent until the snapshot has ended.
    pub(crate) fn settle(&mut self) -> Outcome {
        for _ in 0..100_000 {
            self.children.step(self.mono_ms);
            if let Some(outcome) = self.turn() {
                return outcome;
            }
        }
        panic!("the snapshot never ends: {:?}", self.notices);
    }

    /// Makes a snapshot whose end must be this.
    pub(crate) fn snapshot(&mut self, expected: Outcome) {
        self.start().unwrap();
        assert_eq!(self.settle(), expected, "{:?}", self.notices);
    }

    pub(crate) fn keys(&self) -> Keys {
        let mut keys = Keys::new();
        self.keyspace.db(0).scan_all(&mut keys);
        keys
    }

    pub(crate) fn dump(&self) -> Option<Keys> {
        dump_on(&self.disk)
    }

    pub(crate) fn logged(&self, text: &str) -> bool {
        self.notices.iter().any(|notice| notice.to_string().contains(text))
    }
}

trait ScanAll {
    fn scan_all(&self, keys: &mut Keys);
}

impl ScanAll for keyspace::Db {
    fn scan_all(&self, keys: &mut Keys) {
        let mut cursor = 0;
        loop {
            cursor = self.scan(cursor, 100, &mut |entry| {
                let keyspace::ValueRef::Str(value) = entry.value else { panic!("only strings are set here") };
                keys.insert(text(entry.key), text(&value.elem().to_vec()));
            });
            if cursor == 0 {
                return;
            }
        }
    }
}

/// The keys of the snapshot on a disk; `None` if there is none. One that is not whole fails the test.
pub(crate) fn dump_on(disk: &SimDisk) -> Option<Keys> {
    disk.content(DIR, DUMP).map(|bytes| keys_of(&bytes))
}

pub(crate) fn keys_of(bytes: &[u8]) -> Keys {
    let source = Source::with_buffer(bytes, Vec::with_capacity(4_096));
    let mut reader = Reader::new(source, Options::default()).unwrap();
    let mut keys = Keys::new();
    while let Some(event) = reader.next_event().unwrap() {
        if let Entry::Key(key) = event.entry {
            let Content::Value(value) = key.content else { panic!("a value") };
            let keyspace::ValueRef::Str(value) = value.as_ref() else { panic!("only strings are set here") };
            keys.insert(text(&key.key), text(&value.elem().to_vec()));
        }
    }
    keys
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
