//! Where an encoder writes: a sink, memory, or whatever watches a pipe while bytes go through it.

use std::convert::Infallible;

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
}

impl<O: Output> Target for Sink<O> {
    type Error = SinkError;

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.write_all(bytes)
    }

    fn checksum(&mut self) -> Option<u64> {
        Sink::checksum(self)
    }
}

/// Memory, which grows, and computes no checksum.
impl Target for Vec<u8> {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn checksum(&mut self) -> Option<u64> {
        None
    }
}
