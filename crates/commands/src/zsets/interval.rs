//! Intervals of a sorted set as arguments spell them: `0 -1`, `(1 +inf`, `[a +`.

use std::ops::Range;

use keyspace::{LexBound, ScoreBound, ZSet};
use numeric::parse_f64_saturating;

use crate::{CommandError, parse};

/// What an interval is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// The order in which members are answered, and ranks counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// An interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Interval<'a> {
    Ranks { start: i64, stop: i64 },
    Scores { min: ScoreBound, max: ScoreBound },
    Lex { min: LexBound<'a>, max: LexBound<'a> },
}

impl<'a> Interval<'a> {
    /// Parses both ends, the lower first.
    pub(super) fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, CommandError> {
        match by {
            By::Rank => Ok(Self::Ranks { start: parse::int(min)?, stop: parse::int(max)? }),
            By::Score => score_bound(min)
                .zip(score_bound(max))
                .map(|(min, max)| Self::Scores { min, max })
                .ok_or(CommandError::Text("ERR min or max is not a float")),
            By::Lex => lex_bound(min)
                .zip(lex_bound(max))
                .map(|(min, max)| Self::Lex { min, max })
                .ok_or(CommandError::Text("ERR min or max not valid string range item")),
        }
    }

    /// The ranks, in ascending order, of the members inside.
    pub(super) fn ranks(&self, zset: &ZSet, order: Order) -> Range<usize> {
        match *self {
            Self::Ranks { start, stop } => {
                let ranks = parse::range(start, stop, zset.len()).unwrap_or(0..0);
                match order {
                    Order::Ascending => ranks,
                    Order::Descending => zset.len() - ranks.end..zset.len() - ranks.start,
                }
            }
            Self::Scores { min, max } => zset.ranks_by_score(min, max),
            Self::Lex { min, max } => zset.ranks_by_lex(min, max),
        }
    }

    /// Whether the members inside depend on nothing but members and scores. Those of a range of members do not where
    /// scores differ: there such a range means nothing, and what it selects depends on how the sorted set is laid out.
    pub(super) fn is_determined(&self, zset: &ZSet) -> bool {
        let score = |rank| zset.get_index(rank).map(|(_, score)| score);
        !matches!(self, Self::Lex { .. }) || score(0) == score(zset.len().saturating_sub(1))
    }
}

/// `1.5`, `(1.5`, `-inf`. As in Redis, which leaves it to strtod, nothing at all is 0, blanks may lead, and what is out of
/// range is infinite.
fn score_bound(arg: &[u8]) -> Option<ScoreBound> {
    let (number, bound): (_, fn(f64) -> ScoreBound) = match arg {
        [b'(', number @ ..] => (number, ScoreBound::Excl),
        number => (number, ScoreBound::Incl),
    };
    // It reads up to a zero byte, too.
    let number = number.split(|byte| *byte == 0).next().unwrap_or_default();
    if number.is_empty() {
        return Some(bound(0.0));
    }
    let blanks = number.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    parse_f64_saturating(&number[blanks..]).map(bound)
}

/// `[member`, `(member`, `-`, `+`.
fn lex_bound(arg: &[u8]) -> Option<LexBound<'_>> {
    match arg {
        b"-" => Some(LexBound::Min),
        b"+" => Some(LexBound::Max),
        [b'[', member @ ..] => Some(LexBound::Incl(member)),
        [b'(', member @ ..] => Some(LexBound::Excl(member)),
        _ => None,
    }
}
