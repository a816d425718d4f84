//! Files in RDB format that real servers wrote: as dump, as base, as preamble. Loaded to what their server reported, or refused by what
//! they hold, by file and by offset; damaged ones are refused, and none is ever changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Dataset, ServerProcess, compare, dump_dataset};

use crate::corpus::{command_at, corpus, named_offset};
use crate::support::{Home, command, dialogue, refused};

/// The opcode of a function library, and the types of streams.
const FUNCTION: u8 = 0xf5;
const STREAMS: [u8; 3] = [15, 19, 21];

/// The dump of a server whose types are all there.
fn loadable() -> Result<(Vec<u8>, Dataset)> {
    let directory = corpus("redis-4.0", "rdb");
    let expected = Dataset::parse(&fs::read_to_string(directory.join("expected.jsonl"))?)?;
    Ok((fs::read(directory.join("dump.rdb"))?, expected))
}

fn check_dataset(running: &ServerProcess, expected: &Dataset, tolerance_ms: i64) -> Result<()> {
    let differences = compare(expected, &dump_dataset(&mut running.client()?)?, tolerance_ms);
    let shown: Vec<String> = differences.iter().take(10).map(ToString::to_string).collect();
    ensure!(shown.is_empty(), "{} keys differ\n{}", differences.len(), shown.join("\n"));
    Ok(())
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

/// The snapshot in a directory of the corpus: its path, and its file's name.
fn snapshot_in(directory: &Path) -> Result<(PathBuf, &'static str)> {
    const NAMES: [&str; 3] = ["dump.rdb", "appendonly.aof", "appendonlydir/appendonly.aof.2.base.rdb"];
    let found = NAMES.iter().map(|name| (directory.join(name), *name)).find(|(path, _)| path.exists());
    found.with_context(|| directory.display().to_string())
}

/// Starts on a copy of a directory of the corpus, sees that it is refused and nothing changed; the offset, and the line that names it.
fn refused_corpus(server: &str, kind: &str) -> Result<(Vec<u8>, usize, String)> {
    let directory = corpus(server, kind);
    let (path, name) = snapshot_in(&directory)?;
    let home = Home::new()?;
    let copy = home.data().join(name);
    if let Some(parts) = path.parent().filter(|parts| parts.ends_with("appendonlydir")) {
        fs::create_dir(home.data().join("appendonlydir"))?;
        for entry in fs::read_dir(parts)? {
            let entry = entry?;
            fs::copy(entry.path(), home.data().join("appendonlydir").join(entry.file_name()))?;
        }
    } else {
        fs::copy(&path, &copy)?;
    }
    let refusal = home.server()?.start_refused()?;
    let bytes = fs::read(&path)?;
    ensure!(fs::read(&copy)? == bytes, "{server} {kind}: the file was changed");
    ensure!(
        kind == "preamble" && name == "appendonly.aof" || !home.aof().exists(),
        "{server}: a log was made of a part"
    );
    let mut lines = refusal.log.lines().rev().filter(|line| line.contains(name)).filter_map(named_offset);
    let (offset, line) = lines.next().with_context(|| refusal.log.clone())?;
    Ok((bytes, offset, line.to_owned()))
}

#[test]
fn streams_of_redis_6_2_are_refused_by_type_key_file_and_offset() -> Result<()> {
    for kind in ["rdb", "preamble"] {
        let (bytes, offset, line) = refused_corpus("redis-6.2", kind)?;
        ensure!(STREAMS.contains(&bytes[offset]), "{kind}: no stream stands at byte {offset}: {line}");
        ensure!(line.contains("stream (type ") && line.contains("of key \""), "{line}");
    }
    Ok(())
}

#[test]
fn functions_of_redis_7_and_valkey_are_refused_by_name_file_and_offset() -> Result<()> {
    for server in ["redis-7.0", "redis-7.4", "valkey-8.0"] {
        for kind in ["rdb", "preamble"] {
            let (bytes, offset, line) = refused_corpus(server, kind)?;
            ensure!(bytes[offset] == FUNCTION, "{server} {kind}: no function stands at byte {offset}: {line}");
            let named = line.split_once("function library '").and_then(|(_, rest)| rest.split_once('\''));
            let (name, _) = named.with_context(|| line.clone())?;
            let text = String::from_utf8_lossy(&bytes[offset..]).into_owned();
            ensure!(text.contains(&format!("name={name}")), "{server} {kind}: {line}");
        }
    }
    Ok(())
}

#[test]
fn a_command_of_redis_4_0_that_is_not_there_is_refused_behind_a_preamble_too() -> Result<()> {
    let (bytes, offset, line) = refused_corpus("redis-4.0", "preamble")?;
    let name = command_at(&bytes, offset).with_context(|| format!("no command stands at byte {offset}: {line}"))?;
    ensure!(line.contains(&name), "byte {offset} holds {name}: {line}");
    Ok(())
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
