//! A log that a power cut took all of, beside a snapshot that is durable: the server never starts empty beside it.

use engine::Config;
use engine::config::SavePoints;
use vfs::sim::{CrashMode, NameMode, SimDisk};

use crate::snapshots::DUMP;
use crate::support::{BOOT, DIR, LOG, Rig, config};

/// The machine was started again.
const NEXT_BOOT: u8 = BOOT + 1;

const SELECT: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";

fn with_log() -> Config {
    Config { save: SavePoints::none(), ..config("no") }
}

/// What a power cut leaves of a log that nobody fsynced, beside the snapshot of SAVE after these commands: nothing but its start.
fn cut_off(commands: &[&str], kept: &str) -> SimDisk {
    let mut rig = Rig::on(&SimDisk::new(), with_log(), BOOT).unwrap();
    let client = rig.client();
    for command in commands {
        rig.ask(client, command);
    }
    assert_eq!(rig.ask(client, "SAVE"), "+OK|");
    let disk = rig.disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
    assert_eq!(disk.content(DIR, LOG), Some(Vec::new()));
    disk.tamper(DIR, LOG, |bytes| bytes.extend_from_slice(kept.as_bytes()));
    disk
}

/// Why the server does not start, of whichever stage.
fn refusal(disk: &SimDisk) -> String {
    match Rig::on(disk, with_log(), NEXT_BOOT) {
        Err(error) => error.to_string(),
        Ok(rig) => {
            assert_eq!(rig.status(), Some(1), "{:#?}", rig.lines());
            rig.lines().pop().unwrap()
        }
    }
}

fn keys(disk: &SimDisk) -> String {
    let mut rig = Rig::on(disk, with_log(), NEXT_BOOT).unwrap();
    rig.settle();
    let client = rig.client();
    rig.ask(client, "DBSIZE")
}

/// With `appendfsync no` a power cut left a log of 0 bytes, whose state file vouched for them, beside the dump of a SAVE: the server came up
/// empty.
#[test]
fn a_log_that_a_power_cut_took_all_of_is_none_beside_a_dump_with_keys() {
    for kept in ["", "*3\r\n$3\r\nSE", "\0\0\0\0\0\0\0\0", &format!("{SELECT}*3\r\n$3\r\nSE")] {
        let disk = cut_off(&["SET a 1"], kept);
        let text = refusal(&disk);
        let mut rest = &text[..];
        for part in [
            "dump.rdb",
            "appendonly.aof (2023-11-1",
            "Either move appendonly.aof and appendonly.aof.state away to start from dump.rdb (2023-11-1",
            "move dump.rdb away",
        ] {
            rest = &rest[rest.find(part).unwrap_or_else(|| panic!("no {part} behind those before it: {text}"))..];
        }
        assert_eq!(disk.content(DIR, LOG).as_deref(), Some(kept.as_bytes()), "nothing was changed");
        assert!(disk.names(DIR).iter().all(|name| !name.contains(".torn-")), "{:?}", disk.names(DIR));
        assert_eq!(refusal(&disk), text, "and so it stays");

        let emptied = disk.kill();
        assert!(disk.take_away(DIR, LOG));
        assert_eq!(keys(&disk), ":1|", "what it advises first: the dump is imported");
        assert!(emptied.take_away(DIR, DUMP));
        assert_eq!(keys(&emptied), ":0|", "or second");
    }
}

#[test]
fn a_log_that_a_power_cut_took_all_of_is_a_log_beside_a_dump_without_keys() {
    for kept in ["", SELECT, "*3\r\n$3\r\nSE"] {
        assert_eq!(keys(&cut_off(&[], kept)), ":0|", "{kept:?}");
    }
}

#[test]
fn an_empty_log_of_a_server_that_ended_in_order_is_empty_beside_an_older_dump() {
    let dump = cut_off(&["SET a 1"], "").content(DIR, DUMP).unwrap();
    let mut rig = Rig::on(&SimDisk::new(), with_log(), BOOT).unwrap();
    let client = rig.client();
    rig.disk.put(DIR, DUMP, &dump);
    rig.disk.advance_ns(1_000_000_000);
    rig.send(client, "SHUTDOWN");
    rig.settle();
    assert_eq!(rig.status(), Some(0));
    let disk = rig.killed();
    assert_eq!(keys(&disk.kill()), ":0|");
    disk.advance_ns(1_000_000_000);
    disk.put(DIR, DUMP, &dump);
    assert!(refusal(&disk).contains("move dump.rdb away to start empty"), "a newer one");
}

/// The log was ended in order when it was turned off, and empty; what was saved afterwards was left aside.
#[test]
fn what_was_saved_while_the_log_was_off_is_not_left_aside_for_an_empty_log() {
    let mut rig = Rig::on(&SimDisk::new(), with_log(), BOOT).unwrap();
    let client = rig.client();
    for command in ["CONFIG SET appendonly no", "SET a 1", "SAVE"] {
        rig.ask(client, command);
    }
    assert!(
        refusal(&rig.killed()).contains("move appendonly.aof and appendonly.aof.state away to start from dump.rdb")
    );
}

/// A log that says how its dataset became empty is not one that lost everything.
#[test]
fn a_log_that_ends_with_nothing_left_is_the_dataset_beside_a_dump_with_keys() {
    let mut rig = Rig::on(&SimDisk::new(), with_log(), BOOT).unwrap();
    let client = rig.client();
    for command in ["SET a 1", "SAVE", "DEL a"] {
        rig.ask(client, command);
    }
    assert_eq!(keys(&rig.killed()), ":0|");
    assert_eq!(keys(&cut_off(&["SET a 1"], SELECT)), ":0|", "what a rewrite of nothing makes");
}
