//! Tests of snapshots: in simulation at every call, and as a real process.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod crashes;
mod faults;
mod process;
mod supervised;
mod world;
