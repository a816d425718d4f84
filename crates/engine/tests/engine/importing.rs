//! What other servers left: read at start, written as our own log, and served only then; whatever ends the start before.

use engine::{Config, StartError};
use resp_codec::encode_request;
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};
use vfs::{Dir as _, FileKind};

use crate::support::{BOOT, DIR, LOG, Rig, config};

const PARTS: &str = "/data/appendonlydir";
const MANIFEST: &str = "appendonly.aof.manifest";
const BASE: &str = "appendonly.aof.1.base.aof";
const RDB_BASE: &str = "appendonly.aof.1.base.rdb";
const FIRST: &str = "appendonly.aof.1.incr.aof";
const LAST: &str = "appendonly.aof.2.incr.aof";

/// These commands, one a line, as they stand in a file.
fn encoded(commands: &str) -> Vec<u8> {
    let encoded = commands.lines().map(|line| encode_request(&line.split_whitespace().collect::<Vec<_>>()));
    encoded.collect::<Vec<_>>().concat()
}

/// A disk with a log in three files; the database is chosen anew in each.
fn disk_with_parts() -> SimDisk {
    let disk = SimDisk::new();
    disk.put_special(DIR, "appendonlydir", FileKind::Dir);
    let manifest = format!(
        "file {BASE} seq 1 type b\nfile gone.aof seq 1 type h\nfile {FIRST} seq 1 type i\nfile {LAST} seq 2 type i\n"
    );
    disk.put(PARTS, MANIFEST, manifest.as_bytes());
    disk.put(PARTS, BASE, &encoded("SELECT 0\nSET a base\nSET b base\nRPUSH l x y\nSELECT 3\nSADD s 1 2"));
    disk.put(PARTS, FIRST, &encoded("SET a first\nMULTI\nLPOP l\nHSET h f v\nEXEC"));
    disk.put(PARTS, LAST, &encoded("SELECT 3\nSREM s 1\nPEXPIREAT s 1900000000000\nSELECT 0\nZADD z 1 m"));
    disk
}

/// The same with a base in RDB format.
fn disk_with_snapshot() -> SimDisk {
    let disk = disk_with_parts();
    let manifest = format!("file {RDB_BASE} seq 1 type b\nfile {FIRST} seq 1 type i\nfile {LAST} seq 2 type i\n");
    disk.put(PARTS, MANIFEST, manifest.as_bytes());
    disk.put(PARTS, RDB_BASE, &snapshot());
    disk
}

/// What stands in [`BASE`], as a snapshot without checksum.
fn snapshot() -> Vec<u8> {
    let databases: [&[u8]; 2] =
        [b"\xfe\x00\x00\x01a\x04base\x00\x01b\x04base\x01\x01l\x02\x01x\x01y", b"\xfe\x03\x02\x01s\x02\x011\x012"];
    [b"REDIS0011", databases[0], databases[1], b"\xff", &[0; 8]].concat()
}

/// What the parts hold together.
fn check_dataset(rig: &mut Rig, what: &str) {
    let client = rig.client();
    for (request, reply) in [
        ("GET a", "$5|first|"),
        ("GET b", "$4|base|"),
        ("LRANGE l 0 -1", "*1|$1|y|"),
        ("HGETALL h", "*2|$1|f|$1|v|"),
        ("ZSCORE z m", "$1|1|"),
        ("DBSIZE", ":5|"),
        ("SELECT 3", "+OK|"),
        ("SMEMBERS s", "*1|$1|2|"),
        ("PEXPIRETIME s", ":1900000000000|"),
        ("DBSIZE", ":1|"),
    ] {
        assert_eq!(rig.ask(client, request), reply, "{what}: {request}");
    }
    rig.engine.disconnect(client);
}

/// Everything that stands in the directory of the other server.
fn parts(disk: &SimDisk) -> Vec<(String, Option<Vec<u8>>)> {
    disk.names(PARTS).into_iter().map(|name| (name.clone(), disk.content(PARTS, &name))).collect()
}

