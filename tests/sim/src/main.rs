//! Runs campaigns of many seeds on a few threads: the program behind `cargo xtask sim`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers: it has threads, a clock and a terminal"
)]

mod options;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use options::Options;
use tests_sim::campaign::Campaign;
use tests_sim::caught;
use tests_sim::failure::Failure;
use tests_sim::report::Report;
use tests_sim::shrink::shrink;

/// So many seeds must have crashed in every state; fewer may have missed one by chance.
const SEEDS_FOR_EVERY_STATE: u64 = 2_000;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::FAILURE;
        }
    };
    caught::keep_panics();
    let passed = if options.mutants { find_mutants(&options) } else { run_seeds(&options) };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs every seed until one fails. Whether none did.
fn run_seeds(options: &Options) -> bool {
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let all = Mutex::new(Report::default());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                let mut mine = Report::default();
                while !failed.load(Ordering::Relaxed) {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= options.seeds {
                        break;
                    }
                    match run_seed(options, options.seed.wrapping_add(nth)) {
                        Ok(report) => mine.absorb(&report),
                        Err(failure) => {
                            failed.store(true, Ordering::Relaxed);
                            failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                        }
                    }
                }
                all.lock().unwrap_or_else(PoisonError::into_inner).absorb(&mine);
            });
        }
    });
    let all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{all}");
    let took_s = started.elapsed().as_secs_f64();
    println!("{took_s:.1} s");
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.first().map_or_else(|| judge_all(options, &all), |failure| tell(failure, options))
}

/// Judges what all seeds went through together. Whether it is enough.
fn judge_all(options: &Options, all: &Report) -> bool {
    let missed = all.never_crashed_in();
    if !missed.is_empty() {
        let names: Vec<&str> = missed.iter().map(|state| state.text()).collect();
        let names = names.join(", ");
        if options.seeds >= SEEDS_FOR_EVERY_STATE {
            println!("FAILED: no crash came in: {names}");
            return false;
        }
        println!("no crash came in: {names}; of so few seeds none must");
    }
    println!("0 broken promises");
    true
}

fn run_seed(options: &Options, seed: u64) -> Result<Report, Box<Failure>> {
    let campaign = options.campaign(seed);
    let report = caught::run(&campaign)?;
    if options.twice {
        let again = caught::run(&campaign)?;
        if again != report {
            return Err(Failure::of_panic(&campaign, "two runs of one seed differ".to_owned()));
        }
    }
    Ok(report)
}

/// Tells of a failure, first made smaller. Always false: nothing has passed.
fn tell(failure: &Failure, options: &Options) -> bool {
    let smaller = if options.whole { None } else { shrink(failure) };
    println!("{}", smaller.as_deref().unwrap_or(failure));
    if smaller.is_some() {
        println!("made smaller from: seed {:#x}, {}", failure.campaign.seed, failure.problem.name());
    }
    let campaign = smaller.as_ref().map_or(&failure.campaign, |smaller| &smaller.campaign);
    println!("FAILED. As found:      cargo xtask sim --seeds 1 --seed {:#x} --whole", failure.campaign.seed);
    println!("        made smaller:  cargo xtask sim --seeds 1 {}", options::line(campaign));
    false
}

#[cfg(feature = "mutants")]
fn find_mutants(options: &Options) -> bool {
    tests_sim::mutation::find_all(options.jobs, options.only.as_deref(), options.mutant_seeds())
}

#[cfg(not(feature = "mutants"))]
fn find_mutants(_options: &Options) -> bool {
    println!("this build has no mutants: it needs the feature 'mutants'");
    false
}

/// The campaign of a seed, as it is or as a command line changes it.
impl Options {
    fn campaign(&self, seed: u64) -> Campaign {
        let mut campaign = Campaign::hard(seed);
        self.change(&mut campaign);
        campaign
    }
}
