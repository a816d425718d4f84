//! What is measured of a rewrite.

use std::cell::Cell;

use aof_rewrite::Mode;

use crate::world::World;

thread_local! {
    static NOW_NS: Cell<u64> = const { Cell::new(0) };
}

/// A clock by which every call takes 20 ms.
fn clock() -> u64 {
    NOW_NS.set(NOW_NS.get() + 20_000_000);
    NOW_NS.get()
}

/// The events of one rewrite, in their order, that leaves `diff_bytes` for after the child's end.
fn events_of_rewrite(at_least_ms: u64, diff_bytes: usize) -> Vec<(&'static str, u64)> {
    let mut world = World::new();
    world.rewriter.measure(Some(clock), at_least_ms);
    world.start(Mode::Switch).unwrap();
    loop {
        world.children.step(world.mono_ms);
        world.mono_ms += 1;
        if world.children.running().is_empty() {
            break;
        }
        world.turn();
    }
    world.set(0, "key", &vec![b'v'; diff_bytes]);
    while world.is_running() {
        world.turn();
        world.bio.run_all();
    }
    world.rewriter.take_timings().map(|timing| (timing.event, timing.ms)).collect()
}

#[test]
fn a_rewrite_tells_of_every_call_that_took_long() {
    let little = [("fork", 0), ("aof-fstat", 20), ("aof-rewrite-diff-write", 20), ("aof-rename", 20)];
    assert_eq!(events_of_rewrite(20, 1), little);
    let much = events_of_rewrite(20, 300_000);
    assert_eq!(much, little, "what is too much for the loop is written and measured in a job");
}

#[test]
fn without_a_threshold_no_clock_is_read() {
    assert_eq!(events_of_rewrite(0, 1), [("fork", 0)]);
    assert_eq!(NOW_NS.get(), 0);
}