/// Runs a start until it serves or has ended.
fn run(rig: &mut Rig) {
    for _ in 0..500 {
        if rig.logged("Ready to accept connections") || rig.status().is_some() {
            return;
        }
        rig.work();
    }
    panic!("it neither serves nor ends: {:#?}", rig.lines());
}

/// A start over a disk, run until it serves or has ended.
fn started(disk: &SimDisk, config: Config, boot: u8) -> Result<Rig, StartError> {
    let mut rig = Rig::loading(disk, config, boot)?;
    run(&mut rig);
    Ok(rig)
}

fn refused(disk: &SimDisk, config: Config) -> StartError {
    Rig::loading(disk, config, BOOT).err().expect("the server must not start")
}

#[test]
fn a_log_in_several_files_becomes_one_of_ours_and_stays_as_it_is() {
    let disk = disk_with_parts();
    let before = parts(&disk);
    let mut rig = started(&disk, config("always"), BOOT).unwrap();
    assert!(rig.logged("but appendonlydir (3 files"), "{:#?}", rig.lines());
    assert!(rig.logged("DB imported from appendonlydir"), "{:#?}", rig.lines());
    check_dataset(&mut rig, "imported");
    assert_eq!(rig.info("aof_state"), "on");
    assert_eq!(rig.info("aof_base_size"), rig.aof_bytes().to_string());
    let client = rig.client();
    assert_eq!(rig.ask(client, "SET b ours"), "+OK|");
    assert!(parts(&disk) == before, "the directory was changed");

    let mut next = Rig::on(&rig.killed(), config("always"), BOOT).unwrap();
    assert!(next.logged("appendonlydir stands beside appendonly.aof"), "{:#?}", next.lines());
    assert!(!next.logged("import"), "{:#?}", next.lines());
    let client = next.client();
    assert_eq!(next.ask(client, "GET b"), "$4|ours|");
}

#[test]
fn nothing_is_served_before_the_log_is_durable() {
    let disk = disk_with_parts();
    let mut rig = Rig::loading(&disk, config("everysec"), BOOT).unwrap();
    let client = rig.client();
    let mut states = Vec::new();
    while rig.info("loading") == "1" {
        rig.send(client, "GET a\nSET a 2\nPING\nBGREWRITEAOF");
        assert_eq!(rig.take(client), "-LOADING Redis is loading the dataset in memory|".repeat(4));
        assert_eq!(rig.info("aof_state"), "importing");
        assert_eq!(rig.ask(client, "CONFIG SET appendonly no").get(..4), Some("-ERR"));
        states.push((rig.info("loading_loaded_bytes"), rig.info("aof_rewrite_in_progress")));
        rig.work();
    }
    let total_bytes: usize =
        [BASE, FIRST, LAST].iter().filter_map(|name| disk.content(PARTS, name)).map(|c| c.len()).sum();
    let all_read = (total_bytes.to_string(), "1".to_owned());
    assert!(states.contains(&all_read), "{states:?}");
    let after = disk.crash(&mut fastrand::Rng::with_seed(3), CrashMode::Strict, NameMode::OnlyDirFsync);
    assert_eq!(after.content(DIR, LOG), disk.content(DIR, LOG));
    check_dataset(&mut rig, "served");
}

/// The active expiry, which rests while nothing is served, was overdue all the time: the loop spun beside the child.
#[test]
fn while_a_child_writes_what_was_imported_the_loop_sleeps() {
    let mut rig = Rig::loading(&disk_with_parts(), config("everysec"), BOOT).unwrap();
    while rig.info("aof_rewrite_in_progress") == "0" {
        assert_eq!(rig.engine.sleep_ms(), 0, "there is something to read");
        rig.turn();
    }
    rig.pass_ms(500);
    assert!(rig.engine.sleep_ms() >= 10, "{} ms", rig.engine.sleep_ms());
}

/// The calls of an import that nothing disturbs, up to the moment it serves.
fn calls_of_an_import(disk: &SimDisk) -> u64 {
    let mut rig = started(disk, config("everysec"), BOOT).unwrap();
    let calls = disk.calls();
    check_dataset(&mut rig, "undisturbed");
    calls
}

