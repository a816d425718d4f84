//! Crashes, power losses and failed calls during recovery itself: the next recovery gives the same dataset.

use aof_load::Proven;
use vfs::sim::{CrashMode, Fault, NameMode, Rule, SimDisk};
use vfs::{Dir, Open};

use crate::fixture::*;

/// A log to recover, what is known of it, and the dataset it must give.
struct Case {
    bytes: Vec<u8>,
    proven: Option<Proven>,
    expected: Vec<Words>,
}

/// Whole and torn logs under every sort of state file.
fn cases() -> Vec<Case> {
    let sample = sample();
    let mut cases = Vec::new();
    for len in [sample.bytes.len(), sample.bytes.len() - 1, sample.units[3].1 as usize + 20] {
        let boundary = sample.boundary(len as u64);
        for proven in [None, unclean(boundary), unclean(60), unclean(0)] {
            let mut nuls = sample.bytes[..len].to_vec();
            nuls.resize(len + 40, 0);
            for bytes in [sample.bytes[..len].to_vec(), nuls] {
                cases.push(Case { bytes, proven, expected: sample.before(boundary) });
            }
        }
    }
    cases
}

#[track_caller]
fn check_next(disk: &SimDisk, proven: Option<Proven>, case: &Case, what: &str) {
    let outcome = recover(disk, proven);
    match &outcome.result {
        Ok(recovered) => assert_eq!(recovered.size_bytes as usize, disk.content(DIR, AOF).unwrap().len(), "{what}"),
        Err(error) => panic!("{what}: {error}"),
    }
    assert_eq!(outcome.units, case.expected, "{what}");
    // What was cut, and nothing else, may lie beside the log; it is a tail of what was there.
    for name in names(disk).iter().filter(|name| *name != AOF) {
        assert!(name.starts_with(&format!("{AOF}.torn-")), "{what}: {name}");
    }
    let again = recover(disk, proven);
    assert_eq!((again.units, again.result.unwrap().cut), (outcome.units, None), "{what}");
}

/// The calls that an undisturbed recovery makes.
fn calls(case: &Case) -> u64 {
    let disk = disk_with(&case.bytes);
    recover(&disk, case.proven).recovered();
    disk.calls()
}

#[test]
fn a_recovery_killed_at_any_call_is_repeated_by_the_next_one() {
    for (number, case) in cases().iter().enumerate() {
        for call in 0..calls(case) {
            let disk = disk_with(&case.bytes);
            disk.freeze_at(Some(call));
            assert!(recover(&disk, case.proven).result.is_err());
            check_next(&disk.kill(), case.proven, case, &format!("case {number}, call {call}"));
        }
    }
}

#[test]
fn a_power_loss_at_any_call_of_a_recovery_loses_nothing_that_was_durable() {
    for (number, case) in cases().iter().enumerate() {
        for call in 0..=calls(case) {
            for mode in CrashMode::ALL {
                for names in NameMode::ALL {
                    let what = format!("case {number}, call {call}, {mode:?}, {names:?}");
                    let disk = disk_with(&case.bytes);
                    disk.freeze_at(Some(call));
                    let _failed = recover(&disk, case.proven);
                    let mut rng = fastrand::Rng::with_seed(call);
                    check_next(&disk.crash(&mut rng, mode, names), case.proven, case, &what);
                }
            }
        }
    }
}

#[test]
fn an_error_of_any_call_leaves_a_log_that_loads_to_the_same_dataset() {
    for (number, case) in cases().iter().enumerate() {
        for call in 0..calls(case) {
            for fault in [Fault::EIO, Fault::ENOSPC, Fault::FSYNC_EIO] {
                let disk = disk_with(&case.bytes);
                disk.inject(Rule::when(fault, move |attempt| attempt.index == call));
                let outcome = recover(&disk, case.proven);
                let what = format!("case {number}, call {call}, {fault:?}: {:?}", outcome.result);
                assert!(outcome.result.is_err() || outcome.units == case.expected, "{what}");
                disk.heal();
                check_next(&disk.kill(), case.proven, case, &what);
            }
        }
    }
}

#[test]
fn short_and_interrupted_calls_are_carried_on() {
    for (number, case) in cases().iter().enumerate() {
        for fault in [Fault::Short(7), Fault::EINTR] {
            let disk = disk_with(&case.bytes);
            let mut turn = 0;
            disk.inject(Rule::when(fault, move |attempt| {
                use vfs::sim::Call::{Append, ReadAt, WriteAt};
                turn += 1;
                turn % 2 == 0 && matches!(attempt.call, Append | ReadAt | WriteAt)
            }));
            check_next(&disk, case.proven, case, &format!("case {number}, {fault:?}"));
        }
    }
}

#[test]
fn what_was_only_in_the_page_cache_survives_as_a_prefix_of_units() {
    let sample = sample();
    for seed in 0..400 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let fsynced = sample.units[rng.usize(..sample.units.len())].1;
        let disk = disk_with(&sample.bytes[..fsynced as usize]);
        let file = disk.dir(DIR).open(AOF, Open::Append).unwrap();
        file.append(&sample.bytes[fsynced as usize..]).unwrap();
        let (mode, names) = (CrashMode::ALL[rng.usize(..4)], NameMode::ALL[rng.usize(..2)]);
        let disk = disk.crash(&mut rng, mode, names);
        let outcome = recover(&disk, unclean(fsynced));
        let what = format!("seed {seed}, {mode:?}: {:?}", outcome.result);
        assert!(outcome.result.is_ok(), "{what}");
        assert!(outcome.units.len() >= sample.before(fsynced).len(), "{what}");
        // Holes wholly inside of one argument cannot be seen; the shape of what remains is that of a prefix.
        for (unit, (expected, _)) in outcome.units.iter().zip(&sample.units) {
            let shape = |words: &Words| (words.0, words.1.iter().map(Vec::len).collect::<Vec<_>>());
            assert_eq!(shape(unit), shape(expected), "{what}");
        }
    }
}
