//! A value that cannot be written, in words: for a log, from a place that may not allocate.

use std::fmt;

use crate::value::ValueRef;

/// How much of a key is shown, in bytes.
const KEY_BYTES_SHOWN: usize = 64;

/// Whose value cannot be written, and why.
#[derive(Clone, Copy, Debug)]
pub struct Unwritable<'a> {
    /// The value.
    pub value: ValueRef<'a>,
    /// Its key.
    pub key: &'a [u8],
    /// Why: half a sentence.
    pub reason: &'a str,
    /// The command that would have rebuilt it, if that is to blame.
    pub command: Option<&'a str>,
}

impl fmt::Display for Unwritable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let custom = if matches!(self.value, ValueRef::Custom(_)) { "custom " } else { "" };
        write!(f, "a value of the {custom}type {}: {} (", self.value.type_name(), self.reason)?;
        if let Some(command) = self.command {
            write!(f, "command '{command}', ")?;
        }
        let shown = &self.key[..self.key.len().min(KEY_BYTES_SHOWN)];
        write!(f, "key \"{}\")", shown.escape_ascii())
    }
}
