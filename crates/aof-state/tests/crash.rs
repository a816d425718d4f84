//! A state file never claims more than was fsynced, whatever crash comes at whatever call, and never speaks of another file.
#![expect(clippy::unwrap_used, reason = "a test")]

use aof_state::{
    BootId, Durability, Identity, NoState, StateFile, StateKeeper, TempFile, clean_temp_files, is_temp_name, state_name,
};
use proptest::prelude::*;
use std::sync::Arc;
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};
use vfs::{Dir, File, Open, durable_rename};

const AOF: &str = "appendonly.aof";
const BOOT: BootId = BootId([9; 16]);

/// What one log file holds, as its writer knows it. Files are told apart by the byte they are filled with.
#[derive(Clone, Copy, Default)]
struct Truth {
    written_bytes: u64,
    fsynced_bytes: u64,
}

/// A writer of logs with a state file, without anything else of a server.
struct Writer {
    disk: SimDisk,
    dir: Arc<dyn Dir>,
    log: Option<Arc<dyn File>>,
    keeper: Option<StateKeeper>,
    /// By generation, which is also the byte that fills the file.
    truths: Vec<Truth>,
    mono_ms: u64,
}

#[derive(Clone, Debug)]
enum Op {
    Append(usize),
    Fsync,
    Refresh { after_ms: u64 },
    Switch { bytes: usize },
    CleanEnd,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..2000_usize).prop_map(Op::Append),
        3 => Just(Op::Fsync),
        3 => (0..1500_u64).prop_map(|after_ms| Op::Refresh { after_ms }),
        1 => (1..2000_usize).prop_map(|bytes| Op::Switch { bytes }),
        1 => Just(Op::CleanEnd),
    ]
}

type Step = Result<(), Box<dyn std::error::Error>>;

impl Writer {
    fn new(disk: &SimDisk) -> Self {
        Self { disk: disk.clone(), dir: disk.dir("/"), log: None, keeper: None, truths: Vec::new(), mono_ms: 0 }
    }

    fn fill(&self) -> u8 {
        u8::try_from(self.truths.len()).unwrap()
    }

    fn apply(&mut self, op: &Op) -> Step {
        if self.log.is_none() {
            return self.switch(0);
        }
        match op {
            Op::Append(bytes) => self.append(*bytes),
            Op::Fsync => self.fsync(),
            Op::Refresh { after_ms } => {
                self.mono_ms += after_ms;
                let fsynced_bytes = self.truths.last().unwrap().fsynced_bytes;
                let keeper = self.keeper.as_mut().unwrap();
                if let Some((state, durability)) = keeper.refresh(fsynced_bytes, self.mono_ms)
                    && let Err(error) = state.write(&*self.dir, AOF, durability)
                {
                    keeper.refresh_failed();
                    return Err(error.into());
                }
                Ok(())
            }
            Op::Switch { bytes } => self.switch(*bytes),
            Op::CleanEnd => {
                self.fsync()?;
                let state = self.keeper.as_ref().unwrap().clean_end(self.truths.last().unwrap().fsynced_bytes);
                Ok(state.write(&*self.dir, AOF, Durability::Durable)?)
            }
        }
    }

    fn append(&mut self, bytes: usize) -> Step {
        let taken = self.log.as_ref().unwrap().append(&vec![self.fill(); bytes])?;
        self.truths.last_mut().unwrap().written_bytes += taken as u64;
        Ok(())
    }

    fn fsync(&mut self) -> Step {
        self.log.as_ref().unwrap().fdatasync()?;
        let truth = self.truths.last_mut().unwrap();
        truth.fsynced_bytes = truth.written_bytes;
        Ok(())
    }

