//! The clocks: the only place of the server that reads them.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is the seam to the clocks")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::Now;

/// Reads both clocks.
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The time now. The monotonic part starts at one second, so that 0 can mean "never".
    pub(crate) fn now(&self) -> Now {
        let mono = self.start.elapsed() + Duration::from_secs(1);
        Now { mono_us: u64::try_from(mono.as_micros()).unwrap_or(u64::MAX), unix_us: unix_us() }
    }
}

/// Wall time in microseconds since the epoch; negative before it.
pub(crate) fn unix_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    }
}
