//! Lives, crashes and recoveries one after the other on one disk, all from one seed.

use std::fmt;

use engine::{Now, TestHooks};
use vfs::sim::{CrashMode, NameMode, SimDisk};

use crate::client::WrongReply;
use crate::life::{End, Life, Shape};
use crate::model::Dataset;
use crate::server::{DIR, Policy, Refusal, Server, Spawn};
use crate::verdict::{Crash, Crashed, Survivor, Violation, judge};

/// Monotonic time of the first start, in microseconds: not 0, as nowhere.
const START_US: u64 = 5_000_000;
/// Wall time of the first start, in microseconds.
const START_UNIX_US: i64 = 1_790_000_000_000_000;

/// What a campaign is like.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Everything random in it.
    pub seed: u64,
    /// The policies that its lives choose from.
    pub policies: Vec<Policy>,
    /// The crashes that they choose from.
    pub crashes: Vec<Crash>,
    /// What each life is like.
    pub shape: Shape,
    /// How many lives there are.
    pub lives: u32,
    /// Planted bugs.
    pub hooks: TestHooks,
    /// The policy whose promise is asked for, if not that of the server: to see that the judge can find a loss.
    pub promise: Option<Policy>,
}

impl Campaign {
    /// The campaign of a seed as the tests run it.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            policies: Policy::ALL.to_vec(),
            crashes: Crash::all().collect(),
            shape: Shape { clients: 4, turns: 200, rewrite_every: 40, fault_every: 0, wait_every: 8 },
            lives: 3,
            hooks: TestHooks::default(),
            promise: None,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// The first broken promise, with what is needed to understand it.
    pub fn run(&self) -> Result<Report, Box<Failure>> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let disk = SimDisk::new();
        let mut now = Now { mono_us: START_US, unix_us: START_UNIX_US };
        let mut boot = 1;
        let mut report = Report::default();
        let mut dataset = Dataset::default();
        let mut policy = self.choose(&mut rng, &self.policies);
        let mut spawn = self.spawn(policy, now, boot, &mut rng);
        let first = Server::start(&disk, &spawn);
        let mut server = first.map_err(|refusal| self.failure(0, policy, Problem::FirstStart(refusal), &disk, None))?;
        for life in 0..self.lives {
            server.disk.record(true);
            let mut played = Life::new(server, dataset, self.shape);
            let end = played.play(self.shape, &mut rng);
            let end = end.map_err(|wrong| {
                self.failure(life, policy, Problem::WrongReply(wrong), &played.server.disk, Some(&played))
            })?;
            report.add(&played);
            let mut crash = self.choose(&mut rng, &self.crashes);
            let at_ms = played.server.now.mono_ms();
            let mut image = crash.image(&played.server.disk, &mut rng);
            boot += u8::from(crash != Crash::Kill);
            now = played.server.now;
            now.mono_us += 1_000_000;
            now.unix_us += 1_000_000;
            policy = self.choose(&mut rng, &self.policies);
            if rng.u8(..3) == 0 {
                let again = self.choose(&mut rng, &self.crashes);
                let spawn = self.spawn(policy, now, boot, &mut rng);
                image.freeze_at(Some(image.calls() + rng.u64(..40)));
                // Whatever comes of it: it has acknowledged nothing.
                let _interrupted = Server::start(&image, &spawn);
                image = again.image(&image, &mut rng);
                boot += u8::from(again != Crash::Kill);
                crash = crash.and(again);
            }
            let promise = self.promise.unwrap_or(played.policy());
            spawn = self.spawn(policy, now, boot, &mut rng);
            let fsyncs = played.server.bio.fsyncs();
            let crashed = Crashed {
                history: &played.history,
                policy: promise,
                fsyncs: &fsyncs,
                at_ms,
                lost_pages: self.shape.fault_every > 0,
            };
            let judged = judge(&image, &spawn, crash, &crashed);
            let problem = |violation| Problem::Crash { crash, end, violation };
            let survivor: Survivor =
                judged.map_err(|v| self.failure(life, played.policy(), problem(v), &image, Some(&played)))?;
            report.repaired += u32::from(survivor.repaired);
            report.recoveries += 1;
            report.holes += u32::from(survivor.survived.is_none());
            report.survived += survivor.survived.unwrap_or(0);
            if survivor.survived.is_none() {
                break;
            }
            (server, dataset) = (survivor.server, survivor.dataset);
        }
        Ok(report)
    }

    fn choose<T: Copy>(&self, rng: &mut fastrand::Rng, from: &[T]) -> T {
        from[rng.usize(..from.len())]
    }

    fn spawn(&self, policy: Policy, now: Now, boot: u8, rng: &mut fastrand::Rng) -> Spawn {
        let pid = rng.u32(2..30_000);
        // Half of the servers rewrite as commands, and find what one of the other half left.
        let config = engine::Config { aof_use_rdb_preamble: pid.is_multiple_of(2), ..policy.config() };
        Spawn { config, now, boot, pid, seed: rng.u64(..), hooks: self.hooks }
    }

    fn failure(
        &self,
        life: u32,
        policy: Policy,
        problem: Problem,
        disk: &SimDisk,
        played: Option<&Life>,
    ) -> Box<Failure> {
        let calls = played.map(|played| played.server.disk.trace()).unwrap_or_default();
        let calls = calls.iter().rev().take(60).rev().map(ToString::to_string).collect();
        let log = played.map(|played| played.server.log.0.borrow().iter().map(|(_, line)| line.clone()).collect());
        let files = disk.names(DIR).into_iter().map(|name| {
            let content = disk.content(DIR, &name).unwrap_or_default();
            (name, content)
        });
        Box::new(Failure {
            seed: self.seed,
            life,
            policy,
            problem,
            calls,
            log: log.unwrap_or_default(),
            files: files.collect(),
        })
    }
}

