//! A disk that forgets what is appended once it is told to: measured is the program, not the copying of its bytes.
//!
//! Until then everything reaches the disk below, so that a server can start on it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vfs::{Dir, File, LockOutcome, Metadata, Open};

/// A directory whose files can be told to forget.
pub struct ForgetfulDir {
    inner: Arc<dyn Dir>,
    forgets: Arc<AtomicBool>,
}

impl ForgetfulDir {
    /// Wraps `inner`. From the moment that `forgets` is set, appends and fsyncs of all its files succeed at no cost.
    pub fn new(inner: Arc<dyn Dir>, forgets: Arc<AtomicBool>) -> Self {
        Self { inner, forgets }
    }
}

impl Dir for ForgetfulDir {
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>> {
        let inner = self.inner.open(name, how)?;
        Ok(Arc::new(ForgetfulFile { inner, forgets: Arc::clone(&self.forgets) }))
    }
    fn open_dir(&self, name: &str) -> io::Result<Arc<dyn Dir>> {
        self.inner.open_dir(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename_new(from, to)
    }
    fn unlink(&self, name: &str) -> io::Result<()> {
        self.inner.unlink(name)
    }
    fn fsync(&self) -> io::Result<()> {
        self.inner.fsync()
    }
    fn reopen(&self) -> io::Result<Arc<dyn Dir>> {
        self.inner.reopen()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }
    fn stat(&self, name: &str) -> io::Result<Option<Metadata>> {
        self.inner.stat(name)
    }
    fn lock(&self, name: &str) -> io::Result<LockOutcome> {
        self.inner.lock(name)
    }
    fn path(&self) -> &Path {
        self.inner.path()
    }
}

/// A file of a [`ForgetfulDir`].
struct ForgetfulFile {
    inner: Arc<dyn File>,
    forgets: Arc<AtomicBool>,
}

impl ForgetfulFile {
    fn forgets(&self) -> bool {
        self.forgets.load(Ordering::Relaxed)
    }
}

impl File for ForgetfulFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.forgets() { Ok(bytes.len()) } else { self.inner.append(bytes) }
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.inner.write_at(bytes, offset)
    }
    fn fdatasync(&self) -> io::Result<()> {
        if self.forgets() { Ok(()) } else { self.inner.fdatasync() }
    }
    fn reopen(&self) -> io::Result<Arc<dyn File>> {
        let (inner, forgets) = (self.inner.reopen()?, Arc::clone(&self.forgets));
        Ok(Arc::new(Self { inner, forgets }))
    }
    fn fsync(&self) -> io::Result<()> {
        self.inner.fsync()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn metadata(&self) -> io::Result<Metadata> {
        self.inner.metadata()
    }
    fn mark(&self) -> io::Result<Option<[u8; 16]>> {
        self.inner.mark()
    }
    fn set_mark(&self, mark: [u8; 16]) -> io::Result<bool> {
        self.inner.set_mark(mark)
    }
    fn descriptor(&self) -> Option<i32> {
        None
    }
}
