//! What a rewrite is given and what it answers: its modes, its world, its errors, its figures.

use std::sync::Arc;

use aof_state::BootId;
use bio::Bio;
use keyspace::{Keyspace, UnixMs};
use rdb::SnapshotSettings;
use vfs::{Dir, File};

use crate::LiveLog;

/// What a rewrite is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The log is open: the new file takes its place.
    Switch,
    /// `CONFIG SET appendonly yes` (state WAIT_REWRITE): nothing is open yet, commands are fed for the diff, and the new file
    /// becomes the log. A file that has the name keeps it until then, and is renamed to `<name>.old-<unix ms>` directly before.
    First,
    /// BGREWRITEAOF with `appendonly no`: a snapshot under the log's name, without diff, and nothing stays open.
    Once,
}

/// What a rewrite in [`Mode::Once`] has made.
pub struct Copied {
    /// The file, which has the log's name.
    pub file: Arc<dyn File>,
    /// Its name is on stable storage. If not, a power loss may leave the file that had the name before.
    pub durable: bool,
}

/// What a child may gather of the diff, unless there is a reason for another size: address space, and memory only as far as
/// it is used.
pub const CHILD_DIFF_BYTES: usize = 64 * 1024 * 1024;

/// The settings a rewrite works under.
#[derive(Clone, Copy, Debug)]
pub struct RewriteConfig<'a> {
    /// The log's file name in its directory.
    pub log_name: &'a str,
    /// `aof-rewrite-incremental-fsync`: the child fsyncs every 32 MB.
    pub incremental_fsync: bool,
    /// The largest diff the child gathers in memory, in bytes ([`CHILD_DIFF_BYTES`]); beyond
    /// it, it stops reading until it may append.
    pub child_diff_bytes: usize,
    /// The server's process id, for the name of the temp file.
    pub server_pid: u32,
    /// The boot of the machine, for the state file.
    pub boot_id: BootId,
    /// `aof-use-rdb-preamble`: how the snapshot is written as RDB; `None` for commands.
    pub preamble: Option<SnapshotSettings<'a>>,
}

/// The world as a rewrite sees it in one call.
pub struct RewriteEnv<'a> {
    /// The directory of the log.
    pub dir: &'a Arc<dyn Dir>,
    /// Background jobs.
    pub bio: &'a mut dyn Bio,
    /// The live log.
    pub log: &'a mut dyn LiveLog,
    /// Settings.
    pub config: RewriteConfig<'a>,
    /// The monotonic time of this loop turn, in milliseconds.
    pub mono_ms: u64,
    /// The wall clock of this loop turn.
    pub now: UnixMs,
}

/// What is forked.
pub struct ForkSource<'a> {
    /// Starts the child.
    pub spawner: &'a mut dyn child::Spawner,
    /// The dataset: everything fed so far has been applied to it.
    pub keyspace: &'a Keyspace,
}

/// Why a rewrite did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// One runs already, or its child is not yet gone.
    #[error("an append only file rewrite is in progress")]
    AlreadyRunning,
    /// The temp file could not be made.
    #[error("opening the temp file for the rewrite failed")]
    TempFile(#[source] std::io::Error),
    /// The child's buffers could not be reserved.
    #[error("reserving memory for the child failed")]
    Memory(#[source] std::io::Error),
    /// The pipes or the fork failed.
    #[error("fork failed")]
    Fork(#[source] std::io::Error),
}

/// What became of a request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// Nothing of a rewrite touches the log any more. (A killed child may still be dying; it matters only to the next
    /// rewrite.)
    Done,
    /// The rename is under way or done: the switch runs to its end by itself. Ask again when `is_switching` says no.
    Switching,
}

/// What shutting down has to do about a rewrite (R13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownRule {
    /// Nothing runs.
    Free,
    /// Something runs, and may be killed: call `shutdown`.
    Kill,
    /// The first rewrite runs, and nothing else holds the data: refuse, unless told otherwise.
    Refuse,
}

/// What `shutdown` needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// All is done.
    Done,
    /// Drain this kind of jobs, hand the completions to `complete`, and call again.
    Drain(bio::Kind),
}

/// What kind of call on a file failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// write(2).
    Write,
    /// An fsync of a file.
    Fsync,
    /// Any other: of a directory, a name, a size.
    Other,
}

/// A failed call on a file, for INFO. Those of the attached file are its log's to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileError {
    /// Its kind.
    pub call: Call,
    /// What it was for.
    pub step: &'static str,
    /// The error number; 0 if the system gave none.
    pub errno: i32,
}

/// What INFO and LASTSAVE-like commands show of rewrites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// `aof_rewrite_in_progress`: from the fork until the switch is done.
    pub in_progress: bool,
    /// `aof_rewrite_scheduled`.
    pub scheduled: bool,
    /// `aof_last_rewrite_time_sec`; `None` (shown as -1) before the first.
    pub last_duration_ms: Option<u64>,
    /// `aof_current_rewrite_time_sec`; `None` (shown as -1) when none runs.
    pub current_duration_ms: Option<u64>,
    /// `aof_last_bgrewrite_status`: true is `ok`.
    pub last_ok: bool,
    /// `aof_last_cow_size`, in bytes.
    pub last_cow_bytes: u64,
    /// `current_cow_size`, in bytes; 0 when no child runs.
    pub current_cow_bytes: u64,
    /// How often the child has measured that; 0 when no child runs.
    pub cow_measurements: u64,
    /// `current_save_keys_processed`.
    pub keys_processed: u64,
    /// `latest_fork_usec`.
    pub latest_fork_us: u64,
    /// The child's process id while there is one, dying ones included.
    pub child_pid: Option<i32>,
    /// Bytes that the child has written to the new file, as it last said; 0 when none runs.
    pub written_bytes: u64,
    /// Bytes of the diff that were sent to the child, and that it has read, as it last said; 0 when none runs.
    pub sent_bytes: u64,
    /// See `sent_bytes`.
    pub read_bytes: u64,
    /// How many rewrites have succeeded.
    pub succeeded: u64,
    /// How many in a row have failed.
    pub failures_in_a_row: u32,
}
