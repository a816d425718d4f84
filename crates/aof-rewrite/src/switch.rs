//! The switch of files, step by step: the residual diff, the attached file, fsync, state file, rename, directory fsync, the old
//! file's end.
//!
//! The loop itself writes only what is no more than its own flush of the turn; all else is done by jobs. One job at a time.

use std::io;
use std::sync::Arc;

use aof_state::{Identity, LogOffset, StateFile};
use bio::{Kind, Outcome};
use mutants::{Mutant, planted};
use vfs::{Dir, File, uninterrupted};

use crate::env::{Call, Mode, RewriteEnv};
use crate::log::{LiveLog, Mirror};
use crate::machine::{Event, Phase};
use crate::notice::Notice;
use crate::rewriter::{Job, Rewriter, Run};

/// How much of the residual diff a job writes, in bytes, unless more is fed.
const PIECE_BYTES: u64 = 1 << 20;

/// How much of it the loop may write itself, in bytes, unless more is fed. The log's own flush in the same turn is as large.
const LOOP_WRITE_BYTES: u64 = 64 * 1024;

/// How often the new file is fsynced again because the old one is durable further. Both move on while it is done, so without
/// a limit it might never end; after it, the marks that replies rely on decide alone.
const FSYNC_ROUNDS: u32 = 3;

/// The event of LATENCY for a write of the residual diff.
const DIFF_WRITE: &str = "aof-rewrite-diff-write";

impl Rewriter {
    /// Takes note of how much the turn has fed: what the switch does in a turn is measured against it, so that it catches up.
    pub(crate) fn measure_feed(&mut self, env: &RewriteEnv<'_>) {
        let Some(run) = &mut self.run else { return };
        let appended = env.log.marks().appended;
        run.fed_bytes = appended.0.saturating_sub(run.appended.0);
        run.appended = appended;
    }

    /// Goes on where something is to be decided and no job is under way.
    pub(crate) fn advance_switch(&mut self, env: &mut RewriteEnv<'_>) {
        while let Phase::Residual { .. } = self.phase {
            let Some(run) = &self.run else { return };
            let much = env.log.diff_len() > LOOP_WRITE_BYTES.max(2 * run.fed_bytes);
            self.happen(env, if much { Event::MuchLeft } else { Event::LittleLeft });
        }
        if !matches!(self.phase, Phase::FsyncNew | Phase::Announcing) {
            return;
        }
        match env.log.mirror() {
            Mirror::Failed { errno } => {
                self.notices.push(Notice::SwitchFailed { step: "writing to the new file", errno });
                self.happen(env, Event::MirrorFailed);
            }
            // No job: the last fsync succeeded, and waits for the one beside it.
            Mirror::Sound(marks) if self.phase == Phase::FsyncNew && self.has_no_job() => {
                self.judge_new_file(env, marks.fsynced);
            }
            Mirror::Sound(_) => {}
        }
    }

