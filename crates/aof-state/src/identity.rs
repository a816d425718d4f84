//! Which file a state file speaks of.
//!
//! An inode number alone says nothing: file systems hand a freed one out again at once. The birth time tells the two
//! files apart unless both were made within one tick of the kernel's coarse clock (4 ms), or the file system keeps none. The
//! mark, 16 random bytes in an extended attribute, tells them apart always, where attributes are kept.

use std::{fmt, io};
use vfs::File;

/// What tells a log apart from every other file that had its name or its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Inode number.
    pub inode: u64,
    /// Birth time in nanoseconds since the epoch, where the file system keeps one.
    pub birth_ns: Option<u64>,
    /// The random generation set on the file, where the file system keeps marks.
    pub mark: Option<[u8; 16]>,
}

impl Identity {
    /// Reads the identity that `file` has.
    ///
    /// # Errors
    /// The system calls'.
    pub fn of(file: &dyn File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { inode: metadata.inode, birth_ns: metadata.birth_ns, mark: file.mark()? })
    }

    /// Gives `file` a new generation, `mark` (random bytes), and returns the identity it has from now on. State files that
    /// spoke of it before no longer match. The mark is durable after an `fsync` (not `fdatasync`) of the file; one lost in
    /// a power loss costs a proof at the next start, no data.
    ///
    /// # Errors
    /// The system calls'. That no mark can be kept is none: the identity then has none.
    pub fn brand(file: &dyn File, mark: [u8; 16]) -> io::Result<Self> {
        let kept = file.set_mark(mark)?;
        let metadata = file.metadata()?;
        let mark = if kept { Some(mark) } else { file.mark()? };
        Ok(Self { inode: metadata.inode, birth_ns: metadata.birth_ns, mark })
    }

    /// Whether it tells more than an inode number, which is reused and proves nothing.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        self.birth_ns.is_some() || self.mark.is_some()
    }
}

/// One word: the inode, the birth time and the mark in hexadecimal digits, with `-` between; what is not known is left out.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-", self.inode)?;
        if let Some(birth_ns) = self.birth_ns {
            write!(f, "{birth_ns:x}")?;
        }
        f.write_str("-")?;
        self.mark.iter().flatten().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
