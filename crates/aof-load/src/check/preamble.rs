//! The RDB snapshot at the head of a log, gone over to its end and to its checksum without keeping anything of it.

use rdb::{Options, RdbError, Reader, Unsupported};
use rio::Source;
use vfs::File;

use super::Preamble;
use crate::snapshot::UpTo;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Reads the snapshot, one key at a time. What a server of Redis takes and ours does not (streams, values of modules) is walked over:
/// whether a log can be loaded is not what a check says.
#[derive(Clone, Copy, Debug)]
pub struct RdbPreamble;

impl Preamble for RdbPreamble {
    fn end(&self, file: &dyn File, size_bytes: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        Ok(end(file, size_bytes)?)
    }
}

fn end(file: &dyn File, size_bytes: u64) -> Result<u64, RdbError> {
    let source = Source::with_buffer(UpTo::new(file, size_bytes), Vec::with_capacity(BUFFER_BYTES));
    let options = Options { unsupported: Unsupported::Skip, ..Options::default() };
    let mut reader = Reader::new(source, options)?;
    while reader.next_event()?.is_some() {}
    Ok(reader.offset())
}
