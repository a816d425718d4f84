//! The scripted loads: what is there at first, and what is done, step by step.

use powerfs::{Call, Disk, Mode, NameRule, Operation, ROOT};
use testkit::binary::workspace_root;

use crate::crash::Policy;

/// One step of a load.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A command, or as a transaction several, in this database. The data afterwards is one of the states there may be.
    Unit { db: u32, commands: Vec<Vec<String>> },
    /// A command that changes no data and must succeed.
    Do(&'static [&'static str]),
    /// Waits for the end of a rewrite.
    WaitRewritten,
    /// Waits for the end of a save, if this server can save.
    WaitSaved,
    /// Under `everysec`, waits until an fsync has begun and ended, or for a second.
    WaitFsync,
    /// The log is off from now on, and nothing is promised; or it is on again, and all is.
    Promise(bool),
    /// From now on calls fail, on files with this in their name.
    Fail { call: Call, name: &'static str, errno: i32 },
    /// No more room.
    Fill,
    /// Calls succeed again.
    Heal,
    /// Waits until units are acknowledged again.
    WaitResumed,
    /// The server is asked to end, and another one started: what there was is promised under every policy from then on.
    Restart,
}

/// A scripted load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) name: &'static str,
    /// Directives beside those of the policy.
    pub(super) directives: &'static [(&'static str, &'static str)],
    /// How long every fsync takes, in milliseconds.
    pub(super) sync_delay_ms: u64,
    /// Not asked of another server, which cannot do it, or ends.
    pub(super) ours_only: bool,
    /// What there is at first.
    pub(super) start: Start,
    steps: fn() -> Vec<Step>,
}

/// What a load finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Nothing,
    /// What a power loss leaves of a plain load, with a torn tail.
    TornTail,
    /// The files of another server.
    Corpus(&'static str),
}

/// Every load.
pub(super) const LOADS: &[Load] = &[
    Load { name: "plain", steps: plain, ..BASE },
    Load { name: "rewrite", directives: &[("aof-use-rdb-preamble", "no")], sync_delay_ms: 15, steps: rewrite, ..BASE },
    Load {
        name: "preamble",
        directives: &[("aof-use-rdb-preamble", "yes")],
        sync_delay_ms: 15,
        steps: rewrite,
        ..BASE
    },
    Load { name: "torn tail", start: Start::TornTail, steps: short, ..BASE },
    Load { name: "log off, on", sync_delay_ms: 8, steps: off_and_on, ..BASE },
    Load { name: "save", sync_delay_ms: 8, steps: save, ..BASE },
    Load { name: "end in order", sync_delay_ms: 8, steps: restart, ..BASE },
    Load { name: "healing", ours_only: true, steps: healing, ..BASE },
    Load { name: "full disk", ours_only: true, steps: full_disk, ..BASE },
    Load { name: "import of parts", ours_only: true, start: Start::Corpus("redis-7.0/basic"), steps: short, ..BASE },
    Load { name: "older log", start: Start::Corpus("redis-4.0/basic"), steps: short, ..BASE },
];

const BASE: Load =
    Load { name: "", directives: &[], sync_delay_ms: 2, ours_only: false, start: Start::Nothing, steps: Vec::new };

impl Load {
    pub(super) fn steps(&self) -> Vec<Step> {
        (self.steps)()
    }

    /// The directives of the server, in every start.
    pub(super) fn directives(&self, policy: Policy) -> Vec<(&'static str, &'static str)> {
        let own = [("appendonly", "yes"), ("appendfsync", policy.name()), ("auto-aof-rewrite-percentage", "0")];
        own.into_iter().chain(self.directives.iter().copied()).collect()
    }
}

