//! The seam: what a directory and a file can do, and what a crash may take from them.
//!
//! Contract, for every implementation: bytes written are in the page cache (they survive the process, not the machine);
//! bytes are durable when an fsync that started after the write returned success; a name is durable after an fsync of its
//! directory; after a failed fsync the bytes not durable before it are lost, whatever a later fsync says.
//!
//! `dyn` per system call: these traits are object-safe, and one virtual call is nothing beside a system call. Nothing here
//! retries: EINTR and short operations are the caller's to handle, because only it knows what a half-done write means.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What is known of a file or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What stands there.
    pub kind: FileKind,
    /// Size in bytes. Of a directory or link: whatever the file system says.
    pub len: u64,
    /// Inode number: reused by file systems at once, so never an identity by itself.
    pub inode: u64,
    /// Birth time in nanoseconds since the epoch, where the file system keeps one.
    pub birth_ns: Option<u64>,
    /// When its content last changed, in nanoseconds since the epoch; 0 for a time before it.
    pub modified_ns: u64,
}

/// What stands under a name. Symbolic links are never followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A socket, pipe or device.
    Other,
}

/// How a file is opened. Symbolic links are refused, new files get mode 0600, descriptors are close-on-exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Reading only; the file must exist.
    Read,
    /// Reading and appending; the file must exist.
    Append,
    /// Reading and appending; created if missing.
    AppendOrCreate,
    /// Reading and appending to a file that must not exist yet (O_EXCL).
    CreateNew,
    /// Reading, and writing in place with [`File::write_at`]; the file must exist. Never appends.
    Update,
}

impl Open {
    /// Whether [`File::append`] works on such a handle.
    #[must_use]
    pub fn appends(self) -> bool {
        matches!(self, Self::Append | Self::AppendOrCreate | Self::CreateNew)
    }
}

/// An open file. Shared by the threads that write, fsync and close it; dropping the last `Arc` closes it.
pub trait File: Send + Sync {
    /// Appends, as one write(2): may be short, may be interrupted. Returns the number of bytes in the page cache. The bytes
    /// go to the end of the file as it is now, also after [`set_len`](Self::set_len).
    ///
    /// # Errors
    /// The system call's, among them EINTR; EBADF on a handle not opened for appending. Nothing was appended then.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Reads at `offset` without moving any position, as one pread(2). 0 at the end of the file.
    ///
    /// # Errors
    /// The system call's, among them EINTR.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at `offset` in place, as one pwrite(2): may be short, may be interrupted.
    ///
    /// # Errors
    /// The system call's; EBADF unless the file was opened with [`Open::Update`] (Linux appends what is given to pwrite(2)
    /// on a descriptor opened for appending, whatever the offset: so such a handle is refused).
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes data and size durable (fdatasync). Marks need not be.
    ///
    /// # Errors
    /// The system call's. The bytes that were not durable before may then be lost for good, though they can still be read:
    /// calling it again proves nothing.
    fn fdatasync(&self) -> io::Result<()>;

    /// Opens the file once more, for fsyncs only: an open file description of its own. Linux reports a write-back error once
    /// to every description that was open when it arose, so fsyncs that overlap may each be believed if each has its own.
    ///
    /// # Errors
    /// The system call's; ENOENT where `/proc` is not mounted. The file goes on with one description then.
    fn reopen(&self) -> io::Result<Arc<dyn File>>;

    /// Makes data, size and marks durable (fsync). The name needs an fsync of the directory.
    ///
    /// # Errors
    /// As [`fdatasync`](Self::fdatasync).
    fn fsync(&self) -> io::Result<()>;

    /// Cuts the file to `len` bytes, or extends it with zeros.
    ///
    /// # Errors
    /// The system call's; EINVAL or EBADF on a handle opened for reading. The length is then unchanged.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Size, inode and times.
    ///
    /// # Errors
    /// The system call's.
    fn metadata(&self) -> io::Result<Metadata>;

    /// A 16-byte mark bound to the inode (an extended attribute). `None` where there is none or none can be kept.
    ///
    /// # Errors
    /// The system call's, other than "none" and "not supported".
    fn mark(&self) -> io::Result<Option<[u8; 16]>>;

    /// Sets the mark. `Ok(false)` where the file system cannot keep one.
    ///
    /// # Errors
    /// The system call's, other than "not supported".
    fn set_mark(&self, mark: [u8; 16]) -> io::Result<bool>;

    /// The descriptor, for a child that must close all others; `None` in simulation.
    fn descriptor(&self) -> Option<i32>;
}

