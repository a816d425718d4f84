//! What a simulated child sees: the queues that stand for its pipes, and the time it was stepped at.

use std::io;

use super::Pipes;
use crate::{ChildEnv, Info, Received};

pub(super) struct SimEnv {
    pid: i32,
    mono_ms: u64,
    cow_bytes: u64,
    pipes: Pipes,
}

impl SimEnv {
    pub(super) fn new(pid: i32, mono_ms: u64, cow_bytes: u64, pipes: Pipes) -> Self {
        Self { pid, mono_ms, cow_bytes, pipes }
    }

    pub(super) fn into_pipes(self) -> Pipes {
        self.pipes
    }
}

impl ChildEnv for SimEnv {
    fn pid(&self) -> i32 {
        self.pid
    }

    fn mono_ms(&mut self) -> u64 {
        self.mono_ms
    }

    fn read_data(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        if let Some(errno) = self.pipes.read_errno.take() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let n = buf.len().min(self.pipes.data.len());
        for (to, from) in buf.iter_mut().zip(self.pipes.data.drain(..n)) {
            *to = from;
        }
        Ok(if n == 0 { Received::Nothing } else { Received::Bytes(n) })
    }

    fn ask_stop(&mut self) -> io::Result<()> {
        self.pipes.stop_request = true;
        self.pipes.asked = true;
        Ok(())
    }

    fn read_ack(&mut self, byte: &mut u8) -> io::Result<Received> {
        if !std::mem::take(&mut self.pipes.ack) {
            return Ok(Received::Nothing);
        }
        *byte = b'!';
        Ok(Received::Bytes(1))
    }

    fn report(&mut self, info: &Info) {
        self.pipes.infos.push_back(*info);
    }

    fn report_last(&mut self, info: &Info) {
        self.pipes.infos.push_back(*info);
    }

    fn cow_bytes(&mut self) -> u64 {
        // A simulated child shares no pages: what its owner says.
        self.cow_bytes
    }
}
