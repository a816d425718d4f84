//! Recovery of an append-only file: replay, torn tails, side files, proof of the tail.

mod assemble;
mod copy;
mod cut;
mod damage;
mod error;
mod follow;
mod notice;
mod outcome;
mod prove;
mod queue;
mod recovery;
mod replay;
mod scan;
mod sink;
mod source;
mod unit;

pub use damage::{Damage, Expected, Proven};
pub use error::{CommandName, Evidence, LoadError, Operation};
pub use notice::{Level, Notice};
pub use outcome::{AmbiguousTail, LoadOptions, Phase, Progress, Proof, Recovered, SourceKind, TornTail};
pub use recovery::Recovery;
pub use sink::{Refusal, Sink};
pub use source::{ReadError, Reader};
pub use unit::{Batch, Command, Unit};

/// The configuration option behind [`LoadOptions::ambiguous_tail`]: `refuse` or `cut`.
pub const OPTION_AMBIGUOUS_TAIL: &str = "aof-load-ambiguous-tail";

/// The configuration option behind [`LoadOptions::without_side_file`]: `no` or `yes`.
pub const OPTION_WITHOUT_SIDE_FILE: &str = "aof-load-without-side-file";
