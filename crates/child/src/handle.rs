//! The parent's side of the seam: starting a child, its pipe ends, its end.
//!
//! Nothing here blocks, except [`Handle::wait`], which is for shutdown and has a limit.

use std::io;

use crate::{Info, Task};

/// What a child is started with.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a> {
    /// The process title, as `ps` shows it; the thread name is its first 15 bytes.
    pub title: &'a str,
    /// Descriptors the task uses (its file, its directory). Every other one is closed in the child, but for stdio and its
    /// own pipe ends.
    pub keep: &'a [i32],
}

/// Starts children.
pub trait Spawner {
    /// Starts a child that runs `task`. A forked one runs it in the other process, on that process's copy of all memory; a
    /// simulated one keeps `owned_copy()` and runs it step by step. Either way `task` may be dropped on return.
    ///
    /// # Errors
    /// Those of pipe2(2) and fork(2). Nothing was started then.
    fn spawn(
        &mut self,
        spec: &Spec<'_>,
        task: &mut dyn Task,
        owned_copy: &mut dyn FnMut() -> Box<dyn Task + Send>,
    ) -> io::Result<Box<dyn Handle>>;
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It left by itself with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It is gone, and somebody else has taken its status. Never a success.
    Lost,
}

/// How a child is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// SIGUSR1: the parent's own way, which is no error.
    Polite,
    /// SIGKILL: for a child that does not react.
    Hard,
}

impl Kill {
    /// The number of the signal.
    pub const fn signal(self) -> i32 {
        match self {
            Self::Polite => libc::SIGUSR1,
            Self::Hard => libc::SIGKILL,
        }
    }
}

/// A child, as its parent holds it. Dropping it kills the child if it was not reaped, and closes all pipe ends.
pub trait Handle: Send {
    /// The process id.
    fn pid(&self) -> i32;

    /// How long the fork took, in microseconds.
    fn fork_us(&self) -> u64;

    /// Sends bytes to the child; 0 when the pipe is full.
    ///
    /// # Errors
    /// The system call's; EPIPE when the child is gone.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Whether the child has asked, since the last call, to stop sending.
    fn take_stop_request(&mut self) -> bool;

    /// Acknowledges the request to stop, by one `!`.
    ///
    /// # Errors
    /// The system call's. Trying again is of no use: the child waits with a limit.
    fn acknowledge_stop(&mut self) -> io::Result<()>;

    /// The next record the child has sent, if there is one. To be read on after the child was reaped, until `None`.
    fn next_info(&mut self) -> Option<Info>;

    /// Takes the child's status if it has ended; `None` while it lives. After the end, the same status again.
    fn try_reap(&mut self) -> Option<Exit>;

    /// As `try_reap`, waiting for the end for at most `limit_ms`. For shutdown only.
    fn wait(&mut self, limit_ms: u32) -> Option<Exit>;

    /// Sends a signal. Does nothing once the child was reaped.
    fn kill(&mut self, how: Kill);
}
