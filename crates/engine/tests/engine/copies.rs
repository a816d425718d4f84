//! Copies under the log's name whose name may not last: what state file and snapshots say of them, and what is loaded and served then.

use std::sync::Arc;

use aof_state::{Durability, StateFile};
use engine::{ClientId, Config, StartError};
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};
use vfs::{Dir, Open};

use crate::beside::{disk_with_dump, refused, says, with_copy, with_log};
use crate::snapshots::{DUMP, started, without_points};
use crate::support::{BOOT, DIR, LOG, Rig, names_are_lost_after_the_rename};
use crate::turned_off::{STATE, copied};

/// Nobody was told that it was a copy, and with a log it was served in the place of what had been saved since. A power cut brings back the one
/// before it, of which the snapshot has to speak as well.
#[test]
fn a_copy_whose_name_may_not_last_is_a_copy_all_the_same_and_so_is_the_one_before() {
    for (is_killed, has_strange) in [(false, false), (true, false), (true, true)] {
        let (mut rig, client) = with_copy();
        rig.ask(client, "SET a twenty-two");
        make_lost(&mut rig, client);
        if !has_strange {
            save(&mut rig, client, "3");
        }
        let disk = rig.killed();
        if has_strange {
            // Of another server, and later by its time.
            disk.put(DIR, DUMP, &disk_with_dump().content(DIR, DUMP).unwrap());
        }
        let (mut rig, client) = if is_killed { started_in(BOOT, &disk) } else { (rig, client) };
        save(&mut rig, client, "33");
        let cut = power_cut(&rig.disk);
        let lens = [&rig.killed(), &cut].map(|disk| disk.look(DIR, LOG).unwrap().0.len);
        assert!(lens[0] > lens[1], "the power cut brings back the copy before: {lens:?}");
        for (disk, boot) in [(rig.killed(), BOOT), (cut, BOOT + 1)] {
            let error = Rig::on(&disk, with_log(), boot).err().expect("the server must not start");
            assert!(error.to_string().contains("as it says itself"), "{error}");
            let mut next = Rig::on(&disk, without_points(), boot).unwrap();
            let client = next.client();
            assert_eq!(next.ask(client, "GET a"), "$2|33|");
        }
    }
}

/// By `cp -r` of the directory, which leaves the attributes behind.
#[test]
fn in_a_copied_directory_a_copy_whose_name_was_not_durable_is_asked_about() {
    let (mut rig, client) = with_copy();
    rig.ask(client, "SET a twenty-two");
    make_lost(&mut rig, client);
    save(&mut rig, client, "33");
    let elsewhere = SimDisk::new();
    for name in [LOG, STATE, DUMP] {
        copied(&rig.disk, &elsewhere, name, false);
    }
    refused(&elsewhere, with_log());
}

/// A server without a log, in such a boot, on a disk that another has left.
fn started_in(boot: u8, disk: &SimDisk) -> (Rig, ClientId) {
    let mut rig = Rig::on(disk, without_points(), boot).unwrap();
    let client = rig.client();
    (rig, client)
}

fn save(rig: &mut Rig, client: ClientId, value: &str) {
    for request in [&format!("SET a {value}"), "SAVE"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
}

/// Makes a copy whose name a power cut takes.
fn make_lost(rig: &mut Rig, client: ClientId) {
    rig.disk.inject(names_are_lost_after_the_rename(1));
    make_copy(rig, client);
    assert!(!rig.disk.struck().is_empty());
    rig.disk.heal();
}

fn make_copy(rig: &mut Rig, client: ClientId) {
    rig.disk.advance_ns(10_000_000);
    rig.ask(client, "BGREWRITEAOF");
    rig.settle();
    rig.disk.advance_ns(10_000_000);
}

/// What the snapshot says of the log.
fn said_of_log(disk: &SimDisk) -> String {
    let dir: Arc<dyn Dir> = disk.dir(DIR);
    String::from_utf8(aof_load::dump_field(&dir, DUMP, b"ledgerstone-log").unwrap().unwrap()).unwrap()
}

fn power_cut(disk: &SimDisk) -> SimDisk {
    disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync)
}

