//! SIGKILL at every call of a snapshot that touches its file or the directory, in the server (SAVE) and in its child (BGSAVE).
//!
//! A server has a snapshot of one generation of its keys, and writes another. When it is started again, all keys must be of one
//! generation: of either without a log, of the later one with it. Beside a log the snapshot is looked at by a server that has nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use testkit::{Client, Info, Pipeline, ServerBuilder, ServerProcess};

use super::points::{self, Point, When};
use crate::interop::copy_tree;
use crate::waiting::wait;

/// What makes a snapshot.
const COMMANDS: [&str; 2] = ["SAVE", "BGSAVE"];
/// The keys, and how long each value is: the file takes several writes.
const KEYS: u32 = 40;
const VALUE_BYTES: usize = 20_000;
/// How long anything may take.
const BOUND: Duration = Duration::from_secs(20);

/// A server of the test, with a log or without.
struct Scene<'a> {
    binary: &'a Path,
    home: PathBuf,
    appendonly: &'static str,
}

impl Scene<'_> {
    fn builder(&self) -> ServerBuilder {
        ServerBuilder::new(self.binary, &self.home)
            .directive("appendonly", self.appendonly)
            .directive("appendfsync", "always")
            .directive("rdbcompression", "no")
    }

    fn lines_path(&self) -> PathBuf {
        self.home.join("calls")
    }

    /// A server whose calls are told of, with the second generation of keys in it, that was asked for a snapshot.
    fn begin(&self, command: &str, rule: &str) -> Result<(ServerProcess, Client)> {
        let builder = self.builder().env("LEDGERSTONE_TEST_CALLS", self.lines_path());
        let server = builder.env("LEDGERSTONE_TEST_AT_CALLS", rule).start()?;
        let mut client = server.client()?;
        set_keys(&mut client, 2)?;
        let mut request = Pipeline::default();
        request.push(&[command]);
        client.send(&request)?;
        Ok((server, client))
    }

    /// The calls on the snapshot's file and the directory, of a snapshot that nobody disturbs.
    fn calls(&self, command: &str) -> Result<Vec<Point>> {
        let (mut server, mut client) = self.begin(command, "")?;
        client.receive()?;
        wait_ended(&mut client)?;
        server.kill_9()?;
        let begun = points::begun(&points::parse(&fs::read_to_string(self.lines_path())?));
        fs::remove_file(self.lines_path())?;
        Ok(begun.into_iter().filter(|point| matches!(point.object.as_str(), "dump" | "dir")).collect())
    }

    /// One kill, and what the next start finds.
    fn kill(&self, command: &str, point: &Point, when: When) -> Result<()> {
        let (mut server, mut client) = self.begin(command, &format!("{point}:{}", when.name()))?;
        if point.in_child() {
            client.receive()?;
            wait_ended(&mut client)?;
            let info = Info::fetch(&mut client, "persistence")?;
            ensure!(info.text("rdb_last_bgsave_status") == Some("err"), "the kill did not land");
            client.expect(&["SET", "alive", "1"]).context("after the child's death")?;
            no_temp_file(server.data_dir())?;
            server.kill_9()?;
        } else {
            use std::os::unix::process::ExitStatusExt as _;
            let status = server.wait_exit(BOUND)?;
            ensure!(status.signal() == Some(9), "the server ended by itself: {status}\n{}", server.log()?);
        }
        if self.appendonly == "yes" {
            self.check_dump_alone().context("the snapshot beside the log")?;
        }
        let again = self.builder().start()?;
        let generation = generation(&mut again.client()?)?;
        let expected = if self.appendonly == "yes" { 2..=2 } else { 1..=2 };
        ensure!(expected.contains(&generation), "generation {generation} is there");
        no_temp_file(again.data_dir())
    }
}

