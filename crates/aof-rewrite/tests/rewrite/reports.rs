//! What the parent learns of its child while it runs (R9).

use aof_rewrite::Mode;
use keyspace::{Deadline, UnixMs};

use crate::world::{NOW, World};

/// Steps a rewrite's child every 100 ms to its end; when its memory was measured, and how many keys and bytes it had done by then.
fn reports(world: &mut World) -> Vec<(u64, u64, u64)> {
    let mut seen = Vec::new();
    let mut measurements = 0;
    world.start(Mode::Switch).unwrap();
    while !world.children.running().is_empty() {
        world.children.step(world.mono_ms);
        world.with_rewriter(|rewriter, env| rewriter.turn(env));
        let status = world.rewriter.status(world.mono_ms);
        if status.cow_measurements > measurements {
            measurements = status.cow_measurements;
            seen.push((world.mono_ms, status.keys_processed, status.written_bytes));
        }
        world.mono_ms += 100;
    }
    seen
}

fn assert_no_second_without_a_report(seen: &[(u64, u64, u64)]) {
    assert!(seen.len() > 5, "{seen:?}");
    assert!(seen.windows(2).all(|w| w[1].0 - w[0].0 <= 1_000), "{seen:?}");
}

#[test]
fn a_child_reports_its_progress_and_memory_at_least_once_a_second() {
    let mut world = World::new();
    for n in 0..2_000 {
        world.set(0, &format!("key:{n}"), &[b'v'; 1_000]);
    }
    let seen = reports(&mut world);
    assert_no_second_without_a_report(&seen);
    let in_between = seen.iter().filter(|(_, keys, bytes)| (1..2_000).contains(keys) && *bytes > 0);
    assert!(in_between.count() > 5, "{seen:?}");
}

/// A child that passes over expired keys writes nothing for long, and reported only when it wrote.
#[test]
fn a_child_that_has_nothing_to_write_reports_all_the_same() {
    let mut world = World::new();
    for n in 0..2_000 {
        let name = format!("key:{n}");
        let key = world.keyspace.key(name.as_bytes());
        world.keyspace.db_mut(0).set_str(key, b"v", Deadline::At(UnixMs(NOW.0 - 1)));
    }
    assert_no_second_without_a_report(&reports(&mut world));
}
