//! How many tests a script ran, as its runner says at the end. A test that was skipped is a failure, as is a script without
//! tests: either would be a check that silently does not run.

use anyhow::{Context as _, Result, ensure};

/// Reads the end of what Python's unittest writes.
///
/// # Errors
/// If nothing ran, or something was skipped.
pub(super) fn of_unittest(output: &str) -> Result<usize> {
    let number = |line: &str| line.strip_prefix("Ran ")?.split(' ').next()?.parse().ok();
    let run = output.lines().rev().find_map(number).context("no line says how many tests ran")?;
    let skipped = output.lines().rev().find(|line| line.starts_with("OK (") && line.contains("skipped="));
    judge(run, skipped.is_some())
}

/// Reads the end of what node --test writes as TAP.
///
/// # Errors
/// If nothing ran, or something was skipped.
pub(super) fn of_tap(output: &str) -> Result<usize> {
    let number = |field: &str| {
        let line = output.lines().rev().find_map(|line| line.strip_prefix("# ")?.strip_prefix(field));
        line.and_then(|rest| rest.trim().parse().ok())
    };
    let run = number("tests ").context("no line says how many tests ran")?;
    judge(run, ["skipped ", "todo ", "cancelled "].iter().any(|field| number(field) != Some(0)))
}

fn judge(run: usize, left_out: bool) -> Result<usize> {
    ensure!(run > 0, "no test ran");
    ensure!(!left_out, "a test was skipped");
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(result: Result<usize>) -> String {
        result.map_or_else(|error| error.to_string(), |run| run.to_string())
    }

    #[test]
    fn unittest_says_how_many_tests_it_ran() {
        assert_eq!(said(of_unittest("...\n---\nRan 31 tests in 2.1s\n\nOK\n")), "31");
        assert_eq!(said(of_unittest("\nRan 1 test in 0.1s\n\nOK\n")), "1");
        assert_eq!(said(of_unittest("\nRan 0 tests in 0.0s\n\nOK\n")), "no test ran");
        assert_eq!(said(of_unittest("..s\nRan 3 tests in 0.1s\n\nOK (skipped=1)\n")), "a test was skipped");
        assert_eq!(said(of_unittest("Traceback\n")), "no line says how many tests ran");
    }

    #[test]
    fn node_says_how_many_tests_it_ran() {
        let ended = |tests: u8, skipped: u8| {
            format!("1..2\n# tests {tests}\n# pass 2\n# fail 0\n# cancelled 0\n# skipped {skipped}\n# todo 0\n")
        };
        assert_eq!(said(of_tap(&ended(16, 0))), "16");
        assert_eq!(said(of_tap(&ended(0, 0))), "no test ran");
        assert_eq!(said(of_tap(&ended(2, 1))), "a test was skipped");
        assert_eq!(said(of_tap("TAP version 13\n")), "no line says how many tests ran");
    }
}
