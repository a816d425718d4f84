//! One simulated process: the real engine, its disk, clock, background and children, and a turn of its loop.
//!
//! A turn does what the real event loop does, in its order: time, requests, cron, end of turn, replies.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use bio::Kind;
use child::sim::SimChildren;
use engine::{ClientId, Config, Engine, Env, Level, Log, Now, Peer, Process, StartError, TestHooks};
use resp_codec::{ReplyDecoder, Value, encode_command};
use vfs::sim::SimDisk;

use crate::background::SimBio;

/// The directory of the persistence files.
pub const DIR: &str = "/data";
/// The name of the log in it.
pub const LOG: &str = "appendonly.aof";

/// The fsync policy, as the promises are written for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// `appendfsync always`.
    Always,
    /// `appendfsync everysec`.
    EverySec,
    /// `appendfsync no`.
    No,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Always, Self::EverySec, Self::No];

    /// The policy of a configuration.
    pub fn of(config: &Config) -> Self {
        match config.appendfsync.as_str() {
            "always" => Self::Always,
            "everysec" => Self::EverySec,
            _ => Self::No,
        }
    }

    /// The configuration of a server under this policy.
    pub fn config(self) -> Config {
        let mut config = Config::default();
        let value = match self {
            Self::Always => "always",
            Self::EverySec => "everysec",
            Self::No => "no",
        };
        config.appendfsync = value.parse().unwrap_or_else(|_| unreachable!("a policy's own name"));
        config
    }
}

/// What differs from one process to the next.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// The configuration.
    pub config: Config,
    /// The time it starts at.
    pub now: Now,
    /// The boot of the machine: one that lost its power has another.
    pub boot: u8,
    /// The process id.
    pub pid: u32,
    /// Seed of everything random in the engine.
    pub seed: u64,
    /// Planted bugs.
    pub hooks: TestHooks,
}

/// How many of them: a load has said by then whether a state file vouches for the log, and then of its preamble.
const LAST_LINES: usize = 40;

/// Why a server does not serve.
#[derive(Debug)]
pub enum Refusal {
    /// `Engine::start` said so.
    Start(StartError),
    /// It ended while loading, with these last words.
    Exit {
        /// The exit status.
        status: i32,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// It neither serves nor ends.
    Hangs,
}

/// Which background jobs do not end at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stalls {
    /// fsyncs of files.
    pub fsyncs: bool,
    /// All else.
    pub others: bool,
}

/// The lines a process logged. A clone is the same log.
#[derive(Clone, Debug, Default)]
pub struct Lines(pub Rc<RefCell<Vec<(Level, String)>>>);

impl Log for Lines {
    fn line(&mut self, level: Level, text: fmt::Arguments<'_>) {
        self.0.borrow_mut().push((level, text.to_string()));
    }
}

/// A running process.
pub struct Server {
    /// The engine.
    pub engine: Engine,
    /// Its disk.
    pub disk: SimDisk,
    /// Its background threads.
    pub bio: SimBio,
    /// Its children.
    pub children: SimChildren,
    /// The time of the current turn.
    pub now: Now,
    /// The lines it logged.
    pub log: Lines,
    ready: Vec<ClientId>,
    /// The last request.
    bytes: Vec<u8>,
}

impl Server {
    /// Starts a process on `disk` and lets it load until it serves.
    ///
    /// # Errors
    /// If it does not serve.
    pub fn start(disk: &SimDisk, spawn: &Spawn) -> Result<Self, Refusal> {
        Self::start_with(disk, spawn, Lines::default())
    }

