//! Every row has its proof: the tests that docs/durability.md and docs/proofs name exist, every row that must be there has
//! one and a change under which it fails, and each change can still be made.
//!
//! That the tests really fail is seen by `cargo xtask prove`. Here a refactoring is noticed that moves a line from under its
//! change, or a test that was renamed or deleted. A name counts as a test's if it stands in backquotes and has at least
//! three underscores, as sentences about behaviour do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::Problem;
use super::generated::{Part, is_marker};
use crate::proofs::places::Places;
use crate::proofs::{Change, Proved, Row, read, table};

const DOCUMENT: &str = "docs/durability.md";
/// Its part PAST_BUGS names what keeps each of them away.
const TESTING: &str = "docs/testing.md";
const MUTANTS: &str = "crates/mutants/src/lib.rs";

/// What tidy finds, and the parts of the document that are made from the rows.
///
/// # Errors
/// If the document or the sources cannot be read.
pub(super) fn check_workspace(root: &Path) -> Result<(Vec<Problem>, Vec<Part>)> {
    let text = fs::read_to_string(root.join(DOCUMENT)).context(DOCUMENT)?;
    let places = Places::read(root)?;
    let mut problems = named_tests(DOCUMENT, &text, &places);
    let testing = fs::read_to_string(root.join(TESTING)).context(TESTING)?;
    let mutants = fs::read_to_string(root.join(MUTANTS)).context(MUTANTS)?;
    problems.extend(past_bugs(&testing, &places, &mutants, root));
    let proved = match read(root) {
        Ok(proved) => proved,
        Err(error) => {
            problems.push(Problem::new("docs/proofs", 0, format!("{error:#}")));
            return Ok((problems, Vec::new()));
        }
    };
    let sources = sources(root, &proved);
    for section in &proved {
        problems.extend(check_section(section, &places, &sources));
    }
    let part = |name, body| Part { file: DOCUMENT, name, body };
    Ok((problems, vec![part("promises", table::promises(&proved)), part("proofs", table::all(&proved))]))
}

/// The text of every file that a change names; a file that is missing is not there.
fn sources(root: &Path, proved: &[Proved]) -> BTreeMap<String, String> {
    let changes = proved.iter().flat_map(|section| &section.rows).flat_map(|row| &row.changes);
    changes.filter_map(|c| Some((c.file.clone(), fs::read_to_string(root.join(&c.file)).ok()?))).collect()
}

/// The tests named by hand in the document: the rows themselves are checked where they are read.
fn named_tests(at: &str, text: &str, places: &Places) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut made = false;
    for (line, text) in (1..).zip(text.lines()) {
        made = (made || is_marker(text, "begin")) && !is_marker(text, "end");
        if made {
            continue;
        }
        for name in text.split('`').skip(1).step_by(2).filter(|word| is_test_name(word)) {
            if places.of(name).is_empty() {
                problems.push(Problem::new(at, line, format!("no test is named {name}")));
            }
        }
    }
    problems
}

/// What the tables of bugs name: tests, planted bugs in italics, and inputs of fuzz targets.
fn past_bugs(text: &str, places: &Places, mutants: &str, root: &Path) -> Vec<Problem> {
    let from = text.lines().position(|line| line == "## PAST_BUGS").unwrap_or_default();
    let lines = (1..).zip(text.lines()).skip(from);
    let tables = lines.take_while(|(line, text)| *line == from + 1 || !text.starts_with("## "));
    let rows: Vec<(usize, &str)> = tables.filter(|(_, text)| text.starts_with('|')).collect();
    let mut problems = Vec::new();
    let mut problem = |line, what: String| problems.push(Problem::new(TESTING, line, what));
    if from == 0 || rows.is_empty() {
        problem(0, "there are no tables under PAST_BUGS".to_owned());
    }
    for (line, text) in rows {
        for found in named_tests(TESTING, text, places) {
            problem(line, found.what);
        }
        let planted = text.split('*').skip(1).step_by(2);
        for name in planted.filter(|name| !mutants.contains(*name)) {
            problem(line, format!("no planted bug is named {name}"));
        }
        let inputs = text.split([' ', ',', '|']).filter(|word| word.starts_with("fuzz/corpus/"));
        for input in inputs.filter(|input| !root.join(input).exists()) {
            problem(line, format!("{input} is missing"));
        }
    }
    problems
}

