//! BITFIELD: integers of 1 to 64 bits anywhere in a string.
//!
//! All operations are read before the string is looked at; the string is then made long enough for all of them at once, as
//! in Redis, even if none is carried out in the end.

use keyspace::{IntBuf, Key};
use resp_codec::{Args, Reply};
use smallvec::SmallVec;

use super::single::change;
use super::{bits, scaled_offset};
use crate::parse::{self, is};
use crate::{CommandError, CommandLimits, Ctx};

/// How an integer is stored: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug)]
struct Encoding {
    signed: bool,
    width: u32,
}

impl Encoding {
    fn parse(arg: &[u8]) -> Result<Self, CommandError> {
        let (signed, widest, width) = match arg {
            [b'i', width @ ..] => (true, 64, width),
            [b'u', width @ ..] => (false, 63, width),
            _ => (false, 0, arg),
        };
        let width = numeric::parse_u64(width).and_then(|width| u32::try_from(width).ok());
        width.filter(|width| (1..=widest).contains(width)).map(|width| Self { signed, width }).ok_or(
            CommandError::Text(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
            ),
        )
    }

    /// The least and the greatest value.
    fn range(self) -> (i128, i128) {
        if self.signed {
            let half = 1_i128 << (self.width - 1);
            (-half, half - 1)
        } else {
            (0, (1_i128 << self.width) - 1)
        }
    }

    /// The lower bits of a value as such an integer.
    fn wrapped(self, value: i128) -> i128 {
        let unused = i128::BITS - self.width;
        let shifted = value << unused;
        if self.signed { shifted >> unused } else { (shifted.cast_unsigned() >> unused).cast_signed() }
    }

    /// A value to be stored, as Redis compares it with the range: what is negative counts as beyond the greatest value of an
    /// unsigned integer, and so does, of a signed one, what is further below that value than 63 bits can say. A log
    /// must mean the same to Redis, so this is kept.
    fn given(self, value: i64) -> i128 {
        let far_below = self.width < 64 && self.range().1 - i128::from(value) > i128::from(i64::MAX);
        let beyond = if self.signed { far_below } else { value < 0 };
        if beyond { value.cast_unsigned().into() } else { value.into() }
    }

    fn read(self, bytes: &[u8], offset: usize) -> i128 {
        self.wrapped(bits::read(bytes, offset, self.width).into())
    }
}

/// What to do with a value that does not fit.
#[derive(Clone, Copy, Debug)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

impl Overflow {
    fn parse(arg: &[u8]) -> Result<Self, CommandError> {
        match arg {
            _ if is(arg, "WRAP") => Ok(Self::Wrap),
            _ if is(arg, "SAT") => Ok(Self::Saturate),
            _ if is(arg, "FAIL") => Ok(Self::Fail),
            _ => Err(CommandError::Text("ERR Invalid OVERFLOW type specified")),
        }
    }

