//! A log that a first rewrite has finished, and that has no name yet when the server ends.

use bio::Kind;
use engine::{Config, StartError};
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};

use crate::beside::announced;
use crate::snapshots::{DUMP, started, without_points};
use crate::support::{BOOT, DIR, LOG, Rig, config};

/// A server without a log that holds `a`, and has turned one on: its file is announced, and about to get its name.
fn about_to_name_it(policy: &str) -> Rig {
    let config = Config { appendfsync: policy.parse().unwrap(), ..without_points() };
    let mut rig = started(config);
    let client = rig.client();
    rig.ask(client, "SET a 1");
    announced(&mut rig);
    rig
}

/// A server whose log stood aside when its successor was announced, and what its end at that moment leaves: `a` is 1 in the one and 2 in the other.
fn announced_beside_the_log_of_before() -> (Rig, SimDisk) {
    let mut rig = Rig::new("no");
    let client = rig.client();
    for request in ["SET a 1", "CONFIG SET appendonly no", "SET a 2"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    rig.run_all();
    announced(&mut rig);
    let disk = rig.killed();
    assert!(disk.give_name(DIR, LOG, "appendonly.aof.old-1790000000000"));
    (rig, disk)
}

/// What a power cut leaves that takes the name from the log which was given it only by a start that failed, and `b` was written to since.
fn cut_off_from_its_name() -> SimDisk {
    let rig = about_to_name_it("always");
    let disk = power_cut(&rig, CrashMode::Strict, NameMode::OnlyDirFsync);
    disk.inject(Rule::from_nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
    // Nor can the name be taken back.
    disk.inject(Rule::when(Fault::EIO, |attempt| attempt.call == Call::Rename && attempt.name == LOG));
    for _ in 0..2 {
        let error = Rig::on(&disk, config("always"), BOOT + 1).err().expect("the server must not start");
        assert!(matches!(&error, StartError::File { .. }), "{error}");
        assert!(disk.content(DIR, LOG).is_some());
    }
    disk.heal();
    let mut next = Rig::on(&disk, config("always"), BOOT + 1).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "SET b 2"), "+OK|");
    power_cut(&next, CrashMode::Strict, NameMode::OnlyDirFsync)
}

fn power_cut(rig: &Rig, mode: CrashMode, names: NameMode) -> SimDisk {
    rig.disk.crash(&mut fastrand::Rng::with_seed(1), mode, names)
}

fn temp_files(disk: &SimDisk) -> Vec<String> {
    disk.names(DIR).into_iter().filter(|name| name.starts_with("temp-")).collect()
}

/// It was removed as a temporary file, and the server came up empty.
#[test]
fn the_only_log_gets_the_name_that_its_server_could_not_give_it() {
    let rig = about_to_name_it("always");
    let cut = power_cut(&rig, CrashMode::Strict, NameMode::OnlyDirFsync);
    for (disk, boot) in [(rig.killed(), BOOT), (cut, BOOT + 1)] {
        assert_eq!(disk.content(DIR, LOG), None);
        let mut next = Rig::on(&disk, config("always"), boot).unwrap();
        let client = next.client();
        assert_eq!(next.ask(client, "GET a"), "$1|1|", "{:#?}", next.lines());
        assert_eq!(next.ask(client, "SET a 2"), "+OK|");
        assert_eq!(temp_files(&next.disk), [""; 0]);
        let cut = power_cut(&next, CrashMode::Strict, NameMode::OnlyDirFsync);
        let mut last = Rig::on(&cut, config("always"), boot + 1).unwrap();
        let client = last.client();
        assert_eq!(last.ask(client, "GET a"), "$1|2|");
    }
}

/// What was acknowledged while both files got every byte stood in it alone.
#[test]
fn what_was_written_before_the_end_is_in_it() {
    let mut rig = about_to_name_it("no");
    let client = rig.client();
    assert_eq!(rig.ask(client, "SET b 2"), "+OK|");
    let disk = rig.disk.kill();
    let mut next = Rig::on(&disk, config("no"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "MGET a b"), "*2|$1|1|$1|2|");
}

