//! Reads what another server left, to be written anew: a log in several files with its manifest, or a snapshot by itself.
//!
//! Invariant: nothing is ever written, renamed or removed where it stands. A torn tail is left out in memory and stays in its file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vfs::{Dir, Open};

use crate::copy::Failed;
use crate::damage::{ByProof, Damage, Verdict, by_proof, by_what_follows};
use crate::error::Evidence;
use crate::file::LogFile;
use crate::follow::Search;
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest, ManifestError, ManifestFlaw, Part};
use crate::replay::{End, Replay, check};
use crate::snapshot::Snapshot;
use crate::{AmbiguousTail, Batch, FileRole, LoadError, LoadOptions, Notice, Operation, Phase, Progress, Sink};

/// An import in progress: [`of_manifest`](Self::of_manifest), [`of_dump`](Self::of_dump) or [`of_log`](Self::of_log), [`step`](Self::step) until it is done,
/// [`finish`](Self::finish).
///
/// What was read is then in the sink, and nowhere else that the caller owns: it writes its own file before it serves anything.
pub struct Import {
    files: Vec<Input>,
    manifest: Option<Followed>,
    /// The file that is read; the number of files when all were.
    at: usize,
    stage: Stage,
    options: LoadOptions,
    /// Whether somebody may go on writing to the files.
    may_grow: bool,
    /// Bytes in the files before the one that is read.
    before_bytes: u64,
    total_bytes: u64,
    commands: u64,
    left_out: Option<LeftOut>,
    notices: Vec<Notice>,
}

/// The files that an import has read, held open.
pub struct Sources {
    files: Vec<Input>,
    manifest: Option<Followed>,
}

impl Sources {
    /// Sees that every file is as long as it was when it was opened and still has its name, and that the manifest is the same: that
    /// nobody has written to them. What changes a file and not its length is not seen; a server that appends does not.
    ///
    /// # Errors
    /// The first file that is another one, or that can't be looked at.
    pub fn unchanged(&self) -> Result<(), LoadError> {
        self.files.iter().try_for_each(|input| input.log.unchanged())?;
        self.manifest.as_ref().map_or(Ok(()), Followed::unchanged)
    }
}

/// A manifest and its text.
struct Followed {
    log: LogFile,
    text: Vec<u8>,
}

impl Followed {
    fn unchanged(&self) -> Result<(), LoadError> {
        self.log.unchanged()?;
        // It is replaced by a rename, and another one may have its inode; so what stands under the name is read.
        let text =
            LogFile::open(Arc::clone(&self.log.dir), &self.log.name, Open::Read)?.map(|log| log.all()).transpose()?;
        if text.as_ref() == Some(&self.text) { Ok(()) } else { Err(self.log.replaced()) }
    }
}

/// One file to read.
struct Input {
    log: LogFile,
    kind: FileRole,
}

enum Stage {
    /// The next file is to be begun.
    Begin,
    Snapshot(Box<Snapshot>),
    Replay(Replay),
    Inspect {
        damage: Damage,
        search: Box<Search>,
    },
    Done,
    Failed,
}

/// A torn tail that was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The file.
    pub path: PathBuf,
    /// Where it was read to.
    pub offset: u64,
    /// What stands behind that, in bytes.
    pub tail_bytes: u64,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Commands applied, those inside of transactions included.
    pub commands: u64,
    /// The size of all files that were read.
    pub size_bytes: u64,
    /// What was not.
    pub left_out: Option<LeftOut>,
}

impl Import {
    /// Opens the files that the manifest `name` in `dir` names. Its own log has the name `log_name`.
    ///
    /// # Errors
    /// If the manifest cannot be read or followed, or a file that it names is not there or cannot be opened.
    pub fn of_manifest(
        dir: &Arc<dyn Dir>,
        name: &str,
        log_name: &str,
        options: LoadOptions,
    ) -> Result<Self, LoadError> {
        let (manifest, followed) = read_manifest(dir, name)?;
        let mut files = Vec::new();
        for (i, part) in manifest.reads().enumerate() {
            let kind = match (&manifest.base, i) {
                (Some(base), 0) if base.name == log_name => FileRole::MovedLog,
                (Some(_), 0) => FileRole::Base,
                _ => FileRole::Incremental,
            };
            files.push(Input { log: open_part(dir, part, name)?, kind });
        }
        Ok(Self { manifest: Some(followed), ..Self::new(files, options) })
    }

