//! One log's rewrites, as their owner uses them. What happens when is decided in `machine.rs`; `start.rs` (the fork),
//! `supervise.rs` (the child) and `switch.rs` (the files) carry it out.
//!
//! Nothing here blocks but [`Rewriter::shutdown`]. The owner calls `turn` once a loop turn and hands over finished jobs.

use std::sync::Arc;

use aof_state::LogOffset;
use bio::{Clock, Completion, JobId, Kind, Timing, Timings};
use child::{Handle, Info, Watchdog};
use vfs::{Dir, File};

use crate::env::{Abort, Call, Copied, FileError, Mode, RewriteEnv, Shutdown, ShutdownRule, Status};
use crate::machine::{self, Action, Event, Phase};
use crate::notice::Notice;
use crate::trigger::{AutoRewrite, Backoff};

/// How long the retry of a failed first rewrite waits at least, in milliseconds.
const FIRST_RETRY_MS: u64 = 1_000;

/// How long a shutdown waits for a killed child, in milliseconds.
const SHUTDOWN_WAIT_MS: u32 = 200;

/// How soon a child is looked at again: while it has something to say or to get, and otherwise. In milliseconds.
const BUSY_CHILD_MS: u64 = 10;
const QUIET_CHILD_MS: u64 = 50;

/// One log's rewrites: at most one at a time.
#[derive(Default)]
pub struct Rewriter {
    pub(crate) phase: Phase,
    pub(crate) run: Option<Run>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) errors: Vec<FileError>,
    pub(crate) timings: Timings<&'static str>,
    /// How long the fork took that has not been told yet, in milliseconds.
    pub(crate) fork_ms: Option<u64>,
    pub(crate) figures: Figures,
    pub(crate) scheduled: Option<Mode>,
    pub(crate) backoff: Backoff,
    first_retry_ms: u64,
    /// Somebody waits for the first rewrite to be done: its retries do not back off.
    hurries: bool,
    /// Jobs of rewrites that were given up while these were under way. Their results no longer matter.
    orphans: Vec<JobId>,
    /// The job that removes the file of a rewrite that failed. Until it is done none starts: their files have the same name.
    removing: Option<JobId>,
    /// What the last rewrite without a log has made, under the log's name.
    pub(crate) copied: Option<Copied>,
}

/// What one rewrite holds, from the fork to its end.
pub(crate) struct Run {
    pub(crate) mode: Mode,
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) log_name: String,
    /// What a file that has the log's name is called after the first rewrite.
    pub(crate) aside_name: String,
    pub(crate) temp_name: String,
    pub(crate) complete_name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) child: Option<Box<dyn Handle>>,
    pub(crate) child_pid: i32,
    pub(crate) info: Info,
    pub(crate) watchdog: Watchdog,
    pub(crate) started_ms: u64,
    pub(crate) killed_ms: u64,
    /// Bytes of the diff that went into the pipe.
    pub(crate) sent_bytes: u64,
    /// Bytes of the diff that the parent wrote itself.
    pub(crate) residual_bytes: u64,
    /// The new file's size, from the child's end to `attach`.
    pub(crate) size_bytes: u64,
    /// `appended` at the last turn, to see how much a turn feeds.
    pub(crate) appended: LogOffset,
    pub(crate) fed_bytes: u64,
    pub(crate) job: Option<Job>,
    /// Where the new file was attached, and how far it is fsynced by our own doing.
    pub(crate) attached_at: LogOffset,
    pub(crate) new_fsynced: LogOffset,
    pub(crate) fsync_rounds: u32,
    /// How far the log's own fsync goes that ran beside our last one: ours counts only if that one succeeds too.
    pub(crate) beside_upto: Option<LogOffset>,
}

/// A job under way.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    /// For an fsync of the attached file: what it will have made durable.
    pub(crate) covers: LogOffset,
}

/// Figures that outlive a rewrite.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) last_duration_ms: Option<u64>,
    pub(crate) last_failed: bool,
    pub(crate) last_cow_bytes: u64,
    pub(crate) latest_fork_us: u64,
    pub(crate) succeeded: u64,
}

impl Rewriter {
    /// Makes one that is idle.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a rewrite as soon as the owner can start one: see `due`. The first rewrite takes precedence over others.
    pub fn schedule(&mut self, mode: Mode) {
        if self.scheduled.is_none() {
            self.notices.push(Notice::Scheduled);
        }
        if self.scheduled != Some(Mode::First) {
            self.scheduled = Some(mode);
        }
    }

    /// Takes back what was scheduled.
    pub fn unschedule(&mut self) {
        (self.scheduled, self.hurries) = (None, false);
    }

