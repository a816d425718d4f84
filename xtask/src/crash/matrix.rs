//! `cargo xtask test-crash --matrix`: every policy with fast and slow fsyncs, in one table.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::plan::{Policy, RUNS_PER_SESSION};
use super::report::{Failure, Summary};
use super::{Options, PolicyChoice, Subject, print_failures, run_sessions};

/// How long every fsync takes, in milliseconds. With none given, those that kills aim at are slow alone.
const FSYNC_DELAYS_MS: [Option<u64>; 3] = [None, Some(700), Some(1_500)];
/// How many sessions run side by side for each job: with slow fsyncs they mostly wait.
const SESSIONS_PER_JOB: [usize; 3] = [1, 8, 12];

/// What the runs with one delay came to.
struct Row {
    fsync_delay_ms: Option<u64>,
    summary: Summary,
    took: Duration,
}

/// Runs a third of all runs with each delay, each third in all policies.
///
/// # Errors
/// If a promise was broken, or too little was tested with one of the delays.
pub(super) fn run(options: &Options, subject: &Subject, seed: u64) -> Result<()> {
    let mut rows = Vec::new();
    for (fsync_delay_ms, sessions_per_job) in FSYNC_DELAYS_MS.into_iter().zip(SESSIONS_PER_JOB) {
        let part = Options {
            // A session has one policy: each delay needs one of every policy.
            runs: Some(options.wanted_runs().div_ceil(FSYNC_DELAYS_MS.len()).max(Policy::ALL.len() * RUNS_PER_SESSION)),
            policy: PolicyChoice::All,
            fsync_delay_ms,
            jobs: options.jobs.max(1) * sessions_per_job,
            ..options.clone()
        };
        println!("  fsync {}: {} runs, {} sessions side by side", named(fsync_delay_ms), part.wanted_runs(), part.jobs);
        let started = Instant::now();
        let summary = run_sessions(&part, subject, seed);
        print_failures(&part, &summary);
        let broken = !summary.failures.is_empty();
        rows.push(Row { fsync_delay_ms, summary, took: started.elapsed() });
        if broken {
            break;
        }
    }
    print(&rows);
    let broken: usize = rows.iter().map(|row| row.summary.failures.len()).sum();
    if broken > 0 {
        bail!("{broken} runs broke a promise");
    }
    if options.no_quota {
        return Ok(());
    }
    for row in &rows {
        let short = |e: anyhow::Error| e.context(format!("with an fsync of {}", named(row.fsync_delay_ms)));
        row.summary.require_quota(subject.foreign).map_err(short)?;
        for policy in Policy::ALL {
            row.summary.of(policy).require_acked().map_err(|e| short(e).context(policy.name()))?;
        }
    }
    Ok(())
}

fn named(fsync_delay_ms: Option<u64>) -> String {
    fsync_delay_ms.map_or("as it is".to_owned(), |ms| format!("{:.1} s", Duration::from_millis(ms).as_secs_f64()))
}

fn print(rows: &[Row]) {
    println!("                                                                killed while");
    println!("fsync      policy      runs       acked   median   lost   child   switch   flush waits       took");
    for Row { fsync_delay_ms, summary, took } in rows {
        for policy in Policy::ALL {
            print_line(&named(*fsync_delay_ms), policy.name(), &summary.of(policy), lost(summary, Some(policy)), "");
        }
        print_line(
            &named(*fsync_delay_ms),
            "all",
            summary,
            lost(summary, None),
            &format!("{:.0} s", took.as_secs_f64()),
        );
    }
}

fn lost(summary: &Summary, policy: Option<Policy>) -> usize {
    let of_policy = |failure: &&Failure| policy.is_none_or(|policy| failure.policy == policy);
    summary.failures.iter().filter(of_policy).filter(|failure| failure.is_loss()).count()
}

fn print_line(delay: &str, policy: &str, summary: &Summary, lost: usize, took: &str) {
    println!(
        "{delay:<10} {policy:<9} {:>6} {:>11} {:>8} {lost:>6} {:>7} {:>8} {:>13} {took:>10}",
        summary.runs(),
        summary.acked(),
        summary.median_acked(),
        summary.child_kills(),
        summary.switch_kills(),
        summary.flush_kills(),
    );
}
