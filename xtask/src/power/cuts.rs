//! Power cuts under many clients: a server over a mounted disk, transactions at full speed, and the power goes at any operation
//! of its life, its start included. What is left is the next server's disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use powerfs::{Disk, Handle, Mode, NameRule};
use testkit::history::{self, ClientRecord};
use testkit::steady::{SteadyClient, Verdict};
use testkit::workload::read_back;
use testkit::{ServerBuilder, ServerProcess};

use super::allowed::{Ack, LogSyncs, Moment, must_hold};
use super::record::{Home, START_BOUND};
use super::{Options, policies, wanted_runs};
use crate::crash::{Policy, mix};
use crate::parallel;

/// How many cuts follow each other over one directory.
const RUNS_PER_SESSION: usize = 10;
/// One cut with `everysec` for so many with `always`: it has to be loaded for seconds to mean something.
const ALWAYS_PER_EVERYSEC: usize = 5;
/// How many sessions run side by side; they mostly wait.
const JOBS: usize = 4;
/// How many clients write.
const CLIENTS: usize = 6;

/// What a session did.
#[derive(Debug, Default)]
struct Tally {
    cuts: usize,
    acked: u64,
    /// Acknowledged transactions that are gone, whether they may be or not.
    lost: u64,
    oldest_lost: Duration,
    in_start: usize,
    findings: Vec<String>,
}

/// Runs the cuts and returns how many sessions broke a promise.
pub(super) fn run(binary: &Path, options: &Options, seed: u64) -> Result<usize> {
    let mut sessions = Vec::new();
    for policy in policies(options.policy).into_iter().filter(|policy| *policy != Policy::No) {
        let runs = match policy {
            Policy::Always => wanted_runs(options),
            _ => wanted_runs(options).div_ceil(ALWAYS_PER_EVERYSEC),
        };
        let per_session = if policy == Policy::Always { RUNS_PER_SESSION } else { RUNS_PER_SESSION / 2 };
        for first in (0..runs).step_by(per_session) {
            let seed = mix(seed, sessions.len() as u64);
            sessions.push(Session { binary, policy, seed, runs: per_session.min(runs - first) });
        }
    }
    let tallies = parallel::map(JOBS, &sessions, Session::run);
    let mut sums: BTreeMap<Policy, Tally> = BTreeMap::new();
    let mut broken = 0;
    for (session, tally) in sessions.iter().zip(tallies) {
        let tally = tally.unwrap_or_else(|e| Tally { findings: vec![format!("{e:#}")], ..Tally::default() });
        for finding in &tally.findings {
            println!("  FAILED: cuts under {}, session seed {:#x}: {finding}", session.policy.name(), session.seed);
        }
        broken += usize::from(!tally.findings.is_empty());
        let sum = sums.entry(session.policy).or_default();
        sum.cuts += tally.cuts;
        sum.acked += tally.acked;
        sum.lost += tally.lost;
        sum.in_start += tally.in_start;
        sum.oldest_lost = sum.oldest_lost.max(tally.oldest_lost);
    }
    for (policy, sum) in sums {
        println!(
            "cuts under {CLIENTS} clients, {}: {}, {} of them during a start; {} transactions acknowledged, {} lost, the oldest {:.2} s before the cut",
            policy.name(),
            sum.cuts,
            sum.in_start,
            sum.acked,
            sum.lost,
            sum.oldest_lost.as_secs_f64(),
        );
    }
    Ok(broken)
}

/// Cuts over one directory.
#[derive(Debug)]
struct Session<'a> {
    binary: &'a Path,
    policy: Policy,
    seed: u64,
    runs: usize,
}

/// What one client noted.
#[derive(Clone, Debug, Default)]
struct Notes {
    /// What it had before, for the judge.
    before: ClientRecord,
    /// Before each transaction: how many operations there were.
    asked: Vec<u64>,
    /// After it, if it was acknowledged.
    acked: Vec<Ack>,
}

/// What a run leaves to the next: a disk, and what each client may ask for.
struct Left {
    disk: Disk,
    notes: Vec<Notes>,
    syncs: LogSyncs,
    moment: Moment,
    mode: Mode,
}

