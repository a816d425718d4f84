//! A log that was turned off at run time: which of it and the snapshot a later start takes, and what it refuses.

use bio::Kind;
use engine::{ClientId, Config, StartError};
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};
use vfs::{Dir as _, FileKind, Open};

use crate::beside::{announced, disk_with_dump, refused, says, with_copy_on, with_log};
use crate::snapshots::{DUMP, end_snapshot, started, without_points};
use crate::support::{BOOT, DIR, LOG, Rig};

pub(crate) const STATE: &str = "appendonly.aof.state";

/// A server that was sent these, one after the other, each executed.
fn after(requests: &[&str]) -> (Rig, ClientId) {
    let mut rig = started(with_log());
    let client = rig.client();
    for request in requests {
        rig.disk.advance_ns(10_000_000);
        assert!(rig.ask(client, request).starts_with('+'), "{request}");
        rig.settle();
    }
    (rig, client)
}

/// The file gets a time that is later than any other's, as if the clock had been set back since all others were written.
fn made_the_latest(disk: &SimDisk, name: &str) {
    disk.advance_ns(3_600_000_000_000);
    let bytes = disk.content(DIR, name).unwrap();
    disk.put(DIR, name, &bytes);
}

/// What a start with a log imports.
fn imported(disk: &SimDisk, request: &str) -> String {
    let mut rig = Rig::loading(disk, with_log(), BOOT).unwrap();
    rig.settle();
    let client = rig.client();
    rig.ask(client, request)
}

/// The log was loaded, as Redis does, and the next snapshot took the place of what had been written since.
#[test]
fn a_log_that_was_turned_off_before_the_snapshot_was_saved_is_refused_and_without_a_log_the_snapshot_is_loaded() {
    for state_is_later in [false, true] {
        let (rig, _) = after(&["SET a 1", "CONFIG SET appendonly no", "SET a 2", "SAVE"]);
        let disk = rig.killed();
        if state_is_later {
            made_the_latest(&disk, STATE);
        }
        let text = refused(&disk, with_log()).to_string();
        assert!(
            text.contains("is newer than appendonly.aof (2023")
                && text.contains("move appendonly.aof and appendonly.aof.state away"),
            "{text}"
        );
        assert_eq!(says(&disk, without_points(), "GET a"), "$1|2|");
        let (without_log, without_dump) = (disk.kill(), disk.kill());
        without_log.take_away(DIR, LOG);
        assert_eq!(imported(&without_log, "GET a"), "$1|2|");
        without_dump.take_away(DIR, DUMP);
        assert_eq!(says(&without_dump, with_log(), "GET a"), "$1|1|");
    }
}

#[test]
fn a_log_that_was_turned_off_after_the_snapshot_was_saved_is_the_dataset_with_a_log_and_without() {
    for dump_is_later in [false, true] {
        let (rig, _) = after(&["SET a 1", "SAVE", "SET a 2", "CONFIG SET appendonly no"]);
        let disk = rig.killed();
        if dump_is_later {
            made_the_latest(&disk, DUMP);
        }
        for config in [with_log(), without_points()] {
            assert_eq!(says(&disk.kill(), config, "GET a"), "$1|2|", "{dump_is_later}");
        }
    }
}

/// The file that ended is not the one that the snapshot was saved beside, and what it says was forgotten: with a clock that had been set back
/// it was loaded in the log's place.
#[test]
fn a_snapshot_of_the_files_before_it_in_the_same_log_is_never_silently_the_newer_one() {
    const OFF: &str = "CONFIG SET appendonly no";
    for requests in [
        &["SET a 1", "SAVE", "BGREWRITEAOF", "SET a 2", OFF][..],
        &["SET a 1", OFF, "SAVE", "CONFIG SET appendonly yes", "SET a 2", OFF],
        &["SET a 1", "SAVE", "SET a 2", OFF, "BGREWRITEAOF"],
        &["SET a 1", "SAVE", OFF, "BGREWRITEAOF", "CONFIG SET appendonly yes", "SET a 2", "BGREWRITEAOF", OFF],
    ] {
        let (rig, _) = after(requests);
        is_known_as_later(&rig.killed(), &format!("{requests:?}"));
    }
}

