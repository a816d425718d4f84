//! A database against a `BTreeMap`: values, deadlines, the index of deadlines, digests.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Hash, Keyspace, List, Set, Str, Thresholds, ZSet};

fn keyspace() -> Keyspace {
    Keyspace::new(2, HashSeed([3; 16]))
}

fn text_of(keyspace: &Keyspace, name: &[u8]) -> Option<Vec<u8>> {
    match keyspace.db(0).get(keyspace.key(name))? {
        ValueRef::Str(text) => Some(text.to_vec()),
        _ => None,
    }
}

/// Does `f` with the string of a key.
fn with_str<T>(keyspace: &mut Keyspace, name: &[u8], f: impl FnOnce(StrMut<'_>) -> T) -> Option<T> {
    let key = keyspace.key(name);
    match keyspace.db_mut(0).get_mut(key)? {
        ValueMut::Str(text) => Some(f(text)),
        _ => None,
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => any::<i16>().prop_map(|value| value.to_string().into_bytes()),
        3 => prop::collection::vec(any::<u8>(), 0..12),
        1 => (0usize..2000).prop_map(|len| vec![b'x'; len]),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0u8..12).prop_map(|number| vec![b'k', number]),
        1 => prop_oneof![Just(254usize), Just(255), Just(256), Just(0)].prop_map(|len| vec![b'k'; len]),
    ]
}

fn deadline() -> impl Strategy<Value = Deadline> {
    prop_oneof![
        Just(Deadline::Keep),
        Just(Deadline::Clear),
        prop_oneof![0i64..20, any::<i64>()].prop_map(|at| Deadline::At(UnixMs(at))),
    ]
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<UnixMs>)>;

fn check(keyspace: &Keyspace, model: &Model, now: UnixMs) {
    let db = keyspace.db(0);
    assert_eq!(db.len(), model.len());
    assert_eq!(db.volatile_len(), model.values().filter(|(_, at)| at.is_some()).count());
    assert_eq!(db.next_deadline(), model.values().filter_map(|(_, at)| *at).min());
    for (name, (bytes, at)) in model {
        assert_eq!(text_of(keyspace, name).as_ref(), Some(bytes));
        assert_eq!(db.deadline(keyspace.key(name)), *at);
        assert_eq!(db.is_expired(keyspace.key(name), now), at.is_some_and(|at| at < now));
    }
    let mut expired = Vec::new();
    assert!(!db.expired(now, usize::MAX, &mut expired));
    let mut expired: Vec<_> = expired.into_iter().map(Vec::from).collect();
    expired.sort();
    let expected = model.iter().filter(|(_, (_, at))| at.is_some_and(|at| at < now));
    assert_eq!(expired, expected.map(|(name, _)| name.clone()).collect::<Vec<_>>());
}

fn step(keyspace: &mut Keyspace, model: &mut Model, kind: u8, name: &[u8], bytes: &[u8], deadline: Deadline) {
    let key = keyspace.key(name);
    let at = deadline.after(model.get(name).and_then(|(_, at)| *at));
    match kind {
        0..=2 => {
            assert!(keyspace.db_mut(0).set_str(key, bytes, deadline).is_none());
            model.insert(name.to_vec(), (bytes.to_vec(), at));
        }
        3 => {
            let old = keyspace.db_mut(0).insert(key, Value::Str(Str::new(bytes)), deadline);
            let model_old = model.insert(name.to_vec(), (bytes.to_vec(), at));
            assert_eq!(old.is_some(), model_old.is_some());
        }
        4 => {
            let removed = keyspace.db_mut(0).remove(key);
            assert_eq!(removed.map(|(_, at)| at), model.remove(name).map(|(_, at)| at));
        }
        5 => {
            let freed = matches!(keyspace.db_mut(0).delete(key), Removed::Freed);
            assert_eq!(freed, model.remove(name).is_some());
        }
        6 => {
            assert_eq!(keyspace.db_mut(0).set_deadline(key, at), model.contains_key(name));
            model.entry(name.to_vec()).and_modify(|(_, old)| *old = at);
        }
        7 => {
            let len = with_str(keyspace, name, |mut text| text.append(bytes));
            let model_len = model.get_mut(name).map(|(text, _)| {
                text.extend_from_slice(bytes);
                text.len()
            });
            assert_eq!(len, model_len);
        }
        8 => {
            with_str(keyspace, name, |mut text| text.overwrite(5, bytes));
            model.entry(name.to_vec()).and_modify(|(text, _)| {
                text.resize(text.len().max(5 + bytes.len()), 0);
                text[5..5 + bytes.len()].copy_from_slice(bytes);
            });
        }
        9 => {
            with_str(keyspace, name, |mut text| text.set(bytes));
            model.entry(name.to_vec()).and_modify(|(text, _)| *text = bytes.to_vec());
        }
        10 => {
            let len = bytes.len() + 1;
            with_str(keyspace, name, |mut text| text.grown_to(len)[len - 1] = 7);
            model.entry(name.to_vec()).and_modify(|(text, _)| {
                text.resize(text.len().max(len), 0);
                text[len - 1] = 7;
            });
        }
        11 => {
            keyspace.db_mut(0).insert(key, Value::Str(Str::raw(bytes.to_vec())), deadline);
            model.insert(name.to_vec(), (bytes.to_vec(), at));
        }
        _ => {
            with_str(keyspace, name, |mut text| text.set_i64(-5));
            model.entry(name.to_vec()).and_modify(|(text, _)| *text = b"-5".to_vec());
        }
    }
}

