//! What can go wrong, when, and the record of what was asked of the disk.

use super::content::LostPages;
use std::fmt;

/// The kinds of calls, one for each method of [`Dir`](crate::Dir) and [`File`](crate::File) that reaches the disk; one for both
/// renames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named after the methods of File and Dir")]
pub enum Call {
    Open,
    Append,
    ReadAt,
    WriteAt,
    Reopen,
    Fdatasync,
    Fsync,
    SetLen,
    Metadata,
    Mark,
    SetMark,
    Rename,
    Unlink,
    DirFsync,
    List,
    Stat,
    Lock,
}

/// What a call meets instead of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with this errno and has no effect. A failed fsync of this sort keeps its pages dirty.
    Errno(i32),
    /// At most so many bytes are taken or given; calls without bytes succeed.
    Short(usize),
    /// An fsync, of a file or directory, fails with this errno and leaves its pages so. Other calls: as `Errno`.
    FsyncFailed {
        /// The error it reports.
        errno: i32,
        /// What happens to what it should have written.
        pages: LostPages,
    },
}

impl Fault {
    /// An I/O error without effect.
    pub const EIO: Self = Self::Errno(libc::EIO);
    /// A full disk.
    pub const ENOSPC: Self = Self::Errno(libc::ENOSPC);
    /// An interrupted call.
    pub const EINTR: Self = Self::Errno(libc::EINTR);
    /// A failed fsync as Linux reports it: once, and the pages count as clean.
    pub const FSYNC_EIO: Self = Self::FsyncFailed { errno: libc::EIO, pages: LostPages::Dropped };
}

impl Fault {
    /// In a word or two, for a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Errno(libc::EIO) => "EIO",
            Self::Errno(libc::ENOSPC) => "ENOSPC",
            Self::Errno(libc::EINTR) => "EINTR",
            Self::Errno(_) => "another errno",
            Self::Short(_) => "short",
            Self::FsyncFailed { pages: LostPages::Kept, .. } => "failed, pages kept dirty",
            Self::FsyncFailed { pages: LostPages::Dropped, .. } => "failed, pages dropped",
            Self::FsyncFailed { pages: LostPages::Evicted, .. } => "failed, pages evicted",
        }
    }
}

/// A call about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Number of calls made on this disk before it.
    pub index: u64,
    /// Its kind.
    pub call: Call,
    /// Path of the directory.
    pub dir: &'a str,
    /// The name given, or the one under which the file was opened; empty for the directory itself.
    pub name: &'a str,
    /// New name of a rename, else empty.
    pub to: &'a str,
    /// Offset in the file, where one is given.
    pub offset: u64,
    /// Bytes asked for; the new length for `SetLen`.
    pub bytes: u64,
}

impl Attempt<'_> {
    /// Continues a digest of calls with this one and its outcome (FNV-1a).
    pub(super) fn digest(&self, before: u64, outcome: Result<u64, i32>) -> u64 {
        let (code, given) = match outcome {
            Ok(count) => (0, count),
            Err(errno) => (1, u64::from(errno.unsigned_abs())),
        };
        let mix = |digest: u64, part: u64| (digest ^ part).wrapping_mul(0x0100_0000_01b3);
        let text = |digest: u64, text: &str| text.bytes().fold(digest, |digest, byte| mix(digest, byte.into()));
        let named = text(text(text(before ^ 0xcbf2_9ce4_8422_2325, self.dir), self.name), self.to);
        [self.index, self.call as u64, self.offset, self.bytes, code, given].into_iter().fold(named, mix)
    }
}

/// A call that was made, as the trace keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of Attempt")]
pub struct Record {
    pub index: u64,
    pub call: Call,
    pub dir: String,
    pub name: String,
    pub to: String,
    pub offset: u64,
    pub bytes: u64,
    /// Bytes or length given back where there are some, else 0; or the errno.
    pub outcome: Result<u64, i32>,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, call, name, to, offset, bytes, .. } = self;
        write!(f, "{index} {call:?} {name}{}{to} @{offset} {bytes}: ", if to.is_empty() { "" } else { " -> " })?;
        match self.outcome {
            Ok(count) => write!(f, "{count}"),
            Err(errno) => write!(f, "errno {errno}"),
        }
    }
}

type Predicate = Box<dyn FnMut(&Attempt<'_>) -> bool + Send>;

/// A fault and when it strikes.
pub struct Rule {
    strikes: Predicate,
    fault: Fault,
}

impl Rule {
    /// Strikes the `nth` call (from 1) of this kind after the rule was installed, once.
    #[must_use]
    pub fn nth(call: Call, nth: u64, fault: Fault) -> Self {
        let mut seen = 0;
        Self::when(fault, move |attempt| {
            seen += u64::from(attempt.call == call);
            attempt.call == call && seen == nth
        })
    }

    /// Strikes the `nth` call (from 1) of this kind after the rule was installed, and every later one.
    #[must_use]
    pub fn from_nth(call: Call, nth: u64, fault: Fault) -> Self {
        let mut seen = 0;
        Self::when(fault, move |attempt| {
            seen += u64::from(attempt.call == call);
            attempt.call == call && seen >= nth
        })
    }

    /// Strikes whenever `predicate`, asked at every call, says so. It must not use the disk.
    #[must_use]
    pub fn when(fault: Fault, predicate: impl FnMut(&Attempt<'_>) -> bool + Send + 'static) -> Self {
        Self { strikes: Box::new(predicate), fault }
    }

    pub(super) fn strike(&mut self, attempt: &Attempt<'_>) -> Option<Fault> {
        (self.strikes)(attempt).then_some(self.fault)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("fault", &self.fault).finish_non_exhaustive()
    }
}
