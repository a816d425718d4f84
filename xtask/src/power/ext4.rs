//! A real file system in a loop file: ext4 copied while the server is stopped and started from, full by a neighbour and by the log
//! itself, and mounted read-only.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use testkit::history::{self, ClientRecord};
use testkit::steady::{Steady, SteadyOutcome, Verdict};
use testkit::workload::read_back;
use testkit::{Client, ServerBuilder, ServerProcess};

use super::allowed::SECOND;
use super::grounds;
use crate::crash::Policy;
use crate::suite::require_program;
use crate::waiting::wait;

/// The size of a file system, in bytes.
const VOLUME_BYTES: u64 = 24 << 20;
/// What can be removed to make room for a log that has filled the rest.
const BALLAST_BYTES: usize = 4 << 20;
/// How large the values are that fill it, in bytes.
const VALUE_BYTES: usize = 200_000;
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(1);
/// How long something may take that the server does by itself.
const BOUND: Duration = Duration::from_secs(20);
/// How much more than a second a busy machine may cost under `everysec`.
const BUSY: Duration = Duration::from_secs(1);

/// Runs all of it.
///
/// # Errors
/// If a promise was broken, or no file system can be made and mounted here.
pub(super) fn run(binary: &Path) -> Result<()> {
    require_program("mkfs.ext4")?;
    for policy in [Policy::Always, Policy::Everysec] {
        copied_while_stopped(binary, policy).with_context(|| format!("ext4, copied, {}", policy.name()))?;
        full(binary, policy).with_context(|| format!("ext4, full, {}", policy.name()))?;
    }
    read_only(binary).context("ext4, read-only")
}

/// An ext4 file system in a file, mounted where a server's data is to be. Dropping it unmounts it.
struct Volume {
    home: TempDir,
}

