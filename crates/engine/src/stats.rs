//! Counters of INFO stats, and the rates sampled from them by the cron.

use std::collections::BTreeMap;

use commands::{Command, CommandTable};
use hdrhistogram::Histogram;

/// Different error codes counted apart; a client can make up codes only by DEBUG ERROR.
const ERROR_CODES: usize = 128;
/// Bytes of an error among which its code is looked for. Source: afterErrorReply of Redis.
const CODE_BYTES: usize = 32;

/// The longest duration told from longer ones, in nanoseconds, and the digits kept of one.
/// Source: LATENCY_HISTOGRAM_MAX_VALUE and LATENCY_HISTOGRAM_PRECISION of Redis 7.2.
const MAX_LATENCY_NS: u64 = 1_000_000_000;
const LATENCY_DIGITS: u8 = 2;

/// What is counted of one command.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandStats {
    /// Times it ran.
    pub calls: u64,
    /// How long it ran in all, in nanoseconds.
    pub took_ns: u64,
    /// Times it was refused before it ran.
    pub rejected_calls: u64,
    /// Times it ran and answered an error.
    pub failed_calls: u64,
    /// How long it ran each time, in nanoseconds; made when it first runs with `latency-tracking`.
    pub latencies: Option<Box<Histogram<u64>>>,
}

/// The counters of every command of the table, in its order.
#[derive(Clone, Debug, Default)]
struct ByCommand {
    table: CommandTable,
    counters: Box<[CommandStats]>,
}

impl ByCommand {
    fn of(table: CommandTable) -> Self {
        Self { table, counters: vec![CommandStats::default(); table.len()].into_boxed_slice() }
    }
}

/// Counters since the start, or since CONFIG RESETSTAT.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    /// Connections admitted.
    pub connections_received: u64,
    /// Connections refused because of maxclients.
    pub rejected_connections: u64,
    /// Commands run.
    pub commands_processed: u64,
    /// Bytes read from clients.
    pub net_input_bytes: u64,
    /// Bytes written to clients.
    pub net_output_bytes: u64,
    /// Reads from clients.
    pub reads: u64,
    /// Writes to clients.
    pub writes: u64,
    /// Error replies.
    pub error_replies: u64,
    /// Keys removed because their deadline passed.
    pub expired_keys: u64,
    /// Lookups that found a key.
    pub keyspace_hits: u64,
    /// Lookups that found none.
    pub keyspace_misses: u64,
    /// Clients closed for their query buffer.
    pub query_buffer_limit_disconnections: u64,
    /// Clients closed for their output buffer.
    pub output_buffer_limit_disconnections: u64,
    /// Values given to the background to be freed.
    pub lazyfrees: u64,
    /// Turns of the event loop.
    pub turns: u64,
    /// How long they took in all, waiting aside, in nanoseconds.
    pub turns_ns: u64,
    /// How long the active expiry took in all, in nanoseconds.
    pub expire_ns: u64,
    /// How often the active expiry left some for the next turn.
    pub expire_caps: u64,
    /// Wrong passwords.
    pub auth_failures: u64,
    /// Changes of keys.
    pub dirty: u64,
    /// Error replies by code.
    pub errors: BTreeMap<String, u64>,
    /// By [`Command::id`].
    commands: ByCommand,
    /// The error replies that have been put down to a command: those inside EXEC are not EXEC's own.
    errors_noted: u64,
    /// Turns a second.
    pub turns_per_second: Rate,
    /// Nanoseconds of turns a second.
    pub turns_ns_per_second: Rate,
    /// Operations a second, averaged over the last samples.
    pub ops_per_second: Rate,
    /// Input bytes a second.
    pub input_per_second: Rate,
    /// Output bytes a second.
    pub output_per_second: Rate,
}

impl Stats {
    /// Nothing is counted yet of the commands of this table.
    pub(crate) fn of(table: CommandTable) -> Self {
        Self { commands: ByCommand::of(table), ..Self::default() }
    }

