//! The simulated disk against the real one, and against the crash contract.
//!
//! - Any sequence of operations gives the same answers on both, as long as nothing crashes.
//! - After any crash, what was fsynced is there; what is there was written; nothing else.
#![expect(clippy::disallowed_methods, reason = "tests of real files")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use vfs::sim::{Call, CrashMode, Fault, LostPages, NameMode, Rule, SimDisk};
use vfs::{Dir, DurableRenameError, File, FileKind, LockOutcome, Open, RealDir, durable_rename};

const NAMES: [&str; 3] = ["a", "b", "c"];
const HOWS: [Open; 5] = [Open::Read, Open::Append, Open::AppendOrCreate, Open::CreateNew, Open::Update];
/// Handles that a sequence keeps open at once.
const HANDLES: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    Open { name: usize, how: usize, handle: usize },
    Close { handle: usize },
    Append { handle: usize, len: usize },
    WriteAt { handle: usize, offset: u64, len: usize },
    ReadAt { handle: usize, offset: u64, len: usize },
    SetLen { handle: usize, len: u64 },
    Sync { handle: usize },
    Describe { handle: usize },
    SetMark { handle: usize, mark: u8 },
    Rename { from: usize, to: usize },
    RenameNew { from: usize, to: usize },
    Unlink { name: usize },
    Stat { name: usize },
    List,
    DirSync,
}

fn op() -> impl Strategy<Value = Op> {
    let (name, handle) = (0..NAMES.len(), 0..HANDLES);
    prop_oneof![
        4 => (name.clone(), 0..HOWS.len(), handle.clone()).prop_map(|(name, how, handle)| Op::Open { name, how, handle }),
        1 => handle.clone().prop_map(|handle| Op::Close { handle }),
        4 => (handle.clone(), 0..2000_usize).prop_map(|(handle, len)| Op::Append { handle, len }),
        2 => (handle.clone(), 0..3000_u64, 0..900_usize)
            .prop_map(|(handle, offset, len)| Op::WriteAt { handle, offset, len }),
        2 => (handle.clone(), 0..3000_u64, 0..900_usize)
            .prop_map(|(handle, offset, len)| Op::ReadAt { handle, offset, len }),
        2 => (handle.clone(), 0..3000_u64).prop_map(|(handle, len)| Op::SetLen { handle, len }),
        2 => handle.clone().prop_map(|handle| Op::Sync { handle }),
        2 => handle.clone().prop_map(|handle| Op::Describe { handle }),
        1 => (handle, any::<u8>()).prop_map(|(handle, mark)| Op::SetMark { handle, mark }),
        2 => (name.clone(), name.clone()).prop_map(|(from, to)| Op::Rename { from, to }),
        1 => (name.clone(), name.clone()).prop_map(|(from, to)| Op::RenameNew { from, to }),
        1 => name.clone().prop_map(|name| Op::Unlink { name }),
        1 => name.prop_map(|name| Op::Stat { name }),
        1 => Just(Op::List),
        1 => Just(Op::DirSync),
    ]
}

/// Bytes that tell where they come from.
fn pattern(step: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((step * 31 + at) % 255 + 1).unwrap()).collect()
}

fn told<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("errno {:?}", error.raw_os_error()),
    }
}

/// A directory and the handles a sequence holds on it.
struct Subject {
    dir: Arc<dyn Dir>,
    handles: [Option<Arc<dyn File>>; HANDLES],
    keeps_marks: bool,
}

impl Subject {
    fn new(dir: Arc<dyn Dir>, keeps_marks: bool) -> Self {
        Self { dir, handles: [None, None, None], keeps_marks }
    }

