//! A file in RDB format that a real server wrote: as dump, as base, as preamble. Loaded to what its server reported; damaged it is
//! refused, and it is never changed.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Dataset, dump_dataset};

use crate::corpus::{check_dataset, corpus};
use crate::support::{Home, command, dialogue, refused};

/// The dump of a server whose types are all there.
fn loadable() -> Result<(Vec<u8>, Dataset)> {
    let directory = corpus("redis-4.0", "rdb");
    let expected = Dataset::parse(&fs::read_to_string(directory.join("expected.jsonl"))?)?;
    Ok((fs::read(directory.join("dump.rdb"))?, expected))
}

/// Commands that go on in database 0, though the last keys of the snapshot lie in another.
fn tail() -> Vec<u8> {
    [command(&["SET", "behind", "1"]), command(&["SELECT", "15"]), command(&["SET", "further", "2"])].concat()
}

#[test]
fn a_dump_of_redis_4_0_is_imported() -> Result<()> {
    let (dump, expected) = loadable()?;
    let home = Home::new()?;
    let path = home.data().join("dump.rdb");
    fs::write(&path, &dump)?;
    let builder = home.server()?.directive("appendfsync", "always");
    let mut running = builder.start()?;
    check_dataset(&running, &expected, DEADLINE_TOLERANCE_MS)?;
    let log = running.log()?;
    ensure!(log.contains("DB imported from dump.rdb") && log.contains("Done loading RDB, keys loaded: "), "{log}");
    let imported = dump_dataset(&mut running.client()?)?;
    running.kill_9()?;
    ensure!(fs::read(&path)? == dump, "the dump was changed");
    fs::remove_file(&path)?;
    check_dataset(&builder.start()?, &imported, 0)
}

#[test]
fn a_log_with_a_preamble_is_loaded_and_goes_on() -> Result<()> {
    let (dump, expected) = loadable()?;
    let home = Home::new()?;
    home.write_aof(&[&dump[..], &tail()].concat())?;
    let builder = home.server()?.directive("appendfsync", "always");
    let mut running = builder.start()?;
    let mut client = running.client()?;
    dialogue(&mut client, &[("GET behind", "\"1\""), ("DEL behind", "1"), ("SELECT 15", "OK"), ("DEL further", "1")])?;
    check_dataset(&running, &expected, DEADLINE_TOLERANCE_MS)?;
    dialogue(&mut client, &[("SET ours 1", "OK")])?;
    let with_ours = dump_dataset(&mut client)?;
    running.kill_9()?;
    let running = builder.start()?;
    check_dataset(&running, &with_ours, 0)?;
    ensure!(fs::read(home.aof())?.starts_with(&dump), "the preamble was changed");
    Ok(())
}

/// Sees that lines which tools look for come in this order; each is a part of its line.
fn logged_in_order(log: &str, parts: &[&str]) -> Result<()> {
    let mut rest = log;
    for part in parts {
        let at = rest.find(part).with_context(|| format!("no {part} behind those before it:\n{log}"))?;
        rest = &rest[at..];
    }
    Ok(())
}

#[test]
fn a_load_is_told_of_in_the_lines_that_redis_has_for_it() -> Result<()> {
    let dump = loadable()?.0;
    let fields = ["Loading RDB produced by version 4.0.14", "RDB age ", "RDB memory usage when created "];
    let home = Home::new()?;
    home.write_aof(&[&dump[..], &tail()].concat())?;
    let log = home.server()?.start()?.log()?;
    logged_in_order(&log, &[&["Reading RDB preamble from AOF file..."], &fields[..]].concat())?;
    logged_in_order(
        &log,
        &[
            "Done loading RDB, keys loaded: ",
            "Reading the remaining AOF tail...",
            "DB loaded from append only file: 0.",
        ],
    )?;

    let home = Home::new()?;
    fs::write(home.data().join("dump.rdb"), &dump)?;
    let log = home.server()?.start()?.log()?;
    logged_in_order(&log, &[&fields[..], &["Done loading RDB, ", "DB loaded from disk: 0."]].concat())?;

    let home = Home::new()?;
    let parts = home.data().join("appendonlydir");
    fs::create_dir(&parts)?;
    let manifest = "file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";
    fs::write(parts.join("appendonly.aof.manifest"), manifest)?;
    fs::write(parts.join("a.1.base.rdb"), &dump)?;
    fs::write(parts.join("a.1.incr.aof"), tail())?;
    let log = home.server()?.start()?.log()?;
    let lines = [
        "Reading RDB base file on AOF loading...",
        "Done loading RDB, ",
        "DB loaded from base file a.1.base.rdb: 0.",
        "DB loaded from incr file a.1.incr.aof: 0.",
        "DB loaded from append only file: 0.",
        "DB imported from appendonlydir",
    ];
    logged_in_order(&log, &lines)
}

