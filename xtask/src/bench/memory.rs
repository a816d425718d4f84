//! Bytes a key: what a server's memory grows by when keys of one shape are added, by its own count and by the kernel's.
//!
//! One run is enough: the same keys give the same count again, but for a few kilobytes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::{Client, Info, Pipeline};

use super::Options;
use super::figures::float;
use super::record::{Section, Table};
use super::subject::{Subject, by_name, heading};

/// What all servers are told: no log, whose buffers would be counted.
const DIRECTIVES: &[(&str, &str)] = &[("appendonly", "no"), ("save", "")];
/// Small collections: so many times fewer than strings.
const COLLECTION_DIVISOR: u64 = 5;
/// Requests sent at once.
const BATCH: u64 = 500;
/// A server whose count stays the same for so long is done with growing its tables in the background.
const SETTLED: Duration = Duration::from_millis(400);
/// How long it may take for that.
const SETTLE_BOUND: Duration = Duration::from_secs(30);

/// One shape of data. `push` appends the request that makes number `n` of it.
struct Shape {
    name: &'static str,
    /// What is counted: keys, or members of one large key.
    of: &'static str,
    divisor: u64,
    push: fn(&mut Pipeline, u64),
}

const SHAPES: &[Shape] = &[
    Shape { name: "string, 8-digit integer", of: "key", divisor: 1, push: |p, n| set(p, n, &[&integer(n)]) },
    Shape { name: "string, 20 bytes", of: "key", divisor: 1, push: |p, n| set(p, n, &[&text(n, 20)]) },
    Shape { name: "string, 100 bytes", of: "key", divisor: 1, push: |p, n| set(p, n, &[&text(n, 100)]) },
    Shape {
        name: "string, 20 bytes, with a deadline",
        of: "key",
        divisor: 1,
        push: |p, n| set(p, n, &[&text(n, 20), "PX", &(100_000_000 + n).to_string()]),
    },
    Shape { name: "hash of 5 fields", of: "key", divisor: COLLECTION_DIVISOR, push: push_hash },
    Shape { name: "set of 10 integers", of: "key", divisor: COLLECTION_DIVISOR, push: push_set },
    Shape { name: "sorted set of 10", of: "key", divisor: COLLECTION_DIVISOR, push: push_zset },
    Shape { name: "list of 10", of: "key", divisor: COLLECTION_DIVISOR, push: push_list },
    Shape {
        name: "one large hash",
        of: "field",
        divisor: 1,
        push: |p, n| push(p, &["HSET", "large", &member(n), &integer(n)]),
    },
    Shape { name: "one large set", of: "member", divisor: 1, push: |p, n| push(p, &["SADD", "large", &member(n)]) },
    Shape {
        name: "one large sorted set",
        of: "member",
        divisor: 1,
        push: |p, n| push(p, &["ZADD", "large", &scattered(n).to_string(), &member(n)]),
    },
    Shape { name: "one large list", of: "element", divisor: 1, push: |p, n| push(p, &["RPUSH", "large", &member(n)]) },
];

/// A key of 16 bytes.
fn key(n: u64) -> String {
    format!("key:{n:012}")
}

/// A member of 16 bytes.
fn member(n: u64) -> String {
    format!("mem:{n:012}")
}

/// An integer of 8 digits.
fn integer(n: u64) -> String {
    (10_000_000 + n).to_string()
}

/// Text of `len` bytes that is no number.
fn text(n: u64, len: usize) -> String {
    format!("v{n:x<width$}", width = len - 1)
}

/// A number below 2^32 that is far from that of `n + 1`.
fn scattered(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

fn set(pipeline: &mut Pipeline, n: u64, rest: &[&str]) {
    let key = key(n);
    let words: Vec<&str> = ["SET", &key].into_iter().chain(rest.iter().copied()).collect();
    push(pipeline, &words);
}

fn push(pipeline: &mut Pipeline, words: &[&str]) {
    pipeline.push(words);
}

/// Sends `name`, the key, and the words that `word` makes of the numbers below `count`.
fn push_collection(pipeline: &mut Pipeline, name: &str, n: u64, count: u64, word: impl Fn(u64) -> Vec<String>) {
    let mut words = vec![name.to_owned(), key(n)];
    words.extend((0..count).flat_map(word));
    pipeline.push(&words);
}

fn push_hash(pipeline: &mut Pipeline, n: u64) {
    push_collection(pipeline, "HSET", n, 5, |i| vec![format!("field-{i}"), text(n * 5 + i, 10)]);
}

fn push_set(pipeline: &mut Pipeline, n: u64) {
    push_collection(pipeline, "SADD", n, 10, |i| vec![(1_000 + i * 37).to_string()]);
}

fn push_zset(pipeline: &mut Pipeline, n: u64) {
    push_collection(pipeline, "ZADD", n, 10, |i| vec![(i * 100).to_string(), format!("member-{i}")]);
}

fn push_list(pipeline: &mut Pipeline, n: u64) {
    push_collection(pipeline, "RPUSH", n, 10, |i| vec![text(i, 10)]);
}

/// Memory at one moment, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) used: u64,
    pub(super) resident: u64,
}

