//! A snapshot beside a log, a log beside a snapshot, and what others left beside both: what a start takes, what it refuses, and what
//! may be overwritten when.

use bio::Kind;
use engine::config::SavePoints;
use engine::{ClientId, Config, StartError};
use vfs::FileKind;
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};

use crate::snapshots::{DUMP, end_snapshot, next, next_says, started, without_log, without_points};
use crate::support::{BOOT, DIR, LOG, Rig, config};

const COMMAND: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nlog\r\n";

/// With a log and without save points.
pub(crate) fn with_log() -> Config {
    Config { save: SavePoints::none(), ..config("everysec") }
}

/// A server without a log, with `a`, that has made a copy of it.
pub(crate) fn with_copy() -> (Rig, ClientId) {
    with_copy_on(&SimDisk::new())
}

/// The same on such a disk.
pub(crate) fn with_copy_on(disk: &SimDisk) -> (Rig, ClientId) {
    let mut rig = Rig::on(disk, without_points(), BOOT).unwrap();
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGREWRITEAOF");
    rig.settle();
    (rig, client)
}

pub(crate) fn refused(disk: &SimDisk, config: Config) -> StartError {
    Rig::on(disk, config, BOOT).err().expect("the server must not start")
}

pub(crate) fn says(disk: &SimDisk, config: Config, request: &str) -> String {
    let mut rig = Rig::on(disk, config, BOOT).unwrap();
    let client = rig.client();
    rig.ask(client, request)
}

/// A disk with a snapshot in which `a` is `dump`.
pub(crate) fn disk_with_dump() -> SimDisk {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET a dump");
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
    rig.killed()
}

/// A rewrite of nothing as commands gave an empty file. Beside a dump that was taken for a log that is missing, and refused.
#[test]
fn a_rewrite_of_nothing_is_a_log_beside_a_dump_all_the_same() {
    for appendonly in [true, false] {
        let config = Config { aof_use_rdb_preamble: false, appendonly, ..with_log() };
        let mut rig = started(config);
        let client = rig.client();
        rig.ask(client, "SET a 1");
        rig.ask(client, "SAVE");
        rig.ask(client, "FLUSHALL");
        rig.ask(client, "BGREWRITEAOF");
        rig.settle();
        let disk = rig.killed();
        // As if it was killed before that was written.
        disk.take_away(DIR, "appendonly.aof.state");
        assert_eq!(says(&disk, with_log(), "DBSIZE"), ":0|", "appendonly {appendonly}");
    }
}

/// A start with `appendonly no` was refused because of what BGREWRITEAOF had made, which in Redis is in nobody's way.
#[test]
fn a_copy_that_bgrewriteaof_made_without_a_log_is_loaded_while_it_is_newer_than_the_snapshot() {
    let (rig, _) = with_copy();
    let mut rig = next(&rig);
    let client = rig.client();
    assert_eq!(rig.ask(client, "GET a"), "$1|1|", "nothing else holds it");
    rig.disk.advance_ns(10_000_000);
    rig.ask(client, "SET a 2");
    rig.ask(client, "SAVE");
    let mut rig = next(&rig);
    let client = rig.client();
    assert_eq!(rig.ask(client, "GET a"), "$1|2|", "the snapshot is newer");
    rig.disk.advance_ns(10_000_000);
    rig.ask(client, "SET a 3");
    rig.ask(client, "BGREWRITEAOF");
    rig.settle();
    let mut rig = next(&rig);
    assert!(rig.logged("is the latest there is of the dataset: it is loaded"), "{:#?}", rig.lines());
    let client = rig.client();
    assert_eq!(rig.ask(client, "GET a"), "$1|3|", "and now the copy");
    assert_eq!((rig.info("aof_enabled").as_str(), rig.info("aof_state").as_str()), ("0", "off"));
    let copy = rig.disk.content(DIR, LOG);
    rig.ask(client, "SET a 4");
    rig.run_all();
    rig.turn();
    assert_eq!(rig.disk.content(DIR, LOG), copy, "nothing is appended to it");
    let disk = rig.killed();
    assert_eq!(says(&disk, with_log(), "GET a"), "$1|3|", "with a log it is the log");
    assert!(says(&disk, with_log(), "SET a 5").starts_with("+OK"));
}

