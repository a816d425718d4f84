//! A client's output buffer: replies in order, each released when the gate lets it.
//!
//! The buffer keeps the boundary of every reply that waits, so that one reply in a pipeline can be replaced by an error
//! while the order stays. A reply that need not wait and stands behind none that does is released as it is written and
//! costs no bookkeeping.
//!
//! Invariant: `sent <= released <= bytes.len()`, and the held replies tile `released..bytes.len()`.

use std::collections::VecDeque;

use aof_state::LogOffset;

/// Memory an idle output buffer keeps, in bytes. Source: PROTO_REPLY_CHUNK_BYTES of Redis.
const KEEP_BYTES: usize = 16 * 1024;
/// Places for held replies that are kept when none is held.
const KEEP_HELD: usize = 64;

/// A reply that waits for the log.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// One past its last byte in the buffer, counted from the buffer's first byte ever (so that compaction moves nothing).
    end: u64,
    need: LogOffset,
}

/// The output buffer of one client.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// Position of `bytes[0]` in the stream of all output.
    base: u64,
    sent: usize,
    released: usize,
    held: VecDeque<Held>,
}

impl Output {
    /// The buffer to append a reply to; [`Output::end_reply`] must follow.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Where in [`Output::buffer`] the reply begins that is being appended.
    pub fn reply_start(&self) -> usize {
        self.held_end()
    }

    /// Replaces what was appended since the last reply ended.
    pub fn replace_reply(&mut self, reply: &[u8]) {
        self.bytes.truncate(self.held_end());
        self.bytes.extend_from_slice(reply);
    }

    /// Ends the reply appended since the last one ended. It depends on everything up to `need`; `passes` says whether that
    /// has passed already. Returns whether the reply is held.
    pub fn end_reply(&mut self, need: LogOffset, passes: bool) -> bool {
        let end = self.bytes.len();
        if end == self.held_end() {
            return false;
        }
        if passes && self.held.is_empty() {
            self.released = end;
            return false;
        }
        self.held.push_back(Held { end: self.base + end as u64, need });
        true
    }

    /// What the first held reply depends on.
    pub fn first_need(&self) -> Option<LogOffset> {
        self.held.front().map(|held| held.need)
    }

    /// Releases replies in order while `passes` says so.
    pub fn release(&mut self, mut passes: impl FnMut(LogOffset) -> bool) {
        while let Some(first) = self.held.front() {
            if !passes(first.need) {
                break;
            }
            self.released = self.position(first.end);
            self.held.pop_front();
        }
        if self.held.is_empty() {
            self.held.shrink_to(KEEP_HELD);
        }
    }

    /// Replaces every held reply whose `need` makes `failed` true by `error` (a whole RESP error line).
    pub fn fail_held(&mut self, mut failed: impl FnMut(LogOffset) -> bool, error: &[u8]) {
        if !self.held.iter().any(|h| failed(h.need)) {
            return;
        }
        let mut bytes = self.bytes[..self.released].to_vec();
        let mut start = self.released;
        for h in &mut self.held {
            let end = usize::try_from(h.end - self.base).expect("a held reply lies in the buffer");
            if failed(h.need) {
                bytes.extend_from_slice(error);
                h.need = LogOffset(0);
            } else {
                bytes.extend_from_slice(&self.bytes[start..end]);
            }
            start = end;
            h.end = self.base + bytes.len() as u64;
        }
        self.bytes = bytes;
    }

    /// What may be written to the socket now.
    pub fn sendable(&self) -> &[u8] {
        &self.bytes[self.sent..self.released]
    }

    /// Notes that `n` of the sendable bytes were written.
    pub fn sent(&mut self, n: usize) {
        self.sent += n;
        assert!(self.sent <= self.released, "no more is sent than was released");
        if self.sent == self.bytes.len() {
            self.base += self.sent as u64;
            self.bytes.clear();
            self.bytes.shrink_to(KEEP_BYTES);
            (self.sent, self.released) = (0, 0);
        } else if self.sent > self.bytes.len() / 2 && self.sent > KEEP_BYTES {
            self.bytes.drain(..self.sent);
            self.base += self.sent as u64;
            self.released -= self.sent;
            self.sent = 0;
        }
    }

    /// Gives back what a drained buffer keeps for the next reply.
    pub fn shrink(&mut self) {
        if self.is_drained() && self.held.is_empty() {
            self.bytes.shrink_to(0);
            self.held.shrink_to(0);
        }
    }

    /// Bytes of the reply that is being appended, or was appended and not ended.
    pub fn reply_bytes(&self) -> usize {
        self.bytes.len() - self.held_end()
    }

    /// Replies that wait for the log.
    pub fn held_replies(&self) -> usize {
        self.held.len()
    }

    /// Bytes of replies that wait for the log.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() - self.released
    }

    /// Bytes released and not yet sent: what a slow reader makes the server keep.
    pub fn unsent_bytes(&self) -> usize {
        self.released - self.sent
    }

    /// Whether nothing is left to send or to wait for.
    pub fn is_drained(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Memory held, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.held.capacity() * size_of::<Held>()
    }

    fn held_end(&self) -> usize {
        self.held.back().map_or(self.released, |h| self.position(h.end))
    }

    fn position(&self, end: u64) -> usize {
        usize::try_from(end - self.base).expect("a held reply lies in the buffer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(out: &mut Output, text: &str, need: u64, passed: u64) {
        out.buffer().extend_from_slice(text.as_bytes());
        out.end_reply(LogOffset(need), need <= passed);
    }

    #[test]
    fn a_reply_behind_a_held_one_waits_for_it() {
        let mut out = Output::default();
        reply(&mut out, "a", 0, 0);
        reply(&mut out, "b", 10, 0);
        reply(&mut out, "c", 0, 0);
        assert_eq!(out.sendable(), b"a");
        out.sent(1);
        out.release(|need| need <= LogOffset(10));
        assert_eq!(out.sendable(), b"bc");
        assert_eq!(out.held_replies(), 0);
    }

    #[test]
    fn a_failed_flush_replaces_only_the_replies_that_depend_on_it() {
        let mut out = Output::default();
        reply(&mut out, "first,", 5, 5);
        reply(&mut out, "lost,", 10, 5);
        reply(&mut out, "read,", 3, 5);
        reply(&mut out, "later", 20, 5);
        out.fail_held(|need| need > LogOffset(5) && need <= LogOffset(10), b"-ERR,");
        out.release(|need| need <= LogOffset(5));
        assert_eq!(out.sendable(), b"first,-ERR,read,");
        out.release(|need| need <= LogOffset(20));
        assert_eq!(out.sendable(), b"first,-ERR,read,later");
    }

    #[test]
    fn compaction_keeps_the_boundaries_of_held_replies() {
        let mut out = Output::default();
        let big = "x".repeat(KEEP_BYTES * 2);
        reply(&mut out, &big, 0, 0);
        reply(&mut out, "held", 10, 0);
        out.sent(big.len());
        out.fail_held(|_| true, b"-E");
        out.release(|_| true);
        assert_eq!(out.sendable(), b"-E");
        out.sent(2);
        assert!(out.is_drained());
    }
}
