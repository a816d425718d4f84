//! Directories that Redis 7 and Valkey left: imported, or refused, and never changed. What they may hold is told in `corpus`.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Dataset, Info, ServerProcess, dump_dataset};

use crate::corpus::{Files, PARTS, check_dataset, corpus, files_under};
use crate::support::{Home, command, dialogue, refused};

const BASE: &str = "appendonly.aof.2.base.aof";
const INCREMENTAL: &str = "appendonly.aof.2.incr.aof";

/// A home whose data directory holds the parts of a log.
fn home_with(parts: &Files) -> Result<Home> {
    let home = Home::new()?;
    fs::create_dir(home.data().join(PARTS))?;
    for (name, bytes) in parts {
        fs::write(home.data().join(PARTS).join(name), bytes)?;
    }
    Ok(home)
}

fn parts_of(server: &str, kind: &str) -> Result<Files> {
    files_under(&corpus(server, kind).join(PARTS))
}

fn check_unchanged(home: &Home, parts: &Files) -> Result<()> {
    ensure!(files_under(&home.data().join(PARTS))? == *parts, "the directory was changed");
    Ok(())
}

/// What the other server reported is there after the import, after a kill, and as our own log.
fn imports(server: &str) -> Result<()> {
    let parts = parts_of(server, "basic")?;
    let expected = Dataset::parse(&fs::read_to_string(corpus(server, "basic").join("expected.jsonl"))?)?;
    let home = home_with(&parts)?;
    let builder = home.server()?.directive("appendfsync", "always");
    let mut running = builder.start()?;
    check_dataset(&running, &expected, DEADLINE_TOLERANCE_MS)?;
    let log = running.log()?;
    ensure!(log.contains("DB imported from appendonlydir"), "{log}");
    dialogue(&mut running.client()?, &[("SELECT 15", "OK"), ("SET written:here 1", "OK")])?;
    let with_ours = dump_dataset(&mut running.client()?)?;
    running.kill_9()?;
    check_unchanged(&home, &parts)?;

    fs::remove_dir_all(home.data().join(PARTS))?;
    let running = builder.start()?;
    check_dataset(&running, &with_ours, 0)?;
    dialogue(&mut running.client()?, &[("SELECT 15", "OK"), ("GET written:here", "\"1\"")])
}

#[test]
fn a_directory_of_redis_7_0_is_imported() -> Result<()> {
    imports("redis-7.0")
}

#[test]
fn a_directory_of_redis_7_4_is_imported() -> Result<()> {
    imports("redis-7.4")
}

#[test]
fn a_directory_of_valkey_8_0_is_imported() -> Result<()> {
    imports("valkey-8.0")
}

#[test]
fn a_torn_tail_is_left_out_loudly_and_stays_where_it_is() -> Result<()> {
    let mut parts = parts_of("redis-7.0", "basic")?;
    let last = parts.get_mut(INCREMENTAL).context("the incremental file")?;
    last.extend(command(&["SELECT", "0"]));
    last.extend(command(&["SET", "whole", "1"]));
    last.extend(b"*3\r\n$3\r\nSET\r\n$4\r\nlost\r\n$10\r\nonly-");
    let home = home_with(&parts)?;
    let running = home.server()?.start()?;
    dialogue(&mut running.client()?, &[("GET whole", "\"1\""), ("EXISTS lost", "0")])?;
    let log = running.log()?;
    ensure!(log.contains("!!! The last 33 bytes of appendonly.aof.2.incr.aof"), "{log}");
    check_unchanged(&home, &parts)?;

    let home = home_with(&parts)?;
    refused(&home.server()?.directive("aof-load-truncated", "no").start_refused()?, &[INCREMENTAL])?;
    check_unchanged(&home, &parts)
}

#[test]
fn with_appendonly_no_a_directory_is_refused_rather_than_left_aside() -> Result<()> {
    let parts = parts_of("redis-7.0", "basic")?;
    let home = home_with(&parts)?;
    let refusal = home.bare_server()?.directive("appendonly", "no").start_refused()?;
    refused(&refusal, &["appendonlydir holds data that would be left aside", "appendonly yes"])
}

/// A log in two files that takes some moments to import.
fn large_parts() -> Files {
    let manifest = format!("file {BASE} seq 2 type b\nfile {INCREMENTAL} seq 2 type i\n");
    let value = "v".repeat(200);
    let sets = |from: u32, to: u32| (from..to).flat_map(|i| command(&["SET", &format!("key:{i}"), &value])).collect();
    BTreeMap::from([
        ("appendonly.aof.manifest".to_owned(), manifest.into_bytes()),
        (BASE.to_owned(), sets(0, 10_000)),
        (INCREMENTAL.to_owned(), sets(10_000, 15_000)),
    ])
}

/// Waits until the server has logged `text`. It may also be further by now.
fn wait_logged(running: &mut ServerProcess, text: &str) -> Result<()> {
    const BOUND: Duration = Duration::from_secs(30);
    let deadline = Instant::now() + BOUND;
    while !running.log()?.contains(text) {
        ensure!(running.try_wait()?.is_none(), "it ended: {}", running.log()?);
        ensure!(Instant::now() < deadline, "{text} was not logged within {BOUND:?}: {}", running.log()?);
        std::thread::yield_now();
    }
    Ok(())
}

#[test]
fn an_import_that_is_killed_is_begun_anew_or_was_finished() -> Result<()> {
    let parts = large_parts();
    for moment in [
        "importing it",
        "DB loaded from base file",
        "DB loaded from incr file",
        "rewriting started by pid",
        "AOF rewrite child asks",
        "terminated with success",
        "DB imported from",
    ] {
        let home = home_with(&parts)?;
        let builder = home.server()?.directive("loglevel", "debug");
        let mut running = builder.spawn()?;
        wait_logged(&mut running, moment)?;
        running.kill_9()?;
        check_unchanged(&home, &parts)?;
        let running = builder.start()?;
        dialogue(&mut running.client()?, &[("DBSIZE", "15000"), ("STRLEN key:14999", "200")])?;
        let names = home.names()?;
        ensure!(names.iter().all(|name| !name.starts_with("temp-")), "killed at {moment}: {names:?}");
        check_unchanged(&home, &parts)?;
    }
    Ok(())
}

#[test]
fn while_an_import_is_read_and_written_clients_are_told_so() -> Result<()> {
    let home = home_with(&large_parts())?;
    let mut running = home.server()?.spawn()?;
    wait_logged(&mut running, "importing it")?;
    let mut client = running.client()?;
    let mut states = Vec::new();
    loop {
        let info = Info::fetch(&mut client, "everything")?;
        let state = info.text("aof_state").unwrap_or_default().to_owned();
        if states.last() != Some(&state) {
            states.push(state.clone());
        }
        if state == "on" {
            break;
        }
        ensure!(info.number("loading") == Some(1), "{state}, and not loading");
    }
    // How much of the import is seen is up to the machine; nothing else may be.
    ensure!(states == ["importing", "on"] || states == ["on"], "{states:?}");
    dialogue(&mut client, &[("DBSIZE", "15000")])
}
