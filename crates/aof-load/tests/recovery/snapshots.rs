//! Snapshots in RDB format: as preamble of a log, as base of a log in several files, as a dump. Loaded whole, or refused and left as
//! they are; never taken for torn.

use std::sync::Arc;

use aof_load::check::{RdbPreamble, check};
use aof_load::{Evidence, Import, Imported, LoadError, LoadOptions, Operation, Phase, Proof, Proven, Recovery};
use keyspace::{Deadline, Hash, HashSeed, Keyspace, List, Set, Str, Thresholds, UnixMs, Value, ZSet};
use rdb::{Foreign, RdbError};
use vfs::sim::{Fault, Rule, SimDisk};
use vfs::{Dir, Open};

use crate::fixture::*;

const MANIFEST: &str = "appendonly.aof.manifest";
const INCREMENTAL: &str = "appendonly.aof.1.incr.aof";
const DUMP: &str = "dump.rdb";
/// A library of functions, as it stands in a file.
const FUNCTION: &[u8] = b"\xf5\x16#!lua name=ours\nfail()";

/// A log with a preamble, and where its commands begin.
fn log() -> (Vec<u8>, usize) {
    let snapshot = snapshot();
    let start = snapshot.len();
    ([snapshot, sample().bytes].concat(), start)
}

fn sorted(mut keys: Vec<(u32, Vec<u8>, Option<i64>)>) -> Vec<(u32, Vec<u8>, Option<i64>)> {
    keys.sort();
    keys
}

/// Recovers, sees that it is refused, and that nothing was changed.
fn refused(bytes: &[u8], options: LoadOptions, proven: Option<Proven>) -> LoadError {
    let disk = disk_with(bytes);
    let outcome = recover_in(disk.dir(DIR), options, proven);
    assert_eq!(disk.content(DIR, AOF).unwrap(), bytes);
    assert_eq!(names(&disk), [AOF]);
    outcome.result.unwrap_err()
}

fn import_dump(disk: &SimDisk) -> (Result<Imported, LoadError>, Memory) {
    let dir: Arc<dyn Dir> = disk.dir(DIR);
    let mut memory = Memory::default();
    let import = Import::of_dump(&dir, DUMP, INLINE).transpose().expect("the dump is there");
    let result = import.and_then(|import| run(import, &mut memory));
    (result, memory)
}

/// A directory whose base is `base`, under this name, and what importing it gives.
fn import_base(name: &str, base: &[u8], incremental: Option<&[u8]>) -> (Result<Imported, LoadError>, Memory) {
    let disk = SimDisk::new();
    let mut manifest = format!("file {name} seq 1 type b\n");
    disk.put(DIR, name, base);
    if let Some(bytes) = incremental {
        manifest += &format!("file {INCREMENTAL} seq 1 type i\n");
        disk.put(DIR, INCREMENTAL, bytes);
    }
    disk.put(DIR, MANIFEST, manifest.as_bytes());
    let dir: Arc<dyn Dir> = disk.dir(DIR);
    let mut memory = Memory::default();
    let result = Import::of_manifest(&dir, MANIFEST, AOF, INLINE).and_then(|import| run(import, &mut memory));
    assert_eq!(disk.content(DIR, name).unwrap(), base);
    (result, memory)
}

fn run(mut import: Import, memory: &mut Memory) -> Result<Imported, LoadError> {
    while import.step(memory, 20)?.phase != Phase::Done {}
    Ok(import.finish().0)
}

#[test]
fn a_preamble_is_loaded_before_the_commands_behind_it_and_proven_as_the_rest_of_the_file() {
    let (bytes, start) = log();
    let (len, inside) = (bytes.len() as u64, start as u64 / 2);
    for (proven, proof) in [
        (None, Proof::Copied),
        (unclean(inside), Proof::Rewritten { from: inside }),
        (unclean(start as u64), Proof::Rewritten { from: start as u64 }),
        (unclean(len), Proof::Fsynced),
        (clean(len), Proof::CleanEnd),
    ] {
        let disk = disk_with(&bytes);
        let outcome = recover(&disk, proven);
        assert_eq!(sorted(outcome.keys.clone()), snapshot_keys());
        assert_eq!(outcome.units, sample().before(u64::MAX));
        let recovered = outcome.recovered();
        assert_eq!((recovered.size_bytes, recovered.proof), (len, proof), "{proven:?}");
        assert_eq!(disk.content(DIR, AOF).unwrap(), bytes);
        assert!(
            outcome.log().contains(&"Done loading RDB, keys loaded: 3, keys expired: 0, empty keys skipped: 0.".into())
        );
    }
}

