//! Commands on fields by name: setting, reading, removing.

use keyspace::{Elem, Hash, Key};
use resp_codec::Args;

use crate::elems::{bulk_or_null, took_out};
use crate::{CommandError, Ctx};

pub(super) fn hset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let added = set_all(ctx, args, "hset")?;
    ctx.reply.count(added);
    Ok(())
}

pub(super) fn hmset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_all(ctx, args, "hmset")?;
    ctx.reply.ok();
    Ok(())
}

/// Sets every field given; returns how many are new.
fn set_all(ctx: &mut Ctx<'_>, args: Args<'_>, name: &'static str) -> Result<usize, CommandError> {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(name));
    }
    let key = ctx.store.key(args.at(1));
    let hash = ctx.store.hash_or_new(key)?;
    hash.make_ready_for((args.len() - 2) / 2, &ctx.limits.thresholds);
    let (mut pairs, mut added) = (args.from(2), 0);
    while let (Some(field), Some(value)) = (pairs.next(), pairs.next()) {
        added += usize::from(hash.set(field, value, &ctx.limits.thresholds));
    }
    changed(ctx, key);
    Ok(added)
}

/// Logs a change that is repeated as it was asked for.
fn changed(ctx: &mut Ctx<'_>, key: Key<'_>) {
    ctx.store.modified(key);
    ctx.store.propagate();
}

pub(super) fn hsetnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let hash = ctx.store.hash_or_new(key)?;
    let set = !hash.contains(args.at(2));
    if set {
        hash.set(args.at(2), args.at(3), &ctx.limits.thresholds);
        changed(ctx, key);
    }
    ctx.reply.count(usize::from(set));
    Ok(())
}

pub(super) fn hdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let removed = match ctx.store.hash_mut(key)? {
        None => 0,
        Some(hash) => args.from(2).filter(|field| hash.remove(field)).count(),
    };
    if removed > 0 {
        took_out(&mut ctx.store, key);
        ctx.store.propagate();
    }
    ctx.reply.count(removed);
    Ok(())
}

pub(super) fn hget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let value = ctx.store.hash(key)?.and_then(|hash| hash.get(args.at(2)));
    bulk_or_null(&mut ctx.reply, value);
    Ok(())
}

pub(super) fn hmget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let hash = ctx.store.hash(key)?;
    ctx.reply.array(args.len() - 2);
    for field in args.from(2) {
        bulk_or_null(&mut ctx.reply, hash.and_then(|hash| hash.get(field)));
    }
    Ok(())
}

pub(super) fn hexists(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let found = ctx.store.hash(key)?.is_some_and(|hash| hash.contains(args.at(2)));
    ctx.reply.count(usize::from(found));
    Ok(())
}

pub(super) fn hlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let len = ctx.store.hash(key)?.map_or(0, Hash::len);
    ctx.reply.count(len);
    Ok(())
}

pub(super) fn hstrlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let value = ctx.store.hash(key)?.and_then(|hash| hash.get(args.at(2)));
    ctx.reply.count(value.map_or(0, Elem::len));
    Ok(())
}
