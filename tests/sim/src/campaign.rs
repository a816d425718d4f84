//! Lives, crashes and recoveries one after the other on one disk, all from one seed.

use engine::{Now, TestHooks};
use vfs::sim::{CrashMode, NameMode, Record, SimDisk};

use crate::excuse::{Written, left_log};
use crate::failure::{Failure, Problem};
use crate::life::{End, Life, Shape};
use crate::model::Dataset;
use crate::moment::{Plan, State};
use crate::report::Report;
use crate::server::{DIR, Lines, Policy, Server, Spawn};
use crate::snapshot::DUMP;
use crate::trouble::{self, Faults, Kind};
use crate::verdict::{Crash, Crashed, SET_ASIDE, Survivor, judge_started};

/// Monotonic time of the first start, in microseconds: not 0, as nowhere.
const START_US: u64 = 5_000_000;
/// Wall time of the first start, in microseconds.
const START_UNIX_US: i64 = 1_790_000_000_000_000;

/// The most faults that one start after another meets before one is let through.
const MOST_SECOND_FAULTS: u32 = 3;
/// More than a tick of the disk's clock.
const LATER_NS: u64 = 10_000_000;

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
    /// When lives end: when their turns are over, or at any call as well.
    pub any_call: bool,
    /// Of four starts, so many meet a crash, or as many a fault.
    pub second_faults: u8,
    /// Without a log: the snapshot is the dataset.
    pub without_log: bool,
    /// Planted bugs.
    pub hooks: TestHooks,
    /// The policy whose promise is asked for, if not that of the server: to see that the judge can find a loss.
    pub promise: Option<Policy>,
    /// Whether a failure tells the calls to the disk.
    pub record: bool,
}

impl Campaign {
    /// The campaign of a seed as the tests run it: nothing fails but the power.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            policies: Policy::ALL.to_vec(),
            crashes: Crash::all().collect(),
            shape: Shape::PLAIN,
            lives: 3,
            any_call: false,
            second_faults: 0,
            without_log: false,
            hooks: TestHooks::default(),
            promise: None,
            record: false,
        }
    }

    /// The campaign of a seed in which everything goes wrong that can, as `cargo xtask sim` runs it. Half of them have values
    /// longer than a sector.
    pub fn hard(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let shape = Shape {
            clients: 4,
            turns: 90,
            rewrite_every: 12,
            fault_every: [0, 6, 15, 40][rng.usize(..4)],
            wait_every: [0, 4, 12][rng.usize(..3)],
            jump_every: [0, 40][rng.usize(..2)],
            config_every: [0, 0, 12, 30][rng.usize(..4)],
            long_values: rng.bool(),
            save_every: [0, 0, 12, 30][rng.usize(..4)],
            end_every: 2,
            ..Shape::PLAIN
        };
        if rng.u8(..10) == 0 {
            return Self::without_log(seed, shape);
        }
        Self { shape, lives: 4, any_call: true, second_faults: 1, ..Self::new(seed) }
    }

    /// A hard campaign without a log: snapshots alone make anything last.
    fn without_log(seed: u64, shape: Shape) -> Self {
        // A name that a failed fsync of the directory took with it is lost, whatever the next server does: docs/testing.md.
        let faults = Faults::ALL.without(Kind::DirFsync).without(Kind::ForEver);
        let shape = Shape { save_every: 8, rewrite_every: 0, config_every: 0, wait_every: 0, faults, ..shape };
        Self { shape, lives: 4, any_call: true, second_faults: 1, without_log: true, ..Self::new(seed) }
    }

    /// Runs it.
    ///
    /// # Errors
    /// The first broken promise, with what is needed to understand it.
    pub fn run(&self) -> Result<Report, Box<Failure>> {
        let failure = match self.run_once() {
            Err(failure) if !self.record => failure,
            done => return done,
        };
        // Once more, to tell the calls: recording all of them all the time would take half of it.
        Err(Self { record: true, ..self.clone() }.run_once().err().unwrap_or(failure))
    }

    fn run_once(&self) -> Result<Report, Box<Failure>> {
        let (mut run, mut server) = Run::begin(self)?;
        let mut dataset = Dataset::default();
        for life in 0..self.lives {
            let survivor = run.live_and_recover(life, server, dataset)?;
            if survivor.survived.is_none() {
                break;
            }
            (server, dataset, run.dump) = (survivor.server, survivor.dataset, survivor.dump);
        }
        run.report.campaigns = 1;
        Ok(run.report)
    }
}

/// A campaign under way.
struct Run<'a> {
    campaign: &'a Campaign,
    rng: fastrand::Rng,
    now: Now,
    boot: u8,
    report: Report,
    /// The snapshot at the last recovery.
    dump: Option<Vec<u8>>,
}

/// A life that has crashed, and what is found of it.
struct Remains<'a> {
    life: u32,
    played: &'a Life,
    end: End,
    at_ms: u64,
    crash: Crash,
    image: SimDisk,
    /// What had been written to the log.
    written: Written,
    /// The calls of earlier starts.
    starts: Vec<String>,
}

