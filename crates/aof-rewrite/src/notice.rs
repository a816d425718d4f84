//! What an operator is told, typed, in Redis's wording where there is one: operators and tests search for it.

use std::fmt;

use child_file::{Level, Role};

/// One thing worth a log line. `Display` is the message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A child was forked.
    Started {
        /// Its process id.
        pid: i32,
    },
    /// The rewrite was asked for while another child runs.
    Scheduled,
    /// The log has grown enough.
    Automatic {
        /// Growth over the base size, in percent.
        growth_percent: u64,
    },
    /// Starting failed.
    CannotStart {
        /// What was tried.
        step: &'static str,
        /// Its error number.
        errno: i32,
    },
    /// A file with the log's name was moved out of the way of the first rewrite.
    MovedAside {
        /// Its new name.
        to: String,
    },
    /// The child has written all keys and has what was sent, and asks to send no more.
    AskedToStop,
    /// The acknowledgement could not be sent.
    CannotAcknowledge {
        /// The error number.
        errno: i32,
    },
    /// The child read the acknowledgement.
    Agreed,
    /// The child appends the diff it was sent.
    Concatenating {
        /// The size of the diff.
        bytes: u64,
    },
    /// The child has a complete file.
    FilePerformed,
    /// The child's memory.
    CopyOnWrite {
        /// Its size.
        bytes: u64,
    },
    /// The child ended well.
    ChildSucceeded,
    /// The child ended with an error.
    ChildFailed,
    /// What the child said of its error.
    ChildError {
        /// What it was doing.
        step: &'static str,
        /// The error number; 0 if no system call is to blame.
        errno: i32,
    },
    /// The child met a value that cannot be written.
    ValueError {
        /// The type, the key and the reason.
        note: String,
    },
    /// A signal ended the child.
    ChildKilled {
        /// Its number.
        signal: i32,
    },
    /// The child did nothing for too long and is being killed.
    ChildStalled {
        /// How long, in milliseconds.
        stalled_ms: u64,
    },
    /// What the child says it read or wrote is not what there is. The file is not used.
    Mismatch {
        /// What was compared.
        what: &'static str,
        /// What the parent knows.
        expected: u64,
        /// What the child said.
        found: u64,
    },
    /// The diff that was left has been written to the new file.
    ResidualWritten {
        /// Its size.
        bytes: u64,
        /// How much of it the event loop wrote itself, in one turn.
        in_loop_bytes: u64,
    },
    /// A step of the switch failed; the new file is dropped, the old one stays.
    SwitchFailed {
        /// The step.
        step: &'static str,
        /// The error number; 0 if the system gave none.
        errno: i32,
    },
    /// The directory could not be fsynced after the rename.
    SwitchNotDurable {
        /// The error number.
        errno: i32,
    },
    /// What was left of a rewrite could not be cleaned up. Nothing depends on it.
    CleanupFailed {
        /// The step.
        step: &'static str,
        /// The error number; 0 if the system gave none.
        errno: i32,
    },
    /// Done.
    Finished,
    /// Stopped on request.
    Aborted,
    /// Automatic rewrites pause.
    BackedOff {
        /// Failures in a row.
        failures: u32,
        /// For how long, in milliseconds.
        wait_ms: u64,
    },
}

impl Notice {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::CannotStart { .. }
            | Self::CannotAcknowledge { .. }
            | Self::ChildFailed
            | Self::ChildError { .. }
            | Self::ValueError { .. }
            | Self::ChildKilled { .. }
            | Self::ChildStalled { .. }
            | Self::Mismatch { .. }
            | Self::SwitchFailed { .. }
            | Self::SwitchNotDurable { .. }
            | Self::CleanupFailed { .. }
            | Self::BackedOff { .. } => Level::Warning,
            _ => Level::Notice,
        }
    }

    /// Whose line it is.
    pub fn role(&self) -> Role {
        match self {
            Self::Agreed | Self::Concatenating { .. } | Self::FilePerformed | Self::CopyOnWrite { .. } => Role::Child,
            Self::ChildError { .. } | Self::ValueError { .. } => Role::Child,
            _ => Role::Parent,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { pid } => write!(f, "Background append only file rewriting started by pid {pid}"),
            Self::Scheduled => write!(f, "Background append only file rewriting scheduled"),
            Self::Automatic { growth_percent } => {
                write!(f, "Starting automatic rewriting of AOF on {growth_percent}% growth")
            }
            Self::CannotStart { step, errno } => {
                write!(f, "Can't rewrite append only file in background: {step}: {}", Errno(*errno))
            }
            Self::MovedAside { to } => write!(f, "A file with the name of the append only file was kept as {to}"),
            Self::AskedToStop => write!(f, "AOF rewrite child asks to stop sending diffs."),
            Self::CannotAcknowledge { errno } => write!(f, "Can't send ACK to AOF child: {}", Errno(*errno)),
            Self::Agreed => write!(f, "Parent agreed to stop sending diffs. Finalizing AOF..."),
            Self::Concatenating { bytes } => {
                write!(f, "Concatenating {:.2} MB of AOF diff received from parent.", megabytes(*bytes))
            }
            Self::FilePerformed => write!(f, "SYNC append only file rewrite performed"),
            Self::CopyOnWrite { bytes } => {
                write!(f, "AOF rewrite: {:.0} MB of memory used by copy-on-write", megabytes(*bytes))
            }
            Self::ChildSucceeded => write!(f, "Background AOF rewrite terminated with success"),
            Self::ChildFailed => write!(f, "Background AOF rewrite terminated with error"),
            Self::ChildError { step, errno: 0 } => write!(f, "Write error writing append only file on disk: {step}"),
            Self::ChildError { step, errno } => {
                write!(f, "Write error writing append only file on disk: {step}: {}", Errno(*errno))
            }
            Self::ValueError { note } => {
                write!(f, "Write error writing append only file on disk: {note}")
            }
            Self::ChildKilled { signal } => write!(f, "Background AOF rewrite terminated by signal {signal}"),
            Self::ChildStalled { stalled_ms } => {
                write!(f, "AOF rewrite child made no progress for {} seconds: killing it", stalled_ms / 1000)
            }
            Self::Mismatch { what, expected, found } => {
                write!(f, "The rewritten AOF is not used: {what} should be {expected} bytes but is {found}")
            }
            Self::ResidualWritten { bytes, in_loop_bytes } => write!(
                f,
                "Residual parent diff successfully flushed to the rewritten AOF ({:.2} MB, of it {in_loop_bytes} bytes by the \
                 event loop)",
                megabytes(*bytes)
            ),
            Self::SwitchFailed { step, errno } => {
                write!(f, "The rewritten AOF is dropped and the old one kept: {step}: {}", Errno(*errno))
            }
            Self::SwitchNotDurable { errno } => {
                write!(f, "Can't fsync the directory after renaming the rewritten AOF: {}", Errno(*errno))
            }
            Self::CleanupFailed { step, errno } => {
                write!(f, "AOF rewrite: {step} failed: {}. Nothing depends on it.", Errno(*errno))
            }
            Self::Finished => write!(f, "Background AOF rewrite finished successfully"),
            Self::Aborted => write!(f, "Background AOF rewrite aborted"),
            Self::BackedOff { failures, wait_ms } => {
                write!(f, "{failures} AOF rewrites failed in a row: no automatic one for {} minutes", wait_ms / 60_000)
            }
        }
    }
}

struct Errno(i32);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => write!(f, "no error number"),
            errno => f.write_str(&vfs::strerror(&std::io::Error::from_raw_os_error(errno))),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a figure with two decimals")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
