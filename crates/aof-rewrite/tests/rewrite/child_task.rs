//! The child's side by itself, over a clock, pipes and files made for the test.

use std::io;
use std::sync::Arc;

use aof_rewrite::{ChildFiles, ChildTask, CommandEmitter, PreambleWriter, Snapshot};
use child::{ChildEnv, Info, Received, Step, Task};
use keyspace::{Deadline, Keyspace, UnixMs};
use vfs::sim::{Call, SimDisk};
use vfs::{Dir, Open, RealDir};

use crate::emitter::{Sample, fill};
use crate::replay::{empty, replay};
use crate::world::PREAMBLE;
use alloc_watch::taken_by;

const TEMP: &str = "temp-rewriteaof-1.aof";
const COMPLETE: &str = "temp-rewriteaof-bg-7.aof";

/// What the parent does, as a script; nothing here allocates once it is made.
pub(crate) struct ScriptEnv {
    /// What the parent will send, and how much of it is on its way at each read.
    data: Vec<u8>,
    sent: usize,
    per_read: usize,
    acks: bool,
    asked: bool,
    pub(crate) reads: u64,
    pub(crate) mono_ms: u64,
    pub(crate) last: Info,
    /// The most that was read in one piece.
    pub(crate) largest_read: usize,
}

impl ScriptEnv {
    pub(crate) fn new(data: &[u8], per_read: usize) -> Self {
        Self {
            data: data.to_vec(),
            sent: 0,
            per_read,
            acks: true,
            asked: false,
            reads: 0,
            mono_ms: 0,
            last: Info::default(),
            largest_read: 0,
        }
    }
}

impl ChildEnv for ScriptEnv {
    fn pid(&self) -> i32 {
        7
    }

    fn mono_ms(&mut self) -> u64 {
        self.mono_ms
    }

    fn read_data(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        // Every other read finds something.
        self.reads += 1;
        let n = if self.reads % 2 == 1 { buf.len().min(self.per_read).min(self.data.len() - self.sent) } else { 0 };
        buf[..n].copy_from_slice(&self.data[self.sent..self.sent + n]);
        self.sent += n;
        self.largest_read = self.largest_read.max(n);
        Ok(if n == 0 { Received::Nothing } else { Received::Bytes(n) })
    }

    fn ask_stop(&mut self) -> io::Result<()> {
        assert!(!self.asked, "asked once");
        self.asked = true;
        Ok(())
    }

    fn read_ack(&mut self, byte: &mut u8) -> io::Result<Received> {
        if !self.acks {
            return Ok(Received::Nothing);
        }
        *byte = b'!';
        Ok(Received::Bytes(1))
    }

    fn report(&mut self, info: &Info) {
        assert!(info.written_bytes >= self.last.written_bytes && info.phase >= self.last.phase);
        self.last = *info;
    }

    fn report_last(&mut self, info: &Info) {
        self.last = *info;
    }

    fn cow_bytes(&mut self) -> u64 {
        4096
    }
}

/// Steps a task to its end; the clock follows what it waits for.
pub(crate) fn run(task: &mut dyn Task, env: &mut ScriptEnv) -> i32 {
    loop {
        match task.step(env) {
            Step::Again => {}
            Step::WaitData { ms } | Step::WaitAck { ms } => env.mono_ms += u64::from(ms),
            Step::Exit(code) => return code,
        }
    }
}

pub(crate) fn task<'k>(
    dir: &Arc<dyn Dir>,
    keyspace: &'k Keyspace,
    diff_bytes: usize,
) -> ChildTask<CommandEmitter<&'k Keyspace>> {
    task_of(dir, CommandEmitter::new(keyspace, UnixMs(0)), diff_bytes)
}

fn task_of<S: Snapshot>(dir: &Arc<dyn Dir>, snapshot: S, diff_bytes: usize) -> ChildTask<S> {
    let file = dir.open(TEMP, Open::CreateNew).unwrap();
    let files = ChildFiles { dir: Arc::clone(dir), file, temp_name: TEMP.into() };
    ChildTask::reserve(files, snapshot, diff_bytes, true).unwrap()
}

