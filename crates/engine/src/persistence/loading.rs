//! Replay: recovered units run through the command table, in steps between which clients are answered.
//!
//! Replayed commands are on behalf of nobody: no reply, no expiry, nothing fed back. A command that fails on replay did
//! not come from a log that matches it, so recovery stops there rather than guess.

use std::fmt;

use aof_load::{FileRole, Import, LoadError, Notice, Recovered, Recovery, Refusal, Sink, Unit};
use aof_state::Identity;
use commands::{Command, CommandLimits, CommandTable, Ctx, EngineOp, Garbage, KeyLog, Run, Store};
use keyspace::{CustomTypes, Deadline, Keyspace, Thresholds, UnixMs, Value};
use resp_codec::{Args, Effects, Protocol, Reply};
use vfs::{error_chain, strerror};

use super::Phase;
use super::beside::Beside;
use super::import::Writing;
use super::snapshots::LastLoad;
use crate::clock::Now;
use crate::config::replay_limits;
use crate::engine::Engine;
use crate::env::Exit;
use crate::info::{Lines, percent};
use crate::log::Level;

/// Bytes of log replayed in one loop turn: a few milliseconds, so that clients are answered -LOADING meanwhile.
const STEP_BYTES: u64 = 4 << 20;

/// Why a database cannot be selected, nor have a key of a snapshot.
pub(super) const OUT_OF_RANGE: Refusal = Refusal::CannotApply("the database's number is out of range: see 'databases'");

/// Why a key of a snapshot cannot be taken that another one has set.
pub(super) const TWICE: Refusal = Refusal::CannotApply("it stands there twice");

/// A load in progress.
pub(crate) struct Loading {
    pub(super) work: Work,
    pub(super) started: Now,
    /// The database that the last SELECT of the log chose.
    db: u32,
    /// Bytes of the log that do nothing but select a database.
    select_bytes: u64,
    /// Keys of snapshots.
    keys: LastLoad,
    /// When the file began that is read now, if there are several.
    file_started: Now,
    /// What the server that wrote a snapshot took of memory then, in bytes, if it said so.
    rdb_used_mem_bytes: i64,
}

/// What is loaded.
pub(super) enum Work {
    /// Our own log.
    Log {
        recovery: Box<Recovery>,
        /// The log's identity, if a state file vouches for it.
        identity: Option<Identity>,
        /// What stands beside it, if nothing says that it may be empty.
        beside: Option<Beside>,
    },
    /// What another server left, under this name.
    Import { import: Box<Import>, name: String },
    /// The snapshot that is the dataset, with `appendonly no`, or the copy that BGREWRITEAOF made; or one that is read back.
    Dump { import: Box<Import>, how: DumpLoad },
    /// It was read, and a child writes it to our log.
    Writing(Writing),
}

/// How the keys of a snapshot are taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DumpLoad {
    /// One that is there already makes way; else it is an error.
    pub(super) replaces: bool,
    /// One whose deadline has passed is taken, and goes when the load has ended: into the log.
    pub(super) keeps_expired: bool,
}

impl Loading {
    pub(super) fn new(recovery: Recovery, identity: Option<Identity>, beside: Option<Beside>, started: Now) -> Self {
        Self::of(Work::Log { recovery: Box::new(recovery), identity, beside }, started)
    }

    pub(super) fn import(import: Import, name: String, started: Now) -> Self {
        Self::of(Work::Import { import: Box::new(import), name }, started)
    }

    pub(super) fn dump(import: Import, how: DumpLoad, started: Now) -> Self {
        Self::of(Work::Dump { import: Box::new(import), how }, started)
    }

    fn of(work: Work, started: Now) -> Self {
        Self {
            work,
            started,
            db: 0,
            select_bytes: 0,
            keys: LastLoad::default(),
            file_started: started,
            rdb_used_mem_bytes: 0,
        }
    }

    /// Whether there will be a log when it is done.
    pub(super) fn is_of_log(&self) -> bool {
        !matches!(self.work, Work::Dump { .. })
    }

