//! BITCOUNT and BITPOS: commands on a range of a string, given in bytes or in bits.
//!
//! As in Redis a key that is not there is answered before the range is looked at.

use std::ops::Range;

use keyspace::IntBuf;
use resp_codec::Args;

use super::bits;
use crate::parse::{self, is};
use crate::{CommandError, Ctx};

/// What the ends of a range count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Bits,
}

impl Unit {
    fn parse(arg: &[u8]) -> Result<Self, CommandError> {
        match arg {
            _ if is(arg, "BIT") => Ok(Self::Bits),
            _ if is(arg, "BYTE") => Ok(Self::Bytes),
            _ => Err(CommandError::Syntax),
        }
    }

    /// How many there are in a string of `bytes`, and how many bits each is.
    fn in_string(self, bytes: usize) -> (usize, usize) {
        match self {
            Self::Bytes => (bytes, 8),
            Self::Bits => (bytes * 8, 1),
        }
    }

    /// The bits from `start` to `end` of a string of `len` bytes, both inclusive, negative from the end. An end before the
    /// first one means the first one.
    fn bits(self, start: i64, end: i64, len: usize) -> Range<usize> {
        let (count, width) = self.in_string(len);
        let count_signed = i64::try_from(count).unwrap_or(i64::MAX);
        let absolute = |index: i64| if index < 0 { index.saturating_add(count_signed).max(0) } else { index };
        let range = parse::range(absolute(start), absolute(end), count).unwrap_or(0..0);
        range.start * width..range.end * width
    }
}

/// `BITCOUNT key [start end [BYTE|BIT]]`
pub(super) fn bitcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let Some(value) = ctx.store.string(key)? else {
        ctx.reply.integer(0);
        return Ok(());
    };
    let mut buf = IntBuf::new();
    let bytes = value.bytes(&mut buf);
    let bits = match args.len() {
        2 => 0..bytes.len() * 8,
        4 | 5 => {
            let (start, end) = (parse::int(args.at(2))?, parse::int(args.at(3))?);
            if start < 0 && end < 0 && start > end {
                // Before the unit is looked at, as in Redis.
                0..0
            } else {
                args.get(4).map_or(Ok(Unit::Bytes), Unit::parse)?.bits(start, end, bytes.len())
            }
        }
        _ => return Err(CommandError::Syntax),
    };
    let count = bits::count(bytes, &bits);
    ctx.reply.integer(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(())
}

/// `BITPOS key bit [start [end [BYTE|BIT]]]`
pub(super) fn bitpos(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let wanted = match parse::int(args.at(2))? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::Text("ERR The bit argument must be 1 or 0.")),
    };
    let key = ctx.store.key(args.at(1));
    let Some(value) = ctx.store.string(key)? else {
        // Zeros without end.
        ctx.reply.integer(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let mut buf = IntBuf::new();
    let bytes = value.bytes(&mut buf);
    let bits = match args.len() {
        3 => 0..bytes.len() * 8,
        4..=6 => {
            let start = parse::int(args.at(3))?;
            let unit = args.get(5).map_or(Ok(Unit::Bytes), Unit::parse)?;
            let end = args.get(4).map_or(Ok(-1), parse::int)?;
            unit.bits(start, end, bytes.len())
        }
        _ => return Err(CommandError::Syntax),
    };
    // Behind a string whose end nobody named there are zeros; an empty range holds nothing.
    let zeros_follow = !wanted && args.len() < 5 && !bits.is_empty();
    let found = bits::find(bytes, &bits, wanted).or(zeros_follow.then_some(bits.end));
    ctx.reply.integer(found.map_or(-1, |at| i64::try_from(at).unwrap_or(i64::MAX)));
    Ok(())
}
