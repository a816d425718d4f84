//! Carries out one case: a server with data and clients, a fault, its end, kill -9, and two starts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::steady::{Steady, SteadyOutcome};
use testkit::{Client, Dataset, Info, Pipeline, ServerBuilder, ServerProcess, dump_dataset, wait_rewritten};

use super::calls::{FilePath, Recording};
use super::cases::{Case, During, Effect, Extent, Fault, Threads};
use super::inject::{Injection, Spec, thread_names};
use super::judge::{Expected, Judgement, Window, judge};
use super::numbered;
use crate::crash::Policy;
use crate::recovered::{Recovery, recover_twice};
use crate::waiting::wait;

/// How many keys there are, and where every call fails in turn, which are many cases, or the loop is to fsync by itself.
const KEYS: u64 = 10_000;
const FEW_KEYS: u64 = 1_000;
/// How many clients write, and how long each waits between two transactions.
const CLIENTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(5);
/// How long the effect of a fault may take to show. A state file is written once a second, and so is everysec's fsync.
/// After a slow fsync the loop leaves the next ones to a thread for a thousand times as long.
const SHOW_BOUND: Duration = Duration::from_secs(90);
/// How long a fault goes on after it has shown, so that the server tries again while it lasts.
const HOLD: Duration = Duration::from_millis(1_300);
/// How long writes are waited for after the end of a fault.
const RESUME_WAIT: Duration = Duration::from_secs(12);
/// How long an fsync takes where it is to be slow, in microseconds.
const SLOW_FSYNC_US: u32 = 300_000;

/// How much the log may grow before a write is short, in bytes: more than is written until that is asked for.
const ROOM_BYTES: u64 = 3_000;

/// What a case came to.
#[derive(Debug)]
pub(super) struct Report {
    /// The threads that met the fault, by name.
    pub(super) met_by: BTreeSet<String>,
    pub(super) judgement: Judgement,
    pub(super) recovery: Recovery,
    /// The call that was to fail did not come.
    pub(super) missed: bool,
}

impl Report {
    /// Everything that is wrong.
    pub(super) fn findings(&self) -> impl Iterator<Item = &String> {
        self.judgement.findings.iter().chain(&self.recovery.findings)
    }
}

/// The server under test.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) binary: PathBuf,
    /// Not ours: its log has another name, and INFO other fields.
    pub(super) foreign: bool,
    /// The files of a server that carries out an operation, by policy and name of it, and the data directory of that server.
    pub(super) files: BTreeMap<(&'static str, &'static str), (PathBuf, BTreeSet<FilePath>)>,
}

/// Runs a case in `home`.
///
/// # Errors
/// If the fault did not come where it must, or a server or a client cannot be used.
pub(super) fn run(subject: &Subject, case: &Case, home: &Path) -> Result<Report> {
    let (mut session, data) = Session::begin(subject, case, home)?;
    let builder = builder(subject, case, home);
    let suffered = if case.fault.effect == Effect::Open { session.suffer_numbered()? } else { session.suffer()? };
    let Suffered { window, met_by, saved, ended } = suffered;
    let (outcomes, mut findings) = session.end()?;
    if let Some(saved) = saved {
        findings.extend(numbered::check_dump(subject, home, saved, &data)?);
    }
    let answers: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.answers.clone()).collect();
    // One that has ended takes no writes again.
    let extent = if ended { Extent::UntilKilled } else { case.extent };
    let expected = Expected { effect: case.effect(), extent, reasons: case.reasons() };
    let mut judgement = judge(&answers, window, expected);
    judgement.findings.extend(findings);
    let records: Vec<_> = outcomes.iter().map(|outcome| outcome.record).collect();
    let recovery = recover_twice(&builder, &records, &data)?;
    let missed = met_by.is_empty() || case.fault.threads == Threads::Child && !met_by.contains("child");
    Ok(Report { missed, met_by, judgement, recovery })
}

/// What a fault came to, while the server ran.
#[derive(Debug)]
pub(super) struct Suffered {
    pub(super) window: Window,
    pub(super) met_by: BTreeSet<String>,
    /// Whether a snapshot was said to be saved; none if none was asked for.
    pub(super) saved: Option<bool>,
    /// The server has ended: by SHUTDOWN, or at a call that was deadly.
    pub(super) ended: bool,
}

