//! Which of a copy and a snapshot holds the later dataset: what snapshots say of it themselves, and what times say. Pure.

use std::fmt;
use std::ops::RangeInclusive;

use aof_state::{Identity, Line, StateFile};

/// What there is to start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dataset {
    /// The snapshot, if there is one.
    Dump,
    /// The copy.
    Copy,
    /// That is for the operator to say.
    Unknown,
}

/// What a snapshot says of the copy beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The copy was the log of its server, and was on: it holds what the snapshot holds.
    Beside,
    /// Its server had gone on without the copy.
    After,
    /// It speaks of another file of the same log. That is the one whose place the copy took, so that the copy holds what the snapshot holds;
    /// unless somebody has copied the log, and two servers have gone on with it.
    SameLog,
    /// Nothing.
    Nothing,
}

/// The field of a snapshot that says which log there was when its dataset was taken.
pub(super) const FIELD: &str = "ledgerstone-log";

/// What that field says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Saved {
    /// This one was on.
    Beside(Identity),
    /// The dataset had gone on without any of these.
    After(Vec<CopyId>),
}

impl Saved {
    pub(super) fn parse(field: &str) -> Option<Self> {
        if let Some(identity) = field.strip_prefix("beside ") {
            return Some(Self::Beside(identity.parse().ok()?));
        }
        let words: Vec<&str> = field.strip_prefix("after ")?.split(' ').collect();
        let (copies, []) = words.as_chunks() else { return None };
        copies.iter().map(CopyId::parse).collect::<Option<_>>().map(Self::After)
    }

    /// The files it speaks of.
    fn identities(&self) -> impl Iterator<Item = Identity> {
        let beside = match self {
            Self::Beside(identity) => Some(*identity),
            Self::After(_) => None,
        };
        beside.into_iter().chain(self.ended().iter().map(|copy| copy.identity))
    }

    /// Which log it speaks of: that of the last file.
    pub(super) fn line(&self) -> Option<Line> {
        self.identities().filter_map(|identity| identity.line()).last()
    }

    /// The copies that the dataset had gone on without.
    pub(super) fn ended(&self) -> &[CopyId] {
        match self {
            Self::Beside(_) => &[],
            Self::After(copies) => copies,
        }
    }

    /// What it says of this copy.
    fn of(&self, copy: &CopyId) -> Said {
        let known = copy.identity;
        let is_this = |said: Identity| is_same_file(said, known);
        let is_copy = |ended: &CopyId| is_this(ended.identity) && ended.len_bytes == copy.len_bytes;
        match self {
            Self::Beside(identity) if is_this(*identity) => Said::Beside,
            Self::After(copies) if copies.iter().any(is_copy) => Said::After,
            // Somebody has gone on with the file, from before that.
            Self::After(_) if self.identities().any(is_this) => Said::Nothing,
            _ if known.line().is_some() && self.identities().any(|said| said.line() == known.line()) => Said::SameLog,
            _ => Said::Nothing,
        }
    }
}

/// Whether a file that was `said` to be this is the one `known`.
fn is_same_file(said: Identity, known: Identity) -> bool {
    // A mark goes with the file where a directory is copied; the rest does not.
    if said.mark.is_some() && known.mark.is_some() {
        return said.mark == known.mark;
    }
    // A power cut may have taken it.
    said.is_inode_of(known)
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beside(identity) => write!(f, "beside {identity}"),
            Self::After(copies) => {
                f.write_str("after")?;
                copies.iter().try_for_each(|CopyId { identity, len_bytes }| write!(f, " {identity} {len_bytes}"))
            }
        }
    }
}

/// A snapshot that stands beside a copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dump {
    pub(super) modified_ns: u64,
    pub(super) said: Said,
}

/// A snapshot, and what it says.
pub(super) struct Head {
    pub(super) modified_ns: u64,
    pub(super) saved: Option<Saved>,
}

impl Head {
    /// The same as it stands beside this copy.
    pub(super) fn beside(&self, copy: &CopyId) -> Dump {
        Dump { modified_ns: self.modified_ns, said: self.saved.as_ref().map_or(Said::Nothing, |saved| saved.of(copy)) }
    }
}

/// Chooses between a copy, made at some time of `copied_ns`, and what there is of a snapshot. Pure.
pub(super) fn choose(copied_ns: &RangeInclusive<u64>, dump: Option<Dump>, now_ns: u64) -> Dataset {
    let Some(Dump { modified_ns, said }) = dump else { return Dataset::Copy };
    match said {
        Said::Beside => Dataset::Copy,
        Said::After => Dataset::Dump,
        // One that was saved later would speak of the copy.
        Said::SameLog if modified_ns <= *copied_ns.end() => Dataset::Copy,
        // It contradicts the times: the clock was set, or there are two servers.
        Said::SameLog => Dataset::Unknown,
        // The clock was set back.
        Said::Nothing if modified_ns.max(*copied_ns.end()) > now_ns => Dataset::Unknown,
        Said::Nothing if modified_ns > *copied_ns.end() => Dataset::Dump,
        Said::Nothing if modified_ns < *copied_ns.start() => Dataset::Copy,
        Said::Nothing => Dataset::Unknown,
    }
}

/// A copy. One that was gone on with is longer, and another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CopyId {
    pub(super) identity: Identity,
    pub(super) len_bytes: u64,
}

