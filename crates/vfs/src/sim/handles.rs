//! [`Dir`] and [`File`] over the simulated disk: each method is one call, which is counted, may meet a fault, and is traced.

use super::Shared;
use super::faults::{Attempt, Call, Fault, Record};
use super::state::{InodeId, State, to_usize};
use crate::name::{check, errno};
use crate::{Dir, DirLock, File, FileKind, LockOutcome, Metadata, Open};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory of a [`SimDisk`](super::SimDisk).
pub struct SimDir {
    shared: Arc<Shared>,
    path: PathBuf,
    key: String,
    /// How many of the directory's write-back errors this handle has reported.
    reported: AtomicU64,
}

/// An attempt that still lacks its number.
fn attempt<'a>(call: Call, dir: &'a str, name: &'a str) -> Attempt<'a> {
    Attempt { index: 0, call, dir, name, to: "", offset: 0, bytes: 0 }
}

/// Makes one call: counts it, lets it meet its fault, runs `effect`, traces what `count` makes of the result.
fn perform<T>(
    shared: &Shared,
    mut attempt: Attempt<'_>,
    effect: impl FnOnce(&mut State, Option<Fault>) -> io::Result<T>,
    count: impl FnOnce(&T) -> u64,
) -> io::Result<T> {
    let mut state = shared.state.lock();
    let result = match state.begin(&mut attempt) {
        Ok(fault) => effect(&mut state, fault),
        Err(error) => Err(error),
    };
    let outcome = match &result {
        Ok(value) => Ok(count(value)),
        Err(error) => Err(error.raw_os_error().unwrap_or(0)),
    };
    state.digest = attempt.digest(state.digest, outcome);
    if let Some(trace) = &mut state.trace {
        let Attempt { index, call, dir, name, to, offset, bytes } = attempt;
        let (dir, name, to) = (dir.to_owned(), name.to_owned(), to.to_owned());
        trace.push(Record { index, call, dir, name, to, offset, bytes, outcome });
    }
    result
}

/// Whether an error is a failure of the disk: a call that was interrupted is made again.
fn counts(error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::Interrupted
}

/// The most bytes that a call under `fault` moves.
fn most(fault: Option<Fault>) -> usize {
    match fault {
        Some(Fault::Short(most)) => most,
        _ => usize::MAX,
    }
}

impl SimDir {
    pub(super) fn new(shared: Arc<Shared>, key: String) -> Self {
        let reported = shared.state.lock().names(&key).errors.into();
        Self { shared, path: PathBuf::from(&key), key, reported }
    }

    fn open_in(&self, state: &mut State, name: &str, how: Open) -> io::Result<InodeId> {
        let id = match (state.inode_named(&self.key, name), how) {
            (Some(_), Open::CreateNew) => return Err(errno(libc::EEXIST)),
            (Some(id), _) => id,
            (None, Open::AppendOrCreate | Open::CreateNew) => {
                let id = state.create(FileKind::File);
                state.link(&self.key, name, id);
                id
            }
            (None, _) => return Err(errno(libc::ENOENT)),
        };
        let inode = state.inode(id);
        match inode.kind {
            FileKind::File => inode.handles += 1,
            FileKind::Dir => return Err(errno(libc::EISDIR)),
            FileKind::Symlink => return Err(errno(libc::ELOOP)),
            FileKind::Other => return Err(errno(libc::ENXIO)),
        }
        Ok(id)
    }

    fn rename_in(&self, state: &mut State, from: &str, to: &str) -> io::Result<()> {
        let Some(id) = state.inode_named(&self.key, from) else { return Err(errno(libc::ENOENT)) };
        let moved_dir = state.inode(id).kind == FileKind::Dir;
        if let Some(target) = state.inode_named(&self.key, to) {
            match (moved_dir, state.inode(target).kind == FileKind::Dir) {
                (false, true) => return Err(errno(libc::EISDIR)),
                (true, false) => return Err(errno(libc::ENOTDIR)),
                _ => {}
            }
        }
        if let Some(replaced) = state.names(&self.key).rename(from, to) {
            state.unlinked(replaced);
        }
        Ok(())
    }

    fn rename_new_in(&self, state: &mut State, from: &str, to: &str) -> io::Result<()> {
        if state.inode_named(&self.key, from).is_some() && state.inode_named(&self.key, to).is_some() {
            return Err(errno(libc::EEXIST));
        }
        self.rename_in(state, from, to)
    }

    fn unlink_in(&self, state: &mut State, name: &str) -> io::Result<()> {
        let Some(id) = state.inode_named(&self.key, name) else { return Err(errno(libc::ENOENT)) };
        if state.inode(id).kind == FileKind::Dir {
            return Err(errno(libc::EISDIR));
        }
        if state.names(&self.key).unlink(name).is_some() {
            state.unlinked(id);
        }
        Ok(())
    }

