//! CONFIG SET of what the log does, in every state that the log can be in.
//!
//! One table of states, one of changes, and for every pair, alone and inside MULTI: the answer is OK or an error that says why;
//! what CONFIG GET shows is what is in force; nothing stops the server; and once the disk is well and everything has settled, the log
//! takes writes again and holds the whole dataset, after kill -9 and after a power cut.

use bio::Kind;
use engine::{ClientId, Config};
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};

use crate::support::{BOOT, DIR, LOG, Rig, config};

/// A server in the state under test.
struct Scene {
    rig: Rig,
    /// Writes whose replies have not come.
    waiting: Vec<(ClientId, String)>,
    /// Keys of writes that were acknowledged.
    acked: Vec<String>,
}

impl Scene {
    fn on(rig: Rig) -> Self {
        let mut scene = Self { rig, waiting: Vec::new(), acked: Vec::new() };
        scene.write("first");
        scene.settle();
        scene
    }

    fn new(policy: &str) -> Self {
        Self::on(Rig::new(policy))
    }

    /// Without a log nothing is promised.
    fn off(policy: &str) -> Self {
        let config = Config { appendonly: false, ..config(policy) };
        let mut scene = Self::on(Rig::on(&SimDisk::new(), config, BOOT).unwrap());
        scene.acked.clear();
        scene
    }

    /// Sends a write from a client of its own, and ends the turn.
    fn write(&mut self, key: &str) {
        self.write_value(key, "1");
    }

    fn write_value(&mut self, key: &str, value: &str) {
        let client = self.rig.client();
        self.rig.send(client, &format!("SET {key} {value}"));
        self.rig.turn();
        self.waiting.push((client, key.to_owned()));
        self.collect();
    }

    /// Takes replies. An error says that the write may be there or not, or that it has no effect.
    fn collect(&mut self) {
        for (client, key) in std::mem::take(&mut self.waiting) {
            match self.rig.take(client).as_str() {
                "" => self.waiting.push((client, key)),
                "+OK|" => self.acked.push(key),
                error => {
                    let refused = ["-MISCONF Errors writing to the AOF file", "-LOADING "];
                    assert!(refused.iter().any(|known| error.starts_with(known)), "{key}: {error}");
                }
            }
        }
    }

    fn settle(&mut self) {
        self.rig.settle();
        self.collect();
    }

    fn ask(&mut self, request: &str) -> String {
        let client = self.rig.client();
        self.rig.send(client, request);
        let reply = self.rig.take(client);
        self.rig.engine.disconnect(client);
        reply
    }

    fn setting(&mut self, name: &str) -> String {
        let reply = self.ask(&format!("CONFIG GET {name}"));
        assert!(!reply.starts_with('-'), "{name}: {reply}");
        reply.trim_end_matches('|').rsplit('|').next().unwrap_or_default().to_owned()
    }

    fn phase(&mut self) -> String {
        self.rig.info("aof_rewrite_phase")
    }

    /// Starts a rewrite if none is there, and lets it come to a phase.
    fn rewriting(mut self, wanted: &str) -> Self {
        if self.phase() == "idle" {
            self.ask("BGREWRITEAOF");
        }
        for _ in 0..1_000 {
            let phase = self.phase();
            if phase == wanted {
                return self;
            }
            match phase.as_str() {
                "fsync" => self.rig.run(Kind::BulkFsync),
                "state" | "rename" => self.rig.run(Kind::Rename),
                "residual" => self.rig.run(Kind::Write) || self.rig.run(Kind::BulkFsync),
                _ => self.rig.children.step(self.rig.mono_ms()),
            };
            if self.rig.log_count("Parent agreed to stop sending diffs") == 1 && wanted == "residual" {
                self.write_value("large", &"x".repeat(200_000));
            }
            self.rig.pass_ms(1);
            self.collect();
        }
        panic!("{wanted} was not reached: {:#?}", self.rig.lines());
    }
}

/// Brings a server under a policy to a state.
type Make = fn(&str) -> Scene;

