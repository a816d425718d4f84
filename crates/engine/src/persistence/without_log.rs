//! What a server that keeps no log starts with: its snapshot, or the *copy* that has the log's name, whichever holds the later dataset; and
//! the refusal of a copy that holds the earlier one, by a server that keeps a log.
//!
//! A copy is what BGREWRITEAOF made without a log, or the log that was turned off at run time. Its state file says so, which is written once
//! it is whole. A log that says nothing of the kind is somebody's dataset: beside it nothing is started, since only its owner knows which
//! of the two is wanted.
//!
//! A snapshot says by itself which log there was when its dataset was taken: one that was on, so that it holds all of that and maybe more, or a
//! copy, which then holds less than the snapshot. That tells the order of the two for certain, whatever clocks and file times say. What says
//! nothing of this very file, such as a snapshot of another server, or of before the last rewrite, is judged by the time at which the copy was
//! stated.
//!
//! Invariant: what the copy holds and when it was stated are in the same order as for snapshots. A snapshot in the background and a rewrite
//! never run at once; one in the loop waits for a copy that is being named or stated, and lets one that a child is making be begun anew; and
//! turning the log on ends that child.

use std::cmp::Ordering;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use aof_load::{Import, LoadError, dump_field};
use aof_state::{BootId, Durability, Identity, NoState, STATE_FILE_BYTES, StateFile, WriteError, state_name};
use bio::{Completion, JobId, Kind};
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

/// What a snapshot says of the copy beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// The copy was the log of its server, and was on: it holds what the snapshot holds.
    Beside,
    /// Its server had gone on without the copy.
    After,
    /// Nothing.
    Nothing,
}

/// The field of a snapshot that says it, and how it begins. The identity of the log follows, and behind that of a copy its length: one
/// that somebody has gone on with, and turned off again, is another.
const FIELD: &str = "ledgerstone-log";
const BESIDE: &str = "beside ";
const AFTER: &str = "after ";

/// A snapshot that stands beside a copy.
#[derive(Clone, Copy, Debug)]
struct Dump {
    modified_ns: u64,
    said: Said,
}

/// Chooses between a copy, made at some time of `copied_ns`, and what there is of a snapshot. Pure.
fn choose(copied_ns: &RangeInclusive<u64>, dump: Option<Dump>, now_ns: u64) -> Dataset {
    let Some(Dump { modified_ns, said }) = dump else { return Dataset::Copy };
    match said {
        Said::Beside => Dataset::Copy,
        Said::After => Dataset::Dump,
        // The clock was set back.
        Said::Nothing if modified_ns.max(*copied_ns.end()) > now_ns => Dataset::Unknown,
        Said::Nothing if modified_ns > *copied_ns.end() => Dataset::Dump,
        Said::Nothing if modified_ns < *copied_ns.start() => Dataset::Copy,
        Said::Nothing => Dataset::Unknown,
    }
}

/// What the field says of a log.
fn said_of(field: &str, log: &CopyId) -> Said {
    let is_this = |said: &str| {
        let this = log.identity.to_string();
        // A mark goes with the file where a directory is copied; the rest does not.
        said == this || log.identity.mark.is_some() && said.rsplit('-').next() == this.rsplit('-').next()
    };
    if field.strip_prefix(BESIDE).is_some_and(is_this) {
        return Said::Beside;
    }
    match field.strip_prefix(AFTER).and_then(|said| said.rsplit_once(' ')) {
        Some((said, len)) if is_this(said) && len == log.len_bytes.to_string() => Said::After,
        _ => Said::Nothing,
    }
}

/// A copy. One that was gone on with is longer, and another.
#[derive(Clone, Copy, Debug)]
pub(super) struct CopyId {
    identity: Identity,
    len_bytes: u64,
}

impl CopyId {
    pub(super) fn of(state: &StateFile) -> Self {
        Self { identity: state.identity, len_bytes: state.fsynced_offset_bytes }
    }
}

/// A log that is a copy.
#[derive(Clone, Debug)]
struct Copied {
    id: CopyId,
    /// What says so; `None` if only the snapshot does.
    state: Option<StateFile>,
    /// When it was made.
    at_ns: RangeInclusive<u64>,
    /// It may be another one that is as long by chance.
    unsure: bool,
}

