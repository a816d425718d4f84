//! Reads a file of docs/proofs.
//!
//! Blocks stand between empty lines. `## id` opens a row; the block after it says what holds. A change is two blocks: what
//! goes wrong and which tests fail, then the change itself as a diff of one line under the name of its file. `Also` names
//! what proves the row besides.
//!
//! ````text
//! ## F2
//!
//! A `SELECT` stands before a command of another database.
//!
//! It is left out: `a_test_that_fails`, `another_one_that_fails`.
//!
//! ```diff
//! crates/aof-buffer/src/feed.rs
//! - if self.selected == Some(db) {
//! + if true {
//! ```
//!
//! Also `one_more_test_of_it`, `cargo xtask test-crash`.
//! ````
//!
//! Where a line stands in several places, the lines before and after it, each after a space, say which is meant. `or it
//! hangs` after the tests' names counts a test that does not end as one that fails.

use anyhow::{Context as _, Result, bail, ensure};

use super::{Change, Row};

/// Lines without an empty one between them.
struct Block<'a> {
    line: usize,
    lines: Vec<&'a str>,
}

impl Block<'_> {
    /// Its lines as one.
    fn text(&self) -> String {
        self.lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }
}

/// Reads the rows of a file.
///
/// # Errors
/// If the file does not have the form above; the error names the line.
pub(crate) fn parse(text: &str) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let mut claim: Option<String> = None;
    for block in blocks(text) {
        let at = || format!("line {}", block.line);
        if let Some(id) = block.lines[0].strip_prefix("## ") {
            ensure!(claim.is_none(), "{}: the change before this row is missing", at());
            rows.push(Row { id: id.trim().to_owned(), line: block.line, ..Row::default() });
            continue;
        }
        // What stands before the first row introduces the file.
        let Some(row) = rows.last_mut() else { continue };
        if block.lines[0] == "```diff" {
            let claim = claim.take().with_context(|| format!("{}: a change of which nothing is said", at()))?;
            row.changes.push(change(&claim, &block).with_context(at)?);
        } else if let Some(list) = block.text().strip_prefix("Also ") {
            row.also.extend(quoted(list));
        } else if row.behaviour.is_empty() {
            row.behaviour = block.text();
        } else {
            ensure!(claim.is_none(), "{}: the change before this one is missing", at());
            claim = Some(block.text());
        }
    }
    ensure!(claim.is_none(), "the last change is missing");
    Ok(rows)
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut fresh = true;
    for (line, text) in (1..).zip(text.lines()) {
        match blocks.last_mut() {
            _ if text.trim().is_empty() => fresh = true,
            Some(block) if !fresh => block.lines.push(text),
            _ => {
                blocks.push(Block { line, lines: vec![text] });
                fresh = false;
            }
        }
    }
    blocks
}

/// A change from what is said of it and its diff.
fn change(claim: &str, diff: &Block<'_>) -> Result<Change> {
    let (what, tests) = claim.rsplit_once(": ").context("the tests stand after a colon")?;
    let [_, file, lines @ .., end] = &diff.lines[..] else { bail!("a change is a file and a diff") };
    ensure!(*end == "```", "the diff does not end");
    let at = lines.iter().position(|line| line.starts_with('-')).context("no line opens with -")?;
    let new = lines.get(at + 1).and_then(|line| line.strip_prefix('+')).context("the line after opens with +")?;
    Ok(Change {
        line: diff.line,
        what: what.to_owned(),
        tests: quoted(tests),
        may_hang: tests.ends_with("or it hangs."),
        file: file.trim().to_owned(),
        before: around(&lines[..at])?,
        after: around(&lines[at + 2..])?,
        old: lines[at][1..].trim().to_owned(),
        new: new.trim().to_owned(),
    })
}

/// Lines that stay as they are.
fn around(lines: &[&str]) -> Result<Vec<String>> {
    ensure!(
        lines.iter().all(|line| line.starts_with(' ')),
        "a change is of one line, and the lines around it open with a space"
    );
    Ok(lines.iter().map(|line| line.trim().to_owned()).collect())
}

/// What stands in backquotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Title\n\nWords.\n\n## F9\n\nIt holds,\nalways.\n\nIt `breaks`: `a_b`,\n`c_d`.\n\n\
                        ```diff\nsrc/a.rs\n  y\n-     if x {\n+ if !x {\n```\n\nAlso `e_f`, `cargo xtask g`.\n\n## W9\n\nMore.\n";

    #[test]
    fn rows_are_read_with_their_changes() {
        let rows = parse(FILE).unwrap();
        let change = Change {
            line: 13,
            what: "It `breaks`".into(),
            tests: vec!["a_b".into(), "c_d".into()],
            may_hang: false,
            file: "src/a.rs".into(),
            before: vec!["y".into()],
            after: Vec::new(),
            old: "if x {".into(),
            new: "if !x {".into(),
        };
        let also = vec!["e_f".into(), "cargo xtask g".into()];
        let first =
            Row { id: "F9".into(), line: 5, behaviour: "It holds, always.".into(), changes: vec![change], also };
        let second = Row { id: "W9".into(), line: 22, behaviour: "More.".into(), ..Row::default() };
        assert_eq!(rows, [first, second]);
    }

    #[test]
    fn a_test_may_be_allowed_not_to_end() {
        let rows = parse(&FILE.replace("`c_d`.", "`c_d`, or it hangs.")).unwrap();
        assert!(rows[0].changes[0].may_hang);
    }

    #[test]
    fn what_does_not_follow_the_form_is_refused_with_its_line() {
        let said = |text: &str| format!("{:#}", parse(text).unwrap_err());
        let two = "line 13: a change is of one line, and the lines around it open with a space";
        assert_eq!(said(&FILE.replace("if !x {\n", "if !x {\n+ z\n")), two);
        assert_eq!(said(&FILE.replace("+ if !x {\n", "")), "line 13: the line after opens with +");
        assert_eq!(said(&FILE.replace("+ if", "? if")), "line 13: the line after opens with +");
        assert_eq!(said(&FILE.replace("`breaks`: ", "`breaks` ")), "line 13: the tests stand after a colon");
        assert_eq!(
            said(&FILE.replace("It `breaks`: `a_b`,\n`c_d`.\n\n", "")),
            "line 10: a change of which nothing is said"
        );
        assert_eq!(said("## a\n\nb\n\nc: `d`\n"), "the last change is missing");
        assert_eq!(said("## a\n\nb\n\nc: `d`\n\n## e\n"), "line 7: the change before this row is missing");
    }
}
