//! What a snapshot is given and what it answers: its world, its settings, its errors, its figures.

use std::io;
use std::sync::Arc;

use bio::Bio;
use keyspace::{Keyspace, UnixMs};
use rdb::SnapshotSettings;
use vfs::Dir;

use crate::task::SaveStep;

/// The settings a snapshot is made under.
#[derive(Clone, Copy, Debug)]
pub struct SaveConfig<'a> {
    /// `dbfilename`: its name in the directory.
    pub name: &'a str,
    /// `rdb-save-incremental-fsync`: it is fsynced every 32 MB.
    pub incremental_fsync: bool,
    /// The server's process id, for the name of the temp file.
    pub server_pid: u32,
    /// How it is written.
    pub snapshot: SnapshotSettings<'a>,
}

/// The world as a snapshot sees it in one call.
pub struct SaveEnv<'a> {
    /// The directory.
    pub dir: &'a Arc<dyn Dir>,
    /// Background jobs.
    pub bio: &'a mut dyn Bio,
    /// Settings.
    pub config: SaveConfig<'a>,
    /// The monotonic time of this loop turn, in milliseconds.
    pub mono_ms: u64,
    /// The wall clock of this loop turn.
    pub now: UnixMs,
}

/// What is forked.
pub struct ForkSource<'a> {
    /// Starts the child.
    pub spawner: &'a mut dyn child::Spawner,
    /// The dataset.
    pub keyspace: &'a Keyspace,
}

/// Why a snapshot did not start in the background.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// One runs already, or what is left of it is not yet gone.
    #[error("a snapshot is in progress")]
    AlreadyRunning,
    /// The temp file could not be made.
    #[error("opening the temp file for the snapshot failed")]
    TempFile(#[source] io::Error),
    /// The pipes or the fork failed.
    #[error("fork failed")]
    Fork(#[source] io::Error),
}

/// Why a snapshot could not be made in the caller's own process. What had its name before is there still, unless only the
/// durability of the new name failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step} failed")]
pub struct SaveError {
    /// What was tried.
    pub step: &'static str,
    /// The error number; 0 if the system gave none.
    pub errno: i32,
}

impl SaveError {
    /// Whether the new one has its name, and only how long is in doubt.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.step == SaveStep::FsyncDir.name()
    }
}

/// How a snapshot in the background ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has its name, durably.
    Saved,
    /// It failed; what had the name before is there still, unless only the durability of the new name failed.
    Failed,
    /// It was stopped on request, which is no failure. Which of the two has the name is not known, and each is whole.
    Stopped,
}

/// What INFO shows of the snapshot that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `rdb_bgsave_in_progress`: from the fork until the child is gone.
    pub in_progress: bool,
    /// `rdb_current_bgsave_time_sec`; `None` (shown as -1) when none runs.
    pub current_duration_ms: Option<u64>,
    /// `rdb_last_bgsave_time_sec`; `None` (shown as -1) before the first.
    pub last_duration_ms: Option<u64>,
    /// `rdb_last_cow_size`, in bytes.
    pub last_cow_bytes: u64,
    /// `current_cow_size`, in bytes; 0 when no child runs.
    pub current_cow_bytes: u64,
    /// How often the child has measured that; 0 when no child runs.
    pub cow_measurements: u64,
    /// `current_save_keys_processed`.
    pub keys_processed: u64,
    /// `latest_fork_usec`, in so far as this forked last.
    pub latest_fork_us: u64,
    /// The child's process id while there is one, dying ones included.
    pub child_pid: Option<i32>,
    /// Bytes that the child has written, as it last said; 0 when none runs.
    pub written_bytes: u64,
}