/// The error named the snapshot, which there may not even be.
#[test]
fn a_copy_whose_name_cannot_be_made_durable_is_what_the_error_names() {
    let (rig, _) = with_copy();
    for (disk, loaded) in [(rig.killed(), LOG), (disk_with_dump(), DUMP)] {
        disk.inject(Rule::from_nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
        let error = refused(&disk, without_points());
        assert!(matches!(&error, StartError::File { name, .. } if name == loaded), "{error}");
    }
}

/// A start with `appendonly yes` served a copy that was older than the snapshot, and the next snapshot took that one's place.
#[test]
fn with_a_log_a_copy_that_is_older_than_the_snapshot_is_refused() {
    let (mut rig, client) = with_copy();
    rig.disk.advance_ns(10_000_000);
    rig.ask(client, "SET a 2");
    rig.ask(client, "SAVE");
    let disk = rig.killed();
    let text = refused(&disk, with_log()).to_string();
    assert!(text.contains("dump.rdb (2023") && text.contains("is newer than appendonly.aof (2023"), "{text}");
    assert!(
        text.ends_with("move appendonly.aof and appendonly.aof.state away to start from dump.rdb, or move dump.rdb away to load appendonly.aof"),
        "{text}"
    );
    let without_dump = disk.kill();
    without_dump.take_away(DIR, DUMP);
    assert_eq!(says(&without_dump, with_log(), "GET a"), "$1|1|");
    // Its state file says nothing against that.
    disk.take_away(DIR, LOG);
    let mut rig = Rig::loading(&disk, with_log(), BOOT).unwrap();
    rig.settle();
    let client = rig.client();
    assert_eq!(rig.ask(client, "GET a"), "$1|2|");
}

/// Its state file passed for one of a copy that something stands in for.
#[test]
fn a_copy_that_is_gone_and_was_the_only_dataset_is_missed() {
    let (rig, _) = with_copy();
    let disk = rig.killed();
    disk.take_away(DIR, LOG);
    assert_eq!(disk.content(DIR, DUMP), None);
    let error = refused(&disk, with_log());
    assert!(matches!(error, StartError::Missing { .. }), "{error}");
}

/// A power cut took what had been appended under `no`; what was left passed for the copy that it had been, older than a snapshot of another
/// server.
#[test]
fn a_copy_that_was_taken_for_the_log_is_never_a_copy_again() {
    let disk = SimDisk::new();
    // Else another mark says so as well.
    disk.set_keeps(false, true);
    let disk = with_copy_on(&disk).0.killed();
    let failing = disk.kill();
    failing.inject(Rule::from_nth(Call::DirFsync, 1, Fault::FSYNC_EIO));
    let error = refused(&failing, with_log());
    assert!(matches!(&error, StartError::File { name, .. } if name.ends_with(".state")), "{error}");
    // It is stated even where nothing else can be.
    let mut states = 0;
    disk.inject(Rule::when(Fault::ENOSPC, move |attempt| {
        let is_state = attempt.call == Call::Open && attempt.name == "temp-appendonly.aof.state";
        states += usize::from(is_state);
        is_state && states > 1
    }));
    let mut next = Rig::on(&disk, with_log(), BOOT).unwrap();
    assert!(!disk.struck().is_empty());
    disk.heal();
    let client = next.client();
    next.disk.advance_ns(10_000_000);
    assert_eq!(next.ask(client, "SET a 2"), "+OK|");
    next.disk.put(DIR, DUMP, &disk_with_dump().content(DIR, DUMP).unwrap());
    let cut = next.disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
    assert!(cut.content(DIR, DUMP).is_some());
    assert_eq!(says(&cut, with_log(), "GET a"), "$1|1|");
}

#[test]
fn a_copy_that_a_server_went_on_with_is_a_log_again() {
    let (rig, _) = with_copy();
    let mut rig = Rig::on(&rig.killed(), with_log(), BOOT).unwrap();
    let client = rig.client();
    rig.send(client, "SET a 2");
    rig.turn();
    let error = refused(&rig.killed(), without_points());
    assert!(matches!(&error, StartError::BesideData { found, .. } if found == LOG), "{error}");
    rig.pass_ms(2_000);
    rig.run_all();
    rig.turn();
    let error = refused(&rig.killed(), without_points());
    assert!(matches!(&error, StartError::BesideData { found, .. } if found == LOG), "{error}");
}

/// The copy got its name, and a later date, after what was saved while its child still ran.
#[test]
fn a_copy_in_the_making_is_given_up_when_the_log_is_turned_on() {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    assert!(rig.ask(client, "BGREWRITEAOF").starts_with('+'));
    for request in ["CONFIG SET appendonly yes", "SET a 2", "SAVE"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    rig.disk.advance_ns(10_000_000);
    for _ in 0..2_000 {
        for config in [with_log(), without_points()] {
            let Ok(mut next) = Rig::loading(&rig.killed(), config, BOOT) else { continue };
            next.settle();
            let client = next.client();
            assert_eq!(next.ask(client, "GET a"), "$1|2|", "{:#?}", next.lines());
        }
        if rig.info("aof_state") == "on" {
            break;
        }
        rig.work();
    }
    assert_eq!(rig.info("aof_rewrites_succeeded"), "1", "the copy is no more");
}

/// What SAVE could not make durable may have its name all the same, and was older by its date than the copy of before.
#[test]
fn a_copy_is_made_anew_beside_a_snapshot_whose_name_may_not_last() {
    let (mut rig, client) = with_copy();
    rig.ask(client, "BGREWRITEAOF");
    rig.ask(client, "SET a 2");
    rig.disk.inject(Rule::nth(Call::DirFsync, 1, Fault::EIO));
    assert_eq!(rig.ask(client, "SAVE"), "-ERR|");
    rig.disk.heal();
    rig.disk.advance_ns(10_000_000);
    rig.settle();
    rig.settle();
    assert_eq!(next_says(&rig, "GET a"), "$1|2|");
}

/// Where the state file could not be written, or only not made durable, the next snapshot said nothing of the copy, and that counted as the later.
#[test]
fn a_snapshot_after_a_copy_that_could_not_be_stated_is_the_newer_one() {
    for fails_durably in [false, true] {
        let mut rig = started(without_points());
        let client = rig.client();
        rig.ask(client, "SET a 1");
        rig.ask(client, "BGREWRITEAOF");
        let mut renamed = false;
        rig.disk.inject(Rule::when(Fault::EIO, move |attempt| {
            let names_state = attempt.call == Call::Rename && attempt.to == "appendonly.aof.state";
            renamed |= names_state;
            if fails_durably { renamed && attempt.call == Call::DirFsync } else { names_state }
        }));
        rig.settle();
        assert!(rig.logged("Error writing the state file") || !rig.disk.struck().is_empty(), "{:#?}", rig.lines());
        rig.disk.heal();
        rig.ask(client, "SET a 2");
        assert_eq!(rig.ask(client, "SAVE"), "+OK|");
        let disk = rig.killed();
        assert_eq!(disk.content(DIR, "appendonly.aof.state").is_some(), fails_durably);
        refused(&disk, with_log());
        assert_eq!(says(&disk, without_points(), "GET a"), "$1|2|");
    }
}

/// The mark by which the snapshot speaks of it was not on stable storage.
#[test]
fn a_snapshot_after_a_copy_whose_mark_was_lost_is_the_newer_one() {
    let (mut rig, client) = with_copy();
    let mut marked = false;
    rig.disk.inject(Rule::when(Fault::EIO, move |attempt| {
        marked |= attempt.call == Call::SetMark;
        marked && attempt.call == Call::Fsync
    }));
    rig.ask(client, "SET a 2");
    rig.ask(client, "BGREWRITEAOF");
    rig.settle();
    assert!(!rig.disk.struck().is_empty());
    rig.disk.heal();
    for request in ["SET a 3", "SAVE"] {
        assert_eq!(rig.ask(client, request), "+OK|");
    }
    let cut = rig.disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
    assert_eq!(cut.look(DIR, LOG).unwrap().1, None, "the mark is lost");
    let text = refused(&cut, with_log()).to_string();
    assert!(text.contains("is newer than appendonly.aof (2023") && text.contains("as it says itself"), "{text}");
    assert_eq!(says(&cut, without_points(), "GET a"), "$1|3|");
}

/// What SAVE or FLUSHALL saved while the child of the copy ran was older by its date, and came second.
#[test]
fn a_copy_that_a_snapshot_has_overtaken_is_made_anew() {
    let mut rig = started(without_log());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGREWRITEAOF");
    assert_eq!(rig.info("aof_rewrite_in_progress"), "1");
    rig.ask(client, "FLUSHALL");
    rig.disk.advance_ns(10_000_000);
    rig.settle();
    rig.settle();
    assert_eq!(rig.info("aof_rewrites_succeeded"), "1");
    assert_eq!(next_says(&rig, "DBSIZE"), ":0|");
}

#[test]
fn a_refusal_names_log_and_dump_by_their_dates_the_newer_one_first() {
    let newer_dump = disk_with_dump();
    newer_dump.put(DIR, LOG, COMMAND);
    newer_dump.advance_ns(3_600_000_000_000);
    let bytes = newer_dump.content(DIR, DUMP).unwrap();
    newer_dump.put(DIR, DUMP, &bytes);
    let newer_log = disk_with_dump();
    newer_log.advance_ns(3_600_000_000_000);
    newer_log.put(DIR, LOG, COMMAND);
    let text = |disk: &SimDisk| refused(disk, without_points()).to_string();
    let (dump, log) = (text(&newer_dump), text(&newer_log));
    let in_order = |text: &str, parts: &[&str]| {
        let mut rest = text;
        for part in parts {
            rest = &rest[rest.find(part).unwrap_or_else(|| panic!("no {part} behind those before it: {text}"))..];
        }
    };
    in_order(
        &dump,
        &[
            "dump.rdb (2023-11-1",
            "appendonly.aof (2023-11-1",
            "move appendonly.aof and appendonly.aof.state away",
            "'appendonly yes'",
        ],
    );
    in_order(
        &log,
        &[
            "appendonly.aof (2023-11-1",
            "dump.rdb (2023-11-1",
            "'appendonly yes'",
            "move appendonly.aof and appendonly.aof.state away",
        ],
    );
}

/// A start without a log came up empty beside a log that had been set aside, whose successor a crash had prevented.
#[test]
fn without_a_log_a_server_does_not_start_empty_beside_one_that_was_set_aside() {
    let disk = SimDisk::new();
    disk.put(DIR, "appendonly.aof.old-1700000000000", COMMAND);
    let error = refused(&disk, without_points());
    assert!(matches!(&error, StartError::BesideData { found, .. } if found.contains(".old-")), "{error}");
    assert!(error.to_string().contains("'appendonly yes'"), "{error}");
    let disk = disk_with_dump();
    disk.put(DIR, "appendonly.aof.old-1700000000000", COMMAND);
    assert_eq!(says(&disk, without_points(), "GET a"), "$4|dump|");
}

/// A start removed `temp-<pid>.rdb` of a Redis that was making a snapshot there.
#[test]
fn what_another_server_is_writing_its_snapshot_to_is_not_removed() {
    for config in [without_points(), with_log()] {
        let disk = SimDisk::new();
        disk.put(DIR, "temp-7.rdb", b"a part of another server's");
        let mut rig = Rig::on(&disk, config, BOOT).unwrap();
        let client = rig.client();
        assert_eq!(rig.ask(client, "SAVE"), "+OK|");
        rig.ask(client, "BGSAVE");
        end_snapshot(&mut rig);
        assert!(disk.content(DIR, "temp-7.rdb").is_some());
    }
}

#[test]
fn a_log_has_no_name_that_is_removed_or_overwritten() {
    for name in [engine::LOCK_NAME, "temp-ledgerstone-1.rdb", "temp-rewriteaof-1.aof", "temp-rewriteaof-bg-7.aof"] {
        let taken = Config { appendfilename: name.to_owned(), ..config("no") };
        let error = Rig::on(&SimDisk::new(), taken, BOOT).err().expect("it is refused");
        assert!(error.to_string().contains("'appendfilename' can't be"), "{error}");
    }
}

/// The dump that was imported is replaced by our first snapshot, as in Redis: not before our log holds what was in it.
#[test]
fn an_imported_dump_is_replaced_by_a_snapshot_only_when_the_log_holds_its_data_durably() {
    let disk = disk_with_dump();
    let before = disk.content(DIR, DUMP);
    let saves = {
        let mut config = with_log();
        engine::config::Directive::find("save").unwrap().set(&mut config, "1 0").unwrap();
        config
    };
    let mut rig = Rig::loading(&disk, saves, BOOT).unwrap();
    let client = rig.client();
    for turns in 0.. {
        assert_eq!(disk.content(DIR, DUMP), before, "in turn {turns}");
        if rig.logged("Ready to accept connections") {
            break;
        }
        assert!(turns < 10_000);
        for request in ["SAVE", "BGSAVE", "BGSAVE SCHEDULE", "FLUSHALL"] {
            let reply = rig.ask(client, request);
            assert!(reply.starts_with("-LOADING") || rig.logged("Ready to accept connections"), "{request}: {reply}");
        }
        rig.pass_ms(600);
        rig.work();
    }
    let mut rng = fastrand::Rng::with_seed(7);
    let crashed = disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync);
    crashed.take_away(DIR, DUMP);
    assert_eq!(says(&crashed, with_log(), "GET a"), "$4|dump|");
    assert!(rig.logged("the first snapshot takes its place"), "{:#?}", rig.lines());
    rig.ask(client, "SET b 1");
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
    assert_ne!(disk.content(DIR, DUMP), before);
}

#[test]
fn a_link_in_place_of_the_snapshot_is_not_followed_and_a_snapshot_takes_its_place() {
    for config in [without_points(), with_log()] {
        let disk = SimDisk::new();
        disk.put_special(DIR, DUMP, FileKind::Symlink);
        let error = refused(&disk, config.clone());
        assert!(error.to_string().contains("dump.rdb: it is a symbolic link"), "{error}");
        let mut rig = started(config);
        rig.disk.put_special(DIR, DUMP, FileKind::Symlink);
        let client = rig.client();
        rig.ask(client, "SET a 1");
        assert_eq!(rig.ask(client, "SAVE"), "+OK|");
        assert!(rig.disk.content(DIR, DUMP).unwrap().starts_with(b"REDIS"));
    }
}

/// SIGTERM was forgotten while the first log waited for a snapshot, and while it was written.
#[test]
fn a_signal_before_the_first_log_is_there_ends_the_server_when_it_is() {
    for (beside_snapshot, config) in [(true, without_points()), (false, without_points()), (true, without_log())] {
        let mut rig = started(config);
        let client = rig.client();
        rig.ask(client, "SET a 1");
        if beside_snapshot {
            rig.ask(client, "BGSAVE");
        }
        assert_eq!(rig.ask(client, "CONFIG SET appendonly yes"), "+OK|");
        rig.engine.stop_signal("SIGTERM", 1);
        rig.turn();
        assert_eq!(rig.status(), None, "nothing holds the data yet");
        for _ in 0..2_000 {
            if rig.status().is_none() {
                rig.work();
            }
        }
        assert_eq!(rig.status(), Some(0), "{:#?}", rig.lines());
        let disk = rig.killed();
        disk.take_away(DIR, DUMP);
        assert_eq!(says(&disk, with_log(), "GET a"), "$1|1|");
    }
}

/// BGSAVE waited in the loop until the file of the one before was removed, and whatever else was to be closed before it.
#[test]
fn a_snapshot_asked_for_while_the_last_ones_file_is_removed_is_scheduled() {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGSAVE");
    let child = rig.children.running()[0];
    rig.children.signal(child, child::Kill::Polite.signal());
    rig.turn();
    assert_eq!((rig.info("rdb_bgsave_in_progress").as_str(), rig.queued(Kind::Close)), ("0", 1));
    rig.send(client, "BGSAVE");
    rig.turn();
    assert_eq!(rig.take(client), "+Background saving scheduled|");
    assert_eq!(rig.queued(Kind::Close), 1, "nobody waits for it");
    rig.run_all();
    rig.pass_ms(200);
    assert_eq!(rig.info("rdb_bgsave_in_progress"), "1");
    end_snapshot(&mut rig);
    assert_eq!(next_says(&rig, "GET a"), "$1|1|");
}

/// The server ended: what it read the second time was refused, and the dataset was dropped by then.
#[test]
fn debug_reload_of_what_cannot_be_taken_is_refused_and_changes_nothing() {
    let mut rig = started(Config { rdbchecksum: false, ..without_points() });
    let client = rig.client();
    rig.ask(client, "MSET aa saved ab saved");
    rig.ask(client, "SAVE");
    rig.ask(client, "MSET aa later ac later");
    let twice = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(3).position(|found| found == b"\x02ab").unwrap();
        bytes[at + 2] = b'a';
    };
    assert!(rig.disk.tamper(DIR, DUMP, twice));
    for options in ["NOSAVE", "NOSAVE NOFLUSH"] {
        let reply = rig.ask(client, &format!("DEBUG RELOAD {options}"));
        assert_eq!(reply, "-ERR Error trying to load the RDB dump, check server logs.|");
        assert_eq!(rig.status(), None, "{:#?}", rig.lines());
        assert_eq!(rig.ask(client, "MGET aa ab ac"), "*3|$5|later|$5|saved|$5|later|");
    }
    assert_eq!(rig.ask(client, "DEBUG RELOAD NOSAVE MERGE"), "+OK|");
    assert_eq!(rig.ask(client, "MGET aa ab ac"), "*3|$5|saved|$-1|$-1|");
}

