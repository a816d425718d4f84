#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`commands()`]: every command of a log, for whoever looks at one. `rebuild`: a key of a snapshot as commands.
//! - `scan`: one command or annotation in bytes that arrive piece by piece. `assemble`: commands to units. Neither does I/O.
//! - `manifest`: [`Manifest`], which files a log in several files has. No I/O either.
//! - `unit`: [`Batch`], [`Unit`], [`Command`].
//! - `source`: [`Reader`], in a thread (over `queue`) or inline.
//! - `sink`: where units go. `replay`: applies them.
//! - `damage`: torn or corrupt, as pure functions. `follow`: what stands behind damage.
//! - [`check`]: a log looked at without loading it, over any damage.
//! - `cut`, `prove`: what is done to the disk, over `copy`.
//! - `snapshot`: what stands before the commands in RDB format.
//! - `recovery`: the driver. `import`: the one of files that stay as they are. `file`: what both read.
//! - `outcome`, `notice`, `error`: what goes in and out.

mod assemble;
pub mod check;
mod commands;
mod copy;
mod cut;
mod damage;
mod error;
mod file;
mod follow;
mod import;
mod manifest;
mod notice;
mod outcome;
mod prove;
mod queue;
mod rebuild;
mod recovery;
mod replay;
mod scan;
mod sink;
mod snapshot;
mod source;
mod unit;
mod window;

pub use commands::{Commands, LoggedCommand, commands, commands_of};
pub use damage::{Damage, Expected, Proven};
pub use error::{CommandName, Evidence, LoadError, Operation};
pub use import::{Import, Imported, LeftOut, Sources};
pub use manifest::{MAX_MANIFEST_BYTES, Manifest, ManifestError, ManifestFlaw, Part};
pub use notice::{FileRole, Level, Notice};
pub use outcome::{AmbiguousTail, LoadOptions, Phase, Progress, Proof, Recovered, SourceKind, TornTail};
pub use recovery::Recovery;
pub use sink::{Refusal, Sink};
pub use snapshot::dump_field;
pub use source::{ReadError, Reader};
pub use unit::{Batch, Command, Unit};

/// The configuration option behind [`LoadOptions::ambiguous_tail`]: `refuse` or `cut`.
pub const OPTION_AMBIGUOUS_TAIL: &str = "aof-load-ambiguous-tail";

/// The configuration option behind [`LoadOptions::without_side_file`]: `no` or `yes`.
pub const OPTION_WITHOUT_SIDE_FILE: &str = "aof-load-without-side-file";
