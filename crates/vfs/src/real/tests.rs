//! What only the real file system can show: modes, links, inherited descriptors, the lock across processes.
#![expect(clippy::disallowed_methods, reason = "tests of real files")]

use super::*;
use crate::durable_rename;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::process::{Command, Stdio};

fn place() -> (tempfile::TempDir, RealDir) {
    let place = tempfile::tempdir().unwrap();
    let dir = RealDir::open(place.path()).unwrap();
    (place, dir)
}

fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn new_files_are_readable_by_their_owner_only_and_closed_on_exec() {
    let (place, dir) = place();
    let file = dir.open("a", Open::CreateNew).unwrap();
    assert_eq!(std::fs::metadata(place.path().join("a")).unwrap().mode() & 0o7777, 0o600);
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.descriptor().unwrap())).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    assert_ne!(i32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_CLOEXEC, 0, "{info}");
}

#[test]
fn a_directory_is_not_empty_because_nobody_can_read_the_name_in_it() {
    let (place, dir) = place();
    std::fs::write(place.path().join(std::ffi::OsStr::from_bytes(b"\xff.manifest")), b"").unwrap();
    assert_eq!(dir.list().unwrap(), ["\u{fffd}.manifest"]);
}

#[test]
fn whatever_is_no_regular_file_is_refused_and_untouched() {
    let (place, dir) = place();
    std::fs::write(place.path().join("target"), b"precious").unwrap();
    symlink("target", place.path().join("link")).unwrap();
    symlink("nowhere", place.path().join("dangling")).unwrap();
    std::fs::create_dir(place.path().join("dir")).unwrap();
    nix::unistd::mkfifo(&place.path().join("pipe"), Mode::S_IRWXU).unwrap();
    for how in [Open::Read, Open::Append, Open::AppendOrCreate, Open::Update] {
        assert_eq!(code(dir.open("link", how)), Some(libc::ELOOP), "{how:?}");
        assert_eq!(code(dir.open("dangling", how)), Some(libc::ELOOP), "{how:?}");
        assert_eq!(code(dir.open("dir", how)), Some(libc::EISDIR), "{how:?}");
        assert_eq!(code(dir.open("pipe", how)), Some(libc::ENXIO), "{how:?}");
    }
    assert_eq!(code(dir.open("link", Open::CreateNew)), Some(libc::EEXIST));
    assert_eq!(code(dir.lock("link").map(|_| ())), Some(libc::ELOOP));
    assert_eq!(dir.stat("link").unwrap().unwrap().kind, FileKind::Symlink);
    assert_eq!(dir.stat("pipe").unwrap().unwrap().kind, FileKind::Other);
    assert_eq!(dir.stat("dir").unwrap().unwrap().kind, FileKind::Dir);
    assert_eq!(std::fs::read(place.path().join("target")).unwrap(), b"precious");
}

#[test]
fn names_are_relative_to_the_directory_that_was_opened_not_to_its_path() {
    let (place, _) = place();
    let (before, after) = (place.path().join("before"), place.path().join("after"));
    std::fs::create_dir(&before).unwrap();
    let dir = RealDir::open(&before).unwrap();
    std::fs::rename(&before, &after).unwrap();
    std::fs::create_dir(&before).unwrap();
    dir.open("a", Open::CreateNew).unwrap();
    assert!(after.join("a").exists());
    assert!(!before.join("a").exists());
    dir.sync_parent().unwrap();
}

#[test]
fn the_directory_of_a_file_is_the_one_it_really_stands_in() {
    let (place, dir) = place();
    dir.open("log", Open::CreateNew).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link");
    symlink(place.path().join("log"), &link).unwrap();
    let (holding, name) = RealDir::holding(&link).unwrap();
    assert_eq!((holding.list().unwrap(), name.as_str()), (vec!["log".to_owned()], "log"));
    assert_eq!(code(RealDir::holding(place.path().join("none"))), Some(libc::ENOENT));
}

