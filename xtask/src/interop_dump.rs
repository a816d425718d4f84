//! DUMP and RESTORE between our server and redis-server: what either dumps, the other restores, of every type in every
//! representation, and both hold the same then: types, values, deadlines.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use testkit::dataset::bytes_of_latin1;
use testkit::{Client, Dataset, Pipeline, ServerBuilder, compare, dump_dataset};

use crate::interop::report;

/// A deadline that does not pass meanwhile.
const DEADLINE_MS: &str = "4000000000123";
/// With these, what is small elsewhere takes its large form.
const LOWERED: [&str; 5] = [
    "list-max-listpack-size",
    "set-max-intset-entries",
    "hash-max-listpack-entries",
    "zset-max-listpack-entries",
    "hash-max-listpack-value",
];

/// Exchanges every value in both directions; returns how many representations were seen.
pub(crate) fn round(server: &Path, reference: &Path) -> Result<usize> {
    let home = tempfile::tempdir()?;
    let start = |binary: &Path, name: &str| ServerBuilder::new(binary, home.path().join(name)).start();
    let (ours, theirs) = (start(server, "ours")?, start(reference, "theirs")?);
    let [mut ours, mut theirs] = [ours.client()?, theirs.client()?];
    let mut seen = 0;
    for lowered in [false, true] {
        for client in [&mut ours, &mut theirs] {
            for directive in LOWERED.into_iter().filter(|_| lowered) {
                client.expect(&["CONFIG", "SET", directive, "4"])?;
            }
        }
        let there = exchange(&mut ours, &mut theirs).context("what we dumped, there")?;
        let here = exchange(&mut theirs, &mut ours).context("what they dumped, here")?;
        seen = seen.max(there).max(here);
    }
    Ok(seen)
}

/// Fills `from`, restores all of it in `to`, and compares.
fn exchange(from: &mut Client, to: &mut Client) -> Result<usize> {
    for client in [&mut *from, &mut *to] {
        client.expect(&["FLUSHALL"])?;
    }
    fill(from)?;
    let expected = dump_dataset(from)?;
    let encodings = encodings(from, &expected)?;
    let mut pipeline = Pipeline::default();
    for ((_, name), entry) in &expected.entries {
        let name = bytes_of_latin1(name).context("a name of ours")?;
        let payload = from.expect(&[b"DUMP", &name[..]])?;
        let payload = payload.as_bytes().context("a key without a payload")?;
        let ttl = entry.deadline_ms.unwrap_or(0).to_string();
        pipeline.push(&[b"RESTORE", &name[..], ttl.as_bytes(), payload, b"ABSTTL"]);
    }
    for (reply, name) in to.run(&pipeline)?.iter().zip(expected.entries.keys()) {
        ensure!(reply.as_error().is_none(), "RESTORE of {name:?}: {reply:?}");
    }
    report(&compare(&expected, &dump_dataset(to)?, 0))?;
    Ok(encodings)
}

/// How many representations there are among all keys.
fn encodings(client: &mut Client, dataset: &Dataset) -> Result<usize> {
    let mut seen = std::collections::BTreeSet::new();
    for ((_, name), entry) in &dataset.entries {
        let encoding = client.expect(&["OBJECT", "ENCODING", name])?;
        seen.insert(format!("{} {:?}", entry.kind, encoding.as_bytes()));
    }
    Ok(seen.len())
}

/// Values of all types: of one element, of some, of many; integers of every width, short and long texts.
fn fill(client: &mut Client) -> Result<()> {
    let integer =
        |n: i64| (n - 3).saturating_mul(37_i64.saturating_pow(u32::try_from(n % 12).unwrap_or(0))).to_string();
    let text = |n: i64| format!("text {n}");
    let long = |n: i64| format!("{n}: {}", "abcdefgh".repeat(12));
    let elements: [(&str, &dyn Fn(i64) -> String); 3] = [("integers", &integer), ("texts", &text), ("long", &long)];
    for (kind, element) in elements {
        client.expect(&["SET", &format!("string of {kind}"), &element(7)])?;
        for count in [1, 3, 100, 600, 3_000] {
            let mut pipeline = Pipeline::default();
            let name = |of: &str| format!("{of} of {count} {kind}");
            for n in 0..count {
                let element = element(n);
                pipeline.push(&["RPUSH", &name("list"), &element]).push(&["SADD", &name("set"), &element]);
                pipeline.push(&["HSET", &name("hash"), &element, &long(n % 7)]);
                pipeline.push(&["HSET", &name("small hash"), &element, &text(n)]);
                let score = ["inf", "-inf", "0.1", "-3", "1e300", "17"][usize::try_from(n % 6)?];
                pipeline.push(&["ZADD", &name("zset"), score, &element]);
            }
            pipeline.push(&["PEXPIREAT", &name("set"), DEADLINE_MS]).push(&["PEXPIREAT", &name("zset"), DEADLINE_MS]);
            for reply in client.run(&pipeline)? {
                ensure!(reply.as_error().is_none(), "{reply:?}");
            }
        }
    }
    client.expect(&["SET", "large string", &"0123456789abcdef".repeat(20_000)])?;
    client.expect(&["RPUSH", "list with a large element", "small", &"x".repeat(100_000), "7"])?;
    client.expect(&["SETRANGE", "zeros", "1000000", "end"])?;
    Ok(())
}
