//! The calls on the log's files that somebody may want to know the duration of.

/// A system call that replies wait for, in the loop or in a bio thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// A flush of one file.
    Write {
        /// An fsync was under way, of whichever file, when it began.
        beside_fsync: bool,
    },
    /// An fsync under `always`.
    FsyncAlways,
}
