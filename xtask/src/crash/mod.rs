//! `cargo xtask test-crash`: a real server, clients that record what was acknowledged, SIGKILL, restart, judgement.
//!
//! A *run* is one server process from its start to its kill. Runs follow each other over one directory, a *session*, so
//! that what was recovered has to be recovered again. `plan.rs` draws a session from its seed alone, `session.rs` carries
//! it out, `watch.rs` reads from INFO where a kill lands, `report.rs` counts and judges whether enough was tested.

mod matrix;
mod plan;
mod report;
mod session;
mod watch;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use testkit::binary::{Build, Profile, build};

use crate::power;

use plan::{Knobs, SessionPlan};
pub(crate) use plan::{Policy, mix};
use report::{Failure, Summary};

/// How many runs there are unless told otherwise.
const RUNS: usize = 300;
/// The slow fsync of a soundness run, in milliseconds, unless one is given.
const SOUNDNESS_FSYNC_DELAY_MS: u64 = 400;

/// What is asked of a crash test.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// How many times a server is killed and started again; with --power, how often the power goes under `always`.
    #[arg(long)]
    pub(crate) runs: Option<usize>,
    /// Draws every plan; printed, and random if not given.
    #[arg(long, value_parser = parse_seed)]
    pub(crate) seed: Option<u64>,
    /// The fsync policy under test.
    #[arg(long, value_enum, default_value_t = PolicyChoice::All)]
    pub(crate) policy: PolicyChoice,
    /// Makes every fsync take at least so long, in milliseconds.
    #[arg(long)]
    pub(crate) fsync_delay_ms: Option<u64>,
    /// Tests this binary instead of building server-bin with its test hooks.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// How many sessions run side by side.
    #[arg(long, default_value_t = 2)]
    pub(crate) jobs: usize,
    /// Does not fail when too little was tested, as when one session is repeated.
    #[arg(long)]
    pub(crate) no_quota: bool,
    /// Tells the server to acknowledge too early and demands that the loss is found.
    #[arg(long)]
    pub(crate) soundness: bool,
    /// Runs a third each with fsyncs as they are, of 0.7 s and of 1.5 s, in every policy, and prints one table.
    #[arg(long, conflicts_with_all = ["policy", "fsync_delay_ms", "soundness", "power"])]
    pub(crate) matrix: bool,
    /// Cuts the power instead of killing the process: at every operation of scripted loads, and under many clients.
    #[arg(long)]
    pub(crate) power: bool,
    /// With --power: how many crash points of the scripted loads.
    #[arg(long, requires = "power")]
    pub(crate) points: Option<usize>,
    /// With --power: only the scripted load of this name.
    #[arg(long, requires = "power")]
    pub(crate) only: Option<String>,
}

impl Options {
    fn wanted_runs(&self) -> usize {
        self.runs.unwrap_or(RUNS)
    }
}

/// A policy, or all of them in turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyChoice {
    /// appendfsync always.
    Always,
    /// appendfsync everysec.
    Everysec,
    /// appendfsync no.
    No,
    /// Each in turn, session by session.
    #[default]
    All,
}

/// Reads a seed in decimal or, with 0x, in hexadecimal.
fn parse_seed(text: &str) -> Result<u64, std::num::ParseIntError> {
    text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16))
}

/// The server under test.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Its executable.
    binary: PathBuf,
    /// Given by hand: it has no test hooks, and faults known of other servers are not held against it.
    foreign: bool,
}

/// Runs a crash test.
///
/// # Errors
/// If a promise was broken, too little was tested, or the harness itself failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.power {
        return power::run(&power::Options {
            runs: options.runs,
            points: options.points,
            seed: options.seed,
            policy: options.policy,
            only: options.only.clone(),
            server: options.server.clone(),
        });
    }
    let subject = match &options.server {
        Some(binary) => Subject { binary: binary.clone(), foreign: true },
        None => Subject { binary: build_with_hooks("test-crash")?, foreign: false },
    };
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    if options.matrix {
        println!("test-crash: {} runs, seed {seed:#x}", options.wanted_runs());
        return matrix::run(options, &subject, seed);
    }
    println!("test-crash: {} runs, policy {:?}, seed {seed:#x}", options.wanted_runs(), options.policy);
    let started = Instant::now();
    let summary = run_sessions(options, &subject, seed);
    summary.print(started.elapsed(), subject.foreign);
    conclude(options, &subject, &summary)
}

