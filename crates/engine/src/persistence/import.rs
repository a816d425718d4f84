//! What other servers left in the directory: found where there is no log of ours, read, written as our log, and only then served.
//!
//! Invariant: nothing is ever written to what was found, and the log appears whole and durable, by a rename, once what it was made of is
//! known to be as it was read. So a start that ends at any moment leaves either what was there before, to be imported again, or the
//! finished log.

use std::io;
use std::sync::Arc;

use aof_load::{Import, Imported, LeftOut, Sources};
use aof_rewrite::Mode;
use aof_state::{Identity, TempFile, state_name};
use vfs::{Dir, DurableRenameError, File, FileKind, Open, durable_rename_new, error_chain, strerror};

use super::loading::{Loading, Seconds, Work};
use super::{Phase, StartError};
use crate::engine::Engine;
use crate::env::Exit;
use crate::log::Level;

/// Data of another server.
pub(super) struct Foreign {
    /// Where it stands, from the directory of the persistence files.
    pub(super) name: String,
    kind: Kind,
}

enum Kind {
    /// A log in several files: their directory, and the manifest in it.
    Parts { dir: Arc<dyn Dir>, manifest: String },
    /// A snapshot.
    Dump,
}

/// An import that was read and is being written.
pub(super) struct Writing {
    /// What was found.
    name: String,
    pub(super) imported: Imported,
    sources: Sources,
    /// How many rewrites had succeeded before this one.
    succeeded_before: u64,
}

impl Engine {
    /// Looks for what another server left. A log in several files comes before a snapshot, as in Redis.
    pub(super) fn foreign_data(&self) -> Result<Option<Foreign>, StartError> {
        if let Some(parts) = self.foreign_parts()? {
            return Ok(Some(parts));
        }
        let name = &self.config.dbfilename;
        // One without a byte is what a crash may leave of a snapshot, and is refused as damaged.
        Ok(self.stat(name)?.map(|_| Foreign { name: name.clone(), kind: Kind::Dump }))
    }

    fn foreign_parts(&self) -> Result<Option<Foreign>, StartError> {
        let name = &self.config.appenddirname;
        match self.stat(name)? {
            None => return Ok(None),
            Some(found) if found.kind == FileKind::Dir => {}
            Some(_) => return Err(self.beside_data(name, "it is no directory, and a link to one is not followed")),
        }
        let failed = |source| self.file_error("look into", name, source);
        let dir = self.persistence.dir.open_dir(name).map_err(failed)?;
        let manifest = format!("{}.manifest", self.config.appendfilename);
        if dir.stat(&manifest).map_err(failed)?.is_some() {
            return Ok(Some(Foreign { name: name.clone(), kind: Kind::Parts { dir, manifest } }));
        }
        if dir.list().map_err(failed)?.is_empty() {
            return Ok(None);
        }
        let advice = "it holds no manifest that belongs to 'appendfilename': set that to what it was, restore the manifest, or move \
                      the directory away to start empty";
        Err(self.beside_data(name, advice))
    }

    pub(super) fn beside_data(&self, found: &str, advice: &str) -> StartError {
        StartError::BesideData { dir: self.persistence.dir_name(), found: found.to_owned(), advice: advice.to_owned() }
    }

    /// Refuses to start beside a log in several files that would be left aside.
    pub(super) fn refuse_foreign_log(&self, advice: &'static str) -> Result<(), StartError> {
        match self.foreign_parts()? {
            Some(found) => Err(self.beside_data(&found.name, advice)),
            None => Ok(()),
        }
    }

    /// Says what is left aside because `log` is loaded. Redis would load some of it instead.
    pub(super) fn tell_of_foreign_data(&mut self, log: &str) -> Result<(), StartError> {
        let (parts, dump) = (self.config.appenddirname.clone(), self.config.dbfilename.clone());
        if self.stat(&parts)?.is_some() {
            self.log_line(
                Level::Warning,
                format_args!(
                    "{parts} stands beside {log}: {log} is loaded, what is in the other is left aside. A Redis that starts here loads \
                     {parts} instead: move away what is not wanted"
                ),
            );
        }
        let Some(found) = self.stat(&dump)?.filter(|found| found.len > 0) else { return Ok(()) };
        // What this log's own servers have saved before is no surprise; one that cannot be read is not asked.
        let is_own = self.persistence.marker.is_of(self.line_of_dump().ok().flatten());
        if !is_own || found.modified_ns > self.modified_ns(log)?.max(self.modified_ns(&state_name(log))?) {
            self.log_line(
                Level::Notice,
                format_args!(
                    "{dump} stands beside {log}: {log} is loaded, the other is left aside, and the next snapshot takes its place"
                ),
            );
        }
        Ok(())
    }

