//! Clients as the engine knows them: an id, buffers, and the state of a session. No socket.

pub(crate) mod output;
pub(crate) mod query;

use aof_state::LogOffset;
use keyspace::KeyHash;
use resp_codec::{OwnedArgs, Protocol};

use crate::clock::Now;
pub use output::Output;
pub use query::Query;

/// Names a client for as long as it is connected. Ids are never reused; they grow from 1 as Redis's do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId {
    /// The number that CLIENT ID shows.
    pub number: u64,
    slot: u32,
}

/// How a client came in, as CLIENT LIST shows it.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// `ip:port`, or the path of the Unix socket with `:0`.
    pub addr: String,
    /// The same of our end.
    pub laddr: String,
    /// The descriptor, for `fd=`; -1 where there is none.
    pub fd: i32,
    /// Whether it came through the Unix socket.
    pub unix_socket: bool,
}

impl Peer {
    /// Whether it came from the same machine.
    pub(crate) fn is_local(&self) -> bool {
        let loopback = |a: std::net::SocketAddr| a.ip().to_canonical().is_loopback();
        self.unix_socket || self.addr.parse().is_ok_and(loopback)
    }
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// Replies are sent.
    #[default]
    On,
    /// No reply is sent.
    Off,
    /// The reply of the next command is not sent.
    SkipNext,
    /// The reply of this command is not sent.
    SkipThis,
}

impl ReplyMode {
    /// A request begins: the one after CLIENT REPLY SKIP is not answered, the one after that is.
    pub(crate) fn next_request(&mut self) {
        match self {
            Self::SkipNext => *self = Self::SkipThis,
            Self::SkipThis => *self = Self::On,
            Self::On | Self::Off => {}
        }
    }
}

/// A command waiting for EXEC.
#[derive(Debug)]
pub struct Queued {
    /// Its entry in the table.
    pub command: &'static commands::Command,
    /// Its request.
    pub args: OwnedArgs,
}

/// An open MULTI.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The commands, in order.
    pub queue: Vec<Queued>,
    /// A command was refused while queuing: EXEC answers EXECABORT.
    pub refused: bool,
    /// Whether one of them writes.
    pub writes: bool,
    /// Bytes held by the queue.
    pub bytes: usize,
}

/// A key under WATCH.
#[derive(Debug)]
pub struct Watched {
    /// Its database.
    pub db: u32,
    /// Its name.
    pub key: Box<[u8]>,
    /// Its hash.
    pub hash: KeyHash,
    /// It was there when WATCH was called, and not past its deadline: its expiry or removal is a change.
    pub present: bool,
}

/// Why a client's next request is not run yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// It is run as it comes.
    #[default]
    No,
    /// It waits for the end of CLIENT PAUSE.
    Postponed,
    /// The one before it, WAIT or WAITAOF, is not answered.
    Waiting(Wait),
}

/// What a client waits for that sent WAIT or WAITAOF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// Who must have its writes.
    pub(crate) what: WaitFor,
    /// Where the effects of its last write end in the log.
    pub(crate) upto: LogOffset,
    /// When it is answered at the latest, monotonic microseconds; `None` is never.
    pub(crate) until_us: Option<u64>,
}

/// Who must have a client's writes before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// Replicas (WAIT).
    Replicas,
    /// Logs (WAITAOF).
    Files {
        /// Ours.
        local: bool,
        /// Those of replicas.
        replicas: bool,
    },
}

impl Wait {
    /// Whether it needs a log of ours.
    pub(crate) fn is_for_log(&self) -> bool {
        matches!(self.what, WaitFor::Files { local: true, .. })
    }

    /// Whether our log alone can answer it.
    pub(crate) fn is_answered_by_log(&self) -> bool {
        self.what == WaitFor::Files { local: true, replicas: false }
    }
}

/// Why and when a client is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closing {
    /// Not at all.
    #[default]
    No,
    /// When everything it is owed has been sent.
    AfterReplies,
    /// At once.
    Now,
}

