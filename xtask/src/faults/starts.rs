//! Every call of a start in turn: on each kind of data that a start may find, each call that it makes is the first that fails, once or
//! for as long as the server lives. The server must serve all of the data, or end and say why; and what was there, and what was
//! acknowledged, is there at the next start.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Client, Dataset, Pipeline, ServerBuilder, ServerProcess, compare, dump_dataset, wait_rewritten};

use super::calls::{Recorded, record_both};
use super::cases::{DiskError, On};
use super::inject::{Injection, Spec};
use crate::parallel;
use crate::waiting::wait;

/// How long a start may take, with strace and on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

/// How many keys there are.
const KEYS: u32 = 300;

/// What is written once a server serves.
const PROBE: &str = "written-after";

/// The shell stops itself and then becomes the server, so that strace is there before its first call.
const STOPPED: [&str; 4] = ["sh", "-c", "kill -STOP $$; exec \"$@\"", "sh"];

/// What a start finds.
#[derive(Clone, Copy, Debug)]
struct Scene {
    name: &'static str,
    /// Of the start.
    appendonly: &'static str,
    prepare: fn(&Path, &Path) -> Result<()>,
}

const SCENES: &[Scene] = &[
    Scene { name: "a log that was ended in order", appendonly: "yes", prepare: ended_in_order },
    Scene { name: "a log of a server that was killed", appendonly: "yes", prepare: killed },
    Scene { name: "a snapshot alone", appendonly: "yes", prepare: snapshot },
    Scene { name: "a snapshot, without a log", appendonly: "no", prepare: snapshot },
    Scene { name: "nothing", appendonly: "yes", prepare: |_, _| Ok(()) },
];

/// A start in which a call fails.
#[derive(Clone, Copy, Debug)]
struct Case {
    scene: Scene,
    call: Recorded,
    for_ever: bool,
}

impl Case {
    fn name(&self) -> String {
        let Recorded { calls, error, from, .. } = self.call;
        let extent = if self.for_ever { "for-ever" } else { "once" };
        format!("start/{}/{calls}-{from}/{}/{extent}", self.scene.name.replace(' ', "-"), error.name)
    }
}

/// How a start ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Served,
    Refused,
    /// The call did not come.
    Missed,
}

/// Runs every case whose name holds `only`, or with `step` every how-manieth; returns how many failed.
///
/// # Errors
/// If a server cannot be started where nothing fails, or too few calls came.
pub(super) fn run(binary: &Path, jobs: usize, only: &str, step: usize) -> Result<usize> {
    let mut failed = 0;
    for scene in SCENES {
        let calls = undisturbed(binary, scene).context(scene.name)?;
        ensure!(calls.len() > 10, "a start makes more calls than {calls:?}");
        let both =
            calls.iter().flat_map(|call| [false, true].map(|for_ever| Case { scene: *scene, call: *call, for_ever }));
        let cases: Vec<Case> = both.filter(|case| case.name().contains(only)).step_by(step).collect();
        let expected = expected(binary, scene).context(scene.name)?;
        let outcomes = parallel::map(jobs, &cases, |case| run_case(binary, case, &expected));
        let mut tally = [0; 3];
        for (case, outcome) in cases.iter().zip(outcomes) {
            match outcome {
                Ok(outcome) => tally[outcome as usize] += 1,
                Err(error) => {
                    failed += 1;
                    println!("FAILED: {}: {error:#}", case.name());
                    println!("  repeat: cargo xtask test-faults --only {}", case.name());
                }
            }
        }
        let [served, refused, missed] = tally;
        println!(
            "starts on {}: of {} with a call that failed {served} served all of it, {refused} said why they did not; {missed} calls did not come",
            scene.name,
            cases.len(),
        );
        ensure!(missed * 10 <= cases.len(), "too many calls did not come");
    }
    Ok(failed)
}

fn builder(binary: &Path, home: &Path, appendonly: &str) -> ServerBuilder {
    ServerBuilder::new(binary, home).directive("appendonly", appendonly)
}

fn make_keys(client: &mut Client) -> Result<()> {
    let mut pipeline = Pipeline::default();
    for key in 0..KEYS {
        pipeline.push(&["SET", &format!("key:{key}"), &format!("value-{key}")]);
        pipeline.push(&["RPUSH", "list", &key.to_string()]);
    }
    let replies = client.run(&pipeline)?;
    ensure!(replies.iter().all(|reply| reply.as_error().is_none()), "making the data: {replies:?}");
    Ok(())
}

/// A server with a log that begins with a preamble and goes on with commands.
fn with_log(binary: &Path, home: &Path) -> Result<(ServerProcess, Client)> {
    let server = builder(binary, home, "yes").start()?;
    let mut client = server.client()?;
    make_keys(&mut client)?;
    client.expect(&["BGREWRITEAOF"])?;
    wait_rewritten(&mut client)?;
    client.expect(&["SET", "last", "1"])?;
    Ok((server, client))
}

