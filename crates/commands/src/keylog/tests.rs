//! What commands log about keys, so that replies can wait and watchers be told.

use keyspace::{KeyHash, Keyspace, UnixMs};

use crate::harness::{Bench, words};

fn run(bench: &mut Bench, lines: &[&str]) {
    for line in lines {
        bench.run(&words(line));
    }
}

fn hash(keyspace: &Keyspace, key: &str) -> KeyHash {
    keyspace.key(key.as_bytes()).hash
}

#[test]
fn every_key_of_a_request_is_named_whether_it_exists_or_not() {
    let mut bench = Bench::new();
    run(&mut bench, &["SET a 1", "MGET a b c"]);
    let named: Vec<_> = ["a", "b", "c"].map(|key| hash(&bench.keyspace, key)).into();
    assert_eq!(bench.keys.named.as_slice(), named);
    assert!(!bench.keys.changed_anything() && !bench.keys.sees_all);
}

#[test]
fn a_key_moved_is_modified_in_both_databases() {
    let mut bench = Bench::new();
    run(&mut bench, &["SET a 1", "MOVE a 3"]);
    let a = hash(&bench.keyspace, "a");
    assert_eq!(bench.keys.modified.as_slice(), [(0, a), (3, a)]);
}

#[test]
fn a_key_found_past_its_deadline_is_expired_and_not_modified() {
    let mut bench = Bench::new();
    run(&mut bench, &["SET a 1 PX 5"]);
    bench.now = UnixMs(2_000_000);
    run(&mut bench, &["GET a"]);
    let a = hash(&bench.keyspace, "a");
    assert_eq!(bench.keys.expired.as_slice(), [(0, a)]);
    assert_eq!(bench.keys.expired_effects, 1);
    assert!(bench.keys.modified.is_empty());
}

#[test]
fn a_command_that_changed_nothing_logs_no_change() {
    let mut bench = Bench::new();
    for line in [
        "DEL a",
        "SET a 1 XX",
        "EXPIRE a 10",
        "PERSIST a",
        "GETDEL a",
        "SETRANGE a 5 \"\"",
        "FLUSHALL",
        "SWAPDB 2 2",
        "COPY a b",
        "MOVE a 1",
        "INCRBY a x",
    ] {
        run(&mut bench, &[line]);
        assert!(!bench.keys.changed_anything(), "{line}");
    }
}

#[test]
fn commands_that_see_more_than_named_keys_say_so() {
    let mut bench = Bench::new();
    for line in ["KEYS *", "SCAN 0", "DBSIZE", "RANDOMKEY", "FLUSHALL", "FLUSHDB", "SWAPDB 0 1"] {
        run(&mut bench, &[line]);
        assert!(bench.keys.sees_all, "{line}");
    }
}

#[test]
fn flushed_and_swapped_databases_are_modified_as_a_whole() {
    let mut bench = Bench::new();
    bench.db = 2;
    run(&mut bench, &["SET a 1", "FLUSHDB"]);
    assert_eq!(bench.keys.modified_dbs.as_slice(), [2]);
    assert_eq!(bench.trash.len(), 1, "the old content is dropped elsewhere");
    run(&mut bench, &["SWAPDB 0 5"]);
    assert_eq!(bench.keys.modified_dbs.as_slice(), [0, 5]);
}

#[test]
fn memory_of_a_huge_request_is_not_kept() {
    let mut bench = Bench::new();
    let keys: String = (0..10_000).map(|n| format!(" {n}")).collect();
    run(&mut bench, &[&format!("EXISTS{keys}")]);
    assert_eq!(bench.keys.named.len(), 10_000);
    bench.keys.clear();
    assert!(bench.keys.named.capacity() < 10_000 && bench.keys.named.is_empty());
}
