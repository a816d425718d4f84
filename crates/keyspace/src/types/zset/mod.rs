//! Sorted sets.

use std::ops::Range;

use super::elem::Elem;
use super::thresholds::Thresholds;

/// What [`ZSet::insert`] did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Insert {
    /// The member is new.
    Added,
    /// The member had this other score.
    Updated(f64),
    /// The member had the same score: nothing changed.
    Same,
}

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreBound {
    /// The score itself belongs to the range.
    Incl(f64),
    /// The score itself does not.
    Excl(f64),
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

/// A sorted set: members ordered by score, then by their bytes. A score is never NaN.
#[derive(Clone, Debug, Default)]
pub struct ZSet {}

#[expect(unused_variables, reason = "first seam")]
impl ZSet {
    /// Makes an empty sorted set.
    pub fn new() -> Self {
        Self {}
    }
    /// Number of members.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Whether the sorted set is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Adds a member or changes its score.
    ///
    /// # Panics
    ///
    /// When `score` is NaN: callers check.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &Thresholds) -> Insert {
        self.insert_elem(Elem::new(member), score, limits)
    }
    /// [`ZSet::insert`] of an element of another collection.
    ///
    /// # Panics
    ///
    /// When `score` is NaN: callers check.
    pub fn insert_elem(&mut self, member: Elem<'_>, score: f64, limits: &Thresholds) -> Insert {
        todo!()
    }
    /// Removes a member; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        todo!()
    }
    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.score_elem(Elem::new(member))
    }
    /// The score of a member named by an element of another collection.
    pub fn score_elem(&self, member: Elem<'_>) -> Option<f64> {
        todo!()
    }
    /// The member's position in ascending order, from 0. In O(log n).
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        todo!()
    }
    /// Visits every member in ascending order; `.rev()` for descending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Elem<'_>, f64)> {
        self.range(0..self.len())
    }
    /// Visits the members of these ranks, clamped, in ascending order; `.rev()` for descending.
    pub fn range(&self, ranks: Range<usize>) -> impl DoubleEndedIterator<Item = (Elem<'_>, f64)> {
        std::iter::empty()
    }
    /// The ranks of the members within a range of scores, in O(log n); its length is ZCOUNT.
    pub fn ranks_by_score(&self, min: ScoreBound, max: ScoreBound) -> Range<usize> {
        todo!()
    }
    /// The ranks of the members within a range of members (all scores equal), in O(log n); its length is ZLEXCOUNT.
    pub fn ranks_by_lex(&self, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
        todo!()
    }
    /// Removes the members of these ranks, clamped; returns how many.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        todo!()
    }
    /// Removes and returns the member with the lowest score.
    pub fn pop_min(&mut self) -> Option<(Vec<u8>, f64)> {
        todo!()
    }
    /// Removes and returns the member with the highest score.
    pub fn pop_max(&mut self) -> Option<(Vec<u8>, f64)> {
        todo!()
    }
    /// The member at a rank.
    pub fn get_index(&self, rank: usize) -> Option<(Elem<'_>, f64)> {
        self.range(rank..rank.saturating_add(1)).next()
    }
    /// A random member with its score, evenly distributed.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Elem<'_>, f64)> {
        if self.is_empty() { None } else { self.get_index(rng.usize(..self.len())) }
    }
    /// Visits about `count` members from `cursor` on (0 starts); returns the next cursor, 0 at the end.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(Elem<'a>, f64)) -> u64 {
        todo!()
    }
    /// The name that `OBJECT ENCODING` replies.
    pub fn encoding(&self) -> &'static str {
        todo!()
    }
    pub(crate) fn free_effort(&self) -> usize {
        todo!()
    }
}
