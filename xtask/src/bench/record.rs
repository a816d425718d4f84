//! What a run found: tables for the terminal, and with `--record` a dated pair of files under `benches/records`.
//!
//! A record is never changed; a later one stands beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value as Json, json};

use super::Options;
use super::machine::Machine;
use super::subject::Subject;

/// Where records stand, in the sources.
const RECORDS: &str = "benches/records";

/// A table of texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) heading: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(heading: impl IntoIterator<Item = String>) -> Self {
        Self { heading: heading.into_iter().collect(), rows: Vec::new() }
    }

    /// As Markdown, which is also what the terminal shows: numbers to the right, padded.
    pub(crate) fn markdown(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.heading]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..self.heading.len()).map(width).collect();
        let mut text = line(&self.heading, &widths);
        let rules: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| if column == 0 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) })
            .collect();
        text += &line(&rules, &widths);
        for row in &self.rows {
            text += &line(row, &widths);
        }
        text
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::from("|");
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let padding = " ".repeat(width - cell.chars().count());
        let (before, after) = if column == 0 { ("", padding.as_str()) } else { (padding.as_str(), "") };
        write!(text, " {before}{cell}{after} |").expect("writing to a String cannot fail");
    }
    text + "\n"
}

/// What one part of a run found.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// Its name in JSON.
    pub(crate) key: &'static str,
    /// Sentences before the table.
    pub(crate) notes: Vec<String>,
    pub(crate) table: Table,
    /// Everything measured.
    pub(crate) json: Json,
}

impl Section {
    fn markdown(&self) -> String {
        format!("## {}\n\n{}\n\n{}", self.title, self.notes.join("\n\n"), self.table.markdown())
    }
}

/// Shows a part's result on the terminal.
pub(crate) fn show(section: &Section) {
    println!("\n{}", section.markdown());
}

/// Everything that a run found, as JSON.
pub(crate) fn json(options: &Options, subjects: &[Subject], sections: &[Section]) -> Json {
    let servers: Vec<Json> =
        subjects.iter().map(|s| json!({ "name": s.name, "version": s.version, "directives": s.settings() })).collect();
    let found: serde_json::Map<String, Json> =
        sections.iter().map(|section| (section.key.to_owned(), section.json.clone())).collect();
    json!({
        "machine": Machine::look().json(), "servers": servers, "settings": options.settings(), "found": found,
    })
}

/// Writes the record; returns the names of its files.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write(options: &Options, what: &str, subjects: &[Subject], sections: &[Section]) -> Result<[String; 2]> {
    let machine = Machine::look();
    let folder = testkit::binary::workspace_root().join(RECORDS);
    fs::create_dir_all(&folder).context(RECORDS)?;
    let stem = free_stem(&folder, &format!("{}-{what}", machine.date));
    let markdown = markdown(options, &machine, subjects, sections);
    let json = serde_json::to_string_pretty(&json(options, subjects, sections))? + "\n";
    let names = [format!("{stem}.md"), format!("{stem}.json")];
    for (name, text) in names.iter().zip([markdown, json]) {
        let path: PathBuf = folder.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(names.map(|name| format!("{RECORDS}/{name}")))
}

/// `wanted`, or with the first number behind it under which no record stands.
fn free_stem(folder: &Path, wanted: &str) -> String {
    let numbered = (2..).map(|n| format!("{wanted}-{n}"));
    let free = |stem: &String| ["md", "json"].iter().all(|kind| !folder.join(format!("{stem}.{kind}")).exists());
    std::iter::once(wanted.to_owned()).chain(numbered).find(free).expect("numbers have no end")
}

fn markdown(options: &Options, machine: &Machine, subjects: &[Subject], sections: &[Section]) -> String {
    let mut facts = Table::new(["", ""].map(str::to_owned));
    let mut fact = |name: &str, value: String| facts.rows.push(vec![name.to_owned(), value]);
    fact("date", machine.date.clone());
    fact("commit", machine.commit.clone());
    fact("machine", format!("{}, {} cores, {} GiB", machine.processor, machine.cores, machine.memory_gib));
    fact("kernel", machine.kernel.clone());
    fact("compiler", machine.rustc.clone());
    fact("driver", machine.redis_benchmark.clone());
    for subject in subjects {
        let own = if subject.directives.is_empty() { String::new() } else { format!(", {}", subject.settings()) };
        fact(&subject.name, format!("{}{own}", subject.version));
    }
    for (name, value) in options.settings().as_object().into_iter().flatten() {
        fact(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let mut text = format!("# Benchmark record of {}\n\n", machine.date);
    text += "Made by `cargo xtask bench --record`; docs/benchmarks.md says what the figures mean.\n\n";
    text += &facts.markdown();
    for section in sections {
        text += "\n";
        text += &section.markdown();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second record of one day and word took the place of the first.
    #[test]
    fn a_later_record_of_the_same_day_stands_beside_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let next = || free_stem(folder.path(), "2026-11-26-servers");
        assert_eq!(next(), "2026-11-26-servers");
        fs::write(folder.path().join("2026-11-26-servers.json"), "").unwrap();
        assert_eq!(next(), "2026-11-26-servers-2");
        fs::write(folder.path().join("2026-11-26-servers-2.md"), "").unwrap();
        assert_eq!(next(), "2026-11-26-servers-3");
    }

    #[test]
    fn a_table_is_aligned_by_characters_not_bytes() {
        let mut table = Table::new(["test", "µs"].map(str::to_owned));
        table.rows.push(["GET", "1.25"].map(str::to_owned).to_vec());
        assert_eq!(table.markdown(), "| test |   µs |\n| ---- | ---: |\n| GET  | 1.25 |\n");
    }
}
