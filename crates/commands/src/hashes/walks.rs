//! Commands that walk over a hash: all of it, random fields, an iteration.

use keyspace::Elem;
use resp_codec::{Args, Protocol, Reply};

use crate::elems::{RandomCount, bulk, bulk_or_null, distinct_positions};
use crate::parse::is;
use crate::scan::{self, Options, Over};
use crate::{CommandError, Ctx};

pub(super) fn hgetall(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    match ctx.store.hash(key)? {
        None => ctx.reply.map(0),
        Some(hash) => {
            ctx.reply.map(hash.len());
            for (field, value) in hash.iter() {
                bulk(&mut ctx.reply, field);
                bulk(&mut ctx.reply, value);
            }
        }
    }
    Ok(())
}

pub(super) fn hkeys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    halves(ctx, args, |(field, _)| field)
}

pub(super) fn hvals(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    halves(ctx, args, |(_, value)| value)
}

fn halves(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    half: for<'e> fn((Elem<'e>, Elem<'e>)) -> Elem<'e>,
) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    match ctx.store.hash(key)? {
        None => ctx.reply.array(0),
        Some(hash) => {
            ctx.reply.array(hash.len());
            hash.iter().for_each(|pair| bulk(&mut ctx.reply, half(pair)));
        }
    }
    Ok(())
}

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(super) fn hrandfield(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let Some(count) = args.get(2) else {
        let key = ctx.store.key(args.at(1));
        let drawn = ctx.store.hash(key)?.and_then(|hash| hash.random(ctx.rng));
        bulk_or_null(&mut ctx.reply, drawn.map(|(field, _)| field));
        return Ok(());
    };
    let mut count = RandomCount::parse(count)?;
    let with_values = match args.get(3) {
        None => false,
        Some(option) if is(option, "WITHVALUES") && args.len() == 4 => true,
        Some(_) => return Err(CommandError::Syntax),
    };
    if with_values {
        count = count.of_pairs()?;
    }
    let key = ctx.store.key(args.at(1));
    let Some(hash) = ctx.store.hash(key)? else {
        ctx.reply.array(0);
        return Ok(());
    };
    let mut pairs = Pairs::begin(&mut ctx.reply, count.drawn_from(hash.len()), with_values);
    match count {
        RandomCount::Distinct(count) if count >= hash.len() => hash.iter().for_each(|pair| pairs.push(pair)),
        RandomCount::Distinct(count) => {
            let positions = distinct_positions(ctx.rng, hash.len(), count);
            positions.into_iter().filter_map(|at| hash.get_index(at)).for_each(|pair| pairs.push(pair));
        }
        RandomCount::Repeated(count) => {
            for pair in (0..count).map_while(|_| hash.random(ctx.rng)) {
                pairs.push(pair);
                if pairs.reply.is_full() {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Replies fields, or fields with values: one flat array in RESP2, pairs in RESP3.
struct Pairs<'r, 'o> {
    reply: &'r mut Reply<'o>,
    with_values: bool,
}

impl<'r, 'o> Pairs<'r, 'o> {
    fn begin(reply: &'r mut Reply<'o>, count: usize, with_values: bool) -> Self {
        let flat = with_values && reply.proto == Protocol::Resp2;
        reply.array(if flat { count * 2 } else { count });
        Self { reply, with_values }
    }

    fn push(&mut self, (field, value): (Elem<'_>, Elem<'_>)) {
        if self.with_values && self.reply.proto == Protocol::Resp3 {
            self.reply.array(2);
        }
        bulk(self.reply, field);
        if self.with_values {
            bulk(self.reply, value);
        }
    }
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn hscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let cursor = scan::cursor(args.at(2))?;
    let key = ctx.store.key(args.at(1));
    let mut found: Vec<Elem<'_>> = Vec::new();
    let mut next = 0;
    if let Some(hash) = ctx.store.hash(key)? {
        let options = Options::parse(args, 3, Over::Elements)?;
        next = hash.scan(cursor, options.count, &mut |field, value| {
            if options.wants_elem(field) {
                found.extend([field, value]);
            }
        });
    }
    ctx.reply.array(2);
    scan::reply_cursor(&mut ctx.reply, next);
    ctx.reply.array(found.len());
    found.into_iter().for_each(|elem| bulk(&mut ctx.reply, elem));
    Ok(())
}
