//! Commands on lists as sequences: reading and changing at positions and by value.

use keyspace::List;
use resp_codec::Args;

use crate::elems::{at_least, bulk, took_out};
use crate::parse::{self, is};
use crate::{CommandError, Ctx};

pub(super) fn llen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let len = ctx.store.list(key)?.map_or(0, List::len);
    ctx.reply.count(len);
    Ok(())
}

pub(super) fn lrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (start, stop) = (parse::int(args.at(2))?, parse::int(args.at(3))?);
    let key = ctx.store.key(args.at(1));
    let list = ctx.store.list(key)?;
    match list.and_then(|list| parse::range(start, stop, list.len()).map(|range| list.range(range.start, range.end))) {
        None => ctx.reply.array(0),
        Some(elems) => {
            ctx.reply.array(elems.len());
            elems.for_each(|elem| bulk(&mut ctx.reply, elem));
        }
    }
    Ok(())
}

pub(super) fn lindex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let Some(list) = ctx.store.list(key)? else {
        ctx.reply.null();
        return Ok(());
    };
    match list.get(parse::int(args.at(2))?) {
        None => ctx.reply.null(),
        Some(elem) => bulk(&mut ctx.reply, elem),
    }
    Ok(())
}

pub(super) fn lset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let list = ctx.store.list_mut(key)?.ok_or(CommandError::NoSuchKey)?;
    let index = parse::int(args.at(2))?;
    list.make_ready_for(args.from(3), &ctx.limits.thresholds);
    if !list.set(index, args.at(3), &ctx.limits.thresholds) {
        return Err(CommandError::IndexOutOfRange);
    }
    ctx.store.modified(key);
    ctx.store.propagate();
    ctx.reply.ok();
    Ok(())
}

/// `LINSERT key BEFORE|AFTER pivot element`
pub(super) fn linsert(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let after = match args.at(2) {
        place if is(place, "BEFORE") => 0,
        place if is(place, "AFTER") => 1,
        _ => return Err(CommandError::Syntax),
    };
    let key = ctx.store.key(args.at(1));
    let Some(list) = ctx.store.list_mut(key)? else {
        ctx.reply.count(0);
        return Ok(());
    };
    list.make_ready_for(args.from(4), &ctx.limits.thresholds);
    let pivot = keyspace::Elem::new(args.at(3));
    let Some(at) = list.iter().position(|elem| elem == pivot) else {
        ctx.reply.integer(-1);
        return Ok(());
    };
    list.insert(at + after, args.at(4), &ctx.limits.thresholds);
    ctx.reply.count(list.len());
    ctx.store.modified(key);
    ctx.store.propagate();
    Ok(())
}

pub(super) fn lrem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = parse::int(args.at(2))?;
    let key = ctx.store.key(args.at(1));
    let removed = ctx.store.list_mut(key)?.map_or(0, |list| list.remove(count, args.at(3)));
    if removed > 0 {
        took_out(&mut ctx.store, key);
        ctx.store.propagate();
    }
    ctx.reply.count(removed);
    Ok(())
}

pub(super) fn ltrim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (start, stop) = (parse::int(args.at(2))?, parse::int(args.at(3))?);
    let key = ctx.store.key(args.at(1));
    if let Some(list) = ctx.store.list_mut(key)? {
        let before = list.len();
        let kept = parse::range(start, stop, before).unwrap_or(0..0);
        list.trim(kept.start, kept.end);
        if kept.len() < before {
            took_out(&mut ctx.store, key);
            ctx.store.propagate();
        } else {
            // Source: ltrimCommand of Redis 7.2, which breaks a WATCH whatever it trims.
            ctx.store.rewritten(key);
        }
    }
    ctx.reply.ok();
    Ok(())
}

/// The options of LPOS.
struct Search {
    /// The first match to reply, counted from 1.
    rank: u64,
    from_end: bool,
    /// Most matches to reply as an array; 0 for all. `None`: one match, not as an array.
    count: Option<usize>,
    /// Most elements to compare; 0 for all.
    max_compared: usize,
}

impl Search {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut search = Self { rank: 1, from_end: false, count: None, max_compared: 0 };
        let mut options = args.from(3);
        while let Some(option) = options.next() {
            let value = options.next().ok_or(CommandError::Syntax)?;
            match option {
                _ if is(option, "RANK") => (search.rank, search.from_end) = rank(value)?,
                _ if is(option, "COUNT") => search.count = Some(at_least(value, 0, "ERR COUNT can't be negative")?),
                _ if is(option, "MAXLEN") => {
                    search.max_compared = at_least(value, 0, "ERR MAXLEN can't be negative")?;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(search)
    }
}

fn rank(arg: &[u8]) -> Result<(u64, bool), CommandError> {
    match parse::int_in(arg, -i64::MAX, i64::MAX)? {
        0 => Err(CommandError::Text(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
             start from the end of the list",
        )),
        rank => Ok((rank.unsigned_abs(), rank < 0)),
    }
}

/// `LPOS key element [RANK rank] [COUNT count] [MAXLEN length]`
pub(super) fn lpos(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let search = Search::parse(args)?;
    let key = ctx.store.key(args.at(1));
    let empty = List::new();
    let list = ctx.store.list(key)?.unwrap_or(&empty);
    let (elem, len) = (keyspace::Elem::new(args.at(2)), list.len());
    let compared = if search.max_compared == 0 { len } else { search.max_compared.min(len) };
    let matches: &mut dyn Iterator<Item = usize> = if search.from_end {
        &mut (0..len).rev().zip(list.iter().rev()).take(compared).filter(|(_, other)| *other == elem).map(|(at, _)| at)
    } else {
        &mut list.iter().enumerate().take(compared).filter(|(_, other)| *other == elem).map(|(at, _)| at)
    };
    let mut matches = matches.skip(usize::try_from(search.rank - 1).unwrap_or(usize::MAX));
    let Some(count) = search.count else {
        match matches.next() {
            None => ctx.reply.null(),
            Some(at) => ctx.reply.count(at),
        }
        return Ok(());
    };
    let array = ctx.reply.deferred();
    let mut found = 0;
    for at in matches.take(if count == 0 { usize::MAX } else { count }) {
        ctx.reply.count(at);
        found += 1;
    }
    ctx.reply.finish_array(array, found);
    Ok(())
}