    /// Does one operation; what it answers, without inode numbers and times.
    fn apply(&mut self, step: usize, op: &Op) -> String {
        let dir = &self.dir;
        if let Op::Open { name, how, handle } = op {
            // Closed first, so that a failed open leaves no old handle under the number.
            self.handles[*handle] = None;
            let opened = dir.open(NAMES[*name], HOWS[*how]);
            let answer = told(
                opened
                    .as_ref()
                    .map(|_| ())
                    .map_err(|error| io::Error::from_raw_os_error(error.raw_os_error().unwrap())),
            );
            self.handles[*handle] = opened.ok();
            return answer;
        }
        if let Op::Close { handle } = op {
            self.handles[*handle] = None;
            return String::new();
        }
        match op {
            Op::Rename { from, to } => told(dir.rename(NAMES[*from], NAMES[*to])),
            Op::RenameNew { from, to } => told(dir.rename_new(NAMES[*from], NAMES[*to])),
            Op::Unlink { name } => told(dir.unlink(NAMES[*name])),
            Op::Stat { name } => told(dir.stat(NAMES[*name]).map(|found| found.map(|found| (found.kind, found.len)))),
            Op::List => told(dir.list().map(|mut names| {
                names.sort_unstable();
                names
            })),
            Op::DirSync => told(dir.fsync()),
            _ => self.apply_to_handle(step, op),
        }
    }

    fn apply_to_handle(&self, step: usize, op: &Op) -> String {
        let (Op::Append { handle, .. }
        | Op::WriteAt { handle, .. }
        | Op::ReadAt { handle, .. }
        | Op::SetLen { handle, .. }
        | Op::Sync { handle }
        | Op::Describe { handle }
        | Op::SetMark { handle, .. }) = op
        else {
            panic!("{op:?} has no handle")
        };
        let Some(file) = &self.handles[*handle] else { return "closed".to_owned() };
        match op {
            Op::Append { len, .. } => told(file.append(&pattern(step, *len))),
            Op::WriteAt { offset, len, .. } => told(file.write_at(&pattern(step, *len), *offset)),
            Op::ReadAt { offset, len, .. } => {
                let mut buf = vec![0; *len];
                let got = file.read_at(&mut buf, *offset);
                format!("{} {buf:?}", told(got))
            }
            Op::SetLen { len, .. } => told(file.set_len(*len)),
            Op::Sync { .. } => told(file.fdatasync().and_then(|()| file.fsync())),
            Op::SetMark { mark, .. } if self.keeps_marks => told(file.set_mark([*mark; 16])),
            Op::Describe { .. } if self.keeps_marks => {
                format!("{} {}", told(file.metadata().map(|found| (found.kind, found.len))), told(file.mark()))
            }
            _ => String::new(),
        }
    }
}

/// Whether the file system under a directory keeps marks (tmpfs before Linux 6.6 does not).
fn keeps_marks(dir: &dyn Dir) -> bool {
    let kept = dir.open("probe", Open::CreateNew).unwrap().set_mark([0; 16]).unwrap();
    dir.unlink("probe").unwrap();
    kept
}