#[test]
fn an_import_killed_at_any_call_is_begun_anew_or_finished() {
    for make in [disk_with_parts, disk_with_snapshot] {
        let (mut anew, mut finished) = (0, 0);
        let expected = parts(&make());
        for call in 0..calls_of_an_import(&make()) {
            let disk = make();
            disk.freeze_at(Some(call));
            if let Ok(mut rig) = Rig::loading(&disk, config("everysec"), BOOT) {
                run(&mut rig);
            }
            check_next_start(&disk.kill(), BOOT, &format!("killed at call {call}"), &mut anew, &mut finished);
            assert!(parts(&disk) == expected, "killed at call {call}");
        }
        assert!(anew > 10 && finished > 5, "{anew} begun anew, {finished} finished");
    }
}

#[test]
fn an_import_that_loses_its_power_at_any_call_is_begun_anew_or_finished() {
    for make in [disk_with_parts, disk_with_snapshot] {
        let (mut anew, mut finished) = (0, 0);
        for call in 0..=calls_of_an_import(&make()) {
            let disk = make();
            disk.freeze_at(Some(call));
            if let Ok(mut rig) = Rig::loading(&disk, config("everysec"), BOOT) {
                run(&mut rig);
            }
            for (mode, names) in CrashMode::ALL.into_iter().flat_map(|mode| NameMode::ALL.map(|names| (mode, names))) {
                let after = disk.crash(&mut fastrand::Rng::with_seed(call), mode, names);
                let what = format!("power lost at call {call}, {mode:?}, {names:?}");
                check_next_start(&after, BOOT + 1, &what, &mut anew, &mut finished);
            }
        }
        assert!(anew > 100 && finished > 50, "{anew} begun anew, {finished} finished");
    }
}

/// It was renamed to the log's name with no bytes in it, and without a state file the next start refused an empty log beside data.
#[test]
fn an_import_of_an_empty_dataset_killed_at_any_call_is_begun_anew_or_finished() {
    for preamble in [true, false] {
        let make = || {
            let disk = disk_with_parts();
            [BASE, FIRST, LAST].iter().for_each(|name| disk.put(PARTS, name, b""));
            disk
        };
        let start = |disk: &SimDisk| {
            let config = Config { aof_use_rdb_preamble: preamble, ..config("everysec") };
            started(disk, config, BOOT)
        };
        let undisturbed = make();
        drop(start(&undisturbed).unwrap());
        for call in 0..undisturbed.calls() {
            let disk = make();
            disk.freeze_at(Some(call));
            drop(start(&disk));
            let mut rig = start(&disk.kill()).unwrap_or_else(|error| panic!("killed at call {call}: {error}"));
            assert_eq!(rig.status(), None, "killed at call {call}: {:#?}", rig.lines());
            let client = rig.client();
            assert_eq!(rig.ask(client, "DBSIZE"), ":0|");
        }
    }
}

/// Reads everything, lets `meddle` change what was read while the child writes, and goes on to the end.
fn meddled_with(disk: &SimDisk, meddle: impl FnOnce(&SimDisk)) -> Rig {
    let mut rig = Rig::loading(disk, config("everysec"), BOOT).unwrap();
    while rig.info("aof_rewrite_in_progress") == "0" {
        rig.turn();
    }
    meddle(disk);
    run(&mut rig);
    rig
}

