//! Looks for each planted bug: seeds are run with it until one fails by one of the signs that the bug must show itself by. A bug that is not found is
//! a weakness of the simulation; so is one that only something else gives away.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use mutants::{Mutant, plant};

use crate::campaign::Campaign;
use crate::caught;

/// How a bug was found.
#[derive(Debug, Default)]
struct Found {
    seeds: u64,
    /// By what; `None` if it was not.
    problem: Option<&'static str>,
    /// What else failed before, which does not count.
    others: BTreeSet<&'static str>,
}

/// Runs seeds, at most `most`, until one fails with this bug as it must.
fn find(mutant: Mutant, most: u64) -> Found {
    plant(Some(mutant));
    let mut found = Found::default();
    while found.problem.is_none() && found.seeds < most {
        let campaign = Campaign::hard(found.seeds);
        found.seeds += 1;
        let Err(failure) = caught::run(&campaign) else { continue };
        let name = failure.problem.name();
        if failure.problem.sign().is_some_and(|sign| mutant.signs().contains(&sign)) {
            found.problem = Some(name);
        } else {
            found.others.insert(name);
        }
    }
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
                    let Found { seeds, problem, others } = found;
                    let others = Vec::from_iter(others).join(", ");
                    if let Some(problem) = problem {
                        println!("{seeds:>6} seeds  {:<24} {problem:<18} {}", mutant.name(), mutant.text());
                    } else {
                        *missed += 1;
                        println!("NOT FOUND in {most} seeds: {}: {}", mutant.name(), mutant.text());
                    }
                    if !others.is_empty() {
                        println!("              before that, and not counted: {others}");
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{} of {} mutants found", wanted.len() - missed, wanted.len());
    missed == 0 && !wanted.is_empty()
}