/// A snapshot with the fields that Redis logs.
fn snapshot_with_fields() -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in [
        ("redis-ver", "7.2.4"),
        ("redis-bits", "64"),
        ("ctime", "1700000000"),
        ("used-mem", "1572864"),
        ("aof-preamble", "1"),
        ("aof-base", "0"),
    ] {
        body.push(0xfa);
        for text in [key, value] {
            body.push(text.len() as u8);
            body.extend(text.as_bytes());
        }
    }
    body.extend(b"\xfe\x00\x00\x01k\x01v");
    snapshot_of(&body)
}

#[test]
fn what_is_told_of_a_preamble_is_in_rediss_words() {
    let bytes = [snapshot_with_fields(), sample().bytes].concat();
    let outcome = recover(&disk_with(&bytes), None);
    let expected = [
        "Reading RDB preamble from AOF file...",
        "Loading RDB produced by version 7.2.4",
        "RDB of 1700000000 seconds since the epoch",
        "RDB memory usage when created 1.50 Mb",
        "RDB has an AOF tail",
        "RDB file was saved with checksum disabled: no check performed.",
        "Done loading RDB, keys loaded: 1, keys expired: 0, empty keys skipped: 0.",
        "Reading the remaining AOF tail...",
    ];
    assert_eq!(outcome.log()[..expected.len()], expected);
    let outcome = recover(&disk_with(&bytes[..40]), None);
    let failed = format!("Error reading the RDB preamble of the AOF file {AOF}, AOF loading aborted");
    assert_eq!(outcome.log().last(), Some(&failed));
}

#[test]
fn a_preamble_without_commands_is_a_whole_log() {
    let outcome = recover(&disk_with(&snapshot()), None);
    assert_eq!((outcome.keys.len(), outcome.recovered().commands), (3, 0));
}

#[test]
fn a_preamble_with_a_changed_byte_anywhere_is_refused_and_the_file_not_touched() {
    let (bytes, start) = log();
    for at in 0..start {
        for proven in [None, unclean(1), unclean(start as u64 / 2), clean(bytes.len() as u64)] {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            let error = refused(&changed, INLINE, proven);
            let seen = match &error {
                LoadError::Snapshot { offset, .. } => at >= 5 && *offset <= bytes.len() as u64,
                LoadError::SnapshotKey { offset, .. } => *offset < start as u64,
                // What does not begin as a snapshot is taken for commands.
                LoadError::BadFormat { damage, .. } => at < 5 && damage.offset == 0,
                _ => false,
            };
            assert!(seen, "byte {at}: {error}");
        }
    }
}

/// A snapshot with a string that is compressed, integers, and each kind of collection.
fn snapshot_of_every_kind() -> Vec<u8> {
    let mut keyspace = Keyspace::new(16, HashSeed([7; 16]));
    let limits = Thresholds::default();
    let mut list = List::new();
    ["a", "b", "7"].iter().for_each(|elem| list.push_back(elem.as_bytes(), &limits));
    let (mut hash, mut zset) = (Hash::new(), ZSet::new());
    hash.set(b"f", b"-300", &limits);
    zset.insert(b"m", 0.5, &limits);
    for (db, name, value) in [
        (0, "12", Value::Str(Str::new(b"70000"))),
        (0, "long", Value::Str(Str::new(&[b'x'; 300]))),
        (2, "list", Value::List(list)),
        (2, "hash", Value::Hash(hash)),
        (9, "zset", Value::ZSet(zset)),
    ] {
        let key = keyspace.key(name.as_bytes());
        keyspace.db_mut(db).insert(key, value, Deadline::At(UnixMs(5)));
    }
    written(&keyspace)
}

#[test]
fn a_preamble_of_any_types_with_a_bit_flipped_in_any_byte_or_cut_at_any_is_refused() {
    let preamble = snapshot_of_every_kind();
    let sum_at = preamble.len() - 8;
    for at in 5..preamble.len() {
        for bit in [at % 8, (at + 4) % 8] {
            let mut changed = [&preamble[..], &sample().bytes].concat();
            changed[at] ^= 1 << bit;
            match refused(&changed, INLINE, None) {
                LoadError::Snapshot { source, .. } => {
                    let by_sum = matches!(*source, RdbError::Checksum { .. });
                    assert!(by_sum || at < sum_at, "bit {bit} of byte {at}: {source}");
                }
                LoadError::SnapshotKey { .. } => assert!(at < sum_at),
                other => panic!("bit {bit} of byte {at}: {other}"),
            }
        }
        let error = refused(&preamble[..at], INLINE, None);
        assert!(matches!(error, LoadError::Snapshot { .. }), "{at} bytes: {error}");
    }
}