/// One connected client.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent marks of membership in the engine's lists")]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Where it comes from.
    pub peer: Peer,
    /// CLIENT SETNAME.
    pub name: String,
    /// CLIENT SETINFO LIB-NAME and LIB-VER.
    pub lib: [String; 2],
    /// The selected database.
    pub db: u32,
    /// RESP2 or RESP3.
    pub proto: Protocol,
    /// Whether it may run commands other than AUTH, HELLO, QUIT and RESET.
    pub authenticated: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// The open MULTI, if any.
    pub transaction: Option<Transaction>,
    /// Keys under WATCH.
    pub watched: Vec<Watched>,
    /// Memory of `watched` and of what the table of all watched keys has for it, in bytes.
    pub(crate) watched_bytes: usize,
    /// A watched key changed.
    pub watch_broken: bool,
    /// Whether and when it is closed.
    pub closing: Closing,
    /// When it connected, monotonic milliseconds.
    pub connected_ms: u64,
    /// When it last sent something, monotonic milliseconds.
    pub active_ms: u64,
    /// The last command it ran.
    pub last_command: &'static str,
    /// Query buffer.
    pub query: Query,
    /// Output buffer.
    pub out: Output,
    /// It stands in the engine's list of clients with something to send.
    pub(crate) in_ready: bool,
    /// It stands in the engine's list of clients with held replies.
    pub(crate) in_holders: bool,
    /// Its requests wait until held replies leave.
    pub(crate) paused: bool,
    /// Why its next request is not run yet.
    pub(crate) blocked: Blocked,
    /// Where the effects of its last write end in the log.
    pub(crate) fed_upto: LogOffset,
    /// When it passed the soft limit of its output buffer, monotonic milliseconds.
    pub(crate) soft_limit_since_ms: Option<u64>,
}

impl Client {
    fn new(id: ClientId, peer: Peer, authenticated: bool, now: Now) -> Self {
        Self {
            id,
            peer,
            name: String::new(),
            lib: [String::new(), String::new()],
            db: 0,
            proto: Protocol::Resp2,
            authenticated,
            no_evict: false,
            no_touch: false,
            reply_mode: ReplyMode::On,
            transaction: None,
            watched: Vec::new(),
            watched_bytes: 0,
            watch_broken: false,
            closing: Closing::No,
            connected_ms: now.mono_ms(),
            active_ms: now.mono_ms(),
            last_command: "NULL",
            query: Query::default(),
            out: Output::default(),
            in_ready: false,
            in_holders: false,
            paused: false,
            blocked: Blocked::No,
            fed_upto: LogOffset(0),
            soft_limit_since_ms: None,
        }
    }

    /// Whether its socket is to be read.
    pub(crate) fn may_be_read(&self) -> bool {
        !self.paused && self.blocked == Blocked::No && self.closing == Closing::No
    }

    /// What its MULTI queue and the keys that it watches hold, in bytes.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.transaction.as_ref().map_or(0, |t| t.bytes) + self.watched_bytes
    }

    /// Memory it holds, in bytes, the struct included.
    pub fn memory_bytes(&self) -> usize {
        let texts = [&self.name, &self.lib[0], &self.lib[1], &self.peer.addr, &self.peer.laddr];
        size_of::<Self>()
            + self.query.memory_bytes()
            + self.out.memory_bytes()
            + self.queued_bytes()
            + texts.map(String::capacity).iter().sum::<usize>()
    }

    /// Gives back what its buffers keep for what comes next.
    pub(crate) fn shrink(&mut self) {
        self.out.shrink();
        if self.query.is_empty() && !self.query.decoder.is_partial() {
            self.query = Query::default();
        }
    }
}

/// The connected clients.
#[derive(Debug, Default)]
pub struct Clients {
    slots: Vec<Option<Box<Client>>>,
    free: Vec<u32>,
    last_number: u64,
}

impl Clients {
    /// Admits a client.
    pub fn insert(&mut self, peer: Peer, authenticated: bool, now: Now) -> ClientId {
        self.last_number += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer clients than 2^32")
        });
        let id = ClientId { number: self.last_number, slot };
        self.slots[slot as usize] = Some(Box::new(Client::new(id, peer, authenticated, now)));
        id
    }

    /// Forgets a client.
    pub fn remove(&mut self, id: ClientId) -> Option<Box<Client>> {
        self.find(id)?;
        self.free.push(id.slot);
        self.slots[id.slot as usize].take()
    }

    /// Takes a client out while its requests run, so that it and the engine can be borrowed apart; [`Clients::check_in`]
    /// must follow. Meanwhile it is found by nobody.
    pub(crate) fn check_out(&mut self, id: ClientId) -> Option<Box<Client>> {
        self.find(id)?;
        self.slots[id.slot as usize].take()
    }

    /// Puts a client back that was checked out.
    pub(crate) fn check_in(&mut self, client: Box<Client>) {
        let slot = &mut self.slots[client.id.slot as usize];
        assert!(slot.is_none(), "a checked-out client's slot stays free");
        *slot = Some(client);
    }

    /// The client, if it is still connected.
    pub fn find(&mut self, id: ClientId) -> Option<&mut Client> {
        self.slots.get_mut(id.slot as usize)?.as_deref_mut().filter(|c| c.id == id)
    }

    /// All clients, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.slots.iter_mut().filter_map(|c| c.as_deref_mut())
    }

    /// The client, if it is still connected.
    pub fn get(&self, id: ClientId) -> Option<&Client> {
        self.slots.get(id.slot as usize)?.as_deref().filter(|c| c.id == id)
    }

    /// All clients, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.slots.iter().filter_map(|c| c.as_deref())
    }

    /// The number connected.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
