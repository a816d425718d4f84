//! `cargo xtask test-faults`: a real server whose disk fails, and heals, under clients that write.
//!
//! `cases.rs` is the matrix, `beside.rs` its part for other files than the log; `inject.rs` makes calls fail, with strace; `session.rs` carries out one case; `judge.rs` judges
//! what the clients were answered. What is left is started from twice (`recovered.rs`). In `numbered.rs` every call of an operation fails
//! in turn, whichever it is (`calls.rs`), in `starts.rs` every call of a start.

mod beside;
mod calls;
mod cases;
mod inject;
mod judge;
mod numbered;
mod session;
mod starts;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::parallel;
use crate::suite::{require_program, server_under_test};
use cases::{Case, Effect, Extent};
use session::{Report, Subject};

/// How often a call by its number is tried until it comes: how many a server makes depends a little on the machine.
const TRIES: usize = 3;
/// The part of those that may not come all the same, in percent.
const MISSED_PERCENT: usize = 15;

/// What the names of cases begin with in which a server starts.
const STARTS: &str = "start";
/// With `--reduced` every how-manieth of the calls by their numbers fails.
/// No multiple of how many cases a call has, so that all kinds come.
const REDUCED_STEP: usize = 13;

/// How many servers run side by side unless told otherwise.
const JOBS: usize = 8;

/// What is asked of the faults.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Tests this binary instead of building server-bin: what its log meets, of the matrix.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// Each fault with one error, for always and everysec.
    #[arg(long)]
    pub(crate) reduced: bool,
    /// How many servers run side by side; they mostly wait.
    #[arg(long, default_value_t = JOBS)]
    pub(crate) jobs: usize,
    /// Only cases whose name holds this, such as always/every-fsync.
    #[arg(long, default_value = "")]
    pub(crate) only: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { server: None, reduced: false, jobs: JOBS, only: String::new() }
    }
}

/// Runs the matrix.
///
/// # Errors
/// If a promise was broken, or a fault was not met.
pub(crate) fn run(options: &Options) -> Result<()> {
    require_program("strace")?;
    let foreign = options.server.is_some();
    let mut subject =
        Subject { binary: server_under_test(options.server.as_deref())?, foreign, files: BTreeMap::new() };
    let started = Instant::now();
    let (mut failed, mut ran) = (0, 0);
    if !foreign {
        let of_starts = starts::run(&subject.binary, options)?;
        (failed, ran) = (of_starts.failed, of_starts.ran);
    }
    if !options.only.starts_with(STARTS) {
        let of_matrix = run_matrix(options, &mut subject)?;
        (failed, ran) = (failed + of_matrix.failed, ran + of_matrix.ran);
    }
    println!("test-faults: {ran} cases, {:.1} s", started.elapsed().as_secs_f64());
    ensure!(ran > 0, "no case is named {}", options.only);
    ensure!(failed == 0, "{failed} cases failed");
    Ok(())
}

/// How many cases there were, and how many failed.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    ran: usize,
    failed: usize,
}

/// What fails while a server runs.
fn run_matrix(options: &Options, subject: &mut Subject) -> Result<Count> {
    let mut cases = if subject.foreign { cases::of_any_server() } else { cases::all(options.reduced) };
    if !subject.foreign {
        cases.extend(numbered::cases(subject, options)?);
    }
    cases.retain(|case| case.name().contains(&options.only));
    if cases.is_empty() {
        return Ok(Count::default());
    }
    println!("test-faults: {} cases of a server that runs", cases.len());
    let subject = &*subject;
    let reports = parallel::map(options.jobs, &cases, |case| run_case(subject, case));
    print_table(&cases, &reports);
    conclude(options, &cases, &reports)
}

/// Runs a case, until what is to fail has come.
fn run_case(subject: &Subject, case: &Case) -> Result<Report> {
    for _ in 1..TRIES {
        match try_case(subject, case) {
            Ok(report) if report.missed && report.findings().next().is_none() => {}
            result => return result,
        }
    }
    try_case(subject, case)
}

