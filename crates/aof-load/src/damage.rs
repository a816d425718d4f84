//! Decides what damage is: the torn tail that a crash leaves, or corruption. Pure.
//!
//! Invariant: damage is called a torn tail only if cutting it loses nothing that was proven durable and, without proof,
//! no whole command behind it.

use std::fmt;
use std::ops::Range;

use crate::Refusal;
use crate::error::{CommandName, Evidence};

/// What was expected where something else was found, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// `*`, which starts a command, or `#`, which starts an annotation line.
    Command,
    /// The number of arguments after `*`, from 1, without leading zeros, and CRLF.
    Count,
    /// `$`, which starts an argument.
    Argument,
    /// The length of an argument after `$`, without leading zeros, and CRLF.
    Length,
    /// The bytes of an argument of this length.
    Bytes {
        /// The announced length.
        length: u64,
    },
    /// CRLF after an argument of this length.
    EndOfArgument {
        /// The announced length.
        length: u64,
    },
    /// A command's name: at least one byte, none of them NUL.
    Name,
    /// The line end of an annotation.
    EndOfAnnotation,
    /// A command of less than 4 GiB.
    SmallerCommand,
    /// No second `MULTI`: the one at this offset is still open.
    NoNestedMulti {
        /// The offset of the open `MULTI`.
        multi: u64,
    },
    /// No `EXEC` or `DISCARD`: no `MULTI` is open.
    OpenMulti,
    /// No `DISCARD`: a log holds executed transactions only.
    NoDiscard,
    /// `MULTI` and `EXEC` without arguments.
    NoArguments,
    /// A command that the sink takes. Only where a hole is likely: see the module's `is_hole`.
    Applicable {
        /// Why it was refused.
        refusal: Refusal,
    },
    /// The `EXEC` of the `MULTI` at this offset.
    Exec {
        /// The offset of the open `MULTI`.
        multi: u64,
    },
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command => f.write_str("'*' or '#'"),
            Self::Count => f.write_str("a number of arguments from 1 to 2147483647 and CRLF"),
            Self::Argument => f.write_str("'$'"),
            Self::Length => f.write_str("a length from 0 to 4294967295 and CRLF"),
            Self::Bytes { length } => write!(f, "an argument of {length} bytes"),
            Self::EndOfArgument { length } => write!(f, "CRLF after an argument of {length} bytes"),
            Self::Name => f.write_str("a command's name"),
            Self::EndOfAnnotation => f.write_str("the end of an annotation line of at most 65536 bytes"),
            Self::SmallerCommand => f.write_str("a command of less than 4294967296 bytes"),
            Self::NoNestedMulti { multi } => write!(f, "no MULTI inside of the MULTI at byte {multi}"),
            Self::OpenMulti => f.write_str("a MULTI before this EXEC or DISCARD"),
            Self::NoDiscard => f.write_str("no DISCARD in a log"),
            Self::NoArguments => f.write_str("MULTI or EXEC without arguments"),
            Self::Applicable { refusal } => write!(f, "a command without holes ({refusal})"),
            Self::Exec { multi } => write!(f, "the EXEC of the MULTI at byte {multi}"),
        }
    }
}

/// The first place where the file is no sequence of whole commands and transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The first byte that is not as expected; the file's size at an unexpected end.
    pub offset: u64,
    /// The byte that stands there; `None` if the file ends inside a command or an open `MULTI`.
    pub found: Option<u8>,
    /// What was expected there.
    pub expected: Expected,
    /// The first byte of the command it lies in, or where a command should start.
    pub command_offset: u64,
    /// The number of that command, from 0.
    pub command_index: u64,
    /// The end of the last whole command or transaction: where a cut falls, always before an open `MULTI`.
    pub cut_at: u64,
    /// Whether a `MULTI` is open there.
    pub in_transaction: bool,
    /// The bytes that the broken argument announces, if the damage is in or directly behind one. May reach beyond the end
    /// of the file.
    pub argument: Option<Range<u64>>,
}