#[test]
fn debug_reload_of_what_can_be_read_in_part_keeps_the_dataset() {
    for config in [without_points(), with_log()] {
        for n in 1.. {
            let mut rig = started(config.clone());
            let client = rig.client();
            rig.ask(client, "MSET a 1 b 2");
            let mut seen = 0;
            rig.disk.inject(Rule::when(Fault::EIO, move |attempt| {
                seen += u64::from(attempt.call == Call::ReadAt && attempt.name == DUMP);
                attempt.call == Call::ReadAt && attempt.name == DUMP && seen >= n
            }));
            let reply = rig.ask(client, "DEBUG RELOAD");
            assert_eq!(rig.status(), None, "read {n}: {:#?}", rig.lines());
            assert_eq!(rig.ask(client, "MGET a b"), "*2|$1|1|$1|2|", "read {n}");
            assert_eq!(rig.ask(client, "SET c 3"), "+OK|", "read {n}");
            if reply == "+OK|" {
                assert!(n > 1, "it is read");
                break;
            }
        }
    }
}

/// A SHUTDOWN that was refused took back the rewrite that was to follow a snapshot.
#[test]
fn a_refused_shutdown_leaves_a_scheduled_rewrite_scheduled() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGSAVE");
    assert_eq!(rig.ask(client, "BGREWRITEAOF"), "+Background append only file rewriting scheduled|");
    rig.disk.inject(Rule::when(Fault::ENOSPC, |attempt| attempt.call == Call::Rename && attempt.to == DUMP));
    assert_eq!(rig.ask(client, "SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.|");
    rig.disk.heal();
    rig.settle();
    assert_eq!(rig.info("aof_rewrites_succeeded"), "1");
}

