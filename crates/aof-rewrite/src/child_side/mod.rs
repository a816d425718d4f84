//! The child's side of a rewrite, as a step machine over a clock, pipes and a file.
//!
//! In a forked process no step allocates, frees or locks: all memory is reserved when [`ChildTask`] is made. The order of the
//! stages is the protocol with the parent:
//!
//! 1. the snapshot, reading the diff on the way; fsync, so that the last one is short;
//! 2. draining the diff while it flows, for up to a second or until 20 ms bring nothing;
//! 3. `!` to the parent, which answers `!` and sends no more; what is in the pipe then is the rest of the child's part;
//! 4. the diff appended, fsync, rename to the name that says "complete", exit 0.
//!
//! Invariant: the file is snapshot, then diff in the order it was fed. Any failure removes the file and ends in exit 1.

mod batch;
mod commands;
mod custom;
mod diff;
mod emitter;
mod out;
mod preamble;

use std::io;
use std::sync::Arc;

use child::{ChildEnv, Failure, Received, Step, Task};
use child_file::FileStep;
use vfs::{Dir, File};

use crate::env::Call;
use crate::names::CompleteName;
pub use emitter::CommandEmitter;
pub use out::Out;
use out::{Writer, failure};
pub(crate) use preamble::AnySnapshot;
pub use preamble::PreambleWriter;

/// Longest time spent draining the diff before the handshake, in milliseconds. Source: Redis 4.0.
const DRAIN_FOR_MS: u64 = 1_000;

/// So many waits of 1 ms in a row without data end the draining. Source: Redis 4.0.
const EMPTY_WAITS: u32 = 20;

/// How long the child waits for the acknowledgement, in milliseconds. Source: Redis 4.0.
const ACK_WITHIN_MS: u64 = 5_000;

/// Writes a frozen dataset: as commands, as an RDB preamble, or in whatever form is to come.
///
/// In a forked child it must not allocate, free, lock or log; what a custom value writes itself is bound by the same rule.
pub trait Snapshot {
    /// Writes a bounded part.
    ///
    /// # Errors
    /// What [`Out`] gave. The child ends with it.
    fn step(&mut self, out: &mut Out<'_>) -> Result<SnapshotProgress, Failure>;

    /// Whether it ends with a checksum of its bytes, which [`Out`] has to keep then.
    fn wants_checksum(&self) -> bool {
        false
    }
}

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotProgress {
    /// There is more to write.
    More,
    /// All was handed to [`Out`].
    Complete,
}

/// Where the child stands, as its parent sees it in the `phase` of the child-info records. 0 is
/// the snapshot, before any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub(crate) enum SnapshotPhase {
    /// Draining the diff, or waiting for the acknowledgement.
    Draining = 1,
    /// The parent has agreed to stop.
    Agreed = 2,
    /// The diff is appended.
    Appended = 3,
    /// The file is complete under its name.
    Complete = 4,
}

/// What the child was doing when it failed: the `step` of a [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum ChildStep {
    Write = FileStep::Write as u16,
    Fsync = FileStep::Fsync as u16,
    ReadDiff = 3,
    ParentGone = 4,
    AskStop = 5,
    NoAck = 6,
    BadAck = 7,
    Rename = 8,
    Value = 9,
    /// Says nothing of the key: never reported.
    TooLong = 10,
}

impl ChildStep {
    const ALL: [Self; 10] = [
        Self::Write,
        Self::Fsync,
        Self::ReadDiff,
        Self::ParentGone,
        Self::AskStop,
        Self::NoAck,
        Self::BadAck,
        Self::Rename,
        Self::Value,
        Self::TooLong,
    ];

    fn failure(self, errno: i32) -> Failure {
        Failure { step: self as u16, errno }
    }

    /// The call on a file that failed, if it was one.
    pub(crate) fn call_of(failure: Failure) -> Option<Call> {
        match Self::ALL.into_iter().find(|step| *step as u16 == failure.step)? {
            Self::Write => Some(Call::Write),
            Self::Fsync => Some(Call::Fsync),
            Self::Rename => Some(Call::Other),
            _ => None,
        }
    }

    /// The step that a failure names, in words.
    pub(crate) fn name_of(failure: Failure) -> &'static str {
        Self::ALL.into_iter().find(|step| *step as u16 == failure.step).map_or("unknown step", |step| match step {
            Self::Write => "write",
            Self::Fsync => "fsync",
            Self::ReadDiff => "reading the diff",
            Self::ParentGone => "the server is gone",
            Self::AskStop => "asking to stop sending diffs",
            Self::NoAck => "the server did not agree to stop sending diffs",
            Self::BadAck => "reading the acknowledgement",
            Self::Rename => "rename",
            Self::Value => "a value",
            Self::TooLong => "a command that is too long",
        })
    }
}

/// What a child is given.
#[derive(Clone)]
pub struct ChildFiles {
    /// The directory.
    pub dir: Arc<dyn Dir>,
    /// The open, empty temp file.
    pub file: Arc<dyn File>,
    /// Its name.
    pub temp_name: String,
}

