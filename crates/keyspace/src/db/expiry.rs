//! Which keys expire when: an ordered index, so that expired keys are found without looking at any other.
//!
//! It holds a deadline and a hash for each key with a deadline, about 25 bytes, and nothing for a key without one. The
//! table is asked for the keys of a hash. Should two keys with the same 64 bits of hash have the same deadline, they
//! share one line; whoever forgets a key says whether another still needs it.

use std::collections::BTreeSet;

use crate::hashing::KeyHash;
use crate::time::UnixMs;

/// Deadlines in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Expiry {
    lines: BTreeSet<(UnixMs, KeyHash)>,
    /// The first deadline in `lines`: every look-up asks for it.
    next: Option<UnixMs>,
    /// Number of keys with a deadline.
    keys: usize,
    /// The sum of their deadlines, in milliseconds.
    sum_ms: i128,
}

impl Expiry {
    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    pub(super) fn add(&mut self, at: UnixMs, hash: KeyHash) {
        self.lines.insert((at, hash));
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
        self.keys += 1;
        self.sum_ms += i128::from(at.0);
    }

    /// Forgets a key; `shared` says whether another key of this hash has the same deadline.
    pub(super) fn forget(&mut self, at: UnixMs, hash: KeyHash, shared: bool) {
        self.keys -= 1;
        self.sum_ms -= i128::from(at.0);
        if !shared {
            self.lines.remove(&(at, hash));
            if self.next == Some(at) {
                self.next = self.lines.first().map(|(at, _)| *at);
            }
        }
    }

    /// The deadlines before `now`, earliest first.
    pub(super) fn before(&self, now: UnixMs) -> impl Iterator<Item = (UnixMs, KeyHash)> {
        self.lines.range(..(now, KeyHash(0))).copied()
    }

    #[inline]
    pub(super) fn next(&self) -> Option<UnixMs> {
        self.next
    }

    /// The average of all deadlines.
    pub(super) fn average(&self) -> Option<UnixMs> {
        let average = self.sum_ms.checked_div(i128::try_from(self.keys).ok()?)?;
        i64::try_from(average).ok().map(UnixMs)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        // A node of a BTreeSet is about two thirds full.
        self.lines.len() * size_of::<(UnixMs, KeyHash)>() * 3 / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_that_share_hash_and_deadline_are_forgotten_one_by_one() {
        let (mut expiry, at, hash) = (Expiry::default(), UnixMs(5), KeyHash(7));
        expiry.add(at, hash);
        expiry.add(at, hash);
        expiry.forget(at, hash, true);
        assert_eq!((expiry.keys(), expiry.next()), (1, Some(at)));
        expiry.forget(at, hash, false);
        assert_eq!((expiry.keys(), expiry.next(), expiry.average()), (0, None, None));
    }

    #[test]
    fn the_next_deadline_is_always_the_earliest_that_is_left() {
        let mut expiry = Expiry::default();
        for at in [30, 10, 20] {
            expiry.add(UnixMs(at), KeyHash(1));
        }
        for (gone, next) in [(20, Some(10)), (10, Some(30)), (30, None)] {
            expiry.forget(UnixMs(gone), KeyHash(1), false);
            assert_eq!(expiry.next(), next.map(UnixMs));
        }
        expiry.add(UnixMs(5), KeyHash(1));
        assert_eq!(expiry.next(), Some(UnixMs(5)));
    }

    #[test]
    fn the_average_follows_what_is_added_and_forgotten() {
        let mut expiry = Expiry::default();
        for (at, hash) in [(10, 1), (20, 2), (i64::MAX, 3)] {
            expiry.add(UnixMs(at), KeyHash(hash));
        }
        expiry.forget(UnixMs(i64::MAX), KeyHash(3), false);
        assert_eq!(expiry.average(), Some(UnixMs(15)));
    }
}
