//! Reading a log: to units alone, and through the whole engine until it serves.

use benches::rig::Rig;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use testkit::load_log::LoadLog;
use vfs::sim::SimDisk;
use vfs::{Dir as _, Open};

/// Commands of the log: enough that the engine's start does not show. Fewer without optimizations, where the measurement is
/// only tried.
const COMMANDS: u64 = if cfg!(debug_assertions) { 1_000 } else { 50_000 };

fn made() -> Vec<u8> {
    let (mut bytes, mut log) = (Vec::new(), LoadLog::new(benches::SEED, COMMANDS));
    while log.next_into(&mut bytes) {}
    bytes
}

fn read(disk: &SimDisk) -> usize {
    let file = disk.dir("/data").open("appendonly.aof", Open::Read).expect("the log is there");
    let size_bytes = file.metadata().expect("a disk without faults").len;
    let mut reader = aof_load::Reader::new(file, 0, size_bytes);
    let mut units = 0;
    while let Some(batch) = reader.next_batch().expect("the log is whole") {
        units += batch.len();
    }
    units
}

fn load(c: &mut Criterion) {
    let bytes = made();
    let disk = SimDisk::new();
    disk.put("/data", "appendonly.aof", &bytes);
    let mut group = c.benchmark_group("load");
    group.sample_size(10).throughput(Throughput::Elements(COMMANDS));
    group.bench_function("read to units", |b| b.iter(|| read(&disk)));
    // The disk below copies the log to prove it; that is a copy in memory, a few per cent of the whole.
    group.bench_function("start until serving", |b| {
        b.iter_batched(|| (), |()| Rig::loaded(&bytes), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(all, load);
criterion_main!(all);
