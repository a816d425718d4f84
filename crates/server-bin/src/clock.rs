//! The clocks: the only place of the server that reads them.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is the seam to the clocks")]

use std::time::{SystemTime, UNIX_EPOCH};

use engine::Now;
use nix::time::{ClockId, clock_gettime};

/// Monotonic time in nanoseconds since the machine started.
#[inline]
pub(crate) fn mono_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux always has this clock");
    let (s, ns) = (now.tv_sec().unsigned_abs(), now.tv_nsec().unsigned_abs());
    s * 1_000_000_000 + ns
}

/// The time now, for a loop turn.
pub(crate) fn now() -> Now {
    Now { mono_us: mono_ns() / 1_000, unix_us: unix_us() }
}

/// Wall time in microseconds since the epoch; negative before it.
pub(crate) fn unix_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    }
}
