//! RDB files and DUMP payloads between the crate `rdb` and redis-server, in both directions.
//!
//! A keyspace drawn at random is written as a file. redis-check-rdb must accept it and redis-server load it; what the server then
//! saves must be read as the same keyspace, scores bit for bit and deadlines to the millisecond. Every value also goes to the
//! server as a payload for RESTORE, and comes back from DUMP.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use keyspace::{Deadline, Hash, HashSeed, IntBuf, Keyspace, List, Set, Thresholds, UnixMs, Value, ZSet};
use rdb::{Content, Encoder, Entry, Options, Preface, Reader, SnapshotWriter, WriteOptions};
use rio::{ReaderInput, Sink, Source, WriterOutput};
use testkit::{Client, Pipeline, ServerBuilder};

/// What checks a file without loading it.
pub(crate) const CHECKER: &str = "redis-check-rdb";

const DATABASES: u32 = 16;
const KEYS: usize = 200;
const BUFFER_BYTES: usize = 64 * 1024;
/// How files are written; the reference, 7.0.15, reads version 10 at most.
const FORMS: [WriteOptions; 2] =
    [WriteOptions { version: 9, compress: true }, WriteOptions { version: 10, compress: false }];
/// With these at 1, no collection stays in its small form.
const LOWERED: [&str; 4] =
    ["list-max-listpack-size", "set-max-intset-entries", "hash-max-listpack-entries", "zset-max-listpack-entries"];
/// No deadline passes while a test runs: decades ahead.
const FIRST_DEADLINE_MS: i64 = 3_000_000_000_000;

/// One keyspace in every form; returns the number of its keys.
pub(crate) fn round(reference: &Path, checker: &Path, seed: u64) -> Result<usize> {
    let keyspace = drawn(&mut fastrand::Rng::with_seed(seed));
    for form in FORMS {
        through_server(&keyspace, reference, checker, form).with_context(|| format!("{form:?}"))?;
    }
    functions(reference, checker).context("functions")?;
    Ok((0..DATABASES).map(|db| keyspace.db(db).len()).sum())
}

fn through_server(keyspace: &Keyspace, reference: &Path, checker: &Path, options: WriteOptions) -> Result<()> {
    let home = tempfile::tempdir()?;
    let builder = ServerBuilder::new(reference, home.path()).directive("enable-debug-command", "yes");
    let dump = builder.data_dir().join("dump.rdb");
    fs::create_dir_all(builder.data_dir())?;
    write(keyspace, &dump, options)?;
    check(checker, &dump)?;
    let server = builder.start()?;
    let mut client = server.client()?;
    payloads(keyspace, &mut client, options)?;
    save_and_compare(keyspace, &mut client, &dump).context("as the server chose its forms")?;
    for directive in LOWERED {
        client.expect(&["CONFIG", "SET", directive, "1"])?;
    }
    client.expect(&["DEBUG", "RELOAD"])?;
    save_and_compare(keyspace, &mut client, &dump).context("in large forms")
}

/// A library of functions, which a file of version 10 may hold.
fn functions(reference: &Path, checker: &Path) -> Result<()> {
    let text = b"#!lua name=ours\nredis.register_function('answer', function() return 42 end)";
    let mut encoder = Encoder::reserve(WriteOptions { version: 10, ..WriteOptions::default() });
    let mut file = Vec::new();
    encoder.head(&mut file)?;
    encoder.function(&mut file, text)?;
    encoder.end(&mut file)?;
    let home = tempfile::tempdir()?;
    let builder = ServerBuilder::new(reference, home.path());
    let dump = builder.data_dir().join("dump.rdb");
    fs::create_dir_all(builder.data_dir())?;
    fs::write(&dump, file)?;
    check(checker, &dump)?;
    let answer = builder.start()?.client()?.expect(&["FCALL", "answer", "0"])?;
    ensure!(answer.as_integer() == Some(42), "{answer:?}");
    Ok(())
}

fn save_and_compare(keyspace: &Keyspace, client: &mut Client, dump: &Path) -> Result<()> {
    client.expect(&["SAVE"])?;
    let saved = read(dump)?;
    ensure!(saved.digest() == keyspace.digest(), "{}", difference(keyspace, &saved));
    Ok(())
}

fn write(keyspace: &Keyspace, path: &Path, options: WriteOptions) -> Result<()> {
    let output = WriterOutput(fs::File::create(path)?);
    let mut sink = Sink::with_buffer(output, Vec::with_capacity(BUFFER_BYTES)).checksummed();
    let preface = Preface { redis_ver: "7.2.4".into(), ctime_s: 1_700_000_000, ..Preface::default() };
    SnapshotWriter::new(keyspace, None, Encoder::reserve(options), preface).run(&mut sink)?;
    sink.flush()?;
    Ok(())
}

