//! The ends of ranges of scores and of members.

use std::cmp::Ordering;

use numeric::IntBuf;

use crate::types::elem::Elem;

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreBound {
    /// The score itself belongs to the range.
    Incl(f64),
    /// The score itself does not.
    Excl(f64),
}

impl ScoreBound {
    /// Whether `score` lies below a range that starts here.
    pub(super) fn excludes_below(self, score: f64) -> bool {
        match self {
            Self::Incl(min) => score < min,
            Self::Excl(min) => score <= min,
        }
    }

    /// Whether `score` lies within a range that ends here, as far as the end goes.
    pub(super) fn includes_above(self, score: f64) -> bool {
        match self {
            Self::Incl(max) => score <= max,
            Self::Excl(max) => score < max,
        }
    }
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before every member (`-`).
    Min,
    /// After every member (`+`).
    Max,
    /// The member itself belongs to the range.
    Incl(&'a [u8]),
    /// The member itself does not.
    Excl(&'a [u8]),
}

impl LexBound<'_> {
    /// Whether `member` lies below a range that starts here.
    pub(super) fn excludes_below(self, member: Elem<'_>) -> bool {
        match self {
            Self::Min => false,
            Self::Max => true,
            Self::Incl(min) => compare(member, min).is_lt(),
            Self::Excl(min) => compare(member, min).is_le(),
        }
    }

    /// Whether `member` lies within a range that ends here, as far as the end goes.
    pub(super) fn includes_above(self, member: Elem<'_>) -> bool {
        match self {
            Self::Min => false,
            Self::Max => true,
            Self::Incl(max) => compare(member, max).is_le(),
            Self::Excl(max) => compare(member, max).is_lt(),
        }
    }
}

fn compare(member: Elem<'_>, bound: &[u8]) -> Ordering {
    member.bytes(&mut IntBuf::new()).cmp(bound)
}
