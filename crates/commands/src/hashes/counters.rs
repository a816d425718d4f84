//! Fields that hold numbers.

use numeric::{IntBuf, parse_long_double};
use resp_codec::Args;

use crate::{CommandError, Ctx, parse};

/// `HINCRBY key field increment`. The request is its own effect: it depends on the stored value only.
pub(super) fn hincrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let by = parse::int(args.at(3))?;
    let key = ctx.store.key(args.at(1));
    ctx.store.only_writes();
    let current = match ctx.store.hash(key)?.and_then(|hash| hash.get(args.at(2))) {
        None => 0,
        Some(value) => value.as_i64().ok_or(CommandError::Text("ERR hash value is not an integer"))?,
    };
    let sum = current.checked_add(by).ok_or(CommandError::Overflow)?;
    ctx.store.hash_or_new(key)?.set(args.at(2), IntBuf::new().format(sum), &ctx.limits.thresholds);
    ctx.store.modified(key);
    ctx.store.propagate();
    ctx.reply.integer(sum);
    Ok(())
}

/// `HINCRBYFLOAT key field increment`
pub(super) fn hincrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let by = parse_long_double(args.at(3)).ok_or(CommandError::NotAFloat)?;
    if !by.is_finite() {
        return Err(CommandError::Text("ERR value is NaN or Infinity"));
    }
    let (key, field) = (ctx.store.key(args.at(1)), args.at(2));
    ctx.store.only_writes();
    let sum = match ctx.store.hash(key)?.and_then(|hash| hash.get(field)) {
        None => Some(by),
        Some(value) => parse_long_double(value.bytes(&mut IntBuf::new()))
            .ok_or(CommandError::Text("ERR hash value is not a float"))?
            .checked_add(by),
    };
    let sum = sum.ok_or(CommandError::NanOrInfinity)?.to_text();
    ctx.store.hash_or_new(key)?.set(field, sum.as_bytes(), &ctx.limits.thresholds);
    ctx.store.modified(key);
    // The sum, not the increment: a server that rounds otherwise must load the same value.
    ctx.store.effect(&[b"HSET", key.bytes, field, sum.as_bytes()]);
    ctx.reply.bulk(sum.as_bytes());
    Ok(())
}
