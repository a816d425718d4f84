//! Directories that Redis 7 and Valkey left: imported where everything in them is known here, else refused by name; never changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Dataset, Info, ServerProcess, compare, dump_dataset};

use crate::corpus::{command_at, corpus, named_offset};
use crate::support::{Home, command, dialogue, refused};

const PARTS: &str = "appendonlydir";
const BASE: &str = "appendonly.aof.2.base.aof";
const INCREMENTAL: &str = "appendonly.aof.2.incr.aof";

type Contents = BTreeMap<String, Vec<u8>>;

/// The names and bytes of a directory of files.
fn contents(directory: &Path) -> Result<Contents> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
        })
        .collect()
}

/// A home whose data directory holds the parts of a log.
fn home_with(parts: &Contents) -> Result<Home> {
    let home = Home::new()?;
    fs::create_dir(home.data().join(PARTS))?;
    for (name, bytes) in parts {
        fs::write(home.data().join(PARTS).join(name), bytes)?;
    }
    Ok(home)
}

fn parts_of(server: &str, kind: &str) -> Result<Contents> {
    contents(&corpus(server, kind).join(PARTS))
}

fn check_unchanged(home: &Home, parts: &Contents) -> Result<()> {
    ensure!(contents(&home.data().join(PARTS))? == *parts, "the directory was changed");
    Ok(())
}

fn check_dataset(running: &ServerProcess, expected: &Dataset, tolerance_ms: i64) -> Result<()> {
    let found = dump_dataset(&mut running.client()?)?;
    let differences = compare(expected, &found, tolerance_ms);
    let shown: Vec<String> = differences.iter().take(10).map(ToString::to_string).collect();
    ensure!(shown.is_empty(), "{} keys differ\n{}", differences.len(), shown.join("\n"));
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
fn a_directory_with_commands_that_are_not_there_is_refused_by_command_file_and_offset() -> Result<()> {
    for server in ["redis-7.0", "redis-7.4", "valkey-8.0"] {
        let parts = parts_of(server, "plain")?;
        let home = home_with(&parts)?;
        let refusal = home.server()?.start_refused()?;
        refused(&refusal, &["reading the append only file", PARTS, ": byte "])?;
        let named =
            refusal.log.lines().filter(|line| line.contains("reading the append only file")).find_map(named_offset);
        let (offset, line) = named.with_context(|| refusal.log.clone())?;
        let file = parts.iter().find(|(name, _)| line.contains(name.as_str()));
        let (_, bytes) = file.with_context(|| format!("{server}: no file is named: {line}"))?;
        let name = command_at(bytes, offset).with_context(|| format!("no command stands at byte {offset}: {line}"))?;
        ensure!(line.contains(&name), "byte {offset} holds {name}, which is not named: {line}");
        check_unchanged(&home, &parts)?;
        ensure!(!home.aof().exists(), "{server}: a log was made of a part");
    }
    Ok(())
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
fn large_parts() -> Contents {
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
