//! One search: libFuzzer over a target, and what it says.
//!
//! An input that breaks something is made as short as it will go and stays under `target/fuzz/found`, with the line that runs it again.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::programs::{home, place, words};

/// How long one input may run, in seconds.
const HANG_SECONDS: u64 = 10;
/// How long an input that broke something is made shorter, in seconds.
const SHORTEN_SECONDS: u64 = 10;

/// What libFuzzer is told in any case.
///
/// Its schedule by entropy keeps the frequency of every rare feature for every input, which took up to two thirds of a search
/// and found no more in as many inputs.
const ALWAYS: [&str; 2] = ["-print_final_stats=1", "-entropic=0"];
/// What the allocator of the C library is told: memory that an input gave back stays with the program, as the next one takes as much.
const KEEPS_MEMORY: [(&str, &str); 3] =
    [("MALLOC_MMAP_THRESHOLD_", "67108864"), ("MALLOC_TRIM_THRESHOLD_", "67108864"), ("MALLOC_TOP_PAD_", "4194304")];

/// When a search ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    Seconds(u64),
    Inputs(u64),
}

/// What is to be run.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub(super) target: String,
    /// Which of those that run side by side over the target.
    pub(super) share: u64,
    pub(super) until: Until,
    /// Where what it finds is kept, and begun from; nothing is otherwise.
    pub(super) corpus: Option<PathBuf>,
    pub(super) seed: Option<u32>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Searched {
    pub(super) inputs: u64,
    pub(super) took: Duration,
    /// The most memory that an input took, in bytes; 0 is less than what is told.
    pub(super) most_bytes: u64,
    /// The longest that an input took, in microseconds; 0 is less than what is told.
    pub(super) longest_us: u64,
    pub(super) found: Option<Found>,
}

/// How an input broke something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Panic,
    Memory,
    Hang,
}

/// An input that broke something: the target's last words, and how to see them again.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) manner: Manner,
    said: String,
    log: PathBuf,
    target: String,
    input: PathBuf,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { said, log, target, input, .. } = self;
        writeln!(f, "{said}\nwhole output: {}", log.display())?;
        write!(f, "once more:    cargo xtask fuzz --target {target} --input {}", input.display())
    }
}

impl Search {
    /// Runs it, with its own inputs in `corpus`.
    ///
    /// # Errors
    /// If the program does not run, or ends in a way that names no input.
    pub(super) fn run(&self, programs: &Path, corpus: &Path) -> Result<Searched> {
        let (program, target) = (programs.join(&self.target), &self.target);
        let found = place().join("found");
        fs::create_dir_all(&found).with_context(|| format!("can't make {}", found.display()))?;
        let log = place().join(match self.share {
            0 => format!("{target}.log"),
            share => format!("{target}.{share}.log"),
        });
        let output = File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
        let mut command = libfuzzer(&program);
        command.args(ALWAYS).arg(format!("-artifact_prefix={}/{target}-", found.display())).envs(KEEPS_MEMORY);
        command.arg(match self.until {
            Until::Inputs(inputs) => format!("-runs={inputs}"),
            Until::Seconds(seconds) => format!("-max_total_time={seconds}"),
        });
        command.args(self.seed.map(|seed| format!("-seed={seed}")));
        command.args(words(target)?.map(|words| format!("-dict={}", words.display())));
        command.arg(corpus).arg(home().join("corpus").join(target)).stderr(output);
        let started = Instant::now();
        let status = command.status().with_context(|| program.display().to_string())?;
        let took = started.elapsed();
        let text = fs::read(&log).with_context(|| format!("can't read {}", log.display()))?;
        let text = String::from_utf8_lossy(&text);
        let found = if status.success() { None } else { Some(self.found(&program, status, &text, log)?) };
        Ok(Searched {
            inputs: number(&text, "stat::number_of_executed_units:"),
            took,
            most_bytes: number(&text, "memory: "),
            longest_us: number(&text, "time: "),
            found,
        })
    }

    fn found(&self, program: &Path, status: ExitStatus, text: &str, log: PathBuf) -> Result<Found> {
        let Some(saved) = text.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path)
        else {
            bail!("{} ended with {status} and saved no input: see {}", program.display(), log.display());
        };
        let short = PathBuf::from(format!("{saved}.short"));
        let mut command = libfuzzer(program);
        command.args(["-minimize_crash=1".to_owned(), format!("-max_total_time={SHORTEN_SECONDS}")]);
        command.arg(format!("-exact_artifact_path={}", short.display()));
        let _shorter_or_not = command.arg(saved).output().with_context(|| program.display().to_string())?;
        let input = if short.exists() { short } else { PathBuf::from(saved) };
        let said: Vec<&str> = text.lines().skip_while(|line| !is_last_word(line)).take(4).collect();
        Ok(Found { manner: manner(text), said: said.join("\n"), log, target: self.target.clone(), input })
    }
}

/// A program of a target, which ends when an input hangs.
fn libfuzzer(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg(format!("-timeout={HANG_SECONDS}"));
    command
}

/// The number behind the last `name` that begins a line; 0 if none does.
fn number(text: &str, name: &str) -> u64 {
    let last = text.lines().rev().find_map(|line| digits(line.strip_prefix(name)?));
    last.unwrap_or(0)
}

fn digits(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

fn manner(text: &str) -> Manner {
    if text.lines().any(|line| line.starts_with("memory: too much")) {
        Manner::Memory
    } else if text.contains("ERROR: libFuzzer: timeout") {
        Manner::Hang
    } else {
        Manner::Panic
    }
}

fn is_last_word(line: &str) -> bool {
    line.contains("panicked at") || line.starts_with("memory: too much") || line.contains("ERROR: libFuzzer")
}

/// Runs a target with one input, everything it says shown.
///
/// # Errors
/// If it breaks something.
pub(super) fn run_again(program: &Path, input: &Path) -> Result<()> {
    let mut command = libfuzzer(program);
    let status = command.arg(input).env("RUST_BACKTRACE", "1").status();
    let status = status.with_context(|| program.display().to_string())?;
    ensure!(status.success(), "{} breaks something: {status}", input.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_of_a_name_counts() {
        let text = "memory: 1 bytes at most\nstat::number_of_executed_units: 12\nmemory: 2 bytes\nmemory: too much\n";
        assert_eq!(number(text, "stat::number_of_executed_units:"), 12);
        assert_eq!(number(text, "memory: "), 2);
        assert_eq!(number(text, "stat::other:"), 0);
    }

    #[test]
    fn how_an_input_broke_something_is_told_apart() {
        assert_eq!(manner("memory: too much for this input\n==1== ERROR: libFuzzer: deadly signal"), Manner::Memory);
        assert_eq!(manner("==1== ERROR: libFuzzer: timeout after 10 seconds"), Manner::Hang);
        assert_eq!(manner("thread panicked at x.rs\n==1== ERROR: libFuzzer: deadly signal"), Manner::Panic);
    }
}
