//! The engine: clients, keyspace and log wired together, driven by its owner's loop turns.
//!
//! A turn is: `filled` for every client that sent something, `end_turn`, then `take_ready` and one write per client.
//! The owner lends the bytes and takes them; the engine never sees a socket and never reads a clock.
//!
//! Invariant: within a turn no reply to a write is sendable before `end_turn` has flushed the log.

use std::collections::VecDeque;

use aof_state::LogOffset;
use commands::{CommandLimits, CommandTable, Extensions, Garbage, KeyLog};
use keyspace::Keyspace;
use resp_codec::Effects;

use crate::client::{Blocked, Client, ClientId, Clients, Closing, Peer, query};
use crate::clock::Now;
use crate::config::Config;
use crate::env::{ConfigFile, Env, Exit, Process};
use crate::gate::LastWrites;
use crate::latency::{LatencyMonitor, Sample};
use crate::limits::query_limit;
use crate::log::{Level, Log};
use crate::pause::Pause;
use crate::persistence::Persistence;
use crate::slowlog::SlowLog;
use crate::stats::Stats;
use crate::stopwatch::Stopwatch;
use crate::transaction::{Unit, WatchTable};
use crate::waiting::Waiters;

const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";

/// Source: clientAcceptHandler of Redis 7.2, word for word: what people look up.
const DENIED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is \
set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect \
from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the \
command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is \
running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this \
change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and \
setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for \
testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password for the default user. NOTE: \
You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";

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
    pub(crate) table: CommandTable,
    pub(crate) trash: Vec<Garbage>,
    pub(crate) rng: fastrand::Rng,
    pub(crate) now: Now,
    pub(crate) started: Now,
    pub(crate) stats: Stats,
    pub(crate) stopwatch: Stopwatch,
    pub(crate) slowlog: SlowLog,
    pub(crate) latency: LatencyMonitor,
    /// A command that takes so long is looked at for the slow log and the latency monitor, in nanoseconds.
    pub(crate) slow_after_ns: u64,
    pub(crate) log: Box<dyn Log>,
    /// For CONFIG REWRITE.
    pub(crate) config_file: Option<Box<dyn ConfigFile>>,
    pub(crate) process: Process,
    pub(crate) exit: Option<Exit>,
    pub(crate) next_cron_us: u64,
    /// When idle clients are looked at next, monotonic microseconds.
    pub(crate) next_shrink_us: u64,
    pub(crate) active_expire: bool,
    /// When a client that speaks HTTP was last logged, monotonic milliseconds.
    pub(crate) attack_logged_ms: Option<u64>,
    /// DEBUG SLEEP: how long the owner is to do nothing, in microseconds.
    pub(crate) stall_us: u64,
    /// The most memory used so far, and what was used when the server began to serve, in bytes.
    pub(crate) memory_peak_bytes: u64,
    /// See `memory_peak_bytes`.
    pub(crate) memory_startup_bytes: Option<u64>,
    /// When the turn began, by the stopwatch.
    turn_started_ns: u64,
    /// CLIENT PAUSE.
    pub(crate) pause: Option<Pause>,
    /// Clients whose next request waits for the end of a pause, in the order in which it came.
    pub(crate) postponed: Vec<ClientId>,
    /// WAIT and WAITAOF.
    pub(crate) waiters: Waiters,
    /// Whether table growth is held back because a child shares the memory.
    pub(crate) growth_frozen: bool,
    /// Something waits for the next turn that nothing from outside will bring.
    pub(crate) turn_wanted: bool,
    /// When expired keys are looked for, monotonic microseconds; 0 is at once.
    pub(crate) next_expire_us: u64,
    /// The database that the active expiry looks at first.
    pub(crate) expire_db: u32,
    pub(crate) shared_query: Vec<u8>,
    /// Clients that have something to send, or are to be closed, and are not in `released`.
    pub(crate) ready: Vec<ClientId>,
    /// Clients whose replies the gate has released and that were not handed out yet; each once, however often it was.
    released: VecDeque<ClientId>,
    pub(crate) holders: Vec<ClientId>,
    /// The reply mark when the holders were last looked at.
    pub(crate) released_upto: LogOffset,
    /// The holders are to be looked at although the mark has not moved.
    pub(crate) holders_changed: bool,
    /// Scratch of `end_turn`, kept to save its allocation.
    turn_scratch: Vec<ClientId>,
}

impl Engine {
    /// An engine that has touched no file yet; [`Engine::start`] does.
    pub fn new(config: Config, env: Env, now: Now) -> Self {
        Self::with_extensions(config, env, now, &Extensions::default())
    }

