//! `cargo xtask compat`: our server and redis-server get the same commands, and answer and hold the same.
//!
//! Commands are drawn from our own table: `draw.rs` walks the tree of a command's arguments, `values.rs` fills it from the
//! domains of `domains.rs`, `sequence.rs` lines commands up. `pair.rs` sends them to both servers, `judge.rs` compares the
//! replies in the manner that `manner.rs` gives each command, `known.rs` lists what may differ. `world.rs` compares the
//! datasets afterwards and lets the reference read our log. A sequence that fails is made shorter by `shrink.rs`.

mod denied;
mod domains;
mod draw;
mod judge;
mod known;
mod manner;
mod pair;
mod payloads;
mod recorded;
mod sequence;
mod shrink;
mod sorting;
mod step;
mod values;
mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::{Info, ServerBuilder};

use crate::interop::REFERENCE;
use crate::suite::{require_program, server_under_test};
use judge::{Counts, Difference};
use sequence::Sequence;
use step::Step;
use world::{Failure, Reference, World};

/// About how many commands one sequence holds.
const SEQUENCE: usize = 2_000;
/// From how many commands on every command must have come up, and succeeded.
const COVERED_FROM: usize = 30_000;
/// How long a sequence is made shorter.
const SHRINK_FOR: Duration = Duration::from_secs(120);

/// What is asked of the comparison.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Tests this binary instead of building server-bin.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// Compares with this redis-server instead of the one in PATH.
    #[arg(long)]
    pub(crate) reference: Option<PathBuf>,
    /// Draws the first sequence; printed, and random if not given.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// About how many commands are compared.
    #[arg(long, default_value_t = 50_000)]
    pub(crate) commands: usize,
    /// Prints how often each command was drawn and succeeded.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Goes on after a sequence that fails.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Compares nothing, but records the replies of --server, a redis-server 7.2.
    #[arg(long, requires = "server")]
    pub(crate) record: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server: None,
            reference: None,
            seed: None,
            commands: 50_000,
            coverage: false,
            keep_going: false,
            record: false,
        }
    }
}

/// Compares.
///
/// # Errors
/// If a reply or a dataset differs without a reason, a command was never drawn, or a server fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let (true, Some(server)) = (options.record, &options.server) {
        return record(server);
    }
    let reference = match &options.reference {
        Some(path) => path.clone(),
        None => require_program(REFERENCE)?,
    };
    let reference = identify(reference)?;
    let server = server_under_test(options.server.as_deref())?;
    let first = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    let sequences = options.commands.div_ceil(SEQUENCE).max(1);
    println!("compat: with redis-server {}, {sequences} sequences from seed {first}", reference.version);
    let started = Instant::now();
    let before_7_2 = reference.before_7_2();
    let mut world = World::start(&server, reference)?;
    println!("compat: {} recorded replies of redis-server 7.2 equal ours", recorded::check(world.ours())?);
    let mut counts = Counts::default();
    let mut failed = 0;
    for seed in first..first + sequences as u64 {
        let sequence = sequence::draw(seed, SEQUENCE, now_ms()?, before_7_2);
        let Some(failure) = world.run(&sequence, &sequence.steps, &mut counts, true)? else { continue };
        report(&mut world, &sequence, &failure)?;
        println!("  repeat: cargo xtask compat --seed {seed} --commands 1");
        failed += 1;
        if !options.keep_going {
            break;
        }
    }
    print_counts(&counts, options.coverage, started.elapsed());
    ensure!(failed == 0, "{failed} sequences differ");
    check_coverage(&counts, options.commands)?;
    println!("compat: 0 unexplained differences, 0 differing datasets");
    Ok(())
}

/// Records the replies of a redis-server 7.2.
fn record(server: &Path) -> Result<()> {
    let reference = identify(server.to_owned())?;
    let home = tempfile::tempdir()?;
    let running = ServerBuilder::new(server, home.path()).directive("enable-debug-command", "yes").start()?;
    recorded::record(&running, &reference.version)
}

fn now_ms() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// Asks a redis-server for its version.
fn identify(binary: PathBuf) -> Result<Reference> {
    let home = tempfile::tempdir()?;
    let server = ServerBuilder::new(&binary, home.path()).start().context("the reference")?;
    let info = Info::fetch(&mut server.client()?, "server")?;
    let version = info.text("redis_version").context("INFO does not name redis_version")?.to_owned();
    Ok(Reference { binary, version })
}

