//! Directories: from a prefix of the hash to its segment.
//!
//! A directory of depth d has 2^d slots, one for each value of d bits of the hash. A segment that shares fewer bits
//! fills a run of slots: it stands in the first of them and the others point there. So a directory doubles by copying
//! its slots, and no segment is touched.

use super::segment::{Hashed, JOIN_MAX, Segment};
use crate::hashing::KeyHash;

/// Depth beyond which a directory does not double: a full slot then gets a directory of its own. Doubling the last
/// time copies 2^11 slots.
const MAX_DEPTH: u8 = 12;

/// Bits of the hash that directories may use. A segment that shares this many grows instead of being split; with a
/// random seed, none ever will.
pub(super) const MAX_PREFIX_BITS: u8 = 44;

/// The last of the hashes that share their first `bits` bits with `hash`.
pub(super) fn last_hash(hash: u64, bits: u8) -> u64 {
    hash | u64::MAX.checked_shr(u32::from(bits)).unwrap_or(0)
}

/// A directory over some bits of the hash.
#[derive(Clone, Debug)]
pub(super) struct Directory<T> {
    /// Bits of the hash that the directories above have used.
    above: u8,
    /// Bits of the hash that this directory uses.
    depth: u8,
    /// Number of segments and directories that share all `depth` bits: without any, the directory may halve.
    deepest: usize,
    slots: Vec<Slot<T>>,
}

#[derive(Clone, Debug)]
enum Slot<T> {
    Segment(Segment<T>),
    /// The segment stands in an earlier slot.
    Same(u32),
    /// The next bits of the hash decide; only in a directory of full depth.
    Below(Box<Directory<T>>),
}

/// What a hash leads to: its segment and the hashes that the segment covers.
#[derive(Debug)]
pub(super) struct Span<'a, T> {
    pub(super) segment: &'a Segment<T>,
    /// Bits of the hash that all of the segment's entries share.
    pub(super) prefix_bits: u8,
}

impl<T: Hashed> Directory<T> {
    pub(super) fn new(above: u8) -> Self {
        Self::with_segment(above, Segment::default())
    }

    fn with_segment(above: u8, segment: Segment<T>) -> Self {
        debug_assert_eq!(segment.depth, 0);
        Self { above, depth: 0, deepest: 1, slots: vec![Slot::Segment(segment)] }
    }

    /// The slot where the segment or directory of `hash` stands.
    fn place(&self, hash: KeyHash) -> usize {
        let mine = hash.0 << self.above;
        let at = mine.checked_shr(64 - u32::from(self.depth)).unwrap_or(0);
        let at = usize::try_from(at).expect("a directory has at most 2^12 slots");
        if let Slot::Same(first) = self.slots[at] { first as usize } else { at }
    }

