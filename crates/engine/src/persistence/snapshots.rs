//! Snapshots: SAVE, BGSAVE, save points, and what follows from how one ended.
//!
//! Invariant: a snapshot and a rewrite never run at once in the background, and no snapshot is made of the middle of a transaction.

use child::Spawner;
use keyspace::Keyspace;
use rdb_save::{ForkSource, Outcome, Recent, SaveConfig, SaveEnv, Saver, SnapshotSettings};
use vfs::error_chain;

use super::Persistence;
use crate::clock::Now;
use crate::config::{Config, SavePoints};
use crate::engine::Engine;
use crate::info::Lines;
use crate::log::Level;
use crate::ops::REDIS_VERSION;

/// What refuses writes after a snapshot has failed. Source: Redis 7.2.
const CANNOT_PERSIST: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
    Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if \
    RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";

/// The snapshots of the server, and what is known of the last ones.
pub(super) struct Snapshots {
    pub(super) saver: Saver,
    name: String,
    points: SavePoints,
    stop_writes: bool,
    incremental_fsync: bool,
    /// When the last one ended well, or the server started.
    saved: Now,
    /// When the last one in the background was tried.
    tried: Now,
    /// How the last one in the background ended, or one of any kind that ended well since.
    last_ok: bool,
    /// BGSAVE is to start when it may.
    scheduled: bool,
    /// Changes when the child was forked.
    changes_before: u64,
    /// FLUSHALL: the snapshot is to be empty as well.
    flushed: bool,
    saves: u64,
    /// What the one that is begun says of the log.
    said_of_log: Option<(&'static str, String)>,
    pub(super) last_load: LastLoad,
}

/// What the last load of a snapshot came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastLoad {
    pub(super) keys_loaded: u64,
    pub(super) keys_expired: u64,
}

impl Snapshots {
    pub(super) fn new(config: &Config, now: Now) -> Self {
        Self {
            saver: Saver::new(),
            name: config.dbfilename.clone(),
            points: config.save.clone(),
            stop_writes: config.stop_writes_on_bgsave_error,
            incremental_fsync: config.rdb_save_incremental_fsync,
            saved: now,
            tried: now,
            last_ok: true,
            scheduled: false,
            changes_before: 0,
            flushed: false,
            saves: 0,
            said_of_log: None,
            last_load: LastLoad::default(),
        }
    }

    pub(super) fn configure(&mut self, config: &Config) {
        self.points = config.save.clone();
        self.stop_writes = config.stop_writes_on_bgsave_error;
        self.incremental_fsync = config.rdb_save_incremental_fsync;
    }

    /// One is to be made when it may.
    pub(super) fn schedule(&mut self) {
        self.scheduled = true;
    }

    pub(super) fn has_points(&self) -> bool {
        !self.points.is_empty()
    }

    pub(super) fn reset_stats(&mut self) {
        self.saves = 0;
    }

    fn recent(&self, changes: u64, now: Now) -> Recent {
        let ago_ms = |then: Now| now.mono_ms().saturating_sub(then.mono_ms());
        let failed_ms_ago = (!self.last_ok).then(|| ago_ms(self.tried));
        Recent { changes, saved_ms_ago: ago_ms(self.saved), failed_ms_ago }
    }

    fn saved(&mut self, now: Now) {
        self.saved = now;
        self.last_ok = true;
    }

    /// The fields of INFO, in Redis's order.
    fn info(&self, changes: u64, now: Now, out: &mut Lines<'_>) {
        let s = self.saver.status(now.mono_ms());
        let seconds = |ms: Option<u64>| ms.map_or(-1, |ms| i64::try_from(ms / 1000).unwrap_or(i64::MAX));
        out.put("rdb_changes_since_last_save", changes);
        out.put("rdb_bgsave_in_progress", u8::from(s.in_progress));
        out.put("rdb_last_save_time", self.saved.unix_s());
        out.put("rdb_last_bgsave_status", if self.last_ok { "ok" } else { "err" });
        out.put("rdb_last_bgsave_time_sec", seconds(s.last_duration_ms));
        out.put("rdb_current_bgsave_time_sec", seconds(s.current_duration_ms));
        out.put("rdb_saves", self.saves);
        out.put("rdb_last_cow_size", s.last_cow_bytes);
        out.put("rdb_last_load_keys_expired", self.last_load.keys_expired);
        out.put("rdb_last_load_keys_loaded", self.last_load.keys_loaded);
    }
}

impl Persistence {
    /// The fields of snapshots that Redis has; `changes` are those that none holds.
    pub(crate) fn info_snapshots(&self, changes: u64, now: Now, out: &mut Lines<'_>) {
        self.snapshots.info(changes, now, out);
    }

    /// When the last snapshot ended well, or the server started.
    pub(crate) fn last_save_s(&self) -> i64 {
        self.snapshots.saved.unix_s()
    }

    /// Takes note that FLUSHALL ran. The turn's end does what follows: outside of a transaction, that is.
    pub(crate) fn note_flushed(&mut self) {
        self.snapshots.flushed = true;
    }

