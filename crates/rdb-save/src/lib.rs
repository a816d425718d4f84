#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - `points`: when a snapshot is due. Pure.
//! - `task`: what writes one, as a step machine over clock, pipes and file.
//! - `saver`: the parent's side: start, supervision, end; and the same task in the caller's own process.
//! - `env`: what it is given and what it answers; `notice`: what operators read.

mod env;
mod notice;
mod points;
mod saver;
mod task;

pub use child_file::{Level, Role};
pub use env::{ForkSource, Outcome, SaveConfig, SaveEnv, SaveError, StartError, Status};
pub use notice::Notice;
pub use points::{RETRY_AFTER_MS, Recent, SavePoint, due};
pub use rdb::SnapshotSettings;
pub use saver::Saver;
pub use task::{SaveFiles, SaveTask};
