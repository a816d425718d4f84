//! A buffered reader that knows where it is: no short reads, offsets, a checksum of what was consumed.
//!
//! A parser may look at the buffered bytes and take what it understood ([`Source::buffered`], [`Source::consume`],
//! [`Source::read_more`]), or ask for exact amounts. Memory follows the bytes that arrived, up to a bound the caller sets.
//!
//! Invariant: `offset()` is the position of the first byte not consumed, which is the first of `buffered()`.

use std::io;

use crate::checksum::Crc64;
use crate::input::Input;

/// Why bytes could not be had. The cause, with its errno, is the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A read failed.
    #[error("read at byte {offset}")]
    Read {
        /// Where the read began.
        offset: u64,
        /// The cause.
        source: io::Error,
    },
    /// The input ended before what was asked for.
    #[error("unexpected end at byte {end}: {wanted} bytes were expected from byte {offset} on")]
    UnexpectedEnd {
        /// Position of the first byte that was asked for.
        offset: u64,
        /// How many bytes were asked for.
        wanted: u64,
        /// Where the input ended.
        end: u64,
    },
    /// Bytes would have to be buffered beyond the caller's bound.
    #[error("more than {limit} bytes to buffer at byte {offset}")]
    BufferFull {
        /// Position of the first byte not consumed.
        offset: u64,
        /// The bound, in bytes.
        limit: usize,
    },
}

impl SourceError {
    /// The errno, where the system gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Read { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// Reads bytes from an [`Input`] through a buffer.
#[derive(Debug)]
pub struct Source<I> {
    input: I,
    /// All of it is room; the bytes that wait are `start..end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    max_buffer_bytes: usize,
    /// Position of `start`.
    offset: u64,
    checksum: Option<RunningSum>,
}

/// The checksum of all consumed bytes but those from `from` to `start`.
#[derive(Debug)]
struct RunningSum {
    crc: Crc64,
    from: usize,
}

impl<I: Input> Source<I> {
    /// Reads `input` through `buffer`, whose content is dropped and whose capacity is used. It does not grow unless
    /// [`growing_to`](Self::growing_to) allows it.
    ///
    /// # Panics
    /// If the buffer has no capacity.
    pub fn with_buffer(input: I, mut buffer: Vec<u8>) -> Self {
        let capacity = buffer.capacity();
        assert!(capacity > 0, "a source needs a buffer");
        buffer.clear();
        buffer.resize(capacity, 0);
        Self { input, buffer, start: 0, end: 0, max_buffer_bytes: capacity, offset: 0, checksum: None }
    }

    /// Lets the buffer grow to `max_buffer_bytes`, doubling only when bytes that arrived fill more than half of it.
    #[must_use]
    pub fn growing_to(mut self, max_buffer_bytes: usize) -> Self {
        self.max_buffer_bytes = max_buffer_bytes.max(self.buffer.len());
        self
    }

    /// Counts offsets from `offset`, where the input stands in its file.
    ///
    /// # Panics
    /// If bytes were read already.
    #[must_use]
    pub fn starting_at(mut self, offset: u64) -> Self {
        assert!(self.end == 0, "nothing was read yet");
        self.offset = offset;
        self
    }

    /// Also keeps the CRC-64 of all bytes consumed from here on.
    #[must_use]
    pub fn checksummed(mut self) -> Self {
        self.checksum = Some(RunningSum { crc: Crc64::new(), from: self.start });
        self
    }

    /// The bytes read and not consumed.
    #[inline]
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Position of the first byte not consumed.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes `count` buffered bytes off the front.
    ///
    /// # Panics
    /// If fewer are buffered.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.end - self.start, "only buffered bytes can be consumed");
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads once, behind the buffered bytes, and returns how many bytes came: 0 only at the end of the input.
    ///
    /// # Errors
    /// If the read fails, or the buffer is full and may not grow.
    pub fn read_more(&mut self) -> Result<usize, SourceError> {
        self.make_room()?;
        let count =
            read_once(&mut self.input, &mut self.buffer[self.end..], self.offset + (self.end - self.start) as u64)?;
        self.end += count;
        Ok(count)
    }

