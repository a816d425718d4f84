//! `cargo xtask fuzz`: libFuzzer over the targets of `fuzz/`, one after the other, built with the stable compiler.
//!
//! What the compiler adds for it, counters of what ran and notes of what was compared, comes from the pass of LLVM that cargo-fuzz
//! uses too. An input that breaks something is made as short as it will go and stays under `target/fuzz/found`, with the line that runs it again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail, ensure};
use commands::TABLE;
use testkit::binary::workspace_root;

use crate::suite::require_program;

/// What the compiler is told. Our crates and those they use are built so, the standard library is not.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// How long one input may run, in seconds.
const HANG_SECONDS: u64 = 10;
/// How long an input that broke something is made shorter, in seconds.
const SHORTEN_SECONDS: u64 = 10;
/// How many inputs a long run has of each target.
const LONG_RUNS: u64 = 10_000_000;

/// What is asked for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How long all targets together search.
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
    /// One target, with all of the time. Unless given, every one in turn.
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Ten million inputs of each target, however long that takes, from what earlier long runs have found.
    #[arg(long)]
    pub(crate) long: bool,
    /// Runs a target with this input alone.
    #[arg(long, requires = "target")]
    pub(crate) input: Option<PathBuf>,
    /// What libFuzzer draws from; it prints one otherwise.
    #[arg(long)]
    pub(crate) seed: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seconds: 60, target: None, long: false, input: None, seed: None }
    }
}

/// Fuzzes.
///
/// # Errors
/// If a tool is missing, the programs do not build, or an input broke something in any target; all are run before.
pub(crate) fn run(options: &Options) -> Result<()> {
    require_program("c++").context("libFuzzer is C++")?;
    let targets = targets(options.target.as_deref())?;
    let programs = build(&targets)?;
    if let Some(input) = &options.input {
        return run_again(&programs.join(&targets[0]), input);
    }
    let mut broken = Vec::new();
    println!("target         inputs  a second  most memory of an input");
    for target in &targets {
        let fuzzed = fuzz(&programs.join(target), target, options, targets.len() as u64)?;
        println!("{target:<10} {:>10} {:>9}  {}", fuzzed.inputs, fuzzed.inputs_a_second, fuzzed.memory);
        if let Some(found) = fuzzed.found {
            println!("{found}");
            broken.push(target.as_str());
        }
    }
    ensure!(broken.is_empty(), "found inputs that break something: {}", broken.join(", "));
    Ok(())
}

/// The directory of the targets.
fn home() -> PathBuf {
    workspace_root().join("fuzz")
}

/// Where everything goes that a run leaves.
fn place() -> PathBuf {
    workspace_root().join("target/fuzz")
}

/// The targets that are asked for, in order: each has a program of its name.
fn targets(asked: Option<&str>) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(home().join("fuzz_targets")).context("fuzz/fuzz_targets")? {
        let path = entry?.path();
        targets.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    targets.sort();
    let Some(asked) = asked else { return Ok(targets) };
    ensure!(targets.iter().any(|name| name == asked), "no target {asked}: there are {}", targets.join(", "));
    Ok(vec![asked.to_owned()])
}

/// Builds the programs and returns their directory.
fn build(targets: &[String]) -> Result<PathBuf> {
    let triple = host_triple()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace_root()).env("RUSTFLAGS", INSTRUMENTED).env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.args(["build", "--quiet", "--locked", "-p", "fuzz", "--features", "libfuzzer", "--profile", "fuzz"]);
    // With a target named, build scripts and macros of the compiler stay as they are.
    command.arg("--target-dir").arg(place()).args(["--target", &triple]);
    for target in targets {
        command.args(["--bin", target]);
    }
    let status = command.status().context("cargo build")?;
    ensure!(status.success(), "the targets do not build: {status}");
    Ok(place().join(triple).join("fuzz"))
}

fn host_triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).current_dir(workspace_root()).arg("-vV").output().context("rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let triple = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(triple.context("rustc -vV names no host")?.to_owned())
}

/// What came of a target.
struct Fuzzed {
    inputs: String,
    inputs_a_second: String,
    memory: String,
    /// The input that broke something, and what.
    found: Option<String>,
}

