//! A short life crashed at every single call to the disk, in every way.

use engine::{Now, TestHooks};
use tests_sim::excuse::Written;
use tests_sim::life::{End, Life, Shape};
use tests_sim::model::Dataset;
use tests_sim::server::{Policy, Server, Spawn};
use tests_sim::verdict::{Crash, Crashed, judge};
use vfs::sim::SimDisk;

const SHAPE: Shape = Shape { clients: 2, turns: 300, rewrite_every: 10, ..Shape::PLAIN };
const SEED: u64 = 11;

fn spawn(policy: Policy, at_us: u64, boot: u8) -> Spawn {
    let unix_us = 1_790_000_000_000_000 + i64::try_from(at_us).expect("a short life");
    let now = Now { mono_us: at_us, unix_us };
    Spawn { config: policy.config(), now, boot, pid: 77, seed: SEED, hooks: TestHooks::default() }
}

/// Starts on a new disk that freezes after so many calls, and lives until it does or its time is over. `None`: it froze
/// before the server served.
fn live(policy: Policy, calls: Option<u64>) -> (SimDisk, Option<(Life, End)>) {
    let disk = SimDisk::new();
    disk.freeze_at(calls);
    let Ok(server) = Server::start(&disk, &spawn(policy, 1_000_000, 1)) else { return (disk, None) };
    let mut rng = fastrand::Rng::with_seed(SEED);
    let mut life = Life::new(server, Dataset::default(), SHAPE);
    let end = life.play(SHAPE, &mut rng).unwrap_or_else(|wrong| panic!("{policy:?} at {calls:?}: {wrong:?}"));
    (disk, Some((life, end)))
}

fn crash_at_every_call(policy: Policy) {
    let (disk, whole) = live(policy, None);
    let (life, _) = whole.expect("nothing hinders the first life");
    let log: Vec<String> = life.server.log.0.borrow().iter().map(|(_, line)| line.clone()).collect();
    assert!(log.iter().any(|line| line.contains("rewrite finished successfully")), "{log:#?}");
    for call in 0..=disk.calls() {
        let (disk, life) = live(policy, Some(call));
        let nothing = tests_sim::history::History::default();
        let (history, fsyncs, at_us) = match &life {
            Some((life, _)) => (&life.history, life.server.bio.fsyncs(), life.server.now.mono_us),
            None => (&nothing, Vec::new(), 1_000_000),
        };
        let at_ms = at_us / 1_000;
        let crashed = |image: &SimDisk| Crashed {
            written: Written::of(&disk, image),
            history,
            policy: None,
            fsyncs: &fsyncs,
            at_ms,
            stateless: false,
            start_failed: false,
            clock_set: false,
            dump: None,
            latest_ms: 0,
        };
        for crash in Crash::all() {
            let image = crash.image(&disk, &mut fastrand::Rng::with_seed(SEED + call));
            let spawn = spawn(policy, at_us + 1_000_000, 1 + u8::from(crash != Crash::Kill));
            if let Err(violation) = judge(&image, &spawn, crash, &crashed(&image)) {
                panic!("{policy:?}, {crash:?} at call {call}: {violation:#?}");
            }
        }
    }
}

#[test]
fn a_crash_at_any_call_under_always_breaks_no_promise() {
    crash_at_every_call(Policy::Always);
}

#[test]
fn a_crash_at_any_call_under_everysec_breaks_no_promise() {
    crash_at_every_call(Policy::EverySec);
}

#[test]
fn a_crash_at_any_call_under_no_breaks_no_promise() {
    crash_at_every_call(Policy::No);
}