impl Remains<'_> {
    /// Notes the calls of a start that came to nothing.
    fn tell(&mut self, what: &str, calls: &[Record]) {
        if !calls.is_empty() {
            self.starts.push(format!("{what}:"));
            self.starts.extend(calls.iter().map(ToString::to_string));
        }
    }
}

impl<'a> Run<'a> {
    fn begin(campaign: &'a Campaign) -> Result<(Self, Server), Box<Failure>> {
        let mut run = Self {
            campaign,
            rng: fastrand::Rng::with_seed(campaign.seed),
            now: Now { mono_us: START_US, unix_us: START_UNIX_US },
            boot: 1,
            report: Report::default(),
            dump: None,
        };
        let mut disk = SimDisk::new();
        // What a first start does is done but once in a campaign.
        if campaign.second_faults > 0 && run.rng.u8(..6) == 0 {
            let spawn = run.spawn();
            trouble::while_starting(&disk, campaign.shape.faults, &mut run.rng);
            let started = Server::start(&disk, &spawn);
            run.report.faults(disk.struck().iter().copied());
            disk.heal();
            if let Ok(server) = started {
                return Ok((run, server));
            }
            disk = Crash::Kill.image(&disk, &mut run.rng);
        }
        let spawn = run.spawn();
        match Server::start(&disk, &spawn) {
            Ok(server) => Ok((run, server)),
            Err(refusal) => Err(Failure::of(campaign, 0, Problem::FirstStart(refusal), &disk, None)),
        }
    }

    fn live_and_recover(&mut self, life: u32, server: Server, base: Dataset) -> Result<Survivor, Box<Failure>> {
        let shape = self.campaign.shape;
        server.disk.record(self.campaign.record);
        let mut played = Life::new(server, base, shape);
        if self.campaign.any_call {
            // What is done on an empty disk is done but once in a campaign.
            let early = life == 0 && self.rng.u8(..4) == 0;
            played.plan = if early { Plan::AtCall(self.rng.u64(..10)) } else { Plan::draw(&mut self.rng, shape.turns) };
        }
        let end = played.play(shape, &mut self.rng);
        self.report.add(&played);
        let fail = |problem| Failure::of(self.campaign, life, problem, &played.server.disk, Some(&played));
        let end = match end {
            Ok(End::Exit(status)) => return Err(fail(Problem::Ended(status))),
            Ok(end) => end,
            Err(wrong) => return Err(fail(Problem::WrongReply(wrong))),
        };
        let crash = choose(&mut self.rng, &self.campaign.crashes);
        let image = crash.image(&played.server.disk, &mut self.rng);
        played.trouble.heal(&image);
        image.record(self.campaign.record);
        let at_ms = played.server.now.mono_ms();
        self.now = played.server.now;
        self.boot += u8::from(crash != Crash::Kill);
        self.report.crash(crash, &played.states);
        let written = Written::of(&played.server.disk, &image);
        let remains = Remains { life, played: &played, end, at_ms, crash, image, written, starts: Vec::new() };
        let survivor = self.recover(remains)?;
        self.report.recovered(&survivor);
        Ok(survivor)
    }

    /// Starts servers on what the crash left until one serves, and judges it.
    fn recover(&mut self, mut remains: Remains<'_>) -> Result<Survivor, Box<Failure>> {
        let mut latest_ms = 0;
        for _ in 0..MOST_SECOND_FAULTS {
            self.pass_time();
            latest_ms = latest_ms.max(self.now.unix().0);
            match self.rng.u8(..4) {
                0 if self.campaign.second_faults > 0 => self.crash_while_starting(&mut remains),
                1 if self.campaign.second_faults > 0 => {
                    if let Some(survivor) = self.fail_while_starting(&mut remains, latest_ms)? {
                        return Ok(survivor);
                    }
                }
                _ => break,
            }
        }
        let spawn = self.spawn();
        let before = remains.image.content(DIR, &left_log(&remains.image)).unwrap_or_default();
        let started = Server::start(&remains.image, &spawn);
        self.judge(&remains, &spawn, started, &before, latest_ms)
    }

    /// A server is started, and crashes before it serves, or soon after: it has acknowledged nothing.
    fn crash_while_starting(&mut self, remains: &mut Remains<'_>) {
        let (spawn, lines) = (self.spawn(), Lines::default());
        let image = &remains.image;
        image.freeze_at(Some(image.calls() + self.rng.u64(..40)));
        let _interrupted = Server::start_with(image, &spawn, lines.clone());
        let again = choose(&mut self.rng, &self.campaign.crashes);
        self.report.crash(again, &[State::SecondCrash]);
        if lines.0.borrow().iter().any(|(_, line)| line.contains("torn tail") || line.contains("short read")) {
            self.report.crash(again, &[State::TornTailRepair]);
        }
        let earlier = image.trace();
        remains.tell("a start that crashed", &earlier);
        remains.image = again.image(&remains.image, &mut self.rng);
        remains.image.record(self.campaign.record);
        self.boot += u8::from(again != Crash::Kill);
        remains.crash = remains.crash.and(again);
    }

