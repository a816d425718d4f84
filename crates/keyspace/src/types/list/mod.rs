//! Lists: a deque of compact chunks.
//!
//! Both ends are O(1); the middle is found by walking chunks, not elements, and a change there moves the bytes of one
//! chunk. One chunk within the limits is what Redis calls a listpack, more a quicklist; as in Redis, a list goes back
//! to a listpack when it has shrunk to one chunk of at most half the limit.

mod iter;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use iter::Iter;

use super::elem::Elem;
use super::pack::Pack;
use super::thresholds::Thresholds;

/// A list.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// No chunk is empty.
    chunks: VecDeque<Pack>,
    len: usize,
    limit: ChunkLimit,
    /// Whether Redis would call it a quicklist.
    quick: bool,
}

/// How large a chunk may grow; one element always fits.
#[derive(Clone, Copy, Debug)]
struct ChunkLimit {
    bytes: usize,
    count: usize,
}

impl ChunkLimit {
    /// Source: `quicklistNodeLimit` of Redis: with a limit of elements, 8 kB are a limit too.
    fn new(list_max_listpack_size: i32) -> Self {
        const SAFETY_LIMIT_BYTES: usize = 8192;
        match list_max_listpack_size {
            -1 => Self { bytes: 4096, count: usize::MAX },
            -2 => Self { bytes: 8192, count: usize::MAX },
            -3 => Self { bytes: 16_384, count: usize::MAX },
            -4 => Self { bytes: 32_768, count: usize::MAX },
            ..=-5 => Self { bytes: 65_536, count: usize::MAX },
            count => Self { bytes: SAFETY_LIMIT_BYTES, count: usize::try_from(count).map_or(1, |count| count.max(1)) },
        }
    }

    fn allows(self, bytes: usize, count: usize) -> bool {
        bytes <= self.bytes && count <= self.count
    }
}

impl Default for ChunkLimit {
    fn default() -> Self {
        Self::new(Thresholds::default().list_max_listpack_size)
    }
}

impl List {
    /// Makes an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Prepends an element.
    pub fn push_front(&mut self, elem: &[u8], limits: &Thresholds) {
        self.limit = ChunkLimit::new(limits.list_max_listpack_size);
        let elem = Elem::new(elem);
        match self.chunks.front_mut() {
            Some(chunk) if takes(chunk, elem, self.limit) => chunk.push_front(elem),
            _ => self.chunks.push_front(single(elem)),
        }
        self.len += 1;
        self.note_growth();
    }

    /// Appends an element.
    pub fn push_back(&mut self, elem: &[u8], limits: &Thresholds) {
        self.limit = ChunkLimit::new(limits.list_max_listpack_size);
        let elem = Elem::new(elem);
        match self.chunks.back_mut() {
            Some(chunk) if takes(chunk, elem, self.limit) => chunk.push_back(elem),
            _ => self.chunks.push_back(single(elem)),
        }
        self.len += 1;
        self.note_growth();
    }

    /// Removes and returns the first element.
    pub fn pop_front(&mut self) -> Option<Vec<u8>> {
        let elem = self.chunks.front()?.iter().next()?.to_vec();
        self.remove_range(0, 1);
        Some(elem)
    }

    /// Removes and returns the last element.
    pub fn pop_back(&mut self) -> Option<Vec<u8>> {
        let elem = self.chunks.back()?.iter().next_back()?.to_vec();
        self.remove_range(self.len - 1, self.len);
        Some(elem)
    }