    /// A new file takes the name, as after a rewrite.
    fn switch(&mut self, bytes: usize) -> Step {
        // Without marks, two files of one inode made within one tick of the clock cannot be told apart; a switch takes longer.
        self.disk.advance_ns(4_000_000);
        let temp = TempFile::Rewrite { pid: 1 }.name(AOF);
        let log = self.dir.open(&temp, Open::CreateNew)?;
        self.truths.push(Truth::default());
        let taken = log.append(&vec![self.fill(); bytes])?;
        let identity = Identity::brand(&*log, [self.fill(); 16])?;
        self.truths.last_mut().unwrap().written_bytes = taken as u64;
        // Its bytes may be durable before the call that says so returns.
        log.fsync()?;
        self.truths.last_mut().unwrap().fsynced_bytes = taken as u64;
        durable_rename(&*self.dir, &*log, &temp, AOF)?;
        self.keeper = Some(StateKeeper::new(identity, BOOT));
        self.log = Some(log);
        Ok(())
    }

    /// Checks what a later start finds on `image`.
    fn check(&self, image: &SimDisk) -> Option<StateFile> {
        let dir = image.dir("/");
        clean_temp_files(&*dir, AOF, &|_, _| false).unwrap();
        assert!(dir.list().unwrap().iter().all(|name| !is_temp_name(name, AOF)));
        let log = dir.open(AOF, Open::Append).ok()?;
        let state = StateFile::read(&*dir, AOF, &*log).ok()?;
        let content = image.content("/", AOF).unwrap();
        let proven = &content[..usize::try_from(state.fsynced_offset_bytes).unwrap()];
        if let Some(&fill) = proven.first() {
            assert!(proven.iter().all(|&byte| byte == fill), "what is stated as proven is whole");
            let truth = self.truths[usize::from(fill) - 1];
            assert!(state.fsynced_offset_bytes <= truth.fsynced_bytes, "a lower bound");
        }
        if state.clean_end {
            assert_eq!(content.len() as u64, state.fsynced_offset_bytes);
        }
        assert_eq!(state.boot_id, BOOT);
        Some(state)
    }
}

proptest! {
    #[test]
    fn a_state_file_never_claims_more_than_was_fsynced(
        ops in prop::collection::vec(op(), 1..25),
        frozen_at in 1..120_u64,
        bad_fsync in 1..20_u64,
        (marks, birth_times) in any::<(bool, bool)>(),
        seed in any::<u64>(),
    ) {
        let disk = SimDisk::new();
        disk.set_keeps(marks, birth_times);
        disk.freeze_at(Some(frozen_at));
        disk.inject(Rule::nth(Call::Fdatasync, bad_fsync, Fault::FSYNC_EIO));
        let mut writer = Writer::new(&disk);
        for op in &ops {
            // After any failure nothing more is claimed for this file; a server would switch.
            if writer.apply(op).is_err() {
                break;
            }
        }
        writer.check(&disk.kill());
        let mut rng = fastrand::Rng::with_seed(seed);
        for (mode, names) in CrashMode::ALL.into_iter().flat_map(|mode| NameMode::ALL.map(|names| (mode, names))) {
            let state = writer.check(&disk.crash(&mut rng, mode, names));
            prop_assert!(state.is_none() || marks || birth_times, "an inode number alone proves nothing");
        }
    }
}

#[test]
fn a_clean_end_is_found_after_a_power_loss() {
    let disk = SimDisk::new();
    let mut writer = Writer::new(&disk);
    for op in [Op::Append(0), Op::Append(700), Op::CleanEnd] {
        writer.apply(&op).unwrap();
    }
    let mut rng = fastrand::Rng::with_seed(3);
    for mode in CrashMode::ALL {
        let state = writer.check(&disk.crash(&mut rng, mode, NameMode::OnlyDirFsync)).unwrap();
        assert_eq!((state.clean_end, state.fsynced_offset_bytes), (true, 700));
    }
}