    /// The counters of a command, to be changed.
    pub(crate) fn command(&mut self, command: &Command) -> &mut CommandStats {
        &mut self.commands.counters[usize::from(command.id)]
    }

    /// The commands that were called or refused, in the order of the table.
    pub(crate) fn by_command(&self) -> impl Iterator<Item = (&'static Command, &CommandStats)> + '_ {
        let used = |s: &CommandStats| s.calls + s.rejected_calls > 0;
        self.commands.table.all().zip(&self.commands.counters).filter(move |(_, s)| used(s))
    }

    /// How long commands took in all, in nanoseconds. EXEC's own time is that of the commands in it.
    pub(crate) fn commands_ns(&self) -> u64 {
        self.by_command().filter(|(command, _)| command.name != "exec").map(|(_, s)| s.took_ns).sum()
    }

    /// Counts the reply if it is an error.
    #[inline]
    pub(crate) fn count_error(&mut self, reply: &[u8]) {
        if reply.first() == Some(&b'-') {
            self.note_error(reply);
        }
    }

    #[cold]
    fn note_error(&mut self, reply: &[u8]) {
        self.error_replies += 1;
        let head = &reply[1..reply.len().min(CODE_BYTES)];
        let code = head.iter().position(|b| *b == b' ').map_or(&b"ERR"[..], |end| &head[..end]);
        let code = String::from_utf8_lossy(code);
        if let Some(count) = self.errors.get_mut(code.as_ref()) {
            *count += 1;
        } else if self.errors.len() < ERROR_CODES {
            self.errors.insert(code.into_owned(), 1);
        }
    }

    /// Counts a command that ran, and its failure if it answered an error; `errors_before` is what `error_replies` was when
    /// it began.
    #[inline]
    pub(crate) fn note_call(&mut self, command: &Command, took_ns: u64, errors_before: u64) {
        let failed = self.error_replies > errors_before.max(self.errors_noted);
        self.errors_noted = self.error_replies;
        self.commands_processed += 1;
        let stats = self.command(command);
        stats.calls += 1;
        stats.took_ns += took_ns;
        stats.failed_calls += u64::from(failed);
    }

    /// Notes how long one run of a command took.
    #[inline]
    pub(crate) fn note_latency(&mut self, command: &Command, took_ns: u64) {
        let latencies = self.command(command).latencies.get_or_insert_with(|| {
            let made = Histogram::new_with_max(MAX_LATENCY_NS, LATENCY_DIGITS);
            Box::new(made.expect("the bounds are constants that a histogram takes"))
        });
        latencies.saturating_record(took_ns.max(1));
    }

    /// CONFIG RESETSTAT: everything but what the log has not saved is forgotten.
    pub(crate) fn reset(&mut self) {
        *self = Self { dirty: self.dirty, ..Self::of(self.commands.table) };
    }
}

/// Samples kept per rate. Source: STATS_METRIC_SAMPLES of Redis.
const SAMPLES: usize = 16;

/// The average of the last samples of a growing counter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    samples: [u64; SAMPLES],
    next: usize,
    last_value: u64,
    last_us: u64,
}

impl Rate {
    /// Takes a sample of the counter at monotonic time `mono_us`.
    pub(crate) fn sample(&mut self, value: u64, mono_us: u64) {
        let elapsed_us = mono_us.saturating_sub(self.last_us);
        if elapsed_us > 0 && self.last_us > 0 {
            let per_second = u128::from(value.saturating_sub(self.last_value)) * 1_000_000 / u128::from(elapsed_us);
            self.samples[self.next] = u64::try_from(per_second).unwrap_or(u64::MAX);
            self.next = (self.next + 1) % SAMPLES;
        }
        (self.last_value, self.last_us) = (value, mono_us);
    }

    /// Units a second.
    pub(crate) fn per_second(&self) -> u64 {
        self.samples.iter().sum::<u64>() / SAMPLES as u64
    }
}
