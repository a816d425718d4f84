//! Every call of a start in turn: on each kind of data that a start may find, each call that it makes is the first that fails, once or
//! for as long as the server lives, or the last that it makes. The server must serve all of the data, and take writes once nothing
//! fails, or end and say why; and what was there, and what was acknowledged, is there at the next start.
//!
//! Calls are counted by thread, and a start has few beside its first: where another makes as many, both fail.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;
use testkit::binary::workspace_root;
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Client, Dataset, Pipeline, ServerBuilder, ServerProcess, compare, dump_dataset, wait_rewritten};

use super::calls::{self, Counted, Recorded, Recording, traced};
use super::cases::{DiskError, ENOSPC, Extent};
use super::inject::{Injection, Spec, last_pid, thread_names};
use super::judge::RESUME_BOUND;
use super::{Count, Options, REDUCED_STEP, check_missed, is_whole_name};
use crate::interop::copy_tree;
use crate::leftovers::{still_there, temp_files};
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
    /// Returns what a start must serve.
    prepare: fn(&Path, &Path) -> Result<Dataset>,
}

const SCENES: &[Scene] = &[
    Scene { name: "a log that was ended in order", appendonly: "yes", prepare: ended_in_order },
    Scene { name: "a log of a server that was killed", appendonly: "yes", prepare: killed },
    Scene { name: "a log with a torn tail", appendonly: "yes", prepare: torn },
    Scene { name: "a log without a state file, beside what a crash left", appendonly: "yes", prepare: without_state },
    Scene { name: "a log with a damaged state file", appendonly: "yes", prepare: with_damaged_state },
    Scene { name: "a snapshot alone", appendonly: "yes", prepare: snapshot },
    Scene { name: "a snapshot, without a log", appendonly: "no", prepare: snapshot },
    Scene { name: "a log in several files", appendonly: "yes", prepare: parts },
    Scene { name: "a log that was turned off beside an older snapshot", appendonly: "yes", prepare: turned_off },
    Scene { name: "the same without a log", appendonly: "no", prepare: turned_off },
    Scene {
        name: "a log that was turned off beside a snapshot of before its rewrite",
        appendonly: "yes",
        prepare: rewritten,
    },
    Scene { name: "a snapshot newer than a log that was turned off", appendonly: "no", prepare: saved_after },
    Scene { name: "nothing", appendonly: "yes", prepare: |_, _| Ok(Dataset::default()) },
];

/// A start in which a call fails.
#[derive(Clone, Copy, Debug)]
struct Case {
    scene: Scene,
    call: Recorded,
    extent: Extent,
}

impl Case {
    fn name(&self) -> String {
        let Recorded { threads, calls, error, from, .. } = self.call;
        let [scene, extent] = [self.scene.name, self.extent.name()].map(|words| words.replace(' ', "-"));
        format!("start/{scene}/{}-{calls}-{from}/{}/{extent}", threads.name(), error.name)
    }
}

/// How a start ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Served,
    Refused,
    Killed,
    /// The call did not come.
    Missed,
}

/// Runs every case whose name holds what `options` ask for.
///
/// # Errors
/// If a server cannot be started where nothing fails, or too few calls came.
pub(super) fn run(binary: &Path, options: &Options) -> Result<Count> {
    let mut count = Count::default();
    let step = if options.reduced { REDUCED_STEP } else { 1 };
    let may_be = |scene: &&Scene| {
        let prefix = format!("start/{}/", scene.name.replace(' ', "-"));
        let only = &options.only;
        if only.starts_with("start/") { only.starts_with(&prefix) || prefix.starts_with(only.as_str()) } else { true }
    };
    if !options.only.is_empty() && !options.only.starts_with(super::STARTS) {
        return Ok(count);
    }
    let mut missed = 0;
    for scene in SCENES.iter().filter(may_be) {
        let (home, recording) = undisturbed(binary, scene, is_whole_name(&options.only)).context(scene.name)?;
        ensure!(recording.calls.len() > 10, "a start makes more calls than {:?}", recording.calls);
        let extents = |call: &Recorded| {
            let call = *call;
            let all = [Extent::Once, Extent::UntilHealed, Extent::Deadly].map(move |extent| Case {
                scene: *scene,
                call,
                extent,
            });
            // Of two errors of one call one is enough to die at.
            all.into_iter().filter(|case| case.extent != Extent::Deadly || case.call.error != ENOSPC)
        };
        let cases = recording.calls.iter().flat_map(extents).filter(|case| case.name().contains(&options.only));
        let cases: Vec<Case> = cases.step_by(step).collect();
        let undisturbed = Undisturbed { home, recording };
        let outcomes = parallel::map(options.jobs, &cases, |case| run_case(binary, case, &undisturbed));
        let mut tally = [0; 4];
        for (case, outcome) in cases.iter().zip(outcomes) {
            match outcome {
                Ok(outcome) => {
                    tally[outcome as usize] += 1;
                    if outcome == Outcome::Missed {
                        println!("test-faults: {}: the call did not come", case.name());
                    }
                }
                Err(error) => {
                    count.failed += 1;
                    println!("FAILED: {}: {error:#}", case.name());
                    println!("  repeat: cargo xtask test-faults --only {}", case.name());
                }
            }
        }
        let [served, refused, killed, not_come] = tally;
        println!(
            "starts on {}: {} cases; {served} served all of it, {refused} said why they did not, {killed} were killed; {not_come} calls did not come",
            scene.name,
            cases.len(),
        );
        (count.ran, missed) = (count.ran + cases.len(), missed + not_come);
    }
    check_missed(missed, count.ran)?;
    Ok(count)
}