fn is_test_name(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && word.bytes().filter(|b| *b == b'_').count() >= 3
}

/// The rows of one file against the list of those that must be there.
fn check_section(proved: &Proved, places: &Places, sources: &BTreeMap<String, String>) -> Vec<Problem> {
    let at = Proved::path(&proved.section).display().to_string();
    let mut problems = Vec::new();
    let missing = proved.section.ids.iter().filter(|id| !proved.rows.iter().any(|row| row.id == **id));
    problems.extend(missing.map(|id| Problem::new(&at, 0, format!("row {id} has no proof"))));
    let mut wanted = proved.section.ids.iter();
    for row in &proved.rows {
        if !wanted.any(|id| *id == row.id) {
            let what = format!("row {} is unknown, stands twice or out of order", row.id);
            problems.push(Problem::new(&at, row.line, what));
        }
        problems.extend(check_row(row, places).into_iter().map(|(line, what)| Problem::new(&at, line, what)));
        for change in &row.changes {
            let wrong = check_change(change, sources.get(&change.file).map(String::as_str));
            problems.extend(wrong.map(|what| Problem::new(&at, change.line, what)));
        }
    }
    problems
}

/// A row says what holds, and each of its changes names tests that exist once.
fn check_row(row: &Row, places: &Places) -> Vec<(usize, String)> {
    let mut wrong = Vec::new();
    if row.behaviour.is_empty() {
        wrong.push((row.line, format!("row {} does not say what holds", row.id)));
    }
    if row.changes.is_empty() {
        wrong.push((row.line, format!("row {} has no change under which a test fails", row.id)));
    }
    for change in &row.changes {
        if change.tests.is_empty() {
            wrong.push((change.line, "no test is named that fails under this change".to_owned()));
        }
        for name in &change.tests {
            match places.of(name) {
                [_] => {}
                [] => wrong.push((change.line, format!("no test is named {name}"))),
                _ => wrong.push((change.line, format!("several tests are named {name}"))),
            }
        }
    }
    let others = row.also.iter().filter(|name| !name.contains(' ') && places.of(name).is_empty());
    wrong.extend(others.map(|name| (row.line, format!("no test is named {name}"))));
    wrong
}

