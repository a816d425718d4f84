//! Every file that Redis 4.0 to 7.4 and Valkey 8.0 wrote: it loads and holds what its server reported, or it is refused by the first
//! thing in it that is not there here, with its offset.
//!
//! [`CORPUS`] says which, so that what is learned or forgotten is noticed; a directory without an entry fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Dataset, ServerProcess, compare, dump_dataset};

use crate::support::{Home, command, refused};

/// The directory in which Redis 7 and Valkey keep a log.
pub(crate) const PARTS: &str = "appendonlydir";

/// What becomes of the files of one directory.
enum Outcome {
    Loads,
    /// Refused by the name of a command.
    Command {
        name: &'static str,
        file: &'static str,
        offset: usize,
    },
    /// Refused by the key of a stream.
    Stream {
        key: &'static str,
        file: &'static str,
        offset: usize,
    },
    /// Refused by the name of a library of functions.
    Library {
        name: &'static str,
        file: &'static str,
        offset: usize,
    },
}

use Outcome::{Command as Refused, Library, Loads, Stream};

const LOG: &str = "appendonly.aof";
const DUMP: &str = "dump.rdb";
const BASE: &str = "appendonlydir/appendonly.aof.2.base.aof";
const BASE_RDB: &str = "appendonlydir/appendonly.aof.2.base.rdb";

/// Every directory of the corpus.
const CORPUS: &[(&str, Outcome)] = &[
    ("redis-4.0/basic", Loads),
    ("redis-4.0/plain", Refused { name: "PFMERGE", file: LOG, offset: 124_089 }),
    ("redis-4.0/preamble", Refused { name: "EVAL", file: LOG, offset: 42_603 }),
    ("redis-4.0/rdb", Loads),
    ("redis-6.2/basic", Loads),
    ("redis-6.2/plain", Refused { name: "XADD", file: LOG, offset: 75_144 }),
    ("redis-6.2/preamble", Stream { key: "x5", file: LOG, offset: 25_728 }),
    ("redis-6.2/rdb", Stream { key: "x0", file: DUMP, offset: 41_236 }),
    ("redis-7.0/basic", Loads),
    ("redis-7.0/plain", Refused { name: "FUNCTION", file: BASE, offset: 0 }),
    ("redis-7.0/preamble", Library { name: "lib1", file: BASE_RDB, offset: 80 }),
    ("redis-7.0/rdb", Library { name: "lib1", file: DUMP, offset: 80 }),
    ("redis-7.4/basic", Loads),
    ("redis-7.4/plain", Refused { name: "FUNCTION", file: BASE, offset: 0 }),
    ("redis-7.4/preamble", Library { name: "lib1", file: BASE_RDB, offset: 79 }),
    ("redis-7.4/rdb", Library { name: "lib1", file: DUMP, offset: 79 }),
    ("valkey-8.0/basic", Loads),
    ("valkey-8.0/plain", Refused { name: "FUNCTION", file: BASE, offset: 0 }),
    ("valkey-8.0/preamble", Library { name: "lib1", file: BASE_RDB, offset: 80 }),
    ("valkey-8.0/rdb", Library { name: "lib1", file: DUMP, offset: 80 }),
];

/// The names and bytes of files, by their path from where they stand.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

fn root() -> PathBuf {
    testkit::binary::workspace_root().join("tests/corpus")
}

pub(crate) fn corpus(server: &str, kind: &str) -> PathBuf {
    root().join(server).join(kind)
}

/// All files under a directory.
pub(crate) fn files_under(directory: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut left = vec![directory.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(directory)?.display().to_string();
                files.insert(name, fs::read(&path)?);
            }
        }
    }
    Ok(files)
}

/// What a server left in a directory of the corpus, and what it said of it.
fn sample(name: &str) -> Result<(Files, Dataset)> {
    let mut files = files_under(&root().join(name))?;
    let expected = files.remove("expected.jsonl").with_context(|| format!("{name}: expected.jsonl"))?;
    Ok((files, Dataset::parse(&String::from_utf8(expected)?)?))
}

