//! The rewrite as its owner meets it: a whole one in simulation, under faults and power cuts, and one in a real process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "helpers of tests stand outside of #[test] functions here"
)]

mod child_task;
mod crashes;
mod emitter;
mod fake_log;
mod faults;
mod modes;
mod notices;
mod preamble;
mod process;
mod replay;
mod reports;
mod timing;
mod whole;
mod world;
