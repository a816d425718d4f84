//! Where a snapshot writes: the sink over the temp file, with what has to happen while bytes go through it — reading the
//! diff, fsyncs in time, reports to the parent.
//!
//! Everything is reserved when [`Writer`] is made, before the fork; after that nothing here allocates.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use child::{ChildEnv, Failure, Info};
use numeric::{DoubleBuf, IntBuf};
use resp_codec::encode::Header;
use rio::{FileOutput, Sink, SinkError};
use vfs::File;

use super::diff::{DiffMemory, Filled};
use super::{ChildStep, SnapshotPhase};

/// The sink's buffer, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;

/// After how many bytes written the diff is read. Source: `AOF_READ_DIFF_INTERVAL_BYTES` of Redis 4.0.
const READ_DIFF_EVERY_BYTES: u64 = 10 * 1024;

/// After how many bytes the child fsyncs. Source: `AOF_AUTOSYNC_BYTES` of Redis 4.0.
const FSYNC_EVERY_BYTES: u64 = 32 * 1024 * 1024;

/// How often the child reports at least while it runs, in milliseconds.
const REPORT_EVERY_MS: u64 = 500;

/// Measuring copy-on-write may take at most one part in so many of the child's time.
const COW_DUTY: u64 = 100;

/// The largest piece written without looking at the pipe and the clock in between, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// How much of a key is shown in the log, in bytes.
const KEY_BYTES_SHOWN: usize = 64;

/// The child's file, its diff and its account of itself.
pub(super) struct Writer {
    sink: Sink<FileOutput>,
    diff: DiffMemory,
    pub(super) info: Info,
    incremental_fsync: bool,
    looked_at_bytes: u64,
    reported_ms: u64,
    cow_due_ms: u64,
}

impl Writer {
    /// Reserves all the memory that writing will need.
    pub(super) fn reserve(file: Arc<dyn File>, diff_bytes: usize, incremental_fsync: bool) -> io::Result<Self> {
        Ok(Self {
            sink: Sink::with_buffer(FileOutput::new(file), Vec::with_capacity(BUFFER_BYTES)),
            diff: DiffMemory::reserve(diff_bytes)?,
            info: Info::default(),
            incremental_fsync,
            looked_at_bytes: 0,
            reported_ms: 0,
            cow_due_ms: 0,
        })
    }