    pub(super) fn span(&self, hash: KeyHash) -> Span<'_, T> {
        let mut directory = self;
        loop {
            match &directory.slots[directory.place(hash)] {
                Slot::Segment(segment) => return Span { segment, prefix_bits: directory.above + segment.depth },
                Slot::Below(below) => directory = below,
                Slot::Same(_) => unreachable!("a place is where something stands"),
            }
        }
    }

    pub(super) fn segment(&self, hash: KeyHash) -> &Segment<T> {
        self.span(hash).segment
    }

    pub(super) fn segment_mut(&mut self, hash: KeyHash) -> &mut Segment<T> {
        let mut directory = self;
        loop {
            let place = directory.place(hash);
            match &mut directory.slots[place] {
                Slot::Segment(segment) => return segment,
                Slot::Below(below) => directory = below,
                Slot::Same(_) => unreachable!("a place is where something stands"),
            }
        }
    }

    /// Adds an entry that is not there yet, splitting its segment if it is full.
    pub(super) fn insert_new(&mut self, hash: KeyHash, entry: T, seed: T::Seed) {
        while self.segment(hash).is_full() && self.split(hash, seed) {}
        self.segment_mut(hash).insert_new(hash, entry, seed);
    }

    /// Gives back memory that the segment of `hash` does not need any more, after something was taken out of it.
    pub(super) fn give_back(&mut self, hash: KeyHash, seed: T::Seed) {
        let segment = self.segment_mut(hash);
        if segment.is_sparse() {
            segment.shrink(seed);
            self.join(hash, seed);
        }
    }

    /// Splits the segment of `hash`; false if it cannot be split further.
    pub(super) fn split(&mut self, hash: KeyHash, seed: T::Seed) -> bool {
        let place = self.place(hash);
        let segment = match &mut self.slots[place] {
            Slot::Below(below) => return below.split(hash, seed),
            Slot::Segment(segment) => segment,
            Slot::Same(_) => unreachable!("a place is where something stands"),
        };
        if self.above + segment.depth >= MAX_PREFIX_BITS {
            return false;
        }
        if segment.depth == MAX_DEPTH {
            let mut whole = std::mem::take(segment);
            whole.depth = 0;
            let mut below = Box::new(Self::with_segment(self.above + MAX_DEPTH, whole));
            below.split(hash, seed);
            self.slots[place] = Slot::Below(below);
            return true;
        }
        if segment.depth == self.depth {
            self.double();
        }
        self.split_here(hash, seed);
        true
    }

    /// Splits the segment of `hash`, which fills more than one slot.
    fn split_here(&mut self, hash: KeyHash, seed: T::Seed) {
        let place = self.place(hash);
        let Slot::Segment(segment) = &mut self.slots[place] else { return };
        let segment = std::mem::take(segment);
        let run = 1 << (self.depth - segment.depth);
        let bits_above = self.above + segment.depth;
        let (low, high) = segment.split(bits_above, seed);
        if low.depth == self.depth {
            self.deepest += 2;
        }
        let middle = place + run / 2;
        self.slots[place] = Slot::Segment(low);
        self.slots[middle] = Slot::Segment(high);
        self.point_at(middle, run / 2);
    }

    /// Makes the other slots of the run that starts at `first` point there.
    fn point_at(&mut self, first: usize, run: usize) {
        let target = u32::try_from(first).expect("a directory has at most 2^12 slots");
        self.slots[first + 1..first + run].fill_with(|| Slot::Same(target));
    }

    fn double(&mut self) {
        let mut slots = Vec::with_capacity(self.slots.len() * 2);
        for (target, slot) in (0u32..).step_by(2).zip(self.slots.drain(..)) {
            let (first, second) = match slot {
                Slot::Same(at) => (Slot::Same(at * 2), Slot::Same(at * 2)),
                standing => (standing, Slot::Same(target)),
            };
            slots.push(first);
            slots.push(second);
        }
        self.slots = slots;
        self.depth += 1;
        self.deepest = 0;
    }

    fn halve(&mut self) {
        let halves = self.slots.drain(..).step_by(2).map(|slot| match slot {
            Slot::Same(at) => Slot::Same(at / 2),
            standing => standing,
        });
        self.slots = halves.collect();
        self.depth -= 1;
        let full_depth = self.depth;
        let is_deepest = |slot: &&Slot<T>| match slot {
            Slot::Segment(segment) => segment.depth == full_depth,
            Slot::Same(_) | Slot::Below(_) => false,
        };
        self.deepest = self.slots.iter().filter(is_deepest).count();
    }

    /// Joins the segment of `hash` with its neighbours as long as both are small, and gives up what that leaves empty.
    pub(super) fn join(&mut self, hash: KeyHash, seed: T::Seed) {
        let place = self.place(hash);
        if let Slot::Below(below) = &mut self.slots[place] {
            below.join(hash, seed);
            let Some(mut only) = below.take_if_small() else { return };
            only.depth = MAX_DEPTH;
            self.slots[place] = Slot::Segment(only);
        }
        while self.join_once(hash, seed) {}
        while self.deepest == 0 && self.depth > 0 {
            self.halve();
        }
    }

    /// Takes out the only segment of a directory, if it is small.
    fn take_if_small(&mut self) -> Option<Segment<T>> {
        match self.slots.as_mut_slice() {
            [Slot::Segment(only)] if only.len() <= JOIN_MAX => Some(std::mem::take(only)),
            _ => None,
        }
    }

    fn join_once(&mut self, hash: KeyHash, seed: T::Seed) -> bool {
        let place = self.place(hash);
        let Slot::Segment(segment) = &self.slots[place] else { return false };
        let (len, depth) = (segment.len(), segment.depth);
        if depth == 0 {
            return false;
        }
        let run = 1usize << (self.depth - depth);
        let (left, right) = (place & !run, place | run);
        let Slot::Segment(neighbour) = &self.slots[place ^ run] else { return false };
        if neighbour.depth != depth || len + neighbour.len() > JOIN_MAX {
            return false;
        }
        let Slot::Segment(high) = std::mem::replace(&mut self.slots[right], Slot::Same(0)) else { return false };
        if let Slot::Segment(low) = &mut self.slots[left] {
            low.join(high, seed);
        }
        self.point_at(left, run * 2);
        if depth == self.depth {
            self.deepest -= 2;
        }
        true
    }

    /// Every segment, from a hash on in the order of their hashes.
    pub(super) fn segments_from(&self, hash: KeyHash) -> impl Iterator<Item = &Segment<T>> {
        let mut next = Some(hash.0);
        std::iter::from_fn(move || {
            let span = self.span(KeyHash(next?));
            next = last_hash(next?, span.prefix_bits).checked_add(1);
            Some(span.segment)
        })
    }

    /// About how many bytes of memory the segments take: those of the first `samples`, and as much for each hash beyond them,
    /// since hashes are spread evenly.
    pub(super) fn heap_bytes(&self, samples: usize) -> usize {
        let (mut bytes, mut seen) = (0, 0);
        for _ in 0..samples {
            let span = self.span(KeyHash(seen));
            bytes += span.segment.heap_bytes();
            match last_hash(seen, span.prefix_bits).checked_add(1) {
                None => return bytes,
                Some(next) => seen = next,
            }
        }
        let all = ((bytes as u128) << 64) / u128::from(seen.max(1));
        usize::try_from(all).unwrap_or(usize::MAX)
    }

    /// Checks what the module's documentation says of slots, depths and counts.
    #[cfg(test)]
    pub(super) fn check(&self, seed: T::Seed) -> usize {
        assert_eq!(self.slots.len(), 1 << self.depth);
        let (mut at, mut deepest, mut entries) = (0, 0, 0);
        while at < self.slots.len() {
            let run = match &self.slots[at] {
                Slot::Segment(segment) => {
                    deepest += usize::from(segment.depth == self.depth);
                    entries += segment.len();
                    for entry in segment.iter() {
                        assert_eq!(self.place(entry.hash(seed)), at);
                    }
                    1 << (self.depth - segment.depth)
                }
                Slot::Below(below) => {
                    assert_eq!((self.depth, below.above), (MAX_DEPTH, self.above + MAX_DEPTH));
                    deepest += 1;
                    entries += below.check(seed);
                    1
                }
                Slot::Same(_) => panic!("a run starts with what stands there"),
            };
            for slot in &self.slots[at + 1..at + run] {
                assert!(matches!(slot, Slot::Same(first) if *first as usize == at));
            }
            at += run;
        }
        assert_eq!(deepest, self.deepest);
        entries
    }
}
