//! What an operator is told, typed, in Redis's wording where there is one: operators and tests search for it.

use std::fmt;
use std::io;

use child_file::{Level, Role};
use vfs::strerror;

/// One thing worth a log line. `Display` is the message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A child was forked.
    Started {
        /// Its process id.
        pid: i32,
    },
    /// The temp file could not be made.
    CannotOpen {
        /// Its name.
        temp_name: String,
        /// The directory.
        dir: String,
        /// The error number.
        errno: i32,
    },
    /// The fork failed.
    CannotFork {
        /// The error number.
        errno: i32,
    },
    /// Writing or fsyncing the file failed.
    WriteError {
        /// Which of them.
        step: &'static str,
        /// The error number; 0 if the system gave none.
        errno: i32,
    },
    /// A value cannot be written.
    ValueError {
        /// The type, the key and the reason.
        note: String,
    },
    /// The file could not get its name.
    RenameError {
        /// The name it had.
        temp_name: String,
        /// The name it should get.
        name: String,
        /// The directory.
        dir: String,
        /// The error number.
        errno: i32,
    },
    /// The directory could not be fsynced after the rename.
    NotDurable {
        /// The error number.
        errno: i32,
    },
    /// The file has its name, durably.
    Saved {
        /// Who saved it.
        by: Role,
    },
    /// The child's memory.
    CopyOnWrite {
        /// Its size.
        bytes: u64,
    },
    /// The child ended well.
    Succeeded,
    /// The child ended with an error.
    Failed,
    /// A signal ended the child.
    Killed {
        /// Its number.
        signal: i32,
    },
    /// The child did nothing for too long and is being killed.
    Stalled {
        /// How long, in milliseconds.
        stalled_ms: u64,
    },
    /// What was left could not be removed. Nothing depends on it.
    NotRemoved {
        /// Its name.
        temp_name: String,
        /// The error number.
        errno: i32,
    },
}

impl Notice {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Started { .. } | Self::Saved { .. } | Self::CopyOnWrite { .. } | Self::Succeeded => Level::Notice,
            _ => Level::Warning,
        }
    }

    /// The call on a file that failed, and its error number, for INFO.
    pub fn failed_call(&self) -> Option<(&'static str, i32)> {
        match self {
            Self::CannotOpen { errno, .. } => Some(("open", *errno)),
            Self::WriteError { step, errno } => Some((step, *errno)),
            Self::RenameError { errno, .. } => Some(("rename", *errno)),
            Self::NotDurable { errno } => Some(("fsync of the directory", *errno)),
            Self::NotRemoved { errno, .. } => Some(("removing the temp file", *errno)),
            _ => None,
        }
    }

    /// Whose line it is.
    pub fn role(&self) -> Role {
        match self {
            Self::Saved { by } => *by,
            Self::CopyOnWrite { .. } => Role::Child,
            _ => Role::Parent,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { pid } => write!(f, "Background saving started by pid {pid}"),
            Self::CannotOpen { temp_name, dir, errno } => write!(
                f,
                "Failed opening the temp RDB file {temp_name} (in server root dir {dir}) for saving: {}",
                Errno(*errno)
            ),
            Self::CannotFork { errno } => write!(f, "Can't save in background: fork: {}", Errno(*errno)),
            Self::WriteError { step, errno } => {
                write!(f, "Write error while saving DB to the disk({step}): {}", Errno(*errno))
            }
            Self::ValueError { note } => write!(f, "Write error while saving DB to the disk: {note}"),
            Self::RenameError { temp_name, name, dir, errno } => write!(
                f,
                "Error moving temp DB file {temp_name} on the final destination {name} (in server root dir {dir}): {}",
                Errno(*errno)
            ),
            Self::NotDurable { errno } => {
                write!(f, "Failed to fsync directory while saving DB: {}", Errno(*errno))
            }
            Self::Saved { .. } => write!(f, "DB saved on disk"),
            Self::CopyOnWrite { bytes } => {
                write!(f, "RDB: {} MB of memory used by copy-on-write", bytes / (1 << 20))
            }
            Self::Succeeded => write!(f, "Background saving terminated with success"),
            Self::Failed => write!(f, "Background saving error"),
            Self::Killed { signal } => write!(f, "Background saving terminated by signal {signal}"),
            Self::Stalled { stalled_ms } => {
                write!(f, "RDB child made no progress for {} seconds: killing it", stalled_ms / 1_000)
            }
            Self::NotRemoved { temp_name, errno } => {
                write!(f, "Can't remove {temp_name}: {}. The next start removes it.", Errno(*errno))
            }
        }
    }
}

struct Errno(i32);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no error number"),
            errno => f.write_str(&strerror(&io::Error::from_raw_os_error(errno))),
        }
    }
}
