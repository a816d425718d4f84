//! `cargo xtask bench`: our server and others, measured side by side in one run.
//!
//! Clocks on the wall say little on a shared machine; processor time says more, and a ratio of two servers measured in turn
//! says most. `rounds.rs` measures commands, `memory.rs` bytes a key, `connections.rs` bytes an idle connection, `load.rs` the
//! start from a log, `restarts.rs` starts after kills, `insert.rs` the longest single insertion, `writers.rs` many writers under
//! `always`, `rewrite.rs` a rewrite under load, `instructions.rs` instructions a request. docs/benchmarks.md explains the figures.

mod closed_loop;
mod connections;
mod cpu;
mod figures;
mod insert;
mod instructions;
mod load;
mod machine;
mod memory;
mod record;
mod restarts;
mod rewrite;
mod rounds;
mod subject;
mod workload;
mod writers;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use record::Section;
use subject::{Peer, Subject};

/// What is asked of the benchmarks.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// What to measure; everything if nothing is named.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Another server: NAME=PATH[,directive value…]. Repeat for more; redis-server if none is named.
    #[arg(long, value_name = "NAME=PATH[,DIRECTIVE VALUE…]")]
    against: Vec<Peer>,
    /// Measures ours alone.
    #[arg(long, conflicts_with = "against")]
    alone: bool,
    /// Measures this binary as ours instead of building server-bin.
    #[arg(long)]
    ours: Option<PathBuf>,
    /// How many times everything is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests of a test without pipelining; a pipelined one makes eight times as many, a slow one fewer.
    #[arg(long, default_value_t = 150_000)]
    requests: u64,
    /// Parts into which a test is cut; the servers take turns after each.
    #[arg(long, default_value_t = 6)]
    slices: u64,
    /// Tests of redis-benchmark: names, or the groups default, missing, random and all, separated by commas.
    #[arg(long, default_value = "default")]
    tests: String,
    /// Requests that a client sends at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    pipeline: Vec<u32>,
    /// What the log does while commands are measured.
    #[arg(long, value_enum, default_value_t = Policy::Everysec)]
    policy: Policy,
    /// Keys of a shape whose bytes a key are measured; collections get fewer.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Commands of the log whose load is timed.
    #[arg(long, default_value_t = 2_000_000)]
    commands: u64,
    /// Draws that log.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Insertions among which the longest is sought.
    #[arg(long, default_value_t = 5_000_000)]
    insertions: u64,
    /// Keys that there are while a rewrite runs under load.
    #[arg(long, default_value_t = 2_000_000)]
    rewrite_keys: u64,
    /// Restarts of a server in each round.
    #[arg(long, default_value_t = 100)]
    restarts: u64,
    /// Where the servers' files stand while they run; the system's place for temporary files if not given.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Writes everything that was found to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Adds a record under benches/records, named by the date and this word.
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "servers")]
    record: Option<String>,
}

/// One part of the benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Processor time a million commands.
    Commands,
    /// Bytes a key.
    Memory,
    /// Bytes an idle connection.
    Connections,
    /// The start from a log.
    Load,
    /// Starts after kills, a minute.
    Restarts,
    /// The longest single insertion.
    Insert,
    /// Writers and a reader under `always`; needs strace.
    Writers,
    /// A rewrite under full load, of ours.
    Rewrite,
    /// Instructions a request, of ours; needs valgrind.
    Instructions,
}

/// What the log does while commands are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// appendfsync everysec.
    Everysec,
    /// appendfsync always.
    Always,
    /// appendfsync no.
    No,
    /// appendonly no.
    Off,
}

impl Policy {
    /// The value of appendfsync; none without a log.
    fn appendfsync(self) -> Option<&'static str> {
        match self {
            Self::Everysec => Some("everysec"),
            Self::Always => Some("always"),
            Self::No => Some("no"),
            Self::Off => None,
        }
    }
}

impl Options {
    /// What was named; else everything that can be measured here.
    fn parts(&self) -> Vec<Part> {
        if !self.parts.is_empty() {
            return self.parts.clone();
        }
        let possible = |part: &Part| *part != Part::Instructions || instructions::is_possible();
        let parts: Vec<Part> = Part::value_variants().iter().copied().filter(possible).collect();
        if parts.len() < Part::value_variants().len() {
            println!("not installed: valgrind, for instructions a request");
        }
        parts
    }

    /// Everything that was chosen, for a record; no path.
    fn settings(&self) -> Json {
        let common: Vec<String> = rounds::directives(self.policy)
            .iter()
            .map(|(name, value)| format!("{name} {}", if value.is_empty() { "\"\"" } else { value }))
            .collect();
        json!({
            "rounds": self.rounds, "requests": self.requests, "slices": self.slices, "tests": self.tests,
            "pipeline": self.pipeline.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
            "clients": workload::CLIENTS, "directives": common.join(", "), "range of -r": workload::RANDOM_RANGE,
            "keys": self.keys, "commands of the log": self.commands, "seed of the log": self.seed,
            "restarts": self.restarts, "insertions": self.insertions, "keys of a rewrite": self.rewrite_keys,
        })
    }
}

/// Measures.
///
/// # Errors
/// If a server cannot be built, found or driven, or answers differently from the others.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0 && options.requests > 0 && options.slices > 0 && options.keys > 0, "nothing to measure");
    let subjects = subject::all(options)?;
    for subject in &subjects {
        println!("{}: {} {}", subject.name, subject.version, subject.settings());
    }
    let mut sections = Vec::new();
    for part in options.parts() {
        let section = measure(options, &subjects, part).with_context(|| format!("{part:?}"))?;
        record::show(&section);
        sections.push(section);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&record::json(options, &subjects, &sections))? + "\n";
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    if let Some(what) = &options.record {
        let names = record::write(options, what, &subjects, &sections)?;
        println!("recorded: {}", names.join(", "));
    }
    Ok(())
}

fn measure(options: &Options, subjects: &[Subject], part: Part) -> Result<Section> {
    match part {
        Part::Commands => rounds::measure(options, subjects),
        Part::Memory => memory::measure(options, subjects),
        Part::Connections => connections::measure(options, subjects),
        Part::Load => load::measure(options, subjects),
        Part::Restarts => restarts::measure(options, subjects),
        Part::Insert => insert::measure(options),
        Part::Writers => writers::measure(options, subjects),
        Part::Rewrite => rewrite::measure(options),
        Part::Instructions => instructions::measure(),
    }
}

/// What a program of the `benches` package prints as JSON.
fn measured_by(program: &str, arguments: &[&str]) -> Result<Json> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(testkit::binary::workspace_root())
        .args(["run", "--quiet", "--release", "-p", "benches", "--bin", program, "--"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo run -p benches")?;
    ensure!(output.status.success(), "{program}: {}", output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("what {program} printed"))
}

/// A directory for the servers of one round, removed when it is dropped.
fn home(options: &Options) -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("ledgerstone-bench-");
    let made = match &options.dir {
        Some(dir) => builder.tempdir_in(dir),
        None => builder.tempdir(),
    };
    made.context("a directory for the servers")
}

/// One line for who waits.
fn progress(text: &str) {
    eprintln!("bench: {text}");
}