/// A start that nothing disturbed: where, and what it called.
struct Undisturbed {
    home: PathBuf,
    recording: Recording,
}

fn builder(binary: &Path, home: &Path, appendonly: &str) -> ServerBuilder {
    ServerBuilder::new(binary, home).directive("appendonly", appendonly).directive("appendfsync", "always")
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

fn ended_in_order(binary: &Path, home: &Path) -> Result<Dataset> {
    let (mut server, mut client) = with_log(binary, home)?;
    let written = dump_dataset(&mut client)?;
    let status = server.terminate(BOUND)?;
    ensure!(status.success(), "it ended with {status}");
    Ok(written)
}

/// Kills a server; what it held.
fn kill((mut server, mut client): (ServerProcess, Client)) -> Result<Dataset> {
    let written = dump_dataset(&mut client)?;
    server.kill_9()?;
    Ok(written)
}

fn killed(binary: &Path, home: &Path) -> Result<Dataset> {
    kill(with_log(binary, home)?)
}

const LOG: &str = "data/appendonly.aof";
const STATE: &str = "data/appendonly.aof.state";

fn torn(binary: &Path, home: &Path) -> Result<Dataset> {
    let written = killed(binary, home)?;
    let mut log = fs::OpenOptions::new().append(true).open(home.join(LOG))?;
    log.write_all(b"*3\r\n$3\r\nSET\r\n$4\r\nto").context("a torn tail")?;
    Ok(written)
}

fn without_state(binary: &Path, home: &Path) -> Result<Dataset> {
    let written = killed(binary, home)?;
    fs::remove_file(home.join(STATE))?;
    for name in ["temp-rewriteaof-999999.aof", "temp-appendonly.aof.state", "temp-ledgerstone-999999.rdb"] {
        fs::write(home.join("data").join(name), b"half")?;
    }
    Ok(written)
}

fn with_damaged_state(binary: &Path, home: &Path) -> Result<Dataset> {
    let written = killed(binary, home)?;
    let mut state = fs::read(home.join(STATE))?;
    state[20] ^= 1;
    fs::write(home.join(STATE), state).context("a damaged state file")?;
    Ok(written)
}

/// What another server left (tests/corpus), and what it held.
fn parts(_: &Path, home: &Path) -> Result<Dataset> {
    let from = workspace_root().join("tests/corpus/redis-7.0/basic");
    copy_tree(&from.join("appendonlydir"), &home.join("data/appendonlydir"))?;
    Dataset::parse(&fs::read_to_string(from.join("expected.jsonl"))?)
}

fn snapshot(binary: &Path, home: &Path) -> Result<Dataset> {
    let server = builder(binary, home, "no").start()?;
    let mut client = server.client()?;
    make_keys(&mut client)?;
    client.expect(&["SAVE"])?;
    kill((server, client))
}

/// A log that was turned off after a snapshot, and holds more.
fn turned_off(binary: &Path, home: &Path) -> Result<Dataset> {
    let (server, mut client) = with_log(binary, home)?;
    for request in [&["SAVE"][..], &["SET", "last", "2"], &["CONFIG", "SET", "appendonly", "no"]] {
        client.expect(request)?;
    }
    kill((server, client))
}

/// One that was rewritten since the snapshot.
fn rewritten(binary: &Path, home: &Path) -> Result<Dataset> {
    let (server, mut client) = with_log(binary, home)?;
    for request in [&["SAVE"][..], &["BGREWRITEAOF"]] {
        client.expect(request)?;
    }
    wait_rewritten(&mut client)?;
    for request in [&["SET", "last", "2"][..], &["CONFIG", "SET", "appendonly", "no"]] {
        client.expect(request)?;
    }
    kill((server, client))
}

/// One that was turned off before a snapshot, which holds more.
fn saved_after(binary: &Path, home: &Path) -> Result<Dataset> {
    let (server, mut client) = with_log(binary, home)?;
    for request in [&["CONFIG", "SET", "appendonly", "no"][..], &["SET", "last", "2"], &["SAVE"]] {
        client.expect(request)?;
    }
    kill((server, client))
}

/// The calls of a start that nothing disturbs, until it serves, and where it was.
fn undisturbed(binary: &Path, scene: &Scene, all: bool) -> Result<(PathBuf, Recording)> {
    let home = tempfile::tempdir()?;
    let expected = (scene.prepare)(binary, home.path())?;
    let (mut server, recording) = start(binary, home.path(), scene, &traced(), String::new(), None)?;
    ensure!(wait_served(&mut server)?, "it ended\n{}", server.log()?);
    let names = thread_names(server.pid());
    let output = recording.end_recording()?;
    check(&expected, &dump_dataset(&mut server.client()?)?).context("a start that nothing disturbs")?;
    let name_of = |thread| names.get(&thread).cloned();
    let recording = calls::read(&output, server.pid(), server.data_dir(), &name_of, Counted::OnFiles, all);
    Ok((home.path().to_owned(), recording))
}

/// Spawns a server, and lets it go on once strace is there, which looks at the files that `looks` names, or at everything.
fn start(
    binary: &Path,
    home: &Path,
    scene: &Scene,
    calls: &str,
    what: String,
    looks: Option<&Undisturbed>,
) -> Result<(ServerProcess, Injection)> {
    let server = builder(binary, home, scene.appendonly).wrapper(STOPPED).spawn()?;
    let stat = PathBuf::from(format!("/proc/{}/stat", server.pid()));
    wait("the stop before the server's first call", BOUND, || {
        let stat = fs::read_to_string(&stat)?;
        Ok(stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T')).then_some(()))
    })?;
    let paths = looks.map(|Undisturbed { home: recorded_in, recording, .. }| {
        let files = recording.paths.iter();
        files.flat_map(|file| file.in_run(recorded_in, home, server.pid(), last_pid())).collect()
    });
    let paths = paths.unwrap_or_default();
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

fn run_case(binary: &Path, case: &Case, undisturbed: &Undisturbed) -> Result<Outcome> {
    loop {
        match keep_if_failed(binary, case, undisturbed) {
            // A server beside it was faster.
            Err(error) if format!("{error:#}").contains("Address already in use") => {}
            result => return result,
        }
    }
}

fn keep_if_failed(binary: &Path, case: &Case, undisturbed: &Undisturbed) -> Result<Outcome> {
    let home = tempfile::Builder::new().prefix("ledgerstone-starts-").tempdir()?;
    let outcome = try_case(binary, case, undisturbed, home.path());
    if outcome.is_err() {
        let kept = home.keep();
        return outcome.with_context(|| format!("files: {}", kept.display()));
    }
    outcome
}

fn try_case(binary: &Path, case: &Case, undisturbed: &Undisturbed, home: &Path) -> Result<Outcome> {
    let Case { scene, call, extent } = case;
    let mut expected = (scene.prepare)(binary, home)?;
    let looks = call.on_files.then_some(undisturbed);
    let (mut server, mut injection) =
        start(binary, home, scene, call.calls, extent.injected(call.error, call.from), looks)?;
    let serves = wait_served(&mut server)?;
    if serves {
        check(&expected, &dump_dataset(&mut server.client()?)?).context("the start that had a failing call")?;
    }
    injection.finish()?;
    let killed = *extent == Extent::Deadly && injection.has_killed()?;
    let missed = !killed && injection.met()?.is_empty();
    if serves {
        write_probe(&mut server.client()?)?;
        if scene.appendonly == "yes" {
            expected = dump_dataset(&mut server.client()?)?;
        }
        let log = server.log()?;
        ensure!(!log.contains("panicked at"), "it panicked: {log}");
        server.kill_9()?;
    } else {
        check_end(&mut server, call.error, *extent)?;
    }
    let left = temp_files(&home.join("data"))?;
    let next = builder(binary, home, scene.appendonly).start().context("the next start")?;
    let found = dump_dataset(&mut next.client()?)?;
    check(&expected, &without_probe(found, &expected)).context("the next start")?;
    let stays = still_there(next.data_dir(), &left)?;
    ensure!(stays.is_empty(), "{}", stays.join("; "));
    Ok(match (missed, serves) {
        (true, true) => Outcome::Missed,
        (true, false) => bail!("it ended though nothing had failed"),
        (false, true) => Outcome::Served,
        (false, false) if killed => Outcome::Killed,
        (false, false) => Outcome::Refused,
    })
}

/// Once nothing fails any more, a write is acknowledged; until then it is refused in the words of a disk that fails.
fn write_probe(client: &mut Client) -> Result<()> {
    wait("a write that is acknowledged", RESUME_BOUND, || {
        let reply = client.call(&["SET", PROBE, "1"])?;
        let Some(error) = reply.as_error() else { return Ok(Some(())) };
        ensure!(error.starts_with(b"MISCONF Errors writing to the AOF file: "), "a write was refused with {reply:?}");
        Ok(None)
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

/// A server that does not serve ends by itself, and names the error; or it was killed.
fn check_end(server: &mut ServerProcess, error: DiskError, extent: Extent) -> Result<()> {
    let status = server.wait_exit(BOUND)?;
    let log = server.log()?;
    if extent == Extent::Deadly && status.signal() == Some(9) {
        return Ok(());
    }
    ensure!(status.signal().is_none() && !log.contains("panicked at"), "it ended with {status}\n{log}");
    ensure!(!status.success(), "it ended as if nothing had happened\n{log}");
    // Of a child that was killed it is told by the signal.
    let why = if extent == Extent::Deadly { "signal 9" } else { error.reason };
    ensure!(log.contains(why), "it ended without a word of {why:?}\n{log}");
    Ok(())
}
