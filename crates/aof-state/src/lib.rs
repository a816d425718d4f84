#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - `offset`: [`LogOffset`], [`Marks`].
//! - `state`: [`StateFile`] and its bytes.
//! - `store`: reading it, matching it with the log, writing it.
//! - `keeper`: [`StateKeeper`], when to write it. Pure.
//! - `identity`: which file a state file speaks of.
//! - `boot`: [`BootId`].
//! - `probe`: whether the disk takes an fsync.
//! - `temp`: the temporary names used beside the log, and their removal at start.

mod boot;
mod identity;
mod keeper;
mod offset;
mod probe;
mod state;
mod store;
mod temp;

pub use boot::{BadBootId, BootId};
pub use identity::{BadIdentity, Identity, Line};
pub use keeper::StateKeeper;
pub use offset::{LogOffset, Marks};
pub use probe::probe_disk;
pub use state::{DecodeError, MOST_RECORDS, STATE_FILE_BYTES, StateFile};
pub use store::{Durability, Finished, NoState, Unread, WriteError, aside_name, set_aside_at, state_name};
pub use temp::{CleanError, Cleaned, LOCK_NAME, TempFile, clean_temp_files, is_temp_name};
