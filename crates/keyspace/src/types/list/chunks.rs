//! The large form of a list: a deque of compact chunks.
//!
//! Invariant: no chunk is empty; only a list that is about to be removed has none.

use std::collections::VecDeque;

use super::Budget;
use super::limit::ChunkLimit;
use crate::types::dense::sampled;
use crate::types::elem::Elem;
use crate::types::pack::Pack;

/// A deque of chunks.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    pub(super) chunks: VecDeque<Pack>,
    len: usize,
    limit: ChunkLimit,
}

impl Chunks {
    pub(super) fn from_one(pack: Pack, limit: ChunkLimit) -> Self {
        let len = pack.len();
        let chunks = std::iter::once(pack).filter(|pack| !pack.is_empty()).collect();
        Self { chunks, len, limit }
    }

    pub(super) fn set_limit(&mut self, limit: ChunkLimit) {
        self.limit = limit;
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Number of chunks.
    pub(super) fn count(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<Elem<'_>> {
        let (chunk, at) = self.locate(index);
        self.chunks[chunk].get(at)
    }

    /// Replaces the element at `index`, which must exist.
    pub(super) fn set(&mut self, index: usize, elem: Elem<'_>) {
        let (chunk, at) = self.locate(index);
        let new_size = self.chunks[chunk].size_bytes() + Pack::encoded_size(elem);
        if self.limit.allows(new_size, 1) || self.chunks[chunk].len() == 1 {
            self.chunks[chunk].replace(at, elem);
        } else {
            self.remove_range(index, index + 1);
            self.insert(index, elem);
        }
    }

    pub(super) fn insert(&mut self, at: usize, elem: Elem<'_>) {
        let (chunk, offset) = if at == self.len { (self.chunks.len(), 0) } else { self.locate(at) };
        self.len += 1;
        if offset == 0 {
            self.insert_between(chunk, elem);
        } else if self.limit.takes(&self.chunks[chunk], elem) {
            self.chunks[chunk].insert(offset, elem);
        } else {
            let tail = self.chunks[chunk].split_off(offset);
            self.chunks.insert(chunk + 1, tail);
            self.insert_between(chunk + 1, elem);
        }
    }

    /// Inserts at the seam before `chunk`: into a neighbour that has room, else as a chunk of its own.
    fn insert_between(&mut self, chunk: usize, elem: Elem<'_>) {
        let limit = self.limit;
        if self.chunks.get(chunk).is_some_and(|next| limit.takes(next, elem)) {
            self.chunks[chunk].push_front(elem);
        } else if chunk > 0 && limit.takes(&self.chunks[chunk - 1], elem) {
            self.chunks[chunk - 1].push_back(elem);
        } else {
            let mut single = Pack::default();
            single.push_back(elem);
            self.chunks.insert(chunk, single);
        }
    }

    /// Removes the elements `start..end`, which must exist.
    pub(super) fn remove_range(&mut self, start: usize, end: usize) {
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

    /// Removes elements equal to `elem` while the budget lasts.
    pub(super) fn remove_equal(&mut self, budget: &mut Budget, elem: Elem<'_>) {
        let before = budget.removed;
        let chunks = self.chunks.len();
        for step in 0..chunks {
            let chunk = if budget.from_end { chunks - 1 - step } else { step };
            if !budget.is_spent() {
                budget.remove_from(&mut self.chunks[chunk], elem);
            }
        }
        self.chunks.retain(|pack| !pack.is_empty());
        self.len -= budget.removed - before;
    }

    /// Takes the only chunk out if it is at most half as large as one may be. Without any, the list is on its way out, or
    /// LMOVE puts its only element back: then it stays what it was.
    pub(super) fn take_if_small(&mut self) -> Option<Pack> {
        let small = |pack: &Pack| pack.size_bytes() <= self.limit.bytes / 2 && pack.len() <= self.limit.count / 2;
        match self.chunks.len() {
            1 if small(&self.chunks[0]) => self.chunks.pop_front(),
            _ => None,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let packs = sampled(self.chunks.len(), |at| self.chunks[at].capacity_bytes());
        packs + self.chunks.capacity() * size_of::<Pack>()
    }

    /// The chunk of the element at `index`, which must exist, and its position there; found from the nearer end.
    pub(super) fn locate(&self, index: usize) -> (usize, usize) {
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
}
