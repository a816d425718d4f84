#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - `engine`: the engine and its turn; `env`: what it reaches the world through.
//! - `requests`: from the bytes of an event to requests run, and the bounds of what a client may hold.
//! - `client`: what is known of a client; its query buffer, and its output buffer with the boundaries of held replies.
//! - `dispatch`: from a request to a running command: the checks before it, in Redis's order.
//! - `call`: one command: keyspace, effects into the log, watchers, and what its reply depends on.
//! - `gate`: the last write of every key, by which replies wait.
//! - `transaction`: MULTI, EXEC and WATCH.
//! - `ops`: the commands that need more than the keyspace: CLIENT, CONFIG, HELLO, SHUTDOWN, ….
//! - `persistence`: start and recovery, the turn of the log, its rewrite and switches, shutdown, INFO persistence. The only
//!   place where `aof-buffer`, `aof-rewrite`, `aof-load` and `aof-state` meet.
//! - `config`: every directive, typed; redis.conf syntax.
//! - `pause`: CLIENT PAUSE: requests that wait for a time.
//! - `waiting`: WAIT and WAITAOF: clients that are answered when the log has come far enough.
//! - `cron`: what happens by the clock: expiry, idle clients, statistics.
//! - `info`, `stats`: what INFO says, and the counters behind it.
//! - `stopwatch`, `slowlog`, `latency`: how long commands take, and what is kept of those that take long.
//! - `clock`, `log`: time as an argument, and where log lines go.
//!
//! Invariant: nothing here opens a socket, reads a clock, starts a thread or makes a system call but through [`Env`].

pub mod client;
pub mod clock;
pub mod config;
pub mod engine;
pub mod log;

mod call;
mod cron;
mod dispatch;
mod env;
mod gate;
mod info;
mod latency;
mod limits;
mod ops;
mod pause;
mod persistence;
mod requests;
mod slowlog;
mod stats;
mod stopwatch;
mod transaction;
mod waiting;

pub use aof_state::BootId;
pub use client::{ClientId, Peer};
pub use clock::Now;
pub use commands::{Extension, ExtensionError, Extensions};
pub use config::Config;
pub use engine::Engine;
pub use env::{ConfigFile, CpuTime, Env, Exit, Memory, Process, TestHooks};
pub use log::{Level, Log, MemoryLog};
pub use ops::REDIS_VERSION;
pub use persistence::{LOCK_NAME, LogStatus, StartError};
