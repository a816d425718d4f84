//! Values of any type: owned, borrowed, and borrowed to be changed.

use numeric::DoubleBuf;

use crate::custom::{Custom, Length};
use crate::db::StrMut;
use crate::types::elem::Elem;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::string::{Str, StrRef};
use crate::types::zset::ZSet;

/// Values with a [`Value::free_effort`] above this are worth freeing off the loop.
///
/// Source: `LAZYFREE_THRESHOLD` of Redis.
pub const LAZY_FREE_THRESHOLD: usize = 64;

/// A value of any type.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string or an integer.
    Str(Str),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A hash.
    Hash(Hash),
    /// A sorted set.
    ZSet(ZSet),
    /// A value of a custom type.
    Custom(Custom),
}

/// A borrowed value of any type.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// A string or an integer.
    Str(StrRef<'a>),
    /// A list.
    List(&'a List),
    /// A set.
    Set(&'a Set),
    /// A hash.
    Hash(&'a Hash),
    /// A sorted set.
    ZSet(&'a ZSet),
    /// A value of a custom type.
    Custom(&'a Custom),
}

/// A value of any type, to be changed in place.
#[derive(Debug)]
pub enum ValueMut<'a> {
    /// A string or an integer.
    Str(StrMut<'a>),
    /// A list.
    List(&'a mut List),
    /// A set.
    Set(&'a mut Set),
    /// A hash.
    Hash(&'a mut Hash),
    /// A sorted set.
    ZSet(&'a mut ZSet),
    /// A value of a custom type.
    Custom(&'a mut Custom),
}

impl Value {
    /// Borrows the value.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Str(value) => ValueRef::Str(value.as_ref()),
            Self::List(value) => ValueRef::List(value),
            Self::Set(value) => ValueRef::Set(value),
            Self::Hash(value) => ValueRef::Hash(value),
            Self::ZSet(value) => ValueRef::ZSet(value),
            Self::Custom(value) => ValueRef::Custom(value),
        }
    }

    /// Number of allocations to be freed with the value, roughly.
    pub fn free_effort(&self) -> usize {
        self.as_ref().free_effort()
    }

    /// Whether freeing the value takes long enough to be done off the loop.
    pub fn is_large(&self) -> bool {
        self.free_effort() > LAZY_FREE_THRESHOLD
    }
}

impl<'a> ValueRef<'a> {
    /// The name that `TYPE` replies.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Str(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Hash(_) => "hash",
            Self::ZSet(_) => "zset",
            Self::Custom(custom) => custom.value().custom_type().name(),
        }
    }

    /// The name that `OBJECT ENCODING` replies.
    pub fn encoding(&self) -> &'static str {
        match self {
            Self::Str(value) => value.encoding(),
            Self::List(value) => value.encoding(),
            Self::Set(value) => value.encoding(),
            Self::Hash(value) => value.encoding(),
            Self::ZSet(value) => value.encoding(),
            Self::Custom(custom) => custom.value().encoding(),
        }
    }

    /// Number of allocations to be freed with the value, roughly.
    pub fn free_effort(&self) -> usize {
        match self {
            Self::Str(_) => 1,
            Self::List(value) => value.free_effort(),
            Self::Set(value) => value.free_effort(),
            Self::Hash(value) => value.free_effort(),
            Self::ZSet(value) => value.free_effort(),
            Self::Custom(custom) => custom.value().free_effort(),
        }
    }

    /// Length of all its elements as text, fields and scores included; of a custom value, that of the parts it saves.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Str(value) => value.len(),
            Self::List(value) => value.iter().map(Elem::len).sum(),
            Self::Set(value) => value.iter().map(Elem::len).sum(),
            Self::Hash(value) => value.iter().map(|(field, value)| field.len() + value.len()).sum(),
            Self::ZSet(value) => {
                value.iter().map(|(member, score)| member.len() + DoubleBuf::new().format(score).len()).sum()
            }
            Self::Custom(custom) => {
                let mut length = Length::default();
                custom.value().save(&mut length);
                length.0
            }
        }
    }

    /// Copies the value, as `COPY` does.
    pub fn to_value(&self) -> Value {
        match *self {
            Self::Str(value) => Value::Str(value.to_str()),
            Self::List(value) => Value::List(value.clone()),
            Self::Set(value) => Value::Set(value.clone()),
            Self::Hash(value) => Value::Hash(value.clone()),
            Self::ZSet(value) => Value::ZSet(value.clone()),
            Self::Custom(custom) => Value::Custom(custom.clone()),
        }
    }
}
