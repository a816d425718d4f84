//! `cargo xtask compat-check`: check-aof and redis-check-aof say the same of the same files.
//!
//! The files are the logs of the corpus, with a preamble or without, whole and damaged in many places. Exit status and the offset up to
//! which a file is good must be equal. Damage is drawn so that what only one of them takes for good does not come up: those forms are
//! in [`STRICTER`], each once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use testkit::binary::{build_package, workspace_root};

use crate::parallel;
use crate::suite::require_program;

/// The program that ours is compared with. Debian's redis-tools has it.
const REFERENCE: &str = "redis-check-aof";

/// What the reference takes for good, and a server of Redis refuses or never writes.
const STRICTER: &[(&str, &str)] = &[
    ("a sign before a count", "*+1\r\n$4\r\nPING\r\n"),
    ("a zero before a length", "*1\r\n$04\r\nPING\r\n"),
    ("a blank before a length", "*1\r\n$ 4\r\nPING\r\n"),
    ("a command without arguments", "*0\r\n"),
    ("a negative count", "*-1\r\n"),
    ("a name with NUL", "*1\r\n$4\r\nPI\0G\r\n"),
    ("a name without bytes", "*1\r\n$0\r\n\r\n"),
    ("DISCARD", "*1\r\n$5\r\nMULTI\r\n*1\r\n$7\r\nDISCARD\r\n*1\r\n$4\r\nEXEC\r\n"),
    ("arguments of EXEC", "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nEXEC\r\n$1\r\na\r\n"),
    ("an annotation without line end", "#TS:1"),
];

/// Bytes that make a number one that only the reference takes, or a name one with NUL.
const LENIENT: &[u8] = b"\0\t\n\x0b\x0c\r 0+-";

/// How many bytes a hole has: more than any name.
const HOLE_BYTES: usize = 64;

/// What is asked of the comparison.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Draws the damage; printed, and random if not given.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Damaged copies of each file.
    #[arg(long, default_value_t = 10)]
    pub(crate) copies: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: None, copies: 10 }
    }
}

/// What a program says of a file.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    status: Option<i32>,
    /// The end of the line of figures, from the size on, but for the line number.
    figures: Option<(String, String)>,
}

/// One file to be compared.
struct Case {
    what: String,
    bytes: Vec<u8>,
}

/// Compares.
///
/// # Errors
/// If they differ, or one cannot be run.
pub(crate) fn run(options: &Options) -> Result<()> {
    let reference = require_program(REFERENCE)?;
    let ours = build_package("aof-load", &["--bin", "check-aof"].map(std::ffi::OsStr::new))?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    let home = tempfile::tempdir()?;
    let cases = cases(&workspace_root().join("tests/corpus"), options.copies, &mut Rng::with_seed(seed))?;
    let numbered: Vec<(usize, &Case)> = cases.iter().enumerate().collect();
    let compared = parallel::map(2, &numbered, |(number, case)| {
        let path = home.path().join(format!("{number}.aof"));
        fs::write(&path, &case.bytes)?;
        let [found, expected] = [&ours, &reference].map(|program| verdict(program, &path));
        let (found, expected) = (found?, expected?);
        fs::remove_file(&path)?;
        ensure!(found == expected, "{}: check-aof {found:?}, {REFERENCE} {expected:?}", case.what);
        Ok(())
    });
    let differing: Vec<_> = compared.into_iter().filter_map(Result::err).collect();
    for difference in differing.iter().take(20) {
        println!("{difference:#}");
    }
    if !differing.is_empty() {
        bail!("{} of {} files differ; repeat: cargo xtask compat-check --seed {seed}", differing.len(), cases.len());
    }
    stricter(&ours, &reference, home.path())?;
    println!(
        "compat-check: {} files judged as by {REFERENCE}, seed {seed}; {} forms judged more strictly",
        cases.len(),
        STRICTER.len()
    );
    Ok(())
}

/// The corpus, and damaged copies of it.
fn cases(corpus: &Path, copies: usize, rng: &mut Rng) -> Result<Vec<Case>> {
    let mut files = Vec::new();
    find_logs(corpus, &mut files)?;
    files.sort();
    ensure!(!files.is_empty(), "no logs in {}", corpus.display());
    let mut cases = Vec::new();
    for file in files {
        let bytes = fs::read(&file)?;
        let what = file.strip_prefix(corpus)?.display().to_string();
        cases.extend((0..copies).map(|_| damaged(&what, &bytes, rng)));
        cases.push(Case { what, bytes });
    }
    Ok(cases)
}

fn find_logs(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find_logs(&entry.path(), files)?;
        } else if entry.path().extension().is_some_and(|extension| extension == "aof") {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// A copy that is cut, or has a byte changed, inserted or a hole.
fn damaged(what: &str, bytes: &[u8], rng: &mut Rng) -> Case {
    let at = rng.usize(..bytes.len());
    let mut bytes = bytes.to_vec();
    let mut other = rng.u8(..);
    while LENIENT.contains(&other) {
        other = rng.u8(..);
    }
    let how = match rng.u8(..4) {
        0 => {
            bytes.truncate(at);
            "cut".to_owned()
        }
        1 => {
            bytes[at] = other;
            format!("{other} instead")
        }
        2 => {
            bytes.insert(at, other);
            format!("{other} inserted")
        }
        _ => {
            let end = bytes.len().min(at + HOLE_BYTES);
            bytes[at..end].fill(0);
            "a hole".to_owned()
        }
    };
    Case { what: format!("{what}, {how} at {at}"), bytes }
}

fn verdict(program: &Path, file: &Path) -> Result<Verdict> {
    let output = Command::new(program).arg(file).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = |name: &str| {
        let rest = text.split_once(name)?.1;
        Some(rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].to_owned())
    };
    let figures = figure(", size=").zip(figure(", ok_up_to="));
    Ok(Verdict { status: output.status.code(), figures })
}

/// Sees that only the reference takes what it is too lenient with.
fn stricter(ours: &Path, reference: &Path, home: &Path) -> Result<()> {
    let path = home.join("stricter.aof");
    for (what, text) in STRICTER {
        fs::write(&path, text)?;
        let statuses = (verdict(ours, &path)?.status, verdict(reference, &path)?.status);
        ensure!(statuses == (Some(1), Some(0)), "{what}: check-aof and {REFERENCE} end with {statuses:?}");
    }
    Ok(())
}
