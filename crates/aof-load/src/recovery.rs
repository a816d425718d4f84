//! Drives a recovery in bounded steps: replay, judge damage, cut, prove.
//!
//! Invariant: nothing on disk changes before the whole file was read, every command accepted and the damage judged.

use std::sync::Arc;

use vfs::{Dir, Open};

use crate::copy::Failed;
use crate::cut::{SideFile, cut};
use crate::damage::{ByProof, Damage, Verdict, by_proof, by_what_follows, is_hole};
use crate::file::LogFile;
use crate::follow::Search;
use crate::prove::{self, Prover};
use crate::replay::{End, Replay, check};
use crate::snapshot::Snapshot;
use crate::{
    AmbiguousTail, Batch, FileRole, LoadError, LoadOptions, Notice, Operation, Phase, Progress, Proven, Recovered,
    Sink, TornTail,
};

/// A recovery in progress: [`open`](Self::open), [`step`](Self::step) until it is done, [`finish`](Self::finish).
///
/// The caller holds the lock of the directory; nobody else touches the file meanwhile.
pub struct Recovery {
    /// Opened for reading and appending.
    log: LogFile,
    options: LoadOptions,
    proven: Option<Proven>,
    stage: Stage,
    commands: u64,
    notices: Vec<Notice>,
}

enum Stage {
    Preamble(Box<Snapshot>),
    Replay(Replay),
    Inspect { damage: Damage, search: Box<Search> },
    CopyTail { damage: Damage, side_file: SideFile },
    Prove { prover: Prover, cut: Option<TornTail>, size_bytes: u64 },
    Done(Recovered),
    Failed,
}

impl Recovery {
    /// Opens the log `name` in `dir` and starts reading it. `None` if there is no such file: the caller creates one.
    ///
    /// `proven` is what a state file that matches this very file says; see [`Proven`].
    ///
    /// # Errors
    /// If something other than a regular file stands there, or it cannot be opened for reading and appending.
    pub fn open(
        dir: Arc<dyn Dir>,
        name: &str,
        options: LoadOptions,
        proven: Option<Proven>,
    ) -> Result<Option<Self>, LoadError> {
        let Some(log) = LogFile::open(dir, name, Open::Append)? else { return Ok(None) };
        let mut notices = Vec::new();
        let stage = match Snapshot::at_start_of(&log, FileRole::MovedLog, options, &mut notices)? {
            Some(preamble) => Stage::Preamble(Box::new(preamble)),
            None => Stage::Replay(Replay::start(&log, options.source, 0)?),
        };
        Ok(Some(Self { log, options, proven, stage, commands: 0, notices }))
    }

