//! One key with its value and deadline, as the table holds it: 16 bytes, and one allocation for all but large values.
//!
//! Decides which form a string takes; where the bytes lie is `node`'s business.

use super::node::{Kind, MAX_PACKED_KEY_BYTES, Node};
use super::str_mut::StrMut;
use crate::custom::Custom;
use crate::hashing::Key;
use crate::time::{LruClock, UnixMs};
use crate::types::elem::Elem;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::string::{Str, StrRef};
use crate::types::zset::ZSet;
use crate::value::{LAZY_FREE_THRESHOLD, Value, ValueMut, ValueRef};

/// Longest text that is packed with its key. A longer one is worth an allocation of its own: it is then moved, not
/// copied, when it is replaced or renamed.
const MAX_PACKED_TEXT_BYTES: usize = 1024;

/// One key with its value and deadline.
#[derive(Clone)]
pub(crate) struct Entry(Node);

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.key().escape_ascii().to_string();
        f.debug_struct("Entry").field("key", &key).field("value", &self.value()).finish()
    }
}

/// A text as it is packed: its kind, and the bytes that stand for it.
fn packed_kind(text: StrRef<'_>) -> (Kind, Option<[u8; 8]>) {
    match text.elem() {
        Elem::Int(value) => (Kind::PackedInt, Some(value.to_le_bytes())),
        Elem::Bytes(_) if text.is_raw() => (Kind::PackedRaw, None),
        Elem::Bytes(_) => (Kind::PackedText, None),
    }
}

fn plain_bytes(text: StrRef<'_>) -> &[u8] {
    match text.elem() {
        Elem::Int(_) => &[],
        Elem::Bytes(bytes) => bytes,
    }
}

impl Entry {
    pub(super) fn new(key: &[u8], value: Value, deadline: Option<UnixMs>) -> Self {
        Self(match value {
            Value::Str(text) if fits_packed(key, text.as_ref()) => packed(key, text.as_ref(), deadline),
            Value::Str(text) => Node::apart(key, text, deadline),
            Value::List(list) => Node::apart(key, list, deadline),
            Value::Set(set) => Node::apart(key, set, deadline),
            Value::Hash(hash) => Node::apart(key, hash, deadline),
            Value::ZSet(zset) => Node::apart(key, zset, deadline),
            Value::Custom(custom) => Node::apart(key, custom, deadline),
        })
    }

    /// An entry with a string, without making a [`Str`] first if it is small.
    pub(super) fn with_str(key: &[u8], text: StrRef<'_>, deadline: Option<UnixMs>) -> Self {
        Self(if fits_packed(key, text) {
            packed(key, text, deadline)
        } else {
            Node::apart(key, text.to_str(), deadline)
        })
    }

