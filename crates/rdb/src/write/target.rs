//! Where an encoder writes: a sink, memory, or whatever watches a pipe while bytes go through it.

use std::io;

use keyspace::Unwritable;
use rio::{Output, Sink, SinkError};

/// Takes what an encoder writes.
///
/// In a forked child it may not allocate; then nothing does.
pub trait Target {
    /// Why bytes were not taken.
    type Error;

    /// Takes all of `bytes`.
    ///
    /// # Errors
    /// If it cannot. The encoder passes the error on and is not used for this file any more.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// The CRC-64 of all bytes taken so far; `None` if it is not computed (`rdbchecksum no`), which the file then says.
    fn checksum(&mut self) -> Option<u64>;

    /// Called every 64 kB while a large string is measured and nothing is written: time for whatever cannot wait.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn pause(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The error for a value that cannot be written, because nothing could read it back.
    fn refuse(&mut self, value: &Unwritable<'_>) -> Self::Error;
}

/// A string of a value is longer than [`MAX_STRING_BYTES`](crate::MAX_STRING_BYTES): no reader takes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", STRING_TOO_LONG)]
pub struct StringTooLong;

/// Why a value cannot be written.
pub(super) const STRING_TOO_LONG: &str = "a string in it is longer than any may be";

impl<O: Output> Target for Sink<O> {
    type Error = SinkError;

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.write_all(bytes)
    }

    fn checksum(&mut self) -> Option<u64> {
        Sink::checksum(self)
    }

    /// As a write that failed.
    fn refuse(&mut self, value: &Unwritable<'_>) -> SinkError {
        let source = io::Error::new(io::ErrorKind::InvalidInput, value.to_string());
        SinkError::Write { offset: self.written_bytes(), source }
    }
}

/// Memory, which grows, and computes no checksum.
impl Target for Vec<u8> {
    type Error = StringTooLong;

    fn write(&mut self, bytes: &[u8]) -> Result<(), StringTooLong> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn checksum(&mut self) -> Option<u64> {
        None
    }

    fn refuse(&mut self, _value: &Unwritable<'_>) -> StringTooLong {
        StringTooLong
    }
}