    /// As [`Engine::new`], with the types and commands of an embedding program.
    pub fn with_extensions(config: Config, env: Env, now: Now, extensions: &Extensions) -> Self {
        let Env { dir, bio, spawner, log, config_file, process, seed } = env;
        let stopwatch = Stopwatch::new(process.nanos);
        let rng_seed = u64::from_le_bytes(*seed.first_chunk().expect("16 bytes hold 8"));
        let mut keyspace = Keyspace::new(config.databases, keyspace::HashSeed(seed));
        keyspace.set_clock(now.unix().into());
        keyspace.set_custom_types(extensions.types.clone());
        Self {
            keyspace,
            clients: Clients::default(),
            persistence: Persistence::new(&config, dir, bio, spawner, &process, &seed, now),
            last_writes: LastWrites::default(),
            watch: WatchTable::default(),
            unit: None,
            effects: Effects::default(),
            keylog: KeyLog::default(),
            limits: crate::config::command_limits(&config),
            table: extensions.table,
            trash: Vec::new(),
            rng: fastrand::Rng::with_seed(rng_seed),
            now,
            started: now,
            stats: Stats::of(extensions.table),
            stopwatch,
            slowlog: SlowLog::default(),
            latency: LatencyMonitor::default(),
            slow_after_ns: crate::config::slow_after_ns(&config),
            log,
            config_file,
            process,
            exit: None,
            next_cron_us: now.mono_us,
            next_shrink_us: now.mono_us,
            active_expire: true,
            attack_logged_ms: None,
            stall_us: 0,
            memory_peak_bytes: 0,
            memory_startup_bytes: None,
            turn_started_ns: 0,
            pause: None,
            postponed: Vec::new(),
            waiters: Waiters::default(),
            growth_frozen: false,
            turn_wanted: false,
            next_expire_us: 0,
            expire_db: 0,
            shared_query: vec![0; query::READ_BYTES * 4],
            ready: Vec::new(),
            released: VecDeque::new(),
            holders: Vec::new(),
            released_upto: LogOffset(0),
            holders_changed: false,
            turn_scratch: Vec::new(),
            config,
        }
    }

    /// A digest of all keys, values and deadlines, those included whose time has come and that nothing has removed yet: the same
    /// for the same content, however it is stored.
    pub fn digest(&self) -> [u8; 20] {
        self.keyspace.digest()
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
        self.keyspace.set_clock(now.unix().into());
        self.keyspace.count_uses(self.uses_count());
        self.stopwatch.start();
        self.turn_started_ns = self.stopwatch.last_ns();
    }

    /// Whether the use of a key is noted: not while a child shares the memory, which every note would copy a page of.
    pub(crate) fn uses_count(&self) -> bool {
        !self.growth_frozen
    }

