//! Commands that answer strings whole, and do something to their key besides.

use keyspace::IntBuf;
use resp_codec::Args;

use super::set::{Dialect, Lifetime, Options, deadline};
use crate::parse::Expiry;
use crate::{CommandError, Ctx};

#[inline]
pub(super) fn get(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    match ctx.store.string(key)? {
        None => ctx.reply.null(),
        Some(value) => ctx.reply.bulk(value.bytes(&mut IntBuf::new())),
    }
    Ok(())
}

pub(super) fn mget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(args.len() - 1);
    for name in args.from(1) {
        let key = ctx.store.key(name);
        // A key of another type is as good as none.
        match ctx.store.string(key) {
            Ok(Some(value)) => ctx.reply.bulk(value.bytes(&mut IntBuf::new())),
            Ok(None) | Err(_) => ctx.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn strlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let len = ctx.store.string(key)?.map_or(0, |value| value.len());
    ctx.reply.count(len);
    Ok(())
}

pub(super) fn getdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    match ctx.store.string(key)? {
        None => {
            ctx.reply.null();
            return Ok(());
        }
        Some(value) => ctx.reply.bulk(value.bytes(&mut IntBuf::new())),
    }
    ctx.store.delete(key);
    ctx.store.effect(&[b"DEL", key.bytes]);
    Ok(())
}

pub(super) fn getex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = Options::parse(args, 2, Dialect::GetEx)?;
    let key = ctx.store.key(args.at(1));
    let now = ctx.store.now;
    match ctx.store.string(key)? {
        None => {
            ctx.reply.null();
            return Ok(());
        }
        Some(value) => ctx.reply.bulk(value.bytes(&mut IntBuf::new())),
    }
    match options.lifetime {
        Lifetime::Unsaid | Lifetime::KeepTtl => {}
        Lifetime::Persist => {
            if ctx.store.db().deadline(key).is_some() {
                ctx.store.set_deadline(key, None);
                ctx.store.effect(&[b"PERSIST", key.bytes]);
            }
        }
        Lifetime::Until(unit, value) => {
            let until = deadline(unit, value, now, "getex")?;
            let absolute = matches!(unit, Expiry::UnixSeconds | Expiry::UnixMillis);
            if absolute && until <= now && !ctx.store.replay {
                ctx.store.delete(key);
                ctx.store.effect(&[b"DEL", key.bytes]);
            } else {
                ctx.store.set_deadline(key, Some(until));
                ctx.store.effect(&[b"PEXPIREAT", key.bytes, IntBuf::new().format(until.0)]);
            }
        }
    }
    Ok(())
}