/// Builds the server with its test hooks, in a profile that nothing else builds it in, so that no other build pushes it out.
///
/// # Errors
/// If the build fails.
pub(crate) fn build_with_hooks(command: &str) -> Result<PathBuf> {
    println!("{command}: the server is built with test hooks and every assertion; minutes at the first time");
    build(&Build { profile: Profile::Checked, test_hooks: true, target_dir: None })
}

fn conclude(options: &Options, subject: &Subject, summary: &Summary) -> Result<()> {
    if options.soundness {
        let found = summary.failures.iter().filter(|f| f.is_loss()).count();
        if found > 0 {
            println!("test-crash: the planted early acknowledgement was found, {found} times, as it must be");
            return summary.remove_kept();
        }
        bail!("the server acknowledged too early, and no loss was found: the crash test is not sound");
    }
    print_failures(options, summary);
    if !summary.failures.is_empty() {
        bail!("{} of {} runs broke a promise", summary.failures.len(), summary.runs());
    }
    if options.no_quota { Ok(()) } else { summary.require_quota(subject.foreign) }
}

fn print_failures(options: &Options, summary: &Summary) {
    for failure in &summary.failures {
        println!("{failure}");
        println!("  repeat: {}", repeat_line(options, failure));
    }
}

/// The command that draws the failed session again.
fn repeat_line(options: &Options, failure: &Failure) -> String {
    let mut line = format!(
        "cargo xtask test-crash --seed {:#x} --runs {} --policy {} --jobs 1 --no-quota",
        failure.seed,
        failure.run + 1,
        failure.policy.name()
    );
    if let Some(delay) = options.fsync_delay_ms {
        line += &format!(" --fsync-delay-ms {delay}");
    }
    if let Some(server) = &options.server {
        line += &format!(" --server {}", server.display());
    }
    if options.soundness {
        line += " --soundness";
    }
    line
}

/// Runs all sessions, `jobs` at a time.
fn run_sessions(options: &Options, subject: &Subject, seed: u64) -> Summary {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let summary = Mutex::new(Summary::default());
    let sessions = options.wanted_runs().div_ceil(plan::RUNS_PER_SESSION);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= sessions {
                        break;
                    }
                    let plan = plan_session(options, index, seed);
                    let result = session::run(subject, &plan);
                    // One broken promise is enough: what follows would only hide its line.
                    stop.fetch_or(result.failure.is_some(), Ordering::Relaxed);
                    summary.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(result);
                }
            });
        }
    });
    summary.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Draws session number `index`. The first one has the seed that was given, so that a failure's own seed repeats it.
fn plan_session(options: &Options, index: usize, seed: u64) -> SessionPlan {
    let policy = match options.policy {
        PolicyChoice::Always => Policy::Always,
        PolicyChoice::Everysec => Policy::Everysec,
        PolicyChoice::No => Policy::No,
        PolicyChoice::All => [Policy::Always, Policy::Everysec, Policy::No][index % 3],
    };
    let seed = if index == 0 { seed } else { mix(seed, index as u64) };
    let runs = plan::RUNS_PER_SESSION.min(options.wanted_runs() - index * plan::RUNS_PER_SESSION);
    let soundness_delay = options.soundness.then_some(SOUNDNESS_FSYNC_DELAY_MS);
    let fsync_delay_ms = options.fsync_delay_ms.or(soundness_delay);
    SessionPlan::draw(seed, policy, runs, Knobs { fsync_delay_ms, ack_early: options.soundness })
}
