//! What a recovery is told, what it reports on the way, and what it hands over at its end.

use std::fmt;
use std::sync::Arc;

use vfs::File;

/// The configuration that loading obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// `aof-load-truncated`: a torn tail is cut (true, the default) or an error.
    pub truncated: bool,
    /// What to do with a tail that can be read in two ways.
    pub ambiguous_tail: AmbiguousTail,
    /// Whether a torn tail may be cut even if it cannot be copied to a side file first. Default false.
    pub without_side_file: bool,
    /// `rdbchecksum`: whether the checksum of a snapshot in RDB format is compared, if it has one. Default true.
    pub verify_checksum: bool,
    /// Where reading and parsing happen.
    pub source: SourceKind,
}

impl LoadOptions {
    pub(crate) const DEFAULT: Self = Self {
        truncated: true,
        ambiguous_tail: AmbiguousTail::Refuse,
        without_side_file: false,
        verify_checksum: true,
        source: SourceKind::Threaded,
    };
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What to do when a whole command stands inside of the announced length of a broken argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmbiguousTail {
    /// Refuse, naming both readings.
    Refuse,
    /// Take it for the text of a value that was cut short: a torn tail.
    Cut,
}

/// Where a file is read and parsed. Both give the same units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// In a thread, overlapping with applying.
    Threaded,
    /// In `step`, for simulation.
    Inline,
}

/// What recovery is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Units are applied.
    Replay,
    /// The bytes behind damage are searched for whole commands.
    Inspect,
    /// The torn tail is copied to a side file.
    CopyTail,
    /// Unproven bytes are written again.
    Prove,
    /// Nothing is left to do but [`Recovery::finish`](crate::Recovery::finish).
    Done,
    /// A step failed; the recovery is over.
    Failed,
}

/// How far recovery has come, for INFO and the log: over everything that it goes over. That is the file once, to load it, and
/// what has to be proven a second time. The total is known from the start and never changes, and what is done never goes back:
/// damage that is found spares work and adds none to count, as the tail that is looked at and copied is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes to do in all, those that are done included.
    pub total_bytes: u64,
    /// Commands applied so far, those inside of transactions included.
    pub commands: u64,
}

impl Progress {
    /// Whether [`Recovery::finish`](crate::Recovery::finish) may be called.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }
}

/// What was cut off the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file's size now.
    pub offset: u64,
    /// The size of what was cut.
    pub tail_bytes: u64,
    /// The name of its copy in the same directory; `None` if it could not be written and the options allow that.
    pub side_file: Option<String>,
}

/// How the file's bytes became proven: all of them are on stable storage now, and so is the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The server had ended cleanly; nothing was to do.
    CleanEnd,
    /// The state file covers all of it, but no clean end: one fsync of file and directory.
    Fsynced,
    /// The bytes from `from` on were written again in place.
    Rewritten {
        /// The first unproven byte.
        from: u64,
    },
    /// The file was copied to a new one, which has its name now: another inode, so the state file and the mark must be
    /// written anew.
    Copied,
}

/// A recovered log, ready to be appended to.
pub struct Recovered {
    /// Opened for appending; its size is `size_bytes`.
    pub file: Arc<dyn File>,
    /// The size: base size, current size, append position. Everything before it is on stable storage.
    pub size_bytes: u64,
    /// What was cut off, if anything.
    pub cut: Option<TornTail>,
    /// How it was proven.
    pub proof: Proof,
    /// Commands applied, those inside of transactions included.
    pub commands: u64,
}

impl fmt::Debug for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file: _, size_bytes, cut, proof, commands } = self;
        f.debug_struct("Recovered")
            .field("size_bytes", size_bytes)
            .field("cut", cut)
            .field("proof", proof)
            .field("commands", commands)
            .finish_non_exhaustive()
    }
}