/// What a campaign went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Operations executed.
    pub executed: usize,
    /// Operations acknowledged.
    pub acked: usize,
    /// Operations answered with the error of a failed flush, or of a disk that takes no writes.
    pub failed: usize,
    /// How often WAITAOF said that what was written is on stable storage.
    pub promises: usize,
    /// Operations found after crashes.
    pub survived: usize,
    /// Rewrites that replaced the log.
    pub rewrites: u32,
    /// Recoveries with a hole inside of a value.
    pub holes: u32,
    /// Recoveries before which an operator had to cut the log.
    pub repaired: u32,
    /// Recoveries.
    pub recoveries: u32,
    /// Every call to the disk in every life.
    pub calls: Vec<String>,
}

impl Report {
    /// Adds what another campaign went through.
    pub fn absorb(&mut self, other: &Self) {
        self.executed += other.executed;
        self.acked += other.acked;
        self.failed += other.failed;
        self.promises += other.promises;
        self.survived += other.survived;
        self.rewrites += other.rewrites;
        self.recoveries += other.recoveries;
        self.holes += other.holes;
        self.repaired += other.repaired;
        self.calls.extend_from_slice(&other.calls);
    }

    fn add(&mut self, life: &Life) {
        self.failed += life.failed;
        self.promises += life.history.promises;
        self.executed += life.history.executed.len();
        self.acked += life.history.executed.iter().filter(|done| done.acked_ms.is_some()).count();
        let log = life.server.log.0.borrow();
        let finished = log.iter().filter(|(_, line)| line.contains("rewrite finished successfully"));
        self.rewrites += u32::try_from(finished.count()).unwrap_or(u32::MAX);
        self.calls.extend(life.server.disk.trace().iter().map(ToString::to_string));
    }
}

/// What went wrong.
#[derive(Debug)]
pub enum Problem {
    /// The server does not start on an empty disk.
    FirstStart(Refusal),
    /// A client got a wrong reply.
    WrongReply(WrongReply),
    /// A crash broke a promise.
    Crash {
        /// Which crash.
        crash: Crash,
        /// How the life before it ended.
        end: End,
        /// Which promise.
        violation: Violation,
    },
}

/// A failed campaign, with what is needed to understand it.
#[derive(Debug)]
pub struct Failure {
    /// The seed: it repeats the campaign to the byte.
    pub seed: u64,
    /// The life, from 0.
    pub life: u32,
    /// Its policy.
    pub policy: Policy,
    /// What went wrong.
    pub problem: Problem,
    /// The last calls to the disk.
    pub calls: Vec<String>,
    /// The server's log.
    pub log: Vec<String>,
    /// The files that the recovery found or left.
    pub files: Vec<(String, Vec<u8>)>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} (life {}, {:?}): {:#?}", self.seed, self.life, self.policy, self.problem)?;
        writeln!(f, "the last calls to the disk:")?;
        for call in &self.calls {
            writeln!(f, "  {call}")?;
        }
        writeln!(f, "the server's log:")?;
        for line in &self.log {
            writeln!(f, "  {line}")?;
        }
        for (name, content) in &self.files {
            let tail = &content[content.len().saturating_sub(2_000)..];
            writeln!(f, "{name}, {} bytes, ends with: {}", content.len(), tail.escape_ascii())?;
        }
        Ok(())
    }
}

impl Crash {
    /// Both, one after the other: as hard as the harder one.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        match (self, later) {
            (Self::Kill, other) | (other, Self::Kill) => other,
            (Self::Power(a, names), Self::Power(b, _)) => {
                let holes = |mode| matches!(mode, CrashMode::ZeroSectors | CrashMode::Reordered);
                Self::Power(if holes(a) { a } else { b }, names)
            }
        }
    }
}

/// Crashes that leave neither holes nor lost names: for tests that want every value to be readable.
pub const STRICT: Crash = Crash::Power(CrashMode::Strict, NameMode::OnlyDirFsync);