impl Scene<'_> {
    /// What was killed left a whole snapshot of either generation, whatever the log holds.
    fn check_dump_alone(&self) -> Result<()> {
        let place = tempfile::tempdir()?;
        let alone = Scene { binary: self.binary, home: place.path().to_owned(), appendonly: "no" };
        let data = alone.home.join("data");
        fs::create_dir_all(&data)?;
        fs::copy(self.home.join("data/dump.rdb"), data.join("dump.rdb"))?;
        let generation = generation(&mut alone.builder().start()?.client()?)?;
        ensure!((1..=2).contains(&generation), "generation {generation} is in it");
        Ok(())
    }
}

/// Every kill point of snapshots whose name begins with `only`; returns how many there were.
///
/// # Errors
/// If what is left is not whole, or a kill did not land.
pub(super) fn run(binary: &Path, only: &str) -> Result<usize> {
    let mut kills = 0;
    for appendonly in ["no", "yes"] {
        for command in COMMANDS {
            let first = tempfile::tempdir()?;
            prepare(binary, first.path(), appendonly)?;
            let calls = on_copy(binary, first.path(), appendonly, |scene| scene.calls(command))?;
            ensure!(calls.len() > 5, "a snapshot makes more calls than {calls:?}");
            for (point, when) in calls.iter().flat_map(|point| [(point, When::Before), (point, When::After)]) {
                let name = format!("{point}:{}", when.name());
                if name.starts_with(only) {
                    kills += 1;
                    on_copy(binary, first.path(), appendonly, |scene| scene.kill(command, point, when))
                        .with_context(|| format!("{command}, appendonly {appendonly}, {name}"))?;
                }
            }
            println!("test-kill-points: {command}, appendonly {appendonly}: {} calls are kill points", calls.len());
        }
    }
    Ok(kills)
}

/// A directory with a snapshot, and a log where there is one, of the first generation.
fn prepare(binary: &Path, home: &Path, appendonly: &'static str) -> Result<()> {
    let scene = Scene { binary, home: home.to_owned(), appendonly };
    let mut server = scene.builder().start()?;
    let mut client = server.client()?;
    set_keys(&mut client, 1)?;
    client.expect(&["SAVE"])?;
    server.kill_9()
}

fn on_copy<T>(
    binary: &Path,
    first: &Path,
    appendonly: &'static str,
    run: impl FnOnce(&Scene<'_>) -> Result<T>,
) -> Result<T> {
    let home = tempfile::Builder::new().prefix("ledgerstone-kill-").tempdir()?;
    copy_tree(&first.join("data"), &home.path().join("data"))?;
    let scene = Scene { binary, home: home.path().to_owned(), appendonly };
    let result = run(&scene);
    if result.is_err() {
        let kept = home.keep();
        return result.with_context(|| format!("files: {}", kept.display()));
    }
    result
}

fn set_keys(client: &mut Client, generation: u32) -> Result<()> {
    let value = format!("{generation}:{}", "v".repeat(VALUE_BYTES));
    for key in 0..KEYS {
        client.expect(&["SET", &format!("key:{key}"), &value])?;
    }
    Ok(())
}

/// The generation that all keys are of.
fn generation(client: &mut Client) -> Result<u32> {
    let mut found = None;
    for key in 0..KEYS {
        let value = client.expect(&["GET", &format!("key:{key}")])?;
        let text = value.as_bytes().context("a key is missing")?;
        let this = u32::from(text.first().context("an empty value")? - b'0');
        ensure!(text.len() == VALUE_BYTES + 2, "a value is cut");
        if *found.get_or_insert(this) != this {
            bail!("keys of two generations");
        }
    }
    found.context("there are keys")
}

fn wait_ended(client: &mut Client) -> Result<()> {
    wait("the end of the snapshot", BOUND, || {
        Ok((!Info::fetch(client, "persistence")?.is_set("rdb_bgsave_in_progress")).then_some(()))
    })
}

fn no_temp_file(data_dir: &Path) -> Result<()> {
    wait("the removal of the snapshot's file", BOUND, || {
        let left = crate::leftovers::temp_files(data_dir)?;
        Ok((!left.iter().any(|file| file.name.ends_with(".rdb"))).then_some(()))
    })
}
