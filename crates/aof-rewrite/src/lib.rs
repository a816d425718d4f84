#![doc = include_str!("../README.md")]

mod child_side;
mod env;
mod log;
mod machine;
mod names;
mod notice;
mod rewriter;
mod start;
mod supervise;
mod switch;
mod trigger;

pub use child_file::{Level, Role};
pub use child_side::{ChildFiles, ChildTask, CommandEmitter, Out, PreambleWriter, Snapshot, SnapshotProgress};
pub use env::{
    Abort, CHILD_DIFF_BYTES, Call, Copied, FileError, ForkSource, Mode, RewriteConfig, RewriteEnv, Shutdown,
    ShutdownRule, StartError, Status,
};
pub use log::{LiveLog, Mirror};
pub use notice::Notice;
pub use rdb::SnapshotSettings;
pub use rewriter::Rewriter;
pub use trigger::{AutoRewrite, Backoff};
