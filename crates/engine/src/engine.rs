//! The engine: clients, keyspace and log wired together, driven by its owner's loop turns.
//!
//! A turn is: `filled` for every client that sent something, `end_turn`, then `take_ready` and one write per client.
//! The owner lends the bytes and takes them; the engine never sees a socket and never reads a clock.
//!
//! Invariant: within a turn no reply to a write is sendable before `end_turn` has flushed the log.

use std::sync::Arc;

use aof_state::LogOffset;
use bio::Bio;
use child::Spawner;
use commands::{CommandLimits, Garbage, KeyLog};
use keyspace::Keyspace;
use resp_codec::{Decoded, Effects, Limits, RequestDecoder};
use vfs::Dir;

use crate::client::{Client, ClientId, Clients, Closing, Peer, query};
use crate::clock::Now;
use crate::config::Config;
use crate::gate::LastWrites;
use crate::log::{Level, Log};
use crate::persistence::Persistence;
use crate::stats::Stats;
use crate::transaction::{Unit, WatchTable};

/// A client with more held bytes than this is not read. Source: architecture.md, bad input.
pub(crate) const HELD_BYTES_LIMIT: usize = 1 << 20;
/// A client that leaves more than this unread is not read until it takes some of it: what bounds the memory that a slow
/// reader costs. Larger than what pipelines of client libraries leave unread while they still send.
pub(crate) const UNSENT_BYTES_LIMIT: usize = 64 << 20;
/// What an unauthenticated client may make the server keep. Source: `client-query-buffer-limit` of Redis 7.2 before AUTH.
const UNAUTHENTICATED_QUERY_BYTES: u64 = 1 << 20;
/// A client with more held replies than this is not read.
pub(crate) const HELD_REPLIES_LIMIT: usize = 10_000;
/// Above this backlog of unwritten log no client that writes is read.
pub(crate) const BACKLOG_LIMIT_BYTES: u64 = 256 << 20;

/// What the engine reaches the world through.
pub struct Env {
    /// The directory of the persistence files.
    pub dir: Arc<dyn Dir>,
    /// Background I/O.
    pub bio: Box<dyn Bio>,
    /// Makes rewrite children.
    pub spawner: Box<dyn Spawner>,
    /// Takes log lines.
    pub log: Box<dyn Log>,
    /// Facts about the process that INFO shows and the files need.
    pub process: Process,
    /// Seed of everything random here; 16 bytes from the system, or fixed in a simulation.
    pub seed: [u8; 16],
}

/// Facts about the process.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Process id: part of temp file names.
    pub pid: u32,
    /// Boot id of the machine, as in `/proc/sys/kernel/random/boot_id`: the page cache lives as long.
    pub boot_id: [u8; 16],
    /// 40 hexadecimal digits that name this run of the server.
    pub run_id: String,
    /// The executable's path.
    pub executable: String,
    /// The configuration file's path, empty for none.
    pub config_file: String,
    /// Operating system, as `uname` says it.
    pub os: String,
    /// Reads memory statistics of the process: used by INFO memory. `None` in simulation.
    pub memory: Option<fn() -> Memory>,
    /// Reads the processor time used: used by INFO cpu. `None` in simulation.
    pub cpu: Option<fn() -> CpuTime>,
    /// Whether recovery may start a thread of its own; a simulation has none.
    pub threads: bool,
    /// Test builds only: see [`TestHooks`].
    pub hooks: TestHooks,
}

/// Memory statistics, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Allocated by the program.
    pub allocated: u64,
    /// In active pages of the allocator.
    pub active: u64,
    /// Resident, as the allocator counts.
    pub allocator_resident: u64,
    /// Resident, as the kernel counts.
    pub resident: u64,
}

/// Processor time used, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    /// In the kernel, by the server.
    pub system_us: u64,
    /// In the program, by the server.
    pub user_us: u64,
    /// In the kernel, by children that have ended.
    pub children_system_us: u64,
    /// In the program, by children that have ended.
    pub children_user_us: u64,
}

/// Faults that a test build can be told to have, so that the tests are shown to find them. All off otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestHooks {
    /// Replies leave at once, and flushes wait for a running fsync.
    pub ack_early: bool,
}

/// How the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The process's exit status.
    pub status: i32,
}

