//! The table against a `BTreeMap`, its structure, and what a scan promises.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::types::string::Str;
use crate::value::{Value, ValueRef};

const SEED: HashSeed = HashSeed([7; 16]);

fn key(number: u32) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn put(table: &mut Table, number: u32) {
    let (key, value) = (key(number), Value::Str(Str::from_i64(i64::from(number))));
    let hash = SEED.hash(&key);
    if table.get(hash, &key).is_none() {
        table.insert_new(hash, Entry::for_test(&key, value));
    }
}

fn take(table: &mut Table, number: u32) -> bool {
    let key = key(number);
    table.remove(SEED.hash(&key), &key).is_some()
}

fn number_of(entry: &Entry) -> u32 {
    let ValueRef::Str(text) = entry.value() else { panic!("only strings are put in") };
    u32::try_from(text.as_i64().unwrap()).unwrap()
}

fn filled(numbers: std::ops::Range<u32>) -> Table {
    let mut table = Table::new(SEED);
    numbers.for_each(|number| put(&mut table, number));
    table
}

fn scan_all(table: &Table, count: usize) -> Vec<u32> {
    let (mut seen, mut cursor) = (Vec::new(), 0);
    loop {
        cursor = table.scan(cursor, count, &mut |entry| seen.push(number_of(entry)));
        assert!(cursor < 1 << 48);
        if cursor == 0 {
            return seen;
        }
    }
}

fn check(table: &Table) {
    assert_eq!(table.root.check(SEED), table.len());
}

#[test]
fn a_table_grows_by_splitting_and_shrinks_by_joining() {
    let mut table = filled(0..40_000);
    check(&table);
    assert!(table.segments_from(KeyHash(0)).all(|segment| segment.len() <= segment::SEGMENT_MAX));
    assert!(table.segments_from(KeyHash(0)).count() >= 40_000 / segment::SEGMENT_MAX);
    let full_bytes = table.heap_bytes();
    for number in 0..39_990 {
        assert!(take(&mut table, number));
        if number % 5000 == 0 {
            check(&table);
        }
    }
    check(&table);
    assert!(table.heap_bytes() < full_bytes / 50);
    assert!(table.segments_from(KeyHash(0)).count() <= 2);
    assert!((39_990..40_000).all(|number| take(&mut table, number)));
    assert_eq!(table.segments_from(KeyHash(0)).count(), 1);
}

#[test]
fn the_memory_of_a_table_is_told_from_a_few_of_its_segments() {
    let exact = |table: &Table| table.segments_from(KeyHash(0)).map(segment::Segment::heap_bytes).sum::<usize>();
    for keys in [0, 1, 10_000, 30_000, 45_000] {
        let mut table = filled(0..keys);
        table.freeze(true);
        // The second time few keys are left in large segments.
        for _ in 0..2 {
            let exact = exact(&table);
            assert_eq!(table.root.heap_bytes(usize::MAX), exact);
            let told = table.root.heap_bytes(12);
            assert!(told.abs_diff(exact) <= exact / 5, "{told} bytes told of {exact} for {keys} keys");
            for number in 10..keys {
                take(&mut table, number);
            }
        }
    }
}

#[test]
fn a_frozen_table_keeps_its_segments() {
    let mut table = filled(0..10_000);
    let segments = table.segments_from(KeyHash(0)).count();
    table.freeze(true);
    for number in 0..10_000 {
        take(&mut table, number);
    }
    assert_eq!(table.segments_from(KeyHash(0)).count(), segments);
    assert!(table.random(&mut fastrand::Rng::with_seed(1)).is_none());
    put(&mut table, 1);
    for seed in 0..50 {
        assert!(table.random(&mut fastrand::Rng::with_seed(seed)).is_some());
    }
    check(&table);
}

