//! Only with the feature `test-hooks`: a directory on a disk that is slow where a test says so, so that a test of the
//! real process finds it in the middle of an fsync or of the switch of files when it wants to kill it; and whose calls are
//! counted and may be the process's last (`calls.rs`).
//!
//! A write to a file waits while a delayed fsync of it runs, as write(2) does on file systems that keep pages stable
//! while they are written back: that is what makes a flush behind an fsync late.
#![expect(clippy::disallowed_methods, reason = "a delay is what this is for")]

mod calls;

use crate::{Dir, File, LockOutcome, Metadata, Open};
pub use calls::{AT_CALLS_VARIABLE, CALLS_VARIABLE, Call, Calls, Object, Role};
use parking_lot::RwLock;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The environment variable that holds [`Delays::fsync`] in milliseconds.
pub const FSYNC_DELAY_VARIABLE: &str = "LEDGERSTONE_TEST_FSYNC_DELAY_MS";
/// The environment variable that holds [`Delays::switch`] in milliseconds.
pub const SWITCH_DELAY_VARIABLE: &str = "LEDGERSTONE_TEST_SWITCH_DELAY_MS";

/// The beginning of the names of files that a rewrite has not yet given their place.
const TEMPORARY: &str = "temp-";

/// How long operations wait before they start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// `fdatasync` and `fsync` of a file.
    pub fsync: Duration,
    /// The steps by which a new file takes the place of another: fsync of a temporary file, its rename to a lasting
    /// name, fsync of the directory.
    pub switch: Duration,
}

impl Delays {
    /// What the environment asks for.
    fn from_env() -> Self {
        let milliseconds = |name| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        let [fsync, switch] = [FSYNC_DELAY_VARIABLE, SWITCH_DELAY_VARIABLE].map(milliseconds);
        Self { fsync: Duration::from_millis(fsync), switch: Duration::from_millis(switch) }
    }
}

/// Wraps a directory: its files and names are slow as [`Delays`] says, and their calls pass through [`Calls`].
pub struct HookedDir {
    inner: Arc<dyn Dir>,
    delays: Delays,
    calls: Option<&'static Calls>,
}

impl HookedDir {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Dir>, delays: Delays) -> Self {
        Self { inner, delays, calls: None }
    }

    /// Wraps `inner` if the environment asks for anything, else hands it back.
    #[must_use]
    pub fn from_env(inner: Arc<dyn Dir>) -> Arc<dyn Dir> {
        let (delays, calls) = (Delays::from_env(), Calls::of_process());
        if delays == Delays::default() && calls.is_none() { inner } else { Arc::new(Self { inner, delays, calls }) }
    }
}

/// Makes a call, through the hook if there is one.
fn make<T>(calls: Option<&Calls>, call: Call, object: Object, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match calls {
        Some(calls) => calls.make(call, object, run),
        None => run(),
    }
}

