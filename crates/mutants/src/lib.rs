#![doc = include_str!("../README.md")]
//! # Invariant
//!
//! Without the feature `armed`, [`planted`] is a `const fn` that says no: no switch, no branch, no name is left in the program.

/// A kind of broken promise: what a mutant shows itself by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sign {
    /// What was promised is gone after a crash.
    Loss,
    /// A success is answered though an fsync has failed.
    EarlyAck,
    /// What is there after a crash is nothing that was executed, in whatever prefix; or a reply says something else than what was done.
    Content,
    /// A transaction is there in part.
    Split,
    /// The server does not start on what it has left.
    Refusal,
    /// A second recovery shows something else than the first.
    Unstable,
    /// A file stays that should be gone.
    LeftOver,
    /// What a recovery cut off is in no side file.
    TailGone,
    /// Writes are refused for ever, or for no reason.
    Stuck,
    /// The log that a new one replaces is not set aside.
    SetAsideGone,
    /// A snapshot is not whole, or not of the moment that it is said to be of.
    Snapshot,
    /// Two children run at once.
    TwoChildren,
}

/// Defines the mutants, the signs by which each must be found, and what each does, once.
macro_rules! mutants {
    ($($name:ident [$($sign:ident),*]: $text:literal,)*) => {
        /// A bug that somebody could make.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Mutant {
            $(#[doc = $text] $name,)*
        }

        impl Mutant {
            /// Every mutant.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name, as a command line takes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The signs by which it must be found; any one of them will do, and no other.
            #[must_use]
            pub const fn signs(self) -> &'static [Sign] {
                match self {
                    $(Self::$name => &[$(Sign::$sign),*],)*
                }
            }

            /// What it does.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

mutants! {
    AckBeforeFsync [Loss]: "under `always` replies leave after write(2)",
    AckBeforeWrite [Loss]: "under `everysec` and `no` replies leave before write(2)",
    FsyncErrorIgnored [EarlyAck, Loss]: "an fsync that failed counts as one that succeeded",
    FsyncTriedAgain [EarlyAck, Loss]: "a second fsync is believed after a failed one",
    FsyncTroubleForgotten [EarlyAck, Loss]: "held replies fail with an fsync, and the file goes on as if it were well",
    WriteErrorIgnored [Loss, Content, Refusal]: "a write that failed counts as one that succeeded",
    ShortWriteTwice [Content, Refusal, Split]: "the part of a short write stays, and is written again",
    ShortWriteTaken [Loss, Content, Refusal]: "a short write counts as a whole one",
    FsyncCoversMore [Loss]: "an fsync counts for what was written while it ran",
    EverysecNever [Loss]: "under `everysec` nothing is fsynced",
    AlwaysLeftEarly [Loss]: "what was executed under `always` is answered by the next policy",
    OneFileCounts [Loss]: "of two files the one that is further counts",
    DiffDropped [Loss, Content]: "the rewrite buffer gets nothing",
    MultiSplit [Split]: "a transaction stands in the log as single commands",
    SelectNotReissued [Content]: "no SELECT after a switch of files",
    StateAhead [Refusal]: "the state file speaks of bytes that are only written",
    NameInDoubtIgnored [Loss, EarlyAck]: "a failed fsync of the directory after a switch is passed over",
    RenameBeforeFsync [Loss, Refusal, Content]: "the new log gets its name without an fsync",
    SwitchWithoutDirFsync [Loss]: "a switch does without the fsync of the directory",
    NotAnnounced [Refusal]: "no state file speaks of the new log before it gets its name",
    AnnouncedNameBelieved [Loss]: "a log that a state file only announced is taken to have its name for good",
    ResidualLost [Loss, Content, Refusal]: "the last of the rewrite buffer is not written to the new log",
    ChildDiffLost [Loss, Content, Refusal]: "the child reads its part of the diff and does not append it",
    SnapshotDeadlineLost [Content]: "a rewrite as commands leaves deadlines out",
    SnapshotTail [Content, Split]: "a rewrite as commands writes the first 64 items of a collection",
    PreambleDeadlineLost [Content]: "a preamble leaves deadlines out",
    PreambleOneDatabase [Content]: "a preamble says no database but the first",
    PreambleKeyLost [Content, Split, Loss]: "a preamble leaves out the last key of a database with many",
    ExpireRelative [Content]: "PEXPIRE stands in the log as it was asked for",
    SetRelative [Content]: "SET with a lifetime stands in the log as it was asked for",
    ExpiryNotFed [Content]: "keys that the cron removes are not removed in the log",
    ExpiryOfAccessNotFed [Content]: "keys found past their deadline are not removed in the log",
    HeldReadLeaves [Loss]: "a reply to a read does not wait for the last write of its key",
    WaitaofEarly [Loss]: "WAITAOF takes what is written for what is fsynced",
    TornInsideMulti [Loss, Refusal, Unstable, Split, Stuck]: "a torn tail is cut inside a transaction",
    TornTailKept [Refusal, Unstable]: "a torn tail is copied, but not cut",
    TailUnproven [Unstable, Loss]: "bytes that no fsync vouches for are served as they are found",
    CopyWithoutDirFsync [Unstable, Loss, Refusal]: "the proven copy gets its name without an fsync of the directory",
    CopyWithoutFsync [Unstable, Loss, Refusal]: "the proven copy gets its name without an fsync",
    IdentityIgnored [Refusal, Loss, Content]: "a state file is believed whichever file it speaks of",
    TempFilesStay [LeftOver]: "temporary files of a crash stay",
    CreatedNotDurable [Loss, Unstable, Refusal]: "a new log does without the fsync of the directory",
    TurnedOffUnsynced [Loss]: "CONFIG SET appendonly no closes the log without an fsync",
    EndsRegardless [Loss]: "SHUTDOWN ends the server although the last flush or fsync of the log has failed",
    RefusesToEnd [Stuck]: "SHUTDOWN is refused as if nothing but the server held the data",
    MovedAsideKept [SetAsideGone]: "the first rewrite overwrites the file that has the log's name",
    ChildFileUnsynced [Snapshot]: "what a child writes gets its name without an fsync",
    SaveWithoutDirFsync [Snapshot]: "a snapshot counts as saved without the fsync of the directory",
    SaveHalf [Snapshot]: "a snapshot whose last write or fsync failed gets its name all the same",
    StaleTempTaken [Snapshot]: "a child goes on in the temp file of an earlier one",
    SaveBesideRewrite [TwoChildren]: "a snapshot that is due starts while a rewrite runs",
}

/// Whether the code that asks is to make this mistake.
#[cfg(not(feature = "armed"))]
#[inline(always)]
#[must_use]
pub const fn planted(_mutant: Mutant) -> bool {
    false
}

#[cfg(feature = "armed")]
pub use armed::{plant, planted};

#[cfg(feature = "armed")]
mod armed {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Switches one mutant on for this thread, instead of any other; `None` switches it off.
    pub fn plant(mutant: Option<Mutant>) {
        PLANTED.set(mutant);
    }

    /// Whether the code that asks is to make this mistake.
    #[must_use]
    pub fn planted(mutant: Mutant) -> bool {
        PLANTED.get() == Some(mutant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_thirty_mutants_and_none_is_planted_unless_asked_for() {
        assert!(Mutant::ALL.len() >= 30);
        assert!(Mutant::ALL.iter().all(|mutant| !planted(*mutant)));
        assert!(Mutant::ALL.iter().all(|mutant| !mutant.text().is_empty() && !mutant.name().is_empty()));
        assert!(Mutant::ALL.iter().all(|mutant| !mutant.signs().is_empty()));
    }
}
