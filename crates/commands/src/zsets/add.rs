//! ZADD and ZINCRBY: adding members, changing scores. The request is its own effect: what it does depends on the sorted
//! set only, and a score is written and read back exactly.

use keyspace::{Insert, Thresholds, ZSet};
use resp_codec::Args;
use smallvec::SmallVec;

use super::scored::unsigned_zero;
use crate::parse::{self, is};
use crate::{CommandError, Ctx};

/// The options of ZADD, as a set of flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Options(u8);

impl Options {
    const NX: u8 = 1;
    const XX: u8 = 2;
    const GT: u8 = 4;
    const LT: u8 = 8;
    const CH: u8 = 16;
    const INCR: u8 = 32;

    const NAMES: [(&'static str, u8); 6] = [
        ("NX", Self::NX),
        ("XX", Self::XX),
        ("GT", Self::GT),
        ("LT", Self::LT),
        ("CH", Self::CH),
        ("INCR", Self::INCR),
    ];

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    /// Reads the options from argument 2 on; returns where the scores begin.
    fn parse(args: Args<'_>, given: u8) -> Result<(Self, usize), CommandError> {
        let mut options = Self(given);
        let mut at = 2;
        while let Some((_, flag)) = args.get(at).and_then(|arg| Self::NAMES.iter().find(|(name, _)| is(arg, name))) {
            options.0 |= flag;
            at += 1;
        }
        let rest = args.len() - at;
        if rest == 0 || !rest.is_multiple_of(2) {
            return Err(CommandError::Syntax);
        }
        options.check(rest / 2)?;
        Ok((options, at))
    }

    fn check(self, pairs: usize) -> Result<(), CommandError> {
        let (nx, gt, lt) = (self.has(Self::NX), self.has(Self::GT), self.has(Self::LT));
        if nx && self.has(Self::XX) {
            return Err(CommandError::Text("ERR XX and NX options at the same time are not compatible"));
        }
        if [nx, gt, lt].into_iter().filter(|set| *set).count() > 1 {
            return Err(CommandError::Text("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.has(Self::INCR) && pairs > 1 {
            return Err(CommandError::Text("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }
}

pub(super) fn zadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    add(ctx, args, 0)
}

pub(super) fn zincrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    add(ctx, args, Options::INCR)
}

/// The scores of one request.
type Scores = SmallVec<[f64; 8]>;

/// What happened to the members of one request.
#[derive(Default)]
struct Tally {
    added: usize,
    updated: usize,
    /// The score of the last member that no condition held back.
    score: Option<f64>,
}

fn add(ctx: &mut Ctx<'_>, args: Args<'_>, given: u8) -> Result<(), CommandError> {
    let (options, first) = Options::parse(args, given)?;
    // All are read before the key is looked at: one that is no number refuses the whole request.
    let scores = args.from(first).step_by(2).map(parse::float).collect::<Result<Scores, _>>()?;
    let key = ctx.store.key(args.at(1));
    let limits = &ctx.limits.thresholds;
    // Whatever the options, a member that is not there is added unless they have XX: a new sorted set does not stay empty.
    let zset = match options.has(Options::XX) {
        true => ctx.store.zset_mut(key)?,
        false => Some(ctx.store.zset_or_new(key)?),
    };
    let tally = zset.map_or_else(
        || Ok(Tally::default()),
        |zset| put_all(zset, &scores, args.from(first + 1).step_by(2), options, limits),
    )?;
    if tally.added + tally.updated > 0 {
        ctx.store.modified(key);
        ctx.store.propagate();
    }
    match (options.has(Options::INCR), tally.score) {
        (true, Some(score)) => ctx.reply.double(score),
        (true, None) => ctx.reply.null(),
        (false, _) if options.has(Options::CH) => ctx.reply.count(tally.added + tally.updated),
        (false, _) => ctx.reply.count(tally.added),
    }
    Ok(())
}

fn put_all<'a>(
    zset: &mut ZSet,
    scores: &[f64],
    members: impl Iterator<Item = &'a [u8]>,
    options: Options,
    limits: &Thresholds,
) -> Result<Tally, CommandError> {
    zset.make_ready_for(scores.len(), limits);
    let mut tally = Tally::default();
    for (score, member) in scores.iter().zip(members) {
        let Some(score) = resulting_score(zset, member, *score, options)? else { continue };
        match zset.insert(member, unsigned_zero(score), limits) {
            Insert::Added => tally.added += 1,
            Insert::Updated(_) => tally.updated += 1,
            Insert::Same => {}
        }
        tally.score = Some(score);
    }
    Ok(tally)
}

/// The score that a member is to get; `None` if a condition holds it back.
///
/// An error is possible with INCR only, which allows one member: so nothing was changed before.
fn resulting_score(zset: &ZSet, member: &[u8], score: f64, options: Options) -> Result<Option<f64>, CommandError> {
    if options.0 & !Options::CH == 0 {
        return Ok(Some(score));
    }
    let Some(old) = zset.score(member) else { return Ok((!options.has(Options::XX)).then_some(score)) };
    if options.has(Options::NX) {
        return Ok(None);
    }
    let score = if options.has(Options::INCR) { old + score } else { score };
    if score.is_nan() {
        return Err(CommandError::Text("ERR resulting score is not a number (NaN)"));
    }
    let held_back = (options.has(Options::LT) && score >= old) || (options.has(Options::GT) && score <= old);
    Ok((!held_back).then_some(score))
}
