//! Carries out one session: start, judge what the last kill left, load, kill; again and again over one directory.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use testkit::history::{self, ClientRecord};
use testkit::server::wait_gone;
use testkit::workload::{Outcome, Shape, Workload, read_back};
use testkit::{Client, Info, Pipeline, ServerBuilder, ServerProcess};

use super::Subject;
use super::plan::{Policy, RunPlan, SessionPlan, Target};
use super::report::{Failure, Finding, RunReport, SessionReport};
use super::watch::{Phase, Sight};
use crate::leftovers::{TempFile, still_there, temp_files};

/// A kill whose target never shows comes so long after its earliest moment.
const AIM_BOUND: Duration = Duration::from_millis(2_500);
/// A rewrite that went by without its target being seen is asked for again after so long.
const REWRITE_AGAIN: Duration = Duration::from_millis(60);
/// How long the child of a killed server may live.
const ORPHAN_BOUND: Duration = Duration::from_secs(5);

/// Runs a session to its end or to the first broken promise.
pub(crate) fn run(subject: &Subject, plan: &SessionPlan) -> SessionReport {
    let mut report = SessionReport::default();
    let directory = match tempfile::Builder::new().prefix("ledgerstone-crash-").tempdir() {
        Ok(directory) => directory,
        Err(e) => {
            let findings = vec![Finding::Other(format!("no directory for the session: {e}"))];
            report.failure = Some(failure(plan, 0, findings, PathBuf::new()));
            return report;
        }
    };
    let mut session = Session {
        subject,
        plan,
        home: directory.path().to_owned(),
        records: vec![ClientRecord::default(); plan.clients],
        preloaded: 0,
        orphans: Vec::new(),
        temp_files_before: Vec::new(),
    };
    for (number, run) in plan.runs.iter().enumerate() {
        let findings = match session.run_once(run, &mut report) {
            Ok(findings) => findings,
            Err(e) => vec![Finding::Other(format!("{e:#}"))],
        };
        if !findings.is_empty() {
            report.failure = Some(failure(plan, number, findings, keep(directory)));
            return report;
        }
    }
    let findings = session.recover_twice().unwrap_or_else(|e| vec![Finding::Other(format!("{e:#}"))]);
    if !findings.is_empty() {
        report.failure = Some(failure(plan, plan.runs.len() - 1, findings, keep(directory)));
    }
    report
}

fn keep(directory: TempDir) -> PathBuf {
    directory.keep()
}

fn failure(plan: &SessionPlan, run: usize, findings: Vec<Finding>, kept: PathBuf) -> Failure {
    Failure { seed: plan.seed, policy: plan.policy, run, findings, kept }
}

/// What lives from one run to the next.
struct Session<'a> {
    subject: &'a Subject,
    plan: &'a SessionPlan,
    home: PathBuf,
    /// What each client did under the last server.
    records: Vec<ClientRecord>,
    /// Keys that were written and acknowledged before the first load.
    preloaded: u64,
    /// Children that the last server had when it was killed.
    orphans: Vec<i32>,
    /// Temporary files that the last server left when it was killed.
    temp_files_before: Vec<TempFile>,
}

