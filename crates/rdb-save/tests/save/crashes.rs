//! Kills and power cuts at every call of a snapshot: the one before or the new one has the name, whole.

use rdb_save::Outcome;
use vfs::sim::{CrashMode, NameMode, SimDisk};

use crate::world::{DIR, DUMP, Keys, World, dump_on};

/// How a snapshot is made.
#[derive(Clone, Copy, Debug)]
enum By {
    Child,
    OwnProcess,
}

/// A server with a snapshot, and other keys since.
fn changed() -> (World, Keys) {
    let mut world = World::with_keys(40);
    world.snapshot(Outcome::Saved);
    let before = world.keys();
    (0..60).for_each(|i| world.set(&format!("key:{i}"), "after"));
    world.disk.record(true);
    (world, before)
}

/// Makes the second snapshot on a disk that fails every call from the `n`th on, as at a crash; whether that came before its end,
/// and whether it was said to be saved.
fn cut_at(world: &mut World, by: By, n: u64) -> (bool, bool) {
    world.disk.freeze_at(Some(world.disk.calls() + n));
    let saved = match by {
        By::OwnProcess => world.save_now().is_ok(),
        By::Child => world.start().is_ok() && world.settle() == Outcome::Saved,
    };
    (world.disk.is_frozen(), saved)
}

fn check(found: &SimDisk, before: &Keys, after: &Keys, saved: bool, what: &str) {
    let keys = dump_on(found).unwrap_or_else(|| panic!("{what}: no snapshot is left"));
    assert!(keys == *after || !saved && keys == *before, "{what}: a snapshot of neither moment, saved: {saved}");
}

#[test]
fn a_kill_or_a_power_cut_at_any_call_leaves_the_snapshot_before_or_the_new_one() {
    for by in [By::Child, By::OwnProcess] {
        let mut rng = fastrand::Rng::with_seed(7);
        for n in 0.. {
            let (mut world, before) = changed();
            let (frozen, saved) = cut_at(&mut world, by, n);
            let after = world.keys();
            check(&world.disk.kill(), &before, &after, saved, &format!("{by:?}, killed at call {n}"));
            for mode in [CrashMode::Strict, CrashMode::TornAnyByte] {
                for names in NameMode::ALL {
                    let found = world.disk.crash(&mut rng, mode, names);
                    check(&found, &before, &after, saved, &format!("{by:?}, cut at call {n}, {mode:?}, {names:?}"));
                }
            }
            if !frozen {
                assert!(n > 5 && saved, "it has more calls than that");
                break;
            }
        }
    }
}

#[test]
fn the_name_is_given_after_the_fsync_of_the_file_and_before_that_of_the_directory() {
    use vfs::sim::Call::{Append, DirFsync, Fdatasync, Rename};

    let (mut world, _) = changed();
    world.snapshot(Outcome::Saved);
    let calls: Vec<_> = world.disk.trace().iter().map(|record| record.call).collect();
    let of_interest: Vec<_> =
        calls.into_iter().filter(|call| [Append, Fdatasync, Rename, DirFsync].contains(call)).collect();
    assert_eq!(of_interest, [Append, Fdatasync, Rename, DirFsync]);
    assert_eq!(world.disk.names(DIR), [DUMP]);
}
