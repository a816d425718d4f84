//! A mounted [`Disk`]: who mounts it, and the handle by which a test watches and disturbs it.
//!
//! Invariant: an operation is in the recording, and counted by [`Handle::position`], before the process that asked for it is
//! answered. So whatever a server says after an operation is said at a later position.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a recording says when things happened")]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, MountOption};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use parking_lot::Mutex;

use crate::fault::{Call, Fault, Faults};
use crate::fuse::Face;
use crate::recording::{Record, Recording};
use crate::{Disk, Inode, Operation};

/// How many requests are served at once: one fsync that takes long does not keep the others waiting.
const THREADS: usize = 4;
/// How long a disk may be in use that is to be unmounted, and how long is waited between two looks.
const BUSY_BOUND: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// A disk that is mounted. Dropping it unmounts it.
#[derive(Debug)]
pub struct PowerFs {
    session: Option<BackgroundSession>,
    mountpoint: PathBuf,
    handle: Handle,
}

impl PowerFs {
    /// Mounts `disk` on an existing directory. Needs `/dev/fuse`, and root or the program `fusermount3`.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub fn mount(disk: Disk, mountpoint: &Path) -> io::Result<Self> {
        let handle = Handle { shared: Arc::new(Shared::new(disk)) };
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("powerfs".to_owned()),
            MountOption::DefaultPermissions,
            MountOption::NoDev,
            MountOption::NoSuid,
            MountOption::NoAtime,
        ];
        config.n_threads = Some(THREADS);
        let session = fuser::spawn_mount(Face { shared: Arc::clone(&handle.shared) }, mountpoint, &config)?;
        Ok(Self { session: Some(session), mountpoint: mountpoint.to_owned(), handle })
    }

    /// The handle by which it is watched and disturbed.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Unmounts it and gives what was recorded.
    ///
    /// # Errors
    /// If it cannot be unmounted, as while a process still has a file open in it.
    pub fn unmount(mut self) -> io::Result<Recording> {
        let deadline = Instant::now() + BUSY_BOUND;
        let session = self.session.take();
        loop {
            match umount2(&self.mountpoint, MntFlags::empty()) {
                // The session finds that out by itself, and its threads end.
                Ok(()) => break,
                // A process that another thread starts has copies of all open files until it executes its program.
                Err(Errno::EBUSY) if Instant::now() < deadline => std::thread::sleep(BUSY_PAUSE),
                // Only root may unmount directly; the session asks fusermount3.
                Err(Errno::EPERM) => {
                    session.map_or(Ok(()), BackgroundSession::umount_and_join)?;
                    break;
                }
                Err(error) => {
                    self.session = session;
                    return Err(error.into());
                }
            }
        }
        Ok(self.handle.recording())
    }
}

impl Drop for PowerFs {
    fn drop(&mut self) {
        if self.session.is_some() {
            // Whoever still has a file open keeps it; the name is free in any case.
            let _not_mounted = umount2(&self.mountpoint, MntFlags::MNT_DETACH);
        }
    }
}

/// Watches and disturbs a mounted disk. Clones are handles to the same disk, and may outlive its mount.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// How many operations took effect so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.shared.position.load(Ordering::SeqCst)
    }

    /// Lets every fsync take so long, from now on.
    pub fn set_sync_delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.shared.sync_delay_us.store(micros, Ordering::Relaxed);
    }

    /// Makes calls fail, beside those that already do.
    pub fn fail(&self, fault: Fault) {
        self.shared.state.lock().faults.add(fault);
    }

    /// Lets no write make all files together larger than so many bytes: what does not fit is cut short, then refused.
    pub fn set_quota(&self, bytes: usize) {
        self.shared.state.lock().faults.quota_bytes = Some(bytes);
    }

    /// Ends every fault and lifts the quota.
    pub fn heal(&self) {
        self.shared.state.lock().faults.clear();
    }

    /// How many calls have failed because they were told to, or for want of room.
    #[must_use]
    pub fn faults_met(&self) -> u64 {
        self.shared.state.lock().faults.met
    }

    /// The disk as it is now.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.shared.state.lock().disk.clone()
    }

    /// What was recorded so far.
    #[must_use]
    pub fn recording(&self) -> Recording {
        let state = self.shared.state.lock();
        Recording { start: state.start.clone(), records: state.records.clone() }
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    position: AtomicU64,
    sync_delay_us: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct State {
    start: Disk,
    pub(crate) disk: Disk,
    records: Vec<Record>,
    pub(crate) faults: Faults,
}

impl Shared {
    fn new(disk: Disk) -> Self {
        let state = State { start: disk.clone(), disk, records: Vec::new(), faults: Faults::default() };
        Self { state: Mutex::new(state), position: AtomicU64::new(0), sync_delay_us: AtomicU64::new(0) }
    }

    /// Carries out what `plan` makes of the disk as it is: an operation, or an error number.
    pub(crate) fn perform<T>(
        &self,
        plan: impl FnOnce(&Disk, &mut Faults) -> Result<(Operation, T), i32>,
    ) -> Result<T, i32> {
        let began = Instant::now();
        let mut state = self.state.lock();
        let State { disk, faults, .. } = &mut *state;
        let (operation, answer) = plan(disk, faults)?;
        self.record(&mut state, operation, began);
        Ok(answer)
    }

    /// An fsync: it covers what was there when it was asked for, and takes as long as it was told to.
    pub(crate) fn sync(&self, inode: Inode, data_only: bool) -> Result<(), i32> {
        let began = Instant::now();
        let since = self.position.load(Ordering::SeqCst);
        match self.sync_delay_us.load(Ordering::Relaxed) {
            0 => {}
            micros => std::thread::sleep(Duration::from_micros(micros)),
        }
        let mut state = self.state.lock();
        let name = state.disk.name_of(inode).unwrap_or_default().to_owned();
        let met = state.faults.meet(Call::Sync, &name);
        self.record(&mut state, Operation::Sync { inode, data_only, since, succeeded: met.is_ok() }, began);
        met
    }

    fn record(&self, state: &mut State, operation: Operation, began: Instant) {
        state.disk.apply(&operation);
        state.records.push(Record { operation, began, ended: Instant::now() });
        self.position.fetch_add(1, Ordering::SeqCst);
    }
}
