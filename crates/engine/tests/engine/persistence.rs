//! Starting and ending: which directories are refused, what SHUTDOWN waits for, what the next start knows.

use engine::{Config, StartError};
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule, SimDisk};
use vfs::{Dir as _, FileKind};

use crate::support::{BOOT, DIR, LOG, OTHERS_PID, Rig, config};

fn refused(disk: &SimDisk, config: Config) -> StartError {
    Rig::on(disk, config, BOOT).err().expect("the server must not start")
}

#[test]
fn a_server_does_not_start_empty_beside_data_it_does_not_load() {
    let disk = SimDisk::new();
    disk.put(DIR, "dump.rdb", b"REDIS0011");
    for appendonly in [false, true] {
        let disk = disk.kill();
        let rig = Rig::on(&disk, Config { appendonly, ..config("no") }, BOOT).unwrap();
        assert_eq!(rig.status(), Some(1));
        assert_eq!(disk.names(DIR), ["dump.rdb", engine::LOCK_NAME]);
        assert!(
            rig.logged(
                "/data/dump.rdb: byte 9: the RDB data can't be loaded, and the file was not touched: unexpected end"
            ),
            "{:#?}",
            rig.lines()
        );
    }

    let disk = SimDisk::new();
    disk.put_special(DIR, "appendonlydir", FileKind::Dir);
    disk.put("/data/appendonlydir", "appendonly.aof.manifest", b"");
    let error = refused(&disk, Config { appendonly: false, ..config("no") });
    assert!(matches!(&error, StartError::BesideData { found, .. } if found == "appendonlydir"), "{error}");
    let error = refused(&disk, config("no"));
    assert!(matches!(error, StartError::Load(_)), "{error}");
}

