//! Which names a compact sequence holds, while it is built: so that a name that comes twice is noticed without a look at all before it.
//!
//! An [`Index`] of where each name starts in the sequence. It is thrown away with the builder, and not made at all for the few names
//! that most sequences have. Clients choose the names, and none that collide, since the index hashes with a key of its own.

use super::elem::Elem;
use super::index::Index;
use super::pack::Pack;

/// A sequence of so many elements is walked instead.
const FEW: usize = 32;

/// The names of a sequence to which elements are only ever appended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    index: Index,
    /// Bytes of the sequence whose names are in the index.
    seen_bytes: usize,
}

impl Names {
    /// Whether `pack` has `name` at the first of each `stride` elements: 2 where each name is followed by what belongs to it. It is
    /// always the same sequence, to which nothing was done since the last time but appending.
    pub(crate) fn holds(&mut self, pack: &Pack, name: Elem<'_>, stride: usize) -> bool {
        if pack.len() <= FEW {
            return pack.iter().step_by(stride).any(|elem| elem == name);
        }
        self.catch_up(pack, stride);
        self.index.find(name, |at| pack.entry_at(at).0 == name).is_some()
    }

    fn catch_up(&mut self, pack: &Pack, stride: usize) {
        while self.seen_bytes < pack.size_bytes() {
            self.index.insert(pack.entry_at(self.seen_bytes).0, self.seen_bytes);
            for _ in 0..stride {
                self.seen_bytes = pack.entry_at(self.seen_bytes).1;
            }
        }
    }
}