    /// Admits a client.
    ///
    /// # Errors
    /// The reply to send before closing the connection, if it is not admitted.
    pub fn connect(&mut self, peer: Peer) -> Result<ClientId, &'static [u8]> {
        if self.clients.len() >= self.config.maxclients as usize {
            self.stats.rejected_connections += 1;
            return Err(TOO_MANY_CLIENTS);
        }
        if self.config.protected_mode && self.config.requirepass.is_empty() && !peer.is_local() {
            self.stats.rejected_connections += 1;
            return Err(DENIED);
        }
        self.stats.connections_received += 1;
        Ok(self.clients.insert(peer, self.config.requirepass.is_empty(), self.now))
    }

    /// Forgets a client whose connection is gone: it loses its replies, not its writes.
    pub fn disconnect(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(id) {
            self.watch.forget(&client);
            match client.blocked {
                Blocked::No => {}
                Blocked::Postponed => self.postponed.retain(|waits| *waits != id),
                Blocked::Waiting(wait) => self.waiters.remove(id, wait),
            }
        }
    }

    /// Where to read the client's bytes into; `None` when it must not be read now. [`Engine::filled`] follows.
    pub fn query_spare(&mut self, id: ClientId) -> Option<&mut [u8]> {
        let client = self.clients.find(id)?;
        if !client.may_be_read() {
            return None;
        }
        if client.query.is_empty() {
            let room = if client.authenticated { self.shared_query.len() } else { query::READ_BYTES };
            return Some(&mut self.shared_query[..room]);
        }
        let limit = query_limit(&self.config, client);
        Some(client.query.spare(limit))
    }

    /// Whether the client's socket should be watched for input.
    pub fn wants_input(&self, id: ClientId) -> bool {
        self.clients.get(id).is_some_and(Client::may_be_read)
    }

    /// How long the owner is to do nothing before it goes on, in microseconds (DEBUG SLEEP); 0 as a rule. Asked after every
    /// [`Engine::filled`], so that no other client is served meanwhile.
    pub fn take_stall_us(&mut self) -> u64 {
        if self.stall_us == 0 {
            return 0;
        }
        self.stopwatch.wait_for_clock();
        std::mem::take(&mut self.stall_us)
    }

    /// Ends a turn: flushes the log, drives the rewrite, and releases the replies whose marks have passed.
    pub fn end_turn(&mut self) {
        self.settle_pause();
        self.drive_persistence();
        self.settle_waits();
        self.release_held();
        self.drop_trash();
        self.stats.turns += 1;
        self.stats.turns_ns += self.stopwatch.since(self.turn_started_ns);
    }

    /// Releases the held replies whose marks have passed. Nothing has changed for them while the mark stands where it stood:
    /// under `always` that is most turns, and many clients wait.
    fn release_held(&mut self) {
        let mark = self.reply_mark();
        let changed = std::mem::take(&mut self.holders_changed) || mark != self.released_upto;
        if self.holders.is_empty() || !changed {
            return;
        }
        self.released_upto = mark;
        let answered = std::mem::take(&mut self.ready);
        self.look_at_holders(mark);
        self.released.extend(self.ready.drain(..));
        self.ready = answered;
    }

    fn look_at_holders(&mut self, mark: LogOffset) {
        let mut holders = std::mem::replace(&mut self.holders, std::mem::take(&mut self.turn_scratch));
        for id in holders.drain(..) {
            let Some(mut client) = self.clients.check_out(id) else { continue };
            client.in_holders = false;
            client.out.release(|need| need <= mark);
            if client.paused && !self.must_pause(&mut client) {
                self.resume(&mut client);
            } else {
                self.after_requests(&mut client);
            }
            self.clients.check_in(client);
        }
        self.turn_scratch = holders;
    }

    /// Goes on with a client whose requests had to wait.
    pub(crate) fn resume(&mut self, client: &mut Client) {
        self.run_requests(client, 0);
        // It is to be read again, whether it has anything to send or not.
        if !client.in_ready {
            client.in_ready = true;
            self.ready.push(client.id);
        }
        self.after_requests(client);
    }

    /// Turns the held replies that depend on the bytes of a failed flush, which ends at `upto`, into errors.
    pub(crate) fn fail_held(&mut self, upto: LogOffset, error: &[u8]) {
        self.holders_changed = true;
        let mark = self.reply_mark();
        for id in &self.holders {
            if let Some(client) = self.clients.find(*id) {
                client.out.fail_held(|need| need > mark && need <= upto, error);
            }
        }
    }

    /// Moves all clients that have something to send, or are to be closed, into `out`: first those of
    /// [`take_answered`](Self::take_answered), then those of [`next_released`](Self::next_released).
    pub fn take_ready(&mut self, out: &mut Vec<ClientId>) {
        self.take_answered(out);
        out.extend(std::iter::from_fn(|| self.next_released()));
    }

    /// Moves the clients into `out` that have something to send, or are to be closed, and did not wait for the log.
    pub fn take_answered(&mut self, out: &mut Vec<ClientId>) {
        for id in self.ready.drain(..) {
            if let Some(client) = self.clients.find(id) {
                client.in_ready = false;
                out.push(id);
            }
        }
    }

    /// The next client whose replies waited for the log and may be sent: some microseconds more count less for it.
    pub fn next_released(&mut self) -> Option<ClientId> {
        while let Some(id) = self.released.pop_front() {
            if let Some(client) = self.clients.find(id) {
                client.in_ready = false;
                return Some(id);
            }
        }
        None
    }

    /// Whether [`next_released`](Self::next_released) may have one.
    pub fn has_released(&self) -> bool {
        !self.released.is_empty()
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
        if !client.authenticated {
            client.out.shrink();
        }
        // Who takes a long reply is not idle, and begins its soft seconds anew once little is left.
        let now_ms = self.now.mono_ms();
        client.active_ms = now_ms;
        let unsent = client.out.unsent_bytes() as u64;
        let limit = self.config.output_limit_normal;
        client.soft_limit_since_ms = limit.soft_since_ms(unsent, client.soft_limit_since_ms, now_ms);
        if client.paused && !client.in_holders {
            // Looked at again at the end of the next turn, which must come soon.
            client.in_holders = true;
            self.holders.push(id);
            self.holders_changed = true;
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

    /// Notes that something took `ms`, for LATENCY.
    pub(crate) fn note_latency(&mut self, event: &'static str, ms: u64) {
        let sample = Sample { unix_s: self.now.unix_s(), ms };
        self.latency.add(event, sample, self.config.latency_monitor_threshold_ms);
    }

    /// Drops large values in the background.
    fn drop_trash(&mut self) {
        for garbage in self.trash.drain(..) {
            self.stats.lazyfrees += 1;
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
