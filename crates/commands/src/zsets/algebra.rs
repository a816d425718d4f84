//! Unions, intersections and differences of sorted sets and sets, answered, counted or stored.
//!
//! The request is its own effect: sources are combined in an order that depends only on their lengths and on the
//! arguments, so that sums, which round, come out the same on replay.

use std::ops::ControlFlow;

use keyspace::{Elem, Key, Set, Thresholds, Value, ValueRef, ZSet};
use resp_codec::Args;

use super::scored::{Scored, Shape, unsigned_zero};
use crate::elems::{at_least, store_result};
use crate::parse::{self, is};
use crate::{CommandError, Ctx, Store};

/// What to make of several sorted sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Answered,
    Stored,
    Counted,
}

/// How the scores of one member become one score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn parse(arg: &[u8]) -> Result<Self, CommandError> {
        match arg {
            _ if is(arg, "SUM") => Ok(Self::Sum),
            _ if is(arg, "MIN") => Ok(Self::Min),
            _ if is(arg, "MAX") => Ok(Self::Max),
            _ => Err(CommandError::Syntax),
        }
    }

    /// Never NaN: the sum of both infinities is 0, as in Redis.
    fn of(self, score: f64, other: f64) -> f64 {
        match self {
            Self::Sum => zero_if_nan(score + other),
            Self::Min if other < score => other,
            Self::Max if other > score => other,
            Self::Min | Self::Max => score,
        }
    }
}

fn zero_if_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// The options behind the keys.
struct Options {
    /// One a key; empty: all are 1.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Most members to count; 0 for all.
    limit: usize,
}