/// Only what was written while files were read was noticed; what was acknowledged while the child wrote was lost without a word.
#[test]
fn a_server_that_still_writes_while_the_import_is_written_is_noticed_and_nothing_is_made() {
    type Meddle = fn(&SimDisk);
    let meddlers: [(&str, Meddle); 3] = [
        (LAST, |disk| {
            disk.tamper(PARTS, LAST, |bytes| bytes.extend(encoded("SET late 1")));
        }),
        (BASE, |disk| {
            disk.put(PARTS, "other", &disk.content(PARTS, BASE).unwrap());
            disk.dir(PARTS).rename("other", BASE).unwrap();
        }),
        (MANIFEST, |disk| {
            disk.put(PARTS, "other", b"file b seq 2 type b\nfile i seq 2 type i\n");
            disk.dir(PARTS).rename("other", MANIFEST).unwrap();
        }),
    ];
    for (name, meddle) in meddlers {
        let disk = disk_with_parts();
        let rig = meddled_with(&disk, meddle);
        assert_eq!(rig.status(), Some(1), "{name}: {:#?}", rig.lines());
        assert!(rig.logged(&format!("appendonlydir/{name}")), "{name}: {:#?}", rig.lines());
        assert!(rig.logged("end the server that writes to it first"), "{name}: {:#?}", rig.lines());
        drop(rig);
        assert_eq!(disk.names(DIR), ["appendonlydir", engine::LOCK_NAME], "{name}");
    }

    let disk = SimDisk::new();
    disk.put(DIR, "dump.rdb", &snapshot());
    let rig = meddled_with(&disk, |disk| {
        disk.put(DIR, "temp-1.rdb", &snapshot());
        disk.dir(DIR).rename("temp-1.rdb", "dump.rdb").unwrap();
    });
    assert_eq!(rig.status(), Some(1), "{:#?}", rig.lines());
    assert!(rig.logged("dump.rdb is not the file any more that was read"), "{:#?}", rig.lines());
}

/// The next start shows the whole dataset, from what was there before or from the finished log, and so does the one after it.
fn check_next_start(disk: &SimDisk, boot: u8, what: &str, anew: &mut u32, finished: &mut u32) {
    let has_log = disk.content(DIR, LOG).is_some();
    let mut rig = started(disk, config("everysec"), boot).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(rig.status(), None, "{what}: {:#?}", rig.lines());
    check_dataset(&mut rig, what);
    assert_eq!(rig.logged("DB imported"), !has_log, "{what}");
    *(if has_log { finished } else { anew }) += 1;
    let left = disk.names(DIR).into_iter().find(|name| name.starts_with("temp-"));
    assert_eq!(left, None, "{what}");
    let mut again = Rig::on(&rig.killed(), config("everysec"), boot).unwrap_or_else(|error| panic!("{what}: {error}"));
    check_dataset(&mut again, what);
    assert!(!again.logged("DB imported"), "{what}");
}

#[test]
fn a_failed_call_ends_the_server_or_does_not_matter_and_the_next_start_has_everything() {
    let (mut ended, mut served) = (0, 0);
    for call in 0..calls_of_an_import(&disk_with_snapshot()) {
        let disk = disk_with_snapshot();
        disk.inject(Rule::when(Fault::EIO, move |attempt| attempt.index == call));
        match started(&disk, config("everysec"), BOOT) {
            Ok(mut rig) if rig.status().is_none() => {
                served += 1;
                check_dataset(&mut rig, &format!("call {call} failed"));
            }
            Ok(rig) => {
                ended += 1;
                assert_eq!(rig.status(), Some(1));
            }
            Err(_) => ended += 1,
        }
        disk.heal();
        check_next_start(&disk.kill(), BOOT, &format!("call {call} failed"), &mut 0, &mut 0);
    }
    assert!(ended > 10 && served > 0, "{ended} ended, {served} served");
}

#[test]
fn a_disk_without_room_for_the_log_ends_the_start_and_leaves_everything_as_it_was() {
    let disk = disk_with_parts();
    disk.inject(Rule::from_nth(Call::Append, 1, Fault::ENOSPC));
    let before: Vec<String> = disk.names(DIR);
    let contents = parts(&disk);
    let rig = started(&disk, config("everysec"), BOOT).unwrap();
    assert_eq!(rig.status(), Some(1));
    assert!(rig.logged("Can't write what was imported to appendonly.aof"), "{:#?}", rig.lines());
    assert!(rig.logged("No space left on device"), "{:#?}", rig.lines());
    drop(rig);
    let after: Vec<String> = disk.names(DIR).into_iter().filter(|name| name != engine::LOCK_NAME).collect();
    assert_eq!(after, before);
    assert!(parts(&disk) == contents);
}