proptest! {
    #[test]
    fn real_and_simulated_answer_alike(ops in prop::collection::vec(op(), 0..60)) {
        let place = tempfile::tempdir().unwrap();
        let real: Arc<dyn Dir> = Arc::new(RealDir::open(place.path()).unwrap());
        let marks = keeps_marks(&*real);
        let disk = SimDisk::new();
        let mut subjects = [Subject::new(real, marks), Subject::new(disk.dir("/"), marks)];
        for (step, op) in ops.iter().enumerate() {
            let [real, sim] = subjects.each_mut().map(|subject| subject.apply(step, op));
            prop_assert_eq!(real, sim, "step {} {:?}", step, op);
        }
        for name in NAMES {
            prop_assert_eq!(std::fs::read(place.path().join(name)).ok(), disk.content("/", name));
        }
    }

    /// One log, appended to, cut back to what is fsynced, fsynced: as a log is.
    #[test]
    fn what_was_fsynced_survives_every_crash(
        steps in prop::collection::vec((0..4_u8, 1..3000_usize), 0..30), seed: u64, any_fsync: bool,
    ) {
        let disk = SimDisk::new();
        let dir = disk.dir("/");
        let log = dir.open("log", Open::CreateNew).unwrap();
        if any_fsync { log.fdatasync().unwrap(); } else { dir.fsync().unwrap(); }
        let (mut written, mut fsynced) = (Vec::new(), 0);
        for (step, &(what, len)) in steps.iter().enumerate() {
            match what {
                0 | 1 => {
                    let bytes = pattern(step, len);
                    prop_assert_eq!(log.append(&bytes).unwrap(), len);
                    written.extend_from_slice(&bytes);
                }
                2 => {
                    log.fdatasync().unwrap();
                    fsynced = written.len();
                }
                _ => {
                    log.set_len(fsynced as u64).unwrap();
                    written.truncate(fsynced);
                }
            }
        }
        prop_assert_eq!(disk.kill().content("/", "log"), Some(written.clone()), "the page cache outlives the process");
        let name_mode = if any_fsync { NameMode::AnyFsync } else { NameMode::OnlyDirFsync };
        let mut rng = fastrand::Rng::with_seed(seed);
        for mode in CrashMode::ALL {
            let image = disk.crash(&mut rng, mode, name_mode).content("/", "log").unwrap();
            prop_assert!(image.len() >= fsynced, "{:?}", mode);
            prop_assert_eq!(&image[..fsynced], &written[..fsynced], "{:?}", mode);
            if mode == CrashMode::Strict {
                prop_assert_eq!(image.len(), fsynced);
            }
        }
    }

    /// Without cuts each byte after the fsynced part is the written one or zero, and a torn crash leaves a prefix.
    #[test]
    fn a_crash_invents_nothing(lens in prop::collection::vec(1..3000_usize, 1..8), synced in 0..8_usize, seed: u64) {
        let disk = SimDisk::new();
        let dir = disk.dir("/");
        let log = dir.open("log", Open::CreateNew).unwrap();
        dir.fsync().unwrap();
        let mut written = Vec::new();
        for (step, &len) in lens.iter().enumerate() {
            log.append(&pattern(step, len)).unwrap();
            written.extend(pattern(step, len));
            if step == synced { log.fdatasync().unwrap(); }
        }
        let mut rng = fastrand::Rng::with_seed(seed);
        for mode in CrashMode::ALL {
            let image = disk.crash(&mut rng, mode, NameMode::OnlyDirFsync).content("/", "log").unwrap();
            prop_assert!(image.len() <= written.len());
            prop_assert!(image.iter().zip(&written).all(|(found, written)| found == written || *found == 0));
            if mode == CrashMode::TornAnyByte {
                prop_assert!(written.starts_with(&image));
            }
        }
    }

    /// The same seed gives the same image; an image has nothing pending.
    #[test]
    fn a_crash_is_its_seed(ops in prop::collection::vec(op(), 0..60), seed: u64) {
        let disk = SimDisk::new();
        let mut subject = Subject::new(disk.dir("/"), true);
        for (step, op) in ops.iter().enumerate() {
            subject.apply(step, op);
        }
        for (mode, names) in CrashMode::ALL.into_iter().flat_map(|mode| NameMode::ALL.map(|names| (mode, names))) {
            let image = || disk.crash(&mut fastrand::Rng::with_seed(seed), mode, names);
            let (first, second) = (image(), image());
            prop_assert_eq!(contents(&first), contents(&second));
            let again = first.crash(&mut fastrand::Rng::with_seed(!seed), CrashMode::Strict, NameMode::OnlyDirFsync);
            prop_assert_eq!(contents(&first), contents(&again), "what a crash left is durable");
            let inodes: Vec<u64> = NAMES.iter().filter_map(|name| first.dir("/").stat(name).unwrap()).map(|found| found.inode).collect();
            let mut distinct = inodes.clone();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(inodes.len(), distinct.len(), "one inode, one name");
        }
    }

    /// Replacing a file by `durable_rename`, with a crash or a fault at any call: old or new, whole.
    #[test]
    fn a_durable_rename_leaves_the_old_file_or_the_whole_new_one(calls in 0..12_u64, fails: bool, seed: u64) {
        let (old, new) = (pattern(1, 5000), pattern(2, 6000));
        for (mode, names) in CrashMode::ALL.into_iter().flat_map(|mode| NameMode::ALL.map(|names| (mode, names))) {
            let disk = SimDisk::new();
            disk.put("/", "file", &old);
            if fails {
                disk.inject(Rule::when(Fault::FSYNC_EIO, move |attempt| attempt.index == calls));
            } else {
                disk.freeze_at(Some(calls));
            }
            let replaced = replace(&*disk.dir("/"), &new);
            let mut rng = fastrand::Rng::with_seed(seed);
            let image = disk.crash(&mut rng, mode, names).content("/", "file").unwrap();
            prop_assert!(image == old || image == new);
            if replaced.is_ok() {
                prop_assert!(image == new);
            }
        }
    }
}

