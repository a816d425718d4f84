//! When the state file is written: pure, from the fsynced offset and the time.

use crate::{BootId, Durability, Identity, StateFile};

/// Least time between two refreshes, in milliseconds. Source: aof-spec, state file ("at most once a second").
const REFRESH_EVERY_MS: u64 = 1_000;

/// Decides when the state file of one log file is refreshed, and with what. A switch of file makes a new one.
#[derive(Clone, Debug)]
pub struct StateKeeper {
    identity: Identity,
    boot_id: BootId,
    /// The offset in the state file, as far as is known; `None` until one was written for this file.
    stated_offset_bytes: Option<u64>,
    tried_at_mono_ms: Option<u64>,
}

impl StateKeeper {
    /// Makes a keeper for a file that has no state file yet, or one of an earlier run: the first
    /// [`refresh`](Self::refresh) is due at once, and takes back an earlier clean end.
    #[must_use]
    pub fn new(identity: Identity, boot_id: BootId) -> Self {
        Self { identity, boot_id, stated_offset_bytes: None, tried_at_mono_ms: None }
    }

    /// The state to write now, if one is due, and how: the offset has advanced and the last attempt is a second ago. The
    /// attempt counts as made. The first of a file is to be durable under its name; later ones replace one that is.
    /// `fsynced_offset_bytes` is an offset in the file, up to which an fsync has *succeeded*, and where a unit ends.
    #[must_use]
    pub fn refresh(&mut self, fsynced_offset_bytes: u64, mono_ms: u64) -> Option<(StateFile, Durability)> {
        if self.due_in_ms(fsynced_offset_bytes, mono_ms)? > 0 {
            return None;
        }
        let durability = if self.stated_offset_bytes.is_none() { Durability::Durable } else { Durability::Named };
        self.tried_at_mono_ms = Some(mono_ms);
        self.stated_offset_bytes = Some(fsynced_offset_bytes);
        Some((self.state(fsynced_offset_bytes, false), durability))
    }

    /// In how many milliseconds [`refresh`](Self::refresh) will give a state; `None` if the offset has not advanced.
    #[must_use]
    pub fn due_in_ms(&self, fsynced_offset_bytes: u64, mono_ms: u64) -> Option<u64> {
        if self.stated_offset_bytes.is_some_and(|stated| stated >= fsynced_offset_bytes) {
            return None;
        }
        let due_at = self.tried_at_mono_ms.map_or(0, |tried| tried.saturating_add(REFRESH_EVERY_MS));
        Some(due_at.saturating_sub(mono_ms))
    }

    /// Takes note that the last state given out could not be written: the next one is due a second after it, whether the
    /// offset advances or not. A missed refresh costs proof at the next start, no data.
    pub fn refresh_failed(&mut self) {
        self.stated_offset_bytes = None;
    }

    /// The state of an orderly end, to be written durably after the last fsync of a file that is exactly
    /// `file_len_bytes` long.
    #[must_use]
    pub fn clean_end(&self, file_len_bytes: u64) -> StateFile {
        self.state(file_len_bytes, true)
    }

    /// The state of now, for when another file is to take the name.
    #[must_use]
    pub fn present(&self, fsynced_offset_bytes: u64) -> StateFile {
        self.state(fsynced_offset_bytes, false)
    }

    /// The file it keeps the state of.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    fn state(&self, fsynced_offset_bytes: u64, clean_end: bool) -> StateFile {
        let Self { identity, boot_id, .. } = *self;
        StateFile { identity, boot_id, fsynced_offset_bytes, clean_end, announced: false, copy: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper() -> StateKeeper {
        StateKeeper::new(Identity { inode: 1, birth_ns: Some(2), mark: None }, BootId([3; 16]))
    }

    fn offset(refresh: Option<(StateFile, Durability)>) -> Option<u64> {
        refresh.map(|(state, _)| state.fsynced_offset_bytes)
    }

    #[test]
    fn the_first_refresh_is_due_at_once_and_states_no_clean_end() {
        let (state, durability) = keeper().refresh(0, 5).unwrap();
        assert_eq!(durability, Durability::Durable);
        assert_eq!((state.fsynced_offset_bytes, state.clean_end), (0, false));
    }

    #[test]
    fn refreshes_are_a_second_apart_however_fast_the_offset_grows() {
        let mut keeper = keeper();
        assert_eq!(offset(keeper.refresh(10, 5_000)), Some(10));
        assert_eq!(keeper.due_in_ms(11, 5_001), Some(999));
        assert_eq!(offset(keeper.refresh(11, 5_999)), None);
        let (state, durability) = keeper.refresh(12, 6_000).unwrap();
        assert_eq!((state.fsynced_offset_bytes, durability), (12, Durability::Named));
    }

    #[test]
    fn an_offset_that_stands_still_is_not_written_again() {
        let mut keeper = keeper();
        assert_eq!(offset(keeper.refresh(10, 0)), Some(10));
        assert_eq!(keeper.due_in_ms(10, 60_000), None);
        assert_eq!(offset(keeper.refresh(10, 60_000)), None);
    }

    #[test]
    fn a_failed_refresh_is_tried_again_a_second_later() {
        let mut keeper = keeper();
        assert_eq!(offset(keeper.refresh(10, 0)), Some(10));
        keeper.refresh_failed();
        assert_eq!(offset(keeper.refresh(10, 999)), None);
        assert_eq!(offset(keeper.refresh(10, 1_000)), Some(10));
    }

    #[test]
    fn a_clean_end_states_the_whole_file() {
        let state = keeper().clean_end(77);
        assert!(state.clean_end);
        assert_eq!(state.fsynced_offset_bytes, 77);
    }
}
