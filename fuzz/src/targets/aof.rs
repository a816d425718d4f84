//! Logs, whole and damaged, with and without a state file that says how far they were fsynced:
//!
//! - A check finds the first damage where a naive reader does, and salvage keeps everything outside of damaged stretches, as
//!   a log that is valid and that a second salvage leaves as it is.
//! - A recovery hands over what stands before the damage, in order, and no more; it fails without a change on the disk, or succeeds
//!   with what was cut in a side file, and then a second recovery gives the same and cuts nothing.
//!
//! The first four bytes choose options and the state file, the rest is the log.

use std::sync::Arc;

use aof_load::check::{self, Later, RdbPreamble, SalvageError, later_than, salvage};
use aof_load::{AmbiguousTail, LoadError, LoadOptions, Proven, Recovered, Recovery, Refusal, Sink, SourceKind};
use keyspace::{UnixMs, Value};
use resp_codec::Args;
use vfs::sim::SimDisk;
use vfs::{Dir, File, Open};

use crate::log::{self, Log, Unit};

const DIR: &str = "/data";
const AOF: &str = "appendonly.aof";

pub(crate) fn run(input: &[u8]) {
    let [flags, more, low, high, bytes @ ..] = input else { return };
    let disk = SimDisk::new();
    disk.put(DIR, AOF, bytes);
    let dir: Arc<dyn Dir> = disk.dir(DIR);
    let commands_start = check_file(&disk, &dir, bytes);
    let naive = commands_start.map(|start| log::read(bytes, start));
    let options = options(*flags);
    let proven = proven(*more, u16::from_le_bytes([*low, *high]), bytes.len());
    recover_twice(&disk, &dir, Case { bytes, naive: naive.as_ref(), options, proven, picky: flags & 16 != 0 });
}

fn options(flags: u8) -> LoadOptions {
    LoadOptions {
        truncated: flags & 1 == 0,
        ambiguous_tail: if flags & 2 == 0 { AmbiguousTail::Refuse } else { AmbiguousTail::Cut },
        without_side_file: flags & 4 != 0,
        verify_checksum: flags & 8 == 0,
        source: SourceKind::Inline,
    }
}

fn proven(flags: u8, place: u16, len: usize) -> Option<Proven> {
    let offset = usize::from(place) % (len + 2);
    let fsynced_offset_bytes = if flags & 4 == 0 { offset } else { len } as u64;
    (flags & 8 == 0).then_some(Proven { fsynced_offset_bytes, clean_end: flags & 2 != 0 })
}

/// Checks and salvages; where the commands start, unless what stands before them is damaged.
fn check_file(disk: &SimDisk, dir: &Arc<dyn Dir>, bytes: &[u8]) -> Option<usize> {
    let file = opened(dir, AOF);
    let size_bytes = bytes.len() as u64;
    let report = check::check(&file, size_bytes, Some(&RdbPreamble)).ok()?;
    let start = index(report.commands_start);
    let naive = log::read(bytes, start);
    assert_eq!(report.ok_up_to, naive.ok_up_to as u64, "the first damage: {report:?}");
    assert_eq!(report.is_valid(), naive.ok_up_to == bytes.len(), "{report:?}");
    let mut end = report.commands_start;
    for stretch in &report.stretches {
        let ordered = end <= stretch.start && stretch.start < stretch.end && stretch.resume <= stretch.end;
        assert!(ordered && stretch.end <= size_bytes, "{stretch:?} behind {end}");
        end = stretch.end;
    }
    let json = report.json(AOF).to_string();
    assert!(json.starts_with('{') && json.ends_with('}'), "{json}");
    if let Ok(Later::From(at)) = later_than(&file, size_bytes, Some(&RdbPreamble), 1_000_000_000) {
        assert!(at <= size_bytes, "a cut at {at}");
    }
    let salvaged = match salvage(&file, size_bytes, Some(&RdbPreamble), &**dir, "salvaged") {
        Err(SalvageError::Nothing) => {
            assert_eq!((report.commands, start), (0, 0), "something is whole");
            assert_eq!(disk.content(DIR, "salvaged"), None, "a file of nothing");
            return Some(start);
        }
        salvaged => salvaged.expect("nothing fails here"),
    };
    let kept = disk.content(DIR, "salvaged").expect("it was written");
    assert_eq!(salvaged.size_bytes, kept.len() as u64);
    let file = opened(dir, "salvaged");
    let again = check::check(&file, kept.len() as u64, Some(&RdbPreamble)).expect("what was salvaged can be checked");
    assert!(again.is_valid(), "{again:?} of {}", kept.escape_ascii());
    assert_eq!(again.commands, report.commands + salvaged.selects_added, "all that is whole is kept");
    // A command right before the damage may lie in its stretch: its count is wrong. So may a whole transaction whose MULTI is damaged.
    let first = report.stretches.first();
    let undoubted = first.map_or(bytes.len(), |first| index(first.start));
    let before = log::read(&bytes[..undoubted], start).units;
    let in_doubt = first.map_or(0, |first| index(first.dropped_commands).max(1));
    assert!(naive.units.starts_with(&before), "what stands before the damage");
    assert!(naive.units.len() <= before.len() + in_doubt, "{} commands are in doubt at most", in_doubt);
    assert!(log::read(&kept, start).units.starts_with(&before), "what stands before the damage is kept");
    salvage(&file, kept.len() as u64, Some(&RdbPreamble), &**dir, "again").expect("nothing fails here");
    assert_eq!(disk.content(DIR, "again").as_deref(), Some(&kept[..]), "a second salvage");
    assert_eq!(disk.content(DIR, AOF).as_deref(), Some(bytes), "the damaged file");
    for name in ["salvaged", "again"] {
        dir.unlink(name).expect("nothing fails here");
    }
    Some(start)
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("a place in the input")
}

