//! Keyspaces and values drawn at random.

use keyspace::{Deadline, Hash, HashSeed, Keyspace, List, Set, Str, Thresholds, UnixMs, Value, ZSet};
use proptest::prelude::*;
use rdb::{Content, Encoder, Entry, Options, Preface, SnapshotWriter, WriteOptions};
use rio::Sink;

use crate::dataset::events;

pub(crate) const DATABASES: u32 = 4;

pub(crate) fn empty() -> Keyspace {
    Keyspace::new(DATABASES, HashSeed([3; 16]))
}

/// One element: an integer of any size, short bytes, or long ones that can be compressed.
fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        4 => any::<i16>().prop_map(|value| value.to_string().into_bytes()),
        4 => prop::collection::vec(any::<u8>(), 0..30),
        1 => ("[ab]{1,4}", 0_usize..200).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        1 => Just(b"007".to_vec()),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO | prop::num::f64::INFINITE
}

/// A value of a type by number, made of elements.
pub(crate) fn build(kind: u8, items: &[(Vec<u8>, f64)]) -> Value {
    let limits = Thresholds::default();
    let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
    for (item, score) in items {
        match kind {
            0 => list.push_back(item, &limits),
            1 => drop(set.insert(item, &limits)),
            2 => drop(hash.set(item, score.to_string().as_bytes(), &limits)),
            _ => drop(zset.insert(item, *score, &limits)),
        }
    }
    match kind {
        0 => Value::List(list),
        1 => Value::Set(set),
        2 => Value::Hash(hash),
        3 => Value::ZSet(zset),
        _ => Value::Str(Str::new(&items[0].0)),
    }
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    let items = prop_oneof![
        8 => prop::collection::vec((element(), score()), 1..40),
        1 => prop::collection::vec((element(), score()), 400..700),
        1 => prop::collection::vec((any::<i32>().prop_map(|value| value.to_string().into_bytes()), score()), 1..600),
    ];
    (0_u8..5, items).prop_map(|(kind, items)| build(kind, &items))
}

pub(crate) fn keyspace() -> impl Strategy<Value = Keyspace> {
    let key = (0..DATABASES, element(), prop::option::of(0_i64..i64::MAX), value());
    prop::collection::vec(key, 0..25).prop_map(|entries| {
        let mut keyspace = empty();
        for (db, name, deadline, value) in entries {
            let key = keyspace.key(&name);
            let deadline = deadline.map_or(Deadline::Clear, |at| Deadline::At(UnixMs(at)));
            keyspace.db_mut(db).insert(key, value, deadline);
        }
        keyspace
    })
}

/// The file that a keyspace makes.
pub(crate) fn written(keyspace: &Keyspace, options: WriteOptions) -> Vec<u8> {
    let mut sink = Sink::with_buffer(Vec::new(), Vec::with_capacity(100)).checksummed();
    SnapshotWriter::new(keyspace, None, Encoder::reserve(options), Preface::default()).run(&mut sink).unwrap();
    sink.flush().unwrap();
    sink.into_parts().0
}

/// The keyspace that a file makes.
pub(crate) fn read(file: &[u8]) -> Keyspace {
    let mut keyspace = empty();
    for event in events(file, Options::default()).unwrap_or_else(|e| panic!("{e}")) {
        let Entry::Key(entry) = event.entry else { continue };
        let Content::Value(value) = entry.content else { panic!("no value") };
        let key = keyspace.key(&entry.key);
        let deadline = entry.expire_at.map_or(Deadline::Clear, Deadline::At);
        assert!(keyspace.db_mut(entry.db).insert(key, value, deadline).is_none(), "a key twice");
    }
    keyspace
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_keyspace_is_read_as_it_was_written(keyspace in keyspace(), version in 9_u16..=11, compress in any::<bool>()) {
        let file = written(&keyspace, WriteOptions { version, compress });
        prop_assert_eq!(read(&file).digest(), keyspace.digest());
        let head = format!("REDIS{version:04}");
        prop_assert!(file.starts_with(head.as_bytes()));
    }
}
