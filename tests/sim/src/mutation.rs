//! Looks for each planted bug: seeds are run with it until one fails. A bug that is not found is a weakness of the simulation.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use mutants::{Mutant, plant};

use crate::campaign::Campaign;
use crate::caught;

/// How a bug was found.
struct Found {
    seeds: u64,
    problem: &'static str,
}

/// The first seed of `most` that fails with this bug.
fn find(mutant: Mutant, most: u64) -> Option<Found> {
    plant(Some(mutant));
    let found = (0..most).find_map(|seed| {
        let failure = caught::run(&Campaign { record: true, ..Campaign::hard(seed) }).err()?;
        Some(Found { seeds: seed + 1, problem: failure.problem.name() })
    });
    plant(None);
    found
}

/// Looks for every bug, or the one of this name, and prints how many seeds each took. Whether all were found.
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a part of the program")]
pub fn find_all(jobs: usize, only: Option<&str>, most: u64) -> bool {
    let wanted: Vec<Mutant> =
        Mutant::ALL.iter().copied().filter(|mutant| only.is_none_or(|name| name == mutant.name())).collect();
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(0_usize));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(&mutant) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = find(mutant, most);
                    let mut missed = missed.lock().unwrap_or_else(PoisonError::into_inner);
                    match found {
                        Some(Found { seeds, problem }) => {
                            println!("{seeds:>6} seeds  {:<24} {problem:<16} {}", mutant.name(), mutant.text());
                        }
                        None => {
                            *missed += 1;
                            println!("NOT FOUND in {most} seeds: {}: {}", mutant.name(), mutant.text());
                        }
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{} of {} mutants found", wanted.len() - missed, wanted.len());
    missed == 0 && !wanted.is_empty()
}