fn check(checker: &Path, file: &Path) -> Result<()> {
    let output = Command::new(checker).arg(file).output()?;
    ensure!(output.status.success(), "{CHECKER}: {}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

fn read(path: &Path) -> Result<Keyspace> {
    let source = Source::with_buffer(ReaderInput(fs::File::open(path)?), Vec::with_capacity(BUFFER_BYTES));
    let mut reader = Reader::new(source, Options::default())?;
    let mut keyspace = empty();
    while let Some(event) = reader.next_event()? {
        let Entry::Key(entry) = event.entry else { continue };
        let Content::Value(value) = entry.content else { bail!("a key without a value at byte {}", event.offset) };
        let key = keyspace.key(&entry.key);
        keyspace.db_mut(entry.db).insert(key, value, entry.expire_at.map_or(Deadline::Clear, Deadline::At));
    }
    Ok(keyspace)
}

/// Restores every value under another name, and takes it back with DUMP; so with what the server loaded.
fn payloads(keyspace: &Keyspace, client: &mut Client, options: WriteOptions) -> Result<()> {
    let mut encoder = Encoder::reserve(options);
    for db in 0..DATABASES {
        client.expect(&["SELECT", &db.to_string()])?;
        for entry in keyspace.db(db).iter() {
            let mut payload = Vec::new();
            encoder.payload(entry.value, &mut payload)?;
            let mut pipeline = Pipeline::default();
            pipeline.push(&[&b"RESTORE"[..], b"restored", b"0", &payload]);
            pipeline.push(&[&b"DUMP"[..], b"restored"]).push(&[&b"DEL"[..], b"restored"]);
            pipeline.push(&[&b"DUMP"[..], entry.key]);
            let replies = client.run(&pipeline)?;
            for reply in [&replies[1], &replies[3]] {
                let dumped = reply.as_bytes().with_context(|| format!("{:?}: {replies:?}", latin(entry.key)))?;
                let Content::Value(value) = rdb::read_payload(dumped, &Options::default())? else {
                    bail!("no value in a payload");
                };
                ensure!(digest(value) == digest(entry.value.to_value()), "{:?} differs after DUMP", latin(entry.key));
            }
        }
    }
    Ok(())
}

fn digest(value: Value) -> Option<[u8; 20]> {
    let mut keyspace = Keyspace::new(1, HashSeed([0; 16]));
    let key = keyspace.key(b"k");
    keyspace.db_mut(0).insert(key, value, Deadline::Clear);
    keyspace.digest_value(0, key)
}

/// The first key that differs.
fn difference(expected: &Keyspace, found: &Keyspace) -> String {
    for db in 0..DATABASES {
        for entry in expected.db(db).iter() {
            let (before, after) = (expected.key(entry.key), found.key(entry.key));
            let deadlines = (entry.deadline, found.db(db).deadline(after));
            if deadlines.0 != deadlines.1 || expected.digest_value(db, before) != found.digest_value(db, after) {
                return format!("{} {:?} in database {db}, {deadlines:?}", entry.value.type_name(), latin(entry.key));
            }
        }
    }
    "keys that nobody wrote".to_owned()
}

fn latin(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn empty() -> Keyspace {
    Keyspace::new(DATABASES, HashSeed([7; 16]))
}

/// A keyspace of all types, small and large.
fn drawn(rng: &mut fastrand::Rng) -> Keyspace {
    let mut keyspace = empty();
    for number in 0..KEYS {
        let mut name = format!("{number}:").into_bytes();
        name.extend(element(rng));
        let value = value(rng);
        let deadline = match rng.bool() {
            true => Deadline::At(UnixMs(FIRST_DEADLINE_MS + rng.i64(0..1 << 40))),
            false => Deadline::Clear,
        };
        let key = keyspace.key(&name);
        keyspace.db_mut(rng.u32(..DATABASES)).insert(key, value, deadline);
    }
    keyspace
}

fn value(rng: &mut fastrand::Rng) -> Value {
    let limits = Thresholds::default();
    let count = match rng.u8(..20) {
        0 => rng.usize(500..3_000),
        1..4 => rng.usize(100..600),
        _ => rng.usize(1..30),
    };
    let only_integers = rng.u8(..4) == 0;
    let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
    let kind = rng.u8(..5);
    for _ in 0..count {
        let elem = if only_integers { integer(rng) } else { element(rng) };
        match kind {
            0 => list.push_back(&elem, &limits),
            1 => {
                set.insert(&elem, &limits);
            }
            2 => {
                hash.set(&elem, &element(rng), &limits);
            }
            3 => {
                zset.insert(&elem, score(rng), &limits);
            }
            _ => break,
        }
    }
    match kind {
        0 => Value::List(list),
        1 => Value::Set(set),
        2 => Value::Hash(hash),
        3 => Value::ZSet(zset),
        _ => Value::Str(string(rng).into()),
    }
}

/// A string: small, or so large that it is compressed in two passes, or cannot be.
fn string(rng: &mut fastrand::Rng) -> Vec<u8> {
    match rng.u8(..12) {
        0 => element(rng).repeat(rng.usize(..20_000)),
        1 => (0..rng.usize(..200_000)).map(|_| rng.u8(..)).collect(),
        _ => element(rng),
    }
}

fn element(rng: &mut fastrand::Rng) -> Vec<u8> {
    match rng.u8(..10) {
        0..4 => integer(rng),
        4 => (0..rng.usize(..2_000)).map(|_| rng.u8(b'a'..b'd')).collect(),
        5 => [rng.u8(..)].repeat(rng.usize(..300)),
        _ => (0..rng.usize(..40)).map(|_| rng.u8(..)).collect(),
    }
}

/// An integer of any magnitude, as text.
fn integer(rng: &mut fastrand::Rng) -> Vec<u8> {
    let value = rng.i64(..) >> rng.u32(..64);
    IntBuf::new().format(value).to_vec()
}

/// A score, in all magnitudes. Never -0, which a server keeps or not by its encoding.
fn score(rng: &mut fastrand::Rng) -> f64 {
    let score = match rng.u8(..6) {
        0 => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        2 => f64::from(rng.i32(-100..100)),
        3 => rng.f64() * 1e9 - 5e8,
        _ => f64::from_bits(rng.u64(..)),
    };
    if score.is_nan() || score == 0.0 { 0.0 } else { score }
}
