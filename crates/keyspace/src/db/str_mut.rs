//! Changing a string in place.

use numeric::IntBuf;

use super::entry::Entry;
use crate::types::elem::Elem;
use crate::types::string::StrRef;
use crate::value::ValueRef;

/// A string value to be changed in place; its key's deadline stays.
#[derive(Debug)]
pub struct StrMut<'a>(&'a mut Entry);

impl<'a> StrMut<'a> {
    /// The entry's value must be a string.
    pub(super) fn new(entry: &'a mut Entry) -> Self {
        Self(entry)
    }

    /// The string as it is now.
    pub fn as_ref(&self) -> StrRef<'_> {
        match self.0.value() {
            ValueRef::Str(text) => text,
            _ => unreachable!("made only for strings"),
        }
    }

    /// Replaces the string; the canonical text of an integer is stored as one.
    pub fn set(&mut self, bytes: &[u8]) {
        self.replace(StrRef::new(Elem::new(bytes), false));
    }

    /// Replaces the string by an integer.
    pub fn set_i64(&mut self, value: i64) {
        self.replace(StrRef::new(Elem::Int(value), false));
    }

    fn replace(&mut self, text: StrRef<'_>) {
        let deadline = self.0.deadline();
        // A string is one allocation: never worth freeing elsewhere.
        drop(self.0.set_str(text, deadline));
    }

    /// Appends; returns the new length.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let text = self.make_mut();
        text.extend_from_slice(bytes);
        text.len()
    }

    /// Overwrites from `offset` on (SETRANGE), filling a gap with zeros; returns the new length.
    ///
    /// # Panics
    ///
    /// When the new length overflows `usize`: callers check the limits of strings.
    pub fn overwrite(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let end = offset.checked_add(bytes.len()).expect("callers check the limits of strings");
        let text = self.make_mut();
        if text.len() < end {
            text.resize(end, 0);
        }
        text[offset..end].copy_from_slice(bytes);
        text.len()
    }

    /// The plain bytes, at least `len` of them, a gap filled with zeros, to be overwritten (SETBIT, BITFIELD): raw afterwards,
    /// whatever they spell. A short string that is long enough stays where it is, with its key.
    pub fn grown_to(&mut self, len: usize) -> &mut [u8] {
        if self.0.packed_len().is_some_and(|packed| packed >= len) {
            return self.0.packed_raw_mut();
        }
        let text = self.make_mut();
        if text.len() < len {
            text.resize(len, 0);
        }
        text
    }

    /// The plain bytes, to be changed at will: raw afterwards, whatever they spell.
    pub fn make_mut(&mut self) -> &mut Vec<u8> {
        self.0.str_apart().make_raw()
    }

    /// Length of the string in bytes.
    pub fn len(&self) -> usize {
        self.as_ref().bytes(&mut IntBuf::new()).len()
    }

    /// Whether the string is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
