//! Decoding requests: the first thing that happens to every byte.

use std::hint::black_box;

use benches::wire::{pipeline, request};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use resp_codec::{Decoded, Limits, RequestDecoder};

/// Decodes all requests in `bytes`; returns the bytes of their last arguments.
fn decode_all(decoder: &mut RequestDecoder, bytes: &[u8]) -> usize {
    let (mut at, mut seen) = (0, 0);
    while at < bytes.len() {
        let Ok(Decoded::Request { consumed }) = decoder.decode(&bytes[at..]) else { unreachable!("whole requests") };
        let args = decoder.args(&bytes[at..]);
        seen += args.at(args.len() - 1).len();
        at += consumed;
    }
    seen
}

fn decode(c: &mut Criterion) {
    let large = format!("SET key {}", "x".repeat(64 * 1024));
    let cases = [
        ("small SET", request("SET key:000000000001 xxx")),
        ("16 small SETs", pipeline(16, |n| format!("SET key:{n:012} xxx"))),
        ("MSET of 10", request(&format!("MSET{}", " key:000000000001 xxx".repeat(10)))),
        ("SET of 64 KiB", request(&large)),
        ("inline PING", b"PING\r\n".to_vec()),
    ];
    let mut group = c.benchmark_group("request");
    for (name, bytes) in cases {
        let mut decoder = RequestDecoder::new(Limits::default());
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| b.iter(|| decode_all(&mut decoder, black_box(&bytes))));
    }
    group.finish();
}

criterion_group!(all, decode);
criterion_main!(all);