impl Damage {
    /// Whether the file ends where more was expected.
    #[must_use]
    pub fn is_unexpected_end(&self) -> bool {
        self.found.is_none()
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, expected, command_offset, command_index, cut_at, .. } = self;
        match self.found {
            None => write!(f, "the file ends at byte {offset}")?,
            Some(byte) => write!(f, "'{}' at byte {offset}", byte.escape_ascii())?,
        }
        write!(
            f,
            ", in command {command_index} begun at byte {command_offset}: expected {expected}; valid up to byte {cut_at}"
        )
    }
}

/// What the state file proves of this very file. Made by the caller, who compares the state file's inode, birth time and
/// mark with the file's; one that does not match is no state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Bytes of the file before this offset were on stable storage. A lower bound, where a unit ends: what is no whole unit up to
    /// there is damaged.
    pub fsynced_offset_bytes: u64,
    /// Whether the server ended cleanly: everything was fsynced.
    pub clean_end: bool,
}

/// A whole command that the sink refused.
#[derive(Debug)]
pub(crate) struct RefusedCommand {
    pub name: CommandName,
    pub offset: u64,
    pub index: u64,
    pub refusal: Refusal,
    /// Where the unit it belongs to starts.
    pub unit_offset: u64,
    /// Whether the sink is as it was before the unit.
    pub nothing_applied: bool,
    /// Whether an argument holds a NUL byte, as a hole in the file would read.
    pub holds_nul: bool,
}

impl RefusedCommand {
    /// Its place as damage, if it is to be cut.
    pub(crate) fn damage(&self) -> Damage {
        Damage {
            offset: self.offset,
            found: Some(b'*'),
            expected: Expected::Applicable { refusal: self.refusal },
            command_offset: self.offset,
            command_index: self.index,
            cut_at: self.unit_offset,
            in_transaction: self.offset != self.unit_offset,
            argument: None,
        }
    }
}

/// What stands behind damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// No whole command.
    Nothing,
    /// A whole command, but only inside of the announced length of the broken argument.
    InsideArgument {
        /// Where the first one starts.
        command_offset: u64,
    },
    /// A whole command outside of it.
    Command {
        /// Where it starts.
        command_offset: u64,
    },
    /// The search took too long.
    Undecided,
}

/// What the proof alone says of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByProof {
    /// Nothing that was fsynced is lost by the cut.
    Torn,
    /// What was fsynced is damaged.
    Corrupt(Evidence),
    /// It depends on what follows.
    Look,
}

/// What damage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A torn tail: cut it.
    Torn,
    /// Corruption: refuse.
    Corrupt(Evidence),
    /// Either, and nothing says which: refuse unless told.
    Ambiguous {
        /// The whole command inside of the broken argument.
        command_offset: u64,
    },
}

/// What the state file alone says of `damage`; without one, what is before it.
pub(crate) fn by_proof(damage: &Damage, proven: Option<Proven>) -> ByProof {
    let Some(proven) = proven else {
        // Holes read as NUL, so a first byte that is neither NUL nor the start of anything was not left by a crash.
        let foreign = damage.offset == 0 && damage.found.is_some_and(|byte| byte != 0);
        return if foreign { ByProof::Corrupt(Evidence::NoCommandBefore) } else { ByProof::Look };
    };
    let fsynced_offset_bytes = proven.fsynced_offset_bytes;
    if fsynced_offset_bytes <= damage.cut_at {
        ByProof::Torn
    } else {
        // Also where a command starts among the proven bytes and fails behind them: a proven length is damaged.
        ByProof::Corrupt(Evidence::Fsynced { fsynced_offset_bytes })
    }
}

/// What `damage` is that the proof does not settle, from what follows it.
pub(crate) fn by_what_follows(follows: Follows) -> Verdict {
    match follows {
        Follows::Nothing => Verdict::Torn,
        Follows::InsideArgument { command_offset } => Verdict::Ambiguous { command_offset },
        Follows::Command { command_offset } => Verdict::Corrupt(Evidence::CommandFollows { command_offset }),
        Follows::Undecided => Verdict::Corrupt(Evidence::Undecided),
    }
}

