//! The two clocks of the server, read once a loop turn by whoever owns them and passed in.
//!
//! Wall time sets deadlines of keys; monotonic time sets every waiting period. Neither is ever read in this crate.

use keyspace::UnixMs;

/// The time of one loop turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Microseconds of a clock that never goes back, from an arbitrary start.
    pub mono_us: u64,
    /// Microseconds since the Unix epoch; may jump.
    pub unix_us: i64,
}

impl Now {
    /// Monotonic time in milliseconds.
    pub fn mono_ms(self) -> u64 {
        self.mono_us / 1_000
    }

    /// Wall time in milliseconds, as deadlines are kept.
    pub fn unix(self) -> UnixMs {
        UnixMs(self.unix_us.div_euclid(1_000))
    }

    /// Wall time in seconds.
    pub fn unix_s(self) -> i64 {
        self.unix_us.div_euclid(1_000_000)
    }
}
