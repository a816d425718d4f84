//! The script that every kill point interrupts: data of all types, a client that writes, a rewrite under it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::history::ClientRecord;
use testkit::load_log::LoadLog;
use testkit::steady::{SteadyClient, Verdict};
use testkit::{Client, Dataset, Info, ServerBuilder, ServerProcess, dump_dataset};

use super::points::{self, Point, What, When};
use crate::crash::Policy;
use crate::waiting::{POLL, wait};

/// How many commands make the data: some 300 keys.
const COMMANDS: u64 = 900;
/// The seed of the data: always the same, so that what is expected is known once.
const DATA_SEED: u64 = 1;
/// How long each step of the switch takes at least, so that a write falls into each.
const SWITCH_DELAY_MS: &str = "40";
/// The calls at which the client writes, so that every run has as many writes, and one in each step: the server has agreed
/// to send no more data and the child fsyncs; the child is done; the new file is fsynced, and again; it has the log's name;
/// it is the log, and a state file is to say so.
const WRITES_AT: [&str; 6] = [
    "server:write:stop:1",
    "child:rename:new:1",
    "server:fsync:new:1",
    "server:fsync:new:2",
    "server:rename:new:1",
    "server:fsync:state:1",
];
/// The client's pause between its writes once the rewrite has ended.
const PAUSE: Duration = Duration::from_millis(40);
/// How much later in the second between two fsyncs of everysec the rewrite begins, with every further try.
const SHIFT: Duration = Duration::from_millis(170);
/// How often a point is tried whose call did not come, as a slow moment may have made for more calls in the list.
pub(super) const TRIES: u32 = 6;
/// How long a rewrite, or a kill that is to come, may take.
const BOUND: Duration = Duration::from_secs(20);
/// How long after the rewrite a call may still come that makes a process die.
const KILL_BOUND: Duration = Duration::from_millis(1_200);

/// A way that a rewrite takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// What fails on this way.
    fault: Option<&'static str>,
}

/// The rewrite that succeeds, and those by which the calls are reached that remove files.
pub(super) const SCENARIOS: [Scenario; 3] = [
    Scenario { name: "rewrite", fault: None },
    Scenario { name: "child fails", fault: Some("child:fdatasync:new:2:EIO") },
    Scenario { name: "switch fails", fault: Some("server:fsync:new:1:EIO") },
];

/// What is done for a policy and a scenario in one directory.
pub(super) struct Script<'a> {
    pub(super) binary: &'a Path,
    pub(super) home: PathBuf,
    pub(super) policy: Policy,
    pub(super) scenario: Scenario,
    /// Which try this is, from 0.
    pub(super) number: u32,
}

/// A script under way: the rewrite was asked for.
pub(super) struct Running {
    pub(super) server: ServerProcess,
    pub(super) control: Client,
    client: SteadyClient,
    /// The calls at which the client has written.
    written_at: BTreeSet<&'static str>,
    last_write: Instant,
}

impl Script<'_> {
    /// A server without hooks over the same directory.
    pub(super) fn builder(&self) -> ServerBuilder {
        ServerBuilder::new(self.binary, &self.home)
            .directive("appendonly", "yes")
            .directive("appendfsync", self.policy.name())
            .directive("auto-aof-rewrite-percentage", "0")
    }

    fn lines_path(&self) -> PathBuf {
        self.home.join("calls")
    }

    /// The calls so far.
    pub(super) fn lines(&self) -> Result<Vec<(Point, What)>> {
        match fs::read_to_string(self.lines_path()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            text => Ok(points::parse(&text?)),
        }
    }

    /// Starts the server, makes the data, lets the client write, and asks for the rewrite. `kill` is a further rule for the
    /// hook, `wrapper` what the server runs under.
    pub(super) fn begin(&self, kill: Option<(&Point, When)>, wrapper: Vec<OsString>) -> Result<Running> {
        let rule = kill.map(|(point, when)| format!("{point}:{}", when.name()));
        let rules: Vec<&str> = self.scenario.fault.into_iter().chain(rule.as_deref()).collect();
        let server = self
            .builder()
            .wrapper(wrapper)
            .env("LEDGERSTONE_TEST_CALLS", self.lines_path())
            .env("LEDGERSTONE_TEST_AT_CALLS", rules.join(" "))
            .env("LEDGERSTONE_TEST_SWITCH_DELAY_MS", SWITCH_DELAY_MS)
            .start()?;
        make_data(&mut server.client()?)?;
        let mut control = server.client()?;
        let mut client = SteadyClient::connect(server.address(), 0)?;
        ensure!(client.ask()? == Verdict::Acked, "the first write is refused");
        std::thread::sleep(SHIFT * self.number);
        client.ask()?;
        let asked = control.expect(&["BGREWRITEAOF"]);
        if kill.is_none() {
            // With a kill, this may be the last thing that the server was asked.
            asked?;
        }
        let mut running = Running { server, control, client, written_at: BTreeSet::new(), last_write: Instant::now() };
        running.write()?;
        Ok(running)
    }

    /// What the keys that no client writes hold in every run.
    pub(super) fn data(&self) -> Result<Dataset> {
        let server = self.builder().start()?;
        let mut client = server.client()?;
        make_data(&mut client)?;
        dump_dataset(&mut client)
    }

    /// Waits for the end of what the scenario does, while the client writes, and returns its calls.
    pub(super) fn wait_calls(&self, running: &mut Running) -> Result<Vec<Point>> {
        wait("the end of the rewrite", BOUND, || {
            let calls = points::begun(&self.lines()?);
            running.write_at(&calls)?;
            Ok(self.ended(&calls))
        })
    }

    /// Waits for the process to die at a call, while the client writes. Returns false if the rewrite ends without that.
    pub(super) fn wait_killed(&self, running: &mut Running, point: &Point, when: When) -> Result<bool> {
        let mut deadline = Instant::now() + BOUND;
        let mut ended = false;
        while Instant::now() < deadline {
            let lines = self.lines()?;
            if lines.iter().any(|(p, what)| p == point && *what == What::Killed(when)) {
                return Ok(true);
            }
            let calls = points::begun(&lines);
            if !ended && self.ended(&calls).is_some() {
                (ended, deadline) = (true, Instant::now() + KILL_BOUND);
            }
            running.write_at(&calls)?;
            if ended && running.last_write.elapsed() > PAUSE {
                running.write()?;
            }
            std::thread::sleep(POLL);
        }
        Ok(false)
    }

    /// The calls of the scenario, if it has come to its end.
    pub(super) fn ended(&self, calls: &[Point]) -> Option<Vec<Point>> {
        match self.scenario.fault {
            None => points::of_rewrite(calls).map(<[Point]>::to_vec),
            Some(_) => points::of_removal(calls),
        }
    }
}