#[test]
fn a_server_without_a_log_does_not_start_beside_one() {
    let disk = SimDisk::new();
    disk.put(DIR, LOG, b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n");
    let error = refused(&disk, Config { appendonly: false, ..config("no") });
    assert!(matches!(&error, StartError::BesideData { found, .. } if found == LOG), "{error}");
}

#[test]
fn an_empty_log_that_nothing_vouches_for_is_none_beside_a_dump() {
    let disk = SimDisk::new();
    disk.put(DIR, "dump.rdb", b"REDIS0011");
    disk.put(DIR, LOG, b"");
    let error = refused(&disk, config("no"));
    assert!(matches!(&error, StartError::BesideData { found, .. } if found == "dump.rdb"), "{error}");
}

#[test]
fn a_log_beside_a_dump_is_the_dataset() {
    let disk = SimDisk::new();
    disk.put(DIR, "dump.rdb", b"REDIS0011");
    disk.put(DIR, LOG, b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n");
    let mut rig = Rig::on(&disk, config("no"), BOOT).unwrap();
    let client = rig.client();
    assert_eq!(rig.ask(client, "GET a"), "$1|1|");
}

/// A log written under a larger proto-max-bulk-len was refused as damaged.
#[test]
fn limits_of_clients_do_not_apply_to_the_log() {
    let disk = SimDisk::new();
    disk.put(DIR, LOG, b"*4\r\n$8\r\nSETRANGE\r\n$1\r\na\r\n$7\r\n2000000\r\n$1\r\nx\r\n");
    let mut rig = Rig::on(&disk, Config { proto_max_bulk_len_bytes: 1 << 20, ..config("no") }, BOOT).unwrap();
    let client = rig.client();
    assert_eq!(rig.ask(client, "STRLEN a"), ":2000001|");
    assert!(rig.ask(client, "SETRANGE a 2000001 y").starts_with("-ERR string exceeds maximum allowed size"));
}

#[test]
fn a_second_server_on_the_directory_is_refused_and_names_the_first() {
    let rig = Rig::new("no");
    rig.disk.set_pid(42);
    let error = refused(&rig.disk, config("no"));
    assert!(matches!(error, StartError::Locked { .. }), "{error}");
}

#[test]
fn a_server_that_is_refused_has_touched_nothing_of_the_first() {
    let rig = Rig::new("no");
    rig.disk.set_pid(42);
    let temp = "temp-rewriteaof-7.aof";
    rig.disk.put(DIR, temp, b"of the first one's child");
    refused(&rig.disk, config("no"));
    assert!(rig.disk.content(DIR, temp).is_some());
}

#[test]
fn what_a_crash_left_of_a_rewrite_is_removed_and_nothing_else() {
    let disk = ended();
    for name in ["temp-rewriteaof-7.aof", "temp-rewriteaof-bg-7.aof", "appendonly.aof.old-1", "notes"] {
        disk.put(DIR, name, b"x");
    }
    let rig = Rig::on(&disk, config("everysec"), BOOT).unwrap();
    let names = rig.disk.names(DIR);
    assert!(names.iter().all(|name| !name.starts_with("temp-")), "{names:?}");
    assert!(["appendonly.aof.old-1", "notes", LOG].iter().all(|kept| names.iter().any(|n| n == kept)), "{names:?}");
}

/// A start removed the files of a Redis that was rewriting its log there.
#[test]
fn what_another_server_is_rewriting_its_log_to_is_not_removed() {
    let disk = ended();
    let others = [format!("temp-rewriteaof-{OTHERS_PID}.aof"), format!("temp-rewriteaof-bg-{OTHERS_PID}.aof")];
    for name in others.iter().map(String::as_str).chain(["temp-rewriteaof-7.aof"]) {
        disk.put(DIR, name, b"x");
    }
    let rig = Rig::on(&disk, config("everysec"), BOOT).unwrap();
    let mut left: Vec<_> = rig.disk.names(DIR).into_iter().filter(|name| name.starts_with("temp-")).collect();
    left.sort_unstable();
    assert_eq!(left, others);
    assert_eq!(rig.log_count("may be writing to it: left alone"), 2, "{:#?}", rig.lines());
}

/// A disk on which a server ended in order, with a log that holds data.
fn ended() -> SimDisk {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.send(client, "SHUTDOWN");
    assert_eq!(rig.status(), Some(0));
    rig.disk.kill()
}

/// A log cut below what was fsynced once started with what was left, or empty: fsynced data was gone without a word.
#[test]
fn a_log_that_lacks_fsynced_bytes_is_refused() {
    for left in [0, 5] {
        let disk = ended();
        disk.tamper(DIR, LOG, |bytes| bytes.truncate(left));
        let error = refused(&disk, config("everysec"));
        assert!(matches!(&error, StartError::TooShort { len_bytes, .. } if *len_bytes == left as u64), "{error}");
    }
}

#[test]
fn a_log_that_is_gone_while_its_state_file_speaks_of_data_is_refused() {
    let disk = ended();
    disk.dir(DIR).unlink(LOG).unwrap();
    let error = refused(&disk, config("everysec"));
    assert!(matches!(&error, StartError::Missing { fsynced_offset_bytes, .. } if *fsynced_offset_bytes > 0), "{error}");
    disk.dir(DIR).unlink(&format!("{LOG}.state")).unwrap();
    assert!(Rig::on(&disk, config("everysec"), BOOT).is_ok(), "without it, it was removed on purpose");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_though_its_log_can_be() {
    let disk = ended();
    const EROFS: i32 = 30;
    disk.inject(Rule::when(Fault::Errno(EROFS), |call| call.call == Call::Open && call.name.starts_with("temp-")));
    let error = refused(&disk, config("everysec"));
    assert!(matches!(&error, StartError::File { .. }), "{error}");
}

#[test]
fn after_an_orderly_end_the_next_start_proves_nothing() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.send(client, "SHUTDOWN");
    assert_eq!(rig.status(), Some(0));
    let disk = rig.disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
    disk.record(true);
    let mut next = Rig::on(&disk, config("everysec"), BOOT + 1).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "GET a"), "$1|1|");
    let synced = |call| disk.trace().iter().any(|record| record.call == call && record.name == LOG);
    assert!(!synced(Call::Fsync) && !synced(Call::Fdatasync) && !synced(Call::WriteAt), "{:#?}", disk.trace());
    assert!(!next.logged("not closed cleanly"));
}

