//! Sets against a `BTreeSet`, and the encodings' thresholds.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn small_limits() -> Thresholds {
    Thresholds {
        set_max_intset_entries: 6,
        set_max_listpack_entries: 9,
        set_max_listpack_value: 5,
        ..Default::default()
    }
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0i64..24).prop_map(|value| value.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        1 => any::<i32>().prop_map(|value| value.to_string().into_bytes()),
        2 => prop::collection::vec(b'a'..=b'c', 0..7),
        1 => Just(b"007".to_vec()),
    ]
}

fn contents(set: &Set) -> BTreeSet<Vec<u8>> {
    let members: Vec<_> = set.iter().map(Elem::to_vec).collect();
    assert_eq!(members.len(), set.len());
    let distinct: BTreeSet<_> = members.into_iter().collect();
    assert_eq!(distinct.len(), set.len());
    distinct
}

proptest! {
    #[test]
    fn a_set_behaves_as_a_btree_set(steps in prop::collection::vec((0u8..8, member()), 1..120), seed: u64) {
        let (mut set, mut model) = (Set::new(), BTreeSet::new());
        let (limits, mut rng) = (small_limits(), fastrand::Rng::with_seed(seed));
        for (kind, bytes) in steps {
            match kind {
                0..=4 => prop_assert_eq!(set.insert(&bytes, &limits), model.insert(bytes.clone())),
                5 | 6 => prop_assert_eq!(set.remove(&bytes), model.remove(&bytes)),
                _ => match set.pop_random(&mut rng) {
                    Some(popped) => prop_assert!(model.remove(&popped)),
                    None => prop_assert!(model.is_empty()),
                },
            }
            prop_assert_eq!(set.contains(&bytes), model.contains(&bytes));
            prop_assert_eq!(contents(&set), model.clone());
            prop_assert_eq!(set.random(&mut rng).is_some(), !model.is_empty());
        }
    }

    #[test]
    fn a_set_that_is_built_is_as_one_that_members_are_added_to(
        members in prop::collection::vec(member(), 0..120), more in 0u32..200, most in 0usize..200, sequence: bool,
    ) {
        let limits = Thresholds { set_max_listpack_entries: most, ..small_limits() };
        let (mut builder, mut set) = match sequence {
            true => (SetBuilder::new_sequence(), Set::new_sequence()),
            false => (SetBuilder::new(), Set::new()),
        };
        let more = (0..more).map(|at| format!("m{}", at % 150).into_bytes());
        for member in members.into_iter().chain(more) {
            prop_assert_eq!(builder.add(Elem::new(&member), &limits), set.insert(&member, &limits));
        }
        let built = builder.finish();
        prop_assert_eq!(built.encoding(), set.encoding());
        prop_assert_eq!(built.iter().collect::<Vec<_>>(), set.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_scan_sees_every_member_that_stays(
        stay in prop::collection::btree_set(0u16..2000, 20..60),
        changes in prop::collection::vec((any::<bool>(), 2000u16..2100), 0..200),
        count in 1usize..9,
    ) {
        let (mut set, limits) = (Set::new(), small_limits());
        for value in &stay {
            set.insert(format!("m{value}").as_bytes(), &limits);
        }
        let (mut seen, mut cursor, mut changes) = (BTreeSet::new(), 0, changes.into_iter());
        loop {
            cursor = set.scan(cursor, count, &mut |elem| { seen.insert(elem.to_vec()); });
            if cursor == 0 { break; }
            for (add, value) in changes.by_ref().take(7) {
                let name = format!("m{value}");
                if add { set.insert(name.as_bytes(), &limits); } else { set.remove(name.as_bytes()); }
            }
        }
        for value in &stay {
            let name = format!("m{value}");
            prop_assert!(seen.contains(name.as_bytes()));
        }
    }
}

#[test]
fn encodings_change_at_the_thresholds_of_redis() {
    let limits = Thresholds::default();
    let mut set = Set::new();
    for value in 0..512 {
        set.insert(value.to_string().as_bytes(), &limits);
    }
    assert_eq!(set.encoding(), "intset");
    set.insert(b"512", &limits);
    assert_eq!(set.encoding(), "hashtable");

    let mut set = Set::new();
    set.insert(b"1", &limits);
    set.insert(b"a", &limits);
    assert_eq!(set.encoding(), "listpack");
    for value in 2..128 {
        set.insert(value.to_string().as_bytes(), &limits);
    }
    assert_eq!((set.len(), set.encoding()), (128, "listpack"));
    set.insert(b"128", &limits);
    assert_eq!(set.encoding(), "hashtable");

    let mut set = Set::new();
    set.insert(&[b'x'; 64], &limits);
    assert_eq!(set.encoding(), "listpack");
    set.insert(&[b'x'; 65], &limits);
    assert_eq!(set.encoding(), "hashtable");
}

#[test]
fn integers_widen_and_keep_their_order() {
    let (mut set, limits) = (Set::new(), Thresholds::default());
    for value in [5, -70_000, i64::MAX, 3, i64::MIN, 70_000] {
        set.insert(value.to_string().as_bytes(), &limits);
    }
    let values: Vec<_> = set.iter().filter_map(Elem::as_i64).collect();
    assert_eq!(values, [i64::MIN, -70_000, 3, 5, 70_000, i64::MAX]);
    assert_eq!(set.encoding(), "intset");
}
