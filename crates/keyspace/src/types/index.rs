//! From an element to its position in a vector: the hash index of large sets, hashes and sorted sets.
//!
//! SipHash-1-3 with a random key of the process, because clients choose the elements. The key is seen nowhere: the
//! order of a collection is that of its vector, never that of the index, so a run can be repeated exactly.
//! 32 bits of each hash are kept, so that growth moves eight bytes an entry and touches no element, and a lookup
//! follows a pointer only where these agree. It grows segment by segment, as the main table does.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::elem::Elem;
use crate::hashing::KeyHash;
use crate::table::{Hashed, SegmentedIndex};

#[derive(Clone, Copy, Debug)]
struct Place {
    at: u32,
    hash: u32,
}

impl Place {
    fn new(at: usize, hash: u32) -> Self {
        Self { at: u32::try_from(at).expect("a collection holds fewer than 2^32 elements"), hash }
    }
}

impl Hashed for Place {
    type Seed = ();

    #[inline]
    fn hash(&self, (): ()) -> KeyHash {
        spread(self.hash)
    }
}

/// A map from elements to positions; the elements themselves are the owner's, who passes a way to compare.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    places: SegmentedIndex<Place>,
    hasher: RandomState,
}

/// Spreads the kept 32 bits over the 64 that the table takes its segment, bucket and tag from.
fn spread(hash: u32) -> KeyHash {
    KeyHash(u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Index {
    #[expect(clippy::cast_possible_truncation, reason = "32 of the 64 bits are kept")]
    fn hash(&self, elem: Elem<'_>) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        match elem {
            Elem::Int(value) => hasher.write_i64(value),
            Elem::Bytes(bytes) => hasher.write(bytes),
        }
        hasher.finish() as u32
    }

    /// The position of `elem`; `is_it` compares with the element at a position.
    pub(crate) fn find(&self, elem: Elem<'_>, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let hash = self.hash(elem);
        let place = self.places.find(spread(hash), |place| place.hash == hash && is_it(place.at as usize))?;
        Some(place.at as usize)
    }

    /// Adds an element that is not in the index.
    pub(crate) fn insert(&mut self, elem: Elem<'_>, at: usize) {
        self.places.insert(Place::new(at, self.hash(elem)));
    }

    /// Forgets the element at position `at`.
    pub(crate) fn remove(&mut self, elem: Elem<'_>, at: usize) {
        let removed = self.places.remove(spread(self.hash(elem)), |place| place.at as usize == at);
        assert!(removed.is_some(), "an element of the collection is in its index");
    }

    /// Notes that the element at position `from` is now at `to`.
    pub(crate) fn moved(&mut self, elem: Elem<'_>, from: usize, to: usize) {
        let hash = self.hash(elem);
        let place = self.places.find_mut(spread(hash), |place| place.at as usize == from);
        *place.expect("an element of the collection is in its index") = Place::new(to, hash);
    }

    /// About how many bytes of memory the index takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.places.heap_bytes()
    }
}