/// A home whose data directory holds these files.
fn home_with(files: &Files) -> Result<Home> {
    let home = Home::new()?;
    for (name, bytes) in files {
        let path = home.data().join(name);
        fs::create_dir_all(path.parent().context("a file stands in a directory")?)?;
        fs::write(path, bytes)?;
    }
    Ok(home)
}

/// Sees that these files are as they were.
fn check_unchanged(home: &Home, files: &Files) -> Result<()> {
    for (name, bytes) in files {
        ensure!(fs::read(home.data().join(name))? == *bytes, "{name} was changed");
    }
    Ok(())
}

pub(crate) fn check_dataset(running: &ServerProcess, expected: &Dataset, tolerance_ms: i64) -> Result<()> {
    let differences = compare(expected, &dump_dataset(&mut running.client()?)?, tolerance_ms);
    let shown: Vec<String> = differences.iter().take(10).map(ToString::to_string).collect();
    ensure!(shown.is_empty(), "{} keys differ\n{}", differences.len(), shown.join("\n"));
    Ok(())
}

/// All of it is there, and again after a kill.
fn loads(files: &Files, expected: &Dataset) -> Result<()> {
    let home = home_with(files)?;
    let builder = home.server()?;
    let mut running = builder.start()?;
    check_dataset(&running, expected, DEADLINE_TOLERANCE_MS)?;
    check_unchanged(&home, files)?;
    let loaded = dump_dataset(&mut running.client()?)?;
    running.kill_9()?;
    check_dataset(&builder.start()?, &loaded, 0)
}

/// One line names what is not there with its file and offset; nothing is changed and nothing made.
fn is_refused(files: &Files, file: &str, offset: usize, named: &str) -> Result<()> {
    let home = home_with(files)?;
    let refusal = home.server()?.start_refused()?;
    refused(&refusal, &[named, &format!("{file}: byte {offset}")])?;
    check_unchanged(&home, files)?;
    ensure!(files.contains_key(LOG) || !home.aof().exists(), "a log was made of a part");
    Ok(())
}

/// What stands before the refused command loads: nothing else is wrong with it.
fn loads_before(files: &Files, file: &str, offset: usize) -> Result<()> {
    let mut files = files.clone();
    files.get_mut(file).context("the file that is named")?.truncate(offset);
    if file != LOG {
        // What comes behind a base goes on where it ended.
        files.iter_mut().filter(|(name, _)| name.ends_with(".incr.aof")).for_each(|(_, bytes)| bytes.clear());
    }
    home_with(&files)?.server()?.start().map(drop)
}

fn check_entry(name: &str, outcome: &Outcome) -> Result<()> {
    let (files, expected) = sample(name)?;
    match *outcome {
        Loads => loads(&files, &expected),
        Refused { name, file, offset } => {
            let found = command_at(&files[file], offset);
            ensure!(found.as_deref() == Some(name), "{found:?} stands at byte {offset} of {file}");
            is_refused(&files, file, offset, &format!("Unknown command '{name}'"))?;
            loads_before(&files, file, offset)
        }
        Stream { key, file, offset } => {
            // Type 15: a stream.
            ensure!(files[file][offset] == 15, "no stream stands at byte {offset} of {file}");
            is_refused(&files, file, offset, &format!("stream (type 15) at byte {offset} of key \"{key}\""))
        }
        Library { name, file, offset } => {
            // Opcode 245: a library of functions.
            ensure!(files[file][offset] == 245, "no library stands at byte {offset} of {file}");
            is_refused(&files, file, offset, &format!("function library '{name}'"))
        }
    }
}

fn check_server(server: &str) -> Result<()> {
    let prefix = format!("{server}/");
    for (name, outcome) in CORPUS.iter().filter(|(name, _)| name.starts_with(&prefix)) {
        check_entry(name, outcome).with_context(|| (*name).to_owned())?;
    }
    Ok(())
}

#[test]
fn what_redis_4_0_wrote_loads_or_is_refused_by_name_and_offset() -> Result<()> {
    check_server("redis-4.0")
}

#[test]
fn what_redis_6_2_wrote_loads_or_is_refused_by_name_and_offset() -> Result<()> {
    check_server("redis-6.2")
}

