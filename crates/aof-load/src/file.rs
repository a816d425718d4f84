//! A file that is read, and the errors that name it.

use std::path::PathBuf;
use std::sync::Arc;

use vfs::{Dir, File, FileKind, Open};

use crate::copy::{Failed, read_exact};
use crate::damage::RefusedCommand;
use crate::error::Evidence;
use crate::{Damage, LoadError, Operation};

/// An open file of a log, or a log.
pub(crate) struct LogFile {
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) size_bytes: u64,
}

impl LogFile {
    /// Opens `name` in `dir`. `None` if there is no such file.
    pub(crate) fn open(dir: Arc<dyn Dir>, name: &str, how: Open) -> Result<Option<Self>, LoadError> {
        let path = dir.path().join(name);
        let failed = |operation| {
            let path = path.clone();
            move |source| LoadError::Io { path, operation, offset: 0, source }
        };
        match dir.stat(name).map_err(failed(Operation::Stat))? {
            None => return Ok(None),
            Some(metadata) if metadata.kind != FileKind::File => {
                return Err(LoadError::NotAFile { path, kind: metadata.kind });
            }
            Some(_) => (),
        }
        let file = dir.open(name, how).map_err(failed(Operation::Open))?;
        let size_bytes = file.metadata().map_err(failed(Operation::Stat))?.len;
        Ok(Some(Self { dir, name: name.to_owned(), path, file, size_bytes }))
    }

    /// Its first bytes: enough to tell what it is.
    pub(crate) fn start(&self) -> Result<Vec<u8>, LoadError> {
        const START_BYTES: u64 = 1024;
        self.first(START_BYTES)
    }

    /// All of it, which is small.
    pub(crate) fn all(&self) -> Result<Vec<u8>, LoadError> {
        self.first(self.size_bytes)
    }

    fn first(&self, bytes: u64) -> Result<Vec<u8>, LoadError> {
        let mut start = vec![0; usize::try_from(self.size_bytes.min(bytes)).unwrap_or(0)];
        read_exact(&*self.file, &mut start, 0)
            .map_err(|error| self.io(Failed { operation: Operation::Read, offset: 0, error }))?;
        Ok(start)
    }

    /// Sees that the file is as long as it was when it was opened, and that it is still what has its name.
    pub(crate) fn unchanged(&self) -> Result<(), LoadError> {
        let failed = |error| self.io(Failed { operation: Operation::Stat, offset: 0, error });
        let opened = self.file.metadata().map_err(failed)?;
        if opened.len != self.size_bytes {
            let (read_bytes, size_bytes) = (self.size_bytes, opened.len);
            return Err(LoadError::Changed { path: self.path.clone(), read_bytes, size_bytes });
        }
        match self.dir.stat(&self.name).map_err(failed)? {
            Some(named) if (named.inode, named.birth_ns) == (opened.inode, opened.birth_ns) => Ok(()),
            _ => Err(self.replaced()),
        }
    }

    /// The error of a file that is not what it was.
    pub(crate) fn replaced(&self) -> LoadError {
        LoadError::Replaced { path: self.path.clone() }
    }

    pub(crate) fn io(&self, Failed { operation, offset, error }: Failed) -> LoadError {
        LoadError::Io { path: self.path.clone(), operation, offset, source: error }
    }

    pub(crate) fn refused(&self, RefusedCommand { name, offset, index, refusal, .. }: RefusedCommand) -> LoadError {
        LoadError::Refused { path: self.path.clone(), name, offset, index, refusal }
    }

    pub(crate) fn bad_format(&self, damage: Damage, evidence: Evidence) -> LoadError {
        LoadError::BadFormat { path: self.path.clone(), damage: Box::new(damage), evidence }
    }

    pub(crate) fn not_proven(&self, Failed { operation, offset, error }: Failed) -> LoadError {
        LoadError::Prove { path: self.path.clone(), operation, offset, source: error }
    }
}
