//! Recovery of what a crash left, and its judgement.

use engine::TestHooks;
use resp_codec::Value;
use vfs::sim::{CrashMode, NameMode, SimDisk};

use crate::background::FsyncRun;
use crate::excuse::{self, Holes, Written};
use crate::history::History;
use crate::key::Key;
use crate::model::{Dataset, Entry, Held};
use crate::server::{DIR, LOG, Policy, Refusal, Server, Spawn};
use crate::snapshot::{self, Broken, DUMP};

/// What the names of logs begin with that were set aside when `appendonly` was turned on.
pub const SET_ASIDE: &str = "appendonly.aof.old-";

/// How a process ends without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// kill -9: the page cache stays.
    Kill,
    /// The power goes.
    Power(CrashMode, NameMode),
}

impl Crash {
    /// Every way.
    pub fn all() -> impl Iterator<Item = Self> {
        let power = CrashMode::ALL.into_iter().flat_map(|mode| NameMode::ALL.map(|names| Self::Power(mode, names)));
        std::iter::once(Self::Kill).chain(power)
    }

    /// In a few words.
    pub fn text(self) -> String {
        let Self::Power(mode, names) = self else { return "killed".to_owned() };
        let mode = match mode {
            CrashMode::Strict => "strict",
            CrashMode::TornAnyByte => "torn at any byte",
            CrashMode::ZeroSectors => "zeroed sectors",
            CrashMode::Reordered => "reordered sectors",
        };
        let names = match names {
            NameMode::OnlyDirFsync => "names by fsync of the directory",
            NameMode::AnyFsync => "names by any fsync",
        };
        format!("{mode}, {names}")
    }

    /// What the next process finds.
    pub fn image(self, disk: &SimDisk, rng: &mut fastrand::Rng) -> SimDisk {
        match self {
            Self::Kill => disk.kill(),
            Self::Power(mode, names) => disk.crash(rng, mode, names),
        }
    }
}

/// A broken promise.
#[derive(Debug)]
pub enum Violation {
    /// The server does not start on what the crash left.
    DoesNotStart(Refusal),
    /// Nothing executed explains what is there.
    NoPrefix {
        /// What is there.
        found: Dataset,
        /// What was there before the crash.
        before: Dataset,
    },
    /// The two lists that every transaction pushes to differ.
    SplitTransaction {
        /// Whose.
        client: u32,
        /// What is there.
        found: Dataset,
    },
    /// A value has zeros in it that no hole explains.
    Damaged {
        /// What is there.
        found: Dataset,
    },
    /// Too much is missing.
    Lost {
        /// How many operations had to survive.
        required: usize,
        /// How many did.
        survived: usize,
        /// How many there were.
        executed: usize,
    },
    /// A second recovery gives another dataset.
    Unstable {
        /// How the first server ended.
        after: Crash,
        /// What changed.
        what: String,
        /// The dataset at the first recovery.
        first: Box<Dataset>,
        /// And at the second.
        second: Box<Dataset>,
    },
    /// A recovered server said with WAITAOF what it holds to be on stable storage, and after a power cut it was not.
    BrokenWord {
        /// What changed.
        what: String,
        /// What it held.
        before: Box<Dataset>,
        /// What is there.
        found: Box<Dataset>,
    },
    /// A file that should have been removed.
    LeftOver(Vec<String>),
    /// A recovery cut the log, and what it cut is in no side file: from this byte on.
    TailGone(usize),
    /// The snapshot is not what it must be.
    Snapshot(Broken),
    /// A recovered server does not take a write.
    TakesNoWrites(Value),
}

