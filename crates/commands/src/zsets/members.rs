//! Commands on members by name, random members, and the iteration.

use keyspace::{Elem, ZSet};
use numeric::DoubleBuf;
use resp_codec::{Args, Reply};

use super::interval::Order;
use super::scored::{Scored, Shape};
use crate::elems::{RandomCount, bulk, bulk_or_null, distinct_positions, took_out};
use crate::parse::is;
use crate::scan::{self, Options, Over};
use crate::{CommandError, Ctx};

pub(super) fn zrem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let removed = match ctx.store.zset_mut(key)? {
        None => 0,
        Some(zset) => args.from(2).filter(|member| zset.remove(member).is_some()).count(),
    };
    if removed > 0 {
        took_out(&mut ctx.store, key);
        ctx.store.propagate();
    }
    ctx.reply.count(removed);
    Ok(())
}

pub(super) fn zcard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let len = ctx.store.zset(key)?.map_or(0, ZSet::len);
    ctx.reply.count(len);
    Ok(())
}

fn reply_score(reply: &mut Reply<'_>, score: Option<f64>) {
    match score {
        None => reply.null(),
        Some(score) => reply.double(score),
    }
}

pub(super) fn zscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let score = ctx.store.zset(key)?.and_then(|zset| zset.score(args.at(2)));
    reply_score(&mut ctx.reply, score);
    Ok(())
}

pub(super) fn zmscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let zset = ctx.store.zset(key)?;
    ctx.reply.array(args.len() - 2);
    for member in args.from(2) {
        reply_score(&mut ctx.reply, zset.and_then(|zset| zset.score(member)));
    }
    Ok(())
}

pub(super) fn zrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    rank(ctx, args, Order::Ascending, "zrank")
}

pub(super) fn zrevrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    rank(ctx, args, Order::Descending, "zrevrank")
}

/// `ZRANK key member [WITHSCORE]`
fn rank(ctx: &mut Ctx<'_>, args: Args<'_>, order: Order, name: &'static str) -> Result<(), CommandError> {
    let with_score = match args.get(3) {
        None => false,
        Some(_) if args.len() > 4 => return Err(CommandError::WrongArity(name)),
        Some(option) if is(option, "WITHSCORE") => true,
        Some(_) => return Err(CommandError::Syntax),
    };
    let key = ctx.store.key(args.at(1));
    let found = ctx.store.zset(key)?.and_then(|zset| {
        let (rank, score) = (zset.rank(args.at(2))?, zset.score(args.at(2))?);
        Some((if order == Order::Ascending { rank } else { zset.len() - 1 - rank }, score))
    });
    match (found, with_score) {
        (None, false) => ctx.reply.null(),
        (None, true) => ctx.reply.null_array(),
        (Some((rank, _)), false) => ctx.reply.count(rank),
        (Some((rank, score)), true) => {
            ctx.reply.array(2);
            ctx.reply.count(rank);
            ctx.reply.double(score);
        }
    }
    Ok(())
}

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(super) fn zrandmember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let Some(count) = args.get(2) else {
        let key = ctx.store.key(args.at(1));
        let drawn = ctx.store.zset(key)?.and_then(|zset| zset.random(ctx.rng));
        bulk_or_null(&mut ctx.reply, drawn.map(|(member, _)| member));
        return Ok(());
    };
    let mut count = RandomCount::parse(count)?;
    let with_scores = match args.get(3) {
        None => false,
        Some(option) if is(option, "WITHSCORES") && args.len() == 4 => true,
        Some(_) => return Err(CommandError::Syntax),
    };
    if with_scores {
        count = count.of_pairs()?;
    }
    let key = ctx.store.key(args.at(1));
    let Some(zset) = ctx.store.zset(key)? else {
        ctx.reply.array(0);
        return Ok(());
    };
    let shape = Shape::of(ctx.reply.proto, with_scores);
    let mut scored = Scored::begin(&mut ctx.reply, count.drawn_from(zset.len()), shape);
    match count {
        RandomCount::Distinct(count) if count >= zset.len() => zset.iter().for_each(|pair| scored.push(pair)),
        RandomCount::Distinct(count) => {
            let ranks = distinct_positions(ctx.rng, zset.len(), count);
            ranks.into_iter().filter_map(|rank| zset.get_index(rank)).for_each(|pair| scored.push(pair));
        }
        RandomCount::Repeated(count) => {
            for pair in (0..count).map_while(|_| zset.random(ctx.rng)) {
                scored.push(pair);
                if scored.is_full() {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn zscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let cursor = scan::cursor(args.at(2))?;
    let key = ctx.store.key(args.at(1));
    let mut found: Vec<(Elem<'_>, f64)> = Vec::new();
    let (mut next, mut is_large) = (0, false);
    if let Some(zset) = ctx.store.zset(key)? {
        is_large = zset.is_large();
        let options = Options::parse(args, 3, Over::Elements)?;
        next = zset.scan(cursor, options.count, &mut |member, score| {
            if options.wants_elem(member) {
                found.push((member, score));
            }
        });
    }
    ctx.reply.array(2);
    scan::reply_cursor(&mut ctx.reply, next);
    ctx.reply.array(found.len() * 2);
    for (member, score) in found {
        bulk(&mut ctx.reply, member);
        // Text in RESP3 too, and of a large sorted set with 17 digits. Source: scanCallback of Redis 7.2.
        if is_large {
            ctx.reply.bulk(DoubleBuf::new().format_17_digits(score));
        } else {
            ctx.reply.bulk_double(score);
        }
    }
    Ok(())
}
