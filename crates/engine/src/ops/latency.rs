//! LATENCY: what took long, and how often commands took how long.

use aof_buffer::AppendFsync;
use aof_state::LogOffset;
use commands::Command;
use hdrhistogram::Histogram;
use resp_codec::{Args, Reply};

use crate::client::Client;
use crate::engine::Engine;
use crate::latency::{self, Sample};

/// Source: Redis 7.2, as clients show them.
const HELP: &[&str] = &[
    "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    Return a human readable latency analysis report.",
    "GRAPH <event>",
    "    Return an ASCII latency graph for the <event> class.",
    "HISTORY <event>",
    "    Return time-latency samples for the <event> class.",
    "LATEST",
    "    Return the latest latency samples for all events.",
    "RESET [<event> ...]",
    "    Reset latency data of one or more <event> classes.",
    "    (default: reset all data for all event classes)",
    "HISTOGRAM [COMMAND ...]",
    "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
    "    If no commands are specified then all histograms are replied.",
    "HELP",
    "    Print this help.",
];

impl Engine {
    pub(super) fn latency_command(&mut self, client: &mut Client, args: Args<'_>) {
        match (Self::subcommand(args).as_str(), args.len()) {
            ("history", 3) => self.latency_history(client, args.at(2)),
            ("latest", 2) => self.latency_latest(client),
            ("graph", 3) => self.latency_graph(client, args.at(2)),
            ("doctor", 2) => self.latency_doctor(client),
            ("reset", _) => {
                let reset = match args.len() {
                    2 => self.latency.reset_all(),
                    _ => args.from(2).filter(|event| self.latency.reset(event)).count(),
                };
                self.reply(client).count(reset);
                self.end_reply(client, LogOffset(0));
            }
            ("histogram", _) => self.latency_histogram(client, args),
            ("help", 2) => self.help(client, HELP),
            _ => self.wrong_subcommand(client, args),
        }
    }

    fn latency_history(&mut self, client: &mut Client, event: &[u8]) {
        let mut reply = self.reply(client);
        match self.latency.event(event) {
            None => reply.array(0),
            Some((_, series)) => {
                reply.array(series.samples().len());
                for sample in series.samples() {
                    reply.array(2);
                    put(&mut reply, sample);
                }
            }
        }
        self.end_reply(client, LogOffset(0));
    }

    fn latency_latest(&mut self, client: &mut Client) {
        let mut reply = self.reply(client);
        reply.array(self.latency.events().len());
        for (event, series) in self.latency.events() {
            reply.array(4);
            reply.bulk(event.as_bytes());
            put(&mut reply, series.latest());
            reply.integer(i64::try_from(series.max_ms).unwrap_or(i64::MAX));
        }
        self.end_reply(client, LogOffset(0));
    }

    fn latency_graph(&mut self, client: &mut Client, event: &[u8]) {
        match self.latency.event(event) {
            None => {
                // In Redis the name ends at a zero byte here.
                let name = event.split(|byte| *byte == 0).next().unwrap_or_default();
                self.reply(client).error_bytes(&[b"ERR No samples available for event '", name, b"'"].concat());
            }
            Some((event, series)) => {
                let text = latency::graph(event, series, self.now.unix_s());
                self.reply(client).verbatim(*b"txt", text.as_bytes());
            }
        }
        self.end_reply(client, LogOffset(0));
    }

    fn latency_doctor(&mut self, client: &mut Client) {
        let known = latency::Circumstances {
            threshold_ms: self.config.latency_monitor_threshold_ms,
            slowlog_us: u64::try_from(self.config.slowlog_log_slower_than_us).ok(),
            always: self.config.appendfsync == AppendFsync::Always,
            no_fsync_on_rewrite: self.config.no_appendfsync_on_rewrite,
            fork_gb_per_second: self.persistence.fork_gb_per_second(),
            huge_pages_bytes: self.process.huge_pages_bytes.map_or(0, |read| read()),
        };
        let text = latency::report(&self.latency, known, self.now.unix_s());
        self.reply(client).verbatim(*b"txt", text.as_bytes());
        self.end_reply(client, LogOffset(0));
    }

    /// LATENCY HISTOGRAM of all commands, or of some with their subcommands; one that never ran is left out.
    fn latency_histogram(&mut self, client: &mut Client, args: Args<'_>) {
        let asked: Vec<&Command> = args.from(2).filter_map(|name| self.table.find(name)).collect();
        let wanted = |command: &Command| {
            args.len() == 2
                || asked.iter().any(|a| a.id == command.id || command.parent().is_some_and(|parent| parent == a.name))
        };
        let mut reply = self.reply(client);
        let begun = reply.deferred();
        let mut count = 0;
        for (command, stats) in self.stats.by_command() {
            let Some(latencies) = stats.latencies.as_ref().filter(|_| wanted(command)) else { continue };
            reply.bulk(command.name.as_bytes());
            histogram(&mut reply, latencies);
            count += 1;
        }
        reply.finish_map(begun, count);
        self.end_reply(client, LogOffset(0));
    }
}

fn put(reply: &mut Reply<'_>, sample: Sample) {
    reply.integer(sample.unix_s);
    reply.integer(i64::try_from(sample.ms).unwrap_or(i64::MAX));
}

/// How many runs took at most so many microseconds, for each power of two that is more than the one before.
/// Source: fillCommandCDF of Redis 7.2: powers of two begin at 1024 nanoseconds.
fn histogram(reply: &mut Reply<'_>, latencies: &Histogram<u64>) {
    reply.map(2);
    reply.bulk(b"calls");
    reply.integer(i64::try_from(latencies.len()).unwrap_or(i64::MAX));
    reply.bulk(b"histogram_usec");
    let begun = reply.deferred();
    let (mut steps, mut upto) = (0, 0);
    let (mut low_ns, mut level_ns) = (0, 1024);
    while upto < latencies.len() {
        let high_ns = latencies.highest_equivalent(level_ns);
        let count = latencies.count_between(low_ns, high_ns);
        (low_ns, level_ns) = (high_ns + 1, level_ns * 2);
        if count == 0 {
            continue;
        }
        upto += count;
        reply.integer(i64::try_from(high_ns / 1_000).unwrap_or(i64::MAX));
        reply.integer(i64::try_from(upto).unwrap_or(i64::MAX));
        steps += 1;
    }
    reply.finish_map(begun, steps);
}