    /// The end of the server waits for the first rewrite: a retry is due at once, and further ones after a second each.
    pub fn hurry_first(&mut self) {
        self.hurries = true;
        self.first_retry_ms = 0;
    }

    /// The scheduled rewrite that may start now: nothing runs, and no retry of a first rewrite is waiting.
    pub fn due(&self, mono_ms: u64) -> Option<Mode> {
        let mode = self.scheduled.filter(|_| self.may_start())?;
        (mode != Mode::First || mono_ms >= self.first_retry_ms).then_some(mode)
    }

    /// Whether one runs, from the fork until the switch is done.
    pub fn is_running(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// What kind of rewrite runs that could still be stopped without a trace.
    pub fn unfinished(&self) -> Option<Mode> {
        let may_stop = self.is_running() && !self.is_switching() && !matches!(self.phase, Phase::Dying { .. });
        self.run.as_ref().filter(|_| may_stop).map(|run| run.mode)
    }

    /// Whether one may start: none runs, and what a failed one left is removed.
    pub fn may_start(&self) -> bool {
        !self.is_running() && self.removing.is_none()
    }

    /// Whether growth asks for a rewrite now; if so, the notice is given, and the caller starts one.
    pub fn auto_trigger(&mut self, current_bytes: u64, base_bytes: u64, auto: AutoRewrite, mono_ms: u64) -> bool {
        if !self.may_start() || self.scheduled.is_some() || !self.backoff.allows(mono_ms) {
            return false;
        }
        let Some(growth_percent) = auto.growth_percent(current_bytes, base_bytes) else { return false };
        self.notices.push(Notice::Automatic { growth_percent });
        true
    }

    /// Once a loop turn, after the log's own flush and outside of a transaction being fed. Never blocks.
    pub fn turn(&mut self, env: &mut RewriteEnv<'_>) {
        self.measure_feed(env);
        if let Phase::Child { .. } | Phase::Dying { .. } = self.phase {
            self.supervise(env);
        }
        self.advance_switch(env);
    }

    /// Takes a finished job; false if it was not one of ours.
    pub fn complete(&mut self, env: &mut RewriteEnv<'_>, completion: &Completion) -> bool {
        if let Some(at) = self.orphans.iter().position(|id| *id == completion.id) {
            self.orphans.swap_remove(at);
            self.orphan_done(completion);
            return true;
        }
        if self.removing.take_if(|id| *id == completion.id).is_some() {
            self.orphan_done(completion);
            return true;
        }
        let Some(job) = self.run.as_mut().and_then(|run| run.job.take_if(|job| job.id == completion.id)) else {
            return false;
        };
        self.job_done(env, job, &completion.outcome);
        self.advance_switch(env);
        true
    }

    /// Takes the result of a job that nothing depends on any more.
    fn orphan_done(&mut self, completion: &Completion) {
        let Err(error) = &completion.outcome else { return };
        match completion.kind {
            Kind::Write => self.cleanup_failed(Call::Write, "writing to a file that was given up", error),
            Kind::BulkFsync => self.cleanup_failed(Call::Fsync, "fsync of a file that was given up", error),
            Kind::Close => self.cleanup_failed(Call::Other, "removing a file that was given up", error),
            _ => self.cleanup_failed(Call::Other, "a step that was given up", error),
        }
    }

    /// Says that something failed on which nothing depends.
    pub(crate) fn cleanup_failed(&mut self, call: Call, step: &'static str, error: &std::io::Error) {
        let errno = error.raw_os_error().unwrap_or(0);
        self.note_error(call, step, errno);
        self.notices.push(Notice::CleanupFailed { step, errno });
    }

    /// When `turn` must be called again at the latest, or `due` asked, though nothing else happens. `None`: a completion will
    /// come, or nothing is to be done.
    pub fn next_wakeup_ms(&self, mono_ms: u64) -> Option<u64> {
        match self.phase {
            // The end of the job that clears the way wakes the loop.
            Phase::Idle if self.removing.is_some() => None,
            Phase::Idle => self.scheduled.filter(|mode| *mode == Mode::First).map(|_| self.first_retry_ms),
            Phase::Child { sending } => {
                let busy = !sending || self.run.as_ref().is_some_and(Run::child_is_busy);
                Some(mono_ms + if busy { BUSY_CHILD_MS } else { QUIET_CHILD_MS })
            }
            Phase::Dying { .. } => Some(mono_ms + BUSY_CHILD_MS),
            _ => None,
        }
    }

    /// Stops the rewrite, as far as it can be stopped, and takes back what was scheduled. No failure: the status stays.
    pub fn abort(&mut self, env: &mut RewriteEnv<'_>) -> Abort {
        self.unschedule();
        self.happen(env, Event::Abort);
        if self.is_switching() { Abort::Switching } else { Abort::Done }
    }

    /// Whether the state file is a switch's to write: from before it speaks of the new file until that has the name durably.
    pub fn holds_state_file(&self) -> bool {
        self.phase == Phase::Announcing || self.is_switching()
    }

    /// Whether the rename of a switch is under way or done, and its end is still to come.
    pub fn is_switching(&self) -> bool {
        matches!(self.phase, Phase::Renaming | Phase::FsyncDir)
    }

    /// Whether a child writes the dataset of a server without a log ([`Mode::Once`]).
    pub fn is_copying(&self) -> bool {
        matches!(self.phase, Phase::Child { .. }) && self.run.as_ref().is_some_and(|run| run.mode == Mode::Once)
    }

    /// What a rewrite without a log has made, once.
    pub fn take_copied(&mut self) -> Option<Copied> {
        self.copied.take()
    }

    /// What shutting down has to do.
    pub fn shutdown_rule(&self) -> ShutdownRule {
        match (&self.run, self.phase) {
            (None, _) => ShutdownRule::Free,
            (Some(run), Phase::Child { .. }) if run.mode == Mode::First => ShutdownRule::Refuse,
            (Some(run), phase) if run.mode == Mode::First && !matches!(phase, Phase::Dying { .. }) => {
                ShutdownRule::Refuse
            }
            (Some(_), _) => ShutdownRule::Kill,
        }
    }

    /// Ends everything for a shutdown: kills the child and waits for it briefly, drops an unfinished file, finishes a switch
    /// that was renamed. What is scheduled stays so: the shutdown may yet be refused. May block for 200 ms. To be called again until it
    /// says `Done`.
    pub fn shutdown(&mut self, env: &mut RewriteEnv<'_>) -> Shutdown {
        match self.phase {
            Phase::Renaming => return Shutdown::Drain(Kind::Rename),
            Phase::FsyncDir => return Shutdown::Drain(Kind::DirFsync),
            Phase::Idle => return Shutdown::Done,
            _ => {}
        }
        self.happen(env, Event::Abort);
        if let Some(child) = self.run.as_mut().and_then(|run| run.child.as_mut()) {
            child.kill(child::Kill::Hard);
            // One that does not end is in an uninterruptible call; it dies with us.
            child.wait(SHUTDOWN_WAIT_MS);
            self.happen(env, Event::ChildGone);
        }
        // What removes the file is queued; a temp file left by an exit before that is removed at the next start.
        Shutdown::Drain(Kind::Close)
    }

    /// The figures for INFO.
    pub fn status(&self, mono_ms: u64) -> Status {
        let run = self.run.as_ref();
        Status {
            in_progress: self.is_running(),
            scheduled: self.scheduled.is_some(),
            last_duration_ms: self.figures.last_duration_ms,
            current_duration_ms: run.map(|run| mono_ms.saturating_sub(run.started_ms)),
            last_ok: !self.figures.last_failed,
            last_cow_bytes: self.figures.last_cow_bytes,
            current_cow_bytes: run.filter(|run| run.child.is_some()).map_or(0, |run| run.info.cow_bytes),
            cow_measurements: run.filter(|run| run.child.is_some()).map_or(0, |run| run.info.cow_measurements),
            keys_processed: run.map_or(0, |run| run.info.items),
            written_bytes: run.map_or(0, |run| run.info.written_bytes),
            sent_bytes: run.map_or(0, |run| run.sent_bytes),
            read_bytes: run.map_or(0, |run| run.info.read_bytes),
            latest_fork_us: self.figures.latest_fork_us,
            child_pid: run.filter(|run| run.child.is_some()).map(|run| run.child_pid),
            succeeded: self.figures.succeeded,
            failures_in_a_row: self.backoff.failures(),
        }
    }

    /// Where it stands, in a word, for INFO: `idle`, `child`, `residual`, `fsync`, `state`, `rename` or `dirsync`.
    pub fn phase_name(&self) -> &'static str {
        match self.phase {
            Phase::Idle => "idle",
            Phase::Child { .. } | Phase::Dying { .. } => "child",
            Phase::Residual { .. } | Phase::WritingPiece { .. } | Phase::FsyncEarly | Phase::WritingRest => "residual",
            Phase::FsyncNew => "fsync",
            Phase::Announcing => "state",
            Phase::Renaming => "rename",
            Phase::FsyncDir => "dirsync",
        }
    }

