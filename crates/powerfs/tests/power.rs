//! What a power loss leaves of a disk, mode by mode: no file system is mounted here.

use std::collections::BTreeSet;

use fastrand::Rng;
use powerfs::{Disk, Inode, Mode, NameRule, NewNode, Operation, ROOT};
use proptest::prelude::*;

/// How many cuts are drawn where all of them must have something.
const CUTS: u64 = 200;

fn create(parent: Inode, name: &str, inode: Inode) -> Operation {
    Operation::Create { parent, name: name.to_owned(), inode, node: NewNode::File, mode: 0o600 }
}

fn write(inode: Inode, offset: usize, bytes: &[u8]) -> Operation {
    Operation::Write { inode, offset, bytes: bytes.into() }
}

/// An fsync that covers everything before it.
fn sync(disk: &Disk, inode: Inode) -> Operation {
    Operation::Sync { inode, data_only: false, since: disk.applied(), succeeded: true }
}

/// A disk on which file 2, named "log", is durable with these bytes.
fn with_log(bytes: &[u8]) -> Disk {
    let mut disk = Disk::default();
    disk.apply(&create(ROOT, "log", 2));
    disk.apply(&write(2, 0, bytes));
    for inode in [2, ROOT] {
        let sync = sync(&disk, inode);
        disk.apply(&sync);
    }
    disk
}

/// What the cuts leave of the file named "log".
fn logs(disk: &Disk, mode: Mode) -> BTreeSet<Vec<u8>> {
    let cut = |seed| disk.cut(mode, NameRule::DirectoryFsync, &mut Rng::with_seed(seed));
    let log = |left: Disk| left.lookup(ROOT, "log").map(|inode| left.bytes(inode).to_vec()).unwrap_or_default();
    (0..CUTS).map(|seed| log(cut(seed))).collect()
}

fn names(disk: &Disk, mode: Mode, rule: NameRule) -> BTreeSet<Vec<String>> {
    let cut = |seed| disk.cut(mode, rule, &mut Rng::with_seed(seed));
    (0..CUTS).map(|seed| cut(seed).listing().into_keys().collect()).collect()
}

fn only<T: Ord>(one: T) -> BTreeSet<T> {
    BTreeSet::from([one])
}

#[test]
fn strict_keeps_what_was_fsynced_and_nothing_else() {
    let mut disk = with_log(b"safe");
    disk.apply(&write(2, 4, b" unsafe"));
    assert_eq!(logs(&disk, Mode::Strict), only(b"safe".to_vec()));
    assert_eq!(logs(&disk, Mode::Killed), only(b"safe unsafe".to_vec()));
}

#[test]
fn torn_keeps_a_prefix_cut_at_any_byte() {
    let mut disk = with_log(b"safe");
    disk.apply(&write(2, 4, b"+abc"));
    disk.apply(&write(2, 8, b"de"));
    let prefixes = (4..=10).map(|len| b"safe+abcde"[..len].to_vec()).collect();
    assert_eq!(logs(&disk, Mode::Torn), prefixes);
}

#[test]
fn holes_are_zeros_by_sector_and_never_in_what_was_fsynced() {
    let mut disk = with_log(&[b's'; 512]);
    disk.apply(&write(2, 512, &[b'u'; 1024]));
    let seen = logs(&disk, Mode::Holes);
    assert!(seen.iter().all(|log| log[..512] == [b's'; 512]));
    assert!(seen.contains(&[[b's'; 512], [0; 512], [b'u'; 512]].concat()), "a later sector without the one before it");
    assert!(seen.contains(&[[b's'; 512], [0; 512], [0; 512]].concat()), "the length alone");
    assert!(seen.contains([b's'; 512].as_slice()));
}

#[test]
fn an_fsync_covers_what_was_done_before_it_began_only() {
    let mut disk = with_log(b"");
    disk.apply(&write(2, 0, b"before"));
    let since = disk.applied();
    disk.apply(&write(2, 6, b"+meanwhile"));
    disk.apply(&Operation::Sync { inode: 2, data_only: true, since, succeeded: true });
    assert_eq!(logs(&disk, Mode::Strict), only(b"before".to_vec()));
}

#[test]
fn a_failed_fsync_loses_its_bytes_whatever_a_later_one_says() {
    let mut disk = with_log(b"good");
    disk.apply(&write(2, 4, b"lost"));
    disk.apply(&Operation::Sync { inode: 2, data_only: true, since: disk.applied(), succeeded: false });
    assert_eq!(disk.bytes(2), b"goodlost", "it can still be read");
    disk.apply(&write(2, 8, b"more"));
    let again = sync(&disk, 2);
    disk.apply(&again);
    assert_eq!(logs(&disk, Mode::Strict), only(b"good\0\0\0\0more".to_vec()));
}

#[test]
fn a_name_needs_an_fsync_of_its_directory_or_by_the_other_rule_of_anything() {
    let mut disk = with_log(b"");
    disk.apply(&create(ROOT, "new", 3));
    let file = sync(&disk, 3);
    disk.apply(&file);
    let seen = |disk: &Disk, rule| names(disk, Mode::Strict, rule);
    assert_eq!(seen(&disk, NameRule::DirectoryFsync), only(vec!["log".to_owned()]));
    assert_eq!(seen(&disk, NameRule::AnyFsync), only(vec!["log".to_owned(), "new".to_owned()]));
    let directory = sync(&disk, ROOT);
    disk.apply(&directory);
    assert_eq!(seen(&disk, NameRule::DirectoryFsync), only(vec!["log".to_owned(), "new".to_owned()]));
}

