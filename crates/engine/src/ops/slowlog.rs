//! SLOWLOG: the commands that took long.

use aof_state::LogOffset;
use resp_codec::Args;

use crate::client::Client;
use crate::engine::Engine;

/// Entries of SLOWLOG GET without a count. Source: slowlogCommand of Redis.
const DEFAULT_COUNT: usize = 10;

/// Source: Redis 7.2, as clients show them.
const HELP: &[&str] = &[
    "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET [<count>]",
    "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    "    Entries are made of:",
    "    id, timestamp, time in microseconds, arguments array, client IP and port,",
    "    client name",
    "LEN",
    "    Return the length of the slowlog.",
    "RESET",
    "    Reset the slowlog.",
    "HELP",
    "    Print this help.",
];

impl Engine {
    pub(super) fn slowlog_command(&mut self, client: &mut Client, args: Args<'_>) {
        match (Self::subcommand(args).as_str(), args.len()) {
            ("get", 2 | 3) => self.slowlog_get(client, args),
            ("len", 2) => {
                let len = self.slowlog.entries().len();
                self.reply(client).count(len);
                self.end_reply(client, LogOffset(0));
            }
            ("reset", 2) => {
                self.slowlog.reset();
                self.answer_ok(client);
            }
            ("help", 2) => self.help(client, HELP),
            _ => self.wrong_subcommand(client, args),
        }
    }

    fn slowlog_get(&mut self, client: &mut Client, args: Args<'_>) {
        let count = match args.get(2).map(numeric::parse_i64) {
            None => DEFAULT_COUNT,
            Some(Some(-1)) => usize::MAX,
            Some(count) => match count.and_then(|count| usize::try_from(count).ok()) {
                Some(count) => count,
                None => return self.answer_error(client, "ERR count should be greater than or equal to -1"),
            },
        };
        let mut reply = self.reply(client);
        let entries = self.slowlog.entries();
        reply.array(count.min(entries.len()));
        for entry in entries.take(count) {
            reply.array(6);
            reply.integer(i64::try_from(entry.id).unwrap_or(i64::MAX));
            reply.integer(entry.unix_s);
            reply.integer(i64::try_from(entry.took_us).unwrap_or(i64::MAX));
            reply.array(entry.arguments.len());
            for argument in &entry.arguments {
                reply.bulk(argument);
            }
            reply.bulk(entry.addr.as_bytes());
            reply.bulk(&entry.client_name);
        }
        self.end_reply(client, LogOffset(0));
    }
}