/// A server that keeps no log removed it as well, and served a dump of long before.
#[test]
fn without_a_log_a_server_does_not_start_beside_it() {
    let mut rig = started(without_points());
    let client = rig.client();
    assert_eq!(rig.ask(client, "SET a old"), "+OK|");
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
    rig.disk.advance_ns(10_000_000);
    assert_eq!(rig.ask(client, "SET a new"), "+OK|");
    announced(&mut rig);
    let disk = rig.killed();
    let error = Rig::on(&disk, without_points(), BOOT).err().expect("the server must not start");
    assert!(matches!(&error, StartError::BesideData { found, .. } if found == LOG), "{error}");
    let mut next = Rig::on(&disk, config("no"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "GET a"), "$3|new|");
}

/// One error of the disk at a start made that start believe that there was none, and remove it.
#[test]
fn a_start_that_cannot_read_it_is_refused_and_removes_nothing() {
    let left = about_to_name_it("always").killed();
    let name = temp_files(&left).remove(0);
    for unreadable in [format!("{LOG}.state"), name.clone()] {
        let disk = left.kill();
        let path = unreadable.clone();
        disk.inject(Rule::when(Fault::EIO, move |attempt| attempt.call == Call::Open && attempt.name == path));
        for config in [config("always"), without_points()] {
            let error = Rig::on(&disk, config, BOOT).err().expect("the server must not start");
            assert!(matches!(&error, StartError::File { name, .. } if *name == unreadable), "{error}");
            assert_eq!(temp_files(&disk), [name.as_str()]);
        }
        disk.heal();
        let mut next = Rig::on(&disk, config("always"), BOOT).unwrap();
        let client = next.client();
        assert_eq!(next.ask(client, "GET a"), "$1|1|", "{:#?}", next.lines());
    }
}

