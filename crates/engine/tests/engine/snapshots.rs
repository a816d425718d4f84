//! SAVE, BGSAVE, save points, and a server whose dataset is a snapshot.

use bio::Kind;
use engine::config::SavePoints;
use engine::{ClientId, Config, StartError};
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};

use crate::support::{BOOT, DIR, LOG, Rig, config};

pub(crate) const DUMP: &str = "dump.rdb";
const MISCONF: &str = "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
    Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if \
    RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.|";

/// A server that keeps no log.
pub(crate) fn without_log() -> Config {
    Config { appendonly: false, ..config("no") }
}

/// The same without save points.
pub(crate) fn without_points() -> Config {
    Config { save: SavePoints::none(), ..without_log() }
}

pub(crate) fn started(config: Config) -> Rig {
    Rig::on(&SimDisk::new(), config, BOOT).unwrap()
}

/// What a server without a log finds that starts on what this one leaves.
pub(crate) fn next(rig: &Rig) -> Rig {
    Rig::on(&rig.killed(), without_points(), BOOT).unwrap()
}

/// What that one answers.
pub(crate) fn next_says(rig: &Rig, request: &str) -> String {
    let mut next = next(rig);
    let client = next.client();
    next.ask(client, request)
}

/// The reply to a request whose words may hold spaces, or be empty.
fn ask_words(rig: &mut Rig, client: ClientId, words: &[&str]) -> String {
    let mut request = Vec::new();
    resp_codec::encode_command(&mut request, words.iter().map(|word| word.as_bytes()));
    rig.send_bytes(client, &request);
    rig.turn();
    rig.take(client)
}

/// Runs everything until no snapshot is in progress.
pub(crate) fn end_snapshot(rig: &mut Rig) {
    for _ in 0..2_000 {
        rig.work();
        if rig.info("rdb_bgsave_in_progress") == "0" {
            return;
        }
    }
    panic!("the snapshot never ends: {:#?}", rig.lines());
}

#[test]
fn what_a_start_without_a_log_serves_does_not_go_back_to_an_older_snapshot() {
    // A server that is killed between the rename of a snapshot and the fsync of the directory leaves a name that the page cache
    // alone has. The next one served it, and a power cut brought the one before back.
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET k old");
    rig.ask(client, "SAVE");
    rig.ask(client, "SET k new");
    rig.disk.inject(Rule::nth(Call::DirFsync, 1, Fault::EIO));
    assert_eq!(rig.ask(client, "SAVE"), "-ERR|");
    let mut served = next(&rig);
    let client = served.client();
    let shown = served.ask(client, "GET k");
    let left = served.disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
    let mut after = Rig::on(&left, without_points(), BOOT + 1).unwrap();
    let client = after.client();
    assert_eq!((shown.as_str(), after.ask(client, "GET k").as_str()), ("$3|new|", "$3|new|"));
}

#[test]
fn a_snapshot_in_the_background_is_what_a_server_without_a_log_starts_with() {
    let mut rig = started(without_log());
    let client = rig.client();
    rig.ask(client, "RPUSH list a b c");
    assert_eq!(rig.info("rdb_changes_since_last_save"), "1");
    assert_eq!(rig.ask(client, "BGSAVE"), "+Background saving started|");
    assert_eq!(rig.info("rdb_bgsave_in_progress"), "1");
    assert_eq!(rig.ask(client, "BGSAVE"), "-ERR Background save already in progress|");
    assert_eq!(rig.ask(client, "SAVE"), "-ERR Background save already in progress|");
    rig.ask(client, "SET after 1");
    end_snapshot(&mut rig);
    for text in ["Background saving started by pid ", "DB saved on disk", "Background saving terminated with success"] {
        assert!(rig.logged(text), "{text}");
    }
    for (field, value) in [
        ("rdb_changes_since_last_save", "1"),
        ("rdb_last_bgsave_status", "ok"),
        ("rdb_last_bgsave_time_sec", "0"),
        ("rdb_current_bgsave_time_sec", "-1"),
        ("rdb_saves", "1"),
        ("total_forks", "1"),
    ] {
        assert_eq!(rig.info(field), value, "{field}");
    }
    let mut next = next(&rig);
    let client = next.client();
    assert_eq!(next.ask(client, "LRANGE list 0 -1"), "*3|$1|a|$1|b|$1|c|");
    assert_eq!(next.ask(client, "EXISTS after"), ":0|");
    assert_eq!((next.info("rdb_last_load_keys_loaded").as_str(), next.info("aof_enabled").as_str()), ("1", "0"));
    assert!(next.logged("DB loaded from disk: "));
}

