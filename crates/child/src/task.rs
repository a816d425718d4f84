//! The child's side of the seam: a task that runs step by step over an environment.
//!
//! The same task runs in a forked process, where nothing may be allocated, freed or locked, and inside a simulation, where
//! each step is an event. So a task keeps its state between steps in itself and waits by returning, never by sleeping.

use std::io;

use crate::Info;

/// What the child does. In a forked child it must not allocate, free, lock, log or read the local time zone.
pub trait Task {
    /// Does a bounded piece of work, or says what it waits for.
    fn step(&mut self, env: &mut dyn ChildEnv) -> Step;
}

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another step, at once.
    Again,
    /// Another step when the data pipe has something to read (or was closed), at the latest in `ms` milliseconds.
    WaitData {
        /// The longest wait.
        ms: u32,
    },
    /// Another step when the parent's acknowledgement can be read, at the latest in `ms` milliseconds.
    WaitAck {
        /// The longest wait.
        ms: u32,
    },
    /// The end of the process, with this exit code: 0 is success.
    Exit(i32),
}

/// What a read from the parent brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing at the moment.
    Nothing,
    /// The parent closed its end: nothing will ever come.
    Closed,
}

/// The world as a child sees it: its pipe ends, a clock, its own process. No method blocks or allocates.
pub trait ChildEnv {
    /// The process id of the child itself.
    fn pid(&self) -> i32;

    /// A clock that only goes forward, in milliseconds.
    fn mono_ms(&mut self) -> u64;

    /// Reads what the parent sent.
    ///
    /// # Errors
    /// The system call's, other than EAGAIN and EINTR.
    fn read_data(&mut self, buf: &mut [u8]) -> io::Result<Received>;

    /// Asks the parent to stop sending, by one `!`. To be called once.
    ///
    /// # Errors
    /// The system call's: the parent will not answer then.
    fn ask_stop(&mut self) -> io::Result<()>;

    /// Reads the parent's acknowledgement into one byte.
    ///
    /// # Errors
    /// The system call's, other than EAGAIN and EINTR.
    fn read_ack(&mut self, byte: &mut u8) -> io::Result<Received>;

    /// Reports to the parent. Dropped when the parent does not read, so every record holds everything.
    fn report(&mut self, info: &Info);

    /// Reports to the parent what must arrive: a failure, or the last figures. Waits up to a second for room.
    fn report_last(&mut self, info: &Info);

    /// Measures the memory of its own that the child has by now, in bytes; 0 where it cannot be known. Costs time in
    /// proportion to the size of the process: for now and then.
    fn cow_bytes(&mut self) -> u64;
}
