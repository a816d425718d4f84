//! Where a [`Source`](crate::Source) reads from: one system call at a time, short or interrupted as it may be.

use std::io;
use std::sync::Arc;

use vfs::File;

/// Something that gives bytes, as read(2) does.
pub trait Input {
    /// Fills a prefix of `buf` and returns its length; 0 at the end. May be short, may fail with `Interrupted`.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
}

impl<I: Input + ?Sized> Input for &mut I {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read(buf)
    }
}

/// Memory; what was read is taken off its front.
impl Input for &[u8] {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        io::Read::read(self, buf)
    }
}

/// A file from some offset on, read by position: others may read the same handle.
#[derive(Clone)]
pub struct FileInput {
    file: Arc<dyn File>,
    offset: u64,
}

impl FileInput {
    /// Reads `file` from byte `offset` on.
    pub fn new(file: Arc<dyn File>, offset: u64) -> Self {
        Self { file, offset }
    }
}

impl Input for FileInput {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buf, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Anything with a `read`: pipes, sockets.
#[derive(Clone, Debug)]
pub struct ReaderInput<R>(pub R);

impl<R: io::Read> Input for ReaderInput<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}
