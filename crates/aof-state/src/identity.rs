//! Which file a state file speaks of.
//!
//! An inode number alone says nothing: file systems hand a freed one out again at once. The birth time tells the two
//! files apart unless both were made within one tick of the kernel's coarse clock (4 ms), or the file system keeps none. The
//! mark, 16 random bytes in an extended attribute, tells them apart always, where attributes are kept. Its first half is the same in all
//! files that were one log, one after the other.

use std::str::FromStr;
use std::{fmt, io};

use vfs::File;

/// What the marks of all files have in common that were one log, one after the other: their first half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line([u8; 8]);

impl Line {
    /// That of a file with this mark.
    #[must_use]
    pub fn of(mark: [u8; 16]) -> Self {
        Self(*mark.first_chunk().expect("16 bytes hold 8"))
    }

    /// Makes a mark of 16 random bytes: for the next file of `line`, or for a log that begins.
    #[must_use]
    pub fn mark(line: Option<Self>, random: [u8; 16]) -> [u8; 16] {
        let mut mark = random;
        if let Some(Self(line)) = line {
            mark[..8].copy_from_slice(&line);
        }
        mark
    }
}

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

    /// Gives `file` a new generation, `mark` (of [`Line::mark`]), and returns the identity it has from now on. State files that
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

    /// Which log it is a file of, where the file system keeps marks.
    #[must_use]
    pub fn line(&self) -> Option<Line> {
        self.mark.map(Line::of)
    }

    /// Whether it tells more than an inode number, which is reused and proves nothing.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        self.birth_ns.is_some() || self.mark.is_some()
    }

    /// Whether this is the inode of the other identity, whatever marks it had and has. An inode number alone tells nothing.
    #[must_use]
    pub fn is_inode_of(&self, other: Self) -> bool {
        self.birth_ns.is_some() && (self.inode, self.birth_ns) == (other.inode, other.birth_ns)
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

/// The text is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the identity of a file: expected hexadecimal numbers, inode-birth-mark, of which the last two may be left out"
)]
pub struct BadIdentity;

impl FromStr for Identity {
    type Err = BadIdentity;

    /// Parses what [`Display`](fmt::Display) writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, BadIdentity> {
        let number = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| BadIdentity);
        let mut parts = text.split('-');
        let (Some(inode), Some(birth), Some(mark), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadIdentity);
        };
        let identity = Self {
            inode: number(inode)?,
            birth_ns: if birth.is_empty() { None } else { Some(number(birth)?) },
            mark: match mark {
                "" => None,
                _ => Some(u128::from_str_radix(mark, 16).map_err(|_| BadIdentity)?.to_be_bytes()),
            },
        };
        if identity.to_string() == text { Ok(identity) } else { Err(BadIdentity) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_identity_is_shown_as_is_read_back_and_nothing_else_is_one() {
        for (birth_ns, mark) in
            [(None, None), (Some(0), None), (None, Some([0; 16])), (Some(u64::MAX), Some([0xa5; 16]))]
        {
            let identity = Identity { inode: 0x1f, birth_ns, mark };
            assert_eq!(identity.to_string().parse(), Ok(identity));
        }
        let mark = "0".repeat(32);
        for text in ["", "1f", "1f-", "-1-", "1f--0", "01f--", "1F--", "+1f--", "1f- 1-", "1f---", "1f--xyz", "1f--ä"]
        {
            assert_eq!(text.parse::<Identity>(), Err(BadIdentity), "{text}");
        }
        assert!(format!("1f--{mark}").parse::<Identity>().is_ok());
        assert_eq!(format!("1f--{mark}0").parse::<Identity>(), Err(BadIdentity));
        assert_eq!(format!("1f--+{}", &mark[1..]).parse::<Identity>(), Err(BadIdentity));
    }

    #[test]
    fn the_files_of_a_log_have_a_line_in_common_and_marks_of_their_own() {
        let first = Line::mark(None, [1; 16]);
        let next = Line::mark(Some(Line::of(first)), [2; 16]);
        assert_eq!(Line::of(next), Line::of(first));
        assert_ne!(next, first);
        assert_ne!(Line::of(Line::mark(None, [2; 16])), Line::of(first), "one that begins");
    }
}
