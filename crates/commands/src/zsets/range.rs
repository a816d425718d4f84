//! Commands on ranges of a sorted set: answered, stored, counted, removed.
//!
//! All ranges are ranges of ranks in the end, so each command is: parse, find the ranks, do.

use std::ops::Range;

use keyspace::{Value, ZSet};
use resp_codec::Args;

use super::interval::{By, Interval, Order};
use super::scored::{Scored, Shape};
use crate::elems::{put_result, took_out};
use crate::parse::{self, is};
use crate::{CommandError, Ctx};

/// What of a range the name of the command settles; the rest is up to options.
#[derive(Clone, Copy, Debug)]
struct Form {
    by: Option<By>,
    order: Option<Order>,
    stores: bool,
}

/// A range of a sorted set.
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    interval: Interval<'a>,
    order: Order,
    offset: i64,
    /// Most members; negative for all.
    count: i64,
    with_scores: bool,
}

impl<'a> Query<'a> {
    /// Parses the two ends, which stand at `at` and after it, and the options behind them.
    fn parse(args: Args<'a>, at: usize, form: Form) -> Result<Self, CommandError> {
        let Form { mut by, mut order, stores } = form;
        let (mut offset, mut count, mut with_scores) = (0, -1, false);
        let mut options = args.from(at + 2);
        while let Some(option) = options.next() {
            if !stores && is(option, "WITHSCORES") {
                with_scores = true;
            } else if is(option, "LIMIT") && options.len() >= 2 {
                offset = parse::int(options.next().unwrap_or_default())?;
                count = parse::int(options.next().unwrap_or_default())?;
            } else if form.order.is_none() && order.is_none() && is(option, "REV") {
                order = Some(Order::Descending);
            } else if form.by.is_none() && by.is_none() && is(option, "BYLEX") {
                by = Some(By::Lex);
            } else if form.by.is_none() && by.is_none() && is(option, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let (by, order) = (by.unwrap_or(By::Rank), order.unwrap_or(Order::Ascending));
        if count != -1 && by == By::Rank {
            return Err(CommandError::Text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(CommandError::Text("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        if by == By::Rank {
            // LIMIT with -1 may stand there and means nothing. Source: zrangeGenericCommand of Redis 7.2.
            offset = 0;
        }
        let (min, max) = match (order, by) {
            (Order::Descending, By::Score | By::Lex) => (args.at(at + 1), args.at(at)),
            _ => (args.at(at), args.at(at + 1)),
        };
        Ok(Self { interval: Interval::parse(by, min, max)?, order, offset, count, with_scores })
    }

    /// The ranks, in ascending order, of the members that are wanted.
    fn ranks(&self, zset: &ZSet) -> Range<usize> {
        let Range { start, end } = self.interval.ranks(zset, self.order);
        let skipped = usize::try_from(self.offset).map_or(end - start, |offset| offset.min(end - start));
        let wanted = usize::try_from(self.count).unwrap_or(usize::MAX).min(end - start - skipped);
        match self.order {
            Order::Ascending => start + skipped..start + skipped + wanted,
            Order::Descending => end - skipped - wanted..end - skipped,
        }
    }
}

fn answer(ctx: &mut Ctx<'_>, args: Args<'_>, by: Option<By>, order: Option<Order>) -> Result<(), CommandError> {
    let query = Query::parse(args, 2, Form { by, order, stores: false })?;
    let key = ctx.store.key(args.at(1));
    let Some(zset) = ctx.store.zset(key)? else {
        ctx.reply.array(0);
        return Ok(());
    };
    let members = zset.range(query.ranks(zset));
    let shape = Shape::of(ctx.reply.proto, query.with_scores);
    let mut scored = Scored::begin(&mut ctx.reply, members.len(), shape);
    match query.order {
        Order::Ascending => members.for_each(|pair| scored.push(pair)),
        Order::Descending => members.rev().for_each(|pair| scored.push(pair)),
    }
    Ok(())
}

/// `ZRANGE key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(super) fn zrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, None, None)
}

pub(super) fn zrevrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Some(By::Rank), Some(Order::Descending))
}

pub(super) fn zrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Some(By::Score), Some(Order::Ascending))
}