    /// Also keeps the checksum of what is written.
    pub(super) fn checksummed(mut self) -> Self {
        self.sink = self.sink.checksummed();
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
            self.writer.sink.write_all(piece).map_err(sink_failure)?;
            if self.writer.sink.accepted_bytes() - self.writer.looked_at_bytes >= READ_DIFF_EVERY_BYTES {
                self.look_around()?;
            }
        }
        Ok(())
    }

    /// Begins a command of `argc` arguments.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn array(&mut self, argc: usize) -> Result<(), Failure> {
        self.write(Header::array(argc).as_bytes())
    }

    /// Writes one argument.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn bulk(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.write(Header::bulk(bytes.len()).as_bytes())?;
        self.write(bytes)?;
        self.write(b"\r\n")
    }

    /// Writes an integer as one argument, from the integer.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn bulk_int(&mut self, value: i64) -> Result<(), Failure> {
        let mut buf = IntBuf::new();
        self.bulk(buf.format(value))
    }

    /// Writes a double as one argument.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn bulk_double(&mut self, value: f64) -> Result<(), Failure> {
        let mut buf = DoubleBuf::new();
        self.bulk(buf.format(value))
    }

    /// The failure of a custom value that cannot be rewritten, of which the parent is told what and why.
    pub(super) fn cannot_rewrite(&mut self, type_name: &str, key: &[u8], reason: &str) -> Failure {
        let shown = &key[..key.len().min(KEY_BYTES_SHOWN)];
        // A note takes whatever fits.
        let _cut = write!(self.writer.info.note, "{type_name}: {reason} (key \"{}\")", shown.escape_ascii());
        ChildStep::Custom.failure(0)
    }

    /// Counts one item of the snapshot (a key), for the parent's progress figures.
    pub fn item_done(&mut self) {
        self.writer.info.items += 1;
    }

    /// The checksum of everything written so far, which is not kept any longer; `None` if it was not kept.
    pub(super) fn end_checksum(&mut self) -> Option<u64> {
        self.writer.sink.end_checksum()
    }

    /// Reads the diff, fsyncs if enough was written, reports if it is time.
    pub(super) fn look_around(&mut self) -> Result<(), Failure> {
        self.writer.looked_at_bytes = self.writer.sink.accepted_bytes();
        self.read_diff()?;
        let unsynced_bytes = self.writer.sink.written_bytes() - self.writer.sink.fsynced_bytes();
        if self.writer.incremental_fsync && unsynced_bytes >= FSYNC_EVERY_BYTES {
            self.fsync()?;
        }
        let mono_ms = self.env.mono_ms();
        self.report_in_time(mono_ms);
        Ok(())
    }

    /// Reports if it is time. Also called where nothing is written: while a child passes over keys that have expired, say.
    pub(super) fn report_in_time(&mut self, mono_ms: u64) {
        if mono_ms >= self.writer.reported_ms + REPORT_EVERY_MS {
            self.writer.reported_ms = mono_ms;
            self.measure_cow(mono_ms);
            self.report();
        }
    }

    /// Reads what the parent sent, as far as there is memory; how many bytes that was.
    pub(super) fn read_diff(&mut self) -> Result<u64, Failure> {
        match self.writer.diff.fill(self.env).map_err(|e| failure(ChildStep::ReadDiff, &e))? {
            Filled::Drained(bytes) | Filled::Full(bytes) => {
                self.writer.info.read_bytes += bytes;
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
        for piece in self.writer.diff.bytes().chunks(PIECE_BYTES) {
            self.writer.sink.write_all(piece).map_err(sink_failure)?;
        }
        self.writer.diff.clear();
        self.report();
        Ok(())
    }

    /// Writes and fsyncs everything. Tells the parent before and after, for its watchdog.
    pub(super) fn fsync(&mut self) -> Result<(), Failure> {
        self.writer.sink.flush().map_err(sink_failure)?;
        self.writer.info.in_fsync = true;
        self.report();
        let result = self.writer.sink.fsync().map_err(sink_failure);
        self.writer.info.in_fsync = false;
        self.report();
        result
    }

    pub(super) fn enter(&mut self, phase: SnapshotPhase) {
        self.writer.info.phase = phase as u16;
        self.report();
    }

    fn measure_cow(&mut self, mono_ms: u64) {
        if mono_ms < self.writer.cow_due_ms {
            return;
        }
        self.writer.info.cow_bytes = self.env.cow_bytes();
        self.writer.info.cow_measurements += 1;
        let cost_ms = self.env.mono_ms().saturating_sub(mono_ms);
        self.writer.cow_due_ms = mono_ms + cost_ms * COW_DUTY;
    }

    fn report(&mut self) {
        self.writer.info.written_bytes = self.writer.sink.written_bytes();
        self.env.report(&self.writer.info);
    }

    /// The final account: figures, or what failed.
    pub(super) fn report_last(&mut self, failure: Option<Failure>) {
        let info = &mut self.writer.info;
        info.failure = failure;
        info.written_bytes = self.writer.sink.written_bytes();
        info.cow_bytes = self.env.cow_bytes();
        info.cow_measurements += 1;
        self.env.report_last(info);
    }
}

fn sink_failure(error: SinkError) -> Failure {
    let step = match error {
        SinkError::Fsync { .. } | SinkError::Poisoned { .. } => ChildStep::Fsync,
        _ => ChildStep::Write,
    };
    let errno = error.errno().unwrap_or(0);
    // Not dropped: an error without errno may own memory, and a forked child frees nothing.
    std::mem::forget(error);
    step.failure(errno)
}

pub(super) fn failure(step: ChildStep, error: &io::Error) -> Failure {
    step.failure(error.raw_os_error().unwrap_or(0))
}