fn contents(disk: &SimDisk) -> BTreeMap<&'static str, Option<Vec<u8>>> {
    NAMES.into_iter().map(|name| (name, disk.content("/", name))).collect()
}

fn replace(dir: &dyn Dir, bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let file = dir.open("temp", Open::CreateNew)?;
    assert_eq!(file.append(bytes)?, bytes.len());
    Ok(durable_rename(dir, &*file, "temp", "file")?)
}

fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn each_step_of_a_durable_rename_has_its_own_error() {
    for (call, step) in [(Call::Fsync, 0), (Call::Rename, 1), (Call::DirFsync, 2)] {
        let disk = SimDisk::new();
        let dir = disk.dir("/");
        let file = dir.open("from", Open::CreateNew).unwrap();
        disk.inject(Rule::nth(call, 1, Fault::EIO));
        let error = durable_rename(&*dir, &*file, "from", "to").unwrap_err();
        let failed = match error {
            DurableRenameError::FsyncFile(_) => 0,
            DurableRenameError::Rename(_) => 1,
            DurableRenameError::FsyncDir(_) => 2,
        };
        assert_eq!(failed, step);
        assert_eq!(disk.content("/", "to").is_some(), step == 2, "renamed only when the rename had its turn");
    }
}

#[test]
fn a_name_without_a_directory_fsync_may_be_lost_and_with_one_is_not() {
    let disk = SimDisk::new();
    let dir = disk.dir("/");
    let file = dir.open("a", Open::CreateNew).unwrap();
    file.append(b"x").unwrap();
    file.fsync().unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    assert_eq!(disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync).content("/", "a"), None);
    assert!(disk.crash(&mut rng, CrashMode::Strict, NameMode::AnyFsync).content("/", "a").is_some());
    dir.fsync().unwrap();
    assert!(disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync).content("/", "a").is_some());
}

#[test]
fn a_freed_inode_number_is_given_out_again_at_once_even_with_the_same_birth_time() {
    let disk = SimDisk::new();
    let dir = disk.dir("/");
    dir.open("a", Open::CreateNew).unwrap().set_mark([1; 16]).unwrap();
    let first = dir.stat("a").unwrap();
    dir.unlink("a").unwrap();
    let second = dir.open("a", Open::CreateNew).unwrap();
    assert_eq!(dir.stat("a").unwrap(), first);
    assert_eq!(second.mark().unwrap(), None, "only the mark tells them apart");
}