/// What is known of the process that crashed.
pub struct Crashed<'a> {
    /// What it executed and acknowledged.
    pub history: &'a History,
    /// The policy whose promise is asked for, if not that of each reply.
    pub policy: Option<Policy>,
    /// Its fsyncs.
    pub fsyncs: &'a [FsyncRun],
    /// When it crashed, monotonic milliseconds.
    pub at_ms: u64,
    /// What had been written to the log that is found.
    pub written: Written,
    /// Whether the disk failed to take a state file, so that none speaks of the log.
    pub stateless: bool,
    /// Whether a call has failed while the server started that is judged: what it could not remove then is removed later.
    pub start_failed: bool,
    /// Whether the wall clock may have been set.
    pub clock_set: bool,
    /// The snapshot before this life.
    pub dump: Option<&'a [u8]>,
    /// The furthest that the wall clock has come since, Unix milliseconds.
    pub latest_ms: i64,
}

/// A server that recovered and passed.
pub struct Survivor {
    /// It serves.
    pub server: Server,
    /// What it holds.
    pub dataset: Dataset,
    /// How many operations survived; `None` where a hole made a value unreadable.
    pub survived: Option<usize>,
    /// Whether an operator had to cut the log first.
    pub repaired: bool,
    /// Whether the log ended in the middle of something.
    pub torn: bool,
    /// The snapshot.
    pub dump: Option<Vec<u8>>,
}

/// Recovers `image` and judges it.
///
/// # Errors
/// The first broken promise.
pub fn judge(image: &SimDisk, spawn: &Spawn, crash: Crash, crashed: &Crashed<'_>) -> Result<Survivor, Violation> {
    let before = image.content(DIR, &excuse::left_log(image)).unwrap_or_default();
    let started = Server::start(image, spawn);
    judge_started(started, &before, image, spawn, crash, crashed)
}

/// Judges a server that has started on `image`, whose log was `before`, or the refusal of one.
///
/// # Errors
/// The first broken promise.
pub fn judge_started(
    started: Result<Server, Refusal>,
    before: &[u8],
    image: &SimDisk,
    spawn: &Spawn,
    crash: Crash,
    crashed: &Crashed<'_>,
) -> Result<Survivor, Violation> {
    let dump_beside = image.content(DIR, DUMP);
    let mut repaired = false;
    let mut server = match started {
        Ok(server) => server,
        Err(refusal) if dump_beside.is_some() && is_of_empty_log(&refusal, before) => start_without_dump(image, spawn)?,
        Err(refusal)
            if dump_beside.is_some()
                && is_of_older_copy(&refusal)
                && (excuse::has_copy(image) || excuse::dump_says_after(image)) =>
        {
            move_away(&refusal, image);
            Server::start(image, spawn).map_err(Violation::DoesNotStart)?
        }
        Err(refusal)
            if dump_beside.is_some()
                && is_of_later_copy(&refusal)
                && match excuse::is_stated(image) {
                    true => crashed.clock_set && excuse::has_copy(image),
                    // Of a copy that could not be stated, nor its mark be read, nobody knows.
                    false => crashed.clock_set || crashed.stateless,
                } =>
        {
            start_without_dump(image, spawn)?
        }
        Err(refusal) if dump_beside.is_some() && nameless_log(&refusal, image).is_some() => {
            let name = nameless_log(&refusal, image).unwrap_or_default();
            image.give_name(DIR, &name, LOG);
            Server::start(image, spawn).map_err(Violation::DoesNotStart)?
        }
        Err(refusal) if crashed.stateless => {
            repaired = true;
            repair(image, before, spawn, &crashed.written, refusal)?
        }
        Err(refusal) => return Err(Violation::DoesNotStart(refusal)),
    };
    let torn = judge_tail(image, before, &server)?;
    let dataset = Dataset::read_back(&mut server);
    if !crashed.start_failed {
        judge_names(image)?;
    }
    judge_again(image, spawn, &server, &dataset)?;
    let survived = judge_dataset(&dataset, &server, before, crash, crashed)?;
    if let Some(dump) = dump_beside.filter(|_| image.content(DIR, DUMP).is_none()) {
        image.put(DIR, DUMP, &dump);
    }
    let dump = snapshot::judge(image, spawn, crashed.history, crashed.dump, crashed.latest_ms);
    let dump = dump.map_err(Violation::Snapshot)?;
    judge_writes(&mut server)?;
    Ok(Survivor { server, dataset, survived, repaired, torn, dump })
}