    /// Begins to read what another server left.
    pub(super) fn begin_import(&mut self, found: Foreign) -> Result<(), StartError> {
        let options = self.load_options();
        let log = &self.config.appendfilename;
        let import = match &found.kind {
            Kind::Parts { dir, manifest } => Import::of_manifest(dir, manifest, log, options)?,
            Kind::Dump => Import::of_dump(&self.persistence.dir, &found.name, options)?
                .ok_or_else(|| self.file_error("open", &found.name, io::ErrorKind::NotFound.into()))?,
        };
        if let Kind::Dump = found.kind {
            self.persistence.marker.go_on(self.line_of_dump()?);
        }
        let total_bytes = import.progress().total_bytes;
        let files = match import.files() {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let dir = self.persistence.dir_name();
        let text = format!(
            "There is no {log} in {dir}, but {name} ({files}, {total_bytes} bytes): importing it. It is \
             left as it is, and clients are served once {log} holds all of it",
            name = found.name
        );
        self.log_line(Level::Warning, format_args!("{text}"));
        self.persistence.phase = Phase::Loading(Box::new(Loading::import(import, found.name, self.now)));
        Ok(())
    }

    /// Everything was read: a child writes it to a file that is not the log yet.
    pub(super) fn write_import(&mut self, name: String, imported: Imported, sources: Sources) -> Work {
        let succeeded_before = self.persistence.rewriter.status(self.now.mono_ms()).succeeded;
        self.persistence.import_name = Some(TempFile::Import.name(&self.config.appendfilename));
        if let Err(error) = self.fork_rewrite(Mode::Once) {
            self.fail_import(&error_chain(&error));
        }
        Work::Writing(Writing { name, imported, sources, succeeded_before })
    }

    /// Begins to serve once the rewrite of what was imported has ended, or ends the server if it failed.
    pub(super) fn watch_import(&mut self) {
        let Phase::Loading(loading) = &self.persistence.phase else { return };
        let Work::Writing(writing) = &loading.work else { return };
        let rewriter = &self.persistence.rewriter;
        if self.exit.is_some() || rewriter.is_running() {
            return;
        }
        if rewriter.status(self.now.mono_ms()).succeeded == writing.succeeded_before {
            return self.fail_import("the rewrite failed");
        }
        let mark = self.persistence.marker.next_mark();
        match self.name_import(mark) {
            Ok((file, size_bytes, identity)) => self.serve_import(file, size_bytes, identity),
            Err(reason) => self.fail_import(&reason),
        }
    }

    /// Makes the finished file the log, with a mark of its own that is durable before a state file speaks of it. What was read is looked
    /// at once more directly before that: an fsync may take long, and another server may write meanwhile.
    fn name_import(&self, mark: [u8; 16]) -> Result<(Arc<dyn File>, u64, Identity), String> {
        let (dir, log) = (&*self.persistence.dir, &self.config.appendfilename);
        let from = TempFile::Import.name(log);
        let prepare = || {
            let file = dir.open(&from, Open::Append)?;
            let identity = Identity::brand(&*file, mark)?;
            file.fsync()?;
            Ok((file.metadata()?.len, file, identity))
        };
        let (size_bytes, file, identity) =
            prepare().map_err(|error| error_chain(&DurableRenameError::FsyncFile(error)))?;
        if let Phase::Loading(loading) = &self.persistence.phase
            && let Work::Writing(writing) = &loading.work
        {
            writing.sources.unchanged().map_err(|error| error_chain(&error))?;
        }
        durable_rename_new(dir, &*file, &from, log).map_err(|error| {
            let reason = error_chain(&error);
            match error {
                // It must not be there when the other server has gone on.
                DurableRenameError::FsyncDir(_) => match dir.unlink(log) {
                    Ok(()) => reason,
                    Err(left) => format!("{reason}; {log} is there and can't be removed ({})", strerror(&left)),
                },
                DurableRenameError::FsyncFile(_) | DurableRenameError::Rename(_) => reason,
            }
        })?;
        Ok((file, size_bytes, identity))
    }

    fn serve_import(&mut self, file: Arc<dyn File>, size_bytes: u64, identity: Identity) {
        let Phase::Loading(loading) = std::mem::replace(&mut self.persistence.phase, Phase::Off) else { return };
        let Work::Writing(Writing { name, imported, .. }) = loading.work else { return };
        self.persistence.import_name = None;
        let took = Seconds(self.now.mono_us - loading.started.mono_us);
        self.serve_log(file, size_bytes, identity);
        let log = self.config.appendfilename.clone();
        let Imported { commands, size_bytes: read_bytes, left_out } = imported;
        let without = left_out.map_or_else(String::new, |LeftOut { path, tail_bytes, .. }| {
            format!(" without the torn last {tail_bytes} bytes of {}", path.display())
        });
        let after = if name == self.config.dbfilename {
            "copy it if it is to be kept: the first snapshot takes its place"
        } else {
            "can be moved away"
        };
        self.log_line(
            Level::Warning,
            format_args!(
                "DB imported from {name}{without}: {took} seconds ({commands} commands, {read_bytes} bytes). {log} holds it now ({size_bytes} \
                 bytes); {name} is not read any more; {after}"
            ),
        );
    }

    fn fail_import(&mut self, reason: &str) {
        let log = self.config.appendfilename.clone();
        self.log_line(
            Level::Warning,
            format_args!(
                "Can't write what was imported to {log}: {reason}. What was found is as it was; the next start tries again"
            ),
        );
        // What the rewrite left is removed by a job; what cannot be removed now is removed at the next start.
        self.persistence.bio.drain(bio::Kind::Close);
        let _left = self.clean_temp_files();
        self.exit = Some(Exit { status: 1 });
    }
}