impl Dir for HookedDir {
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>> {
        let object = Object::of(name);
        let open = || self.inner.open(name, how);
        let inner = if how == Open::CreateNew { make(self.calls, Call::Create, object, open)? } else { open()? };
        let switch = if name.starts_with(TEMPORARY) { self.delays.switch } else { Duration::ZERO };
        let delay = self.delays.fsync.max(switch);
        Ok(Arc::new(HookedFile { inner, delay, syncing: Arc::default(), calls: self.calls, object }))
    }
    fn open_dir(&self, name: &str) -> io::Result<Arc<dyn Dir>> {
        self.inner.open_dir(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if from.starts_with(TEMPORARY) && !to.starts_with(TEMPORARY) {
            pause(self.delays.switch);
        }
        make(self.calls, Call::Rename, Object::of(from), || self.inner.rename(from, to))
    }
    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        make(self.calls, Call::Rename, Object::of(from), || self.inner.rename_new(from, to))
    }
    fn unlink(&self, name: &str) -> io::Result<()> {
        make(self.calls, Call::Unlink, Object::of(name), || self.inner.unlink(name))
    }
    fn fsync(&self) -> io::Result<()> {
        pause(self.delays.switch);
        make(self.calls, Call::Fsync, Object::Dir, || self.inner.fsync())
    }
    fn reopen(&self) -> io::Result<Arc<dyn Dir>> {
        Ok(Arc::new(Self { inner: self.inner.reopen()?, delays: self.delays, calls: self.calls }))
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

/// A file of a [`HookedDir`].
struct HookedFile {
    inner: Arc<dyn File>,
    delay: Duration,
    /// Shared by the fsyncs of this file that are delayed; a write takes it alone.
    syncing: Arc<RwLock<()>>,
    calls: Option<&'static Calls>,
    object: Object,
}

impl HookedFile {
    fn wait(&self) {
        let _stable = self.syncing.read();
        pause(self.delay);
    }
}

impl File for HookedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let _stable = self.syncing.write();
        make(self.calls, Call::Write, self.object, || self.inner.append(bytes))
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        make(self.calls, Call::Write, self.object, || self.inner.write_at(bytes, offset))
    }
    fn fdatasync(&self) -> io::Result<()> {
        self.wait();
        make(self.calls, Call::Fdatasync, self.object, || self.inner.fdatasync())
    }
    fn fsync(&self) -> io::Result<()> {
        self.wait();
        make(self.calls, Call::Fsync, self.object, || self.inner.fsync())
    }
    fn reopen(&self) -> io::Result<Arc<dyn File>> {
        let (inner, syncing) = (self.inner.reopen()?, Arc::clone(&self.syncing));
        Ok(Arc::new(Self { inner, delay: self.delay, syncing, calls: self.calls, object: self.object }))
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        make(self.calls, Call::Truncate, self.object, || self.inner.set_len(len))
    }
    fn metadata(&self) -> io::Result<Metadata> {
        self.inner.metadata()
    }
    fn mark(&self) -> io::Result<Option<[u8; 16]>> {
        self.inner.mark()
    }
    fn set_mark(&self, mark: [u8; 16]) -> io::Result<bool> {
        make(self.calls, Call::Mark, self.object, || self.inner.set_mark(mark))
    }
    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }
}

fn pause(delay: Duration) {
    if !delay.is_zero() {
        std::thread::sleep(delay);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_types, reason = "how long a delay took is what is tested")]
mod tests {
    use super::*;
    use crate::sim::SimDisk;
    use std::time::Instant;

    #[test]
    fn every_fsync_of_a_file_takes_its_time_and_everything_passes_through() {
        let disk = SimDisk::new();
        let delay = Duration::from_millis(2);
        let dir = HookedDir::new(disk.dir("/"), Delays { fsync: delay, switch: Duration::ZERO });
        let file = dir.open("a", Open::AppendOrCreate).unwrap();
        file.append(b"bytes").unwrap();
        let started = Instant::now();
        file.fdatasync().unwrap();
        file.fsync().unwrap();
        assert!(started.elapsed() >= delay * 2);
        dir.rename("a", "b").unwrap();
        assert_eq!(disk.durable_content("/", "b").as_deref(), Some(&b"bytes"[..]));
    }

    #[test]
    fn a_write_waits_for_the_delayed_fsync_of_its_file() {
        let inner = SimDisk::new().dir("/").open("a", Open::AppendOrCreate).unwrap();
        let (delay, syncing) = (Duration::ZERO, Arc::default());
        let file = HookedFile { inner, delay, syncing, calls: None, object: Object::Other };
        std::thread::scope(|scope| {
            let syncing = file.syncing.read();
            let (begun, seen) = std::sync::mpsc::channel();
            let file = &file;
            let writer = scope.spawn(move || {
                begun.send(()).unwrap();
                file.append(b"x").unwrap();
            });
            seen.recv().unwrap();
            assert_eq!(file.metadata().unwrap().len, 0);
            drop(syncing);
            writer.join().unwrap();
            assert_eq!(file.metadata().unwrap().len, 1);
        });
    }

    #[test]
    fn only_the_switch_of_files_waits_for_its_own_delay() {
        let disk = SimDisk::new();
        let delay = Duration::from_millis(5);
        let dir = HookedDir::new(disk.dir("/"), Delays { fsync: Duration::ZERO, switch: delay });
        let timed = |run: &dyn Fn()| {
            let started = Instant::now();
            run();
            started.elapsed()
        };
        let temporary = dir.open("temp-a", Open::AppendOrCreate).unwrap();
        assert!(timed(&|| temporary.fdatasync().unwrap()) >= delay);
        assert!(timed(&|| dir.rename("temp-a", "a").unwrap()) >= delay);
        assert!(timed(&|| dir.fsync().unwrap()) >= delay);
    }
}
