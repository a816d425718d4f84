#![doc = include_str!("../README.md")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "drives real processes, files and clocks: that is its purpose"
)]

pub mod binary;
pub mod client;
pub mod dataset;
pub mod history;
pub mod info;
pub mod load_log;
pub mod mixed;
pub mod ports;
pub mod server;
pub mod steady;
pub mod workload;

pub use client::{Client, Pipeline};
pub use dataset::{Dataset, compare, dump_dataset};
pub use info::{Info, wait_rewritten};
pub use resp_codec::Value;
pub use server::{ServerBuilder, ServerProcess};
