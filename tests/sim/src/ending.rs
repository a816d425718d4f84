//! The end of a life by SHUTDOWN: in order, in the middle of it, or refused.
//!
//! Invariant: a server with a log that ends by a SHUTDOWN that does not insist has everything on stable storage that it had executed.

use resp_codec::Value;

use crate::client::{Wrong, WrongReply};
use crate::health::HEALS_WITHIN_MS;
use crate::life::{Dice, End, Life, Shape};
use crate::moment::State;
use crate::server::Stalls;

/// How many calls to the disk a crash in the middle of it comes after, at most.
const CALLS: u64 = 30;

/// How often a server may refuse although nothing fails any more: an fsync tells of what failed before.
const MOST_REFUSALS: u32 = 3;

/// The state of a log that is turned on, and whose first rewrite is not done: nothing but the server holds the data.
const WAIT_REWRITE: &str = "wait_rewrite";

impl Life {
    /// Asks the server to end, in the middle of requests. How the life ended, if it did: a server that refuses goes on.
    ///
    /// # Errors
    /// If it refuses, and nothing has ever failed.
    pub(crate) fn try_to_end(&mut self, shape: Shape, dice: &mut Dice) -> Result<Option<End>, WrongReply> {
        if dice.ending.bool() {
            self.server.disk.freeze_at(Some(self.server.disk.calls() + dice.ending.u64(..CALLS)));
        }
        let is_only_copy = self.log_state() == WAIT_REWRITE;
        let end = self.shut_down(shape, dice)?;
        let failed = !self.server.disk.struck().is_empty() || !self.trouble.planted.is_empty();
        if end.is_none() && !failed && !is_only_copy && !self.server.disk.is_frozen() {
            return Err(self.goes_on("nothing has failed"));
        }
        Ok(end)
    }

    /// As [`try_to_end`](Self::try_to_end), when everything has healed, and a first log is there if one was under way. How the life ended.
    ///
    /// # Errors
    /// If the server goes on although a log holds the data, or none is to hold them.
    pub(crate) fn end(&mut self, shape: Shape, dice: &mut Dice) -> Result<End, WrongReply> {
        let began_ms = self.server.now.mono_ms();
        while self.log_state() == WAIT_REWRITE {
            if self.server.now.mono_ms() - began_ms > HEALS_WITHIN_MS {
                // After some failures a rewrite is tried again once in minutes.
                return Ok(End::Crash);
            }
            self.server.begin_turn(self.step_us(&mut dice.time));
            if let Some(end) = self.end_turn(self.history.executed.len(), dice)? {
                return Ok(end);
            }
            self.server.run_background(&mut dice.background, Stalls::default());
        }
        for _ in 0..=MOST_REFUSALS {
            if let Some(end) = self.try_to_end(shape, dice)? {
                return Ok(end);
            }
            if let Some(end) = self.heal(true, dice)? {
                return Ok(end);
            }
        }
        Err(self.goes_on("everything has healed"))
    }

    fn log_state(&self) -> &'static str {
        self.server.engine.log_status().state
    }

    fn goes_on(&self, why: &str) -> WrongReply {
        let got = Value::Status(format!("{why}, and the log is {}", self.log_state()).into_bytes());
        WrongReply { got, expected: None, wrong: Wrong::GoesOn }
    }

    fn shut_down(&mut self, shape: Shape, dice: &mut Dice) -> Result<Option<End>, WrongReply> {
        self.server.begin_turn(self.step_us(&mut dice.time));
        let began = self.history.executed.len();
        self.requests(shape, &mut dice.clients)?;
        let executed = self.history.executed.len();
        let config = self.server.engine.config();
        let (has_log, saves) = (config.appendonly, !config.save.is_empty());
        let reply = self.tell(self.admin, b"*1\r\n$8\r\nSHUTDOWN\r\n");
        self.settings.push(format!("SHUTDOWN at {}: {}", self.server.now.mono_ms(), reply.escape_ascii()));
        if self.server.disk.is_frozen() {
            self.states = vec![State::Ending];
            return Ok(Some(End::Frozen));
        }
        // Whoever asks for more gets no answer, once the server ends.
        if dice.ending.bool() {
            self.requests(shape, &mut dice.clients)?;
        }
        match self.server.engine.exit() {
            None => self.end_turn(began, dice),
            Some(exit) if exit.status != 0 => Ok(Some(End::Exit(exit.status))),
            Some(_) => {
                if has_log {
                    self.history.secure(executed);
                }
                if saves {
                    self.history.saved = self.history.saved.max(executed);
                    self.snapshots.saved += 1;
                }
                self.server.end_turn();
                self.replies(&mut dice.clients)?;
                self.states = vec![State::Ended];
                Ok(Some(if self.server.disk.is_frozen() { End::Frozen } else { End::Crash }))
            }
        }
    }
}