#[test]
fn a_base_in_rdb_format_is_imported_with_what_follows_it() -> Result<()> {
    let (dump, expected) = loadable()?;
    let home = Home::new()?;
    let parts = home.data().join("appendonlydir");
    fs::create_dir(&parts)?;
    let manifest = "file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";
    fs::write(parts.join("appendonly.aof.manifest"), manifest)?;
    fs::write(parts.join("a.1.base.rdb"), &dump)?;
    fs::write(parts.join("a.1.incr.aof"), tail())?;
    let running = home.server()?.start()?;
    let mut client = running.client()?;
    dialogue(&mut client, &[("GET behind", "\"1\""), ("DEL behind", "1"), ("SELECT 15", "OK"), ("DEL further", "1")])?;
    check_dataset(&running, &expected, DEADLINE_TOLERANCE_MS)
}

/// As a dump and as a preamble, with commands behind it.
fn damaged_is_refused(bytes: &[u8], what: &str) -> Result<()> {
    let home = Home::new()?;
    let dump = home.data().join("dump.rdb");
    fs::write(&dump, bytes)?;
    refused(&home.server()?.start_refused()?, &["dump.rdb: byte ", "the RDB data can't be loaded"])
        .with_context(|| what.to_owned())?;
    ensure!(fs::read(&dump)? == bytes && !home.aof().exists(), "{what}: the dump was changed or imported");

    let home = Home::new()?;
    home.write_aof(bytes)?;
    refused(&home.server()?.start_refused()?, &["appendonly.aof: byte ", "the RDB data can't be loaded"])
        .with_context(|| what.to_owned())?;
    ensure!(fs::read(home.aof())? == bytes, "{what}: the log was changed");
    Ok(())
}

#[test]
fn a_damaged_snapshot_is_refused_and_left_as_it_is() -> Result<()> {
    let (dump, _) = loadable()?;
    for part in 1..8 {
        let at = dump.len() * part / 8;
        damaged_is_refused(&dump[..at], &format!("cut at byte {at}"))?;
        let mut changed = dump.clone();
        // Inside of a value this is seen by the checksum alone.
        changed[at] ^= 0x01;
        damaged_is_refused(&changed, &format!("a bit of byte {at}"))?;
    }
    damaged_is_refused(&dump[..dump.len() - 1], "without the last byte of its checksum")
}

#[test]
fn a_torn_tail_behind_a_preamble_is_cut_in_the_tail_alone() -> Result<()> {
    let (dump, expected) = loadable()?;
    let tail = tail();
    for (len, left) in [(10, 0), (tail.len() - 3, tail.len() - command(&["SET", "further", "2"]).len())] {
        let home = Home::new()?;
        home.write_aof(&[&dump[..], &tail[..len]].concat())?;
        let running = home.server()?.start()?;
        let size = dump.len() + left;
        ensure!(fs::read(home.aof())? == [&dump[..], &tail[..left]].concat(), "not cut at byte {size}");
        let side_file = fs::read(home.data().join(format!("appendonly.aof.torn-{size}")))?;
        ensure!(side_file == tail[left..len], "the side file holds something else");
        dialogue(&mut running.client()?, &[("DEL behind", if left == 0 { "0" } else { "1" })])?;
        check_dataset(&running, &expected, DEADLINE_TOLERANCE_MS)?;
    }
    Ok(())
}
