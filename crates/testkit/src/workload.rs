//! The MULTI workload: clients that write numbered transactions, pipelined, and record what was acknowledged.
//!
//! One thread a client. A batch goes out in one write, then its replies are read; a transaction counts as sent before the
//! first byte of its batch leaves, and as acked when its EXEC was answered with success. A client stops at the first
//! error reply or when the connection breaks: what follows has an unknown outcome.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::client::{Client, Pipeline};
use crate::history::{ClientRecord, Recovered};
use resp_codec::Value;

/// The commands of one transaction: MULTI, RPUSH, RPUSH, SET, EXEC.
const REQUESTS_PER_TRANSACTION: usize = 5;

/// The pause between transactions once a client has sent its fast part.
const SLOW_PAUSE: Duration = Duration::from_micros(500);

/// How a client loads the server.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The most transactions in one batch; each batch draws from 1 to this.
    pub max_batch: u64,
    /// The most bytes of padding in a payload; most payloads are far smaller.
    pub max_payload_bytes: usize,
    /// After so many acked transactions a client sends single ones with a pause between, so that the load goes on but the
    /// lists stay short enough to be read back.
    pub fast_transactions: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self { max_batch: 24, max_payload_bytes: 8 * 1024, fast_transactions: 1_500 }
    }
}

/// What is counted while the clients run.
#[derive(Debug, Default)]
struct Counters {
    stop: AtomicBool,
    acked: AtomicU64,
}

/// Running clients.
#[derive(Debug)]
pub struct Workload {
    counters: Arc<Counters>,
    clients: Vec<JoinHandle<Outcome>>,
}

/// How one client ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it sent and what was acknowledged.
    pub record: ClientRecord,
    /// The error reply that ended it, if one did.
    pub refused: Option<String>,
}

impl Workload {
    /// Starts one client per entry of `recovered`, each going on after the number given there.
    ///
    /// # Errors
    /// If a client cannot connect.
    pub fn start(address: SocketAddr, recovered: &[u64], shape: Shape, seed: u64) -> Result<Self> {
        let counters = Arc::new(Counters::default());
        let mut clients = Vec::new();
        for (id, &after) in recovered.iter().enumerate() {
            let mut writer = Writer {
                client: Client::connect(address)?,
                keys: Keys::of(id),
                shape,
                rng: fastrand::Rng::with_seed(seed ^ (id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                counters: Arc::clone(&counters),
                record: ClientRecord { recovered_before: after, acked: after, sent: after },
                padding: vec![b'.'; shape.max_payload_bytes],
            };
            let thread = std::thread::Builder::new().name(format!("writer-{id}"));
            clients.push(thread.spawn(move || writer.run()).context("a client's thread")?);
        }
        Ok(Self { counters, clients })
    }

    /// The transactions acknowledged so far, by all clients together.
    pub fn acked(&self) -> u64 {
        self.counters.acked.load(Ordering::Relaxed)
    }

    /// Asks every client to stop after its batch.
    pub fn stop(&self) {
        self.counters.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for all clients, which end when they are told to stop or when the server dies.
    ///
    /// # Errors
    /// If a client panicked.
    pub fn join(self) -> Result<Vec<Outcome>> {
        let ended = self.clients.into_iter().map(|c| c.join().map_err(|_| anyhow::anyhow!("a client panicked")));
        ended.collect()
    }
}

/// The keys of one client.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    left: String,
    right: String,
    payload: String,
}

impl Keys {
    pub(crate) fn of(id: usize) -> Self {
        Self { left: format!("a:{id}"), right: format!("b:{id}"), payload: format!("p:{id}") }
    }

    /// Appends transaction `n`, with `padding` in its payload.
    pub(crate) fn push_transaction(&self, pipeline: &mut Pipeline, n: u64, padding: &[u8]) {
        let number = n.to_string();
        let payload = [number.as_bytes(), b":", padding].concat();
        pipeline.push(&["MULTI"]);
        pipeline.push(&["RPUSH", &self.left, &number]);
        pipeline.push(&["RPUSH", &self.right, &number]);
        pipeline.push(&[b"SET", self.payload.as_bytes(), &payload]);
        pipeline.push(&["EXEC"]);
    }
}

/// Whether a key of database 0, as text, is one that this workload writes.
pub fn is_workload_key(key: &str) -> bool {
    matches!(key.split_once(':'), Some(("a" | "b" | "p", id)) if id.parse::<usize>().is_ok())
}

/// Reads the replies of one transaction: none if it was acknowledged, else the first error in them.
pub(crate) fn read_transaction(client: &mut Client) -> Result<Option<String>> {
    let mut refused = None;
    for _ in 0..REQUESTS_PER_TRANSACTION {
        let reply = client.receive()?;
        let inside = reply.as_items().unwrap_or_default();
        for value in inside.iter().chain([&reply]) {
            if let Value::Error(text) = value {
                refused.get_or_insert_with(|| String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    Ok(refused)
}

/// One client.
struct Writer {
    client: Client,
    keys: Keys,
    shape: Shape,
    rng: fastrand::Rng,
    counters: Arc<Counters>,
    record: ClientRecord,
    padding: Vec<u8>,
}

impl Writer {
    fn run(&mut self) -> Outcome {
        let mut pipeline = Pipeline::default();
        while !self.counters.stop.load(Ordering::Relaxed) {
            pipeline.clear();
            let batch = self.next_batch();
            for n in self.record.sent + 1..=self.record.sent + batch {
                self.push_transaction(&mut pipeline, n);
            }
            self.record.sent += batch;
            if self.client.send(&pipeline).is_err() {
                break;
            }
            for _ in 0..batch {
                match read_transaction(&mut self.client) {
                    Ok(None) => {
                        self.record.acked += 1;
                        self.counters.acked.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(refused) => return Outcome { record: self.record, refused },
                    Err(_) => return Outcome { record: self.record, refused: None },
                }
            }
        }
        Outcome { record: self.record, refused: None }
    }

    /// The size of the next batch; past the fast part, waits first.
    fn next_batch(&mut self) -> u64 {
        if self.record.acked - self.record.recovered_before < self.shape.fast_transactions {
            return self.rng.u64(1..=self.shape.max_batch);
        }
        std::thread::sleep(SLOW_PAUSE);
        1
    }

    fn push_transaction(&mut self, pipeline: &mut Pipeline, n: u64) {
        // One payload in sixteen is large, so that some writes are long and a kill can land inside one.
        let limit = if self.rng.u8(0..16) == 0 { self.shape.max_payload_bytes } else { 32 };
        let padding = self.rng.usize(0..=limit.min(self.padding.len()));
        self.keys.push_transaction(pipeline, n, &self.padding[..padding]);
    }
}

/// Reads back what the server holds of client number `id`.
///
/// # Errors
/// If the connection breaks or the server answers with an error.
pub fn read_back(client: &mut Client, id: usize) -> Result<Recovered> {
    let keys = Keys::of(id);
    let mut list = |key: &str| -> Result<Vec<Vec<u8>>> {
        let reply = client.expect(&["LRANGE", key, "0", "-1"])?;
        let Value::Array(items) = reply else { anyhow::bail!("LRANGE did not answer with an array") };
        items.into_iter().map(|v| Ok(v.as_bytes().context("a list item that is no string")?.to_vec())).collect()
    };
    let (left, right) = (list(&keys.left)?, list(&keys.right)?);
    let payload = client.expect(&["GET", &keys.payload])?.as_bytes().map(<[u8]>::to_vec);
    Ok(Recovered { left, right, payload })
}
