//! Cuts a torn tail off a log, after it was copied to a side file: repair deletes nothing.
//!
//! Order: side file (O_EXCL), its bytes, its fsync, the directory's; only then the log's length, and its fsync. A crash in
//! between leaves the whole log, or the cut one with a durable side file.

use std::io;
use std::sync::Arc;

use mutants::{Mutant, planted};
use vfs::{Dir, File, Open};

use crate::Operation;
use crate::copy::{Copy, Failed, Target};

/// Side files of one offset that may exist before another is refused: each is the trace of a start that did not end.
const MOST_SIDE_FILES: u32 = 1_000;

/// The copy of a torn tail in progress.
pub(crate) struct SideFile {
    name: String,
    file: Arc<dyn File>,
    copy: Copy,
}

impl SideFile {
    /// Creates the side file for the tail of `log` from `cut_at` to `size_bytes`: `<name>.torn-<offset>`, with `.1`, `.2` …
    /// behind it if there are earlier ones.
    ///
    /// # Errors
    /// The name that could not be created, and why.
    pub(crate) fn create(
        dir: &dyn Dir,
        name: &str,
        log: Arc<dyn File>,
        cut_at: u64,
        size_bytes: u64,
    ) -> Result<Self, (String, io::Error)> {
        let first = format!("{name}.torn-{cut_at}");
        let mut side_file = first.clone();
        for suffix in 1..=MOST_SIDE_FILES {
            match dir.open(&side_file, Open::CreateNew) {
                Ok(file) => {
                    let copy = Copy::new(log, Target::Append(Arc::clone(&file)), cut_at, size_bytes);
                    return Ok(Self { name: side_file, file, copy });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => side_file = format!("{first}.{suffix}"),
                Err(error) => return Err((side_file, error)),
            }
        }
        Err((side_file, io::ErrorKind::AlreadyExists.into()))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Copies on. `true` if the side file and its name are durable.
    pub(crate) fn step(&mut self, dir: &dyn Dir, budget_bytes: u64) -> Result<bool, Failed> {
        if !self.copy.step(budget_bytes)? {
            return Ok(false);
        }
        self.file.fsync().map_err(Failed::at(Operation::Fsync, 0))?;
        dir.fsync().map_err(Failed::at(Operation::FsyncDir, 0))?;
        Ok(true)
    }

    /// Removes what was written of it. It is no loss if that fails: the log is whole.
    pub(crate) fn abandon(self, dir: &dyn Dir) {
        let _still_there = dir.unlink(&self.name);
    }
}

/// Cuts `log`, opened for appending, to `cut_at` bytes. Durable on return.
pub(crate) fn cut(log: &dyn File, cut_at: u64) -> Result<(), Failed> {
    if planted(Mutant::TornTailKept) {
        return log.fsync().map_err(Failed::at(Operation::Fsync, cut_at));
    }
    log.set_len(cut_at).map_err(Failed::at(Operation::Truncate, cut_at))?;
    log.fsync().map_err(Failed::at(Operation::Fsync, cut_at))
}
