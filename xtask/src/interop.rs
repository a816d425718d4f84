//! `cargo xtask test-interop`: what we write, redis-server reads, and what it leaves, we import: both hold exactly the same data.
//!
//! A mixed workload with a BGREWRITEAOF in its middle runs against our server, which is then killed; redis-server starts
//! from a copy of the files. Both datasets are read through clients and compared, deadlines to the millisecond. The
//! reference also loads the corpus it wrote itself, which proves the reading and comparing. RDB files have their own module,
//! `interop_rdb.rs`, as have DUMP and RESTORE, `interop_dump.rs`, and snapshots that our server makes, `interop_saves.rs`.
//!
//! The other way round the workload runs against redis-server, which saves a dump and is killed, with a base of commands and with one in
//! RDB format, and the last of its files is cut somewhere near its
//! end, as a power cut may do. Then redis-server and ours each start from a copy, and ours must have left its copy as it was.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::binary::workspace_root;
use testkit::dataset::{DEADLINE_TOLERANCE_MS, Difference};
use testkit::mixed::Mixed;
use testkit::{Client, Dataset, Pipeline, ServerBuilder, compare, dump_dataset, wait_rewritten};

use crate::suite::{require_program, server_under_test};
use crate::{interop_dump, interop_rdb, interop_saves};

/// The server that reads our files and that ours is compared with. Debian's, so that everyone has the same one.
pub(crate) const REFERENCE: &str = "redis-server";
/// Where redis-server keeps its log.
const PARTS: &str = "appendonlydir";
/// What a rewritten log starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Commands,
    Preamble,
    /// A preamble whose strings are as they are.
    Uncompressed,
}

/// The logs of one seed.
const LOGS: [(&str, Form); 5] = [
    ("always", Form::Preamble),
    ("everysec", Form::Preamble),
    ("no", Form::Preamble),
    ("everysec", Form::Uncompressed),
    ("everysec", Form::Commands),
];

/// How many requests one workload makes.
const REQUESTS: usize = 30_000;

/// What is asked of the comparison.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Tests this binary instead of building server-bin.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// Draws the first workload; printed, and random if not given.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// How many workloads are compared.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { server: None, seed: None, rounds: 3 }
    }
}

/// Compares.
///
/// # Errors
/// If the datasets differ, or either server fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let reference = require_program(REFERENCE)?;
    let server = server_under_test(options.server.as_deref())?;
    load_own_corpus(&reference)?;
    let checker = require_program(interop_rdb::CHECKER)?;
    let seen = interop_dump::round(&server, &reference).context("DUMP and RESTORE")?;
    println!("interop: values in {seen} representations dumped and restored in both directions");
    let first = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    for seed in first..first + options.rounds {
        let keys = interop_rdb::round(&reference, &checker, seed)
            .with_context(|| format!("RDB; repeat: cargo xtask test-interop --rounds 1 --seed {seed}"))?;
        println!("interop: seed {seed}, RDB: {keys} keys equal after {REFERENCE} loaded and saved them");
        let keys = interop_saves::round(&server, &reference, &checker, seed)
            .with_context(|| format!("snapshots; repeat: cargo xtask test-interop --rounds 1 --seed {seed}"))?;
        println!("interop: seed {seed}, SAVE and BGSAVE: {keys} keys equal in {REFERENCE}");
        for (policy, form) in LOGS {
            let keys = round(&server, &reference, seed, policy, form).with_context(|| {
                format!("policy {policy}, {form:?}; repeat: cargo xtask test-interop --rounds 1 --seed {seed}")
            })?;
            println!("interop: seed {seed}, {policy}, {form:?}: {keys} keys equal in {REFERENCE}");
        }
        for preamble in ["no", "yes"] {
            let keys = import_round(&server, &reference, seed, preamble)
                .with_context(|| format!("import; repeat: cargo xtask test-interop --rounds 1 --seed {seed}"))?;
            println!("interop: seed {seed}: {keys} keys of {REFERENCE} imported, aof-use-rdb-preamble {preamble}");
        }
    }
    Ok(())
}