#[test]
fn a_preamble_that_ends_too_early_is_refused_and_never_torn() {
    let (bytes, start) = log();
    for len in 1..start {
        for options in [INLINE, LoadOptions { truncated: false, ..INLINE }] {
            for proven in [None, unclean(0)] {
                if len < 5 && proven.is_some() {
                    continue;
                }
                match refused(&bytes[..len], options, proven) {
                    LoadError::Snapshot { source, .. } => {
                        assert!(matches!(*source, RdbError::Source(_)), "{len} bytes: {source}");
                    }
                    LoadError::BadFormat { evidence: Evidence::NoCommandBefore, .. } => assert!(len < 5),
                    other => panic!("{len} bytes: {other}"),
                }
            }
        }
    }
}

#[test]
fn a_torn_tail_behind_a_preamble_is_cut_in_the_tail_alone() {
    let (bytes, start) = log();
    let sample = sample();
    for len in start + 1..bytes.len() {
        for proven in [None, unclean(start as u64 / 2), unclean(start as u64)] {
            let disk = disk_with(&bytes[..len]);
            let outcome = recover(&disk, proven);
            let boundary = sample.boundary((len - start) as u64);
            let cut_at = start as u64 + boundary;
            assert_eq!(outcome.recovered().size_bytes, cut_at, "{len} bytes, {proven:?}");
            assert_eq!(disk.content(DIR, AOF).unwrap(), bytes[..cut_at as usize]);
            assert_eq!(sorted(outcome.keys), snapshot_keys());
            assert_eq!(outcome.units, sample.before(boundary));
            let tail = disk.content(DIR, &format!("{AOF}.torn-{cut_at}"));
            assert_eq!(tail.as_deref(), (cut_at < len as u64).then(|| &bytes[cut_at as usize..len]));
        }
    }
}

#[test]
fn damage_behind_a_preamble_that_commands_follow_is_refused() {
    let (mut bytes, start) = log();
    bytes[start] = b'!';
    let error = refused(&bytes, INLINE, None);
    assert!(matches!(error, LoadError::BadFormat { evidence: Evidence::CommandFollows { .. }, .. }), "{error}");
}

#[test]
fn what_would_be_lost_is_refused_by_name_and_offset() {
    let error = refused(&snapshot_of(FUNCTION), INLINE, None);
    assert!(matches!(&error, LoadError::SnapshotFunction { offset: 9, library, .. } if library.as_bytes() == b"ours"));
    assert!(
        error.to_string().starts_with("/data/appendonly.aof: byte 9: the RDB data hold the function library 'ours'")
    );

    match refused(&snapshot_of(b"\xfa\x01a\x01b\x15\x04flow\x00"), INLINE, None) {
        LoadError::Snapshot { offset: 14, source, .. } => {
            assert!(matches!(*source, RdbError::Unsupported { what: Foreign::Type(_), .. }), "{source}");
            assert!(source.to_string().contains("\"flow\""), "{source}");
        }
        other => panic!("{other}"),
    }

    let error = refused(&snapshot_of(b"\xfe\x10\x00\x03key\x01v"), INLINE, None);
    assert_eq!(
        error.to_string(),
        "/data/appendonly.aof: byte 11: can't load key 'key' of database 16 from the RDB data: database number (the file was not touched)"
    );
}

#[test]
fn fields_and_hints_that_are_not_known_and_keys_without_elements_are_passed_over() {
    let outcome =
        recover(&disk_with(&snapshot_of(b"\xfa\x03new\x01x\xfb\x3f\x01\x01\x05empty\x00\x00\x01k\x01v")), None);
    assert_eq!(outcome.keys, [(0, b"k".to_vec(), None)]);
    let log = outcome.log();
    assert!(
        log.contains(&"Done loading RDB, keys loaded: 1, keys expired: 0, empty keys skipped: 1.".into()),
        "{log:?}"
    );
    assert!(log.contains(&"RDB file was saved with checksum disabled: no check performed.".into()), "{log:?}");
}

