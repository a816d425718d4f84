//! SIGKILL at every call of an import: of a log in several files, of a dump, of a log that holds nothing.
//!
//! The next start must serve all of what the other server left, whether it imports it again or finds the finished log, and what was
//! left must be there byte for byte. There are no clients: nothing is served before the last of these calls.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use testkit::binary::workspace_root;
use testkit::{Dataset, ServerBuilder};

use super::points::{self, Point, What, When};
use crate::parallel;
use crate::recovered::recover_twice;
use crate::waiting::wait;

/// How long an import, or its end, may take.
const BOUND: Duration = Duration::from_secs(20);

/// What another server left.
struct Source {
    name: &'static str,
    /// Its files by their paths in the data directory, and what they hold.
    files: BTreeMap<String, Vec<u8>>,
    expected: Dataset,
    /// `aof-use-rdb-preamble` of the server that imports it.
    preamble: &'static str,
}

/// One death.
struct Kill<'a> {
    source: &'a Source,
    point: Point,
    when: When,
}

impl Kill<'_> {
    fn name(&self) -> String {
        format!("import:{}:{}", self.point, self.when.name())
    }
}

/// Kills an import at every call.
///
/// # Errors
/// If anything was lost or touched, or a kill did not land.
pub(super) fn run(binary: &Path, jobs: usize, only: &str) -> Result<()> {
    let sources = [parts()?, dump()?, nothing()];
    let mut kills = Vec::new();
    for source in &sources {
        let calls = undisturbed(binary, source).context(source.name)?;
        println!("test-kill-points: import of {}: {} calls are kill points", source.name, calls.len());
        let deaths = calls.into_iter().flat_map(|point| [(point.clone(), When::Before), (point, When::After)]);
        kills.extend(deaths.map(|(point, when)| Kill { source, point, when }));
    }
    kills.retain(|kill| kill.name().starts_with(only));
    let failed: Vec<String> = parallel::map(jobs, &kills, |kill| die_once(binary, kill))
        .into_iter()
        .zip(&kills)
        .filter_map(|(result, kill)| {
            let error = result.err()?;
            let name = kill.name();
            Some(format!(
                "{}, {name}: {error:#}\n  repeat: cargo xtask test-kill-points --only {name}",
                kill.source.name
            ))
        })
        .collect();
    failed.iter().for_each(|failure| println!("FAILED: {failure}"));
    if !failed.is_empty() {
        bail!("{} of {} kills of imports failed", failed.len(), kills.len());
    }
    println!("test-kill-points: {} kills of imports landed; everything was served, nothing touched", kills.len());
    Ok(())
}

fn parts() -> Result<Source> {
    let directory = corpus("redis-7.0/basic");
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory.join("appendonlydir"))? {
        let entry = entry?;
        let name = format!("appendonlydir/{}", entry.file_name().display());
        files.insert(name, fs::read(entry.path())?);
    }
    Ok(Source { name: "a log in several files", files, expected: expected(&directory)?, preamble: "yes" })
}

fn dump() -> Result<Source> {
    let directory = corpus("redis-4.0/rdb");
    let files = BTreeMap::from([("dump.rdb".to_owned(), fs::read(directory.join("dump.rdb"))?)]);
    Ok(Source { name: "a dump", files, expected: expected(&directory)?, preamble: "no" })
}

fn nothing() -> Source {
    let manifest = "file a.aof seq 1 type b\n".as_bytes().to_vec();
    let files = BTreeMap::from([
        ("appendonlydir/appendonly.aof.manifest".to_owned(), manifest),
        ("appendonlydir/a.aof".to_owned(), Vec::new()),
    ]);
    Source { name: "a log without commands", files, expected: Dataset::default(), preamble: "no" }
}

fn corpus(name: &str) -> PathBuf {
    workspace_root().join("tests/corpus").join(name)
}

fn expected(directory: &Path) -> Result<Dataset> {
    Dataset::parse(&fs::read_to_string(directory.join("expected.jsonl"))?)
}

/// Puts the files where a server is to find them, and says how it is started.
fn prepare(binary: &Path, home: &Path, source: &Source) -> Result<ServerBuilder> {
    let builder = ServerBuilder::new(binary, home)
        .directive("appendonly", "yes")
        .directive("aof-use-rdb-preamble", source.preamble);
    for (name, bytes) in &source.files {
        let path = builder.data_dir().join(name);
        fs::create_dir_all(path.parent().context("a file stands in a directory")?)?;
        fs::write(path, bytes)?;
    }
    Ok(builder)
}

fn check_untouched(builder: &ServerBuilder, source: &Source) -> Result<()> {
    for (name, bytes) in &source.files {
        ensure!(fs::read(builder.data_dir().join(name))? == *bytes, "{name} was changed");
    }
    Ok(())
}

fn lines(path: &Path) -> Result<Vec<(Point, What)>> {
    if path.exists() { Ok(points::parse(&fs::read_to_string(path)?)) } else { Ok(Vec::new()) }
}

/// Lets an import run to its end, and returns its calls.
fn undisturbed(binary: &Path, source: &Source) -> Result<Vec<Point>> {
    let home = tempfile::tempdir()?;
    let calls = home.path().join("calls");
    let builder = prepare(binary, home.path(), source)?;
    let mut server = builder.env("LEDGERSTONE_TEST_CALLS", &calls).start()?;
    let made = wait("the state file of what was imported", BOUND, || {
        Ok(points::of_import(&points::begun(&lines(&calls)?)).map(<[Point]>::to_vec))
    })?;
    server.kill_9()?;
    Ok(made)
}

fn die_once(binary: &Path, kill: &Kill<'_>) -> Result<()> {
    let home = tempfile::Builder::new().prefix("ledgerstone-import-").tempdir()?;
    let calls = home.path().join("calls");
    let builder = prepare(binary, home.path(), kill.source)?;
    let rule = format!("{}:{}", kill.point, kill.when.name());
    let hooked = builder.clone().env("LEDGERSTONE_TEST_CALLS", &calls).env("LEDGERSTONE_TEST_AT_CALLS", rule);
    let mut server = hooked.spawn()?;
    // Also where the child was killed: a server without what it imported has nothing to serve.
    let status = server.wait_exit(BOUND)?;
    ensure!(!status.success(), "it ended as if nothing had happened");
    let landed = lines(&calls)?.contains(&(kill.point.clone(), What::Killed(kill.when)));
    ensure!(landed, "the kill did not land: {status}\n{}", server.log()?);
    check_untouched(&builder, kill.source)?;
    let recovery = recover_twice(&builder, &[], &kill.source.expected)?;
    ensure!(recovery.findings.is_empty(), "{}", recovery.findings.join("; "));
    check_untouched(&builder, kill.source)
}
