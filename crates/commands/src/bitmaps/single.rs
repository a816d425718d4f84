//! SETBIT and GETBIT.

use keyspace::{Deadline, IntBuf, Key, Str, Value};
use resp_codec::Args;

use super::bit_offset;
use crate::{CommandError, Ctx, Store};

/// Gives the bytes of a string, at least `len` of them, to be changed, and whether it was made or grew for that. A key that
/// is not there is made.
pub(super) fn change<R>(
    store: &mut Store<'_>,
    key: Key<'_>,
    len: usize,
    change: impl FnOnce(&mut [u8], bool) -> R,
) -> Result<R, CommandError> {
    if let Some(mut value) = store.string_mut(key)? {
        let grows = value.as_ref().len() < len;
        return Ok(change(value.grown_to(len), grows));
    }
    let mut bytes = vec![0; len];
    let result = change(&mut bytes, true);
    store.insert(key, Value::Str(Str::raw(bytes)), Deadline::Clear);
    Ok(result)
}

/// `SETBIT key offset value`
pub(super) fn setbit(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let offset = bit_offset(args.at(2), ctx.limits)?;
    let on = match numeric::parse_i64(args.at(3)) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(CommandError::Text("ERR bit is not an integer or out of range")),
    };
    let key = ctx.store.key(args.at(1));
    let (byte, bit) = (offset / 8, 0x80 >> (offset % 8));
    let (was_on, changed) = change(&mut ctx.store, key, byte + 1, |bytes, grown| {
        let was_on = bytes[byte] & bit != 0;
        bytes[byte] = if on { bytes[byte] | bit } else { bytes[byte] & !bit };
        (was_on, grown || was_on != on)
    })?;
    if changed {
        ctx.store.modified(key);
        ctx.store.propagate();
    }
    ctx.reply.integer(was_on.into());
    Ok(())
}

/// `GETBIT key offset`
pub(super) fn getbit(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let offset = bit_offset(args.at(2), ctx.limits)?;
    let key = ctx.store.key(args.at(1));
    let on = ctx.store.string(key)?.is_some_and(|value| {
        let mut buf = IntBuf::new();
        value.bytes(&mut buf).get(offset / 8).is_some_and(|byte| byte & (0x80 >> (offset % 8)) != 0)
    });
    ctx.reply.integer(on.into());
    Ok(())
}
