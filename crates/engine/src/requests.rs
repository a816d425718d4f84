//! From the bytes of one event to requests run: decoding, and which lists the client joins.
//!
//! An event is one filled buffer with all its requests. A client that holds too much (`limits`) is not read on until it holds
//! less.

use resp_codec::{Decoded, Limits, RequestDecoder};

use crate::client::{Client, ClientId, Closing, query};
use crate::engine::Engine;

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
                    self.protocol_error(client, &error, &bytes[at..filled]);
                    at = filled;
                }
            }
        }
        decoder.release();
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
}
