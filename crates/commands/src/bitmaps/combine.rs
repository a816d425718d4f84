//! BITOP: strings combined bit by bit.

use keyspace::{IntBuf, Str, StrRef, Value, ValueRef};
use resp_codec::Args;

use crate::elems::store_result;
use crate::parse::is;
use crate::{CommandError, Ctx};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    fn parse(arg: &[u8]) -> Result<Self, CommandError> {
        match arg {
            _ if is(arg, "AND") => Ok(Self::And),
            _ if is(arg, "OR") => Ok(Self::Or),
            _ if is(arg, "XOR") => Ok(Self::Xor),
            _ if is(arg, "NOT") => Ok(Self::Not),
            _ => Err(CommandError::Syntax),
        }
    }

    /// Combines `result` with a further source, which is not longer and counts as zeros where it is shorter. The loops are over bytes, which
    /// the compiler makes into whole registers.
    fn apply(self, result: &mut [u8], source: &[u8]) {
        let (meeting, beyond) = result.split_at_mut(source.len());
        let pairs = meeting.iter_mut().zip(source);
        match self {
            Self::And => {
                pairs.for_each(|(byte, other)| *byte &= other);
                beyond.fill(0);
            }
            Self::Or => pairs.for_each(|(byte, other)| *byte |= other),
            Self::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
            Self::Not => unreachable!("NOT has one source"),
        }
    }
}

/// Bytes combined at a time: a piece of the result stays in the first cache while all sources pass it.
const PIECE_BYTES: usize = 8 << 10;

/// The part of a source that meets a piece of the result; less of it, or nothing, beyond its end.
fn part(source: &[u8], at: usize, len: usize) -> &[u8] {
    &source[at.min(source.len())..(at + len).min(source.len())]
}

fn combined(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let mut result = Vec::with_capacity(len);
    if operation == Operation::Not {
        result.extend(first.iter().map(|byte| !byte));
        return result;
    }
    while result.len() < len {
        let (at, size) = (result.len(), PIECE_BYTES.min(len - result.len()));
        result.extend_from_slice(part(first, at, size));
        result.resize(at + size, 0);
        for source in others {
            operation.apply(&mut result[at..], part(source, at, size));
        }
    }
    result
}

/// `BITOP AND|OR|XOR|NOT destination key [key …]`
pub(super) fn bitop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let operation = Operation::parse(args.at(1))?;
    if operation == Operation::Not && args.len() != 4 {
        return Err(CommandError::Text("ERR BITOP NOT must be called with a single source key."));
    }
    // All keys are looked up before any is borrowed, which removes those past their deadline.
    let mut keys = Vec::with_capacity(args.len() - 3);
    for name in args.from(3) {
        let key = ctx.store.key(name);
        ctx.store.string(key)?;
        keys.push(key);
    }
    let string = |key| match ctx.store.peek(key) {
        Some(ValueRef::Str(value)) => Some(value),
        _ => None,
    };
    let strings: Vec<Option<StrRef<'_>>> = keys.into_iter().map(string).collect();
    let mut ints = vec![IntBuf::new(); strings.len()];
    let sources: Vec<&[u8]> =
        strings.iter().zip(&mut ints).map(|(string, int)| string.map_or(&b""[..], |it| it.bytes(int))).collect();
    let result = combined(operation, &sources);
    ctx.reply.count(result.len());
    let destination = ctx.store.key(args.at(2));
    let result = Some(result).filter(|bytes| !bytes.is_empty()).map(|bytes| Value::Str(Str::raw(bytes)));
    store_result(&mut ctx.store, destination, result);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Byte by byte, absent bytes as zeros.
    fn naive(operation: Operation, sources: &[Vec<u8>]) -> Vec<u8> {
        let len = sources.iter().map(Vec::len).max().unwrap_or(0);
        let byte = |at: usize| {
            let mut bytes = sources.iter().map(|source| source.get(at).copied().unwrap_or(0));
            let first = bytes.next().unwrap();
            match operation {
                Operation::And => bytes.fold(first, |all, byte| all & byte),
                Operation::Or => bytes.fold(first, |all, byte| all | byte),
                Operation::Xor => bytes.fold(first, |all, byte| all ^ byte),
                Operation::Not => !first,
            }
        };
        (0..len).map(byte).collect()
    }

    fn source() -> impl Strategy<Value = Vec<u8>> {
        let bytes = |len| prop::collection::vec(any::<u8>(), len);
        let around_a_piece = (PIECE_BYTES - 2)..(PIECE_BYTES + 3);
        prop_oneof![4 => bytes(0..40), 1 => any::<u8>().prop_flat_map(move |b| around_a_piece.clone().prop_map(move |n| vec![b; n]))]
    }

    proptest! {
        #[test]
        fn strings_of_any_length_are_combined_as_byte_by_byte(sources in prop::collection::vec(source(), 1..5)) {
            let borrowed: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            for operation in [Operation::And, Operation::Or, Operation::Xor] {
                prop_assert_eq!(combined(operation, &borrowed), naive(operation, &sources), "{:?}", operation);
            }
            prop_assert_eq!(combined(Operation::Not, &borrowed[..1]), naive(Operation::Not, &sources[..1]));
        }
    }
}