#[test]
fn a_snapshot_speaks_of_the_copies_that_may_have_the_name_and_of_no_more() {
    let (mut rig, client) = with_copy();
    let (mut files, mut said) = (vec![now_copy(&rig.disk)], Vec::new());
    for round in 0..4 {
        rig.ask(client, &format!("SET a {}", "x".repeat(round + 2)));
        make_lost(&mut rig, client);
        files.push(now_copy(&rig.disk));
        assert_eq!(rig.ask(client, "SAVE"), "+OK|");
        said.push(said_of_log(&rig.disk));
    }
    let list =
        |at: &[usize]| format!("after {}", at.iter().map(|&at| files[at].as_str()).collect::<Vec<_>>().join(" "));
    assert_eq!(said, [list(&[0, 1]), list(&[0, 1, 2]), list(&[0, 1, 2, 3]), list(&[0, 2, 3, 4])]);
    make_copy(&mut rig, client);
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
    assert_eq!(said_of_log(&rig.disk), format!("after {}", now_copy(&rig.disk)));
}

/// How a snapshot names the file that has the log's name now.
fn now_copy(disk: &SimDisk) -> String {
    let file = disk.dir(DIR).open(LOG, Open::Read).unwrap();
    format!("{} {}", aof_state::Identity::of(&*file).unwrap(), file.metadata().unwrap().len)
}

/// The state file had no room for it. A start took it for the log, and served it in the place of what had been saved since.
#[test]
fn a_copy_that_nobody_knows_any_more_is_asked_about() {
    let (mut rig, client) = with_copy();
    rig.ask(client, "SET a two");
    // It lasts: the fsync for the state file is of the same directory.
    let mut named = false;
    rig.disk.inject(Rule::when(Fault::EIO, move |attempt| {
        let hit = named && attempt.call == Call::DirFsync;
        named = !hit && (named || attempt.call == Call::Rename && attempt.to == LOG);
        hit
    }));
    make_copy(&mut rig, client);
    assert!(!rig.disk.struck().is_empty());
    rig.disk.heal();
    for n in 3..6 {
        rig.ask(client, &format!("SET a {}", "x".repeat(n)));
        make_lost(&mut rig, client);
    }
    save(&mut rig, client, "33");
    let cut = power_cut(&rig.disk);
    for config in [with_log(), without_points()] {
        let text = refused_after_boot(&cut, config).to_string();
        assert!(text.contains("speaks of another file of the log"), "{text}");
    }
}

/// It was killed before it could say so, and a snapshot of before was put back, later by its time (simulation, seed `0x45007`).
#[test]
fn a_log_that_a_start_has_marked_anew_is_still_known() {
    let mut rig = started(with_log());
    let client = rig.client();
    for request in ["CONFIG SET appendonly no", "SET a 1", "SAVE", "CONFIG SET appendonly yes", "SET a 2"] {
        assert_eq!(rig.ask(client, request), "+OK|");
        rig.settle();
    }
    assert_eq!(rig.ask(client, "CONFIG SET appendonly no"), "+OK|");
    rig.settle();
    let disk = rig.killed();
    let before = StateFile::read_alone(&*disk.dir(DIR), LOG).unwrap();
    assert!(before.copy);
    let mut next = Rig::on(&disk, with_log(), BOOT).unwrap();
    next.settle();
    let disk = next.killed();
    // As it is written before the mark is set.
    StateFile { copy: false, ..before }.write(&*disk.dir(DIR), LOG, Durability::Durable).unwrap();
    let dump = disk.content(DIR, DUMP).unwrap();
    disk.advance_ns(10_000_000);
    disk.put(DIR, DUMP, &dump);
    assert_eq!(says(&disk.kill(), with_log(), "GET a"), "$1|2|");
}

