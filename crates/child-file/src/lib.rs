#![doc = include_str!("../README.md")]

mod told;

use std::io;
use std::sync::Arc;

use child::{ChildEnv, Failure, Info, Step, Task};
use mutants::{Mutant, planted};
use rio::{FileOutput, Sink, SinkError};
use vfs::{Dir, File, Open};

pub use told::{Level, Role};

/// The buffer, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;

/// After how many bytes the child fsyncs. Source: `AOF_AUTOSYNC_BYTES` of Redis 4.0.
const FSYNC_EVERY_BYTES: u64 = 32 * 1024 * 1024;

/// How often the child reports at least while it runs, in milliseconds.
const REPORT_EVERY_MS: u64 = 500;

/// Measuring copy-on-write may take at most one part in so many of the child's time.
const COW_DUTY: u64 = 100;

/// The largest piece to be written without looking at the clock in between, in bytes.
pub const PIECE_BYTES: usize = 256 * 1024;

/// What failed about the file: the `step` of a [`Failure`]. Tasks number their own steps from 3 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum FileStep {
    /// write(2).
    Write = 1,
    /// fsync(2).
    Fsync = 2,
}

impl FileStep {
    /// The failure of this step.
    pub fn failure(self, errno: i32) -> Failure {
        Failure { step: self as u16, errno }
    }
}

/// The child's file and its account of itself.
pub struct ChildFile {
    sink: Sink<FileOutput>,
    info: Info,
    incremental_fsync: bool,
    reported_ms: u64,
    cow_due_ms: u64,
}

impl ChildFile {
    /// Reserves all the memory that writing will need. With `incremental_fsync` every 32 MB are fsynced.
    pub fn reserve(file: Arc<dyn File>, incremental_fsync: bool) -> Self {
        Self {
            sink: Sink::with_buffer(FileOutput::new(file), Vec::with_capacity(BUFFER_BYTES)),
            info: Info::default(),
            incremental_fsync,
            reported_ms: 0,
            cow_due_ms: 0,
        }
    }

    /// Also keeps the checksum of what is written.
    #[must_use]
    pub fn checksummed(mut self) -> Self {
        self.sink = self.sink.checksummed();
        self
    }

    /// Writes bytes, at most [`PIECE_BYTES`] at once.
    ///
    /// # Errors
    /// If a write failed.
    #[inline]
    pub fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.sink.write_all(piece).map_err(sink_failure)
    }

    /// Bytes that [`write`](Self::write) took, those in the buffer included.
    #[inline]
    pub fn accepted_bytes(&self) -> u64 {
        self.sink.accepted_bytes()
    }

    /// The checksum of everything written so far, which is not kept any longer; `None` if it was not kept.
    pub fn end_checksum(&mut self) -> Option<u64> {
        self.sink.end_checksum()
    }

    /// What the parent is told next.
    pub fn info(&mut self) -> &mut Info {
        &mut self.info
    }

    /// Writes and fsyncs everything if enough was written since the last time.
    ///
    /// # Errors
    /// As [`fsync`](Self::fsync).
    pub fn fsync_in_time(&mut self, env: &mut dyn ChildEnv) -> Result<(), Failure> {
        let unsynced_bytes = self.sink.written_bytes() - self.sink.fsynced_bytes();
        if self.incremental_fsync && unsynced_bytes >= FSYNC_EVERY_BYTES { self.fsync(env) } else { Ok(()) }
    }

    /// Writes and fsyncs everything. Tells the parent before and after, for its watchdog.
    ///
    /// # Errors
    /// If a write or the fsync failed.
    pub fn fsync(&mut self, env: &mut dyn ChildEnv) -> Result<(), Failure> {
        self.sink.flush().map_err(sink_failure)?;
        self.info.in_fsync = true;
        self.report(env);
        let result = if planted(Mutant::ChildFileUnsynced) { Ok(()) } else { self.sink.fsync() };
        let result = result.map_err(sink_failure);
        self.info.in_fsync = false;
        self.report(env);
        result
    }

    /// Reports if it is time. To be called also where nothing is written: while a child passes over keys that have expired, say.
    pub fn report_in_time(&mut self, env: &mut dyn ChildEnv, mono_ms: u64) {
        if mono_ms >= self.reported_ms + REPORT_EVERY_MS {
            self.reported_ms = mono_ms;
            self.measure_cow(env, mono_ms);
            self.report(env);
        }
    }

    /// Reports.
    pub fn report(&mut self, env: &mut dyn ChildEnv) {
        self.info.written_bytes = self.sink.written_bytes();
        env.report(&self.info);
    }

    /// The final account: figures, or what failed.
    pub fn report_last(&mut self, env: &mut dyn ChildEnv, failure: Option<Failure>) {
        self.info.failure = failure;
        self.info.written_bytes = self.sink.written_bytes();
        self.info.cow_bytes = env.cow_bytes();
        self.info.cow_measurements += 1;
        env.report_last(&self.info);
    }

    fn measure_cow(&mut self, env: &mut dyn ChildEnv, mono_ms: u64) {
        if mono_ms < self.cow_due_ms {
            return;
        }
        self.info.cow_bytes = env.cow_bytes();
        self.info.cow_measurements += 1;
        let cost_ms = env.mono_ms().saturating_sub(mono_ms);
        self.cow_due_ms = mono_ms + cost_ms * COW_DUTY;
    }
}

fn sink_failure(error: SinkError) -> Failure {
    let step = match error {
        SinkError::Fsync { .. } | SinkError::Poisoned { .. } => FileStep::Fsync,
        _ => FileStep::Write,
    };
    let errno = error.errno().unwrap_or(0);
    // Not dropped: an error without errno may own memory, and a forked child frees nothing.
    std::mem::forget(error);
    step.failure(errno)
}

/// Makes the file that a child will write. One of the same name can only be a left-over of a server with this process id
/// (always 1 in a container), and is removed.
///
/// # Errors
/// The system calls'.
pub fn create_temp(dir: &dyn Dir, name: &str) -> io::Result<Arc<dyn File>> {
    if planted(Mutant::StaleTempTaken) {
        return dir.open(name, Open::AppendOrCreate);
    }
    if dir.stat(name)?.is_some() {
        dir.unlink(name)?;
    }
    dir.open(name, Open::CreateNew)
}

/// A simulated child whose memory could not be reserved.
pub struct Stillborn;

impl Task for Stillborn {
    fn step(&mut self, _env: &mut dyn ChildEnv) -> Step {
        Step::Exit(1)
    }
}
