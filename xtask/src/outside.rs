//! `cargo xtask test-outside`: a program of somebody else's prints the commands of a log, with `aof-load` as its only dependency.
//!
//! The program is the first example of that crate's README, in a new package outside of the workspace. What it prints of the corpus is
//! compared with what stands there; it is built offline, from what the workspace itself needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use testkit::binary::workspace_root;

/// The most lines that the example may have.
const MOST_LINES: usize = 20;

/// What is asked of the test.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {}

/// A file of the corpus, how the program ends, and what it prints of it.
struct Case {
    file: &'static str,
    succeeds: bool,
    /// How many lines there are, that of an error included.
    lines: usize,
    expected: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        file: "redis-4.0/preamble/appendonly.aof",
        succeeds: true,
        lines: 575,
        expected: &["RPUSH", "HSET", "ZADD", "PEXPIREAT", "EVAL", "MULTI", "EXEC"],
    },
    Case { file: "redis-4.0/plain/appendonly.aof", succeeds: true, lines: 525, expected: &["PFMERGE", "SELECT"] },
    Case { file: "redis-4.0/rdb/dump.rdb", succeeds: true, lines: 148, expected: &["SET", "SADD", "SELECT"] },
    Case {
        file: "redis-7.0/basic/appendonlydir/appendonly.aof.manifest",
        succeeds: true,
        lines: 494,
        expected: &["SELECT", "RPUSH"],
    },
    Case {
        file: "redis-6.2/preamble/appendonly.aof",
        succeeds: false,
        lines: 48,
        expected: &["SADD", "what: Type(StreamListpacks)"],
    },
];

/// Makes the package, builds it and runs it.
///
/// # Errors
/// If it does not build, or prints something else.
pub(crate) fn run(_: &Options) -> Result<()> {
    let root = workspace_root();
    let example = example(&fs::read_to_string(root.join("crates/aof-load/README.md"))?)?;
    let lines = example.lines().count();
    ensure!(lines <= MOST_LINES, "the example has {lines} lines");
    let home = tempfile::tempdir()?;
    package(home.path(), &root, &example)?;
    let program = build(home.path(), &root.join("target/outside"))?;
    for case in CASES {
        check(&program, &root.join("tests/corpus"), case).context(case.file)?;
    }
    println!("outside: {lines} lines with one dependency print {} files", CASES.len());
    Ok(())
}

/// The first program in a README.
fn example(readme: &str) -> Result<String> {
    let program = readme.split_once("```rust,no_run\n").and_then(|(_, rest)| rest.split_once("```\n"));
    Ok(program.context("the README of aof-load begins with a program")?.0.to_owned())
}

/// Writes the package: two files, and the versions that the workspace is built with.
fn package(home: &Path, root: &Path, example: &str) -> Result<()> {
    let crate_path = root.join("crates/aof-load");
    let manifest = format!(
        "[package]\nname = \"print\"\nedition = \"2024\"\n\n[dependencies]\naof-load = {{ path = {:?} }}\n",
        crate_path.display().to_string()
    );
    fs::write(home.join("Cargo.toml"), manifest)?;
    fs::create_dir(home.join("src"))?;
    fs::write(home.join("src/main.rs"), example)?;
    fs::copy(root.join("Cargo.lock"), home.join("Cargo.lock"))?;
    // rustup looks for the compiler's version where the package stands.
    fs::copy(root.join("rust-toolchain.toml"), home.join("rust-toolchain.toml"))?;
    Ok(())
}

fn build(home: &Path, target: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(home).args(["build", "--offline", "--quiet", "--target-dir"]).arg(target);
    // Nothing but the program is of use to anybody.
    command.env("CARGO_INCREMENTAL", "0").env("CARGO_PROFILE_DEV_DEBUG", "false");
    let status = command.status().context("cargo build")?;
    ensure!(status.success(), "cargo build --offline: {status}");
    Ok(target.join("debug/print"))
}

fn check(program: &Path, corpus: &Path, case: &Case) -> Result<()> {
    let output = Command::new(program).arg(corpus.join(case.file)).output()?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_default();
    ensure!(output.status.success() == case.succeeds, "{}: {last}", output.status);
    let lines = text.lines().count();
    ensure!(lines == case.lines, "{lines} lines instead of {}, the last {last}", case.lines);
    for expected in case.expected {
        ensure!(text.contains(&format!(" {expected}")), "no {expected}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_program_of_a_readme_is_found() {
        let readme = "# a\n```text\nx\n```\n```rust,no_run\nfn main() {}\n```\n```rust,no_run\nfn other() {}\n```\n";
        assert_eq!(example(readme).unwrap(), "fn main() {}\n");
        assert!(example("# a\n").is_err());
    }
}
