//! Lists.

use super::elem::Elem;
use super::thresholds::Thresholds;

/// A list.
#[derive(Clone, Debug, Default)]
pub struct List {}

#[expect(unused_variables, reason = "first seam")]
impl List {
    /// Makes an empty list.
    pub fn new() -> Self {
        Self {}
    }
    /// Number of elements.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Prepends an element.
    pub fn push_front(&mut self, elem: &[u8], limits: &Thresholds) {
        todo!()
    }
    /// Appends an element.
    pub fn push_back(&mut self, elem: &[u8], limits: &Thresholds) {
        todo!()
    }
    /// Removes and returns the first element.
    pub fn pop_front(&mut self) -> Option<Vec<u8>> {
        todo!()
    }
    /// Removes and returns the last element.
    pub fn pop_back(&mut self) -> Option<Vec<u8>> {
        todo!()
    }
    /// The element at `index`; negative indices count from the end.
    pub fn get(&self, index: i64) -> Option<Elem<'_>> {
        todo!()
    }
    /// Replaces the element at `index` (negative: from the end); false out of range.
    pub fn set(&mut self, index: i64, elem: &[u8], limits: &Thresholds) -> bool {
        todo!()
    }
    /// Visits every element.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Elem<'_>> {
        std::iter::empty()
    }
    /// Visits the elements `start..end`, clamped to the list.
    pub fn range(&self, start: usize, end: usize) -> impl DoubleEndedIterator<Item = Elem<'_>> {
        std::iter::empty()
    }
    /// Inserts so that the new element has index `at` (at most `len`).
    pub fn insert(&mut self, at: usize, elem: &[u8], limits: &Thresholds) {
        todo!()
    }
    /// Removes the elements `start..end`, clamped to the list; returns how many.
    pub fn remove_range(&mut self, start: usize, end: usize) -> usize {
        todo!()
    }
    /// Keeps only the elements `start..end`.
    pub fn trim(&mut self, start: usize, end: usize) {
        todo!()
    }
    /// Removes elements equal to `elem` as LREM: the first `count`, the last `-count`, all for 0; returns how many.
    pub fn remove(&mut self, count: i64, elem: &[u8]) -> usize {
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
