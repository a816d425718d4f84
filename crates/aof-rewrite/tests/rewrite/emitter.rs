//! What the child writes of a keyspace, command by command.

use std::sync::Arc;

use aof_rewrite::{ChildFiles, ChildTask, CommandEmitter, Snapshot};
use keyspace::{Deadline, Hash, Keyspace, List, Set, Thresholds, UnixMs, Value, ZSet};
use proptest::prelude::*;
use vfs::sim::SimDisk;
use vfs::{Dir, Open};

use crate::child_task::{ScriptEnv, run};
use crate::replay::{DATABASES, commands, empty, replay};

/// A keyspace for each thing that matters.
pub(crate) struct Sample;

impl Sample {
    /// Every type, small and large, with integers, empty strings and binary bytes.
    pub(crate) fn fill_with_every_type(keyspace: &mut Keyspace) {
        let limits = Thresholds::default();
        for len in [1, 63, 64, 65, 129, 1_000_u32] {
            let (mut list, mut set, mut ints) = (List::new(), Set::new(), Set::new());
            let (mut hash, mut zset) = (Hash::new(), ZSet::new());
            for i in 0..len {
                let text = format!("\0\r\n{i}");
                list.push_back(if i % 2 == 0 { text.as_bytes() } else { b"-17" }, &limits);
                set.insert(text.as_bytes(), &limits);
                ints.insert(i.to_string().as_bytes(), &limits);
                hash.set(text.as_bytes(), i.to_string().as_bytes(), &limits);
                zset.insert(text.as_bytes(), f64::from(i) / 3.0, &limits);
            }
            zset.insert(b"inf", f64::INFINITY, &limits);
            zset.insert(b"-inf", f64::NEG_INFINITY, &limits);
            let values = [Value::List(list), Value::Set(set), Value::Set(ints), Value::Hash(hash), Value::ZSet(zset)];
            for (i, value) in values.into_iter().enumerate() {
                insert(keyspace, len % DATABASES, &format!("{i}:{len}"), value, Deadline::Clear);
            }
        }
        for (key, value) in [("", &b""[..]), ("int", b"-9223372036854775808"), ("bin", b"\xff\0$\r\n")] {
            let hashed = keyspace.key(key.as_bytes());
            keyspace.db_mut(3).set_str(hashed, value, Deadline::At(UnixMs(1 << 50)));
        }
        let hashed = keyspace.key(b"huge");
        keyspace.db_mut(3).set_str(hashed, &vec![b'h'; 700_000], Deadline::Clear);
    }
}

fn insert(keyspace: &mut Keyspace, db: u32, key: &str, value: Value, deadline: Deadline) {
    let key = keyspace.key(key.as_bytes());
    keyspace.db_mut(db).insert(key, value, deadline);
}

/// Adds strings chosen by `rng`.
pub(crate) fn fill(keyspace: &mut Keyspace, rng: &mut fastrand::Rng, count: usize) {
    for i in 0..count {
        let hashed = keyspace.key(format!("fill:{i}").as_bytes()).hash;
        let value = if hashed.0.is_multiple_of(2) { rng.i64(..).to_string() } else { "x".repeat(rng.usize(..300)) };
        let text = format!("fill:{i}");
        let key = keyspace.key(text.as_bytes());
        keyspace.db_mut(rng.u32(..DATABASES)).set_str(key, value.as_bytes(), Deadline::Clear);
    }
}

/// The file that a child forked at `now` writes.
pub(crate) fn emit(keyspace: &Keyspace, now: UnixMs) -> Vec<u8> {
    emit_snapshot(CommandEmitter::new(keyspace, now))
}

/// The file that a child with this snapshot writes.
pub(crate) fn emit_snapshot<S: Snapshot>(snapshot: S) -> Vec<u8> {
    let disk = SimDisk::new();
    let dir: Arc<dyn Dir> = disk.dir("/d");
    let file = dir.open("temp", Open::CreateNew).unwrap();
    let files = ChildFiles { dir, file, temp_name: "temp".into() };
    let mut task = ChildTask::reserve(files, snapshot, 1, false).unwrap();
    assert_eq!(run(&mut task, &mut ScriptEnv::new(b"", 1)), 0);
    disk.content("/d", "temp-rewriteaof-bg-7.aof").unwrap()
}

fn words(bytes: &[u8]) -> Vec<String> {
    let (commands, valid) = commands(bytes);
    assert_eq!(valid, bytes.len());
    commands.iter().map(|c| c.join(&b' ').escape_ascii().to_string()).collect()
}

#[test]
fn an_empty_keyspace_is_a_select_and_nothing_else() {
    assert_eq!(words(&emit(&empty(), UnixMs(0))), ["SELECT 0"]);
}

