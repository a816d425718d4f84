//! Random feeds, faults, completions and switches against a model that cannot be wrong: the whole stream in one `Vec`.
//!
//! After every step each file holds a prefix of its part of the stream, once and in order, and no mark is ahead of the
//! truth on the disk. When the disk heals, everything arrives.

use std::collections::BTreeSet;
use std::sync::Arc;

use bio::{Bio, Kind};
use proptest::prelude::*;
use resp_codec::Effect;
use vfs::File;

use super::rig::{AppendFault, Rig, TestFile, command};
use crate::{AofBuffer, AppendFsync, Health, Turn};

#[derive(Clone, Debug)]
enum Step {
    Feed { db: u32, size: usize },
    Unit { effects: usize },
    Turn { after_ms: u64, force: bool, alone: bool },
    Run { write: bool, nth: usize },
    Deliver,
    Policy(AppendFsync),
    Held(bool),
    Fault { mirror: bool, fault: Fault },
    DiffStart,
    DiffConsume { n: usize },
    DiffDrop,
    Attach,
    Promote,
    Detach,
    Blocking,
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Append(AppendFault),
    Cut,
    Fsync,
}

fn policy() -> impl Strategy<Value = AppendFsync> {
    prop_oneof![Just(AppendFsync::Always), Just(AppendFsync::EverySec), Just(AppendFsync::No)]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => (0_usize..60).prop_map(|n| Fault::Append(AppendFault::Short(n))),
        2 => Just(Fault::Append(AppendFault::Errno(28))),
        1 => Just(Fault::Append(AppendFault::Interrupted)),
        3 => Just(Fault::Cut),
        1 => Just(Fault::Fsync),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0_u32..3, 1_usize..40).prop_map(|(db, size)| Step::Feed { db, size }),
        3 => (0_usize..4).prop_map(|effects| Step::Unit { effects }),
        14 => (0_u64..1_500, prop::bool::weighted(0.1), prop::bool::weighted(0.1))
            .prop_map(|(after_ms, force, alone)| Step::Turn { after_ms, force, alone }),
        10 => (any::<bool>(), 0_usize..3).prop_map(|(write, nth)| Step::Run { write, nth }),
        8 => Just(Step::Deliver),
        1 => policy().prop_map(Step::Policy),
        1 => any::<bool>().prop_map(Step::Held),
        4 => (prop::bool::weighted(0.3), fault()).prop_map(|(mirror, fault)| Step::Fault { mirror, fault }),
        1 => Just(Step::DiffStart),
        2 => (0_usize..100).prop_map(|n| Step::DiffConsume { n }),
        1 => Just(Step::DiffDrop),
        2 => Just(Step::Attach),
        2 => Just(Step::Promote),
        1 => Just(Step::Detach),
        1 => Just(Step::Blocking),
        1 => Just(Step::Reopen),
    ]
}

/// A file, and where its part of the stream begins.
struct ModelFile {
    disk: Arc<TestFile>,
    start: usize,
    base_bytes: usize,
}

impl ModelFile {
    /// Holds the file against the stream and its marks against the truth.
    fn check(&self, stream: &[u8], written: u64, fsynced: u64) {
        let disk = self.disk.state();
        let held = &disk.content[self.base_bytes..];
        let expected = &stream[self.start..];
        assert!(expected.starts_with(held), "the file is a prefix of its part of the stream");
        let end = (self.start + held.len()) as u64;
        assert!(written <= end, "written {written} is ahead of the page cache {end}");
        let durable = (self.start + disk.durable_bytes - self.base_bytes) as u64;
        assert!(fsynced <= durable, "fsynced {fsynced} is ahead of the disk {durable}");
    }
}

struct World {
    rig: Rig,
    stream: Vec<u8>,
    /// Where the stream may end without half a unit: its beginning, and where each unit ends.
    ends: BTreeSet<u64>,
    selected: Option<u32>,
    log: ModelFile,
    mirror: Option<ModelFile>,
    diff: Option<Vec<u8>>,
    marks: aof_state::Marks,
}

