//! Idle connections: what each of many costs the server, by its own count and by the kernel's.
//!
//! The kernel's own buffers of a socket are not the process's and not counted.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::{Client, Info};

use super::Options;
use super::figures::float;
use super::memory::{Memory, memory};
use super::record::{Section, Table};
use super::subject::{Subject, by_name, heading};

/// What all servers are told: no log, and the number of clients that Redis lets in by default.
const DIRECTIVES: &[(&str, &str)] = &[("appendonly", "no"), ("save", ""), ("maxclients", "10000")];
/// With the one that asks, as many as that.
const CLIENTS: u64 = 10_000;
/// How long a server may take to accept them.
const ACCEPT_BOUND: Duration = Duration::from_secs(60);

/// What one server was found to take.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// Bytes a connection, by the server's count and by the kernel's.
    used: f64,
    resident: f64,
    /// The whole process, in bytes.
    all: u64,
}

/// Measures.
///
/// # Errors
/// If a server fails, or the system allows fewer open files.
pub(crate) fn measure(options: &Options, subjects: &[Subject]) -> Result<Section> {
    testkit::server::raise_open_files(2 * CLIENTS)?;
    let one = |subject: &Subject| one(options, subject).with_context(|| subject.name.clone());
    let found = subjects.iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(section(subjects, &found))
}

fn one(options: &Options, subject: &Subject) -> Result<Found> {
    let home = super::home(options)?;
    let server = subject.builder(home.path(), DIRECTIVES).start()?;
    let mut asks = server.client()?;
    let before = memory(&mut asks, server.pid())?;
    let connect = |_| TcpStream::connect(server.address()).context("connect");
    let _crowd: Vec<TcpStream> = (1..CLIENTS).map(connect).collect::<Result<_>>()?;
    wait_connected(&mut asks)?;
    let Memory { used, resident } = memory(&mut asks, server.pid())?;
    let each = |after: u64, before: u64| float(after.saturating_sub(before)) / float(CLIENTS);
    Ok(Found { used: each(used, before.used), resident: each(resident, before.resident), all: resident })
}

fn wait_connected(asks: &mut Client) -> Result<()> {
    let deadline = Instant::now() + ACCEPT_BOUND;
    while Info::fetch(asks, "clients")?.number("connected_clients") != Some(i64::try_from(CLIENTS)?) {
        ensure!(Instant::now() < deadline, "not all connections were accepted in {ACCEPT_BOUND:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn section(subjects: &[Subject], found: &[Found]) -> Section {
    let mut table = Table::new(heading(&["bytes a connection"], subjects));
    let mut row = |name: &str, of: fn(&Found) -> f64| {
        let mut cells = vec![name.to_owned()];
        cells.extend(found.iter().map(|f| format!("{:.0}", of(f))));
        cells.extend(found[1..].iter().map(|f| format!("{:.2}", of(&found[0]) / of(f))));
        table.rows.push(cells);
    };
    row("used_memory", |f| f.used);
    row("resident", |f| f.resident);
    row("the process, MB", |f| float(f.all) / 1e6);
    let notes = vec![format!("{CLIENTS} connections that have said nothing.")];
    let servers = by_name(
        subjects,
        found,
        |f| json!({ "used_memory": f.used, "resident": f.resident, "process_resident_bytes": f.all }),
    );
    let json = json!({ "connections": CLIENTS, "bytes": servers });
    Section { title: "Idle connections".to_owned(), key: "connections", notes, table, json }
}