    /// Opens the snapshot `name` in `dir`. `None` if there is no such file.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn of_dump(dir: &Arc<dyn Dir>, name: &str, options: LoadOptions) -> Result<Option<Self>, LoadError> {
        let log = LogFile::open(Arc::clone(dir), name, Open::Read)?;
        Ok(log.map(|log| Self::new(vec![Input { log, kind: FileRole::Dump }], options)))
    }

    /// Opens the log `name` in `dir`, with a snapshot before its commands or without. `None` if there is no such file. Unlike a
    /// [`Recovery`](crate::Recovery) it leaves the file as it is, and proves nothing of it.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn of_log(dir: &Arc<dyn Dir>, name: &str, options: LoadOptions) -> Result<Option<Self>, LoadError> {
        let log = LogFile::open(Arc::clone(dir), name, Open::Read)?;
        Ok(log.map(|log| Self::new(vec![Input { log, kind: FileRole::MovedLog }], options)))
    }

    /// Opens what `name` in `dir` is: the manifest of a log in several files, or a log. It may go on growing: what is read ends where
    /// it ended when it was opened.
    ///
    /// # Errors
    /// If it cannot be opened, or is a manifest that cannot be followed.
    pub(crate) fn of_any(dir: &Arc<dyn Dir>, name: &str, options: LoadOptions) -> Result<Self, LoadError> {
        let Some(log) = LogFile::open(Arc::clone(dir), name, Open::Read)? else {
            let source = io::ErrorKind::NotFound.into();
            return Err(LoadError::Io { path: dir.path().join(name), operation: Operation::Open, offset: 0, source });
        };
        let import = if Manifest::starts_with(&log.start()?) {
            Self::of_manifest(dir, name, name.strip_suffix(".manifest").unwrap_or(name), options)?
        } else {
            Self::new(vec![Input { log, kind: FileRole::MovedLog }], options)
        };
        Ok(Self { may_grow: true, ..import })
    }

    fn new(files: Vec<Input>, options: LoadOptions) -> Self {
        let total_bytes = files.iter().map(|input| input.log.size_bytes).sum();
        Self {
            files,
            manifest: None,
            at: 0,
            stage: Stage::Begin,
            options,
            may_grow: false,
            before_bytes: 0,
            total_bytes,
            commands: 0,
            left_out: None,
            notices: Vec::new(),
        }
    }

    /// How many files are read.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Goes on by about `budget_bytes` bytes, at least one unit, so that the caller can answer clients in between.
    ///
    /// # Errors
    /// Any [`LoadError`] that reading may end with. The import is over then, and the sink holds a part.
    ///
    /// # Panics
    /// If an earlier step failed.
    pub fn step<S: Sink + ?Sized>(&mut self, sink: &mut S, budget_bytes: u64) -> Result<Progress, LoadError> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Begin => self.begin(sink)?,
            Stage::Snapshot(snapshot) => self.snapshot(snapshot, sink, budget_bytes)?,
            Stage::Replay(replay) => self.replay(replay, sink, budget_bytes)?,
            Stage::Inspect { damage, search } => self.inspect(damage, search, budget_bytes)?,
            Stage::Done => Stage::Done,
            Stage::Failed => unreachable!("an import that failed is over"),
        };
        Ok(self.progress())
    }

    /// The file that is read, and where in it; none when all were.
    pub(crate) fn place(&self) -> (&Path, u64) {
        let in_file = match &self.stage {
            Stage::Snapshot(snapshot) => snapshot.key_at(),
            _ => self.progress().done_bytes - self.before_bytes,
        };
        self.files.get(self.at).map_or((Path::new(""), 0), |input| (&input.log.path, in_file))
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let (phase, in_file) = match &self.stage {
            Stage::Begin => (Phase::Replay, 0),
            Stage::Snapshot(snapshot) => (Phase::Replay, snapshot.at()),
            Stage::Replay(replay) => (Phase::Replay, replay.loaded_bytes()),
            Stage::Inspect { damage, .. } => (Phase::Inspect, damage.cut_at),
            Stage::Done => (Phase::Done, 0),
            Stage::Failed => (Phase::Failed, 0),
        };
        let done_bytes = self.before_bytes + in_file;
        Progress { phase, done_bytes, total_bytes: self.total_bytes, commands: self.commands }
    }

    /// Takes what is to be logged since the last call; also after an error.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// What was read, and the files: whoever writes anew what was in them looks at them again before it is served.
    ///
    /// # Panics
    /// If no step has reported [`Phase::Done`].
    #[must_use]
    pub fn finish(self) -> (Imported, Sources) {
        assert!(matches!(self.stage, Stage::Done), "finish comes after a step that reported Phase::Done");
        let Self { files, manifest, commands, total_bytes, left_out, .. } = self;
        (Imported { commands, size_bytes: total_bytes, left_out }, Sources { files, manifest })
    }

    fn begin<S: Sink + ?Sized>(&mut self, sink: &mut S) -> Result<Stage, LoadError> {
        let Some(Input { log, kind }) = self.files.get(self.at) else { return Ok(Stage::Done) };
        sink.begin_file();
        let snapshot = match kind {
            // A file of commands, whatever it begins with.
            FileRole::Incremental => None,
            kind => Snapshot::at_start_of(log, *kind, self.options, &mut self.notices)?,
        };
        match (snapshot, kind) {
            (Some(snapshot), _) => Ok(Stage::Snapshot(Box::new(snapshot))),
            (None, FileRole::Dump) => Err(LoadError::NoSnapshot { path: log.path.clone() }),
            (None, _) => self.commands_from(0),
        }
    }

    fn commands_from(&self, offset: u64) -> Result<Stage, LoadError> {
        Replay::start(&self.files[self.at].log, self.options.source, offset).map(Stage::Replay)
    }

    fn snapshot<S: Sink + ?Sized>(
        &mut self,
        mut snapshot: Box<Snapshot>,
        sink: &mut S,
        budget_bytes: u64,
    ) -> Result<Stage, LoadError> {
        let Input { log, kind } = &self.files[self.at];
        match (snapshot.step(sink, budget_bytes, log, &mut self.notices)?, kind) {
            (None, _) => Ok(Stage::Snapshot(snapshot)),
            (Some(end), FileRole::Dump) if end < log.size_bytes => {
                Err(LoadError::BehindSnapshot { path: log.path.clone(), offset: end })
            }
            (Some(_), FileRole::Dump) => self.end_file(),
            (Some(end), _) => self.commands_from(end),
        }
    }

    fn replay<S: Sink + ?Sized>(
        &mut self,
        mut replay: Replay,
        sink: &mut S,
        budget_bytes: u64,
    ) -> Result<Stage, LoadError> {
        let log = &self.files[self.at].log;
        match replay.step(sink, budget_bytes, &log.path, &mut self.commands)? {
            None => Ok(Stage::Replay(replay)),
            Some(End::Whole) => self.end_file(),
            Some(End::Damaged { damage, open }) => self.judge(damage, &open, sink),
            Some(End::Refused(refused)) => Err(log.refused(refused)),
        }
    }

    /// The file was read whole, or up to its torn tail.
    fn end_file(&mut self) -> Result<Stage, LoadError> {
        let Input { log, kind } = &self.files[self.at];
        self.notices.push(Notice::FileLoaded { name: log.name.clone(), kind: *kind, size_bytes: log.size_bytes });
        self.before_bytes += log.size_bytes;
        self.at += 1;
        if self.at < self.files.len() {
            return Ok(Stage::Begin);
        }
        if self.may_grow {
            return Ok(Stage::Done);
        }
        // What a server still writes to would be imported in part, and its acknowledged rest be lost. To be seen again when all is
        // written, by what finish gives; here it saves the writing.
        self.files.iter().try_for_each(|input| input.log.unchanged()).map(|()| Stage::Done)
    }

    fn judge<S: Sink + ?Sized>(&mut self, damage: Damage, open: &Batch, sink: &mut S) -> Result<Stage, LoadError> {
        let Input { log, kind } = &self.files[self.at];
        if let Some(evidence) = never_torn(*kind, self.at + 1 == self.files.len()) {
            return Err(log.bad_format(damage, evidence));
        }
        if let ByProof::Corrupt(evidence) = by_proof(&damage, None) {
            return Err(log.bad_format(damage, evidence));
        }
        // See Recovery::judge: the refusal of a damaged EXEC is what is wrong, not the end of its MULTI.
        for unit in open.units() {
            check(sink, &unit).map_err(|refused| log.refused(refused))?;
        }
        let search = Box::new(Search::new(&damage, log.size_bytes));
        Ok(Stage::Inspect { damage, search })
    }

    fn inspect(&mut self, damage: Damage, mut search: Box<Search>, budget_bytes: u64) -> Result<Stage, LoadError> {
        let log = &self.files[self.at].log;
        let found = search
            .step(&*log.file, budget_bytes)
            .map_err(|error| log.io(Failed { operation: Operation::Read, offset: damage.offset, error }))?;
        let Some(follows) = found else { return Ok(Stage::Inspect { damage, search }) };
        match by_what_follows(follows) {
            Verdict::Torn => self.leave_out(damage),
            Verdict::Corrupt(evidence) => Err(log.bad_format(damage, evidence)),
            Verdict::Ambiguous { .. } if self.options.ambiguous_tail == AmbiguousTail::Cut => self.leave_out(damage),
            Verdict::Ambiguous { command_offset } => {
                Err(LoadError::Ambiguous { path: log.path.clone(), damage: Box::new(damage), command_offset })
            }
        }
    }

    fn leave_out(&mut self, damage: Damage) -> Result<Stage, LoadError> {
        let log = &self.files[self.at].log;
        if !self.options.truncated {
            return Err(LoadError::TornRefused { path: log.path.clone(), damage: Box::new(damage) });
        }
        let (offset, tail_bytes) = (damage.cut_at, log.size_bytes - damage.cut_at);
        let in_transaction = damage.in_transaction;
        self.left_out = Some(LeftOut { path: log.path.clone(), offset, tail_bytes });
        self.notices.push(Notice::Torn { damage });
        if in_transaction {
            self.notices.push(Notice::IncompleteTransaction);
        }
        self.notices.push(Notice::LeftOut { name: log.name.clone(), offset, tail_bytes });
        self.end_file()
    }
}

