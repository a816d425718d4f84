//! Wall-clock instants and what a write does to a key's deadline.

/// A wall-clock instant, in milliseconds since the Unix epoch; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

/// What a write does to the deadline of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Leaves the deadline as it is (`KEEPTTL`); a new key gets none.
    Keep,
    /// Removes the deadline: the key does not expire.
    Clear,
    /// Sets the deadline.
    At(UnixMs),
}

/// When a key was last used: seconds since the epoch, modulo 2^24, which is 194 days.
///
/// Source: the LRU clock of Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LruClock(u32);

impl LruClock {
    const BITS: u32 = 24;

    /// The clock at a number of seconds.
    pub fn new(seconds: u32) -> Self {
        Self(seconds & ((1 << Self::BITS) - 1))
    }

    /// Seconds from `self` to `now`; a time longer than 194 days shows as what is left of it.
    pub fn idle_s(self, now: Self) -> u32 {
        Self::new(now.0.wrapping_sub(self.0)).0
    }

    /// The clock's reading, below 2^24.
    pub fn reading(self) -> u32 {
        self.0
    }

    pub(crate) fn to_bytes(self) -> [u8; 3] {
        let [a, b, c, _] = self.0.to_le_bytes();
        [a, b, c]
    }

    pub(crate) fn from_bytes([a, b, c]: [u8; 3]) -> Self {
        Self(u32::from_le_bytes([a, b, c, 0]))
    }
}

impl From<UnixMs> for LruClock {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "24 bits are kept")]
    fn from(now: UnixMs) -> Self {
        Self::new((now.0.div_euclid(1_000)) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_right_across_the_clocks_end() {
        let end = LruClock::new(u32::MAX);
        assert_eq!(end.reading(), (1 << 24) - 1);
        assert_eq!(end.idle_s(LruClock::new(4)), 5);
        assert_eq!(LruClock::from(UnixMs(12_999)).idle_s(LruClock::from(UnixMs(15_000))), 3);
        assert_eq!(LruClock::from_bytes(end.to_bytes()), end);
    }
}
