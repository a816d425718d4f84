//! Files that Redis 4.0 to 7.4 and Valkey 8.0 wrote: those of base commands load and hold what their server reported.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Dataset, compare, dump_dataset};

use crate::support::Home;

pub(crate) fn corpus(server: &str, kind: &str) -> PathBuf {
    testkit::binary::workspace_root().join("tests/corpus").join(server).join(kind)
}

/// The commands of a corpus file as one log: Redis 7 keeps them in a base file and increments.
fn single_log(directory: &Path) -> Result<Vec<u8>> {
    let single = directory.join("appendonly.aof");
    if single.is_file() {
        return Ok(fs::read(single)?);
    }
    let parts = directory.join("appendonlydir");
    let manifest = fs::read_to_string(parts.join("appendonly.aof.manifest"))?;
    let names = manifest.lines().filter_map(|line| line.split(' ').nth(1));
    let mut log = Vec::new();
    for name in names {
        log.extend(fs::read(parts.join(name)).with_context(|| name.to_owned())?);
    }
    Ok(log)
}

fn loads(server: &str) -> Result<()> {
    let directory = corpus(server, "basic");
    let expected = Dataset::parse(&fs::read_to_string(directory.join("expected.jsonl"))?)?;
    let home = Home::new()?;
    home.write_aof(&single_log(&directory)?)?;
    let running = home.server()?.start()?;
    let found = dump_dataset(&mut running.client()?)?;
    let differences = compare(&expected, &found, DEADLINE_TOLERANCE_MS);
    let shown: Vec<String> = differences.iter().take(10).map(ToString::to_string).collect();
    ensure!(shown.is_empty(), "{server}: {} keys differ\n{}", differences.len(), shown.join("\n"));
    Ok(())
}

#[test]
fn a_log_of_redis_4_0_loads() -> Result<()> {
    loads("redis-4.0")
}

#[test]
fn a_log_of_redis_6_2_loads() -> Result<()> {
    loads("redis-6.2")
}

#[test]
fn a_log_of_redis_7_0_loads() -> Result<()> {
    loads("redis-7.0")
}

#[test]
fn a_log_of_redis_7_4_loads() -> Result<()> {
    loads("redis-7.4")
}

#[test]
fn a_log_of_valkey_8_0_loads() -> Result<()> {
    loads("valkey-8.0")
}

/// A file with commands that are not there yet is refused with the command's name and offset, and left as it is.
fn refused_by_name(server: &str) -> Result<()> {
    let log = single_log(&corpus(server, "plain"))?;
    let home = Home::new()?;
    home.write_aof(&log)?;
    let refusal = home.server()?.start_refused()?;
    ensure!(!refusal.status.success(), "{server}: ended with {}", refusal.status);
    let line = refusal.log.lines().find_map(named_offset);
    let (offset, line) = line.with_context(|| format!("no line names an offset:\n{}", refusal.log))?;
    let name = command_at(&log, offset).with_context(|| format!("no command stands at byte {offset}: {line}"))?;
    let named = line.to_ascii_lowercase().contains(&name.to_ascii_lowercase());
    ensure!(named, "byte {offset} holds {name}, which is not named: {line}");
    ensure!(fs::read(home.aof())? == log, "the file was touched");
    Ok(())
}

/// The byte offset that a line of the log names, as in `at byte 123` or `offset 123`.
pub(crate) fn named_offset(line: &str) -> Option<(usize, &str)> {
    let rest = ["byte ", "offset "].iter().find_map(|word| line.split_once(word))?.1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, line))
}

/// The name of the command that starts at `offset`.
pub(crate) fn command_at(log: &[u8], offset: usize) -> Option<String> {
    let text = String::from_utf8_lossy(log.get(offset..)?);
    let mut lines = text.split("\r\n");
    lines.next()?.strip_prefix('*')?;
    lines.next()?.strip_prefix('$')?;
    lines.next().map(str::to_owned)
}

#[test]
fn commands_of_redis_4_0_that_are_not_there_are_refused_by_name() -> Result<()> {
    refused_by_name("redis-4.0")
}

#[test]
fn commands_of_redis_6_2_that_are_not_there_are_refused_by_name() -> Result<()> {
    refused_by_name("redis-6.2")
}
