//! The same structure without keys of its own: an index whose entries know their hashes.
//!
//! For the index of a large collection, so that it grows without a pause too.

use super::directory::Directory;
use super::segment::Hashed;
use crate::hashing::KeyHash;

/// A hash index of small entries that stores no key: the caller compares.
#[derive(Clone, Debug)]
pub(crate) struct SegmentedIndex<T> {
    root: Directory<T>,
}

impl<T: Hashed<Seed = ()>> Default for SegmentedIndex<T> {
    fn default() -> Self {
        Self { root: Directory::new(0) }
    }
}

impl<T: Hashed<Seed = ()>> SegmentedIndex<T> {
    /// The entry of this hash for which `is_it` holds.
    #[inline]
    pub(crate) fn find(&self, hash: KeyHash, is_it: impl Fn(&T) -> bool) -> Option<&T> {
        self.root.segment(hash).find(hash, is_it)
    }

    /// The same, to be changed in everything but its hash.
    #[inline]
    pub(crate) fn find_mut(&mut self, hash: KeyHash, is_it: impl Fn(&T) -> bool) -> Option<&mut T> {
        self.root.segment_mut(hash).find_mut(hash, is_it)
    }

    /// Adds an entry.
    pub(crate) fn insert(&mut self, entry: T) {
        self.root.insert_new(entry.hash(()), entry, ());
    }

    /// Takes out the entry of this hash for which `is_it` holds.
    pub(crate) fn remove(&mut self, hash: KeyHash, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let removed = self.root.segment_mut(hash).remove(hash, is_it)?;
        self.root.give_back(hash, ());
        Some(removed)
    }

    /// Bytes of memory that the index takes for its `len` entries, from the first few segments.
    pub(crate) fn heap_bytes(&self, len: usize) -> usize {
        const SAMPLES: usize = 8;
        let seen = self.root.segments_from(KeyHash(0)).take(SAMPLES);
        let (bytes, entries) = seen
            .fold((0, 0), |(bytes, entries), segment| (bytes + segment.heap_bytes(), entries + segment.iter().len()));
        // Without entries there is one segment.
        (bytes * len.max(1)) / entries.max(1)
    }
}
