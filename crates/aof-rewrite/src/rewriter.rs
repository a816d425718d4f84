//! The rewrite as its owner uses it. What happens when is decided in `machine.rs`; the files under `parent/` carry it out.

use std::sync::Arc;

use bio::{Bio, Completion};
use keyspace::{Keyspace, UnixMs};
use vfs::Dir;

use crate::trigger::AutoRewrite;
use crate::{LiveLog, Notice};

/// What a rewrite is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The log is open: the new file takes its place.
    Switch,
    /// `CONFIG SET appendonly yes` (state WAIT_REWRITE): nothing is open yet, commands are fed for the diff, and the new file
    /// becomes the log. A file that already has the name is first renamed to `<name>.old-<unix ms>`.
    First,
    /// BGREWRITEAOF with `appendonly no`: a snapshot under the log's name, without diff, and nothing stays open.
    Once,
}

/// The settings a rewrite works under.
#[derive(Clone, Copy, Debug)]
pub struct RewriteConfig<'a> {
    /// The log's file name in its directory.
    pub log_name: &'a str,
    /// `aof-rewrite-incremental-fsync`: the child fsyncs every 32 MB.
    pub incremental_fsync: bool,
    /// The largest diff the child gathers in memory, in bytes; beyond it, it stops reading until it may append.
    pub child_diff_bytes: usize,
    /// The server's process id, for the name of the temp file.
    pub server_pid: u32,
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
    /// The file that has the log's name could not be moved aside.
    #[error("moving aside the file with the log's name failed")]
    MoveAside(#[source] std::io::Error),
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

/// A latency event (W8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Redis's name of the event.
    pub event: &'static str,
    /// How long it took, in milliseconds.
    pub ms: u64,
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
    /// `current_save_keys_processed`.
    pub keys_processed: u64,
    /// `latest_fork_usec`.
    pub latest_fork_us: u64,
    /// The child's process id while there is one, dying ones included.
    pub child_pid: Option<i32>,
    /// How many rewrites have succeeded (`aof_rewrites`).
    pub succeeded: u64,
    /// How many in a row have failed.
    pub failures_in_a_row: u32,
}

/// One log's rewrites: at most one at a time.
#[derive(Default)]
pub struct Rewriter {
    notices: Vec<Notice>,
}

#[expect(clippy::todo, reason = "first landing: the seam only")]
impl Rewriter {
    /// Makes one that is idle.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forks a child and starts a rewrite. Not while another child (a save) runs: the caller knows of those. The caller holds
    /// back table growth ([`Keyspace::freeze_growth`]) as long as [`Status::child_pid`] is some.
    ///
    /// # Errors
    /// See [`StartError`]; counted as a failed rewrite unless one is already running.
    pub fn start(&mut self, _env: &mut RewriteEnv<'_>, _from: ForkSource<'_>, _mode: Mode) -> Result<i32, StartError> {
        todo!()
    }

    /// Asks for a rewrite as soon as the owner can start one: see `due`.
    pub fn schedule(&mut self, _mode: Mode) {
        todo!()
    }

    /// Takes back what was scheduled.
    pub fn unschedule(&mut self) {
        todo!()
    }

    /// The scheduled rewrite that may start now: idle, and no retry of a first rewrite is waiting.
    pub fn due(&self, _mono_ms: u64) -> Option<Mode> {
        todo!()
    }

    /// Whether growth asks for a rewrite now; if so, the notice is given, and the caller starts one.
    pub fn auto_trigger(&mut self, _current_bytes: u64, _base_bytes: u64, _auto: AutoRewrite, _mono_ms: u64) -> bool {
        todo!()
    }

    /// Once a loop turn, after the log's own flush. Never blocks.
    pub fn turn(&mut self, _env: &mut RewriteEnv<'_>) {
        todo!()
    }

    /// Takes a finished job; false if it was not one of ours.
    pub fn complete(&mut self, _env: &mut RewriteEnv<'_>, _completion: &Completion) -> bool {
        todo!()
    }

    /// When `turn` must be called again at the latest, though nothing else happens.
    pub fn next_wakeup_ms(&self, _mono_ms: u64) -> Option<u64> {
        todo!()
    }

    /// Stops the rewrite, as far as it can be stopped. No failure: the status stays.
    pub fn abort(&mut self, _env: &mut RewriteEnv<'_>) -> Abort {
        todo!()
    }

    /// Whether the rename of a switch is under way or done and its end is still to come.
    pub fn is_switching(&self) -> bool {
        todo!()
    }

    /// What shutting down has to do.
    pub fn shutdown_rule(&self) -> ShutdownRule {
        todo!()
    }

    /// Ends everything for a shutdown: kills the child and waits for it briefly, drops an unfinished file, finishes a switch
    /// that was renamed.
    pub fn shutdown(&mut self, _env: &mut RewriteEnv<'_>) -> Shutdown {
        todo!()
    }

    /// The figures for INFO.
    pub fn status(&self, _mono_ms: u64) -> Status {
        todo!()
    }

    /// The notices since the last call, oldest first.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The latency samples since the last call.
    pub fn take_latencies(&mut self) -> Vec<Latency> {
        todo!()
    }
}