    /// The notices since the last call, oldest first.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The calls on files that failed since the last call, also of jobs whose results no longer matter, and of the child.
    pub fn take_errors(&mut self) -> Vec<FileError> {
        std::mem::take(&mut self.errors)
    }

    /// Takes note of a failed call. What it means is the caller's to say.
    pub(crate) fn note_error(&mut self, call: Call, step: &'static str, errno: i32) {
        self.errors.push(FileError { call, step, errno });
    }

    /// From now on measures its system calls (W8), and keeps those that take `at_least_ms`. Without a clock, or at 0, nothing is
    /// measured.
    pub fn measure(&mut self, clock: Option<Clock>, at_least_ms: u64) {
        self.timings.measure(clock, at_least_ms);
    }

    /// The calls that took long and ended since the last time, by Redis's names of such events; a fork however long it took.
    pub fn take_timings(&mut self) -> impl Iterator<Item = Timing<&'static str>> + '_ {
        let fork = self.fork_ms.take().map(|ms| Timing { event: "fork", ms });
        fork.into_iter().chain(self.timings.take())
    }

    /// Takes an event to the machine and carries out what it answers.
    pub(crate) fn happen(&mut self, env: &mut RewriteEnv<'_>, event: Event) {
        let (phase, actions) = machine::next(self.phase, event);
        self.phase = phase;
        for action in actions {
            self.act(env, *action);
        }
    }

