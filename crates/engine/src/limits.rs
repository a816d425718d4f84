//! What one client may make the server hold, and what becomes of it beyond that.
//!
//! Memory follows the bytes that arrived and the replies that were not taken, and both have an end: a client that leaves
//! replies unread is not read itself, and one that passes a limit of the configuration is closed. What is decided by sizes and
//! times alone is a function of them.
//!
//! Whoever has not authenticated gets no more than 64 KiB: a half request of [`UNAUTHENTICATED_QUERY_BYTES`], or one read of
//! requests that wait behind [`UNAUTHENTICATED_UNSENT_BYTES`] of replies and a last one, which may quote an argument.

use resp_codec::{Limits, ProtocolError};

use aof_state::LogOffset;

use crate::client::{Blocked, Client, Closing};
use crate::config::{Config, OutputLimit};
use crate::engine::Engine;
use crate::log::Level;

/// A client with more held bytes than this is not read. Source: architecture.md, bad input.
const HELD_BYTES_LIMIT: usize = 1 << 20;
/// A client that leaves more than this unread is not read until it takes some of it: what bounds the memory that a slow
/// reader costs. Larger than what pipelines of client libraries leave unread while they still send.
const UNSENT_BYTES_LIMIT: usize = 64 << 20;
/// The same before authentication, where nothing but errors is answered.
const UNAUTHENTICATED_UNSENT_BYTES: usize = 1024;
/// An unfinished request before authentication: room for a name and a password of the longest argument allowed then.
const UNAUTHENTICATED_QUERY_BYTES: usize = 36 << 10;
/// A client with more held replies than this is not read.
const HELD_REPLIES_LIMIT: usize = 10_000;
/// Above this backlog of unwritten log no client that writes is read.
const BACKLOG_LIMIT_BYTES: u64 = 256 << 20;
/// Bytes of a query buffer that a log line shows. Source: PROTO_DUMP_LEN of Redis 7.2, and readQueryFromClient.
const SHOWN_BYTES: usize = 128;
const SHOWN_LONG_QUERY_BYTES: usize = 64;

impl OutputLimit {
    /// Since when a client has been at the soft limit, with so many bytes unsent now and that answer before.
    pub(crate) fn soft_since_ms(self, unsent: u64, before: Option<u64>, now_ms: u64) -> Option<u64> {
        let is_over = self.soft_bytes > 0 && unsent >= self.soft_bytes;
        is_over.then(|| before.unwrap_or(now_ms))
    }

    /// Whether a client is to be closed that has so many bytes unsent, and has been at the soft limit since then.
    /// Source: checkClientOutputBufferLimits of Redis 7.2.
    pub(crate) fn is_overcome(self, unsent: u64, soft_since_ms: Option<u64>, now_ms: u64) -> bool {
        let too_long = |since_ms| now_ms.saturating_sub(since_ms) > self.soft_seconds.saturating_mul(1000);
        self.hard_bytes > 0 && unsent >= self.hard_bytes || soft_since_ms.is_some_and(too_long)
    }
}

impl Client {
    /// Notes how much it leaves unread now. Returns whether that is more than it may.
    pub(crate) fn note_unsent(&mut self, limit: OutputLimit, now_ms: u64) -> bool {
        let unsent = self.out.unsent_bytes() as u64;
        self.soft_limit_since_ms = limit.soft_since_ms(unsent, self.soft_limit_since_ms, now_ms);
        limit.is_overcome(unsent, self.soft_limit_since_ms, now_ms)
    }
}

/// How long an unfinished request of a client may be, in bytes.
pub(crate) fn query_limit(config: &Config, client: &Client) -> usize {
    let limit = usize::try_from(config.client_query_buffer_limit_bytes).unwrap_or(usize::MAX);
    // What stands behind replies that wait was one read, whoever the client was then.
    if client.authenticated || client.paused { limit } else { limit.min(UNAUTHENTICATED_QUERY_BYTES) }
}

impl Engine {
    /// What a client's next request may announce.
    pub(crate) fn request_limits(&self, client: &Client) -> Limits {
        let limits = Limits {
            max_bulk_len_bytes: usize::try_from(self.config.proto_max_bulk_len_bytes).unwrap_or(usize::MAX),
            ..Limits::default()
        };
        if client.authenticated { limits } else { limits.unauthenticated() }
    }

    /// Whether the client's next request is run now.
    pub(crate) fn may_go_on(&mut self, client: &mut Client) -> bool {
        if self.config.output_limit_normal.is_overcome(client.out.unsent_bytes() as u64, None, 0) {
            self.close_slow_client(client);
        }
        client.closing == Closing::No && client.blocked == Blocked::No && !self.must_pause(client)
    }

    /// Whether the client's next request must wait until held replies leave or the log's backlog shrinks.
    pub(crate) fn must_pause(&mut self, client: &mut Client) -> bool {
        let held = client.out.held_replies();
        let most_unsent = if client.authenticated { UNSENT_BYTES_LIMIT } else { UNAUTHENTICATED_UNSENT_BYTES };
        client.paused = held >= HELD_REPLIES_LIMIT
            || client.out.held_bytes() > HELD_BYTES_LIMIT && held > 0
            || client.out.unsent_bytes() > most_unsent
            || self.persistence.aof.backlog_bytes() > BACKLOG_LIMIT_BYTES && (held > 0 || self.waits_unheld(client));
        client.paused
    }