#[test]
fn a_directory_that_was_never_fsynced_in_its_parent_is_lost_with_everything_in_it() {
    let mut disk = Disk::default();
    let (name, node) = ("dir".to_owned(), NewNode::Directory);
    disk.apply(&Operation::Create { parent: ROOT, name, inode: 2, node, mode: 0o700 });
    disk.apply(&create(2, "log", 3));
    for inode in [3, 2] {
        let sync = sync(&disk, inode);
        disk.apply(&sync);
    }
    assert_eq!(names(&disk, Mode::Strict, NameRule::DirectoryFsync), only(vec![]));
    let parent = sync(&disk, ROOT);
    disk.apply(&parent);
    assert_eq!(
        names(&disk, Mode::Strict, NameRule::DirectoryFsync),
        only(vec!["dir".to_owned(), "dir/log".to_owned()])
    );
}

#[test]
fn a_rename_leaves_the_old_file_or_the_new_one_and_never_none() {
    let mut disk = with_log(b"old");
    disk.apply(&create(ROOT, "temp", 3));
    disk.apply(&write(3, 0, b"new"));
    let file = sync(&disk, 3);
    disk.apply(&file);
    disk.apply(&Operation::Rename { from: (ROOT, "temp".to_owned()), to: (ROOT, "log".to_owned()) });
    let either = BTreeSet::from([b"old".to_vec(), b"new".to_vec()]);
    assert_eq!(logs(&disk, Mode::Strict), only(b"old".to_vec()));
    assert_eq!(logs(&disk, Mode::Torn), either);
    assert_eq!(logs(&disk, Mode::Holes), either);
}

#[test]
fn an_attribute_is_safe_after_an_fsync_but_not_after_an_fdatasync() {
    let kept = |data_only| {
        let mut disk = with_log(b"");
        let value = Some(b"1".to_vec());
        disk.apply(&Operation::SetAttribute { inode: 2, name: "user.mark".to_owned(), value });
        disk.apply(&Operation::Sync { inode: 2, data_only, since: disk.applied(), succeeded: true });
        disk.cut(Mode::Strict, NameRule::DirectoryFsync, &mut Rng::with_seed(0)).attributes(2).count()
    };
    assert_eq!((kept(true), kept(false)), (0, 1));
}

#[test]
fn a_truncation_survives_in_order_or_not_at_all() {
    let mut disk = with_log(b"0123456789");
    disk.apply(&Operation::SetLen { inode: 2, len: 4 });
    disk.apply(&write(2, 4, b"x"));
    let possible = [&b"0123456789"[..], b"0123", b"0123x"].map(<[u8]>::to_vec);
    assert_eq!(logs(&disk, Mode::Torn), possible.clone().into());
    assert!(logs(&disk, Mode::Holes).iter().all(|log| possible.contains(log) || log == b"0123\0"));
}

#[test]
fn a_disk_goes_into_a_directory_and_comes_back() {
    let mut disk = with_log(b"bytes");
    let (name, node) = ("dir".to_owned(), NewNode::Directory);
    disk.apply(&Operation::Create { parent: ROOT, name, inode: 7, node, mode: 0o700 });
    disk.apply(&create(7, "inside", 8));
    let (name, node) = ("link".to_owned(), NewNode::Link("log".to_owned()));
    disk.apply(&Operation::Create { parent: ROOT, name, inode: 9, node, mode: 0o777 });
    let place = tempfile::tempdir().unwrap();
    disk.write_to(place.path()).unwrap();
    let back = Disk::read_from(place.path()).unwrap();
    assert_eq!(back.listing(), disk.listing());
    assert_eq!(back.target(back.lookup(ROOT, "link").unwrap()), Some("log"));
    assert_eq!(back.bytes(back.lookup(ROOT, "log").unwrap()), b"bytes");
}

proptest! {
    /// Whatever is written, the fsynced part of an append-only file is the beginning of every image.
    #[test]
    fn what_was_fsynced_of_an_append_only_file_is_in_every_image(
        safe in prop::collection::vec(any::<u8>(), 0..1500),
        rest in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..700), 0..6),
        seed in any::<u64>(),
    ) {
        let mut disk = with_log(&safe);
        let mut all = safe.clone();
        for bytes in &rest {
            disk.apply(&write(2, all.len(), bytes));
            all.extend_from_slice(bytes);
        }
        for mode in Mode::ALL {
            let left = disk.cut(mode, NameRule::DirectoryFsync, &mut Rng::with_seed(seed));
            let log = left.bytes(2);
            prop_assert!(log.starts_with(&safe), "{mode:?}");
            prop_assert!(mode == Mode::Holes || all.starts_with(log), "{mode:?}");
        }
    }

    /// A cut is a function of its seed, and what it leaves is all durable: cutting again changes nothing.
    #[test]
    fn a_second_cut_of_what_was_left_changes_nothing(seed in any::<u64>()) {
        let mut disk = with_log(b"safe");
        disk.apply(&write(2, 4, &[7; 900]));
        disk.apply(&create(ROOT, "new", 3));
        for mode in Mode::ALL {
            let cut = |disk: &Disk| disk.cut(mode, NameRule::AnyFsync, &mut Rng::with_seed(seed));
            let left = cut(&disk);
            prop_assert_eq!(left.fingerprint(), cut(&disk).fingerprint());
            prop_assert_eq!(cut(&left).fingerprint(), left.fingerprint());
        }
    }
}