proptest! {
    #[test]
    fn a_database_behaves_as_a_map(
        steps in prop::collection::vec((0u8..13, name(), text(), deadline()), 1..80),
        now in prop_oneof![0i64..20, any::<i64>()],
    ) {
        let (mut keyspace, mut model) = (keyspace(), Model::new());
        for (kind, name, bytes, deadline) in steps {
            step(&mut keyspace, &mut model, kind, &name, &bytes, deadline);
            check(&keyspace, &model, UnixMs(now));
        }
        // The same content, written straight, with another seed and in another order.
        let mut other = Keyspace::new(2, HashSeed([9; 16]));
        for (name, (bytes, at)) in model.iter().rev() {
            let key = other.key(name);
            other.db_mut(0).set_str(key, bytes, at.map_or(Deadline::Clear, Deadline::At));
        }
        prop_assert_eq!(keyspace.digest(), other.digest());
        prop_assert_eq!(keyspace.clone().digest(), keyspace.digest());
    }
}

#[test]
fn a_string_changed_in_place_is_raw_and_keeps_its_deadline_wherever_it_lies() {
    for len in [1, 44, 1024, 1025, 5000] {
        let mut keyspace = keyspace();
        let key = keyspace.key(b"k");
        keyspace.db_mut(0).set_str(key, &vec![b'1'; len], Deadline::At(UnixMs(9)));
        with_str(&mut keyspace, b"k", |mut text| text.grown_to(len)[0] = b'2').unwrap();
        let entry = keyspace.db(0).entry(key).unwrap();
        assert_eq!((entry.value.encoding(), entry.value.text_bytes(), entry.deadline), ("raw", len, Some(UnixMs(9))));
    }
}

#[test]
fn expired_keys_come_earliest_first_and_no_more_than_asked_for() {
    let mut keyspace = keyspace();
    for number in 0..100i64 {
        let name = number.to_string();
        let key = keyspace.key(name.as_bytes());
        keyspace.db_mut(0).set_str(key, b"v", Deadline::At(UnixMs(1000 - number)));
    }
    let mut found = Vec::new();
    assert!(keyspace.db(0).expired(UnixMs(950), 3, &mut found));
    assert_eq!(found, [b"99".as_slice().into(), b"98".as_slice().into(), Box::from(b"97".as_slice())]);
    assert!(!keyspace.db(0).expired(UnixMs(903), 2, &mut found));
    assert_eq!(found.len(), 5);
}

#[test]
fn a_replaced_or_deleted_large_value_is_given_out() {
    let mut keyspace = keyspace();
    let mut set = Set::new();
    for number in 0..1000u32 {
        set.insert(number.to_string().as_bytes(), &Thresholds::default());
    }
    let key = keyspace.key(b"k");
    let db = keyspace.db_mut(0);
    assert!(db.insert(key, Value::Set(set.clone()), Deadline::Clear).is_none());
    assert!(db.set_str(key, b"v", Deadline::Clear).is_some_and(|old| old.free_effort() == 1000));
    db.insert(key, Value::Set(set), Deadline::Clear);
    assert!(matches!(db.delete(key), Removed::Large(Value::Set(_))));
    db.insert(key, Value::List(List::new()), Deadline::Clear);
    assert!(matches!(db.delete(key), Removed::Freed));
    assert!(matches!(db.delete(key), Removed::Missing));
}

/// One value of each type with `len` elements, a string of so many bytes.
fn values(len: u16) -> [Value; 5] {
    let limits = Thresholds::default();
    let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
    for number in 0..len {
        let name = format!("element {number}").into_bytes();
        list.push_back(&name, &limits);
        set.insert(&name, &limits);
        hash.set(&name, &name, &limits);
        zset.insert(&name, f64::from(number), &limits);
    }
    let text = Str::raw(vec![b'x'; len.into()]);
    [Value::Str(text), Value::List(list), Value::Set(set), Value::Hash(hash), Value::ZSet(zset)]
}

