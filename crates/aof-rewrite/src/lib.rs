//! The AOF rewrite.

mod log;
mod names;
mod notice;
mod rewriter;
mod trigger;

pub use log::{LiveLog, Mirror};
pub use names::{complete_name, is_left_over, temp_name};
pub use notice::{Level, Notice, Role};
pub use rewriter::{
    Abort, ForkSource, Latency, Mode, RewriteConfig, RewriteEnv, Rewriter, Shutdown, ShutdownRule, StartError, Status,
};
pub use trigger::{AutoRewrite, Backoff};
