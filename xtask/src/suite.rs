//! `cargo xtask test`: every check of the project, in parts, with the time each took.
//!
//! Without --all it needs Rust, a C compiler and make, and says what it left out. With --all a missing tool is a failure,
//! as it would otherwise be a check that silently never runs.
//!
//! Each part is a process of its own, so that one that hangs can be killed with all that it has started, and fails with its name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use testkit::binary::{Build, SERVER_VARIABLE, build, workspace_root};

use crate::{
    clients, compat, compat_check, crash, faults, fuzz, interop, kill_points, outside, power, sim, supervise, tidy,
    traces,
};

/// What is asked of the suite.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs everything and fails if a tool is missing, as CI does.
    #[arg(long)]
    all: bool,
    /// Runs only the part of this name, in this process and for as long as it takes.
    #[arg(long)]
    part: Option<String>,
}

/// The tools that --all needs beside Rust: the program, its package, and what it is for.
const TOOLS: &[(&str, &str, &str)] = &[
    ("redis-server", "redis-server", "comparison and interoperation with redis-server"),
    ("strace", "strace", "checks of system calls, and faults of a disk"),
    ("cargo-nextest", "cargo-nextest", "the tests' own runner"),
    ("redis-benchmark", "redis-tools", "tests with redis-cli and redis-benchmark"),
    ("redis-check-aof", "redis-tools", "comparison of check-aof with it"),
    ("prometheus-redis-exporter", "prometheus-redis-exporter", "a test of what monitoring reads"),
    ("python3", "python3-venv", "tests with redis-py"),
    ("npm", "npm", "tests with ioredis and node-redis"),
    ("c++", "g++", "fuzzing"),
    ("mkfs.ext4", "e2fsprogs", "power cuts on ext4 in a file"),
    ("mount", "mount", "power cuts on ext4 in a file"),
    ("unshare", "util-linux", "starts after another boot"),
];

/// How many crash runs the suite makes. More belong to `cargo xtask test-crash`.
const CRASH_RUNS_ALL: usize = 160;
/// The same without --all: enough for every quota, in under a minute.
const CRASH_RUNS: usize = 80;
/// How many kills the soundness check may need until it finds the planted loss.
const SOUNDNESS_RUNS: usize = 40;
/// How long all targets of `cargo xtask fuzz` together have: enough to see that each still runs, and what is broken all over.
const FUZZ_SECONDS: u64 = 60;
/// How many seeds of the simulation the suite runs; a crash must have come in every state of its table.
const SIM_SEEDS: u64 = 20_000;
/// The first of them. The same every time: `cargo xtask sim --seed` tries others.
const SIM_SEED: &str = "0";
/// How many seeds run twice, to the same calls, and the first of them.
const TWICE_SEEDS: u64 = 500;
const TWICE_SEED: &str = "1000000";
/// What the comparisons with redis-server draw from. The same every time, so that a failure is the doing of the change that
/// is checked; run by themselves, `compat` and `test-interop` draw afresh.
const COMPARISON_SEED: u64 = 1;

/// A part that takes so many times its budget hangs: a busy machine, and a first build, cost less.
const HANGS_AFTER_BUDGETS: u32 = 4;

/// One part of the suite.
struct Part {
    name: &'static str,
    /// How long it may take on two free cores, from a built workspace.
    budget: Duration,
    run: Box<dyn Fn() -> Result<()>>,
}

/// How a part ended.
struct Outcome {
    name: &'static str,
    budget: Duration,
    took: Duration,
    failed: Option<String>,
}

/// Runs the suite.
///
/// # Errors
/// If any part failed; all parts are run before.
pub(crate) fn run(options: &Options) -> Result<()> {
    let missing: Vec<_> = TOOLS.iter().filter(|(program, ..)| find_program(program).is_none()).collect();
    if options.all && !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
        bail!("--all needs {}: not installed", names.join(", "));
    }
    let parts = if options.all { all_parts() } else { basic_parts() };
    if let Some(name) = &options.part {
        let wanted = parts.iter().find(|part| part.name == name);
        return (wanted.with_context(|| format!("no part is named {name:?}"))?.run)();
    }
    supervise::adopt_orphans()?;
    let outcomes: Vec<Outcome> = parts.iter().map(|part| run_part(part, options.all)).collect();
    println!("\n== summary");
    for Outcome { name, budget, took, failed } in &outcomes {
        let verdict = failed.as_deref().unwrap_or("ok");
        println!("{:>8.1} s of {:>4}  {name:<24} {verdict}", took.as_secs_f64(), budget.as_secs());
    }
    if !options.all {
        for name in not_run() {
            println!("not run: {name}: {}", why_only_with_all(name));
        }
        for (program, _, purpose) in missing {
            println!("not installed: {program}, for {purpose}");
        }
    }
    let failed = outcomes.iter().filter(|o| o.failed.is_some()).count();
    if failed > 0 {
        bail!("{failed} of {} parts failed", outcomes.len());
    }
    Ok(())
}

