//! `cargo xtask prove`: makes each change of docs/proofs and sees the tests fail that it names.
//!
//! Nothing happens in the checkout: `copy.rs` keeps a copy of the workspace under the target directory, with a target
//! directory of its own, so that a change costs the build of what depends on it. `run.rs` builds and runs the tests of a
//! change and judges. Without any change they must pass; a change that does not compile proves nothing.

mod copy;
mod run;

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::binary::workspace_root;

use self::copy::Copy;
use self::run::{Tests, Verdict};
use crate::proofs::places::Places;
use crate::proofs::{Change, read};

/// All tests together may run as long as those of so many changes.
const BOUNDS_WITHOUT_CHANGE: u32 = 10;

/// What is asked of a proof.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Proves only this row. May be given several times.
    #[arg(long = "row")]
    rows: Vec<String>,
    /// How many changes are tried at a time, each in a copy of its own.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// How long the tests of one change may run, in seconds.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
}

/// A change of a row, and where its tests stand.
#[derive(Clone, Debug)]
struct Claim {
    row: String,
    change: Change,
    tests: Tests,
}

/// What came of a claim.
#[derive(Debug)]
struct Outcome {
    row: String,
    what: String,
    verdict: Verdict,
    took: Duration,
}

/// Proves the rows asked for, or all.
///
/// # Errors
/// If a test fails without any change, or does not fail under the change that it is said to find.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = workspace_root();
    let claims = claims(&root, &options.rows)?;
    ensure!(options.jobs > 0, "no change is tried with 0 jobs");
    println!("prove: {} changes, in copies under target/prove", claims.len());
    let started = Instant::now();
    let outcomes = thread::scope(|scope| {
        let shares = claims.chunks(claims.len().div_ceil(options.jobs)).enumerate();
        let job = |(number, share)| {
            scope.spawn({
                let root = &root;
                move || prove_share(root, number, share, options)
            })
        };
        let jobs: Vec<_> = shares.map(job).collect();
        let ended = jobs.into_iter().map(|job| job.join().expect("a job does not panic"));
        ended.collect::<Result<Vec<_>>>()
    })?;
    report(&outcomes.into_iter().flatten().collect::<Vec<_>>(), started.elapsed())
}

/// The changes of the rows asked for, in an order in which neighbours share what has to be built.
fn claims(root: &Path, asked: &[String]) -> Result<Vec<Claim>> {
    let places = Places::read(root)?;
    let mut claims = Vec::new();
    for row in read(root)?.into_iter().flat_map(|section| section.rows) {
        if !asked.is_empty() && !asked.contains(&row.id) {
            continue;
        }
        for change in row.changes {
            let tests = Tests::of(&change.tests, &places).with_context(|| format!("row {}", row.id))?;
            claims.push(Claim { row: row.id.clone(), change, tests });
        }
    }
    for id in asked {
        ensure!(claims.iter().any(|claim| claim.row == *id), "no row {id}");
    }
    claims.sort_by(|a, b| a.change.file.cmp(&b.change.file).then_with(|| a.tests.cmp(&b.tests)));
    Ok(claims)
}

/// Proves some of the claims, one after the other, in a copy of the workspace.
fn prove_share(root: &Path, number: usize, claims: &[Claim], options: &Options) -> Result<Vec<Outcome>> {
    let copy = Copy::make(root, number)?;
    let bound = Duration::from_secs(options.timeout);
    let all: BTreeSet<&Tests> = claims.iter().map(|claim| &claim.tests).collect();
    let all = Tests::joined(all);
    match run::judge(&copy, &all, bound * BOUNDS_WITHOUT_CHANGE)? {
        Verdict::Survived { passed } if passed.len() == all.len() => {}
        verdict => bail!("without any change: {verdict}"),
    }
    println!("prove: {} tests pass without any change", all.len());
    claims.iter().map(|claim| prove(&copy, claim, bound)).collect()
}

fn prove(copy: &Copy, claim: &Claim, bound: Duration) -> Result<Outcome> {
    let Claim { row, change, tests } = claim;
    let started = Instant::now();
    let changed = copy.change(change).with_context(|| format!("row {row}"))?;
    let verdict = run::judge(copy, tests, bound)?;
    changed.restore()?;
    let verdict = verdict.allowing_hangs(change.may_hang);
    let outcome = Outcome { row: row.clone(), what: change.what.clone(), verdict, took: started.elapsed() };
    println!("{}", outcome.line());
    Ok(outcome)
}

impl Outcome {
    fn line(&self) -> String {
        format!("{:>6.1} s  {:<18} {:<60} {}", self.took.as_secs_f64(), self.row, self.what, self.verdict)
    }
}

/// The summary; an error if a change was not found.
fn report(outcomes: &[Outcome], took: Duration) -> Result<()> {
    let rows: BTreeSet<&str> = outcomes.iter().map(|o| o.row.as_str()).collect();
    let (found, missed): (Vec<_>, Vec<_>) = outcomes.iter().partition(|o| o.verdict == Verdict::Found);
    println!(
        "\nprove: {} of {} changes found, of {} rows, in {} s",
        found.len(),
        outcomes.len(),
        rows.len(),
        took.as_secs()
    );
    for outcome in &missed {
        println!("{}", outcome.line());
    }
    ensure!(missed.is_empty(), "{} changes were not found", missed.len());
    Ok(())
}
