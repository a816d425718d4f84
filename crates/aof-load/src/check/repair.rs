//! Cuts a checked file off, after what is cut was copied to a side file as a recovery does it: repair deletes nothing.
//!
//! Order: the side file, durable; the state file set aside, durable, since it says of bytes that they are there which then are not;
//! only then the cut, of the file that was checked and has not grown since. A crash in between leaves the whole file, or the cut
//! one with everything beside it.

use std::io;
use std::sync::Arc;

use aof_state::{LOCK_NAME, state_name};
use vfs::{Dir, DirLock, File, LockOutcome, Metadata, Open};

use crate::Operation;
use crate::copy::Failed;
use crate::cut::{SideFile, cut};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The file's size now.
    pub size_bytes: u64,
    /// The size of what was cut.
    pub tail_bytes: u64,
    /// The name of its copy in the same directory, if one was wanted.
    pub side_file: Option<String>,
    /// The new name of the file's state file, if it had one.
    pub state_file: Option<String>,
}

/// Why a file was not cut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// A running server has the directory.
    #[error("the directory is in use by a running server{}: stop it first", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse {
        /// Its process, if it said so.
        pid: Option<u32>,
    },
    /// The lock of the directory could not be taken.
    #[error("can't take the lock file {LOCK_NAME}")]
    Lock(#[source] io::Error),
    /// The file is not the one that was checked, or not as long; nothing was cut.
    #[error("the file was changed since it was checked, so nothing was cut: is a server writing to it?")]
    Changed,
    /// The copy of what is to be cut could not be written; nothing was cut.
    #[error("can't {operation} the side file {side_file}, so nothing was cut")]
    SideFile {
        /// Its name.
        side_file: String,
        /// What was attempted.
        operation: Operation,
        /// The system call's error.
        source: io::Error,
    },
    /// The state file could not be set aside; nothing was cut.
    #[error("can't rename the state file {state_file}, so nothing was cut")]
    StateFile {
        /// Its name.
        state_file: String,
        /// The system call's error.
        source: io::Error,
    },
    /// A system call on the file failed.
    #[error("can't {operation} the file")]
    File {
        /// What was attempted.
        operation: Operation,
        /// The system call's error.
        source: io::Error,
    },
}

impl From<Failed> for RepairError {
    fn from(Failed { operation, error, .. }: Failed) -> Self {
        Self::File { operation, source: error }
    }
}

/// A directory that no server uses as long as this lives.
pub struct Held<'a> {
    dir: &'a dyn Dir,
    /// Whether the lock file was there before.
    found: bool,
    _lock: DirLock,
}

impl<'a> Held<'a> {
    /// Takes the lock that a running server holds.
    ///
    /// # Errors
    /// [`RepairError::InUse`] if one does; [`RepairError::Lock`] if that can't be told.
    pub fn take(dir: &'a dyn Dir) -> Result<Self, RepairError> {
        let found = dir.stat(LOCK_NAME).map_err(RepairError::Lock)?.is_some();
        match dir.lock(LOCK_NAME).map_err(RepairError::Lock)? {
            LockOutcome::Acquired(lock) => Ok(Self { dir, found, _lock: lock }),
            LockOutcome::HeldBy(pid) => Err(RepairError::InUse { pid }),
        }
    }

    /// Cuts the file `name` to `cut_at` bytes, if it still is the file open as `checked`, with the `checked_bytes` bytes that were
    /// found in it. With `side_file`, what is cut is copied to `<name>.torn-<cut_at>` first. Durable on return.
    ///
    /// # Errors
    /// Any [`RepairError`]. The file is whole then, unless the cut itself failed.
    pub fn cut(
        &self,
        name: &str,
        checked: &dyn File,
        checked_bytes: u64,
        cut_at: u64,
        side_file: bool,
    ) -> Result<Repaired, RepairError> {
        let file = self.dir.open(name, Open::Append).map_err(Failed::at(Operation::Open, 0))?;
        let checked = checked.metadata().map_err(Failed::at(Operation::Stat, 0))?;
        let checked = Metadata { len: checked_bytes, ..checked };
        self.expect(name, &*file, checked)?;
        let side_file = if side_file { Some(self.side_file(name, &file, cut_at, checked_bytes)?) } else { None };
        let state_file = self.set_state_aside(name, cut_at)?;
        // Whoever took no lock may have appended while the tail was copied: those bytes are in no side file.
        if let Err(error) = self.expect(name, &*file, checked) {
            self.undo(name, side_file.as_deref(), state_file.as_deref());
            return Err(error);
        }
        cut(&*file, cut_at)?;
        Ok(Repaired { size_bytes: cut_at, tail_bytes: checked_bytes - cut_at, side_file, state_file })
    }