#[test]
fn save_answers_when_the_snapshot_is_durable_under_its_name() {
    let mut rig = started(without_log());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.pass_ms(5_000);
    let before: u64 = rig.ask(client, "LASTSAVE")[1..11].parse().unwrap();
    rig.disk.record(true);
    rig.send(client, "SAVE");
    assert_eq!(rig.disk.durable_content(DIR, DUMP), rig.disk.content(DIR, DUMP), "before the turn ends");
    assert!(rig.disk.trace().iter().any(|record| record.call == Call::DirFsync));
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
    assert_eq!(rig.ask(client, "LASTSAVE"), format!(":{}|", before + 5));
    assert_eq!(rig.info("rdb_changes_since_last_save"), "0");
    assert_eq!(rig.ask(client, "SAVE 1"), "-ERR wrong number of arguments for 'save' command|");
    rig.send(client, "MULTI\nSAVE\nDISCARD");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|-ERR Command not allowed inside a transaction|+OK|");
}

#[test]
fn a_snapshot_asked_for_inside_a_transaction_is_scheduled_and_made_after_it() {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.send(client, "MULTI\nSET a 1\nBGSAVE\nSET b 2\nEXEC");
    rig.turn();
    assert!(rig.take(client).ends_with("*3|+OK|+Background saving scheduled|+OK|"));
    rig.pass_ms(200);
    end_snapshot(&mut rig);
    assert_eq!(next_says(&rig, "MGET a b"), "*2|$1|1|$1|2|");
    assert_eq!(rig.ask(client, "BGSAVE NOW"), "-ERR syntax error|");
}

#[test]
fn a_rewrite_asked_for_beside_a_snapshot_starts_after_it() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGSAVE");
    assert_eq!(rig.ask(client, "BGREWRITEAOF"), "+Background append only file rewriting scheduled|");
    assert_eq!(rig.info("aof_rewrite_scheduled"), "1");
    while rig.info("rdb_bgsave_in_progress") == "1" {
        assert_eq!(rig.children.running().len(), 1);
        assert_eq!(rig.info("aof_rewrite_in_progress"), "0");
        rig.work();
    }
    rig.settle();
    assert_eq!(rig.info("aof_rewrites_succeeded"), "1");
    assert_eq!(rig.info("rdb_last_bgsave_status"), "ok");
}

#[test]
fn a_snapshot_asked_for_beside_a_rewrite_is_refused_unless_it_may_wait() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGREWRITEAOF");
    let refusal = "-ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule \
                   a BGSAVE whenever possible.|";
    assert_eq!(rig.ask(client, "BGSAVE"), refusal);
    assert_eq!(rig.ask(client, "BGSAVE schedule"), "+Background saving scheduled|");
    rig.pass_ms(200);
    assert_eq!((rig.info("aof_rewrite_in_progress"), rig.info("rdb_bgsave_in_progress")), ("1".into(), "0".into()));
    while rig.info("aof_rewrite_in_progress") == "1" {
        assert_eq!(rig.info("rdb_bgsave_in_progress"), "0");
        rig.work();
    }
    rig.pass_ms(200);
    assert_eq!(rig.info("rdb_bgsave_in_progress"), "1");
    end_snapshot(&mut rig);
    assert!(rig.disk.content(DIR, DUMP).is_some());
}

#[test]
fn a_log_turned_on_beside_a_snapshot_begins_after_it() {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGSAVE");
    assert_eq!(rig.ask(client, "CONFIG SET appendonly yes"), "+OK|");
    assert!(rig.logged("AOF was enabled but there is already another background operation."));
    rig.pass_ms(200);
    assert_eq!((rig.info("aof_state"), rig.info("aof_rewrite_in_progress")), ("wait_rewrite".into(), "0".into()));
    end_snapshot(&mut rig);
    rig.settle();
    assert_eq!(rig.info("aof_state"), "on");
    assert!(rig.aof_bytes() > 0);
}