/// One workload; returns the number of keys compared.
fn round(server: &Path, reference: &Path, seed: u64, policy: &str, form: Form) -> Result<usize> {
    let home = tempfile::tempdir()?;
    let [ours, theirs] = ["ours", "theirs"].map(|name| home.path().join(name));
    fs::create_dir_all(&ours)?;
    let mut running = ServerBuilder::new(server, &ours)
        .directive("appendonly", "yes")
        .directive("appendfsync", policy)
        .directive("aof-use-rdb-preamble", if form == Form::Commands { "no" } else { "yes" })
        .directive("rdbcompression", if form == Form::Uncompressed { "no" } else { "yes" })
        .start()?;
    let mut client = running.client()?;
    load_and_rewrite(&mut client, seed)?;
    let expected = settled_dump(&mut client)?;
    running.kill_9()?;
    has_form(&ours.join("data/appendonly.aof"), form)?;
    copy_tree(&ours.join("data"), &theirs.join("data"))?;
    let reader = ServerBuilder::new(reference, &theirs).directive("appendonly", "yes").start()?;
    let found = dump_dataset(&mut reader.client()?)?;
    report(&compare(&expected, &found, 0))?;
    Ok(expected.entries.len())
}

/// One workload the other way round, with a base of commands or in RDB format; returns the number of keys compared.
fn import_round(server: &Path, reference: &Path, seed: u64, preamble: &str) -> Result<usize> {
    let home = tempfile::tempdir()?;
    let theirs = |name: &str| {
        let builder = ServerBuilder::new(reference, home.path().join(name)).directive("appendonly", "yes");
        builder.directive("aof-use-rdb-preamble", preamble)
    };
    let mut running = theirs("left").start()?;
    let mut client = running.client()?;
    load_and_rewrite(&mut client, seed)?;
    let mut keys = dump_round(server, &mut client, &home.path().join("left/data"), &home.path().join("dump"))?;
    running.kill_9()?;
    let left = home.path().join("left/data");
    for (name, cut_bytes) in [("whole", 0), ("cut", fastrand::Rng::with_seed(seed).u64(1..2_000))] {
        cut_last_file(&left, cut_bytes)?;
        let copies = [name.to_owned(), format!("{name}-ours")].map(|copy| home.path().join(copy).join("data"));
        copies.iter().try_for_each(|copy| copy_tree(&left, copy))?;
        let expected = settled_dump(&mut theirs(name).start()?.client()?)?;
        let builder = ServerBuilder::new(server, home.path().join(format!("{name}-ours")));
        let ours = builder.directive("appendonly", "yes").start()?;
        let found = settled_dump(&mut ours.client()?)?;
        report(&compare(&expected, &found, 0)).with_context(|| format!("{cut_bytes} bytes cut"))?;
        ensure!(tree(&left.join(PARTS))? == tree(&copies[1].join(PARTS))?, "{PARTS} was changed");
        keys += expected.entries.len();
    }
    Ok(keys)
}

/// What SAVE writes now is imported too; returns the number of keys compared.
fn dump_round(server: &Path, client: &mut Client, left: &Path, home: &Path) -> Result<usize> {
    let expected = settled_dump(client)?;
    client.expect(&["SAVE"])?;
    fs::create_dir_all(home.join("data"))?;
    fs::copy(left.join("dump.rdb"), home.join("data/dump.rdb")).context("copy the dump")?;
    let ours = ServerBuilder::new(server, home).directive("appendonly", "yes").start()?;
    report(&compare(&expected, &settled_dump(&mut ours.client()?)?, 0)).context("a dump")?;
    ensure!(fs::read(left.join("dump.rdb"))? == fs::read(home.join("data/dump.rdb"))?, "the dump was changed");
    Ok(expected.entries.len())
}

