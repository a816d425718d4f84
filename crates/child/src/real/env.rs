//! The loop of a forked child: steps the task, waits in poll(2) when the task waits. Allocates nothing.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{cow, pipes, pipes::ChildEnds, sys};
use crate::{ChildEnv, Info, Received, Step, Task};

/// How long the last report waits for room in the pipe, in milliseconds, and for how many times.
const LAST_REPORT_WAIT_MS: u32 = 100;
const LAST_REPORT_TRIES: u32 = 10;

/// A forked child's world.
pub(super) struct ForkEnv<'a> {
    ends: &'a ChildEnds,
}

impl<'a> ForkEnv<'a> {
    pub(super) fn new(ends: &'a ChildEnds) -> Self {
        Self { ends }
    }

    /// Steps the task to its end and returns the exit code.
    pub(super) fn run(&mut self, task: &mut dyn Task) -> i32 {
        loop {
            match task.step(self) {
                Step::Again => {}
                Step::WaitData { ms } => wait(&self.ends.data, PollFlags::POLLIN, ms),
                Step::WaitAck { ms } => wait(&self.ends.ack, PollFlags::POLLIN, ms),
                Step::Exit(code) => return code,
            }
        }
    }
}

impl ChildEnv for ForkEnv<'_> {
    fn pid(&self) -> i32 {
        nix::unistd::getpid().as_raw()
    }

    fn mono_ms(&mut self) -> u64 {
        sys::mono_us() / 1000
    }

    fn read_data(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        received(pipes::read_some(&self.ends.data, buf))
    }

    fn ask_stop(&mut self) -> io::Result<()> {
        match pipes::write_some(&self.ends.stop_request, b"!")? {
            Some(1) => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn read_ack(&mut self, byte: &mut u8) -> io::Result<Received> {
        received(pipes::read_some(&self.ends.ack, std::slice::from_mut(byte)))
    }

    fn report(&mut self, info: &Info) {
        // A full pipe or a dead parent: the next record holds everything this one does.
        let _ = pipes::write_some(&self.ends.info, &info.encode());
    }

    fn report_last(&mut self, info: &Info) {
        for _ in 0..LAST_REPORT_TRIES {
            match pipes::write_some(&self.ends.info, &info.encode()) {
                Ok(None) => wait(&self.ends.info, PollFlags::POLLOUT, LAST_REPORT_WAIT_MS),
                // Written, or the parent is gone and nobody will miss it.
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }

    fn cow_bytes(&mut self) -> u64 {
        cow::private_dirty_bytes()
    }
}

fn received(result: io::Result<Option<usize>>) -> io::Result<Received> {
    Ok(match result? {
        None => Received::Nothing,
        Some(0) => Received::Closed,
        Some(n) => Received::Bytes(n),
    })
}

/// Waits for an end to become ready. An error (EINTR) only makes the wait shorter: the task looks again.
fn wait(end: &OwnedFd, flags: PollFlags, ms: u32) {
    let timeout = PollTimeout::from(u16::try_from(ms).unwrap_or(u16::MAX));
    let _ = poll(&mut [PollFd::new(end.as_fd(), flags)], timeout);
}
