//! Snapshots of our server, read by redis-server: a mixed workload, SAVE or BGSAVE, and both must hold exactly the same data.
//!
//! redis-check-rdb must accept the file, and our own server, killed without a log, must start with the same.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::mixed::Mixed;
use testkit::{Client, Info, ServerBuilder, compare, dump_dataset};

use crate::interop::{load, report, settled_dump};

/// What makes a snapshot.
const COMMANDS: [&str; 2] = ["SAVE", "BGSAVE"];
/// How many requests one workload makes.
const REQUESTS: usize = 10_000;
/// How long a snapshot may take.
const BOUND: Duration = Duration::from_secs(60);

/// One workload for each way to make a snapshot; returns the number of keys compared.
pub(crate) fn round(server: &Path, reference: &Path, checker: &Path, seed: u64) -> Result<usize> {
    let mut keys = 0;
    for command in COMMANDS {
        keys += saved(server, reference, checker, seed, command).context(command)?;
    }
    Ok(keys)
}

fn saved(server: &Path, reference: &Path, checker: &Path, seed: u64, command: &str) -> Result<usize> {
    let home = tempfile::tempdir()?;
    let [ours, theirs] = ["ours", "theirs"].map(|name| home.path().join(name));
    fs::create_dir_all(&ours)?;
    let builder = ServerBuilder::new(server, &ours).directive("appendonly", "no");
    let mut running = builder.start()?;
    let mut client = running.client()?;
    load(&mut client, &mut Mixed::new(seed), REQUESTS)?;
    let expected = settled_dump(&mut client)?;
    client.expect(&[command])?;
    wait_saved(&mut client)?;
    running.kill_9()?;
    let dump = ours.join("data/dump.rdb");
    let judged = Command::new(checker).arg(&dump).output()?;
    ensure!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
    fs::create_dir_all(theirs.join("data"))?;
    fs::copy(&dump, theirs.join("data/dump.rdb")).context("copy the dump")?;
    let reader = ServerBuilder::new(reference, &theirs).directive("appendonly", "no").start()?;
    report(&compare(&expected, &dump_dataset(&mut reader.client()?)?, 0))?;
    let again = dump_dataset(&mut builder.start()?.client()?)?;
    report(&compare(&expected, &again, 0)).context("our own start")?;
    Ok(expected.entries.len())
}

/// Waits until no snapshot is in progress.
fn wait_saved(client: &mut Client) -> Result<()> {
    let deadline = Instant::now() + BOUND;
    loop {
        let info = Info::fetch(client, "persistence")?;
        if !info.is_set("rdb_bgsave_in_progress") {
            let status = info.text("rdb_last_bgsave_status").context("rdb_last_bgsave_status")?;
            ensure!(status == "ok", "the snapshot ended with status {status}");
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the snapshot did not end in {BOUND:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
