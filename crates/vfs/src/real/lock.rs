//! The directory lock: a flock(2) on a file that holds the holder's process id. Why flock: see [`DirLock`].
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is the seam to file locks")]

use super::sys;
use crate::{DirLock, LockOutcome};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;

/// More text than a process id and its newline take.
const PID_TEXT_BYTES: usize = 16;

/// Unlocks when dropped, in the process that locked.
struct Held {
    file: File,
    owner_pid: u32,
}

impl Drop for Held {
    fn drop(&mut self) {
        // A forked child shares the lock: unlocking there would take it from its parent.
        if std::process::id() == self.owner_pid {
            // Closing the file frees the lock as well, unless a child shares it; there is nobody to tell of an error.
            drop(self.file.unlock());
        }
    }
}

/// Takes the lock `name` in `dir`, or says who has it.
pub(super) fn acquire(dir: BorrowedFd<'_>, name: &str) -> io::Result<LockOutcome> {
    loop {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = File::from(openat(dir, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(LockOutcome::HeldBy(read_pid(&file)?)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Someone may have removed the file between our open and our lock: then this is a lock on nothing.
        if is_still_named(dir, name, &file)? {
            let owner_pid = std::process::id();
            // A courtesy to whoever is refused next: a full disk must not keep a server from starting.
            drop(write_pid(&file, owner_pid));
            return Ok(LockOutcome::Acquired(DirLock::new(Held { file, owner_pid })));
        }
    }
}

fn is_still_named(dir: BorrowedFd<'_>, name: &str, file: &File) -> io::Result<bool> {
    let ours = sys::stat_fd(file.as_fd())?;
    match sys::stat_at(dir, name) {
        Ok(named) => Ok(named.inode == ours.inode),
        Err(Errno::ENOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn write_pid(file: &File, pid: u32) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all_at(format!("{pid}\n").as_bytes(), 0)
}

fn read_pid(file: &File) -> io::Result<Option<u32>> {
    let mut text = [0_u8; PID_TEXT_BYTES];
    let len = file.read_at(&mut text, 0)?;
    Ok(parse_pid(&text[..len]))
}

/// The number before the newline; `None` for anything else, such as a file whose holder is just writing it.
fn parse_pid(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text.strip_suffix(b"\n")?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse_pid;

    #[test]
    fn a_pid_is_read_only_when_it_is_whole() {
        assert_eq!(parse_pid(b"4711\n"), Some(4711));
        for bad in [&b""[..], b"47", b"\n", b"x\n", b"-1\n", b"99999999999\n"] {
            assert_eq!(parse_pid(bad), None, "{bad:?}");
        }
    }
}
