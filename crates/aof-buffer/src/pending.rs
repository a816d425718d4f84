//! The bytes fed and not yet written to every file, and the buffers they are kept in.
//!
//! Invariant: `bytes` holds the stream from `start` on. While a write job owns a batch, `start` is the end of that batch;
//! what the job could not write comes back in front of what was fed meanwhile.

use aof_state::LogOffset;

/// A buffer larger than this is released after its flush, a smaller one is used again; in bytes.
const KEEP_BYTES: usize = 1024 * 1024;

/// The unwritten tail of the stream.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    start: LogOffset,
    bytes: Vec<u8>,
    /// An empty buffer for the next batch.
    spare: Vec<u8>,
}

impl Pending {
    /// Starts an empty tail at `start`.
    pub(crate) fn restart_at(&mut self, start: LogOffset) {
        self.start = start;
        self.bytes.clear();
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The offset of the first byte held.
    pub(crate) fn start(&self) -> LogOffset {
        self.start
    }

    /// The end of the stream.
    pub(crate) fn end(&self) -> LogOffset {
        LogOffset(self.start.0 + self.bytes.len() as u64)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Hands out everything held, for a write job.
    pub(crate) fn lend(&mut self) -> Vec<u8> {
        self.start = self.end();
        std::mem::replace(&mut self.bytes, std::mem::take(&mut self.spare))
    }

    /// Takes back a batch that began at `start`.
    pub(crate) fn give_back(&mut self, start: LogOffset, mut batch: Vec<u8>, written_by_all: LogOffset) {
        debug_assert_eq!(start.0 + batch.len() as u64, self.start.0, "one batch at a time, in order");
        if written_by_all >= self.start {
            recycle(&mut batch);
            if batch.capacity() > self.spare.capacity() {
                self.spare = batch;
            }
        } else {
            // Rare: a write failed. The batch keeps its place before what was fed meanwhile.
            batch.append(&mut self.bytes);
            self.spare = std::mem::replace(&mut self.bytes, batch);
            recycle(&mut self.spare);
            self.start = start;
        }
        self.consume_to(written_by_all);
    }

    /// Forgets the bytes before `written_by_all`.
    pub(crate) fn consume_to(&mut self, written_by_all: LogOffset) {
        let done_bytes = usize::try_from(written_by_all.0.saturating_sub(self.start.0)).unwrap_or(usize::MAX);
        if done_bytes >= self.bytes.len() {
            self.start = self.end();
            recycle(&mut self.bytes);
        } else if done_bytes > 0 {
            self.bytes.drain(..done_bytes);
            self.start = written_by_all;
        }
    }
}

/// Empties a buffer, and gives its memory back if it is large.
fn recycle(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEEP_BYTES {
        *buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(text: &[u8]) -> Pending {
        let mut pending = Pending::default();
        pending.push(text);
        pending
    }

    #[test]
    fn small_buffers_are_reused_and_large_ones_released() {
        let mut small = pending(b"abc");
        let address = small.bytes().as_ptr();
        let batch = small.lend();
        small.give_back(LogOffset(0), batch, LogOffset(3));
        assert_eq!((small.spare.as_ptr(), small.spare.capacity() >= 3), (address, true));
        small.push(b"d");
        let _ = small.lend();
        small.push(b"e");
        assert_eq!(small.bytes().as_ptr(), address);

        let mut large = pending(&vec![0; KEEP_BYTES + 1]);
        large.consume_to(large.end());
        assert_eq!((large.bytes.capacity(), large.start()), (0, LogOffset(KEEP_BYTES as u64 + 1)));
    }

    #[test]
    fn a_batch_that_failed_comes_back_in_front_of_what_was_fed_meanwhile() {
        let mut p = pending(b"abcdef");
        let batch = p.lend();
        p.push(b"gh");
        assert_eq!((p.start(), p.end()), (LogOffset(6), LogOffset(8)));
        p.give_back(LogOffset(0), batch, LogOffset(2));
        assert_eq!((p.bytes(), p.start(), p.end()), (&b"cdefgh"[..], LogOffset(2), LogOffset(8)));
    }
}