    /// Whether the client wrote what has not left yet, as one does that wants no replies: nothing is held for it.
    pub(crate) fn waits_unheld(&self, client: &Client) -> bool {
        client.fed_upto > self.persistence.reply_mark()
    }

    /// Closes a client whose unfinished request, MULTI queue and watched keys hold more than they may.
    pub(crate) fn check_query_limit(&mut self, client: &mut Client) {
        let held = client.query.len() + client.queued_bytes();
        if held <= query_limit(&self.config, client) || client.closing == Closing::Now {
            return;
        }
        client.closing = Closing::Now;
        self.stats.query_buffer_limit_disconnections += 1;
        self.log_line(
            Level::Warning,
            format_args!(
                "Closing client that reached max query buffer length: {} (qbuf initial bytes: \"{}\")",
                self.describe(client),
                client.query.head(SHOWN_LONG_QUERY_BYTES).escape_ascii()
            ),
        );
    }

    /// How long the client's output buffer may get with its next reply: one as large as the hard limit is never sent.
    pub(crate) fn reply_limit(&self, client: &Client) -> usize {
        match self.config.output_limit_normal.hard_bytes {
            0 => usize::MAX,
            hard_bytes => client.out.reply_start().saturating_add(usize::try_from(hard_bytes).unwrap_or(usize::MAX)),
        }
    }

    /// Whether the reply that is being written, a transaction's as a whole, is as large as the hard limit.
    pub(crate) fn reply_overflows(&self, client: &Client) -> bool {
        let hard_bytes = self.config.output_limit_normal.hard_bytes;
        hard_bytes > 0 && client.out.reply_bytes() as u64 >= hard_bytes
    }

    pub(crate) fn check_output_limit(&mut self, client: &mut Client) {
        if client.note_unsent(self.config.output_limit_normal, self.now.mono_ms()) {
            self.close_slow_client(client);
        }
    }

    /// Closes a client that takes its replies too slowly, or never.
    pub(crate) fn close_slow_client(&mut self, client: &mut Client) {
        if client.closing == Closing::Now {
            return;
        }
        client.closing = Closing::Now;
        self.stats.output_buffer_limit_disconnections += 1;
        self.log_line(
            Level::Warning,
            format_args!("Client {} closed for overcoming of output buffer limits.", self.describe(client)),
        );
    }

    /// Answers a request that nobody understands; `query` is what was to be read. The connection is of no more use.
    pub(crate) fn protocol_error(&mut self, client: &mut Client, error: &ProtocolError, query: &[u8]) {
        error.reply(&mut self.reply(client));
        self.end_reply(client, LogOffset(0));
        client.closing = Closing::AfterReplies;
        let (text, client) = (error.to_string(), self.describe(client));
        let reason = text.trim_start_matches("Protocol error: ");
        self.log_line(
            Level::Verbose,
            format_args!("Protocol error ({reason}) from client: {client}. {}", shown(query)),
        );
    }
}

/// What a query buffer holds, for the log: all of it, or how it begins and ends. Source: setProtocolError of Redis 7.2.
fn shown(query: &[u8]) -> String {
    let printable = |bytes: &[u8]| -> String {
        bytes.iter().map(|b| if (b' '..=b'~').contains(b) { char::from(*b) } else { '.' }).collect()
    };
    let ends = SHOWN_BYTES / 2;
    if query.len() < SHOWN_BYTES {
        return format!("Query buffer during protocol error: '{}'", printable(query));
    }
    format!(
        "Query buffer during protocol error: '{}' (... more {} bytes ...) '{}'",
        printable(&query[..ends]),
        query.len() - SHOWN_BYTES,
        printable(&query[query.len() - ends..])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: OutputLimit = OutputLimit { hard_bytes: 100, soft_bytes: 10, soft_seconds: 2 };

    #[test]
    fn the_hard_limit_counts_at_once_and_the_soft_one_after_its_seconds() {
        assert!(!LIMIT.is_overcome(99, None, 0));
        assert!(LIMIT.is_overcome(100, None, 0));
        let since = LIMIT.soft_since_ms(10, None, 5_000);
        assert_eq!(since, Some(5_000));
        assert!(!LIMIT.is_overcome(10, since, 7_000));
        assert!(LIMIT.is_overcome(10, since, 7_001));
    }

    #[test]
    fn the_soft_seconds_begin_anew_whenever_the_client_has_read_enough() {
        assert_eq!(LIMIT.soft_since_ms(50, Some(5_000), 6_000), Some(5_000));
        assert_eq!(LIMIT.soft_since_ms(9, Some(5_000), 6_000), None);
    }

    #[test]
    fn without_limits_nothing_is_too_much() {
        let none = OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 };
        assert_eq!(none.soft_since_ms(u64::MAX, None, 7), None);
        assert!(!none.is_overcome(u64::MAX, None, 7));
    }

    #[test]
    fn a_long_query_is_shown_by_its_ends() {
        assert_eq!(shown(b"a\r\n"), "Query buffer during protocol error: 'a..'");
        let long = [&[b'a'; 64][..], &[b'-'; 10], &[b'z'; 64]].concat();
        let (a, z) = ("a".repeat(64), "z".repeat(64));
        assert_eq!(shown(&long), format!("Query buffer during protocol error: '{a}' (... more 10 bytes ...) '{z}'"));
    }
}