    /// The element at `index`; negative indices count from the end.
    pub fn get(&self, index: i64) -> Option<Elem<'_>> {
        let (chunk, at) = self.locate(self.resolve(index)?);
        self.chunks[chunk].get(at)
    }

    /// Replaces the element at `index` (negative: from the end); false out of range.
    pub fn set(&mut self, index: i64, elem: &[u8], limits: &Thresholds) -> bool {
        let Some(index) = self.resolve(index) else { return false };
        self.limit = ChunkLimit::new(limits.list_max_listpack_size);
        let elem = Elem::new(elem);
        let (chunk, at) = self.locate(index);
        let new_size = self.chunks[chunk].size_bytes() + Pack::encoded_size(elem);
        if self.limit.allows(new_size, 1) || self.chunks[chunk].len() == 1 {
            self.chunks[chunk].replace(at, elem);
            self.note_growth();
        } else {
            self.remove_range(index, index + 1);
            self.insert_elem(index, elem);
        }
        true
    }

    /// Visits every element.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0, self.len)
    }

    /// Visits the elements `start..end`, clamped to the list.
    pub fn range(&self, start: usize, end: usize) -> Iter<'_> {
        let end = end.min(self.len);
        Iter::new(self, start.min(end), end)
    }

    /// Inserts so that the new element has index `at` (at most `len`).
    ///
    /// # Panics
    ///
    /// When `at` is beyond the end.
    pub fn insert(&mut self, at: usize, elem: &[u8], limits: &Thresholds) {
        assert!(at <= self.len, "insertion beyond the end of a list");
        self.limit = ChunkLimit::new(limits.list_max_listpack_size);
        self.insert_elem(at, Elem::new(elem));
    }

    fn insert_elem(&mut self, at: usize, elem: Elem<'_>) {
        let (chunk, offset) = if at == self.len { (self.chunks.len(), 0) } else { self.locate(at) };
        self.len += 1;
        if offset == 0 {
            self.insert_between(chunk, elem);
        } else if takes(&self.chunks[chunk], elem, self.limit) {
            self.chunks[chunk].insert(offset, elem);
        } else {
            let tail = self.chunks[chunk].split_off(offset);
            self.chunks.insert(chunk + 1, tail);
            self.insert_between(chunk + 1, elem);
        }
        self.note_growth();
    }

    /// Inserts at the seam before `chunk`: into a neighbour that has room, else as a chunk of its own.
    fn insert_between(&mut self, chunk: usize, elem: Elem<'_>) {
        let limit = self.limit;
        if self.chunks.get(chunk).is_some_and(|next| takes(next, elem, limit)) {
            self.chunks[chunk].push_front(elem);
        } else if chunk > 0 && takes(&self.chunks[chunk - 1], elem, limit) {
            self.chunks[chunk - 1].push_back(elem);
        } else {
            self.chunks.insert(chunk, single(elem));
        }
    }

    /// Removes the elements `start..end`, clamped to the list; returns how many.
    pub fn remove_range(&mut self, start: usize, end: usize) -> usize {
        let end = end.min(self.len);
        if start >= end {
            return 0;
        }
        let (first, kept) = self.locate(start);
        let (mut chunk, mut at) = (first, kept);
        let mut left = end - start;
        let mut emptied = 0;
        while left > 0 {
            let pack = &mut self.chunks[chunk];
            let here = left.min(pack.len() - at);
            if here == pack.len() {
                emptied += 1;
            } else {
                pack.remove_range(at, at + here);
            }
            left -= here;
            at = 0;
            chunk += 1;
        }
        // The emptied chunks are neighbours: only the first and the last touched one can have kept elements.
        let from = if kept > 0 { first + 1 } else { first };
        self.chunks.drain(from..from + emptied);
        self.len -= end - start;
        self.join_around(first);
        self.note_shrinkage();
        end - start
    }

    /// Joins the chunks beside the seam before `chunk` when together they fill at most half of one.
    fn join_around(&mut self, chunk: usize) {
        for right in [chunk + 1, chunk] {
            if right == 0 || right >= self.chunks.len() {
                continue;
            }
            let (left, next) = (&self.chunks[right - 1], &self.chunks[right]);
            let (bytes, count) = (left.size_bytes() + next.size_bytes(), left.len() + next.len());
            if self.limit.allows(bytes.saturating_mul(2), count.saturating_mul(2)) {
                let next = self.chunks.remove(right);
                self.chunks[right - 1].append(&next.unwrap_or_default());
            }
        }
    }

    /// Keeps only the elements `start..end`.
    pub fn trim(&mut self, start: usize, end: usize) {
        self.remove_range(end.max(start), self.len);
        self.remove_range(0, start);
    }

    /// Removes elements equal to `elem` as LREM: the first `count`, the last `-count`, all for 0; returns how many.
    pub fn remove(&mut self, count: i64, elem: &[u8]) -> usize {
        let elem = Elem::new(elem);
        let most = if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
        let mut removed = 0;
        let chunks = self.chunks.len();
        for step in 0..chunks {
            let chunk = if count < 0 { chunks - 1 - step } else { step };
            let pack = &mut self.chunks[chunk];
            let mut cursor = if count < 0 { pack.len() } else { 0 };
            while removed < most {
                let found = if count < 0 {
                    pack.range(0, cursor).rposition(|other| other == elem)
                } else {
                    pack.range(cursor, pack.len()).position(|other| other == elem).map(|at| cursor + at)
                };
                let Some(at) = found else { break };
                pack.remove_range(at, at + 1);
                cursor = at;
                removed += 1;
            }
        }
        self.chunks.retain(|pack| !pack.is_empty());
        self.len -= removed;
        self.note_shrinkage();
        removed
    }

    /// The name that `OBJECT ENCODING` replies.
    pub fn encoding(&self) -> &'static str {
        if self.quick { "quicklist" } else { "listpack" }
    }

    pub(crate) fn free_effort(&self) -> usize {
        self.chunks.len().max(1)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let packs: usize = self.chunks.iter().map(Pack::capacity_bytes).sum();
        packs + self.chunks.capacity() * size_of::<Pack>()
    }

    fn resolve(&self, index: i64) -> Option<usize> {
        let from_end = usize::try_from(index.unsigned_abs()).ok()?;
        let index = if index < 0 { self.len.checked_sub(from_end)? } else { from_end };
        (index < self.len).then_some(index)
    }

    /// The chunk of the element at `index`, which must exist, and its position there; found from the nearer end.
    fn locate(&self, index: usize) -> (usize, usize) {
        if index < self.len / 2 {
            let mut at = index;
            for (chunk, pack) in self.chunks.iter().enumerate() {
                if at < pack.len() {
                    return (chunk, at);
                }
                at -= pack.len();
            }
        } else {
            let mut from_end = self.len - index;
            for (chunk, pack) in self.chunks.iter().enumerate().rev() {
                if from_end <= pack.len() {
                    return (chunk, pack.len() - from_end);
                }
                from_end -= pack.len();
            }
        }
        unreachable!("the chunks of a list hold {} elements, {index} was asked for", self.len)
    }

    fn note_growth(&mut self) {
        self.quick |= match (self.chunks.len(), self.chunks.front()) {
            (1, Some(only)) => !self.limit.allows(only.size_bytes(), only.len()),
            (chunks, _) => chunks > 1,
        };
    }

    fn note_shrinkage(&mut self) {
        self.quick &= match (self.chunks.len(), self.chunks.front()) {
            (1, Some(only)) => only.size_bytes() > self.limit.bytes / 2 || only.len() > self.limit.count / 2,
            (chunks, _) => chunks > 1,
        };
    }
}

fn single(elem: Elem<'_>) -> Pack {
    let mut pack = Pack::default();
    pack.push_back(elem);
    pack
}

fn takes(chunk: &Pack, elem: Elem<'_>, limit: ChunkLimit) -> bool {
    limit.allows(chunk.size_bytes() + Pack::encoded_size(elem), chunk.len() + 1)
}
