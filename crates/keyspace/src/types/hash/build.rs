//! Building a hash from fields that are expected to be new, in time that follows their number.

use super::{Form, Hash};
use crate::types::elem::Elem;
use crate::types::names::Names;
use crate::types::thresholds::Thresholds;

/// A hash to which fields are added, each once. It takes the forms that [`Hash::set`] gives it.
#[derive(Clone, Debug, Default)]
pub struct HashBuilder {
    hash: Hash,
    names: Names,
}

impl HashBuilder {
    /// Begins an empty hash.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field; false, and the field keeps its value, if it was added before.
    pub fn add(&mut self, field: &[u8], value: &[u8], limits: &Thresholds) -> bool {
        let (name, hash) = (Elem::new(field), &mut self.hash);
        let known = match &hash.0 {
            Form::Pack(pack) => self.names.holds(pack, name, 2),
            Form::Table(table) => table.find(name).is_some(),
        };
        if !known {
            hash.make_room_for(field, value, limits);
            hash.add_new(name, Elem::new(value));
            hash.keep_to(limits);
        }
        !known
    }

    /// The hash.
    pub fn finish(self) -> Hash {
        self.hash
    }
}
