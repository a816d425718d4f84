//! Clients that go on whatever they are answered: for servers that are to refuse writes and to resume.
//!
//! Each sends the transactions of [`workload`](crate::workload), one at a time, and notes when it asked and what it was
//! answered. A transaction that was refused before it ran is sent again; one that ran and was answered with an error is not,
//! as the server holds it. So what survives is judged as for any other client, by [`history`](crate::history).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::client::{Client, Pipeline};
use crate::history::ClientRecord;
use crate::workload::{Keys, read_transaction};

/// What an error says of a command that ran though it is not on disk.
const EXECUTED: &str = "The command was executed";

/// What a transaction was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// With success.
    Acked,
    /// With an error, though the server holds it.
    Executed(String),
    /// With an error; the server does not hold it.
    Refused(String),
}

impl Verdict {
    /// Reads the error in a reply, if there was one.
    pub fn of(error: Option<String>) -> Self {
        match error {
            None => Self::Acked,
            Some(text) if text.contains(EXECUTED) => Self::Executed(text),
            Some(text) => Self::Refused(text),
        }
    }
}

/// One transaction and its answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Before its first byte was sent.
    pub asked: Instant,
    /// When its last reply was there.
    pub answered: Instant,
    /// What the replies say.
    pub verdict: Verdict,
}

/// How a client ended.
#[derive(Clone, Debug)]
pub struct SteadyOutcome {
    /// What it sent and what was acknowledged.
    pub record: ClientRecord,
    /// Everything it was answered, in order.
    pub answers: Vec<Answer>,
}

/// What is seen of the clients while they run.
#[derive(Debug, Default)]
struct Counters {
    stop: AtomicBool,
    acked: AtomicU64,
    errors: AtomicU64,
}

/// Running clients.
#[derive(Debug)]
pub struct Steady {
    counters: Arc<Counters>,
    clients: Vec<JoinHandle<SteadyOutcome>>,
}

impl Steady {
    /// Starts `clients` clients on a server that holds nothing of theirs, each with a pause between its transactions.
    ///
    /// # Errors
    /// If one cannot connect.
    pub fn start(address: SocketAddr, clients: usize, pause: Duration) -> Result<Self> {
        let counters = Arc::new(Counters::default());
        let start = |id| {
            let (mut client, counters) = (SteadyClient::connect(address, id)?, Arc::clone(&counters));
            let thread = std::thread::Builder::new().name(format!("steady-{id}"));
            thread.spawn(move || run(&mut client, &counters, pause)).context("a client's thread")
        };
        let clients = (0..clients).map(start).collect::<Result<_>>()?;
        Ok(Self { counters, clients })
    }

    /// The transactions acknowledged so far, by all clients together.
    pub fn acked(&self) -> u64 {
        self.counters.acked.load(Ordering::Relaxed)
    }

    /// The transactions answered with an error so far, by all clients together.
    pub fn errors(&self) -> u64 {
        self.counters.errors.load(Ordering::Relaxed)
    }

    /// Asks every client to stop after its transaction.
    pub fn stop(&self) {
        self.counters.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for all clients, which end when they are told to stop or when the server dies.
    ///
    /// # Errors
    /// If a client panicked.
    pub fn join(self) -> Result<Vec<SteadyOutcome>> {
        let ended = self.clients.into_iter().map(|c| c.join().map_err(|_| anyhow::anyhow!("a client panicked")));
        ended.collect()
    }
}

fn run(client: &mut SteadyClient, counters: &Counters, pause: Duration) -> SteadyOutcome {
    let mut answers = Vec::new();
    while !counters.stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let Ok(verdict) = client.ask() else { break };
        let counter = if verdict == Verdict::Acked { &counters.acked } else { &counters.errors };
        counter.fetch_add(1, Ordering::Relaxed);
        answers.push(Answer { asked, answered: Instant::now(), verdict });
        std::thread::sleep(pause);
    }
    SteadyOutcome { record: client.record, answers }
}

/// One client, that is told when to ask.
#[derive(Debug)]
pub struct SteadyClient {
    client: Client,
    keys: Keys,
    pipeline: Pipeline,
    next: u64,
    record: ClientRecord,
}

impl SteadyClient {
    /// Connects client number `id` to a server that holds nothing of it.
    ///
    /// # Errors
    /// If nothing accepts there.
    pub fn connect(address: SocketAddr, id: usize) -> Result<Self> {
        Self::connect_after(address, id, 0)
    }

    /// Connects client number `id` to a server that holds its transactions up to `held`.
    ///
    /// # Errors
    /// If nothing accepts there.
    pub fn connect_after(address: SocketAddr, id: usize, held: u64) -> Result<Self> {
        let (client, keys) = (Client::connect(address)?, Keys::of(id));
        let record = ClientRecord { recovered_before: held, acked: held, sent: held };
        Ok(Self { client, keys, pipeline: Pipeline::default(), next: held + 1, record })
    }

    /// What it sent and what was acknowledged.
    pub fn record(&self) -> ClientRecord {
        self.record
    }

    /// Sends the next transaction, or again one that was refused, and returns what it was answered.
    ///
    /// # Errors
    /// If the connection breaks: what became of the transaction is then unknown.
    pub fn ask(&mut self) -> Result<Verdict> {
        self.pipeline.clear();
        self.keys.push_transaction(&mut self.pipeline, self.next, b"");
        self.record.sent = self.next;
        self.client.send(&self.pipeline)?;
        let verdict = Verdict::of(read_transaction(&mut self.client)?);
        if verdict == Verdict::Acked {
            self.record.acked = self.next;
        }
        if !matches!(verdict, Verdict::Refused(_)) {
            self.next += 1;
        }
        Ok(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_whether_the_server_holds_the_transaction() {
        let refused = "MISCONF Errors writing to the AOF file: No space left on device".to_owned();
        let executed = format!("{refused}. The command was executed but is not on disk");
        assert_eq!(Verdict::of(Some(refused.clone())), Verdict::Refused(refused));
        assert_eq!(Verdict::of(Some(executed.clone())), Verdict::Executed(executed));
        assert_eq!(Verdict::of(None), Verdict::Acked);
    }
}