/// LASTSAVE gave the time at which the turn of the SAVE had begun.
#[test]
fn lastsave_is_the_time_at_which_a_save_ended() {
    let mut rig = started(without_points());
    let client = rig.client();
    let seconds = |reply: String| -> u64 { reply[1..11].parse().unwrap() };
    let before = seconds(rig.ask(client, "LASTSAVE"));
    crate::support::commands_take_ms(7_000);
    rig.ask(client, "SAVE");
    crate::support::commands_take_ms(0);
    assert!(seconds(rig.ask(client, "LASTSAVE")) >= before + 7);
}

/// Turns the log on, up to the announcement of its first file, which does not get its name.
pub(crate) fn announced(rig: &mut Rig) {
    let client = rig.client();
    assert_eq!(rig.ask(client, "CONFIG SET appendonly yes"), "+OK|");
    rig.pass_until_phase("rename");
}

/// The time of the state file was taken for the copy's, and an announcement writes that file anew.
#[test]
fn an_announcement_makes_no_copy_newer_than_the_snapshot() {
    let (mut rig, _) = with_copy();
    saved_and_announced(&mut rig);
    assert_eq!(next_says(&rig, "GET a"), "$1|2|");
}

/// Likewise the time at which an empty log had ended.
#[test]
fn an_announcement_makes_no_empty_log_newer_than_the_snapshot() {
    let mut rig = started(with_log());
    let client = rig.client();
    assert_eq!(rig.ask(client, "CONFIG SET appendonly no"), "+OK|");
    rig.settle();
    saved_and_announced(&mut rig);
    let error = refused(&rig.killed(), with_log());
    assert!(matches!(&error, StartError::BesideData { .. }), "{error}");
}