#[test]
fn a_child_that_is_killed_ends_the_start_whatever_the_signal() {
    for signal in [9, 10] {
        let disk = disk_with_parts();
        let mut rig = Rig::loading(&disk, config("everysec"), BOOT).unwrap();
        while rig.info("aof_rewrite_in_progress") == "0" {
            rig.turn();
        }
        let pid = rig.children.running()[0];
        rig.children.signal(pid, signal);
        run(&mut rig);
        assert_eq!(rig.status(), Some(1), "signal {signal}: {:#?}", rig.lines());
        assert_eq!(disk.content(DIR, LOG), None);
        check_next_start(&rig.killed(), BOOT, "after the child was killed", &mut 0, &mut 0);
    }
}

#[test]
fn a_torn_tail_of_the_last_file_is_left_out_and_stays_in_its_file() {
    let disk = disk_with_parts();
    let torn = [encoded("SELECT 0\nSET torn 1"), b"*2\r\n$3\r\nDEL\r\n$1".to_vec()].concat();
    disk.put(PARTS, LAST, &torn);
    let mut rig = started(&disk, config("everysec"), BOOT).unwrap();
    assert!(rig.logged(&format!("of {LAST}, from offset")), "{:#?}", rig.lines());
    let whole = format!("DB imported from appendonlydir without the torn last 15 bytes of /data/appendonlydir/{LAST}");
    assert!(rig.logged(&whole), "{:#?}", rig.lines());
    let client = rig.client();
    assert_eq!(rig.ask(client, "GET torn"), "$1|1|");
    assert_eq!(rig.ask(client, "EXISTS a b"), ":2|");
    assert_eq!(disk.content(PARTS, LAST), Some(torn));
    assert_eq!(disk.names(PARTS).len(), 4, "no side file");
}

#[test]
fn what_cannot_be_imported_is_refused_and_left_as_it_is() {
    for (name, content, said) in [
        (FIRST, encoded("SET a first\nGET a"), "'GET' may not stand in an append only file (/data/appendonlydir/"),
        (BASE, encoded("SET a first")[..20].to_vec(), "appendonly.aof.1.base.aof"),
        (LAST, encoded("SELECT 99"), "'databases'"),
        (BASE, b"REDIS0011\xff".to_vec(), "appendonly.aof.1.base.aof: byte 10: the RDB data can't be loaded"),
        (BASE, b"REDIS0011\xfe\x20\0\x01a\x01b\xff\0\0\0\0\0\0\0\0".to_vec(), "'databases'"),
    ] {
        let disk = disk_with_parts();
        disk.put(PARTS, name, &content);
        let before = parts(&disk);
        let rig = started(&disk, config("everysec"), BOOT).unwrap();
        assert_eq!(rig.status(), Some(1), "{said}");
        assert!(rig.logged(said), "{said}: {:#?}", rig.lines());
        assert_eq!(disk.content(DIR, LOG), None);
        assert!(parts(&disk) == before);
    }
}

#[test]
fn a_manifest_that_cannot_be_followed_and_a_missing_file_are_refused_before_anything_is_read() {
    let disk = disk_with_parts();
    disk.put(PARTS, MANIFEST, b"file ../../etc/passwd seq 1 type b\n");
    let error = refused(&disk, config("no"));
    assert!(matches!(error, StartError::Load(aof_load_error) if aof_load_error.to_string().contains(MANIFEST)));
    let disk = disk_with_parts();
    disk.put(PARTS, MANIFEST, format!("file {BASE} seq 1 type b\nfile lost.aof seq 1 type i\n").as_bytes());
    let error = refused(&disk, config("no"));
    assert!(
        error.to_string().contains("/data/appendonlydir/lost.aof, which appendonly.aof.manifest names, is missing"),
        "{error}"
    );
}

#[test]
fn files_without_their_manifest_are_refused_and_an_empty_directory_is_nothing() {
    let disk = SimDisk::new();
    disk.put_special(DIR, "appendonlydir", FileKind::Dir);
    for appendonly in [true, false] {
        let mut rig = Rig::on(&disk.kill(), Config { appendonly, ..config("no") }, BOOT).unwrap();
        let client = rig.client();
        assert_eq!(rig.ask(client, "DBSIZE"), ":0|");
    }
    disk.put(PARTS, BASE, &encoded("SET a 1"));
    for appendonly in [true, false] {
        let error = refused(&disk, Config { appendonly, ..config("no") });
        assert!(
            matches!(&error, StartError::BesideData { found, advice, .. } if found == "appendonlydir" && advice.contains("manifest")),
            "{error}"
        );
    }
    let disk = SimDisk::new();
    disk.put_special(DIR, "appendonlydir", FileKind::Symlink);
    let error = refused(&disk, config("no"));
    assert!(matches!(&error, StartError::BesideData { advice, .. } if advice.contains("no directory")), "{error}");
}