/// Why damage in such a file is no torn tail, whatever it looks like. A crash tears only what was being appended to: the last file,
/// unless it is one that got its name when it was complete.
fn never_torn(kind: FileRole, last: bool) -> Option<Evidence> {
    match kind {
        FileRole::Incremental | FileRole::MovedLog if last => None,
        FileRole::Incremental | FileRole::MovedLog => Some(Evidence::NotTheLastFile),
        FileRole::Base | FileRole::Dump => Some(Evidence::WrittenWhole),
    }
}

fn read_manifest(dir: &Arc<dyn Dir>, name: &str) -> Result<(Manifest, Followed), LoadError> {
    let path = dir.path().join(name);
    let refused = |source| LoadError::Manifest { path: path.clone(), source };
    let Some(log) = LogFile::open(Arc::clone(dir), name, Open::Read)? else {
        return Err(LoadError::MissingFile { path: path.clone(), manifest: name.to_owned() });
    };
    if log.size_bytes > MAX_MANIFEST_BYTES {
        return Err(refused(ManifestError { line: 0, text: String::new(), flaw: ManifestFlaw::TooLarge }));
    }
    let text = log.all()?;
    Ok((Manifest::parse(&text).map_err(refused)?, Followed { log, text }))
}

fn open_part(dir: &Arc<dyn Dir>, part: &Part, manifest: &str) -> Result<LogFile, LoadError> {
    LogFile::open(Arc::clone(dir), &part.name, Open::Read)?
        .ok_or_else(|| LoadError::MissingFile { path: dir.path().join(&part.name), manifest: manifest.to_owned() })
}
