//! DEBUG LOADAOF: the log is written out, the dataset dropped, and read back from the log.
//!
//! Blocks the loop until it is done, as in Redis. Nothing is dropped before the log is fsynced and was read through once: a log
//! that is gone or damaged is refused, while the dataset can still be written to another. What is read back is proven as at a
//! start; if that fails all the same the server ends, as the data then stands in the log alone.

use aof_load::Reader;
use aof_load::check::{RdbPreamble, commands_start};
use aof_rewrite::Abort;
use aof_state::Identity;
use commands::Garbage;
use vfs::{Open, error_chain, strerror};

use super::loading::Replay;
use crate::engine::Engine;
use crate::env::Exit;
use crate::log::Level;

impl Engine {
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
        if self.persistence.rewriter.is_switching() {
            return Err(busy());
        }
        self.secure_log()?;
        self.check_log().map_err(|reason| {
            format!("the append only file can't be read back: {reason}. BGREWRITEAOF writes it anew")
        })?;
        // Cannot be switching: no turn has passed since it was asked.
        if self.persistence.with_rewrite(self.now, |rewriter, env, _| rewriter.abort(env)) == Abort::Switching {
            return Err(busy());
        }
        self.close_log();
        self.drop_dataset();
        if let Err(error) = self.open_log() {
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
        for db in 0..self.keyspace.databases() {
            self.trash.push(Garbage::Database(self.keyspace.db_mut(db).clear()));
        }
        // Every watched key was away for a moment.
        self.clients
            .iter_mut()
            .filter(|client| !client.watched.is_empty())
            .for_each(|client| client.watch_broken = true);
    }
}
