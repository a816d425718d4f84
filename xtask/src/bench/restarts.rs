//! Restart cycles a minute: a server over 10,000 keys is started, reads what it last acknowledged, acknowledges one write, and is
//! killed with SIGKILL, again and again.
//!
//! What is read must be what was acknowledged before the kill: a start that is fast since it forgets is none.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::{Client, Pipeline, ServerBuilder, ServerProcess, Value};

use super::Options;
use super::figures::{Samples, float};
use super::record::{Section, Table};
use super::subject::{Subject, by_name, heading};

/// What all servers are told.
const DIRECTIVES: &[(&str, &str)] = &[("appendonly", "yes"), ("appendfsync", "everysec"), ("save", "")];
/// Keys that every start loads.
const KEYS: u64 = 10_000;
/// The key that every cycle reads and writes.
const CYCLE: &str = "cycle";
/// How often a server that starts is asked.
const ASK: Duration = Duration::from_micros(100);
/// How long a start may take.
const START_BOUND: Duration = Duration::from_secs(60);

/// A server that is started and killed.
struct Killed<'s> {
    subject: &'s Subject,
    builder: ServerBuilder,
    _home: tempfile::TempDir,
    /// The last value of [`CYCLE`] that was acknowledged.
    acked: u64,
    per_minute: Samples,
}

/// Measures.
///
/// # Errors
/// If a server fails, or has lost what it acknowledged.
pub(crate) fn measure(options: &Options, subjects: &[Subject]) -> Result<Section> {
    let mut all = subjects.iter().map(|subject| filled(options, subject)).collect::<Result<Vec<_>>>()?;
    for round in 0..options.rounds {
        for turn in 0..all.len() {
            let which = (turn + round) % all.len();
            let killed = &mut all[which];
            cycles(killed, options.restarts).with_context(|| killed.subject.name.clone())?;
        }
        let brief: Vec<String> = all.iter().map(|k| format!("{:.0}", k.per_minute.0[round])).collect();
        super::progress(&format!("round {}/{}: {} restarts a minute", round + 1, options.rounds, brief.join(" / ")));
    }
    let found: Vec<Samples> = all.into_iter().map(|killed| killed.per_minute).collect();
    Ok(section(options, subjects, &found))
}

/// A server's directory with all keys, its server killed.
fn filled<'s>(options: &Options, subject: &'s Subject) -> Result<Killed<'s>> {
    let home = super::home(options)?;
    let builder = subject.builder(home.path(), DIRECTIVES).port(testkit::ports::free_port()?);
    let mut server = builder.start()?;
    let mut pipeline = Pipeline::default();
    for n in 0..KEYS {
        pipeline.push(&["SET", &format!("key:{n:012}"), "a value of some bytes"]);
    }
    pipeline.push(&["SET", CYCLE, "0"]);
    let replies = server.client()?.run(&pipeline)?;
    ensure!(replies.iter().all(|r| r.as_error().is_none()), "{replies:?}");
    server.kill_9()?;
    Ok(Killed { subject, builder, _home: home, acked: 0, per_minute: Samples::default() })
}

fn cycles(killed: &mut Killed<'_>, count: u64) -> Result<()> {
    let started = Instant::now();
    for _ in 0..count {
        let mut server = killed.builder.spawn()?;
        let mut client = ready(&mut server)?;
        let read = client.expect(&["GET", CYCLE])?;
        let expected = killed.acked.to_string();
        ensure!(read.as_bytes() == Some(expected.as_bytes()), "{expected} was acknowledged, and {read:?} is left");
        killed.acked += 1;
        client.expect(&["SET", CYCLE, &killed.acked.to_string()])?;
        server.kill_9()?;
    }
    killed.per_minute.push(float(count) * 60.0 / started.elapsed().as_secs_f64());
    Ok(())
}

/// Asks over one connection until PONG.
fn ready(server: &mut ServerProcess) -> Result<Client> {
    let started = Instant::now();
    let mut client: Option<Client> = None;
    loop {
        if client.is_none() {
            client = server.client().ok();
        }
        match client.as_mut().map(|c| c.call(&["PING"])) {
            Some(Ok(Value::Status(pong))) if pong == b"PONG" => return client.context("just asked"),
            Some(Err(_)) => client = None,
            Some(Ok(_)) | None => {}
        }
        if let Some(status) = server.try_wait()? {
            anyhow::bail!("the server ended during its start: {status}\n{}", server.log()?);
        }
        ensure!(started.elapsed() < START_BOUND, "the server does not serve after {START_BOUND:?}\n{}", server.log()?);
        std::thread::sleep(ASK);
    }
}

fn section(options: &Options, subjects: &[Subject], found: &[Samples]) -> Section {
    let mut table = Table::new(heading(&["restarts"], subjects));
    let mut row = vec!["a minute".to_owned()];
    row.extend(found.iter().map(|samples| format!("{:.0}", samples.median())));
    row.extend(found[1..].iter().map(|peer| found[0].over(peer).ratio_text()));
    table.rows.push(row);
    let notes = vec![format!(
        "Start, GET and SET of one key, SIGKILL, over {KEYS} keys: median of {} rounds of {} restarts each. Every GET has \
         answered what was acknowledged before the kill.",
        options.rounds, options.restarts
    )];
    let json = json!({ "keys": KEYS, "restarts_per_minute": by_name(subjects, found, Samples::json) });
    Section { title: "Restarts".to_owned(), key: "restarts", notes, table, json }
}