#[test]
fn directories_nest_where_many_hashes_share_a_prefix() {
    // Hashes that share 12 bits, found by trying: the directory at the top reaches its full depth and gets one below.
    let mut table = Table::new(SEED);
    let prefix = |number: u32| SEED.hash(&key(number)).0 >> 52 == 0;
    let numbers: Vec<u32> = (0..8_000_000).filter(|&number| prefix(number)).take(1900).collect();
    assert!(numbers.len() > 2 * segment::SEGMENT_MAX);
    numbers.iter().for_each(|&number| put(&mut table, number));
    check(&table);
    let depths: Vec<_> = numbers.iter().map(|&number| table.root.span(SEED.hash(&key(number))).prefix_bits).collect();
    assert!(depths.iter().all(|&bits| bits > 12));
    let mut seen = scan_all(&table, 10);
    seen.sort_unstable();
    assert_eq!(seen, numbers);
    assert!(numbers.iter().all(|&number| take(&mut table, number)));
    check(&table);
    assert_eq!(table.segments_from(KeyHash(0)).count(), 1);
}

#[test]
fn a_scan_of_an_unchanged_table_sees_every_key_exactly_once() {
    for (keys, count) in [(0, 1), (1, 1), (300, 10), (900, 1), (5000, 10), (5000, 7), (20_000, 1000), (3000, 1_000_000)]
    {
        let mut seen = scan_all(&filled(0..keys), count);
        seen.sort_unstable();
        assert_eq!(seen, (0..keys).collect::<Vec<_>>());
    }
}

#[test]
fn a_scan_call_visits_about_as_many_keys_as_asked_for() {
    let table = filled(0..20_000);
    for (count, most) in [(10, 120), (100, 300), (1000, 2000)] {
        let (mut cursor, mut longest) = (0, 0);
        loop {
            let mut visited = 0;
            cursor = table.scan(cursor, count, &mut |_| visited += 1);
            longest = longest.max(visited);
            if cursor == 0 {
                break;
            }
        }
        assert!(longest >= count && longest <= most, "{longest} keys for a count of {count}");
    }
}

#[test]
fn any_cursor_a_client_makes_up_ends() {
    let table = filled(0..3000);
    for cursor in [1, 12345, (1 << 48) - 1, 1 << 48, u64::MAX] {
        let mut next = cursor;
        for _ in 0..1000 {
            next = table.scan(next, 10, &mut |_| {});
            if next == 0 {
                break;
            }
        }
        assert_eq!(next, 0);
    }
}

#[test]
fn random_keys_are_about_evenly_distributed() {
    let (table, mut rng) = (filled(0..3000), fastrand::Rng::with_seed(5));
    let mut drawn = vec![0u32; 3000];
    for _ in 0..300_000 {
        drawn[number_of(table.random(&mut rng).unwrap()) as usize] += 1;
    }
    // 100 draws each on average; segments differ by some tens of per cent in their share.
    assert!(drawn.iter().all(|&times| times > 25 && times < 300));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_table_behaves_as_a_map(start in 0u32..3000, steps in prop::collection::vec((any::<bool>(), 0u32..4000), 0..3000)) {
        let mut table = filled(0..start);
        let mut model: BTreeSet<u32> = (0..start).collect();
        for (add, number) in steps {
            if add {
                put(&mut table, number);
                model.insert(number);
            } else {
                prop_assert_eq!(take(&mut table, number), model.remove(&number));
            }
        }
        check(&table);
        let all: BTreeMap<_, _> = table.iter().map(|entry| (number_of(entry), entry.key().to_vec())).collect();
        prop_assert_eq!(all.len(), table.len());
        prop_assert_eq!(all.keys().copied().collect::<BTreeSet<_>>(), model);
    }

    /// Keys come in and go in waves during a scan, so that segments split and join under it.
    #[test]
    fn a_scan_sees_every_key_that_stays(
        stay in 1u32..3000,
        waves in prop::collection::vec((any::<bool>(), 0u32..3000), 1..60),
        count in prop_oneof![1usize..30, Just(1000)],
    ) {
        let mut table = filled(0..stay);
        let (mut seen, mut cursor) = (BTreeSet::new(), 0);
        for (step, (add, size)) in waves.iter().cycle().enumerate() {
            cursor = table.scan(cursor, count, &mut |entry| { seen.insert(number_of(entry)); });
            if cursor == 0 { break; }
            if step > 40 { continue; }
            for number in 10_000..10_000 + size {
                if *add { put(&mut table, number); } else { take(&mut table, number); }
            }
        }
        prop_assert!((0..stay).all(|number| seen.contains(&number)));
    }
}
