//! What is measured, and where.

use std::cell::Cell;

use bio::Kind;

use super::rig::Rig;
use crate::{AppendFsync, Timed, Turn};

const ALONE: Timed = Timed::Write { beside_fsync: false };
const BESIDE: Timed = Timed::Write { beside_fsync: true };

thread_local! {
    static NOW_NS: Cell<u64> = const { Cell::new(0) };
}

/// A clock by which every call takes 20 ms.
fn clock() -> u64 {
    NOW_NS.set(NOW_NS.get() + 20_000_000);
    NOW_NS.get()
}

/// A buffer that measures, from a clock that was never read.
fn measuring(policy: AppendFsync) -> Rig {
    NOW_NS.set(0);
    let mut rig = Rig::new(policy);
    rig.aof.measure(Some(clock), 20);
    rig
}

fn taken(rig: &Rig) -> Vec<(Timed, u64)> {
    rig.aof.take_timings().map(|timing| (timing.event, timing.ms)).collect()
}

#[test]
fn a_write_is_measured_where_it_happens_and_told_when_it_ends() {
    let mut rig = measuring(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    assert_eq!(taken(&rig), [(ALONE, 20)]);
    rig.feed("B");
    rig.turn();
    assert_eq!(taken(&rig), [], "it waits for its thread, which is not the time it takes");
    rig.now_ms += 5_000;
    rig.finish(Kind::Write);
    assert_eq!(taken(&rig), [(BESIDE, 20)]);
    rig.feed("C");
    rig.turn_with(|turn| Turn { force: true, ..turn });
    assert_eq!(taken(&rig), [(BESIDE, 20)], "a forced write in the loop");
}

#[test]
fn fsyncs_are_measured_under_always_alone() {
    let mut rig = measuring(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    rig.finish(Kind::Fsync);
    assert_eq!(taken(&rig), [(ALONE, 20)]);

    let mut rig = measuring(AppendFsync::Always);
    rig.feed("A");
    rig.turn();
    rig.finish(Kind::Fsync);
    assert_eq!(taken(&rig), [(ALONE, 20), (Timed::FsyncAlways, 20)], "in bio");
    rig.feed("B");
    rig.turn_with(|turn| Turn { alone: true, ..turn });
    assert_eq!(taken(&rig), [(ALONE, 20), (Timed::FsyncAlways, 20)], "in the loop");
}

#[test]
fn nothing_reads_the_clock_until_something_is_to_be_measured() {
    let mut rig = measuring(AppendFsync::Always);
    rig.aof.measure(Some(clock), 0);
    rig.feed("A");
    rig.turn();
    rig.finish(Kind::Fsync);
    rig.turn();
    assert_eq!((NOW_NS.get(), taken(&rig)), (0, vec![]));
}