/// Whether a refused command is damage that a power loss left, not a command of some other program: it must lie wholly behind
/// what is proven, where holes may be, and hold the NUL bytes that a hole reads as. A sink that already took a part of the
/// unit cannot go on in any case.
pub(crate) fn is_hole(refused: &RefusedCommand, proven: Option<Proven>) -> bool {
    let unproven = proven.is_some_and(|p| !p.clean_end && p.fsynced_offset_bytes <= refused.unit_offset);
    unproven && refused.holds_nul && refused.nothing_applied
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Damage at 150 in a command begun at 120, with a `MULTI` open since 100.
    const DAMAGE: Damage = Damage {
        offset: 150,
        found: Some(b'x'),
        expected: Expected::Argument,
        command_offset: 120,
        command_index: 7,
        cut_at: 100,
        in_transaction: true,
        argument: None,
    };

    fn proven(fsynced_offset_bytes: u64, clean_end: bool) -> Option<Proven> {
        Some(Proven { fsynced_offset_bytes, clean_end })
    }

    #[test]
    fn the_place_of_damage_against_the_fsynced_offset_decides() {
        let corrupt = |fsynced_offset_bytes| ByProof::Corrupt(Evidence::Fsynced { fsynced_offset_bytes });
        for (fsynced, clean_end, expected) in [
            (0, false, ByProof::Torn),
            (99, false, ByProof::Torn),
            (100, false, ByProof::Torn),
            (100, true, ByProof::Torn),
            (101, false, corrupt(101)),
            (150, false, corrupt(150)),
            (150, true, corrupt(150)),
            (151, false, corrupt(151)),
            (u64::MAX, false, corrupt(u64::MAX)),
        ] {
            assert_eq!(by_proof(&DAMAGE, proven(fsynced, clean_end)), expected, "{fsynced} {clean_end}");
        }
    }

    #[test]
    fn without_a_state_file_what_follows_decides_unless_the_file_is_no_log() {
        assert_eq!(by_proof(&DAMAGE, None), ByProof::Look);
        let first = |found| Damage { offset: 0, command_offset: 0, cut_at: 0, found, ..DAMAGE };
        assert_eq!(by_proof(&first(Some(b'h')), None), ByProof::Corrupt(Evidence::NoCommandBefore));
        assert_eq!(by_proof(&first(Some(0)), None), ByProof::Look);
        assert_eq!(by_proof(&first(None), None), ByProof::Look);
        assert_eq!(by_proof(&first(Some(b'h')), proven(0, false)), ByProof::Torn);
    }

    #[test]
    fn what_follows_is_torn_corrupt_or_ambiguous() {
        let command_offset = 9;
        for (follows, verdict) in [
            (Follows::Nothing, Verdict::Torn),
            (Follows::InsideArgument { command_offset }, Verdict::Ambiguous { command_offset }),
            (Follows::Command { command_offset }, Verdict::Corrupt(Evidence::CommandFollows { command_offset })),
            (Follows::Undecided, Verdict::Corrupt(Evidence::Undecided)),
        ] {
            assert_eq!(by_what_follows(follows), verdict);
        }
    }

    #[test]
    fn a_refused_command_is_a_hole_only_with_nul_bytes_behind_the_proven_part_and_before_any_change() {
        let refused = |nothing_applied, holds_nul| RefusedCommand {
            name: CommandName::new(b"SELECT"),
            offset: 100,
            index: 3,
            refusal: Refusal::CannotApply("database"),
            unit_offset: 100,
            nothing_applied,
            holds_nul,
        };
        assert!(is_hole(&refused(true, true), proven(100, false)));
        for (refused, proven) in [
            (refused(false, true), proven(100, false)),
            (refused(true, false), proven(100, false)),
            (refused(true, true), proven(101, false)),
            (refused(true, true), proven(100, true)),
            (refused(true, true), None),
        ] {
            assert!(!is_hole(&refused, proven), "{refused:?} {proven:?}");
        }
    }
}
