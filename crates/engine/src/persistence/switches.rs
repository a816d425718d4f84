//! Changes of persistence at run time: BGREWRITEAOF, `appendonly`, `appendfsync`.

use aof_rewrite::{Abort, Mode, StartError};
use mutants::{Mutant, planted};
use vfs::error_chain;

use super::Phase;
use super::order::CopyId;
use super::shutdown::End;
use crate::engine::Engine;
use crate::log::Level;

impl Engine {
    /// BGREWRITEAOF. The reply's text, or the error's without its code.
    pub(crate) fn start_rewrite(&mut self) -> Result<&'static str, String> {
        let mode = match self.persistence.phase {
            Phase::On => Mode::Switch,
            Phase::WaitRewrite => Mode::First,
            Phase::Off | Phase::Loading(_) => Mode::Once,
        };
        // Inside EXEC the log stands in the middle of a unit, where no file may begin: the fork waits for the turn's end. And
        // what a rewrite that failed just now left has to be removed before.
        let rewriter = &self.persistence.rewriter;
        let saving = self.persistence.snapshots.saver.is_running();
        if !rewriter.is_running() && (saving || self.unit.is_some() || !rewriter.may_start()) {
            self.persistence.rewriter.schedule(mode);
            return Ok("Background append only file rewriting scheduled");
        }
        match self.fork_rewrite(mode) {
            Ok(_) => Ok("Background append only file rewriting started"),
            Err(StartError::AlreadyRunning) => {
                Err("Background append only file rewriting already in progress".to_owned())
            }
            Err(error) => {
                let text = error_chain(&error);
                self.log_line(Level::Warning, format_args!("Can't rewrite append only file in background: {text}"));
                Err("Can't execute an AOF background rewriting. Please check the server logs for more information."
                    .to_owned())
            }
        }
    }

    /// CONFIG SET appendonly.
    pub(crate) fn switch_appendonly(&mut self, on: bool) -> Result<(), String> {
        if self.persistence.is_loading() {
            return Err("it can't be changed while the dataset is loading".to_owned());
        }
        if self.unit.is_some() {
            return Err("it can't be changed inside a transaction".to_owned());
        }
        if on { self.turn_on() } else { self.turn_off() }
    }

    /// The first rewrite starts; until it is done nothing is promised.
    fn turn_on(&mut self) -> Result<(), String> {
        self.persistence.phase = Phase::WaitRewrite;
        // Nobody wants a copy any more, and a snapshot may overtake it.
        if self.persistence.rewriter.is_copying() {
            let _done = self.persistence.with_rewrite(self.now, |rewriter, env, _| rewriter.abort(env));
        }
        if self.persistence.snapshots.saver.is_running() {
            self.log_line(
                Level::Notice,
                format_args!(
                    "AOF was enabled but there is already another background operation. An AOF background was scheduled to start \
                     when possible."
                ),
            );
            self.persistence.rewriter.schedule(Mode::First);
            return Ok(());
        }
        match self.fork_rewrite(Mode::First) {
            Ok(_) => Ok(()),
            Err(StartError::AlreadyRunning) => {
                self.persistence.rewriter.schedule(Mode::First);
                Ok(())
            }
            Err(error) => self.cannot_turn_on(&error),
        }
    }

    fn cannot_turn_on(&mut self, error: &StartError) -> Result<(), String> {
        self.persistence.phase = Phase::Off;
        // The rewriter would try again by itself, and nothing is fed for it any more.
        self.persistence.rewriter.unschedule();
        let text = error_chain(error);
        self.log_line(Level::Warning, format_args!("Can't turn on the AOF: {text}"));
        Err("Unable to turn on AOF. Check server logs.".to_owned())
    }

    /// The log is flushed, fsynced and closed, or nothing changes.
    fn turn_off(&mut self) -> Result<(), String> {
        let switching = || "a rewritten append only file is just taking its place: try again in a moment".to_owned();
        // What is about to be said of the new file must not be written over.
        let rewriter = &self.persistence.rewriter;
        if rewriter.is_switching() || self.persistence.is_on() && rewriter.holds_state_file() {
            return Err(switching());
        }
        if self.persistence.is_on() && !planted(Mutant::TurnedOffUnsynced) {
            let ended = self.secure_log(End::OfLog)?;
            self.persistence.ended = ended.as_ref().map(CopyId::of).into_iter().collect();
            self.persistence.copy_in_doubt = false;
        }
        // Cannot be switching: no turn has passed since it was asked. What is held leaves at the end of this turn.
        if self.persistence.with_rewrite(self.now, |rewriter, env, _| rewriter.abort(env)) == Abort::Switching {
            return Err(switching());
        }
        if self.persistence.is_on() {
            let log = self.config.appendfilename.clone();
            let points = if self.config.save.is_empty() { ", and there are no save points" } else { "" };
            self.log_line(
                Level::Warning,
                format_args!("{log} is turned off and holds everything so far. Only snapshots keep what is written from now on{points}"),
            );
        }
        self.close_log();
        self.refuse_log_waiters();
        Ok(())
    }

    /// Says that two settings contradict each other, if they do.
    pub(crate) fn log_contradiction(&mut self) {
        if self.config.contradicts_always() {
            self.log_line(
                Level::Warning,
                format_args!("no-appendfsync-on-rewrite does not apply to appendfsync always: it stays always"),
            );
        }
    }
}
