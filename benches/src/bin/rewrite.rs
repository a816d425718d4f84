//! Measures a rewrite under full load: the longest turn of the event loop, and how much of the residual diff it writes itself.
//!
//! `cargo run --release -p benches --bin rewrite -- [--keys N] [--rewrites N] [--dir PATH] [--json]`
//!
//! The engine of the server over real files, background threads and a forked child; only the sockets are left out. Clients send
//! as fast as turns go round, which no network does: more is fed during the rewrite than a server is ever asked to take.
//!
//! A turn is measured by the processor time of this thread. What it waits in system calls is the rest of its time on the wall,
//! in which a busy machine runs others, too: it is shown beside, as an upper bound. The turn that forks is without its fork.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints, and ends where it cannot go on"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use benches::{SEED, ns};
use engine::{ClientId, Config, Engine, Env, Level, Log, Now, Peer, Process};
use nix::time::ClockId;
use resp_codec::encode_command;
use serde_json::json;

/// Clients, and requests that each sends in a turn.
const CLIENTS: usize = 50;
const PIPELINE: usize = 16;
/// After so long, in nanoseconds, a turn takes no more requests, as in the server: see TURN_NS of its event loop.
const TURN_NS: u64 = 1_000_000;
/// Turns before the first rewrite and after each, so that the load runs before and after.
const TURNS_BETWEEN: u32 = 500;
/// A rewrite that takes more turns than this hangs.
const MOST_TURNS: u32 = 5_000_000;

fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    Now { mono_us: ns(ClockId::CLOCK_MONOTONIC) / 1_000, unix_us: i64::try_from(unix).unwrap_or(i64::MAX) }
}

/// Takes from the log what the rewrite says of itself.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<String>>>);

impl Log for Lines {
    fn line(&mut self, _: Level, text: std::fmt::Arguments<'_>) {
        self.0.lock().expect("nobody panics with the lock").push(text.to_string());
    }
}

impl Lines {
    fn find(&self, text: &str) -> Option<String> {
        self.0.lock().expect("nobody panics with the lock").iter().find(|line| line.contains(text)).cloned()
    }

    fn clear(&self) {
        self.0.lock().expect("nobody panics with the lock").clear();
    }
}

struct Arguments {
    keys: u64,
    rewrites: u32,
    dir: PathBuf,
    json: bool,
}

fn arguments() -> Arguments {
    let mut found = Arguments { keys: 2_000_000, rewrites: 3, dir: std::env::temp_dir(), json: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word.as_str() {
            "--keys" => found.keys = value().parse().expect("a number of keys"),
            "--rewrites" => found.rewrites = value().parse().expect("a number of rewrites"),
            "--dir" => found.dir = value().into(),
            "--json" => found.json = true,
            other => panic!("unknown argument {other}"),
        }
    }
    found
}

/// The longest of many turns, by one measure.
#[derive(Clone, Copy, Default)]
struct Longest {
    cpu_ns: u64,
    wall_ns: u64,
}

struct Server {
    engine: Engine,
    clients: Vec<ClientId>,
    random: fastrand::Rng,
    keys: u64,
    /// The client that comes first in the next turn.
    next: usize,
    requests: u64,
    lines: Lines,
    request: Vec<u8>,
    ready: Vec<ClientId>,
}

impl Server {
    fn start(dir: &std::path::Path, keys: u64) -> Self {
        let lines = Lines::default();
        let env = Env {
            dir: Arc::new(vfs::RealDir::open(dir).expect("the directory was just made")),
            bio: Box::new(bio::ThreadBio::new(Arc::new(|| {}))),
            spawner: Box::new(child::ForkSpawner::new(Box::new(|_| {}))),
            log: Box::new(lines.clone()),
            config_file: None,
            process: Process { pid: std::process::id(), boot_id: [1; 16], threads: true, ..Process::default() },
            seed: [9; 16],
        };
        // Rewrites are asked for, not waited for.
        let config = Config { auto_aof_rewrite_percentage: 0, ..Config::default() };
        let engine = Engine::new(config, env, now());
        let random = fastrand::Rng::with_seed(SEED);
        let mut server = Self {
            engine,
            clients: Vec::new(),
            random,
            keys,
            next: 0,
            requests: 0,
            lines,
            request: Vec::new(),
            ready: Vec::new(),
        };
        server.engine.start().expect("an empty directory is a good start");
        while server.lines.find("Ready to accept connections").is_none() {
            server.end_turn();
        }
        let connect = |engine: &mut Engine| {
            engine.connect(Peer { unix_socket: true, ..Peer::default() }).expect("there is room for clients")
        };
        server.clients = (0..CLIENTS).map(|_| connect(&mut server.engine)).collect();
        server
    }

