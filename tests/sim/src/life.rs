//! One process's life under the workload: turns with clients, slow fsyncs, rewrites, faults and settings, up to its crash.

use resp_codec::{Value, encode_command};

use crate::client::{Client, World, Wrong, WrongReply};
use crate::health::{HEALS_WITHIN_MS, Health};
use crate::history::{History, LONGEST_TURN_MS, Terms};
use crate::key::Key;
use crate::model::{Dataset, Op};
use crate::moment::{Plan, State};
use crate::server::{DIR, LOG, Policy, Server, Stalls};
use crate::snapshot::Snapshots;
use crate::trouble::{Faults, Trouble};
use crate::verdict::SET_ASIDE;

/// What a life is like. Of what happens "once in so many turns", 0 means never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many clients there are.
    pub clients: u32,
    /// How many turns it has.
    pub turns: u32,
    /// One turn in so many asks for a rewrite.
    pub rewrite_every: u32,
    /// One turn in so many plants a fault.
    pub fault_every: u32,
    /// Which faults these are.
    pub faults: Faults,
    /// A client sends WAITAOF once in so many times that it sends something.
    pub wait_every: u32,
    /// One turn in so many sets the wall clock, a day forward or back.
    pub jump_every: u32,
    /// One turn in so many changes a setting: `appendfsync`, now and then `appendonly`.
    pub config_every: u32,
    /// One turn in so many asks for a snapshot.
    pub save_every: u32,
    /// One life in so many whose turns are over is ended by SHUTDOWN: before everything heals, and then again.
    pub end_every: u32,
    /// Whether some values are longer than a sector.
    pub long_values: bool,
}

impl Shape {
    /// Clients and rewrites, and nothing that goes wrong but the crash.
    pub const PLAIN: Self = Self {
        clients: 4,
        turns: 200,
        rewrite_every: 40,
        fault_every: 0,
        faults: Faults::ALL,
        wait_every: 8,
        jump_every: 0,
        config_every: 0,
        save_every: 0,
        end_every: 0,
        long_values: false,
    };
}

/// Whether it is the one turn in `every`.
pub(crate) fn once_in(every: u32, rng: &mut fastrand::Rng) -> bool {
    every > 0 && rng.u32(..every) == 0
}

/// How a life ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It did not: the crash may come.
    Crash,
    /// The disk froze: the crash came at one of its calls.
    Frozen,
    /// The server ended by itself, with this status.
    Exit(i32),
}

/// The generators of a life, one for each thing that is drawn, so that one left out changes nothing of the others.
pub(crate) struct Dice {
    pub(crate) time: fastrand::Rng,
    trouble: fastrand::Rng,
    settings: fastrand::Rng,
    pub(crate) clients: fastrand::Rng,
    pub(crate) background: fastrand::Rng,
    pub(crate) ending: fastrand::Rng,
}