impl World {
    fn new(policy: AppendFsync, single: bool) -> Self {
        let rig = if single { Rig::on_single(policy) } else { Rig::new(policy) };
        let log = ModelFile { disk: Arc::clone(&rig.file), start: 0, base_bytes: 0 };
        let marks = rig.aof.marks();
        Self {
            rig,
            stream: Vec::new(),
            ends: BTreeSet::from([0]),
            selected: None,
            log,
            mirror: None,
            diff: None,
            marks,
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.stream.extend_from_slice(bytes);
        if let Some(diff) = &mut self.diff {
            diff.extend_from_slice(bytes);
        }
    }

    fn put_select(&mut self, db: u32) {
        if self.selected != Some(db) {
            self.put(format!("*2\r\n$6\r\nSELECT\r\n$1\r\n{db}\r\n").as_bytes());
            self.selected = Some(db);
        }
    }

    fn feed(&mut self, db: u32, size: usize) {
        let bytes = command(&format!("{:x}", self.stream.len()).repeat(size));
        self.put_select(db);
        self.put(&bytes);
        let end = self.rig.aof.feed(Effect { db, command: &bytes });
        assert_eq!(end.0, self.stream.len() as u64);
        self.ends.insert(end.0);
    }

    fn unit(&mut self, effects: usize) {
        let bytes = command("EFFECT");
        if effects > 0 {
            self.put_select(0);
        }
        if effects > 1 {
            self.put(&command("MULTI"));
        }
        for _ in 0..effects {
            self.put(&bytes);
        }
        if effects > 1 {
            self.put(&command("EXEC"));
        }
        let end = self.rig.aof.feed_unit((0..effects).map(|_| Effect { db: 0, command: &bytes }));
        self.ends.insert(end.0);
    }

    fn new_file(&mut self) -> ModelFile {
        self.selected = None;
        ModelFile { disk: TestFile::with(b"base"), start: self.stream.len(), base_bytes: 4 }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Feed { db, size } => self.feed(db, size),
            Step::Unit { effects } => self.unit(effects),
            Step::Turn { after_ms, force, alone } => {
                self.rig.now_ms += after_ms;
                self.rig.turn_with(|turn| Turn { force, alone, ..turn });
            }
            Step::Run { write, nth } => {
                self.rig.bio.run(if write { Kind::Write } else { Kind::Fsync }, nth);
            }
            Step::Deliver => self.rig.deliver(),
            Step::Policy(policy) => self.rig.aof.set_policy(policy),
            Step::Held(held) => self.rig.aof.set_fsync_held(held),
            Step::Fault { mirror, fault } => self.fault(mirror, fault),
            Step::Blocking => {
                let done = self.rig.blocking();
                assert!(done.is_err() || self.rig.marks().2 == self.stream.len() as u64);
            }
            Step::Reopen => self.reopen(),
            _ => self.rewrite(step),
        }
    }

    fn fault(&self, mirror: bool, fault: Fault) {
        let file = if mirror { self.mirror.as_ref().unwrap_or(&self.log) } else { &self.log };
        match fault {
            Fault::Append(fault) => file.disk.next_append(fault),
            Fault::Cut => file.disk.state().cut_faults += 1,
            Fault::Fsync => file.disk.state().fsync_faults += 1,
        }
    }

    fn rewrite(&mut self, step: &Step) {
        match *step {
            Step::DiffStart => {
                self.rig.aof.diff_start();
                (self.diff, self.selected) = (Some(Vec::new()), None);
            }
            Step::DiffConsume { n } => {
                let n = n.min(self.rig.aof.diff_front().map_or(0, <[u8]>::len));
                self.rig.aof.diff_consume(n);
                if let Some(diff) = &mut self.diff {
                    diff.drain(..n);
                }
            }
            Step::DiffDrop => {
                self.rig.aof.diff_drop();
                self.diff = None;
            }
            Step::Attach if self.mirror.is_none() && self.diff.as_ref().is_none_or(Vec::is_empty) => {
                self.diff = None;
                let file = self.new_file();
                self.rig.aof.attach(Arc::clone(&file.disk) as Arc<dyn File>, 4);
                self.mirror = Some(file);
            }
            Step::Promote => {
                if let Some(mirror) = self.mirror.take() {
                    assert!(self.rig.aof.promote().is_some());
                    self.selected = None;
                    self.log = mirror;
                }
            }
            Step::Detach => assert_eq!(self.rig.aof.detach().is_some(), self.mirror.take().is_some()),
            _ => {}
        }
    }

