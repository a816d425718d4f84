//! The main table of a database: extendible hashing, so that no operation's cost grows with the number of keys.
//!
//! Entries live in *segments*, hash tables of bounded size. A *directory* maps a prefix of the hash to a segment; a
//! full segment is split in two by one more bit of the prefix, and two neighbours that have become small are joined.
//! A directory doubles at most to 4096 slots; below that a slot holds a directory of its own for the next bits. So
//! the longest single step is the split of one segment or the doubling of one directory, whatever the table's size.
//!
//! A segment is a range of hashes. That makes a hash a position: a walk from hash 0 upwards that remembers only the
//! next hash to visit meets every entry that is there all the time, whatever is split, joined, added or removed
//! meanwhile ([`Table::scan`]).

mod directory;
mod index;
mod scan;
mod segment;
#[cfg(test)]
mod tests;

use directory::Directory;
pub(crate) use index::SegmentedIndex;
pub(crate) use segment::Hashed;

use crate::db::Entry;
use crate::hashing::{HashSeed, KeyHash};

impl Hashed for Entry {
    type Seed = HashSeed;

    fn hash(&self, seed: HashSeed) -> KeyHash {
        seed.hash(self.key())
    }
}

/// A table of entries by key.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    seed: HashSeed,
    root: Directory<Entry>,
    len: usize,
    /// While a child shares the memory, nothing is moved that need not be.
    frozen: bool,
}

impl Table {
    pub(crate) fn new(seed: HashSeed) -> Self {
        Self { seed, root: Directory::new(0), len: 0, frozen: false }
    }

    pub(crate) fn seed(&self) -> HashSeed {
        self.seed
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Holds back everything that shrinks; segments still split when they are full.
    pub(crate) fn freeze(&mut self, on: bool) {
        self.frozen = on;
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen
    }

    pub(crate) fn get(&self, hash: KeyHash, key: &[u8]) -> Option<&Entry> {
        self.root.segment(hash).find(hash, |entry| entry.key() == key)
    }

    pub(crate) fn get_mut(&mut self, hash: KeyHash, key: &[u8]) -> Option<&mut Entry> {
        self.root.segment_mut(hash).find_mut(hash, |entry| entry.key() == key)
    }

    /// Every entry with this hash: one, but for collisions of all 64 bits.
    pub(crate) fn with_hash(&self, hash: KeyHash) -> impl Iterator<Item = &Entry> {
        let seed = self.seed;
        self.root.segment(hash).with_hash(hash).filter(move |entry| seed.hash(entry.key()) == hash)
    }

    /// Adds an entry whose key is not there yet.
    pub(crate) fn insert_new(&mut self, hash: KeyHash, entry: Entry) {
        self.root.insert_new(hash, entry, self.seed);
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, hash: KeyHash, key: &[u8]) -> Option<Entry> {
        let removed = self.root.segment_mut(hash).remove(hash, |entry| entry.key() == key)?;
        self.len -= 1;
        if !self.frozen {
            self.root.give_back(hash, self.seed);
        }
        Some(removed)
    }

    /// A random entry. Each segment is chosen as often as its share of the hashes, and so about of the entries.
    pub(crate) fn random(&self, rng: &mut fastrand::Rng) -> Option<&Entry> {
        const TRIES: usize = 16;
        if self.len == 0 {
            return None;
        }
        for _ in 0..TRIES {
            if let Some(entry) = self.root.segment(KeyHash(rng.u64(..))).random(rng) {
                return Some(entry);
            }
        }
        // Nearly everything was removed while the table was frozen: take what comes next, from anywhere on.
        let start = KeyHash(rng.u64(..));
        self.segments_from(start).chain(self.segments_from(KeyHash(0))).find_map(|segment| segment.random(rng))
    }

    /// About how many bytes of memory the table takes beside the entries' own allocations.
    pub(crate) fn heap_bytes(&self) -> usize {
        const SAMPLES: usize = 256;
        self.root.heap_bytes(SAMPLES)
    }
}
