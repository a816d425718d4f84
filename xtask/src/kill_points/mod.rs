//! `cargo xtask test-kill-points`: SIGKILL at every call of a rewrite that touches files or pipes, in server and child.
//!
//! The server's test hook names each call (`vfs`, `hooks/calls.rs`). One rewrite that nobody disturbs, watched by strace
//! as well, gives the list; then each call is the last thing its process does, once before it and once after it. What is left
//! is started from twice and judged. `imports.rs` does the same to imports, `snapshots.rs` to SAVE and BGSAVE. `points.rs` reads the
//! hook's lines, `script.rs` carries out one rewrite, `crosscheck.rs` compares with strace.

mod crosscheck;
mod imports;
mod points;
mod script;
mod snapshots;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::Dataset;

use crate::crash::{Policy, PolicyChoice, build_with_hooks};
use crate::parallel;
use crate::recovered::{Recovery, recover_twice};
use points::{Point, When};
use script::{SCENARIOS, Scenario, Script, TRIES};

/// How many servers run side by side unless told otherwise.
const JOBS: usize = 6;

/// What is asked of the kill points.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The fsync policy under test; all are always and everysec.
    #[arg(long, value_enum, default_value_t = PolicyChoice::All)]
    pub(crate) policy: PolicyChoice,
    /// How many servers run side by side; they mostly wait.
    #[arg(long, default_value_t = JOBS)]
    pub(crate) jobs: usize,
    /// Only points whose name begins so, such as child:rename:new:1:before, or import for those of imports.
    #[arg(long, default_value = "")]
    pub(crate) only: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { policy: PolicyChoice::All, jobs: JOBS, only: String::new() }
    }
}

/// One death: the process that makes this call dies before or after it.
#[derive(Clone, Debug)]
struct Kill {
    policy: Policy,
    scenario: Scenario,
    point: Point,
    when: When,
}

impl Kill {
    fn name(&self) -> String {
        format!("{}:{}", self.point, self.when.name())
    }
}

/// What a kill came to.
#[derive(Debug, Default)]
struct Verdict {
    /// The process died where it was to.
    landed: bool,
    /// The rewrite had ended before.
    late: bool,
    recovery: Recovery,
}

/// Runs every kill point.
///
/// # Errors
/// If a promise was broken, a kill did not land, or hook and strace disagree.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = build_with_hooks("test-kill-points")?;
    let started = Instant::now();
    if options.only.is_empty() || options.only.starts_with("import") {
        imports::run(&binary, options.jobs, &options.only)?;
    }
    if options.only.starts_with("import") {
        return Ok(());
    }
    let alone = options.only == "snapshots";
    let of_snapshots = snapshots::run(&binary, if alone { "" } else { &options.only })?;
    println!("test-kill-points: {of_snapshots} kills in snapshots, {:.1} s", started.elapsed().as_secs_f64());
    if alone {
        return Ok(());
    }
    let data = make_data(&binary)?;
    let mut kills = Vec::new();
    for policy in policies(options.policy) {
        for scenario in SCENARIOS {
            let calls = undisturbed(&binary, policy, scenario)?;
            let deaths = calls.into_iter().flat_map(|point| [(point.clone(), When::Before), (point, When::After)]);
            kills.extend(deaths.map(|(point, when)| Kill { policy, scenario, point, when }));
        }
    }
    kills.retain(|kill| kill.name().starts_with(&options.only));
    if kills.is_empty() {
        ensure!(of_snapshots > 0, "no call of a rewrite or a snapshot is named {}", options.only);
        return Ok(());
    }
    println!("test-kill-points: {} kills, at {} calls", kills.len(), kills.len() / 2);
    let verdicts = parallel::map(options.jobs, &kills, |kill| until_landed(&binary, kill, &data));
    print_table(&kills, &verdicts);
    println!("test-kill-points: {:.1} s", started.elapsed().as_secs_f64());
    conclude(&kills, &verdicts)
}

fn policies(choice: PolicyChoice) -> Vec<Policy> {
    match choice {
        PolicyChoice::Always => vec![Policy::Always],
        PolicyChoice::Everysec => vec![Policy::Everysec],
        PolicyChoice::No => vec![Policy::No],
        PolicyChoice::All => vec![Policy::Always, Policy::Everysec],
    }
}

/// What the keys hold that no client writes.
fn make_data(binary: &Path) -> Result<Dataset> {
    let home = tempfile::tempdir()?;
    Script { binary, home: home.path().to_owned(), policy: Policy::No, scenario: SCENARIOS[0], number: 0 }.data()
}

/// Lets a rewrite run to its end under strace and returns its calls.
fn undisturbed(binary: &Path, policy: Policy, scenario: Scenario) -> Result<Vec<Point>> {
    let home = tempfile::tempdir()?;
    let log = home.path().join("strace");
    let script = Script { binary, home: home.path().to_owned(), policy, scenario, number: 0 };
    let mut running = script.begin(None, crosscheck::strace(&log))?;
    let calls = script.wait_calls(&mut running)?;
    let mut server = running.server;
    let (main, data_dir) = (server.pid(), server.data_dir().to_owned());
    server.terminate(Duration::from_secs(20))?;
    let told = points::made(&script.lines()?);
    let seen = crosscheck::compare(&told, &fs::read_to_string(&log)?, main, &data_dir)
        .with_context(|| format!("{}, {}", policy.name(), scenario.name))?;
    println!(
        "test-kill-points: {}, {}: {} calls are kill points; the hook told of {} until the server's end, strace saw {seen}",
        policy.name(),
        scenario.name,
        calls.len(),
        told.len(),
    );
    Ok(calls)
}

