//! Hashes.

use super::elem::Elem;
use super::thresholds::Thresholds;

/// A hash: fields with values.
#[derive(Clone, Debug, Default)]
pub struct Hash {}

#[expect(unused_variables, reason = "first seam")]
impl Hash {
    /// Makes an empty hash.
    pub fn new() -> Self {
        Self {}
    }
    /// Number of fields.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Whether the hash is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Sets a field; true if the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Thresholds) -> bool {
        todo!()
    }
    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Elem<'_>> {
        todo!()
    }
    /// Whether the field exists.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }
    /// Removes a field; false if it was not there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        todo!()
    }
    /// Visits every field with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Elem<'_>, Elem<'_>)> {
        std::iter::empty()
    }
    /// The field at position `index` of the iteration order, in O(1) for large hashes.
    pub fn get_index(&self, index: usize) -> Option<(Elem<'_>, Elem<'_>)> {
        todo!()
    }
    /// A random field with its value, evenly distributed.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Elem<'_>, Elem<'_>)> {
        todo!()
    }
    /// Visits about `count` fields from `cursor` on (0 starts); returns the next cursor, 0 at the end.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(Elem<'a>, Elem<'a>)) -> u64 {
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