    /// A server is started while its disk fails. It serves all the same, and is judged, or it is started anew.
    fn fail_while_starting(
        &mut self,
        remains: &mut Remains<'_>,
        latest_ms: i64,
    ) -> Result<Option<Survivor>, Box<Failure>> {
        let spawn = self.spawn();
        trouble::while_starting(&remains.image, self.campaign.shape.faults, &mut self.rng);
        let before = remains.image.content(DIR, &left_log(&remains.image)).unwrap_or_default();
        let started = Server::start(&remains.image, &spawn);
        let struck = remains.image.struck();
        remains.image.heal();
        self.report.faults(struck.iter().copied());
        if !struck.is_empty() {
            self.report.crash(Crash::Kill, &[State::SecondFault]);
        }
        match started {
            Ok(server) => self.judge(remains, &spawn, Ok(server), &before, latest_ms).map(Some),
            Err(_refusal) => {
                let earlier = remains.image.trace();
                remains.tell("a start that failed", &earlier);
                remains.image = Crash::Kill.image(&remains.image, &mut self.rng);
                remains.image.record(self.campaign.record);
                Ok(None)
            }
        }
    }

    fn judge(
        &self,
        remains: &Remains<'_>,
        spawn: &Spawn,
        started: Result<Server, crate::server::Refusal>,
        before: &[u8],
        latest_ms: i64,
    ) -> Result<Survivor, Box<Failure>> {
        let Remains { life, played, end, at_ms, crash, image, written, starts } = remains;
        let crashed = Crashed {
            history: &played.history,
            policy: self.campaign.promise,
            fsyncs: &played.server.bio.fsyncs(),
            at_ms: *at_ms,
            written: written.clone(),
            stateless: played
                .server
                .log
                .0
                .borrow()
                .iter()
                .any(|(_, line)| line.contains("Error writing the state file")),
            start_failed: !image.struck().is_empty(),
            clock_set: self.campaign.shape.jump_every > 0,
            dump: self.dump.as_deref(),
            latest_ms,
        };
        let judged = judge_started(started, before, image, spawn, *crash, &crashed);
        let survivor = judged.map_err(|violation| {
            let problem = Problem::Crash { crash: *crash, end: *end, violation };
            let mut failure = Failure::of(self.campaign, *life, problem, image, Some(played));
            failure.starts.clone_from(starts);
            failure.starts.push("the start that is judged:".to_owned());
            failure.starts.extend(image.trace().iter().map(ToString::to_string));
            failure
        })?;
        if !spawn.seed.is_multiple_of(4) {
            set_in_order(&survivor.server.disk);
        }
        if let Some(dump) = survivor.dump.as_ref().filter(|_| survivor.dump != self.dump) {
            // Beside a log nobody looks at it, and its name may be lost yet: as good as copied.
            survivor.server.disk.put(DIR, DUMP, dump);
        }
        // What is put there by hand is older than what is written from now on.
        survivor.server.disk.advance_ns(LATER_NS);
        Ok(survivor)
    }

    /// Some time passes until the next start; the wall clock may be set meanwhile.
    fn pass_time(&mut self) {
        const DAY_US: i64 = 86_400_000_000;
        self.now.mono_us += 1_000_000;
        self.now.unix_us += 1_000_000;
        if self.campaign.shape.jump_every > 0 {
            self.now.unix_us += [0, 0, 0, DAY_US, -DAY_US][self.rng.usize(..5)];
        }
    }

    fn spawn(&mut self) -> Spawn {
        let rng = &mut self.rng;
        let policy = choose(rng, &self.campaign.policies);
        // Half of the servers rewrite as commands, and find what one of the other half left. Half have the number of a container's
        // first process.
        let mut config = engine::Config { aof_use_rdb_preamble: rng.bool(), ..policy.config() };
        if self.campaign.shape.save_every > 0 {
            config.appendonly = !self.campaign.without_log;
            // What a failed snapshot refuses is a matter of the engine's own tests.
            config.stop_writes_on_bgsave_error = false;
            if rng.bool() {
                let point = engine::config::file::parse("save 1 5").unwrap_or_default();
                let set = point.iter().all(|line| engine::config::file::apply(&mut config, line).is_ok());
                assert!(set && !config.save.is_empty(), "a save point");
            }
        }
        let pid = if rng.bool() { 1 } else { rng.u32(2..30_000) };
        Spawn { config, now: self.now, boot: self.boot, pid, seed: rng.u64(..), hooks: self.campaign.hooks }
    }
}

/// What an operator does, or does not, once a server serves: a log that was set aside is of no use any more.
fn set_in_order(disk: &SimDisk) {
    for name in disk.names(DIR).iter().filter(|name| name.starts_with(SET_ASIDE)) {
        disk.take_away(DIR, name);
    }
}

fn choose<T: Copy>(rng: &mut fastrand::Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
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