    /// Goes on by about `budget_bytes` bytes, at least one unit, so that the caller can answer clients in between. Waits
    /// a moment at most for a slow disk while replaying; an fsync takes what it takes.
    ///
    /// # Errors
    /// Any [`LoadError`]. The recovery is over then.
    ///
    /// # Panics
    /// If an earlier step failed.
    pub fn step<S: Sink + ?Sized>(&mut self, sink: &mut S, budget_bytes: u64) -> Result<Progress, LoadError> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Preamble(preamble) => self.preamble(preamble, sink, budget_bytes)?,
            Stage::Replay(replay) => self.replay(replay, sink, budget_bytes)?,
            Stage::Inspect { damage, search } => self.inspect(damage, search, sink, budget_bytes)?,
            Stage::CopyTail { damage, side_file } => self.copy_tail(damage, side_file, budget_bytes)?,
            Stage::Prove { prover, cut, size_bytes } => self.prove(prover, cut, size_bytes, budget_bytes)?,
            done @ Stage::Done(_) => done,
            Stage::Failed => unreachable!("a recovery that failed is over"),
        };
        Ok(self.progress())
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let size_bytes = self.log.size_bytes;
        let to_prove_bytes = prove::plan(self.proven, size_bytes, size_bytes).work_bytes(size_bytes);
        let total_bytes = size_bytes + to_prove_bytes;
        let behind = |loaded_bytes| size_bytes - loaded_bytes + to_prove_bytes;
        let (phase, left_bytes) = match &self.stage {
            Stage::Preamble(preamble) => (Phase::Replay, behind(preamble.at())),
            Stage::Replay(replay) => (Phase::Replay, behind(replay.loaded_bytes())),
            Stage::Inspect { damage, .. } => (Phase::Inspect, behind(damage.cut_at)),
            Stage::CopyTail { damage, .. } => (Phase::CopyTail, behind(damage.cut_at)),
            Stage::Prove { prover, .. } => (Phase::Prove, prover.left_bytes()),
            Stage::Done(_) => (Phase::Done, 0),
            Stage::Failed => (Phase::Failed, total_bytes),
        };
        Progress { phase, done_bytes: total_bytes - left_bytes, total_bytes, commands: self.commands }
    }

    /// Takes what is to be logged since the last call; also after an error.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The recovered file.
    ///
    /// # Panics
    /// If no step has reported [`Phase::Done`].
    #[must_use]
    pub fn finish(self) -> Recovered {
        match self.stage {
            Stage::Done(recovered) => recovered,
            _ => unreachable!("finish comes after a step that reported Phase::Done"),
        }
    }

    fn preamble<S: Sink + ?Sized>(
        &mut self,
        mut preamble: Box<Snapshot>,
        sink: &mut S,
        budget_bytes: u64,
    ) -> Result<Stage, LoadError> {
        match preamble.step(sink, budget_bytes, &self.log, &mut self.notices)? {
            None => Ok(Stage::Preamble(preamble)),
            Some(end) => Ok(Stage::Replay(Replay::start(&self.log, self.options.source, end)?)),
        }
    }

    fn replay<S: Sink + ?Sized>(
        &mut self,
        mut replay: Replay,
        sink: &mut S,
        budget_bytes: u64,
    ) -> Result<Stage, LoadError> {
        match replay.step(sink, budget_bytes, &self.log.path, &mut self.commands)? {
            None => Ok(Stage::Replay(replay)),
            Some(End::Whole) => self.whole(sink),
            Some(End::Damaged { damage, open }) => self.judge(damage, &open, sink),
            Some(End::Refused(refused)) if is_hole(&refused, self.proven) => self.torn(refused.damage(), sink),
            Some(End::Refused(refused)) => Err(self.log.refused(refused)),
        }
    }

    fn whole<S: Sink + ?Sized>(&mut self, sink: &mut S) -> Result<Stage, LoadError> {
        let size_bytes = self.log.size_bytes;
        self.may_end(size_bytes, sink)?;
        if let Some(proven) = self.proven
            && proven.fsynced_offset_bytes > size_bytes
        {
            let fsynced_offset_bytes = proven.fsynced_offset_bytes;
            self.notices.push(Notice::ShorterThanFsynced { size_bytes, fsynced_offset_bytes });
        }
        self.start_proof(prove::plan(self.proven, size_bytes, size_bytes), None, size_bytes)
    }

    fn judge<S: Sink + ?Sized>(&mut self, damage: Damage, open: &Batch, sink: &mut S) -> Result<Stage, LoadError> {
        match by_proof(&damage, self.proven) {
            ByProof::Torn => self.torn(damage, sink),
            ByProof::Corrupt(evidence) => Err(self.log.bad_format(damage, evidence)),
            ByProof::Look => {
                // An EXEC whose name is damaged leaves its MULTI open to the end of the file: what was expected last is
                // then not what is wrong. The refusal of that name is.
                for unit in open.units() {
                    check(sink, &unit).map_err(|refused| self.log.refused(refused))?;
                }
                let search = Box::new(Search::new(&damage, self.log.size_bytes));
                Ok(Stage::Inspect { damage, search })
            }
        }
    }

    fn inspect<S: Sink + ?Sized>(
        &mut self,
        damage: Damage,
        mut search: Box<Search>,
        sink: &mut S,
        budget_bytes: u64,
    ) -> Result<Stage, LoadError> {
        let found = search
            .step(&*self.log.file, budget_bytes)
            .map_err(|error| self.log.io(Failed { operation: Operation::Read, offset: damage.offset, error }))?;
        let Some(follows) = found else { return Ok(Stage::Inspect { damage, search }) };
        match by_what_follows(follows) {
            Verdict::Torn => self.torn(damage, sink),
            Verdict::Corrupt(evidence) => Err(self.log.bad_format(damage, evidence)),
            Verdict::Ambiguous { .. } if self.options.ambiguous_tail == AmbiguousTail::Cut => self.torn(damage, sink),
            Verdict::Ambiguous { command_offset } => {
                Err(LoadError::Ambiguous { path: self.log.path.clone(), damage: Box::new(damage), command_offset })
            }
        }
    }

    fn may_end<S: Sink + ?Sized>(&self, whole_bytes: u64, sink: &mut S) -> Result<(), LoadError> {
        if sink.may_end(whole_bytes, self.log.size_bytes) {
            Ok(())
        } else {
            Err(LoadError::MayNotEnd { path: self.log.path.clone(), whole_bytes })
        }
    }

    /// The tail is torn: nothing on disk was changed so far.
    fn torn<S: Sink + ?Sized>(&mut self, damage: Damage, sink: &mut S) -> Result<Stage, LoadError> {
        if !self.options.truncated {
            return Err(LoadError::TornRefused { path: self.log.path.clone(), damage: Box::new(damage) });
        }
        self.may_end(damage.cut_at, sink)?;
        self.notices.push(Notice::Torn { damage: damage.clone() });
        if damage.in_transaction {
            self.notices.push(Notice::IncompleteTransaction);
        }
        let LogFile { dir, name, file, size_bytes, .. } = &self.log;
        match SideFile::create(&**dir, name, Arc::clone(file), damage.cut_at, *size_bytes) {
            Ok(side_file) => Ok(Stage::CopyTail { damage, side_file }),
            Err((side_file, error)) => {
                self.no_side_file(side_file, Failed { operation: Operation::Create, offset: damage.cut_at, error })?;
                self.cut(&damage, None)
            }
        }
    }

    fn copy_tail(&mut self, damage: Damage, mut side_file: SideFile, budget_bytes: u64) -> Result<Stage, LoadError> {
        match side_file.step(&*self.log.dir, budget_bytes) {
            Ok(false) => Ok(Stage::CopyTail { damage, side_file }),
            Ok(true) => {
                let name = side_file.name().to_owned();
                let tail_bytes = self.log.size_bytes - damage.cut_at;
                self.notices.push(Notice::SideFileWritten { side_file: name.clone(), tail_bytes });
                self.cut(&damage, Some(name))
            }
            Err(failed) => {
                let name = side_file.name().to_owned();
                side_file.abandon(&*self.log.dir);
                if failed.operation == Operation::Read {
                    return Err(self.log.io(failed));
                }
                self.no_side_file(name, failed)?;
                self.cut(&damage, None)
            }
        }
    }

    fn no_side_file(&mut self, side_file: String, failed: Failed) -> Result<(), LoadError> {
        let Failed { operation, error, .. } = failed;
        if !self.options.without_side_file {
            return Err(LoadError::SideFile { path: self.log.path.clone(), side_file, operation, source: error });
        }
        self.notices.push(Notice::SideFileSkipped { side_file, error });
        Ok(())
    }

    fn cut(&mut self, damage: &Damage, side_file: Option<String>) -> Result<Stage, LoadError> {
        let cut_at = damage.cut_at;
        self.notices.push(Notice::Truncating { cut_at });
        let plan = prove::plan(self.proven, cut_at, self.log.size_bytes);
        // A file that is copied is cut by copying less of it: the old one stays as it is.
        let torn_tail = TornTail { offset: cut_at, tail_bytes: self.log.size_bytes - cut_at, side_file };
        if plan != prove::Plan::Copy {
            cut(&*self.log.file, cut_at).map_err(|Failed { operation, error, .. }| {
                if operation == Operation::Truncate {
                    self.drop_spare_side_file(Some(&torn_tail));
                }
                LoadError::Cut { path: self.log.path.clone(), cut_at, operation, source: error }
            })?;
        }
        self.start_proof(plan, Some(torn_tail), cut_at)
    }

    fn start_proof(&mut self, plan: prove::Plan, cut: Option<TornTail>, size_bytes: u64) -> Result<Stage, LoadError> {
        match plan {
            prove::Plan::Rewrite { from } => self.notices.push(Notice::ProvingTail { from, to: size_bytes }),
            prove::Plan::Copy => self.notices.push(Notice::CopyingFile { size_bytes }),
            prove::Plan::Nothing | prove::Plan::Fsync => (),
        }
        let LogFile { dir, name, file, .. } = &self.log;
        let prover = Prover::start(plan, &**dir, name, Arc::clone(file), size_bytes).map_err(|failed| {
            if plan == prove::Plan::Copy {
                self.drop_spare_side_file(cut.as_ref());
            }
            self.log.not_proven(failed)
        })?;
        Ok(Stage::Prove { prover, cut, size_bytes })
    }

    fn prove(
        &mut self,
        mut prover: Prover,
        cut: Option<TornTail>,
        size_bytes: u64,
        budget_bytes: u64,
    ) -> Result<Stage, LoadError> {
        let step = prover.step(&*self.log.dir, &self.log.name, budget_bytes);
        let proven = step.map_err(|failed| {
            if prover.left_log_whole(&failed) {
                self.drop_spare_side_file(cut.as_ref());
            }
            self.log.not_proven(failed)
        })?;
        let Some((file, proof)) = proven else { return Ok(Stage::Prove { prover, cut, size_bytes }) };
        let bytes = prover.work_bytes();
        if bytes > 0 {
            self.notices.push(Notice::Proven { bytes });
        }
        if cut.is_some() {
            self.notices.push(Notice::LoadedAnyway);
        }
        Ok(Stage::Done(Recovered { file, size_bytes, cut, proof, commands: self.commands }))
    }

    /// Removes the side file of a log that was not cut after all: a server that is started again and again on a full disk
    /// must not fill it with copies of one tail.
    fn drop_spare_side_file(&self, cut: Option<&TornTail>) {
        if let Some(side_file) = cut.and_then(|cut| cut.side_file.as_deref()) {
            let _still_there = self.log.dir.unlink(side_file);
        }
    }
}