/// The server without its sockets.
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) keyspace: Keyspace,
    pub(crate) clients: Clients,
    pub(crate) persistence: Persistence,
    pub(crate) last_writes: LastWrites,
    pub(crate) watch: WatchTable,
    /// Set while an EXEC runs its queue.
    pub(crate) unit: Option<Unit>,
    pub(crate) effects: Effects,
    pub(crate) keylog: KeyLog,
    pub(crate) limits: CommandLimits,
    pub(crate) trash: Vec<Garbage>,
    pub(crate) rng: fastrand::Rng,
    pub(crate) now: Now,
    pub(crate) started: Now,
    pub(crate) stats: Stats,
    pub(crate) log: Box<dyn Log>,
    pub(crate) process: Process,
    pub(crate) exit: Option<Exit>,
    pub(crate) next_cron_us: u64,
    pub(crate) active_expire: bool,
    /// When a client that speaks HTTP was last logged, monotonic milliseconds.
    pub(crate) attack_logged_ms: Option<u64>,
    /// DEBUG SLEEP: how long the owner is to do nothing, in microseconds.
    pub(crate) stall_us: u64,
    /// Whether table growth is held back because a child shares the memory.
    pub(crate) growth_frozen: bool,
    /// Something waits for the next turn that nothing from outside will bring.
    pub(crate) turn_wanted: bool,
    /// When expired keys are looked for, monotonic microseconds; 0 is at once.
    pub(crate) next_expire_us: u64,
    /// The database that the active expiry looks at first.
    pub(crate) expire_db: u32,
    shared_query: Vec<u8>,
    ready: Vec<ClientId>,
    holders: Vec<ClientId>,
    /// Scratch of `end_turn`, kept to save its allocation.
    turn_scratch: Vec<ClientId>,
}

