//! `appendfsync always` under many writers: what they get done a second, and how long a reader of other keys waits beside them.
//!
//! Each server in turn is started over an empty directory and loaded by many connections, while another reads one key
//! that nobody writes and measures each of its round trips. Storage is as it is here, and then with every fdatasync made
//! slower by strace, the same for all servers: fsyncs that overlap then wait side by side.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::Client;

use super::cpu::Cpu;
use super::figures::{Samples, float};
use super::record::{Section, Table};
use super::subject::{Subject, by_name, heading};
use super::{Options, closed_loop};
use crate::suite::require_program;

/// Writers, and how much slower an fdatasync is made, in microseconds.
const LOADS: [(u32, u64); 4] = [(50, 0), (200, 0), (50, 2_000), (200, 2_000)];
/// So many times fewer requests than elsewhere: every reply waits for the disk.
const DIVISOR: u64 = 5;
/// The pause between two reads: a reader without one would be a load of its own.
const READ_PAUSE: Duration = Duration::from_micros(500);

/// What one server did under one load, one sample a round.
#[derive(Clone, Debug, Default)]
struct Cell {
    sets_per_second: Samples,
    get_p50_ms: Samples,
    get_p99_ms: Samples,
    /// Processor time of the server, in microseconds a SET, the reads beside it included.
    cpu_us: Samples,
    /// That of its main thread alone.
    main_us: Samples,
}

/// A figure: its name, where it stands, and decimals to show.
type Figure = (&'static str, fn(&Cell) -> &Samples, usize);

/// Measures.
///
/// # Errors
/// If a server, the load or strace fails.
pub(crate) fn measure(options: &Options, subjects: &[Subject]) -> Result<Section> {
    require_program("strace")?;
    let mut cells = vec![vec![Cell::default(); subjects.len()]; LOADS.len()];
    for round in 0..options.rounds {
        for ((writers, delay_us), row) in LOADS.iter().zip(&mut cells) {
            for turn in 0..subjects.len() {
                let which = (turn + round) % subjects.len();
                let load = Load { writers: *writers, delay_us: *delay_us, requests: options.requests / DIVISOR };
                load.run(options, &subjects[which], &mut row[which]).with_context(|| subjects[which].name.clone())?;
            }
        }
        super::progress(&format!("round {}/{} of many writers", round + 1, options.rounds));
    }
    Ok(section(options, subjects, &cells))
}

/// One load.
struct Load {
    writers: u32,
    delay_us: u64,
    requests: u64,
}

impl Load {
    fn run(&self, options: &Options, subject: &Subject, cell: &mut Cell) -> Result<()> {
        let home = super::home(options)?;
        let mut builder = subject.builder(home.path(), &super::rounds::directives(super::Policy::Always));
        if self.delay_us > 0 {
            let inject = format!("inject=fdatasync:delay_enter={}", self.delay_us);
            let strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"];
            builder = builder.wrapper(strace.into_iter().chain([inject.as_str()]));
        }
        let server = builder.start()?;
        let mut client = server.client()?;
        client.expect(&["SET", "read", "xyz"])?;
        let before = Cpu::at_rest(server.pid())?;
        let stop = AtomicBool::new(false);
        let (rate, waits) = std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_until(&mut client, &stop));
            let rate = closed_loop::sets_per_second(server.address(), self.writers, self.requests);
            stop.store(true, Ordering::Relaxed);
            (rate, reader.join().expect("the reader does not panic"))
        });
        cell.sets_per_second.push(rate?);
        let used = Cpu::at_rest(server.pid())?.since(before);
        cell.cpu_us.push(float(used.all_ns) / 1e3 / float(self.requests));
        cell.main_us.push(float(used.main_ns) / 1e3 / float(self.requests));
        let mut waits = waits?;
        ensure!(waits.len() >= 100, "only {} reads beside the writers: make more requests", waits.len());
        waits.sort_unstable();
        cell.get_p50_ms.push(percentile_ms(&waits, 50));
        cell.get_p99_ms.push(percentile_ms(&waits, 99));
        Ok(())
    }
}

/// Reads one key again and again; how long each answer took.
fn read_until(client: &mut Client, stop: &AtomicBool) -> Result<Vec<Duration>> {
    let mut waits = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        client.expect(&["GET", "read"])?;
        waits.push(asked.elapsed());
        std::thread::sleep(READ_PAUSE);
    }
    Ok(waits)
}

/// A percentile of sorted durations, in milliseconds.
fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1_000.0
}

fn section(options: &Options, subjects: &[Subject], cells: &[Vec<Cell>]) -> Section {
    let mut table = Table::new(heading(&["writers", "fdatasync", "what"], subjects));
    let mut json = Vec::new();
    let figures: [Figure; 5] = [
        ("SET/s", |cell| &cell.sets_per_second, 0),
        ("GET p50, ms", |cell| &cell.get_p50_ms, 3),
        ("GET p99, ms", |cell| &cell.get_p99_ms, 3),
        ("CPU, µs/SET", |cell| &cell.cpu_us, 1),
        ("main thread, µs/SET", |cell| &cell.main_us, 1),
    ];
    for ((writers, delay_us), servers) in LOADS.iter().zip(cells) {
        let slower = if *delay_us == 0 { "as it is".to_owned() } else { format!("+ {} ms", delay_us / 1_000) };
        for (what, of, decimals) in figures {
            let mut row = vec![writers.to_string(), slower.clone(), what.to_owned()];
            row.extend(servers.iter().map(|cell| format!("{:.decimals$}", of(cell).median())));
            row.extend(servers[1..].iter().map(|peer| of(&servers[0]).over(of(peer)).ratio_text()));
            table.rows.push(row);
        }
        let each = by_name(subjects, servers, |cell| {
            json!({
                "sets_per_second": cell.sets_per_second.json(), "get_p50_ms": cell.get_p50_ms.json(),
                "get_p99_ms": cell.get_p99_ms.json(), "cpu_us": cell.cpu_us.json(), "main_cpu_us": cell.main_us.json(),
            })
        });
        json.push(json!({ "writers": writers, "fdatasync_delay_us": delay_us, "servers": each }));
    }
    let notes = vec![format!(
        "appendfsync always; {} SETs of random keys by so many connections of one thread, one request each at a time, while \
         another reads a key that nobody writes, every {} µs. Medians of {} rounds, in which the servers take turns. These are times on \
         the wall: only their ratios within a round say anything.",
        options.requests / DIVISOR,
        READ_PAUSE.as_micros(),
        options.rounds
    )];
    Section { title: "Many writers under always".to_owned(), key: "writers", notes, table, json: json.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_wait_that_so_many_were_below() {
        let waits: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert!((percentile_ms(&waits, 50) - 101.0).abs() < 1e-9);
        assert!((percentile_ms(&waits, 99) - 199.0).abs() < 1e-9);
        assert!((percentile_ms(&waits[..1], 99) - 1.0).abs() < 1e-9);
    }
}