/// Runs a case in a directory that is kept if anything is wrong.
fn try_case(subject: &Subject, case: &Case) -> Result<Report> {
    let home = tempfile::Builder::new().prefix("ledgerstone-faults-").tempdir()?;
    let report = session::run(subject, case, home.path());
    if report.as_ref().is_ok_and(|report| report.findings().next().is_none()) {
        return report;
    }
    let kept = home.keep();
    println!("test-faults: {}: files in {}", case.name(), kept.display());
    report.with_context(|| case.name())
}

fn print_table(cases: &[Case], reports: &[Result<Report>]) {
    println!(
        "policy    fault                              error   lasts         acked  not on disk  refused  resumed  lost  met by"
    );
    let mut longest = Duration::ZERO;
    for (case, report) in cases.iter().zip(reports) {
        let [policy, error, extent] = [case.policy.name(), case.error.name, case.extent.name()];
        print!("{policy:<9} {:<34} {error:<7} {extent:<13} ", case.fault_name());
        let Ok(report) = report else {
            println!("FAILED");
            continue;
        };
        let met_by: Vec<&str> = report.met_by.iter().map(String::as_str).collect();
        let judgement = &report.judgement;
        let resumed = judgement.resumed_after.map_or("-".to_owned(), |after| format!("{} ms", after.as_millis()));
        if case.extent == Extent::UntilHealed {
            longest = longest.max(judgement.resumed_after.unwrap_or_default());
        }
        let [acked, executed, refused] = [judgement.acked, judgement.executed, judgement.refused];
        let verdict = if report.findings().next().is_some() { "FAILED" } else { "" };
        println!(
            "{acked:>5} {executed:>12} {refused:>8} {resumed:>8} {:>5}  {} {verdict}",
            report.recovery.lost,
            met_by.join(","),
        );
    }
    println!("longest time from the healing of a disk to the next acknowledgement: {} ms", longest.as_millis());
}

/// Names what failed, and what did not come.
fn conclude(options: &Options, cases: &[Case], reports: &[Result<Report>]) -> Result<Count> {
    let mut bad = 0;
    for (case, report) in cases.iter().zip(reports) {
        let findings: Vec<String> = match report {
            Ok(report) => report.findings().cloned().collect(),
            Err(error) => vec![format!("{error:#}")],
        };
        if findings.is_empty() {
            continue;
        }
        bad += 1;
        println!("FAILED: {}", case.name());
        for finding in findings {
            println!("  {finding}");
        }
        let server = options.server.as_ref().map_or_else(String::new, |path| format!(" --server {}", path.display()));
        println!("  repeat: cargo xtask test-faults --only {}{server}", case.name());
    }
    let numbered = || cases.iter().zip(reports).filter(|(case, _)| case.fault.effect == Effect::Open);
    let missed: Vec<String> = numbered()
        .filter(|(_, report)| report.as_ref().is_ok_and(|report| report.missed))
        .map(|(case, _)| case.name())
        .collect();
    if !missed.is_empty() {
        println!("test-faults: the calls of these did not come: {}", missed.join(" "));
    }
    check_missed(missed.len(), numbered().count())?;
    Ok(Count { ran: cases.len(), failed: bad })
}

/// Whether this is the name of one case, such as `always/in-SAVE-loop-openat-1/EIO/once`.
fn is_whole_name(only: &str) -> bool {
    only.matches('/').count() >= 3
}

/// Too many calls that did not come make the rest say little.
fn check_missed(missed: usize, cases: usize) -> Result<()> {
    ensure!(missed * 100 <= cases * MISSED_PERCENT, "the calls of {missed} of {cases} cases did not come");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_calls_may_not_come() {
        assert!(check_missed(0, 0).is_ok() && check_missed(1, 10).is_ok());
        assert!(check_missed(2, 10).is_err() && check_missed(1, 1).is_err());
    }
}