impl Engine {
    /// An engine that has touched no file yet; [`Engine::start`] does.
    pub fn new(config: Config, env: Env, now: Now) -> Self {
        let Env { dir, bio, spawner, log, process, seed } = env;
        let rng_seed = u64::from_le_bytes(*seed.first_chunk().expect("16 bytes hold 8"));
        Self {
            keyspace: Keyspace::new(config.databases, keyspace::HashSeed(seed)),
            clients: Clients::default(),
            persistence: Persistence::new(&config, dir, bio, spawner, &process, &seed),
            last_writes: LastWrites::default(),
            watch: WatchTable::default(),
            unit: None,
            effects: Effects::default(),
            keylog: KeyLog::default(),
            limits: crate::config::command_limits(&config),
            trash: Vec::new(),
            rng: fastrand::Rng::with_seed(rng_seed),
            now,
            started: now,
            stats: Stats::default(),
            log,
            process,
            exit: None,
            next_cron_us: now.mono_us,
            active_expire: true,
            attack_logged_ms: None,
            stall_us: 0,
            growth_frozen: false,
            turn_wanted: false,
            next_expire_us: 0,
            expire_db: 0,
            shared_query: vec![0; query::READ_BYTES * 4],
            ready: Vec::new(),
            holders: Vec::new(),
            turn_scratch: Vec::new(),
            config,
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How the server is to end, once it is.
    pub fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// Sets the time of the turn that begins. Called once a turn, before anything else.
    pub fn begin_turn(&mut self, now: Now) {
        assert!(now.mono_us >= self.now.mono_us, "the monotonic clock never goes back");
        self.now = now;
        self.turn_wanted = false;
    }

    /// Admits a client.
    ///
    /// # Errors
    /// The reply to send before closing the connection, if it is not admitted.
    pub fn connect(&mut self, peer: Peer) -> Result<ClientId, &'static [u8]> {
        if self.clients.len() >= self.config.maxclients as usize {
            self.stats.rejected_connections += 1;
            return Err(b"-ERR max number of clients reached\r\n");
        }
        self.stats.connections_received += 1;
        Ok(self.clients.insert(peer, self.config.requirepass.is_empty(), self.now))
    }

    /// Forgets a client whose connection is gone: it loses its replies, not its writes.
    pub fn disconnect(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(id) {
            self.watch.forget(&client);
        }
    }

    /// Where to read the client's bytes into; `None` when it must not be read now. [`Engine::filled`] follows.
    pub fn query_spare(&mut self, id: ClientId) -> Option<&mut [u8]> {
        let client = self.clients.find(id)?;
        if client.paused || client.closing != Closing::No {
            return None;
        }
        if client.query.is_empty() { Some(&mut self.shared_query) } else { Some(client.query.spare()) }
    }

    /// Whether the client's socket should be watched for input.
    pub fn wants_input(&self, id: ClientId) -> bool {
        self.clients.get(id).is_some_and(|c| !c.paused && c.closing == Closing::No)
    }

    /// Runs every complete request among the client's bytes, `added` of which were just read into what `query_spare` lent.
    pub fn filled(&mut self, id: ClientId, added: usize) {
        self.stats.net_input_bytes += added as u64;
        self.stats.reads += 1;
        let Some(mut client) = self.clients.check_out(id) else { return };
        client.active_ms = self.now.mono_ms();
        self.run_requests(&mut client, added);
        self.after_requests(&mut client);
        self.clients.check_in(client);
    }

    fn run_requests(&mut self, client: &mut Client, added: usize) {
        let shared = client.query.is_empty();
        let (mut bytes, filled) =
            if shared { (std::mem::take(&mut self.shared_query), added) } else { client.query.take(added) };
        let mut decoder = std::mem::replace(&mut client.query.decoder, RequestDecoder::new(Limits::default()));
        let mut at = 0;
        while self.exit.is_none() && client.closing == Closing::No && !self.must_pause(client) {
            decoder.set_limits(self.request_limits(client));
            match decoder.decode(&bytes[at..filled]) {
                Ok(Decoded::Incomplete { .. }) => break,
                Ok(Decoded::Empty { consumed }) => {
                    // An empty request uses up CLIENT REPLY SKIP. Source: resetClient of Redis.
                    client.reply_mode.next_request();
                    client.reply_mode.next_request();
                    at += consumed;
                }
                Ok(Decoded::Request { consumed }) => {
                    self.process(client, decoder.args(&bytes[at..filled]));
                    at += consumed;
                }
                Err(error) => {
                    self.protocol_error(client, &error);
                    at = filled;
                }
            }
        }
        client.query.decoder = decoder;
        if shared {
            client.query.keep(&bytes[at..filled]);
            if bytes.len() < query::READ_BYTES {
                bytes.resize(query::READ_BYTES * 4, 0);
            }
            self.shared_query = bytes;
        } else {
            client.query.put_back(bytes, at, filled);
        }
        let limit = self.config.client_query_buffer_limit_bytes;
        let limit = if client.authenticated { limit } else { limit.min(UNAUTHENTICATED_QUERY_BYTES) };
        let queued = client.transaction.as_ref().map_or(0, |t| t.bytes);
        if (client.query.len() + queued) as u64 > limit {
            self.stats.query_buffer_limit_disconnections += 1;
            self.log_line(
                Level::Warning,
                format_args!("Closing client that reached max query buffer length: id={}", client.id.number),
            );
            client.closing = Closing::Now;
        }
    }

    fn request_limits(&self, client: &Client) -> Limits {
        let limits = Limits {
            max_bulk_len_bytes: usize::try_from(self.config.proto_max_bulk_len_bytes).unwrap_or(usize::MAX),
            ..Limits::default()
        };
        if client.authenticated { limits } else { limits.unauthenticated() }
    }

    fn protocol_error(&mut self, client: &mut Client, error: &resp_codec::ProtocolError) {
        error.reply(&mut self.reply(client));
        self.end_reply(client, LogOffset(0));
        client.closing = Closing::AfterReplies;
        self.log_line(Level::Verbose, format_args!("Protocol error from client id={}: {error}", client.id.number));
    }

    /// Whether the client's next request must wait until held replies leave or the log's backlog shrinks.
    fn must_pause(&mut self, client: &mut Client) -> bool {
        let held = client.out.held_replies();
        client.paused = held >= HELD_REPLIES_LIMIT
            || client.out.held_bytes() > HELD_BYTES_LIMIT && held > 0
            || client.out.unsent_bytes() > UNSENT_BYTES_LIMIT
            || (held > 0 || self.waits_unheld(client)) && self.persistence.aof.backlog_bytes() > BACKLOG_LIMIT_BYTES;
        client.paused
    }

    /// Whether the client wrote what has not left yet, as one does that wants no replies: nothing is held for it.
    fn waits_unheld(&self, client: &Client) -> bool {
        client.fed_upto > self.persistence.reply_mark()
    }

    /// Puts the client on the lists that its output asks for.
    fn after_requests(&mut self, client: &mut Client) {
        let waits = client.out.held_replies() > 0 || client.paused && self.waits_unheld(client);
        if waits && !client.in_holders {
            client.in_holders = true;
            self.holders.push(client.id);
        }
        self.check_output_limit(client);
        let wants_owner = !client.out.sendable().is_empty() || client.closing != Closing::No;
        if wants_owner && !client.in_ready {
            client.in_ready = true;
            self.ready.push(client.id);
        }
    }

    fn check_output_limit(&mut self, client: &mut Client) {
        let limit = self.config.output_limit_normal;
        let unsent = client.out.unsent_bytes() as u64;
        let over_soft = limit.soft_bytes > 0 && unsent > limit.soft_bytes;
        let since = over_soft.then(|| client.soft_limit_since_ms.unwrap_or(self.now.mono_ms()));
        client.soft_limit_since_ms = since;
        let over_soft_too_long =
            since.is_some_and(|since| self.now.mono_ms() - since >= limit.soft_seconds.saturating_mul(1000));
        if (limit.hard_bytes > 0 && unsent > limit.hard_bytes || over_soft_too_long) && client.closing != Closing::Now {
            self.stats.output_buffer_limit_disconnections += 1;
            client.closing = Closing::Now;
            self.log_line(
                Level::Warning,
                format_args!("Client id={} closed for overcoming of output buffer limits.", client.id.number),
            );
        }
    }

    /// How long the owner is to do nothing before it goes on, in microseconds (DEBUG SLEEP); 0 as a rule. Asked after every
    /// [`Engine::filled`], so that no other client is served meanwhile.
    pub fn take_stall_us(&mut self) -> u64 {
        std::mem::take(&mut self.stall_us)
    }

    /// Ends a turn: flushes the log, drives the rewrite, and releases the replies whose marks have passed.
    pub fn end_turn(&mut self) {
        self.drive_persistence();
        self.release_held();
        self.drop_trash();
    }

    fn release_held(&mut self) {
        if self.holders.is_empty() {
            return;
        }
        let mark = self.reply_mark();
        let mut holders = std::mem::replace(&mut self.holders, std::mem::take(&mut self.turn_scratch));
        for id in holders.drain(..) {
            let Some(mut client) = self.clients.check_out(id) else { continue };
            client.in_holders = false;
            client.out.release(|need| need <= mark);
            if client.paused && !self.must_pause(&mut client) {
                self.run_requests(&mut client, 0);
                // It is to be read again, whether it has anything to send or not.
                if !client.in_ready {
                    client.in_ready = true;
                    self.ready.push(client.id);
                }
            }
            self.after_requests(&mut client);
            self.clients.check_in(client);
        }
        self.turn_scratch = holders;
    }

    /// Turns the held replies that depend on the bytes of a failed flush, which ends at `upto`, into errors.
    pub(crate) fn fail_held(&mut self, upto: LogOffset, error: &[u8]) {
        let mark = self.reply_mark();
        for id in &self.holders {
            if let Some(client) = self.clients.find(*id) {
                client.out.fail_held(|need| need > mark && need <= upto, error);
            }
        }
    }

    /// Moves the clients that have something to send, or are to be closed, into `out`.
    pub fn take_ready(&mut self, out: &mut Vec<ClientId>) {
        for id in self.ready.drain(..) {
            if let Some(client) = self.clients.find(id) {
                client.in_ready = false;
                out.push(id);
            }
        }
    }

    /// What may be written to the client's socket now.
    pub fn sendable(&self, id: ClientId) -> &[u8] {
        self.clients.get(id).map_or(&[], |c| c.out.sendable())
    }

    /// Notes that `n` bytes of [`Engine::sendable`] were written.
    pub fn sent(&mut self, id: ClientId, n: usize) {
        self.stats.net_output_bytes += n as u64;
        self.stats.writes += 1;
        let Some(client) = self.clients.find(id) else { return };
        client.out.sent(n);
        if client.paused && !client.in_holders {
            // Looked at again at the end of the next turn, which must come soon.
            client.in_holders = true;
            self.holders.push(id);
            self.turn_wanted = true;
        }
    }

    /// Whether the connection is to be closed now: at once, or because all that was owed has been sent.
    pub fn wants_close(&self, id: ClientId) -> bool {
        self.clients.get(id).is_some_and(|c| match c.closing {
            Closing::No => false,
            Closing::AfterReplies => c.out.is_drained(),
            Closing::Now => true,
        })
    }

    /// Asks the owner to look at a client again: it is to be closed.
    pub(crate) fn close(&mut self, id: ClientId, how: Closing) {
        if let Some(client) = self.clients.find(id) {
            client.closing = how;
            if !client.in_ready {
                client.in_ready = true;
                self.ready.push(id);
            }
        }
    }

    /// Drops large values in the background.
    fn drop_trash(&mut self) {
        for garbage in self.trash.drain(..) {
            self.persistence.free_in_background(garbage);
        }
    }

    /// The descriptor that a client came in with.
    pub fn descriptor(&self, id: ClientId) -> Option<i32> {
        self.clients.get(id).map(|c| c.peer.fd)
    }

    /// Writes a line to the engine's log, for whoever owns it.
    pub fn log(&mut self, level: Level, text: std::fmt::Arguments<'_>) {
        self.log.line(level, text);
    }

    pub(crate) fn log_line(&mut self, level: Level, text: std::fmt::Arguments<'_>) {
        self.log.line(level, text);
    }
}