/// An open directory; names are single components relative to it. Shared by threads.
///
/// A name that is empty, `.`, `..`, or holds `/` or NUL is refused with EINVAL, one longer than 255 bytes with ENAMETOOLONG.
pub trait Dir: Send + Sync {
    /// Opens a regular file.
    ///
    /// # Errors
    /// The system call's. Anything but a regular file is refused: ELOOP for a symbolic link, EISDIR for a directory, ENXIO
    /// for the rest.
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>>;

    /// Opens a directory in this one, to read what others keep there.
    ///
    /// # Errors
    /// The system call's; ENOTDIR for anything but a directory, a symbolic link to one included.
    fn open_dir(&self, name: &str) -> io::Result<Arc<dyn Dir>>;

    /// Renames within the directory, replacing the target. Allocates nothing (a forked child calls it). Atomic against a
    /// crash, durable only after [`fsync`](Self::fsync).
    ///
    /// # Errors
    /// The system call's; the names are then as they were.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Renames a file within the directory, to a name that nothing has. Durable only after [`fsync`](Self::fsync). Where the
    /// file system can do no better, both names are there for a moment, and may be after a crash.
    ///
    /// # Errors
    /// The system call's, EEXIST if something has the name; the names are then as they were.
    fn rename_new(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name; never a directory. Allocates nothing (a forked child calls it).
    ///
    /// # Errors
    /// The system call's.
    fn unlink(&self, name: &str) -> io::Result<()>;

    /// Makes names durable (fsync of the directory).
    ///
    /// # Errors
    /// The system call's. Which names are durable is then unknown.
    fn fsync(&self) -> io::Result<()>;

    /// Opens the directory once more: an open file description of its own, for a process or thread whose fsyncs overlap with those of
    /// others. Of several that share one, the first to fsync takes the error for all: see [`File::reopen`].
    ///
    /// # Errors
    /// The system call's.
    fn reopen(&self) -> io::Result<Arc<dyn Dir>>;

    /// The names in it, in no order, without `.` and `..`; in one that is not UTF-8 U+FFFD stands for what
    /// is not, so that the directory is never taken for empty; nothing can be opened by such a name.
    ///
    /// # Errors
    /// The system calls'.
    fn list(&self) -> io::Result<Vec<String>>;

    /// What stands under a name; `None` if nothing does.
    ///
    /// # Errors
    /// The system call's, other than ENOENT.
    fn stat(&self, name: &str) -> io::Result<Option<Metadata>>;

    /// Takes the exclusive lock file `name`, creating it; it keeps the holder's process id as text and is never removed.
    /// Freed on drop and when the process dies, see [`DirLock`].
    ///
    /// # Errors
    /// The system calls'. A lock that someone holds is no error but [`LockOutcome::HeldBy`].
    fn lock(&self, name: &str) -> io::Result<LockOutcome>;

    /// The path, for messages.
    fn path(&self) -> &Path;

    /// The descriptor, for a child that must close all others; `None` in simulation.
    fn descriptor(&self) -> Option<i32> {
        None
    }
}

/// What an attempt to lock a directory gave.
#[derive(Debug)]
pub enum LockOutcome {
    /// Ours until the [`DirLock`] is dropped.
    Acquired(DirLock),
    /// Another process, or another handle of this one, holds it. The process id is what that one wrote into the file;
    /// `None` if it has not done so yet.
    HeldBy(Option<u32>),
}

/// A held directory lock, freed on drop and when the process dies.
///
/// The real one is a flock(2). Why not the others:
///
/// - A process-owned lock (`F_SETLK`) is not inherited by a forked child, which is what we want of a child that lives on
///   after its server died. But it is silently lost when *any* descriptor of that file is closed anywhere in the process,
///   and it does not exclude a second handle in the same process. It fails towards two servers on one log.
/// - flock(2) and `F_OFD_SETLK` belong to the open file description, which a forked child shares: a child that keeps the
///   descriptor keeps the lock when the server dies. It fails towards a server that does not start, which loses nothing.
///
/// So the second sort, and the forked child closes every descriptor but its own directly after the fork (`child` does
/// so, after asking to die with its parent); descriptors are close-on-exec for everything else. Dropping the lock unlocks it
/// explicitly, so that a child still alive does not hold it then; dropping it in a forked child does nothing.
/// Between flock and OFD locks nothing but tools decides: flock(1) and lslocks(8) know the former by name.
pub struct DirLock {
    _held: Box<dyn Send + Sync>,
}

impl DirLock {
    /// Wraps whatever frees the lock when dropped. For implementations of [`Dir`].
    #[must_use]
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for DirLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirLock")
    }
}
