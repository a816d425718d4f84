//! Finds where a log passes a point in time, by its `#TS:` annotations, for a cut there.

use std::sync::Arc;

use vfs::File;

use super::analysis::{Analysis, Event};
use super::item::Stamp;
use super::{CheckError, Preamble, commands_start};

/// What a file has behind a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// Nothing: no annotation has a later time.
    Nothing,
    /// Everything.
    Everything,
    /// What stands from this byte on, the start of an annotation or of the transaction it lies in.
    From(u64),
    /// An annotation at this byte carries a time that is none.
    Invalid(u64),
    /// The file is damaged before an annotation has a later time.
    Damaged,
}

/// Searches the first `size_bytes` bytes of `file` for what is later than `seconds` since the epoch.
///
/// # Errors
/// If the file cannot be read, or its preamble not be checked.
pub fn later_than(
    file: &Arc<dyn File>,
    size_bytes: u64,
    preamble: Option<&dyn Preamble>,
    seconds: i64,
) -> Result<Later, CheckError> {
    let start = commands_start(&**file, size_bytes, preamble)?;
    let mut analysis = Analysis::new(file, start, size_bytes);
    while let Some(event) = analysis.next().map_err(CheckError::Read)? {
        let span = match event {
            Event::Unit(_) => continue,
            Event::Stretch(_) => return Ok(Later::Damaged),
            Event::Annotation(span) => span,
        };
        match span.stamp {
            Stamp::Invalid => return Ok(Later::Invalid(span.start)),
            Stamp::At(at) if at > seconds && span.boundary == 0 => return Ok(Later::Everything),
            Stamp::At(at) if at > seconds => return Ok(Later::From(span.boundary)),
            Stamp::At(_) | Stamp::None => (),
        }
    }
    Ok(Later::Nothing)
}
