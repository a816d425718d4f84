//! The rewrite buffer: what was fed since a rewrite child was forked, until it is in the child's file.
//!
//! A list of blocks of 10 MB. A block is allocated when its first byte comes and never grows or moves, so that feeding
//! costs one copy however large the buffer is, and memory is given back block by block as it drains.
//!
//! Invariant: no block is empty but for what was consumed of the first; `len_bytes` is what lies in the blocks unconsumed.

use std::collections::VecDeque;

use crate::notice::Notice;

/// The size of a block, in bytes. Source: `AOF_RW_BUF_BLOCK_SIZE` of Redis 4.0.
pub const BLOCK_BYTES: usize = 10 * 1024 * 1024;

/// Blocks between two reports of the size.
const REPORT_EVERY_BLOCKS: usize = 10;

/// Blocks between two reports that are warnings.
const WARN_EVERY_BLOCKS: usize = 100;

/// The rewrite buffer.
#[derive(Debug, Default)]
pub(crate) struct Diff {
    blocks: VecDeque<Vec<u8>>,
    /// Bytes of the first block that were consumed.
    consumed: usize,
    len_bytes: u64,
}

impl Diff {
    /// Appends `bytes`; says so in `notices` whenever ten more blocks are held.
    pub(crate) fn push(&mut self, mut bytes: &[u8], notices: &mut Vec<Notice>) {
        while !bytes.is_empty() {
            let room = self.blocks.back().map_or(0, |block| BLOCK_BYTES - block.len());
            if room == 0 {
                self.add_block(notices);
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.blocks.back_mut().expect("a block with room was found").extend_from_slice(now);
            self.len_bytes += now.len() as u64;
            bytes = later;
        }
    }

    fn add_block(&mut self, notices: &mut Vec<Notice>) {
        self.blocks.push_back(Vec::with_capacity(BLOCK_BYTES));
        let count = self.blocks.len();
        if count.is_multiple_of(REPORT_EVERY_BLOCKS) {
            notices.push(Notice::RewriteBuffer {
                size_bytes: self.len_bytes,
                large: count.is_multiple_of(WARN_EVERY_BLOCKS),
            });
        }
    }

    /// Bytes not yet consumed.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// The oldest bytes in one piece; `None` if there are none.
    pub(crate) fn front(&self) -> Option<&[u8]> {
        self.blocks.front().map(|block| &block[self.consumed..]).filter(|rest| !rest.is_empty())
    }

    /// Forgets the `n` oldest bytes.
    ///
    /// # Panics
    /// If fewer are held.
    pub(crate) fn consume(&mut self, mut n: usize) {
        assert!(n as u64 <= self.len_bytes, "consumed more than the rewrite buffer holds");
        self.len_bytes -= n as u64;
        while n > 0 {
            let rest = self.blocks.front().map_or(0, |block| block.len() - self.consumed);
            if n < rest {
                self.consumed += n;
                return;
            }
            n -= rest;
            self.consumed = 0;
            self.blocks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_never_moved_and_are_given_back_as_they_drain() {
        let mut diff = Diff::default();
        let mut notices = Vec::new();
        assert!(diff.front().is_none());
        diff.push(b"abc", &mut notices);
        let address = diff.front().unwrap().as_ptr();
        diff.push(&vec![b'x'; BLOCK_BYTES], &mut notices);
        assert_eq!(diff.front().unwrap().as_ptr(), address);
        assert_eq!(diff.front().unwrap().len(), BLOCK_BYTES);
        diff.consume(1);
        assert_eq!(&diff.front().unwrap()[..3], b"bcx");
        diff.consume(BLOCK_BYTES - 1);
        assert_eq!(diff.front(), Some(&b"xxx"[..]));
        diff.consume(3);
        assert!(diff.front().is_none());
        assert_eq!((diff.len_bytes(), diff.blocks.len()), (0, 0));
        assert!(notices.is_empty());
    }

    #[test]
    fn consuming_across_blocks_keeps_the_order() {
        let mut diff = Diff::default();
        let mut notices = Vec::new();
        let bytes: Vec<u8> = (0..BLOCK_BYTES * 2 + 5).map(|i| u8::try_from(i % 251).unwrap()).collect();
        for piece in bytes.chunks(777_777) {
            diff.push(piece, &mut notices);
        }
        let mut out = Vec::new();
        while let Some(front) = diff.front() {
            let n = front.len().min(1_234_567);
            out.extend_from_slice(&front[..n]);
            diff.consume(n);
        }
        assert_eq!(out, bytes);
    }

    #[test]
    fn ten_blocks_are_reported_and_a_hundred_are_a_warning() {
        let mut diff = Diff::default();
        let mut notices = Vec::new();
        // Blocks, not bytes: the memory of a thousand megabytes is not needed to count them.
        for _ in 0..100 {
            diff.add_block(&mut notices);
        }
        let large: Vec<bool> = notices.iter().map(|n| matches!(n, Notice::RewriteBuffer { large: true, .. })).collect();
        assert_eq!(large, [vec![false; 9], vec![true]].concat());
    }
}
