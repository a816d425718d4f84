//! `cargo xtask tidy`: what no compiler checks.
//!
//! `layers.rs` holds the one table of crates, arrows and external dependencies; `metadata.rs` reads what cargo knows and
//! compares; `proofs.rs` looks for the tests that docs/durability.md names; `sources.rs` looks at every file; `masked.rs` tells code from comments and strings for it; `licences.rs`
//! checks where third-party code comes from. Each check is pure over text or a parsed graph, and tested with planted faults.

mod layers;
mod licences;
mod masked;
mod metadata;
mod proofs;
mod sources;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// What is asked of tidy.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Rewrites what is generated: the diagram in ARCHITECTURE.md.
    #[arg(long)]
    pub(crate) fix: bool,
}

/// One thing that is not tidy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// The file or crate.
    at: String,
    /// The line, from 1; 0 for the whole.
    line: usize,
    what: String,
}

impl Problem {
    pub(crate) fn new(at: impl Into<String>, line: usize, what: impl Into<String>) -> Self {
        Self { at: at.into(), line, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.at, self.what),
            line => write!(f, "{}:{line}: {}", self.at, self.what),
        }
    }
}

/// Checks the workspace.
///
/// # Errors
/// If anything is not tidy, or cargo cannot describe the workspace.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = testkit::binary::workspace_root();
    let graph = metadata::read(&root)?;
    let mut problems = metadata::check(&graph);
    problems.extend(licences::check(&graph));
    problems.extend(proofs::check_workspace(&root)?);
    problems.extend(check_diagram(&root, options.fix)?);
    problems.extend(check_readmes(&root, &graph)?);
    let files = files(&root)?;
    problems.extend(sources::check(&files));
    problems.sort();
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!("{} things are not tidy", problems.len());
    }
    println!("tidy: {} files, {} crates", files.len(), graph.ours().count());
    Ok(())
}

fn check_diagram(root: &Path, fix: bool) -> Result<Vec<Problem>> {
    const NAME: &str = "ARCHITECTURE.md";
    let path = root.join(NAME);
    let Ok(text) = fs::read_to_string(&path) else { return Ok(vec![Problem::new(NAME, 0, "is missing")]) };
    let Some(wanted) = layers::with_diagram(&text) else {
        let markers = format!("has no place for the diagram: {} … {}", layers::BEGIN, layers::END);
        return Ok(vec![Problem::new(NAME, 0, markers)]);
    };
    if wanted == text {
        return Ok(Vec::new());
    }
    if fix {
        fs::write(&path, wanted).context(NAME)?;
        return Ok(Vec::new());
    }
    Ok(vec![Problem::new(NAME, 0, "the diagram is not that of the layers table: run `cargo xtask tidy --fix`")])
}

/// Every library crate has a README, and its examples are tested as the crate's documentation.
fn check_readmes(root: &Path, graph: &metadata::Graph) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for package in graph.ours().filter(|p| p.directory.starts_with("crates")) {
        let library = root.join(&package.directory).join("src/lib.rs");
        if !library.is_file() {
            continue;
        }
        let name = package.directory.display().to_string();
        if !root.join(&package.directory).join("README.md").is_file() {
            problems.push(Problem::new(name, 0, "a library crate without README.md"));
        } else if !fs::read_to_string(&library)?.contains("include_str!(\"../README.md\")") {
            problems.push(Problem::new(name, 0, "src/lib.rs does not include its README as documentation"));
        }
    }
    Ok(problems)
}

/// A file of the project, by its path relative to the root.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// All text files of the project, without build output, the repository's own data and the corpus.
fn files(root: &Path) -> Result<Vec<SourceFile>> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let entry = entry?;
            let path = entry.path();
            let relative = path.strip_prefix(root)?.to_owned();
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_skipped(&relative) {
                directories.push(path);
            } else if kind.is_file()
                && !is_skipped(&relative)
                && let Ok(text) = String::from_utf8(fs::read(&path)?)
            {
                found.push(SourceFile { path: relative, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn is_skipped(path: &Path) -> bool {
    let named = |name: &str| path.file_name().is_some_and(|n| n == name);
    named("target") || named(".git") || path == Path::new("tests/corpus")
}
