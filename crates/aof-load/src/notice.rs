//! What the operator is told while a file is loaded, in Redis's wording where tools look for it.

use std::fmt;
use std::io;

use crate::damage::Damage;
use crate::error::CommandName;

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
    /// A snapshot begins, which is more than a snapshot.
    ReadingSnapshot {
        /// What the file is that begins with it.
        kind: FileRole,
    },
    /// What the server that wrote a snapshot calls its version.
    SnapshotVersion {
        /// As it stands there.
        version: CommandName,
    },
    /// When a snapshot was begun. Whoever has a clock says how long ago that is, as Redis does.
    SnapshotTime {
        /// In seconds since the epoch.
        unix_s: i64,
    },
    /// What the server that wrote a snapshot took of memory then.
    SnapshotMemory {
        /// In bytes.
        bytes: i64,
    },
    /// A snapshot says that it is the base of a log, or that commands follow it.
    SnapshotOfLog {
        /// Whether it is the base.
        is_base: bool,
    },
    /// A snapshot that a log begins with can't be read; the error says why.
    SnapshotFailed {
        /// The file's name.
        name: String,
        /// What it is.
        kind: FileRole,
    },
    /// Behind the snapshot of a log the commands begin.
    ReadingTail,
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
            | Self::ReadingSnapshot { .. }
            | Self::SnapshotVersion { .. }
            | Self::SnapshotTime { .. }
            | Self::SnapshotMemory { .. }
            | Self::SnapshotOfLog { .. }
            | Self::ReadingTail
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
            Self::ReadingSnapshot { .. }
            | Self::SnapshotVersion { .. }
            | Self::SnapshotTime { .. }
            | Self::SnapshotMemory { .. }
            | Self::SnapshotOfLog { .. }
            | Self::SnapshotFailed { .. }
            | Self::ReadingTail
            | Self::SnapshotLoaded { .. }
            | Self::NoChecksum => self.of_snapshot(f),
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

impl Notice {
    fn of_snapshot(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadingSnapshot { kind: FileRole::Base } => f.write_str("Reading RDB base file on AOF loading..."),
            Self::ReadingSnapshot { .. } => f.write_str("Reading RDB preamble from AOF file..."),
            Self::SnapshotVersion { version } => write!(f, "Loading RDB produced by version {version}"),
            Self::SnapshotTime { unix_s } => write!(f, "RDB of {unix_s} seconds since the epoch"),
            Self::SnapshotMemory { bytes } => {
                // Two digits are all that is shown.
                #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
                let megabytes = *bytes as f64 / f64::from(1 << 20);
                write!(f, "RDB memory usage when created {megabytes:.2} Mb")
            }
            Self::SnapshotOfLog { is_base: true } => f.write_str("RDB is base AOF"),
            Self::SnapshotOfLog { is_base: false } => f.write_str("RDB has an AOF tail"),
            Self::SnapshotFailed { name, kind: FileRole::Base } => {
                write!(f, "Error reading the RDB base file {name}, AOF loading aborted")
            }
            Self::SnapshotFailed { name, .. } => {
                write!(f, "Error reading the RDB preamble of the AOF file {name}, AOF loading aborted")
            }
            Self::ReadingTail => f.write_str("Reading the remaining AOF tail..."),
            Self::SnapshotLoaded { keys, empty_keys } => {
                write!(f, "Done loading RDB, keys loaded: {keys}, keys expired: 0, empty keys skipped: {empty_keys}.")
            }
            _ => f.write_str("RDB file was saved with checksum disabled: no check performed."),
        }
    }
}