/// The files that another server left, as a disk.
///
/// # Errors
/// If they cannot be read.
pub(super) fn corpus(name: &str) -> std::io::Result<Disk> {
    let mut disk = Disk::read_from(&workspace_root().join("tests/corpus").join(name))?;
    // What the data is, for those who read the corpus: no file of the server that wrote it.
    disk.apply(&Operation::Unlink { parent: ROOT, name: "expected.jsonl".to_owned() });
    Ok(disk.cut(Mode::Killed, NameRule::AnyFsync, &mut fastrand::Rng::with_seed(0)))
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn unit(db: u32, lines: &[String]) -> Step {
    Step::Unit { db, commands: lines.iter().map(|line| words(line)).collect() }
}

/// Units of all kinds, numbered: each leaves other data than the one before.
fn units(numbers: std::ops::Range<u32>) -> Vec<Step> {
    numbers.map(|n| unit(n % 3, &lines(n))).collect()
}

fn lines(n: u32) -> Vec<String> {
    let push = format!("RPUSH list:{} {n}", n % 2);
    match n % 8 {
        // Some sectors long, so that a part of it can be lost.
        0 => vec![format!("SET large:{n} {n}:{}", "v".repeat(1_500))],
        1 => vec![push, format!("SET last {n}"), format!("HSET hash f{} {n}", n % 5)],
        2 => vec![format!("ZADD zset {n} member:{}", n % 7)],
        3 => vec!["INCR counter".to_owned(), push],
        4 => vec![push],
        5 => vec![format!("SADD set {n}"), format!("SET with:{n} {n} EX 86400"), "INCR counter".to_owned()],
        6 => vec![format!("SET small:{n} {n}")],
        _ => vec![format!("DEL small:{}", n - 1), push],
    }
}

fn plain() -> Vec<Step> {
    let mut steps = Vec::new();
    for part in 0..3 {
        steps.extend(units(part * 16..(part + 1) * 16));
        steps.push(Step::WaitFsync);
    }
    steps
}

fn short() -> Vec<Step> {
    [units(100..112), vec![Step::WaitFsync], units(112..116)].concat()
}

fn rewrite() -> Vec<Step> {
    let mut steps = units(0..16);
    for n in [16, 32] {
        steps.push(Step::Do(&["BGREWRITEAOF"]));
        steps.extend(units(n..n + 12));
        steps.push(Step::WaitRewritten);
        steps.extend(units(n + 12..n + 16));
        steps.push(Step::WaitFsync);
    }
    steps
}

fn off_and_on() -> Vec<Step> {
    let mut steps = units(0..12);
    steps.extend([Step::WaitFsync, Step::Promise(false), Step::Do(&["CONFIG", "SET", "appendonly", "no"])]);
    steps.extend(units(12..16));
    steps.push(Step::Do(&["CONFIG", "SET", "appendonly", "yes"]));
    steps.extend(units(16..20));
    steps.extend([Step::WaitRewritten, Step::Promise(true)]);
    steps.extend(units(20..28));
    steps
}

fn save() -> Vec<Step> {
    let mut steps = units(0..10);
    steps.push(Step::Do(&["BGSAVE"]));
    steps.extend(units(10..16));
    steps.push(Step::WaitSaved);
    steps.extend(units(16..20));
    steps
}

fn restart() -> Vec<Step> {
    let mut steps = units(0..10);
    steps.push(Step::Restart);
    steps.extend(units(10..16));
    // The rewrite is killed, if it has not ended by then.
    steps.extend([Step::Do(&["BGREWRITEAOF"]), Step::Restart]);
    steps.extend(units(16..20));
    steps
}

fn healing() -> Vec<Step> {
    let mut steps = units(0..12);
    steps.push(Step::WaitFsync);
    steps.push(Step::Fail { call: Call::Sync, name: "appendonly.aof", errno: 5 });
    steps.extend(units(12..20));
    // Under `everysec` the fsync that fails is the next one.
    steps.push(Step::WaitFsync);
    steps.extend(units(20..24));
    steps.extend([Step::Heal, Step::WaitResumed]);
    steps.extend(units(24..32));
    steps
}

fn full_disk() -> Vec<Step> {
    let mut steps = units(0..12);
    steps.push(Step::Fill);
    steps.extend(units(12..20));
    steps.extend([Step::Heal, Step::WaitResumed]);
    steps.extend(units(20..28));
    steps
}
