//! Only with the feature `test-hooks`: what comes between a process, parent or child, and its writes into the pipes.

use std::io;
use std::sync::OnceLock;

/// Makes a write of these bytes, or does not. Called in the child as well, where it may neither allocate nor lock.
pub type PipeWriteHook = fn(&[u8], &mut dyn FnMut() -> io::Result<Option<usize>>) -> io::Result<Option<usize>>;

static PIPE_WRITE: OnceLock<PipeWriteHook> = OnceLock::new();

/// Lets `hook` make every later write into a pipe. The first one stays.
pub fn on_pipe_write(hook: PipeWriteHook) {
    let _ = PIPE_WRITE.set(hook);
}

pub(super) fn pipe_write() -> Option<PipeWriteHook> {
    PIPE_WRITE.get().copied()
}