#[test]
fn the_directory_and_the_names_are_those_that_the_configuration_gives() {
    let disk = disk_with_parts();
    disk.put_special(DIR, "elsewhere", FileKind::Dir);
    disk.put("/data/elsewhere", "my.aof.manifest", b"file my.aof.1.incr.aof seq 1 type i\n");
    disk.put("/data/elsewhere", "my.aof.1.incr.aof", &encoded("SET mine 1"));
    let config = Config { appenddirname: "elsewhere".into(), appendfilename: "my.aof".into(), ..config("no") };
    let mut rig = started(&disk, config, BOOT).unwrap();
    let client = rig.client();
    assert_eq!(rig.ask(client, "GET mine"), "$1|1|");
    assert_eq!(rig.ask(client, "DBSIZE"), ":1|");
    assert!(disk.content(DIR, "my.aof").is_some());
}

#[test]
fn a_log_of_ours_wins_over_a_directory_and_that_over_a_dump() {
    let disk = disk_with_parts();
    disk.put(DIR, "dump.rdb", b"REDIS0011");
    let mut rig = started(&disk, config("no"), BOOT).unwrap();
    check_dataset(&mut rig, "beside a dump");
    drop(rig);
    disk.put(DIR, LOG, &encoded("SET ours 1"));
    let mut rig = Rig::on(&disk.kill(), config("no"), BOOT).unwrap();
    assert!(rig.logged("appendonlydir stands beside appendonly.aof"), "{:#?}", rig.lines());
    assert!(rig.logged("dump.rdb stands beside appendonly.aof"), "{:#?}", rig.lines());
    let client = rig.client();
    assert_eq!(rig.ask(client, "DBSIZE"), ":1|");
}

#[test]
fn a_log_of_ours_that_is_gone_is_not_replaced_by_an_old_import() {
    let disk = disk_with_parts();
    drop(started(&disk, config("everysec"), BOOT).unwrap());
    let after = disk.kill();
    vfs::Dir::unlink(&*after.dir(DIR), LOG).unwrap();
    let error = refused(&after, config("everysec"));
    assert!(matches!(error, StartError::Missing { .. }), "{error}");
}

#[test]
fn a_shutdown_and_a_signal_end_an_import_at_any_time() {
    for turns in 0..100 {
        for signal in [false, true] {
            let disk = disk_with_parts();
            let mut rig = Rig::loading(&disk, config("everysec"), BOOT).unwrap();
            (0..turns).for_each(|_| rig.work());
            if signal {
                rig.engine.stop_signal("SIGTERM", 1);
            } else {
                let client = rig.client();
                rig.send(client, "SHUTDOWN");
            }
            (0..20).for_each(|_| rig.work());
            assert_eq!(rig.status(), Some(0), "after {turns} turns: {:#?}", rig.lines());
            check_next_start(&rig.killed(), BOOT, &format!("ended after {turns} turns"), &mut 0, &mut 0);
        }
    }
}

/// A disk whose only file is a log with a preamble, as Redis 4 to 6 leave it, and behind it what the incremental files hold.
fn disk_with_preamble() -> SimDisk {
    let from = disk_with_parts();
    let commands = [FIRST, LAST].map(|name| from.content(PARTS, name).unwrap());
    let disk = SimDisk::new();
    disk.put(DIR, LOG, &[snapshot(), commands.concat()].concat());
    disk
}

