//! DEBUG: what helps to test the server and its clients. Nothing here can crash it or lose data.

use aof_state::LogOffset;
use commands::Store;
use commands::glob::Pattern;
use keyspace::Deadline;
use resp_codec::{Args, Protocol};

use crate::client::Client;
use crate::engine::Engine;
use crate::log::Level;
use crate::persistence::ReloadHow;

const HELP: &[&str] = &[
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DIGEST",
    "    Output a hex signature representing the current DB content.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Output a hex signature of the values of all the specified keys.",
    "ERROR <string>",
    "    Return a protocol error with <string> as message. Useful for clients",
    "    unit tests to simulate errors.",
    "LOADAOF",
    "    Flush the AOF buffers on disk and reload the AOF in memory.",
    "LOG <message>",
    "    Write <message> to the server log.",
    "OBJECT <key>",
    "    Show low level info about `key` and associated value.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create <count> string keys named key:<num>. If <prefix> is specified then",
    "    it is used instead of the 'key' prefix.",
    "PROTOCOL <type>",
    "    Reply with a test value of the specified type. <type> can be: string,",
    "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
    "    true, false.",
    "RELOAD [option ...]",
    "    Save the RDB on disk and reload it back to memory. Valid <option> values:",
    "    * MERGE: conflicting keys will be loaded from RDB.",
    "    * NOFLUSH: the existing database will not be removed before load, but",
    "      conflicting keys will be refused.",
    "    * NOSAVE: the database will be loaded from an existing RDB file.",
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
/// Keys that DEBUG POPULATE sets and logs as one unit.
const POPULATE_BATCH: usize = 1_000;
/// The longest string of DEBUG STRINGMATCH-LEN, in bytes.
const LONGEST_TEXT_BYTES: u64 = 1 << 20;

impl Engine {
    pub(super) fn debug_command(&mut self, client: &mut Client, args: Args<'_>) {
        match (Self::subcommand(args).as_str(), args.len()) {
            ("digest", 2) => {
                let need = self.last_writes.of_everything();
                let digest = hex(&self.keyspace.redis_digest());
                self.reply(client).status(&digest);
                self.end_reply(client, need);
            }
            ("digest-value", _) => self.debug_digest_value(client, args),
            ("error", 3) => {
                self.reply(client).error_verbatim(args.at(2));
                self.end_reply(client, LogOffset(0));
            }
            ("log", 3) => {
                let text = String::from_utf8_lossy(args.at(2));
                self.log_line(Level::Warning, format_args!("DEBUG LOG: {text}"));
                self.answer_ok(client);
            }
            ("loadaof", 2) => self.debug_loadaof(client),
            ("object", 3) => self.debug_object(client, args.at(2)),
            ("populate", 3..=5) => self.debug_populate(client, args),
            ("protocol", 3) => self.debug_protocol(client, args.at(2)),
            ("reload", _) => self.debug_reload(client, args),
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
                self.stopwatch.run_ahead(us.saturating_mul(1_000));
                self.answer_ok(client);
            }
            ("stringmatch-len", 4) => self.debug_stringmatch(client, args),
            ("help", 2) => self.help(client, HELP),
            _ => self.wrong_subcommand(client, args),
        }
    }

    fn debug_loadaof(&mut self, client: &mut Client) {
        match self.reload_log() {
            Ok(()) => {
                client.watch_broken |= !client.watched.is_empty();
                self.log_line(Level::Notice, format_args!("Append Only File loaded by DEBUG LOADAOF"));
                self.answer_ok(client);
            }
            Err(reason) => self.answer_error(client, &format!("ERR {reason}")),
        }
    }

    fn debug_reload(&mut self, client: &mut Client, args: Args<'_>) {
        let mut how = ReloadHow::default();
        for option in args.from(2) {
            match option.to_ascii_lowercase().as_slice() {
                b"merge" => how.merge = true,
                b"noflush" => how.noflush = true,
                b"nosave" => how.nosave = true,
                _ => {
                    let text = "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
                    return self.answer_error(client, text);
                }
            }
        }
        match self.reload_dump(how) {
            Ok(()) => {
                client.watch_broken |= !client.watched.is_empty();
                self.log_line(Level::Notice, format_args!("DB reloaded by DEBUG RELOAD"));
                self.answer_ok(client);
            }
            Err(text) => self.answer_error(client, &text),
        }
    }

    fn debug_object(&mut self, client: &mut Client, name: &[u8]) {
        let key = self.keyspace.key(name);
        let need = self.last_writes.of(key.hash);
        match self.keyspace.db(client.db).entry(key) {
            None => self.reply(client).err("no such key"),
            Some(entry) => {
                let text = format!(
                    "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
                    entry.key.as_ptr(),
                    entry.value.encoding(),
                    entry.value.text_bytes(),
                    entry.used.reading(),
                    entry.used.idle_s(self.now.unix().into())
                );
                self.reply(client).status(&text);
            }
        }
        self.end_reply(client, need);
    }

    /// Unlike Redis, which keeps them in memory only, the keys are logged.
    fn debug_populate(&mut self, client: &mut Client, args: Args<'_>) {
        if let Some(error) = self.log_error() {
            return self.answer_error(client, &error);
        }
        let number = |arg: &[u8]| numeric::parse_i64(arg).and_then(|n| usize::try_from(n).ok());
        let most = self.limits.max_string_bytes;
        let (Some(keys), Some(size)) =
            (number(args.at(2)), args.get(4).map_or(Some(0), number).filter(|size| *size <= most))
        else {
            return self.answer_error(client, "ERR value is out of range, must be positive");
        };
        let prefix = args.get(3).unwrap_or(b"key");
        let mut need = LogOffset(0);
        for start in (0..keys).step_by(POPULATE_BATCH) {
            self.populate(client.db, prefix, start..keys.min(start + POPULATE_BATCH), size);
            need = need.max(self.feed_effects(client, args));
        }
        self.reply(client).ok();
        self.end_reply(client, need);
    }

    /// Sets the keys of these numbers that are not there.
    fn populate(&mut self, db: u32, prefix: &[u8], numbers: std::ops::Range<usize>, size: usize) {
        self.effects.clear();
        self.keylog.clear();
        let mut store = Store {
            keyspace: &mut self.keyspace,
            db,
            now: self.now.unix(),
            effects: &mut self.effects,
            keys: &mut self.keylog,
            trash: &mut self.trash,
            replay: false,
            keep_expired: false,
        };
        for number in numbers {
            let name = [prefix, b":", number.to_string().as_bytes()].concat();
            let mut value = format!("value:{number}").into_bytes();
            if size > 0 {
                value.resize(size, 0);
            }
            let key = store.key(&name);
            if !store.exists(key) {
                store.set_str(key, &value, Deadline::Clear);
                store.effect(&[b"SET", &name, &value]);
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
            let digest = self.keyspace.redis_digest_value(client.db, key).filter(|_| alive);
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
