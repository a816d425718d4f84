//! Sets.

use super::elem::Elem;
use super::thresholds::Thresholds;

/// A set.
#[derive(Clone, Debug, Default)]
pub struct Set {}

#[expect(unused_variables, reason = "first seam")]
impl Set {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self {}
    }
    /// Number of members.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Adds a member; false if it was there.
    pub fn insert(&mut self, member: &[u8], limits: &Thresholds) -> bool {
        self.insert_elem(Elem::new(member), limits)
    }
    /// Adds a member taken from another collection; false if it was there.
    pub fn insert_elem(&mut self, member: Elem<'_>, limits: &Thresholds) -> bool {
        todo!()
    }
    /// Removes a member; false if it was not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.remove_elem(Elem::new(member))
    }
    /// Removes a member named by an element of another collection.
    pub fn remove_elem(&mut self, member: Elem<'_>) -> bool {
        todo!()
    }
    /// Whether `member` is in the set.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.contains_elem(Elem::new(member))
    }
    /// Whether an element of another collection is in the set.
    pub fn contains_elem(&self, member: Elem<'_>) -> bool {
        todo!()
    }
    /// Visits every member.
    pub fn iter(&self) -> impl Iterator<Item = Elem<'_>> {
        std::iter::empty()
    }
    /// The member at position `index` of the iteration order, in O(1) for large sets.
    pub fn get_index(&self, index: usize) -> Option<Elem<'_>> {
        todo!()
    }
    /// A random member, evenly distributed.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<Elem<'_>> {
        todo!()
    }
    /// Removes and returns a random member.
    pub fn pop_random(&mut self, rng: &mut fastrand::Rng) -> Option<Vec<u8>> {
        todo!()
    }
    /// Visits about `count` members from `cursor` on (0 starts); returns the next cursor, 0 at the end.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(Elem<'a>)) -> u64 {
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