impl Running {
    /// Writes at the calls that have come and at which the client has not written yet.
    fn write_at(&mut self, calls: &[Point]) -> Result<()> {
        for call in WRITES_AT {
            if !self.written_at.contains(call) && calls.iter().any(|point| point.to_string() == call) {
                self.written_at.insert(call);
                self.write()?;
            }
        }
        Ok(())
    }

    /// Lets the client write. That the server dies over it is what is waited for, and no error; that it refuses is one.
    fn write(&mut self) -> Result<()> {
        self.last_write = Instant::now();
        match self.client.ask() {
            Ok(Verdict::Acked) | Err(_) => Ok(()),
            Ok(refused) => bail!("a write was refused without a fault of its file: {refused:?}"),
        }
    }

    /// Waits for the end of a server that has told of its own SIGKILL.
    pub(super) fn wait_end(&mut self) -> Result<()> {
        use std::os::unix::process::ExitStatusExt as _;
        let status = self.server.wait_exit(BOUND)?;
        ensure!(status.signal() == Some(9), "the server ended by itself: {status}\n{}", self.server.log()?);
        Ok(())
    }

    /// After the child's death: the rewrite counts as failed, its files go, and writes are acknowledged as before.
    pub(super) fn wait_survived(&mut self) -> Result<()> {
        let (control, server) = (&mut self.control, &self.server);
        wait("the end of a rewrite whose child was killed", BOUND, || {
            let info = Info::fetch(control, "persistence")?;
            Ok((!info.is_set("aof_rewrite_in_progress") && info.text("aof_rewrite_phase") == Some("idle"))
                .then_some(()))
        })?;
        let status = Info::fetch(control, "persistence")?.text("aof_last_bgrewrite_status").map(str::to_owned);
        ensure!(status.as_deref() == Some("err"), "the child was killed, and aof_last_bgrewrite_status is {status:?}");
        wait("the removal of the rewrite's files", BOUND, || {
            let left = crate::leftovers::temp_files(server.data_dir())?;
            Ok((!left.iter().any(|file| file.name.starts_with("temp-rewriteaof"))).then_some(()))
        })?;
        for _ in 0..2 {
            let verdict = self.client.ask().context("a write after the child's death")?;
            ensure!(verdict == Verdict::Acked, "a write after the child's death was refused: {verdict:?}");
        }
        Ok(())
    }

    /// Kills the server if it still lives, and returns what the client recorded.
    pub(super) fn kill(mut self) -> Result<ClientRecord> {
        if self.server.try_wait()?.is_none() {
            self.server.kill_9()?;
        }
        if let Some(line) = self.server.panic()? {
            bail!("{line}");
        }
        Ok(self.client.record())
    }
}

fn make_data(client: &mut Client) -> Result<()> {
    let (mut log, mut bytes) = (LoadLog::new(DATA_SEED, COMMANDS), Vec::new());
    while log.next_into(&mut bytes) {}
    client.send_raw(&bytes)?;
    for _ in 0..COMMANDS {
        let reply = client.receive()?;
        ensure!(reply.as_error().is_none(), "making the data: {reply:?}");
    }
    Ok(())
}
