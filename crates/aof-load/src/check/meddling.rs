//! For tests: a directory in which others do something just before what is asked of it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use vfs::{Dir, File, LockOutcome, Metadata, Open};

/// A directory of `inner` that tells `before` of each call that changes names, by the name of its method, before it is made.
pub(crate) struct MeddledDir {
    pub(crate) inner: Arc<dyn Dir>,
    pub(crate) before: Box<dyn Fn(&str) + Send + Sync>,
}

impl Dir for MeddledDir {
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>> {
        self.inner.open(name, how)
    }
    fn open_dir(&self, name: &str) -> io::Result<Arc<dyn Dir>> {
        self.inner.open_dir(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        (self.before)("rename");
        self.inner.rename(from, to)
    }
    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        (self.before)("rename");
        self.inner.rename_new(from, to)
    }
    fn unlink(&self, name: &str) -> io::Result<()> {
        (self.before)("unlink");
        self.inner.unlink(name)
    }
    fn fsync(&self) -> io::Result<()> {
        (self.before)("fsync");
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
