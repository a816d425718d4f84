//! Measures what the table promises: the longest single insertion and deletion, the cost of a scan, memory per key.
//!
//! `cargo run --release -p keyspace --example longest_insert [keys]`
//!
//! The same operations run several times and the shortest time of each counts: what remains is the work, without the
//! moments when the machine did something else. The allocator is the server's.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement reads the clock")]

use std::time::{Duration, Instant};

use keyspace::{Deadline, HashSeed, Keyspace};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ROUNDS: usize = 4;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// Runs `f` for each name; keeps the shortest time of each in `shortest`. Returns the total.
fn time_each(names: &[String], shortest: &mut [Duration], mut f: impl FnMut(&str)) -> Duration {
    let all = Instant::now();
    for (name, shortest) in names.iter().zip(shortest) {
        let one = Instant::now();
        f(name);
        *shortest = one.elapsed().min(*shortest);
    }
    all.elapsed()
}

fn report(what: &str, total: Duration, shortest: &mut [Duration]) {
    shortest.sort_unstable();
    let count = shortest.len();
    let each = total / u32::try_from(count).unwrap_or(u32::MAX);
    let (most, longest) = (shortest[count - 1 - count / 10_000], &shortest[count.saturating_sub(3)..]);
    println!("{count} {what}: {each:?} each, 99.99 % within {most:?}, the longest {longest:?}");
}

fn scan(keyspace: &Keyspace, count: usize) {
    let (mut cursor, mut visited, mut calls) = (0, 0usize, 0u32);
    let started = Instant::now();
    loop {
        cursor = keyspace.db(0).scan(cursor, count, &mut |_| visited += 1);
        calls += 1;
        if cursor == 0 {
            break;
        }
    }
    let total = started.elapsed();
    println!("scan count {count}: {visited} keys in {total:?}, {calls} calls of {:?}", total / calls);
}

fn main() {
    let keys: usize = std::env::args().nth(1).and_then(|keys| keys.parse().ok()).unwrap_or(2_000_000);
    let names: Vec<String> = (0..keys).map(|number| format!("key:{number:012}")).collect();
    let mut insertions = vec![Duration::MAX; keys];
    let mut deletions = vec![Duration::MAX; keys];
    let (mut inserted, mut deleted) = (Duration::ZERO, Duration::ZERO);
    let before_bytes = resident_bytes();
    for round in 0..ROUNDS {
        let mut keyspace = Keyspace::new(1, HashSeed([42; 16]));
        inserted = time_each(&names, &mut insertions, |name| {
            let key = keyspace.key(name.as_bytes());
            keyspace.db_mut(0).set_str(key, b"xyz", Deadline::Clear);
        });
        if round == 0 {
            let bytes = resident_bytes().saturating_sub(before_bytes);
            let table = keyspace.db(0).overhead_bytes();
            println!("{} bytes resident a key, {} of them table", bytes / keys, table / keys);
            scan(&keyspace, 10);
            scan(&keyspace, 1000);
        }
        deleted = time_each(&names, &mut deletions, |name| {
            let key = keyspace.key(name.as_bytes());
            drop(keyspace.db_mut(0).delete(key));
        });
    }
    report("insertions", inserted, &mut insertions);
    report("deletions", deleted, &mut deletions);
}
