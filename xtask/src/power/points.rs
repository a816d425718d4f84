//! The crash points of recorded loads: every operation, every mode, every rule of names; drawn from, judged, counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use powerfs::{Disk, Mode, NameRule};

use super::allowed::Moment;
use super::excuses::Images;
use super::judge::{Crash, Outcome};
use super::record::Recorded;
use super::recover::Recoveries;
use crate::crash::{Policy, mix};
use crate::parallel;

/// How many servers are started side by side; they mostly wait.
const JOBS: usize = 4;
/// After how many crash points a long run tells how far it is.
const TOLD_EVERY: usize = 1_000;

/// One crash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// Which recorded load.
    pub(super) run: usize,
    /// After how many operations.
    pub(super) position: usize,
    pub(super) mode: Mode,
    pub(super) rule: NameRule,
    /// Chooses among the images that may be left.
    pub(super) seed: u64,
}

/// What the crashes of one mode, rule and policy came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub(super) points: usize,
    pub(super) lost: usize,
    pub(super) refused: usize,
    pub(super) wrong: usize,
    pub(super) altered: usize,
    pub(super) oldest_lost: Duration,
}

impl Cell {
    fn add(&mut self, outcome: &Outcome) {
        self.points += 1;
        match outcome {
            Outcome::Kept { oldest_lost, altered } => {
                self.altered += usize::from(*altered);
                self.oldest_lost = self.oldest_lost.max(oldest_lost.unwrap_or_default());
            }
            Outcome::Lost { .. } => self.lost += 1,
            Outcome::Refused(_) => self.refused += 1,
            Outcome::Wrong(_) => self.wrong += 1,
        }
    }
}

/// Cells by mode, rule and policy.
pub(super) type Table = BTreeMap<(Mode, NameRule, Policy), Cell>;

/// Every point of all recorded loads: each operation in each mode and rule.
pub(super) fn all(runs: &[Recorded]) -> Vec<Point> {
    let mut all = Vec::new();
    for (run, recorded) in runs.iter().enumerate() {
        for position in 0..=recorded.recording.records.len() {
            for mode in Mode::ALL {
                let rules = if mode == Mode::Killed { &NameRule::ALL[..1] } else { &NameRule::ALL };
                all.extend(rules.iter().map(|&rule| Point { run, position, mode, rule, seed: 0 }));
            }
        }
    }
    all
}

/// Draws so many of all points, or takes all and goes round again with other seeds.
pub(super) fn draw(mut all: Vec<Point>, wanted: usize, seed: u64) -> Vec<Point> {
    let mut drawn: Vec<Point> = Vec::new();
    let mut rng = fastrand::Rng::with_seed(seed);
    while drawn.len() < wanted && !all.is_empty() {
        rng.shuffle(&mut all);
        drawn.extend(all.iter().take(wanted - drawn.len()));
    }
    for (number, point) in (0..).zip(&mut drawn) {
        point.seed = mix(seed, number);
    }
    drawn
}

/// Starts a server after every point and judges what it shows.
pub(super) fn crash(runs: &[Recorded], points: &[Point], recoveries: &Recoveries<'_>) -> Vec<Result<Outcome>> {
    let (started, done) = (Instant::now(), AtomicUsize::new(0));
    parallel::map(JOBS, points, |point| {
        let number = done.fetch_add(1, Ordering::Relaxed);
        if number > 0 && number.is_multiple_of(TOLD_EVERY) {
            println!("  {number} of {} crash points after {:.0} s", points.len(), started.elapsed().as_secs_f64());
        }
        let recorded = &runs[point.run];
        let written = recorded.recording.disk_after(point.position);
        let left = left_by(&written, point);
        let booted = point.mode != Mode::Killed;
        let shown = recoveries.shown(&left, &recorded.load, recorded.policy, booted)?;
        let records = &recorded.recording.records;
        let moment = Moment::before(records, point.position, recorded.end);
        let images = Images { written, left };
        let (policy, mode, syncs) = (recorded.policy, point.mode, &recorded.syncs);
        let crash = Crash { policy, mode, moment, syncs, images: &images };
        Ok(crash.judge(&recorded.states, &shown))
    })
}

/// What a crash leaves of a disk.
pub(super) fn left_by(written: &Disk, point: &Point) -> Disk {
    written.cut(point.mode, point.rule, &mut fastrand::Rng::with_seed(point.seed))
}

/// Counts.
pub(super) fn table(runs: &[Recorded], points: &[Point], outcomes: &[Result<Outcome>]) -> Table {
    let mut table = Table::new();
    for (point, outcome) in points.iter().zip(outcomes) {
        let cell = table.entry((point.mode, point.rule, runs[point.run].policy)).or_default();
        match outcome {
            Ok(outcome) => cell.add(outcome),
            Err(_) => (cell.points, cell.wrong) = (cell.points + 1, cell.wrong + 1),
        }
    }
    table
}
