//! Processor time a million commands, server by server, test by test, in interleaved rounds.
//!
//! In a round every server is started afresh over an empty directory, and stays idle while another one is measured. A test is
//! cut into slices of well under a second: each server in turn makes one, again and again, and its slices are added up. Who
//! goes first changes from slice to slice. A ratio is taken within a round. So what the machine does meanwhile meets all
//! servers alike.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value as Json, json};
use testkit::{Client, ServerProcess};

use super::Options;
use super::cpu::Cpu;
use super::figures::{Samples, float, geometric_mean};
use super::record::{Section, Table};
use super::subject::{Subject, by_name};
use super::workload::{Driver, Test};
use crate::suite::require_program;

/// A pipeline of more than one request gets so many times the requests: each takes far less time.
const PIPELINED_FACTOR: u64 = 8;
/// Under `always` every turn waits for the disk: so many times fewer requests are enough.
const ALWAYS_DIVISOR: u64 = 10;

/// What all servers are told.
pub(crate) fn directives(policy: super::Policy) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("save", ""), ("auto-aof-rewrite-percentage", "0")];
    match policy.appendfsync() {
        Some(value) => all.extend([("appendonly", "yes"), ("appendfsync", value)]),
        None => all.push(("appendonly", "no")),
    }
    all
}

/// What one server did in one test, one sample a round.
#[derive(Clone, Debug, Default)]
struct Cell {
    /// Microseconds of processor time a command: the same number as seconds a million.
    all_us: Samples,
    main_us: Samples,
    user_us: Samples,
    /// Times the main thread was put on a processor, a thousand commands.
    runs: Samples,
    rate: Samples,
}

/// One row of the table.
#[derive(Clone, Debug)]
struct Row {
    test: &'static Test,
    pipeline: u32,
    requests: u64,
    /// One a server, ours first.
    cells: Vec<Cell>,
}

/// A started server and its connection for orders.
struct Running {
    server: ServerProcess,
    client: Client,
}

/// Measures all tests.
///
/// # Errors
/// If a server or redis-benchmark fails.
pub(crate) fn measure(options: &Options, subjects: &[Subject]) -> Result<Section> {
    let benchmark = require_program("redis-benchmark")?;
    let tests = super::workload::select(&options.tests)?;
    let mut rows: Vec<Row> = Vec::new();
    for &pipeline in &options.pipeline {
        rows.extend(tests.iter().map(|test| Row {
            test,
            pipeline,
            requests: test.requests(base(options, pipeline)),
            cells: vec![Cell::default(); subjects.len()],
        }));
    }
    for round in 0..options.rounds {
        let home = super::home(options)?;
        let mut running = start_all(options, subjects, home.path())?;
        for row in &mut rows {
            measure_row(options, &benchmark, row, &mut running).with_context(|| row.test.name)?;
            super::progress(&format!("round {}/{}: {}", round + 1, options.rounds, row.brief(round)));
        }
    }
    Ok(section(options, subjects, &rows))
}

fn base(options: &Options, pipeline: u32) -> u64 {
    let factor = if pipeline > 1 { PIPELINED_FACTOR } else { 1 };
    let divisor = if options.policy == super::Policy::Always { ALWAYS_DIVISOR } else { 1 };
    options.requests * factor / divisor
}

fn start_all(options: &Options, subjects: &[Subject], home: &Path) -> Result<Vec<Running>> {
    let start = |subject: &Subject| -> Result<Running> {
        let builder = subject.builder(&home.join(&subject.name), &directives(options.policy));
        let server = builder.start().with_context(|| subject.name.clone())?;
        let client = server.client()?;
        Ok(Running { server, client })
    };
    subjects.iter().map(start).collect()
}

/// One round of one test.
fn measure_row(options: &Options, benchmark: &Path, row: &mut Row, running: &mut [Running]) -> Result<()> {
    let base = base(options, row.pipeline);
    let driver = |on: &Running| Driver { binary: benchmark, port: on.server.address().port() };
    for on in &mut *running {
        on.client.expect(&["FLUSHALL"])?;
        row.test.fill(driver(on), base)?;
    }
    let mut sums = vec![Sum::default(); running.len()];
    let requests = (row.requests / options.slices).max(1);
    for slice in 0..options.slices {
        for turn in 0..running.len() {
            let which = (turn + usize::try_from(slice)?) % running.len();
            let on = &running[which];
            let before = Cpu::at_rest(on.server.pid())?;
            let rate = row.test.run(driver(on), requests, row.pipeline)?;
            sums[which].add(Cpu::at_rest(on.server.pid())?.since(before), rate, requests);
        }
    }
    row.cells.iter_mut().zip(sums).for_each(|(cell, sum)| cell.push(sum));
    Ok(())
}

