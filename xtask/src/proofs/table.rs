//! The tables of docs/durability.md, made from docs/proofs: the promises with what proves each, and every row.

use std::fmt::Write as _;

use super::rows::PROMISES;
use super::{Change, Proved, Row};

/// The policies and what each promises: the rows' ids are these with `-kill` and `-power`.
const POLICIES: [&str; 3] = ["always", "everysec", "no"];

/// The table of policies and events. Each cell is a promise and the tests that prove it.
pub(crate) fn promises(proved: &[Proved]) -> String {
    let rows = proved.iter().filter(|p| p.section.file == PROMISES.file).flat_map(|p| &p.rows);
    let rows: Vec<&Row> = rows.collect();
    let cell = |policy: &str, event: &str| {
        let id = format!("{policy}-{event}");
        rows.iter().find(|row| row.id == id).map_or_else(String::new, |row| {
            format!("{}<br>proved by {}", row.behaviour.trim_end_matches('.'), tests(row).join(", "))
        })
    };
    let mut text = "| policy | the process is killed (kill -9) | power is lost |\n| --- | --- | --- |\n".to_owned();
    for policy in POLICIES {
        line(&mut text, &[format!("`{policy}`"), cell(policy, "kill"), cell(policy, "power")]);
    }
    text
}

/// Every row with its tests and the changes under which they fail.
pub(crate) fn all(proved: &[Proved]) -> String {
    let mut text = String::new();
    for Proved { section, rows } in proved {
        writeln!(text, "\n### {}\n", section.title).expect(INFALLIBLE);
        text.push_str("| row | what holds | proved by | which fails when |\n| --- | --- | --- | --- |\n");
        for row in rows {
            let changes: Vec<String> = row.changes.iter().map(said).collect();
            let cells = [row.id.clone(), row.behaviour.clone(), tests(row).join(", "), changes.join("<br>")];
            line(&mut text, &cells);
        }
    }
    text.push('\n');
    text
}

const INFALLIBLE: &str = "writing to a String cannot fail";

/// All that proves a row, each once.
fn tests(row: &Row) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in row.changes.iter().flat_map(|change| &change.tests).chain(&row.also) {
        let name = format!("`{name}`");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A change as one line: in words, then as it is made.
fn said(change: &Change) -> String {
    let what = lower_first(&change.what);
    match change.new.as_str() {
        "" => format!("{what}: {} without `{}`", change.file, change.old),
        new => format!("{what}: {} with `{new}` for `{}`", change.file, change.old),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    // A word in capitals is a name and stays one.
    let is_name = text.split(' ').next().is_some_and(|word| word.len() > 1 && word == word.to_uppercase());
    match chars.next() {
        Some(first) if !is_name => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

fn line(text: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    writeln!(text, "| {} |", cells.join(" | ")).expect(INFALLIBLE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proofs::rows::SECTIONS;

    fn row(id: &str) -> Row {
        let change = Change {
            what: "It is left out".into(),
            tests: vec!["a_b".into(), "c_d".into()],
            file: "src/a.rs".into(),
            old: "a || b".into(),
            new: "a".into(),
            ..Change::default()
        };
        let also = vec!["c_d".into(), "cargo xtask x".into()];
        Row { id: id.into(), behaviour: "It holds.".into(), changes: vec![change], also, ..Row::default() }
    }

    #[test]
    fn a_row_shows_its_tests_once_and_its_change_in_words_and_as_it_is_made() {
        let text = all(&[Proved { section: SECTIONS[1], rows: vec![row("F1")] }]);
        assert_eq!(
            text.trim_end().lines().last().unwrap_or_default(),
            "| F1 | It holds. | `a_b`, `c_d`, `cargo xtask x` | it is left out: src/a.rs with `a` for `a \\|\\| b` |"
        );
        assert!(text.starts_with("\n### Feeding\n\n| row |"));
    }

    #[test]
    fn a_line_taken_out_is_named_alone() {
        let change = Change { what: "SELECT is left out".into(), new: String::new(), ..row("x").changes[0].clone() };
        assert_eq!(said(&change), "SELECT is left out: src/a.rs without `a || b`");
    }

    #[test]
    fn each_promise_names_its_tests() {
        let rows = PROMISES.ids.iter().map(|id| row(id)).collect();
        let text = promises(&[Proved { section: PROMISES, rows }]);
        let cell = "It holds<br>proved by `a_b`, `c_d`, `cargo xtask x`";
        assert_eq!(text.lines().last().unwrap_or_default(), format!("| `no` | {cell} | {cell} |"));
        assert_eq!(text.lines().count(), 5);
    }
}
