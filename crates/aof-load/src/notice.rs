//! What the operator is told while a file is loaded, in Redis's wording where tools look for it.

use std::fmt;
use std::io;

use crate::damage::Damage;

/// How loud a notice is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// In the normal course of things.
    Notice,
    /// Something the operator should look at.
    Warning,
}

/// What an imported file is to the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileRole {
    /// The base of a log in several files.
    Base,
    /// The base of one that Redis made of a log in one file, which it moved there as it was.
    MovedLog,
    /// What was logged since.
    Incremental,
    /// A snapshot and nothing else.
    Dump,
}

impl fmt::Display for FileRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base | Self::MovedLog => "base",
            Self::Incremental => "incr",
            Self::Dump => "RDB",
        })
    }
}

/// One line for the log. `Display` is the text; the caller adds time and level.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The end of the file is torn.
    Torn {
        /// What is wrong, and where.
        damage: Damage,
    },
    /// The file ends inside an open `MULTI`, which is cut as a whole.
    IncompleteTransaction,
    /// The torn tail was copied to a side file.
    SideFileWritten {
        /// Its name, in the AOF's directory.
        side_file: String,
        /// The size of the tail.
        tail_bytes: u64,
    },
    /// The torn tail could not be copied to a side file, and the option says to go on without.
    SideFileSkipped {
        /// The name it would have had.
        side_file: String,
        /// Why not.
        error: io::Error,
    },
    /// The torn tail of a file that is imported is not read; it stays where it is.
    LeftOut {
        /// The file's name.
        name: String,
        /// Where it was read to.
        offset: u64,
        /// The size of what is left out.
        tail_bytes: u64,
    },
    /// One of several files was read.
    FileLoaded {
        /// Its name.
        name: String,
        /// What it is.
        kind: FileRole,
        /// Its size.
        size_bytes: u64,
    },
    /// A snapshot was read to its end.
    SnapshotLoaded {
        /// Keys in it.
        keys: u64,
        /// Keys without elements, which servers with bugs have saved, and which were passed over.
        empty_keys: u64,
    },
    /// The server that wrote a snapshot computed no checksum for it.
    NoChecksum,
    /// The file is cut.
    Truncating {
        /// Its size from now on.
        cut_at: u64,
    },
    /// The file was cut, and what is left is loaded.
    LoadedAnyway,
    /// The file is shorter than what was once fsynced, but ends with a whole command: somebody cut it.
    ShorterThanFsynced {
        /// Its size.
        size_bytes: u64,
        /// What the state file says.
        fsynced_offset_bytes: u64,
    },
    /// The server did not end cleanly: unproven bytes are written again and fsynced.
    ProvingTail {
        /// The first of them.
        from: u64,
        /// One past the last.
        to: u64,
    },
    /// There is no state file, so the whole file is unproven: it is copied to a new one.
    CopyingFile {
        /// Its size.
        size_bytes: u64,
    },
    /// The unproven bytes are durable.
    Proven {
        /// How many.
        bytes: u64,
    },
}

impl Notice {
    /// How loud it is logged.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::FileLoaded { .. }
            | Self::SnapshotLoaded { .. }
            | Self::NoChecksum
            | Self::ProvingTail { .. }
            | Self::CopyingFile { .. }
            | Self::Proven { .. } => Level::Notice,
            _ => Level::Warning,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn { damage } if damage.is_unexpected_end() => {
                write!(f, "!!! Warning: short read while loading the AOF file !!! ({damage})")
            }
            Self::Torn { damage } => write!(f, "!!! Warning: torn tail while loading the AOF file !!! ({damage})"),
            Self::IncompleteTransaction => f.write_str("Revert incomplete MULTI/EXEC transaction from AOF file"),
            Self::SideFileWritten { side_file, tail_bytes } => {
                write!(f, "The torn tail of the AOF, {tail_bytes} bytes, was copied to {side_file}")
            }
            Self::SideFileSkipped { side_file, error } => {
                write!(
                    f,
                    "The torn tail of the AOF is lost: the side file {side_file} could not be written: {}",
                    vfs::strerror(error)
                )
            }
            Self::LeftOut { name, offset, tail_bytes } => write!(
                f,
                "!!! The last {tail_bytes} bytes of {name}, from offset {offset} on, are left out of what is imported !!! The file \
                 itself is not changed"
            ),
            Self::FileLoaded { name, kind, size_bytes } => {
                write!(f, "DB loaded from {kind} file {name} ({size_bytes} bytes)")
            }
            Self::SnapshotLoaded { keys, empty_keys } => {
                write!(f, "Done loading RDB, keys loaded: {keys}, keys expired: 0, empty keys skipped: {empty_keys}.")
            }
            Self::NoChecksum => f.write_str("RDB file was saved with checksum disabled: no check performed."),
            Self::Truncating { cut_at } => write!(f, "!!! Truncating the AOF at offset {cut_at} !!!"),
            Self::LoadedAnyway => f.write_str("AOF loaded anyway because aof-load-truncated is enabled"),
            Self::ShorterThanFsynced { size_bytes, fsynced_offset_bytes } => write!(
                f,
                "The AOF has {size_bytes} bytes, but {fsynced_offset_bytes} were fsynced: it was cut by somebody else. \
                 Loading what is there"
            ),
            Self::ProvingTail { from, to } => {
                write!(f, "The AOF was not closed cleanly: writing and fsyncing bytes {from} to {to} again")
            }
            Self::CopyingFile { size_bytes } => write!(
                f,
                "Nothing says how much of the AOF is on stable storage: copying its {size_bytes} bytes to a new file"
            ),
            Self::Proven { bytes } => write!(f, "{bytes} bytes of the AOF proven"),
        }
    }
}
