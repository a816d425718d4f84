//! Sorted sets: a compact sequence in order, or a vector with a hash index and a tree.
//!
//! Forms and thresholds are Redis's (listpack, skiplist); a sorted set grows and never goes back. Members are ordered
//! by score, then by their bytes; `-0` and `0` are the same score. NaN never enters.

mod bounds;
mod build;
mod large;
mod small;
#[cfg(test)]
mod tests;
mod tree;

use std::cmp::Ordering;
use std::ops::Range;

pub use bounds::{LexBound, ScoreBound};
pub use build::ZSetBuilder;
use large::Large;

use super::elem::Elem;
use super::pack::Pack;
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

/// A sorted set: members ordered by score, then by their bytes. A score is never NaN.
#[derive(Clone, Debug, Default)]
pub struct ZSet(Form);

#[derive(Clone, Debug)]
enum Form {
    Small(Pack),
    Large(Box<Large>),
}

impl Default for Form {
    fn default() -> Self {
        Self::Small(Pack::default())
    }
}

impl ZSet {
    /// Makes an empty sorted set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an empty sorted set in its large form.
    pub fn new_large() -> Self {
        Self(Form::Large(Box::default()))
    }

    /// Chooses the form for about `count` members that are going to be added.
    ///
    /// Source: `zsetTypeCreate` and `zsetTypeMaybeConvert` of Redis 7.2, which ZADD goes through.
    pub fn make_ready_for(&mut self, count: usize, limits: &Thresholds) {
        if count > limits.zset_max_listpack_entries {
            self.become_large();
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Small(pack) => pack.len() / 2,
            Form::Large(large) => large.len(),
        }
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
        assert!(!score.is_nan(), "a score is never NaN: it would have no place in the order");
        match self.score_elem(member) {
            #[expect(clippy::float_cmp, reason = "Redis changes the score when it is not exactly the same")]
            Some(old) if old == score => return Insert::Same,
            Some(old) => {
                self.update(member, score);
                return Insert::Updated(old);
            }
            None => {}
        }
        self.make_room_for(member, limits);
        match &mut self.0 {
            Form::Small(pack) => insert_small(pack, member, score),
            Form::Large(large) => large.insert_new(member, score),
        }
        Insert::Added
    }

    /// Changes the form, if it must, so that `member` may be added.
    fn make_room_for(&mut self, member: Elem<'_>, limits: &Thresholds) {
        let fits = match &self.0 {
            Form::Small(pack) => pack.takes(member.len()),
            Form::Large(_) => true,
        };
        if self.len() >= limits.zset_max_listpack_entries || member.len() > limits.zset_max_listpack_value || !fits {
            self.become_large();
        }
    }

    fn update(&mut self, member: Elem<'_>, score: f64) {
        match &mut self.0 {
            Form::Small(pack) => {
                if let Some((rank, _)) = small::find(pack, member) {
                    small::remove(pack, rank..rank + 1);
                }
                insert_small(pack, member, score);
            }
            Form::Large(large) => large.update(member, score),
        }
    }

    fn become_large(&mut self) {
        if let Form::Small(pack) = &self.0 {
            let mut large = Box::new(Large::default());
            small::range(pack, 0..pack.len() / 2).for_each(|(member, score)| large.insert_new(member, score));
            self.0 = Form::Large(large);
        }
    }

