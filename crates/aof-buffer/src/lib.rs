#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! `plan` decides (pure), `writer` and `files` perform, `buffer` and `turn` join them; `feed` turns effects into bytes,
//! `pending` keeps the unwritten ones, `diff` is the rewrite buffer. `health`, `notice` and `timed` are what the outside is told.

mod buffer;
mod diff;
mod feed;
mod files;
mod health;
mod notice;
mod pending;
mod plan;
mod switch;
mod timed;
mod turn;
mod writer;

#[cfg(test)]
mod tests;

pub use buffer::{AofBuffer, Options, Stats};
pub use diff::BLOCK_BYTES;
pub use health::{AofError, FailedFlush, Failure, Health};
pub use notice::{Level, Notice};
pub use plan::{AppendFsync, DELAYED_AFTER_MS, FSYNC_EVERY_MS, RETRY_EVERY_MS, UnknownPolicy};
pub use timed::Timed;
pub use turn::Turn;