/// Its fsync had failed and its mark could not be read (simulation, seed `0x3fb75`). Of one of which nothing can be found out at all the next start
/// asks, since it knows the one before it.
#[test]
fn a_copy_whose_mark_cannot_be_read_is_known_by_the_one_it_was_given() {
    for (fails, said) in
        [([Call::Fsync, Call::Mark], "as it says itself"), ([Call::Metadata; 2], "another file of the log")]
    {
        let (mut rig, client) = with_copy();
        rig.ask(client, "SET a 22");
        let mut renamed = false;
        rig.disk.inject(Rule::when(Fault::EIO, move |attempt| {
            renamed |= attempt.call == Call::Rename && attempt.to == LOG;
            renamed && fails.contains(&attempt.call)
        }));
        make_copy(&mut rig, client);
        assert!(!rig.disk.struck().is_empty());
        rig.disk.heal();
        save(&mut rig, client, "33");
        let text = refused(&rig.killed(), with_log()).to_string();
        assert!(text.contains(said), "{text}");
    }
}

fn refused_after_boot(disk: &SimDisk, config: Config) -> StartError {
    Rig::on(disk, config, BOOT + 1).err().expect("the server must not start")
}

/// Its name was durable then, and what said so was of the boot before.
#[test]
fn a_copy_that_was_served_is_missed_after_a_power_cut_as_well() {
    for is_killed in [true, false] {
        let (mut rig, client) = with_copy();
        assert_eq!(rig.ask(client, "SAVE"), "+OK|");
        rig.ask(client, "SET a 22");
        make_lost(&mut rig, client);
        let disk = if is_killed {
            power_cut(&started_in(BOOT, &rig.killed()).0.disk)
        } else {
            // The disk has the name by chance.
            let disk = rig.killed();
            started_in(BOOT + 1, &disk).0.killed()
        };
        let (mut rig, client) = started_in(BOOT + 1, &disk);
        assert_eq!(rig.ask(client, "GET a"), "$2|22|");
        let disk = rig.killed();
        disk.take_away(DIR, LOG);
        for config in [with_log(), without_points()] {
            assert!(matches!(refused_after_boot(&disk, config), StartError::Missing { .. }));
        }
    }
}

/// The next snapshot said nothing, and the start after that missed the copy, or asked.
#[test]
fn a_snapshot_that_is_loaded_without_its_copy_passes_on_what_it_says() {
    let (mut rig, client) = with_copy();
    rig.ask(client, "SET a 22");
    make_lost(&mut rig, client);
    save(&mut rig, client, "33");
    let (said, disk) = (said_of_log(&rig.disk), rig.killed());
    disk.take_away(DIR, LOG);
    let (mut rig, client) = started_in(BOOT, &disk);
    save(&mut rig, client, "44");
    assert_eq!(said_of_log(&rig.disk), said);
    assert_eq!(says(&rig.killed(), without_points(), "GET a"), "$2|44|");
}

#[test]
fn a_snapshot_speaks_of_no_copy_before_one_whose_name_is_durable() {
    let (mut rig, client) = with_copy();
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
    make_copy(&mut rig, client);
    let mut files = vec![now_copy(&rig.disk)];
    let (mut rig, client) = started_in(BOOT, &rig.killed());
    for round in 0..3 {
        rig.ask(client, &format!("SET a {}", "x".repeat(round + 2)));
        make_lost(&mut rig, client);
        files.push(now_copy(&rig.disk));
    }
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
    assert_eq!(said_of_log(&rig.disk), format!("after {}", files.join(" ")));
}

