//! `cargo xtask test-crash --power`: the power goes at every operation of scripted loads, and at random under many clients.
//!
//! The server's directory is a disk of `powerfs`. A load is carried out once and recorded; every crash point is an operation
//! of the recording, a mode and a rule of names, from which a server is started again and judged. `loads.rs` holds
//! the loads, `record.rs` carries one out, `points.rs` draws crash points, `recover.rs` starts from what is left,
//! `judge.rs` says what each came to: `allowed.rs` when an ack must hold, `excuses.rs` what else may be. `cuts.rs` cuts at random under many clients; `ext4.rs` has a real file system in a file. `grounds.rs`
//! removes what a run leaves that is killed.

mod allowed;
mod cuts;
mod excuses;
mod ext4;
mod grounds;
mod judge;
mod loads;
mod points;
mod record;
mod recover;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use powerfs::{Disk, Mode, NameRule, Operation};
use testkit::binary::SERVER_VARIABLE;

use crate::crash::{Policy, PolicyChoice, build_with_hooks, mix};
use crate::parallel;
use crate::suite::find_program;
use judge::Outcome;
use loads::{LOADS, Load, Start};
use points::{Cell, Point, Table};
use record::{Recorded, record};
use recover::Recoveries;

/// How many power cuts there are unless told otherwise, and crash points.
const RUNS: usize = 60;
const POINTS: usize = 500;
/// One crash point of redis-server's for so many of ours.
const OURS_PER_REFERENCE: usize = 2;
/// How many loads are carried out side by side; they mostly wait.
const JOBS: usize = 4;
/// How many failures are told of in full.
const NAMED: usize = 5;

/// What is asked of the power cuts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// How many cuts under many clients with `always`; with `everysec` a fifth of that.
    pub(crate) runs: Option<usize>,
    /// How many crash points of the scripted loads.
    pub(crate) points: Option<usize>,
    pub(crate) seed: Option<u64>,
    pub(crate) policy: PolicyChoice,
    /// Only the load of this name.
    pub(crate) only: Option<String>,
    /// Tests this binary, not ours.
    pub(crate) server: Option<PathBuf>,
}

/// Runs both halves, with redis-server beside ours where it is installed.
///
/// # Errors
/// If ours broke a promise, or nothing can be mounted here.
pub(crate) fn run(options: &Options) -> Result<()> {
    grounds::prepare()?;
    let done = run_prepared(options);
    grounds::stay_if_interrupted();
    done
}

fn run_prepared(options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let started = Instant::now();
    let given = options.server.clone().or_else(|| std::env::var_os(SERVER_VARIABLE).map(PathBuf::from));
    // Nearly all of the time goes to starts, which take an unoptimized server half as long again.
    let binary = given.map_or_else(|| build_with_hooks("test-crash --power"), Ok)?;
    println!("test-crash --power: seed {seed:#x}");
    let points = options.points.unwrap_or(POINTS);
    let ours = crash_points("ours", (&binary, options.server.is_some()), options, points, seed)?;
    let reference = match (&options.server, find_program("redis-server")) {
        (None, Some(path)) => {
            // A long run is about ours.
            let fewer = points.min(POINTS) / OURS_PER_REFERENCE;
            Some(crash_points("redis-server", (&path, true), options, fewer, seed)?)
        }
        _ => None,
    };
    print_tables(&ours.table, reference.as_ref().map(|reference| &reference.table));
    let mut broken_cuts = 0;
    if options.only.is_none() {
        let begun = Instant::now();
        broken_cuts = cuts::run(&binary, options, seed)?;
        println!("  cut in {:.1} s", begun.elapsed().as_secs_f64());
        if options.server.is_none() {
            ext4::run(&binary)?;
        }
    }
    println!("test-crash --power: {:.1} s", started.elapsed().as_secs_f64());
    let broken = ours.broken + broken_cuts;
    if broken > 0 {
        bail!("{broken} crashes broke a promise; repeat: cargo xtask test-crash --power --seed {seed:#x}");
    }
    Ok(())
}

