//! The table of keys: found, written over, put in and taken out, at a thousand keys and at a million.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use keyspace::{Deadline, HashSeed, Keyspace};

/// Names in an order that no cache foresees.
fn names(count: usize) -> Vec<String> {
    let mut names: Vec<String> = (0..count).map(|n| format!("key:{n:012}")).collect();
    fastrand::Rng::with_seed(benches::SEED).shuffle(&mut names);
    names
}

fn filled(names: &[String]) -> Keyspace {
    let mut keyspace = Keyspace::new(1, HashSeed([7; 16]));
    for name in names {
        put(&mut keyspace, name);
    }
    keyspace
}

fn put(keyspace: &mut Keyspace, name: &str) {
    let key = keyspace.key(name.as_bytes());
    keyspace.db_mut(0).set_str(key, b"xyz", Deadline::Clear);
}

/// Far more keys than caches hold; fewer without optimizations, where the measurement is only tried.
const LARGE: usize = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };

fn table(c: &mut Criterion) {
    for count in [1_000, LARGE] {
        let names = names(count);
        let mut group = c.benchmark_group(format!("table of {count}"));
        let mut keyspace = filled(&names);
        let mut circle = names.iter().cycle();
        let mut next = || circle.next().expect("a circle has no end");
        group.bench_function("get", |b| {
            b.iter(|| {
                let key = keyspace.key(next().as_bytes());
                black_box(keyspace.db(0).get(key)).is_some()
            });
        });
        group.bench_function("overwrite", |b| b.iter(|| put(&mut keyspace, next())));
        group.bench_function("remove and insert", |b| {
            b.iter(|| {
                let name = next();
                let key = keyspace.key(name.as_bytes());
                drop(keyspace.db_mut(0).delete(key));
                put(&mut keyspace, name);
            });
        });
        group.finish();
    }
}

criterion_group!(all, table);
criterion_main!(all);
