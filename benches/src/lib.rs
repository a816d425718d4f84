//! What the measurements share: the server's allocator, and an engine in memory whose turns are driven by hand.
//!
//! `forgetful` is a disk that costs nothing once a measurement begins; `rig` an engine over it; `workload` the requests it
//! is given; `wire` single requests for the layers below. The measurements themselves are in `benches/` (criterion) and
//! `src/bin/`. docs/benchmarks.md says how they are run and read.

pub mod forgetful;
pub mod rig;
pub mod wire;
pub mod workload;

/// The server's allocator: memory costs here what it costs there.
#[global_allocator]
static ALLOCATOR: allocator::Jemalloc = allocator::Jemalloc;

/// The seed of everything random in a measurement: two runs do the same work.
pub const SEED: u64 = 0x5eed;
