//! The items of a collection as commands of bounded length.
//!
//! Bounded by number, as in Redis, and by bytes: whoever reads a command holds it in memory, and one of 64 elements of 70 MB each would be
//! longer than any command may be.

use child::Failure;
use keyspace::Elem;

use super::commands::Commands;

/// The most items in one command. Source: `AOF_REWRITE_ITEMS_PER_CMD` of Redis 4.0.
const ITEMS_PER_COMMAND: usize = 64;

/// The most bytes of items in a command of more than one. Where the key is longer, which stands in each, so many as it has.
const BYTES_PER_COMMAND: usize = 1 << 20;

/// The most digits of an integer, its sign among them.
const INT_BYTES: usize = 20;

/// The most characters of a double.
const DOUBLE_BYTES: usize = 25;

/// What stands in a command for one item of a collection.
pub(super) trait Item: Copy {
    /// For places of a batch that hold none.
    const NONE: Self;
    /// How many arguments it takes.
    const ARGS: usize;

    /// How many bytes they have, at most.
    fn bytes(self) -> usize;

    fn emit(self, out: &mut Commands<'_, '_>) -> Result<(), Failure>;
}

impl Item for Elem<'_> {
    const NONE: Self = Elem::Int(0);
    const ARGS: usize = 1;

    #[inline]
    fn bytes(self) -> usize {
        match self {
            Elem::Int(_) => INT_BYTES,
            Elem::Bytes(bytes) => bytes.len(),
        }
    }

    #[inline]
    fn emit(self, out: &mut Commands<'_, '_>) -> Result<(), Failure> {
        match self {
            Elem::Int(value) => out.bulk_int(value),
            Elem::Bytes(bytes) => out.bulk(bytes),
        }
    }
}

/// A field of a hash, or a member of a sorted set, behind what stands before it.
impl<A: Item, B: Item> Item for (A, B) {
    const NONE: Self = (A::NONE, B::NONE);
    const ARGS: usize = A::ARGS + B::ARGS;

    #[inline]
    fn bytes(self) -> usize {
        self.0.bytes() + self.1.bytes()
    }

    #[inline]
    fn emit(self, out: &mut Commands<'_, '_>) -> Result<(), Failure> {
        self.0.emit(out)?;
        self.1.emit(out)
    }
}

/// A score.
impl Item for f64 {
    const NONE: Self = 0.0;
    const ARGS: usize = 1;

    #[inline]
    fn bytes(self) -> usize {
        DOUBLE_BYTES
    }

    #[inline]
    fn emit(self, out: &mut Commands<'_, '_>) -> Result<(), Failure> {
        out.bulk_double(self)
    }
}

/// Writes items in as few commands as may be.
pub(super) fn emit_items<T: Item>(
    out: &mut Commands<'_, '_>,
    command: &[u8],
    key: &[u8],
    items: impl Iterator<Item = T>,
) -> Result<(), Failure> {
    let limit = BYTES_PER_COMMAND.max(key.len());
    let mut batch = [T::NONE; ITEMS_PER_COMMAND];
    let (mut count, mut bytes) = (0, 0);
    for item in items {
        let size = item.bytes();
        if count == ITEMS_PER_COMMAND || (count > 0 && bytes + size > limit) {
            emit_command(out, command, key, &batch[..count])?;
            (count, bytes) = (0, 0);
        }
        batch[count] = item;
        (count, bytes) = (count + 1, bytes + size);
    }
    if count == 0 { Ok(()) } else { emit_command(out, command, key, &batch[..count]) }
}

/// How many arguments there are stands in front of them, so all items of a command are known before it begins.
fn emit_command<T: Item>(out: &mut Commands<'_, '_>, command: &[u8], key: &[u8], items: &[T]) -> Result<(), Failure> {
    out.array(2 + items.len() * T::ARGS)?;
    out.bulk(command)?;
    out.bulk(key)?;
    items.iter().try_for_each(|item| item.emit(out))
}
