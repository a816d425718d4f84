//! Carries out one case: a server with data and clients, a fault, its end, kill -9, and two starts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::steady::{Steady, SteadyOutcome};
use testkit::{Client, Dataset, Info, Pipeline, ServerBuilder, ServerProcess, dump_dataset, wait_rewritten};

use super::cases::{Case, Effect, Extent, Threads};
use super::inject::{Injection, Spec};
use super::judge::{Expected, Judgement, Window, judge};
use crate::crash::Policy;
use crate::recovered::{Recovery, recover_twice};
use crate::waiting::wait;

/// How many keys there are.
const KEYS: u64 = 10_000;
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

/// What a case came to.
#[derive(Debug)]
pub(super) struct Report {
    /// The threads that met the fault, by name.
    pub(super) met_by: BTreeSet<String>,
    pub(super) judgement: Judgement,
    pub(super) recovery: Recovery,
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
}

/// Runs a case in `home`.
pub(super) fn run(subject: &Subject, case: &Case, home: &Path) -> Result<Report> {
    let builder = ServerBuilder::new(&subject.binary, home)
        .directive("appendonly", "yes")
        .directive("appendfsync", case.policy.name())
        .directive("auto-aof-rewrite-percentage", "0");
    let server = builder.start()?;
    let mut control = server.client()?;
    let data = make_data(&mut control)?;
    let clients = if case.fault.threads == Threads::LoopAlone { 1 } else { CLIENTS };
    let clients = Steady::start(server.address(), clients, PAUSE)?;
    let mut session = Session { subject, case, home, server, control, clients, findings: Vec::new() };
    let (window, met_by) = session.suffer()?;
    let (outcomes, findings) = session.end()?;
    let answers: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.answers.clone()).collect();
    let expected = Expected { effect: case.effect(), extent: case.extent, reason: case.error.reason };
    let mut judgement = judge(&answers, window, expected);
    judgement.findings.extend(findings);
    let records: Vec<_> = outcomes.iter().map(|outcome| outcome.record).collect();
    let recovery = recover_twice(&builder, &records, &data)?;
    Ok(Report { met_by, judgement, recovery })
}

/// A server under load.
struct Session<'a> {
    subject: &'a Subject,
    case: &'a Case,
    home: &'a Path,
    server: ServerProcess,
    control: Client,
    clients: Steady,
    findings: Vec<String>,
}

