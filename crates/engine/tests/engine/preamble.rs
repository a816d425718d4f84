//! Rewrites that write an RDB preamble, as they do by default, and what becomes of such a log.

use engine::Config;
use vfs::sim::SimDisk;

use crate::support::{BOOT, DIR, LOG, Rig, config};

/// Values of every type in several databases, with and without deadlines.
const EVERY_TYPE: &str = "SET text hello\nSET number 12345 PX 100000\nRPUSH list a b 7\nSADD set a b\nSADD ints 1 2 3\n\
    HSET hash f v g w\nZADD zset 1.5 a -inf b\nPEXPIREAT zset 4000000000123\nSELECT 9\nSET other db\nSELECT 0";

/// Rewrites the log, and waits for it.
fn rewrite(rig: &mut Rig) {
    let client = rig.client();
    assert!(rig.ask(client, "BGREWRITEAOF").starts_with("+Background append only file rewriting started"));
    rig.settle();
    assert_eq!(rig.info("aof_last_bgrewrite_status"), "ok");
}

fn digest(rig: &mut Rig) -> String {
    let client = rig.client();
    rig.ask(client, "DEBUG DIGEST")
}

/// Whether the log starts with a preamble.
fn has_preamble(rig: &Rig) -> bool {
    rig.aof().starts_with("REDIS")
}

/// What the next server finds.
fn next(rig: &Rig, config: Config) -> Rig {
    Rig::on(&rig.killed(), config, BOOT).unwrap()
}

#[test]
fn a_rewritten_log_is_a_preamble_with_commands_behind_it_and_the_next_start_loads_both() {
    for policy in ["always", "everysec", "no"] {
        let mut rig = Rig::new(policy);
        let client = rig.client();
        rig.ask(client, EVERY_TYPE);
        rewrite(&mut rig);
        assert!(has_preamble(&rig));
        rig.ask(client, "SELECT 9\nINCR behind\nPEXPIREAT other 4000000000000");
        rig.settle();
        let end = "*2|$6|SELECT|$1|9|*2|$4|INCR|$6|behind|*3|$9|PEXPIREAT|$5|other|$13|4000000000000|";
        assert!(rig.aof().ends_with(end), "{policy}: {}", rig.aof());
        let before = digest(&mut rig);
        let mut found = next(&rig, config(policy));
        assert_eq!(digest(&mut found), before, "{policy}");
        let client = found.client();
        assert_eq!(found.ask(client, "PEXPIRETIME zset\nLRANGE list 0 -1"), ":4000000000123|*3|$1|a|$1|b|$1|7|");
        let line = "Done loading RDB, keys loaded: 8, keys expired: 0, empty keys skipped: 0.";
        assert!(found.logged(line), "{:#?}", found.lines());
    }
}

#[test]
fn deadlines_of_a_preamble_come_true_after_it_was_loaded() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.ask(client, "SET short 1 PX 50\nSET long 1");
    rewrite(&mut rig);
    assert!(has_preamble(&rig) && !rig.aof().contains("DEL"), "nothing has expired yet");
    let mut found = next(&rig, config("always"));
    let client = found.client();
    assert_eq!(found.ask(client, "EXISTS short long"), ":2|");
    found.pass_ms(200);
    assert_eq!(found.ask(client, "EXISTS short long"), ":1|");
}

#[test]
fn the_form_is_changed_at_run_time_for_the_next_rewrite() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, &format!("{EVERY_TYPE}\nSET x {}", "x".repeat(2_000)));
    let before = digest(&mut rig);
    let mut sizes = Vec::new();
    for (change, preamble) in [
        ("aof-use-rdb-preamble no", false),
        ("aof-use-rdb-preamble yes", true),
        ("rdbcompression no", true),
        ("aof-use-rdb-preamble no", false),
    ] {
        assert_eq!(rig.ask(client, &format!("CONFIG SET {change}")), "+OK|");
        rewrite(&mut rig);
        assert_eq!(has_preamble(&rig), preamble, "{change}");
        assert_eq!(digest(&mut next(&rig, config("everysec"))), before, "{change}");
        sizes.push(rig.aof_bytes());
    }
    assert_eq!(sizes[0], sizes[3]);
    assert!(sizes[1] + 1_500 < sizes[2] && sizes[2] < sizes[0], "{sizes:?}");
}

