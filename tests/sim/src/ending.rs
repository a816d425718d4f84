//! The end of a life by SHUTDOWN: in order, in the middle of it, or refused.
//!
//! Invariant: a server that ends by a SHUTDOWN that does not insist has everything on stable storage that it has executed.

use resp_codec::Value;

use crate::client::{Wrong, WrongReply};
use crate::life::{Dice, End, Life};
use crate::moment::State;
use crate::server::Stalls;

/// How many calls to the disk a crash in the middle of it comes after, at most.
const CALLS: u64 = 30;

/// How often a server may refuse although nothing fails any more: an fsync tells of what failed before.
const MOST_REFUSALS: u32 = 3;

impl Life {
    /// Asks the server to end while everything may go wrong. How the life ended, if it did: a server that refuses goes on.
    pub(crate) fn try_to_end(&mut self, dice: &mut Dice) -> Result<Option<End>, WrongReply> {
        if dice.ending.bool() {
            self.server.disk.freeze_at(Some(self.server.disk.calls() + dice.ending.u64(..CALLS)));
        }
        self.shut_down(dice)
    }

    /// As [`try_to_end`](Self::try_to_end), when everything has healed: the server goes on only if nothing but itself holds the data.
    ///
    /// # Errors
    /// If it goes on for no reason.
    pub(crate) fn end(&mut self, dice: &mut Dice) -> Result<Option<End>, WrongReply> {
        for _ in 0..=MOST_REFUSALS {
            if self.log_state() == "wait_rewrite" {
                return Ok(None);
            }
            if let Some(end) = self.try_to_end(dice)? {
                return Ok(Some(end));
            }
            self.server.run_background(&mut dice.background, Stalls::default());
        }
        let got = Value::Status(format!("refused, and the log is {}", self.log_state()).into_bytes());
        Err(WrongReply { got, expected: None, wrong: Wrong::GoesOn })
    }

    fn log_state(&self) -> &'static str {
        self.server.engine.log_status().state
    }

    fn shut_down(&mut self, dice: &mut Dice) -> Result<Option<End>, WrongReply> {
        self.server.begin_turn(self.step_us(&mut dice.time));
        let began = self.history.executed.len();
        let (is_on, saves) = (self.log_state() == "on", !self.server.engine.config().save.is_empty());
        let reply = self.tell(self.admin, b"*1\r\n$8\r\nSHUTDOWN\r\n");
        self.settings.push(format!("SHUTDOWN at {}: {}", self.server.now.mono_ms(), reply.escape_ascii()));
        if self.server.disk.is_frozen() {
            self.states = vec![State::Ending];
            return Ok(Some(End::Frozen));
        }
        match self.server.engine.exit() {
            None => self.end_turn(began, dice),
            Some(exit) if exit.status != 0 => Ok(Some(End::Exit(exit.status))),
            Some(_) => {
                if is_on {
                    self.history.secure(began);
                }
                if saves {
                    self.history.saved = began;
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