fn fuzz(program: &Path, target: &str, options: &Options, of_targets: u64) -> Result<Fuzzed> {
    let found = place().join("found");
    let keep = place().join("corpus").join(target);
    let scratch = tempfile::tempdir_in(place()).context("target/fuzz")?;
    let corpus = if options.long { keep.as_path() } else { scratch.path() };
    for dir in [found.as_path(), corpus] {
        fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    }
    let mut command = Command::new(program);
    command.args([format!("-timeout={HANG_SECONDS}"), "-print_final_stats=1".to_owned()]);
    command.arg(format!("-artifact_prefix={}/{target}-", found.display()));
    command.arg(match options.long {
        true => format!("-runs={LONG_RUNS}"),
        false => format!("-max_total_time={}", (options.seconds / of_targets).max(1)),
    });
    command.args(options.seed.map(|seed| format!("-seed={seed}")));
    command.args(words(target)?.map(|words| format!("-dict={}", words.display())));
    command.arg(corpus).arg(home().join("corpus").join(target));
    let output = command.output().with_context(|| program.display().to_string())?;
    let log = place().join(format!("{target}.log"));
    fs::write(&log, &output.stderr).with_context(|| format!("can't write {}", log.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let stat = |name: &str| value(&text, name).unwrap_or("?").to_owned();
    let memory = text.lines().rev().find_map(|line| line.strip_prefix("memory: ")).unwrap_or("less than 1 MB");
    Ok(Fuzzed {
        inputs: stat("stat::number_of_executed_units:"),
        inputs_a_second: stat("stat::average_exec_per_sec:"),
        memory: memory.to_owned(),
        found: if output.status.success() { None } else { Some(finding(program, target, &output, &text, &log)?) },
    })
}

fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().rev().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// What a target's words are for libFuzzer to insert, if it has any.
fn words(target: &str) -> Result<Option<PathBuf>> {
    let file = home().join("dict").join(format!("{target}.dict"));
    if target != "commands" {
        return Ok(file.exists().then_some(file));
    }
    let file = place().join("commands.dict");
    fs::write(&file, table_words()).with_context(|| format!("can't write {}", file.display()))?;
    Ok(Some(file))
}

/// The names of the commands, and the words of capitals in what they take.
fn table_words() -> String {
    let mut words = BTreeSet::new();
    for command in TABLE {
        words.insert(command.name.replace('|', " "));
        let of_line = command.docs.syntax.split(|c: char| !c.is_ascii_alphabetic());
        words.extend(
            of_line.filter(|word| word.len() > 1 && word.bytes().all(|b| b.is_ascii_uppercase())).map(str::to_owned),
        );
    }
    words.iter().fold(String::new(), |mut text, word| {
        writeln!(text, "\"{word} \"").expect("writing to a String cannot fail");
        text
    })
}

/// What an input that broke something is told as: the target's last words, and how to see them again.
fn finding(program: &Path, target: &str, output: &Output, text: &str, log: &Path) -> Result<String> {
    let Some(saved) = text.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path)
    else {
        bail!("{} ended with {} and saved no input: see {}", program.display(), output.status, log.display());
    };
    let short = PathBuf::from(format!("{saved}.short"));
    let mut command = Command::new(program);
    command.args(["-minimize_crash=1".to_owned(), format!("-max_total_time={SHORTEN_SECONDS}")]);
    command.args([format!("-timeout={HANG_SECONDS}"), format!("-exact_artifact_path={}", short.display())]);
    let _shorter_or_not = command.arg(saved).output().with_context(|| program.display().to_string())?;
    let input = if short.exists() { short.as_path() } else { Path::new(saved) };
    let said: Vec<&str> = text.lines().skip_while(|line| !is_last_word(line)).take(4).collect();
    Ok(format!(
        "{}\nwhole output: {}\nonce more:    cargo xtask fuzz --target {target} --input {}",
        said.join("\n"),
        log.display(),
        input.display()
    ))
}

fn is_last_word(line: &str) -> bool {
    line.contains("panicked at") || line.starts_with("memory: too much") || line.contains("ERROR: libFuzzer")
}

/// Runs a target with one input, everything it says shown.
fn run_again(program: &Path, input: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.arg(format!("-timeout={HANG_SECONDS}")).arg(input).env("RUST_BACKTRACE", "1");
    let status = command.status().with_context(|| program.display().to_string())?;
    ensure!(status.success(), "{} breaks something: {status}", input.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_program_and_inputs_to_start_from() {
        let targets = targets(None).unwrap();
        assert!(targets.len() >= 10, "{targets:?}");
        for target in targets {
            let inputs = fs::read_dir(home().join("corpus").join(&target)).map(Iterator::count);
            assert!(inputs.is_ok_and(|inputs| inputs > 0), "{target} has no input");
        }
    }

    #[test]
    fn the_words_of_the_table_are_names_and_options() {
        let words = table_words();
        for word in ["\"zadd \"", "\"config get \"", "\"WITHSCORES \"", "\"OVERFLOW \""] {
            assert!(words.lines().any(|line| line == word), "{word} in\n{words}");
        }
    }

    #[test]
    fn statistics_are_found_by_their_names() {
        let text = "memory: 1 bytes\nstat::number_of_executed_units: 12\n";
        assert_eq!(value(text, "stat::number_of_executed_units:"), Some("12"));
        assert_eq!(value(text, "stat::other:"), None);
    }
}
