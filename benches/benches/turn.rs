//! Whole turns of the engine: bytes of requests in, bytes of replies out, the log written to a disk that forgets.
//!
//! The steadiest figure for work on the path of every command. Two forms: one client that sends 16 requests at once, and 16
//! clients that send one each.

use benches::workload::WORKLOADS;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Requests a turn, in either form.
const REQUESTS: usize = 16;

fn turns(c: &mut Criterion) {
    for (form, clients, depth) in [("pipeline of 16", 1, REQUESTS), ("16 clients", REQUESTS, 1)] {
        let mut group = c.benchmark_group(format!("turn, {form}"));
        group.throughput(Throughput::Elements(REQUESTS as u64));
        for workload in WORKLOADS {
            let mut running = None;
            group.bench_function(workload.name, |b| {
                // Only if it is chosen: some have much to fill in.
                let running = running.get_or_insert_with(|| workload.start(clients, depth));
                b.iter(|| running.turn());
            });
        }
        group.finish();
    }
}

criterion_group!(all, turns);
criterion_main!(all);
