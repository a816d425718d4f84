//! What the measurements share: the server's allocator, and an engine in memory whose turns are driven by hand.
//!
//! `forgetful` is a disk that costs nothing once a measurement begins; `rig` an engine over it; `workload` the requests it
//! is given; `wire` single requests for the layers below. The measurements themselves are in `benches/` (criterion) and
//! `src/bin/`. docs/benchmarks.md says how they are run and read.

use nix::time::ClockId;

pub mod forgetful;
pub mod rig;
pub mod wire;
pub mod workload;

/// The server's allocator: memory costs here what it costs there.
#[global_allocator]
static ALLOCATOR: allocator::Jemalloc = allocator::Jemalloc;

/// A clock of this machine, or of this thread's processor time, in nanoseconds.
///
/// # Panics
/// If the kernel has no such clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
pub fn ns(clock: ClockId) -> u64 {
    let now = clock.now().expect("Linux has this clock");
    u64::try_from(now.tv_sec()).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0)
}

/// The seed of everything random in a measurement: two runs do the same work.
pub const SEED: u64 = 0x5eed;
