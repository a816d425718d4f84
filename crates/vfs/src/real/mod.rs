//! The real file system: every name is resolved relative to one held descriptor of the directory, so a directory renamed or
//! replaced under the server does not divert its files.
//!
//! `lock.rs` holds the directory lock, `sys.rs` the three system calls that neither std nor nix offers.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is the seam to the file system")]

mod lock;
mod sys;
#[cfg(test)]
mod tests;

use crate::name::{check, errno};
use crate::{Dir, File, FileKind, LockOutcome, Metadata, Open};
use nix::dir::Dir as NixDir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, open, openat, renameat, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::fs::File as StdFile;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of the real file system.
#[derive(Debug)]
pub struct RealDir {
    fd: OwnedFd,
    path: PathBuf,
}

impl RealDir {
    /// Opens an existing directory. Links in `path` itself are followed: it is the operator's, not ours.
    ///
    /// # Errors
    /// The system call's.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let fd = open(path, OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Self { fd, path: path.to_path_buf() })
    }

    /// Opens the directory that the file at `path`, which exists, really stands in; with its name there. Links are followed: the path is
    /// the operator's, not ours.
    ///
    /// # Errors
    /// The system calls'; EINVAL if `path` names no file, or one whose name is no UTF-8.
    pub fn holding(path: impl AsRef<Path>) -> io::Result<(Self, String)> {
        let real = std::fs::canonicalize(path)?;
        let name = real.file_name().and_then(|name| name.to_str()).ok_or_else(|| errno(libc::EINVAL))?;
        let dir = Self::open(real.parent().unwrap_or(Path::new("/")))?;
        Ok((dir, name.to_owned()))
    }

    /// Makes the directory's own name durable: fsync of its parent. A directory made just before the server started is
    /// otherwise lost with everything in it, however often its files were fsynced.
    ///
    /// # Errors
    /// The system calls'; EACCES where the parent may not be read, which a server can live with.
    pub fn sync_parent(&self) -> io::Result<()> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let parent = openat(self.fd.as_fd(), "..", flags, Mode::empty())?;
        StdFile::from(parent).sync_all()
    }
}

/// The flags of `how`. O_NONBLOCK so that a pipe under the name cannot hang us; regular files ignore it.
fn flags(how: Open) -> OFlag {
    let common = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    common
        | match how {
            Open::Read => OFlag::O_RDONLY,
            Open::Update => OFlag::O_RDWR,
            Open::Append => OFlag::O_RDWR | OFlag::O_APPEND,
            Open::AppendOrCreate => OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT,
            Open::CreateNew => OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_EXCL,
        }
}

/// Renames by a second name and the end of the first: link(2) never replaces anything.
fn link_and_unlink(dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
    linkat(dir, from, dir, to, AtFlags::empty())?;
    unlinkat(dir, from, UnlinkatFlags::NoRemoveDir).map_err(|error| {
        // Ours: nothing had the name.
        let _still_there = unlinkat(dir, to, UnlinkatFlags::NoRemoveDir);
        error.into()
    })
}

impl Dir for RealDir {
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>> {
        check(name)?;
        let fd = openat(self.fd.as_fd(), name, flags(how), Mode::S_IRUSR | Mode::S_IWUSR)?;
        match sys::stat_fd(fd.as_fd())?.kind {
            FileKind::File => Ok(Arc::new(RealFile { file: StdFile::from(fd), how })),
            FileKind::Dir => Err(errno(libc::EISDIR)),
            FileKind::Symlink => Err(errno(libc::ELOOP)),
            FileKind::Other => Err(errno(libc::ENXIO)),
        }
    }

    fn open_dir(&self, name: &str) -> io::Result<Arc<dyn Dir>> {
        check(name)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let fd = openat(self.fd.as_fd(), name, flags, Mode::empty())?;
        Ok(Arc::new(Self { fd, path: self.path.join(name) }))
    }

    // nix copies names under 1024 bytes to the stack, and `check` admits 255: no allocation here or in `unlink`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check(from)?;
        check(to)?;
        Ok(renameat(self.fd.as_fd(), from, self.fd.as_fd(), to)?)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        check(from)?;
        check(to)?;
        let dir = self.fd.as_fd();
        match renameat2(dir, from, dir, to, RenameFlags::RENAME_NOREPLACE) {
            // Some file systems know no such flag, NFS among them.
            Err(Errno::EINVAL | Errno::ENOSYS) => link_and_unlink(dir, from, to),
            done => Ok(done?),
        }
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        check(name)?;
        Ok(unlinkat(self.fd.as_fd(), name, UnlinkatFlags::NoRemoveDir)?)
    }

    fn fsync(&self) -> io::Result<()> {
        Ok(nix::unistd::fsync(self.fd.as_fd())?)
    }

    fn reopen(&self) -> io::Result<Arc<dyn Dir>> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let fd = openat(self.fd.as_fd(), ".", flags, Mode::empty())?;
        Ok(Arc::new(Self { fd, path: self.path.clone() }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        // A descriptor of its own: reading moves the position, and clones made by dup(2) share it.
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let mut dir = NixDir::openat(self.fd.as_fd(), ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in dir.iter() {
            match entry?.file_name().to_string_lossy() {
                name if name == "." || name == ".." => {}
                name => names.push(name.into_owned()),
            }
        }
        Ok(names)
    }

    fn stat(&self, name: &str) -> io::Result<Option<Metadata>> {
        check(name)?;
        match sys::stat_at(self.fd.as_fd(), name) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn lock(&self, name: &str) -> io::Result<LockOutcome> {
        check(name)?;
        lock::acquire(self.fd.as_fd(), name)
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn descriptor(&self) -> Option<i32> {
        Some(self.fd.as_raw_fd())
    }
}

/// An open regular file.
struct RealFile {
    file: StdFile,
    how: Open,
}

impl File for RealFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        if !self.how.appends() {
            return Err(errno(libc::EBADF));
        }
        (&self.file).write(bytes)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.how != Open::Update {
            return Err(errno(libc::EBADF));
        }
        self.file.write_at(bytes, offset)
    }

    fn fdatasync(&self) -> io::Result<()> {
        Ok(nix::unistd::fdatasync(self.file.as_fd())?)
    }

    /// By way of `/proc`: the file may have another name by now, or none.
    fn reopen(&self) -> io::Result<Arc<dyn File>> {
        let file = StdFile::open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))?;
        Ok(Arc::new(Self { file, how: Open::Read }))
    }

    fn fsync(&self) -> io::Result<()> {
        Ok(nix::unistd::fsync(self.file.as_fd())?)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn metadata(&self) -> io::Result<Metadata> {
        Ok(sys::stat_fd(self.file.as_fd())?)
    }

    fn mark(&self) -> io::Result<Option<[u8; 16]>> {
        Ok(sys::mark(self.file.as_fd())?)
    }

    fn set_mark(&self, mark: [u8; 16]) -> io::Result<bool> {
        Ok(sys::set_mark(self.file.as_fd(), mark)?)
    }

    fn descriptor(&self) -> Option<i32> {
        Some(self.file.as_raw_fd())
    }
}
