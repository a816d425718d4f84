//! CLIENT PAUSE: requests that stay where they are until a time has come, and are then run in order.
//!
//! A postponed request is not taken off its client's query buffer, and its client is not read. Source of what is postponed:
//! processCommand of Redis. While clients are paused nothing expires, so that the dataset stands still: a key past its
//! deadline is not shown, and not removed.

use commands::{Command, EngineOp, Run};
use resp_codec::Args;

use crate::client::{Blocked, Client};
use crate::engine::Engine;

/// A pause in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// When it ends, monotonic microseconds.
    pub(crate) until_us: u64,
    /// Whether commands that only read run meanwhile.
    pub(crate) writes_only: bool,
}

impl Engine {
    /// Begins a pause, or prolongs the one in force, which keeps the stricter of both modes.
    pub(crate) fn pause(&mut self, ms: u64, writes_only: bool) {
        let until_us = self.now.mono_us.saturating_add(ms.saturating_mul(1000));
        let old = self.pause.unwrap_or(Pause { until_us: 0, writes_only: true });
        self.pause = Some(Pause { until_us: until_us.max(old.until_us), writes_only: writes_only && old.writes_only });
    }

    /// Ends a pause whose time has come, and runs what was postponed if none is in force any more.
    pub(crate) fn settle_pause(&mut self) {
        if self.pause.is_some_and(|pause| pause.until_us <= self.now.mono_us) {
            self.pause = None;
        }
        if self.pause.is_some() || self.postponed.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.postponed) {
            let Some(mut client) = self.clients.check_out(id) else { continue };
            client.blocked = Blocked::No;
            client.active_ms = self.now.mono_ms();
            self.resume(&mut client);
            self.clients.check_in(client);
        }
    }

    /// Whether the request must wait for the end of the pause in force. One that is refused is refused at once.
    pub(crate) fn postpones(&mut self, client: &mut Client, args: Args<'_>) -> bool {
        let Some(pause) = self.pause else { return false };
        let Ok(command) = self.table.resolve(args) else { return false };
        if self.refusal(client, command).is_some() || pause.writes_only && !may_write(client, command) {
            return false;
        }
        client.last_command = command.name;
        if client.blocked == Blocked::No {
            client.blocked = Blocked::Postponed;
            self.postponed.push(client.id);
        }
        true
    }
}

fn may_write(client: &Client, command: &Command) -> bool {
    match command.run {
        Run::Engine(EngineOp::Exec) => client.transaction.as_ref().is_some_and(|t| t.writes),
        _ => command.is_write(),
    }
}