    /// Whether files are read, so that every turn has something to do.
    pub(super) fn is_reading(&self) -> bool {
        !matches!(self.work, Work::Writing(_))
    }

    /// `aof_state` of INFO.
    pub(super) fn state(&self) -> &'static str {
        match self.work {
            Work::Log { .. } => "loading",
            Work::Import { .. } | Work::Writing(_) => "importing",
            Work::Dump { .. } => "off",
        }
    }

    /// How many bytes were gone through, and how many there are to go through.
    fn read_bytes(&self) -> (u64, u64) {
        let progress = match &self.work {
            Work::Log { recovery, .. } => recovery.progress(),
            Work::Import { import, .. } | Work::Dump { import, .. } => import.progress(),
            Work::Writing(writing) => return (writing.imported.size_bytes, writing.imported.size_bytes),
        };
        (progress.done_bytes, progress.total_bytes)
    }

    /// The fields of INFO that describe a load. What has to be proven is gone over twice, and counts twice.
    pub(super) fn info(&self, now: Now, out: &mut Lines<'_>) {
        let (done_bytes, total_bytes) = self.read_bytes();
        let elapsed_s = (now.mono_us - self.started.mono_us) / 1_000_000;
        let left_bytes = total_bytes - done_bytes;
        // Source: genRedisInfoString of Redis: a second as long as there is nothing to go by.
        let eta_s = if elapsed_s == 0 { 1 } else { elapsed_s.saturating_mul(left_bytes) / (done_bytes + 1) };
        out.put("loading_start_time", self.started.unix_s());
        out.put("loading_total_bytes", total_bytes);
        out.put("loading_rdb_used_mem", self.rdb_used_mem_bytes);
        out.put("loading_loaded_bytes", done_bytes);
        out.put("loading_loaded_perc", format_args!("{:.2}", percent(done_bytes, total_bytes)));
        out.put("loading_eta_seconds", eta_s);
    }
}

/// Microseconds, shown in seconds as Redis shows them.
pub(super) struct Seconds(pub(super) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000_000, self.0 % 1_000_000 / 1000)
    }
}

impl Engine {
    /// Goes on loading, if a load is in progress: a few milliseconds of it.
    pub(crate) fn load_step(&mut self) {
        let Phase::Loading(loading) = &mut self.persistence.phase else { return };
        let takes = match loading.work {
            Work::Dump { how, .. } => how,
            _ => DumpLoad { replaces: false, keeps_expired: true },
        };
        let mut replay = Replay {
            keyspace: &mut self.keyspace,
            limits: replay_limits(&self.limits),
            table: self.table,
            effects: &mut self.effects,
            keys: &mut self.keylog,
            trash: &mut self.trash,
            rng: &mut self.rng,
            now: self.now.unix(),
            db: &mut loading.db,
            select_bytes: &mut loading.select_bytes,
            beside: None,
            takes,
            loaded: &mut loading.keys,
            scratch: Vec::new(),
        };
        let (step, notices) = match &mut loading.work {
            Work::Log { recovery, beside, .. } => {
                replay.beside = beside.as_ref();
                (recovery.step(&mut replay, STEP_BYTES), recovery.take_notices())
            }
            Work::Import { import, .. } | Work::Dump { import, .. } => {
                (import.step(&mut replay, STEP_BYTES), import.take_notices())
            }
            Work::Writing(_) => return,
        };
        for notice in notices {
            self.tell(&notice);
        }
        match step {
            Ok(progress) => {
                if progress.is_done() {
                    self.finish_loading();
                }
            }
            Err(error) => {
                let text = match error {
                    LoadError::MayNotEnd { .. } => self.lost_log(&self.config.appendfilename).to_string(),
                    _ => error_chain(&error),
                };
                self.log_line(Level::Warning, format_args!("{text}"));
                self.exit = Some(Exit { status: 1 });
            }
        }
    }

