//! What the outside is told about the files: health, failures, errors.

use std::io;
use std::sync::Arc;

use aof_state::LogOffset;
use vfs::strerror;

/// A failed system call on a log file.
#[derive(Clone, Debug)]
pub enum Failure {
    /// write(2) failed or was short. The bytes are kept and tried again.
    Write(Arc<io::Error>),
    /// fsync failed. The kernel may have dropped the pages: never tried again on this file.
    Fsync(Arc<io::Error>),
}

impl Failure {
    /// The error of the system call. A short write counts as `ENOSPC`, as in Redis.
    pub fn error(&self) -> &io::Error {
        match self {
            Self::Write(error) | Self::Fsync(error) => error,
        }
    }

    /// The reason as Redis words it in `-MISCONF Errors writing to the AOF file: <reason>`.
    pub fn reason(&self) -> String {
        strerror(self.error())
    }
}

/// The state of one log file. In every state but `Ok` the engine refuses write commands.
#[derive(Clone, Debug)]
pub enum Health {
    /// Bytes can be written and, under the policy, fsynced.
    Ok,
    /// The last write failed. Everything is kept, tried again every second, and heals by itself.
    WriteError {
        /// Of the system call.
        error: Arc<io::Error>,
        /// When this series of errors began, monotonic milliseconds.
        since_ms: u64,
    },
    /// An fsync failed: nothing more counts as fsynced on this file, for ever. Only another file ([`promote`]) heals it.
    ///
    /// [`promote`]: crate::AofBuffer::promote
    FsyncFailed {
        /// Of the system call.
        error: Arc<io::Error>,
        /// When it failed, monotonic milliseconds.
        since_ms: u64,
    },
}

impl Health {
    /// Whether write commands are accepted.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok)
    }

    /// The reason for MISCONF; `None` in health.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Ok => None,
            Self::WriteError { error, .. } | Self::FsyncFailed { error, .. } => Some(strerror(error)),
        }
    }
}

/// A flush or an fsync failed: held replies become errors.
#[derive(Clone, Debug)]
pub struct FailedFlush {
    /// Every held reply that waits for an offset up to this one becomes an error. Its bytes stay in the buffer and go out
    /// later, so that its outcome is unknown.
    pub upto: LogOffset,
    /// Why.
    pub failure: Failure,
}

/// Why the log could not be brought to stable storage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AofError {
    /// Bytes could not be written. They are kept.
    #[error("cannot write the last bytes of the append only file")]
    Write {
        /// Of the system call.
        source: Arc<io::Error>,
    },
    /// Written bytes could not be made durable, now or earlier on this file.
    #[error("cannot fsync the append only file")]
    Fsync {
        /// Of the system call.
        source: Arc<io::Error>,
    },
}

impl From<Failure> for AofError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Write(source) => Self::Write { source },
            Failure::Fsync(source) => Self::Fsync { source },
        }
    }
}