#[test]
fn each_type_has_its_command_and_a_deadline_follows_it() {
    let limits = Thresholds::default();
    let mut list = List::new();
    list.push_back(b"a", &limits);
    list.push_back(b"7", &limits);
    let mut set = Set::new();
    set.insert(b"12", &limits);
    let mut hash = Hash::new();
    hash.set(b"f", b"v", &limits);
    let mut zset = ZSet::new();
    zset.insert(b"m", 1e20, &limits);
    let key = "k";
    let cases = [
        (Value::Str(keyspace::Str::new(b"007")), "SET k 007"),
        (Value::List(list), "RPUSH k a 7"),
        (Value::Set(set), "SADD k 12"),
        (Value::Hash(hash), "HMSET k f v"),
        (Value::ZSet(zset), "ZADD k 1e+20 m"),
    ];
    for (value, expected) in cases {
        let mut keyspace = empty();
        insert(&mut keyspace, 2, key, value, Deadline::At(UnixMs(5)));
        assert_eq!(words(&emit(&keyspace, UnixMs(5))), ["SELECT 2", expected, "PEXPIREAT k 5"]);
    }
}

#[test]
fn a_file_is_what_redis_would_write_byte_for_byte() {
    let mut keyspace = empty();
    let key = keyspace.key(b"key");
    keyspace.db_mut(0).set_str(key, b"-42", Deadline::At(UnixMs(1_700_000_000_001)));
    let expected = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$3\r\n-42\r\n\
                    *3\r\n$9\r\nPEXPIREAT\r\n$3\r\nkey\r\n$13\r\n1700000000001\r\n";
    assert_eq!(emit(&keyspace, UnixMs(0)).escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
}

#[test]
fn keys_expired_at_the_fork_are_left_out_and_those_that_expire_at_that_instant_are_not() {
    let mut keyspace = empty();
    for (text, at) in [("gone", 99), ("now", 100), ("later", 101)] {
        let key = keyspace.key(text.as_bytes());
        keyspace.db_mut(0).set_str(key, b"", Deadline::At(UnixMs(at)));
    }
    let text = words(&emit(&keyspace, UnixMs(100))).join("\n");
    assert!(!text.contains("gone") && text.contains("SET now") && text.contains("SET later"), "{text}");
}

#[test]
fn no_command_has_more_than_64_items() {
    let mut keyspace = empty();
    Sample::fill_with_every_type(&mut keyspace);
    let bytes = emit(&keyspace, UnixMs(0));
    for command in commands(&bytes).0 {
        let most = match &command[0][..] {
            b"HMSET" | b"ZADD" => 2 + 128,
            b"RPUSH" | b"SADD" => 2 + 64,
            _ => 3,
        };
        assert!(command.len() <= most, "{} arguments", command.len());
    }
    assert_eq!(replay(&bytes).digest(), keyspace.digest());
}

type AnyValue = (u8, Vec<(Vec<u8>, f64)>);

fn build(kind: u8, items: &[(Vec<u8>, f64)]) -> Value {
    let limits = Thresholds::default();
    match kind {
        0 => {
            let mut list = List::new();
            items.iter().for_each(|(item, _)| list.push_back(item, &limits));
            Value::List(list)
        }
        1 => {
            let mut set = Set::new();
            items.iter().for_each(|(item, _)| {
                set.insert(item, &limits);
            });
            Value::Set(set)
        }
        2 => {
            let mut hash = Hash::new();
            items.iter().for_each(|(item, n)| {
                hash.set(item, n.to_string().as_bytes(), &limits);
            });
            Value::Hash(hash)
        }
        3 => {
            let mut zset = ZSet::new();
            items.iter().for_each(|(item, score)| {
                zset.insert(item, *score, &limits);
            });
            Value::ZSet(zset)
        }
        _ => Value::Str(keyspace::Str::new(&items[0].0)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_keyspace_comes_back(
        entries in prop::collection::vec(
            (0..DATABASES, "[a-z]{0,3}", prop::option::of(1_i64..i64::MAX),
             (0_u8..5, prop::collection::vec(
                (prop_oneof![prop::collection::vec(any::<u8>(), 0..20), any::<i64>().prop_map(|i| i.to_string().into_bytes())],
                 prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::INFINITE),
                1..150))),
            0..30),
    ) {
        let mut keyspace = empty();
        for (db, key, deadline, (kind, items)) in &entries {
            let (kind, items): AnyValue = (*kind, items.clone());
            let deadline = deadline.map_or(Deadline::Clear, |at| Deadline::At(UnixMs(at)));
            insert(&mut keyspace, *db, key, build(kind, &items), deadline);
        }
        prop_assert_eq!(replay(&emit(&keyspace, UnixMs(0))).digest(), keyspace.digest());
    }
}

#[test]
fn a_command_of_several_items_has_no_more_than_a_megabyte_of_them() {
    const MEGABYTE: usize = 1 << 20;
    let limits = Thresholds::default();
    let mut keyspace = empty();
    let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
    // The last one is larger by itself, and the text is no more than a megabyte for three of the others.
    for (i, len) in (0..9_u8).zip([300_000; 8].into_iter().chain([3 * MEGABYTE])) {
        let text = vec![b'a' + i; len];
        list.push_back(&text, &limits);
        set.insert(&text, &limits);
        hash.set(&text, b"", &limits);
        hash.set(&[i], &text, &limits);
        zset.insert(&text, 0.1, &limits);
    }
    let values = [Value::List(list), Value::Set(set), Value::Hash(hash), Value::ZSet(zset)];
    for (key, value) in ["list", "set", "hash", "zset"].into_iter().zip(values) {
        insert(&mut keyspace, 0, key, value, Deadline::Clear);
    }
    let bytes = emit(&keyspace, UnixMs(0));
    let (mut singles, mut joint) = (0, 0);
    for command in commands(&bytes).0.iter().filter(|command| command[0] != b"SELECT") {
        let items = &command[2..];
        let one = if matches!(&command[0][..], b"HMSET" | b"ZADD") { 2 } else { 1 };
        assert!(items.len() == one || items.concat().len() <= MEGABYTE, "{} items", items.len());
        singles += usize::from(items.len() == one);
        joint += usize::from(items.len() > one);
    }
    assert!(singles >= 5 && joint >= 4 * 3, "{singles} single, {joint} joint");
    assert_eq!(replay(&bytes).digest(), keyspace.digest());
}

#[test]
fn a_long_key_is_not_written_more_often_than_its_items_are_worth() {
    let mut keyspace = empty();
    let mut list = List::new();
    (0..60_u8).for_each(|i| list.push_back(&vec![i; 100_000], &Thresholds::default()));
    let key = "k".repeat(4 << 20);
    insert(&mut keyspace, 0, &key, Value::List(list), Deadline::Clear);
    let commands = emit(&keyspace, UnixMs(0));
    assert!(commands.len() < 2 * (4 << 20) + 60 * 100_000 + 2_000, "{} bytes", commands.len());
}

#[test]
fn a_command_that_no_reader_takes_fails_the_rewrite_by_type_and_key() {
    let limits = Thresholds::default();
    let mut hash = Hash::new();
    hash.set(&[b'f'; 500], &[b'v'; 600], &limits);
    let long = "long".repeat(200);
    for (key, value, whose) in [
        ("h", Value::Hash(hash), "hash: it takes a command that is longer than any may be (key \"h\")"),
        (
            "s",
            Value::Str(keyspace::Str::new(&[b's'; 999])),
            "string: it takes a command that is longer than any may be (key \"s\")",
        ),
        (
            &long,
            Value::Str(keyspace::Str::new(&[b's'; 200])),
            "string: it takes a command that is longer than any may be (key \"longlong",
        ),
    ] {
        let mut keyspace = empty();
        insert(&mut keyspace, 0, "fits", Value::Str(keyspace::Str::new(&[b's'; 900])), Deadline::Clear);
        assert!(refusal(CommandEmitter::new(&keyspace, UnixMs(0)).with_longest_command(1_000)).is_none());
        insert(&mut keyspace, 0, key, value, Deadline::Clear);
        let refused = refusal(CommandEmitter::new(&keyspace, UnixMs(0)).with_longest_command(1_000)).unwrap();
        assert!(refused.starts_with(&format!("a value of the type {whose}")), "{refused}");
        assert!(refusal(CommandEmitter::new(&keyspace, UnixMs(0))).is_none(), "what a reader takes");
    }
}

/// What the child says of its failure, if it fails; it leaves nothing behind then.
fn refusal<S: Snapshot>(snapshot: S) -> Option<String> {
    let disk = SimDisk::new();
    let dir: Arc<dyn Dir> = disk.dir("/d");
    let file = dir.open("temp", Open::CreateNew).unwrap();
    let files = ChildFiles { dir: Arc::clone(&dir), file, temp_name: "temp".into() };
    let mut env = ScriptEnv::new(b"", 1);
    let status = run(&mut ChildTask::reserve(files, snapshot, 1, false).unwrap(), &mut env);
    assert!(status == 0 || dir.list().unwrap().is_empty());
    (status != 0).then(|| env.last.note.to_string())
}