#[test]
fn a_log_with_a_preamble_is_taken_over_and_goes_on_behind_its_last_byte() {
    let disk = disk_with_preamble();
    let before = disk.content(DIR, LOG).unwrap();
    let mut rig = started(&disk, config("always"), BOOT).unwrap();
    check_dataset(&mut rig, "taken over");
    let client = rig.client();
    assert_eq!(rig.ask(client, "SET b ours"), "+OK|");
    assert!(disk.content(DIR, LOG).unwrap().starts_with(&before));
    assert!(rig.ask(client, "DEBUG LOADAOF").starts_with("+OK"), "{:#?}", rig.lines());
    assert_eq!(rig.ask(client, "GET b\nDBSIZE"), "$4|ours|:5|");

    let mut next = Rig::on(&rig.killed(), config("always"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "GET b\nGET a\nDBSIZE"), "$4|ours|$5|first|:5|");
}

#[test]
fn a_start_on_a_log_with_a_preamble_that_ends_at_any_call_loses_nothing() {
    let calls = {
        let disk = disk_with_preamble();
        started(&disk, config("everysec"), BOOT).unwrap();
        disk.calls()
    };
    for call in 0..=calls {
        let disk = disk_with_preamble();
        disk.freeze_at(Some(call));
        if let Ok(mut rig) = Rig::loading(&disk, config("everysec"), BOOT) {
            run(&mut rig);
        }
        let crash = |mode, names| disk.crash(&mut fastrand::Rng::with_seed(call), mode, names);
        let crashed = CrashMode::ALL.into_iter().flat_map(|mode| NameMode::ALL.map(|names| crash(mode, names)));
        for (disk, boot) in crashed.map(|disk| (disk, BOOT + 1)).chain([(disk.kill(), BOOT)]) {
            let what = format!("ended at call {call}, boot {boot}");
            let mut rig = started(&disk, config("everysec"), boot).unwrap_or_else(|error| panic!("{what}: {error}"));
            check_dataset(&mut rig, &what);
            let mut again = Rig::on(&rig.killed(), config("everysec"), boot).unwrap();
            check_dataset(&mut again, &what);
        }
    }
}

#[test]
fn nothing_expires_while_a_snapshot_is_loaded_and_its_deadlines_count_afterwards() {
    let disk = SimDisk::new();
    let body = b"\xfc\x01\0\0\0\0\0\0\0\x00\x03old\x01v\x00\x03new\x01v";
    let commands = encoded("SELECT 0\nSET last 1");
    disk.put(DIR, LOG, &[b"REDIS0011", &body[..], b"\xff", &[0; 8], &commands].concat());
    let mut rig = started(&disk, config("no"), BOOT).unwrap();
    assert!(rig.logged("Done loading RDB, keys loaded: 2, keys expired: 0"), "{:#?}", rig.lines());
    let client = rig.client();
    assert_eq!(rig.ask(client, "EXISTS old new last"), ":2|");
}

#[test]
fn a_dump_is_imported_unless_there_is_something_better() {
    let disk = SimDisk::new();
    disk.put(DIR, "dump.rdb", &snapshot());
    let mut rig = started(&disk, config("everysec"), BOOT).unwrap();
    assert!(rig.logged("DB imported from dump.rdb"), "{:#?}", rig.lines());
    let client = rig.client();
    assert_eq!(rig.ask(client, "GET a\nLRANGE l 0 -1\nSELECT 3\nSMEMBERS s"), "$4|base|*2|$1|x|$1|y|+OK|*2|$1|1|$1|2|");
    assert_eq!(disk.content(DIR, "dump.rdb"), Some(snapshot()));
    assert!(disk.content(DIR, LOG).is_some());
}

#[test]
fn a_snapshot_without_its_checksum_being_right_is_refused_unless_rdbchecksum_is_no() {
    let mut dump = snapshot();
    *dump.last_mut().unwrap() = 1;
    for (rdbchecksum, status) in [(true, Some(1)), (false, None)] {
        let disk = SimDisk::new();
        disk.put(DIR, "dump.rdb", &dump);
        let rig = started(&disk, Config { rdbchecksum, ..config("no") }, BOOT).unwrap();
        assert_eq!(rig.status(), status, "{:#?}", rig.lines());
        assert_eq!(disk.content(DIR, LOG).is_some(), status.is_none());
    }
}
