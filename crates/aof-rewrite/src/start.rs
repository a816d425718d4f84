//! The start of a rewrite: the temp file, the child's memory, the fork.

use std::io;
use std::sync::Arc;

use aof_state::{TempFile, aside_name};
use child::{Info, Spec, Task, Watchdog};
use child_file::{Stillborn, create_temp};
use keyspace::{Keyspace, UnixMs};

use crate::child_side::{AnySnapshot, ChildFiles, ChildTask};
use crate::env::{Call, ForkSource, Mode, RewriteConfig, RewriteEnv, StartError};
use crate::machine::Event;
use crate::names::CompleteName;
use crate::notice::Notice;
use crate::rewriter::{Rewriter, Run};

/// The child's title, as `ps` shows it.
const CHILD_TITLE: &str = "ledgerstone-aof-rewrite";

impl Rewriter {
    /// Forks a child and starts a rewrite; returns the child's process id. Not while another child (a save) runs: the caller
    /// knows of those. The caller holds back table growth ([`Keyspace::freeze_growth`]) as long as
    /// [`Status::child_pid`](crate::Status::child_pid) is some.
    ///
    /// # Errors
    /// See [`StartError`]. All but `AlreadyRunning` count as a failed rewrite.
    pub fn start(&mut self, env: &mut RewriteEnv<'_>, mut from: ForkSource<'_>, mode: Mode) -> Result<i32, StartError> {
        if !self.may_start() {
            return Err(StartError::AlreadyRunning);
        }
        self.scheduled = None;
        match self.try_start(env, &mut from, mode) {
            Ok(run) => {
                let pid = run.child_pid;
                self.notices.push(Notice::Started { pid });
                self.run = Some(run);
                self.happen(env, Event::Forked);
                Ok(pid)
            }
            Err(error) => {
                let (step, errno) = error.what_failed();
                if let StartError::TempFile(_) = error {
                    self.note_error(Call::Other, step, errno);
                }
                self.notices.push(Notice::CannotStart { step, errno });
                self.fail(env.mono_ms);
                if mode == Mode::First {
                    let wait_ms = self.backoff.wait_ms(env.mono_ms);
                    self.retry_first(env.mono_ms, wait_ms);
                }
                Err(error)
            }
        }
    }

    fn try_start(
        &mut self,
        env: &mut RewriteEnv<'_>,
        from: &mut ForkSource<'_>,
        mode: Mode,
    ) -> Result<Run, StartError> {
        let temp_name = TempFile::Rewrite { pid: env.config.server_pid }.name(env.config.log_name);
        let file = create_temp(&**env.dir, &temp_name).map_err(StartError::TempFile)?;
        if mode != Mode::Once {
            env.log.diff_start();
        }
        let files = ChildFiles { dir: Arc::clone(env.dir), file: Arc::clone(&file), temp_name: temp_name.clone() };
        let child = fork(from, &files, env.config, env.now).inspect_err(|_| {
            if mode != Mode::Once {
                drop(env.log.diff_drop());
            }
            // Empty, so removing it costs nothing; what is left behind is removed at the next start.
            if let Err(error) = env.dir.unlink(&temp_name) {
                self.cleanup_failed(Call::Other, "removing the temp file", &error);
            }
        })?;
        self.figures.latest_fork_us = child.fork_us();
        self.fork_ms = Some(child.fork_us() / 1000);
        Ok(Run {
            mode,
            dir: Arc::clone(env.dir),
            log_name: env.config.log_name.to_owned(),
            aside_name: aside_name(env.config.log_name, env.now.0),
            temp_name,
            complete_name: CompleteName::of(child.pid()).as_str().to_owned(),
            file,
            child_pid: child.pid(),
            child: Some(child),
            info: Info::default(),
            watchdog: Watchdog::new(env.mono_ms),
            started_ms: env.mono_ms,
            killed_ms: 0,
            sent_bytes: 0,
            residual_bytes: 0,
            size_bytes: 0,
            appended: env.log.marks().appended,
            fed_bytes: 0,
            job: None,
            attached_at: Default::default(),
            new_fsynced: Default::default(),
            fsync_rounds: 0,
            beside_upto: None,
        })
    }
}

fn fork(
    from: &mut ForkSource<'_>,
    files: &ChildFiles,
    config: RewriteConfig<'_>,
    now: UnixMs,
) -> Result<Box<dyn child::Handle>, StartError> {
    let keyspace = from.keyspace;
    let mut task = task_over(keyspace, files.clone(), config, now).map_err(StartError::Memory)?;
    let mut owned_copy = || -> Box<dyn Task + Send> {
        match task_over(Box::new(keyspace.clone()), files.clone(), config, now) {
            Ok(task) => Box::new(task),
            Err(_) => Box::new(Stillborn),
        }
    };
    let keep: Vec<i32> = [files.file.descriptor(), files.dir.descriptor()].into_iter().flatten().collect();
    let spec = Spec { title: CHILD_TITLE, keep: &keep };
    from.spawner.spawn(&spec, &mut task, &mut owned_copy).map_err(StartError::Fork)
}

fn task_over<K: std::borrow::Borrow<Keyspace>>(
    keyspace: K,
    files: ChildFiles,
    config: RewriteConfig<'_>,
    now: UnixMs,
) -> io::Result<ChildTask<AnySnapshot<K>>> {
    let snapshot = AnySnapshot::reserve(keyspace, now, config.preamble);
    ChildTask::reserve(files, snapshot, config.child_diff_bytes, config.incremental_fsync)
}

impl StartError {
    /// What was tried, and the error number; 0 if the system gave none.
    fn what_failed(&self) -> (&'static str, i32) {
        let (step, source) = match self {
            Self::AlreadyRunning => ("one is in progress", None),
            Self::TempFile(source) => ("opening the temp file", Some(source)),
            Self::Memory(source) => ("reserving memory", Some(source)),
            Self::Fork(source) => ("fork", Some(source)),
        };
        (step, source.and_then(io::Error::raw_os_error).unwrap_or(0))
    }
}