    fn act(&mut self, env: &mut RewriteEnv<'_>, action: Action) {
        match action {
            Action::AnswerStop => self.answer_stop(),
            Action::KillPolitely => self.kill(env, child::Kill::Polite),
            Action::KillHard => self.kill(env, child::Kill::Hard),
            Action::ForgetChild => self.forget_child(),
            Action::DropDiff if self.has_log() => self.drop_diff(env),
            Action::WritePiece => self.write_piece(env),
            Action::WriteRest => self.write_rest(env),
            Action::Attach => self.attach(env),
            Action::FsyncNew => self.fsync_new(env),
            Action::Announce => self.announce(env),
            Action::Rename => self.rename(env),
            Action::FsyncDir => self.fsync_dir(env),
            Action::Promote => self.promote(env),
            Action::NotDurable => self.not_durable(env),
            Action::Detach if self.has_log() => env.log.detach(),
            Action::DropDiff | Action::Detach => {}
            Action::RemoveFile => self.remove_file(env),
            Action::Succeed => self.succeed(env),
            Action::Fail => self.fail(env.mono_ms),
            Action::Stop => self.stop(),
        }
    }

    /// Whether the rewrite has to do with the log at all.
    pub(crate) fn has_log(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.mode != Mode::Once)
    }

    /// Notes what a rewrite without a log has made.
    pub(crate) fn note_copied(&mut self, durable: bool) {
        let run = self.run.as_ref().filter(|run| run.mode == Mode::Once);
        self.copied = run.map(|run| Copied { file: Arc::clone(&run.file), durable });
    }

    fn succeed(&mut self, env: &mut RewriteEnv<'_>) {
        self.figures.succeeded += 1;
        self.figures.last_failed = false;
        self.backoff.succeeded();
        self.hurries = false;
        self.notices.push(Notice::Finished);
        self.note_copied(true);
        self.end_run(Some(env.mono_ms));
    }

    /// Accounts for a failure, also of a start. A first rewrite is tried again: without it nothing is logged at all.
    pub(crate) fn fail(&mut self, mono_ms: u64) {
        self.figures.last_failed = true;
        let wait_ms = self.backoff.failed(mono_ms);
        if let Some(wait_ms) = wait_ms {
            self.notices.push(Notice::BackedOff { failures: self.backoff.failures(), wait_ms });
        }
        if self.run.as_ref().is_some_and(|run| run.mode == Mode::First) {
            self.retry_first(mono_ms, wait_ms);
        }
        self.end_run(Some(mono_ms));
    }

    pub(crate) fn retry_first(&mut self, mono_ms: u64, wait_ms: Option<u64>) {
        self.scheduled = Some(Mode::First);
        self.first_retry_ms = mono_ms + wait_ms.filter(|_| !self.hurries).unwrap_or(FIRST_RETRY_MS);
    }

    fn stop(&mut self) {
        self.notices.push(Notice::Aborted);
        self.end_run(None);
    }

    /// Takes note of the job that clears the way for the next rewrite.
    pub(crate) fn removing(&mut self, job: JobId) {
        self.removing = Some(job);
    }

    /// Takes note of a job whose result no longer matters.
    pub(crate) fn disown(&mut self, job: JobId) {
        self.orphans.push(job);
    }

    /// Lets go of everything the rewrite held. The file itself was given to a job that closes it, or to the log.
    fn end_run(&mut self, ended_ms: Option<u64>) {
        let Some(run) = self.run.take() else { return };
        self.orphans.extend(run.job.map(|job| job.id));
        if let Some(ended_ms) = ended_ms {
            self.figures.last_duration_ms = Some(ended_ms.saturating_sub(run.started_ms));
        }
    }
}
