//! From the bytes of one event to requests run: decoding, the bounds of a client's memory, and which lists it joins.
//!
//! An event is one filled buffer with all its requests. A client that holds too much is not read on until it holds less.

use aof_state::LogOffset;
use resp_codec::{Decoded, Limits, RequestDecoder};

use crate::client::{Blocked, Client, ClientId, Closing, query};
use crate::engine::Engine;
use crate::log::Level;

/// A client with more held bytes than this is not read. Source: architecture.md, bad input.
const HELD_BYTES_LIMIT: usize = 1 << 20;
/// A client that leaves more than this unread is not read until it takes some of it: what bounds the memory that a slow
/// reader costs. Larger than what pipelines of client libraries leave unread while they still send.
const UNSENT_BYTES_LIMIT: usize = 64 << 20;
/// What an unauthenticated client may make the server keep. Source: `client-query-buffer-limit` of Redis 7.2 before AUTH.
const UNAUTHENTICATED_QUERY_BYTES: u64 = 1 << 20;
/// A client with more held replies than this is not read.
const HELD_REPLIES_LIMIT: usize = 10_000;
/// Above this backlog of unwritten log no client that writes is read.
const BACKLOG_LIMIT_BYTES: u64 = 256 << 20;

impl Engine {
    /// Runs every complete request among the client's bytes, `added` of which were just read into what `query_spare` lent.
    pub fn filled(&mut self, id: ClientId, added: usize) {
        self.stats.net_input_bytes += added as u64;
        self.stats.reads += 1;
        self.persistence.lone.seen(id.number, self.now.mono_us);
        let Some(mut client) = self.clients.check_out(id) else { return };
        client.active_ms = self.now.mono_ms();
        self.run_requests(&mut client, added);
        self.after_requests(&mut client);
        self.clients.check_in(client);
    }

    pub(crate) fn run_requests(&mut self, client: &mut Client, added: usize) {
        let shared = client.query.is_empty();
        let (mut bytes, filled) =
            if shared { (std::mem::take(&mut self.shared_query), added) } else { client.query.take(added) };
        let mut decoder = std::mem::replace(&mut client.query.decoder, RequestDecoder::new(Limits::default()));
        let mut at = 0;
        self.stopwatch.start();
        while self.exit.is_none() && self.may_go_on(client) {
            decoder.set_limits(self.request_limits(client));
            match decoder.decode(&bytes[at..filled]) {
                Ok(Decoded::Incomplete { .. }) => break,
                Ok(Decoded::Empty { consumed }) => {
                    // An empty request uses up CLIENT REPLY SKIP. Source: resetClient of Redis.
                    client.reply_mode.next_request();
                    client.reply_mode.next_request();
                    at += consumed;
                }
                Ok(Decoded::Request { consumed }) => {
                    let args = decoder.args(&bytes[at..filled]);
                    if self.pause.is_some() && self.postpones(client, args) {
                        break;
                    }
                    self.process(client, args);
                    at += consumed;
                }
                Err(error) => {
                    self.protocol_error(client, &error);
                    at = filled;
                }
            }
        }
        client.query.decoder = decoder;
        if shared {
            client.query.keep(&bytes[at..filled]);
            if bytes.len() < query::READ_BYTES {
                bytes.resize(query::READ_BYTES * 4, 0);
            }
            self.shared_query = bytes;
        } else {
            client.query.put_back(bytes, at, filled);
        }
        self.check_query_limit(client);
    }

    /// Closes a client whose unfinished request or MULTI queue holds more than it may.
    fn check_query_limit(&mut self, client: &mut Client) {
        let limit = self.config.client_query_buffer_limit_bytes;
        let limit = if client.authenticated { limit } else { limit.min(UNAUTHENTICATED_QUERY_BYTES) };
        let queued = client.transaction.as_ref().map_or(0, |t| t.bytes);
        if (client.query.len() + queued) as u64 > limit {
            self.stats.query_buffer_limit_disconnections += 1;
            self.log_line(
                Level::Warning,
                format_args!("Closing client that reached max query buffer length: id={}", client.id.number),
            );
            client.closing = Closing::Now;
        }
    }

    fn request_limits(&self, client: &Client) -> Limits {
        let limits = Limits {
            max_bulk_len_bytes: usize::try_from(self.config.proto_max_bulk_len_bytes).unwrap_or(usize::MAX),
            ..Limits::default()
        };
        if client.authenticated { limits } else { limits.unauthenticated() }
    }

    fn protocol_error(&mut self, client: &mut Client, error: &resp_codec::ProtocolError) {
        error.reply(&mut self.reply(client));
        self.end_reply(client, LogOffset(0));
        client.closing = Closing::AfterReplies;
        self.log_line(Level::Verbose, format_args!("Protocol error from client id={}: {error}", client.id.number));
    }

    /// Whether the client's next request is run now.
    fn may_go_on(&mut self, client: &mut Client) -> bool {
        client.closing == Closing::No && client.blocked == Blocked::No && !self.must_pause(client)
    }

    /// Whether the client's next request must wait until held replies leave or the log's backlog shrinks.
    pub(crate) fn must_pause(&mut self, client: &mut Client) -> bool {
        let held = client.out.held_replies();
        client.paused = held >= HELD_REPLIES_LIMIT
            || client.out.held_bytes() > HELD_BYTES_LIMIT && held > 0
            || client.out.unsent_bytes() > UNSENT_BYTES_LIMIT
            || self.persistence.aof.backlog_bytes() > BACKLOG_LIMIT_BYTES && (held > 0 || self.waits_unheld(client));
        client.paused
    }

    /// Whether the client wrote what has not left yet, as one does that wants no replies: nothing is held for it.
    fn waits_unheld(&self, client: &Client) -> bool {
        client.fed_upto > self.persistence.reply_mark()
    }

    /// Puts the client on the lists that its output asks for.
    pub(crate) fn after_requests(&mut self, client: &mut Client) {
        let waits = client.out.held_replies() > 0 || client.paused && self.waits_unheld(client);
        if waits && !client.in_holders {
            client.in_holders = true;
            self.holders.push(client.id);
        }
        // What keeps a paused client is more than the mark.
        self.holders_changed |= client.paused || client.out.first_need().is_some_and(|need| need <= self.released_upto);
        self.check_output_limit(client);
        let wants_owner = !client.out.sendable().is_empty() || client.closing != Closing::No;
        if wants_owner && !client.in_ready {
            client.in_ready = true;
            self.ready.push(client.id);
        }
    }

    fn check_output_limit(&mut self, client: &mut Client) {
        let limit = self.config.output_limit_normal;
        let unsent = client.out.unsent_bytes() as u64;
        let over_soft = limit.soft_bytes > 0 && unsent > limit.soft_bytes;
        let since = over_soft.then(|| client.soft_limit_since_ms.unwrap_or(self.now.mono_ms()));
        client.soft_limit_since_ms = since;
        let over_soft_too_long =
            since.is_some_and(|since| self.now.mono_ms() - since >= limit.soft_seconds.saturating_mul(1000));
        if (limit.hard_bytes > 0 && unsent > limit.hard_bytes || over_soft_too_long) && client.closing != Closing::Now {
            self.stats.output_buffer_limit_disconnections += 1;
            client.closing = Closing::Now;
            self.log_line(
                Level::Warning,
                format_args!("Client id={} closed for overcoming of output buffer limits.", client.id.number),
            );
        }
    }
}
