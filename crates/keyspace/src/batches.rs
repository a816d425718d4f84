//! How the items of a collection are divided among the commands that rebuild it, for whoever writes them down.
//!
//! Bounded by number, as in Redis, and by bytes: whoever reads a command holds it in memory, and one of 64 elements of 70 MB each would be
//! longer than any command may be.

/// The most bytes of items in a command of more than one. Where the key is longer, which stands in each, so many as it has.
const BYTES_PER_COMMAND: usize = 1 << 20;

/// Divides the items of one key.
#[derive(Clone, Copy, Debug)]
pub struct Batches {
    limit_bytes: usize,
    /// Items of the present command, and their bytes.
    items: usize,
    bytes: usize,
}

impl Batches {
    /// The most items in one command. Source: `AOF_REWRITE_ITEMS_PER_CMD` of Redis 4.0.
    pub const ITEMS_PER_COMMAND: usize = 64;

    /// For the items of this key. A first command is taken for begun.
    pub fn new(key: &[u8]) -> Self {
        Self { limit_bytes: BYTES_PER_COMMAND.max(key.len()), items: 0, bytes: 0 }
    }

    /// Counts the next item, of so many bytes; says whether it begins another command, as the present one is full.
    #[inline]
    pub fn next_begins_another(&mut self, item_bytes: usize) -> bool {
        let is_full =
            self.items == Self::ITEMS_PER_COMMAND || (self.items > 0 && self.bytes + item_bytes > self.limit_bytes);
        if is_full {
            (self.items, self.bytes) = (0, 0);
        }
        self.items += 1;
        self.bytes += item_bytes;
        is_full
    }
}
