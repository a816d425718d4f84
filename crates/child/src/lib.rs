#![doc = include_str!("../README.md")]

mod handle;
mod info;
mod note;
mod real;
mod region;
pub mod sim;
mod task;
mod watchdog;

pub use handle::{Exit, Handle, Kill, Spawner, Spec};
pub use info::{Failure, INFO_SIZE_BYTES, Info};
pub use note::Note;
#[cfg(feature = "test-hooks")]
pub use real::hooks::{PipeWriteHook, on_pipe_write};
pub use real::{ForkSpawner, TitleHook, in_child};
pub use region::Region;
pub use task::{ChildEnv, Received, Step, Task};
pub use watchdog::{STALLED_AFTER_MS, Watchdog};
