//! The compact form of a sorted set: member, score, member, score, … in ascending order.
//!
//! An integral score is kept as an integer, any other as its eight bytes.

use std::ops::Range;

use super::order;
use crate::types::elem::Elem;
use crate::types::pack::{Pack, Pairs};

/// Largest magnitude up to which every integer is an `f64` of its own.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Adds a member with its score at a rank.
pub(super) fn insert(pack: &mut Pack, rank: usize, member: Elem<'_>, score: f64) {
    pack.insert(rank * 2, member);
    with_score(score, |score| pack.insert(rank * 2 + 1, score));
}

/// Adds a member with its score behind the others.
pub(super) fn push(pack: &mut Pack, member: Elem<'_>, score: f64) {
    pack.push_back(member);
    with_score(score, |score| pack.push_back(score));
}

/// Whether the order wants a member that is not there behind all others.
pub(super) fn goes_last(pack: &Pack, member: Elem<'_>, score: f64) -> bool {
    let last = Pairs(pack.iter()).next_back();
    last.is_none_or(|(name, other)| order((name, score_of(other)), (member, score)).is_lt())
}

fn with_score(score: f64, f: impl FnOnce(Elem<'_>)) {
    let integral = score.fract() == 0.0 && score.abs() <= EXACT_MAX && !(score == 0.0 && score.is_sign_negative());
    if integral {
        #[expect(clippy::cast_possible_truncation, reason = "an integer within 2^53")]
        f(Elem::Int(score as i64));
    } else {
        f(Elem::Bytes(&score.to_bits().to_le_bytes()));
    }
}

fn score_of(elem: Elem<'_>) -> f64 {
    match elem {
        #[expect(clippy::cast_precision_loss, reason = "an integer within 2^53")]
        Elem::Int(value) => value as f64,
        Elem::Bytes(bytes) => f64::from_bits(u64::from_le_bytes(bytes.try_into().expect("written as eight bytes"))),
    }
}

/// The rank and score of a member.
pub(super) fn find(pack: &Pack, member: Elem<'_>) -> Option<(usize, f64)> {
    let mut pairs = Pairs(pack.iter()).enumerate();
    pairs.find(|(_, (name, _))| *name == member).map(|(rank, (_, score))| (rank, score_of(score)))
}

/// The number of members for which `before` holds; it holds for a prefix of them.
pub(super) fn partition_point(pack: &Pack, before: impl Fn(f64, Elem<'_>) -> bool) -> usize {
    Pairs(pack.iter()).take_while(|(member, score)| before(score_of(*score), *member)).count()
}

/// Removes the members of these ranks, which must exist.
pub(super) fn remove(pack: &mut Pack, ranks: Range<usize>) {
    pack.remove_range(ranks.start * 2, ranks.end * 2);
}

/// Visits the members of these ranks, which must exist.
pub(super) fn range(pack: &Pack, ranks: Range<usize>) -> Walk<'_> {
    Walk(Pairs(pack.range(ranks.start * 2, ranks.end * 2)))
}

/// Visits members with their scores, from both ends.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a>(Pairs<'a>);

impl<'a> Iterator for Walk<'a> {
    type Item = (Elem<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(member, score)| (member, score_of(score)))
    }
}

impl DoubleEndedIterator for Walk<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(member, score)| (member, score_of(score)))
    }
}
