//! Building a set from members that are expected to be new, in time that follows their number.

use super::{Form, Set};
use crate::types::elem::Elem;
use crate::types::names::Names;
use crate::types::thresholds::Thresholds;

/// A set to which members are added, each once. It takes the forms that [`Set::insert`] gives it.
#[derive(Clone, Debug, Default)]
pub struct SetBuilder {
    set: Set,
    names: Names,
}

impl SetBuilder {
    /// Begins an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins an empty set in the form of a sequence, whatever is added first.
    pub fn new_sequence() -> Self {
        Self { set: Set::new_sequence(), names: Names::default() }
    }

    /// Adds a member; false if it was added before.
    pub fn add(&mut self, member: Elem<'_>, limits: &Thresholds) -> bool {
        let known = match &self.set.0 {
            Form::Pack(pack) => self.names.holds(pack, member, 1),
            Form::Ints(_) | Form::Table(_) => self.set.contains_elem(member),
        };
        if !known {
            self.set.add_new(member, limits);
        }
        !known
    }

    /// The set.
    pub fn finish(self) -> Set {
        self.set
    }
}
