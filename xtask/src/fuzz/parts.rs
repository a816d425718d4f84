//! The parts of a long run: what each was, in lines of a file that later parts add to, and the inputs that they found.
//!
//! Only whoever removes the file begins a long run anew; the inputs may stay.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::search::{Manner, Searched};

/// The file of the record in the directory where a long run keeps everything.
const FILE: &str = "parts";

/// What a search over a target came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    target: String,
    commit: String,
    inputs: u64,
    millis: u64,
    longest_us: u64,
    most_bytes: u64,
    panics: u64,
    over_memory: u64,
    hangs: u64,
}

impl Part {
    pub(super) fn of(target: &str, commit: &str, searched: &Searched) -> Self {
        let count = |manner| u64::from(searched.found.as_ref().is_some_and(|found| found.manner == manner));
        Self {
            target: target.to_owned(),
            commit: commit.to_owned(),
            inputs: searched.inputs,
            millis: u64::try_from(searched.took.as_millis()).unwrap_or(u64::MAX),
            longest_us: searched.longest_us,
            most_bytes: searched.most_bytes,
            panics: count(Manner::Panic),
            over_memory: count(Manner::Memory),
            hangs: count(Manner::Hang),
        }
    }

    /// As a line of the record: words, and numbers in the order of the fields.
    fn line(&self) -> String {
        let Self { target, commit, inputs, millis, longest_us, most_bytes, panics, over_memory, hangs } = self;
        format!("{target} {commit} {inputs} {millis} {longest_us} {most_bytes} {panics} {over_memory} {hangs}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (target, commit) = (words.next()?.to_owned(), words.next()?.to_owned());
        let numbers: Vec<u64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let [inputs, millis, longest_us, most_bytes, panics, over_memory, hangs] = numbers[..] else { return None };
        Some(Self { target, commit, inputs, millis, longest_us, most_bytes, panics, over_memory, hangs })
    }

    /// Both together; of the commits, how many there are.
    fn and(mut self, other: &Self, commits: usize) -> Self {
        self.commit = if commits > 1 { format!("{commits} commits") } else { self.commit };
        self.inputs += other.inputs;
        self.millis += other.millis;
        self.longest_us = self.longest_us.max(other.longest_us);
        self.most_bytes = self.most_bytes.max(other.most_bytes);
        self.panics += other.panics;
        self.over_memory += other.over_memory;
        self.hangs += other.hangs;
        self
    }
}

/// Names the columns of a part as it is shown.
pub(super) fn print_head() {
    println!("                                              longest      most memory          over");
    println!("target    commit             inputs  a second   input        of an input  panics  memory  hangs");
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, commit, inputs, millis, panics, over_memory, hangs, .. } = self;
        let longest = match self.longest_us {
            0 => "< 1 ms".to_owned(),
            longest_us => format!("{} ms", longest_us.div_ceil(1_000)),
        };
        let most = match self.most_bytes {
            0 => "< 1.0 MiB".to_owned(),
            most_bytes => format!("{:.1} MiB", most_bytes as f64 / f64::from(1 << 20)),
        };
        let a_second = inputs * 1_000 / millis.max(&1);
        write!(f, "{target:<9} {commit:<13} {inputs:>11} {a_second:>9} {longest:>9} {most:>16}")?;
        write!(f, " {panics:>7} {over_memory:>7} {hangs:>6}")
    }
}

/// All parts so far.
#[derive(Debug)]
pub(super) struct Record {
    dir: PathBuf,
    parts: Vec<Part>,
}

impl Record {
    /// The record in a directory, which may be new.
    ///
    /// # Errors
    /// If it cannot be read, or holds a line that is none of ours.
    pub(super) fn open(dir: PathBuf) -> Result<Self> {
        let file = dir.join(FILE);
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("can't read {}", file.display()))?,
        };
        let part = |line: &str| Part::parse(line).with_context(|| format!("{}: no part: {line}", file.display()));
        let parts = text.lines().map(part).collect::<Result<_>>()?;
        Ok(Self { dir, parts })
    }

    /// Adds a part, at once also to the file: what ends a long run early does not lose it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn add(&mut self, part: Part) -> Result<()> {
        let file = self.dir.join(FILE);
        let failed = || format!("can't write {}", file.display());
        let mut opened = OpenOptions::new().create(true).append(true).open(&file).with_context(failed)?;
        opened.write_all(part.line().as_bytes()).with_context(failed)?;
        self.parts.push(part);
        Ok(())
    }

    /// Where the inputs of a target are kept.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub(super) fn corpus(&self, target: &str) -> Result<PathBuf> {
        let dir = self.dir.join("corpus").join(target);
        fs::create_dir_all(&dir).with_context(|| format!("can't make {}", dir.display()))?;
        Ok(dir)
    }

    /// How many inputs a target has had.
    pub(super) fn inputs_of(&self, target: &str) -> u64 {
        self.of(target).map(|part| part.inputs).sum()
    }

    fn of(&self, target: &str) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.target == target)
    }

    /// Prints what all parts came to, and what is missing.
    pub(super) fn print_totals(&self, targets: &[String], wanted: u64) {
        println!("all parts:");
        for target in targets {
            let mut commits: Vec<&str> = self.of(target).map(|part| part.commit.as_str()).collect();
            commits.sort_unstable();
            commits.dedup();
            let all = self
                .of(target)
                .skip(1)
                .fold(self.of(target).next().cloned(), |all, part| all.map(|all| all.and(part, commits.len())));
            let Some(all) = all else { continue };
            match wanted.saturating_sub(all.inputs) {
                0 => println!("{all}"),
                missing => println!("{all}   {missing} are missing"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(target: &str, inputs: u64) -> Part {
        Part {
            target: target.to_owned(),
            commit: "9e6bdff2a1b3".to_owned(),
            inputs,
            millis: 10_000,
            longest_us: 41_300,
            most_bytes: 11_561_315,
            panics: 0,
            over_memory: 1,
            hangs: 2,
        }
    }

    #[test]
    fn parts_add_up_across_runs() {
        let home = tempfile::tempdir().unwrap();
        for inputs in [5, 7] {
            let mut record = Record::open(home.path().to_owned()).unwrap();
            record.add(part("aof", inputs)).unwrap();
            record.add(part("rdb", 1)).unwrap();
        }
        let record = Record::open(home.path().to_owned()).unwrap();
        assert_eq!((record.inputs_of("aof"), record.inputs_of("rdb"), record.inputs_of("resp")), (12, 2, 0));
        assert_eq!(record.parts[0], part("aof", 5), "a line is read as what it was");
    }

    #[test]
    fn a_record_that_is_none_is_refused() {
        let home = tempfile::tempdir().unwrap();
        for text in ["aof 9e6bdff 1 2 3\n", "aof 9e6bdff one 2 3 4 5 6 7\n"] {
            fs::write(home.path().join(FILE), text).unwrap();
            assert!(Record::open(home.path().to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_part_is_shown_with_its_units() {
        let text = part("aof", 1_000).to_string();
        for shown in ["aof ", " 9e6bdff2a1b3 ", " 1000 ", " 100 ", " 42 ms ", " 11.0 MiB "] {
            assert!(text.contains(shown), "{shown} in {text}");
        }
    }
}
