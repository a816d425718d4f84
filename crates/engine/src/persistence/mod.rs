//! The log, its rewrite, its recovery and its state file, wired together: the only place where they meet.
//!
//! Invariant: what is fed here has been applied to the keyspace, and what is acknowledged has passed the marks here.

mod beside;
mod copies;
mod errors;
mod finished;
mod heal;
mod import;
mod live_log;
mod loading;
mod lone;
mod marker;
mod measured;
mod order;
mod reload;
mod report;
mod shutdown;
mod snapshots;
mod start;
mod switches;
mod turn;
mod without_log;

use std::sync::Arc;

use aof_buffer::{AofBuffer, AppendFsync, Options};
use aof_rewrite::Rewriter;
use aof_state::{BootId, Identity, LogOffset, StateKeeper, WriteError};
use bio::{Bio, Clock, Completion, JobId, Kind, Timings};
use child::Spawner;
use commands::Garbage;
use resp_codec::{Args, Effect, Effects};
use vfs::{Dir, DirLock, File};

use crate::clock::Now;
use crate::config::Config;
use crate::env::Process;
pub use aof_state::LOCK_NAME;
use copies::CopyJob;
use heal::Healing;
use loading::Loading;
use lone::LoneWriter;
use marker::Marker;
use order::CopyId;
pub(crate) use reload::ReloadHow;
pub use report::LogStatus;
pub(crate) use shutdown::ShutdownHow;
use snapshots::Snapshots;
pub use start::StartError;

/// What the log is to the server at the moment.
pub(crate) enum Phase {
    /// `appendonly no`: nothing is promised.
    Off,
    /// The dataset is being read from it, or from what another server left.
    Loading(Box<Loading>),
    /// It was turned on, and the first rewrite is not done: nothing is promised yet.
    WaitRewrite,
    /// Every promise holds.
    On,
}

/// In what form a rewrite writes the dataset.
#[derive(Clone, Copy)]
struct PreambleSettings {
    /// As RDB rather than as commands.
    wanted: bool,
    compress: bool,
    checksum: bool,
}

impl PreambleSettings {
    fn of(config: &Config) -> Self {
        Self { wanted: config.aof_use_rdb_preamble, compress: config.rdbcompression, checksum: config.rdbchecksum }
    }
}

/// Everything between the commands and the files.
pub(crate) struct Persistence {
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) aof: AofBuffer,
    rewriter: Rewriter,
    bio: Box<dyn Bio>,
    spawner: Box<dyn Spawner>,
    /// When the state file is written; `None` while no log is open.
    keeper: Option<StateKeeper>,
    /// The state file being written, and whether another must follow it.
    state_job: Option<JobId>,
    /// The job that says that the log is a copy.
    copy_job: Option<CopyJob>,
    /// The copies of which one has the log's name, now and after a power cut, and which the dataset has gone on without.
    ended: Vec<CopyId>,
    /// The log could not be turned off, and goes on; until another state is written the state file may call it a copy all the same.
    copy_in_doubt: bool,
    /// The state that was being written when that came up: its end says nothing of it.
    stated_before_doubt: Option<JobId>,
    pub(super) phase: Phase,
    /// What was answered up to here was answered before the log was on: it is called so only when all this is in it.
    on_from: LogOffset,
    /// Replies that depend on an offset up to this one met a failed flush.
    pub(crate) failed_upto: LogOffset,
    /// Whether the loop may fsync by itself.
    pub(crate) lone: LoneWriter,
    /// How far the log is on its way out of a failed fsync.
    healing: Healing,
    /// The file that became the log in a switch whose state file is not written yet.
    promoted: Option<Arc<dyn File>>,
    attached: Option<Arc<dyn File>>,
    marker: Marker,
    log_name: String,
    /// What a rewrite makes instead of the log, while what was imported is written.
    import_name: Option<String>,
    pid: u32,
    boot_id: BootId,
    incremental_fsync: bool,
    preamble: PreambleSettings,
    no_fsync_on_rewrite: bool,
    snapshots: Snapshots,
    /// A signal asked for the end of the server, which has to wait.
    ends_server: bool,
    forks: u64,
    /// How long the last fork took, in microseconds.
    latest_fork_us: u64,
    /// Memory that the program used when the last child was forked, or was to be, in bytes.
    forked_bytes: u64,
    /// The same when the dataset was last written, by whomever.
    used_mem_bytes: u64,
    /// Rewrites tried since CONFIG RESETSTAT, and how many had succeeded before it.
    rewrites: u64,
    succeeded_before: u64,
    /// Keys there were when the last child was forked.
    child_keys: u64,
    child_cow: report::ChildCow,
    errors: errors::FileErrors,
    clock: Option<Clock>,
    /// From what duration on system calls are noted, in milliseconds; 0 for none.
    measured_ms: u64,
    timings: Timings<&'static str>,
    completions: Vec<Completion>,
    /// A transaction is being fed.
    unit_open: bool,
    /// Last, as fields are dropped in their order: jobs that are queued in `bio` run before another server may have the directory.
    pub(super) lock: Option<DirLock>,
}