#[test]
fn a_file_with_the_same_inode_and_birth_time_is_told_apart_by_its_mark() {
    let disk = SimDisk::new();
    let dir = disk.dir("/");
    let log = dir.open(AOF, Open::CreateNew).unwrap();
    let identity = Identity::brand(&*log, [1; 16]).unwrap();
    let (state, durability) = StateKeeper::new(identity, BOOT).refresh(0, 0).unwrap();
    state.write(&*dir, AOF, durability).unwrap();
    assert!(StateFile::read(&*dir, AOF, &*log).is_ok());
    drop(log);
    dir.unlink(AOF).unwrap();
    dir.fsync().unwrap();
    let other = dir.open(AOF, Open::CreateNew).unwrap();
    let found = other.metadata().unwrap();
    assert_eq!((found.inode, found.birth_ns), (identity.inode, identity.birth_ns));
    assert!(matches!(StateFile::read(&*dir, AOF, &*other), Err(NoState::OtherFile { .. })));
}

#[test]
fn a_failed_refresh_leaves_the_state_file_before_it() {
    for call in [Call::Open, Call::Append, Call::Fdatasync, Call::Rename] {
        let disk = SimDisk::new();
        let dir = disk.dir("/");
        let log = dir.open(AOF, Open::CreateNew).unwrap();
        log.append(b"0123456789").unwrap();
        let mut keeper = StateKeeper::new(Identity::brand(&*log, [1; 16]).unwrap(), BOOT);
        let mut write = |offset, mono_ms| {
            let (state, durability) = keeper.refresh(offset, mono_ms).unwrap();
            state.write(&*dir, AOF, durability)
        };
        write(5, 0).unwrap();
        disk.inject(Rule::nth(call, 1, Fault::ENOSPC));
        assert!(write(6, 1_000).is_err(), "{call:?}");
        assert_eq!(StateFile::read(&*dir, AOF, &*log).unwrap().fsynced_offset_bytes, 5, "{call:?}");
        write(7, 2_000).unwrap();
        assert_eq!(StateFile::read(&*dir, AOF, &*log).unwrap().fsynced_offset_bytes, 7, "{call:?}");
    }
}

#[test]
fn a_torn_or_missing_state_file_says_so() {
    let disk = SimDisk::new();
    let dir = disk.dir("/");
    let log = dir.open(AOF, Open::CreateNew).unwrap();
    assert!(matches!(StateFile::read(&*dir, AOF, &*log), Err(NoState::Missing)));
    let mut keeper = StateKeeper::new(Identity::brand(&*log, [1; 16]).unwrap(), BOOT);
    let (state, durability) = keeper.refresh(0, 0).unwrap();
    state.write(&*dir, AOF, durability).unwrap();
    disk.tamper("/", &state_name(AOF), |bytes| bytes.truncate(40));
    assert!(matches!(StateFile::read(&*dir, AOF, &*log), Err(NoState::Invalid(_))));
    disk.put_special("/", &state_name(AOF), vfs::FileKind::Symlink);
    assert!(matches!(StateFile::read(&*dir, AOF, &*log), Err(NoState::Unreadable(_))));
}

/// A state file that was renamed before its bytes were fsynced was often torn after a power loss: then nothing was known of
/// the log, and a hole in its unproven part could not be told from corruption.
#[test]
fn after_the_first_one_every_power_loss_leaves_a_state_file() {
    let mut rng = fastrand::Rng::with_seed(7);
    for frozen_at in 1..200 {
        let disk = SimDisk::new();
        let mut writer = Writer::new(&disk);
        for op in [Op::Append(0), Op::Refresh { after_ms: 0 }] {
            writer.apply(&op).unwrap();
        }
        disk.freeze_at(Some(disk.calls() + frozen_at));
        for _ in 0..8 {
            for op in [Op::Append(100), Op::Fsync, Op::Refresh { after_ms: 1_000 }] {
                if writer.apply(&op).is_err() {
                    break;
                }
            }
        }
        for (mode, names) in CrashMode::ALL.into_iter().flat_map(|mode| NameMode::ALL.map(|names| (mode, names))) {
            assert!(
                writer.check(&disk.crash(&mut rng, mode, names)).is_some(),
                "frozen at {frozen_at}, {mode:?} {names:?}"
            );
        }
    }
}