/// Recovery makes another file of the log, or gives it another mark: where it cuts off a torn tail, and where it copies what it cannot prove. So does
/// an import of what was saved.
#[test]
fn a_snapshot_of_before_a_start_is_not_silently_newer_than_a_log_that_was_turned_off_after_it() {
    for (what, boot) in
        [("a torn tail", BOOT), ("nothing is stated", BOOT), ("nothing is stated", BOOT + 1), ("imported", BOOT)]
    {
        let (mut rig, client) = after(&["SET a 1", "SAVE"]);
        rig.send(client, "SET a 2");
        rig.settle();
        let disk = rig.killed();
        let done = match what {
            "a torn tail" => disk.tamper(DIR, LOG, |log| log.extend_from_slice(b"*3\r\n$3\r\nSE")),
            "imported" => disk.take_away(DIR, LOG) && disk.take_away(DIR, STATE),
            _ => disk.take_away(DIR, STATE),
        };
        assert!(done);
        let mut next = Rig::loading(&disk, with_log(), boot).unwrap();
        next.settle();
        let client = next.client();
        for request in ["SET a 2", "CONFIG SET appendonly no"] {
            next.disk.advance_ns(10_000_000);
            assert_eq!(next.ask(client, request), "+OK|", "{what}");
            next.settle();
        }
        is_known_as_later(&next.killed(), what);
    }
}

/// A mark that could not be set, or a switch whose name stayed in doubt, began another log.
#[test]
fn a_failed_call_of_a_rewrite_does_not_make_a_snapshot_of_before_the_newer_one() {
    let marks = || Rule::nth(Call::SetMark, 1, Fault::EIO);
    let names = || crate::support::names_are_lost_after_the_rename(1);
    for (what, rule) in [("a mark", marks()), ("a name", names())] {
        let (mut rig, client) = after(&["SET a 1", "SAVE"]);
        rig.disk.inject(rule);
        for _ in 0..2 {
            rig.ask(client, "BGREWRITEAOF");
            for _ in 0..2_000 {
                rig.work();
            }
            assert!(!rig.disk.struck().is_empty());
            rig.disk.heal();
        }
        for request in ["SET a 2", "CONFIG SET appendonly no"] {
            rig.disk.advance_ns(10_000_000);
            assert_eq!(rig.ask(client, request), "+OK|", "{what}");
            rig.settle();
        }
        is_known_as_later(&rig.killed(), what);
    }
}

/// The log, in which `a` is 2, is loaded beside a snapshot that is older by its time, too; else it is asked, and the log named first.
fn is_known_as_later(disk: &SimDisk, what: &str) {
    for (config, how) in [
        (with_log(), "move dump.rdb away to load appendonly.aof"),
        (without_points(), "set 'appendonly yes' and move dump.rdb away to load appendonly.aof"),
    ] {
        assert_eq!(served(&disk.kill(), config.clone()).as_deref(), Some("$1|2|"), "{what}");
        let contradicted = disk.kill();
        made_the_latest(&contradicted, DUMP);
        let text = refused(&contradicted, config).to_string();
        let by_word = "speaks of another file of the log that appendonly.aof (2023";
        assert!(
            text.contains(by_word) && text.contains(&format!("Keep a copy of both: {how}, or move")),
            "{what}: {text}"
        );
    }
}

/// A server went on with the very file that was a copy, so that what it saved spoke of the copy as well.
#[test]
fn a_copy_that_was_put_back_as_it_was_before_a_server_went_on_with_it_is_asked_about() {
    for attributes in [true, false] {
        let (rig, _) = after(&["SET a 1", "CONFIG SET appendonly no"]);
        let backup = rig.killed();
        let mut next = Rig::on(&backup, with_log(), BOOT).unwrap();
        let client = next.client();
        for request in ["SET a 2", "SAVE"] {
            assert_eq!(next.ask(client, request), "+OK|");
            next.settle();
        }
        let disk = next.killed();
        for name in [LOG, STATE] {
            copied(&rig.disk, &disk, name, attributes);
        }
        made_the_latest(&disk, DUMP);
        for config in [with_log(), without_points()] {
            refused(&disk, config);
        }
    }
}

/// One file as `cp -a` copies it, or `cp -r`: without its attributes.
pub(crate) fn copied(from: &SimDisk, to: &SimDisk, name: &str, attributes: bool) {
    let (mark, bytes) = (from.look(DIR, name).and_then(|(_, mark)| mark), from.content(DIR, name).unwrap());
    to.take_away(DIR, name);
    to.put(DIR, name, &bytes);
    if let Some(mark) = mark.filter(|_| attributes) {
        to.dir(DIR).open(name, Open::Append).unwrap().set_mark(mark).unwrap();
    }
}

