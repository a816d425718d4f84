//! Reading a state file, deciding whether it speaks of the log at hand, and writing it.

use crate::state::{DecodeError, MOST_RECORDS, STATE_FILE_BYTES, StateFile};
use crate::{Identity, TempFile};
use mutants::{Mutant, planted};
use std::io;
use vfs::{Dir, DurableRenameError, File, Open, durable_rename};

/// The name of the state file of the log `aof_name`.
#[must_use]
pub fn state_name(aof_name: &str) -> String {
    format!("{aof_name}.state")
}

/// What a file that has the name of the log `aof_name` is called once the first rewrite at `now_unix_ms` has made a log.
#[must_use]
pub fn aside_name(aof_name: &str, now_unix_ms: i64) -> String {
    format!("{aof_name}.old-{now_unix_ms}")
}

/// When a file of this name was set aside from beside the log `aof_name`, Unix milliseconds; `None` for any other name.
#[must_use]
pub fn set_aside_at(name: &str, aof_name: &str) -> Option<i64> {
    let at_ms = name.strip_prefix(aof_name)?.strip_prefix(".old-")?.parse().ok()?;
    (aside_name(aof_name, at_ms) == name).then_some(at_ms)
}

/// Why there is no state file for a log. None of these is an error of the log: recovery proves it the long way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoState {
    /// There is none.
    #[error("there is no state file")]
    Missing,
    /// It could not be read, or is no regular file.
    #[error("the state file cannot be read")]
    Unreadable(#[source] io::Error),
    /// The log could not be asked who it is.
    #[error("the identity of the log cannot be read")]
    LogUnreadable(#[source] io::Error),
    /// Torn, damaged, or of another version.
    #[error("the state file is not valid")]
    Invalid(#[source] DecodeError),
    /// It speaks of another file: the log was replaced, restored or copied.
    #[error("the state file speaks of another file: the log was replaced, restored or copied")]
    OtherFile {
        /// What the state file states.
        stated: Identity,
        /// What the log is.
        found: Identity,
    },
    /// The file system keeps neither birth times nor marks, and an inode number alone proves nothing.
    #[error("nothing but an inode number ties the state file to the log")]
    NotTelling,
    /// The log is shorter than was once fsynced: someone else cut it, or the disk lost what it had promised.
    #[error("the log has {len_bytes} bytes, of which {fsynced_offset_bytes} were once fsynced")]
    LogTooShort {
        /// Length of the log in bytes.
        len_bytes: u64,
        /// What the state file states, in bytes.
        fsynced_offset_bytes: u64,
    },
}

/// How far a state file is taken before [`StateFile::write`] returns. Either way its bytes are fsynced before it gets its name:
/// after a power loss a state file is old or new, never torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Under its name in the page cache. A power loss may leave the one before it, which stated less.
    Named,
    /// Its name is durable too: the first of a log, so that there is always one that speaks of it, and that of a clean end.
    Durable,
}

/// Which step of writing a state file failed. The state file before it stands, or (after a failed directory fsync) either.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// What it says of other files could not be read, and would be lost.
    #[error("reading the state file failed")]
    Read(#[source] io::Error),
    /// The temporary file could not be made.
    #[error("creating the temporary state file failed")]
    Create(#[source] io::Error),
    /// It could not be written.
    #[error("writing the temporary state file failed")]
    Write(#[source] io::Error),
    /// It could not be fsynced.
    #[error("fsyncing the temporary state file failed")]
    Fsync(#[source] io::Error),
    /// It could not be renamed.
    #[error("renaming the state file failed")]
    Rename(#[source] io::Error),
    /// It could not be made durable under its name.
    #[error("making the state file durable failed")]
    Durable(#[source] DurableRenameError),
}

impl From<WriteError> for io::Error {
    /// The system's error alone.
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Read(source)
            | WriteError::Create(source)
            | WriteError::Write(source)
            | WriteError::Fsync(source)
            | WriteError::Rename(source)
            | WriteError::Durable(
                DurableRenameError::FsyncFile(source)
                | DurableRenameError::Rename(source)
                | DurableRenameError::FsyncDir(source),
            ) => source,
        }
    }
}

/// What could not be read, of a directory.
#[derive(Debug, thiserror::Error)]
#[error("{name} cannot be read")]
pub struct Unread {
    /// The file; `.` for the directory itself.
    pub name: String,
    /// Why.
    pub source: io::Error,
}

/// A whole log under a temporary name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// That name.
    pub name: String,
    /// When it was last written to, nanoseconds since the epoch.
    pub modified_ns: u64,
    /// It was only announced: nothing was promised of what it holds.
    pub announced: bool,
}

impl StateFile {
    /// Reads the state file of the log `aof_name`, open as `aof`, and matches it with the log. Of a log that it only announced it says
    /// so: the name may not be durable yet.
    ///
    /// A clean end, and that it is a copy, is reported only if the log is exactly as long as it was then: a longer one has been written
    /// since.
    ///
    /// # Errors
    /// Why there is none.
    pub fn read(dir: &dyn Dir, aof_name: &str, aof: &dyn File) -> Result<Self, NoState> {
        let stated = read_all(dir, aof_name)?;
        let found = Identity::of(aof).map_err(NoState::LogUnreadable)?;
        let len_bytes = aof.metadata().map_err(NoState::LogUnreadable)?.len;
        let of_this = stated.iter().find(|state| state.identity == found);
        of_this.unwrap_or(&stated[0]).matched(found, len_bytes)
    }

    /// Reads the state file of the log `aof_name` without a log to match it with: what it says of a file that may be gone. One that was
    /// only announced may never have had the name.
    ///
    /// # Errors
    /// Why there is none.
    pub fn read_alone(dir: &dyn Dir, aof_name: &str) -> Result<Self, NoState> {
        read_all(dir, aof_name)?.into_iter().find(|state| !state.announced).ok_or(NoState::Missing)
    }

    /// All that the state file of the log `aof_name` says, of each file that it speaks of: the log first, then what was announced since.
    ///
    /// # Errors
    /// If the state file cannot be read: then nobody knows. One that is missing or damaged says nothing.
    pub fn all(dir: &dyn Dir, aof_name: &str) -> io::Result<Vec<Self>> {
        read_any(dir, aof_name)
    }

    /// The file that a rewrite has finished beside the log `aof_name` and that the state file speaks of, the last one if there are
    /// several: one that a crash has kept from its name, or that a power cut took it from. While no other has it, this may be the only one
    /// that holds what it holds.
    ///
    /// # Errors
    /// If the directory, the state file or such a file cannot be read: then nobody knows whether there is one.
    pub fn finished(dir: &dyn Dir, aof_name: &str) -> Result<Option<Finished>, Unread> {
        let unread = |name: &str, source| Unread { name: name.to_owned(), source };
        let states = read_any(dir, aof_name).map_err(|source| unread(&state_name(aof_name), source))?;
        if states.is_empty() {
            return Ok(None);
        }
        let is_finished = |name: &String| matches!(TempFile::parse(name, aof_name), Some(TempFile::RewriteDone { .. }));
        let mut last = None;
        for name in dir.list().map_err(|source| unread(".", source))?.into_iter().filter(is_finished) {
            let error = |source| unread(&name, source);
            let file = dir.open(&name, Open::Read).map_err(error)?;
            let found = Identity::of(&*file).map_err(error)?;
            let now = file.metadata().map_err(error)?;
            let Some(at) = states.iter().rposition(|state| state.identity == found && found.is_telling()) else {
                continue;
            };
            if last.as_ref().is_none_or(|(before, _)| at > *before) {
                let finished = Finished { name, modified_ns: now.modified_ns, announced: states[at].announced };
                last = Some((at, finished));
            }
        }
        Ok(last.map(|(_, finished)| finished))
    }

    /// The same decision without a disk.
    fn matched(mut self, found: Identity, len_bytes: u64) -> Result<Self, NoState> {
        if planted(Mutant::IdentityIgnored) {
            self.identity = found;
        }
        if self.identity != found {
            return Err(NoState::OtherFile { stated: self.identity, found });
        }
        if !found.is_telling() {
            return Err(NoState::NotTelling);
        }
        let fsynced_offset_bytes = self.fsynced_offset_bytes;
        if len_bytes < fsynced_offset_bytes {
            return Err(NoState::LogTooShort { len_bytes, fsynced_offset_bytes });
        }
        self.clean_end &= len_bytes == fsynced_offset_bytes;
        self.copy &= len_bytes == fsynced_offset_bytes;
        Ok(self)
    }

    /// Writes the state file of the log `aof_name`: a temporary file, an fsync, then a rename, so that no reader ever sees half
    /// of it. Waits for the disk: a job for a background thread.
    ///
    /// # Errors
    /// One named error per step.
    pub fn write(&self, dir: &dyn Dir, aof_name: &str, durability: Durability) -> Result<(), WriteError> {
        write_all(&[*self], dir, aof_name, durability)
    }

    /// Writes a state file that speaks of this file as well, which is about to take the name of the log `aof_name`, so that
    /// whichever of the two a crash leaves under the name, something is known of it; or of a copy that has the name, which may not be
    /// durable. Durable when it returns: the rename may follow. `log` is the state of the log of now; if it is not known, whatever the state
    /// file says of others stays in it. Waits for the disk: a job for a background thread, in one queue with [`write`](Self::write).
    ///
    /// # Errors
    /// One named error per step. The name must not be taken then.
    pub fn announce(&self, log: Option<Self>, dir: &dyn Dir, aof_name: &str) -> Result<(), WriteError> {
        let mut states = match log {
            Some(log) => vec![log],
            None => read_any(dir, aof_name).map_err(WriteError::Read)?,
        };
        for state in &mut states {
            // It ended at a time, which was that of the state file: and that becomes another.
            state.clean_end = false;
        }
        states.retain(|state| state.identity != self.identity);
        if states.len() == MOST_RECORDS {
            // The first one has had the name, and copies have.
            let is_other = |state: &Self| state.announced && !state.copy;
            states.remove(states.iter().skip(1).position(is_other).map_or(1, |at| at + 1));
        }
        states.push(Self { announced: true, ..*self });
        write_all(&states, dir, aof_name, Durability::Durable)
    }
}

fn write_all(states: &[StateFile], dir: &dyn Dir, aof_name: &str, durability: Durability) -> Result<(), WriteError> {
    let (temp, name) = (TempFile::State.name(aof_name), state_name(aof_name));
    let file = create_anew(dir, &temp).map_err(WriteError::Create)?;
    let bytes: Vec<u8> = states.iter().flat_map(StateFile::encode).collect();
    append_all(&*file, &bytes).map_err(WriteError::Write)?;
    match durability {
        Durability::Named => {
            file.fdatasync().map_err(WriteError::Fsync)?;
            dir.rename(&temp, &name).map_err(WriteError::Rename)
        }
        Durability::Durable => durable_rename(dir, &*file, &temp, &name).map_err(WriteError::Durable),
    }
}

/// The records of the state file; at least one.
fn read_all(dir: &dyn Dir, aof_name: &str) -> Result<Vec<StateFile>, NoState> {
    StateFile::decode_all(&read_bytes(dir, aof_name)?).map_err(NoState::Invalid)
}

/// The records of the state file, if it can be read; one that is missing or damaged says nothing of any file.
fn read_any(dir: &dyn Dir, aof_name: &str) -> io::Result<Vec<StateFile>> {
    match read_all(dir, aof_name) {
        Ok(states) => Ok(states),
        Err(NoState::Unreadable(source)) => Err(source),
        Err(_) => Ok(Vec::new()),
    }
}

/// The bytes of the state file; one too many at most, for a file that is too long.
fn read_bytes(dir: &dyn Dir, aof_name: &str) -> Result<Vec<u8>, NoState> {
    let file = match dir.open(&state_name(aof_name), Open::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NoState::Missing),
        Err(error) => return Err(NoState::Unreadable(error)),
    };
    let mut bytes = vec![0; MOST_RECORDS * STATE_FILE_BYTES + 1];
    let mut len = 0;
    while len < bytes.len() {
        match file.read_at(&mut bytes[len..], len as u64) {
            Ok(0) => break,
            Ok(got) => len += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(NoState::Unreadable(error)),
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// Creates `name`, removing what an earlier attempt left there.
fn create_anew(dir: &dyn Dir, name: &str) -> io::Result<std::sync::Arc<dyn File>> {
    match dir.open(name, Open::CreateNew) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            dir.unlink(name)?;
            dir.open(name, Open::CreateNew)
        }
        other => other,
    }
}

fn append_all(file: &dyn File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => bytes = &bytes[taken..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BootId;

    const WHO: Identity = Identity { inode: 7, birth_ns: Some(8), mark: Some([9; 16]) };

    fn state(identity: Identity) -> StateFile {
        StateFile {
            identity,
            boot_id: BootId([1; 16]),
            fsynced_offset_bytes: 100,
            clean_end: true,
            announced: false,
            copy: true,
        }
    }

    #[test]
    fn only_the_very_same_file_matches() {
        assert!(state(WHO).matched(WHO, 100).is_ok());
        let others = [
            Identity { inode: 6, ..WHO },
            Identity { birth_ns: Some(9), ..WHO },
            Identity { birth_ns: None, ..WHO },
            Identity { mark: Some([8; 16]), ..WHO },
            Identity { mark: None, ..WHO },
        ];
        for found in others {
            assert!(matches!(state(WHO).matched(found, 100), Err(NoState::OtherFile { .. })), "{found:?}");
        }
    }

    #[test]
    fn an_inode_number_alone_proves_nothing() {
        let bare = Identity { birth_ns: None, mark: None, ..WHO };
        assert!(matches!(state(bare).matched(bare, 100), Err(NoState::NotTelling)));
    }

    #[test]
    fn a_clean_end_is_over_once_the_log_has_grown() {
        let as_it_was = state(WHO).matched(WHO, 100).unwrap();
        assert!(as_it_was.clean_end && as_it_was.copy);
        let grown = state(WHO).matched(WHO, 101).unwrap();
        assert_eq!((grown.clean_end, grown.copy, grown.fsynced_offset_bytes), (false, false, 100));
    }

    #[test]
    fn a_log_shorter_than_what_was_fsynced_is_told_apart() {
        assert!(matches!(state(WHO).matched(WHO, 99), Err(NoState::LogTooShort { len_bytes: 99, .. })));
    }
}
