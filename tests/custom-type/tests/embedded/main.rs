//! The program with its own type, as a real process: written to, rewritten, killed and started again.
#![expect(clippy::disallowed_methods, reason = "drives a real process over real files")]

mod misfits;
mod payloads;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use testkit::{Client, ServerBuilder, Value, wait_rewritten};

/// Deadlines far ahead, in milliseconds since the epoch.
const DEADLINE_MS: &str = "4102444800123";

/// A directory for one test and the program over it.
struct Home(TempDir);

impl Home {
    fn new() -> Result<Self> {
        Ok(Self(tempfile::Builder::new().prefix("ledgerstone-embedded-").tempdir()?))
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("data/appendonly.aof")
    }

    fn server(&self, binary: impl Into<PathBuf>, preamble: bool) -> ServerBuilder {
        let preamble = if preamble { "yes" } else { "no" };
        ServerBuilder::new(binary, self.0.path())
            .directive("appendonly", "yes")
            .directive("appendfsync", "everysec")
            .directive("enable-debug-command", "yes")
            .directive("aof-use-rdb-preamble", preamble)
    }

    fn embedded(&self, preamble: bool) -> ServerBuilder {
        self.server(env!("CARGO_BIN_EXE_frequent-server"), preamble)
    }
}

fn call(client: &mut Client, line: &str) -> Result<Value> {
    client.call(&line.split(' ').collect::<Vec<_>>())
}

/// Calls one after the other, none of which may answer an error.
fn calls(client: &mut Client, lines: &[&str]) -> Result<()> {
    for line in lines {
        let reply = call(client, line)?;
        ensure!(reply.as_error().is_none(), "{line}: {reply:?}");
    }
    Ok(())
}

/// A thousand items of a stream in which low numbers come more often than high ones, eight in a command.
fn stream(key: &str, from: u32) -> Vec<String> {
    let item = |number: u32| format!("item:{}", (number.wrapping_mul(2_654_435_761) >> 7) % (1 + number % 97));
    let numbers: Vec<u32> = (from..from + 1_000).collect();
    let line =
        |numbers: &[u32]| numbers.iter().fold(format!("FREQ.ADD {key}"), |line, n| format!("{line} {}", item(*n)));
    numbers.chunks(8).map(line).collect()
}

