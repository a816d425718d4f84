//! What a reply waits for: the log offset of everything it depends on.
//!
//! A reply may leave when that offset is at or below the log's reply mark, which the fsync policy chooses
//! (`aof_buffer::AofBuffer::reply_mark`). What a reply depends on is the highest of its own effects and the last write of each key it names; a fixed table indexed by key hash holds
//! those last writes. Two keys in one slot only make a reply wait a little longer: nothing leaves too early.
//!
//! Invariant: a slot never goes back, and no slot lies above the appended mark.

use aof_state::LogOffset;
use keyspace::KeyHash;
use mutants::{Mutant, planted};

/// Slots of the last-write table: 512 KiB of offsets. Larger only makes collisions rarer.
const SLOTS: usize = 1 << 16;

/// The log offset of the last write of every key, by hash.
#[derive(Debug, Default)]
pub(crate) struct LastWrites {
    /// Plain numbers: a table of zeros then comes from the kernel as such, untouched until it is used. Empty until something is noted.
    slots: Box<[u64]>,
    /// Raised by commands that change whole databases: no key's last write lies below it.
    floor: LogOffset,
    /// The highest offset noted: what a command that sees everything depends on.
    highest: LogOffset,
}

impl LastWrites {
    /// Notes that `key` was written by an effect that ends at `offset`.
    pub(crate) fn note(&mut self, key: KeyHash, offset: LogOffset) {
        if self.slots.is_empty() {
            self.make_slots();
        }
        let slot = &mut self.slots[Self::slot(key)];
        *slot = (*slot).max(offset.0);
        self.highest = self.highest.max(offset);
    }

    #[cold]
    fn make_slots(&mut self) {
        self.slots = vec![0; SLOTS].into_boxed_slice();
    }

    /// Notes a change of whole databases.
    pub(crate) fn raise_floor(&mut self, offset: LogOffset) {
        self.floor = self.floor.max(offset);
        self.highest = self.highest.max(offset);
    }

    /// What a reply that names `key` depends on.
    pub(crate) fn of(&self, key: KeyHash) -> LogOffset {
        if planted(Mutant::HeldReadLeaves) {
            return LogOffset(0);
        }
        let noted = self.slots.get(Self::slot(key)).copied().unwrap_or(0);
        LogOffset(noted).max(self.floor)
    }

    /// What a reply depends on that may show any key.
    pub(crate) fn of_everything(&self) -> LogOffset {
        self.highest
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked to the table's size")]
    fn slot(key: KeyHash) -> usize {
        // The keyspace splits its tables by the high bits; the low ones are as random and independent of them.
        key.0 as usize & (SLOTS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_judged_below_its_last_write_or_the_floor() {
        let mut table = LastWrites::default();
        table.note(KeyHash(7), LogOffset(100));
        table.note(KeyHash(7), LogOffset(90));
        assert_eq!(table.of(KeyHash(7)), LogOffset(100));
        assert_eq!(table.of(KeyHash(8)), LogOffset(0));
        table.raise_floor(LogOffset(110));
        assert_eq!(table.of(KeyHash(8)), LogOffset(110));
        assert_eq!(table.of_everything(), LogOffset(110));
    }
}
