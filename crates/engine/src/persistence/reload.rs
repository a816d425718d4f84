//! DEBUG LOADAOF and DEBUG RELOAD: the dataset is written out, dropped, and read back: from the log, or from a snapshot.
//!
//! Blocks the loop until it is done, as in Redis. A snapshot is read beside the dataset, which is dropped when it was read whole: one
//! that is gone, damaged, or can't be taken changes nothing. It takes the memory of both for that time. A log is durable and was read
//! through once before anything is dropped, and is proven as at a start; if reading it fails all the same the server ends, as the data
//! then stands in the file alone.

use std::collections::HashSet;

use aof_load::check::{RdbPreamble, commands_start};
use aof_load::{Import, Reader, Refusal, Sink, Unit};
use aof_rewrite::Abort;
use aof_state::Identity;
use commands::Garbage;
use keyspace::{CustomTypes, Db, Keyspace, Thresholds, UnixMs, Value};
use resp_codec::Args;
use vfs::{Open, error_chain, strerror};

use super::Phase;
use super::loading::{DumpLoad, Loading, OUT_OF_RANGE, Replay, TWICE};
use super::shutdown::End;
use crate::engine::Engine;
use crate::env::Exit;
use crate::log::Level;

/// What refuses a reload, as in Redis.
const CANNOT_LOAD: &str = "ERR Error trying to load the RDB dump, check server logs.";

/// The options of DEBUG RELOAD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReloadHow {
    /// `NOSAVE`: the snapshot is read that is there.
    pub nosave: bool,
    /// `NOFLUSH`: what is in memory stays.
    pub noflush: bool,
    /// `MERGE`: of two keys of a name, that of the snapshot is taken.
    pub merge: bool,
}

impl Engine {
    /// Reads the dataset back from the snapshot.
    ///
    /// # Errors
    /// The error's text; nothing has changed then. Only what was read with `NOFLUSH` stays, if a disk read it whole once and not again.
    pub(crate) fn reload_dump(&mut self, how: ReloadHow) -> Result<(), String> {
        if self.unit.is_some() {
            return Err("ERR not inside a transaction".to_owned());
        }
        if self.persistence.is_fed() && (how.nosave || how.noflush) {
            let text = "ERR with the AOF on, only what was just saved can be reloaded: the log would not hold the rest";
            return Err(text.to_owned());
        }
        if !self.stop_snapshot() {
            return Err("ERR the child of a snapshot does not end: try again in a moment".to_owned());
        }
        // A snapshot leaves out what is past its deadline: the log must hold the DELs of that.
        while self.persistence.is_fed() && self.expire_keys() {}
        if !how.nosave && !self.save_in_loop() {
            return Err("ERR".to_owned());
        }
        if how.noflush {
            self.check_dump(how).map_err(|reason| self.reload_refused(&reason))?;
        }
        let dump = self.open_dump().map_err(|reason| self.reload_refused(&reason))?;
        let before = if how.noflush { Vec::new() } else { self.take_dataset() };
        let takes = DumpLoad { replaces: how.merge, keeps_expired: self.persistence.is_fed() };
        self.load_now(Loading::dump(dump, takes, self.now));
        // A load that fails ends a server that starts, and has said why.
        if self.exit.take().is_some() {
            self.put_back(before);
            return Err(CANNOT_LOAD.to_owned());
        }
        self.dropped(before);
        Ok(())
    }

    fn reload_refused(&mut self, reason: &str) -> String {
        self.log_line(Level::Warning, format_args!("DEBUG RELOAD: {reason}"));
        CANNOT_LOAD.to_owned()
    }

    fn open_dump(&self) -> Result<Import, String> {
        let name = &self.config.dbfilename;
        let opened = Import::of_dump(&self.persistence.dir, name, self.load_options());
        opened.map_err(|error| error_chain(&error))?.ok_or_else(|| format!("there is no {name}"))
    }

    /// Reads the snapshot through once, to see that it can be taken.
    fn check_dump(&self, how: ReloadHow) -> Result<(), String> {
        let mut check = Check {
            databases: self.keyspace.databases(),
            beside: Some(&self.keyspace).filter(|_| !how.merge),
            seen: HashSet::new(),
            thresholds: self.limits.thresholds,
            types: self.keyspace.custom_types().clone(),
        };
        let mut import = self.open_dump()?;
        while !import.step(&mut check, u64::MAX).map_err(|error| error_chain(&error))?.is_done() {}
        Ok(())
    }

    /// Loads without anything else in between; the log is what it was before.
    fn load_now(&mut self, loading: Loading) {
        let before = std::mem::replace(&mut self.persistence.phase, Phase::Loading(Box::new(loading)));
        while self.persistence.is_loading() && self.exit.is_none() {
            self.load_step();
        }
        self.persistence.phase = before;
    }