/// Both servers went on with one log, so that neither of what they wrote holds the other.
#[test]
fn a_snapshot_of_another_server_that_went_on_with_the_same_log_is_asked_about() {
    let (mut origin, client) = after(&["SET a 1"]);
    let clone = SimDisk::new();
    for name in [LOG, STATE] {
        copied(&origin.disk, &clone, name, true);
    }
    let mut next = Rig::on(&clone, with_log(), BOOT).unwrap();
    let of_clone = next.client();
    assert_eq!(next.ask(of_clone, "CONFIG SET appendonly no"), "+OK|");
    next.settle();
    for request in ["SET a 2", "SAVE"] {
        assert_eq!(origin.ask(client, request), "+OK|");
        origin.settle();
    }
    let clone = next.killed();
    clone.advance_ns(10_000_000);
    copied(&origin.disk, &clone, DUMP, true);
    for config in [with_log(), without_points()] {
        refused(&clone, config);
    }
}

/// A copy that was put back beside a later snapshot.
#[test]
fn a_copy_that_was_restored_beside_a_snapshot_of_a_later_file_of_its_log_is_asked_about() {
    for attributes in [true, false] {
        let (mut rig, client) = after(&["SET a 1", "CONFIG SET appendonly no"]);
        let backup = rig.killed();
        for request in ["CONFIG SET appendonly yes", "SET a 2", "SAVE"] {
            assert_eq!(rig.ask(client, request), "+OK|");
            rig.settle();
        }
        let disk = rig.killed();
        for name in [LOG, STATE] {
            copied(&backup, &disk, name, attributes);
        }
        made_the_latest(&disk, DUMP);
        for config in [with_log(), without_points()] {
            refused(&disk, config);
        }
    }
}

