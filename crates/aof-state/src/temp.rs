//! The names used beside a log, that of the lock and the temporary ones, in one place. Whoever makes a temporary file makes it
//! by a name that the next start removes. A crash may leave any of them. One of them may be the only copy of something: the file that a
//! rewrite has finished and announced, where no log has its name. A start gives it the name first ([`StateFile::finished`]).
//!
//! [`StateFile::finished`]: crate::StateFile::finished

use mutants::{Mutant, planted};
use std::io;
use vfs::{Dir, FileKind};

/// The lock file of a directory: one server each.
pub const LOCK_NAME: &str = "ledgerstone.lock";

/// A temporary file beside a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TempFile {
    /// The rewrite child writes it: `temp-rewriteaof-<pid>.aof`. Source: name as in Redis.
    Rewrite {
        /// The process that made the name.
        pid: u32,
    },
    /// The rewrite child has finished it: `temp-rewriteaof-bg-<pid>.aof`. Source: name as in Redis.
    RewriteDone {
        /// The process that made the name.
        pid: u32,
    },
    /// A snapshot in the making: `temp-ledgerstone-<pid>.rdb`. Not Redis's name: one that runs in the directory may be writing to
    /// `temp-<pid>.rdb`.
    Dump {
        /// The process that made the name.
        pid: u32,
    },
    /// The next state file: `temp-<log>.state`.
    State,
    /// The probe of a disk after a failed fsync: `temp-<log>.probe`.
    Probe,
    /// The proven copy that recovery makes of a log without a state file: `temp-<log>.copy`.
    Copy,
    /// What was imported from another server's files, whole, until they are known to be as they were read: `temp-<log>.import`.
    Import,
}

impl TempFile {
    /// Its name beside the log `aof_name`.
    #[must_use]
    pub fn name(self, aof_name: &str) -> String {
        match self {
            Self::Rewrite { pid } => format!("temp-rewriteaof-{pid}.aof"),
            Self::RewriteDone { pid } => format!("temp-rewriteaof-bg-{pid}.aof"),
            Self::Dump { pid } => format!("temp-ledgerstone-{pid}.rdb"),
            Self::State => format!("temp-{aof_name}.state"),
            Self::Probe => format!("temp-{aof_name}.probe"),
            Self::Copy => format!("temp-{aof_name}.copy"),
            Self::Import => format!("temp-{aof_name}.import"),
        }
    }

    /// Which temporary file beside the log `aof_name` has this name; `None` for every other name. Only exact names count:
    /// a file that merely looks similar may be someone's copy.
    #[must_use]
    pub fn parse(name: &str, aof_name: &str) -> Option<Self> {
        let rest = name.strip_prefix("temp-")?;
        if let Some(pid) = rest.strip_prefix("rewriteaof-").and_then(|rest| rest.strip_suffix(".aof")) {
            let done = pid.strip_prefix("bg-");
            if let Some(pid) = process_id(done.unwrap_or(pid)) {
                return Some(if done.is_some() { Self::RewriteDone { pid } } else { Self::Rewrite { pid } });
            }
        }
        let dump = rest.strip_prefix("ledgerstone-").and_then(|rest| rest.strip_suffix(".rdb"));
        if let Some(pid) = dump.and_then(process_id) {
            return Some(Self::Dump { pid });
        }
        match rest.strip_prefix(aof_name)? {
            ".state" => Some(Self::State),
            ".probe" => Some(Self::Probe),
            ".copy" => Some(Self::Copy),
            ".import" => Some(Self::Import),
            _ => None,
        }
    }
}

/// A number of digits and nothing else.
fn process_id(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Whether start-up removes `name` beside the log `aof_name`. For a log that has such a name see [`TempFile::parse`].
#[must_use]
pub fn is_temp_name(name: &str, aof_name: &str) -> bool {
    // The log itself is never temporary, whatever its operator called it.
    name != aof_name && TempFile::parse(name, aof_name).is_some()
}

/// What stopped the removal of temporary files.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The directory could not be read.
    #[error("listing the directory failed")]
    List(#[source] io::Error),
    /// One file could not be removed; those before it were.
    #[error("removing {name} failed")]
    Remove {
        /// Its name.
        name: String,
        /// Why.
        source: io::Error,
    },
}

/// What was found of temporary files, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Those that were removed.
    pub removed: Vec<String>,
    /// Those that may be of another server's rewrite.
    pub left: Vec<String>,
}