#[test]
fn a_save_point_that_is_reached_saves() {
    let mut points = without_points();
    engine::config::Directive::find("save").unwrap().set(&mut points, "60 3").unwrap();
    let mut rig = started(points);
    let client = rig.client();
    (0..2).for_each(|i| assert_eq!(rig.ask(client, &format!("SET {i} x")), "+OK|"));
    rig.pass_ms(61_000);
    assert!(!rig.logged("Saving..."));
    rig.ask(client, "SET 3 x");
    rig.pass_ms(200);
    assert!(rig.logged("3 changes in 60 seconds. Saving..."));
    end_snapshot(&mut rig);
    assert_eq!(rig.info("rdb_changes_since_last_save"), "0");
    rig.pass_ms(30_000);
    assert_eq!(rig.log_count("Saving..."), 1);
    assert_eq!(ask_words(&mut rig, client, &["CONFIG", "SET", "save", "1 1"]), "+OK|");
    assert_eq!(rig.ask(client, "CONFIG GET save"), "*2|$4|save|$3|1 1|");
    rig.ask(client, "SET 4 x");
    rig.pass_ms(200);
    assert!(rig.logged("1 changes in 1 seconds. Saving..."));
}

#[test]
fn after_a_failed_snapshot_writes_are_refused_and_it_is_tried_again_five_seconds_later() {
    let mut rig = started(without_log());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "SAVE");
    let good = rig.disk.content(DIR, DUMP);
    rig.ask(client, "SET a 2");
    assert_eq!(ask_words(&mut rig, client, &["CONFIG", "SET", "save", "1 1"]), "+OK|");
    rig.disk.inject(Rule::from_nth(Call::Fdatasync, 1, Fault::ENOSPC));
    rig.pass_ms(2_000);
    end_snapshot(&mut rig);
    assert!(rig.logged("Write error while saving DB to the disk(fsync): No space left on device"));
    assert!(rig.logged("Background saving error"));
    assert_eq!(rig.info("rdb_last_bgsave_status"), "err");
    assert_eq!(rig.ask(client, "SET a 3"), MISCONF);
    assert_eq!(rig.ask(client, "PING"), MISCONF);
    assert_eq!(rig.ask(client, "GET a"), "$1|2|");
    assert_eq!(rig.disk.content(DIR, DUMP), good, "the one before is untouched");
    rig.run_all();
    assert_eq!(rig.disk.names(DIR), [DUMP, engine::LOCK_NAME], "and the temp file removed");
    rig.pass_ms(4_000);
    assert_eq!(rig.log_count("Saving..."), 1);
    rig.disk.heal();
    rig.pass_ms(1_500);
    assert_eq!(rig.log_count("Saving..."), 2);
    end_snapshot(&mut rig);
    assert_eq!(rig.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(rig.ask(client, "SET a 3"), "+OK|");
}

#[test]
fn a_failed_snapshot_refuses_nothing_without_save_points_or_if_told_so() {
    for settings in [["save", ""], ["stop-writes-on-bgsave-error", "no"]] {
        let mut rig = started(without_log());
        let client = rig.client();
        rig.disk.inject(Rule::nth(Call::Rename, 1, Fault::EIO));
        rig.ask(client, "BGSAVE");
        end_snapshot(&mut rig);
        assert_eq!(rig.ask(client, "SET a 1"), MISCONF);
        let [name, value] = settings;
        assert_eq!(ask_words(&mut rig, client, &["CONFIG", "SET", name, value]), "+OK|");
        assert_eq!(rig.ask(client, "SET a 1"), "+OK|", "{settings:?}");
    }
}

#[test]
fn a_failed_save_says_so_and_changes_nothing() {
    let mut rig = started(without_log());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.disk.inject(Rule::nth(Call::Append, 1, Fault::ENOSPC));
    assert_eq!(rig.ask(client, "SAVE"), "-ERR|");
    assert_eq!(rig.disk.names(DIR), [engine::LOCK_NAME]);
    assert_eq!(rig.info("aof_last_error"), "write in a snapshot (No space left on device)");
    assert_eq!(rig.ask(client, "SET a 2"), "+OK|", "only those in the background refuse writes");
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
}

#[test]
fn a_shutdown_saves_if_there_are_save_points_or_it_is_told_to() {
    for (config, request, saves) in [
        (without_log(), "SHUTDOWN", true),
        (without_log(), "SHUTDOWN NOSAVE", false),
        (without_points(), "SHUTDOWN", false),
        (without_points(), "SHUTDOWN SAVE", true),
    ] {
        let mut rig = started(config);
        let client = rig.client();
        rig.ask(client, "SET a 1");
        rig.send(client, request);
        rig.turn();
        assert_eq!(rig.status(), Some(0));
        assert_eq!(rig.disk.content(DIR, DUMP).is_some(), saves, "{request}");
    }
    let mut rig = started(without_log());
    rig.engine.stop_signal("SIGTERM", 1);
    assert!(rig.status() == Some(0) && rig.disk.content(DIR, DUMP).is_some());
}

