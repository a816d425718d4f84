//! Where a snapshot writes: the sink over the temp file, with what has to happen while bytes go through it — reading the
//! diff, fsyncs in time, reports to the parent.
//!
//! Everything is reserved when [`Writer`] is made, before the fork; after that nothing here allocates.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use child::{ChildEnv, Failure};
use child_file::{ChildFile, PIECE_BYTES};
use keyspace::Unwritable;
use mutants::{Mutant, planted};
use vfs::File;

use super::diff::{DiffMemory, Filled};
use super::{ChildStep, SnapshotPhase};

/// After how many bytes written the diff is read. Source: `AOF_READ_DIFF_INTERVAL_BYTES` of Redis 4.0.
const READ_DIFF_EVERY_BYTES: u64 = 10 * 1024;

/// The child's file and its diff.
pub(super) struct Writer {
    file: ChildFile,
    diff: DiffMemory,
    looked_at_bytes: u64,
}

impl Writer {
    /// Reserves all the memory that writing will need.
    pub(super) fn reserve(file: Arc<dyn File>, diff_bytes: usize, incremental_fsync: bool) -> io::Result<Self> {
        let file = ChildFile::reserve(file, incremental_fsync);
        Ok(Self { file, diff: DiffMemory::reserve(diff_bytes)?, looked_at_bytes: 0 })
    }

    /// Also keeps the checksum of what is written.
    pub(super) fn checksummed(mut self) -> Self {
        self.file = self.file.checksummed();
        self
    }

    pub(super) fn out<'a>(&'a mut self, env: &'a mut dyn ChildEnv) -> Out<'a> {
        Out { writer: self, env }
    }
}

/// A snapshot's way to its file. Errors are final: the child ends with them.
pub struct Out<'a> {
    writer: &'a mut Writer,
    env: &'a mut dyn ChildEnv,
}

impl Out<'_> {
    /// Writes bytes as they are.
    ///
    /// # Errors
    /// If a write or fsync of the file, or reading the pipe, failed.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.writer.file.write(piece)?;
            if self.writer.file.accepted_bytes() - self.writer.looked_at_bytes >= READ_DIFF_EVERY_BYTES {
                self.look_around()?;
            }
        }
        Ok(())
    }

    /// The failure of a value that cannot be written, of which the parent is told what and why.
    pub(super) fn cannot_write(&mut self, value: &Unwritable<'_>) -> Failure {
        // A note takes whatever fits.
        let _cut = write!(self.writer.file.info().note, "{value}");
        ChildStep::Value.failure(0)
    }

    /// Counts one item of the snapshot (a key), for the parent's progress figures.
    pub fn item_done(&mut self) {
        self.writer.file.info().items += 1;
    }

    /// The checksum of everything written so far, which is not kept any longer; `None` if it was not kept.
    pub(super) fn end_checksum(&mut self) -> Option<u64> {
        self.writer.file.end_checksum()
    }

    /// Reads the diff, fsyncs if enough was written, reports if it is time.
    pub(super) fn look_around(&mut self) -> Result<(), Failure> {
        self.writer.looked_at_bytes = self.writer.file.accepted_bytes();
        self.read_diff()?;
        self.writer.file.fsync_in_time(self.env)?;
        let mono_ms = self.env.mono_ms();
        self.report_in_time(mono_ms);
        Ok(())
    }

    /// Reports if it is time.
    pub(super) fn report_in_time(&mut self, mono_ms: u64) {
        self.writer.file.report_in_time(self.env, mono_ms);
    }

    /// Reads what the parent sent, as far as there is memory; how many bytes that was.
    pub(super) fn read_diff(&mut self) -> Result<u64, Failure> {
        match self.writer.diff.fill(self.env).map_err(|e| failure(ChildStep::ReadDiff, &e))? {
            Filled::Drained(bytes) | Filled::Full(bytes) => {
                self.writer.file.info().read_bytes += bytes;
                Ok(bytes)
            }
            Filled::Closed => Err(ChildStep::ParentGone.failure(0)),
        }
    }

    /// Appends what was read to the file. Only when the snapshot is complete.
    pub(super) fn append_diff(&mut self) -> Result<(), Failure> {
        if self.writer.diff.bytes().is_empty() {
            return Ok(());
        }
        for piece in self.writer.diff.bytes().chunks(PIECE_BYTES).filter(|_| !planted(Mutant::ChildDiffLost)) {
            self.writer.file.write(piece)?;
        }
        self.writer.diff.clear();
        self.writer.file.report(self.env);
        Ok(())
    }

    /// Writes and fsyncs everything.
    pub(super) fn fsync(&mut self) -> Result<(), Failure> {
        self.writer.file.fsync(self.env)
    }

    pub(super) fn enter(&mut self, phase: SnapshotPhase) {
        self.writer.file.info().phase = phase as u16;
        self.writer.file.report(self.env);
    }

    /// The final account: figures, or what failed.
    pub(super) fn report_last(&mut self, failure: Option<Failure>) {
        self.writer.file.report_last(self.env, failure);
    }
}

pub(super) fn failure(step: ChildStep, error: &io::Error) -> Failure {
    step.failure(error.raw_os_error().unwrap_or(0))
}