/// A snapshot is saved, in which `a` is 2, and later a log announced.
fn saved_and_announced(rig: &mut Rig) {
    let client = rig.client();
    rig.disk.advance_ns(10_000_000);
    rig.ask(client, "SET a 2");
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
    rig.disk.advance_ns(10_000_000);
    announced(rig);
}

/// Only the log that the first rewrite had just moved aside gets its name back, and not one of long ago.
#[test]
fn a_log_set_aside_long_ago_is_not_served_after_a_crash_while_the_log_is_turned_on() {
    let mut rig = started(with_log());
    let client = rig.client();
    for request in ["SET a 1", "CONFIG SET appendonly no", "CONFIG SET appendonly yes"] {
        assert_eq!(rig.ask(client, request), "+OK|");
        rig.settle();
    }
    for request in ["CONFIG SET appendonly no", "SET a 2", "SAVE"] {
        assert_eq!(rig.ask(client, request), "+OK|");
        rig.settle();
    }
    let disk = rig.killed();
    assert!(disk.names(DIR).iter().any(|name| name.starts_with("appendonly.aof.old-")), "{:?}", disk.names(DIR));
    disk.take_away(DIR, LOG);
    let mut rig = Rig::on(&disk, without_points(), BOOT).unwrap();
    announced(&mut rig);
    let disk = rig.killed();
    lose_the_finished_log(&disk);
    let error = refused(&disk, with_log());
    assert!(matches!(&error, StartError::BesideData { found, .. } if found.contains(".old-")), "{error}");
}

