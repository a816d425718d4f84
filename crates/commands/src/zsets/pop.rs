//! Commands that take the members with the lowest or highest scores out of a sorted set.

use keyspace::ZSet;
use resp_codec::{Args, Protocol, Reply};

use super::scored::{Scored, Shape};
use crate::elems::{counted_keys, optional_count, took_out};
use crate::parse::{self, is};
use crate::{CommandError, Ctx};

/// An end of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    fn parse(arg: &[u8]) -> Result<Self, CommandError> {
        match arg {
            _ if is(arg, "MIN") => Ok(Self::Min),
            _ if is(arg, "MAX") => Ok(Self::Max),
            _ => Err(CommandError::Syntax),
        }
    }
}

pub(super) fn zpopmin(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    pop(ctx, args, End::Min)
}

pub(super) fn zpopmax(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    pop(ctx, args, End::Max)
}

/// `ZPOPMIN key [count]`
fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), CommandError> {
    let count = match args.len() {
        2 => None,
        3 => Some(parse::not_negative(args.at(2))?),
        _ => return Err(CommandError::Syntax),
    };
    // Without a count there is one member: then the array is flat in RESP3 too.
    let shape = if count.is_some() && ctx.reply.proto == Protocol::Resp3 { Shape::Nested } else { Shape::Flat };
    let key = ctx.store.key(args.at(1));
    match ctx.store.zset_mut(key)? {
        Some(zset) if count != Some(0) => {
            take(&mut ctx.reply, zset, end, count.unwrap_or(1), shape);
            took_out(&mut ctx.store, key);
            ctx.store.propagate();
        }
        _ => ctx.reply.array(0),
    }
    Ok(())
}

/// Removes up to `count` members and replies them in the order in which they are popped; returns how many.
fn take(reply: &mut Reply<'_>, zset: &mut ZSet, end: End, count: usize, shape: Shape) -> usize {
    let count = count.min(zset.len());
    let ranks = match end {
        End::Min => 0..count,
        End::Max => zset.len() - count..zset.len(),
    };
    let mut scored = Scored::begin(reply, count, shape);
    let members = zset.range(ranks.clone());
    match end {
        End::Min => members.for_each(|pair| scored.push(pair)),
        End::Max => members.rev().for_each(|pair| scored.push(pair)),
    }
    zset.remove_ranks(ranks)
}

/// `ZMPOP numkeys key [key …] MIN|MAX [COUNT count]`
pub(super) fn zmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = counted_keys(args, 1)?;
    let end = End::parse(args.get(keys.end).ok_or(CommandError::Syntax)?)?;
    let count = optional_count(args, keys.end + 1)?;
    for name in args.from(keys.start).take(keys.len()) {
        let key = ctx.store.key(name);
        let Some(zset) = ctx.store.zset_mut(key)? else { continue };
        ctx.reply.array(2);
        ctx.reply.bulk(name);
        let taken = take(&mut ctx.reply, zset, end, count, Shape::Nested);
        took_out(&mut ctx.store, key);
        let command: &[u8] = if end == End::Min { b"ZPOPMIN" } else { b"ZPOPMAX" };
        ctx.store.effect(&[command, name, taken.to_string().as_bytes()]);
        return Ok(());
    }
    ctx.reply.null_array();
    Ok(())
}