/// Removes the temporary files that a crash left beside the log `aof_name`. The files of rewrites have Redis's names: one whose number is that
/// of a process which, as `is_others` says, lives, is none of ours and has the file open, is in use and is left. Only after the
/// directory's lock was taken: they may be another server's; and after what [`StateFile::finished`](crate::StateFile::finished) finds has
/// its name. A directory under such a name is left alone. The removal is not
/// made durable: a file that comes back is removed at the next start.
///
/// # Errors
/// The first one met.
pub fn clean_temp_files(
    dir: &dyn Dir,
    aof_name: &str,
    is_others: &dyn Fn(u32, &str) -> bool,
) -> Result<Cleaned, CleanError> {
    let mut names = dir.list().map_err(CleanError::List)?;
    names.retain(|name| is_temp_name(name, aof_name) && !planted(Mutant::TempFilesStay));
    names.sort_unstable();
    let mut cleaned = Cleaned::default();
    for name in names {
        if let Some(TempFile::Rewrite { pid } | TempFile::RewriteDone { pid }) = TempFile::parse(&name, aof_name)
            && is_others(pid, &name)
        {
            cleaned.left.push(name);
            continue;
        }
        match remove(dir, &name) {
            Ok(true) => cleaned.removed.push(name),
            Ok(false) => {}
            Err(source) => return Err(CleanError::Remove { name, source }),
        }
    }
    Ok(cleaned)
}

fn remove(dir: &dyn Dir, name: &str) -> io::Result<bool> {
    match dir.stat(name)? {
        Some(found) if found.kind != FileKind::Dir => dir.unlink(name).map(|()| true),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "makes what stands in a temporary file's place")]

    use super::*;
    use vfs::{Open, RealDir};

    const AOF: &str = "appendonly.aof";

    #[test]
    fn every_temporary_name_is_recognised_as_what_it_is() {
        let all = [
            TempFile::Rewrite { pid: 1 },
            TempFile::RewriteDone { pid: u32::MAX },
            TempFile::Dump { pid: 7 },
            TempFile::State,
            TempFile::Probe,
            TempFile::Copy,
            TempFile::Import,
        ];
        for temp in all {
            assert_eq!(TempFile::parse(&temp.name(AOF), AOF), Some(temp));
            assert!(is_temp_name(&temp.name(AOF), AOF));
        }
    }

    #[test]
    fn what_may_be_someones_data_is_not_temporary() {
        let mine = [
            "appendonly.aof",
            "appendonly.aof.state",
            "appendonly.aof.torn-12",
            "appendonly.aof.old-1700000000",
            "dump.rdb",
            "temp-7.rdb",
            "temp-ledgerstone-.rdb",
            "temp-ledgerstone-mine.rdb",
            "temp-ledgerstone-7.rdb.bak",
            "temp-rewriteaof-.aof",
            "temp-rewriteaof-bg-.aof",
            "temp-rewriteaof-12.aof.bak",
            "temp-rewriteaof-mine.aof",
            "temp-rewriteaof-+1.aof",
            "temp-other.aof.state",
            "temp-appendonly.aof.state2",
            "temp-",
            "",
        ];
        for name in mine {
            assert!(!is_temp_name(name, AOF), "{name:?}");
        }
        assert!(!is_temp_name("temp-rewriteaof-1.aof", "temp-rewriteaof-1.aof"), "the log itself");
    }

    #[test]
    fn cleaning_removes_temporary_files_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let dir = RealDir::open(place.path()).unwrap();
        for name in
            ["appendonly.aof", "temp-rewriteaof-12.aof", "temp-rewriteaof-bg-12.aof", "temp-appendonly.aof.state"]
        {
            dir.open(name, Open::CreateNew).unwrap();
        }
        std::fs::create_dir(place.path().join("temp-rewriteaof-13.aof")).unwrap();
        let cleaned = clean_temp_files(&dir, AOF, &|_, _| false).unwrap();
        assert_eq!(
            cleaned.removed,
            ["temp-appendonly.aof.state", "temp-rewriteaof-12.aof", "temp-rewriteaof-bg-12.aof"]
        );
        let mut left = dir.list().unwrap();
        left.sort_unstable();
        assert_eq!(left, ["appendonly.aof", "temp-rewriteaof-13.aof"]);
    }
}
