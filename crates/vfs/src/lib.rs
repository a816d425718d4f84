#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - `traits`: [`File`], [`Dir`] and what goes with them; the crash contract.
//! - `real`: [`RealDir`], over descriptors and nothing else.
//! - [`sim`]: [`SimDisk`](sim::SimDisk), page cache and durable image in memory, faults, crashes.
//! - `durable`: [`durable_rename`], [`durable_rename_new`].
//! - `errors`: [`strerror`] and [`error_chain`], the words for an error of the system.
//! - `interrupted`: [`uninterrupted`].
//! - `hooks` (feature `test-hooks`): a wrapper that makes fsync and the switch of files slow, and counts calls.

mod durable;
mod errors;
#[cfg(feature = "test-hooks")]
mod hooks;
mod interrupted;
mod name;
mod real;
pub mod sim;
mod traits;

pub use durable::{DurableRenameError, durable_rename, durable_rename_new};
pub use errors::{error_chain, is_of_symlink, root_cause, strerror};
#[cfg(feature = "test-hooks")]
pub use hooks::{
    AT_CALLS_VARIABLE, CALLS_VARIABLE, Call, Calls, Delays, FSYNC_DELAY_VARIABLE, HookedDir, Object, Role,
    SWITCH_DELAY_VARIABLE,
};
pub use interrupted::uninterrupted;
pub use real::RealDir;
pub use traits::{Dir, DirLock, File, FileKind, LockOutcome, Metadata, Open};