fn run_part(part: &Part, all: bool) -> Outcome {
    println!("\n== {}", part.name);
    let started = Instant::now();
    let failed = run_alone(part, all).err().map(|e| format!("FAILED: {e:#}"));
    if let Some(text) = &failed {
        println!("{text}");
    }
    let left = supervise::end_the_rest();
    if left > 0 {
        println!("{left} processes were left over, and killed");
    }
    Outcome { name: part.name, budget: part.budget, took: started.elapsed(), failed }
}

/// Runs a part as a process of its own.
fn run_alone(part: &Part, all: bool) -> Result<()> {
    let mut command = Command::new(std::env::current_exe().context("the path of this program")?);
    command.args(["test", "--part", part.name]).args(all.then_some("--all"));
    supervise::run_within(&mut command, part.budget * HANGS_AFTER_BUDGETS)
}

/// A part and its budget in seconds.
fn part(name: &'static str, budget_s: u64, run: impl Fn() -> Result<()> + 'static) -> Part {
    Part { name, budget: Duration::from_secs(budget_s), run: Box::new(run) }
}

/// What Rust, a C compiler and make suffice for.
fn basic_parts() -> Vec<Part> {
    vec![
        part("tidy", 30, || tidy::run(&tidy::Options::default())),
        part("cargo test", 360, || with_server(&["test", "--workspace"])),
        part("crash test", 240, || crash_test(CRASH_RUNS, false)),
        part("crash test, soundness", 60, || crash_test(SOUNDNESS_RUNS, true)),
    ]
}

/// Everything.
fn all_parts() -> Vec<Part> {
    vec![
        part("fmt", 30, || cargo(&["fmt", "--all", "--check"], &[])),
        part("tidy", 30, || tidy::run(&tidy::Options::default())),
        part("clippy", 180, || {
            cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[])
        }),
        part("doc", 120, || {
            let deny = ("RUSTDOCFLAGS", "-D warnings".into());
            cargo(&["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"], &[deny])
        }),
        part("tests", 360, || with_server(&["nextest", "run", "--workspace", "--locked"])),
        part("tests of test hooks", 60, || {
            cargo(&["test", "-p", "vfs", "--features", "test-hooks", "--lib", "--locked", "--quiet", "hooks"], &[])
        }),
        part("doc tests", 120, || cargo(&["test", "--workspace", "--doc", "--locked"], &[])),
        part("benches", 180, || cargo(&["test", "-p", "benches", "--benches", "--locked", "--quiet"], &[])),
        part("compat", 60, || compat::run(&compat::Options { seed: Some(COMPARISON_SEED), ..Default::default() })),
        part("compat-check", 30, || {
            compat_check::run(&compat_check::Options { seed: Some(COMPARISON_SEED), ..Default::default() })
        }),
        part("interop", 60, || interop::run(&interop::Options { seed: Some(COMPARISON_SEED), ..Default::default() })),
        part("outside", 60, || outside::run(&outside::Options {})),
        part("clients", 120, || clients::run(&clients::Options::default())),
        part("simulation", 180, || {
            sim::run(&sim::Options { seeds: SIM_SEEDS, seed: SIM_SEED.to_owned(), ..sim::Options::default() })
        }),
        part("simulation, the same seed twice", 60, || {
            let seed = TWICE_SEED.to_owned();
            sim::run(&sim::Options { seeds: TWICE_SEEDS, seed, twice: true, ..sim::Options::default() })
        }),
        part("system calls", 30, || traces::run(&traces::Options::default())),
        part("crash test", 240, || crash_test(CRASH_RUNS_ALL, false)),
        part("crash test, soundness", 60, || crash_test(SOUNDNESS_RUNS, true)),
        part("kill points", 60, || kill_points::run(&kill_points::Options::default())),
        part("tests that mount", 60, || {
            cargo(&["test", "-p", "powerfs", "--features", "mount-tests", "--test", "mounted", "--locked"], &[])
        }),
        part("power cuts", 180, || {
            power::run(&power::Options { seed: Some(COMPARISON_SEED), ..power::Options::default() })
        }),
        part("disk faults", 180, || faults::run(&faults::Options { reduced: true, ..faults::Options::default() })),
        part("fuzzing", 300, || {
            fuzz::run(&fuzz::Options { seconds: FUZZ_SECONDS, seed: Some(1), ..fuzz::Options::default() })
        }),
        part("supply chain", 30, supply_chain),
    ]
}

