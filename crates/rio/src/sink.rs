//! A buffered writer that finishes what it begins: no short writes, byte counts, a checksum, an fsync every so many bytes.
//!
//! The buffer is the caller's and never grows, and no error is boxed, so that a forked child may use a sink: after its
//! construction it allocates nothing. Durability: bytes are durable up to `fsynced_bytes()`; `Drop` writes nothing.
//!
//! Invariant: `fsynced_bytes <= written_bytes <= accepted_bytes`, and accepted minus written is what the buffer holds.

use std::io;

use crate::checksum::Crc64;
use crate::output::Output;

/// Which step failed, and where in the stream. The cause, with its errno, is the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// A write failed. What was not written stays in the buffer: a later `flush` goes on from there.
    #[error("write at byte {offset}")]
    Write {
        /// Bytes written before.
        offset: u64,
        /// The cause; `WriteZero` where the output took nothing.
        source: io::Error,
    },
    /// An fsync failed. The bytes from `fsynced` to `written` may be lost whatever a later fsync says.
    #[error("fsync of bytes {fsynced} to {written}")]
    Fsync {
        /// Bytes known to be durable.
        fsynced: u64,
        /// Bytes written.
        written: u64,
        /// The cause.
        source: io::Error,
    },
    /// An fsync failed before; the sink does nothing more.
    #[error("refused: an earlier fsync failed, only {fsynced} bytes are durable")]
    Poisoned {
        /// Bytes known to be durable.
        fsynced: u64,
    },
}

impl SinkError {
    /// The name of the failed step, for messages and statistics.
    pub fn step(&self) -> &'static str {
        match self {
            Self::Write { .. } => "write",
            Self::Fsync { .. } | Self::Poisoned { .. } => "fsync",
        }
    }

    /// The errno, where the system gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Write { source, .. } | Self::Fsync { source, .. } => source.raw_os_error(),
            Self::Poisoned { .. } => None,
        }
    }
}

/// Writes bytes to an [`Output`] through a buffer of fixed size.
#[derive(Debug)]
pub struct Sink<O> {
    output: O,
    /// Never holds more than `capacity` bytes, so it never grows.
    buffer: Vec<u8>,
    capacity: usize,
    /// How much of the buffer's front was written before a write failed.
    drained: usize,
    written: u64,
    fsynced: u64,
    fsync_every: Option<u64>,
    poisoned: bool,
    checksum: Option<RunningSum>,
}

/// The checksum of all accepted bytes but the buffer's from `summed` on.
#[derive(Debug)]
struct RunningSum {
    crc: Crc64,
    summed: usize,
}

impl<O: Output> Sink<O> {
    /// Writes to `output` through `buffer`, whose content is dropped and whose capacity is used.
    ///
    /// # Panics
    /// If the buffer has no capacity.
    pub fn with_buffer(output: O, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        let capacity = buffer.capacity();
        assert!(capacity > 0, "a sink needs a buffer");
        Self {
            output,
            buffer,
            capacity,
            drained: 0,
            written: 0,
            fsynced: 0,
            fsync_every: None,
            poisoned: false,
            checksum: None,
        }
    }

    /// Also makes bytes durable whenever `bytes` of them were written since the last fsync, so that the kernel never has
    /// a large amount to write at once.
    ///
    /// # Panics
    /// If `bytes` is 0.
    #[must_use]
    pub fn fsync_every(mut self, bytes: u64) -> Self {
        assert!(bytes > 0, "an fsync needs bytes");
        self.fsync_every = Some(bytes);
        self
    }

    /// Also keeps the CRC-64 of all accepted bytes.
    #[must_use]
    pub fn checksummed(mut self) -> Self {
        self.checksum = Some(RunningSum { crc: Crc64::new(), summed: self.buffer.len() });
        self
    }

    /// Accepts all of `bytes`, writing what the buffer cannot hold.
    ///
    /// # Errors
    /// If a write or a due fsync fails. `accepted_bytes` then says how many of the bytes were taken.
    #[inline]
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.len() <= self.capacity - self.buffer.len() {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.write_large(bytes)
    }

