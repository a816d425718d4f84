//! What the log should say, as typed notices whose text keeps Redis's wording where operators and tests grep for it.
//!
//! The engine takes and logs them; this crate has no logger.

use std::fmt;
use std::io;
use std::sync::Arc;

use vfs::strerror;

/// The level of a log line, as Redis has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `*`
    Notice,
    /// `#`
    Warning,
}

/// One line for the server's log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A write has waited for 2 s.
    FsyncTooSlow,
    /// write(2) failed. At most once in 30 s.
    WriteError {
        /// Of the system call.
        error: Arc<io::Error>,
    },
    /// write(2) was short. At most once in 30 s.
    ShortWrite {
        /// Bytes that went out.
        nwritten_bytes: u64,
        /// Bytes that should have.
        expected_bytes: u64,
    },
    /// The part of a short write could not be cut off again: it stays, and the rest follows it.
    CutFailed {
        /// Of ftruncate.
        error: Arc<io::Error>,
    },
    /// Writes succeed again.
    WriteErrorSolved,
    /// An fsync failed.
    FsyncError {
        /// Of the system call.
        error: Arc<io::Error>,
    },
    /// An fsync failed of a file that is the log no longer.
    RetiredFsyncError {
        /// Of the system call.
        error: Arc<io::Error>,
    },
    /// The rewrite buffer has grown by ten blocks.
    RewriteBuffer {
        /// Its size.
        size_bytes: u64,
        /// Whether it holds a multiple of 100 blocks.
        large: bool,
    },
}

impl Notice {
    /// The level to log it at.
    pub fn level(&self) -> Level {
        match self {
            Self::FsyncTooSlow | Self::RewriteBuffer { large: false, .. } => Level::Notice,
            _ => Level::Warning,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FsyncTooSlow => f.write_str(
                "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for \
                 fsync to complete, this may slow down Redis.",
            ),
            Self::WriteError { error } => write!(f, "Error writing to the AOF file: {}", strerror(error)),
            Self::ShortWrite { nwritten_bytes, expected_bytes } => write!(
                f,
                "Short write while writing to the AOF file: (nwritten={nwritten_bytes}, expected={expected_bytes}). Is the disk full? Writes \
                 are refused until it succeeds."
            ),
            Self::CutFailed { error } => write!(
                f,
                "Could not remove short write from the append-only file.  Redis may refuse to load the AOF the next time it \
                 starts.  ftruncate: {}",
                strerror(error)
            ),
            Self::WriteErrorSolved => f.write_str("AOF write error looks solved, Redis can write again."),
            Self::FsyncError { error } => write!(
                f,
                "Fail to fsync the AOF file: {}. Writes are refused until the data is in a new file.",
                strerror(error)
            ),
            Self::RetiredFsyncError { error } => {
                write!(f, "Fail to fsync an AOF file that is out of use: {}. Nothing depends on it.", strerror(error))
            }
            Self::RewriteBuffer { size_bytes, .. } => {
                write!(f, "Background AOF buffer size: {} MB", size_bytes / (1024 * 1024))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_keep_the_wording_that_operators_grep_for() {
        let full = Arc::new(io::Error::from_raw_os_error(28));
        let io = Arc::new(io::Error::from_raw_os_error(5));
        let all = [
            Notice::FsyncTooSlow,
            Notice::WriteError { error: Arc::clone(&full) },
            Notice::ShortWrite { nwritten_bytes: 3, expected_bytes: 10 },
            Notice::CutFailed { error: Arc::clone(&io) },
            Notice::WriteErrorSolved,
            Notice::FsyncError { error: Arc::clone(&io) },
            Notice::RetiredFsyncError { error: io },
            Notice::RewriteBuffer { size_bytes: 10 * 10 * 1024 * 1024, large: false },
            Notice::RewriteBuffer { size_bytes: 100 * 10 * 1024 * 1024, large: true },
        ];
        let text: Vec<_> = all.iter().map(|n| format!("{:?}: {n}", n.level())).collect();
        insta::assert_snapshot!(text.join("\n"));
    }
}