fn ended_in_order(binary: &Path, home: &Path) -> Result<()> {
    let (mut server, _client) = with_log(binary, home)?;
    let status = server.terminate(BOUND)?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

fn killed(binary: &Path, home: &Path) -> Result<()> {
    with_log(binary, home)?.0.kill_9()
}

fn snapshot(binary: &Path, home: &Path) -> Result<()> {
    let mut server = builder(binary, home, "no").start()?;
    let mut client = server.client()?;
    make_keys(&mut client)?;
    client.expect(&["SAVE"])?;
    server.kill_9()
}

/// What a start on it must serve.
fn expected(binary: &Path, scene: &Scene) -> Result<Dataset> {
    let home = tempfile::tempdir()?;
    (scene.prepare)(binary, home.path())?;
    let server = builder(binary, home.path(), scene.appendonly).start()?;
    dump_dataset(&mut server.client()?)
}

/// The calls of a start that nothing disturbs, until it serves.
fn undisturbed(binary: &Path, scene: &Scene) -> Result<Vec<Recorded>> {
    record_both(|calls, on| {
        let home = tempfile::tempdir()?;
        (scene.prepare)(binary, home.path())?;
        let (mut server, recording) = start(binary, home.path(), scene, calls, on, String::new())?;
        ensure!(wait_served(&mut server)?, "it ended\n{}", server.log()?);
        recording.end_recording()
    })
}

/// Spawns a server, and lets it go on once strace is there.
fn start(
    binary: &Path,
    home: &Path,
    scene: &Scene,
    calls: &str,
    on: On,
    what: String,
) -> Result<(ServerProcess, Injection)> {
    let server = builder(binary, home, scene.appendonly).wrapper(STOPPED).spawn()?;
    let stat = PathBuf::from(format!("/proc/{}/stat", server.pid()));
    wait("the stop before the server's first call", BOUND, || {
        let stat = fs::read_to_string(&stat)?;
        Ok(stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T')).then_some(()))
    })?;
    let data_dir = server.data_dir();
    let paths = on.paths(data_dir, server.pid(), &data_dir.join("appendonly.aof"));
    let spec = Spec { targets: vec![server.pid()], follow: true, calls, what, paths };
    let injection = Injection::attach(&spec, home, "fault")?;
    server.signal(Signal::SIGCONT)?;
    Ok((server, injection))
}

/// Waits until a server serves, though it may refuse writes, or has ended.
fn wait_served(server: &mut ServerProcess) -> Result<bool> {
    wait("a start that serves or ends", BOUND, || {
        if server.try_wait()?.is_some() {
            return Ok(Some(false));
        }
        let Ok(mut client) = server.client() else { return Ok(None) };
        client.set_timeout(Duration::from_secs(1))?;
        let Ok(pong) = client.call(&["PING"]) else { return Ok(None) };
        Ok((!pong.as_error().is_some_and(|error| error.starts_with(b"LOADING"))).then_some(true))
    })
}

fn run_case(binary: &Path, case: &Case, expected: &Dataset) -> Result<Outcome> {
    let home = tempfile::Builder::new().prefix("ledgerstone-starts-").tempdir()?;
    let outcome = try_case(binary, case, expected, home.path());
    if outcome.is_err() {
        let kept = home.keep();
        return outcome.with_context(|| format!("files: {}", kept.display()));
    }
    outcome
}

fn try_case(binary: &Path, case: &Case, expected: &Dataset, home: &Path) -> Result<Outcome> {
    let Case { scene, call, for_ever } = case;
    (scene.prepare)(binary, home)?;
    let extent = if *for_ever { "+" } else { "" };
    let what = format!("error={}:when={}{extent}", call.error.name, call.from);
    let (mut server, injection) = start(binary, home, scene, call.calls, call.on, what)?;
    let serves = wait_served(&mut server)?;
    let met = injection.met()?;
    let mut expected = expected.clone();
    if serves {
        let mut client = server.client()?;
        check(&expected, &dump_dataset(&mut client)?).context("the start that had a failing call")?;
        let reply = client.call(&["SET", PROBE, "1"])?;
        // What is refused may have been executed; what was acknowledged must stay where there is a log.
        if reply.as_error().is_none() && scene.appendonly == "yes" {
            expected = dump_dataset(&mut client)?;
        } else {
            client.call(&["DEL", PROBE])?;
        }
        let log = server.log()?;
        ensure!(!log.contains("panicked at"), "it panicked: {log}");
        server.kill_9()?;
        injection.end()?;
    } else {
        injection.end()?;
        check_refusal(&mut server, call.error)?;
    }
    let next = builder(binary, home, scene.appendonly).start().context("the next start")?;
    let found = dump_dataset(&mut next.client()?)?;
    check(&expected, &without_probe(found, &expected)).context("the next start")?;
    Ok(match (met.is_empty(), serves) {
        (true, true) => Outcome::Missed,
        (true, false) => bail!("it ended though nothing had failed"),
        (false, true) => Outcome::Served,
        (false, false) => Outcome::Refused,
    })
}

/// A write that was refused may be there all the same.
fn without_probe(mut found: Dataset, expected: &Dataset) -> Dataset {
    let probe = (0, PROBE.to_owned());
    if !expected.entries.contains_key(&probe) {
        found.entries.remove(&probe);
    }
    found
}

fn check(expected: &Dataset, found: &Dataset) -> Result<()> {
    let differences = compare(expected, found, DEADLINE_TOLERANCE_MS);
    match differences.first() {
        Some(first) => bail!("{} keys are not as they were; {first}", differences.len()),
        None => Ok(()),
    }
}

/// A server that does not serve ends by itself, and names the error.
fn check_refusal(server: &mut ServerProcess, error: DiskError) -> Result<()> {
    let status = server.wait_exit(BOUND)?;
    let log = server.log()?;
    ensure!(status.signal().is_none() && !log.contains("panicked at"), "it ended with {status}\n{log}");
    ensure!(!status.success(), "it ended as if nothing had happened\n{log}");
    ensure!(log.contains(error.reason), "it ended without a word of {:?}\n{log}", error.reason);
    Ok(())
}
