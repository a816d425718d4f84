//! The large form of a sorted set: members with scores in a vector with a hash index, and a tree of their positions
//! in order.
//!
//! A removal moves the last member into the gap, as everywhere in [`Dense`]; its slot in the tree is told.

use std::cmp::Ordering;
use std::ops::Range;

use super::tree::{Slot, Tree};
use crate::types::dense::Dense;
use crate::types::elem::Elem;
use crate::types::item::Item;

/// Members with scores, by member and by rank.
#[derive(Clone, Debug, Default)]
pub(super) struct Large {
    members: Dense<f64>,
    /// The id of a slot is the position in `members`.
    tree: Tree,
}

impl Large {
    pub(super) fn len(&self) -> usize {
        self.tree.len()
    }

    fn member(&self, id: u32) -> Elem<'_> {
        let (member, _) = self.members.at(id as usize).expect("the tree holds positions of members");
        member
    }

    pub(super) fn score(&self, member: Elem<'_>) -> Option<f64> {
        let (_, score) = self.members.at(self.members.find(member)?)?;
        Some(*score)
    }

    /// The number of members for which `before` holds; it holds for a prefix of them.
    pub(super) fn partition_point(&self, before: impl Fn(f64, Elem<'_>) -> bool) -> usize {
        self.tree.partition_point(|slot| before(slot.score, self.member(slot.id)))
    }

    /// The rank that a member with this score has or would have.
    fn place(&self, member: Elem<'_>, score: f64) -> usize {
        self.tree.partition_point(|slot| {
            let by_score = slot.score.partial_cmp(&score).unwrap_or(Ordering::Equal);
            by_score.then_with(|| self.member(slot.id).cmp_text(member)).is_lt()
        })
    }

    pub(super) fn rank(&self, member: Elem<'_>) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.place(member, score))
    }

    /// Adds a member that is not there yet.
    pub(super) fn insert_new(&mut self, member: Elem<'_>, score: f64) {
        let rank = self.place(member, score);
        let id = u32::try_from(self.members.len()).expect("a sorted set holds fewer than 2^32 members");
        self.members.insert_new(member, score);
        self.tree.insert(rank, Slot { score, id });
    }

    /// Changes the score of a member, which must be there.
    pub(super) fn update(&mut self, member: Elem<'_>, score: f64) {
        let Some(rank) = self.rank(member) else { return };
        let Slot { id, .. } = self.tree.remove(rank);
        *self.members.value_mut(id as usize) = score;
        let rank = self.place(member, score);
        self.tree.insert(rank, Slot { score, id });
    }

    /// Removes the member at a rank, which must exist.
    pub(super) fn remove_at(&mut self, rank: usize) -> (Item, f64) {
        let Slot { id, .. } = self.tree.remove(rank);
        let last = self.members.len() - 1;
        if id as usize != last {
            let (member, &score) = self.members.at(last).expect("the last of a vector that is not empty");
            let rank = self.place(member, score);
            self.tree.set_id(rank, id);
        }
        self.members.remove_at(id as usize)
    }

    /// The member at a position that says nothing of its rank: a random position gives a random member in O(1).
    pub(super) fn at(&self, position: usize) -> Option<(Elem<'_>, f64)> {
        self.members.at(position).map(|(member, score)| (member, *score))
    }

    pub(super) fn range(&self, ranks: Range<usize>) -> Walk<'_> {
        Walk { large: self, ranks, front: &[], back: &[] }
    }

    pub(super) fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(Elem<'a>, f64)) -> u64 {
        self.members.scan(cursor, count, &mut |member, score| f(member, *score))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.members.heap_bytes() + self.tree.heap_bytes()
    }
}

/// Visits the members of a range of ranks, from both ends.
///
/// A leaf is walked as a slice; the next one is found by rank, a descent of the tree for some dozens of members.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    large: &'a Large,
    ranks: Range<usize>,
    front: &'a [Slot],
    back: &'a [Slot],
}

impl<'a> Walk<'a> {
    fn show(&self, slot: Slot) -> (Elem<'a>, f64) {
        (self.large.member(slot.id), slot.score)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Elem<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next()?;
        if self.front.is_empty() {
            let (leaf, at) = self.large.tree.leaf_at(rank);
            self.front = &leaf[at..];
        }
        let (&slot, rest) = self.front.split_first()?;
        self.front = rest;
        Some(self.show(slot))
    }
}

impl DoubleEndedIterator for Walk<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next_back()?;
        if self.back.is_empty() {
            let (leaf, at) = self.large.tree.leaf_at(rank);
            self.back = &leaf[..=at];
        }
        let (&slot, rest) = self.back.split_last()?;
        self.back = rest;
        Some(self.show(slot))
    }
}