/// A server under load.
pub(super) struct Session<'a> {
    pub(super) subject: &'a Subject,
    pub(super) case: &'a Case,
    pub(super) home: &'a Path,
    pub(super) server: ServerProcess,
    pub(super) control: Client,
    pub(super) clients: Steady,
    pub(super) findings: Vec<String>,
}

/// Records the calls of a case's operation, of a server that nothing disturbs.
///
/// # Errors
/// If the operation fails.
pub(super) fn record(subject: &Subject, case: &Case, all: bool, home: &Path) -> Result<Recording> {
    let (mut session, _) = Session::begin(subject, case, home)?;
    let recording = session.record(all)?;
    session.end()?;
    Ok(recording)
}

impl<'a> Session<'a> {
    /// Starts a server and its clients; returns with it what the keys hold that they do not write.
    fn begin(subject: &'a Subject, case: &'a Case, home: &'a Path) -> Result<(Self, Dataset)> {
        let server = builder(subject, case, home).start()?;
        let mut control = server.client()?;
        let data = make_data(&mut control, case)?;
        let clients = if case.fault.threads == Threads::LoopAlone { 1 } else { CLIENTS };
        let clients = Steady::start(server.address(), clients, PAUSE)?;
        Ok((Self { subject, case, home, server, control, clients, findings: Vec::new() }, data))
    }
}

fn builder(subject: &Subject, case: &Case, home: &Path) -> ServerBuilder {
    ServerBuilder::new(&subject.binary, home)
        .directive("appendonly", "yes")
        .directive("appendfsync", case.policy.name())
        .directive("auto-aof-rewrite-percentage", "0")
}