/// The job that says that the log is a copy, and which file that is, once it has found out.
pub(super) struct CopyJob {
    id: JobId,
    made: Arc<OnceLock<CopyId>>,
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
        let found = self.stat(&log)?;
        let copied = self.copied(&log, &log)?;
        self.persistence.ended = copied.as_ref().map(|copied| copied.id);
        let Some(found) = found.filter(|found| found.kind != FileKind::File || found.len > 0) else {
            // Beside a snapshot it is one of many, unless a crash has just left it without its name.
            let answered = match self.moved_aside(&log)? {
                Some(aside) => self.dump_follows(&aside, &log)?,
                None => dumped_ns.is_some(),
            };
            if !answered {
                self.refuse_beside_old(&log, "Rename it to the log's name and set 'appendonly yes'")?;
            }
            self.refuse_missing(&log, |state| state.copy)?;
            return Ok(Dataset::Dump);
        };
        let to_load = format!("set 'appendonly yes' to load {log}");
        let Some(copied) = copied else {
            return Err(self.beside_log(&log, found.modified_ns, dumped_ns, &to_load));
        };
        let dump_there = self.dump_beside(&copied.id)?;
        let dataset = match choose(&copied.at_ns, dump_there, self.now.unix_ns()) {
            Dataset::Dump if copied.unsure => Dataset::Unknown,
            dataset => dataset,
        };
        match dataset {
            Dataset::Unknown => {
                let to_load = format!("set 'appendonly yes' and move {dump} away to load {log}");
                return Err(self.beside_log(&log, found.modified_ns, dumped_ns, &to_load));
            }
            Dataset::Copy => self.log_line(
                Level::Warning,
                format_args!(
                    "{log} ({}), which was turned off or made by BGREWRITEAOF without a log, is the latest there is of the dataset: it is \
                     loaded, and nothing is appended to it",
                    FileTime(found.modified_ns)
                ),
            ),
            Dataset::Dump => self.log_line(
                Level::Notice,
                format_args!(
                    "{dump} ({}) is newer than {log} ({}), which was turned off or made by BGREWRITEAOF without a log: {dump} is loaded",
                    FileTime(dumped_ns.unwrap_or(0)),
                    FileTime(found.modified_ns)
                ),
            ),
        }
        Ok(dataset)
    }

    /// What is known as a copy of the file `name`, which has the name of the log `log` or was moved aside from it, if it is one that nobody
    /// has gone on with.
    fn copied(&self, name: &str, log: &str) -> Result<Option<Copied>, StartError> {
        // What is no file is no copy of ours, and the refusal names it.
        if self.stat(name)?.is_none_or(|found| found.kind != FileKind::File) {
            return Ok(None);
        }
        let dir = &*self.persistence.dir;
        let unread = |source| self.file_error("look at", name, source);
        let file = dir.open(name, Open::Read).map_err(|source| self.file_error("open", name, source))?;
        match StateFile::read(dir, log, &*file) {
            Ok(state) if state.copy => {
                let modified_ns = |name: &str| self.stat(name).map(|found| found.map_or(0, |found| found.modified_ns));
                let stated_ns = modified_ns(&state_name(log))?;
                // It is stated as soon as it is made; but an announcement writes that file anew.
                let first_ns = if self.announces_after(log, &*file)? { modified_ns(name)? } else { stated_ns };
                let at_ns = first_ns.min(stated_ns)..=stated_ns;
                Ok(Some(Copied { id: CopyId::of(&state), state: Some(state), at_ns, unsure: false }))
            }
            Ok(_) | Err(NoState::LogTooShort { .. }) => Ok(None),
            // Whether it says so is not known, and what is loaded depends on it.
            Err(NoState::Unreadable(source)) => Err(self.file_error("read", &state_name(log), source)),
            Err(NoState::LogUnreadable(source)) => Err(unread(source)),
            // It is lost, could not be written, or the files were copied from elsewhere: the snapshot may know.
            Err(_) => {
                let identity = Identity::of(&*file).map_err(unread)?;
                let id = CopyId { identity, len_bytes: file.metadata().map_err(unread)?.len };
                let said = self.dump_beside(&id)?.is_some_and(|dump| dump.said == Said::After);
                let known = if said { Some(id) } else { self.copied_elsewhere(id, log)? };
                Ok(known.map(|id| Copied { id, state: None, at_ns: 0..=u64::MAX, unsure: !said }))
            }
        }
    }

    /// What was a copy in the directory that this one was copied from: the state file says so of a file that was as long, and the snapshot
    /// knows that one.
    fn copied_elsewhere(&self, id: CopyId, log: &str) -> Result<Option<CopyId>, StartError> {
        let state = match StateFile::read_alone(&*self.persistence.dir, log) {
            Ok(state) => state,
            Err(NoState::Unreadable(source)) => return Err(self.file_error("read", &state_name(log), source)),
            Err(_) => return Ok(None),
        };
        let original = CopyId::of(&state);
        if !state.copy || original.len_bytes != id.len_bytes {
            return Ok(None);
        }
        let dump = self.dump_beside(&original)?;
        Ok(dump.is_some_and(|dump| dump.said != Said::Nothing).then_some(original))
    }

    /// Whether the state file announces a successor of this file.
    pub(super) fn announces_after(&self, log: &str, file: &dyn vfs::File) -> Result<bool, StartError> {
        let unread = |source| self.file_error("read", &state_name(log), source);
        StateFile::announces_after(&*self.persistence.dir, log, file).map_err(unread)
    }

    /// What is known of the snapshot beside a copy, if there is one.
    fn dump_beside(&self, copy: &CopyId) -> Result<Option<Dump>, StartError> {
        let dump = &self.config.dbfilename;
        let Some(found) = self.stat(dump)? else { return Ok(None) };
        let field = match found.kind {
            FileKind::File => {
                let read = dump_field(&self.persistence.dir, dump, FIELD.as_bytes());
                read.map_err(|error| match error {
                    LoadError::Io { source, .. } => self.file_error("read", dump, source),
                    error => error.into(),
                })?
            }
            _ => None,
        };
        let said = field.and_then(|field| String::from_utf8(field).ok()).map(|field| said_of(&field, copy));
        Ok(Some(Dump { modified_ns: found.modified_ns, said: said.unwrap_or(Said::Nothing) }))
    }

    /// Whether the snapshot says that it was saved after what was moved aside from the log's name had ended.
    pub(super) fn dump_follows(&self, aside: &str, log: &str) -> Result<bool, StartError> {
        let Some(copied) = self.copied(aside, log)? else { return Ok(false) };
        Ok(self.dump_beside(&copied.id)?.is_some_and(|dump| dump.said == Said::After))
    }

    /// Whether there is a snapshot for which a copy that is gone had to make way, by the hand of somebody: a start beside both would have been
    /// refused, or would have loaded the snapshot.
    pub(super) fn has_made_way(&self, copy: &StateFile, log: &str) -> Result<bool, StartError> {
        let Some(dump) = self.dump_beside(&CopyId::of(copy))? else { return Ok(false) };
        let Some(stated) = self.stat(&state_name(log))? else { return Ok(false) };
        // With an announcement in it that file is a later one, and when the copy was last written to is not known any more.
        if stated.len > STATE_FILE_BYTES as u64 {
            return Ok(dump.said == Said::After);
        }
        let at_ns = stated.modified_ns..=stated.modified_ns;
        Ok(choose(&at_ns, Some(dump), self.now.unix_ns()) != Dataset::Copy)
    }

    /// A server that keeps a log goes on with a copy. One that holds less than the snapshot is not the dataset, and nobody knows which is
    /// where the snapshot says nothing of it and the clock was set back. From now on it is a copy no more, durably: a power cut that took what
    /// is appended to it would leave it as it was, and a snapshot that was made of it would be the newer one.
    pub(super) fn take_copy(&self, log: &str) -> Result<(), StartError> {
        let Some(copied) = self.copied(log, log)? else { return Ok(()) };
        let name = &self.config.dbfilename;
        if let Some(dump) = self.dump_beside(&copied.id)?
            && choose(&copied.at_ns, Some(dump), self.now.unix_ns()) != Dataset::Copy
        {
            let written_ns = self.stat(log)?.map_or(0, |found| found.modified_ns);
            let to_load = format!("move {name} away to load {log}");
            if dump.said == Said::After && !copied.unsure {
                let times = (dump.modified_ns, written_ns);
                return Err(self.beside_data(log, &self.dump_is_newer(log, times, ", as it says itself", &to_load)));
            }
            return Err(self.beside_log(log, written_ns, Some(dump.modified_ns), &to_load));
        }
        let Some(state) = copied.state else { return Ok(()) };
        StateFile { copy: false, ..state }
            .write(&*self.persistence.dir, log, Durability::Durable)
            .map_err(|error| self.file_error("write", &state_name(log), error.into()))
    }

    /// The refusal to start beside a log, which names what is newer first, and first what loads that. `to_load`: what loads the log.
    fn beside_log(&self, log: &str, written_ns: u64, dumped_ns: Option<u64>, to_load: &str) -> StartError {
        let dump = &self.config.dbfilename;
        let written = FileTime(written_ns);
        let advice = match dumped_ns.map(|dumped_ns| (dumped_ns, dumped_ns.cmp(&written_ns))) {
            None => format!("{to_load}, or move it and {log}.state away to start without it"),
            Some((dumped_ns, Ordering::Greater)) => {
                self.dump_is_newer(log, (dumped_ns, written_ns), " by their times", to_load)
            }
            Some((_, Ordering::Equal)) => {
                format!("{log} and {dump} have the same time ({written}): {to_load}, or {away}", away = self.away(log))
            }
            Some((dumped_ns, Ordering::Less)) => format!(
                "{log} ({written}) is newer than {dump} ({}) by their times: {to_load}, or {away}",
                FileTime(dumped_ns),
                away = self.away(log)
            ),
        };
        self.beside_data(log, &advice)
    }

    /// What is to be done where the snapshot is the newer one, by what `how` adds to the `times` of both.
    fn dump_is_newer(&self, log: &str, times: (u64, u64), how: &str, to_load: &str) -> String {
        let (dumped, written) = (FileTime(times.0), FileTime(times.1));
        let (dump, away) = (&self.config.dbfilename, self.away(log));
        format!("{dump} ({dumped}) is newer than {log} ({written}){how}: {away}, or {to_load}")
    }

    /// How the snapshot is loaded: the state file would miss the log, and an import of before comes before it.
    pub(super) fn away(&self, log: &str) -> String {
        let (dump, parts) = (&self.config.dbfilename, &self.config.appenddirname);
        match self.stat(parts) {
            Ok(None) => format!("move {log} and {log}.state away to start from {dump}"),
            _ => format!("move {log}, {log}.state and {parts} away to start from {dump}"),
        }
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
        let made = Arc::new(OnceLock::new());
        let found = Arc::clone(&made);
        let job = move || -> io::Result<u64> {
            let state = copy_state(&*file, mark, boot_id).inspect_err(|_| {
                // Snapshots know it all the same.
                if let (Ok(identity), Ok(now)) = (Identity::of(&*file), file.metadata()) {
                    let _first = found.set(CopyId { identity, len_bytes: now.len });
                }
            })?;
            let _first = found.set(CopyId::of(&state));
            state.write(&*dir, &name, Durability::Durable).map(|()| 0).map_err(io::Error::other)
        };
        p.copy_job = Some(CopyJob { id: p.bio.submit(Kind::Rename, Box::new(job)), made });
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
        let Some(CopyJob { made, .. }) = self.copy_job.take_if(|job| job.id == completion.id) else { return false };
        if let Err(error) = &completion.outcome {
            let consequence = "a start may ask what is to be done with the copy that BGREWRITEAOF made, and one with 'appendonly yes' \
                               takes it for the log until a snapshot is saved";
            self.errors.warn("writing the state file", error, consequence);
        }
        // The state file may say so all the same; and if it does not, snapshots do from now on.
        self.ended = made.get().copied();
        true
    }

    /// Sees to it that the state file does not call a log a copy that could not be turned off: a snapshot is about to be made of more than
    /// a power cut may leave of that.
    ///
    /// # Errors
    /// That of the state file. No snapshot may be begun then.
    pub(super) fn take_back_copy(&mut self) -> Result<(), WriteError> {
        if !self.copy_in_doubt {
            return Ok(());
        }
        // One that was queued before it must not be written after it.
        self.bio.drain(Kind::Rename);
        let (Some(keeper), Some(fsynced)) = (&self.keeper, self.aof.fsynced_size_bytes()) else { return Ok(()) };
        keeper.present(fsynced).write(&*self.dir, &self.log_name, Durability::Durable)?;
        self.copy_in_doubt = false;
        Ok(())
    }

    /// What a snapshot that begins now is to say of the log: the field and its value.
    pub(super) fn said_of_log(&self) -> Option<(&'static str, String)> {
        let value = if self.is_on() {
            self.keeper.as_ref().map(|keeper| format!("{BESIDE}{}", keeper.identity()))
        } else {
            self.ended.map(|CopyId { identity, len_bytes }| format!("{AFTER}{identity} {len_bytes}"))
        };
        value.map(|value| (FIELD, value))
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
            (5..=5, None, Dataset::Copy),
            (5..=5, Some(4), Dataset::Copy),
            (5..=5, Some(5), Dataset::Unknown),
            (5..=5, Some(6), Dataset::Dump),
            (3..=6, Some(2), Dataset::Copy),
            (3..=6, Some(3), Dataset::Unknown),
            (3..=6, Some(5), Dataset::Unknown),
            (3..=6, Some(6), Dataset::Unknown),
            (3..=6, Some(7), Dataset::Dump),
            (11..=11, Some(6), Dataset::Unknown),
            (3..=11, Some(2), Dataset::Unknown),
            (11..=11, None, Dataset::Copy),
            (5..=5, Some(11), Dataset::Unknown),
        ] {
            let dump = |said| dumped.map(|modified_ns| Dump { modified_ns, said });
            assert_eq!(choose(&copied, dump(Said::Nothing), 10), expected, "{copied:?} {dumped:?}");
            // What it says itself goes before all times.
            let by_word = |word: Dataset| if dumped.is_some() { word } else { Dataset::Copy };
            assert_eq!(choose(&copied, dump(Said::After), 10), by_word(Dataset::Dump), "{copied:?} {dumped:?}");
            assert_eq!(choose(&copied, dump(Said::Beside), 10), by_word(Dataset::Copy), "{copied:?} {dumped:?}");
        }
    }
}
