//! Which of a copy and a snapshot holds the later dataset: what snapshots say of it themselves, and what times say. Pure.

use std::ops::RangeInclusive;

use aof_state::{Identity, StateFile};

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
    /// The copy was the log of its server, and was on, or took the place of what is spoken of: it holds what the snapshot holds.
    Beside,
    /// Its server had gone on without the copy.
    After,
    /// Nothing.
    Nothing,
}

/// The field of a snapshot that says it, and how it begins. The identity of the log follows, and behind that of a copy its length: one
/// that somebody has gone on with, and turned off again, is another.
pub(super) const FIELD: &str = "ledgerstone-log";
pub(super) const BESIDE: &str = "beside ";
pub(super) const AFTER: &str = "after ";

/// A snapshot that stands beside a copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dump {
    pub(super) modified_ns: u64,
    pub(super) said: Said,
}

/// A snapshot, and what it says of whatever log.
pub(super) struct Head {
    pub(super) modified_ns: u64,
    pub(super) field: Option<String>,
}

impl Head {
    /// The same as it stands beside this copy.
    pub(super) fn beside(&self, copy: &CopyId) -> Dump {
        let said = self.field.as_deref().map_or(Said::Nothing, |field| said_of(field, copy));
        Dump { modified_ns: self.modified_ns, said }
    }
}

/// Chooses between a copy, made at some time of `copied_ns`, and what there is of a snapshot. Pure.
pub(super) fn choose(copied_ns: &RangeInclusive<u64>, dump: Option<Dump>, now_ns: u64) -> Dataset {
    let Some(Dump { modified_ns, said }) = dump else { return Dataset::Copy };
    match said {
        Said::Beside => Dataset::Copy,
        Said::After => Dataset::Dump,
        // The clock was set back.
        Said::Nothing if modified_ns.max(*copied_ns.end()) > now_ns => Dataset::Unknown,
        Said::Nothing if modified_ns > *copied_ns.end() => Dataset::Dump,
        Said::Nothing if modified_ns < *copied_ns.start() => Dataset::Copy,
        Said::Nothing => Dataset::Unknown,
    }
}

/// What the field says of a log.
fn said_of(field: &str, log: &CopyId) -> Said {
    let Identity { mark, .. } = log.identity;
    // A mark goes with the file where a directory is copied; the rest does not.
    let is_this = |said: &Identity| *said == log.identity || mark.is_some() && said.mark == mark;
    // Another one is an earlier file of the same log.
    let is_of_its_log = |said: &Identity| is_this(said) || mark.is_some() && said.line() == log.identity.line();
    if let Some(said) = field.strip_prefix(BESIDE).and_then(|said| said.parse().ok()) {
        return if is_of_its_log(&said) { Said::Beside } else { Said::Nothing };
    }
    let Some((said, len)) = field.strip_prefix(AFTER).and_then(|said| said.rsplit_once(' ')) else {
        return Said::Nothing;
    };
    match said.parse() {
        Ok(said) if is_this(&said) && len == log.len_bytes.to_string() => Said::After,
        // The log has been turned on again since, by another file.
        Ok(said) if is_of_its_log(&said) && !is_this(&said) => Said::Beside,
        _ => Said::Nothing,
    }
}

/// A copy. One that was gone on with is longer, and another.
#[derive(Clone, Copy, Debug)]
pub(super) struct CopyId {
    pub(super) identity: Identity,
    pub(super) len_bytes: u64,
}

impl CopyId {
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
        }
    }
}
