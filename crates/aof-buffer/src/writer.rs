//! Performs a flush: appends a batch to one or two files, and leaves each at a known size whatever fails.
//!
//! It runs in the loop or in a bio thread and behaves alike in both. It decides nothing about retries or health.
//!
//! Invariant: after `flush_file` the file holds exactly `size_bytes + written_bytes` bytes of the stream, unless cutting
//! was asked for and failed.

use std::io;
use std::sync::Arc;

use mutants::{Mutant, planted};
use vfs::{File, uninterrupted};

/// The most that goes into one write(2), in bytes: Linux itself stops short of 2 GiB, which would look like a full disk.
const MAX_WRITE_BYTES: usize = 1 << 30;

/// What Redis takes a short write for.
const ENOSPC: i32 = 28;

/// Names a file for the life of an [`AofBuffer`](crate::AofBuffer), so that late results find theirs or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(pub(crate) u64);

/// One file of a flush.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) id: FileId,
    pub(crate) file: Arc<dyn File>,
    /// Where in the batch this file goes on.
    pub(crate) from: usize,
    /// Its size before the flush.
    pub(crate) size_bytes: u64,
    /// It may hold more than its size (a job panicked): cut it first.
    pub(crate) cut_first: bool,
}

/// Why a flush of one file failed.
#[derive(Clone, Debug)]
pub(crate) struct WriteFault {
    /// What counts as the reason.
    pub(crate) error: Arc<io::Error>,
    /// Bytes written and expected, if the write was short.
    pub(crate) short: Option<(u64, u64)>,
    /// The part written could not be removed, so it counts as written.
    pub(crate) cut_error: Option<Arc<io::Error>>,
}

/// What a flush did to one file.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) id: FileId,
    /// Bytes that the file holds in addition now.
    pub(crate) written_bytes: u64,
    pub(crate) fault: Option<WriteFault>,
}

/// Appends `batch[target.from..]`, or leaves the file as it was if that is possible.
pub(crate) fn flush_file(target: &Target, batch: &[u8]) -> Written {
    let bytes = &batch[target.from..];
    let outcome = |written_bytes, fault| Written { id: target.id, written_bytes, fault };
    if target.cut_first
        && let Err(error) = uninterrupted(|| target.file.set_len(target.size_bytes))
    {
        return outcome(0, Some(WriteFault { error: Arc::new(error), short: None, cut_error: None }));
    }
    let (done, error) = append_all(&*target.file, bytes);
    let taken =
        planted(Mutant::WriteErrorIgnored) && error.is_some() || planted(Mutant::ShortWriteTaken) && error.is_none();
    if taken {
        return outcome(bytes.len() as u64, None);
    }
    if done == bytes.len() {
        return outcome(done as u64, None);
    }
    let short = error.is_none().then_some((done as u64, bytes.len() as u64));
    let error = Arc::new(error.unwrap_or_else(|| io::Error::from_raw_os_error(ENOSPC)));
    if done == 0 {
        return outcome(0, Some(WriteFault { error, short, cut_error: None }));
    }
    if planted(Mutant::ShortWriteTwice) {
        return outcome(0, Some(WriteFault { error, short, cut_error: None }));
    }
    // A part of a command must not stay at the end of the file while the rest may never come.
    match uninterrupted(|| target.file.set_len(target.size_bytes)) {
        Ok(()) => outcome(0, Some(WriteFault { error, short, cut_error: None })),
        Err(cut) => outcome(done as u64, Some(WriteFault { error, short, cut_error: Some(Arc::new(cut)) })),
    }
}

/// Appends until all is written, a write is short, or one fails. Returns how much was written.
fn append_all(file: &dyn File, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut done = 0;
    while done < bytes.len() {
        let piece = &bytes[done..bytes.len().min(done.saturating_add(MAX_WRITE_BYTES))];
        match uninterrupted(|| file.append(piece)) {
            Ok(n) => {
                assert!(n <= piece.len(), "a write wrote more than it was given");
                done += n;
                if n < piece.len() {
                    return (done, None);
                }
            }
            Err(error) => return (done, Some(error)),
        }
    }
    (done, None)
}

/// fdatasync. An interrupted one has reported nothing and is repeated.
pub(crate) fn fsync_file(file: &dyn File) -> Result<(), Arc<io::Error>> {
    if planted(Mutant::FsyncTriedAgain) && file.fdatasync().is_ok() {
        return Ok(());
    }
    uninterrupted(|| file.fdatasync()).map_err(Arc::new)
}
