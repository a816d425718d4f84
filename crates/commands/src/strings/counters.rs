//! Counters: integers and numbers stored as strings.

use keyspace::{Deadline, IntBuf};
use numeric::{IncrFloatError, incr_by_float};
use resp_codec::Args;

use crate::{CommandError, Ctx, parse};

pub(super) fn incr(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    add(ctx, args, 1)
}

pub(super) fn decr(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    add(ctx, args, -1)
}

pub(super) fn incrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let by = parse::int(args.at(2))?;
    add(ctx, args, by)
}

pub(super) fn decrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let by = parse::int(args.at(2))?.checked_neg().ok_or(CommandError::DecrementOverflow)?;
    add(ctx, args, by)
}

/// Adds to a counter in place. The request is its own effect: it depends on the stored value only.
#[inline]
fn add(ctx: &mut Ctx<'_>, args: Args<'_>, by: i64) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let sum = match ctx.store.string_mut(key)? {
        Some(mut value) => {
            let current = value.as_ref().as_i64().ok_or(CommandError::NotAnInteger)?;
            let sum = current.checked_add(by).ok_or(CommandError::Overflow)?;
            value.set_i64(sum);
            ctx.store.modified(key);
            sum
        }
        None => {
            ctx.store.set_str(key, IntBuf::new().format(by), Deadline::Clear);
            by
        }
    };
    ctx.store.propagate();
    ctx.reply.integer(sum);
    Ok(())
}

pub(super) fn incrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    ctx.store.only_writes();
    let sum = match ctx.store.string(key)? {
        Some(value) => incr_by_float(value.bytes(&mut IntBuf::new()), args.at(2)),
        None => incr_by_float(b"0", args.at(2)),
    };
    let sum = sum.map_err(|error| match error {
        IncrFloatError::NanOrInfinity => CommandError::NanOrInfinity,
        _ => CommandError::NotAFloat,
    })?;
    ctx.store.set_str(key, sum.as_bytes(), Deadline::Keep);
    // The sum, not the increment: a server that rounds otherwise must load the same value.
    ctx.store.effect(&[b"SET", key.bytes, sum.as_bytes(), b"KEEPTTL"]);
    ctx.reply.bulk(sum.as_bytes());
    Ok(())
}
