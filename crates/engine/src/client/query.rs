//! A client's query buffer: the part of a request that has arrived and is not complete.
//!
//! Clients read into one buffer that the engine lends to all of them; only what is left of an incomplete request is kept
//! here, so an idle client holds no query memory. It grows with the bytes that arrive, never with a length announced.
//!
//! Invariant: `filled <= bytes.len()`; `bytes` is initialised to its length.

use resp_codec::{Limits, RequestDecoder};

/// What one read(2) is offered at least, in bytes. Source: PROTO_IOBUF_LEN of Redis.
pub(crate) const READ_BYTES: usize = 16 * 1024;
/// What one read(2) is offered at most behind an unfinished request, in bytes: all that has arrived is run before anybody else
/// is heard.
const READ_AT_MOST_BYTES: usize = 1 << 20;

/// Bytes of an unfinished request and the decoder's place in it.
#[derive(Debug)]
pub struct Query {
    bytes: Vec<u8>,
    filled: usize,
    pub(crate) decoder: RequestDecoder,
}

impl Default for Query {
    fn default() -> Self {
        Self { bytes: Vec::new(), filled: 0, decoder: RequestDecoder::new(Limits::default()) }
    }
}

impl Query {
    /// Whether nothing is left over.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Bytes of unfinished requests.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// The first bytes of the unfinished request, at most so many.
    pub fn head(&self, most: usize) -> &[u8] {
        &self.bytes[..self.filled.min(most)]
    }

    /// Memory held, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.decoder.memory_bytes()
    }

    /// Room to read into, behind what is there. At least doubles when full, so that a large argument is copied O(1) times;
    /// but there is never room for more than one byte beyond `limit`, which tells that it is passed.
    pub fn spare(&mut self, limit: usize) -> &mut [u8] {
        if self.bytes.len() - self.filled < READ_BYTES / 4 {
            let most = limit.saturating_add(1).max(self.filled + 1);
            let len = (self.filled + self.filled.max(READ_BYTES / 2)).min(most);
            if len > self.bytes.len() {
                self.bytes.reserve_exact(len - self.bytes.len());
                self.bytes.resize(len, 0);
            }
        }
        let end = self.bytes.len().min(self.filled + READ_AT_MOST_BYTES);
        &mut self.bytes[self.filled..end]
    }

    /// Takes the bytes out for processing, `added` read into the spare room included.
    pub fn take(&mut self, added: usize) -> (Vec<u8>, usize) {
        let filled = self.filled + added;
        assert!(filled <= self.bytes.len(), "more bytes filled than were lent");
        self.filled = 0;
        (std::mem::take(&mut self.bytes), filled)
    }

    /// Puts back a buffer of which `bytes[from..to]` is unfinished.
    pub fn put_back(&mut self, mut bytes: Vec<u8>, from: usize, to: usize) {
        if from == to {
            return;
        }
        bytes.copy_within(from..to, 0);
        self.filled = to - from;
        if bytes.len() > 4 * self.filled.max(READ_BYTES) {
            bytes.truncate(self.filled.max(READ_BYTES));
            bytes.shrink_to_fit();
        }
        self.bytes = bytes;
    }

    /// Keeps a copy of unfinished bytes that stand in a shared buffer.
    pub fn keep(&mut self, unfinished: &[u8]) {
        assert!(self.filled == 0, "the shared buffer is only lent to a client without leftovers");
        self.bytes.clear();
        self.bytes.extend_from_slice(unfinished);
        self.filled = unfinished.len();
    }
}
