//! What is served is on stable storage, whatever the end before was.

use aof_load::{LoadError, LoadOptions, Operation, Proof};
use aof_state::TempFile;
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};
use vfs::{Dir, Open};

use crate::fixture::*;

/// What a power loss right now would leave of the log.
fn after_power_loss(disk: &SimDisk) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(1);
    disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync).content(DIR, AOF).unwrap_or_default()
}

/// A disk with the sample in the page cache: durable up to `fsynced`, the rest lost by an fsync that failed.
fn disk_with_failed_fsync(sample: &Sample, fsynced: usize) -> SimDisk {
    let disk = disk_with(&sample.bytes[..fsynced]);
    let file = disk.dir(DIR).open(AOF, Open::Append).unwrap();
    file.append(&sample.bytes[fsynced..]).unwrap();
    disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
    file.fdatasync().unwrap_err();
    file.fdatasync().unwrap();
    assert_ne!(after_power_loss(&disk), sample.bytes, "the second fsync proves nothing");
    disk.kill()
}

#[test]
fn bytes_whose_fsync_failed_are_durable_once_they_are_served() {
    let sample = sample();
    let fsynced = sample.units[1].1;
    // The state file may be of an earlier boot, though the page cache is not: the server whose fsync failed had failed to write one.
    for proven in [unclean(fsynced), unclean(0), None] {
        let disk = disk_with_failed_fsync(&sample, fsynced as usize);
        let outcome = recover(&disk, proven);
        assert_eq!(outcome.units, sample.before(u64::MAX));
        assert_eq!(after_power_loss(&disk), sample.bytes, "{:?}", outcome.recovered());
    }
}

#[test]
fn each_end_has_its_proof() {
    let sample = sample();
    let size = sample.bytes.len() as u64;
    for (proven, proof, writes) in [
        (clean(size), Proof::CleanEnd, 0),
        (unclean(size), Proof::Fsynced, 0),
        (unclean(60), Proof::Rewritten { from: 60 }, 1),
        (clean(60), Proof::Rewritten { from: 60 }, 1),
        (unclean(size + 1), Proof::Copied, 0),
        (None, Proof::Copied, 0),
    ] {
        let disk = disk_with(&sample.bytes);
        disk.record(true);
        let outcome = recover(&disk, proven);
        assert_eq!(outcome.recovered().proof, proof, "{proven:?}");
        let trace = disk.trace();
        let count = |call| trace.iter().filter(|record| record.call == call).count();
        assert_eq!(count(Call::WriteAt), writes, "{proven:?}");
        assert_eq!(count(Call::Fsync), usize::from(proof != Proof::CleanEnd), "{proven:?}");
        assert_eq!(count(Call::DirFsync), usize::from(proof != Proof::CleanEnd), "{proven:?}");
        assert_eq!(after_power_loss(&disk), sample.bytes);
    }
}

#[test]
fn an_empty_log_is_valid_and_a_missing_one_is_told_apart() {
    let disk = disk_with(b"");
    let outcome = recover(&disk, None);
    assert_eq!((outcome.recovered().size_bytes, outcome.recovered().proof), (0, Proof::Copied));
    let missing = aof_load::Recovery::open(SimDisk::new().dir(DIR), AOF, LoadOptions::default(), None);
    assert!(missing.unwrap().is_none());
}

