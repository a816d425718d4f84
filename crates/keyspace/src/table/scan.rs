//! Walking the table in the order of hashes.
//!
//! A cursor is the high 48 bits of the next hash to visit: small enough for clients that keep numbers in a double,
//! fine enough for a sixteenth of the smallest segment.

use hashbrown::hash_table;

use super::Table;
use super::directory::{MAX_PREFIX_BITS, Span, last_hash};
use super::segment::Segment;
use crate::db::Entry;
use crate::hashing::{HashSeed, KeyHash};

const CURSOR_SHIFT: u32 = 16;

/// A call visits at least this part of a segment, as a power of two: less would mean to hash a whole segment's keys for
/// the sake of a few.
const MAX_SLICE_BITS: u8 = 4;

const _: () = assert!(MAX_PREFIX_BITS + MAX_SLICE_BITS <= 64 - 16, "a cursor can name every slice");

impl Table {
    /// Visits about `count` entries from `cursor` on; returns the next cursor, 0 at the end.
    ///
    /// The order is that of hashes, in slices; within a slice, of the inner table. An entry present from the first
    /// call to the last is visited at least once, and exactly once as long as no one invents cursors. A call visits
    /// as many empty segments as it may visit entries, times ten, so that it ends soon in a table that was emptied.
    pub(crate) fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(&'a Entry)) -> u64 {
        let mut next = cursor << CURSOR_SHIFT;
        let mut left = count.max(1);
        for _ in 0..count.max(1).saturating_mul(10) {
            let span = self.root.span(KeyHash(next));
            let bits = span.prefix_bits + slice_bits(span.segment.len(), left);
            let last = last_hash(next, bits);
            let visited = visit(&span, self.seed, next..=last, f);
            left = left.saturating_sub(visited);
            match last.checked_add(1) {
                None => return 0,
                Some(_) if left == 0 => return (last + 1) >> CURSOR_SHIFT,
                Some(after) => next = after,
            }
        }
        next >> CURSOR_SHIFT
    }

    pub(super) fn segments_from(&self, hash: KeyHash) -> impl Iterator<Item = &Segment<Entry>> {
        self.root.segments_from(hash)
    }

    /// Visits every entry.
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter { table: self, next: Some(0), entries: hash_table::Iter::default() }
    }
}

/// How many bits finer than the segment the slice is, so that it has about `count` of its `len` entries.
fn slice_bits(len: usize, count: usize) -> u8 {
    (0..MAX_SLICE_BITS).find(|&bits| len >> bits <= count).unwrap_or(MAX_SLICE_BITS)
}

/// Visits the segment's entries with these hashes; returns how many. A whole segment is visited without hashing.
fn visit<'a>(
    span: &Span<'a, Entry>,
    seed: HashSeed,
    hashes: std::ops::RangeInclusive<u64>,
    f: &mut dyn FnMut(&'a Entry),
) -> usize {
    let first_of_span = hashes.start() & !u64::MAX.checked_shr(u32::from(span.prefix_bits)).unwrap_or(0);
    let whole = *hashes.start() == first_of_span && *hashes.end() == last_hash(first_of_span, span.prefix_bits);
    let mut visited = 0;
    for entry in span.segment.iter() {
        if whole || hashes.contains(&seed.hash(entry.key()).0) {
            f(entry);
            visited += 1;
        }
    }
    visited
}

/// Visits every entry of a table.
#[derive(Clone, Debug)]
pub(crate) struct Iter<'a> {
    table: &'a Table,
    /// The first hash of the next segment.
    next: Option<u64>,
    entries: hash_table::Iter<'a, Entry>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(entry);
            }
            let span = self.table.root.span(KeyHash(self.next?));
            self.next = last_hash(self.next?, span.prefix_bits).checked_add(1);
            self.entries = span.segment.iter();
        }
    }
}
