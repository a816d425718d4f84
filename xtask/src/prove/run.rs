//! Builds and runs the tests of a change, and judges: only a test that ran and failed has found it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use testkit::binary::SERVER_VARIABLE;
use testkit::server::kill_descendants;

use super::copy::Copy;
use crate::proofs::places::{Place, Places};
use crate::supervise::wait_until;

/// How long a build may take: the first one builds everything.
const BUILD_BOUND: Duration = Duration::from_secs(1_800);
/// How many lines of a failed build are shown.
const SHOWN_LINES: usize = 20;

/// Names of tests by the binary that they are part of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tests(BTreeMap<Place, BTreeSet<String>>);

impl Tests {
    /// Looks for tests by their names.
    ///
    /// # Errors
    /// If there is none of a name, or more than one.
    pub(super) fn of(names: &[String], places: &Places) -> Result<Self> {
        let mut tests = Self::default();
        for name in names {
            let [place] = places.of(name) else { bail!("{} tests are named {name}", places.of(name).len()) };
            tests.0.entry(place.clone()).or_default().insert(name.clone());
        }
        Ok(tests)
    }

    /// All of them, each once.
    pub(super) fn joined<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut joined = Self::default();
        for (place, names) in all.into_iter().flat_map(|tests| &tests.0) {
            joined.0.entry(place.clone()).or_default().extend(names.iter().cloned());
        }
        joined
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }
}

/// What the tests of a change say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every test failed.
    Found,
    /// These passed.
    Survived { passed: Vec<String> },
    /// A test did not end.
    Hangs,
    /// Nothing was tested.
    NotCompiled { why: String },
    /// A test that was asked for did not run.
    NotRun { name: String },
}

impl Verdict {
    /// A test that does not end has found the change, if that was said beforehand.
    pub(super) fn allowing_hangs(self, may_hang: bool) -> Self {
        if self == Self::Hangs && may_hang { Self::Found } else { self }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found => f.write_str("found"),
            Self::Survived { passed } if passed.is_empty() => f.write_str("NOT FOUND"),
            Self::Survived { passed } => write!(f, "NOT FOUND by {}", passed.join(", ")),
            Self::Hangs => f.write_str("NOT FOUND: a test does not end"),
            Self::NotCompiled { why } => write!(f, "DOES NOT COMPILE\n{why}"),
            Self::NotRun { name } => write!(f, "DID NOT RUN {name}"),
        }
    }
}

/// Runs the tests over the copy as it is.
///
/// # Errors
/// If cargo cannot be run.
pub(super) fn judge(copy: &Copy, tests: &Tests, bound: Duration) -> Result<Verdict> {
    let mut passed = Vec::new();
    for (place, names) in &tests.0 {
        let built = run(copy, place, &["--no-run"], &[], BUILD_BOUND)?;
        if !built.is_some_and(|status| status.success()) {
            return Ok(Verdict::NotCompiled { why: errors(&fs::read_to_string(&copy.output)?) });
        }
        let filters: Vec<&str> = names.iter().map(String::as_str).collect();
        let Some(status) = run(copy, place, &[], &filters, bound)? else { return Ok(Verdict::Hangs) };
        let output = fs::read_to_string(&copy.output)?;
        for name in names {
            match of_test(&output, name, status.success()) {
                Some(Ending::Passed) => passed.push(name.clone()),
                Some(Ending::Failed) => {}
                None => return Ok(Verdict::NotRun { name: name.clone() }),
            }
        }
    }
    Ok(if passed.is_empty() { Verdict::Found } else { Verdict::Survived { passed } })
}

/// Runs `cargo test` for one binary; none if it took longer than `bound`. What it wrote is in the copy's output file.
fn run(copy: &Copy, place: &Place, options: &[&str], filters: &[&str], bound: Duration) -> Result<Option<ExitStatus>> {
    let written = File::create(&copy.output)?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&copy.tree).args(["test", "--quiet", "--locked", "-p", &place.package]).args(&place.target);
    command.args(options).arg("--target-dir").arg(&copy.target);
    command.args(["--", "--format=pretty"]).args(filters);
    // No file of the copy may be left changed, and live tests build the server of the copy.
    command.env("INSTA_UPDATE", "no").env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1").env_remove(SERVER_VARIABLE);
    command.stdin(Stdio::null()).stdout(written.try_clone()?).stderr(written);
    wait_bounded(command.spawn().context("cargo")?, bound)
}

/// Waits for the end of a command, and ends it, with all that it started, if it takes longer than `bound`.
fn wait_bounded(mut child: Child, bound: Duration) -> Result<Option<ExitStatus>> {
    let ended = wait_until(&mut child, Instant::now() + bound)?;
    if ended.is_none() {
        kill_descendants(i32::try_from(child.id())?);
        child.kill()?;
        child.wait()?;
    }
    Ok(ended)
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Passed,
    Failed,
}

/// How a test ended, by what the test binary wrote; none if it did not run.
fn of_test(output: &str, name: &str, success: bool) -> Option<Ending> {
    let is_it = |line: &&str| {
        // Not of one that "has been running for over 60 seconds".
        let test = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")).map_or("", |(test, _)| test);
        test.rsplit("::").next() == Some(name)
    };
    match output.lines().find(is_it) {
        // What the test wrote may stand between its name and its end.
        Some(line) if line.ends_with("... ok") => Some(Ending::Passed),
        Some(_) if !success => Some(Ending::Failed),
        Some(_) => None,
        // A process that died has not said which test killed it.
        None if !success && !output.contains("test result:") => Some(Ending::Failed),
        None => None,
    }
}

/// The errors among what a build wrote.
fn errors(output: &str) -> String {
    let from = output.lines().position(|line| line.starts_with("error")).unwrap_or_default();
    output.lines().skip(from).take(SHOWN_LINES).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "running 3 tests\ntest a::b::it_holds has been running for over 60 seconds\n\
                          test a::b::it_holds ... ok\ntest it_breaks ... FAILED\n\
                          test a::it_holds_too ... ok\n\ntest result: FAILED. 2 passed; 1 failed\n";

    #[test]
    fn only_a_test_that_ran_and_failed_has_found_a_change() {
        assert_eq!(of_test(OUTPUT, "it_holds", false), Some(Ending::Passed));
        assert_eq!(of_test(OUTPUT, "it_breaks", false), Some(Ending::Failed));
        assert_eq!(of_test(OUTPUT, "it_hol", false), None);
        assert_eq!(of_test("test result: ok. 0 passed\n", "it_holds", true), None);
    }

    #[test]
    fn a_test_that_kills_its_process_has_found_a_change() {
        assert_eq!(of_test("running 1 test\nprocess abort\n", "it_holds", false), Some(Ending::Failed));
        assert_eq!(of_test("running 1 test\ntest it_holds ... ", "it_holds", false), Some(Ending::Failed));
    }

    #[test]
    fn a_test_that_does_not_end_counts_only_if_it_was_said_to_hang() {
        assert_eq!(Verdict::Hangs.allowing_hangs(false), Verdict::Hangs);
        assert_eq!(Verdict::Hangs.allowing_hangs(true), Verdict::Found);
        let survived = Verdict::Survived { passed: vec!["it_holds".into()] };
        assert_eq!(survived.clone().allowing_hangs(true), survived);
    }

    #[test]
    fn a_build_that_failed_shows_its_first_error() {
        assert_eq!(errors("warning: a\nerror[E1]: b\n --> c\n"), "error[E1]: b\n --> c");
    }
}
