//! Checks a log from end to end without loading it: size, structure, and every place where it is damaged. Reads, and changes nothing;
//! memory does not grow with the file, nor with any argument in it.
//!
//! - `item`: one command or annotation. `resume`: where whole commands resume behind damage. `ahead`: whether that lies in a transaction.
//! - `analysis`: the file as units and damaged stretches.
//! - `preamble`: the RDB snapshot at its head.
//! - `report`: what was found. `json`: the same for programs.
//! - `timestamp`, `repair`: where to cut, and the cut. `salvage`: what is whole, in a new file.

mod ahead;
mod analysis;
mod item;
mod json;
#[cfg(test)]
mod meddling;
mod preamble;
mod repair;
mod report;
mod resume;
mod salvage;
#[cfg(test)]
mod tests;
mod timestamp;

use std::io;
use std::sync::Arc;

use vfs::File;

use analysis::Analysis;
pub use json::{Json, Text};
pub use preamble::RdbPreamble;
pub use repair::{Held, RepairError, Repaired};
pub use report::{Ambiguity, Assumed, Reading, Report, Stretch};
pub use salvage::{SalvageError, Salvaged, SalvagedFiles, salvage, salvage_files};
pub use timestamp::{Later, later_than};

use crate::copy::read_exact;

/// The first bytes of a file that starts with an RDB snapshot, and the least it has then.
const PREAMBLE_MAGIC: &[u8] = b"REDIS";
const PREAMBLE_LEAST_BYTES: u64 = 8;

/// The database that is selected, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Database {
    pub(crate) number: u32,
    /// Whether a `SELECT` may have been lost since the last that was read.
    pub(crate) assumed: bool,
}

impl Database {
    pub(crate) fn known(number: u32) -> Self {
        Self { number, assumed: false }
    }
}

/// Why a file could not be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A system call failed.
    #[error("can't read the file")]
    Read(#[source] io::Error),
    /// The file starts with an RDB snapshot, and nobody was given who reads it.
    #[error("the file has an RDB preamble, which can't be checked yet")]
    Preamble,
    /// The RDB snapshot at the head of the file is damaged.
    #[error("RDB preamble of AOF file is not sane, aborting")]
    BadPreamble(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Reads the RDB snapshot at the head of a file.
pub trait Preamble {
    /// Checks it and returns where it ends: the first byte of the commands behind it.
    ///
    /// # Errors
    /// What is wrong with it, or a failed read.
    fn end(&self, file: &dyn File, size_bytes: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>>;
}

/// Checks the first `size_bytes` bytes of `file`, at most its size. A preamble is left to `preamble`.
///
/// # Errors
/// If the file cannot be read, or its preamble not be checked. Damage is no error, but in the report.
pub fn check(file: &Arc<dyn File>, size_bytes: u64, preamble: Option<&dyn Preamble>) -> Result<Report, CheckError> {
    let start = commands_start(&**file, size_bytes, preamble)?;
    let mut analysis = Analysis::new(file, start, size_bytes);
    let mut report = Report::new(size_bytes, start);
    while let Some(event) = analysis.next().map_err(CheckError::Read)? {
        report.add(&event);
    }
    report.end(analysis.line());
    Ok(report)
}

/// The first byte behind the preamble of `file`, which has `size_bytes` bytes: 0 if there is none.
///
/// # Errors
/// As [`check`].
pub fn commands_start(file: &dyn File, size_bytes: u64, preamble: Option<&dyn Preamble>) -> Result<u64, CheckError> {
    let mut magic = [0; PREAMBLE_MAGIC.len()];
    if size_bytes < PREAMBLE_LEAST_BYTES {
        return Ok(0);
    }
    read_exact(file, &mut magic, 0).map_err(CheckError::Read)?;
    if magic != PREAMBLE_MAGIC {
        return Ok(0);
    }
    preamble.ok_or(CheckError::Preamble)?.end(file, size_bytes).map_err(CheckError::BadPreamble)
}