#[test]
fn appending_continues_at_the_end_after_a_cut() {
    let (place, dir) = place();
    let file = dir.open("a", Open::CreateNew).unwrap();
    file.append(b"0123456789").unwrap();
    file.set_len(4).unwrap();
    file.append(b"x").unwrap();
    assert_eq!(std::fs::read(place.path().join("a")).unwrap(), b"0123x");
    assert_eq!(code(file.write_at(b"y", 0)), Some(libc::EBADF), "pwrite would append");
    let update = dir.open("a", Open::Update).unwrap();
    update.write_at(b"AB", 1).unwrap();
    assert_eq!(code(update.append(b"z")), Some(libc::EBADF));
    assert_eq!(std::fs::read(place.path().join("a")).unwrap(), b"0AB3x");
}

#[test]
fn a_mark_belongs_to_the_inode_and_follows_a_rename() {
    let (_place, dir) = place();
    let file = dir.open("a", Open::CreateNew).unwrap();
    assert_eq!(file.mark().unwrap(), None);
    assert!(file.set_mark([7; 16]).unwrap(), "this test needs a file system with user attributes: set TMPDIR to one");
    durable_rename(&dir, &*file, "a", "b").unwrap();
    assert_eq!(dir.open("b", Open::Read).unwrap().mark().unwrap(), Some([7; 16]));
    assert_eq!(dir.open("a", Open::CreateNew).unwrap().mark().unwrap(), None);
}

#[test]
fn a_rename_to_a_new_name_replaces_nothing_by_whichever_call() {
    let by_flag: fn(&RealDir, &str, &str) -> io::Result<()> = |dir, from, to| dir.rename_new(from, to);
    let by_link = |dir: &RealDir, from: &str, to: &str| link_and_unlink(dir.fd.as_fd(), from, to);
    for rename_new in [by_flag, by_link] {
        let (place, dir) = place();
        std::fs::write(place.path().join("a"), b"new").unwrap();
        std::fs::write(place.path().join("b"), b"precious").unwrap();
        symlink("nowhere", place.path().join("dangling")).unwrap();
        for taken in ["a", "b", "dangling"] {
            assert_eq!(code(rename_new(&dir, "a", taken)), Some(libc::EEXIST), "{taken}");
        }
        assert_eq!(code(rename_new(&dir, "none", "c")), Some(libc::ENOENT));
        assert_eq!(std::fs::read(place.path().join("b")).unwrap(), b"precious");
        rename_new(&dir, "a", "c").unwrap();
        assert_eq!(std::fs::read(place.path().join("c")).unwrap(), b"new");
        assert_eq!(dir.stat("a").unwrap(), None);
    }
}

#[test]
fn a_second_handle_is_refused_and_told_who_holds_the_lock() {
    let (place, dir) = place();
    let other = RealDir::open(place.path()).unwrap();
    let LockOutcome::Acquired(held) = dir.lock("lock").unwrap() else { panic!("nobody else has it") };
    for dir in [&dir, &other] {
        assert!(matches!(dir.lock("lock").unwrap(), LockOutcome::HeldBy(Some(pid)) if pid == std::process::id()));
    }
    drop(held);
    assert!(matches!(other.lock("lock").unwrap(), LockOutcome::Acquired(_)));
}

#[test]
fn another_process_sees_the_lock() {
    let (place, dir) = place();
    let LockOutcome::Acquired(held) = dir.lock("lock").unwrap() else { panic!("nobody else has it") };
    let try_flock = || flock(&place).arg("true").status().expect("flock(1) of util-linux");
    assert!(!try_flock().success());
    drop(held);
    assert!(try_flock().success());
}

#[test]
fn the_lock_of_a_process_is_free_when_it_died() {
    let (place, dir) = place();
    let mut other = flock(&place).arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // It answers, so it holds the lock.
    other.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    other.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    assert!(matches!(dir.lock("lock").unwrap(), LockOutcome::HeldBy(_)));
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(matches!(dir.lock("lock").unwrap(), LockOutcome::Acquired(_)));
}

/// flock(1) on the lock file: runs what follows in its own process, if it gets the lock at once.
fn flock(place: &tempfile::TempDir) -> Command {
    let mut flock = Command::new("flock");
    flock.args(["--nonblock", "--no-fork"]).arg(place.path().join("lock"));
    flock
}