    /// Logs what a load has to say, with what takes a clock to say.
    fn tell(&mut self, notice: &Notice) {
        let (level, now) = (notice.level().into(), self.now);
        let Phase::Loading(loading) = &mut self.persistence.phase else { return };
        match notice {
            Notice::SnapshotTime { unix_s } => {
                let age_s = now.unix_s().saturating_sub(*unix_s).max(0);
                self.log.line(level, format_args!("RDB age {age_s} seconds"));
            }
            Notice::FileLoaded { name, kind, size_bytes } => {
                let started = std::mem::replace(&mut loading.file_started, now);
                let took = Seconds(now.mono_us - started.mono_us);
                match kind {
                    FileRole::Dump => self
                        .log
                        .line(level, format_args!("DB loaded from disk: {took} seconds ({name}, {size_bytes} bytes)")),
                    _ => self.log.line(
                        level,
                        format_args!("DB loaded from {kind} file {name}: {took} seconds ({size_bytes} bytes)"),
                    ),
                }
            }
            Notice::SnapshotMemory { bytes } => {
                loading.rdb_used_mem_bytes = *bytes;
                self.log.line(level, format_args!("{notice}"));
            }
            _ => self.log.line(level, format_args!("{notice}")),
        }
    }

    fn finish_loading(&mut self) {
        let Phase::Loading(mut loading) = std::mem::replace(&mut self.persistence.phase, Phase::Off) else { return };
        self.persistence.snapshots.last_load = loading.keys;
        match loading.work {
            Work::Log { recovery, identity, .. } => self.finish_log(*recovery, identity, loading.started),
            Work::Import { import, name } => {
                let (imported, sources) = import.finish();
                if name != self.config.dbfilename {
                    let took_us = self.now.mono_us - loading.started.mono_us;
                    self.tell_loaded(took_us, imported.commands, imported.size_bytes);
                }
                loading.work = self.write_import(name, imported, sources);
                self.persistence.phase = Phase::Loading(loading);
            }
            // A snapshot is the dataset as long as there is no log.
            Work::Dump { .. } => {}
            Work::Writing(_) => unreachable!("nothing is read any more"),
        }
    }

    /// Begins to serve on our own log.
    fn finish_log(&mut self, recovery: Recovery, identity: Option<Identity>, started: Now) {
        let Recovered { file, size_bytes, commands, proof, cut } = recovery.finish();
        // A copy is another file. And a cut may bring the log back to the length at which an end was clean, or the log a copy: a new
        // generation ends whatever was stated. Of a copy that is gone on with snapshots have spoken, and may have been put aside.
        let renews = self.persistence.marker.take_renewal();
        let kept = identity.filter(|_| proof != aof_load::Proof::Copied && cut.is_none() && !renews);
        let mark = self.persistence.marker.next_mark();
        let identity = match kept {
            Some(identity) => Ok(identity),
            // The mark is durable before a state file speaks of it: fdatasync would leave it behind.
            None => Identity::brand(&*file, mark).and_then(|identity| file.fsync().map(|()| identity)),
        };
        match identity {
            Ok(identity) => self.serve_log(file, size_bytes, identity),
            Err(error) => {
                self.log_line(Level::Warning, format_args!("Can't mark the append only file: {}", strerror(&error)));
                self.exit = Some(Exit { status: 1 });
                return;
            }
        }
        self.tell_loaded(self.now.mono_us - started.mono_us, commands, size_bytes);
    }

    fn tell_loaded(&mut self, took_us: u64, commands: u64, size_bytes: u64) {
        let took = Seconds(took_us);
        self.log_line(
            Level::Notice,
            format_args!("DB loaded from append only file: {took} seconds ({commands} commands, {size_bytes} bytes)"),
        );
    }
}

/// Runs the commands of a log.
pub(super) struct Replay<'a> {
    keyspace: &'a mut Keyspace,
    limits: CommandLimits,
    table: CommandTable,
    effects: &'a mut Effects,
    keys: &'a mut KeyLog,
    trash: &'a mut Vec<Garbage>,
    rng: &'a mut fastrand::Rng,
    now: UnixMs,
    db: &'a mut u32,
    select_bytes: &'a mut u64,
    beside: Option<&'a Beside>,
    takes: DumpLoad,
    loaded: &'a mut LastLoad,
    scratch: Vec<u8>,
}