/// The child of one rewrite.
pub struct ChildTask<S> {
    files: ChildFiles,
    snapshot: S,
    writer: Writer,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Snapshot,
    FirstFsync,
    Drain { started_ms: Option<u64>, empty_waits: u32 },
    AskStop,
    AwaitAck { until_ms: u64 },
    ReadRest,
    LastFsync,
    Rename,
}

impl<S: Snapshot> ChildTask<S> {
    /// Reserves everything the child will need: its buffer, and address space for a diff of `diff_bytes`.
    ///
    /// # Errors
    /// If not even a small part of that memory can be had.
    pub fn reserve(files: ChildFiles, snapshot: S, diff_bytes: usize, incremental_fsync: bool) -> io::Result<Self> {
        let mut writer = Writer::reserve(Arc::clone(&files.file), diff_bytes, incremental_fsync)?;
        if snapshot.wants_checksum() {
            writer = writer.checksummed();
        }
        Ok(Self { files, snapshot, writer, stage: Stage::Snapshot })
    }

    fn advance(&mut self, env: &mut dyn ChildEnv) -> Result<Step, Failure> {
        let mono_ms = env.mono_ms();
        let pid = env.pid();
        let mut out = self.writer.out(env);
        out.report_in_time(mono_ms);
        let (stage, step) = match self.stage {
            Stage::Snapshot => match self.snapshot.step(&mut out)? {
                SnapshotProgress::More => (Stage::Snapshot, Step::Again),
                SnapshotProgress::Complete => (Stage::FirstFsync, Step::Again),
            },
            Stage::FirstFsync => {
                out.fsync()?;
                out.enter(SnapshotPhase::Draining);
                (Stage::Drain { started_ms: None, empty_waits: 0 }, Step::Again)
            }
            Stage::Drain { started_ms, empty_waits } => {
                drain(&mut out, started_ms.unwrap_or(mono_ms), empty_waits, mono_ms)?
            }
            Stage::AskStop => {
                env.ask_stop().map_err(|e| failure(ChildStep::AskStop, &e))?;
                (Stage::AwaitAck { until_ms: mono_ms + ACK_WITHIN_MS }, Step::Again)
            }
            Stage::AwaitAck { until_ms } => await_ack(env, until_ms, mono_ms)?,
            Stage::ReadRest => {
                // The parent wrote nothing after its `!`: an empty pipe is the end.
                let more = out.read_diff()? > 0;
                out.append_diff()?;
                (if more { Stage::ReadRest } else { Stage::LastFsync }, Step::Again)
            }
            Stage::LastFsync => {
                out.enter(SnapshotPhase::Agreed);
                out.fsync()?;
                out.enter(SnapshotPhase::Appended);
                (Stage::Rename, Step::Again)
            }
            Stage::Rename => {
                let name = CompleteName::of(pid);
                self.files
                    .dir
                    .rename(&self.files.temp_name, name.as_str())
                    .map_err(|e| failure(ChildStep::Rename, &e))?;
                out.enter(SnapshotPhase::Complete);
                out.report_last(None);
                (Stage::Rename, Step::Exit(0))
            }
        };
        self.stage = stage;
        Ok(step)
    }

    fn give_up(&mut self, env: &mut dyn ChildEnv, failure: Failure) -> Step {
        // The parent removes the file as well, in case this fails or the child is killed before it.
        let _ = self.files.dir.unlink(&self.files.temp_name);
        self.writer.out(env).report_last(Some(failure));
        Step::Exit(1)
    }
}

impl<S: Snapshot> Task for ChildTask<S> {
    fn step(&mut self, env: &mut dyn ChildEnv) -> Step {
        self.advance(env).unwrap_or_else(|failure| self.give_up(env, failure))
    }
}

fn drain(out: &mut Out<'_>, started_ms: u64, empty_waits: u32, mono_ms: u64) -> Result<(Stage, Step), Failure> {
    let came = out.read_diff()? > 0;
    // The snapshot is complete: what was read may follow it at once, and the memory is free again.
    out.append_diff()?;
    let empty_waits = if came { 0 } else { empty_waits + 1 };
    if mono_ms >= started_ms + DRAIN_FOR_MS || empty_waits > EMPTY_WAITS {
        return Ok((Stage::AskStop, Step::Again));
    }
    Ok((Stage::Drain { started_ms: Some(started_ms), empty_waits }, Step::WaitData { ms: 1 }))
}

fn await_ack(env: &mut dyn ChildEnv, until_ms: u64, mono_ms: u64) -> Result<(Stage, Step), Failure> {
    let mut byte = 0;
    match env.read_ack(&mut byte).map_err(|e| failure(ChildStep::BadAck, &e))? {
        Received::Bytes(1) if byte == b'!' => Ok((Stage::ReadRest, Step::Again)),
        Received::Bytes(_) => Err(ChildStep::BadAck.failure(0)),
        Received::Closed => Err(ChildStep::ParentGone.failure(0)),
        Received::Nothing => match until_ms.checked_sub(mono_ms) {
            None | Some(0) => Err(ChildStep::NoAck.failure(0)),
            Some(left_ms) => {
                Ok((Stage::AwaitAck { until_ms }, Step::WaitAck { ms: u32::try_from(left_ms).unwrap_or(u32::MAX) }))
            }
        },
    }
}
