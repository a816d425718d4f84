//! A server whose disk, clock, background and children do nothing until a test says so.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bio::{Bio, Completion, InlineBio, Job, JobId, Kind};
use child::sim::SimChildren;
use engine::{ClientId, Config, ConfigFile, Engine, Env, Extensions, MemoryLog, Now, Peer, Process, StartError};
use resp_codec::encode_command;
use vfs::sim::{Call, Fault, Rule, SimDisk};

pub(crate) const DIR: &str = "/data";
pub(crate) const LOG: &str = "appendonly.aof";

/// For how many clients the system has descriptors.
pub(crate) const CLIENTS_ALLOWED: u32 = 12_000;

/// A process that lives and is none of ours.
pub(crate) const OTHERS_PID: u32 = 777;

/// The boot of the machine that tests start on.
pub(crate) const BOOT: u8 = 1;

/// Background threads that a test steps.
#[derive(Clone, Default)]
pub(crate) struct Threads(Rc<RefCell<InlineBio>>);

impl Bio for Threads {
    fn submit(&mut self, kind: Kind, job: Job) -> JobId {
        self.0.borrow_mut().submit(kind, job)
    }

    fn poll(&mut self, out: &mut Vec<Completion>) {
        self.0.borrow_mut().poll(out);
    }

    fn pending(&self, kind: Kind) -> usize {
        self.0.borrow().pending(kind)
    }

    fn release(&mut self, kind: Kind, id: JobId) {
        self.0.borrow_mut().release(kind, id);
    }

    fn drain(&mut self, kind: Kind) {
        self.0.borrow_mut().drain(kind);
    }
}

thread_local! {
    static NANOS: Cell<u64> = const { Cell::new(0) };
    static STEP_NS: Cell<u64> = const { Cell::new(0) };
    static READINGS: Cell<u64> = const { Cell::new(0) };
}

/// From now on every reading of the stopwatch's clock is so much later than the one before: so long takes every command.
pub(crate) fn commands_take_ms(ms: u64) {
    STEP_NS.set(ms * 1_000_000);
}

/// How often the stopwatch's clock is read in `run`.
pub(crate) fn clock_readings(run: impl FnOnce()) -> u64 {
    let before = READINGS.get();
    run();
    READINGS.get() - before
}

fn nanos() -> u64 {
    READINGS.set(READINGS.get() + 1);
    NANOS.set(NANOS.get() + STEP_NS.get());
    NANOS.get()
}

/// A server under test. Replies are read as text in which `|` stands for CRLF.
pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) disk: SimDisk,
    pub(crate) children: SimChildren,
    threads: Threads,
    now: Now,
    log: MemoryLog,
}

/// Rust's end of the text of an error, which neither clients nor operators shall read: Redis's texts are those of strerror(3).
const RUSTS_ENDING: &str = "(os error";

impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(!self.logged(RUSTS_ENDING), "{:#?}", self.lines());
        }
    }
}

/// Fsyncs of the directory fail from the next rename over the log on: so many of them.
pub(crate) fn names_are_lost_after_the_rename(times: usize) -> Rule {
    let (mut renamed, mut left) = (false, times);
    Rule::when(Fault::FSYNC_EIO, move |attempt| {
        renamed |= attempt.call == Call::Rename && attempt.to == LOG;
        let hit = renamed && left > 0 && attempt.call == Call::DirFsync;
        left -= usize::from(hit);
        hit
    })
}

/// The default configuration under a policy.
pub(crate) fn config(policy: &str) -> Config {
    Config { appendfsync: policy.parse().unwrap(), ..Config::default() }
}

/// Each process of a test draws marks of its own, and every time the same ones.
fn next_seed() -> [u8; 16] {
    thread_local! {
        static PROCESSES: Cell<u64> = const { Cell::new(9) };
    }
    let half = PROCESSES.replace(PROCESSES.get() + 1).to_le_bytes();
    // Each half is a seed by itself.
    *[half, half].as_flattened().as_array().expect("twice 8 bytes")
}

impl Rig {
    /// A server under `policy` on an empty disk, serving.
    pub(crate) fn new(policy: &str) -> Self {
        Self::on(&SimDisk::new(), config(policy), BOOT).unwrap()
    }

