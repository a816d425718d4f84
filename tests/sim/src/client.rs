//! A simulated client: it pipelines operations on its own keys, splits their bytes over reads at random, and knows what
//! every reply must be. Now and then it asks with WAITAOF whether what it wrote would outlive a power cut.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::ClientId;
use resp_codec::{ReplyDecoder, Value, encode_command};

use crate::health::Health;
use crate::history::{History, Terms};
use crate::key::Key;
use crate::life::Shape;
use crate::model::{DATABASES, Dataset, Op};
use crate::reply::Reply;
use crate::server::{Policy, Server};

/// Operations that one client has under way at most.
const PIPELINE: usize = 6;

/// A request whose bytes are not all delivered.
#[derive(Debug)]
struct Queued {
    /// Where it ends in the stream of all requests.
    end: u64,
    /// Set with an operation's last request.
    op: Option<Op>,
    /// The timeout of a WAITAOF.
    wait_ms: Option<u64>,
    /// Whether a server that cannot write its log refuses it.
    writes: bool,
}

/// A reply that is owed.
#[derive(Debug)]
struct Owed {
    /// What it must be. `None`: an error, because the request was refused.
    value: Option<Reply>,
    /// The operation that it is the last reply of.
    nth: Option<usize>,
    /// It is that of a WAITAOF.
    wait: Option<Wait>,
    /// It is that of a GET.
    reads: bool,
    /// How many reasons for an error there had been when it was executed.
    reasons: u64,
}

impl Owed {
    /// What it must be, as a failure tells it.
    fn expected(&self) -> Option<Value> {
        self.value.as_ref().map(Reply::value)
    }
}

/// A WAITAOF that was executed.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// How many operations must be there for a `1` to be true.
    needs: usize,
    /// When it may answer `0`, monotonic milliseconds.
    until_ms: u64,
}

/// What a reply said that it must not.
#[derive(Debug)]
pub struct WrongReply {
    /// What it said.
    pub got: Value,
    /// What it had to say; `None` for an error.
    pub expected: Option<Value>,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It says something else than what was done.
    Content,
    /// It acknowledges what an fsync that had failed must have lost.
    AckAfterFailure,
    /// It is an error of the disk, and nothing has failed.
    ErrorWithoutReason,
    /// The server refuses writes, and nothing has failed.
    RefusalWithoutReason,
    /// Everything has healed, and the server still refuses writes.
    NeverHeals,
    /// Something that has to be there is not.
    Missing,
    /// More than one child runs.
    TwoChildren,
    /// A SHUTDOWN is refused, and nothing is wrong.
    GoesOn,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    id: ClientId,
    db: u32,
    number: u32,
    pushed: u64,
    unsent: Vec<u8>,
    encoded: u64,
    delivered: u64,
    queued: VecDeque<Queued>,
    owed: VecDeque<Owed>,
    /// A request of the operation being delivered was refused.
    spoiled: bool,
    /// How many operations there were after the last one of its own that changed anything.
    wrote_upto: usize,
    /// A WAITAOF is under way: nothing is sent behind it.
    waits: bool,
    decoder: ReplyDecoder,
    received: Vec<u8>,
}

impl Client {
    /// A client that goes on with what is in `dataset`; its number chooses its keys and its database.
    pub fn connect(server: &mut Server, number: u32, pushed: u64) -> Self {
        let mut client = Self {
            id: server.connect(),
            db: number % DATABASES,
            number,
            pushed,
            unsent: Vec::new(),
            encoded: 0,
            delivered: 0,
            queued: VecDeque::new(),
            owed: VecDeque::new(),
            spoiled: false,
            wrote_upto: 0,
            waits: false,
            decoder: ReplyDecoder::default(),
            received: Vec::new(),
        };
        let selected = server.ask_as(client.id, &["SELECT", &client.db.to_string()]);
        assert_eq!(selected, Value::Status(b"OK".to_vec()), "SELECT is always allowed");
        client.received.clear();
        client
    }

    /// Thinks of something to do, unless enough is under way.
    pub fn think(&mut self, rng: &mut fastrand::Rng, shape: Shape) {
        if self.waits || self.queued.len() + self.owed.len() >= PIPELINE || rng.u8(..3) > 0 {
            return;
        }
        for _ in 0..rng.u8(1..=3) {
            let op = self.choose(rng, shape);
            self.send(op);
        }
        if shape.wait_every > 0 && rng.u32(..shape.wait_every) == 0 {
            let wait_ms = rng.u64(1..3_000);
            let end = self.encode(&[b"WAITAOF", b"1", b"0", wait_ms.to_string().as_bytes()]);
            self.queued.push_back(Queued { end, op: None, wait_ms: Some(wait_ms), writes: false });
            self.waits = true;
        }
    }

