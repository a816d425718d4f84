//! DEBUG: what helps to test the server and its clients. Nothing here can crash it or lose data.

use aof_state::LogOffset;
use commands::glob::Pattern;
use resp_codec::{Args, Protocol};

use crate::client::Client;
use crate::engine::Engine;
use crate::log::Level;

const HELP: &[&str] = &[
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DIGEST",
    "    Output a hex signature representing the current DB content.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Output a hex signature of the values of all the specified keys.",
    "ERROR <string>",
    "    Return a protocol error with <string> as message. Useful for clients",
    "    unit tests to simulate errors.",
    "LOG <message>",
    "    Write <message> to the server log.",
    "PROTOCOL <type>",
    "    Reply with a test value of the specified type. <type> can be: string,",
    "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
    "    true, false.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 disables expiring keys in background when they are not",
    "    accessed (otherwise the default behavior). Setting it to 1 reenables the",
    "    default behavior.",
    "SLEEP <seconds>",
    "    Stop the server for <seconds>. Decimals allowed.",
    "STRINGMATCH-LEN <len> <pattern>",
    "    Run stringmatchlen() against a string of length len and the pattern.",
    "HELP",
    "    Print this help.",
];

/// The longest DEBUG SLEEP, in microseconds: a day.
const LONGEST_SLEEP_US: f64 = 86_400e6;
/// The longest string of DEBUG STRINGMATCH-LEN, in bytes.
const LONGEST_TEXT_BYTES: u64 = 1 << 20;

impl Engine {
    pub(super) fn debug_command(&mut self, client: &mut Client, args: Args<'_>) {
        match (Self::subcommand(args).as_str(), args.len()) {
            ("digest", 2) => {
                let need = self.last_writes.of_everything();
                let digest = hex(&self.keyspace.digest());
                self.reply(client).status(&digest);
                self.end_reply(client, need);
            }
            ("digest-value", _) => self.debug_digest_value(client, args),
            ("error", 3) => {
                self.reply(client).error_bytes(args.at(2));
                self.end_reply(client, LogOffset(0));
            }
            ("log", 3) => {
                let text = String::from_utf8_lossy(args.at(2));
                self.log_line(Level::Warning, format_args!("DEBUG LOG: {text}"));
                self.answer_ok(client);
            }
            ("protocol", 3) => self.debug_protocol(client, args.at(2)),
            ("set-active-expire", 3) => {
                self.active_expire = args.at(2) != b"0";
                self.answer_ok(client);
            }
            ("sleep", 3) => {
                // As strtod in Redis: what is no number is 0.
                let seconds = numeric::parse_f64(args.at(2)).unwrap_or(0.0);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded in the same line")]
                let us = (seconds * 1e6).clamp(0.0, LONGEST_SLEEP_US) as u64;
                self.stall_us += us;
                self.answer_ok(client);
            }
            ("stringmatch-len", 4) => self.debug_stringmatch(client, args),
            ("help", 2) => self.help(client, HELP),
            _ => {
                let given: String = String::from_utf8_lossy(args.at(1)).chars().take(128).collect();
                let text =
                    format!("ERR unknown subcommand or wrong number of arguments for '{given}'. Try DEBUG HELP.");
                self.answer_error(client, &text);
            }
        }
    }

    fn debug_digest_value(&mut self, client: &mut Client, args: Args<'_>) {
        let mut need = LogOffset(0);
        let mut digests = Vec::new();
        for name in args.from(2) {
            let key = self.keyspace.key(name);
            need = need.max(self.last_writes.of(key.hash));
            let alive = !self.keyspace.db(client.db).is_expired(key, self.now.unix());
            let digest = self.keyspace.digest_value(client.db, key).filter(|_| alive);
            digests.push(hex(&digest.unwrap_or_default()));
        }
        let mut reply = self.reply(client);
        reply.array(digests.len());
        for digest in &digests {
            reply.status(digest);
        }
        self.end_reply(client, need);
    }

    fn debug_stringmatch(&mut self, client: &mut Client, args: Args<'_>) {
        let len = numeric::parse_u64(args.at(2)).filter(|len| *len <= LONGEST_TEXT_BYTES);
        let Some(len) = len.and_then(|len| usize::try_from(len).ok()) else {
            return self.answer_error(client, "ERR value is out of range");
        };
        let matches = Pattern::new(args.at(3)).matches(&vec![b'x'; len]);
        self.reply(client).integer(matches.into());
        self.end_reply(client, LogOffset(0));
    }

    /// One reply of every type. Source: the values of Redis, which tests of clients expect.
    #[expect(clippy::approx_constant, reason = "3.141 is Redis's example, not a circle")]
    fn debug_protocol(&mut self, client: &mut Client, kind: &[u8]) {
        let resp3 = client.proto == Protocol::Resp3;
        let mut reply = self.reply(client);
        match kind.to_ascii_lowercase().as_slice() {
            b"string" => reply.bulk(b"Hello World"),
            b"integer" => reply.integer(12_345),
            b"double" => reply.double(3.141),
            b"bignum" => reply.big_number(b"1234567999999999999999999999999999999"),
            b"null" => reply.null(),
            b"array" => {
                reply.array(3);
                (0..3).for_each(|i| reply.integer(i));
            }
            b"set" => {
                reply.set(3);
                (0..3).for_each(|i| reply.integer(i));
            }
            b"map" => {
                reply.map(3);
                for i in 0..3 {
                    reply.integer(i);
                    reply.bool(i == 1);
                }
            }
            b"attrib" => {
                if resp3 {
                    reply.attribute(1);
                    reply.bulk(b"key-popularity");
                    reply.array(2);
                    reply.bulk(b"key:123");
                    reply.integer(90);
                }
                reply.bulk(b"Some real reply following the attribute");
            }
            b"push" if !resp3 => reply.err("RESP2 is not supported by this command"),
            b"push" => {
                reply.push(2);
                reply.bulk(b"server-cpu-usage");
                reply.integer(42);
                reply.bulk(b"Some real reply following the push reply");
            }
            b"true" => reply.bool(true),
            b"false" => reply.bool(false),
            b"verbatim" => reply.verbatim(*b"txt", b"This is a verbatim\nstring"),
            _ => reply.err(
                "Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ),
        }
        self.end_reply(client, LogOffset(0));
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}
