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

    /// About how many bytes of memory the index takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        const SAMPLES: usize = 32;
        self.root.heap_bytes(SAMPLES)
    }
}
