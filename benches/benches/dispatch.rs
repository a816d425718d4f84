//! Finding a command and running it over a keyspace, without clients, log or bytes of a wire.

use std::hint::black_box;

use benches::wire::{Decoded, Executor};
use criterion::{Criterion, criterion_group, criterion_main};

fn resolve(c: &mut Criterion) {
    let requests = ["GET k", "zrangebyscore k 0 1", "CLIENT ID"].map(Decoded::new);
    c.bench_function("resolve/3 names", |b| {
        b.iter(|| requests.iter().all(|request| commands::resolve(black_box(request.args())).is_ok()));
    });
}

fn execute(c: &mut Criterion) {
    let prepared =
        ["SET text some-value", "SET number 10", "HSET hash field value", "ZADD zset 1 member", "SADD set member"];
    let measured = [
        "GET text",
        "GET missing",
        "SET text some-value",
        "INCR number",
        "HSET hash field value",
        "HGET hash field",
        "ZADD zset 1 member",
        "ZSCORE zset member",
        "SADD set member",
        "SPOP missing",
    ];
    let mut group = c.benchmark_group("execute");
    for words in measured {
        let mut executor = Executor::default();
        for words in prepared {
            executor.run(&Decoded::new(words));
        }
        let request = Decoded::new(words);
        group.bench_function(words, |b| b.iter(|| executor.run(black_box(&request)).len()));
    }
    group.finish();
}

criterion_group!(all, resolve, execute);
criterion_main!(all);