impl Persistence {
    pub(crate) fn new(
        config: &Config,
        dir: Arc<dyn Dir>,
        bio: Box<dyn Bio>,
        spawner: Box<dyn Spawner>,
        process: &Process,
        seed: &[u8; 16],
        now: Now,
    ) -> Self {
        let options = Options { policy: config.appendfsync };
        let mut made = Self {
            dir,
            lock: None,
            aof: AofBuffer::new(options),
            rewriter: Rewriter::new(),
            bio,
            spawner,
            keeper: None,
            state_job: None,
            copy_job: None,
            ended: Vec::new(),
            copy_in_doubt: false,
            stated_before_doubt: None,
            phase: Phase::Off,
            on_from: LogOffset(0),
            failed_upto: LogOffset(0),
            lone: LoneWriter::default(),
            healing: Healing::default(),
            promoted: None,
            attached: None,
            import_name: None,
            marker: Marker::new(u64::from_le_bytes(*seed.last_chunk().expect("16 bytes hold 8"))),
            log_name: config.appendfilename.clone(),
            pid: process.pid,
            boot_id: BootId(process.boot_id),
            incremental_fsync: config.aof_rewrite_incremental_fsync,
            preamble: PreambleSettings::of(config),
            no_fsync_on_rewrite: config.no_appendfsync_on_rewrite,
            snapshots: Snapshots::new(config, now),
            ends_server: false,
            forks: 0,
            latest_fork_us: 0,
            forked_bytes: 0,
            used_mem_bytes: 0,
            rewrites: 0,
            succeeded_before: 0,
            child_keys: 0,
            child_cow: report::ChildCow::default(),
            errors: errors::FileErrors::default(),
            clock: process.nanos,
            measured_ms: 0,
            timings: Timings::default(),
            completions: Vec::new(),
            unit_open: false,
        };
        made.measure(config.latency_monitor_threshold_ms);
        made
    }

    /// Whether a dataset is being read, or what was imported is being written: nothing is served.
    pub(crate) fn is_loading(&self) -> bool {
        matches!(self.phase, Phase::Loading(_))
    }

    /// Whether files are being read, so that every turn goes on with them.
    pub(crate) fn is_reading(&self) -> bool {
        matches!(&self.phase, Phase::Loading(loading) if loading.is_reading())
    }

    /// Whether the log's promises hold.
    pub(crate) fn is_on(&self) -> bool {
        matches!(self.phase, Phase::On)
    }

    /// Whether effects are fed: also while the first rewrite runs, for its diff.
    pub(crate) fn is_fed(&self) -> bool {
        matches!(self.phase, Phase::On | Phase::WaitRewrite)
    }

    pub(crate) fn dir_name(&self) -> String {
        self.dir.path().display().to_string()
    }

    /// Replies that depend on no more than this may leave: on everything, where nothing is promised.
    pub(crate) fn reply_mark(&self) -> LogOffset {
        if self.is_on() { self.aof.reply_mark() } else { LogOffset(u64::MAX) }
    }

    /// Begins to serve on a proven log. A state file is made durable first, also where one speaks of it: that may stand in the page
    /// cache alone, which no fsync of the directory mends once one has failed.
    ///
    /// # Errors
    /// That of the state file; the log is served all the same, and the next start may have to prove all of it.
    fn serve(
        &mut self,
        file: Arc<dyn File>,
        size_bytes: u64,
        identity: Identity,
        mono_ms: u64,
    ) -> Result<(), WriteError> {
        self.aof.open(file, size_bytes);
        self.phase = Phase::On;
        let keeper = self.keeper.insert(StateKeeper::new(identity, self.boot_id));
        let Some((state, durability)) = keeper.refresh(size_bytes, mono_ms) else { return Ok(()) };
        let written = state.write(&*self.dir, &self.log_name, durability);
        if written.is_err() {
            keeper.refresh_failed();
        }
        written
    }

    /// Feeds the effects of one command. Inside a unit, their end is that of the unit; otherwise it is returned.
    pub(crate) fn feed(&mut self, effects: &Effects, request: Args<'_>, in_unit: bool) -> Option<LogOffset> {
        if !self.is_fed() {
            return None;
        }
        let end = self.aof.feed_effects(effects, &request);
        if in_unit { None } else { Some(end) }
    }

    /// Feeds an effect that stands for no request: the DEL of a key that expired.
    pub(crate) fn feed_expired(&mut self, effect: Effect<'_>) {
        if self.is_fed() {
            self.aof.feed(effect);
        }
    }

    /// Begins a transaction.
    pub(crate) fn begin_unit(&mut self) {
        if self.is_fed() {
            self.aof.begin_unit();
            self.unit_open = true;
        }
    }

    /// Ends a transaction. Returns where the log ends now; `None` while nothing is logged.
    pub(crate) fn end_unit(&mut self) -> Option<LogOffset> {
        std::mem::take(&mut self.unit_open).then(|| self.aof.end_unit())
    }

    /// Drops something large in the background.
    pub(crate) fn free_in_background(&mut self, garbage: Garbage) {
        self.bio.submit(
            Kind::LazyFree,
            Box::new(move || {
                drop(garbage);
                Ok(0)
            }),
        );
    }

    /// Puts changed settings in force.
    pub(crate) fn configure(&mut self, config: &Config) {
        self.incremental_fsync = config.aof_rewrite_incremental_fsync;
        self.preamble = PreambleSettings::of(config);
        self.no_fsync_on_rewrite = config.no_appendfsync_on_rewrite;
        self.snapshots.configure(config);
        self.measure(config.latency_monitor_threshold_ms);
    }

    /// Changes the policy. The engine's gate keeps the stricter promise for what was fed before.
    pub(crate) fn set_policy(&mut self, policy: AppendFsync) {
        self.aof.set_policy(policy);
    }
}