    /// Appends the requests of an operation to what is to be sent.
    fn send(&mut self, op: Op) {
        op.requests(|request| {
            let writes = op.writes() && request[0] != b"MULTI";
            let end = self.encode(request);
            self.queued.push_back(Queued { end, op: None, wait_ms: None, writes });
        });
        if let Some(last) = self.queued.back_mut() {
            last.op = Some(op);
        }
    }

    /// Appends a request to what is to be sent; where it ends.
    fn encode(&mut self, request: &[&[u8]]) -> u64 {
        let before = self.unsent.len();
        encode_command(&mut self.unsent, request.iter().copied());
        self.encoded += (self.unsent.len() - before) as u64;
        self.encoded
    }

    fn choose(&mut self, rng: &mut fastrand::Rng, shape: Shape) -> Op {
        let clients = shape.clients;
        let key = Key::numbered;
        let mine = self.number;
        let scratch = |rng: &mut fastrand::Rng| key(rng.choice(*b"stn").unwrap_or(b's'), mine);
        match rng.u8(..16) {
            0..6 => {
                self.pushed += 1;
                Op::Transaction { left: key(b'a', mine), right: key(b'b', mine), n: self.pushed }
            }
            6 => Op::Fill { key: key(b'c', mine), n: self.pushed, times: rng.usize(1..40) },
            7 | 8 => Op::Set { key: key(b's', mine), text: text(rng, shape.long_values), px_ms: None },
            9 => Op::Set { key: key(b't', mine), text: text(rng, shape.long_values), px_ms: Some(lifetime_ms(rng)) },
            10 | 11 => Op::Incr { key: key(b'n', mine) },
            12 => Op::Pexpire { key: scratch(rng), ms: lifetime_ms(rng) },
            13 => Op::Del { key: scratch(rng) },
            // Another's key of the same database: what is shown to anybody must survive.
            _ => Op::Get { key: key(rng.choice(*b"stn").unwrap_or(b's'), neighbour(mine, clients, rng)) },
        }
    }

    /// Delivers some of the bytes and notes what the engine has executed by them.
    pub fn deliver(&mut self, server: &mut Server, rng: &mut fastrand::Rng, world: &mut World<'_>) {
        if self.unsent.is_empty() {
            return;
        }
        // Most of the time everything arrives at once.
        let n = if rng.u8(..4) == 0 { rng.usize(1..=self.unsent.len()) } else { self.unsent.len() };
        let n = server.deliver(self.id, &self.unsent[..n]);
        self.unsent.drain(..n);
        self.delivered += n as u64;
        while self.queued.front().is_some_and(|request| request.end <= self.delivered) {
            if let Some(request) = self.queued.pop_front() {
                match request.wait_ms {
                    Some(wait_ms) => {
                        let wait = Wait { needs: self.wrote_upto, until_ms: server.now.mono_ms() + wait_ms };
                        let reasons = world.health.reasons();
                        self.owed.push_back(Owed { value: None, nth: None, wait: Some(wait), reads: false, reasons });
                    }
                    None => self.arrived(request, world),
                }
            }
        }
    }

    /// Whether a read was executed whose reply the server holds back.
    pub fn has_held_read(&self, server: &mut Server) -> bool {
        let reads = self.owed.iter().any(|owed| owed.reads);
        reads && server.engine.sendable(self.id).is_empty()
    }

    fn arrived(&mut self, request: Queued, world: &mut World<'_>) {
        let refused = world.health.is_refusing() && request.writes;
        let reasons = world.health.reasons();
        self.spoiled |= refused;
        let Some(op) = request.op else {
            let value = if refused { None } else { Some(if request.writes { Reply::Queued } else { Reply::Ok }) };
            return self.owed.push_back(Owed { value, nth: None, wait: None, reads: false, reasons });
        };
        if std::mem::take(&mut self.spoiled) {
            return self.owed.push_back(Owed { value: None, nth: None, wait: None, reads: false, reasons });
        }
        let reads = matches!(op, Op::Get { .. });
        let done = world.dataset.apply(self.db, &op, world.terms.unix_ms);
        let nth = world.history.execute(self.db, op, world.terms, done.changed);
        if done.changed {
            self.wrote_upto = nth + 1;
        }
        self.owed.push_back(Owed { value: Some(done.reply), nth: Some(nth), wait: None, reads, reasons });
    }