/// Every state of the log, what INFO calls it and its rewrite, and how a server comes to it.
const STATES: &[(&str, [&str; 2], Make)] = &[
    ("off", ["off", "idle"], |policy| Scene::off(policy)),
    ("loading", ["loading", "idle"], |policy| {
        let mut scene = Scene::new(policy);
        scene.write("more");
        scene.settle();
        let rig = Rig::loading(&scene.rig.killed(), config(policy), BOOT).unwrap();
        Scene { rig, waiting: Vec::new(), acked: scene.acked }
    }),
    ("turned off", ["off", "idle"], |policy| turned_off(policy)),
    ("turned off, fork fails", ["off", "idle"], |policy| {
        let scene = turned_off(policy);
        scene.rig.children.fail_next_fork(11);
        scene
    }),
    ("turned off, old log in the way", ["off", "idle"], |policy| {
        let scene = turned_off(policy);
        scene.rig.disk.inject(Rule::nth(Call::Rename, 1, Fault::EIO));
        scene
    }),
    ("off, rewriting into a file", ["off", "child"], |policy| Scene::off(policy).rewriting("child")),
    ("turned on", ["wait_rewrite", "child"], |policy| turned_on(policy).rewriting("child")),
    ("turned on, child failed", ["wait_rewrite", "idle"], |policy| {
        let mut scene = turned_on(policy);
        scene.rig.disk.inject(Rule::nth(Call::Append, 1, Fault::ENOSPC));
        while !scene.rig.logged("Background AOF rewrite terminated with error") {
            scene.rig.children.step(scene.rig.mono_ms());
            scene.rig.pass_ms(1);
        }
        scene
    }),
    ("turned on, fsync of the new file", ["wait_rewrite", "fsync"], |policy| turned_on(policy).rewriting("fsync")),
    ("turned on, state of the new file", ["wait_rewrite", "state"], |policy| turned_on(policy).rewriting("state")),
    ("turned on, rename", ["wait_rewrite", "rename"], |policy| turned_on(policy).rewriting("rename")),
    ("turned on, fsync of the directory", ["wait_rewrite", "dirsync"], |policy| turned_on(policy).rewriting("dirsync")),
    ("turned on, name not durable", ["on", "idle"], |policy| {
        let mut scene = turned_on(policy).rewriting("dirsync");
        scene.rig.disk.inject(Rule::nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
        scene.rig.run(Kind::DirFsync);
        scene.rig.turn();
        scene
    }),
    ("on", ["on", "idle"], |policy| Scene::new(policy)),
    ("child", ["on", "child"], |policy| Scene::new(policy).rewriting("child")),
    ("residual", ["on", "residual"], |policy| Scene::new(policy).rewriting("residual")),
    ("fsync of the new file", ["on", "fsync"], |policy| Scene::new(policy).rewriting("fsync")),
    ("state of the new file", ["on", "state"], |policy| Scene::new(policy).rewriting("state")),
    ("rename", ["on", "rename"], |policy| Scene::new(policy).rewriting("rename")),
    ("fsync of the directory", ["on", "dirsync"], |policy| Scene::new(policy).rewriting("dirsync")),
    ("name not durable", ["on", "idle"], |policy| {
        let mut scene = Scene::new(policy).rewriting("dirsync");
        scene.write("held");
        scene.rig.disk.inject(Rule::nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
        scene.rig.run(Kind::DirFsync);
        scene.rig.turn();
        scene
    }),
    ("write error", ["on", "idle"], |policy| {
        let mut scene = Scene::new(policy);
        scene.rig.disk.inject(Rule::from_nth(Call::Append, 1, Fault::ENOSPC));
        scene.write("lost");
        scene
    }),
    ("write error, child", ["on", "child"], |policy| {
        let mut scene = Scene::new(policy).rewriting("child");
        scene.rig.disk.inject(Rule::nth(Call::Append, 1, Fault::ENOSPC));
        scene.write("lost");
        scene
    }),
    ("failed fsync", ["on", "idle"], |policy| {
        let mut scene = Scene::new(policy);
        failed_fsync(&mut scene);
        scene
    }),
    ("failed fsync, healing", ["on", "fsync"], |policy| {
        let mut scene = Scene::new(policy);
        failed_fsync(&mut scene);
        scene.ask("BGREWRITEAOF");
        scene.rewriting("fsync")
    }),
    ("an fsync in flight", ["on", "idle"], |policy| {
        let mut scene = Scene::new(policy);
        in_flight(&mut scene);
        scene
    }),
    ("a write in the writer thread", ["on", "idle"], |policy| {
        let mut scene = Scene::new(policy);
        in_flight(&mut scene);
        scene.write("behind");
        scene.write("unwritten");
        scene
    }),
    ("both, child", ["on", "child"], |policy| {
        let mut scene = Scene::new(policy).rewriting("child");
        in_flight(&mut scene);
        scene.write("behind");
        scene
    }),
    ("both, fsync of the new file", ["on", "fsync"], |policy| {
        let mut scene = Scene::new(policy).rewriting("fsync");
        in_flight(&mut scene);
        scene.write("behind");
        scene
    }),
];

fn turned_off(policy: &str) -> Scene {
    let mut scene = Scene::new(policy);
    assert_eq!(scene.ask("CONFIG SET appendonly no"), "+OK|");
    scene.write("unlogged");
    scene.acked.clear();
    scene
}

fn turned_on(policy: &str) -> Scene {
    let mut scene = Scene::off(policy);
    assert_eq!(scene.ask("CONFIG SET appendonly yes"), "+OK|");
    scene.write("second");
    scene.acked.clear();
    scene
}

/// An fsync that waits to be run, under every policy.
fn in_flight(scene: &mut Scene) {
    scene.rig.pass_ms(1_000);
    scene.write("flying");
    let client = scene.rig.client();
    scene.rig.send(client, "SET waited 1\nWAITAOF 1 0 1");
    scene.rig.turn();
    // Beside the fsync of a rewrite's file a thread writes.
    scene.rig.run(Kind::Write);
    scene.rig.turns(2);
    assert!(scene.rig.queued(Kind::Fsync) > 0);
    scene.collect();
}

fn failed_fsync(scene: &mut Scene) {
    in_flight(scene);
    scene.rig.disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
    scene.rig.run(Kind::Fsync);
    scene.rig.turn();
    scene.collect();
    assert!(scene.ask("PING").starts_with("-MISCONF"), "the fsync failed");
}

/// Every change, by the arguments of CONFIG SET.
const CHANGES: &[&str] = &[
    "appendonly yes",
    "appendonly no",
    "appendfsync always",
    "appendfsync everysec",
    "appendfsync no",
    "appendonly no appendfsync always",
    "appendonly yes appendfsync no",
    "no-appendfsync-on-rewrite yes",
    "no-appendfsync-on-rewrite no",
    "auto-aof-rewrite-percentage 1 auto-aof-rewrite-min-size 1",
    "auto-aof-rewrite-percentage 0",
    "aof-rewrite-incremental-fsync no",
    "aof-load-truncated no",
    "aof-use-rdb-preamble no",
    "aof-use-rdb-preamble yes rdbcompression no",
    "aof-timestamp-enabled no",
    "aof-timestamp-enabled yes",
    "appendfilename other.aof",
    "appendonly maybe",
];

/// Those that no state accepts.
const NEVER: &[&str] = &["aof-timestamp-enabled yes", "appendfilename other.aof", "appendonly maybe"];

fn names(change: &str) -> Vec<&str> {
    change.split(' ').step_by(2).collect()
}

/// What CONFIG GET must show.
fn settings(scene: &mut Scene, change: &str) -> Vec<String> {
    names(change).into_iter().map(|name| scene.setting(name)).collect()
}

/// Makes the change; whether it was accepted.
fn set(scene: &mut Scene, change: &str, in_multi: bool) -> bool {
    let request = format!("CONFIG SET {change}");
    let reply = if in_multi {
        scene.write("before");
        let reply = scene.ask(&format!("MULTI\n{request}\nEXEC"));
        reply.strip_prefix("+OK|+QUEUED|*1|").unwrap_or_else(|| panic!("{reply}")).to_owned()
    } else {
        scene.ask(&request)
    };
    let clear = names(change).iter().any(|name| {
        let refused = format!("-ERR CONFIG SET failed (possibly related to argument '{name}') - ");
        reply.strip_prefix(&refused).is_some_and(|reason| reason.len() > 5)
    });
    assert!(reply == "+OK|" || clear, "{reply}");
    reply == "+OK|"
}

/// Whatever happens now, what was acknowledged while the log was on is in its file.
fn keeps_what_was_acked(scene: &Scene, always: bool, was_on: bool) {
    if !was_on {
        return;
    }
    let mut rng = fastrand::Rng::with_seed(1);
    let mut images = vec![(scene.rig.killed(), BOOT)];
    if always {
        images.push((scene.rig.disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync), BOOT + 1));
    }
    for (image, boot) in images {
        let mut next = Rig::on(&image, config("everysec"), boot).unwrap();
        let client = next.client();
        for key in &scene.acked {
            assert_eq!(next.ask(client, &format!("EXISTS {key}")), ":1|", "{key}");
        }
    }
}

/// What CONFIG GET shows is what the log does.
fn agrees(scene: &mut Scene) {
    let state = scene.rig.info("aof_state");
    let on = scene.setting("appendonly") == "yes";
    assert_eq!(on, state != "off", "appendonly {on}, state {state}");
    if state == "on" {
        let (policy, effective) = (scene.setting("appendfsync"), scene.rig.info("aof_effective_fsync"));
        let held = scene.setting("no-appendfsync-on-rewrite") == "yes" && scene.phase() == "child";
        let expected = if held && policy == "everysec" { "no" } else { &policy };
        // Giving up always takes effect when everything before is fsynced.
        assert!(effective == expected || effective == "always", "appendfsync {policy}, in effect {effective}");
    }
}

/// The disk is well again, and everything that wants to happen happens.
fn recover(scene: &mut Scene) {
    scene.rig.disk.heal();
    for _ in 0..6 {
        scene.rig.pass_ms(2_000);
        scene.settle();
        let state = scene.rig.info("aof_state");
        if scene.ask("PING") == "+PONG|" && scene.phase() == "idle" && (state == "on" || state == "off") {
            break;
        }
        // A rewrite that failed is tried again after a minute at the latest.
        scene.rig.pass_ms(60_000);
    }
    assert!(scene.waiting.is_empty(), "somebody waits for ever: {:?}", scene.waiting);
    agrees(scene);
    let policy = scene.setting("appendfsync");
    if scene.rig.info("aof_state") == "on" {
        assert_eq!(scene.rig.info("aof_effective_fsync"), policy, "once everything has settled");
        return;
    }
    kept_by_the_file(scene);
    let turned_on = scene.ask("CONFIG SET appendonly yes");
    if turned_on.contains("Unable to turn on AOF") {
        // A fork that was to fail waited for it.
        assert_eq!(scene.ask("CONFIG SET appendonly yes"), "+OK|");
    }
    for _ in 0..2 {
        scene.settle();
        scene.rig.pass_ms(2_000);
    }
    assert_eq!((scene.rig.info("aof_state"), scene.phase()), ("on".to_owned(), "idle".to_owned()));
}

/// A log that was turned off holds what was acknowledged while it was on: all of it on stable storage.
fn kept_by_the_file(scene: &mut Scene) {
    let disk = &scene.rig.disk;
    assert_eq!(disk.durable_content(DIR, LOG), disk.content(DIR, LOG), "the log was fsynced before it was closed");
}

/// What kill -9 and a power cut leave is the whole dataset.
fn survives(scene: &mut Scene) {
    let client = scene.rig.client();
    assert_eq!(scene.rig.ask(client, "SET last 1"), "+OK|");
    scene.settle();
    scene.rig.send(client, "WAITAOF 1 0 0");
    // Under everysec the fsync comes within a second.
    scene.rig.pass_ms(1_000);
    scene.settle();
    assert_eq!(scene.rig.take(client), "*2|:1|:0|");
    for key in &scene.acked.clone() {
        assert_eq!(scene.ask(&format!("EXISTS {key}")), ":1|", "{key}");
    }
    let digest = scene.ask("DEBUG DIGEST");
    let mut rng = fastrand::Rng::with_seed(1);
    let images = [
        (scene.rig.killed(), BOOT),
        (scene.rig.disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync), BOOT + 1),
    ];
    for (image, boot) in images {
        let mut next = Rig::on(&image, config("everysec"), boot).unwrap();
        let client = next.client();
        assert_eq!(next.ask(client, "DEBUG DIGEST"), digest);
        let left: Vec<String> = next.disk.names(DIR).into_iter().filter(|name| name.starts_with("temp-")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn try_all(policy: &str, in_multi: bool) {
    for (state, known_as, make) in STATES {
        for change in CHANGES {
            println!("{policy}: {state}: {change}{}", if in_multi { " in MULTI" } else { "" });
            let mut scene = make(policy);
            assert_eq!([scene.rig.info("aof_state"), scene.phase()], *known_as);
            let before = settings(&mut scene, change);
            let wanted: Vec<&str> = change.split(' ').skip(1).step_by(2).collect();
            let accepted = set(&mut scene, change, in_multi);
            let after = settings(&mut scene, change);
            if NEVER.contains(change) {
                assert!(!accepted);
            } else if before == wanted || !change.contains("appendonly") {
                assert!(accepted, "nothing stands against it");
            }
            assert!(after == if accepted { wanted } else { before.iter().map(String::as_str).collect() });
            scene.rig.turn();
            keeps_what_was_acked(&scene, policy == "always", known_as[0] == "on");
            scene.collect();
            agrees(&mut scene);
            scene.write("after");
            recover(&mut scene);
            assert_eq!(scene.rig.status(), None, "{:#?}", scene.rig.lines());
            survives(&mut scene);
        }
    }
}

/// One thing that happens: a change, a write, a step of the background or of a child, a fault, time.
fn happen(scene: &mut Scene, rng: &mut fastrand::Rng, written: &mut u32) {
    match rng.u8(..16) {
        0..3 => {
            let change = CHANGES[rng.usize(..CHANGES.len())];
            set(scene, change, rng.u8(..8) == 0);
        }
        3..7 => {
            *written += 1;
            scene.write(&format!("key{written}"));
        }
        7 => drop(scene.ask("BGREWRITEAOF")),
        8 => match rng.u8(..6) {
            0 => scene.rig.disk.inject(Rule::nth(Call::Append, 1, Fault::ENOSPC)),
            1 => scene.rig.disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO)),
            2 => scene.rig.disk.inject(Rule::nth(Call::Rename, 1, Fault::EIO)),
            3 => scene.rig.disk.inject(Rule::nth(Call::DirFsync, 1, Fault::FSYNC_EIO)),
            4 => scene.rig.children.fail_next_fork(11),
            _ => scene.rig.disk.heal(),
        },
        9..13 => {
            let kinds = [Kind::Write, Kind::Fsync, Kind::BulkFsync, Kind::Rename, Kind::DirFsync, Kind::Close];
            scene.rig.run(kinds[rng.usize(..kinds.len())]);
        }
        13 | 14 => {
            for _ in 0..rng.u8(..40) {
                scene.rig.children.step(scene.rig.mono_ms());
            }
        }
        _ => scene.rig.pass_ms(rng.u64(..1_500)),
    }
    scene.rig.turn();
    scene.collect();
}

/// `LEDGERSTONE_SIM_SEEDS=n` runs n seeds, `LEDGERSTONE_SIM_SEED=s` begins with seed s.
#[test]
fn whatever_is_changed_in_whatever_order_the_log_keeps_what_was_acknowledged() {
    let number = |name, usual| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(usual);
    let first = number("LEDGERSTONE_SIM_SEED", 0);
    for seed in first..first + number("LEDGERSTONE_SIM_SEEDS", 100) {
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut scene = Scene::new(["always", "everysec", "no"][rng.usize(..3)]);
        let mut written = 0;
        for _ in 0..rng.u8(20..150) {
            happen(&mut scene, &mut rng, &mut written);
            if rng.u8(..20) == 0 {
                let is_on = scene.rig.info("aof_state") == "on";
                keeps_what_was_acked(&scene, false, is_on);
            }
        }
        recover(&mut scene);
        assert_eq!(scene.rig.status(), None, "{:#?}", scene.rig.lines());
        survives(&mut scene);
    }
}

#[test]
fn under_always_every_setting_of_the_log_can_be_changed_in_every_state_or_is_refused_with_a_reason() {
    try_all("always", false);
}

#[test]
fn under_everysec_every_setting_of_the_log_can_be_changed_in_every_state_or_is_refused_with_a_reason() {
    try_all("everysec", false);
}

#[test]
fn under_no_every_setting_of_the_log_can_be_changed_in_every_state_or_is_refused_with_a_reason() {
    try_all("no", false);
}

#[test]
fn inside_a_transaction_every_setting_of_the_log_can_be_changed_or_is_refused_with_a_reason() {
    try_all("everysec", true);
}
