//! What happens to the directory before anything is served: lock, leftovers, and which files hold the dataset.
//!
//! Invariant: no persistence file is read, written or removed before the directory's lock is held, and the server never
//! starts empty beside data.

use std::io;

use aof_load::{AmbiguousTail, LoadError, LoadOptions, Proven, Recovery, SourceKind};
use aof_state::{
    BootId, CleanError, Cleaned, Identity, LOCK_NAME, Line, NoState, StateFile, TempFile, clean_temp_files,
    is_temp_name, set_aside_at, state_name,
};
use mutants::{Mutant, planted};
use vfs::{DirLock, File, FileKind, LockOutcome, Open};

use super::Phase;
use super::beside::Beside;
use super::loading::Loading;
use crate::clock::FileTime;
use crate::engine::Engine;
use crate::log::Level;

/// What a state file says of a log.
#[derive(Clone, Copy, Debug)]
struct Vouched {
    proven: Proven,
    /// Which file it is.
    identity: Identity,
}

/// Why the server cannot start on a directory. Nothing in it was changed, but for leftovers of a crash, that a copy which was taken for the
/// log is no copy any more, and that one whose name cannot be made durable may have a temporary name, which the next start takes back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another server runs there.
    #[error("{dir} is in use by another server{}: stop it, or give this one another 'dir'", pid_text(*.pid))]
    Locked {
        /// The directory.
        dir: String,
        /// The other server's process id, where it is known.
        pid: Option<u32>,
    },
    /// The lock file could not be made: the directory is not writable, for example.
    #[error("can't take the lock file {dir}/{LOCK_NAME}")]
    Lock {
        /// The directory.
        dir: String,
        /// Why.
        source: io::Error,
    },
    /// A leftover of a crash could not be removed.
    #[error("can't remove the temporary files in {dir}")]
    Clean {
        /// The directory.
        dir: String,
        /// Why.
        source: CleanError,
    },
    /// There is data that starting now would leave aside.
    #[error("{dir}/{found} holds data that would be left aside: {advice}")]
    BesideData {
        /// The directory.
        dir: String,
        /// The file or directory.
        found: String,
        /// What to do.
        advice: String,
    },
    /// The log lacks bytes that were once on stable storage.
    #[error(
        "{dir}/{name} has {len_bytes} bytes, of which {fsynced_offset_bytes} were once fsynced: bytes are missing. Restore it from a \
         copy; or, if it was cut on purpose, remove {name}.state to start with what is left"
    )]
    TooShort {
        /// The directory.
        dir: String,
        /// The log.
        name: String,
        /// Its size in bytes.
        len_bytes: u64,
        /// What the state file states.
        fsynced_offset_bytes: u64,
    },
    /// There is no log, but a state file of one that held data.
    #[error(
        "{dir}/{name} is missing, and {name}.state says that {fsynced_offset_bytes} bytes of it were fsynced. Restore it from a \
         copy; or, if it was removed on purpose, remove {name}.state to go on with what else there is"
    )]
    Missing {
        /// The directory.
        dir: String,
        /// The log.
        name: String,
        /// What the state file states.
        fsynced_offset_bytes: u64,
    },
    /// A file could not be looked at or created.
    #[error("can't {action} {dir}/{name}")]
    File {
        /// What failed.
        action: &'static str,
        /// The directory.
        dir: String,
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The log has a name of what is removed or overwritten.
    #[error(
        "'appendfilename' can't be {name}: the server gives that name to a file of its own, and removes what has it"
    )]
    LogName {
        /// The name.
        name: String,
    },
    /// The snapshot has a name that is taken.
    #[error("'dbfilename' can't be {name}: a file of the append only log, or of the server itself, has that name")]
    DumpName {
        /// The name.
        name: String,
    },
    /// The log cannot be opened for recovery.
    #[error(transparent)]
    Load(#[from] LoadError),
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl Engine {
    /// Takes the directory and begins to load, or begins to serve. Called once, before the first turn.
    ///
    /// # Errors
    /// Whatever keeps the server from starting; it must exit then.
    pub fn start(&mut self) -> Result<(), StartError> {
        self.sample_memory();
        self.check_names()?;
        let lock = self.lock_directory()?;
        self.persistence.lock = Some(lock);
        self.name_finished_log()?;
        self.clean_leftovers()?;
        self.probe_directory()?;
        self.log_contradiction();
        if self.config.appendonly { self.start_with_log() } else { self.start_without_log() }
    }

    /// A snapshot takes the place of what has its name, and a temporary file of whatever has that.
    fn check_names(&self) -> Result<(), StartError> {
        let (dump, log) = (&self.config.dbfilename, &self.config.appendfilename);
        if log == LOCK_NAME || TempFile::parse(log, log).is_some() {
            return Err(StartError::LogName { name: log.clone() });
        }
        let beside_log = dump.strip_prefix(log.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if beside_log || dump == LOCK_NAME || is_temp_name(dump, log) {
            return Err(StartError::DumpName { name: dump.clone() });
        }
        Ok(())
    }

    fn lock_directory(&self) -> Result<DirLock, StartError> {
        let dir = self.persistence.dir_name();
        match self.persistence.dir.lock(LOCK_NAME) {
            Ok(LockOutcome::Acquired(lock)) => Ok(lock),
            Ok(LockOutcome::HeldBy(pid)) => Err(StartError::Locked { dir, pid }),
            Err(source) => Err(StartError::Lock { dir, source }),
        }
    }

    fn clean_leftovers(&mut self) -> Result<(), StartError> {
        let dir = self.persistence.dir_name();
        let Cleaned { removed, left } = self.clean_temp_files().map_err(|source| StartError::Clean { dir, source })?;
        for name in removed {
            self.log_line(Level::Notice, format_args!("Removed the temporary file {name}, left by a crash"));
        }
        for name in left {
            self.log_line(
                Level::Notice,
                format_args!("{name} has the number of a process that lives and may be writing to it: left alone"),
            );
        }
        Ok(())
    }

    /// Removes temporary files, but for what may be of another server that runs in the directory.
    pub(super) fn clean_temp_files(&self) -> Result<Cleaned, CleanError> {
        let is_others = |pid, name: &str| self.process.is_others.is_some_and(|is_others| is_others(pid, name));
        clean_temp_files(&*self.persistence.dir, &self.config.appendfilename, &is_others)
    }

    /// A directory that cannot be written would only be noticed at the next rewrite.
    fn probe_directory(&self) -> Result<(), StartError> {
        let name = TempFile::Probe.name(&self.config.appendfilename);
        let dir = &self.persistence.dir;
        dir.open(&name, Open::CreateNew)
            .and_then(|_| dir.unlink(&name))
            .map_err(|source| self.file_error("create files in the directory: probed with", &name, source))
    }

    pub(super) fn stat(&self, name: &str) -> Result<Option<vfs::Metadata>, StartError> {
        let error = |source| self.file_error("look at", name, source);
        self.persistence.dir.stat(name).map_err(error)
    }

    /// When a file was last written to, nanoseconds since the epoch; 0 if there is none.
    pub(super) fn modified_ns(&self, name: &str) -> Result<u64, StartError> {
        Ok(self.stat(name)?.map_or(0, |found| found.modified_ns))
    }

    pub(super) fn file_error(&self, action: &'static str, name: &str, source: io::Error) -> StartError {
        let is_link = vfs::is_of_symlink(&source);
        let source = if is_link { io::Error::other("it is a symbolic link, which is not followed") } else { source };
        StartError::File { action, dir: self.persistence.dir_name(), name: name.to_owned(), source }
    }

    pub(super) fn refuse_beside(&self, names: &[&str], advice: &str) -> Result<(), StartError> {
        for name in names {
            let found = self.stat(name)?.is_some_and(|m| m.kind != FileKind::File || m.len > 0);
            if found {
                let dir = self.persistence.dir_name();
                return Err(StartError::BesideData { dir, found: (*name).to_owned(), advice: advice.to_owned() });
            }
        }
        Ok(())
    }

    /// The log that was moved aside when `appendonly` was turned on, if a crash came before its successor had the name: the state file
    /// speaks of it, and still announces one.
    pub(super) fn moved_aside(&self, log: &str) -> Result<Option<String>, StartError> {
        let dir = &self.persistence.dir;
        let states = self.states(log)?;
        let Some((_, before)) = states.split_last().filter(|(last, _)| last.announced) else { return Ok(None) };
        // The name of one of long ago may be later: the clock may have been set back since.
        for old in self.asides(log)?.into_iter().rev() {
            let file = dir.open(&old, Open::Read).map_err(|source| self.file_error("open", &old, source))?;
            let found = Identity::of(&*file).map_err(|source| self.file_error("look at", &old, source))?;
            if before.iter().any(|state| state.identity == found) {
                return Ok(Some(old));
            }
        }
        Ok(None)
    }

    /// The files that were moved aside from the log's name, the latest last.
    pub(super) fn asides(&self, log: &str) -> Result<Vec<String>, StartError> {
        let names = self.persistence.dir.list().map_err(|source| self.file_error("list", ".", source))?;
        let mut asides: Vec<_> = names.into_iter().filter_map(|name| Some((set_aside_at(&name, log)?, name))).collect();
        asides.sort();
        Ok(asides.into_iter().map(|(_, name)| name).collect())
    }

    /// Gives a file the log's name, which no other has, durably.
    pub(super) fn name_log(&self, from: &str, log: &str) -> Result<(), StartError> {
        let dir = &self.persistence.dir;
        let named = dir.rename_new(from, log).and_then(|()| {
            dir.fsync().inspect_err(|_| {
                // A name that was lost by an fsync no later one makes durable: the next start has to give it anew.
                let _taken_back = dir.rename_new(log, from);
            })
        });
        named.map_err(|source| self.file_error("rename", from, source))
    }

    /// Gives the log its name back that a first rewrite has moved aside. Whether it did.
    fn give_name_back(&mut self, log: &str) -> Result<bool, StartError> {
        let Some(old) = self.moved_aside(log)? else { return Ok(false) };
        self.name_log(&old, log)?;
        self.log_line(
            Level::Warning,
            format_args!(
                "{old} is {log} again: the server ended before the first rewrite after 'appendonly yes' was done. What was written \
                 while the log was off is not in it"
            ),
        );
        Ok(true)
    }

    /// A log that was moved aside when `appendonly` was turned on, whose successor a crash prevented.
    pub(super) fn refuse_beside_old(&self, log: &str, to_load: &str) -> Result<(), StartError> {
        let prefix = format!("{log}.old-");
        let names = self.persistence.dir.list().map_err(|source| self.file_error("list", ".", source))?;
        let mut old: Vec<&str> = names.iter().filter(|n| n.starts_with(&prefix)).map(String::as_str).collect();
        // The latest first.
        old.sort_by_key(|name| std::cmp::Reverse(set_aside_at(name, log)));
        let Some(aside) = old.first() else { return Ok(()) };
        let dump = &self.config.dbfilename;
        let ways = match (self.stat(dump)?, self.stat(aside)?) {
            (Some(dumped), Some(aside)) if dumped.modified_ns > aside.modified_ns => format!(
                "{dump} ({}) is newer by their times: move this away to start from {dump}. {to_load} to load it instead",
                FileTime(dumped.modified_ns)
            ),
            (Some(_), _) => format!("{to_load} to load it, or move it away to start from {dump}"),
            (None, _) => format!("{to_load} to load it, or move it away to start without it"),
        };
        let advice =
            format!("it was moved aside when 'appendonly' was turned on, and its successor is missing. {ways}");
        self.refuse_beside(&old, &advice)
    }

    /// A state file that speaks of bytes is evidence of a log that is gone, if it is such a log; but not of a copy that had to make way for
    /// a snapshot.
    pub(super) fn refuse_missing(&self, name: &str, is_such: impl Fn(&StateFile) -> bool) -> Result<(), StartError> {
        let is_missed = |state: &StateFile| state.fsynced_offset_bytes > 0 && is_such(state);
        let Some(state) = self.state_alone(name)?.filter(is_missed) else { return Ok(()) };
        if state.copy && self.has_made_way(&state, name)? {
            return Ok(());
        }
        Err(StartError::Missing {
            dir: self.persistence.dir_name(),
            name: name.to_owned(),
            fsynced_offset_bytes: state.fsynced_offset_bytes,
        })
    }

    /// Loads the log; without one, imports what another server left, or begins an empty one.
    fn start_with_log(&mut self) -> Result<(), StartError> {
        let name = self.config.appendfilename.clone();
        if self.stat(&name)?.is_none() && !self.give_name_back(&name)? {
            self.refuse_beside_old(&name, "Rename it to the log's name")?;
            self.refuse_missing(&name, |_| true)?;
            return match self.foreign_data()? {
                Some(found) => self.begin_import(found),
                None => self.create_log(&name),
            };
        }
        self.take_copy(&name)?;
        self.open_log(Some(self.beside()))
    }

    /// Begins to load the log, which is there. If it turns out to hold nothing, and nothing says that it may, what stands beside it
    /// decides.
    pub(super) fn open_log(&mut self, beside: Option<Beside>) -> Result<(), StartError> {
        let name = self.config.appendfilename.clone();
        let vouched = self.read_state(&name)?;
        let ended_in_order = vouched.is_some_and(|vouched| vouched.proven.clean_end);
        let beside = match beside {
            Some(beside) if ended_in_order => {
                let looked = beside.is_newer_than(&state_name(&name));
                let newer = looked.map_err(|source| self.file_error("look at", &self.config.dbfilename, source))?;
                newer.then_some(beside)
            }
            beside => beside,
        };
        if let Some(beside) = &beside
            && self.stat(&name)?.is_some_and(|m| m.len == 0)
        {
            if beside.holds_data() {
                return Err(self.lost_log(&name));
            }
            if vouched.is_none() {
                // Nothing vouches for it at all: it may stand where another one should.
                self.refuse_foreign_log(
                    "and the append only file beside it is empty: remove the one that is not yours",
                )?;
            }
        }
        self.tell_of_foreign_data(&name)?;
        let options = self.load_options();
        let dir = std::sync::Arc::clone(&self.persistence.dir);
        match Recovery::open(dir, &name, options, vouched.map(|vouched| vouched.proven))? {
            Some(recovery) => {
                let identity = vouched.map(|vouched| vouched.identity);
                self.persistence.phase = Phase::Loading(Box::new(Loading::new(recovery, identity, beside, self.now)));
                Ok(())
            }
            None => Err(self.file_error("open", &name, io::ErrorKind::NotFound.into())),
        }
    }

    /// The settings that loading obeys.
    pub(super) fn load_options(&self) -> LoadOptions {
        let cut = self.config.aof_ambiguous_tail_cut;
        LoadOptions {
            truncated: self.config.aof_load_truncated,
            ambiguous_tail: if cut { AmbiguousTail::Cut } else { AmbiguousTail::Refuse },
            without_side_file: self.config.aof_load_without_side_file,
            verify_checksum: self.config.rdbchecksum,
            source: if self.process.threads { SourceKind::Threaded } else { SourceKind::Inline },
        }
    }

    /// What a state file says of the log, if one speaks of it.
    fn read_state(&mut self, name: &str) -> Result<Option<Vouched>, StartError> {
        let file = match self.persistence.dir.open(name, Open::Read) {
            Ok(file) => file,
            Err(source) => return Err(self.file_error("open", name, source)),
        };
        let stated = StateFile::read(&*self.persistence.dir, name, &*file);
        let line = match &stated {
            Ok(state) => state.identity.line(),
            // Without it the times of files tell what is newer.
            Err(_) => file.mark().ok().flatten().map(Line::of),
        };
        self.persistence.marker.go_on(line);
        match stated {
            Ok(state) => {
                let same_boot = state.boot_id == BootId(self.process.boot_id);
                if state.announced && same_boot && !planted(Mutant::AnnouncedNameBelieved) {
                    // The page cache says that the file got the name, and nothing that the disk does. Without proof it is copied.
                    self.log_line(
                        Level::Notice,
                        format_args!(
                            "{name} has just got its name, which may not be on stable storage: all of it will be proven"
                        ),
                    );
                    return Ok(None);
                }
                if state.announced {
                    // The disk gave it the name, or an earlier start did, which may have been killed before that was durable.
                    self.persistence.dir.fsync().map_err(|source| self.file_error("make durable", name, source))?;
                }
                let StateFile { fsynced_offset_bytes, clean_end, .. } = state;
                let proven = Proven { fsynced_offset_bytes, clean_end };
                Ok(Some(Vouched { proven, identity: state.identity }))
            }
            Err(NoState::LogTooShort { len_bytes, fsynced_offset_bytes }) => Err(StartError::TooShort {
                dir: self.persistence.dir_name(),
                name: name.to_owned(),
                len_bytes,
                fsynced_offset_bytes,
            }),
            Err(reason) => {
                let level = if matches!(reason, NoState::Missing) { Level::Notice } else { Level::Warning };
                self.log_line(
                    level,
                    format_args!("Nothing is known of how much of {name} is on stable storage ({reason}): all of it will be proven"),
                );
                Ok(None)
            }
        }
    }

    /// Creates an empty log, durable under its name before anything is acknowledged on it.
    fn create_log(&mut self, name: &str) -> Result<(), StartError> {
        let dir = std::sync::Arc::clone(&self.persistence.dir);
        let mark = self.persistence.marker.next_mark();
        let made = || -> io::Result<(std::sync::Arc<dyn File>, Identity)> {
            let file = dir.open(name, Open::CreateNew)?;
            let identity = Identity::brand(&*file, mark)?;
            file.fsync()?;
            if planted(Mutant::CreatedNotDurable) {
                return Ok((file, identity));
            }
            dir.fsync()?;
            Ok((file, identity))
        };
        let (file, identity) = made().map_err(|source| self.file_error("create", name, source))?;
        self.log_line(Level::Notice, format_args!("Creating the append only file {name} on server start"));
        self.serve_log(file, 0, identity);
        self.announce_ready();
        Ok(())
    }

    /// Begins to serve on a proven log.
    pub(super) fn serve_log(&mut self, file: std::sync::Arc<dyn File>, size_bytes: u64, identity: Identity) {
        let mono_ms = self.now.mono_ms();
        if let Err(error) = self.persistence.serve(file, size_bytes, identity, mono_ms) {
            self.persistence.errors.state_not_written(&error, mono_ms);
            self.settle_errors();
        }
    }

    pub(super) fn announce_ready(&mut self) {
        self.log_line(Level::Notice, format_args!("Ready to accept connections"));
    }
}