/// Tries a kill until it lands, and judges what is left.
fn until_landed(binary: &Path, kill: &Kill, data: &Dataset) -> Result<Verdict> {
    for number in 0..TRIES {
        let home = tempfile::Builder::new().prefix("ledgerstone-kill-").tempdir()?;
        let script =
            Script { binary, home: home.path().to_owned(), policy: kill.policy, scenario: kill.scenario, number };
        let verdict = die_once(&script, kill, data);
        let broken = !matches!(&verdict, Ok(verdict) if verdict.recovery.findings.is_empty());
        if broken {
            let kept = home.keep();
            return verdict.with_context(|| format!("files: {}", kept.display()));
        }
        if matches!(&verdict, Ok(verdict) if verdict.landed) {
            return verdict;
        }
    }
    Ok(Verdict::default())
}

/// One try: a rewrite until the kill, and what is left of it.
fn die_once(script: &Script<'_>, kill: &Kill, data: &Dataset) -> Result<Verdict> {
    let mut running = script.begin(Some((&kill.point, kill.when)), Vec::new())?;
    let orphans = running.server.children();
    let landed = script.wait_killed(&mut running, &kill.point, kill.when)?;
    match (landed, kill.point.in_child()) {
        (true, true) => running.wait_survived()?,
        (true, false) => running.wait_end()?,
        (false, _) => {}
    }
    let client = running.kill()?;
    let lines = script.lines()?;
    let before = lines.iter().take_while(|(point, _)| *point != kill.point).cloned().collect::<Vec<_>>();
    let late = landed && script.ended(&points::begun(&before)).is_some();
    // At once: a child that outlives its server must not keep the next one from starting.
    let recovery = recover_twice(&script.builder(), &[client], data)?;
    for pid in orphans {
        testkit::server::wait_gone(pid, Duration::ZERO).context("the killed server's child")?;
    }
    Ok(Verdict { landed, late, recovery })
}

/// A row of the table.
#[derive(Debug, Default)]
struct Row {
    calls: usize,
    landed: BTreeMap<When, usize>,
    late: usize,
}

fn print_table(kills: &[Kill], verdicts: &[Result<Verdict>]) {
    let mut rows: BTreeMap<[&str; 5], Row> = BTreeMap::new();
    let mut total = Row::default();
    for (kill, verdict) in kills.iter().zip(verdicts) {
        let point = &kill.point;
        let name = [kill.policy.name(), kill.scenario.name, &point.role, &point.call, &point.object];
        for row in [rows.entry(name).or_default(), &mut total] {
            row.calls += usize::from(kill.when == When::Before);
            let verdict = verdict.as_ref().ok();
            *row.landed.entry(kill.when).or_default() += usize::from(verdict.is_some_and(|v| v.landed));
            row.late += usize::from(verdict.is_some_and(|v| v.late));
        }
    }
    println!(
        "policy    way           who     call       on      calls  killed before  killed after  (after the rewrite)"
    );
    let line = |name: [&str; 5], row: &Row| {
        let [policy, way, role, call, object] = name;
        let landed = |when| row.landed.get(&when).copied().unwrap_or(0);
        let (before, after) = (landed(When::Before), landed(When::After));
        println!(
            "{policy:<9} {way:<13} {role:<7} {call:<10} {object:<6} {:>6} {before:>14} {after:>13} {:>20}",
            row.calls, row.late
        );
    };
    for (name, row) in &rows {
        line(*name, row);
    }
    line(["all", "", "", "", ""], &total);
    let good = || verdicts.iter().flatten();
    let longest = good().map(|verdict| verdict.recovery.longest_start).max().unwrap_or_default();
    let lost: u64 = good().map(|verdict| verdict.recovery.lost).sum();
    println!("acknowledged transactions lost: {lost}; longest start afterwards: {} ms", longest.as_millis());
}

fn conclude(kills: &[Kill], verdicts: &[Result<Verdict>]) -> Result<()> {
    let mut bad = 0;
    for (kill, verdict) in kills.iter().zip(verdicts) {
        let findings = match verdict {
            Ok(verdict) if verdict.landed => verdict.recovery.findings.clone(),
            Ok(_) => vec!["the kill did not land".to_owned()],
            Err(error) => vec![format!("{error:#}")],
        };
        if findings.is_empty() {
            continue;
        }
        bad += 1;
        println!("FAILED: {}, {}, {}", kill.policy.name(), kill.scenario.name, kill.name());
        for finding in findings {
            println!("  {finding}");
        }
        println!("  repeat: cargo xtask test-kill-points --policy {} --only {}", kill.policy.name(), kill.name());
    }
    if bad > 0 {
        bail!("{bad} of {} kills failed", kills.len());
    }
    Ok(())
}