#[test]
fn after_a_kill_the_next_start_proves_the_tail() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.pass_ms(200);
    rig.run_all();
    let next = Rig::on(&rig.killed(), config("no"), BOOT).unwrap();
    assert!(next.logged("The AOF was not closed cleanly"));
    let content = next.disk.durable_content(DIR, LOG).unwrap();
    assert!(content.ends_with(b"SET\r\n$1\r\na\r\n$1\r\n1\r\n"), "what is served is durable");
}

#[test]
fn an_end_is_not_clean_any_more_once_the_next_server_runs() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.send(client, "SHUTDOWN");
    let mut second = Rig::on(&rig.killed(), config("no"), BOOT).unwrap();
    let client = second.client();
    second.ask(client, "SET a 2");
    let third = Rig::on(&second.killed(), config("no"), BOOT).unwrap();
    assert!(third.logged("The AOF was not closed cleanly"));
}

#[test]
fn a_shutdown_whose_last_fsync_fails_is_refused_unless_it_insists() {
    for (request, ends) in [("SHUTDOWN", false), ("SHUTDOWN NOSAVE", true), ("SHUTDOWN FORCE", true)] {
        // No snapshot is wanted, whose failure would be a reason of its own.
        let mut rig = crate::snapshots::started(Config { appendonly: true, ..crate::snapshots::without_points() });
        let client = rig.client();
        rig.ask(client, "SET a 1");
        rig.disk.inject(Rule::from_nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
        rig.disk.inject(Rule::from_nth(Call::Fsync, 1, Fault::FSYNC_EIO));
        rig.send(client, request);
        if ends {
            assert_eq!(rig.status(), Some(0), "{request}");
        } else {
            assert_eq!(rig.status(), None);
            assert_eq!(rig.take(client), "-ERR Errors trying to SHUTDOWN. Check logs.|");
        }
    }
}

#[test]
fn a_shutdown_while_nothing_else_holds_the_data_is_refused_unless_it_insists() {
    for (request, ends) in [("SHUTDOWN", false), ("SHUTDOWN NOSAVE", true)] {
        let mut rig = Rig::on(&SimDisk::new(), Config { appendonly: false, ..config("everysec") }, BOOT).unwrap();
        let client = rig.client();
        rig.ask(client, "SET a 1");
        rig.ask(client, "CONFIG SET appendonly yes");
        rig.send(client, request);
        assert_eq!(rig.status().is_some(), ends, "{request}");
        if !ends {
            rig.settle();
            assert_eq!(rig.info("aof_state"), "on", "the first rewrite goes on");
        }
    }
}

#[test]
fn a_shutdown_kills_a_rewrite_and_leaves_nothing_of_it() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGREWRITEAOF");
    rig.children.step(rig.mono_ms());
    rig.send(client, "SHUTDOWN");
    assert_eq!(rig.status(), Some(0));
    assert!(rig.children.running().is_empty());
    assert!(rig.disk.names(DIR).iter().all(|name| !name.starts_with("temp-")), "{:?}", rig.disk.names(DIR));
}

#[test]
fn held_replies_leave_after_the_fsync_of_a_shutdown() {
    let mut rig = Rig::new("always");
    let (client, admin) = (rig.client(), rig.client());
    rig.send(client, "SET a 1");
    rig.send(admin, "SHUTDOWN");
    assert_eq!(rig.status(), Some(0));
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
    assert_eq!(rig.take(admin), "", "the connection closes instead");
    assert!(rig.disk.durable_content(DIR, LOG).unwrap().ends_with(b"$1\r\na\r\n$1\r\n1\r\n"));
}

