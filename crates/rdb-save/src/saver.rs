//! The parent's side of a snapshot: start, supervision, end. And the same task in the caller's own process.
//!
//! Nothing here blocks but [`Saver::save_now`], which is all of SAVE, and [`Saver::stop_and_wait`]. The owner calls `turn` once a
//! loop turn and hands over finished jobs.

use std::io;

use aof_state::TempFile;
use bio::{Completion, JobId, Kind};
use child::{ChildEnv, Exit, Failure, Handle, Info, Kill, Note, Received, Spec, Step, Task, Watchdog};
use child_file::{Role, create_temp};
use keyspace::{Keyspace, UnixMs};
use vfs::Dir;

use crate::env::{ForkSource, Outcome, SaveConfig, SaveEnv, SaveError, StartError, Status};
use crate::notice::Notice;
use crate::task::{SaveFiles, SavePhase, SaveStep, SaveTask};

/// The child's title, as `ps` shows it.
const CHILD_TITLE: &str = "ledgerstone-rdb-bgsave";

/// How long [`Saver::stop_and_wait`] waits for a killed child, in milliseconds.
const STOP_WAIT_MS: u32 = 200;

/// How soon a child is looked at again: while it is young, as that of a small dataset is all its life, and later. In milliseconds.
const YOUNG_CHILD_MS: u64 = 10;
const OLD_CHILD_MS: u64 = 50;
/// How long a child is young.
const YOUNG_FOR_MS: u64 = 500;

/// The snapshots of one directory: at most one at a time.
#[derive(Default)]
pub struct Saver {
    run: Option<Run>,
    /// The job that removes the file of a snapshot that did not succeed. Until it is done none starts: their files have the same
    /// name.
    removing: Option<Removing>,
    notices: Vec<Notice>,
    figures: Figures,
}

/// What one snapshot in the background holds.
struct Run {
    child: Box<dyn Handle>,
    files: SaveFiles,
    info: Info,
    watchdog: Watchdog,
    started_ms: u64,
    killed: Option<Why>,
}

/// Why a child was killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Asked,
    Stalled,
}

struct Removing {
    job: JobId,
    temp_name: String,
}

/// Figures that outlive a snapshot.
#[derive(Clone, Copy, Default)]
struct Figures {
    last_duration_ms: Option<u64>,
    last_cow_bytes: u64,
    latest_fork_us: u64,
}

impl Saver {
    /// Makes one that is idle.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a child runs, a dying one included.
    pub fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// Whether one may start: none runs, and what a failed one left is removed.
    pub fn may_start(&self) -> bool {
        self.run.is_none() && self.removing.is_none()
    }

    /// Forks a child that makes a snapshot; returns its process id. Not while another child (a rewrite) runs: the caller knows of
    /// those. The caller holds back table growth as long as [`is_running`](Self::is_running).
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(&mut self, env: &mut SaveEnv<'_>, from: ForkSource<'_>) -> Result<i32, StartError> {
        if !self.may_start() {
            return Err(StartError::AlreadyRunning);
        }
        let files = self.files(env).map_err(StartError::TempFile)?;
        let child = match fork(from, &files, env.config, env.now) {
            Ok(child) => child,
            Err(error) => {
                self.notices.push(Notice::CannotFork { errno: errno(&error) });
                self.remove(env, files);
                return Err(StartError::Fork(error));
            }
        };
        let pid = child.pid();
        self.figures.latest_fork_us = child.fork_us();
        self.notices.push(Notice::Started { pid });
        self.run = Some(Run {
            child,
            files,
            info: Info::default(),
            watchdog: Watchdog::new(env.mono_ms),
            started_ms: env.mono_ms,
            killed: None,
        });
        Ok(pid)
    }

    /// Makes a snapshot in the caller's own process, which does nothing else until it has its name durably, or has failed.
    ///
    /// # Errors
    /// What failed; it is in the notices as well.
    ///
    /// # Panics
    /// If none [may start](Self::may_start).
    pub fn save_now(&mut self, env: &mut SaveEnv<'_>, keyspace: &Keyspace) -> Result<(), SaveError> {
        assert!(self.may_start(), "one snapshot at a time");
        let files =
            self.files(env).map_err(|error| SaveError { step: "opening the temp RDB file", errno: errno(&error) })?;
        let mut task = SaveTask::reserve(files.clone(), keyspace, env.config, env.now);
        let mut own =
            OwnProcess { pid: env.config.server_pid.cast_signed(), mono_ms: env.mono_ms, last: Info::default() };
        while !matches!(task.step(&mut own), Step::Exit(_)) {}
        match own.last.failure {
            None => {
                self.notices.push(Notice::Saved { by: Role::Parent });
                Ok(())
            }
            Some(failure) => {
                self.notices.push(notice_of(failure, own.last.note, &files));
                let step = SaveStep::of(failure).map_or("unknown step", SaveStep::name);
                Err(SaveError { step, errno: failure.errno })
            }
        }
    }

