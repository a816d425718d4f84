//! Running one command: keyspace change, effects into the log, watchers, and what its reply depends on.

use aof_state::LogOffset;
use commands::{Command, Ctx, Flags, Run, Store};
use resp_codec::{Args, Reply};

use crate::client::Client;
use crate::engine::Engine;
use crate::log::Level;
use crate::slowlog;

impl Engine {
    /// Runs one command for a client and ends its reply.
    pub(crate) fn call(&mut self, client: &mut Client, command: &'static Command, args: Args<'_>) {
        let started_ns = self.stopwatch.last_ns();
        let errors = self.stats.error_replies;
        match command.run {
            Run::Data(_) => {
                self.run_data(client, command, args);
                if self.keylog.sees_all && command.name == "flushall" {
                    self.persistence.note_flushed();
                }
                let need = self.feed_effects(client, args);
                self.end_reply(client, need);
            }
            Run::Engine(op) => self.operate(client, op, args),
        }
        let took_ns = self.stopwatch.since(started_ns);
        self.stats.note_call(command, took_ns, errors);
        if self.config.latency_tracking && self.stopwatch.runs() {
            self.stats.note_latency(command, took_ns);
        }
        if took_ns >= self.slow_after_ns {
            self.note_slow(client, command, args, took_ns);
        }
    }

    /// Keeps a command that took long, for whoever asks for such.
    #[cold]
    fn note_slow(&mut self, client: &Client, command: &Command, args: Args<'_>, took_ns: u64) {
        let took_us = took_ns / 1_000;
        self.note_latency(if command.flags.has(Flags::FAST) { "fast-command" } else { "command" }, took_us / 1_000);
        let threshold_us = u64::try_from(self.config.slowlog_log_slower_than_us);
        if threshold_us.is_ok_and(|us| took_us >= us) && !command.flags.has(Flags::SKIP_SLOWLOG) {
            let entry = slowlog::Entry {
                id: 0,
                unix_s: self.now.unix_s(),
                took_us,
                arguments: slowlog::kept_arguments(args),
                addr: client.peer.addr.clone(),
                client_name: slowlog::shortened(client.name.as_bytes()),
            };
            self.slowlog.push(entry, self.config.slowlog_max_len);
        }
    }

    /// Runs a data command: its reply in the client's buffer, its effects and keys in the engine's logs.
    pub(crate) fn run_data(&mut self, client: &mut Client, command: &'static Command, args: Args<'_>) {
        self.effects.clear();
        self.keylog.clear();
        let counts_as_use = !client.no_touch || command.name == "touch";
        if !counts_as_use {
            self.keyspace.count_uses(false);
        }
        let reply_limit = self.reply_limit(client);
        let mut ctx = Ctx {
            store: Store {
                keyspace: &mut self.keyspace,
                db: client.db,
                now: self.now.unix(),
                effects: &mut self.effects,
                keys: &mut self.keylog,
                trash: &mut self.trash,
                replay: false,
                // A write behind CLIENT PAUSE in its own transaction must not meet what is past its deadline.
                keep_expired: self.pause.is_some() && !command.is_write(),
            },
            reply: Reply::new(client.out.buffer(), client.proto).up_to(reply_limit),
            rng: &mut self.rng,
            limits: &self.limits,
            table: self.table,
        };
        commands::execute(command, &mut ctx, args);
        if self.keylog.changed_unlogged {
            self.tell_unlogged(command);
        }
        if !counts_as_use {
            self.keyspace.count_uses(self.uses_count());
        }
        if !self.keylog.only_writes {
            self.stats.keyspace_hits += u64::from(self.keylog.hits);
            self.stats.keyspace_misses += u64::from(self.keylog.misses);
        }
    }

    #[cold]
    fn tell_unlogged(&mut self, command: &Command) {
        self.log_line(
            Level::Warning,
            format_args!(
                "'{}' changed the dataset, though its row says of no write: the change is in no log, and lost when the server ends. \
                 Whoever made the command must flag it.",
                command.name
            ),
        );
    }

    /// Feeds the effects of the command that just ran and notes what it changed. Returns what its reply depends on.
    ///
    /// Inside EXEC nothing is noted yet: the unit ends later, and no earlier offset is any promise.
    pub(crate) fn feed_effects(&mut self, client: &mut Client, args: Args<'_>) -> LogOffset {
        let need = self.dependencies();
        if !(self.effects.is_empty() && self.keylog.rewritten.is_empty()) {
            self.break_watches(client);
        }
        if self.effects.is_empty() {
            return need;
        }
        let expired = self.keylog.expired_effects;
        self.stats.expired_keys += expired as u64;
        self.stats.dirty += (self.effects.len() - expired) as u64;
        let end = self.persistence.feed(&self.effects, args, self.unit.is_some());
        match (&mut self.unit, end) {
            (Some(unit), _) => {
                unit.note(&self.keylog);
                need
            }
            (None, Some(end)) => {
                client.fed_upto = end;
                self.note_writes(end, need)
            }
            (None, None) => need,
        }
    }

    /// The highest offset among the last writes of what the command named.
    pub(crate) fn dependencies(&self) -> LogOffset {
        if self.keylog.sees_all {
            return self.last_writes.of_everything();
        }
        self.keylog.named.iter().map(|&key| self.last_writes.of(key)).max().unwrap_or_default()
    }

    /// Notes the command's changes at the offset where its effects end. The removal of an expired key changes nothing that
    /// a client was told, so it delays nobody.
    pub(crate) fn note_writes(&mut self, offset: LogOffset, need: LogOffset) -> LogOffset {
        let mut own = false;
        for &(_, key) in &self.keylog.modified {
            self.last_writes.note(key, offset);
            own = true;
        }
        if !self.keylog.modified_dbs.is_empty() {
            self.last_writes.raise_floor(offset);
            own = true;
        }
        if own { need.max(offset) } else { need }
    }

    /// Replies that depend on no more than this may leave.
    pub(crate) fn reply_mark(&self) -> LogOffset {
        if self.process.hooks.ack_early { LogOffset(u64::MAX) } else { self.persistence.reply_mark() }
    }
}
