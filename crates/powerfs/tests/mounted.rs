//! The mounted side: what real system calls record. Needs `/dev/fuse` and root, so it is built on demand only.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests of real files")]
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink};
use std::time::{Duration, Instant};

use fastrand::Rng;
use powerfs::{Call, Disk, Fault, Mode, NameRule, PowerFs, ROOT};

struct Place {
    directory: tempfile::TempDir,
    mounted: PowerFs,
}

impl Place {
    fn new(disk: Disk) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mounted = PowerFs::mount(disk, directory.path()).expect("/dev/fuse and root are needed");
        Self { directory, mounted }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn strict(&self) -> Disk {
        self.mounted.handle().disk().cut(Mode::Strict, NameRule::DirectoryFsync, &mut Rng::with_seed(0))
    }

    fn unmount(self) -> powerfs::Recording {
        self.mounted.unmount().unwrap()
    }
}

fn append(place: &Place, name: &str) -> File {
    OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(place.path(name)).unwrap()
}

#[test]
fn files_can_be_written_read_listed_renamed_and_removed() {
    let place = Place::new(Disk::default());
    let mut file = append(&place, "a");
    file.write_all(b"one").unwrap();
    file.write_all(b"two").unwrap();
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "onetwo");
    file.set_len(4).unwrap();
    assert_eq!(fs::metadata(place.path("a")).unwrap().len(), 4);
    assert_eq!(fs::metadata(place.path("a")).unwrap().mode() & 0o7777, 0o600);
    fs::create_dir(place.path("dir")).unwrap();
    fs::rename(place.path("a"), place.path("dir/b")).unwrap();
    symlink("dir/b", place.path("link")).unwrap();
    assert_eq!(fs::read(place.path("link")).unwrap(), b"onet");
    let mut names: Vec<_> = fs::read_dir(place.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["dir", "link"]);
    assert!(fs::remove_dir(place.path("dir")).is_err());
    fs::remove_file(place.path("dir/b")).unwrap();
    fs::remove_dir(place.path("dir")).unwrap();
    drop(file);
    place.unmount();
}

#[test]
fn an_unnamed_file_lives_on_while_it_is_open() {
    let place = Place::new(Disk::default());
    let mut file = append(&place, "a");
    fs::remove_file(place.path("a")).unwrap();
    file.write_all(b"still here").unwrap();
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "still here");
    drop(file);
    place.unmount();
}

#[test]
fn only_what_was_fsynced_is_left() {
    let place = Place::new(Disk::default());
    let mut file = append(&place, "log");
    file.write_all(b"safe").unwrap();
    file.sync_data().unwrap();
    file.write_all(b"unsafe").unwrap();
    assert_eq!(place.strict().listing().len(), 0, "the directory was not fsynced");
    File::open(place.directory.path()).unwrap().sync_all().unwrap();
    let left = place.strict();
    assert_eq!(left.bytes(left.lookup(ROOT, "log").unwrap()), b"safe");
    drop(file);
    place.unmount();
}

#[test]
fn a_recording_gives_the_disk_at_every_operation() {
    let place = Place::new(Disk::default());
    let mut file = append(&place, "log");
    let mut positions = Vec::new();
    for n in 0..10_u8 {
        file.write_all(&[n; 100]).unwrap();
        positions.push(usize::try_from(place.mounted.handle().position()).unwrap());
    }
    drop(file);
    let recording = place.unmount();
    for (n, position) in (1..).zip(positions) {
        assert_eq!(recording.disk_after(position).listing()["log"], n * 100);
    }
}

#[test]
fn what_is_written_while_an_fsync_runs_is_left_to_the_next_one() {
    let place = Place::new(Disk::default());
    let file = append(&place, "log");
    place.mounted.handle().set_sync_delay(Duration::from_millis(300));
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| file.sync_all().unwrap());
        // Another name: the kernel lets a write to the same file wait for its fsync.
        fs::write(place.path("other"), b"meanwhile").unwrap();
    });
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(place.strict().listing().len(), 0);
    drop(file);
    place.unmount();
}

#[test]
fn a_failed_fsync_is_told_and_its_bytes_are_not_left() {
    let place = Place::new(Disk::default());
    let mut file = append(&place, "log");
    File::open(place.directory.path()).unwrap().sync_all().unwrap();
    file.write_all(b"bad").unwrap();
    let fault = Fault { call: Call::Sync, name: "log".to_owned(), skip: 0, times: Some(1), errno: 5 };
    place.mounted.handle().fail(fault);
    assert_eq!(file.sync_all().unwrap_err().raw_os_error(), Some(5));
    file.sync_all().unwrap();
    assert_eq!(place.mounted.handle().faults_met(), 1);
    let left = place.strict();
    assert_eq!(left.bytes(left.lookup(ROOT, "log").unwrap()), [0; 3]);
    drop(file);
    place.unmount();
}

#[test]
fn a_full_disk_takes_what_fits_and_refuses_the_rest() {
    let place = Place::new(Disk::default());
    place.mounted.handle().set_quota(10);
    let mut file = append(&place, "log");
    assert_eq!(file.write(b"0123456").unwrap(), 7);
    assert_eq!(file.write(b"789abc").unwrap(), 3);
    assert_eq!(file.write(b"abc").unwrap_err().raw_os_error(), Some(28));
    place.mounted.handle().heal();
    assert_eq!(file.write(b"abc").unwrap(), 3);
    drop(file);
    place.unmount();
}

#[test]
fn what_was_left_can_be_mounted_again_with_the_same_numbers_and_attributes() {
    let place = Place::new(Disk::default());
    let file = append(&place, "log");
    file.sync_all().unwrap();
    File::open(place.directory.path()).unwrap().sync_all().unwrap();
    let number = file.metadata().unwrap().ino();
    drop(file);
    let left = place.strict();
    place.unmount();
    let again = Place::new(left);
    assert_eq!(fs::metadata(again.path("log")).unwrap().ino(), number);
    let new = append(&again, "new");
    assert!(new.metadata().unwrap().ino() > number, "a number is never given away again");
    drop(new);
    again.unmount();
}