    /// A server on a disk, serving.
    pub(crate) fn on(disk: &SimDisk, config: Config, boot: u8) -> Result<Self, StartError> {
        Ok(Self::loading(disk, config, boot)?.served())
    }

    /// A server with types and commands of its own, serving unless its log is refused.
    pub(crate) fn extended(disk: &SimDisk, config: Config, extensions: &Extensions) -> Self {
        Self::begin(disk, config, BOOT, None, extensions).unwrap().served()
    }

    /// Turns until it serves or ends.
    fn served(mut self) -> Self {
        let rig = &mut self;
        for _ in 0..100 {
            if rig.logged("Ready to accept connections") || rig.engine.exit().is_some() {
                break;
            }
            rig.turn();
        }
        self
    }

    /// A server on an empty disk that was started with a configuration file.
    pub(crate) fn started_with(file: Box<dyn ConfigFile>) -> Self {
        Self::begin(&SimDisk::new(), config("no"), BOOT, Some(file), &Extensions::default()).unwrap()
    }

    /// A server on a disk that has begun to load what is there.
    pub(crate) fn loading(disk: &SimDisk, config: Config, boot: u8) -> Result<Self, StartError> {
        Self::begin(disk, config, boot, None, &Extensions::default())
    }

    fn begin(
        disk: &SimDisk,
        config: Config,
        boot: u8,
        config_file: Option<Box<dyn ConfigFile>>,
        extensions: &Extensions,
    ) -> Result<Self, StartError> {
        let threads = Threads::default();
        let children = SimChildren::new();
        let now = Now { mono_us: 7_000_000, unix_us: 1_790_000_000_000_000 };
        let log = MemoryLog::default();
        let env = Env {
            dir: disk.dir(DIR),
            bio: Box::new(threads.clone()),
            spawner: Box::new(children.spawner()),
            log: Box::new(MemoryLog(Arc::clone(&log.0))),
            config_file,
            process: Process {
                pid: 42,
                boot_id: [boot; 16],
                nanos: Some(nanos),
                is_others: Some(|pid, _| pid == OTHERS_PID),
                allow_clients: Some(|wanted| wanted.min(CLIENTS_ALLOWED)),
                ..Process::default()
            },
            seed: next_seed(),
        };
        let engine = Engine::with_extensions(config, env, now, extensions);
        let mut rig = Self { engine, disk: disk.clone(), children, threads, now, log };
        rig.engine.start()?;
        Ok(rig)
    }

    /// What the next process finds when this one is killed.
    pub(crate) fn killed(&self) -> SimDisk {
        self.disk.kill()
    }

    pub(crate) fn client(&mut self) -> ClientId {
        self.engine.connect(Peer { unix_socket: true, ..Peer::default() }).unwrap()
    }

