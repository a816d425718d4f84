//! Which system calls on the log took long, by the names that LATENCY has for them in Redis (W8).
//!
//! They are measured where they run; here they get their names. What runs in a bio thread is told in the turn after its end.

use aof_buffer::Timed;
use bio::Timing;

use super::Persistence;
use crate::engine::Engine;

impl Persistence {
    /// Measures what takes at least so long, in milliseconds; nothing at 0.
    pub(super) fn measure(&mut self, at_least_ms: u64) {
        if self.measured_ms != at_least_ms {
            self.measured_ms = at_least_ms;
            self.aof.measure(self.clock, at_least_ms);
            self.rewriter.measure(self.clock, at_least_ms);
            self.timings.measure(self.clock, at_least_ms);
        }
    }

    /// The events since the last turn, each with its milliseconds.
    fn take_events(&mut self, child: bool) -> Vec<(&'static str, u64)> {
        let mut events = Vec::new();
        for Timing { event, ms } in self.aof.take_timings() {
            match event {
                Timed::Write { beside_fsync } => {
                    events.extend([("aof-write", ms), (kind_of_write(beside_fsync, child), ms)]);
                }
                Timed::FsyncAlways => events.push(("aof-fsync-always", ms)),
            }
        }
        events.extend(self.rewriter.take_timings().map(|timing| (timing.event, timing.ms)));
        events.extend(self.timings.take().map(|timing| (timing.event, timing.ms)));
        events
    }
}

/// The second name of a write, which says what ran beside it. Source: flushAppendOnlyFile of Redis.
fn kind_of_write(beside_fsync: bool, child: bool) -> &'static str {
    match (beside_fsync, child) {
        (true, _) => "aof-write-pending-fsync",
        (false, true) => "aof-write-active-child",
        (false, false) => "aof-write-alone",
    }
}

impl Engine {
    /// Tells the latency monitor what took long.
    pub(super) fn note_events(&mut self) {
        for (event, ms) in self.persistence.take_events(self.growth_frozen) {
            self.note_latency(event, ms);
        }
    }
}
