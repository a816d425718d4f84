//! Decides whether a child has stopped making progress.
//!
//! Progress is a byte read or written, as the child's own reports say. A child in an fsync is not slow, its disk is: that
//! time does not count. Pure; whoever owns the child kills it.

use crate::Info;

/// How long a child may do nothing, in milliseconds, before it is killed.
pub const STALLED_AFTER_MS: u64 = 60_000;

/// Watches the reports of one child.
#[derive(Clone, Copy, Debug)]
pub struct Watchdog {
    progress: (u64, u64, u16),
    last_progress_ms: u64,
    in_fsync_since_ms: Option<u64>,
}

impl Watchdog {
    /// Starts to watch a child that was started at `mono_ms`.
    pub fn new(mono_ms: u64) -> Self {
        Self { progress: (0, 0, 0), last_progress_ms: mono_ms, in_fsync_since_ms: None }
    }

    /// Takes note of a report read at `mono_ms`.
    pub fn observe(&mut self, info: &Info, mono_ms: u64) {
        if let Some(since_ms) = self.in_fsync_since_ms.take() {
            self.last_progress_ms += mono_ms.saturating_sub(since_ms);
        }
        let progress = (info.written_bytes, info.read_bytes, info.phase);
        if progress != self.progress {
            self.progress = progress;
            self.last_progress_ms = mono_ms;
        }
        if info.in_fsync {
            self.in_fsync_since_ms = Some(mono_ms);
        }
    }

    /// How long the child has done nothing, in milliseconds, time inside fsync excluded.
    pub fn stalled_ms(&self, mono_ms: u64) -> u64 {
        self.in_fsync_since_ms.unwrap_or(mono_ms).saturating_sub(self.last_progress_ms)
    }

    /// Whether the child is to be killed.
    pub fn expired(&self, mono_ms: u64) -> bool {
        self.stalled_ms(mono_ms) >= STALLED_AFTER_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(written_bytes: u64, in_fsync: bool) -> Info {
        Info { written_bytes, in_fsync, ..Info::default() }
    }

    #[test]
    fn a_silent_child_expires_after_a_minute() {
        let dog = Watchdog::new(1_000);
        assert!(!dog.expired(60_999));
        assert!(dog.expired(61_000));
    }

    #[test]
    fn a_report_without_progress_is_no_progress() {
        let mut dog = Watchdog::new(0);
        dog.observe(&info(10, false), 5_000);
        dog.observe(&info(10, false), 50_000);
        assert!(dog.expired(65_000));
    }

    #[test]
    fn time_inside_fsync_does_not_count_but_the_time_before_it_does() {
        let mut dog = Watchdog::new(0);
        dog.observe(&info(10, false), 0);
        dog.observe(&info(10, true), 40_000);
        assert_eq!(dog.stalled_ms(1_000_000), 40_000);
        dog.observe(&info(10, false), 1_000_000);
        assert_eq!(dog.stalled_ms(1_019_999), 59_999);
        assert!(dog.expired(1_020_000));
    }
}