    /// Takes some of what the server sends and judges it. Returns how many operations were answered with an error of the disk.
    ///
    /// # Errors
    /// If a reply is not what it must be.
    pub fn receive(
        &mut self,
        server: &mut Server,
        rng: &mut fastrand::Rng,
        history: &mut History,
        health: &Health,
        policy: Option<Policy>,
    ) -> Result<usize, WrongReply> {
        let mut failed = 0;
        let most = if rng.u8(..4) == 0 { rng.usize(1..64) } else { usize::MAX };
        server.collect_into(self.id, most, &mut self.received);
        while let Ok(Some((got, consumed))) = self.decoder.decode(&self.received) {
            self.received.drain(..consumed);
            let Some(owed) = self.owed.pop_front() else {
                return Err(WrongReply { got, expected: None, wrong: Wrong::Content });
            };
            let is_error_of_disk = matches!(&got, Value::Error(text) if text.starts_with(b"MISCONF Errors writing"));
            if owed.nth.is_some() && is_error_of_disk && !health.explains_error(owed.reasons) {
                return Err(WrongReply { got, expected: owed.expected(), wrong: Wrong::ErrorWithoutReason });
            }
            if let Some(wait) = owed.wait {
                self.waits = false;
                judge_wait(got, wait, server.now.mono_ms(), history, policy.is_some())?;
                continue;
            }
            failed += usize::from(!judge(got, &owed, server.now.mono_ms(), history, policy)?);
        }
        Ok(failed)
    }
}

/// Judges one reply; a success acknowledges its operation. Whether it was one.
fn judge(
    got: Value,
    owed: &Owed,
    mono_ms: u64,
    history: &mut History,
    policy: Option<Policy>,
) -> Result<bool, WrongReply> {
    let Value::Error(text) = &got else {
        if !owed.value.as_ref().is_some_and(|value| value.is(&got)) {
            return Err(WrongReply { got, expected: owed.expected(), wrong: Wrong::Content });
        }
        if let Some(nth) = owed.nth {
            history.acknowledge(nth, mono_ms, policy);
            if history.executed[nth].hopeless && policy.is_some() {
                return Err(WrongReply { got, expected: None, wrong: Wrong::AckAfterFailure });
            }
        }
        return Ok(true);
    };
    let refused = text.starts_with(b"MISCONF Errors writing") || text.starts_with(b"EXECABORT");
    // An error for what was executed: its outcome is unknown, or it would have had to wait for such a one.
    let unknown = owed.nth.is_some() && text.starts_with(b"MISCONF Errors writing");
    if owed.value.is_none() && refused || unknown {
        return Ok(false);
    }
    Err(WrongReply { got, expected: owed.expected(), wrong: Wrong::Content })
}

/// Judges the reply of a WAITAOF: a `1` is a promise whatever the policy, a `0` comes when the time is over.
fn judge_wait(got: Value, wait: Wait, mono_ms: u64, history: &mut History, log_is_on: bool) -> Result<(), WrongReply> {
    let reply = |local| Value::Array(vec![Value::Integer(local), Value::Integer(0)]);
    if got == reply(1) {
        history.promise(wait.needs);
        return Ok(());
    }
    let is_off = matches!(&got, Value::Error(text) if text.starts_with(b"ERR WAITAOF cannot be used"));
    if is_off && !log_is_on {
        return Ok(());
    }
    if got == reply(0) && mono_ms >= wait.until_ms {
        return Ok(());
    }
    Err(WrongReply { got, expected: Some(reply(1)), wrong: Wrong::Content })
}

/// What the clients change.
pub struct World<'a> {
    /// The dataset as the server must have it.
    pub dataset: &'a mut Dataset,
    /// What was executed.
    pub history: &'a mut History,
    /// What is true of the turn.
    pub terms: Terms,
    /// Whether the server takes writes.
    pub health: &'a Health,
}

/// A value: short, or as long as a few sectors, so that a hole may lie inside of it.
fn text(rng: &mut fastrand::Rng, long: bool) -> Arc<str> {
    let number = rng.u32(..).to_string();
    if long && rng.u8(..4) == 0 { number.repeat(rng.usize(20..300)).into() } else { number.into() }
}

/// How long a key lives: mostly too short to see the end of the run.
fn lifetime_ms(rng: &mut fastrand::Rng) -> i64 {
    if rng.u8(..4) == 0 { rng.i64(10_000..100_000_000) } else { rng.i64(1..2_000) }
}

/// A client of the same database, perhaps the same one.
fn neighbour(number: u32, clients: u32, rng: &mut fastrand::Rng) -> u32 {
    let steps = clients.saturating_sub(number % DATABASES).div_ceil(DATABASES).max(1);
    number % DATABASES + DATABASES * rng.u32(..steps)
}