/// It was removed where a snapshot lay in the future, which only says that the clock was set back.
#[test]
fn beside_a_snapshot_of_the_future_nobody_chooses() {
    let mut rig = started(without_points());
    let client = rig.client();
    for request in ["SET a old", "SAVE"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    let dump = rig.disk.content(DIR, DUMP).unwrap();
    assert_eq!(rig.ask(client, "SET a new"), "+OK|");
    announced(&mut rig);
    let disk = rig.killed();
    disk.advance_ns(200_000_000_000_000_000);
    disk.put(DIR, DUMP, &dump);
    refused_beside_a_snapshot(&disk);
}

/// A snapshot that was saved later than it was overruled where an older log stood aside.
#[test]
fn beside_a_later_snapshot_and_a_log_that_was_moved_aside_nobody_chooses() {
    let (mut rig, disk) = announced_beside_the_log_of_before();
    let client = rig.client();
    for request in ["SET a 3", "SAVE"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    let dump = rig.disk.content(DIR, DUMP).unwrap();
    disk.advance_ns(20_000_000);
    disk.put(DIR, DUMP, &dump);
    refused_beside_a_snapshot(&disk);
}

/// Neither configuration starts there, and nothing is removed.
fn refused_beside_a_snapshot(disk: &SimDisk) {
    let temp = temp_files(disk);
    for config in [config("no"), without_points()] {
        let error = Rig::on(disk, config, BOOT).err().expect("the server must not start");
        assert!(matches!(&error, StartError::BesideData { found, .. } if *found == temp[0]), "{error}");
        assert!(error.to_string().contains(&format!("Rename {} to {LOG} to load it", temp[0])), "{error}");
        assert_eq!(temp_files(disk), temp);
    }
}

/// Its name was believed, and something was promised of it: then it is no file that was given up, whatever was saved later.
#[test]
fn one_that_had_the_name_is_taken_before_a_later_snapshot() {
    let cut = cut_off_from_its_name();
    let mut other = started(without_points());
    let client = other.client();
    assert_eq!(other.ask(client, "SAVE"), "+OK|");
    cut.advance_ns(20_000_000);
    cut.put(DIR, DUMP, &other.disk.content(DIR, DUMP).unwrap());
    let mut last = Rig::on(&cut, config("always"), BOOT + 2).unwrap();
    let client = last.client();
    assert_eq!(last.ask(client, "MGET a b"), "*2|$1|1|$1|2|", "{:#?}", last.lines());
}

/// It never had the name, and nothing was promised of it.
#[test]
fn one_that_was_announced_and_is_gone_is_not_missed() {
    let disk = about_to_name_it("always").killed();
    for name in temp_files(&disk) {
        assert!(disk.take_away(DIR, &name));
    }
    assert!(disk.names(DIR).contains(&format!("{LOG}.state")), "{:?}", disk.names(DIR));
    let mut next = Rig::on(&disk, config("always"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "DBSIZE"), ":0|");
}

/// One that was given up may come back with a power cut: the snapshot that was saved later is the dataset.
#[test]
fn a_snapshot_that_was_saved_later_is_taken_before_it() {
    let mut rig = started(Config { appendfsync: config("no").appendfsync, ..without_points() });
    let client = rig.client();
    for request in ["SET a 1", "CONFIG SET appendonly yes"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    rig.pass_until_phase("state");
    assert!(rig.run(Kind::Rename));
    let left = rig.killed();
    assert_eq!(rig.ask(client, "CONFIG SET appendonly no"), "+OK|");
    rig.disk.advance_ns(10_000_000);
    for request in ["SET a 2", "SAVE"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    let dump = rig.disk.content(DIR, "dump.rdb").unwrap();
    left.advance_ns(20_000_000);
    left.put(DIR, "dump.rdb", &dump);
    for config in [config("no"), without_points()] {
        let mut next = Rig::on(&left.kill(), config, BOOT).unwrap();
        next.settle();
        let client = next.client();
        assert_eq!(next.ask(client, "GET a"), "$1|2|", "{:#?}", next.lines());
        assert_eq!(temp_files(&next.disk), [""; 0]);
    }
}

/// The log of before had the name until then; the one that is finished holds it all.
#[test]
fn it_comes_before_the_log_that_was_moved_aside_for_it() {
    let (_rig, disk) = announced_beside_the_log_of_before();
    let mut next = Rig::on(&disk, config("no"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "GET a"), "$1|2|");
}

/// The next start believed the name, and its own rewrite took the one that the log still had on the disk: nothing was left of it.
#[test]
fn a_name_that_a_start_could_not_make_durable_is_given_anew_by_the_next_one() {
    let rig = about_to_name_it("always");
    let disk = power_cut(&rig, CrashMode::Strict, NameMode::OnlyDirFsync);
    let named = temp_files(&disk);
    disk.inject(Rule::nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
    let error = Rig::on(&disk, config("always"), BOOT + 1).err().expect("the server must not start");
    assert!(matches!(&error, StartError::File { action: "rename", .. }), "{error}");
    assert_eq!((disk.content(DIR, LOG), temp_files(&disk)), (None, named.clone()), "it is as it was");
    let next = Rig::on(&disk, config("always"), BOOT + 1).unwrap();
    // As a child of the same number does that gives up.
    next.disk.put(DIR, &named[0], b"");
    assert!(next.disk.take_away(DIR, &named[0]));
    let cut = power_cut(&next, CrashMode::Strict, NameMode::OnlyDirFsync);
    let mut last = Rig::on(&cut, config("always"), BOOT + 2).unwrap();
    let client = last.client();
    assert_eq!(last.ask(client, "GET a"), "$1|1|", "{:#?}", last.lines());
}

/// The log has its name only when that is durable, whoever gave it.
#[test]
fn a_name_that_a_start_could_not_make_durable_is_not_believed_by_the_next_one() {
    // The name was lost, as the disk had said.
    let cut = cut_off_from_its_name();
    let mut last = Rig::on(&cut, config("always"), BOOT + 2).unwrap();
    let client = last.client();
    assert_eq!(last.ask(client, "MGET a b"), "*2|$1|1|$1|2|", "{:#?}", last.lines());
}

/// A rewrite that failed and was tried again may leave two after a power cut: the later one counts.
#[test]
fn of_two_the_one_that_was_announced_last_is_taken() {
    let mut rig = about_to_name_it("no");
    let fault = Rule::when(Fault::EIO, |attempt| {
        attempt.call == Call::Unlink || attempt.call == Call::Rename && attempt.to == LOG
    });
    rig.disk.inject(fault);
    assert!(rig.run(Kind::Rename));
    rig.turn();
    rig.run_all();
    rig.disk.heal();
    let client = rig.client();
    assert_eq!(rig.ask(client, "SET a 2"), "+OK|");
    rig.pass_ms(1_000);
    rig.pass_until_phase("rename");
    let disk = rig.killed();
    assert_eq!(temp_files(&disk).len(), 2, "{:?}", disk.names(DIR));
    let mut next = Rig::on(&disk, config("no"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "GET a"), "$1|2|");
}