#[test]
fn a_value_of_any_type_and_its_last_use_outlive_a_change_of_the_deadline() {
    for value in [3, 2000].into_iter().flat_map(values) {
        let mut keyspace = keyspace();
        keyspace.set_clock(LruClock::new(7));
        let key = keyspace.key(b"k");
        keyspace.db_mut(0).insert(key, value.clone(), Deadline::Clear);
        let digest = keyspace.digest_value(0, key);
        keyspace.set_clock(LruClock::new(8));
        let key = keyspace.key(b"k").unused();
        for at in [Some(UnixMs(5)), Some(UnixMs(-6)), None, Some(UnixMs(7))] {
            keyspace.db_mut(0).set_deadline(key, at);
            let copy = keyspace.clone();
            for keyspace in [&keyspace, &copy] {
                let entry = keyspace.db(0).entry(key).unwrap();
                assert_eq!(
                    (entry.deadline, entry.used, entry.value.encoding()),
                    (at, LruClock::new(7), value.as_ref().encoding())
                );
                assert_eq!(keyspace.digest_value(0, key), digest);
                assert_eq!(keyspace.db(0).next_deadline(), at);
            }
        }
        let old = keyspace.db_mut(0).insert(key, Value::Str(Str::new(b"new")), Deadline::Keep).unwrap();
        assert_eq!(old.as_ref().type_name(), value.as_ref().type_name());
        assert_eq!(keyspace.db(0).entry(key).unwrap().used, LruClock::new(7));
        keyspace.db_mut(0).insert(key, old, Deadline::Keep);
        assert_eq!((keyspace.digest_value(0, key), keyspace.db(0).deadline(key)), (digest, Some(UnixMs(7))));
    }
}

#[test]
fn encodings_of_strings_are_those_of_redis() {
    let mut keyspace = keyspace();
    let mut encoding = |bytes: &[u8], append: Option<&[u8]>| {
        let key = keyspace.key(b"k");
        keyspace.db_mut(0).set_str(key, bytes, Deadline::Clear);
        if let Some(more) = append {
            with_str(&mut keyspace, b"k", |mut text| text.append(more));
        }
        keyspace.db(0).get(key).map(|value| value.encoding())
    };
    assert_eq!(encoding(b"12", None), Some("int"));
    assert_eq!(encoding(b"012", None), Some("embstr"));
    assert_eq!(encoding(&[b'x'; 44], None), Some("embstr"));
    assert_eq!(encoding(&[b'x'; 45], None), Some("raw"));
    assert_eq!(encoding(b"1", Some(b"2")), Some("raw"));
    assert_eq!(encoding(b"a", Some(b"b")), Some("raw"));
}

#[test]
fn clear_gives_the_content_out_and_leaves_nothing() {
    let mut keyspace = keyspace();
    let key = keyspace.key(b"k");
    keyspace.db_mut(0).set_str(key, b"v", Deadline::At(UnixMs(5)));
    let old = keyspace.db_mut(0).clear();
    assert_eq!((old.len(), old.volatile_len()), (1, 1));
    assert_eq!((keyspace.db(0).len(), keyspace.db(0).volatile_len()), (0, 0));
    assert_eq!(keyspace.digest(), [0; 20]);
}

#[test]
fn values_and_databases_can_be_sent_to_another_thread() {
    fn is_send<T: Send + Clone>() {}
    is_send::<Value>();
    is_send::<Db>();
    is_send::<Keyspace>();
}

#[test]
fn a_digest_knows_the_database_the_type_the_order_and_the_deadline() {
    let digest = |db: u32, value: Value, deadline: Deadline| {
        let mut keyspace = keyspace();
        let key = keyspace.key(b"k");
        keyspace.db_mut(db).insert(key, value, deadline);
        keyspace.digest()
    };
    let list = |elems: &[&str]| {
        let mut list = List::new();
        elems.iter().for_each(|elem| list.push_back(elem.as_bytes(), &Thresholds::default()));
        Value::List(list)
    };
    let set = |elems: &[&str], limits: Thresholds| {
        let mut set = Set::new();
        for elem in elems {
            set.insert(elem.as_bytes(), &limits);
        }
        Value::Set(set)
    };
    let no_small = Thresholds { set_max_intset_entries: 0, set_max_listpack_entries: 0, ..Default::default() };
    let clear = Deadline::Clear;
    assert_ne!(digest(0, list(&["1", "2"]), clear), digest(1, list(&["1", "2"]), clear));
    assert_ne!(digest(0, list(&["1", "2"]), clear), digest(0, list(&["2", "1"]), clear));
    assert_ne!(digest(0, list(&["12"]), clear), digest(0, list(&["1", "2"]), clear));
    assert_ne!(digest(0, list(&["1"]), clear), digest(0, set(&["1"], no_small), clear));
    assert_ne!(digest(0, list(&["1"]), clear), digest(0, list(&["1"]), Deadline::At(UnixMs(0))));
    let (small, large) = (set(&["1", "2"], Thresholds::default()), set(&["2", "1"], no_small));
    assert_ne!(small.as_ref().encoding(), large.as_ref().encoding());
    assert_eq!(digest(0, small, clear), digest(0, large, clear));
}
