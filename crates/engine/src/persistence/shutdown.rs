//! Ending the server: the rewrite is ended, the log flushed and fsynced, and the end marked as clean.
//!
//! A shutdown whose last flush or fsync fails is refused: the data would be lost with the process.

use aof_rewrite::{Shutdown, ShutdownRule};
use aof_state::{Durability, StateFile};
use mutants::{Mutant, planted};
use vfs::error_chain;

use super::Phase;
use crate::engine::Engine;
use crate::env::Exit;
use crate::log::Level;

/// The options of SHUTDOWN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShutdownHow {
    /// `NOSAVE`: end even if the log cannot be written, and without a last snapshot.
    pub nosave: bool,
    /// `SAVE`: make a snapshot although there are no save points.
    pub save: bool,
    /// `FORCE`: end even if the log cannot be written.
    pub force: bool,
}

/// What ends in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server, or what it has read of its log.
    OfServer,
    /// The log alone: the dataset goes on without it.
    OfLog,
}

impl Engine {
    /// SIGTERM or SIGINT came, for the `times`-th time.
    pub fn stop_signal(&mut self, name: &str, times: u32) {
        if self.exit.is_some() {
            return;
        }
        if self.persistence.is_loading() {
            self.log_line(Level::Warning, format_args!("Received {name} during loading, exiting now."));
            self.end_rewrite();
            self.persistence.phase = Phase::Off;
            // A copy in the making; what cannot be removed now is removed at the next start.
            let _left = self.clean_temp_files();
            self.exit = Some(Exit { status: 0 });
            return;
        }
        if times > 1 && name == "SIGINT" {
            self.log_line(Level::Warning, format_args!("You insist... exiting now."));
            self.exit = Some(Exit { status: 1 });
            return;
        }
        self.log_line(Level::Warning, format_args!("Received {name} scheduling shutdown..."));
        self.shut_down_for(name);
        // Nobody asks twice.
        self.persistence.ends_server = self.exit.is_none() && self.must_wait_to_end();
        if self.persistence.ends_server && (self.is_only_copy() || self.persistence.must_heal()) {
            self.log_line(
                Level::Warning,
                format_args!("The server ends as soon as the append only file holds the data."),
            );
        }
        if self.persistence.ends_server && self.is_only_copy() {
            let p = &mut self.persistence;
            p.rewriter.hurry_first();
            if p.snapshots.saver.is_running() {
                // The first rewrite would wait for it. Should that fail, it is made after all.
                p.snapshots.saver.stop();
                p.snapshots.schedule();
            }
        }
    }

    /// Whether the data is in memory alone, though a log is to hold it.
    fn is_only_copy(&self) -> bool {
        matches!(self.persistence.phase, Phase::WaitRewrite)
            || self.persistence.rewriter.shutdown_rule() == ShutdownRule::Refuse
    }

    /// Whether the server cannot end now, and can later without anybody doing anything about it.
    fn must_wait_to_end(&self) -> bool {
        self.is_only_copy() || self.persistence.must_heal() || self.persistence.snapshots.saver.is_running()
    }

    /// Whether a signal waits for the server to end, which then waits no more.
    pub(crate) fn take_signal(&mut self) -> bool {
        std::mem::take(&mut self.persistence.ends_server)
    }

    /// Ends the server for a signal that had to wait.
    pub(super) fn end_if_asked(&mut self) {
        if !self.must_wait_to_end() && self.take_signal() {
            self.shut_down_for("The signal that had to wait");
        }
    }

    /// Ends the server if nothing hinders it. `name` is what asked for it.
    pub(super) fn shut_down_for(&mut self, name: &str) {
        if let Err(reason) = self.shutdown(ShutdownHow::default()) {
            self.log_line(
                Level::Warning,
                format_args!("{name} received but errors trying to shut down the server, check the logs for more information: {reason}"),
            );
        }
    }

    /// Ends the server, its data on stable storage.
    ///
    /// # Errors
    /// Why it may not end now; nothing has changed then but a rewrite or a snapshot that was stopped, and is begun anew.
    pub(crate) fn shutdown(&mut self, how: ShutdownHow) -> Result<(), String> {
        self.log_line(Level::Warning, format_args!("User requested shutdown..."));
        let insists = how.nosave || how.force;
        let is_only_copy = self.is_only_copy() || planted(Mutant::RefusesToEnd);
        if is_only_copy && !insists {
            return Err("the first append only file is still being written, and nothing else holds the data".to_owned());
        }
        let heals = self.persistence.must_heal() && !insists;
        if heals && let Some(reason) = self.persistence.aof.health().reason() {
            // The rewrite that heals it would be ended for an end that must be refused.
            return Err(format!(
                "an fsync of the append only file has failed ({reason}), and its data goes to a new file"
            ));
        }
        let saving = self.persistence.snapshots.saver.is_running();
        let rewriting = self.persistence.rewriter.unfinished();
        self.shut_down(how, insists).inspect_err(|_| {
            let p = &mut self.persistence;
            if saving {
                p.snapshots.schedule();
            }
            if let Some(mode) = rewriting.filter(|_| !p.rewriter.is_running()) {
                p.rewriter.schedule(mode);
            }
        })
    }