#[test]
fn what_redis_7_0_wrote_loads_or_is_refused_by_name_and_offset() -> Result<()> {
    check_server("redis-7.0")
}

#[test]
fn what_redis_7_4_wrote_loads_or_is_refused_by_name_and_offset() -> Result<()> {
    check_server("redis-7.4")
}

#[test]
fn what_valkey_8_0_wrote_loads_or_is_refused_by_name_and_offset() -> Result<()> {
    check_server("valkey-8.0")
}

/// The directory that a file of the corpus belongs to: that of its server and kind.
fn entry_of(path: &str) -> String {
    path.splitn(3, '/').take(2).collect::<Vec<_>>().join("/")
}

#[test]
fn every_file_of_the_corpus_has_an_entry_and_every_entry_a_file() -> Result<()> {
    let files = files_under(&root())?;
    let found: BTreeSet<String> = files.keys().filter(|name| *name != "README.md").map(|name| entry_of(name)).collect();
    let listed: BTreeSet<String> = CORPUS.iter().map(|(name, _)| (*name).to_owned()).collect();
    ensure!(found == listed, "without an entry or without files: {:?}", found.symmetric_difference(&listed));
    ensure!(listed.len() == CORPUS.len(), "a directory has two entries");
    Ok(())
}

/// The commands that `aof-load` gives of a file, as a log of their own.
fn as_plain_log(path: &Path) -> Result<Vec<u8>> {
    let mut log = Vec::new();
    for command in aof_load::commands(path)? {
        resp_codec::encode_command(&mut log, command?.args.iter().map(Vec::as_slice));
    }
    Ok(log)
}

#[test]
fn the_commands_of_any_form_of_a_log_are_a_log_that_gives_the_same_dataset() -> Result<()> {
    for (name, _) in CORPUS.iter().filter(|(_, outcome)| matches!(outcome, Loads)) {
        let (files, expected) = sample(name)?;
        let first = files.keys().find(|file| [".manifest", LOG, DUMP].iter().any(|end| file.ends_with(end)));
        let home = Home::new()?;
        home.write_aof(&as_plain_log(&root().join(name).join(first.context("a file that tells of the others")?))?)?;
        check_dataset(&home.server()?.start()?, &expected, DEADLINE_TOLERANCE_MS).context(*name)?;
    }
    Ok(())
}

#[test]
fn the_commands_of_a_log_with_a_preamble_give_the_dataset_that_it_gives() -> Result<()> {
    let (files, _) = sample("redis-4.0/preamble")?;
    // Up to the command that is refused, and on behind it with one that would run in the database of the last key.
    let log = [&files[LOG][..42_603], &command(&["SET", "behind", "1"])].concat();
    let (home, plain) = (Home::new()?, Home::new()?);
    home.write_aof(&log)?;
    plain.write_aof(&as_plain_log(&home.aof())?)?;
    let expected = dump_dataset(&mut home.server()?.start()?.client()?)?;
    check_dataset(&plain.server()?.start()?, &expected, 0)
}

/// Whether commands are known is not what check-aof says: all of them are whole.
#[test]
fn check_aof_finds_every_file_of_the_corpus_valid() -> Result<()> {
    let program = testkit::binary::build_package("aof-load", &["--bin", "check-aof"].map(std::ffi::OsStr::new))?;
    for (name, _) in CORPUS {
        let (files, _) = sample(name)?;
        let mut said = Vec::new();
        for file in files.keys() {
            let output = Command::new(&program).arg(root().join(name).join(file)).output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            ensure!(output.status.success(), "{name}/{file}: {text}");
            said.push(text);
        }
        let manifests = said.iter().filter(|text| text.ends_with("All AOF files and manifest are valid\n")).count();
        ensure!(manifests == usize::from(files.keys().any(|file| file.starts_with(PARTS))), "{name}: {said:?}");
    }
    Ok(())
}

/// The name of the command that starts at `offset`.
fn command_at(log: &[u8], offset: usize) -> Option<String> {
    let text = String::from_utf8_lossy(log.get(offset..)?);
    let mut lines = text.split("\r\n");
    lines.next()?.strip_prefix('*')?;
    lines.next()?.strip_prefix('$')?;
    lines.next().map(str::to_owned)
}