    fn has_no_job(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.job.is_none())
    }

    /// Hands one piece of the diff to a job.
    pub(crate) fn write_piece(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &mut self.run else { return };
        let budget_bytes = PIECE_BYTES.max(2 * run.fed_bytes);
        let mut piece = Vec::new();
        while let Some(front) = env.log.diff_front() {
            let room = usize::try_from(budget_bytes).unwrap_or(usize::MAX) - piece.len();
            let taken = front.len().min(room);
            if taken == 0 {
                break;
            }
            piece.extend_from_slice(&front[..taken]);
            env.log.diff_consume(taken);
        }
        run.count_residual(piece.len() as u64);
        let (file, meter) = (Arc::clone(&run.file), self.timings.meter().clone());
        self.submit(env, Kind::Write, LogOffset::default(), move || {
            meter.time(DIFF_WRITE, || append_all(&*file, &piece)).map(|()| piece.len() as u64)
        });
    }

    /// Writes what is left of the diff, in this turn.
    pub(crate) fn write_rest(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &mut self.run else { return };
        let mut result = Ok(());
        let before_bytes = run.residual_bytes;
        while let (Ok(()), Some(front)) = (&result, env.log.diff_front()) {
            let len = front.len();
            if planted(Mutant::ResidualLost) {
                env.log.diff_consume(len);
                continue;
            }
            result = self.timings.meter().time(DIFF_WRITE, || append_all(&*run.file, front));
            env.log.diff_consume(len);
            run.count_residual(len as u64);
        }
        match result {
            Ok(()) => {
                let (bytes, in_loop_bytes) = (run.residual_bytes, run.residual_bytes - before_bytes);
                self.notices.push(Notice::ResidualWritten { bytes, in_loop_bytes });
                self.happen(env, Event::Done);
            }
            Err(e) => {
                self.switch_failed(Call::Write, "writing the residual diff", &e);
                self.happen(env, Event::Failed);
            }
        }
    }

    pub(crate) fn attach(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &mut self.run else { return };
        assert!(env.log.diff_len() == 0, "the new file holds everything fed before it is attached");
        run.attached_at = env.log.marks().appended;
        env.log.attach(Arc::clone(&run.file), run.size_bytes);
    }

    pub(crate) fn fsync_new(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &mut self.run else { return };
        // What is in the page cache now is what an fsync that starts later makes durable.
        let covers = match (self.phase, &*env.log) {
            (Phase::FsyncNew, log) => written_to_mirror(log, run.attached_at),
            _ => LogOffset::default(),
        };
        run.fsync_rounds += 1;
        let file = Arc::clone(&run.file);
        // A full fsync: the log may have set a mark on the file, which fdatasync leaves behind. It may be of gigabytes: not of the
        // kind whose results replies wait for.
        if planted(Mutant::RenameBeforeFsync) {
            return self.submit(env, Kind::BulkFsync, covers, || Ok(0));
        }
        self.submit(env, Kind::BulkFsync, covers, move || uninterrupted(|| file.fsync()).map(|()| 0));
    }

    /// From here on a power cut may leave either file under the name, so the state file speaks of both before.
    pub(crate) fn announce(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &self.run else { return };
        if planted(Mutant::NotAnnounced) {
            return self.submit(env, Kind::Rename, LogOffset::default(), || Ok(0));
        }
        let (dir, file, log_name) = (Arc::clone(&run.dir), Arc::clone(&run.file), run.log_name.clone());
        // It ends with a unit, as what is stated must: a part of one stays in the file only by a failed write, and a mirror whose
        // write has failed is given up in that very turn.
        let fsynced_offset_bytes = run.size_bytes + (run.new_fsynced.0 - run.attached_at.0);
        let (log, boot_id) = (env.log.state(), env.config.boot_id);
        self.submit(env, Kind::Rename, LogOffset::default(), move || {
            let identity = Identity::of(&*file)?;
            let new =
                StateFile { identity, boot_id, fsynced_offset_bytes, clean_end: false, announced: true, copy: false };
            new.announce(log, &*dir, &log_name).map(|()| 0).map_err(io::Error::from)
        });
    }

    pub(crate) fn rename(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &self.run else { return };
        let (dir, file) = (Arc::clone(&run.dir), Arc::clone(&run.file));
        let (from, to, meter) = (run.complete_name.clone(), run.log_name.clone(), self.timings.meter().clone());
        let aside = (run.mode == Mode::First && !planted(Mutant::MovedAsideKept)).then(|| run.aside_name.clone());
        self.submit(env, Kind::Rename, LogOffset::default(), move || {
            let moved = aside.as_ref().map_or(Ok(false), |aside| move_aside(&*dir, &to, aside))?;
            let renamed = meter.time("aof-rename", || rename_or_look(&*dir, &*file, &from, &to));
            if let (Err(_), true, Some(aside)) = (&renamed, moved, &aside) {
                // Where that fails as well, the next start gives it its name back.
                let _given_back = dir.rename(aside, &to);
            }
            renamed.map(|()| u64::from(moved))
        });
    }

    pub(crate) fn fsync_dir(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &self.run else { return };
        let dir = Arc::clone(&run.dir);
        if planted(Mutant::SwitchWithoutDirFsync) {
            return self.submit(env, Kind::DirFsync, LogOffset::default(), || Ok(0));
        }
        self.submit(env, Kind::DirFsync, LogOffset::default(), move || uninterrupted(|| dir.fsync()).map(|()| 0));
    }

    pub(crate) fn promote(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &mut self.run else { return };
        let old = if run.mode == Mode::Once { Some(Arc::clone(&run.file)) } else { env.log.promote(run.new_fsynced) };
        if run.mode == Mode::First {
            // There is a log now. Should the directory's fsync have failed, a first rewrite tried again would move it aside.
            run.mode = Mode::Switch;
        }
        if let Some(old) = old {
            let job = close_job(old, None);
            let id = env.bio.submit(Kind::Close, job);
            self.disown(id);
        }
    }

    pub(crate) fn not_durable(&mut self, env: &mut RewriteEnv<'_>) {
        let errno = match self.notices.last() {
            Some(Notice::SwitchNotDurable { errno }) => *errno,
            _ => 0,
        };
        if self.has_log() {
            env.log.switch_not_durable(&io::Error::from_raw_os_error(errno));
        }
        // It has the name all the same, for every process.
        self.note_copied(false);
    }

    /// Removes the new file under both its names and closes it, in a job: freeing its blocks takes time.
    pub(crate) fn remove_file(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(run) = &self.run else { return };
        if let Some(job) = run.job {
            // An fsync of it may hang, and the next file must be fsynced.
            env.bio.release(Kind::BulkFsync, job.id);
        }
        let names = (Arc::clone(&run.dir), run.temp_name.clone(), run.complete_name.clone());
        let job = close_job(Arc::clone(&run.file), Some(names));
        let id = env.bio.submit(Kind::Close, job);
        self.removing(id);
    }

    /// Ends the diff; a job frees its memory.
    pub(crate) fn drop_diff(&mut self, env: &mut RewriteEnv<'_>) {
        let Some(diff) = env.log.diff_drop() else { return };
        let job = move || {
            drop(diff);
            Ok(0)
        };
        let id = env.bio.submit(Kind::LazyFree, Box::new(job));
        self.disown(id);
    }

    fn submit(
        &mut self,
        env: &mut RewriteEnv<'_>,
        kind: Kind,
        covers: LogOffset,
        job: impl FnOnce() -> Outcome + Send + 'static,
    ) {
        let id = env.bio.submit(kind, Box::new(job));
        if let Some(run) = &mut self.run {
            debug_assert!(run.job.is_none(), "one job at a time");
            run.job = Some(Job { id, covers });
        }
    }

    /// Takes the result of the phase's job.
    pub(crate) fn job_done(&mut self, env: &mut RewriteEnv<'_>, job: Job, outcome: &Outcome) {
        match outcome {
            Ok(_) if self.phase == Phase::FsyncNew => self.new_file_fsynced(env, job.covers),
            Ok(_) if self.phase == Phase::Announcing => self.announced(env),
            Ok(1) if self.phase == Phase::Renaming => {
                let to = self.run.as_ref().map(|run| run.aside_name.clone()).unwrap_or_default();
                self.notices.push(Notice::MovedAside { to });
                self.happen(env, Event::Done);
            }
            Ok(_) => self.happen(env, Event::Done),
            Err(e) => {
                let errno = e.raw_os_error().unwrap_or(0);
                match self.phase {
                    Phase::WritingPiece { .. } => self.switch_failed(Call::Write, "writing the residual diff", e),
                    Phase::Announcing => self.switch_failed(Call::Other, "writing the state file", e),
                    Phase::Renaming => self.switch_failed(Call::Other, "rename", e),
                    Phase::FsyncDir => {
                        self.note_error(Call::Other, "fsync of the directory", errno);
                        self.notices.push(Notice::SwitchNotDurable { errno });
                    }
                    _ => self.switch_failed(Call::Fsync, "fsync of the new file", e),
                }
                self.happen(env, Event::Failed);
            }
        }
    }

    fn switch_failed(&mut self, call: Call, step: &'static str, error: &io::Error) {
        let errno = error.raw_os_error().unwrap_or(0);
        self.note_error(call, step, errno);
        self.notices.push(Notice::SwitchFailed { step, errno });
    }

    /// The new file is fsynced up to `covers`, unless an fsync that the log started beside ours took the error for both. By the
    /// description that ours is of, the log starts one only when it knows how the last one ended: so one at most is not known
    /// yet, however the results of different kinds come, and the error of any other has failed the file already.
    /// `advance_switch` goes on, this turn or when that one has ended.
    fn new_file_fsynced(&mut self, env: &mut RewriteEnv<'_>, covers: LogOffset) {
        let Some(run) = &mut self.run else { return };
        run.new_fsynced = run.new_fsynced.max(covers);
        run.beside_upto = env.log.mirror_fsync_upto();
    }

    /// Nothing stands in the way of the rename, unless the new file has failed meanwhile: `advance_switch` sees to that.
    fn announced(&mut self, env: &mut RewriteEnv<'_>) {
        if let Mirror::Sound(_) = env.log.mirror() {
            self.happen(env, Event::Done);
        }
    }

    /// The new file is fsynced: past everything that a power cut must not take?
    fn judge_new_file(&mut self, env: &mut RewriteEnv<'_>, by_log: LogOffset) {
        let Some(run) = &mut self.run else { return };
        if run.beside_upto.is_some_and(|upto| by_log < upto) {
            return;
        }
        run.new_fsynced = run.new_fsynced.max(by_log);
        let promised = run.attached_at.max(env.log.marks().fsynced);
        let behind_promise = run.new_fsynced < promised;
        let behind_old = run.new_fsynced < env.log.log_fsynced() && run.fsync_rounds <= FSYNC_ROUNDS;
        self.happen(env, if behind_promise || behind_old { Event::Behind } else { Event::Done });
    }
}