/// The clock had been set back since the one of long ago: that was looked at, and named to be loaded (simulation, seed `0x10c0f`).
#[test]
fn a_log_that_was_just_set_aside_is_told_from_one_with_a_later_name() {
    let mut rig = started(with_log());
    let client = rig.client();
    for request in ["SET a 1", "CONFIG SET appendonly no", "CONFIG SET appendonly yes", "SET a 2"] {
        assert_eq!(rig.ask(client, request), "+OK|");
        rig.settle();
    }
    assert_eq!(rig.ask(client, "CONFIG SET appendonly no"), "+OK|");
    announced(&mut rig);
    let disk = rig.killed();
    let long_ago = disk.names(DIR).into_iter().find(|name| name.starts_with("appendonly.aof.old-")).unwrap();
    assert!(disk.give_name(DIR, &long_ago, "appendonly.aof.old-1890000000000"));
    assert!(disk.give_name(DIR, LOG, "appendonly.aof.old-1790000000000"));
    lose_the_finished_log(&disk);
    assert_eq!(says(&disk, with_log(), "GET a"), "$1|2|");
}

/// As if a power cut had taken the file that is about to get the log's name.
fn lose_the_finished_log(disk: &SimDisk) {
    let finished = disk.names(DIR).into_iter().find(|name| name.starts_with("temp-rewriteaof-bg-")).unwrap();
    assert!(disk.take_away(DIR, &finished));
}