    /// Removes a member; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        self.remove_elem(Elem::new(member))
    }

    /// Removes a member named by an element of another collection; returns its score.
    pub fn remove_elem(&mut self, member: Elem<'_>) -> Option<f64> {
        match &mut self.0 {
            Form::Small(pack) => {
                let (rank, score) = small::find(pack, member)?;
                small::remove(pack, rank..rank + 1);
                Some(score)
            }
            Form::Large(large) => {
                let rank = large.rank(member)?;
                Some(large.remove_at(rank).1)
            }
        }
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.score_elem(Elem::new(member))
    }

    /// The score of a member named by an element of another collection.
    pub fn score_elem(&self, member: Elem<'_>) -> Option<f64> {
        match &self.0 {
            Form::Small(pack) => small::find(pack, member).map(|(_, score)| score),
            Form::Large(large) => large.score(member),
        }
    }

    /// The member's position in ascending order, from 0. In O(log n).
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        let member = Elem::new(member);
        match &self.0 {
            Form::Small(pack) => small::find(pack, member).map(|(rank, _)| rank),
            Form::Large(large) => large.rank(member),
        }
    }

    /// Visits every member in ascending order; `.rev()` for descending.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0..self.len())
    }

    /// Visits the members of these ranks, clamped, in ascending order; `.rev()` for descending.
    pub fn range(&self, ranks: Range<usize>) -> Iter<'_> {
        let ranks = self.clamp(ranks);
        Iter {
            left: ranks.len(),
            walk: match &self.0 {
                Form::Small(pack) => Walk::Small(small::range(pack, ranks)),
                Form::Large(large) => Walk::Large(large.range(ranks)),
            },
        }
    }

    fn clamp(&self, ranks: Range<usize>) -> Range<usize> {
        let end = ranks.end.min(self.len());
        ranks.start.min(end)..end
    }

    /// The ranks of the members within a range of scores, in O(log n); the length of the result is ZCOUNT.
    pub fn ranks_by_score(&self, min: ScoreBound, max: ScoreBound) -> Range<usize> {
        let start = self.partition_point(|score, _| min.excludes_below(score));
        let end = self.partition_point(|score, _| max.includes_above(score));
        start..end.max(start)
    }

    /// The ranks of the members within a range of members, in O(log n); the length of the result is ZLEXCOUNT.
    ///
    /// As in Redis, the answer means something only where all scores are equal.
    pub fn ranks_by_lex(&self, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
        let start = self.partition_point(|_, member| min.excludes_below(member));
        let end = self.partition_point(|_, member| max.includes_above(member));
        start..end.max(start)
    }

    fn partition_point(&self, before: impl Fn(f64, Elem<'_>) -> bool) -> usize {
        match &self.0 {
            Form::Small(pack) => small::partition_point(pack, before),
            Form::Large(large) => large.partition_point(before),
        }
    }

    /// Removes the members of these ranks, clamped; returns how many.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let ranks = self.clamp(ranks);
        match &mut self.0 {
            Form::Small(pack) => small::remove(pack, ranks.clone()),
            Form::Large(large) => ranks.clone().for_each(|_| drop(large.remove_at(ranks.start))),
        }
        ranks.len()
    }

    /// Removes and returns the member with the lowest score.
    pub fn pop_min(&mut self) -> Option<(Vec<u8>, f64)> {
        self.take(0)
    }

    /// Removes and returns the member with the highest score.
    pub fn pop_max(&mut self) -> Option<(Vec<u8>, f64)> {
        self.take(self.len().checked_sub(1)?)
    }

    fn take(&mut self, rank: usize) -> Option<(Vec<u8>, f64)> {
        if rank >= self.len() {
            return None;
        }
        match &mut self.0 {
            Form::Small(pack) => {
                let (member, score) = small::range(pack, rank..rank + 1).next()?;
                let member = member.to_vec();
                small::remove(pack, rank..rank + 1);
                Some((member, score))
            }
            Form::Large(large) => {
                let (member, score) = large.remove_at(rank);
                Some((member.into_vec(), score))
            }
        }
    }

    /// The member at a rank.
    pub fn get_index(&self, rank: usize) -> Option<(Elem<'_>, f64)> {
        self.range(rank..rank.saturating_add(1)).next()
    }

    /// A random member with its score, evenly distributed.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Elem<'_>, f64)> {
        if self.is_empty() {
            return None;
        }
        let at = rng.usize(..self.len());
        match &self.0 {
            Form::Small(_) => self.get_index(at),
            Form::Large(large) => large.at(at),
        }
    }

    /// Visits about `count` members from `cursor` on (0 starts); returns the next cursor, 0 at the end.
    ///
    /// A member that is in the set from the first call to the last is visited at least once. A small set is visited
    /// whole, as Redis does.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(Elem<'a>, f64)) -> u64 {
        if let Form::Large(large) = &self.0 {
            return large.scan(cursor, count, f);
        }
        self.iter().for_each(|(member, score)| f(member, score));
        0
    }

    /// Whether it is in its large form.
    pub fn is_large(&self) -> bool {
        matches!(self.0, Form::Large(_))
    }

    /// The name that `OBJECT ENCODING` replies.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Small(_) => "listpack",
            Form::Large(_) => "skiplist",
        }
    }

    pub(crate) fn free_effort(&self) -> usize {
        if let Form::Large(large) = &self.0 { large.len() } else { 1 }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(pack) => pack.capacity_bytes(),
            Form::Large(large) => size_of::<Large>() + large.heap_bytes(),
        }
    }
}

/// Adds a member that is not there yet where the order wants it.
fn insert_small(pack: &mut Pack, member: Elem<'_>, score: f64) {
    if small::goes_last(pack, member, score) {
        return small::push(pack, member, score);
    }
    let rank = small::partition_point(pack, |other, name| order((name, other), (member, score)).is_lt());
    small::insert(pack, rank, member, score);
}

/// The order of members with their scores.
fn order((one, one_score): (Elem<'_>, f64), (other, other_score): (Elem<'_>, f64)) -> Ordering {
    let by_score = one_score.partial_cmp(&other_score).unwrap_or(Ordering::Equal);
    by_score.then_with(|| one.cmp_text(other))
}

/// Visits members of a [`ZSet`] with their scores, from both ends.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    walk: Walk<'a>,
    left: usize,
}

#[derive(Clone, Debug)]
enum Walk<'a> {
    Small(small::Walk<'a>),
    Large(large::Walk<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Elem<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.saturating_sub(1);
        match &mut self.walk {
            Walk::Small(walk) => walk.next(),
            Walk::Large(walk) => walk.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.saturating_sub(1);
        match &mut self.walk {
            Walk::Small(walk) => walk.next_back(),
            Walk::Large(walk) => walk.next_back(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}