fn opened(dir: &Arc<dyn Dir>, name: &str) -> Arc<dyn File> {
    dir.open(name, Open::Read).expect("the file is there")
}

#[derive(Clone, Copy)]
struct Case<'a> {
    bytes: &'a [u8],
    /// What stands in the log; nothing is known if it begins with a damaged snapshot.
    naive: Option<&'a Log>,
    options: LoadOptions,
    proven: Option<Proven>,
    /// Whether some commands are refused.
    picky: bool,
}

fn recover_twice(disk: &SimDisk, dir: &Arc<dyn Dir>, case: Case<'_>) {
    let mut first = Memory { picky: case.picky, ..Memory::default() };
    let names = sorted_names(disk);
    let recovered = match recover(dir, &mut first, case.options, case.proven) {
        Ok(recovered) => recovered,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(disk.content(DIR, AOF).as_deref(), Some(case.bytes), "{error}: the file is as it was");
            assert_eq!(sorted_names(disk), names, "{error}: no file is left");
            if let Some(log) = case.naive {
                assert!(log.units.starts_with(&first.units), "{error}: {:?} of {:?}", first.units, log.units);
            }
            return;
        }
    };
    let kept = disk.content(DIR, AOF).expect("it was recovered");
    assert_eq!(recovered.size_bytes, kept.len() as u64);
    let (same, tail) = case.bytes.split_at(kept.len());
    assert_eq!(kept.escape_ascii().to_string(), same.escape_ascii().to_string(), "what is kept");
    match recovered.cut {
        None => assert!(tail.is_empty(), "{} bytes are missing", tail.len()),
        Some(cut) => {
            assert_eq!((cut.offset, cut.tail_bytes), (kept.len() as u64, tail.len() as u64));
            let side_file = cut.side_file.expect("nothing fails here");
            assert_eq!(disk.content(DIR, &side_file).as_deref(), Some(tail), "the copy of what was cut");
        }
    }
    let Some(log) = case.naive else {
        // A check verifies the checksum of a snapshot in any case.
        assert!(!case.options.verify_checksum, "a log whose start is damaged is not recovered");
        return;
    };
    if case.picky {
        assert!(log.units.starts_with(&first.units), "{:?} of {:?}", first.units, log.units);
    } else {
        assert_eq!(first.units, log.units, "everything before the damage, and no more");
        assert_eq!(kept.len(), log.ok_up_to, "and what is not is cut");
    }
    let size_bytes = kept.len() as u64;
    let proven = case.proven.map(|_| Proven { fsynced_offset_bytes: size_bytes, clean_end: false });
    let mut second = Memory { picky: case.picky, ..Memory::default() };
    let again = recover(dir, &mut second, case.options, proven).expect("what was recovered can be recovered");
    assert!(again.cut.is_none() && again.size_bytes == size_bytes, "{again:?}");
    assert!((second.units, second.keys) == (first.units, first.keys), "a second recovery gives the same");
}

fn sorted_names(disk: &SimDisk) -> Vec<String> {
    let mut names = disk.names(DIR);
    names.sort();
    names
}

fn recover(
    dir: &Arc<dyn Dir>,
    sink: &mut Memory,
    options: LoadOptions,
    proven: Option<Proven>,
) -> Result<Recovered, LoadError> {
    let mut recovery = Recovery::open(Arc::clone(dir), AOF, options, proven)?.expect("the log is there");
    let mut last = recovery.progress();
    while !recovery.step(sink, 64)?.is_done() {
        let progress = recovery.progress();
        assert!(last.done_bytes <= progress.done_bytes && progress.done_bytes <= progress.total_bytes, "{progress:?}");
        last = progress;
        for notice in recovery.take_notices() {
            assert!(!notice.to_string().is_empty());
        }
    }
    Ok(recovery.finish())
}

/// Remembers what it is given. A picky one refuses names that begin with `x`.
#[derive(Default)]
struct Memory {
    picky: bool,
    units: Vec<Unit>,
    keys: Vec<(u32, Vec<u8>)>,
}

impl Sink for Memory {
    fn check(&mut self, args: Args<'_>) -> Result<(), Refusal> {
        let refused = self.picky && args.name().starts_with(b"x");
        if refused { Err(Refusal::UnknownCommand) } else { Ok(()) }
    }

    fn apply(&mut self, unit: &aof_load::Unit<'_>) -> Result<(), Refusal> {
        let words = |command: aof_load::Command<'_>| command.args().from(0).map(<[u8]>::to_vec).collect();
        self.units.push(Unit { transaction: unit.is_transaction(), commands: unit.commands().map(words).collect() });
        Ok(())
    }

    fn put(&mut self, db: u32, key: &[u8], _value: Value, _deadline: Option<UnixMs>) -> Result<(), Refusal> {
        self.keys.push((db, key.to_vec()));
        Ok(())
    }
}