#[test]
fn a_shutdown_whose_snapshot_fails_is_refused_unless_forced() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.disk.inject(Rule::from_nth(Call::Rename, 1, Fault::ENOSPC));
    assert_eq!(rig.ask(client, "SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.|");
    assert!(rig.logged("Error trying to save the DB, can't exit."));
    assert_eq!(rig.ask(client, "SET a 2"), "+OK|");
    rig.send(client, "SHUTDOWN FORCE");
    rig.turn();
    assert_eq!(rig.status(), Some(0));
}

#[test]
fn a_shutdown_kills_a_snapshot_and_leaves_nothing_of_it() {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGSAVE");
    rig.send(client, "SHUTDOWN");
    assert!(rig.logged("There is a child saving an .rdb. Killing it!"));
    assert!(rig.children.running().is_empty());
    rig.run_all();
    assert_eq!((rig.status(), rig.disk.names(DIR)), (Some(0), vec![engine::LOCK_NAME.to_owned()]));
}

#[test]
fn after_flushall_nothing_comes_back_from_a_snapshot() {
    let mut rig = started(without_log());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "SAVE");
    rig.ask(client, "BGSAVE");
    assert_eq!(rig.ask(client, "FLUSHALL"), "+OK|");
    assert!(rig.children.running().is_empty());
    assert_eq!(next_says(&rig, "DBSIZE"), ":0|");
}

#[test]
fn a_shutdown_beside_a_snapshots_child_that_is_stuck_is_refused_until_it_has_ended() {
    let (mut rig, mut forced) = (started(without_log()), started(without_log()));
    for rig in [&mut rig, &mut forced] {
        let client = rig.client();
        rig.ask(client, "SET a 1");
        rig.ask(client, "BGSAVE");
        let child = rig.children.running();
        rig.children.set_stuck(child[0], true);
        assert_eq!(rig.ask(client, "SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.|");
        assert_eq!(rig.ask(client, "SET a 2"), "+OK|");
    }
    let client = forced.client();
    forced.send(client, "SHUTDOWN FORCE");
    forced.turn();
    assert_eq!(forced.status(), Some(0));
    rig.engine.stop_signal("SIGTERM", 1);
    rig.turn();
    assert_eq!(rig.status(), None);
    let child = rig.children.running();
    rig.children.set_stuck(child[0], false);
    for _ in 0..100 {
        if rig.status().is_none() {
            rig.work();
        }
    }
    assert_eq!(rig.status(), Some(0), "{:#?}", rig.lines());
    assert_eq!(next_says(&rig, "GET a"), "$1|2|");
}

#[test]
fn a_snapshot_asked_for_behind_flushall_is_made_of_what_came_after_it() {
    for running in [false, true] {
        let mut rig = started(without_points());
        let client = rig.client();
        rig.ask(client, "SET old 1");
        rig.ask(client, "SAVE");
        if running {
            rig.ask(client, "BGSAVE");
        }
        rig.send(client, "FLUSHALL\nSET new 1\nBGSAVE");
        rig.turn();
        // What is left of the one that FLUSHALL ended has to be removed before.
        let begun = if running { "scheduled" } else { "started" };
        assert_eq!(rig.take(client), format!("+OK|+OK|+Background saving {begun}|"));
        rig.run_all();
        rig.pass_ms(200);
        end_snapshot(&mut rig);
        assert_eq!(next_says(&rig, "KEYS *"), "*1|$3|new|");
    }
}

#[test]
fn nothing_comes_back_if_the_server_ends_right_behind_flushall() {
    let mut rig = started(without_log());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "SAVE");
    rig.send(client, "FLUSHALL\nSHUTDOWN NOSAVE");
    rig.turn();
    assert_eq!(rig.status(), Some(0));
    assert_eq!(next_says(&rig, "DBSIZE"), ":0|");
}