#[test]
fn a_checksum_counts_unless_the_operator_said_otherwise() {
    let mut bytes = snapshot();
    *bytes.last_mut().unwrap() ^= 1;
    match refused(&bytes, INLINE, None) {
        LoadError::Snapshot { source, .. } => assert!(matches!(*source, RdbError::Checksum { .. }), "{source}"),
        other => panic!("{other}"),
    }
    let outcome = recover_in(disk_with(&bytes).dir(DIR), LoadOptions { verify_checksum: false, ..INLINE }, None);
    assert_eq!(outcome.recovered().size_bytes, bytes.len() as u64);
}

#[test]
fn a_step_takes_one_key_at_least_and_goes_on_later() {
    let disk = disk_with(&snapshot());
    let mut memory = Memory::default();
    let mut recovery = Recovery::open(disk.dir(DIR), AOF, INLINE, clean(0)).unwrap().unwrap();
    let mut last = (0, 0);
    while !recovery.step(&mut memory, 1).unwrap().is_done() {
        let now = (memory.keys.len(), recovery.progress().done_bytes);
        assert!(now.0 <= last.0 + 1 && now.1 >= last.1, "{last:?}, then {now:?}");
        last = now;
    }
    assert_eq!(last.0, 3);
}

#[test]
fn a_failed_read_of_a_snapshot_is_told_as_one() {
    let disk = disk_with(&snapshot());
    recover(&disk, None).result.unwrap();
    for call in 0..disk.calls() {
        let disk = disk_with(&snapshot());
        disk.put(DIR, DUMP, &snapshot());
        disk.inject(Rule::when(Fault::EIO, move |attempt| attempt.index == call));
        match import_dump(&disk).0 {
            Ok(_) => assert!(call > 4, "call {call} failed unseen"),
            Err(LoadError::Io { operation, source, .. }) => {
                assert!(matches!(operation, Operation::Stat | Operation::Open | Operation::Read));
                assert_eq!(source.raw_os_error(), Some(5));
            }
            Err(other) => panic!("call {call}: {other}"),
        }
    }
}

#[test]
fn a_base_in_rdb_format_is_read_before_the_incremental_files() {
    let (result, memory) = import_base("appendonly.aof.1.base.rdb", &snapshot(), Some(&sample().bytes));
    assert_eq!(result.unwrap().commands, 8);
    assert_eq!(sorted(memory.keys), snapshot_keys());
    assert_eq!(memory.units, sample().before(u64::MAX));
    assert_eq!(memory.files, 2);
}

#[test]
fn a_moved_log_with_a_preamble_may_be_torn_in_its_tail_as_long_as_nothing_follows() {
    let (bytes, start) = log();
    let torn = &bytes[..bytes.len() - 1];
    let (result, memory) = import_base(AOF, torn, None);
    let left_out = result.unwrap().left_out.expect("the tail was torn");
    assert!(left_out.offset > start as u64);
    assert_eq!(sorted(memory.keys), snapshot_keys());

    let (result, _) = import_base(AOF, torn, Some(b""));
    assert!(matches!(result, Err(LoadError::BadFormat { evidence: Evidence::NotTheLastFile, .. })));
    let (result, _) = import_base(AOF, &bytes[..start - 1], None);
    assert!(matches!(result, Err(LoadError::Snapshot { .. })));
    let (result, _) = import_base("appendonly.aof.1.base.rdb", torn, None);
    assert!(matches!(result, Err(LoadError::BadFormat { evidence: Evidence::WrittenWhole, .. })));
}

#[test]
fn an_incremental_file_that_starts_as_a_snapshot_is_no_file_of_commands() {
    let (result, memory) = import_base("appendonly.aof.1.base.rdb", &snapshot(), Some(&snapshot()));
    assert!(matches!(result, Err(LoadError::BadFormat { evidence: Evidence::NoCommandBefore, .. })));
    assert_eq!(sorted(memory.keys), snapshot_keys());
}

#[test]
fn a_dump_is_a_snapshot_and_nothing_else() {
    let disk = SimDisk::new();
    disk.put(DIR, DUMP, &snapshot());
    let (result, memory) = import_dump(&disk);
    assert_eq!(result.unwrap().size_bytes, snapshot().len() as u64);
    assert_eq!(sorted(memory.keys), snapshot_keys());

    disk.put(DIR, DUMP, &[snapshot(), b"*".to_vec()].concat());
    let end = snapshot().len() as u64;
    assert!(matches!(import_dump(&disk).0, Err(LoadError::BehindSnapshot { offset, .. }) if offset == end));
    disk.put(DIR, DUMP, b"*1\r\n$4\r\nPING\r\n");
    assert!(matches!(import_dump(&disk).0, Err(LoadError::NoSnapshot { .. })));
    disk.put(DIR, DUMP, b"REDIS");
    assert!(matches!(import_dump(&disk).0, Err(LoadError::Snapshot { .. })));
    let dir: Arc<dyn Dir> = SimDisk::new().dir(DIR);
    assert!(Import::of_dump(&dir, DUMP, INLINE).unwrap().is_none());
}