fn fill(client: &mut Client, from: u32) -> Result<()> {
    for key in ["small", "moved", "deadline"] {
        let lines = stream(key, from);
        calls(client, &lines.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Everything that is to be the same after a restart: values with their counts, deadlines, and the digest of all.
fn state(client: &mut Client) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for db in ["0", "9"] {
        calls(client, &[&format!("SELECT {db}")])?;
        all.push(call(client, "DBSIZE")?);
        for key in ["small", "renamed", "copy", "deadline", "empty", "unit"] {
            all.push(call(client, &format!("TYPE {key}"))?);
            all.push(call(client, &format!("FREQ.LIST {key} WITHCOUNTS"))?);
            all.push(call(client, &format!("PEXPIRETIME {key}"))?);
        }
    }
    all.push(call(client, "DEBUG DIGEST")?);
    calls(client, &["SELECT 0"])?;
    Ok(all)
}

#[test]
fn values_survive_rewrites_in_both_forms_kills_and_reloads() -> Result<()> {
    for preamble in [false, true] {
        let home = Home::new()?;
        let mut running = home.embedded(preamble).start()?;
        let mut client = running.client()?;
        calls(&mut client, &["FREQ.RESERVE small 7", "FREQ.RESERVE empty 3"])?;
        fill(&mut client, 1)?;
        calls(
            &mut client,
            &["RENAME moved renamed", "COPY renamed copy DB 9", &format!("PEXPIREAT deadline {DEADLINE_MS}")],
        )?;
        calls(&mut client, &["FREQ.ADD gone a", "PEXPIREAT gone 1", "FREQ.ADD deleted a", "UNLINK deleted"])?;
        calls(&mut client, &["BGREWRITEAOF"])?;
        wait_rewritten(&mut client)?;
        let log = std::fs::read(home.log())?;
        ensure!(log.starts_with(b"REDIS") == preamble, "the form of the log");
        ensure!(
            preamble || log.windows(9).any(|bytes| bytes == b"freq.load"),
            "values are rewritten by their own command"
        );
        // What comes behind the rewrite goes on from what the rewrite wrote.
        calls(&mut client, &["MULTI", "FREQ.ADD unit a b a", "FREQ.ADD small item:0", "EXEC"])?;
        let more = stream("deadline", 5_000);
        calls(&mut client, &more.iter().map(String::as_str).collect::<Vec<_>>())?;
        let before = state(&mut client)?;
        running.kill_9()?;
        let mut running = home.embedded(preamble).start()?;
        let mut client = running.client()?;
        ensure!(state(&mut client)? == before, "after the first kill, preamble {preamble}");
        // Equal values stay equal under the same writes: nothing of a value was lost that its lists do not show.
        calls(&mut client, &["BGREWRITEAOF"])?;
        wait_rewritten(&mut client)?;
        running.kill_9()?;
        let running = home.embedded(!preamble).start()?;
        let mut client = running.client()?;
        ensure!(state(&mut client)? == before, "after the second, preamble {preamble}");
        ensure!(call(&mut client, "PEXPIRETIME deadline")?.as_integer() == DEADLINE_MS.parse().ok(), "the deadline");
    }
    Ok(())
}

#[test]
fn displaced_items_are_the_same_ones_after_a_reload() -> Result<()> {
    for preamble in [false, true] {
        let home = Home::new()?;
        let mut running = home.embedded(preamble).start()?;
        let mut client = running.client()?;
        calls(&mut client, &["FREQ.RESERVE k 3", "FREQ.ADD k a a b c d a e"])?;
        calls(&mut client, &["COPY k twin", "BGREWRITEAOF"])?;
        wait_rewritten(&mut client)?;
        // The twin is written to before the kill, the other one after it.
        let before = call(&mut client, "FREQ.ADD twin x y z x")?;
        let twin = call(&mut client, "FREQ.LIST twin WITHCOUNTS")?;
        running.kill_9()?;
        let running = home.embedded(preamble).start()?;
        let mut client = running.client()?;
        ensure!(call(&mut client, "FREQ.ADD k x y z x")? == before);
        ensure!(call(&mut client, "FREQ.LIST k WITHCOUNTS")? == twin);
    }
    Ok(())
}

#[test]
fn a_dumped_value_is_restored_as_it_was_and_lives_on_in_the_log() -> Result<()> {
    for rewritten in [false, true] {
        let home = Home::new()?;
        let mut running = home.embedded(false).start()?;
        let mut client = running.client()?;
        calls(&mut client, &["FREQ.RESERVE k 3", "FREQ.ADD k a a b c d a e"])?;
        let dumped = call(&mut client, "DUMP k")?;
        let payload = dumped.as_bytes().context("a payload")?;
        client.expect(&[&b"RESTORE"[..], b"twin", DEADLINE_MS.as_bytes(), payload, b"ABSTTL"])?;
        if rewritten {
            calls(&mut client, &["BGREWRITEAOF"])?;
            wait_rewritten(&mut client)?;
        }
        let lists = ["FREQ.LIST k WITHCOUNTS", "FREQ.LIST twin WITHCOUNTS", "PEXPIRETIME twin"];
        let before: Vec<Value> = lists.iter().map(|line| call(&mut client, line)).collect::<Result<_>>()?;
        ensure!(before[0] == before[1], "{before:?}");
        running.kill_9()?;
        let running = home.embedded(false).start()?;
        let mut client = running.client()?;
        let after: Vec<Value> = lists.iter().map(|line| call(&mut client, line)).collect::<Result<_>>()?;
        ensure!(after == before, "{after:?}");
    }
    // Another program's payload is refused by the name of its type.
    let home = Home::new()?;
    let running = home.embedded(false).start()?;
    let mut client = running.client()?;
    let reply = client.call(&[&b"RESTORE"[..], b"k", b"0", &payloads::foreign()])?;
    let error = String::from_utf8_lossy(reply.as_error().context("no error")?).into_owned();
    ensure!(error == "ERR Bad data format: value of module type elsewhere version 0 is not supported", "{error}");
    Ok(())
}

#[test]
fn the_server_without_the_type_refuses_its_log() -> Result<()> {
    for (preamble, text) in [
        (false, "Unknown command 'freq.load' reading the append only file"),
        (true, "value of module type freqitems version 1 at byte"),
    ] {
        let home = Home::new()?;
        let mut running = home.embedded(preamble).start()?;
        let mut client = running.client()?;
        calls(&mut client, &["FREQ.ADD k a", "BGREWRITEAOF"])?;
        wait_rewritten(&mut client)?;
        running.kill_9()?;
        let log = std::fs::read(home.log())?;
        let refusal = home.server(testkit::binary::server_binary()?, preamble).start_refused()?;
        ensure!(refusal.log.contains(text), "{}", refusal.log);
        ensure!(std::fs::read(home.log())? == log, "the log was changed");
        let running = home.embedded(preamble).start()?;
        let count = call(&mut running.client()?, "FREQ.COUNT k a")?;
        ensure!(count.as_integer() == Some(1), "{count:?}");
    }
    Ok(())
}

#[test]
fn errors_of_its_commands_are_errors_and_change_nothing() -> Result<()> {
    let home = Home::new()?;
    let running = home.embedded(true).start()?;
    let mut client = running.client()?;
    calls(&mut client, &["SET text 1", "FREQ.RESERVE k 3", "FREQ.ADD k a"])?;
    for (line, text) in [
        ("FREQ.ADD text a", "WRONGTYPE"),
        ("FREQ.RESERVE k 3", "ERR the key exists already"),
        ("FREQ.RESERVE new 0", "ERR capacity must be between"),
        ("FREQ.RESERVE new many", "ERR value is not an integer"),
        ("FREQ.LOAD k 4", "ERR the key has another capacity"),
        ("FREQ.LOAD k 3 b 1", "ERR syntax error"),
        ("FREQ.LOAD k 3 b 1 0 a 1 0", "ERR an item that cannot be there"),
        ("FREQ.LOAD k 3 b 1 -1", "ERR an item that cannot be there"),
        ("FREQ.LOAD k 3 b many 1", "ERR value is not an integer"),
        ("FREQ.LIST k WITHSCORES", "ERR syntax error"),
    ] {
        let reply = call(&mut client, line)?;
        let error = String::from_utf8_lossy(reply.as_error().context("no error")?).into_owned();
        ensure!(error.starts_with(text), "{line}: {error}");
    }
    let items = call(&mut client, "FREQ.LIST k WITHCOUNTS")?;
    ensure!(items.as_items().is_some_and(|items| items.len() == 2), "{items:?}");
    Ok(())
}
