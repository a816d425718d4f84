//! A simulated disk in memory: page cache and medium apart, faults on demand, and every crash the contract allows.
//!
//! It is deterministic: time is a counter of calls, and a crash takes its choices from the generator it is given. It is shared
//! by threads like a real one. `content.rs` holds a file's bytes, `names.rs` a directory's names, `faults.rs` what goes
//! wrong, `crash.rs` what survives, `handles.rs` the calls.
//!
//! Modelled because real programs fell over it: inode numbers are reused at once; birth times have the grain of the
//! kernel's coarse clock; names need an fsync of their directory; an fsync that failed loses pages that can still be read;
//! fdatasync leaves marks behind; a disk fills up in the middle of a write.

mod content;
mod crash;
mod faults;
mod handles;
mod names;
mod state;

pub use content::LostPages;
pub use crash::{CrashMode, NameMode};
pub use faults::{Attempt, Call, Fault, Record, Rule};
pub use handles::SimDir;

use crate::{FileKind, Metadata};
use content::Content;
use parking_lot::Mutex;
use state::State;
use std::fmt;
use std::sync::Arc;

/// What the handles of one disk share.
struct Shared {
    state: Mutex<State>,
}

/// A simulated disk. A clone is another handle to the same one.
///
/// ```
/// use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};
/// use vfs::{Dir, Open};
///
/// let disk = SimDisk::new();
/// let dir = disk.dir("/data");
/// let file = dir.open("log", Open::AppendOrCreate)?;
/// dir.fsync()?;
/// file.append(b"kept")?;
/// file.fdatasync()?;
/// file.append(b", lost")?;
///
/// disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
/// assert!(file.fdatasync().is_err());
/// assert!(file.fdatasync().is_ok(), "a second fsync succeeds, and proves nothing");
///
/// let mut rng = fastrand::Rng::with_seed(7);
/// let after = disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync);
/// assert_eq!(after.content("/data", "log").as_deref(), Some(&b"kept\0\0\0\0\0\0"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

impl SimDisk {
    /// Makes an empty disk without limits, which keeps marks and birth times.
    #[must_use]
    pub fn new() -> Self {
        Self::of(State::new())
    }

    fn of(state: State) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// Opens the directory `path`, made durably if it is not there. Directories are independent: no names lead between them, but
    /// [`put_special`](Self::put_special) may give one a name in another, which [`open_dir`](crate::Dir::open_dir) then follows.
    #[must_use]
    pub fn dir(&self, path: &str) -> Arc<SimDir> {
        self.shared.state.lock().names(path);
        Arc::new(SimDir::new(Arc::clone(&self.shared), path.to_owned()))
    }

    /// Installs a fault. Where several strike one call, the one installed first decides.
    pub fn inject(&self, rule: Rule) {
        self.shared.state.lock().rules.push(rule);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        self.shared.state.lock().rules.clear();
    }

    /// Lets so many calls pass, counted from the disk's first, then fails every call without effect: the moment for
    /// [`crash`](Self::crash). `None` thaws it.
    pub fn freeze_at(&self, calls: Option<u64>) {
        self.shared.state.lock().frozen_at = calls;
    }

