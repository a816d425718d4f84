//! The only door to the file system: traits with a crash contract, the real file system, and a simulated disk.
//!
//! Contract, for every implementation: bytes written are in the page cache (they survive the process, not the machine);
//! bytes are durable when an fsync that started after the write returned success; a name is durable after an fsync of its
//! directory; after a failed fsync the bytes not durable before it are lost, whatever a later fsync says.
//!
//! `dyn` per system call: these traits are object-safe, and one virtual call is nothing beside a system call.

use std::io;
use std::path::Path;
use std::sync::Arc;

/// What is known of a file or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What stands there.
    pub kind: FileKind,
    /// Size in bytes.
    pub len: u64,
    /// Inode number: reused by file systems at once, so never an identity by itself.
    pub inode: u64,
    /// Birth time in nanoseconds since the epoch, where the file system keeps one.
    pub birth_ns: Option<u64>,
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
    /// Reading and writing a file that must not exist yet (O_EXCL).
    CreateNew,
}

/// An open file. Shared by the threads that write, fsync and close it; dropping the last `Arc` closes it.
pub trait File: Send + Sync {
    /// Appends, as one write(2): may be short, may be interrupted. Returns the number of bytes in the page cache.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Reads at `offset` without moving any position, as one pread(2). 0 at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset` in place, as one pwrite(2). Not for files opened for appending through this handle's `append`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes data and size durable (fdatasync).
    fn fdatasync(&self) -> io::Result<()>;
    /// Cuts or extends the file to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Size, inode and birth time.
    fn metadata(&self) -> io::Result<Metadata>;
    /// A 16-byte mark bound to the inode (an extended attribute). `None` where there is none or none can be kept.
    fn mark(&self) -> io::Result<Option<[u8; 16]>>;
    /// Sets the mark. `Ok(false)` where the file system cannot keep one.
    fn set_mark(&self, mark: [u8; 16]) -> io::Result<bool>;
    /// The descriptor, for a child that must close all others; `None` in simulation.
    fn descriptor(&self) -> Option<i32>;
}

/// An open directory; names are single components relative to it. Shared by threads.
pub trait Dir: Send + Sync {
    /// Opens a regular file. Anything else under the name, a symbolic link included, is an error.
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>>;
    /// Renames within the directory, replacing the target. Allocates nothing (a forked child calls it).
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name. Allocates nothing.
    fn unlink(&self, name: &str) -> io::Result<()>;
    /// Makes names durable (fsync of the directory).
    fn fsync(&self) -> io::Result<()>;
    /// The names in it, in no order, without `.` and `..`; names that are not UTF-8 are left out.
    fn list(&self) -> io::Result<Vec<String>>;
    /// What stands under a name; `None` if nothing does.
    fn stat(&self, name: &str) -> io::Result<Option<Metadata>>;
    /// Takes the exclusive lock file `name`, creating it. `Ok(None)` if another process (or handle) holds it. Freed on drop
    /// and when the process dies; never inherited by a forked child's survival.
    fn lock(&self, name: &str) -> io::Result<Option<DirLock>>;
    /// The path, for messages.
    fn path(&self) -> &Path;
}

/// A held directory lock; freed on drop.
pub struct DirLock(#[allow(dead_code, reason = "held for its drop")] pub Box<dyn Send + Sync>);