    fn write_large(&mut self, mut bytes: &[u8]) -> Result<(), SinkError> {
        while !bytes.is_empty() {
            if self.buffer.is_empty() && bytes.len() >= self.capacity {
                // Nothing to put before it: no reason to copy it.
                let count = self.write_once(Chunk::Direct(bytes))?;
                if let Some(sum) = &mut self.checksum {
                    sum.crc.update(&bytes[..count]);
                }
                bytes = &bytes[count..];
                self.fsync_if_due()?;
                continue;
            }
            let room = self.capacity - self.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == self.capacity {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes everything accepted. Written is not durable: see [`fsync`](Self::fsync).
    ///
    /// # Errors
    /// If a write or a due fsync fails; what was not written is kept.
    pub fn flush(&mut self) -> Result<(), SinkError> {
        self.sum_buffer();
        while self.drained < self.buffer.len() {
            self.drained += self.write_once(Chunk::Buffered)?;
            // Before the fsync, so that an fsync's failure leaves no written byte in the buffer.
            if self.drained == self.buffer.len() {
                self.clear_buffer();
            }
            self.fsync_if_due()?;
        }
        Ok(())
    }

    /// Writes everything accepted and makes it durable.
    ///
    /// # Errors
    /// If a write or the fsync fails. After a failed fsync every further call fails.
    pub fn fsync(&mut self) -> Result<(), SinkError> {
        self.flush()?;
        self.fsync_written()
    }

    /// Bytes taken from the caller.
    pub fn accepted_bytes(&self) -> u64 {
        self.written + (self.buffer.len() - self.drained) as u64
    }

    /// Bytes the output has taken.
    pub fn written_bytes(&self) -> u64 {
        self.written
    }

    /// Bytes made durable.
    pub fn fsynced_bytes(&self) -> u64 {
        self.fsynced
    }

    /// The CRC-64 of all accepted bytes; `None` if the sink keeps none.
    pub fn checksum(&mut self) -> Option<u64> {
        self.sum_buffer();
        self.checksum.as_ref().map(|sum| sum.crc.value())
    }

    /// The CRC-64 of all accepted bytes, as [`checksum`](Self::checksum) gives it; from here on none is kept.
    pub fn end_checksum(&mut self) -> Option<u64> {
        let sum = self.checksum();
        self.checksum = None;
        sum
    }

    /// The output.
    pub fn output(&self) -> &O {
        &self.output
    }

    /// The output, to be asked for more than bytes.
    pub fn output_mut(&mut self) -> &mut O {
        &mut self.output
    }

    /// The output and the emptied buffer. Bytes still in the buffer are dropped: flush first.
    pub fn into_parts(mut self) -> (O, Vec<u8>) {
        self.buffer.clear();
        (self.output, self.buffer)
    }

    /// One successful write of at least one byte, no further than the next fsync is due.
    fn write_once(&mut self, chunk: Chunk<'_>) -> Result<usize, SinkError> {
        if self.poisoned {
            return Err(SinkError::Poisoned { fsynced: self.fsynced });
        }
        let bytes = match chunk {
            Chunk::Buffered => &self.buffer[self.drained..],
            Chunk::Direct(bytes) => bytes,
        };
        let until_fsync =
            self.fsync_every.map_or(u64::MAX, |every| every - (self.written - self.fsynced).min(every - 1));
        let bytes = &bytes[..bytes.len().min(usize::try_from(until_fsync).unwrap_or(usize::MAX))];
        loop {
            let source = match self.output.write(bytes) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    assert!(count <= bytes.len(), "an output took more than it was given");
                    self.written += count as u64;
                    return Ok(count);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => e,
            };
            return Err(SinkError::Write { offset: self.written, source });
        }
    }

    fn fsync_if_due(&mut self) -> Result<(), SinkError> {
        match self.fsync_every {
            Some(every) if self.written - self.fsynced >= every => self.fsync_written(),
            _ => Ok(()),
        }
    }

    fn fsync_written(&mut self) -> Result<(), SinkError> {
        if self.poisoned {
            return Err(SinkError::Poisoned { fsynced: self.fsynced });
        }
        loop {
            match self.output.fsync() {
                Ok(()) => {
                    self.fsynced = self.written;
                    return Ok(());
                }
                // A signal came before the fsync began to report: nothing is known to have failed.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    self.poisoned = true;
                    return Err(SinkError::Fsync { fsynced: self.fsynced, written: self.written, source });
                }
            }
        }
    }

    fn sum_buffer(&mut self) {
        if let Some(sum) = &mut self.checksum {
            sum.crc.update(&self.buffer[sum.summed..]);
            sum.summed = self.buffer.len();
        }
    }

    fn clear_buffer(&mut self) {
        self.buffer.clear();
        self.drained = 0;
        if let Some(sum) = &mut self.checksum {
            sum.summed = 0;
        }
    }
}

/// What one write writes.
#[derive(Clone, Copy)]
enum Chunk<'a> {
    Buffered,
    Direct(&'a [u8]),
}