    /// Buffers at least `count` bytes and returns the buffered ones; fewer only if the input ends.
    ///
    /// # Errors
    /// As [`read_more`](Self::read_more).
    pub fn peek(&mut self, count: usize) -> Result<&[u8], SourceError> {
        while self.end - self.start < count && self.read_more()? > 0 {}
        Ok(self.buffered())
    }

    /// Fills `out`, consuming as many bytes.
    ///
    /// # Errors
    /// If a read fails or the input ends before; the bytes that came are consumed then.
    pub fn read_exact(&mut self, out: &mut [u8]) -> Result<(), SourceError> {
        let (offset, wanted) = (self.offset, out.len() as u64);
        let mut filled = 0;
        while filled < out.len() {
            let rest = &mut out[filled..];
            let waiting = self.end - self.start;
            let count = if waiting > 0 {
                let count = waiting.min(rest.len());
                rest[..count].copy_from_slice(&self.buffer[self.start..self.start + count]);
                self.consume(count);
                count
            } else if rest.len() >= self.buffer.len() {
                self.read_direct(rest)?
            } else {
                self.read_more()?;
                if self.start < self.end {
                    continue;
                }
                0
            };
            if count == 0 {
                return Err(SourceError::UnexpectedEnd { offset, wanted, end: self.offset });
            }
            filled += count;
        }
        Ok(())
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    /// As [`read_exact`](Self::read_exact).
    pub fn read_array<const N: usize>(&mut self) -> Result<[u8; N], SourceError> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Consumes `count` bytes without keeping them.
    ///
    /// # Errors
    /// As [`read_exact`](Self::read_exact).
    pub fn skip(&mut self, count: u64) -> Result<(), SourceError> {
        let offset = self.offset;
        let mut left = count;
        while left > 0 {
            if self.start == self.end && self.read_more()? == 0 {
                return Err(SourceError::UnexpectedEnd { offset, wanted: count, end: self.offset });
            }
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.start);
            self.consume(now);
            left -= now as u64;
        }
        Ok(())
    }

    /// The CRC-64 of all consumed bytes; `None` if the source keeps none.
    pub fn checksum(&mut self) -> Option<u64> {
        self.sum_consumed();
        self.checksum.as_ref().map(|sum| sum.crc.value())
    }

    /// The input.
    pub fn input(&self) -> &I {
        &self.input
    }

    /// The input and the buffer, emptied. Buffered bytes are dropped.
    pub fn into_parts(mut self) -> (I, Vec<u8>) {
        self.buffer.clear();
        (self.input, self.buffer)
    }

    /// Reads into the caller's memory, nothing being buffered.
    fn read_direct(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        self.sum_consumed();
        let count = read_once(&mut self.input, out, self.offset)?;
        if let Some(sum) = &mut self.checksum {
            sum.crc.update(&out[..count]);
        }
        self.offset += count as u64;
        Ok(count)
    }

    /// Makes room behind the buffered bytes: by dropping the consumed ones, or by growing.
    fn make_room(&mut self) -> Result<(), SourceError> {
        let waiting = self.end - self.start;
        // Moving is worth it when it frees half of the room, and cannot be avoided when nothing is left.
        if waiting == 0 || self.end == self.buffer.len() && self.start >= waiting {
            self.compact();
        }
        if self.end < self.buffer.len() {
            return Ok(());
        }
        let limit = self.max_buffer_bytes;
        if self.buffer.len() < limit {
            let larger = self.buffer.len().saturating_mul(2).min(limit);
            self.buffer.resize(larger, 0);
        } else if self.start > 0 {
            self.compact();
        } else {
            return Err(SourceError::BufferFull { offset: self.offset, limit });
        }
        Ok(())
    }

    fn compact(&mut self) {
        self.sum_consumed();
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if let Some(sum) = &mut self.checksum {
            sum.from = 0;
        }
    }

    fn sum_consumed(&mut self) {
        if let Some(sum) = &mut self.checksum {
            sum.crc.update(&self.buffer[sum.from..self.start]);
            sum.from = self.start;
        }
    }
}

/// One read, repeated while signals interrupt it.
fn read_once<I: Input>(input: &mut I, buf: &mut [u8], offset: u64) -> Result<usize, SourceError> {
    loop {
        match input.read(buf) {
            Ok(count) => {
                assert!(count <= buf.len(), "an input gave more than there was room for");
                return Ok(count);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(SourceError::Read { offset, source }),
        }
    }
}