/// How many cuts under many clients were asked for.
pub(super) fn wanted_runs(options: &Options) -> usize {
    options.runs.unwrap_or(RUNS)
}

fn policies(choice: PolicyChoice) -> Vec<Policy> {
    match choice {
        PolicyChoice::Always => vec![Policy::Always],
        PolicyChoice::Everysec => vec![Policy::Everysec],
        PolicyChoice::No => vec![Policy::No],
        PolicyChoice::All => vec![Policy::Always, Policy::Everysec, Policy::No],
    }
}

/// What the crash points of one server came to.
struct Half {
    table: Table,
    broken: usize,
}

fn crash_points(
    name: &str,
    (binary, foreign): (&Path, bool),
    options: &Options,
    wanted: usize,
    seed: u64,
) -> Result<Half> {
    let begun = Instant::now();
    let runs = record_all(name, binary, foreign, options, seed)?;
    let carried_out = begun.elapsed();
    let all = points::all(&runs);
    let possible = all.len();
    let points = points::draw(all, wanted, seed);
    let recoveries = Recoveries::of(binary, foreign);
    let started = Instant::now();
    let outcomes = points::crash(&runs, &points, &recoveries);
    grounds::stay_if_interrupted();
    let operations: usize = runs.iter().map(|run| run.recording.records.len()).sum();
    println!(
        "  {name}: {} loads with {operations} operations in {:.1} s; {} crash points of {possible} left {} different disks, started from in {:.1} s",
        runs.len(),
        carried_out.as_secs_f64(),
        points.len(),
        recoveries.starts(),
        started.elapsed().as_secs_f64()
    );
    let broken = report(&runs, &points, &outcomes, foreign)?;
    Ok(Half { table: points::table(&runs, &points, &outcomes), broken })
}

/// Carries out every load under every policy.
fn record_all(name: &str, binary: &Path, foreign: bool, options: &Options, seed: u64) -> Result<Vec<Recorded>> {
    let wanted =
        |load: &Load| options.only.as_ref().is_none_or(|only| load.name == only) && !(foreign && load.ours_only);
    let each = policies(options.policy).into_iter().flat_map(|policy| LOADS.iter().map(move |load| (policy, load)));
    let all: Vec<(Policy, &Load)> = each.filter(|(_, load)| wanted(load)).collect();
    let recorded = parallel::map(JOBS, &all, |(policy, load)| {
        let disk = match load.start {
            Start::Nothing => Disk::default(),
            Start::Corpus(files) => loads::corpus(files)?,
            Start::TornTail => torn_tail(&record_plain(binary, *policy)?, seed),
        };
        record(binary, load, *policy, disk)
    });
    let mut runs = Vec::new();
    for ((policy, load), recorded) in all.iter().zip(recorded) {
        let what = || format!("{name}, {}, {}", load.name, policy.name());
        match recorded.with_context(what)? {
            Some(recorded) => runs.push(recorded),
            None => println!("  not run: {}: the server lacks a command of it", what()),
        }
    }
    Ok(runs)
}

fn record_plain(binary: &Path, policy: Policy) -> Result<Recorded> {
    record(binary, &LOADS[0], policy, Disk::default())?.context("the plain load needs no command that may be missing")
}

/// What the power loss left of a load when it went in the middle of the last long write.
fn torn_tail(recorded: &Recorded, seed: u64) -> Disk {
    let long = |operation: &Operation| matches!(operation, Operation::Write { bytes, .. } if bytes.len() > 1_000);
    let records = &recorded.recording.records;
    let after = records.iter().rposition(|record| long(&record.operation)).map_or(0, |last| last + 1);
    let disk = recorded.recording.disk_after(after);
    let cut = |number| disk.cut(Mode::Torn, NameRule::AnyFsync, &mut fastrand::Rng::with_seed(mix(seed, number)));
    // Most cuts fall inside that write; the first seeds may draw its ends.
    cut(recorded.policy as u64 + 3)
}

