//! Only with the feature `test-hooks`: a directory whose files take a stated time to fsync, so that a test of the real
//! process has an fsync in flight when it wants to kill it.

use crate::{Dir, File, LockOutcome, Metadata, Open};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The environment variable that [`DelayedDir::from_env`] reads: milliseconds that each fsync of a file waits first.
pub const FSYNC_DELAY_VARIABLE: &str = "LEDGERSTONE_TEST_FSYNC_DELAY_MS";

/// Wraps a directory: `fdatasync` and `fsync` of its files sleep before they start, as on a slow disk.
pub struct DelayedDir {
    inner: Arc<dyn Dir>,
    delay: Duration,
}

impl DelayedDir {
    /// Wraps `inner` with a delay for every fsync of a file.
    #[must_use]
    pub fn new(inner: Arc<dyn Dir>, delay: Duration) -> Self {
        Self { inner, delay }
    }

    /// Wraps `inner` if [`FSYNC_DELAY_VARIABLE`] holds a number, else hands it back.
    #[must_use]
    pub fn from_env(inner: Arc<dyn Dir>) -> Arc<dyn Dir> {
        match std::env::var(FSYNC_DELAY_VARIABLE).ok().and_then(|text| text.parse().ok()) {
            Some(delay_ms) => Arc::new(Self::new(inner, Duration::from_millis(delay_ms))),
            None => inner,
        }
    }
}

impl Dir for DelayedDir {
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>> {
        let inner = self.inner.open(name, how)?;
        Ok(Arc::new(DelayedFile { inner, delay: self.delay }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn unlink(&self, name: &str) -> io::Result<()> {
        self.inner.unlink(name)
    }
    fn fsync(&self) -> io::Result<()> {
        self.inner.fsync()
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
    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }
}

/// A file of a [`DelayedDir`].
struct DelayedFile {
    inner: Arc<dyn File>,
    delay: Duration,
}

impl File for DelayedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.append(bytes)
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.inner.write_at(bytes, offset)
    }
    fn fdatasync(&self) -> io::Result<()> {
        std::thread::sleep(self.delay);
        self.inner.fdatasync()
    }
    fn fsync(&self) -> io::Result<()> {
        std::thread::sleep(self.delay);
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
        self.inner.descriptor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimDisk;
    use std::time::Instant;

    #[test]
    fn every_fsync_of_a_file_takes_its_time_and_everything_passes_through() {
        let disk = SimDisk::new();
        let delay = Duration::from_millis(2);
        let dir = DelayedDir::new(disk.dir("/"), delay);
        let file = dir.open("a", Open::AppendOrCreate).unwrap();
        file.append(b"bytes").unwrap();
        let started = Instant::now();
        file.fdatasync().unwrap();
        file.fsync().unwrap();
        assert!(started.elapsed() >= delay * 2);
        dir.rename("a", "b").unwrap();
        assert_eq!(disk.durable_content("/", "b").as_deref(), Some(&b"bytes"[..]));
    }
}
