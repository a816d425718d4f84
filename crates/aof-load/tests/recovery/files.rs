//! The real file system, real servers' files, and the threaded source.
#![expect(clippy::disallowed_methods, reason = "files are laid out and looked at past the seam")]

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use aof_load::{LoadError, LoadOptions, Operation, Proof, Reader, Recovery, SourceKind};
use proptest::prelude::*;
use vfs::sim::{Call, Fault, Rule};
use vfs::{Dir, FileKind, Open, RealDir};

use crate::fixture::*;

fn real_dir(place: &tempfile::TempDir) -> Arc<dyn Dir> {
    Arc::new(RealDir::open(place.path()).unwrap())
}

#[test]
fn a_torn_log_is_recovered_on_the_real_file_system() {
    let sample = sample();
    let torn = &sample.bytes[..sample.bytes.len() - 1];
    let boundary = sample.boundary(torn.len() as u64);
    for proven in [None, unclean(60), unclean(0)] {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(AOF), torn).unwrap();
        let outcome = recover_in(real_dir(&place), LoadOptions::default(), proven);
        assert_eq!(outcome.units, sample.before(boundary));
        let side_file = format!("{AOF}.torn-{boundary}");
        assert_eq!(std::fs::read(place.path().join(side_file)).unwrap(), torn[boundary as usize..]);
        assert_eq!(outcome.recovered().file.append(b"more").unwrap(), 4);
        let expected = [&sample.bytes[..boundary as usize], b"more"].concat();
        assert_eq!(std::fs::read(place.path().join(AOF)).unwrap(), expected);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
    }
}

#[test]
fn what_is_no_regular_file_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let open = || Recovery::open(real_dir(&place), AOF, INLINE, None).map(|_| ()).unwrap_err();
    std::fs::create_dir(place.path().join(AOF)).unwrap();
    let error = open();
    assert!(matches!(error, LoadError::NotAFile { kind: FileKind::Dir, .. }), "{error}");
    std::fs::remove_dir(place.path().join(AOF)).unwrap();
    std::fs::write(place.path().join("elsewhere"), sample().bytes).unwrap();
    symlink("elsewhere", place.path().join(AOF)).unwrap();
    let error = open();
    assert!(error.to_string().ends_with("it is a symbolic link"), "{error}");
}

#[test]
fn a_read_error_is_fatal_and_touches_nothing() {
    let sample = sample();
    let disk = disk_with(&sample.bytes[..sample.bytes.len() - 1]);
    disk.inject(Rule::nth(Call::ReadAt, 2, Fault::EIO));
    match recover(&disk, None).result.unwrap_err() {
        LoadError::Io { operation: Operation::Read, offset: 0, source, .. } => {
            assert_eq!(source.raw_os_error(), Some(libc::EIO));
        }
        other => panic!("{other}"),
    }
    assert_eq!(names(&disk), [AOF]);
    assert_eq!(disk.content(DIR, AOF).unwrap().len(), sample.bytes.len() - 1);
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error() {
    let disk = disk_with(&sample().bytes);
    let mut recovery = Recovery::open(disk.dir(DIR), AOF, INLINE, None).unwrap().unwrap();
    disk.tamper(DIR, AOF, Vec::clear);
    let error = recovery.step(&mut Memory::default(), 1).unwrap_err();
    assert!(matches!(error, LoadError::Io { operation: Operation::Read, .. }), "{error}");
}

#[test]
fn steps_are_bounded_by_their_budget() {
    let sample = sample();
    let disk = disk_with(&sample.bytes);
    let mut recovery = Recovery::open(disk.dir(DIR), AOF, INLINE, clean(sample.bytes.len() as u64)).unwrap().unwrap();
    let mut memory = Memory::default();
    for (number, (_, end)) in sample.units.iter().enumerate() {
        let progress = recovery.step(&mut memory, 1).unwrap();
        assert_eq!((memory.units.len(), progress.done_bytes), (number + 1, *end));
        assert_eq!(progress.total_bytes, sample.bytes.len() as u64);
    }
    while !recovery.step(&mut memory, 1).unwrap().is_done() {}
    assert_eq!(recovery.finish().proof, Proof::CleanEnd);
}

#[test]
fn a_recovery_dropped_in_the_middle_lets_its_reader_go() {
    let mut sample = Sample::default();
    for _ in 0..200 {
        sample.push(false, &[vec![b"SET".to_vec(), b"k".to_vec(), vec![b'v'; 100_000]]]);
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join(AOF), &sample.bytes).unwrap();
    let dir = real_dir(&place);
    let mut recovery = Recovery::open(dir, AOF, LoadOptions::default(), None).unwrap().unwrap();
    recovery.step(&mut Memory::default(), 1).unwrap();
    drop(recovery);
}

#[test]
fn logs_of_real_servers_are_read_whole() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    for (path, least) in [
        ("redis-4.0/basic/appendonly.aof", 100),
        ("redis-6.2/basic/appendonly.aof", 100),
        ("redis-4.0/plain/appendonly.aof", 100),
        ("redis-7.0/basic/appendonlydir/appendonly.aof.2.incr.aof", 1),
    ] {
        let path = corpus.join(path);
        let dir = RealDir::open(path.parent().unwrap()).unwrap();
        let file = dir.open(path.file_name().unwrap().to_str().unwrap(), Open::Read).unwrap();
        let size_bytes = file.metadata().unwrap().len;
        let mut reader = Reader::new(file, 0, size_bytes);
        let (mut end, mut units) = (0, 0);
        while let Some(batch) = reader.next_batch().unwrap() {
            for unit in batch.units() {
                assert!(unit.range().start >= end, "{path:?}");
                end = unit.range().end;
                units += 1;
            }
        }
        assert_eq!(end, size_bytes, "{path:?}");
        assert!(units >= least, "{path:?}: {units} units");
    }
}

fn any_log() -> impl Strategy<Value = Sample> {
    let word = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (0..400_000_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ];
    let command = prop::collection::vec(word, 0..5).prop_map(|mut words| {
        words.insert(0, b"SET".to_vec());
        words
    });
    let unit = (any::<bool>(), prop::collection::vec(command, 1..5));
    prop::collection::vec(unit, 0..30).prop_map(|units| {
        let mut sample = Sample::default();
        for (transaction, commands) in units {
            let commands = if transaction { &commands[..] } else { &commands[..1] };
            sample.push(transaction, commands);
        }
        sample
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn threaded_and_inline_give_the_same_units_and_the_same_end(
        sample in any_log(), keep in 0.0..=1.2_f64, tail in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        #[expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "a random place in a small file")]
        let len = ((sample.bytes.len() as f64 * keep) as usize).min(sample.bytes.len());
        let mut bytes = sample.bytes[..len].to_vec();
        bytes.extend_from_slice(&tail);
        let boundary = sample.boundary(len as u64);
        let proven = unclean(boundary);
        let (inline, threaded) = (disk_with(&bytes), disk_with(&bytes));
        let one = recover(&inline, proven);
        let options = LoadOptions { source: SourceKind::Threaded, ..INLINE };
        let other = recover_in(threaded.dir(DIR), options, proven);
        prop_assert_eq!(&one.units, &other.units);
        prop_assert_eq!(format!("{:?}", one.result), format!("{:?}", other.result));
        prop_assert_eq!(one.units.len(), sample.before(boundary).len());
        prop_assert!(one.units == sample.before(boundary));
    }
}
