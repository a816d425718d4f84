#![doc = include_str!("../README.md")]
//! # Invariant
//!
//! Without the feature `armed`, [`planted`] is a `const fn` that says no: no switch, no branch, no name is left in the program.

/// Defines the mutants and what each does, once.
macro_rules! mutants {
    ($($name:ident: $text:literal,)*) => {
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
    AckBeforeFsync: "under `always` replies leave after write(2)",
    AckBeforeWrite: "under `everysec` and `no` replies leave before write(2)",
    FsyncErrorIgnored: "an fsync that failed counts as one that succeeded",
    FsyncTriedAgain: "a second fsync is believed after a failed one",
    FsyncTroubleForgotten: "held replies fail with an fsync, and the file goes on as if it were well",
    WriteErrorIgnored: "a write that failed counts as one that succeeded",
    ShortWriteTwice: "the part of a short write stays, and is written again",
    ShortWriteTaken: "a short write counts as a whole one",
    FsyncCoversMore: "an fsync counts for what was written while it ran",
    EverysecNever: "under `everysec` nothing is fsynced",
    AlwaysLeftEarly: "what was executed under `always` is answered by the next policy",
    OneFileCounts: "of two files the one that is further counts",
    DiffDropped: "the rewrite buffer gets nothing",
    MultiSplit: "a transaction stands in the log as single commands",
    SelectNotReissued: "no SELECT after a switch of files",
    StateAhead: "the state file speaks of bytes that are only written",
    NameInDoubtIgnored: "a failed fsync of the directory after a switch is passed over",
    RenameBeforeFsync: "the new log gets its name without an fsync",
    SwitchWithoutDirFsync: "a switch does without the fsync of the directory",
    NotAnnounced: "no state file speaks of the new log before it gets its name",
    AnnouncedNameBelieved: "a log that a state file only announced is taken to have its name for good",
    ResidualLost: "the last of the rewrite buffer is not written to the new log",
    ChildDiffLost: "the child reads its part of the diff and does not append it",
    SnapshotDeadlineLost: "a rewrite as commands leaves deadlines out",
    SnapshotTail: "a rewrite as commands writes the first 64 items of a collection",
    PreambleDeadlineLost: "a preamble leaves deadlines out",
    PreambleOneDatabase: "a preamble says no database but the first",
    PreambleKeyLost: "a preamble leaves out the last key of a database with many",
    ExpireRelative: "PEXPIRE stands in the log as it was asked for",
    SetRelative: "SET with a lifetime stands in the log as it was asked for",
    ExpiryNotFed: "keys that the cron removes are not removed in the log",
    ExpiryOfAccessNotFed: "keys found past their deadline are not removed in the log",
    HeldReadLeaves: "a reply to a read does not wait for the last write of its key",
    WaitaofEarly: "WAITAOF takes what is written for what is fsynced",
    TornInsideMulti: "a torn tail is cut inside a transaction",
    TornTailKept: "a torn tail is copied, but not cut",
    TailUnproven: "bytes that no fsync vouches for are served as they are found",
    CopyWithoutDirFsync: "the proven copy gets its name without an fsync of the directory",
    CopyWithoutFsync: "the proven copy gets its name without an fsync",
    IdentityIgnored: "a state file is believed whichever file it speaks of",
    TempFilesStay: "temporary files of a crash stay",
    CreatedNotDurable: "a new log does without the fsync of the directory",
    TurnedOffUnsynced: "CONFIG SET appendonly no closes the log without an fsync",
    MovedAsideKept: "CONFIG SET appendonly yes goes on in the old log's file",
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
    }
}