/// Why a change cannot be made, if it cannot.
fn check_change(change: &Change, source: Option<&str>) -> Option<String> {
    let Some(source) = source else { return Some(format!("{} is missing", change.file)) };
    if change.old.is_empty() || change.old == change.new {
        return Some("the change changes nothing".to_owned());
    }
    if !change.file.contains("/src/") {
        return Some(format!("{} is not part of the server", change.file));
    }
    if change.made_in(source).is_none() {
        return Some(format!("`{}` fits in no place of {}, or in several", change.old, change.file));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proofs::rows::Section;

    const SECTION: Section = Section { file: "a.md", title: "A", ids: &["A1", "A2"] };

    fn places() -> Places {
        let mut places = Places::default();
        let text = "#[test]\nfn what_was_acked_is_there() {}\n";
        places.add(Path::new("crates/a/src/lib.rs"), text, |_| true);
        places
    }

    fn row(id: &str) -> Row {
        let change = Change {
            line: 2,
            what: "It breaks".into(),
            tests: vec!["what_was_acked_is_there".into()],
            file: "crates/a/src/lib.rs".into(),
            old: "x < y".into(),
            new: "x <= y".into(),
            ..Change::default()
        };
        Row { id: id.into(), line: 1, behaviour: "It holds.".into(), changes: vec![change], also: Vec::new() }
    }

    fn said(rows: Vec<Row>) -> Vec<String> {
        let sources = BTreeMap::from([("crates/a/src/lib.rs".to_owned(), "if x < y {}".to_owned())]);
        let problems = check_section(&Proved { section: SECTION, rows }, &places(), &sources);
        problems.into_iter().map(|p| format!("{}:{} {}", p.at, p.line, p.what)).collect()
    }

    fn said_of(change: impl FnOnce(&mut Row)) -> Vec<String> {
        let mut first = row("A1");
        change(&mut first);
        said(vec![first, row("A2")])
    }

    #[test]
    fn rows_that_have_their_proof_are_tidy() {
        assert_eq!(said_of(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn a_row_without_a_proof_is_found_whether_it_is_missing_or_empty() {
        assert_eq!(said(vec![row("A1")]), ["docs/proofs/a.md:0 row A2 has no proof"]);
        let empty = said_of(|row| row.changes.clear());
        assert_eq!(empty, ["docs/proofs/a.md:1 row A1 has no change under which a test fails"]);
        let silent = said_of(|row| row.behaviour.clear());
        assert_eq!(silent, ["docs/proofs/a.md:1 row A1 does not say what holds"]);
        let untested = said_of(|row| row.changes[0].tests.clear());
        assert_eq!(untested, ["docs/proofs/a.md:2 no test is named that fails under this change"]);
    }

    #[test]
    fn a_row_that_nobody_asked_for_is_found() {
        let found = said(vec![row("A1"), row("A2"), row("A2")]);
        assert_eq!(found, ["docs/proofs/a.md:1 row A2 is unknown, stands twice or out of order"]);
    }

    #[test]
    fn a_test_that_does_not_exist_is_found() {
        let gone = said_of(|row| row.changes[0].tests[0] = "what_is_gone_is_missed".into());
        assert_eq!(gone, ["docs/proofs/a.md:2 no test is named what_is_gone_is_missed"]);
        let also = said_of(|row| row.also = vec!["cargo xtask x".into(), "nor_is_this_one".into()]);
        assert_eq!(also, ["docs/proofs/a.md:1 no test is named nor_is_this_one"]);
    }

    #[test]
    fn a_change_that_cannot_be_made_any_more_is_found() {
        let moved = said_of(|row| row.changes[0].old = "x > y".into());
        assert_eq!(moved, ["docs/proofs/a.md:2 `x > y` fits in no place of crates/a/src/lib.rs, or in several"]);
        let same = said_of(|row| row.changes[0].new = "x < y".into());
        assert_eq!(same, ["docs/proofs/a.md:2 the change changes nothing"]);
        let gone = said_of(|row| row.changes[0].file = "crates/a/src/b.rs".into());
        assert_eq!(gone, ["docs/proofs/a.md:2 crates/a/src/b.rs is missing"]);
    }

    #[test]
    fn a_test_that_the_document_names_and_does_not_exist_is_found_with_its_line() {
        let made = "<!-- x:begin -->\n`aof_last_cow_size`\n<!-- x:end -->\n";
        let text = "| a row | `what_was_acked_is_there`, `aof_state` |\n| another | `what_is_gone_is_missed` |";
        assert_eq!(named_tests(DOCUMENT, made, &places()), []);
        let problems = named_tests(DOCUMENT, text, &places());
        assert_eq!(problems, [Problem::new(DOCUMENT, 2, "no test is named what_is_gone_is_missed")]);
    }
    #[test]
    fn what_the_tables_of_bugs_name_and_is_not_there_is_found() {
        let table = "# T\n## PAST_BUGS\n| x | `what_was_acked_is_there`, *Real*, fuzz/corpus |\n| y | `what_is_gone_is_missed`, *Gone*, fuzz/corpus/no |\n## Z\n| `not_a_test_of_these` |";
        let problems = past_bugs(table, &places(), "Real", Path::new("/nowhere"));
        let said: Vec<String> = problems.into_iter().map(|p| format!("{} {}", p.line, p.what)).collect();
        assert_eq!(
            said,
            [
                "4 no test is named what_is_gone_is_missed",
                "4 no planted bug is named Gone",
                "4 fuzz/corpus/no is missing"
            ]
        );
        assert_eq!(past_bugs("# T", &places(), "", Path::new("/nowhere")).len(), 1);
    }
}