impl Session<'_> {
    /// Lets the fault come, shows what it does, and lets it end, unless the server is to be killed before.
    fn suffer(&mut self) -> Result<Suffered> {
        self.prepare()?;
        let slow = self.slow_fsyncs()?;
        let held = self.hold_fsyncs()?;
        let injection = self.inject()?;
        drop(held);
        let since = Instant::now();
        self.ask()?;
        self.wait_shown(&injection)?;
        if self.case.extent != Extent::Once {
            self.check_refusals()?;
            std::thread::sleep(HOLD);
            self.check_refusals()?;
        }
        let met_by = self.met_by(&injection)?;
        if self.case.extent == Extent::UntilKilled {
            self.server.kill_9()?;
            let window = Window { since, healed: None };
            return Ok(Suffered { window, met_by, saved: None, ended: false });
        }
        drop(slow);
        let heal = |injection: Injection| -> Result<(Instant, Instant)> {
            let (asked, _) = injection.end()?;
            if self.case.fault.during == During::ShortWrites {
                self.limit_log(None)?;
            }
            Ok((asked, Instant::now()))
        };
        let healed = match self.case.extent {
            // It goes on counting for threads and children that start later, but where it is the log's.
            Extent::Once if self.case.fault.during == During::Writes => None,
            Extent::Once => heal(injection).map(|_| None)?,
            _ => Some(heal(injection)?),
        };
        self.check_health()?;
        Ok(Suffered { window: Window { since, healed }, met_by, saved: None, ended: false })
    }

    /// The names of the threads that met the fault so far.
    pub(super) fn met_by(&self, injection: &Injection) -> Result<BTreeSet<String>> {
        Ok(injection.met_by()?.into_iter().map(|thread| self.name_of(thread)).collect())
    }

    /// Sees that the threads run that are to meet the fault: the first rewrite starts most. What is to be turned on is turned off.
    pub(super) fn prepare(&mut self) -> Result<()> {
        wait("the first writes", SHOW_BOUND, || Ok((self.clients.acked() > 20).then_some(())))?;
        let Fault { threads, during, effect, .. } = self.case.fault;
        let named = matches!(threads, Threads::Named(_)) || during == During::Heal;
        if named && effect != Effect::Open || effect == Effect::Open && during != During::FirstRewrite {
            let state = self.server.data_dir().join("appendonly.aof.state");
            let of_one_log = fs::metadata(&state)?.len();
            self.control.expect(&["BGREWRITEAOF"])?;
            wait_rewritten(&mut self.control)?;
            // The last step of a rewrite: it would take a failure to itself that is to come once.
            wait("a state file of the new log alone", SHOW_BOUND, || {
                Ok((fs::metadata(&state)?.len() == of_one_log).then_some(()))
            })?;
        }
        if self.case.fault.during == During::TurningOn {
            self.control.expect(&["CONFIG", "SET", "appendonly", "no"])?;
        }
        Ok(())
    }

    /// Asks for what is to meet the fault, which may be refused for it.
    pub(super) fn ask(&mut self) -> Result<()> {
        match self.case.fault.during {
            During::Writes => {}
            During::Heal => self.fail_an_fsync()?,
            During::ShortWrites => self.limit_log(Some(fs::metadata(self.log_path()?)?.len() + ROOM_BYTES))?,
            during => drop(self.control.call(during.request())?),
        }
        Ok(())
    }

    /// How large a file of the server may be, in bytes: a write that crosses it is short, as on a disk that is full.
    fn limit_log(&self, bytes: Option<u64>) -> Result<()> {
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let mut command = Command::new("prlimit");
        let status = command.args([&format!("--pid={}", self.server.pid()), &format!("--fsize={limit}:")]).status();
        ensure!(status.context("prlimit")?.success(), "prlimit cannot set --fsize={limit}");
        Ok(())
    }

    /// Where an fsync of the log is to fail while all else is traced, child included: of two straces on a thread the second cannot
    /// attach, so its threads are kept from the one with the fault.
    fn hold_fsyncs(&self) -> Result<Option<Injection>> {
        if self.case.fault.during != During::Heal || self.case.fault.threads != Threads::All {
            return Ok(None);
        }
        self.wait_thread("bio_fsync")?;
        self.attach_to_fsyncs("delay_enter=1", "held").map(Some)
    }

    /// Lets one fsync of the log fail, so that it has to heal.
    fn fail_an_fsync(&self) -> Result<()> {
        let before = self.clients.errors();
        self.wait_thread("bio_fsync")?;
        let injection = self.attach_to_fsyncs("error=EIO:when=1", "fsync")?;
        wait("refusals", SHOW_BOUND, || Ok((self.clients.errors() > before).then_some(())))?;
        injection.end().map(|_| ())
    }

    fn attach_to_fsyncs(&self, what: &str, name: &str) -> Result<Injection> {
        let spec = Spec {
            targets: self.threads("bio_fsync"),
            follow: false,
            calls: "fdatasync",
            what: what.to_owned(),
            paths: Vec::new(),
        };
        Injection::attach(&spec, self.home, name)
    }

    /// Where the loop is to hand its writes to another thread: fsyncs are made slow, and it is waited for that thread.
    fn slow_fsyncs(&self) -> Result<Option<Injection>> {
        let Threads::OnlySlowFsync(name) = self.case.fault.threads else { return Ok(None) };
        self.wait_thread("bio_fsync")?;
        let slow = self.attach_to_fsyncs(&format!("delay_enter={SLOW_FSYNC_US}"), "slow")?;
        self.wait_thread(name)?;
        Ok(Some(slow))
    }

    pub(super) fn inject(&self) -> Result<Injection> {
        let (case, data_dir) = (self.case, self.server.data_dir());
        let log = self.log_path()?;
        let mut spec = Spec {
            targets: vec![self.server.pid()],
            follow: true,
            calls: case.fault.calls,
            what: case.injected(),
            paths: case.fault.on.paths(data_dir, self.server.pid(), &log),
        };
        if case.fault.effect == Effect::Open {
            spec.paths = self.recorded_paths();
        }
        match case.fault.threads {
            Threads::Child => {}
            Threads::OnlySlowFsync(name) | Threads::Named(name) => {
                self.wait_thread(name)?;
                (spec.targets, spec.follow) = (self.threads(name), false);
            }
            Threads::LoopAlone => spec.follow = false,
            // strace counts for each thread and each call: what is to come once must not come again in a child, a thread that
            // starts later, or a probe.
            Threads::All if case.fault.during != During::Writes => {}
            Threads::All if case.extent == Extent::Once && case.fault.calls == "write" => spec.follow = false,
            Threads::All if case.extent == Extent::Once => {
                (spec.targets, spec.follow, spec.calls) = (self.fsync_threads()?, false, "fdatasync");
            }
            Threads::All => {}
        }
        Injection::attach(&spec, self.home, "fault")
    }

    fn log_path(&self) -> Result<PathBuf> {
        let data_dir = self.server.data_dir();
        if self.subject.foreign { foreign_log(data_dir) } else { Ok(data_dir.join("appendonly.aof")) }
    }

    /// Waits until the fault has done what it does.
    fn wait_shown(&mut self, injection: &Injection) -> Result<()> {
        let before = self.clients.errors();
        let (server, clients, control) = (&mut self.server, &self.clients, &mut self.control);
        let (effect, during) = (self.case.effect(), self.case.fault.during);
        wait("the effect of the fault", SHOW_BOUND, || {
            if let Some(status) = server.try_wait()? {
                bail!(
                    "the server ended: {status}; it logged last: {}",
                    server.log()?.lines().last().unwrap_or_default()
                );
            }
            Ok(match effect {
                // It was refused before, for the fsync that failed.
                _ if matches!(during, During::Heal | During::ShortWrites) => !injection.met_by()?.is_empty(),
                Effect::RefusesAtOnce | Effect::Refuses | Effect::RefusesInTurns => clients.errors() > before,
                Effect::FailsRewrite => !injection.met_by()?.is_empty() && rewrite_failed(control)?,
                Effect::Nothing | Effect::Open => !injection.met_by()?.is_empty(),
            }
            .then_some(()))
        })
    }

    /// While the disk fails: reads are served, and PING and writes refused where the log is concerned.
    pub(super) fn check_refusals(&mut self) -> Result<()> {
        // A first log whose name may be lost takes everything with it.
        let hidden = self.case.fault.during == During::TurningOn && self.case.effect().refuses();
        let mut refused = 0;
        for number in [7, 8] {
            let read = self.control.call(&["GET", &format!("key:{number}")])?;
            if read.as_error().is_some() {
                refused += 1;
            } else if read.as_bytes() != Some(format!("value-{number}").as_bytes()) {
                self.findings.push(format!("a read was answered with {read:?}"));
            }
        }
        // One key may stand in the slot of another, whose write has not reached the file (`gate.rs` of the engine).
        if refused > 1 && !hidden {
            self.findings.push("reads were refused".to_owned());
        }
        if matches!(self.case.effect(), Effect::RefusesInTurns | Effect::Open) {
            return Ok(());
        }
        let refuses = self.case.effect().refuses();
        for request in [&["PING"][..], &["SET", "refused", "1"]] {
            if !refuses && request.len() > 1 {
                continue;
            }
            let reply = self.control.call(request)?;
            let text = reply.as_error().map(|text| String::from_utf8_lossy(text).into_owned());
            let wanted = self.case.reasons().map(|why| format!("MISCONF Errors writing to the AOF file: {why}"));
            if refuses != text.is_some_and(|text| wanted.contains(&text)) {
                self.findings.push(format!("{} was answered with {reply:?}", request[0]));
            }
        }
        Ok(())
    }

    /// After the fault: writes are acknowledged again by themselves, and a rewrite succeeds.
    pub(super) fn check_health(&mut self) -> Result<()> {
        let before = self.clients.acked();
        let resumed = wait("writes that are acknowledged again", RESUME_WAIT, || {
            Ok((self.clients.acked() >= before + 10).then_some(()))
        });
        if let Err(error) = resumed {
            self.findings.push(error.to_string());
            return Ok(());
        }
        let info = Info::fetch(&mut self.control, "persistence")?;
        let status = info.text("aof_last_write_status");
        if status != Some("ok") {
            self.findings.push(format!("after the fault aof_last_write_status is {status:?}"));
        }
        let pong = self.control.call(&["PING"])?;
        if pong.as_error().is_some() {
            self.findings.push(format!("after the fault PING was answered with {pong:?}"));
        }
        if matches!(self.case.fault.during, During::TurningOff | During::TurningOn) {
            self.turn_on()?;
        }
        if self.case.fault.during != During::Writes {
            // One that heals may run already, which is as good.
            self.control.call(&["BGREWRITEAOF"])?;
            wait_rewritten(&mut self.control)?;
        }
        Ok(())
    }

    /// After the fault: the log can be turned on, if it is not, and what was written meanwhile is in it.
    fn turn_on(&mut self) -> Result<()> {
        wait("a log that is on", RESUME_WAIT, || {
            self.control.call(&["CONFIG", "SET", "appendonly", "yes"])?;
            let info = Info::fetch(&mut self.control, "persistence")?;
            Ok((info.text("aof_state") == Some("on")).then_some(()))
        })
    }

    /// Ends the clients and kills the server, while they write.
    pub(super) fn end(mut self) -> Result<(Vec<SteadyOutcome>, Vec<String>)> {
        if self.server.try_wait()?.is_none() {
            self.server.kill_9()?;
        }
        self.findings.extend(self.server.panic()?);
        self.clients.stop();
        Ok((self.clients.join()?, self.findings))
    }

    /// The threads that fsync the log: under `always` the loop, where a client is alone, and others, else a thread for it.
    fn fsync_threads(&self) -> Result<Vec<i32>> {
        let name = if self.subject.foreign { "bio_aof" } else { "bio_fsync" };
        if self.case.policy != Policy::Always {
            return Ok(vec![self.wait_thread(name)?]);
        }
        Ok([vec![self.server.pid()], self.threads(name)].concat())
    }

    /// Waits for a thread whose name begins so: they start with their first job.
    pub(super) fn wait_thread(&self, name: &str) -> Result<i32> {
        self.wait_thread_for(name, SHOW_BOUND)
    }

    /// As [`wait_thread`](Self::wait_thread), so long.
    pub(super) fn wait_thread_for(&self, name: &str, bound: Duration) -> Result<i32> {
        wait(name, bound, || Ok(self.threads(name).first().copied()))
    }

    /// The threads whose name begins so.
    fn threads(&self, name: &str) -> Vec<i32> {
        let names = thread_names(self.server.pid());
        names.into_keys().filter(|id| self.name_of(*id).starts_with(name)).collect()
    }

    /// The name of a thread; the server's first is its loop, and what is no thread of it was its child.
    pub(super) fn name_of(&self, thread: i32) -> String {
        if thread == self.server.pid() {
            return "loop".to_owned();
        }
        let named = fs::read_to_string(format!("/proc/{}/task/{thread}/comm", self.server.pid()));
        named.map_or_else(|_| "child".to_owned(), |name| name.trim_end().to_owned())
    }
}

