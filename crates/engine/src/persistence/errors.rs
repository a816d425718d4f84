//! The errors of system calls on files, whichever thread met them: counted for INFO, and logged where nothing else does.
//!
//! What an error means for the log is decided elsewhere. Not among them is a failed close(2): every file here is fsynced before
//! it is closed, or given up, so that a close has nothing to tell that matters.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;

use aof_buffer::Failure;
use aof_rewrite::{Call, FileError};
use vfs::{error_chain, root_cause, strerror};

use super::Persistence;
use crate::engine::Engine;
use crate::info::{Lines, safe};
use crate::log::Level;

/// The least time between two log lines about the same thing, in milliseconds. Source: `AOF_WRITE_LOG_ERROR_RATE` of Redis.
const LINE_EVERY_MS: u64 = 30_000;

/// The counts, since the start or CONFIG RESETSTAT.
#[derive(Debug, Default)]
pub(super) struct FileErrors {
    writes: u64,
    fsyncs: u64,
    background: u64,
    /// What failed last, and why; empty for nothing. Without commas and equals signs, of which clients make lists and maps.
    last: String,
    lines: Vec<String>,
    /// When a line was last written of what can fail again and again, monotonic milliseconds.
    told_ms: BTreeMap<&'static str, u64>,
}

impl FileErrors {
    fn count(&mut self, call: Call, step: &str, reason: &str) {
        match call {
            Call::Write => self.writes += 1,
            Call::Fsync => self.fsyncs += 1,
            Call::Other => self.background += 1,
        }
        self.last = safe(&format!("{step} ({reason})")).replace([',', '='], "_");
    }

    /// Counts an error that whoever met it logs.
    pub(super) fn count_background(&mut self, step: &str, error: &(dyn Error + 'static)) {
        self.count(Call::Other, step, &root_cause(error));
    }

    /// Counts an error of a snapshot, which has its own lines.
    pub(super) fn count_snapshot(&mut self, step: &str, errno: i32) {
        self.count(Call::Other, &format!("{step} in a snapshot"), &reason_of(errno));
    }

    /// Counts an error and writes a line about it, with what follows from it.
    pub(super) fn warn(&mut self, step: &str, error: &(dyn Error + 'static), consequence: &str) {
        self.count_background(step, error);
        self.lines.push(format!("Error {step} ({}): {consequence}", error_chain(error)));
    }

    /// As [`warn`](Self::warn), with a line in 30 s at most.
    fn warn_rarely(&mut self, step: &'static str, error: &(dyn Error + 'static), consequence: &str, mono_ms: u64) {
        if self.told_ms.get(step).is_some_and(|told_ms| mono_ms.saturating_sub(*told_ms) < LINE_EVERY_MS) {
            return self.count_background(step, error);
        }
        self.told_ms.insert(step, mono_ms);
        self.warn(step, error, consequence);
    }

    /// The state file could not be written.
    pub(super) fn state_not_written(&mut self, error: &(dyn Error + 'static), mono_ms: u64) {
        let consequence =
            "it is tried again every second; until then a start has more of the append only file to prove";
        self.warn_rarely("writing the state file", error, consequence, mono_ms);
    }

    pub(super) fn reset(&mut self) {
        *self = Self { lines: std::mem::take(&mut self.lines), ..Self::default() };
    }

    pub(super) fn info(&self, out: &mut Lines<'_>) {
        out.put("aof_write_errors", self.writes);
        out.put("aof_fsync_errors", self.fsyncs);
        out.put("aof_background_errors", self.background);
        out.put("aof_last_error", &self.last);
    }
}

impl Persistence {
    fn count_errors(&mut self) {
        for failure in self.aof.take_errors() {
            match &failure {
                Failure::Write(_) => self.errors.count(Call::Write, "write", &failure.reason()),
                Failure::Fsync(_) => self.errors.count(Call::Fsync, "fsync", &failure.reason()),
            }
        }
        for FileError { call, step, errno } in self.rewriter.take_errors() {
            self.errors.count(call, &format!("{step} in a rewrite"), &reason_of(errno));
        }
    }
}

impl Engine {
    /// Counts the errors of the turn, and logs those that nobody else does.
    pub(super) fn settle_errors(&mut self) {
        self.persistence.count_errors();
        for line in std::mem::take(&mut self.persistence.errors.lines) {
            self.log_line(Level::Warning, format_args!("{line}"));
        }
    }
}

fn reason_of(errno: i32) -> String {
    if errno == 0 { "no error number".to_owned() } else { strerror(&io::Error::from_raw_os_error(errno)) }
}