impl Options {
    fn parse(
        args: Args<'_>,
        at: usize,
        keys: usize,
        operation: Operation,
        output: Output,
    ) -> Result<Self, CommandError> {
        let mut options = Self { weights: Vec::new(), aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        let scores_matter = operation != Operation::Difference && output != Output::Counted;
        let mut rest = args.from(at);
        while let Some(option) = rest.next() {
            if scores_matter && is(option, "WEIGHTS") && rest.len() >= keys {
                let weight = |arg| parse::float(arg).map_err(|_| CommandError::Text("ERR weight value is not a float"));
                options.weights = rest.by_ref().take(keys).map(weight).collect::<Result<_, _>>()?;
            } else if scores_matter && is(option, "AGGREGATE") {
                options.aggregate = Aggregate::parse(rest.next().ok_or(CommandError::Syntax)?)?;
            } else if output == Output::Answered && is(option, "WITHSCORES") {
                options.with_scores = true;
            } else if output == Output::Counted && is(option, "LIMIT") {
                let limit = rest.next().ok_or(CommandError::Syntax)?;
                options.limit = at_least(limit, 0, "ERR LIMIT can't be negative")?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

/// One of the sets that are combined.
#[derive(Clone, Copy)]
struct Source<'s> {
    members: Members<'s>,
    weight: f64,
}

#[derive(Clone, Copy)]
enum Members<'s> {
    None,
    /// Every member counts with a score of 1.
    Set(&'s Set),
    ZSet(&'s ZSet),
}

impl<'s> Source<'s> {
    fn len(&self) -> usize {
        match self.members {
            Members::None => 0,
            Members::Set(set) => set.len(),
            Members::ZSet(zset) => zset.len(),
        }
    }

    fn score(&self, member: Elem<'_>) -> Option<f64> {
        match self.members {
            Members::None => None,
            Members::Set(set) => set.contains_elem(member).then_some(1.0),
            Members::ZSet(zset) => zset.score_elem(member),
        }
    }

    fn try_for_each(&self, mut visit: impl FnMut(Elem<'s>, f64) -> ControlFlow<()>) {
        let _stopped = match self.members {
            Members::None => ControlFlow::Continue(()),
            Members::Set(set) => set.iter().try_for_each(|member| visit(member, 1.0)),
            Members::ZSet(zset) => zset.iter().try_for_each(|(member, score)| visit(member, score)),
        };
    }

    fn for_each(&self, mut visit: impl FnMut(Elem<'s>, f64)) {
        self.try_for_each(|member, score| {
            visit(member, score);
            ControlFlow::Continue(())
        });
    }
}

/// Looks up every key, so that none is past its deadline, and refuses types without members.
fn look_up<'k>(store: &mut Store<'_>, names: impl Iterator<Item = &'k [u8]>) -> Result<Vec<Key<'k>>, CommandError> {
    let mut keys = Vec::new();
    for name in names {
        let key = store.key(name);
        match store.read(key) {
            None | Some(ValueRef::Set(_) | ValueRef::ZSet(_)) => keys.push(key),
            Some(_) => return Err(CommandError::WrongType),
        }
    }
    Ok(keys)
}

/// The sources in the order in which they are combined: the smallest first, but for a difference.
fn sources<'s>(store: &'s Store<'_>, keys: &[Key<'_>], weights: &[f64], operation: Operation) -> Vec<Source<'s>> {
    let source = |(at, key): (usize, &Key<'_>)| {
        let members = match store.peek(*key) {
            Some(ValueRef::Set(set)) => Members::Set(set),
            Some(ValueRef::ZSet(zset)) => Members::ZSet(zset),
            _ => Members::None,
        };
        Source { members, weight: weights.get(at).copied().unwrap_or(1.0) }
    };
    let mut sources: Vec<_> = keys.iter().enumerate().map(source).collect();
    if operation != Operation::Difference {
        sources.sort_by_key(Source::len);
    }
    sources
}

/// Visits the members that all sources have, with their scores.
fn intersection<'s>(
    sources: &[Source<'s>],
    aggregate: Aggregate,
    mut visit: impl FnMut(Elem<'s>, f64) -> ControlFlow<()>,
) {
    let Some((first, others)) = sources.split_first() else { return };
    first.try_for_each(|member, score| {
        let start = zero_if_nan(first.weight * score);
        let in_all = others.iter().try_fold(start, |score, source| {
            source.score(member).map(|other| aggregate.of(score, source.weight * other))
        });
        in_all.map_or(ControlFlow::Continue(()), |score| visit(member, score))
    });
}

fn combined(sources: &[Source<'_>], operation: Operation, aggregate: Aggregate, limits: &Thresholds) -> ZSet {
    let mut result = ZSet::new();
    match operation {
        Operation::Union => {
            for source in sources {
                source.for_each(|member, score| {
                    let score = zero_if_nan(source.weight * score);
                    let score = result.score_elem(member).map_or(score, |known| aggregate.of(known, score));
                    result.insert_elem(member, unsigned_zero(score), limits);
                });
            }
        }
        Operation::Intersection => intersection(sources, aggregate, |member, score| {
            result.insert_elem(member, unsigned_zero(score), limits);
            ControlFlow::Continue(())
        }),
        Operation::Difference => {
            let Some((first, others)) = sources.split_first() else { return result };
            first.for_each(|member, score| {
                if others.iter().all(|source| source.score(member).is_none()) {
                    result.insert_elem(member, unsigned_zero(score), limits);
                }
            });
        }
    }
    result
}

/// `ZUNION numkeys key [key …] …` or `ZUNIONSTORE destination numkeys key [key …] …`
fn combine(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    name: &'static str,
    operation: Operation,
    output: Output,
) -> Result<(), CommandError> {
    let count_at = if output == Output::Stored { 2 } else { 1 };
    let count = parse::int(args.at(count_at))?;
    let count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(CommandError::NoInputKey(name))?;
    let first = count_at + 1;
    if count > args.len() - first {
        return Err(CommandError::Syntax);
    }
    let keys = look_up(&mut ctx.store, args.from(first).take(count))?;
    let options = Options::parse(args, first + count, count, operation, output)?;
    let sources = sources(&ctx.store, &keys, &options.weights, operation);
    if output == Output::Counted {
        ctx.reply.count(count_common(&sources, options.limit));
        return Ok(());
    }
    let result = combined(&sources, operation, options.aggregate, &ctx.limits.thresholds);
    if output == Output::Answered {
        let shape = Shape::of(ctx.reply.proto, options.with_scores);
        let mut scored = Scored::begin(&mut ctx.reply, result.len(), shape);
        result.iter().for_each(|pair| scored.push(pair));
        return Ok(());
    }
    ctx.reply.count(result.len());
    let destination = ctx.store.key(args.at(1));
    let result = Some(result).filter(|zset| !zset.is_empty()).map(Value::ZSet);
    store_result(&mut ctx.store, destination, result);
    Ok(())
}

/// How many members all sources have, up to `limit` unless it is 0.
fn count_common(sources: &[Source<'_>], limit: usize) -> usize {
    let mut found = 0;
    intersection(sources, Aggregate::Sum, |_, _| {
        found += 1;
        if found == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found
}

pub(super) fn zunion(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    combine(ctx, args, "zunion", Operation::Union, Output::Answered)
}

pub(super) fn zinter(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    combine(ctx, args, "zinter", Operation::Intersection, Output::Answered)
}

pub(super) fn zdiff(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    combine(ctx, args, "zdiff", Operation::Difference, Output::Answered)
}

pub(super) fn zunionstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    combine(ctx, args, "zunionstore", Operation::Union, Output::Stored)
}

pub(super) fn zinterstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    combine(ctx, args, "zinterstore", Operation::Intersection, Output::Stored)
}

pub(super) fn zdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    combine(ctx, args, "zdiffstore", Operation::Difference, Output::Stored)
}

/// `ZINTERCARD numkeys key [key …] [LIMIT limit]`
pub(super) fn zintercard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    combine(ctx, args, "zintercard", Operation::Intersection, Output::Counted)
}
