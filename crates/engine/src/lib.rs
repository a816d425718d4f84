//! Skeleton docs to come from README.
pub mod client;
pub mod clock;
pub mod config;
pub mod engine;
pub mod log;

mod call;
mod cron;
mod dispatch;
mod gate;
mod info;
mod ops;
mod persistence;
mod stats;
mod transaction;

pub use aof_state::BootId;
pub use client::{ClientId, Peer};
pub use clock::Now;
pub use config::Config;
pub use engine::{CpuTime, Engine, Env, Exit, Memory, Process, TestHooks};
pub use log::{Level, Log, MemoryLog};
pub use ops::REDIS_VERSION;
pub use persistence::{LOCK_NAME, StartError};