    /// `appendonly no`, then `yes` with a new file. Whatever was not written then is nowhere, as the caller was told.
    fn reopen(&mut self) {
        if self.mirror.is_none() {
            self.rig.aof.close();
            self.log = self.new_file();
            self.rig.aof.open(Arc::clone(&self.log.disk) as Arc<dyn File>, 4);
        }
    }

    /// Where in the stream ends what the log's file is proven to hold.
    fn proven(&self) -> u64 {
        self.rig.aof.proven_size_bytes().unwrap() - self.log.base_bytes as u64 + self.log.start as u64
    }

    fn check(&mut self) {
        let aof: &AofBuffer = &self.rig.aof;
        let marks = aof.marks();
        assert!(marks.fsynced <= marks.written && marks.written <= marks.appended);
        assert_eq!(marks.appended.0, self.stream.len() as u64);
        assert!(marks.written >= self.marks.written && marks.fsynced >= self.marks.fsynced, "marks never go back");
        self.marks = marks;
        assert!(aof.reply_mark() <= marks.written);
        if let Some(mirror) = &self.mirror {
            let m = aof.mirror_marks().unwrap();
            mirror.check(&self.stream, m.written.0, m.fsynced.0);
        }
        let (fsynced, proven) = (aof.log_fsynced().0, self.proven());
        let size = aof.stats().current_size_bytes - self.log.base_bytes as u64 + self.log.start as u64;
        self.log.check(&self.stream, size, fsynced);
        assert!(marks.written.0 <= size && marks.fsynced.0 <= fsynced);
        assert!(proven <= fsynced && self.ends.contains(&proven), "{proven} of {fsynced} are proven");
        let diff_len = self.diff.as_ref().map_or(0, Vec::len);
        assert_eq!(aof.diff_len(), diff_len as u64);
        let front = aof.diff_front().unwrap_or_default();
        assert_eq!(front, self.diff.as_deref().unwrap_or_default());
    }

    /// With a disk that is well again, everything arrives without anybody feeding, in bounded time.
    fn settle(&mut self) {
        for file in self.mirror.iter().chain([&self.log]) {
            file.disk.heal();
        }
        for _ in 0..12 {
            for kind in [Kind::Write, Kind::Fsync] {
                self.rig.bio.drain(kind);
            }
            self.rig.deliver();
            self.rig.turn_after(1_000);
            self.check();
        }
        self.rig.aof.set_fsync_held(false);
        let end = self.stream.len() as u64;
        let marks = self.rig.aof.marks();
        assert_eq!(marks.written.0, end);
        let failed = |health: Health| matches!(health, Health::FsyncFailed { .. });
        let any_failed = failed(self.rig.aof.health()) || self.rig.aof.mirror_health().is_some_and(failed);
        assert_eq!(self.rig.blocking().is_err(), any_failed);
        if !any_failed {
            assert_eq!((self.rig.aof.marks().fsynced.0, self.proven()), (end, end));
            assert_eq!((self.rig.aof.reply_mark().0, self.rig.aof.next_wakeup_ms()), (end, None));
            assert!(self.rig.aof.health().is_ok());
            let disk = self.log.disk.state();
            assert_eq!(disk.durable_bytes, disk.content.len());
        }
        self.check();
        self.rig.deliver();
        assert_eq!(self.rig.bio.pending(Kind::Fsync) + self.rig.bio.pending(Kind::Write), 0);
        assert_eq!(&self.log.disk.content()[self.log.base_bytes..], &self.stream[self.log.start..]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn files_hold_prefixes_of_the_stream_and_marks_never_exceed_the_truth(
        first in policy(),
        single: bool,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(first, single);
        for step in &steps {
            world.apply(step);
            world.check();
        }
        world.settle();
    }
}
