//! Hashes against a `BTreeMap`, and the encodings' thresholds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0i64..12).prop_map(|value| value.to_string().into_bytes()),
        3 => prop::collection::vec(b'a'..=b'b', 0..4),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #[test]
    fn a_hash_behaves_as_a_btree_map(steps in prop::collection::vec((0u8..5, text(), text()), 1..120), seed: u64) {
        let limits = Thresholds { hash_max_listpack_entries: 8, hash_max_listpack_value: 10, ..Default::default() };
        let (mut hash, mut model) = (Hash::new(), BTreeMap::new());
        let mut rng = fastrand::Rng::with_seed(seed);
        for (kind, field, value) in steps {
            if kind < 4 {
                let new = model.insert(field.clone(), value.clone()).is_none();
                prop_assert_eq!(hash.set(&field, &value, &limits), new);
            } else {
                prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
            }
            prop_assert_eq!(hash.get(&field).map(Elem::to_vec), model.get(&field).cloned());
            let all: BTreeMap<_, _> = hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(&all, &model);
            prop_assert_eq!(hash.len(), model.len());
            if let Some((field, value)) = hash.random(&mut rng) {
                prop_assert_eq!(model.get(&field.to_vec()), Some(&value.to_vec()));
            }
        }
        let mut scanned = BTreeMap::new();
        let mut cursor = 0;
        loop {
            cursor = hash.scan(cursor, 3, &mut |field, value| { scanned.insert(field.to_vec(), value.to_vec()); });
            if cursor == 0 { break; }
        }
        prop_assert_eq!(scanned, model);
    }
}

/// Building took a look at all fields before each.
#[test]
fn a_hash_that_is_built_is_as_one_that_is_set_field_by_field() {
    let check = |fields: &[Vec<u8>], most: usize| {
        let limits = Thresholds { hash_max_listpack_entries: most, hash_max_listpack_value: 10, ..Default::default() };
        let (mut builder, mut hash) = (HashBuilder::new(), Hash::new());
        for (at, field) in fields.iter().enumerate() {
            let value = at.to_string();
            let new = !hash.contains(field);
            assert_eq!(builder.add(field, value.as_bytes(), &limits), new, "{field:?}");
            if new {
                hash.set(field, value.as_bytes(), &limits);
            }
        }
        let built = builder.finish();
        assert_eq!(built.encoding(), hash.encoding());
        assert_eq!(built.iter().collect::<Vec<_>>(), hash.iter().collect::<Vec<_>>());
    };
    proptest!(|(fields in prop::collection::vec(text(), 0..120), more in 0u32..200, most in 0usize..200)| {
        let more = (0..more).map(|at| format!("f{}", at % 150).into_bytes());
        check(&fields.into_iter().chain(more).collect::<Vec<_>>(), most);
    });
}

#[test]
fn encodings_change_at_the_thresholds_of_redis() {
    let limits = Thresholds::default();
    let mut hash = Hash::new();
    for field in 0..limits.hash_max_listpack_entries {
        hash.set(field.to_string().as_bytes(), b"v", &limits);
    }
    assert_eq!(hash.encoding(), "listpack");
    hash.set(b"one more", b"v", &limits);
    assert_eq!(hash.encoding(), "hashtable");

    let mut hash = Hash::new();
    hash.set(b"f", &[b'x'; 64], &limits);
    assert_eq!(hash.encoding(), "listpack");
    hash.set(b"f", &[b'x'; 65], &limits);
    assert_eq!((hash.len(), hash.encoding()), (1, "hashtable"));
}

// HINCRBY of a field that was there left a hash compact that a lowered threshold had made too large for that.
// A comparison with redis-server found it.
#[test]
fn setting_a_known_field_notices_that_the_thresholds_were_lowered() {
    let mut hash = Hash::new();
    hash.set(b"f", b"1", &Thresholds::default());
    hash.set(b"f", b"2", &Thresholds { hash_max_listpack_entries: 0, ..Default::default() });
    assert_eq!(hash.encoding(), "hashtable");
    assert_eq!(hash.get(b"f").map(Elem::to_vec), Some(b"2".to_vec()));
}

#[test]
fn a_small_hash_keeps_its_insertion_order() {
    let (mut hash, limits) = (Hash::new(), Thresholds::default());
    for field in ["b", "a", "c", "a"] {
        hash.set(field.as_bytes(), b"1", &limits);
    }
    let fields: Vec<_> = hash.iter().map(|(field, _)| field.to_vec()).collect();
    assert_eq!(fields, [b"b", b"a", b"c"]);
}