/// Both forms of a snapshot of `keyspace`.
fn both_forms<'k>(dir: &Arc<dyn Dir>, keyspace: &'k Keyspace) -> [Box<dyn FnOnce() -> Box<dyn Task + 'k> + 'k>; 2] {
    let (first, second) = (Arc::clone(dir), Arc::clone(dir));
    let preamble = PreambleWriter::reserve(keyspace, UnixMs(0), PREAMBLE);
    [
        Box::new(move || Box::new(task(&first, keyspace, 1 << 20))),
        Box::new(move || Box::new(task_of(&second, preamble, 1 << 20))),
    ]
}

#[test]
fn the_diff_follows_the_snapshot_in_order_however_little_memory_there_is() {
    for (diff_bytes, per_read) in [(1, 1), (10, 3), (64 * 1024, 1_000), (1 << 20, usize::MAX)] {
        let disk = SimDisk::new();
        let dir: Arc<dyn Dir> = disk.dir("/d");
        let mut keyspace = empty();
        fill(&mut keyspace, &mut fastrand::Rng::with_seed(1), 300);
        let mut without_diff = ScriptEnv::new(b"", 1);
        assert_eq!(run(&mut task(&dir, &keyspace, 1), &mut without_diff), 0);
        let snapshot = disk.content("/d", COMPLETE).unwrap();

        // More comes than the second of draining can take; the rest stays with the parent.
        let diff: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        let mut env = ScriptEnv::new(&diff, per_read);
        assert_eq!(run(&mut task(&dir, &keyspace, diff_bytes), &mut env), 0);
        let file = disk.content("/d", COMPLETE).unwrap();
        assert!(file.starts_with(&snapshot));
        assert_eq!(file[snapshot.len()..], diff[..env.sent]);
        assert_eq!(env.last.read_bytes, env.sent as u64);
        assert_eq!(env.last.written_bytes, file.len() as u64);
        assert!(env.largest_read <= diff_bytes);
        assert_eq!(disk.durable_content("/d", COMPLETE).unwrap(), file, "the complete file is fsynced");
    }
}

#[test]
fn without_an_acknowledgement_the_file_is_removed_after_five_seconds() {
    let disk = SimDisk::new();
    let dir: Arc<dyn Dir> = disk.dir("/d");
    let keyspace = empty();
    let mut env = ScriptEnv { acks: false, ..ScriptEnv::new(b"abc", 10) };
    assert_eq!(run(&mut task(&dir, &keyspace, 100), &mut env), 1);
    assert!((5_000..6_500).contains(&env.mono_ms), "{}", env.mono_ms);
    assert!(env.last.failure.is_some());
    assert!(disk.names("/d").is_empty());
}

#[test]
fn draining_ends_after_twenty_empty_milliseconds_or_a_second() {
    let keyspace = empty();
    for (data, expected_ms) in [(Vec::new(), 20..100), (vec![b'x'; 10_000], 1_000..2_100)] {
        let dir: Arc<dyn Dir> = SimDisk::new().dir("/d");
        let mut env = ScriptEnv::new(&data, 1);
        assert_eq!(run(&mut task(&dir, &keyspace, 100), &mut env), 0);
        assert!(expected_ms.contains(&env.mono_ms), "{}", env.mono_ms);
    }
}

/// A keyspace of `count` strings of `bytes` bytes.
fn strings(count: usize, bytes: usize) -> Keyspace {
    let mut keyspace = empty();
    for i in 0..count {
        let name = i.to_string();
        let key = keyspace.key(name.as_bytes());
        keyspace.db_mut(0).set_str(key, &vec![b'v'; bytes], Deadline::Clear);
    }
    keyspace
}