    fn end_turn(&mut self) {
        self.engine.cron();
        self.engine.end_turn();
        self.engine.take_ready(&mut self.ready);
        for client in std::mem::take(&mut self.ready) {
            let unsent = self.engine.sendable(client).len();
            self.engine.sent(client, unsent);
        }
        self.engine.begin_turn(now());
    }

    fn give(&mut self, client: ClientId) {
        // One whose replies are held for too long is not read, as on a socket.
        let Some(room) = self.engine.query_spare(client) else { return };
        room[..self.request.len()].copy_from_slice(&self.request);
        self.engine.filled(client, self.request.len());
    }

    /// One turn in which every client sends its pipeline of SETs, the next one first, until the turn has taken its time.
    fn turn(&mut self, mut name: impl FnMut(&mut fastrand::Rng) -> u64) {
        let until_ns = ns(ClockId::CLOCK_MONOTONIC) + TURN_NS;
        for _ in 0..CLIENTS {
            self.request.clear();
            for _ in 0..PIPELINE {
                let key = format!("key:{:012}", name(&mut self.random));
                encode_command(&mut self.request, [&b"SET"[..], key.as_bytes(), b"xyz"].into_iter());
            }
            self.give(self.clients[self.next]);
            self.requests += PIPELINE as u64;
            self.next = (self.next + 1) % CLIENTS;
            if ns(ClockId::CLOCK_MONOTONIC) >= until_ns {
                break;
            }
        }
        self.end_turn();
    }

    fn fill(&mut self) {
        let (mut next, keys) = (0, self.keys);
        while next < keys {
            self.turn(|_| {
                next += 1;
                (next - 1) % keys
            });
        }
    }

    /// One turn under load, and what it took.
    fn measured_turn(&mut self) -> Longest {
        let (cpu_ns, wall_ns) = (ns(ClockId::CLOCK_THREAD_CPUTIME_ID), ns(ClockId::CLOCK_MONOTONIC));
        let keys = self.keys;
        self.turn(|random| random.u64(..keys));
        Longest {
            cpu_ns: ns(ClockId::CLOCK_THREAD_CPUTIME_ID) - cpu_ns,
            wall_ns: ns(ClockId::CLOCK_MONOTONIC) - wall_ns,
        }
    }

    /// A rewrite under load, from its request to its end.
    fn rewrite(&mut self) -> serde_json::Value {
        self.lines.clear();
        let mut longest = Longest::default();
        let mut turns = 0;
        let before = self.requests;
        self.request.clear();
        encode_command(&mut self.request, [&b"BGREWRITEAOF"[..]].into_iter());
        self.give(self.clients[0]);
        // The fork is not what is measured.
        self.end_turn();
        while self.lines.find("Background AOF rewrite finished successfully").is_none() {
            let turn = self.measured_turn();
            longest.cpu_ns = longest.cpu_ns.max(turn.cpu_ns);
            longest.wall_ns = longest.wall_ns.max(turn.wall_ns);
            turns += 1;
            assert!(turns < MOST_TURNS, "the rewrite does not end");
        }
        let residual = self.lines.find("Residual parent diff").expect("a rewrite under load has one");
        json!({
            "turns": turns, "requests": self.requests - before,
            "longest_turn_cpu_us": longest.cpu_ns / 1_000, "longest_turn_wall_us": longest.wall_ns / 1_000,
            "residual_in_loop_bytes": number_before(&residual, " bytes by the event loop"),
            "residual_mb": number_before(&residual, " MB"),
        })
    }
}

/// The number that stands before `word` in a line.
fn number_before(line: &str, word: &str) -> f64 {
    let before = line.split(word).next().unwrap_or_default();
    let digits = before.rsplit(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("no number stands before {word:?} in {line:?}"))
}

fn main() {
    let arguments = arguments();
    let dir = arguments.dir.join(format!("ledgerstone-rewrite-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory for the log");
    let mut server = Server::start(&dir, arguments.keys);
    server.fill();
    let mut quiet = Longest::default();
    let mut found = Vec::new();
    for _ in 0..arguments.rewrites {
        for _ in 0..TURNS_BETWEEN {
            let turn = server.measured_turn();
            quiet = Longest { cpu_ns: quiet.cpu_ns.max(turn.cpu_ns), wall_ns: quiet.wall_ns.max(turn.wall_ns) };
        }
        found.push(server.rewrite());
    }
    drop(server);
    std::fs::remove_dir_all(&dir).expect("the directory was ours");
    let all = json!({
        "keys": arguments.keys, "clients": CLIENTS, "pipeline": PIPELINE,
        "longest_quiet_turn_cpu_us": quiet.cpu_ns / 1_000, "longest_quiet_turn_wall_us": quiet.wall_ns / 1_000,
        "rewrites": found,
    });
    if arguments.json {
        println!("{all}");
        return;
    }
    println!("{:#}", all);
}
