//! `cargo xtask sim`: the simulation of tests/sim over many seeds, optimized and with every assertion; or the hunt for planted bugs.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use testkit::binary::workspace_root;

/// What is asked of the simulation.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many seeds: each is four lives of a server with their crashes, and more while it starts.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) seeds: u64,
    /// The first seed. 0x begins a hexadecimal number.
    #[arg(long, default_value = "0")]
    pub(crate) seed: String,
    /// Runs every seed twice and compares every call to the disk.
    #[arg(long)]
    pub(crate) twice: bool,
    /// How many seeds run at a time.
    #[arg(long, default_value_t = 2)]
    pub(crate) jobs: usize,
    /// Changes the campaigns, as the line says that a failure prints.
    #[arg(long)]
    pub(crate) shape: Option<String>,
    /// Tells of a failure as it is, without making it smaller first.
    #[arg(long)]
    pub(crate) whole: bool,
    /// Plants each bug of `crates/mutants` in turn and runs seeds until it is found.
    #[arg(long)]
    pub(crate) mutants: bool,
    /// With --mutants: this bug alone.
    #[arg(long, requires = "mutants")]
    pub(crate) only: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seeds: 1_000,
            seed: "0".to_owned(),
            twice: false,
            jobs: 2,
            shape: None,
            whole: false,
            mutants: false,
            only: None,
        }
    }
}

/// How many seeds a planted bug may need before it counts as not found.
const MUTANT_SEEDS: u64 = 20_000;

/// Builds the simulation and runs it.
///
/// # Errors
/// If a promise was broken, a state was never crashed in, or a planted bug was not found.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_root());
    command.args(["run", "--quiet", "--profile", "checked", "-p", "tests-sim", "--bin", "simulate"]);
    if options.mutants {
        command.args(["--features", "mutants"]);
    }
    command.arg("--").args(["--jobs", &options.jobs.to_string(), "--seed", &options.seed]);
    let seeds = if options.mutants { options.seeds.max(MUTANT_SEEDS) } else { options.seeds };
    command.args(["--seeds", &seeds.to_string()]);
    let flags = [("--twice", options.twice), ("--whole", options.whole), ("--mutants", options.mutants)];
    command.args(flags.iter().filter(|(_, wanted)| *wanted).map(|(flag, _)| flag));
    for (flag, value) in [("--shape", &options.shape), ("--only", &options.only)] {
        if let Some(value) = value {
            command.args([flag, value]);
        }
    }
    let status = command.status().context("cargo run -p tests-sim")?;
    if !status.success() {
        bail!("the simulation failed at commit {}", commit());
    }
    Ok(())
}

/// The commit that a failure belongs to, with a + if files have changed since.
pub(crate) fn commit() -> String {
    let described = Command::new("git")
        .current_dir(workspace_root())
        .args(["describe", "--always", "--abbrev=12", "--dirty=+"])
        .output();
    let text =
        described.ok().filter(|out| out.status.success()).map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