impl Dice {
    fn new(rng: &mut fastrand::Rng) -> Self {
        // From one draw, so that a further die changes nothing of the others.
        let base = rng.u64(..);
        let die = |nth: u64| fastrand::Rng::with_seed(base.wrapping_add(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        Self { time: die(0), trouble: die(1), settings: die(2), clients: die(3), background: die(4), ending: die(5) }
    }
}

/// One process and everything that is known of what it did.
pub struct Life {
    /// The process.
    pub server: Server,
    /// What it executed and acknowledged.
    pub history: History,
    /// Operations answered with an error of the disk.
    pub failed: usize,
    /// When it is to end.
    pub plan: Plan,
    /// The states it was in when it crashed.
    pub states: Vec<State>,
    /// What went wrong beside it.
    pub trouble: Trouble,
    /// How long it refused writes after everything had healed, if it did.
    pub healed_ms: Option<u64>,
    /// How often the wall clock was set.
    pub jumps: usize,
    /// The settings changed, and when.
    pub settings: Vec<String>,
    dataset: Dataset,
    clients: Vec<Client>,
    /// Sends what changes something; its replies are not waited for.
    pub(crate) admin: engine::ClientId,
    /// Looks at keys, and may wait for the log meanwhile: the replies to others must not stand behind such a one.
    reader: engine::ClientId,
    /// Sends PING alone.
    probe: engine::ClientId,
    /// Whose promise a reply of this turn is.
    policy: Option<Policy>,
    was_turned_on: bool,
    must_heal: bool,
    health: Health,
    /// Its snapshots.
    pub snapshots: Snapshots,
}

impl Life {
    /// Clients on a server that holds `base`.
    pub fn new(mut server: Server, base: Dataset, shape: Shape) -> Self {
        let (admin, reader, probe) = (server.connect(), server.connect(), server.connect());
        let clients = (0..shape.clients)
            .map(|number| {
                let pushed = base.last_pushed(number % crate::model::DATABASES, Key::numbered(b'a', number));
                Client::connect(&mut server, number, pushed)
            })
            .collect();
        let policy = Some(Policy::of(server.engine.config()));
        let history = History::new(base.clone(), server.now.unix().0);
        Self {
            server,
            history,
            failed: 0,
            plan: Plan::AfterTurns,
            states: vec![State::Calm],
            trouble: Trouble::default(),
            healed_ms: None,
            jumps: 0,
            settings: Vec::new(),
            dataset: base,
            clients,
            admin,
            reader,
            probe,
            policy,
            was_turned_on: false,
            must_heal: false,
            health: Health::default(),
            snapshots: Snapshots::default(),
        }
    }

    /// Lives until its turns are over, the disk freezes or the server ends.
    ///
    /// # Errors
    /// If a client got a wrong reply.
    pub fn play(&mut self, shape: Shape, rng: &mut fastrand::Rng) -> Result<End, WrongReply> {
        let mut dice = Dice::new(rng);
        if let Plan::AtCall(calls) = self.plan {
            self.server.disk.freeze_at(Some(self.server.disk.calls() + calls));
        }
        let end = self.turns(shape, &mut dice);
        self.history.ended_ms = self.server.now.unix().0;
        end
    }

    fn turns(&mut self, shape: Shape, dice: &mut Dice) -> Result<End, WrongReply> {
        for _ in 0..shape.turns {
            self.trouble.strike(&self.server, shape, &mut dice.trouble);
            self.server.begin_turn(self.step_us(&mut dice.time));
            let began = self.history.executed.len();
            self.settings(shape, &mut dice.settings);
            self.requests(shape, &mut dice.clients)?;
            if let Some(end) = self.end_turn(began, dice)? {
                return Ok(end);
            }
            self.states = State::of(&mut self.server, &self.clients);
            if self.crash_is_due() {
                return Ok(End::Crash);
            }
            let stalls = self.trouble.stalls(self.server.now.mono_ms());
            self.server.run_background(&mut dice.background, stalls);
            if self.server.disk.is_frozen() {
                return Ok(End::Frozen);
            }
            self.set_clock(shape, &mut dice.time);
        }
        let ends = once_in(shape.end_every, &mut dice.ending);
        if ends && let Some(end) = self.try_to_end(shape, dice)? {
            return Ok(end);
        }
        if let Some(end) = self.heal(ends, dice)? {
            return Ok(end);
        }
        if ends { self.end(shape, dice) } else { Ok(End::Crash) }
    }

    /// Ends a turn in which operations from number `began` on were executed, and judges its replies. How the server ended, if it did.
    pub(crate) fn end_turn(&mut self, began: usize, dice: &mut Dice) -> Result<Option<End>, WrongReply> {
        self.server.end_turn();
        if let Some(end) = self.ended() {
            return Ok(Some(end));
        }
        self.follow_log(began)?;
        self.snapshots.follow(&self.server, began, &mut self.history)?;
        self.replies(&mut dice.clients)?;
        Ok(None)
    }

    /// Everything heals, and nothing more is asked for: a server that refuses writes takes them again soon. Whether it does is known as of
    /// the last turn, or looked for now: a turn more in which what waits is written. How it ended meanwhile, if it did.
    pub(crate) fn heal(&mut self, look: bool, dice: &mut Dice) -> Result<Option<End>, WrongReply> {
        self.trouble.end_all(&self.server);
        let began_ms = self.server.now.mono_ms();
        let mut goes_on = look || self.health.is_refusing();
        while goes_on {
            let was_refusing = self.health.is_refusing();
            let waited_ms = self.server.now.mono_ms() - began_ms;
            if waited_ms > HEALS_WITHIN_MS {
                let got = Value::Status(format!("still refusing after {waited_ms} ms").into_bytes());
                return Err(WrongReply { got, expected: None, wrong: Wrong::NeverHeals });
            }
            self.server.begin_turn(self.step_us(&mut dice.time));
            let began = self.history.executed.len();
            self.probe()?;
            if let Some(end) = self.end_turn(began, dice)? {
                return Ok(Some(end));
            }
            if was_refusing {
                self.healed_ms = Some(waited_ms);
            }
            goes_on = self.health.is_refusing();
            self.server.run_background(&mut dice.background, Stalls::default());
        }
        self.states = State::of(&mut self.server, &self.clients);
        Ok(None)
    }

    fn ended(&self) -> Option<End> {
        if self.server.disk.is_frozen() {
            return Some(End::Frozen);
        }
        self.server.engine.exit().map(|exit| End::Exit(exit.status))
    }

    /// Whether the crash comes now; it may come within a few calls instead.
    fn crash_is_due(&mut self) -> bool {
        let Plan::In { state, skip, calls } = self.plan else { return false };
        if !self.states.contains(&state) {
            return false;
        }
        if skip > 0 {
            self.plan = Plan::In { state, skip: skip - 1, calls };
            return false;
        }
        self.plan = Plan::AfterTurns;
        self.server.disk.freeze_at(Some(self.server.disk.calls() + calls));
        calls == 0
    }

    /// How long until the next turn: mostly something is going on, sometimes only the engine's own clock.
    pub(crate) fn step_us(&self, rng: &mut fastrand::Rng) -> u64 {
        let longest_us = LONGEST_TURN_MS * 1_000;
        match rng.u8(..4) {
            0 => rng.u64(..500),
            1 => (self.server.engine.sleep_ms().saturating_mul(1_000)).min(longest_us),
            _ => rng.u64(..longest_us),
        }
    }

    /// Sets the wall clock for the turns to come.
    fn set_clock(&mut self, shape: Shape, rng: &mut fastrand::Rng) {
        const DAY_US: i64 = 86_400_000_000;
        if !once_in(shape.jump_every, rng) {
            return;
        }
        self.jumps += 1;
        if rng.bool() {
            return self.server.jump(DAY_US);
        }
        // What has passed its deadline is gone for good, before it could come back to life.
        self.server.begin_turn(0);
        let terms = self.terms();
        for (db, key) in self.dataset.expired(terms.unix_ms) {
            let mut requests = Vec::new();
            encode_command(&mut requests, [&b"SELECT"[..], db.to_string().as_bytes()].into_iter());
            encode_command(&mut requests, [&b"EXISTS"[..], key.as_bytes()].into_iter());
            self.tell(self.reader, &requests);
            let op = Op::Touch { key };
            self.dataset.apply(db, &op, terms.unix_ms);
            self.history.execute(db, op, terms, false);
        }
        self.server.end_turn();
        self.server.jump(-DAY_US);
    }

    /// Changes settings at run time.
    fn settings(&mut self, shape: Shape, rng: &mut fastrand::Rng) {
        if once_in(shape.rewrite_every, rng) {
            self.tell(self.admin, b"*1\r\n$12\r\nBGREWRITEAOF\r\n");
        }
        if once_in(shape.save_every, rng) {
            let request = ["SAVE", "BGSAVE", "BGSAVE"][rng.usize(..3)];
            let reply = self.tell(self.admin, format!("*1\r\n${}\r\n{request}\r\n", request.len()).as_bytes());
            self.settings.push(format!("{request} at {}: {}", self.server.now.mono_ms(), reply.escape_ascii()));
            self.snapshots.asked(request, &reply, &mut self.history);
        }
        if !once_in(shape.config_every, rng) {
            return;
        }
        match (rng.u8(..3), self.server.engine.log_status().state) {
            (0, "on") => self.turn_off(),
            (_, "off") => {
                self.set("appendonly", "yes");
            }
            _ => {
                let name = ["always", "everysec", "no"][rng.usize(..3)];
                self.set("appendfsync", name);
                if name == "no" {
                    self.history.weaken(self.server.now.mono_ms(), &self.server.bio.fsyncs());
                }
            }
        }
        self.policy = self.policy_now();
    }

    /// `CONFIG SET appendonly no`: once it is answered, everything executed before is on stable storage.
    fn turn_off(&mut self) {
        let reply = self.set("appendonly", "no");
        if reply.ends_with(b"+OK\r\n") && !self.server.disk.is_frozen() {
            self.history.secure(self.history.executed.len());
        }
    }

    fn policy_now(&self) -> Option<Policy> {
        let on = self.server.engine.log_status().state == "on";
        on.then(|| Policy::of(self.server.engine.config()))
    }

    /// Follows the log's being turned on, and its failing and healing.
    fn follow_log(&mut self, began: usize) -> Result<(), WrongReply> {
        let (now, mono_ms) = (self.policy_now(), self.server.now.mono_ms());
        let must_heal = self.server.engine.log_status().must_heal;
        match (std::mem::replace(&mut self.must_heal, must_heal), must_heal) {
            (false, true) => self.server.bio.failed_in_loop(mono_ms),
            (true, false) => self.server.bio.healed(mono_ms),
            _ => {}
        }
        if self.policy.is_none() && now.is_some() {
            self.was_turned_on = true;
            if !self.server.disk.names(DIR).iter().any(|name| name.starts_with(SET_ASIDE)) {
                let got = Value::Status(b"on, and the old log is gone".to_vec());
                return Err(WrongReply { got, expected: None, wrong: Wrong::Missing });
            }
        }
        // A first rewrite whose name is not durable promises nothing of what was answered before it.
        if let Some(policy) = now.filter(|_| !must_heal && self.was_turned_on) {
            self.history.log_is_on(mono_ms, policy, began);
            self.was_turned_on = false;
        }
        self.policy = now;
        Ok(())
    }

    fn terms(&self) -> Terms {
        // Of one that failed behind another that still runs the server has not been told. A SAVE of this very turn waits for a switch
        // that is under way, and so for the log to heal.
        let told = self.trouble.fsync_failed_before_turn() && !self.server.bio.has_untold_failure();
        Terms {
            unix_ms: self.server.now.unix().0,
            policy: self.policy,
            fsync_failed: told && self.server.disk.failed_fsyncs(DIR, LOG) > 0,
        }
    }

    pub(crate) fn requests(&mut self, shape: Shape, rng: &mut fastrand::Rng) -> Result<(), WrongReply> {
        self.probe()?;
        let mut order: Vec<usize> = (0..self.clients.len()).collect();
        rng.shuffle(&mut order);
        let terms = self.terms();
        for i in order {
            let mut world =
                World { dataset: &mut self.dataset, history: &mut self.history, terms, health: &self.health };
            self.clients[i].think(rng, shape);
            self.clients[i].deliver(&mut self.server, rng, &mut world);
        }
        Ok(())
    }

    pub(crate) fn replies(&mut self, rng: &mut fastrand::Rng) -> Result<(), WrongReply> {
        self.server.take_ready();
        let both_files =
            matches!(self.server.engine.log_status().rewrite_phase, "fsync" | "state" | "rename" | "dirsync");
        self.health.end_turn(&self.server.disk, both_files || self.server.bio.has_untold_failure());
        for client in &mut self.clients {
            self.failed += client.receive(&mut self.server, rng, &mut self.history, &self.health, self.policy)?;
        }
        Ok(())
    }

    /// Sends something; what has been answered so far.
    pub(crate) fn tell(&mut self, client: engine::ClientId, request: &[u8]) -> Vec<u8> {
        self.server.deliver(client, request);
        self.server.collect(client, usize::MAX)
    }

    /// Sends a CONFIG SET.
    fn set(&mut self, name: &str, value: &str) -> Vec<u8> {
        let words = ["CONFIG", "SET", name, value];
        let mut request = Vec::new();
        encode_command(&mut request, words.iter().map(|word| word.as_bytes()));
        let reply = self.tell(self.admin, &request);
        let mono_ms = self.server.now.mono_ms();
        self.settings.push(format!("{} at {mono_ms}: {}", words.join(" "), reply.escape_ascii()));
        reply
    }

    /// Notes whether the server refuses writes in this turn: it refuses PING likewise.
    ///
    /// # Errors
    /// If it does so without a reason.
    fn probe(&mut self) -> Result<(), WrongReply> {
        let got = self.tell(self.probe, b"*1\r\n$4\r\nPING\r\n");
        let refusing = got.starts_with(b"-MISCONF");
        if self.health.note(&self.server.disk, refusing) || self.server.disk.is_frozen() {
            return Ok(());
        }
        Err(WrongReply { got: Value::Bulk(got), expected: None, wrong: Wrong::RefusalWithoutReason })
    }
}
