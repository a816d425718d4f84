//! What a client says about its own connection: SELECT, PING, HELLO, AUTH, RESET.

use aof_state::LogOffset;
use resp_codec::{Args, Protocol};

use crate::client::{Client, ReplyMode};
use crate::engine::Engine;

/// The version of Redis whose commands and replies these are: clients gate features on it.
pub const REDIS_VERSION: &str = "7.2.4";

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// Whether what was given is what was expected, in time that depends on the given length alone.
fn is_same(expected: &[u8], given: &[u8]) -> bool {
    let expected_bytes = expected.iter().cycle();
    let unequal = given.iter().zip(expected_bytes).fold(0, |acc, (x, y)| std::hint::black_box(acc | (x ^ y)));
    (unequal == 0) & (given.len() == expected.len())
}

impl Engine {
    pub(super) fn select(&mut self, client: &mut Client, args: Args<'_>) {
        match numeric::parse_i64(args.at(1)) {
            None => self.answer_error(client, "ERR value is not an integer or out of range"),
            Some(db) if i32::try_from(db).is_err() => {
                let text = format!("ERR value is out of range, value must between {} and {}", i32::MIN, i32::MAX);
                self.answer_error(client, &text);
            }
            Some(db) => match u32::try_from(db).ok().filter(|db| *db < self.keyspace.databases()) {
                None => self.answer_error(client, "ERR DB index is out of range"),
                Some(db) => {
                    client.db = db;
                    self.answer_ok(client);
                }
            },
        }
    }

    pub(super) fn ping(&mut self, client: &mut Client, args: Args<'_>) {
        match args.get(1) {
            _ if args.len() > 2 => {
                return self.answer_error(client, "ERR wrong number of arguments for 'ping' command");
            }
            None => self.reply(client).status("PONG"),
            Some(text) => self.reply(client).bulk(text),
        }
        self.end_reply(client, LogOffset(0));
    }

    pub(super) fn auth(&mut self, client: &mut Client, args: Args<'_>) {
        if args.len() > 3 {
            return self.answer_error(client, "ERR syntax error");
        }
        if args.len() == 2 && self.config.requirepass.is_empty() {
            return self.answer_error(
                client,
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            );
        }
        let (user, password) = if args.len() == 2 { (&b"default"[..], args.at(1)) } else { (args.at(1), args.at(2)) };
        if self.accepts(user, password) {
            client.authenticated = true;
            self.answer_ok(client);
        } else {
            self.stats.auth_failures += 1;
            self.answer_error(client, WRONG_PASSWORD);
        }
    }

    /// Whether the password is right, in time that does not tell how much of it is.
    fn accepts(&self, user: &[u8], password: &[u8]) -> bool {
        let expected = self.config.requirepass.as_bytes();
        user == b"default" && (expected.is_empty() || is_same(expected, password))
    }

    pub(super) fn hello(&mut self, client: &mut Client, args: Args<'_>) {
        let proto = match args.get(1).map(numeric::parse_i64) {
            None => client.proto,
            Some(Some(2)) => Protocol::Resp2,
            Some(Some(3)) => Protocol::Resp3,
            Some(Some(_)) => return self.answer_error(client, "NOPROTO unsupported protocol version"),
            Some(None) => {
                return self.answer_error(client, "ERR Protocol version is not an integer or out of range");
            }
        };
        // Nothing takes effect before all of it is known to be right.
        let (mut name, mut credentials) = (None, None);
        let mut at = 2;
        while let Some(option) = args.get(at) {
            let left = args.len() - at - 1;
            if option.eq_ignore_ascii_case(b"AUTH") && left >= 2 {
                credentials = Some((args.at(at + 1), args.at(at + 2)));
                at += 3;
            } else if option.eq_ignore_ascii_case(b"SETNAME") && left >= 1 {
                match super::client::valid_name(args.at(at + 1)) {
                    Some(valid) => name = Some(valid),
                    None => return self.answer_error(client, super::client::BAD_NAME),
                }
                at += 2;
            } else {
                let option = String::from_utf8_lossy(option);
                return self.answer_error(client, &format!("ERR Syntax error in HELLO option '{option}'"));
            }
        }
        if let Some((user, password)) = credentials {
            if !self.accepts(user, password) {
                self.stats.auth_failures += 1;
                return self.answer_error(client, WRONG_PASSWORD);
            }
            client.authenticated = true;
        }
        if !client.authenticated {
            return self.answer_error(
                client,
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
                 <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
                 same time",
            );
        }
        if let Some(name) = name {
            client.name = name;
        }
        client.proto = proto;
        self.greet(client);
    }

    fn greet(&mut self, client: &mut Client) {
        let id = i64::try_from(client.id.number).unwrap_or(i64::MAX);
        let proto = if client.proto == Protocol::Resp3 { 3 } else { 2 };
        let mut reply = self.reply(client);
        reply.map(7);
        for (key, text) in [("server", "redis"), ("version", REDIS_VERSION)] {
            reply.bulk(key.as_bytes());
            reply.bulk(text.as_bytes());
        }
        for (key, number) in [("proto", proto), ("id", id)] {
            reply.bulk(key.as_bytes());
            reply.integer(number);
        }
        for (key, text) in [("mode", "standalone"), ("role", "master")] {
            reply.bulk(key.as_bytes());
            reply.bulk(text.as_bytes());
        }
        reply.bulk(b"modules");
        reply.array(0);
        self.end_reply(client, LogOffset(0));
    }

    pub(super) fn reset(&mut self, client: &mut Client) {
        self.discard(client);
        client.db = 0;
        client.proto = Protocol::Resp2;
        client.name.clear();
        // A SKIP that is under way covers this reply too. Source: clearClientConnectionState of Redis.
        if client.reply_mode != ReplyMode::SkipThis {
            client.reply_mode = ReplyMode::On;
        }
        client.no_evict = false;
        client.no_touch = false;
        client.authenticated = self.config.requirepass.is_empty();
        self.reply(client).status("RESET");
        self.end_reply(client, LogOffset(0));
    }
}