/// What a server used in the slices of one round.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    used: Cpu,
    requests: u64,
    seconds: f64,
}

impl Sum {
    fn add(&mut self, used: Cpu, rate: f64, requests: u64) {
        self.used = self.used.plus(used);
        self.requests += requests;
        self.seconds += float(requests) / rate;
    }
}

impl Cell {
    fn push(&mut self, Sum { used, requests, seconds }: Sum) {
        let us_each = |ns: u64| float(ns) / 1_000.0 / float(requests);
        self.all_us.push(us_each(used.all_ns));
        self.main_us.push(us_each(used.main_ns));
        self.user_us.push(us_each(used.user_ns));
        self.runs.push(float(used.main_runs) * 1_000.0 / float(requests));
        self.rate.push(float(requests) / seconds);
    }
}

impl Row {
    /// The round that just ended, for who waits.
    fn brief(&self, round: usize) -> String {
        let each: Vec<String> = self
            .cells
            .iter()
            .map(|c| c.all_us.0.get(round).map_or_else(String::new, |us| format!("{us:.2}")))
            .collect();
        format!("{} P{}: {} µs", self.test.name, self.pipeline, each.join(" / "))
    }

    /// Ours over that of server number `peer`, round by round.
    fn ratio(&self, peer: usize) -> Samples {
        self.cells[0].all_us.over(&self.cells[peer].all_us)
    }
}

fn section(options: &Options, subjects: &[Subject], rows: &[Row]) -> Section {
    let mut table = Table::new(["test", "P", "ours", "of it main"].map(str::to_owned));
    for peer in &subjects[1..] {
        table.heading.extend([peer.name.clone(), format!("ours / {}", peer.name)]);
    }
    for row in rows {
        let ours = &row.cells[0];
        let main = ours.main_us.median() / ours.all_us.median() * 100.0;
        let mut line = vec![row.test.name.to_owned(), row.pipeline.to_string()];
        line.extend([format!("{:.3}", ours.all_us.median()), format!("{main:.0} %")]);
        for peer in 1..subjects.len() {
            line.extend([format!("{:.3}", row.cells[peer].all_us.median()), row.ratio(peer).ratio_text()]);
        }
        table.rows.push(line);
    }
    let mut notes = vec![format!(
        "Seconds of processor time of the server a million commands (µs a command), all threads; median of {} rounds. \
         A ratio below 1 means that ours uses less; in brackets the least and the greatest of the rounds.",
        options.rounds
    )];
    notes.extend((1..subjects.len()).flat_map(|peer| summary(options, rows, peer, &subjects[peer].name)));
    let json = rows.iter().map(|row| row.json(subjects)).collect();
    Section { title: "Processor time a million commands".to_owned(), key: "commands", notes, table, json }
}

/// How the ratios to one server lie, by pipeline and group.
fn summary(options: &Options, rows: &[Row], peer: usize, name: &str) -> Vec<String> {
    use super::workload::Group::{Default, Missing, Random};
    let mut lines = Vec::new();
    for &pipeline in &options.pipeline {
        for group in [Default, Missing, Random] {
            let among = |row: &&Row| row.pipeline == pipeline && row.test.group == group;
            let ratios: Vec<f64> = rows.iter().filter(among).map(|row| row.ratio(peer).median()).collect();
            if ratios.is_empty() {
                continue;
            }
            let above = ratios.iter().filter(|ratio| **ratio > 1.0).count();
            lines.push(format!(
                "Ours / {name}, {} tests at P{pipeline}: geometric mean {:.2}, {above} of {} above 1.",
                group.name(),
                geometric_mean(ratios.iter().copied()),
                ratios.len()
            ));
        }
    }
    lines
}

impl Row {
    fn json(&self, subjects: &[Subject]) -> Json {
        let servers = by_name(subjects, &self.cells, |cell| {
            json!({
                "cpu_us": cell.all_us.json(),
                "main_thread_us": cell.main_us.json(),
                "outside_kernel_us": cell.user_us.json(),
                "main_thread_runs_per_1000": cell.runs.json(),
                "requests_per_second": cell.rate.json(),
            })
        });
        let ratios: serde_json::Map<String, Json> =
            (1..subjects.len()).map(|peer| (subjects[peer].name.clone(), self.ratio(peer).json())).collect();
        json!({
            "test": self.test.name, "group": self.test.group.name(), "pipeline": self.pipeline,
            "requests": self.requests, "servers": servers, "ours_over": ratios,
        })
    }
}
