//! The tests that docs/durability.md names exist: a promise whose test was renamed or deleted is noticed.
//!
//! A name counts as a test's if it stands in backquotes and has at least three underscores, as sentences about behaviour do.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::Problem;

const PROMISES: &str = "docs/durability.md";

/// Checks the names in the document against the sources of the workspace.
pub(super) fn check_workspace(root: &Path) -> Result<Vec<Problem>> {
    let text = fs::read_to_string(root.join(PROMISES)).context(PROMISES)?;
    let mut sources = String::new();
    for folder in ["crates", "tests"] {
        gather(&root.join(folder), &mut sources)?;
    }
    Ok(check(&text, &sources))
}

/// The names in `text` that no function of `sources` has.
fn check(text: &str, sources: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (i, line) in text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2).filter(|word| is_test_name(word)) {
            if !sources.contains(&format!("fn {name}(")) {
                problems.push(Problem::new(PROMISES, i + 1, format!("no test is named {name}")));
            }
        }
    }
    problems
}

fn is_test_name(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && word.bytes().filter(|b| *b == b'_').count() >= 3
}

fn gather(folder: &Path, sources: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "corpus" && name != "target") {
                gather(&path, sources)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            sources.push_str(&fs::read_to_string(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_named_and_does_not_exist_is_found_with_its_line() {
        let text = "| a row | `what_was_acked_is_there`, `aof_state` |\n| another | `what_is_gone_is_missed` |";
        let problems = check(text, "fn what_was_acked_is_there() {}");
        assert_eq!(problems, [Problem::new(PROMISES, 2, "no test is named what_is_gone_is_missed")]);
    }
}
