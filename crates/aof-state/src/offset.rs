//! Positions in the stream of all bytes ever fed to the log, and how far each stage has come.

/// A position in the stream of all bytes ever appended to the log: 64 bits, monotonic across rewrites and switches of
/// file, starting at 0 when the server starts. Not a file offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogOffset(pub u64);

/// How far the log has come. Invariant: `fsynced <= written <= appended`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Fed into the buffer.
    pub appended: LogOffset,
    /// In the page cache of every file that counts: survives the process.
    pub written: LogOffset,
    /// On stable storage in every file that counts: survives the machine.
    pub fsynced: LogOffset,
}