impl Run {
    fn count_residual(&mut self, bytes: u64) {
        self.residual_bytes += bytes;
        self.size_bytes += bytes;
    }
}

/// Closes a file, after removing both of its names if they are given.
fn close_job(file: Arc<dyn File>, names: Option<(Arc<dyn Dir>, String, String)>) -> bio::Job {
    Box::new(move || {
        // What cannot be removed now is removed at the next start.
        let removed = names.map_or(Ok(()), |(dir, temp_name, complete_name)| {
            remove_if_there(&*dir, &temp_name).and(remove_if_there(&*dir, &complete_name))
        });
        drop(file);
        removed.map(|()| 0)
    })
}

/// How far the stream is in the page cache of the attached file.
fn written_to_mirror(log: &dyn LiveLog, attached_at: LogOffset) -> LogOffset {
    match log.mirror() {
        Mirror::Sound(marks) => marks.written.max(attached_at),
        Mirror::Failed { .. } => attached_at,
    }
}

/// Gives a file that has the log's name another one, durably: it is not ours to overwrite, for nothing says what it is. Whether there is
/// one. From here to the rename of the new file nothing has the name; a start then gives it back, as the state file announces a file
/// that did not get it.
fn move_aside(dir: &dyn Dir, name: &str, aside: &str) -> io::Result<bool> {
    if dir.stat(name)?.is_none() {
        return Ok(false);
    }
    dir.rename_new(name, aside)?;
    dir.fsync().inspect_err(|_| {
        let _given_back = dir.rename(aside, name);
    })?;
    Ok(true)
}

/// Renames; where that fails, looks whether it happened after all. To take a rename that happened for one that did not would
/// mean going on with a file that has no name.
fn rename_or_look(dir: &dyn Dir, file: &dyn File, from: &str, to: &str) -> io::Result<()> {
    let Err(error) = dir.rename(from, to) else { return Ok(()) };
    let ours = file.metadata()?.inode;
    match dir.stat(to) {
        Ok(Some(found)) if found.inode == ours => Ok(()),
        _ => Err(error),
    }
}

/// Removes a file that may not be there, as that of a rewrite has one of two names.
fn remove_if_there(dir: &dyn Dir, name: &str) -> io::Result<()> {
    match dir.unlink(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn append_all(file: &dyn File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
