//! Whether the loop may fsync by itself under `always`: for one client that is alone, a background thread only costs the
//! time of waking it and of being woken.
//!
//! A client counts as alone when no other has sent anything for a while. An fsync in the loop that took long keeps the next ones
//! in the background for a thousand times as long: of a slow disk everybody who comes sees at most one, now and then.

/// How long no other client has sent anything, in microseconds.
const ALONE_AFTER_US: u64 = 100_000;
/// An fsync that takes less never blocks anybody noticeably, in nanoseconds.
const QUICK_NS: u64 = 1_000_000;
/// The loop spends no more than one in so many parts of its time in slow fsyncs.
const REST: u64 = 1_000;

/// Who has been sending, and how the disk has been.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LoneWriter {
    /// Its number; none is 0.
    client: u64,
    since_us: u64,
    /// Not before this time, monotonic.
    not_before_us: u64,
}

impl LoneWriter {
    /// The client of this number has sent something.
    #[inline]
    pub(crate) fn seen(&mut self, client: u64, mono_us: u64) {
        if self.client != client {
            (self.client, self.since_us) = (client, mono_us);
        }
    }

    /// Whether an fsync may be made in the loop now.
    pub(super) fn may_fsync(self, mono_us: u64) -> bool {
        mono_us >= self.not_before_us && mono_us.saturating_sub(self.since_us) >= ALONE_AFTER_US
    }

    /// One was made, and took so long.
    pub(super) fn took(&mut self, ns: u64, mono_us: u64) {
        if ns >= QUICK_NS {
            self.not_before_us = mono_us.saturating_add((ns / 1_000).saturating_mul(REST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_alone_once_no_other_has_sent_anything_for_a_while() {
        let mut lone = LoneWriter::default();
        lone.seen(1, 1_000_000);
        assert!(!lone.may_fsync(1_099_999));
        lone.seen(1, 1_099_999);
        assert!(lone.may_fsync(1_100_000));
        lone.seen(2, 1_100_001);
        assert!(!lone.may_fsync(1_100_001));
        lone.seen(1, 1_100_002);
        assert!(!lone.may_fsync(1_200_001) && lone.may_fsync(1_200_002));
    }

    #[test]
    fn a_slow_disk_is_left_to_the_background() {
        let mut lone = LoneWriter::default();
        lone.took(999_999, 5_000_000);
        assert!(lone.may_fsync(5_000_000));
        lone.took(3_000_000, 5_000_000);
        assert!(!lone.may_fsync(5_000_000 + 2_999_999) && lone.may_fsync(5_000_000 + 3_000_000));
    }
}
