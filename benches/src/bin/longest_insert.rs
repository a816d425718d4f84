//! Measures what the table promises: the longest single insertion and deletion, and the longest insertion into a large
//! collection.
//!
//! `cargo run --release -p benches --bin longest_insert [insertions] [--json]`
//!
//! Measured is the processor time of this thread, which stands still while the machine does something else. The same
//! insertions run several times; the shortest time of each says what is in the work itself and not in an interrupt.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use keyspace::{Deadline, HashSeed, Keyspace, Thresholds, Value};
use nix::time::ClockId;
use serde_json::json;

/// How often the same insertions run.
const ROUNDS: usize = 3;
/// How many insertions are made without an argument.
const DEFAULT_INSERTIONS: usize = 5_000_000;
/// Members of one large collection, against insertions of keys.
const COLLECTION_DIVISOR: usize = 3;

/// The processor time of this thread, in nanoseconds.
fn thread_ns() -> u64 {
    benches::ns(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// What many operations of one kind took.
struct Timed {
    into: &'static str,
    /// The shortest time of each operation over the rounds, in nanoseconds.
    shortest_ns: Vec<u32>,
    /// The longest of any, in any round.
    longest_ns: u32,
    /// All operations of the last round.
    total_ns: u64,
}

impl Timed {
    fn new(into: &'static str, operations: usize) -> Self {
        Self { into, shortest_ns: vec![u32::MAX; operations], longest_ns: 0, total_ns: 0 }
    }

    /// Runs `f` with every number once.
    fn round(&mut self, mut f: impl FnMut(usize)) {
        let started = thread_ns();
        let mut last = started;
        for (n, shortest) in self.shortest_ns.iter_mut().enumerate() {
            f(n);
            let now = thread_ns();
            let took = u32::try_from(now - last).unwrap_or(u32::MAX);
            *shortest = took.min(*shortest);
            self.longest_ns = self.longest_ns.max(took);
            last = now;
        }
        self.total_ns = last - started;
    }

    fn report(mut self, as_json: bool) -> serde_json::Value {
        self.shortest_ns.sort_unstable();
        let count = self.shortest_ns.len();
        let us = |ns: u32| f64::from(ns) / 1_000.0;
        let within = us(self.shortest_ns[count - 1 - count / 10_000]);
        let (again, longest) = (us(self.shortest_ns[count - 1]), us(self.longest_ns));
        let each_ns = self.total_ns / count as u64;
        if !as_json {
            println!(
                "{count} × {}: {each_ns} ns each, 99.99 % within {within} µs, the longest {longest} µs, in every round {again} µs",
                self.into
            );
        }
        json!({
            "into": self.into, "insertions": count, "each_ns": each_ns, "within_9999_us": within,
            "longest_us": longest, "longest_again_us": again,
        })
    }
}

fn keys(insertions: usize) -> [Timed; 2] {
    let mut inserted = Timed::new("a database", insertions);
    let mut deleted = Timed::new("a database (deletion)", insertions);
    let mut name = String::new();
    for _ in 0..ROUNDS {
        let mut keyspace = Keyspace::new(1, HashSeed([42; 16]));
        inserted.round(|n| {
            let key = keyspace.key(name_of(&mut name, n));
            keyspace.db_mut(0).set_str(key, b"xyz", Deadline::Clear);
        });
        deleted.round(|n| {
            let key = keyspace.key(name_of(&mut name, n));
            drop(keyspace.db_mut(0).delete(key));
        });
    }
    [inserted, deleted]
}

/// Inserts members into one value, which `insert` takes out of its `Value`.
fn collection(into: &'static str, members: usize, empty: fn() -> Value, insert: fn(&mut Value, &[u8], usize)) -> Timed {
    let mut timed = Timed::new(into, members);
    let mut name = String::new();
    for _ in 0..ROUNDS {
        let mut value = empty();
        timed.round(|n| insert(&mut value, name_of(&mut name, n), n));
    }
    timed
}

fn name_of(name: &mut String, n: usize) -> &[u8] {
    use std::fmt::Write as _;
    name.clear();
    write!(name, "key:{n:012}").expect("writing to a String cannot fail");
    name.as_bytes()
}

fn collections(members: usize) -> [Timed; 3] {
    [
        collection(
            "one hash",
            members,
            || Value::Hash(keyspace::Hash::new()),
            |value, member, _| {
                let Value::Hash(hash) = value else { unreachable!("made as a hash") };
                hash.set(member, b"xyz", &Thresholds::default());
            },
        ),
        collection(
            "one set",
            members,
            || Value::Set(keyspace::Set::new()),
            |value, member, _| {
                let Value::Set(set) = value else { unreachable!("made as a set") };
                set.insert(member, &Thresholds::default());
            },
        ),
        collection(
            "one sorted set",
            members,
            || Value::ZSet(keyspace::ZSet::new()),
            |value, member, n| {
                let Value::ZSet(zset) = value else { unreachable!("made as a sorted set") };
                let score = f64::from(u32::try_from(n).unwrap_or(u32::MAX).wrapping_mul(0x9e37_79b9));
                zset.insert(member, score, &Thresholds::default());
            },
        ),
    ]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let as_json = arguments.iter().any(|a| a == "--json");
    let insertions: usize =
        arguments.iter().find_map(|a| a.parse().ok()).filter(|n| *n > 0).unwrap_or(DEFAULT_INSERTIONS);
    let mut reports: Vec<serde_json::Value> = keys(insertions).map(|timed| timed.report(as_json)).into();
    reports.extend(collections((insertions / COLLECTION_DIVISOR).max(1)).map(|timed| timed.report(as_json)));
    if as_json {
        println!("{}", serde_json::Value::from(reports));
    }
}