    /// Makes the temp file. The directory gets an open file description that only this snapshot fsyncs: by one that is shared, an fsync
    /// of the caller's in between would take the error of the rename, which Linux reports to each once.
    fn files(&mut self, env: &SaveEnv<'_>) -> io::Result<SaveFiles> {
        let temp_name = TempFile::Dump { pid: env.config.server_pid }.name(env.config.name);
        let made = env.dir.reopen().and_then(|dir| create_temp(&*dir, &temp_name).map(|file| (dir, file)));
        match made {
            Ok((dir, file)) => Ok(SaveFiles { dir, file, temp_name, name: env.config.name.to_owned() }),
            Err(error) => {
                let dir = env.dir.path().display().to_string();
                self.notices.push(Notice::CannotOpen { temp_name, dir, errno: errno(&error) });
                Err(error)
            }
        }
    }

    /// Looks after the child, once a loop turn. Never blocks. Says how a snapshot ended that did.
    pub fn turn(&mut self, env: &mut SaveEnv<'_>) -> Option<Outcome> {
        let run = self.run.as_mut()?;
        run.read_reports(env.mono_ms);
        let Some(exit) = run.child.try_reap() else {
            self.watch(env.mono_ms);
            return None;
        };
        self.ended(env, exit)
    }

    /// Kills the child if it does nothing.
    fn watch(&mut self, mono_ms: u64) {
        let Some(run) = self.run.as_mut().filter(|run| run.killed.is_none()) else { return };
        if run.watchdog.expired(mono_ms) {
            self.notices.push(Notice::Stalled { stalled_ms: run.watchdog.stalled_ms(mono_ms) });
            run.killed = Some(Why::Stalled);
            run.child.kill(Kill::Hard);
        }
    }

    /// The child is gone.
    fn ended(&mut self, env: &mut SaveEnv<'_>, exit: Exit) -> Option<Outcome> {
        let mut run = self.run.take()?;
        // What it said just before its end is still in the pipe.
        run.read_reports(env.mono_ms);
        self.figures.last_duration_ms = Some(env.mono_ms.saturating_sub(run.started_ms));
        self.figures.last_cow_bytes = run.info.cow_bytes;
        let outcome = self.judge(&run, exit);
        if outcome != Outcome::Saved {
            self.remove(env, run.files);
        }
        Some(outcome)
    }

    fn judge(&mut self, run: &Run, exit: Exit) -> Outcome {
        match exit {
            Exit::Code(0) if run.info.phase == SavePhase::Saved as u16 => {
                self.notices.push(Notice::Saved { by: Role::Child });
                if run.info.cow_bytes > 0 {
                    self.notices.push(Notice::CopyOnWrite { bytes: run.info.cow_bytes });
                }
                self.notices.push(Notice::Succeeded);
                if run.killed == Some(Why::Asked) { Outcome::Stopped } else { Outcome::Saved }
            }
            Exit::Signal(signal) => {
                self.notices.push(Notice::Killed { signal });
                // SIGUSR1 is the way to end it without making an error of it, from whoever it came.
                let asked = run.killed == Some(Why::Asked) || signal == Kill::Polite.signal();
                if asked { Outcome::Stopped } else { Outcome::Failed }
            }
            Exit::Code(_) | Exit::Lost => {
                self.notices.extend(run.info.failure.map(|failure| notice_of(failure, run.info.note, &run.files)));
                self.notices.push(Notice::Failed);
                if run.killed == Some(Why::Asked) { Outcome::Stopped } else { Outcome::Failed }
            }
        }
    }

    /// Removes a temp file in the background: the unlink of a large one takes its time.
    fn remove(&mut self, env: &mut SaveEnv<'_>, files: SaveFiles) {
        let SaveFiles { dir, file, temp_name, .. } = files;
        let name = temp_name.clone();
        let job = move || -> io::Result<u64> {
            let removed = remove_if_there(&*dir, &name);
            drop(file);
            removed.map(|()| 0)
        };
        let job = env.bio.submit(Kind::Close, Box::new(job));
        self.removing = Some(Removing { job, temp_name });
    }

    /// Takes a finished job; false if it was not one of ours.
    pub fn complete(&mut self, completion: &Completion) -> bool {
        let Some(removing) = self.removing.take_if(|removing| removing.job == completion.id) else { return false };
        if let Err(error) = &completion.outcome {
            self.notices.push(Notice::NotRemoved { temp_name: removing.temp_name, errno: errno(error) });
        }
        true
    }

