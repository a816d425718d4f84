//! One process's life under the workload: turns with clients, slow fsyncs, rewrites and disk faults, up to its crash.

use resp_codec::Value;
use vfs::sim::{Call, Fault, LostPages, Rule};

use crate::client::{Client, World, WrongReply};
use crate::history::{History, LONGEST_TURN_MS};
use crate::model::Dataset;
use crate::server::Server;

/// What a life is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many clients there are.
    pub clients: u32,
    /// How many turns it has.
    pub turns: u32,
    /// One turn in so many asks for a rewrite.
    pub rewrite_every: u32,
    /// One turn in so many plants a fault in the disk; 0 for none.
    pub fault_every: u32,
    /// A client sends WAITAOF once in so many times that it sends something; 0 for never.
    pub wait_every: u32,
}

/// How a life ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It did not: the crash may come.
    Crash,
    /// The disk froze: the crash came at one of its calls.
    Frozen,
    /// The server ended by itself, with this status.
    Exit(i32),
}

/// One process and everything that is known of what it did.
pub struct Life {
    /// The process.
    pub server: Server,
    /// What it executed and acknowledged.
    pub history: History,
    /// Operations answered with an error of the disk.
    pub failed: usize,
    dataset: Dataset,
    clients: Vec<Client>,
    admin: engine::ClientId,
    stalled_until_ms: u64,
}

impl Life {
    /// Clients on a server that holds `base`.
    pub fn new(mut server: Server, base: Dataset, shape: Shape) -> Self {
        let admin = server.connect();
        let clients = (0..shape.clients)
            .map(|number| {
                let pushed = base.last_pushed(number % 2, &format!("a:{number}"));
                Client::connect(&mut server, number, pushed)
            })
            .collect();
        Self {
            server,
            history: History::new(base.clone()),
            failed: 0,
            dataset: base,
            clients,
            admin,
            stalled_until_ms: 0,
        }
    }

    /// Lives until its turns are over, the disk freezes or the server ends.
    ///
    /// # Errors
    /// If a client got a wrong reply.
    pub fn play(&mut self, shape: Shape, rng: &mut fastrand::Rng) -> Result<End, WrongReply> {
        for _ in 0..shape.turns {
            self.trouble(shape, rng);
            self.server.begin_turn(self.step_us(rng));
            self.requests(shape, rng);
            self.server.end_turn();
            if self.server.disk.is_frozen() {
                return Ok(End::Frozen);
            }
            if let Some(exit) = self.server.engine.exit() {
                return Ok(End::Exit(exit.status));
            }
            self.replies(rng)?;
            let stalls = self.server.now.mono_ms() < self.stalled_until_ms;
            self.server.run_background(rng, stalls);
            if self.server.disk.is_frozen() {
                return Ok(End::Frozen);
            }
        }
        Ok(End::Crash)
    }

    /// The server's policy.
    pub fn policy(&self) -> crate::server::Policy {
        crate::server::Policy::of(self.server.engine.config())
    }

    /// How long until the next turn: mostly something is going on, sometimes only the engine's own clock.
    fn step_us(&self, rng: &mut fastrand::Rng) -> u64 {
        let longest_us = LONGEST_TURN_MS * 1_000;
        match rng.u8(..4) {
            0 => rng.u64(..500),
            1 => (self.server.engine.sleep_ms() * 1_000).min(longest_us),
            _ => rng.u64(..longest_us),
        }
    }

