//! One key with its value and deadline, as the table holds it: 16 bytes and one allocation if both are small.

use super::packed::Packed;
use super::str_mut::StrMut;
use crate::time::UnixMs;
use crate::types::string::{Str, StrRef};
use crate::value::{Value, ValueMut, ValueRef};

/// One key with its value and deadline.
#[derive(Clone, Debug)]
pub(crate) struct Entry(Form);

#[derive(Clone, Debug)]
enum Form {
    Packed(Packed),
    Apart(Box<Apart>),
}

/// A large or growing string, or a collection.
#[derive(Clone, Debug)]
struct Apart {
    key: Box<[u8]>,
    value: Value,
    deadline: Option<UnixMs>,
}

impl Entry {
    pub(super) fn new(key: &[u8], value: Value, deadline: Option<UnixMs>) -> Self {
        if let Value::Str(text) = &value
            && let Some(packed) = Packed::new(key, text.as_ref(), deadline)
        {
            return Self(Form::Packed(packed));
        }
        Self(Form::Apart(Box::new(Apart { key: key.into(), value, deadline })))
    }

    /// An entry with a string, without making a [`Str`] first if it is small.
    pub(super) fn with_str(key: &[u8], text: StrRef<'_>, deadline: Option<UnixMs>) -> Self {
        match Packed::new(key, text, deadline) {
            Some(packed) => Self(Form::Packed(packed)),
            None => Self(Form::Apart(Box::new(Apart { key: key.into(), value: Value::Str(text.to_str()), deadline }))),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test(key: &[u8], value: Value) -> Self {
        Self::new(key, value, None)
    }

    pub(crate) fn key(&self) -> &[u8] {
        match &self.0 {
            Form::Packed(packed) => packed.key(),
            Form::Apart(apart) => &apart.key,
        }
    }

    pub(crate) fn value(&self) -> ValueRef<'_> {
        match &self.0 {
            Form::Packed(packed) => ValueRef::Str(packed.value()),
            Form::Apart(apart) => apart.value.as_ref(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<UnixMs> {
        match &self.0 {
            Form::Packed(packed) => packed.deadline(),
            Form::Apart(apart) => apart.deadline,
        }
    }

    pub(super) fn value_mut(&mut self) -> ValueMut<'_> {
        let is_str = matches!(self.value(), ValueRef::Str(_));
        if is_str {
            return ValueMut::Str(StrMut::new(self));
        }
        let Form::Apart(apart) = &mut self.0 else { unreachable!("only strings are packed") };
        match &mut apart.value {
            Value::Str(_) => unreachable!("strings were dealt with above"),
            Value::List(value) => ValueMut::List(value),
            Value::Set(value) => ValueMut::Set(value),
            Value::Hash(value) => ValueMut::Hash(value),
            Value::ZSet(value) => ValueMut::ZSet(value),
        }
    }

    pub(super) fn set_deadline(&mut self, at: Option<UnixMs>) {
        match &mut self.0 {
            Form::Apart(apart) => apart.deadline = at,
            Form::Packed(packed) => {
                let text = packed.value();
                *self = Self::with_str(packed.key(), text, at);
            }
        }
    }

    /// Replaces value and deadline by a string; returns the old value if it takes long to free.
    pub(super) fn set_str(&mut self, text: StrRef<'_>, deadline: Option<UnixMs>) -> Option<Value> {
        match &mut self.0 {
            Form::Packed(packed) => {
                if !packed.overwrite(text, deadline) {
                    *self = Self::with_str(packed.key(), text, deadline);
                }
                None
            }
            Form::Apart(apart) => {
                let new = Self::with_str(&apart.key, text, deadline);
                std::mem::replace(self, new).into_large_value()
            }
        }
    }

    /// Replaces value and deadline; returns the old value.
    pub(super) fn replace(&mut self, value: Value, deadline: Option<UnixMs>) -> Value {
        let new = Self::new(self.key(), value, deadline);
        std::mem::replace(self, new).into_value()
    }

    pub(super) fn into_value(self) -> Value {
        match self.0 {
            Form::Packed(packed) => Value::Str(packed.value().to_str()),
            Form::Apart(apart) => apart.value,
        }
    }

    /// The value, if it takes long to free.
    pub(super) fn into_large_value(self) -> Option<Value> {
        match self.0 {
            Form::Packed(_) => None,
            Form::Apart(apart) => Some(apart.value).filter(Value::is_large),
        }
    }

    /// The string as a value of its own, so that it can grow; it must be a string.
    pub(super) fn str_apart(&mut self) -> &mut Str {
        if let Form::Packed(packed) = &self.0 {
            let (value, deadline) = (Value::Str(packed.value().to_str()), packed.deadline());
            self.0 = Form::Apart(Box::new(Apart { key: packed.key().into(), value, deadline }));
        }
        match &mut self.0 {
            Form::Apart(apart) => match &mut apart.value {
                Value::Str(text) => text,
                _ => unreachable!("asked only of strings"),
            },
            Form::Packed(_) => unreachable!("taken apart above"),
        }
    }

    /// Bytes of memory allocated for key, value and deadline.
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.heap_bytes(),
            Form::Apart(apart) => size_of::<Apart>() + apart.key.len() + apart.value.as_ref().heap_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_sixteen_bytes_in_the_table() {
        assert_eq!(size_of::<Entry>(), 16);
    }
}
