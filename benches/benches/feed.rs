//! From effects to the log: feeding, and the write of a turn, over a disk that forgets.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aof_buffer::{AofBuffer, Options, Turn};
use benches::forgetful::ForgetfulDir;
use benches::wire::{Decoded, request};
use bio::InlineBio;
use criterion::{Criterion, criterion_group, criterion_main};
use resp_codec::{Effect, Effects};
use vfs::sim::SimDisk;
use vfs::{Dir as _, Open};

/// An open log.
fn log() -> (AofBuffer, InlineBio) {
    let dir = ForgetfulDir::new(SimDisk::new().dir("/data"), Arc::new(AtomicBool::new(true)));
    let file = dir.open("appendonly.aof", Open::AppendOrCreate).expect("an empty disk takes a file");
    let mut aof = AofBuffer::new(Options::default());
    aof.open(file, 0);
    (aof, InlineBio::new())
}

fn feed(c: &mut Criterion) {
    let command = request("SET key:000000000001 xxx");
    let decoded = Decoded::new("SET key:000000000001 xxx");
    let mut verbatim = Effects::default();
    verbatim.push_verbatim(0);
    let mut pair = Effects::default();
    pair.push(0, &[b"DEL", b"key"]);
    pair.push(0, &[b"SET", b"key", b"value"]);
    let mut group = c.benchmark_group("feed and write a turn of 16");
    let mut case = |name: &str, feed: &dyn Fn(&mut AofBuffer) -> u64| {
        let (mut aof, mut bio) = log();
        group.bench_function(name, |b| {
            b.iter(|| {
                (0..16).for_each(|_| {
                    black_box(feed(&mut aof));
                });
                aof.turn(Turn::at(1_000), &mut bio);
                bio.run_all();
                aof.backlog_bytes()
            });
        });
    };
    case("encoded effects", &|aof| aof.feed(Effect { db: 0, command: &command }).0);
    case("verbatim requests", &|aof| aof.feed_effects(&verbatim, &decoded.args()).0);
    case("units of two", &|aof| aof.feed_effects(&pair, &decoded.args()).0);
    group.finish();
}

criterion_group!(all, feed);
criterion_main!(all);