    fn lock_in(&self, state: &mut State, name: &str) -> io::Result<LockOutcome> {
        if let Some(&holder) = state.names(&self.key).locks.get(name) {
            return Ok(LockOutcome::HeldBy(Some(holder)));
        }
        let id = self.open_in(state, name, Open::AppendOrCreate)?;
        let pid = state.traits.pid;
        let content = &mut state.inode(id).content;
        content.set_len(0);
        content.write(0, format!("{pid}\n").as_bytes());
        state.names(&self.key).locks.insert(name.to_owned(), pid);
        let held = SimLock { shared: Arc::clone(&self.shared), dir: self.key.clone(), name: name.to_owned(), id };
        Ok(LockOutcome::Acquired(DirLock::new(held)))
    }
}

impl Dir for SimDir {
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>> {
        check(name)?;
        let open = |state: &mut State, _| self.open_in(state, name, how);
        let open = |state: &mut State, fault| open(state, fault).map(|id| (id, state.inode(id).errors));
        let (id, reported) = perform(&self.shared, attempt(Call::Open, &self.key, name), open, |_| 0)?;
        let (shared, dir, name) = (Arc::clone(&self.shared), self.key.clone(), name.to_owned());
        Ok(Arc::new(SimFile { shared, id, how, dir, name, reported: reported.into() }))
    }

