//! A disk that fails: the snapshot before stays, nothing is left over, and the next one succeeds.

use rdb_save::Outcome;
use vfs::sim::{Call, Fault, Rule};

use crate::world::{DIR, DUMP, World};

fn changed() -> World {
    let mut world = World::with_keys(40);
    world.snapshot(Outcome::Saved);
    world.set("key:1", "after");
    world
}

#[test]
fn a_call_that_fails_before_the_rename_costs_the_new_snapshot_and_nothing_else() {
    for (call, text) in [
        (Call::Append, "Write error while saving DB to the disk(write): "),
        (Call::Fdatasync, "Write error while saving DB to the disk(fsync): "),
        (
            Call::Rename,
            "Error moving temp DB file temp-ledgerstone-42.rdb on the final destination dump.rdb (in server root dir /data): ",
        ),
    ] {
        for (fault, reason) in [(Fault::EIO, "Input/output error"), (Fault::ENOSPC, "No space left on device")] {
            let mut world = changed();
            let before = world.disk.content(DIR, DUMP);
            world.disk.inject(Rule::nth(call, 1, fault));
            world.snapshot(Outcome::Failed);
            assert!(world.logged(&format!("{text}{reason}")) && world.logged("Background saving error"));
            assert_eq!(world.disk.content(DIR, DUMP), before, "{call:?}");
            world.disk.inject(Rule::nth(call, 1, fault));
            let error = world.save_now().unwrap_err();
            assert_eq!(error.errno, if fault == Fault::EIO { libc::EIO } else { libc::ENOSPC });
            assert_eq!(world.disk.content(DIR, DUMP), before, "{call:?}");
            assert_eq!(world.disk.names(DIR), [DUMP]);
            world.snapshot(Outcome::Saved);
            assert_eq!(world.dump(), Some(world.keys()));
        }
    }
}

#[test]
fn a_name_that_may_not_last_is_no_success() {
    let mut world = changed();
    world.disk.inject(Rule::nth(Call::DirFsync, 1, Fault::EIO));
    world.snapshot(Outcome::Failed);
    assert!(world.logged("Failed to fsync directory while saving DB: Input/output error"));
    assert_eq!(world.dump(), Some(world.keys()), "every process sees the new one");
    world.snapshot(Outcome::Saved);
}

/// The child shared its parent's open file description of the directory: whichever fsynced first took the error, and the other
/// believed its name durable.
#[test]
fn an_fsync_of_the_directory_by_the_parent_takes_no_error_of_the_childs() {
    let mut world = changed();
    world.start().unwrap();
    while !world.disk.names(DIR).iter().all(|name| name == DUMP) {
        world.children.step(world.mono_ms);
    }
    world.disk.inject(Rule::nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
    world.dir.fsync().unwrap_err();
    assert_eq!(world.settle(), Outcome::Failed);
    assert!(world.logged("Failed to fsync directory while saving DB: Input/output error"));
}

#[test]
fn a_temp_file_that_cannot_be_made_is_told_of() {
    let mut world = changed();
    world.disk.inject(Rule::nth(Call::Open, 1, Fault::ENOSPC));
    assert!(world.start().is_err());
    let text = "Failed opening the temp RDB file temp-ledgerstone-42.rdb (in server root dir /data) for saving: No space left on device";
    assert!(world.logged(text));
    world.snapshot(Outcome::Saved);
}

#[test]
fn a_left_over_of_a_server_with_this_process_id_is_in_nobodys_way() {
    let mut world = World::with_keys(3);
    world.disk.put(DIR, "temp-ledgerstone-42.rdb", b"a part");
    world.snapshot(Outcome::Saved);
    assert_eq!(world.dump(), Some(world.keys()));
}

#[test]
fn a_file_that_cannot_be_removed_is_told_of() {
    let mut world = changed();
    let pid = world.start().unwrap();
    world.children.signal(pid, libc::SIGKILL);
    world.disk.inject(Rule::nth(Call::Unlink, 1, Fault::EIO));
    assert_eq!(world.settle(), Outcome::Failed);
    assert!(world.logged("Can't remove temp-ledgerstone-42.rdb: Input/output error"));
    world.snapshot(Outcome::Saved);
    assert_eq!(world.disk.names(DIR), [DUMP]);
}

#[test]
fn a_large_one_is_fsynced_every_32_megabytes_if_told_to() {
    let mut world = World::with_keys(0);
    let text = |i: usize| -> String {
        let mut rng = fastrand::Rng::with_seed(i as u64);
        (0..1 << 20).map(|_| rng.alphanumeric()).collect()
    };
    (0..36).for_each(|i| world.set(&format!("large:{i}"), &text(i)));
    world.disk.record(true);
    world.snapshot(Outcome::Saved);
    let fsyncs = world.disk.trace().iter().filter(|record| record.call == Call::Fdatasync).count();
    assert_eq!(fsyncs, 2);
}
