#![doc = include_str!("../README.md")]
//!
//! # Invariants
//!
//! A row of [`TABLE`] holds either a data handler, which this crate runs, or the name of an [`EngineOp`] that only an
//! engine with clients, files and a configuration can perform. After [`execute()`], the effects repeat on replay exactly
//! what the command did to the keyspace, and there is none if it changed nothing.

pub mod command;
pub mod ctx;
pub mod docs;
pub mod error;
pub mod execute;
pub mod extension;
pub mod glob;
pub mod info;
pub mod key_specs;
pub mod keylog;
pub mod parse;
pub mod scan;
pub mod store;
pub mod syntax;
pub mod table;
pub mod tips;

mod bitmaps;
mod elems;
mod engine_ops;
mod hashes;
mod keys;
mod lists;
mod server;
mod sets;
mod sort;
mod strings;
mod zsets;

#[cfg(test)]
mod harness;
#[cfg(test)]
mod replay_tests;

pub use command::{Command, EngineOp, Flags, Group, Handler, Keys, Row, Run};
pub use ctx::{CommandLimits, Ctx};
pub use error::CommandError;
pub use execute::execute;
pub use extension::{CommandTable, Extension, ExtensionError, Extensions};
pub use keylog::KeyLog;
pub use store::{Garbage, Store};
pub use table::{Refusal, TABLE, find, resolve};