/// A log was created, and the fsync of its directory failed: its name could be read and was lost. The next start fsynced the
/// directory again, which proves nothing, and acknowledged writes to a file that a power loss took.
#[test]
fn an_empty_log_gets_its_name_anew_because_it_may_be_lost() {
    let disk = SimDisk::new();
    let dir = disk.dir(DIR);
    dir.open(AOF, Open::CreateNew).unwrap();
    disk.inject(Rule::nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
    dir.fsync().unwrap_err();
    recover(&disk, None).recovered();
    let log = dir.open(AOF, Open::Append).unwrap();
    log.append(b"acknowledged").unwrap();
    log.fdatasync().unwrap();
    assert_eq!(after_power_loss(&disk), b"acknowledged");
}

#[test]
fn a_log_that_somebody_cut_between_two_commands_is_loaded_with_a_warning() {
    let sample = sample();
    let len = sample.units[3].1;
    let disk = disk_with(&sample.bytes[..len as usize]);
    let outcome = recover(&disk, clean(sample.bytes.len() as u64));
    assert_eq!(outcome.units, sample.before(len));
    assert!(outcome.log()[0].contains("it was cut by somebody else"), "{:?}", outcome.log());
}

#[test]
fn a_copy_that_a_crash_left_is_replaced() {
    let sample = sample();
    let disk = disk_with(&sample.bytes);
    disk.put(DIR, &TempFile::Copy.name(AOF), b"half");
    assert_eq!(recover(&disk, None).recovered().proof, Proof::Copied);
    assert_eq!(names(&disk), [AOF]);
    assert_eq!(disk.content(DIR, AOF).unwrap(), sample.bytes);
}

#[test]
fn a_full_disk_leaves_the_old_log_and_no_half_copy() {
    let sample = sample();
    let disk = disk_with(&sample.bytes);
    disk.set_capacity(Some(sample.bytes.len() as u64 + 100));
    match recover(&disk, None).result.unwrap_err() {
        LoadError::Prove { operation: Operation::Write, source, .. } => {
            assert_eq!(source.raw_os_error(), Some(libc::ENOSPC));
        }
        other => panic!("{other}"),
    }
    assert_eq!(names(&disk), [AOF]);
    assert_eq!(disk.content(DIR, AOF).unwrap(), sample.bytes);
}

#[test]
fn a_torn_tail_without_room_for_a_side_file_is_kept_unless_told_otherwise() {
    let sample = sample();
    let torn = &sample.bytes[..sample.bytes.len() - 1];
    let boundary = sample.boundary(torn.len() as u64);
    let disk = disk_with(torn);
    disk.set_capacity(Some(torn.len() as u64 + 2));
    let outcome = recover(&disk, unclean(boundary));
    assert!(matches!(outcome.result, Err(LoadError::SideFile { operation: Operation::Write, .. })));
    assert!(outcome.error().contains("aof-load-without-side-file"));
    assert_eq!((names(&disk), disk.content(DIR, AOF).unwrap()), (vec![AOF.to_owned()], torn.to_vec()));

    let options = LoadOptions { without_side_file: true, ..INLINE };
    let outcome = recover_in(disk.dir(DIR), options, unclean(boundary));
    assert_eq!(outcome.recovered().cut.as_ref().unwrap().side_file, None);
    assert_eq!(disk.content(DIR, AOF).unwrap(), sample.bytes[..boundary as usize]);
    assert!(outcome.log().iter().any(|line| line.contains("is lost")), "{:?}", outcome.log());
}

#[test]
fn failing_starts_do_not_pile_up_side_files() {
    let sample = sample();
    let torn = &sample.bytes[..sample.bytes.len() - 1];
    for (proven, call) in [(None, Call::Rename), (unclean(0), Call::SetLen)] {
        let disk = disk_with(torn);
        disk.inject(Rule::from_nth(call, 1, Fault::EIO));
        for _ in 0..3 {
            recover(&disk, proven).result.unwrap_err();
            assert_eq!((names(&disk), disk.content(DIR, AOF).unwrap()), (vec![AOF.to_owned()], torn.to_vec()));
        }
    }
}

#[test]
fn an_earlier_side_file_is_never_overwritten() {
    let sample = sample();
    let torn = &sample.bytes[..sample.bytes.len() - 1];
    let boundary = sample.boundary(torn.len() as u64);
    let disk = disk_with(torn);
    let first = format!("{AOF}.torn-{boundary}");
    disk.put(DIR, &first, b"earlier");
    let outcome = recover(&disk, unclean(boundary));
    let second = format!("{first}.1");
    assert_eq!(outcome.recovered().cut.as_ref().unwrap().side_file.as_ref(), Some(&second));
    assert_eq!(disk.content(DIR, &first).unwrap(), b"earlier");
    assert_eq!(disk.durable_content(DIR, &second).unwrap(), torn[boundary as usize..]);
}

#[test]
fn the_side_file_is_durable_before_the_log_is_cut() {
    let sample = sample();
    let disk = disk_with(&sample.bytes[..sample.bytes.len() - 1]);
    disk.record(true);
    recover(&disk, unclean(0)).recovered();
    let calls: Vec<_> = disk.trace().into_iter().map(|record| record.call).collect();
    let expected = [Call::Append, Call::Fsync, Call::DirFsync, Call::SetLen, Call::Fsync, Call::Fsync, Call::DirFsync];
    let changes: Vec<_> = calls.into_iter().filter(|call| expected.contains(call)).collect();
    assert_eq!(changes, expected);
}