    /// Fails unless `file`, and what is called `name`, are the file that was checked, as long as it was then.
    fn expect(&self, name: &str, file: &dyn File, checked: Metadata) -> Result<(), RepairError> {
        let opened = file.metadata().map_err(Failed::at(Operation::Stat, 0))?;
        let named = self.dir.stat(name).map_err(Failed::at(Operation::Stat, 0))?;
        if opened == checked && named == Some(checked) { Ok(()) } else { Err(RepairError::Changed) }
    }

    /// Takes back what was done before the cut. It is no loss if that fails: the file is whole.
    fn undo(&self, name: &str, side_file: Option<&str>, state_file: Option<&str>) {
        if let Some(side_file) = side_file {
            let _still_there = self.dir.unlink(side_file);
        }
        let state_name = state_name(name);
        if let (Some(aside), Ok(None)) = (state_file, self.dir.stat(&state_name)) {
            let _still_aside = self.dir.rename(aside, &state_name);
        }
    }

    fn side_file(&self, name: &str, file: &Arc<dyn File>, cut_at: u64, size_bytes: u64) -> Result<String, RepairError> {
        let failed = |side_file: &str, operation, source| {
            Err(RepairError::SideFile { side_file: side_file.to_owned(), operation, source })
        };
        let mut side_file = match SideFile::create(self.dir, name, Arc::clone(file), cut_at, size_bytes) {
            Ok(side_file) => side_file,
            Err((side_file, error)) => return failed(&side_file, Operation::Create, error),
        };
        let name = side_file.name().to_owned();
        if let Err(Failed { operation, error, .. }) = side_file.step(self.dir, u64::MAX) {
            side_file.abandon(self.dir);
            return failed(&name, operation, error);
        }
        Ok(name)
    }