/// The log that it left was one that nobody had said anything about.
#[test]
fn a_copy_that_gets_its_name_while_the_server_ends_is_known_as_one() {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGREWRITEAOF");
    rig.pass_until_phase("rename");
    rig.ask(client, "SHUTDOWN NOSAVE");
    rig.run_all();
    rig.turn();
    assert_eq!(says(&rig.killed(), without_points(), "GET a"), "$1|1|");
}

/// A dump of long before was served, and what had been acknowledged since stood in a file that nothing named.
#[test]
fn without_a_log_a_server_does_not_start_beside_one_that_a_crash_left_without_its_name() {
    let mut rig = started(without_points());
    let client = rig.client();
    for request in ["SET a dump", "SAVE", "CONFIG SET appendonly yes", "SET a log", "CONFIG SET appendonly no"] {
        assert_eq!(rig.ask(client, request), "+OK|");
        rig.settle();
        rig.disk.advance_ns(10_000_000);
    }
    announced(&mut rig);
    let disk = rig.killed();
    lose_the_finished_log(&disk);
    // As far as the rename of the new file.
    assert!(disk.give_name(DIR, LOG, "appendonly.aof.old-1790000000000"));
    let error = refused(&disk, without_points());
    assert!(matches!(&error, StartError::BesideData { found, .. } if found.contains(".old-")), "{error}");
    assert_eq!(says(&disk, with_log(), "GET a"), "$3|log|");
}