    fn open_dir(&self, name: &str) -> io::Result<Arc<dyn Dir>> {
        check(name)?;
        let key = format!("{}/{name}", self.key);
        let open = |state: &mut State, _| {
            let id = state.inode_named(&self.key, name).ok_or_else(|| errno(libc::ENOENT))?;
            if state.inode(id).kind != FileKind::Dir {
                return Err(errno(libc::ENOTDIR));
            }
            // Its own names are looked up by its path.
            state.names(&key);
            Ok(())
        };
        perform(&self.shared, attempt(Call::Open, &self.key, name), open, |()| 0)?;
        Ok(Arc::new(Self::new(Arc::clone(&self.shared), key)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check(from)?;
        check(to)?;
        let attempt = Attempt { to, ..attempt(Call::Rename, &self.key, from) };
        perform(&self.shared, attempt, |state, _| self.rename_in(state, from, to), |()| 0)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        check(from)?;
        check(to)?;
        let attempt = Attempt { to, ..attempt(Call::Rename, &self.key, from) };
        perform(&self.shared, attempt, |state, _| self.rename_new_in(state, from, to), |()| 0)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        check(name)?;
        let attempt = attempt(Call::Unlink, &self.key, name);
        perform(&self.shared, attempt, |state, _| self.unlink_in(state, name), |()| 0)
    }

    fn fsync(&self) -> io::Result<()> {
        let sync = |state: &mut State, fault| {
            // Under the disk's lock, as everything is.
            let mut reported = self.reported.load(Ordering::Relaxed);
            let result = state.sync_names(&self.key, fault, &mut reported);
            self.reported.store(reported, Ordering::Relaxed);
            result
        };
        let result = perform(&self.shared, attempt(Call::DirFsync, &self.key, ""), sync, |()| 0);
        if result.as_ref().is_err_and(counts) {
            self.shared.state.lock().names(&self.key).failures += 1;
        }
        result
    }

    fn reopen(&self) -> io::Result<Arc<dyn Dir>> {
        perform(&self.shared, attempt(Call::Reopen, &self.key, ""), |_, _| Ok(()), |()| 0)?;
        Ok(Arc::new(Self::new(Arc::clone(&self.shared), self.key.clone())))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let list = |state: &mut State, _| Ok(state.names(&self.key).cache.keys().cloned().collect::<Vec<_>>());
        perform(&self.shared, attempt(Call::List, &self.key, ""), list, |names| names.len() as u64)
    }

    fn stat(&self, name: &str) -> io::Result<Option<Metadata>> {
        check(name)?;
        let stat = |state: &mut State, _| Ok(state.inode_named(&self.key, name).map(|id| state.metadata(id)));
        perform(&self.shared, attempt(Call::Stat, &self.key, name), stat, |found| found.map_or(0, |found| found.len))
    }

    fn lock(&self, name: &str) -> io::Result<LockOutcome> {
        check(name)?;
        perform(&self.shared, attempt(Call::Lock, &self.key, name), |state, _| self.lock_in(state, name), |_| 0)
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// A held lock.
struct SimLock {
    shared: Arc<Shared>,
    dir: String,
    name: String,
    id: InodeId,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.names(&self.dir).locks.remove(&self.name);
        state.closed(self.id);
    }
}

/// An open file of a [`SimDisk`](super::SimDisk).
struct SimFile {
    shared: Arc<Shared>,
    id: InodeId,
    how: Open,
    dir: String,
    name: String,
    /// How many of the file's write-back errors this handle has reported.
    reported: AtomicU64,
}

impl SimFile {
    fn sync(&self, call: Call, marks_too: bool) -> io::Result<()> {
        let sync = |state: &mut State, fault| {
            // Under the disk's lock, as everything is.
            let mut reported = self.reported.load(Ordering::Relaxed);
            let result = state.sync(self.id, marks_too, fault, &mut reported);
            self.reported.store(reported, Ordering::Relaxed);
            result
        };
        self.told(perform(&self.shared, self.attempt(call, 0, 0), sync, |()| 0))
    }

    /// Notes the failure of a change or an fsync.
    fn told<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(counts) {
            self.failed();
        }
        result
    }

    fn failed(&self) {
        self.shared.state.lock().inode(self.id).failures += 1;
    }

    fn attempt(&self, call: Call, offset: u64, bytes: u64) -> Attempt<'_> {
        Attempt { offset, bytes, ..attempt(call, &self.dir, &self.name) }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.shared.state.lock().closed(self.id);
    }
}

impl File for SimFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        if !self.how.appends() {
            return Err(errno(libc::EBADF));
        }
        let append = |state: &mut State, fault| {
            let end = state.inode(self.id).content.cache.len() as u64;
            state.write(self.id, end, bytes, most(fault))
        };
        let attempt = self.attempt(Call::Append, 0, bytes.len() as u64);
        let taken = self.told(perform(&self.shared, attempt, append, |&taken| taken as u64))?;
        if taken < bytes.len() {
            self.failed();
        }
        Ok(taken)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let attempt = self.attempt(Call::ReadAt, offset, buf.len() as u64);
        let read = |state: &mut State, fault| {
            let cache = &state.inode(self.id).content.cache;
            let from = &cache[to_usize(offset.min(cache.len() as u64))..];
            let given = from.len().min(buf.len()).min(most(fault));
            buf[..given].copy_from_slice(&from[..given]);
            Ok(given)
        };
        perform(&self.shared, attempt, read, |&given| given as u64)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.how != Open::Update {
            return Err(errno(libc::EBADF));
        }
        let write = |state: &mut State, fault| state.write(self.id, offset, bytes, most(fault));
        let attempt = self.attempt(Call::WriteAt, offset, bytes.len() as u64);
        self.told(perform(&self.shared, attempt, write, |&taken| taken as u64))
    }

    fn fdatasync(&self) -> io::Result<()> {
        self.sync(Call::Fdatasync, false)
    }

    fn fsync(&self) -> io::Result<()> {
        self.sync(Call::Fsync, true)
    }

    fn reopen(&self) -> io::Result<Arc<dyn File>> {
        let open = |state: &mut State, _| {
            let inode = state.inode(self.id);
            inode.handles += 1;
            Ok(inode.errors)
        };
        let reported = perform(&self.shared, self.attempt(Call::Reopen, 0, 0), open, |_| 0)?;
        let (shared, dir, name) = (Arc::clone(&self.shared), self.dir.clone(), self.name.clone());
        Ok(Arc::new(Self { shared, id: self.id, how: Open::Read, dir, name, reported: reported.into() }))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.how == Open::Read {
            return Err(errno(libc::EINVAL));
        }
        let attempt = self.attempt(Call::SetLen, 0, len);
        self.told(perform(&self.shared, attempt, |state, _| state.set_len(self.id, len), |()| len))
    }

    fn metadata(&self) -> io::Result<Metadata> {
        let attempt = self.attempt(Call::Metadata, 0, 0);
        perform(&self.shared, attempt, |state, _| Ok(state.metadata(self.id)), |found| found.len)
    }

    fn mark(&self) -> io::Result<Option<[u8; 16]>> {
        perform(&self.shared, self.attempt(Call::Mark, 0, 0), |state, _| Ok(state.inode(self.id).mark), |_| 0)
    }

    fn set_mark(&self, mark: [u8; 16]) -> io::Result<bool> {
        let set = |state: &mut State, _| {
            let kept = state.traits.keeps_marks;
            if kept {
                state.inode(self.id).mark = Some(mark);
            }
            Ok(kept)
        };
        perform(&self.shared, self.attempt(Call::SetMark, 0, 0), set, |&kept| u64::from(kept))
    }

    fn descriptor(&self) -> Option<i32> {
        None
    }
}