/// The parts that only --all runs.
fn not_run() -> Vec<&'static str> {
    let basic: Vec<&str> = basic_parts().iter().map(|p| p.name).chain(["tests", "doc tests"]).collect();
    all_parts().iter().map(|p| p.name).filter(|name| !basic.contains(name)).collect()
}

/// What a part of --all asks for that Rust, a C compiler and make are not.
fn why_only_with_all(part: &str) -> &'static str {
    match part {
        "compat" | "interop" => "needs redis-server; only with --all",
        "compat-check" => "needs redis-check-aof; only with --all",
        "clients" => "needs Python, Node.js and the network; only with --all",
        "system calls" | "kill points" | "disk faults" => "needs strace; only with --all",
        "tests that mount" | "power cuts" => "needs root and /dev/fuse; only with --all",
        "simulation" | "simulation, the same seed twice" => "takes minutes; only with --all",
        "fuzzing" => "needs a C++ compiler and some minutes to build; only with --all",
        "supply chain" => "needs cargo-deny and the network; only with --all",
        "tests of test hooks" => "they are in no build for users; only with --all",
        _ => "says nothing about behaviour; only with --all",
    }
}

fn crash_test(runs: usize, soundness: bool) -> Result<()> {
    crash::run(&crash::Options {
        runs: Some(runs),
        seed: None,
        policy: if soundness { crash::PolicyChoice::Everysec } else { crash::PolicyChoice::All },
        fsync_delay_ms: None,
        server: None,
        jobs: 2,
        no_quota: false,
        soundness,
        matrix: false,
        power: false,
        points: None,
        only: None,
    })
}

/// cargo-deny where it is installed; tidy has checked licences and sources in any case.
fn supply_chain() -> Result<()> {
    if find_program("cargo-deny").is_none() {
        println!(
            "cargo-deny is not installed: advisories and duplicates are not checked; licences and sources were, by tidy"
        );
        return Ok(());
    }
    cargo(&["deny", "--locked", "check"], &[])
}

/// Runs cargo with the server built beforehand, so that the tests need not look for it.
fn with_server(arguments: &[&str]) -> Result<()> {
    let server = build(&Build::default())?;
    cargo(arguments, &[(SERVER_VARIABLE, server.into_os_string())])
}

fn cargo(arguments: &[&str], environment: &[(&str, OsString)]) -> Result<()> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(workspace_root()).args(arguments);
    let status = command.envs(environment.iter().map(|(k, v)| (k, v))).status().context("cargo")?;
    if !status.success() {
        bail!("cargo {}: {status}", arguments.join(" "));
    }
    Ok(())
}

/// The server under test: the one that was given, else ours, built.
///
/// # Errors
/// If the build fails.
pub(crate) fn server_under_test(given: Option<&Path>) -> Result<PathBuf> {
    match (given, std::env::var_os(SERVER_VARIABLE)) {
        (Some(path), _) => Ok(path.to_owned()),
        (None, Some(path)) => Ok(path.into()),
        (None, None) => build(&Build::default()),
    }
}

/// Where a program stands in PATH that cannot be done without.
///
/// # Errors
/// If it is not installed.
pub(crate) fn require_program(name: &str) -> Result<PathBuf> {
    find_program(name).with_context(|| format!("{name} is not installed"))
}

/// Where a program stands in PATH.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named() {
        let left_out = not_run();
        let tools = [
            "compat",
            "interop",
            "clients",
            "system calls",
            "kill points",
            "power cuts",
            "disk faults",
            "supply chain",
        ];
        for name in ["fmt", "clippy", "doc"].into_iter().chain(tools) {
            assert!(left_out.contains(&name), "{name} in {left_out:?}");
        }
        assert!(!left_out.contains(&"tidy"));
    }
}