    /// Reads the dataset back from the log.
    ///
    /// # Errors
    /// Why not; nothing has changed then, unless the server ends.
    pub(crate) fn reload_log(&mut self) -> Result<(), String> {
        if !self.persistence.is_on() {
            return Err("the AOF is not on".to_owned());
        }
        if self.unit.is_some() {
            return Err("not inside a transaction".to_owned());
        }
        let busy = || "a rewritten append only file is just taking its place: try again in a moment".to_owned();
        // What secures the log would write over the announcement of the new one.
        if self.persistence.rewriter.holds_state_file() {
            return Err(busy());
        }
        self.secure_log(End::OfServer)?;
        self.check_log().map_err(|reason| {
            format!("the append only file can't be read back: {reason}. BGREWRITEAOF writes it anew")
        })?;
        // Cannot be switching: no turn has passed since it was asked.
        if self.persistence.with_rewrite(self.now, |rewriter, env, _| rewriter.abort(env)) == Abort::Switching {
            return Err(busy());
        }
        self.close_log();
        self.drop_dataset();
        // It is the log that was served, whatever stands beside it.
        if let Err(error) = self.open_log(None) {
            self.log_line(Level::Warning, format_args!("{}", error_chain(&error)));
            self.exit = Some(Exit { status: 1 });
        }
        while self.persistence.is_loading() && self.exit.is_none() {
            self.load_step();
        }
        if self.exit.is_some() { Err("the AOF can't be loaded, check the server's log".to_owned()) } else { Ok(()) }
    }

    /// Sees that what stands under the log's name is the file that is written, and whole: it will be all there is.
    fn check_log(&self) -> Result<(), String> {
        let p = &self.persistence;
        let name = &p.log_name;
        let file = p.dir.open(name, Open::Read).map_err(|error| format!("can't open {name}: {}", strerror(&error)))?;
        let size_bytes = p.aof.stats().current_size_bytes;
        let is_whole = file.metadata().is_ok_and(|found| found.len == size_bytes);
        let is_ours = |identity: Identity| Identity::of(&*file).is_ok_and(|found| found == identity);
        if !is_whole || !p.keeper.as_ref().is_none_or(|keeper| is_ours(keeper.identity())) {
            return Err(format!("{name} is not the file that was written"));
        }
        let start = commands_start(&*file, size_bytes, Some(&RdbPreamble)).map_err(|error| error_chain(&error))?;
        let mut reader = Reader::new(file, start, size_bytes);
        while let Some(batch) = reader.next_batch().map_err(|error| error_chain(&error))? {
            for command in batch.units().flat_map(|unit| unit.commands()) {
                Replay::find(self.table, command.args())
                    .map_err(|refusal| format!("{refusal} at byte {}", command.offset()))?;
            }
        }
        Ok(())
    }

    fn drop_dataset(&mut self) {
        let dataset = self.take_dataset();
        self.dropped(dataset);
    }

    /// Empties the databases; what was in them.
    fn take_dataset(&mut self) -> Vec<Db> {
        (0..self.keyspace.databases()).map(|db| self.keyspace.db_mut(db).clear()).collect()
    }

    /// Gives the databases back what was in them.
    fn put_back(&mut self, dataset: Vec<Db>) {
        for (db, before) in (0..).zip(dataset) {
            let part = std::mem::replace(self.keyspace.db_mut(db), before);
            self.trash.push(Garbage::Database(part));
        }
    }

    /// What was in the databases is not there any more.
    fn dropped(&mut self, dataset: Vec<Db>) {
        self.trash.extend(dataset.into_iter().map(Garbage::Database));
        // Every watched key was away for a moment.
        self.clients
            .iter_mut()
            .filter(|client| !client.watched.is_empty())
            .for_each(|client| client.watch_broken = true);
    }
}

/// Takes what is loaded, and keeps nothing of it.
struct Check<'a> {
    databases: u32,
    /// What must not have the keys already.
    beside: Option<&'a Keyspace>,
    /// The keys of the snapshot so far, if none may stand there twice.
    seen: HashSet<(u32, Box<[u8]>)>,
    thresholds: Thresholds,
    types: CustomTypes,
}

impl Sink for Check<'_> {
    fn begin_file(&mut self) {}

    fn check(&mut self, _args: Args<'_>) -> Result<(), Refusal> {
        Err(Refusal::NotAllowedInLog)
    }

    fn apply(&mut self, _unit: &Unit<'_>) -> Result<(), Refusal> {
        Err(Refusal::NotAllowedInLog)
    }

    fn put(&mut self, db: u32, key: &[u8], _value: Value, _deadline: Option<UnixMs>) -> Result<(), Refusal> {
        if db >= self.databases {
            return Err(OUT_OF_RANGE);
        }
        let Some(keyspace) = self.beside else { return Ok(()) };
        if keyspace.db(db).contains(keyspace.key(key)) {
            return Err(Refusal::CannotApply("a key of this name is there: see MERGE"));
        }
        if self.seen.insert((db, key.into())) { Ok(()) } else { Err(TWICE) }
    }

    fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    fn custom_types(&self) -> CustomTypes {
        self.types.clone()
    }
}