#[test]
fn an_empty_snapshot_that_could_not_be_made_is_made_when_the_disk_has_healed() {
    let mut rig = started(without_log());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "SAVE");
    rig.disk.inject(Rule::from_nth(Call::Append, 1, Fault::ENOSPC));
    assert_eq!(rig.ask(client, "FLUSHALL"), "+OK|");
    rig.disk.heal();
    rig.pass_ms(6_000);
    end_snapshot(&mut rig);
    assert_eq!(next_says(&rig, "DBSIZE"), ":0|");
}

#[test]
fn a_failed_snapshot_is_tried_again_though_nothing_has_changed() {
    let mut rig = started(without_log());
    let client = rig.client();
    rig.disk.inject(Rule::nth(Call::Rename, 1, Fault::EIO));
    rig.ask(client, "BGSAVE");
    end_snapshot(&mut rig);
    assert_eq!(rig.ask(client, "SET a 1"), MISCONF);
    rig.run_all();
    rig.pass_ms(5_500);
    end_snapshot(&mut rig);
    assert_eq!(rig.ask(client, "SET a 1"), "+OK|");
}

#[test]
fn a_log_of_before_keeps_its_name_while_the_first_rewrite_waits_for_a_snapshot() {
    let config = Config { save: SavePoints::none(), ..config("everysec") };
    let mut rig = started(config.clone());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    assert_eq!(rig.ask(client, "CONFIG SET appendonly no"), "+OK|");
    rig.ask(client, "SET a 2");
    rig.ask(client, "BGSAVE");
    assert_eq!(rig.ask(client, "CONFIG SET appendonly yes"), "+OK|");
    let mut next = Rig::on(&rig.killed(), config, BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "GET a"), "$1|1|", "nothing was promised since it was turned off");
}

#[test]
fn what_debug_reload_leaves_out_as_expired_is_deleted_in_the_log() {
    let config = Config { save: SavePoints::none(), ..config("everysec") };
    let mut rig = started(config.clone());
    let client = rig.client();
    rig.ask(client, "DEBUG SET-ACTIVE-EXPIRE 0");
    rig.ask(client, "SET k 41 PX 1");
    rig.pass_ms(5);
    assert_eq!(rig.ask(client, "DEBUG RELOAD"), "+OK|");
    assert_eq!(rig.ask(client, "INCR k"), ":1|");
    rig.run_all();
    rig.turn();
    let mut next = Rig::on(&rig.killed(), config, BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "GET k"), "$1|1|");
}

#[test]
fn with_no_appendfsync_on_rewrite_everysec_does_not_fsync_beside_a_snapshot() {
    let held = Config { no_appendfsync_on_rewrite: true, ..config("everysec") };
    let mut rig = started(held);
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.run_all();
    rig.turn();
    rig.ask(client, "BGSAVE");
    rig.send(client, "SET a 2");
    rig.pass_ms(1_500);
    assert_eq!((rig.queued(Kind::Fsync), rig.info("aof_effective_fsync").as_str()), (0, "no"));
    end_snapshot(&mut rig);
    rig.turn();
    assert_eq!(rig.info("aof_effective_fsync"), "everysec");
}

#[test]
fn a_log_that_must_heal_does_not_wait_for_a_snapshot() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
    rig.send(client, "SET a 2");
    rig.pass_ms(1_500);
    rig.run(Kind::Fsync);
    rig.ask(client, "BGSAVE");
    let child = rig.children.running();
    rig.children.set_stuck(child[0], true);
    rig.turn();
    rig.run_all();
    rig.turn();
    rig.children.set_stuck(child[0], false);
    rig.settle();
    assert_eq!(rig.info("aof_last_write_status"), "ok", "{:#?}", rig.lines());
    assert_eq!(rig.info("rdb_last_bgsave_status"), "ok", "it was stopped, which is no failure");
    assert_eq!(rig.ask(client, "SET a 3"), "+OK|");
    rig.pass_ms(200);
    end_snapshot(&mut rig);
    assert!(rig.disk.content(DIR, DUMP).is_some(), "it is made after that");
}

/// The test that stood here before started the next server at the time of the first one, when nothing had expired.
#[test]
fn a_start_without_a_log_leaves_out_what_has_expired_and_what_a_crash_left() {
    let mut rig = started(without_log());
    let client = rig.client();
    rig.ask(client, "SET stays 1");
    rig.ask(client, "SET goes 1 PX 100");
    rig.ask(client, "SAVE");
    let disk = rig.killed();
    disk.put(DIR, "temp-ledgerstone-7.rdb", b"a part");
    let mut next = Rig::loading(&disk, without_points(), BOOT).unwrap();
    next.pass_ms(200);
    assert_eq!(
        (next.info("rdb_last_load_keys_loaded"), next.info("rdb_last_load_keys_expired")),
        ("1".into(), "1".into())
    );
    let client = next.client();
    assert_eq!(next.ask(client, "DBSIZE"), ":1|");
    assert!(next.logged("Removed the temporary file temp-ledgerstone-7.rdb, left by a crash"));
    assert_eq!(disk.names(DIR), [DUMP, engine::LOCK_NAME]);
}