/// Two more recoveries of what the first one left must give the same.
fn judge_again(image: &SimDisk, spawn: &Spawn, server: &Server, dataset: &Dataset) -> Result<(), Violation> {
    for after in [Crash::Kill, Crash::Power(CrashMode::Strict, NameMode::OnlyDirFsync)] {
        let again = after.image(image, &mut fastrand::Rng::with_seed(spawn.seed));
        let boot = if after == Crash::Kill { spawn.boot } else { !spawn.boot };
        let spawn = Spawn { boot, now: server.now, hooks: TestHooks::default(), ..spawn.clone() };
        let mut server_again = Server::start(&again, &spawn).map_err(Violation::DoesNotStart)?;
        let second = Dataset::read_back(&mut server_again);
        judge_names(&again)?;
        // A key that expires meanwhile is removed whenever the server comes to it.
        let now_ms = server.now.unix().0 + 1_000;
        if let Some(what) = difference(dataset, &second, now_ms) {
            let (first, second) = (Box::new(dataset.clone()), Box::new(second));
            return Err(Violation::Unstable { after, what, first, second });
        }
        if after == Crash::Kill && spawn.config.appendonly {
            judge_promise(server_again, &spawn, second)?;
        }
    }
    Ok(())
}

/// What a recovered server says with WAITAOF to be on stable storage outlives a power cut: its log has its name for good. The server is
/// one of an image of its own, so that the campaign knows nothing of it.
fn judge_promise(mut server: Server, spawn: &Spawn, mut dataset: Dataset) -> Result<(), Violation> {
    let client = server.connect();
    server.ask_as(client, &["SET", "verdict", "1"]);
    let promise = server.ask_as(client, &["WAITAOF", "1", "0", "0"]);
    if promise != Value::Array(vec![Value::Integer(1), Value::Integer(0)]) {
        return Err(Violation::TakesNoWrites(promise));
    }
    dataset.keys.insert((0, Key::new("verdict")), Entry { held: Held::Text("1".into()), deadline_ms: None });
    let rng = &mut fastrand::Rng::with_seed(spawn.seed);
    let image = Crash::Power(CrashMode::Strict, NameMode::OnlyDirFsync).image(&server.disk, rng);
    let spawn = Spawn { boot: !spawn.boot, now: server.now, ..spawn.clone() };
    let found = Dataset::read_back(&mut Server::start(&image, &spawn).map_err(Violation::DoesNotStart)?);
    match difference(&dataset, &found, server.now.unix().0 + 1_000) {
        Some(what) => Err(Violation::BrokenWord { what, before: Box::new(dataset), found: Box::new(found) }),
        None => Ok(()),
    }
}

/// What differs between two datasets, if anything does.
fn difference(first: &Dataset, second: &Dataset, now_ms: i64) -> Option<String> {
    let mut names = first.keys.keys().chain(second.keys.keys());
    let differing = names.find(|name| first.differs(second, name, now_ms)).map(|name| format!("{name:?}"));
    differing.or_else(|| (first.strange != second.strange).then(|| "what no operation makes".to_owned()))
}

/// Whether a start refuses a log that holds nothing beside a snapshot: a crash took all of it.
fn is_of_empty_log(refusal: &Refusal, before: &[u8]) -> bool {
    match refusal {
        Refusal::Start(engine::StartError::BesideData { .. }) => before.is_empty(),
        Refusal::Exit { log, .. } => log.iter().any(|line| line.contains(" holds nothing, and nothing says that")),
        _ => false,
    }
}

/// Whether a start refuses a log that was only a copy, made before the snapshot, and says that first it may be moved away.
fn is_of_older_copy(refusal: &Refusal) -> bool {
    let newer = format!("{DUMP} (");
    matches!(refusal, Refusal::Start(engine::StartError::BesideData { found, advice, .. })
        if found == LOG && advice.starts_with(&newer) && advice.contains("or move dump.rdb away to load"))
}

