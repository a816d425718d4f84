//! The patterns of BY and GET: which value belongs to an element.

use keyspace::{Elem, ValueRef};

use crate::Store;

/// A pattern, taken apart. Source: lookupKeyByPattern of Redis.
pub(super) enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// Without a star: no value.
    Nothing,
    /// A key whose name has the element in place of the first star.
    Key {
        before: &'a [u8],
        behind: &'a [u8],
        /// What stands behind `->`: the key is a hash, and this its field.
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    pub(super) fn new(pattern: &'a [u8]) -> Self {
        if pattern == b"#" {
            return Self::Element;
        }
        let Some(star) = pattern.iter().position(|byte| *byte == b'*') else { return Self::Nothing };
        let (before, behind) = (&pattern[..star], &pattern[star + 1..]);
        match behind.windows(2).position(|pair| pair == b"->") {
            Some(arrow) if arrow + 2 < behind.len() => {
                Self::Key { before, behind: &behind[..arrow], field: Some(&behind[arrow + 2..]) }
            }
            _ => Self::Key { before, behind, field: None },
        }
    }

    /// The value that belongs to an element, if there is one. `name` is scratch.
    pub(super) fn value<'v>(&self, store: &'v mut Store<'_>, elem: &'v [u8], name: &mut Vec<u8>) -> Option<Elem<'v>> {
        let (before, behind, field) = match self {
            Self::Element => return Some(Elem::Bytes(elem)),
            Self::Nothing => return None,
            Self::Key { before, behind, field } => (before, behind, field),
        };
        name.clear();
        [*before, elem, behind].iter().for_each(|part| name.extend_from_slice(part));
        let key = store.key(name);
        match (store.read(key)?, field) {
            (ValueRef::Str(value), None) => Some(value.elem()),
            (ValueRef::Hash(hash), Some(field)) => hash.get(field),
            _ => None,
        }
    }
}