/// Tells of what went wrong and returns how much of it is a broken promise: another server's are only counted.
fn report(runs: &[Recorded], points: &[Point], outcomes: &[Result<Outcome>], foreign: bool) -> Result<usize> {
    let mut broken = 0;
    for (point, outcome) in points.iter().zip(outcomes) {
        let what = match outcome {
            Ok(Outcome::Kept { .. }) => continue,
            Ok(outcome) => format!("{outcome:?}"),
            Err(error) => format!("{error:#}"),
        };
        broken += 1;
        if broken > NAMED {
            continue;
        }
        let run = &runs[point.run];
        let (mode, rule) = (point.mode.name(), point.rule.name());
        println!(
            "  {}: {}, {}, {mode}, {rule}, after operation {} of {}: {what:.600}",
            if foreign { "found" } else { "FAILED" },
            run.load.name,
            run.policy.name(),
            point.position,
            run.recording.records.len(),
        );
        if !foreign {
            println!("    files: {}", keep(run, point)?.display());
        }
    }
    Ok(broken)
}

/// Writes what a crash left where it can be looked at, beside the operations that led there.
fn keep(run: &Recorded, point: &Point) -> Result<PathBuf> {
    let kept = tempfile::Builder::new().prefix("ledgerstone-power-kept-").tempdir()?.keep();
    let data = kept.join("data");
    std::fs::create_dir(&data)?;
    points::left_by(&run.recording.disk_after(point.position), point).write_to(&data)?;
    let records = run.recording.records.iter().take(point.position + 3).enumerate();
    let lines: Vec<String> = records.map(|(number, record)| format!("{number}: {}", told(&record.operation))).collect();
    std::fs::write(kept.join("operations"), lines.join("\n"))?;
    Ok(kept)
}

/// An operation in one line, without its bytes.
fn told(operation: &Operation) -> String {
    match operation {
        Operation::Write { inode, offset, bytes } => format!("Write {{ inode: {inode}, {offset} + {} }}", bytes.len()),
        other => format!("{other:?}"),
    }
}

fn print_tables(ours: &Table, reference: Option<&Table>) {
    println!("                              ours                                      redis-server");
    println!("mode    names      policy     points  lost  refused  wrong  oldest lost   points  lost  refused  wrong");
    let keys: std::collections::BTreeSet<_> = ours.keys().chain(reference.into_iter().flat_map(Table::keys)).collect();
    let mut total = (Cell::default(), Cell::default());
    for key @ (mode, rule, policy) in keys {
        let (left, right) = (ours.get(key), reference.and_then(|table| table.get(key)));
        total = (sum(total.0, left), sum(total.1, right));
        let rule = if *mode == Mode::Killed { "-" } else { rule.name() };
        print_line([mode.name(), rule, policy.name()], left, right);
    }
    print_line(["all", "", ""], Some(&total.0), reference.map(|_| &total.1));
    let Cell { altered, .. } = total.0;
    println!("ours, counted apart (docs/durability.md):");
    println!("  {altered} left a value with zeros in it, where bytes never fsynced had landed out of order");
}

fn sum(mut total: Cell, cell: Option<&Cell>) -> Cell {
    if let Some(cell) = cell {
        total.points += cell.points;
        total.lost += cell.lost;
        total.refused += cell.refused;
        total.wrong += cell.wrong;
        total.altered += cell.altered;
        total.oldest_lost = total.oldest_lost.max(cell.oldest_lost);
    }
    total
}

fn print_line([mode, rule, policy]: [&str; 3], ours: Option<&Cell>, reference: Option<&Cell>) {
    let numbers = |cell: &Cell| format!("{:>6} {:>5} {:>8} {:>6}", cell.points, cell.lost, cell.refused, cell.wrong);
    let oldest = ours.map_or(String::new(), |cell| format!("{:.2} s", cell.oldest_lost.as_secs_f64()));
    let ours = ours.map(numbers).unwrap_or_default();
    let reference = reference.map(numbers).unwrap_or_default();
    println!("{mode:<7} {rule:<10} {policy:<9} {ours:<28} {oldest:>12}   {reference}");
}