    /// As [`Server::start`], logging to `lines`, which is there also when it does not serve.
    ///
    /// # Errors
    /// If it does not serve.
    pub fn start_with(disk: &SimDisk, spawn: &Spawn, lines: Lines) -> Result<Self, Refusal> {
        disk.set_pid(spawn.pid);
        let bio = SimBio::default();
        bio.set_mono_ms(spawn.now.mono_ms());
        let children = SimChildren::new();
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&spawn.seed.to_le_bytes());
        // Marks are drawn from the last bytes: no two processes give the same one.
        seed[8..].copy_from_slice(&spawn.seed.rotate_left(17).to_le_bytes());
        let env = Env {
            dir: disk.dir(DIR),
            bio: Box::new(bio.clone()),
            spawner: Box::new(children.spawner()),
            log: Box::new(lines.clone()),
            config_file: None,
            process: Process { pid: spawn.pid, boot_id: [spawn.boot; 16], hooks: spawn.hooks, ..Process::default() },
            seed,
        };
        let engine = Engine::new(spawn.config.clone(), env, spawn.now);
        let mut server = Self {
            engine,
            disk: disk.clone(),
            bio,
            children,
            now: spawn.now,
            log: lines,
            ready: Vec::new(),
            bytes: Vec::new(),
        };
        server.engine.start().map_err(Refusal::Start)?;
        server.load()?;
        Ok(server)
    }

    fn load(&mut self) -> Result<(), Refusal> {
        for _ in 0..10_000 {
            if self.log.0.borrow().iter().any(|(_, line)| line == "Ready to accept connections") {
                return Ok(());
            }
            if let Some(exit) = self.engine.exit() {
                let log = self.log.0.borrow().iter().rev().take(LAST_LINES).map(|(_, line)| line.clone()).collect();
                return Err(Refusal::Exit { status: exit.status, log });
            }
            // A snapshot that is imported becomes a log by a rewrite, whose child waits a while for more.
            self.begin_turn(if self.children.running().is_empty() { 0 } else { 1_000 });
            self.end_turn();
            self.bio.run_all();
            while self.children.step(self.now.mono_ms()) {}
        }
        Err(Refusal::Hangs)
    }

    /// Begins a turn `after_us` microseconds later.
    pub fn begin_turn(&mut self, after_us: u64) {
        self.now.mono_us += after_us;
        self.now.unix_us += i64::try_from(after_us).unwrap_or(i64::MAX);
        self.disk.advance_ns(after_us * 1_000);
        self.bio.set_mono_ms(self.now.mono_ms());
        self.engine.begin_turn(self.now);
    }

    /// Sets the wall clock, from the next turn on: so many microseconds forward, or back.
    pub fn jump(&mut self, by_us: i64) {
        self.now.unix_us += by_us;
    }

    /// Ends a turn. Replies are not sent yet.
    pub fn end_turn(&mut self) {
        self.engine.cron();
        self.engine.end_turn();
    }

    /// Admits a client.
    ///
    /// # Panics
    /// If the server is full.
    pub fn connect(&mut self) -> ClientId {
        let peer = Peer { unix_socket: true, ..Peer::default() };
        self.engine.connect(peer).unwrap_or_else(|_| unreachable!("a simulation has few clients"))
    }

    /// Gives the engine bytes from a client, as many as it takes; returns how many.
    pub fn deliver(&mut self, client: ClientId, bytes: &[u8]) -> usize {
        let Some(room) = self.engine.query_spare(client) else { return 0 };
        let n = bytes.len().min(room.len());
        room[..n].copy_from_slice(&bytes[..n]);
        if n > 0 {
            self.engine.filled(client, n);
        }
        n
    }

    /// Takes up to `most` bytes that the client may be sent.
    pub fn collect(&mut self, client: ClientId, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.collect_into(client, most, &mut bytes);
        bytes
    }

    /// As [`Server::collect`], behind what is in `received`.
    pub fn collect_into(&mut self, client: ClientId, most: usize, received: &mut Vec<u8>) {
        let sendable = self.engine.sendable(client);
        let n = sendable.len().min(most);
        received.extend_from_slice(&sendable[..n]);
        self.engine.sent(client, n);
    }

    /// Takes note, as a loop does, of the clients that the engine says have something to send.
    pub fn take_ready(&mut self) {
        self.engine.take_ready(&mut self.ready);
        self.ready.clear();
    }

    /// Performs one request on a connection of its own and waits for the reply, the background running freely. Time stands
    /// still unless the engine wants it to pass.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn ask(&mut self, request: &[&str]) -> Value {
        let client = self.connect();
        let reply = self.ask_as(client, request);
        self.engine.disconnect(client);
        reply
    }

    /// As [`Server::ask`], on a connection that nothing else waits on.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn ask_as(&mut self, client: ClientId, request: &[&str]) -> Value {
        let mut decoder = ReplyDecoder::default();
        self.ask_for(client, request, |received| decoder.decode(received).ok()?.map(|(value, _)| value))
    }

    /// As [`Server::ask_as`]; `read` makes what is wanted of the bytes of the reply, once they are complete.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn ask_for<T>(&mut self, client: ClientId, request: &[&str], mut read: impl FnMut(&[u8]) -> Option<T>) -> T {
        self.bytes.clear();
        encode_command(&mut self.bytes, request.iter().map(|word| word.as_bytes()));
        let bytes = std::mem::take(&mut self.bytes);
        let mut received = Vec::new();
        self.begin_turn(0);
        assert_eq!(self.deliver(client, &bytes), bytes.len(), "the engine reads a small request at once");
        self.bytes = bytes;
        for _ in 0..1_000 {
            self.end_turn();
            self.collect_into(client, usize::MAX, &mut received);
            if let Some(value) = read(&received) {
                return value;
            }
            self.bio.run_all();
            self.begin_turn(1_000);
        }
        unreachable!("no reply to {request:?}")
    }

    /// Runs part of what happens beside the loop: a few background jobs, a few steps of a child. What stalls does not.
    pub fn run_background(&mut self, rng: &mut fastrand::Rng, stalls: Stalls) {
        for _ in 0..rng.u8(0..5) {
            self.bio.run_one(rng, |kind| match kind {
                Kind::Fsync | Kind::BulkFsync => !stalls.fsyncs,
                _ => !stalls.others,
            });
        }
        for _ in 0..rng.u8(0..30) {
            // A child that waits waits for the loop, or for time.
            if !self.children.step(self.now.mono_ms()) {
                break;
            }
        }
    }
}