#[test]
fn the_tail_of_everysec_is_fsynced_within_a_second_of_the_last_write() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.run_all();
    rig.pass_ms(10);
    rig.ask(client, "SET a 2");
    let mut waited_ms = 0;
    while rig.disk.durable_content(DIR, LOG) != rig.disk.content(DIR, LOG) {
        let sleep_ms = rig.engine.sleep_ms().max(1);
        waited_ms += sleep_ms;
        assert!(waited_ms <= 1_000, "an idle server wakes up for its tail");
        rig.pass_ms(sleep_ms);
        rig.run_all();
    }
}

#[test]
fn the_state_file_states_what_is_fsynced_and_not_what_is_written() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.pass_ms(2_000);
    rig.run_all();
    let stated = |rig: &Rig| aof_state::StateFile::read_alone(&*rig.disk.dir(DIR), LOG).unwrap().fsynced_offset_bytes;
    assert_eq!(stated(&rig), 0, "nothing was fsynced, though it was written long ago");
    rig.ask(client, "CONFIG SET appendfsync always");
    rig.ask(client, "SET a 2");
    rig.pass_ms(2_000);
    rig.run_all();
    assert_eq!(stated(&rig), rig.disk.content(DIR, LOG).unwrap().len() as u64);
}

/// A server that was killed left it in the page cache, since the fsync of the directory had failed. The next one took it for durable,
/// and a power cut soon after its start left none: a hole in the tail was taken for damage. So it was where the end in order could not
/// be stated durably either.
#[test]
fn a_state_file_whose_name_was_never_durable_is_written_anew_before_the_next_server_serves() {
    for in_order in [false, true] {
        never_durable(in_order);
    }
}

fn never_durable(in_order: bool) {
    let disk = SimDisk::new();
    disk.inject(Rule::from_nth(Call::DirFsync, 2, Fault::FSYNC_EIO));
    let mut first = Rig::on(&disk, config("everysec"), BOOT).unwrap();
    assert!(first.logged("Error writing the state file"), "{:#?}", first.lines());
    if in_order {
        let client = first.client();
        first.send(client, "SHUTDOWN NOSAVE");
        assert_eq!(first.status(), Some(0), "{:#?}", first.lines());
        assert!(first.logged("Can't write the state file"), "{:#?}", first.lines());
    }
    disk.heal();
    let mut next = Rig::on(&first.killed(), config("everysec"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "GET a"), "$-1|");
    let cut = next.disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
    assert!(aof_state::StateFile::read_alone(&*cut.dir(DIR), LOG).is_ok(), "{:?}", cut.names(DIR));
}

/// A state file that speaks of a mark which a power cut took was no state file: everything had to be copied and proven, and
/// a hole in the tail kept the server from starting.
#[test]
fn the_mark_of_a_log_survives_a_power_cut_after_a_recovery() {
    let disk = SimDisk::new();
    disk.put(DIR, LOG, b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n");
    let rig = Rig::on(&disk, config("everysec"), BOOT).unwrap();
    assert!(rig.logged("copying its"), "a log that nobody vouches for is copied");
    assert_marked(&rig.disk);
}

/// As above, for the log that a rewrite made.
#[test]
fn the_mark_of_a_log_survives_a_power_cut_after_a_rewrite() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGREWRITEAOF");
    rig.settle();
    assert!(rig.logged("Background AOF rewrite finished successfully"));
    assert_marked(&rig.disk);
}

fn assert_marked(disk: &SimDisk) {
    let mark = |disk: &SimDisk| {
        use vfs::Dir as _;
        disk.dir(DIR).open(LOG, vfs::Open::Read).unwrap().mark().unwrap()
    };
    let after = disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
    assert!(mark(disk).is_some());
    assert_eq!(mark(&after), mark(disk));
}
