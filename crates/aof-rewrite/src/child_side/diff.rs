//! The diff that the parent sends while the child still writes its snapshot: it must come after the snapshot, so it waits in
//! memory that was reserved before the fork.
//!
//! Bounded: when the memory is full the child reads no more until it may append, and the parent keeps the rest.

use std::io;

use child::{ChildEnv, Received, Region};

/// Bytes read from the parent and not yet appended to the file.
pub(super) struct DiffMemory {
    memory: Region,
    len: usize,
}

/// What filling the memory came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// The pipe is empty for now; so many bytes were read.
    Drained(u64),
    /// The memory is full; so many bytes were read.
    Full(u64),
    /// The parent is gone.
    Closed,
}

impl DiffMemory {
    /// Reserves address space for `bytes` bytes, or fewer if there is not so much.
    pub(super) fn reserve(bytes: usize) -> io::Result<Self> {
        Ok(Self { memory: Region::reserve(bytes.max(1))?, len: 0 })
    }

    /// Reads what the pipe holds, as far as there is room.
    pub(super) fn fill(&mut self, env: &mut dyn ChildEnv) -> io::Result<Filled> {
        let mut read_bytes = 0;
        loop {
            let room = &mut self.memory.bytes_mut()[self.len..];
            if room.is_empty() {
                return Ok(Filled::Full(read_bytes));
            }
            match env.read_data(room)? {
                Received::Bytes(n) => {
                    self.len += n;
                    read_bytes += n as u64;
                }
                Received::Nothing => return Ok(Filled::Drained(read_bytes)),
                Received::Closed => return Ok(Filled::Closed),
            }
        }
    }

    /// What waits.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory.bytes()[..self.len]
    }

    /// Forgets what waits, which was appended.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }
}
