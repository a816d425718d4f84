//! Changes of persistence at run time: BGREWRITEAOF, `appendonly`, `appendfsync`.

use aof_buffer::AppendFsync;
use aof_rewrite::{Abort, Mode, StartError};

use super::Phase;
use super::shutdown::error_chain;
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
        if on { self.turn_on() } else { self.turn_off() }
    }

    /// The first rewrite starts; until it is done nothing is promised.
    fn turn_on(&mut self) -> Result<(), String> {
        self.persistence.phase = Phase::WaitRewrite;
        match self.fork_rewrite(Mode::First) {
            Ok(_) => Ok(()),
            Err(StartError::AlreadyRunning) => {
                self.persistence.rewriter.schedule(Mode::First);
                Ok(())
            }
            Err(error) => {
                self.persistence.phase = Phase::Off;
                let text = error_chain(&error);
                self.log_line(Level::Warning, format_args!("Can't turn on the AOF: {text}"));
                Err("Unable to turn on AOF. Check server logs.".to_owned())
            }
        }
    }

    /// The log is flushed, fsynced and closed, or nothing changes.
    fn turn_off(&mut self) -> Result<(), String> {
        if self.persistence.with_rewrite(self.now, |rewriter, env| rewriter.abort(env)) == Abort::Switching {
            return Err("a rewritten append only file is just taking its place: try again in a moment".to_owned());
        }
        self.persistence.rewriter.unschedule();
        if self.persistence.is_on() {
            self.secure_log()?;
            self.close_log();
            self.release_held();
        }
        self.persistence.phase = Phase::Off;
        Ok(())
    }

    /// CONFIG SET appendfsync: replies fed before keep the stricter promise.
    pub(crate) fn change_fsync_policy(&mut self, policy: AppendFsync) {
        self.persistence.set_policy(policy);
        if policy == AppendFsync::Always && self.config.no_appendfsync_on_rewrite {
            self.log_line(
                Level::Warning,
                format_args!("no-appendfsync-on-rewrite does not apply to appendfsync always: it stays always"),
            );
        }
    }
}