fn rewrite_failed(control: &mut Client) -> Result<bool> {
    let info = Info::fetch(control, "persistence")?;
    let ended = !info.is_set("aof_rewrite_in_progress") && info.text("aof_rewrite_phase") == Some("idle");
    Ok(ended && info.text("aof_last_bgrewrite_status") == Some("err"))
}

/// The file that a server with a log of several parts appends to.
fn foreign_log(data_dir: &Path) -> Result<PathBuf> {
    let parts = fs::read_dir(data_dir.join("appendonlydir")).context("a log of several parts")?;
    let mut names = parts.flatten().map(|part| part.path());
    names.find(|path| path.to_string_lossy().ends_with(".incr.aof")).context("no part that is appended to")
}

fn make_data(control: &mut Client, case: &Case) -> Result<Dataset> {
    let mut pipeline = Pipeline::default();
    // One slow fsync, as of many keys at once, and the loop leaves its fsyncs to a thread for minutes.
    let is_few = case.fault.effect == Effect::Open || case.fault.threads == Threads::LoopAlone;
    let keys = if is_few { FEW_KEYS } else { KEYS };
    for i in 0..keys {
        pipeline.push(&["SET", &format!("key:{i}"), &format!("value-{i}")]);
    }
    for reply in control.run(&pipeline)? {
        ensure!(reply.as_error().is_none(), "making the data: {reply:?}");
    }
    if matches!(case.fault.during, During::Save | During::Bgsave) {
        numbered::make_generations(control)?;
    }
    dump_dataset(control)
}