impl Session<'_> {
    /// One server's life. Returns what is wrong with what the last one left, or with this one.
    fn run_once(&mut self, run: &RunPlan, report: &mut SessionReport) -> Result<Vec<Finding>> {
        let builder = self.builder(run);
        if let Some(after_ms) = run.killed_in_start_after_ms {
            kill_in_start(&builder, after_ms)?;
            report.kills_in_start += 1;
        }
        self.temp_files_before = temp_files(&self.home.join("data"))?;
        let mut server = builder.start().context("the server does not start again")?;
        let mut control = server.client()?;
        let findings = self.judge(&mut control)?;
        if !findings.is_empty() {
            return Ok(findings);
        }
        if self.preloaded == 0 {
            self.preload(&mut control)?;
        }
        let recovered: Vec<u64> = self.records.iter().map(|r| r.recovered_before).collect();
        let load = Workload::start(server.address(), &recovered, shape(run), run.workload_seed)?;
        let sight = aim(run, self.visible_target(run), &mut control, &load);
        self.orphans = server.children();
        let died = server.try_wait()?;
        if died.is_none() {
            server.kill_9()?;
        }
        let outcomes = load.join()?;
        self.records = outcomes.iter().map(|o| o.record).collect();
        report.runs.push(RunReport {
            policy: self.plan.policy,
            acked: self.records.iter().map(|r| r.acked - r.recovered_before).sum(),
            sight: *sight.as_ref().unwrap_or(&Sight::default()),
            temp_file_left: temp_files(server.data_dir())?.iter().any(|file| file.name.starts_with("temp-rewriteaof")),
        });
        let mut findings = misbehaviour(&server, &outcomes)?;
        findings.extend(died.map(|status| Finding::Other(format!("the server ended by itself: {status}"))));
        if findings.is_empty() {
            // With a live server behind it, a control connection that breaks is a fault too.
            sight.context("the control connection")?;
        }
        Ok(findings)
    }

    /// After the last kill: what is recovered once must be recovered the same again.
    fn recover_twice(&mut self) -> Result<Vec<Finding>> {
        let Some(last) = self.plan.runs.last() else { return Ok(Vec::new()) };
        let builder = self.builder(last);
        for _ in 0..2 {
            self.temp_files_before = temp_files(&self.home.join("data"))?;
            let mut server = builder.start().context("the server does not start again")?;
            let findings = self.judge(&mut server.client()?)?;
            if !findings.is_empty() {
                return Ok(findings);
            }
            server.kill_9()?;
        }
        Ok(Vec::new())
    }

    /// What the kill can aim at: a foreign server shows no switch, and makes only `everysec` wait.
    fn visible_target(&self, run: &RunPlan) -> Target {
        match run.target {
            Target::Switch { .. } if self.subject.foreign => Target::Child,
            Target::FlushWait if self.subject.foreign && self.plan.policy != Policy::Everysec => Target::Moment,
            target => target,
        }
    }

    fn builder(&self, run: &RunPlan) -> ServerBuilder {
        let builder = ServerBuilder::new(&self.subject.binary, &self.home)
            .directive("appendonly", "yes")
            .directive("appendfsync", self.plan.policy.name())
            .directive("auto-aof-rewrite-percentage", "0");
        if !self.subject.foreign {
            return builder
                .env("LEDGERSTONE_TEST_FSYNC_DELAY_MS", run.fsync_delay_ms.to_string())
                .env("LEDGERSTONE_TEST_SWITCH_DELAY_MS", run.switch_delay_ms.to_string())
                .env("LEDGERSTONE_TEST_ACK_EARLY", if self.plan.ack_early { "1" } else { "0" });
        }
        if run.fsync_delay_ms == 0 {
            return builder;
        }
        let inject = format!("inject=fdatasync,fsync:delay_enter={}", run.fsync_delay_ms * 1_000);
        builder.wrapper(["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e"].into_iter().chain([
            "trace=fdatasync,fsync",
            "-e",
            inject.as_str(),
        ]))
    }

    /// Compares what a started server holds with what the clients recorded, and goes on from there.
    fn judge(&mut self, control: &mut Client) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let mut keys = self.preloaded;
        for (client, record) in self.records.iter_mut().enumerate() {
            let found = read_back(control, client)?;
            keys += u64::from(!found.left.is_empty());
            keys += u64::from(!found.right.is_empty()) + u64::from(found.payload.is_some());
            match history::check(record, &found) {
                Ok(m) => *record = ClientRecord { recovered_before: m, acked: m, sent: m },
                Err(broken) => {
                    findings.extend(broken.into_iter().map(|violation| Finding::History { client, violation }));
                }
            }
        }
        let size = control.expect(&["DBSIZE"])?.as_integer().context("DBSIZE")?;
        if self.preloaded > 0 && u64::try_from(size)? != keys {
            findings.push(Finding::Other(format!("{size} keys are there, {keys} should be")));
        }
        if !self.subject.foreign {
            findings.extend(self.leftovers()?);
        }
        Ok(findings)
    }

    /// Files and processes that the killed server left and the new one should not tolerate.
    fn leftovers(&mut self) -> Result<Vec<Finding>> {
        let left = still_there(&self.home.join("data"), &self.temp_files_before)?;
        let mut findings: Vec<Finding> = left.into_iter().map(Finding::Other).collect();
        for pid in self.orphans.drain(..) {
            if let Err(e) = wait_gone(pid, ORPHAN_BOUND) {
                findings.push(Finding::Other(format!("the killed server's child outlives it: {e}")));
            }
        }
        Ok(findings)
    }

    fn preload(&mut self, control: &mut Client) -> Result<()> {
        let mut pipeline = Pipeline::default();
        for first in (0..self.plan.preloaded_keys).step_by(1_000) {
            pipeline.clear();
            for i in first..self.plan.preloaded_keys.min(first + 1_000) {
                pipeline.push(&["SET", &format!("preloaded:{i}"), &format!("value-{i:016}")]);
            }
            for reply in control.run(&pipeline)? {
                anyhow::ensure!(reply.as_error().is_none(), "preloading: {reply:?}");
            }
        }
        self.preloaded = self.plan.preloaded_keys;
        Ok(())
    }
}