#[test]
fn what_was_fsynced_keeps_its_inode_number_beside_an_older_file_that_a_lost_unlink_brings_back() {
    // The newer one got another number, and a state file then spoke of a stranger.
    let disk = SimDisk::new();
    let dir = disk.dir("/");
    for name in ["first", "second", "older"] {
        drop(dir.open(name, Open::CreateNew).unwrap());
    }
    // The number that is free is not the one that comes first.
    dir.rename("second", "first").unwrap();
    dir.fsync().unwrap();
    dir.unlink("older").unwrap();
    disk.inject(Rule::nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
    dir.fsync().unwrap_err();
    for name in ["newer", "newest"] {
        drop(dir.open(name, Open::CreateNew).unwrap());
    }
    dir.fsync().unwrap();
    let number = |disk: &SimDisk, name| disk.dir("/").stat(name).unwrap().map(|found| found.inode);
    let after = disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
    for name in ["first", "newer", "newest"] {
        assert_eq!(number(&after, name), number(&disk, name), "{name}");
    }
    let older = number(&after, "older").unwrap();
    assert!(["first", "newer", "newest"].iter().all(|name| number(&after, name) != Some(older)));
}

#[test]
fn a_full_disk_takes_what_fits_and_then_nothing() {
    let disk = SimDisk::new();
    let dir = disk.dir("/");
    disk.set_capacity(Some(10));
    let file = dir.open("a", Open::CreateNew).unwrap();
    assert_eq!(file.append(b"0123456").unwrap(), 7);
    assert_eq!(file.append(b"789ab").unwrap(), 3);
    assert_eq!(code(file.append(b"b")), Some(libc::ENOSPC));
    file.set_len(4).unwrap();
    assert_eq!(file.append(b"b").unwrap(), 1);
}

#[test]
fn faults_strike_once_or_for_ever_and_are_traced() {
    let disk = SimDisk::new();
    let dir = disk.dir("/");
    let file = dir.open("a", Open::CreateNew).unwrap();
    disk.record(true);
    disk.inject(Rule::nth(Call::Append, 2, Fault::Short(1)));
    disk.inject(Rule::from_nth(Call::Append, 3, Fault::EINTR));
    disk.inject(Rule::when(Fault::EIO, |attempt| attempt.call == Call::Rename && attempt.to == "b"));
    assert_eq!(file.append(b"one").unwrap(), 3);
    assert_eq!(file.append(b"two").unwrap(), 1);
    for _ in 0..2 {
        assert_eq!(file.append(b"three").unwrap_err().kind(), io::ErrorKind::Interrupted);
    }
    assert!(dir.rename("a", "b").is_err());
    dir.rename("a", "c").unwrap();
    disk.heal();
    assert_eq!(file.append(b"!").unwrap(), 1);
    assert_eq!(disk.content("/", "c").unwrap(), b"onet!");
    let trace: Vec<String> = disk.trace().iter().map(ToString::to_string).collect();
    let expected = [
        "1 Append a @0 3: 3",
        "2 Append a @0 3: 1",
        "3 Append a @0 5: errno 4",
        "4 Append a @0 5: errno 4",
        "5 Rename a -> b @0 0: errno 5",
        "6 Rename a -> c @0 0: 0",
        "7 Append a @0 1: 1",
    ];
    assert_eq!(trace, expected);
}

#[test]
fn a_failed_fsync_loses_the_bytes_whatever_a_later_one_says() {
    for (pages, survives) in [(LostPages::Kept, true), (LostPages::Dropped, false), (LostPages::Evicted, false)] {
        let disk = SimDisk::new();
        let dir = disk.dir("/");
        let file = dir.open("a", Open::CreateNew).unwrap();
        dir.fsync().unwrap();
        file.append(b"bytes").unwrap();
        disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FsyncFailed { errno: libc::EIO, pages }));
        assert!(file.fdatasync().is_err());
        file.fdatasync().unwrap();
        let image = disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
        assert_eq!(image.content("/", "a").unwrap() == b"bytes", survives, "{pages:?}");
    }
}

