//! A piece of a file in memory, which moves on demand: what looks at a file of any size through it takes bounded memory, and
//! reads each byte about once if it moves forwards.

use std::io;

use vfs::File;

use crate::copy::read_exact;

/// The piece, and where it begins.
pub(crate) struct Window {
    offset: u64,
    bytes: Vec<u8>,
    size_bytes: u64,
}

impl Window {
    /// Holds nothing yet, and later at most `size_bytes`.
    pub(crate) fn new(size_bytes: u64) -> Self {
        Self { offset: 0, bytes: Vec::new(), size_bytes }
    }

    /// Makes the `len` bytes at `offset`, or those there are before `end`, available. Returns the bytes it read.
    pub(crate) fn load(&mut self, file: &dyn File, offset: u64, end: u64, len: u64) -> io::Result<u64> {
        let wanted_end = offset.saturating_add(len).min(end);
        if offset >= self.offset && wanted_end <= self.offset + self.bytes.len() as u64 {
            return Ok(0);
        }
        let size = self.size_bytes.min(end.saturating_sub(offset));
        self.bytes.resize(usize::try_from(size).unwrap_or(0), 0);
        self.offset = offset;
        read_exact(file, &mut self.bytes, offset)?;
        Ok(size)
    }

    /// What is in memory from `offset` on.
    pub(crate) fn from(&self, offset: u64) -> &[u8] {
        let skip = offset.checked_sub(self.offset).and_then(|n| usize::try_from(n).ok());
        skip.and_then(|skip| self.bytes.get(skip..)).unwrap_or_default()
    }
}
