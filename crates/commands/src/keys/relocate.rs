//! RENAME, MOVE, COPY: values that get another key or another database, with their deadlines.

use keyspace::{Deadline, Key, UnixMs};
use resp_codec::Args;

use crate::{CommandError, Ctx, parse};

fn at(deadline: Option<UnixMs>) -> Deadline {
    deadline.map_or(Deadline::Clear, Deadline::At)
}

pub(super) fn rename(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (from, to) = (ctx.store.key(args.at(1)), ctx.store.key(args.at(2)));
    if !ctx.store.exists(from) {
        return Err(CommandError::NoSuchKey);
    }
    if from.bytes != to.bytes {
        ctx.store.expire_if_due(to);
        give_name(ctx, from, to);
    }
    ctx.reply.ok();
    Ok(())
}

pub(super) fn renamenx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (from, to) = (ctx.store.key(args.at(1)), ctx.store.key(args.at(2)));
    if !ctx.store.exists(from) {
        return Err(CommandError::NoSuchKey);
    }
    let free = from.bytes != to.bytes && !ctx.store.exists(to);
    if free {
        give_name(ctx, from, to);
    }
    ctx.reply.integer(i64::from(free));
    Ok(())
}

/// Moves an existing value to another key.
fn give_name(ctx: &mut Ctx<'_>, from: Key<'_>, to: Key<'_>) {
    if let Some((value, deadline)) = ctx.store.take(from) {
        ctx.store.insert(to, value, at(deadline));
        ctx.store.propagate();
    }
}

pub(super) fn move_(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let target = parse::db_index(args.at(2), ctx.store.keyspace.databases())?;
    if target == ctx.store.db {
        return Err(CommandError::SameObject);
    }
    let key = ctx.store.key(args.at(1));
    let moved = ctx.store.exists(key) && !ctx.store.in_db(target, |store| store.exists(key));
    if moved && let Some((value, deadline)) = ctx.store.take(key) {
        ctx.store.in_db(target, |store| store.insert(key, value, at(deadline)));
        ctx.store.propagate();
    }
    ctx.reply.integer(i64::from(moved));
    Ok(())
}

/// COPY's options: the target database, and whether a key there may be replaced.
fn copy_options(ctx: &Ctx<'_>, args: Args<'_>) -> Result<(u32, bool), CommandError> {
    let (mut target, mut replace) = (ctx.store.db, false);
    let mut rest = args.from(3);
    while let Some(arg) = rest.next() {
        if parse::is(arg, "REPLACE") {
            replace = true;
        } else if parse::is(arg, "DB") {
            let number = rest.next().ok_or(CommandError::Syntax)?;
            target = parse::db_index(number, ctx.store.keyspace.databases())?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok((target, replace))
}

pub(super) fn copy(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (target, replace) = copy_options(ctx, args)?;
    let (from, to) = (ctx.store.key(args.at(1)), ctx.store.key(args.at(2)));
    if target == ctx.store.db && from.bytes == to.bytes {
        return Err(CommandError::SameObject);
    }
    // Both are looked up before anything is copied, which may be large.
    let possible = ctx.store.exists(from) & (!ctx.store.in_db(target, |store| store.exists(to)) | replace);
    let copied = if possible { ctx.store.read(from).map(|value| value.to_value()) } else { None };
    ctx.reply.integer(i64::from(copied.is_some()));
    if let Some(value) = copied {
        let deadline = at(ctx.store.db().deadline(from));
        ctx.store.in_db(target, |store| store.insert(to, value, deadline));
        ctx.store.propagate();
    }
    Ok(())
}
