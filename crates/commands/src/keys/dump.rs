//! DUMP: a value as bytes, which RESTORE takes, here or in any other server.
//!
//! Why a handler, and an arrow from `commands` to `rdb`, and no operation of the engine: DUMP and RESTORE are functions of
//! keyspace, request and time like all others here, and everything that holds for those then holds for them: effects, replay, WATCH,
//! held replies. `rdb` knows neither files nor sockets.
//!
//! The payload has the oldest version that is written, which every server since Redis 5 takes, where Redis 7.2 states its own.

use std::cell::Cell;

use keyspace::ValueRef;
use rdb::{Encoder, WriteOptions};
use resp_codec::Args;

use crate::{CommandError, Ctx};

thread_local! {
    /// Kept from one payload to the next: an encoder has about 200 kB of memory, which would be cleared for each of them.
    static ENCODER: Cell<Option<(bool, Encoder)>> = const { Cell::new(None) };
}

/// The payload of a value.
pub(super) fn payload(value: ValueRef<'_>, compress: bool) -> Result<Vec<u8>, CommandError> {
    let kept = ENCODER.take().filter(|(compresses, _)| *compresses == compress);
    let reserve = || Encoder::reserve(WriteOptions { compress, ..WriteOptions::default() });
    let mut encoder = kept.map_or_else(reserve, |(_, encoder)| encoder);
    let mut payload = Vec::new();
    let result = encoder.payload(value, &mut payload);
    ENCODER.set(Some((compress, encoder)));
    result.map_err(|_| CommandError::Text("ERR the value holds a string that is too long for a payload"))?;
    Ok(payload)
}

pub(super) fn dump(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    match ctx.store.read(key) {
        None => ctx.reply.null(),
        Some(value) => ctx.reply.bulk(&payload(value, ctx.limits.compress_dumps)?),
    }
    Ok(())
}