    /// Whether one in the background may start, but for a rewrite: none runs, what a failed one left is removed, and a copy has its time.
    fn snapshot_may_start(&self) -> bool {
        self.snapshots.saver.may_start() && self.copy_job.is_none()
    }

    /// How snapshots are written at present, alone or in front of a log.
    pub(super) fn snapshot_settings(&self) -> SnapshotSettings<'static> {
        SnapshotSettings {
            redis_ver: REDIS_VERSION,
            used_mem_bytes: self.used_mem_bytes,
            compress: self.preamble.compress,
            checksum: self.preamble.checksum,
            field: None,
        }
    }

    /// Calls the saver with the world it needs.
    pub(super) fn with_save<R>(
        &mut self,
        now: Now,
        call: impl FnOnce(&mut Saver, &mut SaveEnv<'_>, &mut dyn Spawner) -> R,
    ) -> R {
        let field = self.snapshots.said_of_log.as_ref().map(|(field, said)| (*field, said.as_str()));
        let snapshot = SnapshotSettings { field, ..self.snapshot_settings() };
        let mut env = SaveEnv {
            dir: &self.dir,
            bio: &mut *self.bio,
            config: SaveConfig {
                name: &self.snapshots.name,
                incremental_fsync: self.snapshots.incremental_fsync,
                server_pid: self.pid,
                snapshot,
            },
            mono_ms: now.mono_ms(),
            now: now.unix(),
        };
        call(&mut self.snapshots.saver, &mut env, &mut *self.spawner)
    }
}

impl Engine {
    /// BGSAVE. The reply's text, or the error's.
    pub(crate) fn start_snapshot(&mut self, schedule: bool) -> Result<&'static str, &'static str> {
        const SCHEDULED: &str = "Background saving scheduled";
        self.settle_flush();
        let in_unit = self.unit.is_some();
        if self.persistence.snapshots.saver.is_running() {
            return Err("ERR Background save already in progress");
        }
        let rewriting = self.persistence.rewriter.is_running();
        if rewriting && !schedule && !in_unit {
            return Err(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to \
                        schedule a BGSAVE whenever possible.",
            );
        }
        if in_unit || rewriting || !self.persistence.snapshot_may_start() {
            self.persistence.snapshots.schedule();
            return Ok(SCHEDULED);
        }
        if self.fork_snapshot() { Ok("Background saving started") } else { Err("ERR") }
    }

