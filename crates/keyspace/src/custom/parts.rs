//! The parts that a custom value is saved as, in both directions: integers, floats and bytes, in an order that is the type's own.

use std::fmt;

/// Takes the parts of a value. What goes wrong with the file is not the value's business.
pub trait WriteParts {
    /// Writes an unsigned integer.
    fn unsigned(&mut self, value: u64);

    /// Writes a signed integer.
    fn signed(&mut self, value: i64);

    /// Writes a float of four bytes.
    fn float(&mut self, value: f32);

    /// Writes a float of eight bytes.
    fn double(&mut self, value: f64);

    /// Writes bytes.
    fn string(&mut self, bytes: &[u8]);
}

/// Gives the parts of a value, in the order in which they were written. Each is of the kind that is asked for, or there is an error.
pub trait ReadParts {
    /// Reads an unsigned integer.
    ///
    /// # Errors
    /// If the next part is none, or there is none; as for everything below. To be passed on: no value is made of such parts.
    fn unsigned(&mut self) -> Result<u64, CannotLoad>;

    /// Reads a signed integer.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    fn signed(&mut self) -> Result<i64, CannotLoad>;

    /// Reads a float of four bytes.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    fn float(&mut self) -> Result<f32, CannotLoad>;

    /// Reads a float of eight bytes.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    fn double(&mut self) -> Result<f64, CannotLoad>;

    /// Reads bytes.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    fn string(&mut self) -> Result<Vec<u8>, CannotLoad>;
}

/// Why parts make no value: half a sentence for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotLoad(pub &'static str);

impl fmt::Display for CannotLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for CannotLoad {}

/// Counts the bytes of parts.
#[derive(Default)]
pub(crate) struct Length(pub(crate) usize);

impl WriteParts for Length {
    fn unsigned(&mut self, _value: u64) {
        self.0 += size_of::<u64>();
    }

    fn signed(&mut self, _value: i64) {
        self.0 += size_of::<i64>();
    }

    fn float(&mut self, _value: f32) {
        self.0 += size_of::<f32>();
    }

    fn double(&mut self, _value: f64) {
        self.0 += size_of::<f64>();
    }

    fn string(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}