/// Moves the log and what else a refusal names to be moved away with it.
fn move_away(refusal: &Refusal, image: &SimDisk) {
    let Refusal::Start(engine::StartError::BesideData { advice, .. }) = refusal else { return };
    let names = advice.split_once(": move ").and_then(|(_, rest)| rest.split_once(" away to start from"));
    for name in names.map_or("", |(names, _)| names).replace(" and ", ", ").split(", ") {
        image.take_away(DIR, name);
    }
}

/// Whether a start refuses a log that may be only a copy, of which it does not know whether it was made before the snapshot, and says
/// first how the log is loaded. So it may be where the clock was set back, and the state file calls it one or says nothing of it. A server without
/// a log loads it as well, if it is alone.
fn is_of_later_copy(refusal: &Refusal) -> bool {
    let first = format!("move {DUMP} away to load {LOG}, or move {LOG} and");
    matches!(refusal, Refusal::Start(engine::StartError::BesideData { found, advice, .. })
        if found == LOG && [": ", ": set 'appendonly yes' and "].iter().any(|before| advice.contains(&format!("{before}{first}"))))
}

/// The finished log of which a start refuses to say whether it is older than the snapshot, since another log was moved aside for it. Of
/// what it holds nothing was promised that the other does not hold.
fn nameless_log(refusal: &Refusal, image: &SimDisk) -> Option<String> {
    let Refusal::Start(engine::StartError::BesideData { found, advice, .. }) = refusal else { return None };
    let is_aside = image.names(DIR).iter().any(|name| name.starts_with(SET_ASIDE));
    let tells = advice.contains(&format!("Rename {found} to {LOG} to load it"));
    (is_aside && tells && found.starts_with("temp-rewriteaof-bg-")).then(|| found.clone())
}

/// Does what a refusal of this or the first kind tells an operator to do. The caller puts the snapshot back, to be judged.
fn start_without_dump(image: &SimDisk, spawn: &Spawn) -> Result<Server, Violation> {
    image.take_away(DIR, DUMP);
    Server::start(image, spawn).map_err(Violation::DoesNotStart)
}

/// What a recovery cut off must stand in a side file. Whether it cut anything.
fn judge_tail(image: &SimDisk, before: &[u8], server: &Server) -> Result<bool, Violation> {
    let lines = server.log.0.borrow();
    let Some(at) = lines.iter().find_map(|(_, line)| number_after(line, "Truncating the AOF at offset ")) else {
        return Ok(false);
    };
    let tail = before.get(at..).unwrap_or_default();
    let first = format!("{LOG}.torn-{at}");
    let mut side_files = image.names(DIR).into_iter().filter(|name| name.starts_with(&first));
    if side_files.any(|name| image.content(DIR, &name).is_some_and(|content| content == tail)) {
        return Ok(true);
    }
    Err(Violation::TailGone(at))
}

/// Does what the refusal tells an operator to do, where a refusal is allowed: a hole in the very command that it names, and
/// no state file that could tell it from corruption, since the disk has failed to take one. What is cut off then must not have been promised,
/// as always.
fn repair(
    image: &SimDisk,
    before: &[u8],
    spawn: &Spawn,
    written: &Written,
    refusal: Refusal,
) -> Result<Server, Violation> {
    let Refusal::Exit { log, .. } = &refusal else { return Err(Violation::DoesNotStart(refusal)) };
    let log = log.join("\n");
    let cut_at = number_after(&log, "valid up to byte ").or_else(|| number_after(&log, ": byte "));
    let unproven = log.contains("Nothing is known of how much") && !written.is_vouched_for(image);
    let Some(valid_bytes) = cut_at.filter(|&at| unproven && written.explains_refusal(before, at)) else {
        return Err(Violation::DoesNotStart(refusal));
    };
    image.tamper(DIR, LOG, |bytes| bytes.truncate(valid_bytes));
    match Server::start(image, spawn) {
        // What is left may be nothing, and a snapshot stand beside it.
        Err(refusal) if valid_bytes == 0 && is_of_empty_log(&refusal, &[]) => start_without_dump(image, spawn),
        started => started.map_err(Violation::DoesNotStart),
    }
}

