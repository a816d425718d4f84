//! Commands on the members of one set, and SMOVE.

use keyspace::{Elem, Set};
use resp_codec::Args;

use crate::elems::{bulk, took_out};
use crate::scan::{self, Options, Over};
use crate::{CommandError, Ctx};

pub(super) fn sadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let set = ctx.store.set_or_new(key)?;
    let limits = &ctx.limits.thresholds;
    set.make_ready_for(args.at(2), args.len() - 2, limits);
    let added = args.from(2).filter(|member| set.insert(member, limits)).count();
    if added > 0 {
        ctx.store.modified(key);
        ctx.store.propagate();
    }
    ctx.reply.count(added);
    Ok(())
}

pub(super) fn srem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let removed = match ctx.store.set_mut(key)? {
        None => 0,
        Some(set) => args.from(2).filter(|member| set.remove(member)).count(),
    };
    if removed > 0 {
        took_out(&mut ctx.store, key);
        ctx.store.propagate();
    }
    ctx.reply.count(removed);
    Ok(())
}

/// `SMOVE source destination member`
pub(super) fn smove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (source, destination) = (ctx.store.key(args.at(1)), ctx.store.key(args.at(2)));
    let member = args.at(3);
    ctx.store.only_writes();
    let Some(set) = ctx.store.set(source)? else {
        ctx.reply.count(0);
        return Ok(());
    };
    let found = set.contains(member);
    ctx.store.set(destination)?;
    if found && source.bytes != destination.bytes {
        if let Some(set) = ctx.store.set_mut(source)? {
            set.remove(member);
        }
        took_out(&mut ctx.store, source);
        let (set, limits) = (ctx.store.set_or_new(destination)?, &ctx.limits.thresholds);
        if set.is_empty() {
            set.make_ready_for(member, 1, limits);
        }
        set.insert(member, limits);
        ctx.store.modified(destination);
        ctx.store.propagate();
    }
    ctx.reply.count(usize::from(found));
    Ok(())
}

pub(super) fn scard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let len = ctx.store.set(key)?.map_or(0, Set::len);
    ctx.reply.count(len);
    Ok(())
}

pub(super) fn sismember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let found = ctx.store.set(key)?.is_some_and(|set| set.contains(args.at(2)));
    ctx.reply.count(usize::from(found));
    Ok(())
}

pub(super) fn smismember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let set = ctx.store.set(key)?;
    ctx.reply.array(args.len() - 2);
    for member in args.from(2) {
        ctx.reply.count(usize::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

pub(super) fn smembers(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    match ctx.store.set(key)? {
        None => ctx.reply.set(0),
        Some(set) => {
            ctx.reply.set(set.len());
            set.iter().for_each(|member| bulk(&mut ctx.reply, member));
        }
    }
    Ok(())
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn sscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let cursor = scan::cursor(args.at(2))?;
    let key = ctx.store.key(args.at(1));
    let mut found: Vec<Elem<'_>> = Vec::new();
    let mut next = 0;
    if let Some(set) = ctx.store.set(key)? {
        let options = Options::parse(args, 3, Over::Elements)?;
        next = set.scan(cursor, options.count, &mut |member| {
            if options.wants_elem(member) {
                found.push(member);
            }
        });
    }
    ctx.reply.array(2);
    scan::reply_cursor(&mut ctx.reply, next);
    ctx.reply.array(found.len());
    found.into_iter().for_each(|member| bulk(&mut ctx.reply, member));
    Ok(())
}