    /// Kills the child; [`turn`](Self::turn) says when it is gone.
    pub fn stop(&mut self) {
        if let Some(run) = &mut self.run {
            run.killed = Some(Why::Asked);
            run.child.kill(Kill::Hard);
        }
    }

    /// Kills the child and waits for its end for at most 200 ms. `None` if there is none, or it is in an uninterruptible call:
    /// then it ends with that call.
    pub fn stop_and_wait(&mut self, env: &mut SaveEnv<'_>) -> Option<Outcome> {
        self.stop();
        let exit = self.run.as_mut()?.child.wait(STOP_WAIT_MS)?;
        self.ended(env, exit)
    }

    /// When `turn` must be called again at the latest, though nothing else happens.
    pub fn next_wakeup_ms(&self, mono_ms: u64) -> Option<u64> {
        let run = self.run.as_ref()?;
        let young = run.killed.is_some() || mono_ms.saturating_sub(run.started_ms) < YOUNG_FOR_MS;
        Some(mono_ms + if young { YOUNG_CHILD_MS } else { OLD_CHILD_MS })
    }

    /// The figures for INFO.
    pub fn status(&self, mono_ms: u64) -> Status {
        let Figures { last_duration_ms, last_cow_bytes, latest_fork_us } = self.figures;
        let idle = Status { last_duration_ms, last_cow_bytes, latest_fork_us, ..Status::default() };
        let Some(run) = &self.run else { return idle };
        Status {
            in_progress: true,
            current_duration_ms: Some(mono_ms.saturating_sub(run.started_ms)),
            current_cow_bytes: run.info.cow_bytes,
            cow_measurements: run.info.cow_measurements,
            keys_processed: run.info.items,
            child_pid: Some(run.child.pid()),
            written_bytes: run.info.written_bytes,
            ..idle
        }
    }

    /// The notices since the last call, oldest first.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

impl Run {
    fn read_reports(&mut self, mono_ms: u64) {
        while let Some(info) = self.child.next_info() {
            self.watchdog.observe(&info, mono_ms);
            self.info = info;
        }
    }
}

fn fork(from: ForkSource<'_>, files: &SaveFiles, config: SaveConfig<'_>, now: UnixMs) -> io::Result<Box<dyn Handle>> {
    let ForkSource { spawner, keyspace } = from;
    let mut task = SaveTask::reserve(files.clone(), keyspace, config, now);
    let mut owned_copy = || -> Box<dyn Task + Send> {
        Box::new(SaveTask::reserve(files.clone(), Box::new(keyspace.clone()), config, now))
    };
    let keep: Vec<i32> = [files.file.descriptor(), files.dir.descriptor()].into_iter().flatten().collect();
    spawner.spawn(&Spec { title: CHILD_TITLE, keep: &keep }, &mut task, &mut owned_copy)
}

fn notice_of(failure: Failure, note: Note, files: &SaveFiles) -> Notice {
    let errno = failure.errno;
    match SaveStep::of(failure) {
        Some(SaveStep::Rename) => Notice::RenameError {
            temp_name: files.temp_name.clone(),
            name: files.name.clone(),
            dir: files.dir.path().display().to_string(),
            errno,
        },
        Some(SaveStep::FsyncDir) => Notice::NotDurable { errno },
        Some(SaveStep::Value) => Notice::ValueError { note: note.to_string() },
        step => Notice::WriteError { step: step.map_or("unknown step", SaveStep::name), errno },
    }
}

fn remove_if_there(dir: &dyn Dir, name: &str) -> io::Result<()> {
    if dir.stat(name)?.is_some() { dir.unlink(name) } else { Ok(()) }
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

/// What a task sees that runs in its parent: no pipes, and a clock that stands still, since nobody is told how far it is.
struct OwnProcess {
    pid: i32,
    mono_ms: u64,
    last: Info,
}

impl ChildEnv for OwnProcess {
    fn pid(&self) -> i32 {
        self.pid
    }

    fn mono_ms(&mut self) -> u64 {
        self.mono_ms
    }

    fn read_data(&mut self, _buf: &mut [u8]) -> io::Result<Received> {
        Ok(Received::Nothing)
    }

    fn ask_stop(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read_ack(&mut self, _byte: &mut u8) -> io::Result<Received> {
        Ok(Received::Nothing)
    }

    fn report(&mut self, _info: &Info) {}

    fn report_last(&mut self, info: &Info) {
        self.last = *info;
    }

    fn cow_bytes(&mut self) -> u64 {
        0
    }
}
