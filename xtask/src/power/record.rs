//! Carries out a scripted load on a server over a mounted disk, and notes what it promised at which operation.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use powerfs::{Disk, Fault, Handle, Operation, PowerFs, Recording};
use tempfile::TempDir;
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::steady::Verdict;
use testkit::{Client, Info, Pipeline, ServerBuilder, ServerProcess, Value, compare, dump_dataset, wait_rewritten};

use super::allowed::{Ack, LogSyncs};
use super::grounds;
use super::judge::State;
use super::loads::{Load, Step};
use crate::crash::Policy;
use crate::waiting::wait;

/// How long an fsync of `everysec`, a save or writes after a fault may be waited for.
const BOUND: Duration = Duration::from_secs(20);
/// How long an fsync of `everysec` is waited for that need not come.
const FSYNC_BOUND: Duration = Duration::from_millis(1_500);
/// How long a server over a mounted disk may take to start.
pub(super) const START_BOUND: Duration = Duration::from_secs(20);
/// Room for so many bytes is left on a disk that is to be full soon.
const LAST_BYTES: usize = 150;

/// A load that was carried out.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) load: Load,
    pub(super) policy: Policy,
    pub(super) recording: Recording,
    pub(super) syncs: LogSyncs,
    /// The data when the server began to serve, then after each unit.
    pub(super) states: Vec<State>,
    /// When the last operation was over.
    pub(super) end: Instant,
}

/// A server over a mounted disk.
pub(super) fn builder(binary: &Path, home: &Path, load: &Load, policy: Policy) -> ServerBuilder {
    let builder = ServerBuilder::new(binary, home).start_bound(START_BOUND);
    load.directives(policy).into_iter().fold(builder, |builder, (name, value)| builder.directive(name, value))
}

/// Carries out a load; none if the server lacks a command of it.
///
/// # Errors
/// If the server does not start, or does not do what the load asks for.
pub(super) fn record(binary: &Path, load: &Load, policy: Policy, disk: Disk) -> Result<Option<Recorded>> {
    let (home, shadow_home) = (Home::new(disk.clone())?, Home::new(disk)?);
    home.mounted.handle().set_sync_delay(Duration::from_millis(load.sync_delay_ms));
    let server = builder(binary, home.path(), load, policy);
    let shadow = builder(binary, shadow_home.path(), load, Policy::No).start()?;
    let mut run = Run::begin(server, shadow, home.mounted.handle().clone(), policy)?;
    let able = run.steps(&load.steps())?;
    let (states, end) = run.end()?;
    shadow_home.unmount()?;
    let recording = home.unmount()?;
    let syncs = LogSyncs::of(&recording);
    Ok(able.then_some(Recorded { load: *load, policy, recording, syncs, states, end }))
}

/// A directory for one server at a time, whose data stands on a mounted disk.
pub(super) struct Home {
    /// Ends before the directory does.
    pub(super) mounted: PowerFs,
    directory: TempDir,
}

impl Home {
    /// Mounts a disk where a server's data is to be.
    ///
    /// # Errors
    /// If it cannot be mounted; the message says what that needs.
    pub(super) fn new(disk: Disk) -> Result<Self> {
        let directory = grounds::directory(grounds::POWER)?;
        let data = directory.path().join("data");
        std::fs::create_dir(&data)?;
        let needs = "a file system cannot be mounted: that needs /dev/fuse, and root or fusermount3";
        Ok(Self { mounted: PowerFs::mount(disk, &data).context(needs)?, directory })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Unmounts it, after the server's end.
    ///
    /// # Errors
    /// If a process still has a file open in it.
    pub(super) fn unmount(self) -> Result<Recording> {
        self.mounted.unmount().context("unmount")
    }
}

struct Run {
    builder: ServerBuilder,
    server: ServerProcess,
    /// Another one, that nothing fails and nobody kills: it is asked what the data is after each unit.
    shadow: ServerProcess,
    handle: Handle,
    policy: Policy,
    writer: Client,
    /// The same commands, for the other one.
    twin: Client,
    /// Which database both are in.
    db: u32,
    control: Client,
    dumper: Client,
    states: Vec<State>,
    promised: bool,
}

impl Run {
    fn begin(builder: ServerBuilder, shadow: ServerProcess, handle: Handle, policy: Policy) -> Result<Self> {
        let server = builder.start()?;
        let (writer, mut control) = (server.client()?, server.client()?);
        let (twin, mut dumper) = (shadow.client()?, shadow.client()?);
        let dataset = dump_dataset(&mut control)?;
        let differences = compare(&dump_dataset(&mut dumper)?, &dataset, DEADLINE_TOLERANCE_MS);
        ensure!(differences.is_empty(), "two starts from the same files differ: {}", differences[0]);
        let states = vec![State { dataset, asked: 0, acked: None, promised: true, secured: None }];
        Ok(Self {
            builder,
            server,
            shadow,
            handle,
            policy,
            writer,
            twin,
            db: 0,
            control,
            dumper,
            states,
            promised: true,
        })
    }