/// Makes the failing sequence shorter and prints what is left of it.
fn report(world: &mut World, sequence: &Sequence, failure: &Failure) -> Result<()> {
    let upto = match failure {
        Failure::Reply(found) => found.index + 1,
        Failure::Log { steps, .. } => *steps,
        _ => sequence.steps.len(),
    };
    let in_log = matches!(failure, Failure::Log { .. });
    let broken = matches!(failure, Failure::Broken(_));
    let deadline = Instant::now() + SHRINK_FOR;
    let mut last = None;
    if broken {
        world.restart()?;
    }
    let steps = shrink::shrink(&sequence.steps[..upto], |steps| {
        if Instant::now() > deadline {
            return Ok(false);
        }
        let failed = world.run(sequence, steps, &mut Counts::default(), in_log)?;
        if matches!(failed, Some(Failure::Broken(_))) {
            world.restart()?;
        }
        let fails = failed.as_ref().is_some_and(|failed| failed.is_like(failure));
        if fails {
            last = failed;
        }
        Ok(fails)
    })?;
    print_failure(last.as_ref().unwrap_or(failure), &steps);
    Ok(())
}

fn print_failure(failure: &Failure, steps: &[Step]) {
    const MOST_LINES: usize = 60;
    println!("compat: FAILED, with {} steps:", steps.len());
    for step in steps.iter().rev().take(MOST_LINES).rev() {
        println!("  > {}", cut(step.to_string()));
    }
    match failure {
        Failure::Reply(found) => {
            let Difference { request, ours, theirs, note } = &*found.difference;
            println!("  {}", cut(request.to_string()));
            println!("    ours:      {}", cut(format!("{ours:?}")));
            println!("    reference: {}", cut(format!("{theirs:?}")));
            if let Some(note) = note {
                println!("    {note}");
            }
        }
        Failure::Data(lines) => print_lines("the datasets differ (expected: the reference)", lines),
        Failure::Log { lines, .. } => print_lines("what the reference reads from our log differs", lines),
        Failure::Broken(text) => println!("  {text}"),
    }
}

/// As much of a text as anyone reads.
fn cut(mut text: String) -> String {
    const MOST: usize = 1_500;
    if let Some((at, _)) = text.char_indices().nth(MOST) {
        text.truncate(at);
        text.push_str(" …");
    }
    text
}

fn print_lines(heading: &str, lines: &[String]) {
    println!("  {heading}:");
    for line in lines.iter().take(20) {
        println!("    {line}");
    }
}

fn print_counts(counts: &Counts, coverage: bool, took: Duration) {
    let sent: u64 = counts.commands.values().map(|tally| tally.drawn).sum();
    println!("compat: {sent} commands, {} replies compared, {:.1} s", counts.replies, took.as_secs_f64());
    for (name, count) in &counts.known {
        let why = known::KNOWN.iter().find(|known| known.name == *name).map_or("", |known| known.why);
        println!("compat: known difference {name}: {count} times ({why})");
    }
    if coverage {
        for (name, tally) in &counts.commands {
            println!("{:>7} drawn {:>7} succeeded  {name}", tally.drawn, tally.succeeded);
        }
    }
}

/// Every command that may be drawn was, and worked at least once.
fn check_coverage(counts: &Counts, commands: usize) -> Result<()> {
    if commands < COVERED_FROM {
        return Ok(());
    }
    let tally = |name| counts.commands.get(name).copied().unwrap_or_default();
    let missed: Vec<&str> = denied::drawn()
        .filter(|command| {
            tally(command.name).drawn == 0 || tally(command.name).succeeded == 0 && !denied::always_fails(command)
        })
        .map(|command| command.name)
        .collect();
    if !missed.is_empty() {
        bail!("never drawn, or never with success: {}", missed.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::Tally;

    fn all_succeeded() -> Counts {
        let tally = Tally { drawn: 2, succeeded: 1 };
        Counts { commands: denied::drawn().map(|command| (command.name, tally)).collect(), ..Counts::default() }
    }

    #[test]
    fn a_command_that_never_succeeded_fails_the_run() {
        let mut counts = all_succeeded();
        assert!(check_coverage(&counts, COVERED_FROM).is_ok());
        counts.commands.insert("lrange", Tally { drawn: 2, succeeded: 0 });
        let missed = check_coverage(&counts, COVERED_FROM).unwrap_err().to_string();
        assert!(missed.ends_with(": lrange"), "{missed}");
    }

    #[test]
    fn a_command_that_was_never_drawn_fails_the_run_but_not_a_short_one() {
        let mut counts = all_succeeded();
        counts.commands.remove("config");
        assert!(check_coverage(&counts, COVERED_FROM).is_err());
        assert!(check_coverage(&counts, COVERED_FROM - 1).is_ok());
    }

    #[test]
    fn the_run_that_the_suite_makes_asks_for_coverage() {
        assert!(Options::default().commands >= COVERED_FROM);
    }
}