    /// SAVE: nothing else is done until the snapshot has its name durably.
    ///
    /// # Errors
    /// The error's text.
    pub(crate) fn save_now(&mut self) -> Result<(), &'static str> {
        self.settle_flush();
        if self.persistence.snapshots.saver.is_running() {
            return Err("ERR Background save already in progress");
        }
        self.persistence.snapshots.saves += 1;
        if self.save_in_loop() { Ok(()) } else { Err("ERR") }
    }

    /// Makes a snapshot in the loop; whether it went well. What failed is in the log.
    pub(super) fn save_in_loop(&mut self) -> bool {
        self.clear_way_for_snapshot();
        self.note_used_memory();
        if !self.may_say_of_log() {
            return false;
        }
        let clock = self.persistence.clock;
        let started_ns = clock.map_or(0, |clock| clock());
        let keyspace: &Keyspace = &self.keyspace;
        let saved = self.persistence.with_save(self.now, |saver, env, _| saver.save_now(env, keyspace));
        if saved.is_ok() {
            self.stats.dirty = 0;
            let took_ns = clock.map_or(0, |clock| clock()).saturating_sub(started_ns);
            self.persistence.snapshots.saved(self.now.after_us(took_ns / 1_000));
        }
        // One whose name may not last has it all the same.
        if saved.map_or_else(|error| error.is_named(), |()| true) {
            self.remake_copy();
        }
        self.log_snapshot_notices();
        saved.is_ok()
    }

    /// For a snapshot in the loop: waits until the file of one that failed is removed; and until what a rewrite has made has its name,
    /// and a copy its time, which a snapshot that is newer must not precede.
    fn clear_way_for_snapshot(&mut self) {
        while self.persistence.rewriter.is_switching() || self.persistence.copy_job.is_some() {
            self.persistence.bio.drain(bio::Kind::Rename);
            self.persistence.bio.drain(bio::Kind::DirFsync);
            self.take_completions();
            self.state_copy();
        }
        if !self.persistence.snapshots.saver.may_start() {
            self.persistence.bio.drain(bio::Kind::Close);
            self.take_completions();
        }
    }

    /// Settles what the snapshot that is about to begin says of the log; whether that is true whatever happens.
    fn may_say_of_log(&mut self) -> bool {
        let p = &mut self.persistence;
        p.snapshots.said_of_log = p.said_of_log();
        if p.copy_in_doubt && p.rewriter.holds_state_file() {
            self.log_line(
                Level::Warning,
                format_args!("Can't begin a snapshot while a rewritten append only file is taking its place"),
            );
            return false;
        }
        let Err(error) = p.take_back_copy() else { return true };
        p.errors.count_background("writing the state file", &error);
        let text = error_chain(&error);
        self.log_line(
            Level::Warning,
            format_args!("Can't begin a snapshot: the log could not be turned off, and the state file can't take that back ({text})"),
        );
        false
    }

    /// Forks a child that makes a snapshot; whether it could be forked.
    fn fork_snapshot(&mut self) -> bool {
        if !self.may_say_of_log() {
            self.persistence.snapshots.tried = self.now;
            self.persistence.snapshots.last_ok = false;
            return false;
        }
        self.prepare_fork();
        let keyspace: &Keyspace = &self.keyspace;
        let p = &mut self.persistence;
        p.snapshots.saves += 1;
        p.snapshots.changes_before = self.stats.dirty;
        p.snapshots.tried = self.now;
        let started = p.with_save(self.now, |saver, env, spawner| saver.start(env, ForkSource { spawner, keyspace }));
        if started.is_ok() {
            p.snapshots.scheduled = false;
            let fork_us = p.snapshots.saver.status(0).latest_fork_us;
            self.forked(fork_us);
            self.note_latency("fork", fork_us / 1_000);
        } else {
            p.snapshots.last_ok = false;
        }
        self.log_snapshot_notices();
        started.is_ok()
    }

    /// The part of a turn that belongs to snapshots.
    pub(super) fn drive_snapshot(&mut self) {
        let ended = self.persistence.with_save(self.now, |saver, env, _| saver.turn(env));
        if let Some(outcome) = ended {
            self.snapshot_ended(outcome);
        }
        self.settle_flush();
        self.log_snapshot_notices();
    }

    fn snapshot_ended(&mut self, outcome: Outcome) {
        let snapshots = &mut self.persistence.snapshots;
        match outcome {
            Outcome::Saved => {
                snapshots.saved(self.now);
                self.stats.dirty = self.stats.dirty.saturating_sub(snapshots.changes_before);
            }
            Outcome::Failed => snapshots.last_ok = false,
            Outcome::Stopped => {}
        }
    }

    /// After FLUSHALL nothing that was there may come back from a snapshot: at the end of the turn, or before anything else is done
    /// with snapshots. Source: flushAllDataAndResetRDB of Redis 7.2.
    pub(super) fn settle_flush(&mut self) {
        if self.unit.is_some() || !std::mem::take(&mut self.persistence.snapshots.flushed) {
            return;
        }
        self.remake_copy();
        let stopped = self.stop_snapshot();
        if self.persistence.snapshots.has_points() && !(stopped && self.save_in_loop()) {
            // What failed was logged. A child makes the snapshot as soon as one may be tried.
            self.persistence.snapshots.scheduled = true;
        }
    }

    /// Kills the child of a snapshot and waits for it briefly; whether none is left.
    pub(super) fn stop_snapshot(&mut self) -> bool {
        let ended = self.persistence.with_save(self.now, |saver, env, _| saver.stop_and_wait(env));
        if let Some(outcome) = ended {
            self.snapshot_ended(outcome);
        }
        self.log_snapshot_notices();
        !self.persistence.snapshots.saver.is_running()
    }

    /// Starts the snapshot that is due, if one is and nothing else runs.
    pub(super) fn trigger_snapshot(&mut self) {
        let p = &mut self.persistence;
        // A log that must heal comes first.
        let rewrites = p.rewriter.is_running() && !mutants::planted(mutants::Mutant::SaveBesideRewrite);
        if rewrites || p.is_loading() || p.must_heal() || !p.snapshot_may_start() {
            return;
        }
        let recent = p.snapshots.recent(self.stats.dirty, self.now);
        let due = rdb_save::due(p.snapshots.points.as_slice(), recent);
        // One that failed is tried again, whether or not there are changes: writes may be refused until one succeeds.
        let failed = !p.snapshots.last_ok && p.snapshots.has_points();
        let again = (p.snapshots.scheduled || failed) && recent.may_try();
        if let Some(point) = due {
            self.log_line(
                Level::Notice,
                format_args!("{} changes in {} seconds. Saving...", point.changes, point.seconds),
            );
        }
        if due.is_some() || again {
            self.fork_snapshot();
        }
    }

    /// The error that refuses writes after a snapshot has failed.
    pub(crate) fn snapshot_error(&self) -> Option<&'static str> {
        let snapshots = &self.persistence.snapshots;
        let refuses = !snapshots.last_ok && snapshots.stop_writes && snapshots.has_points();
        refuses.then_some(CANNOT_PERSIST)
    }

    fn log_snapshot_notices(&mut self) {
        for notice in self.persistence.snapshots.saver.take_notices() {
            if let Some((step, errno)) = notice.failed_call() {
                self.persistence.errors.count_snapshot(step, errno);
            }
            self.log.line(notice.level().into(), format_args!("{notice}"));
        }
    }
}
