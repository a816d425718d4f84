//! Where a file stands: its directory and its name, with links in the path followed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use vfs::RealDir;

/// An open directory and a name in it.
pub(crate) struct Place {
    pub(crate) dir: RealDir,
    pub(crate) name: String,
}

impl Place {
    /// Where the existing file `path` stands. What is done beside the file is done where it really is, not where a link to it is.
    pub(crate) fn of_existing(path: &Path) -> Result<Self> {
        let (dir, name) = RealDir::holding(path).with_context(|| format!("Cannot open file {}", path.display()))?;
        Ok(Self { dir, name })
    }

    /// Where `path` stands, or will.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} is no name of a file", path.display()))?.to_owned();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.map_or_else(|| PathBuf::from("."), Path::to_owned);
        let dir = RealDir::open(&parent).with_context(|| format!("Cannot open directory {}", parent.display()))?;
        Ok(Self { dir, name })
    }
}
