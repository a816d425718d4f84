//! What a server that keeps no log starts with: its snapshot, or the *copy* that has the log's name, whichever holds the later dataset; and
//! the refusal of a copy that holds the earlier one, by a server that keeps a log.
//!
//! A copy is what BGREWRITEAOF made without a log, or the log that was turned off at run time. Its state file says so, which is written once
//! it is whole. A log that says nothing of the kind is somebody's dataset: beside it nothing is started, since only its owner knows which
//! of the two is wanted.
//!
//! A snapshot says by itself which log there was when its dataset was taken: one that was on, so that it holds all of that and maybe more, or a
//! copy, which then holds less than the snapshot. That tells the order of the two for certain, whatever clocks and file times say. A snapshot that
//! speaks of another file of the same log is of before rewrites, recoveries, or turning the log on again, and the copy holds more, if its time
//! says so too; else nobody knows, since a log can be copied, and two servers go on with it. What says nothing of the log, such as a
//! snapshot of another server, is judged by the time at which the copy was stated.
//!
//! Invariant: what the copy holds and when it was stated are in the same order as for snapshots. A snapshot in the background and a rewrite
//! never run at once; one in the loop waits for a copy that is being named or stated, and lets one that a child is making be begun anew; and
//! turning the log on ends that child.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use aof_load::{Import, LoadError, dump_field};
use aof_state::{Durability, Identity, Line, NoState, STATE_FILE_BYTES, StateFile, TempFile, state_name};
use vfs::{FileKind, Open};

use super::copies::add_copy;
use super::loading::{DumpLoad, Loading};
use super::order::{CopyId, Dataset, Dump, FIELD, Head, Said, Saved, choose};
use super::{Phase, StartError};
use crate::clock::FileTime;
use crate::engine::Engine;
use crate::log::Level;

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
    /// The snapshot beside it, if there is one.
    dump: Option<Dump>,
}

impl Copied {
    /// What is to be started with.
    fn dataset(&self, now_ns: u64) -> Dataset {
        match self.dump {
            Some(dump) if self.unsure && dump.said != Said::Beside => Dataset::Unknown,
            dump => choose(&self.at_ns, dump, now_ns),
        }
    }
}