    /// Gives the engine requests, one a line, in one read.
    pub(crate) fn send(&mut self, client: ClientId, requests: &str) {
        let mut bytes = Vec::new();
        for line in requests.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            encode_command(&mut bytes, words.iter().map(|word| word.as_bytes()));
        }
        self.send_bytes(client, &bytes);
    }

    pub(crate) fn send_bytes(&mut self, client: ClientId, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.engine.query_spare(client).expect("the client may be read");
            let n = room.len().min(rest.len());
            room[..n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            self.engine.filled(client, n);
        }
    }

    /// Takes what may be sent to the client.
    pub(crate) fn take(&mut self, client: ClientId) -> String {
        let bytes = self.engine.sendable(client).to_vec();
        self.engine.sent(client, bytes.len());
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "|");
        assert!(!text.contains(RUSTS_ENDING), "{text}");
        text
    }

    /// Ends the turn and begins the next at the same time.
    pub(crate) fn turn(&mut self) {
        self.engine.cron();
        self.engine.end_turn();
        self.engine.begin_turn(self.now);
    }

    /// So many turns at the same time: under `always` a group that is smaller than the last one waits for a turn that brings
    /// nothing more.
    pub(crate) fn turns(&mut self, count: usize) {
        (0..count).for_each(|_| self.turn());
    }

    /// Ends the turn and begins the next `ms` later.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.now.mono_us += ms * 1_000;
        self.now.unix_us += i64::try_from(ms).unwrap() * 1_000;
        self.turn();
        self.turn();
    }

    /// Sends a request and runs everything until its reply is there, time standing still.
    pub(crate) fn ask(&mut self, client: ClientId, request: &str) -> String {
        self.send(client, request);
        for _ in 0..20 {
            self.turn();
            if !self.engine.sendable(client).is_empty() {
                break;
            }
            self.run_all();
        }
        self.take(client)
    }

    /// Runs the oldest job of a kind; the loop learns of it in the next turn.
    pub(crate) fn run(&mut self, kind: Kind) -> bool {
        self.threads.0.borrow_mut().run_next(kind)
    }

    /// Runs the job of a kind that began last, of those that threads would run at once.
    pub(crate) fn run_newest(&mut self, kind: Kind) -> bool {
        let mut jobs = self.threads.0.borrow_mut();
        jobs.runnable(kind).checked_sub(1).is_some_and(|newest| jobs.run_nth(kind, newest))
    }

    pub(crate) fn run_all(&mut self) {
        self.threads.0.borrow_mut().run_all();
    }

    pub(crate) fn queued(&self, kind: Kind) -> usize {
        self.threads.0.borrow().runnable(kind)
    }

    /// Lets time pass until `done`, which says that `what` has come.
    pub(crate) fn pass_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..1_000 {
            if done(self) {
                return;
            }
            self.pass_ms(100);
        }
        panic!("not within 100 s: {what}");
    }

    /// Lets a rewrite go on until it is in this phase: `state` before its file is announced, `rename` before that gets its name.
    pub(crate) fn pass_until_phase(&mut self, phase: &str) {
        for _ in 0..1_000 {
            match self.info("aof_rewrite_phase").as_str() {
                found if found == phase => return,
                "fsync" => self.run(Kind::BulkFsync),
                "state" => self.run(Kind::Rename),
                "residual" => self.run(Kind::Write) || self.run(Kind::BulkFsync),
                _ => self.children.step(self.mono_ms()),
            };
            self.pass_ms(1);
        }
        panic!("no rewrite comes to {phase}: {:#?}", self.lines());
    }

    /// Runs everything, children too, until nothing more happens.
    pub(crate) fn settle(&mut self) {
        for _ in 0..2_000 {
            self.work();
            if self.children.running().is_empty() && self.info("aof_rewrite_in_progress") == "0" {
                break;
            }
        }
        self.run_all();
        self.turn();
    }

    /// Lets everything go on by a step: jobs, children, the loop.
    pub(crate) fn work(&mut self) {
        self.run_all();
        let stepped = self.children.step(self.now.mono_us / 1_000);
        self.pass_ms(u64::from(!stepped));
    }

    /// One field of INFO.
    pub(crate) fn info(&mut self, field: &str) -> String {
        let client = self.client();
        self.send(client, "INFO everything");
        let text = self.take(client);
        self.engine.disconnect(client);
        let prefix = format!("{field}:");
        text.split('|').find_map(|line| line.strip_prefix(&prefix)).unwrap_or("absent").to_owned()
    }

    /// Whether a line with this text was logged.
    pub(crate) fn logged(&self, text: &str) -> bool {
        self.log.0.lock().iter().any(|(_, line)| line.contains(text))
    }

    /// How many lines with this text were logged.
    pub(crate) fn log_count(&self, text: &str) -> usize {
        self.log.0.lock().iter().filter(|(_, line)| line.contains(text)).count()
    }

    /// The lines logged.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.0.lock().iter().map(|(_, line)| line.clone()).collect()
    }

    pub(crate) fn mono_ms(&self) -> u64 {
        self.now.mono_ms()
    }

    /// The log file as processes see it, `|` for CRLF.
    pub(crate) fn aof(&self) -> String {
        String::from_utf8_lossy(&self.disk.content(DIR, LOG).unwrap_or_default()).replace("\r\n", "|")
    }

    /// The size of the log file as processes see it.
    pub(crate) fn aof_bytes(&self) -> u64 {
        self.disk.content(DIR, LOG).unwrap_or_default().len() as u64
    }

    pub(crate) fn status(&self) -> Option<i32> {
        self.engine.exit().map(|exit| exit.status)
    }
}