#[test]
fn a_check_goes_over_a_preamble_and_finds_the_same_end() {
    let (bytes, start) = log();
    let file = |bytes: &[u8]| disk_with(bytes).dir(DIR).open(AOF, Open::Read).unwrap();
    let report = check(&file(&bytes), bytes.len() as u64, Some(&RdbPreamble)).unwrap();
    assert_eq!((report.commands_start, report.is_valid()), (start as u64, true));
    for at in [8, 20, start - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        check(&file(&changed), bytes.len() as u64, Some(&RdbPreamble)).unwrap_err();
    }
    let with_function = snapshot_of(FUNCTION);
    let report = check(&file(&with_function), with_function.len() as u64, Some(&RdbPreamble)).unwrap();
    assert_eq!(report.commands_start, with_function.len() as u64);
}

#[test]
fn a_log_can_be_read_with_its_preamble_and_without_being_touched() {
    let (bytes, start) = log();
    let disk = disk_with(&bytes[..bytes.len() - 1]);
    let dir: Arc<dyn Dir> = disk.dir(DIR);
    let mut memory = Memory::default();
    let imported = run(Import::of_log(&dir, AOF, INLINE).unwrap().unwrap(), &mut memory).unwrap();
    assert_eq!(sorted(memory.keys), snapshot_keys());
    assert_eq!(memory.units, sample().before((bytes.len() - start - 1) as u64));
    assert!(imported.left_out.is_some());
    assert_eq!(
        (names(&disk), disk.content(DIR, AOF).unwrap()),
        (vec![AOF.to_owned()], bytes[..bytes.len() - 1].to_vec())
    );
    assert!(Import::of_log(&dir, "other", INLINE).unwrap().is_none());
}

/// A collection of so many elements of each type, in one snapshot.
fn large_collections(elements: u32) -> Vec<u8> {
    let limits = Thresholds::default();
    let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
    for i in 0..elements {
        let text = format!("element {i}");
        list.push_back(text.as_bytes(), &limits);
        set.insert(text.as_bytes(), &limits);
        hash.set(text.as_bytes(), b"v", &limits);
        zset.insert(text.as_bytes(), i.into(), &limits);
    }
    let mut keyspace = Keyspace::new(1, HashSeed([7; 16]));
    let values = [Value::List(list), Value::Set(set), Value::Hash(hash), Value::ZSet(zset)];
    for (key, value) in ["list", "set", "hash", "zset"].into_iter().zip(values) {
        let key = keyspace.key(key.as_bytes());
        keyspace.db_mut(0).insert(key, value, Deadline::Clear);
    }
    let (mut bytes, encoder) = (Vec::new(), rdb::Encoder::reserve(rdb::WriteOptions::default()));
    rdb::SnapshotWriter::new(&keyspace, None, encoder, rdb::Preface::default()).run(&mut bytes).unwrap();
    bytes
}

/// A value was read in one step: a hash of a million fields kept the server from answering anybody for more than half a second.
#[test]
fn a_large_value_of_a_snapshot_is_loaded_in_many_steps() {
    const ELEMENTS: u32 = 100_000;
    /// What a server asks for in a turn, and what may be read for that of one value.
    const BUDGET_BYTES: u64 = 4 << 20;
    const MOST_ELEMENTS: u64 = 20_000;
    let disk = SimDisk::new();
    disk.put(DIR, DUMP, &large_collections(ELEMENTS));
    let dir: Arc<dyn Dir> = disk.dir(DIR);
    let mut import = Import::of_dump(&dir, DUMP, INLINE).unwrap().unwrap();
    let (mut memory, mut steps, mut between) = (Memory::default(), 0, 0);
    let mut before = import.progress();
    while before.phase != Phase::Done {
        let now = import.step(&mut memory, BUDGET_BYTES).unwrap();
        assert!(steps == 0 || now.phase == Phase::Done || now.done_bytes > before.done_bytes, "each step comes on");
        steps += 1;
        between += u64::from(memory.keys.len() < 4);
        before = now;
    }
    assert_eq!(memory.keys.len(), 4);
    assert!(between >= 4 * u64::from(ELEMENTS) / MOST_ELEMENTS - 4, "{between} of {steps} steps");
}
