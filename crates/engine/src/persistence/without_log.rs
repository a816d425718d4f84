//! What a server that keeps no log starts with: its snapshot, or a copy that BGREWRITEAOF made later; and the refusal of a copy that is the
//! older of the two, by a server that keeps one.
//!
//! Such a copy says so in its state file, which is written once it is whole; so that file's time is the copy's. A log that says nothing of
//! the kind is somebody's dataset: beside it nothing is started, since only its owner knows which of the two is wanted.
//!
//! Invariant: what the copy holds and when it was made are in the same order as for snapshots: while one of the two is in the making,
//! or what says when it was made, the other is not begun; see `snapshots.rs`.

use std::io;
use std::sync::Arc;

use aof_load::Import;
use aof_state::{BootId, Durability, Identity, StateFile, state_name};
use bio::{Completion, Kind};
use vfs::{FileKind, Open};

use super::loading::{DumpLoad, Loading};
use super::{Persistence, Phase, StartError};
use crate::clock::FileTime;
use crate::engine::Engine;
use crate::log::Level;

/// What there is to start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dataset {
    /// The snapshot, if there is one.
    Dump,
    /// The copy.
    Copy,
    /// That is for the operator to say.
    Unknown,
}

/// Chooses between a log with data, which was whole as a copy at `copied_ns` if it is one, and the snapshot of `dumped_ns`. Pure.
fn choose(copied_ns: Option<u64>, dumped_ns: Option<u64>, now_ns: u64) -> Dataset {
    match (copied_ns, dumped_ns) {
        (None, _) => Dataset::Unknown,
        // The clock was set back: nobody knows what came first.
        (Some(copied_ns), _) if copied_ns.max(dumped_ns.unwrap_or(0)) > now_ns => Dataset::Unknown,
        (Some(copied_ns), Some(dumped_ns)) if dumped_ns >= copied_ns => Dataset::Dump,
        (Some(_), _) => Dataset::Copy,
    }
}

impl Engine {
    /// Begins to load what is the dataset without a log, or to serve nothing.
    pub(super) fn start_without_log(&mut self) -> Result<(), StartError> {
        let dataset = self.dataset()?;
        self.refuse_foreign_log("set 'appendonly yes' to import it, or move it away to start without it")?;
        self.persistence.phase = Phase::Off;
        if self.config.save.is_empty() {
            self.log_line(
                Level::Warning,
                format_args!(
                    "WARNING: appendonly is no, and there are no save points: what is not saved by SAVE or BGSAVE is lost when the \
                     server ends. CONFIG SET appendonly yes keeps it from now on"
                ),
            );
        }
        let (dir, options) = (&self.persistence.dir, self.load_options());
        let (import, name) = match dataset {
            Dataset::Copy => {
                let name = &self.config.appendfilename;
                (Import::of_log(dir, name, options)?, name)
            }
            Dataset::Dump | Dataset::Unknown => {
                let name = &self.config.dbfilename;
                (Import::of_dump(dir, name, options)?, name)
            }
        };
        match import {
            Some(import) => {
                // Its server may have been killed before its name was durable; what is served must not go back to an older one.
                let error = |source| self.file_error("make durable", name, source);
                self.persistence.dir.fsync().map_err(error)?;
                self.persistence.phase = Phase::Loading(Box::new(Loading::dump(import, DumpLoad::default(), self.now)));
            }
            None => self.announce_ready(),
        }
        Ok(())
    }

    /// Says what the dataset is, or refuses to choose.
    fn dataset(&mut self) -> Result<Dataset, StartError> {
        let (log, dump) = (self.config.appendfilename.clone(), self.config.dbfilename.clone());
        let dumped_ns = self.stat(&dump)?.map(|found| found.modified_ns);
        let Some(found) = self.stat(&log)?.filter(|found| found.kind != FileKind::File || found.len > 0) else {
            // Beside a snapshot it is one of many, unless a crash has just left it without its name.
            if dumped_ns.is_none() || self.moved_aside(&log)?.is_some() {
                self.refuse_beside_old(&log, "Rename it to the log's name and set 'appendonly yes'")?;
            }
            return Ok(Dataset::Dump);
        };
        let copied_ns = self.copied(&log)?.map(|(_, copied_ns)| copied_ns);
        let dataset = choose(copied_ns, dumped_ns, self.now.unix_ns());
        let (copy_time, dump_time) = (FileTime(copied_ns.unwrap_or(0)), FileTime(dumped_ns.unwrap_or(0)));
        let to_load = format!("set 'appendonly yes' to load {log}");
        match dataset {
            Dataset::Unknown => return Err(self.beside_log(&log, found.modified_ns, dumped_ns, &to_load)),
            Dataset::Copy => self.log_line(
                Level::Warning,
                format_args!(
                    "{log}, a copy that BGREWRITEAOF made ({copy_time}), is the latest there is of the dataset: it is loaded instead of \
                     {dump}, and nothing is appended to it"
                ),
            ),
            Dataset::Dump => self.log_line(
                Level::Notice,
                format_args!(
                    "{dump} ({dump_time}) is newer than {log}, a copy that BGREWRITEAOF made ({copy_time}): {dump} is loaded"
                ),
            ),
        }
        Ok(dataset)
    }

    /// The state of the log and when it was whole as a copy, if it is one that nobody has gone on with.
    fn copied(&self, log: &str) -> Result<Option<(StateFile, u64)>, StartError> {
        let dir = &*self.persistence.dir;
        // What can't be opened is no copy of ours, and the refusal names it.
        let Ok(file) = dir.open(log, Open::Read) else { return Ok(None) };
        match StateFile::read(dir, log, &*file) {
            Ok(state) if state.copy => Ok(self.stat(&state_name(log))?.map(|found| (state, found.modified_ns))),
            _ => Ok(None),
        }
    }

