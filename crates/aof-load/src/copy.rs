//! Whole reads and writes over a file's short ones, and a copy that proceeds in bounded pieces.

use std::io;
use std::sync::Arc;

use vfs::File;

use crate::Operation;

/// Bytes moved at once.
const PIECE_BYTES: usize = 256 * 1024;

/// A system call that failed, and where in the log.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What was attempted.
    pub operation: Operation,
    /// The offset in the log; 0 where that means nothing.
    pub offset: u64,
    /// The system call's error.
    pub error: io::Error,
}

impl Failed {
    /// For `map_err`.
    pub(crate) fn at(operation: Operation, offset: u64) -> impl FnOnce(io::Error) -> Self {
        move |error| Self { operation, offset, error }
    }
}

/// Reads at least one byte. A file that ends before is one that somebody else cuts while we read it.
pub(crate) fn read_once(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buf, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            other => return other,
        }
    }
}

/// Fills `buf`.
pub(crate) fn read_exact(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        done += read_once(file, &mut buf[done..], offset + done as u64)?;
    }
    Ok(())
}

/// Writes all of `bytes` by `write`, which takes the bytes left and how many were written before.
pub(crate) fn write_all(bytes: &[u8], mut write: impl FnMut(&[u8], u64) -> io::Result<usize>) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match write(&bytes[done..], done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where copied bytes go.
pub(crate) enum Target {
    /// To the end of another file.
    Append(Arc<dyn File>),
    /// To where they came from, through a handle opened for updating.
    SamePlace(Arc<dyn File>),
}

/// Copies a range of a log, piece by piece.
pub(crate) struct Copy {
    from: Arc<dyn File>,
    to: Target,
    at: u64,
    end: u64,
    buf: Vec<u8>,
}

impl Copy {
    /// Prepares to copy the bytes from `start` to `end`.
    pub(crate) fn new(from: Arc<dyn File>, to: Target, start: u64, end: u64) -> Self {
        Self { from, to, at: start, end, buf: Vec::new() }
    }

    /// Bytes not copied yet.
    pub(crate) fn left_bytes(&self) -> u64 {
        self.end - self.at
    }

    /// Copies about `budget_bytes`, at least one piece. `true` if nothing is left; nothing is fsynced.
    pub(crate) fn step(&mut self, budget_bytes: u64) -> Result<bool, Failed> {
        let stop = self.end.min(self.at.saturating_add(budget_bytes.max(1)));
        while self.at < stop {
            let piece = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(PIECE_BYTES);
            self.buf.resize(piece, 0);
            read_exact(&*self.from, &mut self.buf, self.at).map_err(Failed::at(Operation::Read, self.at))?;
            match &self.to {
                Target::Append(to) => write_all(&self.buf, |bytes, _| to.append(bytes)),
                Target::SamePlace(to) => write_all(&self.buf, |bytes, done| to.write_at(bytes, self.at + done)),
            }
            .map_err(Failed::at(Operation::Write, self.at))?;
            self.at += piece as u64;
        }
        Ok(self.at == self.end)
    }
}