/// Bytes a key of one server and shape.
#[derive(Clone, Copy, Debug)]
struct Bytes {
    used: f64,
    resident: f64,
}

/// Measures all shapes.
///
/// # Errors
/// If a server fails.
pub(crate) fn measure(options: &Options, subjects: &[Subject]) -> Result<Section> {
    let mut found = Vec::new();
    for shape in SHAPES {
        let each: Result<Vec<Bytes>> = subjects
            .iter()
            .map(|subject| one(options, subject, shape).with_context(|| format!("{}, {}", subject.name, shape.name)))
            .collect();
        let each = each?;
        let brief: Vec<String> = each.iter().map(|b| format!("{:.1}", b.used)).collect();
        super::progress(&format!("{}: {} bytes a {}", shape.name, brief.join(" / "), shape.of));
        found.push((shape, each));
    }
    Ok(section(options, subjects, &found))
}

fn one(options: &Options, subject: &Subject, shape: &Shape) -> Result<Bytes> {
    let home = super::home(options)?;
    let server = subject.builder(home.path(), DIRECTIVES).start()?;
    let mut client = server.client()?;
    let count = (options.keys / shape.divisor).max(1);
    // The buffers of this connection grow before the count begins.
    let mut pipeline = Pipeline::default();
    (0..BATCH).for_each(|_| push(&mut pipeline, &["PING"]));
    client.run(&pipeline)?;
    let before = settled(&mut client, server.pid())?;
    for start in (0..count).step_by(usize::try_from(BATCH)?) {
        pipeline.clear();
        (start..count.min(start + BATCH)).for_each(|n| (shape.push)(&mut pipeline, n));
        let replies = client.run(&pipeline)?;
        ensure!(replies.iter().all(|r| r.as_error().is_none()), "{replies:?}");
    }
    let after = settled(&mut client, server.pid())?;
    let each = |after: u64, before: u64| float(after.saturating_sub(before)) / float(count);
    Ok(Bytes { used: each(after.used, before.used), resident: each(after.resident, before.resident) })
}

/// The server's memory once it no longer changes.
///
/// # Errors
/// If it goes on changing.
fn settled(client: &mut Client, pid: i32) -> Result<Memory> {
    let deadline = Instant::now() + SETTLE_BOUND;
    let mut last = memory(client, pid)?;
    let mut since = Instant::now();
    while since.elapsed() < SETTLED {
        ensure!(Instant::now() < deadline, "the memory still changes after {SETTLE_BOUND:?}");
        std::thread::sleep(Duration::from_millis(50));
        let now = memory(client, pid)?;
        if now.used.abs_diff(last.used) > 16_384 {
            since = Instant::now();
        }
        last = now;
    }
    Ok(last)
}

/// The server's memory now.
///
/// # Errors
/// If it does not tell.
pub(super) fn memory(client: &mut Client, pid: i32) -> Result<Memory> {
    let used = Info::fetch(client, "memory")?.number("used_memory").context("INFO memory without used_memory")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("status of the server")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let resident_kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(Memory { used: u64::try_from(used)?, resident: resident_kib * 1024 })
}

fn section(options: &Options, subjects: &[Subject], found: &[(&Shape, Vec<Bytes>)]) -> Section {
    let mut table = Table::new(heading(&["shape", "a"], subjects));
    table.heading.extend(subjects.iter().map(|s| format!("{}, resident", s.name)));
    let mut json = Vec::new();
    for (shape, each) in found {
        let mut row = vec![shape.name.to_owned(), shape.of.to_owned()];
        row.extend(each.iter().map(|b| format!("{:.1}", b.used)));
        row.extend(each[1..].iter().map(|b| format!("{:.2}", each[0].used / b.used)));
        row.extend(each.iter().map(|b| format!("{:.1}", b.resident)));
        table.rows.push(row);
        let servers = by_name(subjects, each, |b| json!({ "used_memory": b.used, "resident": b.resident }));
        let count = (options.keys / shape.divisor).max(1);
        json.push(json!({ "shape": shape.name, "a": shape.of, "count": count, "bytes": servers }));
    }
    let notes = vec![format!(
        "Growth of `used_memory` divided by what was added: {} keys or members, {} where each key is a collection. \
         Keys and members have 16 bytes. Resident is the same from the kernel's count.",
        options.keys,
        options.keys / COLLECTION_DIVISOR
    )];
    Section { title: "Bytes a key".to_owned(), key: "memory", notes, table, json: json.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_have_the_length_they_are_said_to_have() {
        assert_eq!((key(7).len(), member(999_999).len(), integer(999_999).len()), (16, 16, 8));
        for n in [0, 7, 999_999] {
            assert_eq!((text(n, 20).len(), text(n, 100).len()), (20, 100));
        }
    }
}