#[test]
fn the_child_looks_for_the_diff_after_every_ten_kilobytes() {
    let dir: Arc<dyn Dir> = SimDisk::new().dir("/d");
    let mut env = ScriptEnv::new(b"", 1);
    let keyspace = strings(1_000, 1_000);
    assert_eq!(run(&mut task(&dir, &keyspace, 1_000), &mut env), 0);
    let written = env.last.written_bytes;
    assert!(env.reads > written / 10_240, "{} reads for {written} bytes", env.reads);
}

#[test]
fn the_child_fsyncs_every_32_megabytes_if_told_to_and_before_and_after_the_diff_in_any_case() {
    let keyspace = strings(70, 1 << 20);
    for (incremental, expected) in [(true, 4), (false, 2)] {
        let disk = SimDisk::new();
        disk.record(true);
        let dir: Arc<dyn Dir> = disk.dir("/d");
        let file = dir.open(TEMP, Open::CreateNew).unwrap();
        let files = ChildFiles { dir, file, temp_name: TEMP.into() };
        let snapshot = CommandEmitter::new(&keyspace, UnixMs(0));
        let mut task = ChildTask::reserve(files, snapshot, 100, incremental).unwrap();
        assert_eq!(run(&mut task, &mut ScriptEnv::new(b"diff", 4)), 0);
        let fsyncs = disk.trace().iter().filter(|r| matches!(r.call, Call::Fsync | Call::Fdatasync)).count();
        assert_eq!(fsyncs, expected, "incremental: {incremental}");
    }
}

#[test]
fn no_step_calls_the_allocator() {
    let place = tempfile::tempdir().unwrap();
    let dir: Arc<dyn Dir> = Arc::new(RealDir::open(place.path()).unwrap());
    let mut keyspace = empty();
    Sample::fill_with_every_type(&mut keyspace);
    fill(&mut keyspace, &mut fastrand::Rng::with_seed(2), 2_000);
    let diff = vec![b'd'; 500_000];
    for task in both_forms(&dir, &keyspace) {
        let (mut task, mut env) = (task(), ScriptEnv::new(&diff, 4_096));
        let (code, taken) = taken_by(|| run(&mut *task, &mut env));
        assert_eq!((code, taken.calls), (0, 0));
        assert!(env.last.written_bytes > 500_000);
    }
}

/// Runs a child whose file cannot be written.
fn fails_without_allocating<S: Snapshot>(dir: &Arc<dyn Dir>, snapshot: S) {
    // A handle that cannot be written: every write fails with EBADF.
    dir.open(TEMP, Open::CreateNew).unwrap();
    let file = dir.open(TEMP, Open::Read).unwrap();
    let files = ChildFiles { dir: Arc::clone(dir), file, temp_name: TEMP.into() };
    let mut task = ChildTask::reserve(files, snapshot, 100, true).unwrap();
    let mut env = ScriptEnv::new(b"", 1);
    let (code, taken) = taken_by(|| run(&mut task, &mut env));
    assert_eq!((code, taken.calls), (1, 0));
    assert_eq!(env.last.failure.unwrap().errno, libc::EBADF);
    assert!(dir.list().unwrap().is_empty());
}

#[test]
fn no_failing_step_calls_the_allocator() {
    let place = tempfile::tempdir().unwrap();
    let dir: Arc<dyn Dir> = Arc::new(RealDir::open(place.path()).unwrap());
    let mut keyspace = empty();
    fill(&mut keyspace, &mut fastrand::Rng::with_seed(3), 200);
    fails_without_allocating(&dir, CommandEmitter::new(&keyspace, UnixMs(0)));
    fails_without_allocating(&dir, PreambleWriter::reserve(&keyspace, UnixMs(0), PREAMBLE));
}

#[test]
fn what_was_written_can_be_replayed() {
    let disk = SimDisk::new();
    let dir: Arc<dyn Dir> = disk.dir("/d");
    let mut keyspace = empty();
    Sample::fill_with_every_type(&mut keyspace);
    assert_eq!(run(&mut task(&dir, &keyspace, 1), &mut ScriptEnv::new(b"", 1)), 0);
    assert_eq!(replay(&disk.content("/d", COMPLETE).unwrap()).digest(), keyspace.digest());
}