    #[cfg(test)]
    pub(crate) fn for_test(key: &[u8], value: Value) -> Self {
        Self::new(key, value, None)
    }

    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        self.0.key()
    }

    pub(crate) fn value(&self) -> ValueRef<'_> {
        match self.0.kind() {
            Kind::PackedText => ValueRef::Str(StrRef::new(Elem::Bytes(self.0.text()), false)),
            Kind::PackedRaw => ValueRef::Str(StrRef::new(Elem::Bytes(self.0.text()), true)),
            Kind::PackedInt => {
                let bytes = self.0.text().try_into().expect("an integer is packed as eight bytes");
                ValueRef::Str(StrRef::new(Elem::Int(i64::from_le_bytes(bytes)), false))
            }
            Kind::Str => ValueRef::Str(self.0.value::<Str>().as_ref()),
            Kind::List => ValueRef::List(self.0.value()),
            Kind::Set => ValueRef::Set(self.0.value()),
            Kind::Hash => ValueRef::Hash(self.0.value()),
            Kind::ZSet => ValueRef::ZSet(self.0.value()),
            Kind::Custom => ValueRef::Custom(self.0.value()),
        }
    }

    pub(crate) fn deadline(&self) -> Option<UnixMs> {
        self.0.deadline()
    }

    /// When it was last used.
    pub(super) fn used(&self) -> LruClock {
        self.0.used()
    }

    pub(super) fn set_used(&self, at: LruClock) {
        self.0.set_used(at);
    }

    /// Notes a look-up through this key, if it counts as a use.
    #[inline]
    pub(super) fn touch(&self, key: Key<'_>) {
        if key.counts {
            self.0.set_used(key.now);
        }
    }

    pub(super) fn value_mut(&mut self) -> ValueMut<'_> {
        match self.0.kind() {
            Kind::PackedText | Kind::PackedRaw | Kind::PackedInt | Kind::Str => ValueMut::Str(StrMut::new(self)),
            Kind::List => ValueMut::List(self.0.value_mut()),
            Kind::Set => ValueMut::Set(self.0.value_mut()),
            Kind::Hash => ValueMut::Hash(self.0.value_mut()),
            Kind::ZSet => ValueMut::ZSet(self.0.value_mut()),
            Kind::Custom => ValueMut::Custom(self.0.value_mut()),
        }
    }

    pub(super) fn set_deadline(&mut self, at: Option<UnixMs>) {
        if self.0.write_deadline(at) {
            return;
        }
        let used = self.used();
        let moved = match self.0.kind() {
            Kind::PackedText | Kind::PackedRaw | Kind::PackedInt => {
                Self(Node::packed(self.0.kind(), self.key(), self.0.text(), at))
            }
            _ => {
                let key: Box<[u8]> = self.key().into();
                // Nothing is left behind: the empty string takes the place of what moves.
                let old = std::mem::replace(self, Self(Node::packed(Kind::PackedText, &[], &[], None)));
                Self::new(&key, old.into_value(), at)
            }
        };
        *self = moved;
        self.0.set_used(used);
    }

    /// Replaces value and deadline by a string; returns the old value if it takes long to free.
    pub(super) fn set_str(&mut self, text: StrRef<'_>, deadline: Option<UnixMs>) -> Option<Value> {
        if self.overwrite(text, deadline) {
            return None;
        }
        let used = self.used();
        let new = Self::with_str(self.key(), text, deadline);
        let old = std::mem::replace(self, new);
        self.0.set_used(used);
        old.into_large_value()
    }

    /// Overwrites a packed string and its deadline where they fit without a new allocation; false where they do not.
    fn overwrite(&mut self, text: StrRef<'_>, deadline: Option<UnixMs>) -> bool {
        if !self.0.kind().is_packed() {
            return false;
        }
        let (kind, int) = packed_kind(text);
        let bytes = int.as_ref().map_or(plain_bytes(text), |int| int);
        if bytes.len() != self.0.text().len() || !self.0.write_deadline(deadline) {
            return false;
        }
        self.0.set_packed_kind(kind);
        self.0.text_mut().copy_from_slice(bytes);
        true
    }

    /// Replaces value and deadline; returns the old value.
    pub(super) fn replace(&mut self, value: Value, deadline: Option<UnixMs>) -> Value {
        let new = Self::new(self.key(), value, deadline);
        new.set_used(self.used());
        std::mem::replace(self, new).into_value()
    }

    pub(super) fn into_value(self) -> Value {
        match (self.0.kind(), self.value()) {
            (Kind::PackedText | Kind::PackedRaw | Kind::PackedInt, ValueRef::Str(text)) => Value::Str(text.to_str()),
            (Kind::Str, _) => Value::Str(self.0.into_value()),
            (Kind::List, _) => Value::List(self.0.into_value()),
            (Kind::Set, _) => Value::Set(self.0.into_value()),
            (Kind::Hash, _) => Value::Hash(self.0.into_value()),
            (Kind::ZSet, _) => Value::ZSet(self.0.into_value()),
            (Kind::Custom, _) => Value::Custom(self.0.into_value()),
            (kind, _) => unreachable!("{kind:?} is a string"),
        }
    }

    /// The value, if it takes long to free.
    pub(super) fn into_large_value(self) -> Option<Value> {
        let large = self.value().free_effort() > LAZY_FREE_THRESHOLD;
        large.then(|| self.into_value())
    }

    /// The string as a value of its own, so that it can grow; it must be a string.
    pub(super) fn str_apart(&mut self) -> &mut Str {
        if let (Kind::PackedText | Kind::PackedRaw | Kind::PackedInt, ValueRef::Str(text)) =
            (self.0.kind(), self.value())
        {
            let apart = Node::apart(self.key(), text.to_str(), self.deadline());
            apart.set_used(self.used());
            self.0 = apart;
        }
        self.0.value_mut()
    }

    /// Length of a string that is packed with its key as plain bytes.
    pub(super) fn packed_len(&self) -> Option<usize> {
        matches!(self.0.kind(), Kind::PackedText | Kind::PackedRaw).then(|| self.0.text().len())
    }

    /// The bytes of a string that is packed so, to be overwritten; raw from now on.
    pub(super) fn packed_raw_mut(&mut self) -> &mut [u8] {
        self.0.set_packed_kind(Kind::PackedRaw);
        self.0.text_mut()
    }

    /// Bytes of memory allocated for key, value and deadline, from a sample where there are many elements.
    pub(super) fn heap_bytes(&self) -> usize {
        let beside = match self.0.kind() {
            Kind::PackedText | Kind::PackedRaw | Kind::PackedInt => 0,
            Kind::Str => self.0.value::<Str>().heap_bytes(),
            Kind::List => self.0.value::<List>().heap_bytes(),
            Kind::Set => self.0.value::<Set>().heap_bytes(),
            Kind::Hash => self.0.value::<Hash>().heap_bytes(),
            Kind::ZSet => self.0.value::<ZSet>().heap_bytes(),
            Kind::Custom => self.0.value::<Custom>().heap_bytes(),
        };
        self.0.heap_bytes() + beside
    }
}

fn fits_packed(key: &[u8], text: StrRef<'_>) -> bool {
    key.len() <= MAX_PACKED_KEY_BYTES && plain_bytes(text).len() <= MAX_PACKED_TEXT_BYTES
}

/// A node for a key and a text that fit.
fn packed(key: &[u8], text: StrRef<'_>, deadline: Option<UnixMs>) -> Node {
    let (kind, int) = packed_kind(text);
    let bytes = int.as_ref().map_or(plain_bytes(text), |int| int);
    Node::packed(kind, key, bytes, deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_sixteen_bytes_in_the_table() {
        assert_eq!(size_of::<Entry>(), 16);
    }

    #[test]
    fn a_collection_takes_little_room_beside_its_key() {
        assert_eq!((size_of::<Str>(), size_of::<List>(), size_of::<Hash>(), size_of::<ZSet>()), (24, 24, 24, 24));
        assert_eq!(size_of::<Set>(), 32);
    }
}