    /// The value to be stored; `None` to store nothing.
    fn fit(self, value: i128, encoding: Encoding) -> Option<i128> {
        let (least, greatest) = encoding.range();
        match self {
            _ if (least..=greatest).contains(&value) => Some(value),
            Self::Wrap => Some(encoding.wrapped(value)),
            Self::Saturate => Some(value.clamp(least, greatest)),
            Self::Fail => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

/// One operation on one field.
#[derive(Clone, Copy, Debug)]
struct Operation {
    action: Action,
    encoding: Encoding,
    offset: usize,
}

type Operations = SmallVec<[Operation; 4]>;

/// Reads all operations. Source: bitfieldGeneric of Redis, with its order of errors.
fn operations(args: Args<'_>, limits: &CommandLimits) -> Result<Operations, CommandError> {
    let (mut operations, mut overflow) = (Operations::new(), Overflow::Wrap);
    let mut rest = args.from(2);
    while let Some(word) = rest.next() {
        if is(word, "OVERFLOW") {
            overflow = Overflow::parse(rest.next().ok_or(CommandError::Syntax)?)?;
            continue;
        }
        let action: Option<fn(i64, Overflow) -> Action> = match word {
            _ if is(word, "GET") => None,
            _ if is(word, "SET") => Some(Action::Set),
            _ if is(word, "INCRBY") => Some(Action::Add),
            _ => return Err(CommandError::Syntax),
        };
        let (Some(encoding), Some(offset)) = (rest.next(), rest.next()) else { return Err(CommandError::Syntax) };
        let value = if action.is_some() { Some(rest.next().ok_or(CommandError::Syntax)?) } else { None };
        let encoding = Encoding::parse(encoding)?;
        let offset = match offset.strip_prefix(b"#") {
            Some(number) => scaled_offset(number, encoding.width, limits)?,
            None => scaled_offset(offset, 1, limits)?,
        };
        let action = match action.zip(value) {
            None => Action::Get,
            Some((action, value)) => action(parse::int(value)?, overflow),
        };
        operations.push(Operation { action, encoding, offset });
    }
    Ok(operations)
}

impl Operation {
    /// The bytes that the string must have for it; none to read.
    fn bytes_needed(&self) -> usize {
        match self.action {
            Action::Get => 0,
            Action::Set(..) | Action::Add(..) => (self.offset + self.encoding.width as usize).div_ceil(8),
        }
    }

    fn get(&self, bytes: &[u8], reply: &mut Reply<'_>) {
        answer(reply, self.encoding.read(bytes, self.offset));
    }

    /// Carries it out; true if that changed anything.
    fn run(&self, bytes: &mut [u8], reply: &mut Reply<'_>) -> bool {
        let Self { encoding, offset, .. } = *self;
        let old = encoding.read(bytes, offset);
        let (new, answers_old) = match self.action {
            Action::Get => {
                answer(reply, old);
                return false;
            }
            Action::Set(value, overflow) => (overflow.fit(encoding.given(value), encoding), true),
            Action::Add(value, overflow) => (overflow.fit(old + i128::from(value), encoding), false),
        };
        let Some(new) = new else {
            reply.null();
            return false;
        };
        answer(reply, if answers_old { old } else { new });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "its lower bits are what is stored"
        )]
        bits::write(bytes, offset, encoding.width, new as u64);
        new != old
    }
}

fn answer(reply: &mut Reply<'_>, value: i128) {
    reply.integer(i64::try_from(value).expect("neither i64 nor u63 is wider"));
}

/// `BITFIELD key [GET encoding offset | [OVERFLOW WRAP|SAT|FAIL] SET|INCRBY encoding offset value …]`
pub(super) fn bitfield(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let operations = operations(args, ctx.limits)?;
    let key = ctx.store.key(args.at(1));
    if operations.iter().all(|operation| operation.bytes_needed() == 0) {
        return read_all(ctx, key, &operations);
    }
    let len = operations.iter().map(Operation::bytes_needed).max().unwrap_or(0);
    let reply = &mut ctx.reply;
    let changed = change(&mut ctx.store, key, len, |bytes, grown| {
        reply.array(operations.len());
        operations.iter().fold(grown, |changed, operation| operation.run(bytes, reply) || changed)
    })?;
    if changed {
        ctx.store.modified(key);
        ctx.store.propagate();
    }
    Ok(())
}

/// `BITFIELD_RO key [GET encoding offset …]`
pub(super) fn bitfield_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let operations = operations(args, ctx.limits)?;
    if operations.iter().any(|operation| operation.bytes_needed() > 0) {
        return Err(CommandError::Text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    let key = ctx.store.key(args.at(1));
    read_all(ctx, key, &operations)
}

fn read_all(ctx: &mut Ctx<'_>, key: Key<'_>, operations: &[Operation]) -> Result<(), CommandError> {
    let mut buf = IntBuf::new();
    let bytes = ctx.store.string(key)?.map_or(&b""[..], |value| value.bytes(&mut buf));
    ctx.reply.array(operations.len());
    for operation in operations {
        operation.get(bytes, &mut ctx.reply);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoding() -> impl Strategy<Value = Encoding> {
        let encoding = |signed| move |width| Encoding { signed, width };
        prop_oneof![(1..65_u32).prop_map(encoding(true)), (1..64_u32).prop_map(encoding(false))]
    }

    /// Numbers near the borders of the encodings.
    fn number() -> impl Strategy<Value = i128> {
        let near = |bits: u32, off: i128, negative: bool| {
            let value = (1_i128 << bits) + off;
            if negative { -value } else { value }
        };
        (0..65_u32, -2..3_i128, any::<bool>()).prop_map(move |(bits, off, negative)| near(bits, off, negative))
    }

    proptest! {
        #[test]
        fn what_does_not_fit_goes_round_stops_at_the_border_or_is_refused(encoding in encoding(), value in number()) {
            let (least, greatest) = encoding.range();
            let fits = least <= value && value <= greatest;
            let round = (value - least).rem_euclid(1 << encoding.width) + least;
            prop_assert_eq!(Overflow::Wrap.fit(value, encoding), Some(round));
            prop_assert_eq!(Overflow::Saturate.fit(value, encoding), Some(value.max(least).min(greatest)));
            prop_assert_eq!(Overflow::Fail.fit(value, encoding), fits.then_some(value));
        }

        #[test]
        fn what_was_stored_is_read(encoding in encoding(), value in number(), offset in 0..100_usize) {
            let value = Overflow::Wrap.fit(value, encoding).unwrap();
            let mut bytes = [0xa5; 24];
            bits::write(&mut bytes, offset, encoding.width, u64::try_from(value & i128::from(u64::MAX)).unwrap());
            prop_assert_eq!(encoding.read(&bytes, offset), value);
        }
    }
}