#[test]
fn a_snapshot_has_no_name_of_the_logs() {
    for name in [LOG, "appendonly.aof.state", engine::LOCK_NAME, "temp-ledgerstone-5.rdb"] {
        let taken = Config { dbfilename: name.to_owned(), ..config("no") };
        let error = Rig::on(&SimDisk::new(), taken, BOOT).err().expect("it is refused");
        assert!(matches!(error, StartError::DumpName { .. }), "{error}");
    }
}

#[test]
fn debug_reload_writes_the_dataset_out_and_reads_it_back() {
    for config in [without_log(), config("everysec")] {
        let mut rig = started(config);
        let client = rig.client();
        rig.ask(client, "RPUSH a 1 2 3");
        rig.ask(client, "SELECT 3");
        rig.ask(client, "SET b 1 PX 100000");
        let digest = rig.ask(client, "DEBUG DIGEST");
        assert_eq!(rig.ask(client, "DEBUG RELOAD"), "+OK|");
        assert!(rig.logged("DB reloaded by DEBUG RELOAD"));
        assert_eq!(rig.ask(client, "DEBUG DIGEST"), digest);
        assert_eq!(rig.ask(client, "SET c 1"), "+OK|");
        let refusal = "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.|";
        assert_eq!(rig.ask(client, "DEBUG RELOAD SOON"), refusal);
    }
}

#[test]
fn debug_reload_takes_redis_options_without_a_log() {
    let mut rig = started(without_points());
    let client = rig.client();
    assert_eq!(rig.ask(client, "DEBUG RELOAD NOSAVE"), "-ERR Error trying to load the RDB dump, check server logs.|");
    rig.ask(client, "MSET a saved b saved");
    rig.ask(client, "SAVE");
    rig.ask(client, "MSET a later c later");
    let refusal = "-ERR Error trying to load the RDB dump, check server logs.|";
    assert_eq!(rig.ask(client, "DEBUG RELOAD NOSAVE NOFLUSH"), refusal, "a is there twice");
    assert_eq!(rig.ask(client, "MGET a b c"), "*3|$5|later|$5|saved|$5|later|");
    assert_eq!(rig.ask(client, "DEBUG RELOAD NOSAVE NOFLUSH MERGE"), "+OK|");
    assert_eq!(rig.ask(client, "MGET a b c"), "*3|$5|saved|$5|saved|$5|later|");
    assert_eq!(rig.ask(client, "DEBUG RELOAD NOSAVE"), "+OK|");
    assert_eq!(rig.ask(client, "MGET a b c"), "*3|$5|saved|$5|saved|$-1|");
    assert!(rig.disk.tamper(DIR, DUMP, |bytes| bytes.truncate(20)));
    assert_eq!(rig.ask(client, "DEBUG RELOAD NOSAVE"), refusal);
    assert_eq!(rig.ask(client, "GET a"), "$5|saved|");
}

#[test]
fn debug_reload_of_anything_but_the_dataset_is_refused_beside_a_log() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    for options in ["NOSAVE", "NOFLUSH", "NOFLUSH MERGE"] {
        let reply = rig.ask(client, &format!("DEBUG RELOAD {options}"));
        assert!(reply.starts_with("-ERR with the AOF on, only what was just saved can be reloaded"), "{reply}");
    }
}

#[test]
fn an_empty_snapshot_that_is_there_is_damage_with_a_log_and_without() {
    for appendonly in [false, true] {
        let disk = SimDisk::new();
        disk.put(DIR, DUMP, b"");
        let config = Config { appendonly, ..without_points() };
        let mut rig = Rig::loading(&disk, config, BOOT).unwrap();
        rig.turns(10);
        assert_eq!(rig.status(), Some(1), "{:#?}", rig.lines());
        assert!(rig.logged("dump.rdb: byte 0:"), "{:#?}", rig.lines());
        assert_eq!(disk.content(DIR, LOG), None, "no log stands for what is damaged");
    }
}
