//! DEBUG LOADAOF: the log is written out, the dataset dropped, and read back from the log.
//!
//! Blocks the loop until it is done, as in Redis. Nothing is dropped before the log is fsynced, and what is read back is proven
//! as at a start; if it cannot be read the server ends, as the data then stands in the log alone.

use aof_rewrite::Abort;
use commands::Garbage;

use super::shutdown::error_chain;
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
