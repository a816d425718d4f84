//! The start from a log: time and processor time until PING is answered with PONG, over a copy of one plain log.
//!
//! Two starts are measured. The first finds a log that no server vouches for, under the name `appendonly.aof`: Redis 7
//! takes it over as the base of its own log, ours copies it to prove that it is on the disk. The second one finds what the
//! first left at an orderly end.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::load_log::LoadLog;
use testkit::{Client, ServerProcess, Value};

use super::Options;
use super::cpu::Cpu;
use super::figures::{Samples, float};
use super::record::{Section, Table};
use super::subject::{Subject, by_name, heading};

/// What all servers are told.
const DIRECTIVES: &[(&str, &str)] =
    &[("appendonly", "yes"), ("appendfsync", "everysec"), ("auto-aof-rewrite-percentage", "0"), ("save", "")];
/// How often a server that starts is asked: seldom enough that answering costs it nothing.
const ASK: Duration = Duration::from_millis(4);
/// How long a start may take.
const START_BOUND: Duration = Duration::from_secs(120);
/// How long an orderly end may take.
const END_BOUND: Duration = Duration::from_secs(60);

/// The starts that are measured.
const STARTS: [&str; 2] = ["a log from elsewhere", "after an orderly end"];

/// One start of one server, one sample a round.
#[derive(Clone, Debug, Default)]
struct Cell {
    wall_s: Samples,
    cpu_s: Samples,
    main_s: Samples,
}

impl Cell {
    /// The samples of a line of the table.
    fn of(&self, what: &str) -> &Samples {
        match what {
            "wall" => &self.wall_s,
            "processor" => &self.cpu_s,
            _ => &self.main_s,
        }
    }
}

/// Measures.
///
/// # Errors
/// If a server fails, or two servers load different numbers of keys.
pub(crate) fn measure(options: &Options, subjects: &[Subject]) -> Result<Section> {
    let made = super::home(options)?;
    let log = made.path().join("made.aof");
    let size_bytes = make_log(&log, options)?;
    let mut cells = vec![vec![Cell::default(); subjects.len()]; STARTS.len()];
    let mut keys: Option<Vec<Value>> = None;
    for round in 0..options.rounds {
        for turn in 0..subjects.len() {
            let which = (turn + round) % subjects.len();
            let mut of_this: Vec<&mut Cell> = cells.iter_mut().map(|starts| &mut starts[which]).collect();
            let loaded = both_starts(options, &subjects[which], &log, &mut of_this)
                .with_context(|| subjects[which].name.clone())?;
            let expected = keys.get_or_insert_with(|| loaded.clone());
            ensure!(loaded == *expected, "{} loaded {loaded:?} keys, another {expected:?}", subjects[which].name);
        }
        let wall: Vec<String> = cells[0].iter().map(|c| format!("{:.2}", c.wall_s.0[round])).collect();
        super::progress(&format!("round {}/{}: load {} s", round + 1, options.rounds, wall.join(" / ")));
    }
    Ok(section(options, subjects, &cells, size_bytes))
}

fn make_log(path: &Path, options: &Options) -> Result<u64> {
    let mut file = BufWriter::new(File::create(path).context("the log to load")?);
    let (mut log, mut command) = (LoadLog::new(options.seed, options.commands), Vec::new());
    while log.next_into(&mut command) {
        file.write_all(&command).context("the log to load")?;
        command.clear();
    }
    file.flush().context("the log to load")?;
    Ok(fs::metadata(path)?.len())
}

/// Starts the server over a copy of the log, ends it, and starts it again. Returns its number of keys, by database.
fn both_starts(options: &Options, subject: &Subject, log: &Path, cells: &mut [&mut Cell]) -> Result<Vec<Value>> {
    let home = super::home(options)?;
    let builder = subject.builder(home.path(), DIRECTIVES);
    fs::create_dir_all(builder.data_dir())?;
    let copy = builder.data_dir().join("appendonly.aof");
    fs::copy(log, &copy).context("a copy of the log")?;
    // What the copy still owes the disk would be paid during the start.
    File::open(&copy)?.sync_all()?;
    let mut server = start(&builder, cells[0])?;
    let loaded = sizes(&mut server.client()?)?;
    server.terminate(END_BOUND)?;
    let server = start(&builder, cells[1])?;
    let again = sizes(&mut server.client()?)?;
    ensure!(again == loaded, "{again:?} keys after the second start, {loaded:?} after the first");
    Ok(loaded)
}

/// Starts the server and measures until it serves.
fn start(builder: &testkit::ServerBuilder, cell: &mut Cell) -> Result<ServerProcess> {
    let started = Instant::now();
    let mut server = builder.spawn()?;
    wait_pong(&mut server, started)?;
    let wall = started.elapsed();
    let used = Cpu::of(server.pid())?;
    cell.wall_s.push(wall.as_secs_f64());
    cell.cpu_s.push(float(used.all_ns) / 1e9);
    cell.main_s.push(float(used.main_ns) / 1e9);
    Ok(server)
}

/// Asks over one connection until PONG: a connection for every question would be work for the server.
fn wait_pong(server: &mut ServerProcess, started: Instant) -> Result<()> {
    let mut client: Option<Client> = None;
    loop {
        if let Some(status) = server.try_wait()? {
            anyhow::bail!("the server ended during its start: {status}\n{}", server.log()?);
        }
        if client.is_none() {
            client = server.client().ok();
        }
        match client.as_mut().map(|c| c.call(&["PING"])) {
            Some(Ok(Value::Status(pong))) if pong == b"PONG" => return Ok(()),
            Some(Err(_)) => client = None,
            Some(Ok(_)) | None => {}
        }
        ensure!(started.elapsed() < START_BOUND, "the server does not serve after {START_BOUND:?}\n{}", server.log()?);
        std::thread::sleep(ASK);
    }
}

/// DBSIZE of the databases that the log uses.
fn sizes(client: &mut Client) -> Result<Vec<Value>> {
    let of = |db: u32, client: &mut Client| -> Result<Value> {
        client.expect(&["SELECT", &db.to_string()])?;
        client.expect(&["DBSIZE"])
    };
    (0..4).map(|db| of(db, client)).collect()
}

fn section(options: &Options, subjects: &[Subject], cells: &[Vec<Cell>], size_bytes: u64) -> Section {
    let mut table = Table::new(heading(&["start", "what"], subjects));
    let mut json = Vec::new();
    for (start, servers) in STARTS.iter().zip(cells) {
        for what in ["wall", "processor", "main thread"] {
            let mut row = vec![(*start).to_owned(), what.to_owned()];
            row.extend(servers.iter().map(|cell| format!("{:.3}", cell.of(what).median())));
            row.extend(servers[1..].iter().map(|peer| servers[0].of(what).over(peer.of(what)).ratio_text()));
            table.rows.push(row);
        }
        let each = by_name(
            subjects,
            servers,
            |cell| json!({ "wall_s": cell.wall_s.json(), "cpu_s": cell.cpu_s.json(), "main_thread_s": cell.main_s.json() }),
        );
        json.push(json!({ "start": start, "log_bytes": size_bytes, "servers": each }));
    }
    let notes = vec![format!(
        "Seconds until PING is answered with PONG, from a plain log of {} commands ({} MB): median of {} rounds, asked \
         every {} ms. The log stands in the page cache.",
        options.commands,
        size_bytes / 1_000_000,
        options.rounds,
        ASK.as_millis()
    )];
    Section { title: "The start from a log".to_owned(), key: "load", notes, table, json: json.into() }
}