impl CopyId {
    /// The words of a field.
    fn parse([identity, len_bytes]: &[&str; 2]) -> Option<Self> {
        Some(Self { identity: identity.parse().ok()?, len_bytes: len_bytes.parse().ok()? })
    }

    pub(super) fn of(state: &StateFile) -> Self {
        Self { identity: state.identity, len_bytes: state.fsynced_offset_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_of_copy_and_snapshot_is_the_dataset_unless_the_clock_was_set_back() {
        for (copied, dumped, expected) in [
            (5..=5, None, Dataset::Copy),
            (5..=5, Some(4), Dataset::Copy),
            (5..=5, Some(5), Dataset::Unknown),
            (5..=5, Some(6), Dataset::Dump),
            (3..=6, Some(2), Dataset::Copy),
            (3..=6, Some(3), Dataset::Unknown),
            (3..=6, Some(5), Dataset::Unknown),
            (3..=6, Some(6), Dataset::Unknown),
            (3..=6, Some(7), Dataset::Dump),
            (11..=11, Some(6), Dataset::Unknown),
            (3..=11, Some(2), Dataset::Unknown),
            (11..=11, None, Dataset::Copy),
            (5..=5, Some(11), Dataset::Unknown),
        ] {
            let dump = |said| dumped.map(|modified_ns| Dump { modified_ns, said });
            assert_eq!(choose(&copied, dump(Said::Nothing), 10), expected, "{copied:?} {dumped:?}");
            // What it says itself goes before all times.
            let by_word = |word: Dataset| if dumped.is_some() { word } else { Dataset::Copy };
            assert_eq!(choose(&copied, dump(Said::After), 10), by_word(Dataset::Dump), "{copied:?} {dumped:?}");
            assert_eq!(choose(&copied, dump(Said::Beside), 10), by_word(Dataset::Copy), "{copied:?} {dumped:?}");
            // Where that is not certain, both must say the same.
            let by_both =
                if dumped.is_none_or(|dumped| dumped <= *copied.end()) { Dataset::Copy } else { Dataset::Unknown };
            assert_eq!(choose(&copied, dump(Said::SameLog), 10), by_both, "{copied:?} {dumped:?}");
        }
    }

    #[test]
    fn a_snapshot_speaks_of_one_file_and_of_no_other_by_its_number_alone() {
        let id = |inode, birth_ns, mark: Option<&[u8; 16]>| Identity { inode, birth_ns, mark: mark.copied() };
        let (first, second, other) = (b"the line, first.", b"the line, second", b"another one, one");
        let here = id(7, Some(3), Some(first));
        for (spoken_of, is_same, same_len, other_len) in [
            (here, Said::Beside, Said::After, Said::Nothing),
            // It was copied with its attributes.
            (id(8, Some(4), Some(first)), Said::Beside, Said::After, Said::Nothing),
            (id(8, Some(4), Some(second)), Said::SameLog, Said::SameLog, Said::SameLog),
            (id(7, Some(3), Some(second)), Said::SameLog, Said::SameLog, Said::SameLog),
            (id(7, Some(3), Some(other)), Said::Nothing, Said::Nothing, Said::Nothing),
            (id(7, Some(3), None), Said::Beside, Said::After, Said::Nothing),
            (id(7, Some(4), None), Said::Nothing, Said::Nothing, Said::Nothing),
            (id(8, Some(3), None), Said::Nothing, Said::Nothing, Said::Nothing),
        ] {
            let copy = CopyId { identity: here, len_bytes: 5 };
            let after = |len_bytes| Saved::After(vec![CopyId { identity: spoken_of, len_bytes }]);
            for (saved, said) in [(Saved::Beside(spoken_of), is_same), (after(5), same_len), (after(6), other_len)] {
                assert_eq!(saved.of(&copy), said, "{saved}");
                assert_eq!(Saved::parse(&saved.to_string()), Some(saved));
            }
        }
        // The mark was lost since.
        let copy = CopyId { identity: id(7, Some(3), None), len_bytes: 5 };
        assert_eq!(Saved::Beside(here).of(&copy), Said::Beside);
        for (birth_ns, beside, after) in [(Some(3), Said::Beside, Said::After), (None, Said::Nothing, Said::Nothing)] {
            let copy = CopyId { identity: id(7, birth_ns, None), len_bytes: 5 };
            assert_eq!((Saved::Beside(copy.identity).of(&copy), Saved::After(vec![copy]).of(&copy)), (beside, after));
        }
        // A power cut may have left either of two.
        let [before, last] = [(first, 5), (second, 6)]
            .map(|(mark, len_bytes)| CopyId { identity: id(7, Some(3), Some(mark)), len_bytes });
        let either = Saved::After(vec![before, last]);
        assert_eq!(Saved::parse(&either.to_string()).as_ref(), Some(&either));
        let crossed = CopyId { len_bytes: 6, ..before };
        assert_eq!([before, last, crossed].map(|copy| either.of(&copy)), [Said::After, Said::After, Said::Nothing]);
        for field in [
            "",
            "beside",
            "beside ",
            "after 7-- ",
            "after 7--",
            "after 7-- x",
            "after 7-- 5 ",
            "after 7-- 5 8--",
            "beyond 7--",
            "beside 7-- 5",
        ] {
            assert_eq!(Saved::parse(field), None, "{field:?}");
        }
    }
}