/// Cuts bytes off the file that the manifest names last.
fn cut_last_file(data_dir: &Path, cut_bytes: u64) -> Result<()> {
    let manifest = fs::read_to_string(data_dir.join(PARTS).join("appendonly.aof.manifest"))
        .with_context(|| format!("{REFERENCE} keeps its log in one file: it must be of version 7"))?;
    let last = manifest.lines().last().and_then(|line| line.split(' ').nth(1)).context("the manifest is empty")?;
    let file = fs::File::options().write(true).open(data_dir.join(PARTS).join(last))?;
    file.set_len(file.metadata()?.len().saturating_sub(cut_bytes)).context("cut the last file")
}

/// The names and bytes of a directory of files.
fn tree(directory: &Path) -> Result<BTreeMap<OsString, Vec<u8>>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    entries.map(|entry| entry.map_err(Into::into).and_then(|e| Ok((e.file_name(), fs::read(e.path())?)))).collect()
}

/// A log that has another form than was asked for proves nothing.
fn has_form(log: &Path, form: Form) -> Result<()> {
    let mut start = [0; 5];
    fs::File::open(log)?.read_exact(&mut start)?;
    ensure!((&start == b"REDIS") == (form != Form::Commands), "the log starts with \"{}\"", start.escape_ascii());
    Ok(())
}

/// The workload of a seed, with a rewrite in its middle.
fn load_and_rewrite(client: &mut Client, seed: u64) -> Result<()> {
    let mut mixed = Mixed::new(seed);
    load(client, &mut mixed, REQUESTS / 3)?;
    client.expect(&["BGREWRITEAOF"])?;
    load(client, &mut mixed, REQUESTS / 3)?;
    wait_rewritten(client)?;
    load(client, &mut mixed, REQUESTS / 3)
}

/// Sends about `requests` requests. Errors of the mix are part of it, but every command must be known.
pub(crate) fn load(client: &mut Client, mixed: &mut Mixed, requests: usize) -> Result<()> {
    let mut pipeline = Pipeline::default();
    for _ in 0..requests / 500 {
        pipeline.clear();
        mixed.fill(&mut pipeline, 500);
        for reply in client.run(&pipeline)? {
            let inside = reply.as_items().unwrap_or_default();
            for text in inside.iter().chain([&reply]).filter_map(|r| r.as_error()) {
                let text = String::from_utf8_lossy(text);
                ensure!(
                    !text.contains("unknown command") && !text.starts_with("MISCONF"),
                    "the server answered -{text}"
                );
            }
        }
    }
    Ok(())
}

/// The dataset once every short deadline has passed, so that none passes between two readings.
pub(crate) fn settled_dump(client: &mut Client) -> Result<Dataset> {
    const AHEAD: Duration = Duration::from_secs(600);
    loop {
        let soon_ms = i64::try_from((SystemTime::now() + AHEAD).duration_since(UNIX_EPOCH)?.as_millis())?;
        let dataset = dump_dataset(client)?;
        if !dataset.entries.values().any(|e| e.deadline_ms.is_some_and(|at| at < soon_ms)) {
            return Ok(dataset);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The reference loads what a server of its own version wrote: if this differs, reading or comparing is wrong.
fn load_own_corpus(reference: &Path) -> Result<()> {
    let source = workspace_root().join("tests/corpus/redis-7.0/basic");
    let expected = Dataset::parse(&fs::read_to_string(source.join("expected.jsonl"))?)?;
    let home = tempfile::tempdir()?;
    copy_tree(&source, &home.path().join("data"))?;
    let server = ServerBuilder::new(reference, home.path()).directive("appendonly", "yes").start()?;
    let found = dump_dataset(&mut server.client()?)?;
    report(&compare(&expected, &found, DEADLINE_TOLERANCE_MS)).context("the reference's own corpus")
}

pub(crate) fn report(differences: &[Difference]) -> Result<()> {
    for difference in differences.iter().take(20) {
        println!("{difference}");
    }
    if !differences.is_empty() {
        bail!("{} keys differ", differences.len());
    }
    Ok(())
}

pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
