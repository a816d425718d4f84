//! Replacing a file so that a power loss leaves either the old one or the whole new one, never less.

use crate::{Dir, File};
use std::io;

/// Which step of [`durable_rename`] failed, which decides what may be assumed afterwards.
#[derive(Debug, thiserror::Error)]
pub enum DurableRenameError {
    /// Nothing was renamed. The new file's bytes may be lost even if a later fsync succeeds: drop the file.
    #[error("fsync of the new file failed")]
    FsyncFile(#[source] io::Error),
    /// Nothing was renamed; the new file is durable but for its name.
    #[error("rename failed")]
    Rename(#[source] io::Error),
    /// The new file has the name for every process, but after a power loss either file may stand there.
    #[error("fsync of the directory failed after the rename")]
    FsyncDir(#[source] io::Error),
}

/// Renames `from`, open as `file`, over `to`, so that the change is durable when it returns.
///
/// 1. fsync of the file. Without it the name may become durable before the bytes (ext4 without `auto_da_alloc`, XFS): after
///    a power loss `to` would be empty, and the old content gone.
/// 2. rename: atomic, so `to` is at every instant the old file or the new one.
/// 3. fsync of the directory. Without it the rename may be undone by a power loss, after the caller has told others, or
///    written more, in the belief that the new file is the one that will be found.
///
/// # Errors
/// One named error per step. It blocks on the disk: never call it from an event loop.
pub fn durable_rename(dir: &dyn Dir, file: &dyn File, from: &str, to: &str) -> Result<(), DurableRenameError> {
    file.fsync().map_err(DurableRenameError::FsyncFile)?;
    dir.rename(from, to).map_err(DurableRenameError::Rename)?;
    dir.fsync().map_err(DurableRenameError::FsyncDir)
}

/// As [`durable_rename`], but to a name that nothing has: whatever appeared there meanwhile is not replaced.
///
/// # Errors
/// As [`durable_rename`]; [`DurableRenameError::Rename`] with EEXIST if something has the name.
pub fn durable_rename_new(dir: &dyn Dir, file: &dyn File, from: &str, to: &str) -> Result<(), DurableRenameError> {
    file.fsync().map_err(DurableRenameError::FsyncFile)?;
    dir.rename_new(from, to).map_err(DurableRenameError::Rename)?;
    dir.fsync().map_err(DurableRenameError::FsyncDir)
}