impl Volume {
    fn new() -> Result<Self> {
        let home = grounds::directory(grounds::EXT4)?;
        File::create(home.path().join("image"))?.set_len(VOLUME_BYTES)?;
        let image = home.path().join("image").display().to_string();
        command("mkfs.ext4", &["-qF", "-m", "0", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", &image])?;
        Self::mounted(home)
    }

    /// What a power loss would leave, if the device has what it was sent: the image as it is at this moment.
    fn copy(&self) -> Result<Self> {
        let home = grounds::directory(grounds::EXT4)?;
        fs::copy(self.home.path().join("image"), home.path().join("image"))?;
        Self::mounted(home)
    }

    fn mounted(home: TempDir) -> Result<Self> {
        fs::create_dir(home.path().join("data"))?;
        let volume = Self { home };
        let image = volume.home.path().join("image").display().to_string();
        command("mount", &["-o", "loop,errors=continue", &image, &volume.data()])?;
        Ok(volume)
    }

    fn data(&self) -> String {
        self.home.path().join("data").display().to_string()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join("data").join(name)
    }

    fn builder(&self, binary: &Path, policy: Policy) -> ServerBuilder {
        ServerBuilder::new(binary, self.home.path())
            .directive("appendonly", "yes")
            .directive("appendfsync", policy.name())
            .directive("auto-aof-rewrite-percentage", "0")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: whoever has a file open there, as after a failure, is ended later.
        if let Err(error) = command("umount", &["--lazy", &self.data()]) {
            eprintln!("{error:#}");
        }
    }
}

fn command(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    ensure!(output.status.success(), "{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn copied_while_stopped(binary: &Path, policy: Policy) -> Result<()> {
    let volume = Volume::new()?;
    let mut server = volume.builder(binary, policy).start()?;
    let clients = Steady::start(server.address(), CLIENTS, PAUSE)?;
    let enough = if policy == Policy::Always { Duration::from_millis(300) } else { 5 * SECOND / 2 };
    std::thread::sleep(enough);
    server.stop()?;
    let stopped = Instant::now();
    let copy = volume.copy()?;
    server.kill_family()?;
    let outcomes = end(clients)?;
    let acked: u64 = outcomes.iter().map(|outcome| outcome.record.acked).sum();
    let server = copy.builder(binary, policy).start().context("the start from the copy")?;
    let mut control = server.client()?;
    let (mut lost, mut oldest) = (0, Duration::ZERO);
    for (id, outcome) in outcomes.iter().enumerate() {
        let acks: Vec<Instant> =
            outcome.answers.iter().filter(|a| a.verdict == Verdict::Acked).map(|a| a.answered).collect();
        let age = |ack: &Instant| stopped.saturating_duration_since(*ack);
        let must = |ack: &&Instant| policy == Policy::Always || age(ack) > SECOND + BUSY;
        let record = ClientRecord { acked: acks.iter().filter(must).count() as u64, ..outcome.record };
        let there = judged(&mut control, id, &record)?;
        let gone = acks.get(usize::try_from(there)?..).unwrap_or_default();
        lost += gone.len();
        oldest = oldest.max(gone.first().map(age).unwrap_or_default());
    }
    println!(
        "ext4, copied while stopped, {}: {acked} transactions acknowledged, {lost} lost, the oldest {:.2} s before",
        policy.name(),
        oldest.as_secs_f64()
    );
    Ok(())
}

fn full(binary: &Path, policy: Policy) -> Result<()> {
    let volume = Volume::new()?;
    fs::write(volume.file("ballast"), vec![1; BALLAST_BYTES])?;
    let builder = volume.builder(binary, policy);
    let mut server = builder.start()?;
    let mut control = server.client()?;
    control.expect(&["SET", "kept", "1"])?;
    let clients = Steady::start(server.address(), CLIENTS, PAUSE)?;
    wait("the first writes", BOUND, || Ok((clients.acked() > 20).then_some(())))?;
    // A neighbour.
    fill(&volume.file("neighbour"))?;
    refused(&clients, &mut control)?;
    let neighbour = resumed(&clients, || Ok(fs::remove_file(volume.file("neighbour"))?))?;
    // The log itself.
    let mut values = 0;
    let value = "v".repeat(VALUE_BYTES);
    while control.call(&["SET", &format!("value:{values}"), &value])?.as_error().is_none() {
        values += 1;
    }
    refused(&clients, &mut control)?;
    let log = resumed(&clients, || Ok(fs::remove_file(volume.file("ballast"))?))?;
    server.kill_family()?;
    let outcomes = end(clients)?;
    let mut server = builder.start().context("the start afterwards")?;
    let mut control = server.client()?;
    for (id, outcome) in outcomes.iter().enumerate() {
        judged(&mut control, id, &outcome.record)?;
    }
    for number in 0..values {
        let len = control.expect(&["STRLEN", &format!("value:{number}")])?.as_integer();
        ensure!(len == i64::try_from(VALUE_BYTES).ok(), "value {number} of {values}, acknowledged, has length {len:?}");
    }
    server.kill_family()?;
    println!(
        "ext4, full, {}: writes resumed {:.2} s after a neighbour made room, {:.2} s after room was made for the log; 0 lost",
        policy.name(),
        neighbour.as_secs_f64(),
        log.as_secs_f64()
    );
    Ok(())
}

/// Writes zeros into a file until there is no more room.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    for size in [1 << 20, 4096, 1] {
        while file.write(&vec![0; size]).is_ok() {}
    }
    // What the file system has set aside for bytes not placed yet shows now.
    let _full = file.sync_all();
    while file.write(&[0; 4096]).is_ok() {}
    Ok(())
}

/// Waits until writes are refused; reads must be served, and PING refused in Redis's words.
fn refused(clients: &Steady, control: &mut Client) -> Result<()> {
    let before = clients.errors();
    wait("writes to be refused", BOUND, || Ok((clients.errors() > before + 2).then_some(())))?;
    // Of a key that no client writes: what shows a write that is not in the file is refused as the write is.
    let read = control.call(&["GET", "kept"])?;
    ensure!(read.as_bytes() == Some(b"1"), "a read was answered with {read:?}");
    let ping = control.call(&["PING"])?;
    let text = ping.as_error().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
    ensure!(text == "MISCONF Errors writing to the AOF file: No space left on device", "PING was answered {ping:?}");
    Ok(())
}

/// Makes room and measures how long writes take to be acknowledged again.
fn resumed(clients: &Steady, make_room: impl FnOnce() -> Result<()>) -> Result<Duration> {
    make_room()?;
    let (since, before) = (Instant::now(), clients.acked());
    wait("writes to resume", BOUND, || Ok((clients.acked() >= before + 10).then_some(())))?;
    Ok(since.elapsed())
}

fn read_only(binary: &Path) -> Result<()> {
    let volume = Volume::new()?;
    let builder = volume.builder(binary, Policy::Always);
    let mut server: ServerProcess = builder.start()?;
    server.client()?.expect(&["SET", "k", "kept"])?;
    server.kill_family()?;
    command("mount", &["-o", "remount,ro", &volume.data()])?;
    let refusal = builder.start_refused()?;
    ensure!(!refusal.status.success() && refusal.log.contains("Read-only file system"), "{}", refusal.log);
    command("mount", &["-o", "remount,rw", &volume.data()])?;
    let mut server = builder.start().context("the start after that")?;
    let kept = server.client()?.expect(&["GET", "k"])?;
    ensure!(kept.as_bytes() == Some(b"kept"), "the key is {kept:?}");
    server.kill_family()?;
    println!("ext4, read-only: the start is refused and says so; mounted for writing again, everything is there");
    Ok(())
}

fn end(clients: Steady) -> Result<Vec<SteadyOutcome>> {
    clients.stop();
    clients.join()
}

/// How much of a client's is there, if that is what must be.
fn judged(control: &mut Client, id: usize, record: &ClientRecord) -> Result<u64> {
    history::check(record, &read_back(control, id)?).map_err(|broken| {
        let told: Vec<String> = broken.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("client {id}: {}", told.join("; "))
    })
}
