//! From a request to a running command: the checks that Redis makes before it, in Redis's order, with Redis's words.
//!
//! A command refused here has no effect; inside MULTI a refusal also spoils the transaction.

use aof_state::LogOffset;
use commands::{Command, EngineOp, Flags, Refusal, Run};
use resp_codec::{Args, Reply};

use crate::client::{Client, Closing, Queued, ReplyMode};
use crate::config::DebugCommand;
use crate::engine::Engine;
use crate::log::Level;

const DEBUG_NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you \
    can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the \
    server.";

impl Engine {
    /// Runs, queues or refuses one request.
    pub(crate) fn process(&mut self, client: &mut Client, args: Args<'_>) {
        client.reply_mode.next_request();
        let command = match self.table.resolve(args) {
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
    pub(crate) fn refusal(&self, client: &Client, command: &Command) -> Option<String> {
        if matches!(command.run, Run::Engine(EngineOp::Debug)) && !self.may_debug(client) {
            return Some(DEBUG_NOT_ALLOWED.to_owned());
        }
        if !client.authenticated && !command.flags.has(Flags::NO_AUTH) {
            return Some("NOAUTH Authentication required.".to_owned());
        }
        if client.transaction.is_some() && command.flags.has(Flags::NO_MULTI) {
            return Some("ERR Command not allowed inside a transaction".to_owned());
        }
        if self.persistence.is_loading() && !command.flags.has(Flags::LOADING) {
            return Some("LOADING Redis is loading the dataset in memory".to_owned());
        }
        let writes = command.flags.has(Flags::WRITE)
            || matches!(command.run, Run::Engine(EngineOp::Ping))
            || matches!(command.run, Run::Engine(EngineOp::Exec))
                && client.transaction.as_ref().is_some_and(|t| t.writes);
        if writes { self.write_refusal() } else { None }
    }

    /// The error that refuses writes while what they change cannot be saved.
    fn write_refusal(&self) -> Option<String> {
        self.snapshot_error().map(str::to_owned).or_else(|| self.log_error())
    }

    /// Whether `enable-debug-command` lets the client use DEBUG. Source: allowProtectedAction of Redis.
    fn may_debug(&self, client: &Client) -> bool {
        match self.config.enable_debug_command {
            DebugCommand::No => false,
            DebugCommand::Local => client.peer.is_local(),
            DebugCommand::Yes => true,
        }
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
        if let Refusal::UnknownCommand(args) = refusal
            && is_http(args.name())
        {
            return self.close_attacker(client);
        }
        if let Refusal::WrongArity(command) = refusal {
            self.stats.command(command).rejected_calls += 1;
            if matches!(command.run, Run::Engine(EngineOp::Exec)) {
                return self.abort_exec(client, "wrong number of arguments for 'exec' command");
            }
        }
        if let Some(transaction) = &mut client.transaction {
            transaction.refused = true;
        }
        refusal.reply(&mut self.reply(client));
        self.end_reply(client, LogOffset(0));
    }

    /// Closes a client that speaks HTTP: a browser was made to send it, and what follows its headers would be run as
    /// commands. Source: securityWarningCommand of Redis.
    fn close_attacker(&mut self, client: &mut Client) {
        const LOG_INTERVAL_MS: u64 = 60_000;
        client.closing = Closing::Now;
        let now_ms = self.now.mono_ms();
        if self.attack_logged_ms.is_some_and(|at| now_ms - at <= LOG_INTERVAL_MS) {
            return;
        }
        self.attack_logged_ms = Some(now_ms);
        self.log_line(
            Level::Warning,
            format_args!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. \
                 This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis \
                 instance. Connection from {} aborted.",
                client.peer.addr
            ),
        );
    }

    /// Answers an error instead of running the command.
    pub(crate) fn refuse(&mut self, client: &mut Client, command: &'static Command, text: &str) {
        self.stats.command(command).rejected_calls += 1;
        if matches!(command.run, Run::Engine(EngineOp::Exec)) {
            return self.abort_exec(client, text);
        }
        if let Some(transaction) = &mut client.transaction {
            transaction.refused = true;
        }
        self.reply(client).error(text);
        self.end_reply(client, LogOffset(0));
    }

    /// Ends the transaction of a client whose EXEC was refused.
    fn abort_exec(&mut self, client: &mut Client, reason: &str) {
        self.discard(client);
        self.reply(client).error(&format!("EXECABORT Transaction discarded because of: {reason}"));
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
        let start = self.unit.as_ref().map_or_else(|| client.out.reply_start(), |unit| unit.reply_start);
        self.stats.count_error(&client.out.buffer()[start..]);
        let silent = matches!(client.reply_mode, ReplyMode::Off | ReplyMode::SkipThis);
        if silent {
            client.out.buffer().truncate(start);
        }
        if self.reply_overflows(client) {
            self.close_slow_client(client);
        }
        if client.closing == Closing::Now {
            // Nobody gets it. A transaction goes on, and may have much more to say.
            let reply_start = client.out.reply_start();
            client.out.buffer().truncate(reply_start);
        }
        if let Some(unit) = &mut self.unit {
            unit.need = unit.need.max(need);
            return;
        }
        if silent {
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

/// Whether the word begins a request of HTTP, or the header that every such request has.
fn is_http(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

/// The commands that a client in MULTI runs at once. Source: processCommand of Redis.
fn runs_at_once_inside_multi(command: &Command) -> bool {
    use EngineOp::{Discard, Exec, Multi, Quit, Reset, Watch};
    matches!(command.run, Run::Engine(Exec | Discard | Multi | Watch | Quit | Reset))
}