impl Replay<'_> {
    /// The row of a command that may stand in a log.
    pub(super) fn find(table: CommandTable, args: Args<'_>) -> Result<&'static Command, Refusal> {
        let command = table.resolve(args).map_err(|refusal| match refusal {
            commands::Refusal::WrongArity(_) => Refusal::WrongArity,
            commands::Refusal::UnknownCommand(_) | commands::Refusal::UnknownSubcommand { .. } => {
                Refusal::UnknownCommand
            }
        })?;
        let may_stand = match command.run {
            Run::Data(_) => command.is_write(),
            Run::Engine(op) => op == EngineOp::Select,
        };
        if may_stand { Ok(command) } else { Err(Refusal::NotAllowedInLog) }
    }

    fn select(&mut self, args: Args<'_>) -> Result<(), Refusal> {
        let db = numeric::parse_i64(args.at(1)).and_then(|db| u32::try_from(db).ok());
        let known = db.filter(|db| *db < self.keyspace.databases());
        *self.db = known.ok_or(OUT_OF_RANGE)?;
        Ok(())
    }

    fn run(&mut self, command: &'static Command, args: Args<'_>) -> Result<(), Refusal> {
        let Run::Data(_) = command.run else { return self.select(args) };
        self.effects.clear();
        self.keys.clear();
        self.scratch.clear();
        let mut ctx = Ctx {
            store: Store {
                keyspace: self.keyspace,
                db: *self.db,
                now: self.now,
                effects: self.effects,
                keys: self.keys,
                trash: self.trash,
                replay: true,
                keep_expired: false,
            },
            reply: Reply::new(&mut self.scratch, Protocol::Resp2),
            rng: self.rng,
            limits: &self.limits,
            table: self.table,
        };
        commands::execute(command, &mut ctx, args);
        self.trash.clear();
        // What was logged had succeeded: if it fails now, the log is not what was written.
        if self.scratch.first() == Some(&b'-') {
            return Err(Refusal::CannotApply("it fails on the dataset before it, so the log is not as it was written"));
        }
        Ok(())
    }
}

impl Sink for Replay<'_> {
    fn begin_file(&mut self) {
        *self.db = 0;
    }

    fn check(&mut self, args: Args<'_>) -> Result<(), Refusal> {
        Self::find(self.table, args).map(drop)
    }

    fn apply(&mut self, unit: &Unit<'_>) -> Result<(), Refusal> {
        let mut selects = true;
        for command in unit.commands() {
            let args = command.args();
            let command = Self::find(self.table, args)?;
            selects &= matches!(command.run, Run::Engine(_));
            self.run(command, args)?;
        }
        if selects {
            *self.select_bytes += unit.range().end - unit.range().start;
        }
        Ok(())
    }

    fn put(&mut self, db: u32, key: &[u8], value: Value, deadline: Option<UnixMs>) -> Result<(), Refusal> {
        if db >= self.keyspace.databases() {
            return Err(OUT_OF_RANGE);
        }
        if !self.takes.keeps_expired && deadline.is_some_and(|at| at < self.now) {
            self.loaded.keys_expired += 1;
            return Ok(());
        }
        self.loaded.keys_loaded += 1;
        let key = self.keyspace.key(key);
        let deadline = deadline.map_or(Deadline::Clear, Deadline::At);
        match self.keyspace.db_mut(db).insert(key, value, deadline) {
            None => Ok(()),
            Some(_) if self.takes.replaces => Ok(()),
            Some(_) => Err(TWICE),
        }
    }

    /// A log of which nothing but SELECT is left may have lost everything. One that was cut nowhere is what a rewrite of nothing makes.
    fn may_end(&mut self, whole_bytes: u64, size_bytes: u64) -> bool {
        let holds_nothing = whole_bytes == *self.select_bytes && (whole_bytes == 0 || whole_bytes < size_bytes);
        !holds_nothing || !self.beside.is_some_and(Beside::holds_data)
    }

    fn thresholds(&self) -> Thresholds {
        self.limits.thresholds
    }

    fn custom_types(&self) -> CustomTypes {
        self.keyspace.custom_types().clone()
    }
}