impl Session<'_> {
    fn run(&self) -> Result<Tally> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut tally = Tally::default();
        let now = Instant::now();
        let mut left = Left {
            disk: Disk::default(),
            notes: vec![Notes::default(); CLIENTS],
            syncs: LogSyncs::default(),
            moment: Moment { position: 0, at: now },
            mode: Mode::Strict,
        };
        for number in 0..=self.runs {
            let last = number == self.runs;
            left = self.life(left, &mut rng, last, &mut tally).with_context(|| format!("cut {number}"))?;
            if !tally.findings.is_empty() {
                break;
            }
        }
        Ok(tally)
    }

    /// One server's life: it is judged, loaded and killed, and the power cut at some operation of it.
    fn life(&self, left: Left, rng: &mut fastrand::Rng, last: bool, tally: &mut Tally) -> Result<Left> {
        let home = Home::new(left.disk.clone())?;
        let handle = home.mounted.handle().clone();
        let delay_ms = [0, 1, 5, if self.policy == Policy::Everysec { 300 } else { 20 }][rng.usize(..4)];
        handle.set_sync_delay(Duration::from_millis(delay_ms));
        let mut server = self.builder(home.path()).start()?;
        let served = handle.position();
        let before = self.judge(&server, &left, tally)?;
        if last || !tally.findings.is_empty() {
            server.kill_family()?;
            home.unmount()?;
            return Ok(left);
        }
        let notes = self.load(&mut server, &handle, &before, rng)?;
        let recording = home.unmount()?;
        let end = Instant::now();
        let records = recording.records.len();
        // One cut in four falls into the start, which makes fewer operations than the load.
        let position =
            if rng.u8(..4) == 0 { rng.usize(..=records.min(usize::try_from(served)?)) } else { rng.usize(..=records) };
        let mode = Mode::ALL[rng.usize(1..4)];
        let disk = recording.disk_after(position).cut(mode, NameRule::ALL[rng.usize(..2)], rng);
        let moment = Moment::before(&recording.records, position, end);
        tally.cuts += 1;
        tally.in_start += usize::from(moment.position < served);
        tally.acked +=
            notes.iter().map(|n| n.acked.iter().filter(|a| a.position <= moment.position).count() as u64).sum::<u64>();
        // Before it served again, nothing more was promised than what the last one had to keep.
        let notes = match moment.position < served {
            true => left.notes.iter().zip(&before).map(|(old, now)| old.unserved(now, self, &left)).collect(),
            false => notes,
        };
        Ok(Left { disk, notes, syncs: LogSyncs::of(&recording), moment, mode })
    }

    fn builder(&self, home: &Path) -> ServerBuilder {
        ServerBuilder::new(self.binary, home)
            .directive("appendonly", "yes")
            .directive("appendfsync", self.policy.name())
            .directive("auto-aof-rewrite-percentage", "0")
            .start_bound(START_BOUND)
    }

    /// Compares what the server shows with what must be there, and returns what each client begins with.
    fn judge(&self, server: &ServerProcess, left: &Left, tally: &mut Tally) -> Result<Vec<ClientRecord>> {
        let mut control = server.client()?;
        let mut begin = Vec::new();
        for (client, notes) in left.notes.iter().enumerate() {
            let record = notes.record(self.policy, left);
            match history::check(&record, &read_back(&mut control, client)?) {
                Ok(m) => {
                    let acks = notes.acked.iter().filter(|ack| ack.position <= left.moment.position);
                    let kept = usize::try_from(m.saturating_sub(notes.before.acked))?;
                    let mut lost = acks.skip(kept).peekable();
                    let oldest = lost.peek().map(|ack| left.moment.at.saturating_duration_since(ack.at));
                    tally.oldest_lost = tally.oldest_lost.max(oldest.unwrap_or_default());
                    tally.lost += lost.count() as u64;
                    begin.push(ClientRecord { recovered_before: m, acked: m, sent: m });
                }
                Err(broken) => {
                    let told = |violation| format!("client {client}: {violation} ({})", left.mode.name());
                    tally.findings.extend(broken.iter().map(told));
                }
            }
        }
        Ok(begin)
    }

    /// Lets clients write for a while, and kills the server under them.
    fn load(
        &self,
        server: &mut ServerProcess,
        handle: &Handle,
        before: &[ClientRecord],
        rng: &mut fastrand::Rng,
    ) -> Result<Vec<Notes>> {
        let (stop, address) = (AtomicBool::new(false), server.address());
        let millis = if self.policy == Policy::Always { rng.u64(40..250) } else { rng.u64(900..2_600) };
        let rewrite_after = rng.bool().then(|| Duration::from_millis(rng.u64(..millis)));
        let mut control = server.client()?;
        std::thread::scope(|scope| {
            let clients: Vec<_> = before
                .iter()
                .enumerate()
                .map(|(id, record)| {
                    let client = SteadyClient::connect_after(address, id, record.acked);
                    let stop = &stop;
                    scope.spawn(move || write(client?, *record, handle, stop))
                })
                .collect();
            let begin = Instant::now();
            if let Some(after) = rewrite_after {
                std::thread::sleep(after);
                control.expect(&["BGREWRITEAOF"])?;
            }
            std::thread::sleep(Duration::from_millis(millis).saturating_sub(begin.elapsed()));
            server.kill_family()?;
            stop.store(true, Ordering::Relaxed);
            clients.into_iter().map(|client| client.join().map_err(|_| anyhow::anyhow!("a client panicked"))?).collect()
        })
    }
}

impl Notes {
    /// What the judge may ask for after a crash.
    fn record(&self, policy: Policy, left: &Left) -> ClientRecord {
        let holds = |ack: &&Ack| must_hold(**ack, left.moment, policy, left.mode, &left.syncs);
        let acked = self.before.acked + self.acked.iter().filter(holds).count() as u64;
        let sent = self.asked.iter().filter(|asked| **asked <= left.moment.position).count() as u64;
        ClientRecord { acked, sent: self.before.sent + sent, ..self.before }
    }

    /// The notes after a crash before the server served again: what had to be there still has to, and what was, may be.
    fn unserved(&self, shown: &ClientRecord, session: &Session<'_>, left: &Left) -> Self {
        let record = self.record(session.policy, left);
        let acked = record.acked.min(shown.acked);
        let before = ClientRecord { recovered_before: 0, acked, sent: record.sent.max(acked) };
        Self { before, ..Self::default() }
    }
}

/// One client, until the server dies.
fn write(mut client: SteadyClient, before: ClientRecord, handle: &Handle, stop: &AtomicBool) -> Result<Notes> {
    let mut notes = Notes { before, ..Notes::default() };
    while !stop.load(Ordering::Relaxed) {
        notes.asked.push(handle.position());
        match client.ask() {
            Ok(Verdict::Acked) => notes.acked.push(Ack { position: handle.position(), at: Instant::now() }),
            Ok(refused) => ensure!(false, "a write was refused without a fault: {refused:?}"),
            Err(_) => break,
        }
    }
    Ok(notes)
}