    /// Gives the state file, if there is one, a name under which no server looks for it.
    fn set_state_aside(&self, name: &str, cut_at: u64) -> Result<Option<String>, RepairError> {
        let state_file = state_name(name);
        let failed = |source| RepairError::StateFile { state_file: state_file.clone(), source };
        if self.dir.stat(&state_file).map_err(failed)?.is_none() {
            return Ok(None);
        }
        let first = format!("{state_file}.before-{cut_at}");
        let mut aside = first.clone();
        let mut suffix = 0;
        while self.dir.stat(&aside).map_err(failed)?.is_some() {
            suffix += 1;
            aside = format!("{first}.{suffix}");
        }
        self.dir.rename(&state_file, &aside).and_then(|()| self.dir.fsync()).map_err(failed)?;
        Ok(Some(aside))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // A directory of another server should not keep a lock file that it does not know. Whoever waits for it looks whether
        // it is still there.
        if !self.found {
            let _still_there = self.dir.unlink(LOCK_NAME);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use vfs::sim::SimDisk;

    use super::super::meddling::MeddledDir;
    use super::*;

    const LOG: &[u8] = b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI";

    fn disk() -> SimDisk {
        let disk = SimDisk::new();
        disk.put("/d", "log", LOG);
        disk
    }

    #[test]
    fn what_is_cut_is_in_a_side_file_and_all_of_it_is_durable() {
        let disk = disk();
        disk.put("/d", "log.state", b"state");
        let dir = disk.dir("/d");
        let checked = dir.open("log", Open::Read).unwrap();
        let repaired = Held::take(&*dir).unwrap().cut("log", &*checked, LOG.len() as u64, 14, true).unwrap();
        let expected = Repaired {
            size_bytes: 14,
            tail_bytes: 10,
            side_file: Some("log.torn-14".to_owned()),
            state_file: Some("log.state.before-14".to_owned()),
        };
        assert_eq!(repaired, expected);
        for (name, bytes) in [("log", &LOG[..14]), ("log.torn-14", &LOG[14..]), ("log.state.before-14", b"state")] {
            assert_eq!(disk.durable_content("/d", name).unwrap(), bytes, "{name}");
        }
        let mut names = dir.list().unwrap();
        names.sort();
        assert_eq!(names, ["log", "log.state.before-14", "log.torn-14"], "a lock file that was not there goes again");
    }

    #[test]
    fn without_a_side_file_only_the_file_is_touched() {
        let disk = disk();
        let dir = disk.dir("/d");
        let checked = dir.open("log", Open::Read).unwrap();
        let repaired = Held::take(&*dir).unwrap().cut("log", &*checked, LOG.len() as u64, 14, false).unwrap();
        assert_eq!((repaired.side_file, repaired.state_file), (None, None));
        assert_eq!(dir.list().unwrap(), ["log"]);
    }

    /// Cuts while `before` is told of the calls on the directory. What is there then: the result, the log, all names.
    fn cut_meddled(
        before: impl Fn(&SimDisk, &str, usize) + Send + Sync + 'static,
    ) -> (RepairError, SimDisk, Vec<String>) {
        let disk = disk();
        disk.put("/d", "log.state", b"state");
        let (other, calls) = (disk.clone(), AtomicUsize::new(0));
        let before = move |call: &str| before(&other, call, calls.fetch_add(1, Ordering::Relaxed));
        let dir = MeddledDir { inner: disk.dir("/d"), before: Box::new(before) };
        let checked = dir.open("log", Open::Read).unwrap();
        let held = Held::take(&dir).unwrap();
        let refused = held.cut("log", &*checked, LOG.len() as u64, 14, true).unwrap_err();
        drop(held);
        let mut names = disk.dir("/d").list().unwrap();
        names.sort();
        (refused, disk, names)
    }

    #[test]
    fn a_file_that_grows_while_its_tail_is_copied_is_not_cut() {
        // Before the side file's name is durable; while the state file is set aside; when that is durable.
        for at in 0..3 {
            let (refused, disk, names) = cut_meddled(move |disk, _, call| {
                if call == at {
                    disk.dir("/d").open("log", Open::Append).unwrap().append(b"NG\r\n").unwrap();
                }
            });
            assert!(matches!(refused, RepairError::Changed), "{at} {refused:?}");
            assert_eq!(disk.content("/d", "log").unwrap(), [LOG, b"NG\r\n"].concat(), "{at}");
            assert_eq!(names, ["log", "log.state"], "{at}");
        }
    }

    #[test]
    fn a_file_that_takes_the_name_of_the_one_that_was_checked_is_not_cut() {
        for at in 0..3 {
            let (refused, disk, names) = cut_meddled(move |disk, _, call| {
                if call == at {
                    disk.put("/d", "temp", &[b'x'; LOG.len()]);
                    disk.dir("/d").rename("temp", "log").unwrap();
                }
            });
            assert!(matches!(refused, RepairError::Changed), "{at} {refused:?}");
            assert_eq!(disk.content("/d", "log").unwrap(), [b'x'; LOG.len()], "{at}");
            assert_eq!(names, ["log", "log.state"], "{at}");
        }
        let disk = disk();
        let dir = disk.dir("/d");
        let checked = dir.open("log", Open::Read).unwrap();
        disk.put("/d", "temp", &[b'x'; LOG.len()]);
        dir.rename("temp", "log").unwrap();
        let refused = Held::take(&*dir).unwrap().cut("log", &*checked, LOG.len() as u64, 14, true).unwrap_err();
        assert!(matches!(refused, RepairError::Changed), "{refused:?}");
        assert_eq!(dir.list().unwrap(), ["log"]);
        assert_eq!(disk.content("/d", "log").unwrap(), [b'x'; LOG.len()]);
    }

    #[test]
    fn a_directory_in_use_and_a_file_that_grew_are_refused() {
        let disk = disk();
        let dir = disk.dir("/d");
        let held = Held::take(&*dir).unwrap();
        assert!(matches!(Held::take(&*dir), Err(RepairError::InUse { .. })));
        let checked = dir.open("log", Open::Read).unwrap();
        assert!(matches!(held.cut("log", &*checked, LOG.len() as u64 - 1, 14, true), Err(RepairError::Changed)));
        assert_eq!(disk.content("/d", "log").unwrap(), LOG);
    }
}