/// Its snapshot has the later date, and the earlier dataset.
#[test]
fn a_snapshot_that_was_begun_before_the_log_was_turned_off_is_the_older_of_the_two() {
    let (mut rig, client) = after(&["SET a 1"]);
    rig.ask(client, "BGSAVE");
    for request in ["SET a 2", "CONFIG SET appendonly no"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    rig.disk.advance_ns(10_000_000);
    end_snapshot(&mut rig);
    let disk = rig.killed();
    assert!(disk.content(DIR, DUMP).is_some());
    for config in [with_log(), without_points()] {
        assert_eq!(says(&disk.kill(), config, "GET a"), "$1|2|");
    }
}

/// A server without a log goes on with what it has loaded of the two, and its snapshots are the later ones.
#[test]
fn snapshots_of_later_servers_without_a_log_are_newer_than_it_as_well() {
    let (rig, _) = after(&["SET a 1", "CONFIG SET appendonly no"]);
    let mut disk = rig.killed();
    for n in ["2", "3"] {
        let mut next = Rig::on(&disk, without_points(), BOOT).unwrap();
        let client = next.client();
        for request in [&format!("SET a {n}"), "SAVE"] {
            assert_eq!(next.ask(client, request), "+OK|");
        }
        disk = next.killed();
        made_the_latest(&disk, STATE);
        refused(&disk, with_log());
        assert_eq!(says(&disk, without_points(), "GET a"), format!("$1|{n}|"));
    }
}

/// The announcement of the new log took back what was said of the one before.
#[test]
fn a_log_that_was_turned_on_again_in_vain_is_still_the_older_of_the_two() {
    let (mut rig, _) = after(&["SET a 1", "CONFIG SET appendonly no", "SET a 2", "SAVE"]);
    announced(&mut rig);
    let text = refused(&rig.killed(), with_log()).to_string();
    assert!(text.contains("is newer than appendonly.aof (2023"), "{text}");
}

/// The state file could not be read when a new log was announced, and what it said of the old one was forgotten.
#[test]
fn an_announcement_forgets_nothing_that_it_cannot_read() {
    let (mut rig, client) = after(&["SET a 1", "CONFIG SET appendonly no", "SET a 2", "SAVE"]);
    let is_copy = |rig: &Rig| rig.disk.content(DIR, STATE).is_some_and(|state| state[12] & 16 != 0);
    assert!(is_copy(&rig));
    rig.disk.inject(Rule::when(Fault::EIO, |attempt| attempt.call == Call::Open && attempt.name == STATE));
    assert_eq!(rig.ask(client, "CONFIG SET appendonly yes"), "+OK|");
    for _ in 0..200 {
        rig.work();
        assert!(is_copy(&rig), "{:#?}", rig.lines());
    }
    assert!(!rig.disk.struck().is_empty());
    rig.disk.heal();
    for _ in 0..20_000 {
        if rig.info("aof_state") == "on" {
            return;
        }
        rig.work();
    }
    panic!("the first rewrite is not tried again: {:#?}", rig.lines());
}

/// Of a snapshot that says nothing of the log nobody knows, once something else was stated, when the log had ended.
#[test]
fn beside_a_strange_snapshot_and_an_announcement_nobody_chooses() {
    let (mut rig, _) = after(&["SET a 1", "CONFIG SET appendonly no"]);
    let strange = disk_with_dump().content(DIR, DUMP).unwrap();
    rig.disk.advance_ns(10_000_000);
    rig.disk.put(DIR, DUMP, &strange);
    let disk = rig.killed();
    assert_eq!(says(&disk, without_points(), "GET a"), "$4|dump|", "it is newer");
    rig.disk.advance_ns(10_000_000);
    announced(&mut rig);
    let error = refused(&rig.killed(), without_points());
    assert!(matches!(&error, StartError::BesideData { found, .. } if found == LOG), "{error}");
}

#[test]
fn a_log_that_was_gone_on_with_is_the_dataset_whatever_was_saved_since() {
    let (rig, _) = after(&["SET a 1", "CONFIG SET appendonly no"]);
    let mut next = Rig::on(&rig.killed(), with_log(), BOOT).unwrap();
    let client = next.client();
    for request in ["SET a 2", "SAVE", "SET a 3"] {
        assert_eq!(next.ask(client, request), "+OK|");
        next.settle();
    }
    let disk = next.killed();
    made_the_latest(&disk, DUMP);
    assert_eq!(says(&disk, with_log(), "GET a"), "$1|3|");
}

/// The snapshot that was saved after its first end came back from where it had been moved to, and stood for what was written since.
#[test]
fn a_log_that_was_turned_off_once_more_is_not_the_one_that_an_old_snapshot_was_saved_after() {
    let (rig, _) = after(&["SET a 1", "CONFIG SET appendonly no", "SET a 2", "SAVE"]);
    let disk = rig.killed();
    let dump = disk.content(DIR, DUMP).unwrap();
    disk.take_away(DIR, DUMP);
    let mut next = Rig::on(&disk, with_log(), BOOT).unwrap();
    let client = next.client();
    next.disk.put(DIR, DUMP, &dump);
    next.disk.advance_ns(10_000_000);
    for request in ["SET a 3", "CONFIG SET appendonly no"] {
        assert_eq!(next.ask(client, request), "+OK|");
        next.settle();
    }
    for config in [with_log(), without_points()] {
        assert_eq!(says(&next.killed(), config, "GET a"), "$1|3|");
    }
    // By its time it is the later one, and each holds what the other does not.
    let disk = next.killed();
    made_the_latest(&disk, DUMP);
    for config in [with_log(), without_points()] {
        assert_ne!(served(&disk.kill(), config).as_deref(), Some("$1|3|"));
    }
}

/// An end of the server says nothing against its own log, however late the snapshot.
#[test]
fn after_an_end_in_order_no_time_of_a_snapshot_keeps_the_log_from_being_loaded() {
    let (mut rig, client) = after(&["SET a 1", "SAVE", "SET a 2"]);
    rig.send(client, "SHUTDOWN NOSAVE");
    rig.turn();
    let disk = rig.killed();
    made_the_latest(&disk, DUMP);
    assert_eq!(says(&disk, with_log(), "GET a"), "$1|2|");
}

/// It went on without the log, and no start could have told that the log had ended.
#[test]
fn while_the_state_file_cannot_be_written_the_log_is_not_turned_off() {
    let (mut rig, client) = after(&["SET a 1"]);
    for call in [Call::Rename, Call::DirFsync] {
        rig.disk.inject(Rule::from_nth(call, 1, Fault::EIO));
        let reply = rig.ask(client, "CONFIG SET appendonly no");
        assert!(reply.contains("the state file can't be written"), "{reply}");
        assert_eq!(rig.info("aof_state"), "on");
        rig.disk.heal();
        rig.pass_ms(2_000);
        rig.settle();
        let disk = rig.killed();
        for request in ["SET a 2", "SAVE"] {
            assert_eq!(rig.ask(client, request), "+OK|");
        }
        assert_eq!(says(&rig.killed(), with_log(), "GET a"), "$1|2|");
        let error = refused(&disk, Config { dbfilename: "other.rdb".into(), ..without_points() });
        assert!(matches!(&error, StartError::BesideData { found, .. } if found == LOG), "it is no copy: {error}");
    }
    assert_eq!(rig.ask(client, "CONFIG SET appendonly no"), "+OK|");
}

/// What a start serves for `a`; `None` if it is refused, or ends while it loads.
fn served(disk: &SimDisk, config: Config) -> Option<String> {
    let mut rig = Rig::loading(disk, config, BOOT).ok()?;
    rig.settle();
    if rig.status().is_some() {
        return None;
    }
    let client = rig.client();
    Some(rig.ask(client, "GET a"))
}

/// The finished logs without a name.
fn finished(disk: &SimDisk) -> Vec<String> {
    disk.names(DIR).into_iter().filter(|name| name.starts_with("temp-rewriteaof-bg-")).collect()
}

/// Lets each call of a start fail that reads, one after the other: it is refused, or serves what it does if none fails; and no finished log
/// is removed that is kept then.
fn is_never_misled(what: &str, left: &SimDisk) {
    for config in [with_log(), without_points()] {
        let untroubled = left.kill();
        let right = served(&untroubled, config.clone());
        let kept = finished(&untroubled);
        for call in [Call::Open, Call::ReadAt, Call::Metadata, Call::Mark, Call::Stat, Call::List] {
            for nth in 1..100 {
                let disk = left.kill();
                disk.inject(Rule::nth(call, nth, Fault::EIO));
                let found = served(&disk, config.clone());
                if disk.struck().is_empty() {
                    break;
                }
                assert!(found.is_none() || found == right, "{what}: {call:?} {nth} fails: {found:?} for {right:?}");
                let there = finished(&disk);
                assert!(
                    kept.iter().all(|name| there.contains(name)),
                    "{what}: {call:?} {nth} fails: {there:?} of {kept:?}"
                );
            }
        }
    }
}

/// One read that failed, and the log was taken for one that nobody had said anything about: it was served in place of the snapshot.
#[test]
fn a_start_that_cannot_read_what_it_chooses_by_is_refused() {
    let (rig, _) = after(&["SET a 1", "CONFIG SET appendonly no", "SET a 2", "SAVE"]);
    is_never_misled("turned off", &rig.killed());
    let (mut rig, _) = after(&["SET a 1", "CONFIG SET appendonly no"]);
    rig.disk.advance_ns(10_000_000);
    rig.disk.put(DIR, DUMP, &disk_with_dump().content(DIR, DUMP).unwrap());
    rig.disk.advance_ns(10_000_000);
    announced(&mut rig);
    is_never_misled("a strange snapshot and an announcement", &rig.killed());
    let disk = rig.killed();
    let unnamed = finished(&disk).pop().unwrap();
    assert!(disk.give_name(DIR, LOG, "appendonly.aof.old-1790000000000"));
    is_never_misled("moved aside, and the new one is finished", &disk);
    let later = disk.kill();
    made_the_latest(&later, DUMP);
    later.advance_ns(10_000_000);
    is_never_misled("the same, and a later snapshot", &later);
    disk.take_away(DIR, &unnamed);
    is_never_misled("moved aside", &disk);
    let (mut rig, _) = after(&["SET a 1", "SAVE", "SET a 2"]);
    rig.pass_ms(2_000);
    rig.settle();
    let disk = rig.killed();
    disk.take_away(DIR, LOG);
    assert_eq!(served(&disk, with_log()), None, "the state file speaks of it");
    is_never_misled("the log is gone", &disk);
    let (mut rig, client) = after(&[]);
    rig.send(client, "SHUTDOWN");
    rig.settle();
    let disk = rig.killed();
    disk.advance_ns(10_000_000);
    disk.put(DIR, DUMP, &disk_with_dump().content(DIR, DUMP).unwrap());
    is_never_misled("an empty log that ended", &disk);
}

/// It is the dataset, but for a snapshot for which somebody has moved it away; an older one was imported instead.
#[test]
fn a_log_that_was_turned_off_and_is_gone_is_missed_beside_an_older_snapshot() {
    let (rig, _) = after(&["SET a 1", "SAVE", "SET a 2", "CONFIG SET appendonly no"]);
    let disk = rig.killed();
    disk.take_away(DIR, LOG);
    for config in [with_log(), without_points()] {
        let error = refused(&disk, config);
        assert!(matches!(error, StartError::Missing { .. }), "{error}");
    }
}

/// The state file was not restored, or speaks of the file that the directory was copied from.
#[test]
fn a_snapshot_that_was_saved_after_the_log_had_ended_says_so_to_whoever_has_no_state_file() {
    let (rig, _) = after(&["SET a 1", "CONFIG SET appendonly no", "SET a 2", "SAVE"]);
    let disk = rig.killed();
    disk.take_away(DIR, STATE);
    refused(&disk, with_log());
    assert_eq!(says(&disk, without_points(), "GET a"), "$1|2|");
}

/// An inode number is given out again, and the third copy after the one that was saved after was taken for that.
#[test]
fn where_only_its_number_tells_a_file_nobody_chooses() {
    let disk = SimDisk::new();
    disk.set_keeps(false, false);
    let (mut rig, client) = with_copy_on(&disk);
    for request in ["SET a 2", "SAVE"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    for n in 3..9 {
        for request in [&format!("SET a {n}"), "BGREWRITEAOF"] {
            assert!(rig.ask(client, request).starts_with('+'));
            rig.settle();
        }
        refused(&rig.killed(), without_points());
    }
}

/// `cp -r` keeps neither inodes nor times nor attributes.
#[test]
fn in_a_copied_directory_the_order_of_log_and_snapshot_is_still_known() {
    for (requests, later) in [
        (["SET a 1", "CONFIG SET appendonly no", "SET a 2", "SAVE"], DUMP),
        (["SET a 1", "SAVE", "SET a 2", "CONFIG SET appendonly no"], LOG),
    ] {
        let (rig, _) = after(&requests);
        let copied = SimDisk::new();
        for name in [later, STATE, if later == LOG { DUMP } else { LOG }] {
            copied.put(DIR, name, &rig.disk.content(DIR, name).unwrap());
            copied.advance_ns(10_000_000);
        }
        is_never_misled("a copied directory", &copied);
        let known = if later == LOG { Some("$1|2|") } else { None };
        for config in [with_log(), without_points()] {
            assert_eq!(served(&copied.kill(), config).as_deref(), known);
        }
    }
}

/// It was said of the file in the directory that had been copied, and the next start was refused.
#[test]
fn what_is_saved_beside_a_copied_log_is_newer_than_it() {
    let (rig, _) = after(&["SET a 1", "SAVE", "SET a 2", "CONFIG SET appendonly no"]);
    let copy = SimDisk::new();
    for name in [LOG, STATE, DUMP] {
        copied(&rig.disk, &copy, name, false);
        copy.advance_ns(10_000_000);
    }
    let mut next = Rig::on(&copy, without_points(), BOOT).unwrap();
    let client = next.client();
    for request in ["SET a 3", "SAVE"] {
        assert_eq!(next.ask(client, request), "+OK|");
    }
    assert_eq!(says(&next.killed(), without_points(), "GET a"), "$1|3|");
    refused(&next.killed(), with_log());
}

/// The attributes of the log went with it (`cp -a`), and its inode and time of birth did not.
#[test]
fn in_a_copied_directory_a_mark_tells_the_log_from_others() {
    let (rig, _) = after(&["SET a 1", "CONFIG SET appendonly no", "SET a 2", "SAVE"]);
    let disk = rig.killed();
    copied(&disk, &disk, LOG, true);
    disk.take_away(DIR, STATE);
    refused(&disk, with_log());
    assert_eq!(says(&disk, without_points(), "GET a"), "$1|2|");
}

/// A copy that could not be stated is as long as the one before, which the snapshot was saved after.
#[test]
fn a_copy_that_is_as_long_as_the_one_before_is_not_taken_for_it() {
    let mut rig = started(without_points());
    let client = rig.client();
    for request in ["SET a 1", "BGREWRITEAOF", "SET a 2", "SAVE", "SET a 3"] {
        assert!(rig.ask(client, request).starts_with('+'));
        rig.settle();
    }
    rig.disk.inject(Rule::when(Fault::ENOSPC, |attempt| attempt.name == "temp-appendonly.aof.state"));
    let before = rig.disk.content(DIR, LOG).unwrap().len();
    rig.ask(client, "BGREWRITEAOF");
    rig.settle();
    assert!(!rig.disk.struck().is_empty());
    assert_eq!(rig.disk.content(DIR, LOG).unwrap().len(), before);
    for config in [with_log(), without_points()] {
        let found = served(&rig.killed(), config);
        assert!(found.is_none() || found.as_deref() == Some("$1|3|"), "{found:?}");
    }
}

/// A refresh that had been written before was taken for one that took it back.
#[test]
fn a_state_from_before_does_not_take_back_that_the_log_may_be_called_a_copy() {
    let (mut rig, client) = after(&["SET a 1"]);
    rig.pass_ms(2_000);
    rig.send(client, "SET a 2");
    rig.turn();
    for kind in [Kind::Write, Kind::Fsync] {
        rig.run(kind);
        rig.turn();
    }
    rig.pass_ms(2_000);
    assert_eq!(rig.queued(Kind::Rename), 1, "a refresh is on its way");
    rig.disk.inject(Rule::nth(Call::DirFsync, 1, Fault::EIO));
    rig.send(client, "CONFIG SET appendonly no");
    rig.turn();
    assert!(rig.take(client).contains("the state file can't be written"));
    rig.turn();
    for request in ["SET a 3", "SAVE"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    let is_copy = rig.disk.content(DIR, STATE).is_some_and(|state| state[12] & 16 != 0);
    assert!(!is_copy, "a snapshot was saved beside a log that the state file calls a copy");
}

/// It was cut to nothing, and a server without a log started empty, or with an older snapshot.
#[test]
fn a_log_that_was_turned_off_and_has_no_bytes_any_more_is_missed() {
    let (rig, _) = after(&["SET a 1", "SAVE", "SET a 2", "CONFIG SET appendonly no"]);
    let disk = rig.killed();
    disk.tamper(DIR, LOG, Vec::clear);
    for config in [with_log(), without_points()] {
        refused(&disk, config);
    }
}

/// An import of long before would come before the snapshot that is to be loaded.
#[test]
fn a_refusal_says_that_what_was_once_imported_is_to_be_moved_as_well() {
    let (rig, _) = after(&["SET a 1", "CONFIG SET appendonly no", "SET a 2", "SAVE"]);
    let disk = rig.killed();
    disk.put_special(DIR, "appendonlydir", FileKind::Dir);
    let text = refused(&disk, with_log()).to_string();
    assert!(text.contains("move appendonly.aof, appendonly.aof.state and appendonlydir away"), "{text}");
}

/// It was, and the state file could not say that it had ended.
#[test]
fn a_log_that_nothing_tells_from_others_is_not_turned_off() {
    let (mut rig, client) = after(&["SET a 1"]);
    rig.ask(client, "BGREWRITEAOF");
    rig.pass_until_phase("rename");
    rig.disk.inject(Rule::nth(Call::Mark, 1, Fault::EIO));
    rig.settle();
    assert_eq!(rig.disk.struck().len(), 1);
    let reply = rig.ask(client, "CONFIG SET appendonly no");
    assert!(reply.starts_with('-') && reply.contains("BGREWRITEAOF"), "{reply}");
    rig.ask(client, "BGREWRITEAOF");
    rig.settle();
    assert_eq!(rig.ask(client, "CONFIG SET appendonly no"), "+OK|");
}

/// The state file called it a copy though it went on, so that after a power cut it passed for one that holds what was saved.
#[test]
fn a_log_that_could_not_be_turned_off_is_no_copy_that_holds_what_was_saved_since() {
    let (mut rig, client) = after(&["SET a 1"]);
    rig.disk.inject(Rule::from_nth(Call::DirFsync, 1, Fault::EIO));
    assert!(rig.ask(client, "CONFIG SET appendonly no").starts_with('-'));
    for request in ["SAVE", "BGSAVE"] {
        assert_eq!(rig.ask(client, request), "-ERR|");
    }
    assert_eq!(rig.log_count("Can't begin a snapshot: the log could not be turned off"), 2);
    rig.disk.heal();
    rig.disk.advance_ns(10_000_000);
    for request in ["SET a 2", "SAVE"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    let cut = rig.disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::AnyFsync);
    assert!(cut.content(DIR, DUMP).is_some());
    assert_ne!(served(&cut, without_points()).as_deref(), Some("$1|1|"));
}

/// That it could not be turned off at first was remembered, and no snapshot was begun while a rewrite had the state file.
#[test]
fn a_log_that_is_turned_off_at_the_second_try_is_in_doubt_no_more() {
    let (mut rig, client) = after(&["SET a 1"]);
    rig.disk.inject(Rule::from_nth(Call::DirFsync, 1, Fault::EIO));
    assert!(rig.ask(client, "CONFIG SET appendonly no").starts_with('-'));
    rig.disk.heal();
    for request in ["CONFIG SET appendonly no", "CONFIG SET appendonly yes"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    rig.pass_until_phase("state");
    assert_eq!(rig.ask(client, "SAVE"), "+OK|", "{:#?}", rig.lines());
}

/// Every start told of the snapshot that its own server had saved in order.
#[test]
fn of_a_snapshot_beside_the_log_is_told_unless_it_is_of_that_log() {
    let (rig, _) = after(&["SET a 1", "SAVE", "BGREWRITEAOF"]);
    let notice = "dump.rdb stands beside appendonly.aof";
    assert!(!Rig::on(&rig.killed(), with_log(), BOOT).unwrap().logged(notice));
    rig.disk.put(DIR, DUMP, &disk_with_dump().content(DIR, DUMP).unwrap());
    assert!(Rig::on(&rig.killed(), with_log(), BOOT).unwrap().logged(notice));
}

/// The start without what was to be moved away was refused for what had been moved aside before.
#[test]
fn a_refusal_names_what_was_moved_aside_as_well() {
    let off = "CONFIG SET appendonly no";
    let (rig, _) = after(&["SET a 1", off, "CONFIG SET appendonly yes", off, "SET a 2", "SAVE"]);
    let disk = rig.killed();
    let aside = disk.names(DIR).into_iter().find(|name| name.starts_with("appendonly.aof.old-")).unwrap();
    let text = refused(&disk, with_log()).to_string();
    let all = [LOG, STATE, aside.as_str()];
    assert!(text.contains(&format!("move {LOG}, {STATE} and {aside} away to start from {DUMP}")), "{text}");
    for name in all {
        disk.take_away(DIR, name);
    }
    assert_eq!(imported(&disk, "GET a"), "$1|2|");
}

#[test]
fn a_log_that_is_a_symbolic_link_is_called_so() {
    let (rig, _) = after(&["SET a 1"]);
    let disk = rig.killed();
    disk.take_away(DIR, LOG);
    disk.put_special(DIR, LOG, FileKind::Symlink);
    let error = vfs::error_chain(&refused(&disk, with_log()));
    assert!(error.contains("appendonly.aof: it is a symbolic link, which is not followed"), "{error}");
}

/// It could not be turned off and went on, and a power cut left a torn tail behind what had been said of it; the start that cut that off could write
/// no state file, and the next one took the log for a copy of the one that the old state file speaks of.
#[test]
fn a_log_that_a_server_has_gone_on_with_is_no_copy_of_what_it_was() {
    let (mut rig, client) = after(&["SET a 1", "SAVE", "BGREWRITEAOF"]);
    rig.disk.inject(Rule::from_nth(Call::DirFsync, 1, Fault::EIO));
    assert!(rig.ask(client, "CONFIG SET appendonly no").starts_with('-'));
    let disk = rig.killed();
    assert!(disk.content(DIR, STATE).is_some_and(|state| state[12] & 16 != 0), "it says that it is a copy");
    disk.tamper(DIR, LOG, |log| log.extend_from_slice(b"*3\r\n$3\r\nSE"));
    made_the_latest(&disk, DUMP);
    disk.inject(Rule::when(Fault::ENOSPC, |attempt| attempt.name == "temp-appendonly.aof.state"));
    let next = Rig::on(&disk, with_log(), BOOT).unwrap();
    assert!(!disk.struck().is_empty());
    assert_eq!(served(&next.killed(), with_log()).as_deref(), Some("$1|1|"));
}

/// It was silently left aside, and the next snapshot took its place.
#[test]
fn of_an_older_snapshot_that_was_put_back_is_told() {
    let (rig, _) = after(&["SET a 1", "SAVE", "SET a 2"]);
    let disk = rig.killed();
    made_the_latest(&disk, DUMP);
    assert!(Rig::on(&disk, with_log(), BOOT).unwrap().logged("dump.rdb stands beside appendonly.aof"));
}