    fn shut_down(&mut self, how: ShutdownHow, insists: bool) -> Result<(), String> {
        if !self.persistence.is_loading() {
            self.settle_flush();
        }
        if self.persistence.snapshots.saver.is_running() {
            self.log_line(Level::Warning, format_args!("There is a child saving an .rdb. Killing it!"));
            if !self.stop_snapshot() && !insists {
                return Err("the child of a snapshot does not end: try again in a moment".to_owned());
            }
        }
        self.end_rewrite();
        self.save_last(how)?;
        if self.persistence.is_on() {
            self.log_line(Level::Notice, format_args!("Calling fsync() on the AOF file."));
            match self.secure_log(End::OfServer) {
                Ok(_) => {}
                Err(reason) if insists || planted(Mutant::EndsRegardless) => {
                    self.log_line(
                        Level::Warning,
                        format_args!("Shutting down although the AOF is not on disk: {reason}"),
                    );
                }
                Err(reason) => return Err(reason),
            }
        }
        // Held replies leave at the end of this turn: everything has passed.
        self.exit = Some(Exit { status: 0 });
        Ok(())
    }

    /// Makes the last snapshot, if one is wanted. Before the log is marked as ended, since the server goes on if it fails.
    fn save_last(&mut self, how: ShutdownHow) -> Result<(), String> {
        let wanted = how.save || self.persistence.snapshots.has_points() && !how.nosave;
        if !wanted || self.persistence.is_loading() {
            return Ok(());
        }
        if self.persistence.snapshots.saver.is_running() {
            // It is stuck in the kernel, and may yet rename its file.
            self.log_line(
                Level::Warning,
                format_args!("The child of a snapshot does not end. Exit without the last one."),
            );
            return Ok(());
        }
        self.log_line(Level::Notice, format_args!("Saving the final RDB snapshot before exiting."));
        match (self.save_in_loop(), how.force) {
            (true, _) => Ok(()),
            (false, true) => {
                self.log_line(Level::Warning, format_args!("Error trying to save the DB. Exit anyway."));
                Ok(())
            }
            (false, false) => Err("Error trying to save the DB, can't exit.".to_owned()),
        }
    }

    /// Ends a rewrite, waiting for what cannot be interrupted.
    fn end_rewrite(&mut self) {
        if self.persistence.rewriter.status(self.now.mono_ms()).child_pid.is_some() {
            self.log_line(Level::Warning, format_args!("There is a child rewriting the AOF. Killing it!"));
        }
        loop {
            match self.persistence.with_rewrite(self.now, |rewriter, env, _| rewriter.shutdown(env)) {
                Shutdown::Done => break,
                Shutdown::Drain(kind) => {
                    self.persistence.bio.drain(kind);
                    self.take_completions();
                }
            }
        }
        // What has just got its name may be a copy.
        self.state_copy();
        self.persistence.bio.drain(bio::Kind::Rename);
    }

    /// Writes and fsyncs everything fed, then marks the end as clean: what the state file says, if it says it.
    pub(super) fn secure_log(&mut self, end: End) -> Result<Option<StateFile>, String> {
        let p = &mut self.persistence;
        p.aof.flush_and_fsync_blocking(&mut *p.bio).map_err(|error| error_chain(&error))?;
        // A state job still queued would undo the clean mark.
        p.bio.drain(bio::Kind::Rename);
        let Some(keeper) = &mut p.keeper else {
            let unknown = "nothing ties a state file to the log since its last rewrite, and a start could not tell that it had ended: try \
                           again after a BGREWRITEAOF";
            return if end == End::OfLog { Err(unknown.to_owned()) } else { Ok(None) };
        };
        let clean = keeper.clean_end(p.aof.stats().current_size_bytes);
        let state = StateFile { copy: end == End::OfLog, ..clean };
        if let Err(error) = state.write(&*p.dir, &p.log_name, Durability::Durable) {
            let text = error_chain(&error);
            p.errors.count_background("writing the state file", &error);
            if end == End::OfLog {
                // It may be there all the same.
                keeper.refresh_failed();
                (p.copy_in_doubt, p.stated_before_doubt) = (true, p.state_job);
                return Err(format!(
                    "the state file can't be written, and a start could not tell that the log had ended: {text}"
                ));
            }
            self.log_line(
                Level::Warning,
                format_args!("Can't write the state file ({text}): the next start will prove the end of the AOF"),
            );
            return Ok(None);
        }
        Ok(Some(state))
    }

    /// Leaves `appendonly yes`: the file is closed in the background.
    pub(super) fn close_log(&mut self) {
        let p = &mut self.persistence;
        if let Some(file) = p.aof.close() {
            p.bio.submit(
                bio::Kind::Close,
                Box::new(move || {
                    drop(file);
                    Ok(0)
                }),
            );
        }
        p.keeper = None;
        p.phase = Phase::Off;
    }
}
