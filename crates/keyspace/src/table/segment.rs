//! One segment: a hash table of bounded size, for the hashes that share a prefix.

use hashbrown::{HashTable, hash_table};

use crate::hashing::KeyHash;

/// What stands in a segment.
pub(crate) trait Hashed {
    /// What it takes to hash it.
    type Seed: Copy;

    /// Its hash: the same for as long as it stands there.
    fn hash(&self, seed: Self::Seed) -> KeyHash;
}

/// Entries a segment holds before it is split: 7/8 of 1024 buckets, the load that `hashbrown` allows.
///
/// A split hashes all of them again, each with a cache miss: about 0.1 ms.
pub(super) const SEGMENT_MAX: usize = 896;

/// Two neighbours with no more entries than this together are joined. Well below a full segment, so that a few
/// insertions after it do not split it again.
pub(super) const JOIN_MAX: usize = SEGMENT_MAX / 4;

/// A hash table of bounded size.
#[derive(Clone, Debug)]
pub(super) struct Segment<T> {
    entries: HashTable<T>,
    /// How many bits of the hash, after those of the directories above, all entries share.
    pub(super) depth: u8,
}

/// The hash as the inner table gets it: it takes its bucket from the low bits and its tag from the high ones, and the
/// high ones of ours are the same within a segment.
fn inner(hash: KeyHash) -> u64 {
    hash.0.rotate_left(32)
}

impl<T> Default for Segment<T> {
    fn default() -> Self {
        Self { entries: HashTable::new(), depth: 0 }
    }
}

impl<T: Hashed> Segment<T> {
    pub(super) fn with_depth(depth: u8, capacity: usize) -> Self {
        Self { entries: HashTable::with_capacity(capacity), depth }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= SEGMENT_MAX
    }

    #[inline]
    pub(super) fn find(&self, hash: KeyHash, is_it: impl Fn(&T) -> bool) -> Option<&T> {
        self.entries.find(inner(hash), is_it)
    }

    #[inline]
    pub(super) fn find_mut(&mut self, hash: KeyHash, is_it: impl Fn(&T) -> bool) -> Option<&mut T> {
        self.entries.find_mut(inner(hash), is_it)
    }

    /// Every entry with this hash, and maybe others.
    pub(super) fn with_hash(&self, hash: KeyHash) -> hash_table::IterHash<'_, T> {
        self.entries.iter_hash(inner(hash))
    }

    pub(super) fn insert_new(&mut self, hash: KeyHash, entry: T, seed: T::Seed) {
        self.entries.insert_unique(inner(hash), entry, |entry| inner(entry.hash(seed)));
    }

    pub(super) fn remove(&mut self, hash: KeyHash, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let found = self.entries.find_entry(inner(hash), is_it).ok()?;
        Some(found.remove().0)
    }

    /// Whether memory can be won back: by a smaller table, or by joining the neighbour.
    pub(super) fn is_sparse(&self) -> bool {
        self.entries.len() <= JOIN_MAX
    }

    /// Gives memory back when an eighth of it would do.
    pub(super) fn shrink(&mut self, seed: T::Seed) {
        if self.entries.len() * 8 < self.entries.capacity() {
            self.entries.shrink_to(self.entries.len() * 2, |entry| inner(entry.hash(seed)));
        }
    }

    /// Takes the entries apart by the bit of the hash `bits_above` from the top; both halves are one bit deeper.
    pub(super) fn split(self, bits_above: u8, seed: T::Seed) -> (Self, Self) {
        // Room for a little more than half, as hashes fall; a full segment needs no more than one growth after it.
        let half = self.entries.len() / 2;
        let mut halves = [Self::with_depth(self.depth + 1, half), Self::with_depth(self.depth + 1, half)];
        for entry in self.entries {
            let hash = entry.hash(seed);
            let side = usize::from(hash.0 << bits_above >> 63 == 1);
            halves[side].insert_new(hash, entry, seed);
        }
        halves.into()
    }

    /// Takes over all entries of the neighbour; the result is one bit less deep.
    pub(super) fn join(&mut self, neighbour: Self, seed: T::Seed) {
        for entry in neighbour.entries {
            let hash = entry.hash(seed);
            self.insert_new(hash, entry, seed);
        }
        self.depth -= 1;
    }

    /// A random entry, evenly distributed.
    pub(super) fn random(&self, rng: &mut fastrand::Rng) -> Option<&T> {
        const TRIES: usize = 64;
        if self.entries.is_empty() {
            return None;
        }
        let buckets = self.entries.num_buckets();
        for _ in 0..TRIES {
            if let Some(entry) = self.entries.get_bucket(rng.usize(..buckets)) {
                return Some(entry);
            }
        }
        self.entries.iter().nth(rng.usize(..self.entries.len()))
    }

    pub(super) fn iter(&self) -> hash_table::Iter<'_, T> {
        self.entries.iter()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.entries.allocation_size()
    }
}
