//! What proves the behaviour of the append-only file: for each row the tests, and a change of one line under which they fail.
//!
//! docs/proofs holds the rows as people read and write them, `parse.rs` reads them, and `rows.rs` says which there must be.
//! `places.rs` finds the tests by their names, `table.rs` makes the tables of docs/durability.md. Tidy checks what can be
//! checked without running anything; `cargo xtask prove` makes each change in a copy and sees the tests fail.

pub(crate) mod parse;
pub(crate) mod places;
pub(crate) mod rows;
pub(crate) mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use self::rows::Section;

/// A behaviour and its proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// Where it stands in its file, from 1.
    pub(crate) line: usize,
    pub(crate) behaviour: String,
    pub(crate) changes: Vec<Change>,
    /// Tests and commands that prove it as well, without a change of their own.
    pub(crate) also: Vec<String>,
}

/// A change of one line, and the tests that must fail under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) line: usize,
    /// What is wrong after it, in words.
    pub(crate) what: String,
    pub(crate) tests: Vec<String>,
    /// A test that does not end has found it, too.
    pub(crate) may_hang: bool,
    pub(crate) file: String,
    /// The lines directly before and after it, where the line alone would not say which is meant.
    pub(crate) before: Vec<String>,
    pub(crate) after: Vec<String>,
    /// What stands in the line, once.
    pub(crate) old: String,
    pub(crate) new: String,
}

impl Change {
    /// The file's text with the change made; none if it does not fit in exactly one place.
    pub(crate) fn made_in(&self, text: &str) -> Option<String> {
        let lines: Vec<&str> = text.split('\n').collect();
        let mut places = (0..lines.len()).filter(|&at| self.fits(&lines, at));
        let (at, None) = (places.next()?, places.next()) else { return None };
        let changed = lines[at].replacen(&self.old, &self.new, 1);
        let (before, after) = (&lines[..at], &lines[at + 1..]);
        Some([before, &[changed.as_str()], after].concat().join("\n"))
    }

    fn fits(&self, lines: &[&str], at: usize) -> bool {
        let first = at.checked_sub(self.before.len());
        let same = |wanted: &[String], found: Option<&[&str]>| {
            found.is_some_and(|found| wanted.iter().zip(found).all(|(wanted, found)| wanted == found.trim()))
        };
        lines[at].matches(&self.old).count() == 1
            && same(&self.before, first.map(|first| &lines[first..at]))
            && same(&self.after, lines.get(at + 1..at + 1 + self.after.len()))
    }
}

/// A section with the rows that its file holds.
#[derive(Clone, Debug)]
pub(crate) struct Proved {
    pub(crate) section: Section,
    pub(crate) rows: Vec<Row>,
}

impl Proved {
    pub(crate) fn path(section: &Section) -> PathBuf {
        Path::new(rows::FOLDER).join(section.file)
    }
}

/// Reads docs/proofs.
///
/// # Errors
/// If a file is missing or does not have the form that `parse.rs` states; the error names file and line.
pub(crate) fn read(root: &Path) -> Result<Vec<Proved>> {
    let read_one = |section: &Section| {
        let path = Proved::path(section);
        let text = fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
        let rows = parse::parse(&text).with_context(|| path.display().to_string())?;
        Ok(Proved { section: *section, rows })
    };
    rows::SECTIONS.iter().map(read_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_made_where_its_old_text_stands_and_only_if_that_is_one_place() {
        let change = Change { old: "a < b".into(), new: "a <= b".into(), ..Change::default() };
        assert_eq!(change.made_in("x\n  if a < b {}\ny").as_deref(), Some("x\n  if a <= b {}\ny"));
        assert_eq!(change.made_in("if a > b {}"), None);
        assert_eq!(change.made_in("a < b; a < b"), None);
        assert_eq!(change.made_in("a < b\na < b"), None);
    }

    #[test]
    fn lines_around_it_say_which_of_several_places_is_meant() {
        let change = Change { before: vec!["y".into()], old: "a".into(), new: "b".into(), ..Change::default() };
        assert_eq!(change.made_in("x\na\n  y\na\n").as_deref(), Some("x\na\n  y\nb\n"));
        let change = Change { after: vec!["z".into(), "}".into()], before: Vec::new(), ..change };
        assert_eq!(change.made_in("a\ny\na\nz\n}").as_deref(), Some("a\ny\nb\nz\n}"));
        assert_eq!(change.made_in("a\nz"), None);
    }
}
