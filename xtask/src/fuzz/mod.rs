//! `cargo xtask fuzz`: libFuzzer over the targets of `fuzz/`, built with the stable compiler.
//!
//! A search by time begins with the inputs of the repository and keeps none of its own. A search by number is a part of a long run:
//! it goes on from what the parts before have found, and both what it finds and a line on what it was are kept. `programs.rs` builds,
//! through `compiler.rs`, `search.rs` runs libFuzzer over one target and reads what it says, `parts.rs` keeps the record of a long run.

mod compiler;
mod parts;
mod programs;
mod search;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

use crate::parallel;
use crate::sim::commit;
use crate::suite::require_program;
pub(crate) use compiler::become_compiler;
use parts::{Part, Record};
use programs::{build, place, targets};
use search::{Search, Searched, Until, run_again};

/// How many inputs a long run has of each target.
const LONG_INPUTS: u64 = 10_000_000;

/// What is asked for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How long all targets together search.
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
    /// One target, with all of the time. Unless given, every one.
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// What is missing of ten million inputs of each target, from what earlier parts have found.
    #[arg(long)]
    pub(crate) long: bool,
    /// So many inputs of each target, from what earlier parts have found; with --long, no more than are missing.
    #[arg(long)]
    pub(crate) inputs: Option<u64>,
    /// How many programs run side by side: of different targets, and of one if there are fewer.
    #[arg(long, default_value_t = 1)]
    pub(crate) jobs: usize,
    /// Where a long run keeps the inputs that it has found, and the record of its parts; `target/fuzz` unless given.
    #[arg(long)]
    pub(crate) keep: Option<PathBuf>,
    /// Runs a target with this input alone.
    #[arg(long, requires = "target")]
    pub(crate) input: Option<PathBuf>,
    /// What libFuzzer draws from; it prints one otherwise.
    #[arg(long)]
    pub(crate) seed: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seconds: 60, target: None, long: false, inputs: None, jobs: 1, keep: None, input: None, seed: None }
    }
}

impl Options {
    /// Whether this is a part of a long run.
    fn is_part(&self) -> bool {
        self.long || self.inputs.is_some()
    }

    /// How many inputs a target is to have, of which earlier parts had `done`.
    fn wanted_inputs(&self, done: u64) -> u64 {
        let missing = if self.long { LONG_INPUTS.saturating_sub(done) } else { u64::MAX };
        missing.min(self.inputs.unwrap_or(LONG_INPUTS))
    }
}

/// Fuzzes.
///
/// # Errors
/// If a tool is missing, the programs do not build, or an input broke something in any target; all are run before.
pub(crate) fn run(options: &Options) -> Result<()> {
    require_program("c++").context("libFuzzer is C++")?;
    let targets = targets(options.target.as_deref())?;
    let programs = build(&targets)?;
    if let Some(input) = &options.input {
        return run_again(&programs.join(&targets[0]), input);
    }
    let record = Mutex::new(Record::open(options.keep.clone().unwrap_or_else(place))?);
    let searches = searches(options, &targets, &record.lock().unwrap_or_else(PoisonError::into_inner))?;
    parts::print_head();
    let commit = commit();
    let searched = parallel::map(options.jobs, &searches, |search| {
        let searched = run_one(&programs, search, options)?;
        let part = Part::of(&search.target, &commit, &searched);
        println!("{part}");
        if options.is_part() {
            record.lock().unwrap_or_else(PoisonError::into_inner).add(part)?;
        }
        Ok(searched.found.map(|found| {
            println!("{found}");
            search.target.clone()
        }))
    });
    let broken = searched.into_iter().collect::<Result<Vec<_>>>()?;
    if options.is_part() {
        record.into_inner().unwrap_or_else(PoisonError::into_inner).print_totals(&targets, LONG_INPUTS);
    }
    let broken: Vec<String> = broken.into_iter().flatten().collect();
    ensure!(broken.is_empty(), "found inputs that break something: {}", broken.join(", "));
    Ok(())
}

/// What is to be run: each target once, or as often as there are jobs for it.
fn searches(options: &Options, targets: &[String], record: &Record) -> Result<Vec<Search>> {
    let shares = if options.is_part() { (options.jobs / targets.len()).max(1) as u64 } else { 1 };
    let mut searches = Vec::new();
    for target in targets {
        let wanted = options.wanted_inputs(record.inputs_of(target));
        if options.is_part() && wanted == 0 {
            println!("{target}: the parts so far had its {LONG_INPUTS} inputs");
            continue;
        }
        let corpus = options.is_part().then(|| record.corpus(target)).transpose()?;
        for share in 0..shares {
            let until = match options.is_part() {
                true => Until::Inputs(wanted.div_ceil(shares)),
                false => Until::Seconds((options.seconds / targets.len() as u64).max(1)),
            };
            let seed = options.seed.map(|seed| seed.wrapping_add(u32::try_from(share).unwrap_or_default()));
            searches.push(Search { target: target.clone(), share, until, corpus: corpus.clone(), seed });
        }
    }
    Ok(searches)
}

/// Runs a search, in a directory that goes when nothing of it is kept.
fn run_one(programs: &Path, search: &Search, options: &Options) -> Result<Searched> {
    fs::create_dir_all(place()).context("target/fuzz")?;
    let scratch = tempfile::tempdir_in(place()).context("target/fuzz")?;
    let corpus = search.corpus.as_deref().filter(|_| options.is_part()).unwrap_or_else(|| scratch.path());
    search.run(programs, corpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_asks_for_what_is_missing_and_a_part_of_it_for_no_more() {
        let long = Options { long: true, ..Options::default() };
        assert_eq!(long.wanted_inputs(0), LONG_INPUTS);
        assert_eq!(long.wanted_inputs(LONG_INPUTS - 5), 5);
        assert_eq!(long.wanted_inputs(LONG_INPUTS + 5), 0);
        let part = Options { inputs: Some(1_000), ..long };
        assert_eq!(part.wanted_inputs(0), 1_000);
        assert_eq!(part.wanted_inputs(LONG_INPUTS - 5), 5);
        assert_eq!(Options { long: false, ..part }.wanted_inputs(LONG_INPUTS), 1_000);
    }
}
