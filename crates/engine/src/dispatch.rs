//! From a request to a running command: the checks that Redis makes before it, in Redis's order, with Redis's words.
//!
//! A command refused here has no effect; inside MULTI a refusal also spoils the transaction.

use aof_state::LogOffset;
use commands::{Command, EngineOp, Flags, Refusal, Run};
use resp_codec::{Args, Reply};

use crate::client::{Client, Queued, ReplyMode};
use crate::engine::Engine;

impl Engine {
    /// Runs, queues or refuses one request.
    pub(crate) fn process(&mut self, client: &mut Client, args: Args<'_>) {
        match client.reply_mode {
            ReplyMode::SkipNext => client.reply_mode = ReplyMode::SkipThis,
            ReplyMode::SkipThis => client.reply_mode = ReplyMode::On,
            ReplyMode::On | ReplyMode::Off => {}
        }
        let command = match commands::resolve(args) {
            Ok(command) => command,
            Err(refusal) => return self.refuse_unresolved(client, &refusal),
        };
        client.last_command = command.name;
        if let Some(text) = self.refusal(client, command) {
            return self.refuse(client, command, &text);
        }
        let queued = client.transaction.is_some() && !runs_at_once_inside_multi(command);
        if queued { self.queue(client, command, args) } else { self.call(client, command, args) }
    }

    /// Why the command may not run now, if so.
    fn refusal(&self, client: &Client, command: &Command) -> Option<String> {
        if !client.authenticated && !command.flags.has(Flags::NO_AUTH) {
            return Some("NOAUTH Authentication required.".to_owned());
        }
        if client.transaction.is_some() && command.flags.has(Flags::NO_MULTI) {
            return Some(format!("ERR Command not allowed inside a transaction: '{}'", command.name));
        }
        if self.persistence.is_loading() && !command.flags.has(Flags::LOADING) {
            return Some("LOADING Redis is loading the dataset in memory".to_owned());
        }
        let writes = command.flags.has(Flags::WRITE)
            || matches!(command.run, Run::Engine(EngineOp::Ping))
            || matches!(command.run, Run::Engine(EngineOp::Exec))
                && client.transaction.as_ref().is_some_and(|t| t.writes);
        if writes { self.log_error() } else { None }
    }

    /// The error that refuses writes while the log cannot take them.
    pub(crate) fn log_error(&self) -> Option<String> {
        if !self.persistence.is_on() {
            return None;
        }
        let reason = self.persistence.aof.health().reason()?;
        Some(format!("MISCONF Errors writing to the AOF file: {reason}"))
    }

    /// Answers a request that no row of the table runs.
    fn refuse_unresolved(&mut self, client: &mut Client, refusal: &Refusal<'_>) {
        self.stats.error_replies += 1;
        if let Some(transaction) = &mut client.transaction {
            transaction.refused = true;
        }
        refusal.reply(&mut self.reply(client));
        self.end_reply(client, LogOffset(0));
    }

    /// Answers an error instead of running the command.
    pub(crate) fn refuse(&mut self, client: &mut Client, command: &'static Command, text: &str) {
        self.stats.error_replies += 1;
        if matches!(command.run, Run::Engine(EngineOp::Exec)) {
            self.discard(client);
            self.reply(client).error(&format!("EXECABORT Transaction discarded because of: {text}"));
        } else {
            if let Some(transaction) = &mut client.transaction {
                transaction.refused = true;
            }
            self.reply(client).error(text);
        }
        self.end_reply(client, LogOffset(0));
    }

    fn queue(&mut self, client: &mut Client, command: &'static Command, args: Args<'_>) {
        let transaction = client.transaction.as_mut().expect("a command is queued only inside MULTI");
        // Nothing queued runs after a refusal, so nothing is kept. Source: queueMultiCommand of Redis.
        if !transaction.refused && !client.watch_broken {
            let args = args.to_owned();
            transaction.bytes += args.size_bytes() + size_of::<Queued>();
            transaction.writes |= command.flags.has(Flags::WRITE);
            transaction.queue.push(Queued { command, args });
        }
        self.reply(client).status("QUEUED");
        self.end_reply(client, LogOffset(0));
    }

    /// The writer of the client's next reply.
    #[expect(clippy::unused_self, reason = "reads as the counterpart of end_reply")]
    pub(crate) fn reply<'c>(&self, client: &'c mut Client) -> Reply<'c> {
        Reply::new(client.out.buffer(), client.proto)
    }

    /// Ends the client's reply, which depends on everything up to `need`.
    pub(crate) fn end_reply(&mut self, client: &mut Client, need: LogOffset) {
        if let Some(unit) = &mut self.unit {
            unit.need = unit.need.max(need);
            return;
        }
        if client.reply_mode != ReplyMode::On && client.reply_mode != ReplyMode::SkipNext {
            client.out.discard_reply();
            return;
        }
        if need == LogOffset(0) {
            client.out.end_reply(need, true);
            return;
        }
        let passes = need <= self.reply_mark();
        if !passes && let Some(error) = self.unreachable_mark(need) {
            client.out.replace_reply(&error);
            client.out.end_reply(LogOffset(0), true);
            return;
        }
        client.out.end_reply(need, passes);
    }

    /// While the log is in error, a reply that would wait for bytes fed before the error is answered at once.
    fn unreachable_mark(&self, need: LogOffset) -> Option<Vec<u8>> {
        if !self.persistence.is_on() || need > self.persistence.failed_upto {
            return None;
        }
        self.log_error().map(|text| format!("-{text}\r\n").into_bytes())
    }
}

/// The commands that a client in MULTI runs at once. Source: processCommand of Redis.
fn runs_at_once_inside_multi(command: &Command) -> bool {
    use EngineOp::{Discard, Exec, Multi, Quit, Reset, Watch};
    matches!(command.run, Run::Engine(Exec | Discard | Multi | Watch | Quit | Reset))
}
