//! Temporary files that a server left behind, told apart from those that the next one makes under the same names.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result};

/// A temporary file: the live server makes some of the same names, but not the same files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TempFile {
    pub(crate) name: String,
    inode: u64,
    modified: SystemTime,
}

/// A rewrite's, a save's, a probe's or a state file's temporary files.
///
/// # Errors
/// If the directory is there and cannot be read.
pub(crate) fn temp_files(data_dir: &Path) -> Result<Vec<TempFile>> {
    let entries = match fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("the data directory"),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("temp-") {
            continue;
        }
        // Gone since the directory was read: a live server renames its own.
        if let Ok(metadata) = entry.metadata() {
            found.push(TempFile { name, inode: metadata.ino(), modified: metadata.modified()? });
        }
    }
    Ok(found)
}

/// Which of `before` are still there, in words.
///
/// # Errors
/// As [`temp_files`].
pub(crate) fn still_there(data_dir: &Path, before: &[TempFile]) -> Result<Vec<String>> {
    let left = temp_files(data_dir)?.into_iter().filter(|file| before.contains(file));
    Ok(left.map(|file| format!("{} is still there after the restart", file.name)).collect())
}
