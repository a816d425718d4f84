//! `cargo xtask tidy`: what no compiler checks.
//!
//! `layers.rs` holds the one table of crates, arrows and external dependencies; `metadata.rs` reads what cargo knows and
//! compares; `proofs.rs` asks for the proof of every row in docs/proofs; `sources.rs` looks at every file; `masked.rs` tells code
//! from comments and strings for it; `licences.rs` checks where third-party code comes from; `generated.rs` compares what is
//! made from all this with the documents. Each check is pure over text or a parsed graph, and tested with planted faults.

mod generated;
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

use self::generated::Part;

/// What is asked of tidy.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Renews what is generated: the diagram in ARCHITECTURE.md, the tables in docs/durability.md.
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
    let (of_proofs, tables) = proofs::check_workspace(&root)?;
    problems.extend(of_proofs);
    let diagram = Part { file: "ARCHITECTURE.md", name: "layers", body: layers::diagram() };
    for part in [vec![diagram], tables].concat() {
        problems.extend(generated::check(&root, &part, options.fix)?);
    }
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
