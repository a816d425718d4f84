//! How long inputs take: the longest so far is told, as is the most memory, and `cargo xtask fuzz` reports both.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "what is told is never judged")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// An input is told of when it took so much longer than the last that was, in microseconds.
const TOLD_STEP_US: u64 = 1_000;

static TOLD_US: AtomicU64 = AtomicU64::new(0);

/// Runs `body` for an input of `input_bytes` bytes, and says so if it took longer than all before.
pub(crate) fn told(input_bytes: usize, body: impl FnOnce()) {
    let started = Instant::now();
    body();
    let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    if took_us >= TOLD_US.load(Ordering::Relaxed) + TOLD_STEP_US {
        TOLD_US.store(took_us, Ordering::Relaxed);
        eprintln!("time: {took_us} us for an input of {input_bytes} bytes");
    }
}
