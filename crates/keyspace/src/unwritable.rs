//! A value that cannot be written, in words: for a log, from a place that may not allocate.

use std::fmt;

use crate::value::ValueRef;

/// How much of a key is shown, in bytes.
const KEY_BYTES_SHOWN: usize = 64;

/// Whose value cannot be written, and why.
#[derive(Clone, Copy, Debug)]
pub struct Unwritable<'a> {
    /// The name of its type.
    pub type_name: &'a str,
    /// Whether a program that embeds the server has brought the type.
    pub is_custom: bool,
    /// Its key.
    pub key: &'a [u8],
    /// Why: half a sentence.
    pub reason: &'a str,
    /// The command that would have rebuilt it, if that is to blame.
    pub command: Option<&'a str>,
}

impl<'a> Unwritable<'a> {
    /// A value of the keyspace that cannot be written for this reason.
    pub fn new(value: ValueRef<'_>, key: &'a [u8], reason: &'a str) -> Self {
        Self {
            type_name: value.type_name(),
            is_custom: matches!(value, ValueRef::Custom(_)),
            key,
            reason,
            command: None,
        }
    }
}

impl fmt::Display for Unwritable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let custom = if self.is_custom { "custom " } else { "" };
        write!(f, "a value of the {custom}type {}: {} (", self.type_name, self.reason)?;
        if let Some(command) = self.command {
            write!(f, "command '{command}', ")?;
        }
        let shown = &self.key[..self.key.len().min(KEY_BYTES_SHOWN)];
        write!(f, "key \"{}\")", shown.escape_ascii())
    }
}