    /// A server that keeps a log goes on with a copy. One that is older than the snapshot is not the dataset, and nobody knows which is once
    /// the clock was set back. From now on it is a copy no more, durably: a power cut that took what is appended to it would leave it as it
    /// was, and a snapshot that was made of it would be the newer one.
    pub(super) fn take_copy(&self, log: &str) -> Result<(), StartError> {
        let Some((state, copied_ns)) = self.copied(log)? else { return Ok(()) };
        let dump = &self.config.dbfilename;
        let dumped_ns = self.stat(dump)?.map(|found| found.modified_ns);
        if dumped_ns.is_some() && choose(Some(copied_ns), dumped_ns, self.now.unix_ns()) != Dataset::Copy {
            let written_ns = self.stat(log)?.map_or(0, |found| found.modified_ns);
            return Err(self.beside_log(log, written_ns, dumped_ns, &format!("move {dump} away to load {log}")));
        }
        StateFile { copy: false, ..state }
            .write(&*self.persistence.dir, log, Durability::Durable)
            .map_err(|error| self.file_error("write", &state_name(log), error.into()))
    }

    /// The refusal to start beside a log, which names what is newer first, and first what loads that. `to_load`: what loads the log.
    fn beside_log(&self, log: &str, written_ns: u64, dumped_ns: Option<u64>, to_load: &str) -> StartError {
        let dump = &self.config.dbfilename;
        let advice = match dumped_ns {
            None => format!("{to_load}, or move it away to start without it"),
            Some(dumped_ns) if dumped_ns >= written_ns => format!(
                "{dump} ({}) is newer than {log} ({}): move {log} away to start from {dump}, or {to_load}",
                FileTime(dumped_ns),
                FileTime(written_ns)
            ),
            Some(dumped_ns) => format!(
                "{log} ({}) is newer than {dump} ({}): {to_load}, or move {log} away to start from {dump}",
                FileTime(written_ns),
                FileTime(dumped_ns)
            ),
        };
        StartError::BesideData { dir: self.persistence.dir_name(), found: log.to_owned(), advice }
    }

    /// Says in a state file that what a rewrite has just made is a copy, if one has made one.
    pub(super) fn state_copy(&mut self) {
        let Some(file) = self.persistence.rewriter.take_copied() else { return };
        // What was imported is no copy but the log.
        if !matches!(self.persistence.phase, Phase::Off | Phase::WaitRewrite) {
            return;
        }
        let mark = self.random_mark();
        let p = &mut self.persistence;
        let (dir, name, boot_id) = (Arc::clone(&p.dir), p.log_name.clone(), p.boot_id);
        let job = move || -> io::Result<u64> {
            let state = copy_state(&*file, mark, boot_id)?;
            state.write(&*dir, &name, Durability::Durable).map(|()| 0).map_err(io::Error::other)
        };
        p.copy_job = Some(p.bio.submit(Kind::Rename, Box::new(job)));
    }

    /// A copy that a child is making is older than what has just been done, though it would be the newer file: it is begun anew.
    pub(super) fn remake_copy(&mut self) {
        if !matches!(self.persistence.phase, Phase::Off) || !self.persistence.rewriter.is_copying() {
            return;
        }
        self.log_line(
            Level::Notice,
            format_args!("The copy that BGREWRITEAOF is making is older than what was just saved: it is begun anew"),
        );
        // It was not switching: the child runs.
        let _done = self.persistence.with_rewrite(self.now, |rewriter, env, _| rewriter.abort(env));
        self.persistence.rewriter.schedule(aof_rewrite::Mode::Once);
    }
}

impl Persistence {
    /// Takes the result of a job if it was the one that says that the log is a copy.
    pub(super) fn copy_stated(&mut self, completion: &Completion) -> bool {
        if self.copy_job.take_if(|job| *job == completion.id).is_none() {
            return false;
        }
        if let Err(error) = &completion.outcome {
            let consequence =
                "a start with 'appendonly no' will ask what is to be done with the copy that BGREWRITEAOF made";
            self.errors.warn("writing the state file", error, consequence);
        }
        true
    }
}

/// Makes the mark of a copy durable; what is to be said of it then.
fn copy_state(file: &dyn vfs::File, mark: [u8; 16], boot_id: BootId) -> io::Result<StateFile> {
    let identity = Identity::brand(file, mark)?;
    file.fsync()?;
    let fsynced_offset_bytes = file.metadata()?.len;
    Ok(StateFile { identity, boot_id, fsynced_offset_bytes, clean_end: true, announced: false, copy: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_of_copy_and_snapshot_is_the_dataset_unless_the_clock_was_set_back() {
        for (copied, dumped, expected) in [
            (None, None, Dataset::Unknown),
            (None, Some(7), Dataset::Unknown),
            (Some(5), None, Dataset::Copy),
            (Some(5), Some(4), Dataset::Copy),
            (Some(5), Some(5), Dataset::Dump),
            (Some(5), Some(6), Dataset::Dump),
            (Some(11), Some(6), Dataset::Unknown),
            (Some(11), None, Dataset::Unknown),
            (Some(5), Some(11), Dataset::Unknown),
        ] {
            assert_eq!(choose(copied, dumped, 10), expected, "{copied:?} {dumped:?}");
        }
    }
}
