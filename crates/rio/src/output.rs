//! Where a [`Sink`](crate::Sink) writes: one system call at a time, short or interrupted as it may be.

use std::io;
use std::sync::Arc;

use vfs::File;

/// Something that takes bytes, as write(2) does.
pub trait Output {
    /// Takes a prefix of `bytes` and returns its length. May be short, may fail with `Interrupted`.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Makes everything written durable; nothing to do where nothing can be.
    fn fsync(&mut self) -> io::Result<()>;
}

impl<O: Output + ?Sized> Output for &mut O {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (**self).write(bytes)
    }

    fn fsync(&mut self) -> io::Result<()> {
        (**self).fsync()
    }
}

/// Memory. Grows as bytes come.
impl Output for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn fsync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends to a file. What it wrote is in the page cache until `fsync` succeeds.
#[derive(Clone)]
pub struct FileOutput(Arc<dyn File>);

impl FileOutput {
    /// Appends to `file`, which was opened for appending.
    pub fn new(file: Arc<dyn File>) -> Self {
        Self(file)
    }

    /// The file.
    pub fn file(&self) -> &Arc<dyn File> {
        &self.0
    }
}

impl Output for FileOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)
    }

    fn fsync(&mut self) -> io::Result<()> {
        self.0.fdatasync()
    }
}

/// Anything with a `write`: pipes, sockets. Promises no durability.
#[derive(Clone, Debug)]
pub struct WriterOutput<W>(pub W);

impl<W: io::Write> Output for WriterOutput<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn fsync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