impl Session<'_> {
    /// Lets the fault come, shows what it does, and lets it end, unless the server is to be killed before.
    fn suffer(&mut self) -> Result<(Window, BTreeSet<String>)> {
        wait("the first writes", SHOW_BOUND, || Ok((self.clients.acked() > 20).then_some(())))?;
        let slow = self.slow_fsyncs()?;
        let injection = self.inject()?;
        let since = Instant::now();
        if self.case.fault.rewrite {
            self.control.expect(&["BGREWRITEAOF"])?;
        }
        self.wait_shown(&injection)?;
        if self.case.extent != Extent::Once {
            self.check_refusals()?;
            std::thread::sleep(HOLD);
            self.check_refusals()?;
        }
        let met_by = injection.met_by()?.into_iter().map(|thread| self.name_of(thread)).collect();
        if self.case.extent == Extent::UntilKilled {
            self.server.kill_9()?;
            return Ok((Window { since, healed: None }, met_by));
        }
        drop(slow);
        let healed = match self.case.extent {
            Extent::Once => None,
            _ => Some(injection.end()?),
        };
        self.check_health()?;
        Ok((Window { since, healed }, met_by))
    }

    /// Where the loop is to hand its writes to another thread: fsyncs are made slow, and it is waited for that thread.
    fn slow_fsyncs(&self) -> Result<Option<Injection>> {
        let Threads::OnlySlowFsync(name) = self.case.fault.threads else { return Ok(None) };
        self.wait_thread("bio_fsync")?;
        let spec = Spec {
            targets: self.threads("bio_fsync"),
            follow: false,
            calls: "fdatasync",
            what: format!("delay_enter={SLOW_FSYNC_US}"),
            paths: Vec::new(),
        };
        let slow = Injection::attach(&spec, self.home, "slow")?;
        self.wait_thread(name)?;
        Ok(Some(slow))
    }

    fn inject(&self) -> Result<Injection> {
        let (case, data_dir) = (self.case, self.server.data_dir());
        let log = if self.subject.foreign { foreign_log(data_dir)? } else { data_dir.join("appendonly.aof") };
        let mut spec = Spec {
            targets: vec![self.server.pid()],
            follow: true,
            calls: case.fault.calls,
            what: format!("error={}", case.error.name),
            paths: case.fault.on.paths(data_dir, self.server.pid(), &log),
        };
        match case.fault.threads {
            Threads::OnlySlowFsync(name) => (spec.targets, spec.follow) = (self.threads(name), false),
            Threads::LoopAlone => spec.follow = false,
            // strace counts for each thread and each call: what is to come once must not come again in a child, a thread that
            // starts later, or a probe.
            Threads::All if case.extent == Extent::Once && case.fault.calls == "write" => spec.follow = false,
            Threads::All if case.extent == Extent::Once => {
                (spec.targets, spec.follow, spec.calls) = (self.fsync_threads()?, false, "fdatasync");
            }
            Threads::All => {}
        }
        if case.extent == Extent::Once {
            spec.what += ":when=1";
        }
        Injection::attach(&spec, self.home, "fault")
    }

    /// Waits until the fault has done what it does.
    fn wait_shown(&mut self, injection: &Injection) -> Result<()> {
        let before = self.clients.errors();
        let (server, clients, control) = (&mut self.server, &self.clients, &mut self.control);
        let effect = self.case.effect();
        wait("the effect of the fault", SHOW_BOUND, || {
            if let Some(status) = server.try_wait()? {
                bail!(
                    "the server ended: {status}; it logged last: {}",
                    server.log()?.lines().last().unwrap_or_default()
                );
            }
            Ok(match effect {
                Effect::RefusesAtOnce | Effect::Refuses => clients.errors() > before,
                Effect::FailsRewrite => rewrite_failed(control)?,
                Effect::Nothing => !injection.met_by()?.is_empty(),
            }
            .then_some(()))
        })
    }

    /// While the disk fails: reads are served, and PING and writes refused where the log is concerned.
    fn check_refusals(&mut self) -> Result<()> {
        let read = self.control.call(&["GET", "key:7"])?;
        if read.as_bytes() != Some(b"value-7") {
            self.findings.push(format!("a read was answered with {read:?}"));
        }
        let refuses = matches!(self.case.effect(), Effect::RefusesAtOnce | Effect::Refuses);
        for request in [&["PING"][..], &["SET", "refused", "1"]] {
            if !refuses && request.len() > 1 {
                continue;
            }
            let reply = self.control.call(request)?;
            let text = reply.as_error().map(|text| String::from_utf8_lossy(text).into_owned());
            let wanted = format!("MISCONF Errors writing to the AOF file: {}", self.case.error.reason);
            if refuses != (text.as_ref() == Some(&wanted)) {
                self.findings.push(format!("{} was answered with {reply:?}", request[0]));
            }
        }
        Ok(())
    }

    /// After the fault: writes are acknowledged again by themselves, and a rewrite succeeds.
    fn check_health(&mut self) -> Result<()> {
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
        if self.case.fault.rewrite {
            // One that heals may run already, which is as good.
            self.control.call(&["BGREWRITEAOF"])?;
            wait_rewritten(&mut self.control)?;
        }
        Ok(())
    }

    /// Ends the clients and kills the server, while they write.
    fn end(mut self) -> Result<(Vec<SteadyOutcome>, Vec<String>)> {
        if self.server.try_wait()?.is_none() {
            self.server.kill_9()?;
        }
        let panics = self.server.log()?.lines().find(|line| line.contains("panicked at")).map(str::to_owned);
        self.findings.extend(panics);
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
    fn wait_thread(&self, name: &str) -> Result<i32> {
        wait(name, SHOW_BOUND, || Ok(self.threads(name).first().copied()))
    }

    /// The threads whose name begins so.
    fn threads(&self, name: &str) -> Vec<i32> {
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", self.server.pid())) else { return Vec::new() };
        let ids = tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok());
        ids.filter(|id| self.name_of(*id).starts_with(name)).collect()
    }

    /// The name of a thread; the server's first is its loop, and what is no thread of it was its child.
    fn name_of(&self, thread: i32) -> String {
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

fn make_data(control: &mut Client) -> Result<Dataset> {
    let mut pipeline = Pipeline::default();
    for i in 0..KEYS {
        pipeline.push(&["SET", &format!("key:{i}"), &format!("value-{i}")]);
    }
    for reply in control.run(&pipeline)? {
        ensure!(reply.as_error().is_none(), "making the data: {reply:?}");
    }
    dump_dataset(control)
}