pub(super) fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Some(By::Score), Some(Order::Descending))
}

pub(super) fn zrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Some(By::Lex), Some(Order::Ascending))
}

pub(super) fn zrevrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Some(By::Lex), Some(Order::Descending))
}

/// `ZRANGESTORE destination source start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count]`
pub(super) fn zrangestore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let query = Query::parse(args, 3, Form { by: None, order: None, stores: true })?;
    let (destination, source) = (ctx.store.key(args.at(1)), ctx.store.key(args.at(2)));
    // How many members it is going to have is known before for ranks alone; else Redis makes it for many.
    let is_counted = matches!(query.interval, Interval::Ranks { .. });
    let mut result = if is_counted { ZSet::new() } else { ZSet::new_large() };
    let mut undetermined = None;
    if let Some(zset) = ctx.store.zset(source)? {
        let ranks = query.ranks(zset);
        for (member, score) in zset.range(ranks.clone()) {
            result.insert_elem(member, score, &ctx.limits.thresholds);
        }
        undetermined = Some(ranks).filter(|_| !query.interval.is_determined(zset));
    }
    ctx.reply.count(result.len());
    let result = Some(result).filter(|zset| !zset.is_empty()).map(Value::ZSet);
    if !put_result(&mut ctx.store, destination, result) {
        return Ok(());
    }
    match undetermined {
        None => ctx.store.propagate(),
        Some(ranks) if ranks.is_empty() => ctx.store.effect(&[b"DEL", destination.bytes]),
        Some(ranks) => {
            let (start, stop) = (ranks.start.to_string(), (ranks.end - 1).to_string());
            ctx.store.effect(&[b"ZRANGESTORE", destination.bytes, source.bytes, start.as_bytes(), stop.as_bytes()]);
        }
    }
    Ok(())
}

pub(super) fn zcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    count(ctx, args, By::Score)
}

pub(super) fn zlexcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    count(ctx, args, By::Lex)
}

fn count(ctx: &mut Ctx<'_>, args: Args<'_>, by: By) -> Result<(), CommandError> {
    let interval = Interval::parse(by, args.at(2), args.at(3))?;
    let key = ctx.store.key(args.at(1));
    let count = ctx.store.zset(key)?.map_or(0, |zset| interval.ranks(zset, Order::Ascending).len());
    ctx.reply.count(count);
    Ok(())
}

pub(super) fn zremrangebyrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    remove(ctx, args, By::Rank)
}

pub(super) fn zremrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    remove(ctx, args, By::Score)
}

pub(super) fn zremrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    remove(ctx, args, By::Lex)
}

fn remove(ctx: &mut Ctx<'_>, args: Args<'_>, by: By) -> Result<(), CommandError> {
    let interval = Interval::parse(by, args.at(2), args.at(3))?;
    let key = ctx.store.key(args.at(1));
    let Some(zset) = ctx.store.zset_mut(key)? else {
        ctx.reply.count(0);
        return Ok(());
    };
    let ranks = interval.ranks(zset, Order::Ascending);
    let determined = interval.is_determined(zset);
    let removed = zset.remove_ranks(ranks.clone());
    ctx.reply.count(removed);
    if removed == 0 {
        return Ok(());
    }
    took_out(&mut ctx.store, key);
    if determined {
        ctx.store.propagate();
    } else {
        let (start, stop) = (ranks.start.to_string(), (ranks.end - 1).to_string());
        ctx.store.effect(&[b"ZREMRANGEBYRANK", key.bytes, start.as_bytes(), stop.as_bytes()]);
    }
    Ok(())
}