    fn trouble(&mut self, shape: Shape, rng: &mut fastrand::Rng) {
        let mono_ms = self.server.now.mono_ms();
        if rng.u8(..60) == 0 {
            self.stalled_until_ms = mono_ms + rng.u64(100..3_000);
        }
        if shape.fault_every > 0 && rng.u32(..shape.fault_every) == 0 {
            match rng.u8(..7) {
                0 => self.server.disk.inject(Rule::nth(Call::Append, 1, Fault::ENOSPC)),
                1 => self.server.disk.inject(Rule::nth(Call::Append, 1, Fault::Short(rng.usize(..40)))),
                2 => self.server.disk.inject(Rule::from_nth(Call::Append, 1, Fault::EIO)),
                3 => self.server.disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO)),
                4 => {
                    let kept = Fault::FsyncFailed { errno: 5, pages: LostPages::Kept };
                    self.server.disk.inject(Rule::nth(Call::Fdatasync, 1, kept));
                }
                5 => self.server.disk.inject(Rule::nth(Call::DirFsync, 1, Fault::FSYNC_EIO)),
                _ => self.server.disk.heal(),
            }
        }
    }

    fn requests(&mut self, shape: Shape, rng: &mut fastrand::Rng) {
        if rng.u32(..shape.rewrite_every) == 0 {
            self.tell(b"*1\r\n$12\r\nBGREWRITEAOF\r\n");
        }
        let refusing = self.is_refusing();
        let mut order: Vec<usize> = (0..self.clients.len()).collect();
        rng.shuffle(&mut order);
        let unix_ms = self.server.now.unix().0;
        for i in order {
            let mut world = World { dataset: &mut self.dataset, history: &mut self.history, unix_ms };
            self.clients[i].think(rng, shape);
            self.clients[i].deliver(&mut self.server, rng, &mut world, refusing);
        }
    }

    fn replies(&mut self, rng: &mut fastrand::Rng) -> Result<(), WrongReply> {
        self.server.take_ready();
        for client in &mut self.clients {
            self.failed += client.receive(&mut self.server, rng, &mut self.history)?;
        }
        Ok(())
    }

    /// Sends something on the admin connection, whose replies nobody waits for.
    fn tell(&mut self, request: &[u8]) -> Vec<u8> {
        self.server.deliver(self.admin, request);
        self.server.collect(self.admin, usize::MAX)
    }

    /// Whether the server refuses writes in this turn: it refuses PING likewise.
    fn is_refusing(&mut self) -> bool {
        self.tell(b"*1\r\n$4\r\nPING\r\n").starts_with(b"-MISCONF")
    }
}

impl Dataset {
    /// The last number in a list of the workload; 0 if there is none.
    fn last_pushed(&self, db: u32, key: &str) -> u64 {
        match self.0.get(&(db, key.to_owned())).map(|entry| &entry.held) {
            Some(crate::model::Held::List(items)) => items.last().and_then(|n| n.parse().ok()).unwrap_or(0),
            _ => 0,
        }
    }

    /// Reads back everything that a server holds.
    ///
    /// # Panics
    /// If the server does not answer as Redis does.
    pub fn read_back(server: &mut Server) -> Self {
        let mut dataset = Self::default();
        let client = server.connect();
        for db in 0..2 {
            server.ask_as(client, &["SELECT", &db.to_string()]);
            let Value::Array(keys) = server.ask_as(client, &["KEYS", "*"]) else {
                unreachable!("KEYS answers an array")
            };
            for key in keys.iter().map(text) {
                if let Some(entry) = crate::model::Entry::read_back(server, client, &key) {
                    dataset.0.insert((db, key), entry);
                }
            }
        }
        server.engine.disconnect(client);
        dataset
    }
}

impl crate::model::Entry {
    fn read_back(server: &mut Server, client: engine::ClientId, key: &str) -> Option<Self> {
        let Value::Status(kind) = server.ask_as(client, &["TYPE", key]) else { unreachable!("TYPE answers a status") };
        let held = match kind.as_slice() {
            b"string" => crate::model::Held::Text(text(&server.ask_as(client, &["GET", key]))),
            b"list" => {
                let Value::Array(items) = server.ask_as(client, &["LRANGE", key, "0", "-1"]) else {
                    unreachable!("LRANGE answers an array")
                };
                crate::model::Held::List(items.iter().map(text).collect())
            }
            // It expired meanwhile.
            b"none" => return None,
            other => unreachable!("a type that nobody made: {}", String::from_utf8_lossy(other)),
        };
        let Value::Integer(at_ms) = server.ask_as(client, &["PEXPIRETIME", key]) else {
            unreachable!("PEXPIRETIME answers a number")
        };
        Some(Self { held, deadline_ms: (at_ms >= 0).then_some(at_ms) })
    }
}

/// A reply's bytes as text; NUL bytes of a hole survive.
fn text(value: &Value) -> String {
    String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()
}