#[test]
fn a_directory_opened_once_more_is_the_same_and_reports_its_errors_by_itself() {
    let (place, disk) = (tempfile::tempdir().unwrap(), SimDisk::new());
    let real: Arc<dyn Dir> = Arc::new(RealDir::open(place.path()).unwrap());
    for dir in [real, disk.dir("d") as Arc<dyn Dir>] {
        let again = dir.reopen().unwrap();
        dir.open("a", Open::CreateNew).unwrap();
        again.rename("a", "b").unwrap();
        assert_eq!((dir.list().unwrap(), again.path()), (vec!["b".to_owned()], dir.path()));
        assert!(dir.descriptor().is_none() || dir.descriptor() != again.descriptor());
    }
    let (one, other) = (disk.dir("d"), disk.dir("d").reopen().unwrap());
    disk.inject(Rule::nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
    assert_eq!(code(one.fsync()), Some(libc::EIO));
    assert_eq!((code(one.fsync()), code(other.fsync()), code(other.fsync())), (None, Some(libc::EIO), None));
    assert_eq!(code(one.reopen().unwrap().fsync()), None, "it was not open when the error arose");
}

#[test]
fn a_frozen_disk_changes_no_more() {
    let disk = SimDisk::new();
    let dir = disk.dir("/");
    let file = dir.open("a", Open::CreateNew).unwrap();
    disk.freeze_at(Some(2));
    assert!(!disk.is_frozen());
    file.append(b"in").unwrap();
    assert!(disk.is_frozen());
    assert!(file.append(b"out").is_err());
    assert!(dir.unlink("a").is_err());
    assert_eq!((disk.content("/", "a").unwrap(), disk.calls()), (b"in".to_vec(), 2));
}

#[test]
fn locks_die_with_their_process_and_name_their_holder() {
    let disk = SimDisk::new();
    disk.set_pid(42);
    let dir = disk.dir("/");
    let LockOutcome::Acquired(held) = dir.lock("lock").unwrap() else { panic!("nobody else has it") };
    assert!(matches!(dir.lock("lock").unwrap(), LockOutcome::HeldBy(Some(42))));
    assert!(matches!(disk.kill().dir("/").lock("lock").unwrap(), LockOutcome::Acquired(_)));
    drop(held);
    assert!(matches!(dir.lock("lock").unwrap(), LockOutcome::Acquired(_)));
}

#[test]
fn what_is_no_regular_file_is_refused_in_simulation_too() {
    let disk = SimDisk::new();
    let dir = disk.dir("/");
    for (kind, errno) in
        [(FileKind::Dir, libc::EISDIR), (FileKind::Symlink, libc::ELOOP), (FileKind::Other, libc::ENXIO)]
    {
        disk.put_special("/", "x", kind);
        assert_eq!(code(dir.open("x", Open::Append)), Some(errno));
        assert_eq!(dir.stat("x").unwrap().unwrap().kind, kind);
    }
}

#[test]
fn a_directory_in_a_directory_is_opened_and_nothing_else_is() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("inner")).unwrap();
    std::fs::write(place.path().join("inner/a"), b"of the inner one").unwrap();
    std::fs::write(place.path().join("file"), b"").unwrap();
    std::os::unix::fs::symlink("inner", place.path().join("link")).unwrap();
    let real = RealDir::open(place.path()).unwrap();

    let disk = SimDisk::new();
    disk.put_special("/d", "inner", FileKind::Dir);
    disk.put("/d/inner", "a", b"of the inner one");
    disk.put("/d", "file", b"");
    disk.put_special("/d", "link", FileKind::Symlink);
    let sim = disk.dir("/d");

    for dir in [&real as &dyn Dir, &*sim] {
        let inner = dir.open_dir("inner").unwrap();
        assert_eq!(inner.list().unwrap(), ["a"]);
        assert_eq!(inner.path(), dir.path().join("inner"));
        let mut bytes = [0; 32];
        assert_eq!(inner.open("a", Open::Read).unwrap().read_at(&mut bytes, 0).unwrap(), 16);
        let code = |name| dir.open_dir(name).err().and_then(|error| error.raw_os_error());
        assert_eq!([code("file"), code("link")], [Some(libc::ENOTDIR); 2]);
        assert_eq!(code("missing"), Some(libc::ENOENT));
        assert_eq!([code(".."), code("inner/a"), code(".")], [Some(libc::EINVAL); 3]);
    }
}