    /// All steps; false if the server lacks a command.
    fn steps(&mut self, steps: &[Step]) -> Result<bool> {
        for step in steps {
            if !self.step(step).with_context(|| format!("{step:?}"))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn step(&mut self, step: &Step) -> Result<bool> {
        match step {
            Step::Unit { db, commands } => drop(self.unit(*db, commands)?),
            Step::Do(command) => return self.command(command),
            Step::WaitRewritten => wait_rewritten(&mut self.control)?,
            Step::WaitSaved => self.wait_saved()?,
            Step::WaitFsync => self.wait_fsync(),
            Step::Promise(promised) => self.promise(*promised),
            Step::Fail { call, name, errno } => {
                let name = (*name).to_owned();
                self.handle.fail(Fault { call: *call, name, skip: 0, times: None, errno: *errno });
            }
            Step::Fill => self.handle.set_quota(self.handle.disk().used_bytes() + LAST_BYTES),
            Step::Heal => self.handle.heal(),
            Step::WaitResumed => self.wait_resumed()?,
            Step::Restart => self.restart()?,
        }
        Ok(true)
    }

    /// Sends a unit and notes the state after it, unless it was refused.
    fn unit(&mut self, db: u32, commands: &[Vec<String>]) -> Result<Verdict> {
        if db != self.db {
            for client in [&mut self.writer, &mut self.twin] {
                client.expect(&["SELECT", &db.to_string()])?;
            }
            self.db = db;
        }
        let mut pipeline = Pipeline::default();
        if commands.len() > 1 {
            pipeline.push(&["MULTI"]);
        }
        for command in commands {
            pipeline.push(command);
        }
        if commands.len() > 1 {
            pipeline.push(&["EXEC"]);
        }
        let asked = self.handle.position();
        let replies = self.writer.run(&pipeline)?;
        let ack = Ack { position: self.handle.position(), at: Instant::now() };
        let verdict = Verdict::of(replies.iter().find_map(error));
        if !matches!(verdict, Verdict::Refused(_)) {
            let acked = (verdict == Verdict::Acked).then_some(ack);
            let twin = self.twin.run(&pipeline)?;
            ensure!(twin.iter().all(|reply| error(reply).is_none()), "the other server answered {twin:?}");
            let dataset = dump_dataset(&mut self.dumper)?;
            self.states.push(State { dataset, asked, acked, promised: self.promised, secured: None });
        }
        Ok(verdict)
    }

    fn command(&mut self, command: &[&str]) -> Result<bool> {
        match error(&self.control.call(command)?) {
            Some(text) if text.contains("unknown command") => Ok(false),
            Some(text) => bail!("the server answered -{text}"),
            None => Ok(true),
        }
    }

    /// What was executed while the log was off is promised once it is on.
    fn promise(&mut self, promised: bool) {
        self.promised = promised;
        let now = Ack { position: self.handle.position(), at: Instant::now() };
        if promised {
            for state in self.states.iter_mut().filter(|state| !state.promised) {
                (state.acked, state.promised) = (Some(now), true);
            }
        }
    }

    fn wait_fsync(&self) {
        if self.policy != Policy::Everysec {
            return;
        }
        let from = Instant::now();
        let is_of_log = |operation: &Operation| match operation {
            Operation::Sync { inode, .. } => {
                let disk = self.handle.disk();
                disk.name_of(*inode).is_some_and(|name| name.ends_with(".aof") && !name.starts_with("temp"))
            }
            _ => false,
        };
        // None comes where nothing was written since the last one.
        let _none_came = wait("an fsync", FSYNC_BOUND, || {
            let recording = self.handle.recording();
            let mut late = recording.records.iter().rev().take_while(|record| record.ended > from);
            Ok(late.any(|record| record.began > from && is_of_log(&record.operation)).then_some(()))
        });
    }

    fn wait_saved(&mut self) -> Result<()> {
        let control = &mut self.control;
        wait("the end of a save", BOUND, || {
            let info = Info::fetch(control, "persistence")?;
            if info.is_set("rdb_bgsave_in_progress") {
                return Ok(None);
            }
            let status = info.text("rdb_last_bgsave_status");
            ensure!(status == Some("ok"), "the save ended with status {status:?}");
            Ok(Some(()))
        })
    }

    fn wait_resumed(&mut self) -> Result<()> {
        let deadline = Instant::now() + BOUND;
        let commands = [["SET", "resumed", "1"].map(str::to_owned).to_vec()];
        while self.unit(0, &commands)? != Verdict::Acked {
            ensure!(Instant::now() < deadline, "writes were not acknowledged again in {BOUND:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Ends the server as its user would, and starts it again.
    fn restart(&mut self) -> Result<()> {
        ensure!(self.promised, "a server whose log is off keeps nothing");
        // The connection ends without a reply, unless it is refused.
        if let Ok(reply) = self.control.call(&["SHUTDOWN"]) {
            bail!("SHUTDOWN was answered {reply:?}");
        }
        let status = self.server.wait_exit(BOUND)?;
        ensure!(status.success(), "the server ended with {status}");
        self.check_no_panic()?;
        let ended = self.handle.position();
        for state in &mut self.states {
            state.secured.get_or_insert(ended);
        }
        self.server = self.builder.start()?;
        (self.writer, self.control) = (self.server.client()?, self.server.client()?);
        self.writer.expect(&["SELECT", &self.db.to_string()])?;
        Ok(())
    }

    fn check_no_panic(&self) -> Result<()> {
        self.server.panic()?.map_or(Ok(()), |line| bail!("{line}"))
    }

    fn end(mut self) -> Result<(Vec<State>, Instant)> {
        self.check_no_panic()?;
        let end = Instant::now();
        self.server.kill_family()?;
        self.shadow.kill_family()?;
        Ok((self.states, end))
    }
}

/// The error in a reply, or in what a transaction replied.
fn error(reply: &Value) -> Option<String> {
    let inside = reply.as_items().unwrap_or_default();
    let text = inside.iter().chain([reply]).find_map(Value::as_error)?;
    Some(String::from_utf8_lossy(text).into_owned())
}
