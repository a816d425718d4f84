//! Scores as they are stored, and replies of members with them.

use keyspace::Elem;
use resp_codec::{Protocol, Reply};

use crate::elems::bulk;

/// The score as it is stored: Redis's compact form of sorted sets knows no `-0`, and here the form makes no difference.
pub(super) fn unsigned_zero(score: f64) -> f64 {
    score + 0.0
}

/// Replies members, or members with scores: one flat array, or pairs.
pub(super) struct Scored<'r, 'o> {
    reply: &'r mut Reply<'o>,
    shape: Shape,
}

/// How members and scores stand in the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Members alone.
    Members,
    /// Member, score, member, score, …
    Flat,
    /// Pairs of a member and a score.
    Nested,
}

impl Shape {
    /// Most commands: pairs in RESP3 only.
    pub(super) fn of(protocol: Protocol, with_scores: bool) -> Self {
        match (with_scores, protocol) {
            (false, _) => Self::Members,
            (true, Protocol::Resp2) => Self::Flat,
            (true, Protocol::Resp3) => Self::Nested,
        }
    }
}

impl<'r, 'o> Scored<'r, 'o> {
    /// Begins an array of exactly `count` members.
    pub(super) fn begin(reply: &'r mut Reply<'o>, count: usize, shape: Shape) -> Self {
        reply.array(if shape == Shape::Flat { count * 2 } else { count });
        Self { reply, shape }
    }

    /// Whether nobody wants any more of it.
    pub(super) fn is_full(&self) -> bool {
        self.reply.is_full()
    }

    /// Replies one member.
    pub(super) fn push(&mut self, (member, score): (Elem<'_>, f64)) {
        if self.shape == Shape::Nested {
            self.reply.array(2);
        }
        bulk(self.reply, member);
        if self.shape != Shape::Members {
            self.reply.double(score);
        }
    }
}