/// Batches are larger where every batch waits for a slow fsync, so that as much is acked.
fn shape(run: &RunPlan) -> Shape {
    let slow = run.fsync_delay_ms > 0;
    Shape { max_batch: if slow { 600 } else { 24 }, ..Shape::default() }
}

/// Starts a server and kills it before it can be ready, or just after.
fn kill_in_start(builder: &ServerBuilder, after_ms: u64) -> Result<()> {
    let mut server = builder.spawn()?;
    std::thread::sleep(Duration::from_millis(after_ms));
    if server.try_wait()?.is_none() {
        // Under a wrapper its id is not known this early; dropping ends the whole family.
        drop(server);
    }
    Ok(())
}

/// Watches the loaded server until the moment to kill it. Returns what was seen last.
fn aim(run: &RunPlan, target: Target, control: &mut Client, load: &Workload) -> Result<Sight> {
    let begin = Instant::now();
    let mut asked: Option<Instant> = None;
    let mut rewrites = 0;
    let mut hit: Option<Instant> = None;
    loop {
        let sight = Sight::of(&Info::fetch(control, "persistence")?);
        let loaded = begin.elapsed();
        if loaded >= Duration::from_millis(run.kill_after_ms)
            && load.acked() >= run.kill_after_acked
            && (sight.hits(target) || settles(target, sight, rewrites))
        {
            hit.get_or_insert_with(Instant::now);
        }
        if hit.is_some_and(|at| at.elapsed() >= linger(run))
            || loaded > Duration::from_millis(run.kill_after_ms) + AIM_BOUND
        {
            return Ok(sight);
        }
        let due = run.rewrite_after_ms.is_some_and(|ms| loaded >= Duration::from_millis(ms));
        let again = target != Target::Moment && sight.phase == Phase::Idle;
        if due && asked.is_none_or(|at| again && at.elapsed() > REWRITE_AGAIN) {
            // An error means that one already runs, which is as good.
            control.call(&["BGREWRITEAOF"])?;
            asked = Some(Instant::now());
            rewrites += 1;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// A phase that went by unseen twice is too short to be met: any phase of the switch will do.
fn settles(target: Target, sight: Sight, rewrites: u32) -> bool {
    rewrites > 2 && matches!((target, sight.phase), (Target::Switch { .. }, Phase::Switch(_)))
}

fn linger(run: &RunPlan) -> Duration {
    Duration::from_micros(run.linger_us)
}

/// What a server did wrong while it was up, though nothing was done to it.
fn misbehaviour(server: &ServerProcess, outcomes: &[Outcome]) -> Result<Vec<Finding>> {
    let refused = outcomes.iter().filter_map(|o| o.refused.as_ref());
    let mut findings: Vec<Finding> =
        refused.map(|text| Finding::Other(format!("a write was refused without a fault: {text}"))).collect();
    let log = server.log()?;
    let panics = log.lines().filter(|line| line.contains("panicked at"));
    findings.extend(panics.map(|line| Finding::Other(line.to_owned())));
    Ok(findings)
}
