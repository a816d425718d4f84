//! Commands on the ends of lists: pushing, popping, moving.

use keyspace::{Key, List, Thresholds};
use resp_codec::{Args, Reply};

use super::End;
use crate::elems::{bulk, counted_keys, optional_count, took_out};
use crate::parse;
use crate::{CommandError, Ctx};

pub(super) fn lpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    push(ctx, args, End::Left)
}

pub(super) fn rpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    push(ctx, args, End::Right)
}

pub(super) fn lpushx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    push_existing(ctx, args, End::Left)
}

pub(super) fn rpushx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    push_existing(ctx, args, End::Right)
}

pub(super) fn lpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    pop(ctx, args, End::Left)
}

pub(super) fn rpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    pop(ctx, args, End::Right)
}

fn push(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    push_all(ctx, key, args, end)
}

fn push_all(ctx: &mut Ctx<'_>, key: Key<'_>, args: Args<'_>, end: End) -> Result<(), CommandError> {
    let list = ctx.store.list_or_new(key)?;
    list.make_ready_for(args.from(2), &ctx.limits.thresholds);
    for elem in args.from(2) {
        push_one(list, end, elem, &ctx.limits.thresholds);
    }
    ctx.reply.count(list.len());
    ctx.store.modified(key);
    ctx.store.propagate();
    Ok(())
}

fn push_existing(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    ctx.store.only_writes();
    if ctx.store.list(key)?.is_none() {
        ctx.reply.count(0);
        return Ok(());
    }
    push_all(ctx, key, args, end)
}

fn push_one(list: &mut List, end: End, elem: &[u8], limits: &Thresholds) {
    match end {
        End::Left => list.push_front(elem, limits),
        End::Right => list.push_back(elem, limits),
    }
}

fn pop_one(list: &mut List, end: End) -> Option<Vec<u8>> {
    match end {
        End::Left => list.pop_front(),
        End::Right => list.pop_back(),
    }
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), CommandError> {
    let count = match args.len() {
        2 => None,
        3 => Some(parse::not_negative(args.at(2))?),
        _ => return Err(CommandError::WrongArity(end.pop_name())),
    };
    let key = ctx.store.key(args.at(1));
    let Some(list) = ctx.store.list_mut(key)? else {
        match count {
            None => ctx.reply.null(),
            Some(_) => ctx.reply.null_array(),
        }
        return Ok(());
    };
    match count {
        Some(0) => {
            ctx.reply.array(0);
            return Ok(());
        }
        Some(count) => pop_many(&mut ctx.reply, list, end, count),
        None => match pop_one(list, end) {
            Some(elem) => ctx.reply.bulk(&elem),
            None => ctx.reply.null(),
        },
    }
    took_out(&mut ctx.store, key);
    ctx.store.propagate();
    Ok(())
}

/// Removes up to `count` elements and replies them in the order in which they are popped.
fn pop_many(reply: &mut Reply<'_>, list: &mut List, end: End, count: usize) {
    let positions = end.positions(list, count);
    let elems = list.range(positions.start, positions.end);
    reply.array(positions.len());
    match end {
        End::Left => elems.for_each(|elem| bulk(reply, elem)),
        End::Right => elems.rev().for_each(|elem| bulk(reply, elem)),
    }
    list.remove_range(positions.start, positions.end);
}

/// `LMPOP numkeys key [key …] LEFT|RIGHT [COUNT count]`
pub(super) fn lmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = counted_keys(args, 1)?;
    let end = End::parse(args.get(keys.end).ok_or(CommandError::Syntax)?)?;
    let count = optional_count(args, keys.end + 1)?;
    for name in args.from(keys.start).take(keys.len()) {
        let key = ctx.store.key(name);
        let Some(list) = ctx.store.list_mut(key)? else { continue };
        let popped = end.positions(list, count).len();
        ctx.reply.array(2);
        ctx.reply.bulk(name);
        pop_many(&mut ctx.reply, list, end, count);
        took_out(&mut ctx.store, key);
        let command = if end == End::Left { b"LPOP" } else { b"RPOP" };
        ctx.store.effect(&[command, name, popped.to_string().as_bytes()]);
        return Ok(());
    }
    ctx.reply.null_array();
    Ok(())
}

/// `LMOVE source destination LEFT|RIGHT LEFT|RIGHT`
pub(super) fn lmove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (from, to) = (End::parse(args.at(3))?, End::parse(args.at(4))?);
    move_elem(ctx, args, from, to)
}

pub(super) fn rpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    move_elem(ctx, args, End::Right, End::Left)
}

fn move_elem(ctx: &mut Ctx<'_>, args: Args<'_>, from: End, to: End) -> Result<(), CommandError> {
    let (source, destination) = (ctx.store.key(args.at(1)), ctx.store.key(args.at(2)));
    ctx.store.only_writes();
    if ctx.store.list(source)?.is_none() {
        ctx.reply.null();
        return Ok(());
    }
    ctx.store.list(destination)?;
    let elem = ctx.store.list_mut(source)?.and_then(|list| pop_one(list, from));
    let elem = elem.expect("the list was found above, and no key holds an empty one");
    // Source and destination may be one list, which then is empty for a moment: its key, and deadline, must stay.
    let (list, limits) = (ctx.store.list_or_new(destination)?, &ctx.limits.thresholds);
    list.make_ready_for(std::iter::once(&elem[..]), limits);
    push_one(list, to, &elem, limits);
    took_out(&mut ctx.store, source);
    ctx.store.modified(destination);
    ctx.store.propagate();
    ctx.reply.bulk(&elem);
    Ok(())
}
