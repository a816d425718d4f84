//! The engine as its owner drives it: bytes in, turns, bytes out, over a simulated disk whose every job runs when told to.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod beside;
mod copies;
mod custom;
mod debug;
mod durations;
mod ending;
mod failures;
mod finished;
mod frozen;
mod gate;
mod healing;
mod importing;
mod info;
mod limits;
mod loading;
mod lost_log;
mod pause;
mod persistence;
mod preamble;
mod reconfigured;
mod server;
mod settings;
mod snapshots;
mod support;
mod switches;
mod transactions;
mod turned_off;
mod uses;
mod waiting;
