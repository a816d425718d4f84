//! The items of a collection as commands of bounded length.

use child::Failure;
use keyspace::{Batches, Elem};

use super::commands::Commands;

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
    let mut batches = Batches::new(key);
    let mut batch = [T::NONE; Batches::ITEMS_PER_COMMAND];
    let mut count = 0;
    for item in items {
        if batches.next_begins_another(item.bytes()) {
            emit_command(out, command, key, &batch[..count])?;
            count = 0;
        }
        batch[count] = item;
        count += 1;
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
