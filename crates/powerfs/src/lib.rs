#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - `operation`: [`Operation`], one line of a recording.
//! - `disk`, `content`, `names`: [`Disk`], what processes see and what is on the medium. Pure.
//! - `cut`: [`Disk::cut`], what a power loss leaves. Pure.
//! - `tree`: a disk from a directory and back.
//! - `recording`: [`Recording`], from which every moment of a run can be had again.
//! - `fault`: calls that fail, and a quota. Pure.
//! - `mount`, `fuse`: [`PowerFs`], the kernel's side.

mod content;
mod cut;
mod disk;
mod fault;
mod fuse;
mod mount;
mod names;
mod operation;
mod recording;
mod tree;

pub use cut::{Mode, NameRule};
pub use disk::{Disk, Status};
pub use fault::{Call, Fault};
pub use mount::{Handle, PowerFs};
pub use operation::{Inode, NewNode, Operation, ROOT};
pub use recording::{Record, Recording};