fn number_after(text: &str, words: &str) -> Option<usize> {
    let rest = &text[text.find(words)? + words.len()..];
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

fn judge_dataset(
    found: &Dataset,
    server: &Server,
    log: &[u8],
    crash: Crash,
    crashed: &Crashed<'_>,
) -> Result<Option<usize>, Violation> {
    let (history, written) = (crashed.history, &crashed.written);
    let executed = history.executed.len();
    let now_ms = server.now.unix().0.max(crashed.latest_ms);
    let required = if server.engine.config().appendonly {
        history.required(crashed.policy, crash, crashed.at_ms, crashed.fsyncs)
    } else {
        history.saved
    };
    if let Some(&survived) = history.prefixes_equal_to(found, now_ms).last() {
        return if survived < required {
            Err(Violation::Lost { required, survived, executed })
        } else {
            Ok(Some(survived))
        };
    }
    // The one documented exception: no checksum tells that a hole lies inside of an argument's bytes.
    match excuse::holes(found, log, written, history, now_ms, required) {
        Holes::Inside(survived) if survived >= required => Ok(None),
        Holes::Inside(survived) | Holes::OfPromised(survived) => Err(Violation::Lost { required, survived, executed }),
        Holes::No => Err(unexplained(found, history)),
    }
}

/// What is wrong with a dataset that nothing executed explains.
fn unexplained(found: &Dataset, history: &History) -> Violation {
    if let Some(client) = split_transaction(found) {
        return Violation::SplitTransaction { client, found: found.clone() };
    }
    if found.keys.values().any(|entry| matches!(&entry.held, Held::Text(text) if text.contains('\0'))) {
        return Violation::Damaged { found: found.clone() };
    }
    let mut before = history.base.clone();
    for done in &history.executed {
        before.apply(done.db, &done.op, done.unix_ms);
    }
    Violation::NoPrefix { found: found.clone(), before }
}

/// The client whose two lists differ: each of its transactions pushes the same to both.
fn split_transaction(found: &Dataset) -> Option<u32> {
    let numbers = found.keys.keys().filter_map(|(db, key)| {
        let key = key.as_str();
        let number = key.strip_prefix("a:").or_else(|| key.strip_prefix("b:"))?;
        Some((*db, number.to_owned()))
    });
    let differs = |(db, number): &(u32, String)| {
        let list = |prefix: &str| {
            let key = Key::of(&format!("{prefix}:{number}"))?;
            found.keys.get(&(*db, key)).map(|entry| &entry.held)
        };
        list("a") != list("b")
    };
    numbers.filter(differs).find_map(|(_, number)| number.parse().ok())
}

/// Only the log, its state file, the snapshot, the lock and copies of torn tails may stay.
fn judge_names(image: &SimDisk) -> Result<(), Violation> {
    let expected = [LOG, "appendonly.aof.state", DUMP, engine::LOCK_NAME];
    let known = |name: &String| {
        expected.contains(&name.as_str()) || name.starts_with("appendonly.aof.torn-") || name.starts_with(SET_ASIDE)
    };
    let left: Vec<String> = image.names(DIR).into_iter().filter(|name| !known(name)).collect();
    if left.is_empty() { Ok(()) } else { Err(Violation::LeftOver(left)) }
}

/// As one unit that leaves nothing behind, so that the history knows of nothing it did not execute.
fn judge_writes(server: &mut Server) -> Result<(), Violation> {
    let client = server.connect();
    for request in [&["MULTI"][..], &["INCR", "verdict"], &["DEL", "verdict"]] {
        server.ask_as(client, request);
    }
    let reply = server.ask_as(client, &["EXEC"]);
    server.engine.disconnect(client);
    let expected = Value::Array(vec![Value::Integer(1), Value::Integer(1)]);
    if reply == expected { Ok(()) } else { Err(Violation::TakesNoWrites(reply)) }
}