    /// Whether the next call finds the disk frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        let state = self.shared.state.lock();
        state.frozen_at.is_some_and(|at| state.calls >= at)
    }

    /// How many calls were made; those on a frozen disk do not count.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.shared.state.lock().calls
    }

    /// Starts recording calls, with an empty trace, or stops and drops it.
    pub fn record(&self, on: bool) {
        self.shared.state.lock().trace = on.then(Vec::new);
    }

    /// The calls recorded so far.
    #[must_use]
    pub fn trace(&self) -> Vec<Record> {
        self.shared.state.lock().trace.clone().unwrap_or_default()
    }

    /// Limits the bytes of all files together; a write beyond is cut short, then fails with ENOSPC.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.state.lock().traits.capacity_bytes = bytes;
    }

    /// Says whether the file system keeps marks (on by default) and birth times (on by default).
    pub fn set_keeps(&self, marks: bool, birth_times: bool) {
        let traits = &mut self.shared.state.lock().traits;
        (traits.keeps_marks, traits.keeps_birth_times) = (marks, birth_times);
    }

    /// Sets the process id that locks state from now on.
    pub fn set_pid(&self, pid: u32) {
        self.shared.state.lock().traits.pid = pid;
    }

    /// Moves the clock that birth times are taken from forward.
    pub fn advance_ns(&self, by_ns: u64) {
        self.shared.state.lock().now_ns += by_ns;
    }

    /// The names that processes see in a directory, sorted. No call.
    #[must_use]
    pub fn names(&self, dir: &str) -> Vec<String> {
        self.shared.state.lock().names(dir).cache.keys().cloned().collect()
    }

    /// What a process sees in a file; `None` if it is not there. No call.
    #[must_use]
    pub fn content(&self, dir: &str, name: &str) -> Option<Vec<u8>> {
        let mut state = self.shared.state.lock();
        let id = state.inode_named(dir, name)?;
        Some(state.inode(id).content.cache.clone())
    }

    /// What is on the medium of the file that has this name for processes. No call.
    #[must_use]
    pub fn durable_content(&self, dir: &str, name: &str) -> Option<Vec<u8>> {
        let mut state = self.shared.state.lock();
        let id = state.inode_named(dir, name)?;
        Some(state.inode(id).content.durable.clone())
    }

    /// Puts a file with these bytes durably under a name, as a new inode in place of what was there. No call.
    pub fn put(&self, dir: &str, name: &str, bytes: &[u8]) {
        self.plant(dir, name, FileKind::File, bytes);
    }

    /// Puts something that is no regular file durably under a name. No call.
    pub fn put_special(&self, dir: &str, name: &str, kind: FileKind) {
        self.plant(dir, name, kind, b"");
    }

    fn plant(&self, dir: &str, name: &str, kind: FileKind, bytes: &[u8]) {
        let mut state = self.shared.state.lock();
        if let Some(old) = state.names(dir).unlink(name) {
            state.unlinked(old);
        }
        let id = state.create(kind);
        state.inode(id).content = Content::durable(bytes.to_vec());
        state.link(dir, name, id);
        state.names(dir).sync();
        state.collect();
    }

    /// Changes the bytes of a file in place, in the page cache and on the medium alike: rot, or an operator's editor. False
    /// if it is not there. No call.
    pub fn tamper(&self, dir: &str, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut state = self.shared.state.lock();
        let Some(id) = state.inode_named(dir, name) else { return false };
        let inode = state.inode(id);
        change(&mut inode.content.cache);
        inode.content = Content::durable(std::mem::take(&mut inode.content.cache));
        true
    }

    /// Removes a name durably: an operator's doing. False if it is not there. No call.
    pub fn take_away(&self, dir: &str, name: &str) -> bool {
        let mut state = self.shared.state.lock();
        let Some(id) = state.names(dir).unlink(name) else { return false };
        state.names(dir).sync();
        state.unlinked(id);
        true
    }

    /// Gives a file another name durably, in place of whatever has it: an operator's doing. False if it is not there. No call.
    pub fn give_name(&self, dir: &str, from: &str, to: &str) -> bool {
        let mut state = self.shared.state.lock();
        if state.inode_named(dir, from).is_none() {
            return false;
        }
        if let Some(replaced) = state.names(dir).rename(from, to) {
            state.unlinked(replaced);
        }
        state.names(dir).sync();
        true
    }

    /// A digest of every call so far, with its outcome: two runs that did the same have the same.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.shared.state.lock().digest
    }

    /// How often each fault struck each kind of call, by [`Fault::name`].
    #[must_use]
    pub fn struck(&self) -> Vec<((Call, &'static str), u64)> {
        self.shared.state.lock().struck.iter().map(|(what, times)| (*what, *times)).collect()
    }

    /// How many fsyncs of the file under a name have failed and were so reported; 0 if there is none. A file counts on under
    /// another name.
    #[must_use]
    pub fn failed_fsyncs(&self, dir: &str, name: &str) -> u64 {
        let mut state = self.shared.state.lock();
        state.inode_named(dir, name).map_or(0, |id| state.inode(id).errors)
    }

    /// A number that the file under a name has and no other file ever; `None` if there is none. No call.
    #[must_use]
    pub fn file_id(&self, dir: &str, name: &str) -> Option<u64> {
        self.shared.state.lock().inode_named(dir, name)
    }

    /// What a stat tells of the file under a name, and its mark; `None` if there is none. No call.
    #[must_use]
    pub fn look(&self, dir: &str, name: &str) -> Option<(Metadata, Option<[u8; 16]>)> {
        let mut state = self.shared.state.lock();
        let id = state.inode_named(dir, name)?;
        Some((state.metadata(id), state.inode(id).mark))
    }

    /// How many changes and fsyncs of the file with this [`file_id`](Self::file_id) have failed or taken a part, by this process.
    /// What was interrupted does not count. 0 if it is gone. No call.
    #[must_use]
    pub fn failed_changes(&self, file_id: u64) -> u64 {
        self.shared.state.lock().inodes.get(&file_id).map_or(0, |inode| inode.failures)
    }

    /// How many fsyncs of a directory have failed, by this process. No call.
    #[must_use]
    pub fn failed_dir_fsyncs(&self, dir: &str) -> u64 {
        self.shared.state.lock().names(dir).failures
    }

    /// What processes on this disk saw in the file that has a name on `later`, a disk that a crash made of this one. `None` if
    /// neither disk knows it. No call.
    #[must_use]
    pub fn seen_of(&self, later: &Self, dir: &str, name: &str) -> Option<Vec<u8>> {
        let id = later.file_id(dir, name)?;
        let state = self.shared.state.lock();
        state.inodes.get(&id).map(|inode| inode.content.cache.clone())
    }

    /// What the next process finds if this one dies now (kill -9): everything in the page cache, no locks. Handles to this
    /// disk go on with this disk, so images may be taken at many moments.
    #[must_use]
    pub fn kill(&self) -> Self {
        Self::of(crash::kill(&self.shared.state.lock()))
    }

    /// One of the images that may be found if the power is lost now; `rng` decides which. Nothing in it is pending.
    #[must_use]
    pub fn crash(&self, rng: &mut fastrand::Rng, mode: CrashMode, names: NameMode) -> Self {
        Self::of(crash::crash(&self.shared.state.lock(), rng, mode, names))
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("calls", &self.calls()).finish_non_exhaustive()
    }
}
