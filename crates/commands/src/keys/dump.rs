//! DUMP: a value as bytes, which RESTORE takes, here or in any other server.
//!
//! Why a handler, and an arrow from `commands` to `rdb`, and no operation of the engine: DUMP and RESTORE are functions of
//! keyspace, request and time like all others here, and everything that holds for those then holds for them: effects, replay, WATCH,
//! held replies. `rdb` knows neither files nor sockets.
//!
//! The payload has the oldest version that is written, which every server since Redis 5 takes, where Redis 7.2 states its own.

use keyspace::ValueRef;
use rdb::{Encoder, WriteOptions};
use resp_codec::Args;

use crate::{CommandError, Ctx};

/// The payload of a value.
pub(super) fn payload(value: ValueRef<'_>, compress: bool) -> Vec<u8> {
    let mut payload = Vec::new();
    Encoder::reserve(WriteOptions { compress, ..WriteOptions::default() }).payload(value, &mut payload);
    payload
}

pub(super) fn dump(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    match ctx.store.read(key) {
        None => ctx.reply.null(),
        Some(value) => ctx.reply.bulk(&payload(value, ctx.limits.compress_dumps)),
    }
    Ok(())
}
