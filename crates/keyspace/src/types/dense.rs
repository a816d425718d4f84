//! Elements in a vector with a hash index: the large form of sets and hashes.
//!
//! The vector gives O(1) random elements and an order that does not depend on any hash. Removal moves the last entry
//! into the gap, so `scan` walks from the end to the start: what moves, moves towards what is still to be visited,
//! and an entry present throughout is never missed.

use super::elem::Elem;
use super::index::Index;
use super::item::Item;
use super::steps::Steps;

/// A vector of entries with a hash index over their names.
#[derive(Clone, Debug)]
pub(crate) struct Dense<V> {
    entries: Steps<(Item, V)>,
    index: Index,
}

impl<V> Default for Dense<V> {
    fn default() -> Self {
        Self { entries: Steps::default(), index: Index::default() }
    }
}

impl<V> Dense<V> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn find(&self, name: Elem<'_>) -> Option<usize> {
        self.index.find(name, |at| self.entries[at].0.elem() == name)
    }

    pub(crate) fn at(&self, at: usize) -> Option<(Elem<'_>, &V)> {
        self.entries.get(at).map(|(name, value)| (name.elem(), value))
    }

    pub(crate) fn value_mut(&mut self, at: usize) -> &mut V {
        &mut self.entries.get_mut(at).1
    }

    /// Adds an entry whose name is not there yet.
    pub(crate) fn insert_new(&mut self, name: Elem<'_>, value: V) {
        self.index.insert(name, self.entries.len());
        self.entries.push((name.into(), value));
    }

    /// Removes the entry at position `at`, which must exist; the last entry takes its place.
    pub(crate) fn remove_at(&mut self, at: usize) -> (Item, V) {
        self.index.remove(self.entries[at].0.elem(), at);
        let last = self.entries.len() - 1;
        if at != last {
            self.index.moved(self.entries[last].0.elem(), last, at);
        }
        self.entries.swap_remove(at)
    }

    /// Visits `count` entries below `cursor` (0: from the end); returns the next cursor, 0 when all were visited.
    pub(crate) fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(Elem<'a>, &'a V)) -> u64 {
        let len = self.entries.len();
        let end = if cursor == 0 { len } else { usize::try_from(cursor).map_or(len, |cursor| cursor.min(len)) };
        let start = end.saturating_sub(count.max(1));
        for at in (start..end).rev() {
            let (name, value) = &self.entries[at];
            f(name.elem(), value);
        }
        start as u64
    }

    /// Bytes of memory taken by the vector and the index, without what the values own beside themselves.
    pub(crate) fn heap_bytes(&self) -> usize {
        let names: usize = sampled(self.entries.len(), |at| self.entries[at].0.heap_bytes());
        self.entries.heap_bytes() + self.index.heap_bytes() + names
    }
}

/// Sums `bytes` over the first few of `len` elements and extrapolates, as `MEMORY USAGE` samples.
pub(crate) fn sampled(len: usize, bytes: impl Fn(usize) -> usize) -> usize {
    const SAMPLES: usize = 8;
    let seen = len.min(SAMPLES);
    let sum: usize = (0..seen).map(bytes).sum();
    (sum * len).checked_div(seen).unwrap_or(0)
}