/// The state file as a file.
#[derive(Clone, Copy, Debug, Default)]
struct Stated {
    /// When it was written.
    at_ns: u64,
    /// It announces a log, so that it was written after all else that it says.
    announces: bool,
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
                let import = Import::of_dump(dir, name, options)?;
                self.persistence.marker.go_on(self.line_of_dump()?);
                (import, name)
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
        self.persistence.ended = match &copied {
            Some(copied) => self.may_come_back(&log, copied)?,
            // One that somebody has moved away may still be where it was for the next start, and in the state file.
            None if found.is_none() => self.said_of_copies()?,
            None => Vec::new(),
        };
        self.persistence.marker.go_on(copied.as_ref().and_then(|copied| copied.id.identity.line()));
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
        let dataset = copied.dataset(self.now.unix_ns());
        match dataset {
            Dataset::Unknown => {
                let to_load = format!("set 'appendonly yes' and move {dump} away to load {log}");
                return Err(self.undecided(&log, &copied, found.modified_ns, &to_load));
            }
            Dataset::Copy => {
                self.name_anew(&log, &copied)?;
                self.log_line(
                    Level::Warning,
                    format_args!(
                        "{log} ({}), which was turned off or made by BGREWRITEAOF without a log, is the latest there is of the dataset: it is \
                         loaded, and nothing is appended to it",
                        FileTime(found.modified_ns)
                    ),
                );
            }
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

    /// What is known as a copy of the file `name`, which has the name of the log `log`, is to get it, or was moved aside from it, if it is
    /// one that nobody has gone on with.
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
                let id = CopyId::of(&state);
                let stated = self.stated(log)?;
                // It is stated as soon as it is made.
                let first_ns = if stated.announces { self.modified_ns(name)? } else { stated.at_ns };
                let at_ns = first_ns.min(stated.at_ns)..=stated.at_ns;
                let dump = self.dump_head()?.map(|head| head.beside(&id));
                Ok(Some(Copied { id, state: Some(state), at_ns, unsure: false, dump }))
            }
            Ok(_) | Err(NoState::LogTooShort { .. }) => Ok(None),
            // Whether it says so is not known, and what is loaded depends on it.
            Err(NoState::Unreadable(source)) => Err(self.file_error("read", &state_name(log), source)),
            Err(NoState::LogUnreadable(source)) => Err(unread(source)),
            // It is lost, could not be written, or the files were copied from elsewhere: the snapshot may know.
            Err(_) => {
                let Some(head) = self.dump_head()? else { return Ok(None) };
                let identity = Identity::of(&*file).map_err(unread)?;
                let id = CopyId { identity, len_bytes: file.metadata().map_err(unread)?.len };
                let Dump { modified_ns, said } = head.beside(&id);
                // It may have been a copy as well, of which nobody knows any more: a log would have been gone on with. A start may have marked it
                // anew, and have been killed before it could say so.
                let is_log = |state: &StateFile| !state.copy && state.identity.is_inode_of(identity);
                let is_later = !self.states(log)?.iter().any(is_log)
                    && head.saved.as_ref().is_some_and(|saved| !saved.ended().is_empty())
                    && said == Said::SameLog
                    && modified_ns > self.modified_ns(name)?;
                let said = said == Said::After;
                let known = if said || is_later { Some(id) } else { self.copied_elsewhere(id, log, &head)? };
                Ok(known.map(|original| {
                    let dump = Some(head.beside(&original));
                    Copied { id, state: None, at_ns: 0..=u64::MAX, unsure: !said, dump }
                }))
            }
        }
    }

    /// The copies that may have the log's name after a power cut, if this one has it now: what state file and snapshot say of them.
    fn may_come_back(&self, log: &str, copied: &Copied) -> Result<Vec<CopyId>, StartError> {
        let mut all = Vec::new();
        if copied.state.is_none_or(|state| state.announced) {
            for earlier in self.said_of_copies()?.into_iter().chain(self.stated_copies(log)?) {
                if earlier != copied.id && !all.contains(&earlier) {
                    all.push(earlier);
                }
            }
        }
        add_copy(&mut all, copied.id);
        Ok(all)
    }

    /// The copies of which the snapshot says that it was saved after them.
    fn said_of_copies(&self) -> Result<Vec<CopyId>, StartError> {
        let saved = self.dump_head()?.and_then(|head| head.saved);
        Ok(saved.map_or_else(Vec::new, |saved| saved.ended().to_vec()))
    }

    /// Gives the log's name anew to a copy that may have it in the page cache alone: a name that was lost by an fsync no later one makes durable,
    /// and what is served must not go back to an older copy. After another boot the disk has given it the name.
    fn name_anew(&mut self, log: &str, copied: &Copied) -> Result<(), StartError> {
        let Some(state) = copied.state.filter(|state| state.announced) else { return Ok(()) };
        if state.boot_id == self.persistence.boot_id {
            let temp = TempFile::RewriteDone { pid: self.persistence.pid }.name(log);
            self.persistence.dir.rename(log, &temp).map_err(|source| self.file_error("rename", log, source))?;
            self.name_log(&temp, log)?;
        }
        // It has the time of the state file, which must stay the later one.
        if copied.dump.is_none_or(|dump| dump.modified_ns < self.now.unix_ns()) {
            let named = StateFile { announced: false, ..state };
            if let Err(error) = named.write(&*self.persistence.dir, log, Durability::Durable) {
                let text = vfs::error_chain(&error);
                let consequence = "the next start does not miss the copy if it is gone";
                self.log_line(Level::Warning, format_args!("Can't write the state file ({text}): {consequence}"));
            }
        }
        Ok(())
    }

    /// What was a copy in the directory that this one was copied from: the state file says so of a file that was as long, and the snapshot
    /// knows that one.
    fn copied_elsewhere(&self, id: CopyId, log: &str, head: &Head) -> Result<Option<CopyId>, StartError> {
        let is_known =
            |original: &CopyId| original.len_bytes == id.len_bytes && head.beside(original).said != Said::Nothing;
        // A server that went on with it would have given it another mark.
        let mark = id.identity.mark;
        let is_untouched = |original: &CopyId| mark.is_none() || mark == original.identity.mark;
        Ok(self.stated_copies(log)?.into_iter().find(|original| is_known(original) && is_untouched(original)))
    }

    /// All that the state file says.
    pub(super) fn states(&self, log: &str) -> Result<Vec<StateFile>, StartError> {
        let states = StateFile::all(&*self.persistence.dir, log);
        states.map_err(|source| self.file_error("read", &state_name(log), source))
    }

    /// The files that it calls copies.
    fn stated_copies(&self, log: &str) -> Result<Vec<CopyId>, StartError> {
        Ok(self.states(log)?.iter().filter(|state| state.copy).map(CopyId::of).collect())
    }

    /// What the state file says of a log, without one to match it with: of the last one that has had the name.
    pub(super) fn state_alone(&self, log: &str) -> Result<Option<StateFile>, StartError> {
        // A power cut may have taken the name of a copy that was announced, and nothing else.
        let is_here = |state: &StateFile| state.announced && state.boot_id == self.persistence.boot_id;
        let states = self.states(log)?;
        let last_copy = states.iter().rfind(|state| state.copy).filter(|state| is_here(state));
        Ok(last_copy.or_else(|| states.iter().find(|state| !state.announced)).copied())
    }

    /// When the state file was written, and whether it announces a log.
    fn stated(&self, log: &str) -> Result<Stated, StartError> {
        let found = self.stat(&state_name(log))?;
        Ok(found.map_or_else(Stated::default, |found| Stated {
            at_ns: found.modified_ns,
            announces: found.len > STATE_FILE_BYTES as u64,
        }))
    }

    /// What is looked at of the snapshot, if there is one.
    fn dump_head(&self) -> Result<Option<Head>, StartError> {
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
        let field = field.and_then(|field| String::from_utf8(field).ok());
        let saved = field.and_then(|field| Saved::parse(&field));
        Ok(Some(Head { modified_ns: found.modified_ns, saved }))
    }

    /// Which log the snapshot is of: the one that its dataset is gone on with in.
    pub(super) fn line_of_dump(&self) -> Result<Option<Line>, StartError> {
        Ok(self.dump_head()?.and_then(|head| head.saved?.line()))
    }

    /// What is to be started with of the snapshot and a file that may get the log's name, if that is a copy. If not with the copy, that is
    /// removed: where only their times say that the snapshot is the later one it may have been put there.
    pub(super) fn dataset_beside(&self, name: &str, log: &str) -> Result<Option<Dataset>, StartError> {
        let Some(copied) = self.copied(name, log)? else { return Ok(None) };
        Ok(Some(match copied.dataset(self.now.unix_ns()) {
            Dataset::Dump if copied.dump.is_none_or(|dump| dump.said != Said::After) => Dataset::Unknown,
            dataset => dataset,
        }))
    }

    /// Whether the snapshot says that it was saved after what was moved aside from the log's name had ended.
    pub(super) fn dump_follows(&self, aside: &str, log: &str) -> Result<bool, StartError> {
        let dump = self.copied(aside, log)?.and_then(|copied| copied.dump);
        Ok(dump.is_some_and(|dump| dump.said == Said::After))
    }

    /// Whether there is a snapshot for which a copy that is gone had to make way, by the hand of somebody: a start beside both would have been
    /// refused, or would have loaded the snapshot.
    pub(super) fn has_made_way(&self, copy: &StateFile, log: &str) -> Result<bool, StartError> {
        let Some(dump) = self.dump_head()?.map(|head| head.beside(&CopyId::of(copy))) else { return Ok(false) };
        let stated = self.stated(log)?;
        // When the copy was last written to is not known any more.
        if stated.announces || dump.said != Said::Nothing {
            return Ok(dump.said == Said::After);
        }
        Ok(choose(&(stated.at_ns..=stated.at_ns), Some(dump), self.now.unix_ns()) != Dataset::Copy)
    }

    /// A server that keeps a log goes on with a copy. One that holds less than the snapshot is not the dataset, and nobody knows which is
    /// where the snapshot says nothing of it and the clock was set back. From now on it is a copy no more, durably: a power cut that took what
    /// is appended to it would leave it as it was, and a snapshot that was made of it would be the newer one.
    pub(super) fn take_copy(&mut self, log: &str) -> Result<(), StartError> {
        let Some(copied) = self.copied(log, log)? else { return Ok(()) };
        let name = &self.config.dbfilename;
        let dataset = copied.dataset(self.now.unix_ns());
        if let Some(dump) = copied.dump.filter(|_| dataset != Dataset::Copy) {
            let written_ns = self.modified_ns(log)?;
            let to_load = format!("move {name} away to load {log}");
            if dataset == Dataset::Dump && dump.said == Said::After {
                let times = (dump.modified_ns, written_ns);
                return Err(self.beside_data(log, &self.dump_is_newer(log, times, ", as it says itself", &to_load)));
            }
            return Err(self.undecided(log, &copied, written_ns, &to_load));
        }
        self.persistence.marker.renew();
        let Some(state) = copied.state else { return Ok(()) };
        StateFile { copy: false, ..state }
            .write(&*self.persistence.dir, log, Durability::Durable)
            .map_err(|error| self.file_error("write", &state_name(log), error.into()))
    }

    /// The refusal to choose between a copy and the snapshot. `to_load`: what loads the copy.
    fn undecided(&self, log: &str, copied: &Copied, written_ns: u64, to_load: &str) -> StartError {
        match copied.dump {
            Some(Dump { modified_ns, said: Said::SameLog }) => {
                let (dumped, written) = (FileTime(modified_ns), FileTime(written_ns));
                let advice = format!(
                    "{dump} ({dumped}) speaks of another file of the log that {log} ({written}) is of: of one before it, unless the log was \
                     copied or put back; but it is the later one by its time. Keep a copy of both: {to_load}, or {away}",
                    dump = self.config.dbfilename,
                    away = self.away(log)
                );
                self.beside_data(log, &advice)
            }
            dump => self.beside_log(log, written_ns, dump.map(|dump| dump.modified_ns), to_load),
        }
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
        let parts = &self.config.appenddirname;
        let mut all = vec![log.to_owned(), state_name(log)];
        all.extend(self.stat(parts).is_ok_and(|found| found.is_some()).then(|| parts.clone()));
        // One that was moved aside would be missed.
        all.extend(self.asides(log).unwrap_or_default());
        let last = all.pop().unwrap_or_default();
        format!("move {} and {last} away to start from {}", all.join(", "), self.config.dbfilename)
    }
}