#[test]
fn the_first_rewrite_and_one_without_a_log_write_it_as_well() {
    let off = Config { appendonly: false, ..config("everysec") };
    let mut rig = Rig::on(&SimDisk::new(), off, BOOT).unwrap();
    let client = rig.client();
    rig.ask(client, EVERY_TYPE);
    rewrite(&mut rig);
    assert!(has_preamble(&rig), "BGREWRITEAOF with appendonly no");
    let before = digest(&mut rig);
    assert_eq!(digest(&mut next(&rig, config("everysec"))), before);
    rig.ask(client, "CONFIG SET appendonly yes");
    rig.settle();
    assert_eq!(rig.info("aof_state"), "on");
    assert!(has_preamble(&rig), "the first rewrite");
    rig.ask(client, "SET more 1");
    rig.settle();
    let before = digest(&mut rig);
    assert_eq!(digest(&mut next(&rig, config("everysec"))), before);
}

#[test]
fn without_rdbchecksum_none_is_written_and_none_is_compared() {
    let unchecked = || Config { rdbchecksum: false, ..config("everysec") };
    let mut rig = Rig::on(&SimDisk::new(), unchecked(), BOOT).unwrap();
    let client = rig.client();
    rig.ask(client, "SET a 1");
    assert!(rig.ask(client, "CONFIG SET rdbchecksum yes").contains("can't set immutable config"));
    rewrite(&mut rig);
    let bytes = rig.disk.content(DIR, LOG).unwrap();
    assert!(bytes.ends_with(b"\xff\0\0\0\0\0\0\0\0"), "{}", bytes.escape_ascii());
    let before = digest(&mut rig);
    assert_eq!(digest(&mut next(&rig, config("everysec"))), before, "no checksum is no wrong checksum");
    let sum_at = bytes.len() - 8;
    let image = rig.killed();
    assert!(image.tamper(DIR, LOG, |bytes| bytes[sum_at] = 1));
    assert_eq!(digest(&mut Rig::on(&image, unchecked(), BOOT).unwrap()), before);
    let refused = Rig::loading(&image, config("everysec"), BOOT).map(|mut rig| {
        rig.turns(10);
        (rig.status(), rig.logged("checksum at byte"))
    });
    assert_eq!(refused.unwrap(), (Some(1), true));
}

#[test]
fn a_log_with_a_preamble_is_read_back_while_the_server_runs() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, EVERY_TYPE);
    rewrite(&mut rig);
    rig.ask(client, "SET behind 1");
    let before = digest(&mut rig);
    rig.send(client, "DEBUG LOADAOF");
    rig.settle();
    assert_eq!(rig.take(client), "+OK|");
    assert_eq!(digest(&mut rig), before);
    assert!(rig.disk.tamper(DIR, LOG, |bytes| bytes[60] ^= 1));
    let reply = rig.ask(client, "DEBUG LOADAOF");
    assert!(reply.starts_with("-ERR the append only file can't be read back: "), "{reply}");
    assert_eq!((digest(&mut rig), rig.status()), (before, None));
}

#[test]
fn a_key_of_a_database_that_is_not_there_is_refused_by_its_place() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SELECT 9\nSET a 1");
    rewrite(&mut rig);
    let mut small = Rig::loading(&rig.killed(), Config { databases: 9, ..config("everysec") }, BOOT).unwrap();
    small.turns(10);
    assert_eq!(small.status(), Some(1));
    let line =
        "can't load key 'a' of database 9 from the RDB data: the database's number is out of range: see 'databases'";
    assert!(small.logged(line), "{:#?}", small.lines());
}