#[test]
fn a_copy_that_is_served_does_not_go_back_to_the_one_before() {
    let (mut rig, client) = with_copy();
    rig.ask(client, "SET a 22");
    make_lost(&mut rig, client);
    let (mut rig, client) = started_in(BOOT, &rig.killed());
    assert_eq!(rig.ask(client, "GET a"), "$2|22|");
    let (mut rig, client) = started_in(BOOT + 1, &power_cut(&rig.disk));
    assert_eq!(rig.ask(client, "GET a"), "$2|22|");
    // While it gets its name anew it is killed, or the directory cannot be fsynced.
    for call in [Call::Rename, Call::DirFsync] {
        let (mut rig, client) = with_copy();
        rig.ask(client, "SET a 22");
        make_lost(&mut rig, client);
        let disk = rig.killed();
        disk.inject(Rule::when(Fault::EIO, move |attempt| attempt.call == call));
        refused(&disk, without_points());
        assert!(!disk.struck().is_empty());
        disk.heal();
        assert_eq!(says(&disk.kill(), without_points(), "GET a"), "$2|22|");
    }
}

/// A start that could not make its name durable had taken that back. A snapshot of before it that was put back is later by its time alone, and
/// was loaded; the copy was removed.
#[test]
fn a_copy_that_has_lost_its_name_is_not_removed_beside_a_snapshot_of_before_it() {
    let (mut rig, client) = with_copy();
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
    rig.ask(client, "SET a 22");
    make_lost(&mut rig, client);
    let disk = rig.killed();
    disk.inject(Rule::nth(Call::DirFsync, 1, Fault::EIO));
    refused(&disk, without_points());
    disk.heal();
    assert!(disk.content(DIR, LOG).is_none());
    // One that says of which file it was saved after, and one that says nothing.
    for dump in [disk.content(DIR, DUMP).unwrap(), disk_with_dump().content(DIR, DUMP).unwrap()] {
        disk.advance_ns(10_000_000);
        disk.put(DIR, DUMP, &dump);
        for config in [with_log(), without_points()] {
            let text = refused(&disk, config).to_string();
            assert!(text.contains("a finished log that has no name yet"), "{text}");
        }
    }
    disk.take_away(DIR, DUMP);
    assert_eq!(says(&disk.kill(), without_points(), "GET a"), "$2|22|");
}

/// The one before it was looked at, which is older than the snapshot: that was loaded, silently.
#[test]
fn a_copy_that_is_gone_is_missed_though_its_name_was_not_durable() {
    let (mut rig, client) = with_copy();
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
    rig.ask(client, "SET a 22");
    make_lost(&mut rig, client);
    let disk = rig.killed();
    disk.take_away(DIR, LOG);
    for config in [with_log(), without_points()] {
        assert!(matches!(refused(&disk, config), StartError::Missing { .. }));
    }
}

/// The state file is lost, so that only the snapshot knows of both: and the next one must as well.
#[test]
fn what_a_snapshot_says_of_copies_the_next_servers_say_as_well() {
    let (mut rig, client) = with_copy();
    rig.ask(client, "SET a 22");
    make_lost(&mut rig, client);
    save(&mut rig, client, "33");
    let disk = rig.killed();
    disk.take_away(DIR, STATE);
    let (mut rig, client) = started_in(BOOT, &disk);
    save(&mut rig, client, "44");
    let cut = power_cut(&rig.disk);
    let text = refused_after_boot(&cut, with_log()).to_string();
    assert!(text.contains("as it says itself"), "{text}");
    let (mut rig, client) = started_in(BOOT + 1, &cut);
    assert_eq!(rig.ask(client, "GET a"), "$2|44|");
}

/// A log that was to be turned on again and again had pushed its record out of the state file.
#[test]
fn a_copy_is_still_one_after_first_rewrites_that_failed() {
    let (mut rig, client) = with_copy();
    rig.ask(client, "SET a 22");
    make_lost(&mut rig, client);
    rig.disk.inject(Rule::when(Fault::EIO, |attempt| attempt.call == Call::Rename && attempt.name == LOG));
    rig.ask(client, "CONFIG SET appendonly yes");
    for _ in 0..1_000 {
        rig.work();
        rig.pass_ms(500);
    }
    assert!(rig.info("aof_rewrites").parse::<u32>().unwrap() > 5, "more than there are records");
    rig.disk.heal();
    assert_eq!(says(&rig.killed(), without_points(), "GET a"), "$2|22|");
}
