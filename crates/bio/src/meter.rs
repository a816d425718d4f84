//! How long calls take, in jobs and in the loop alike: a clock, and a way back to whoever wants to know.
//!
//! The clock is an argument, and read only while somebody wants to know. Only what takes long comes back, so that nothing is
//! kept of the rest.

use std::sync::mpsc::{Receiver, Sender, channel};

/// A clock that never goes back, in nanoseconds.
pub type Clock = fn() -> u64;

/// A call that took long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing<E> {
    /// Which call.
    pub event: E,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// Measures calls. A job takes a clone of it along.
#[derive(Clone, Debug)]
pub struct Meter<E>(Option<Running<E>>);

#[derive(Clone, Debug)]
struct Running<E> {
    clock: Clock,
    at_least_ms: u64,
    long: Sender<Timing<E>>,
}

impl<E> Meter<E> {
    /// One that measures nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Makes the call, and notes it if it took long.
    pub fn time<T>(&self, event: E, call: impl FnOnce() -> T) -> T {
        let Some(Running { clock, at_least_ms, long }) = &self.0 else { return call() };
        let started_ns = clock();
        let result = call();
        let ms = clock().saturating_sub(started_ns) / 1_000_000;
        if ms >= *at_least_ms {
            // Without a receiver nobody wants to know any more.
            let _unheard = long.send(Timing { event, ms });
        }
        result
    }
}

/// The calls that took long, for their owner. Measures nothing until told to.
#[derive(Debug)]
pub struct Timings<E> {
    meter: Meter<E>,
    long: Option<Receiver<Timing<E>>>,
}

impl<E> Default for Timings<E> {
    fn default() -> Self {
        Self { meter: Meter::off(), long: None }
    }
}

impl<E> Timings<E> {
    /// From now on notes calls that take `at_least_ms`; without a clock, or at 0, none.
    pub fn measure(&mut self, clock: Option<Clock>, at_least_ms: u64) {
        match clock {
            Some(clock) if at_least_ms > 0 => {
                let (long, receiver) = channel();
                self.meter = Meter(Some(Running { clock, at_least_ms, long }));
                self.long = Some(receiver);
            }
            _ => *self = Self::default(),
        }
    }

    /// What measures at present.
    pub fn meter(&self) -> &Meter<E> {
        &self.meter
    }

    /// The calls that ended since the last time and had taken long.
    pub fn take(&self) -> impl Iterator<Item = Timing<E>> + '_ {
        self.long.iter().flat_map(Receiver::try_iter)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{Bio as _, InlineBio, Kind};

    thread_local! {
        static NOW_NS: Cell<u64> = const { Cell::new(0) };
        static READ: Cell<u32> = const { Cell::new(0) };
    }

    fn clock() -> u64 {
        READ.set(READ.get() + 1);
        NOW_NS.get()
    }

    fn pass_us(us: u64) {
        NOW_NS.set(NOW_NS.get() + us * 1_000);
    }

    fn taken(timings: &Timings<&'static str>) -> Vec<(&'static str, u64)> {
        timings.take().map(|timing| (timing.event, timing.ms)).collect()
    }

    #[test]
    fn a_call_that_takes_long_is_noted_and_its_result_handed_on() {
        let mut timings = Timings::default();
        timings.measure(Some(clock), 10);
        assert_eq!(timings.meter().time("short", || pass_us(9_999)), ());
        assert_eq!(timings.meter().time("long", || (pass_us(10_000), 7).1), 7);
        assert_eq!(taken(&timings), [("long", 10)]);
        assert_eq!(taken(&timings), []);
    }

    #[test]
    fn what_a_job_measures_comes_back_when_it_has_run() {
        let mut timings = Timings::default();
        timings.measure(Some(clock), 1);
        let mut bio = InlineBio::new();
        let meter = timings.meter().clone();
        bio.submit(Kind::Write, Box::new(move || Ok(meter.time("write", || (pass_us(3_000), 5).1))));
        assert_eq!(taken(&timings), []);
        bio.run_all();
        assert_eq!(taken(&timings), [("write", 3)]);
    }

    #[test]
    fn nobody_reads_a_clock_until_told_to_nor_after() {
        let mut timings = Timings::default();
        timings.meter().time("before", || pass_us(1_000_000));
        timings.measure(Some(clock), 1);
        let meter = timings.meter().clone();
        timings.measure(Some(clock), 0);
        timings.meter().time("after", || pass_us(1_000_000));
        assert_eq!((READ.get(), taken(&timings).len()), (0, 0));
        meter.time("still under way", || pass_us(1_000_000));
        assert_eq!(taken(&timings), []);
        timings.measure(None, 1);
        timings.meter().time("no clock", || pass_us(1_000_000));
        assert_eq!(READ.get(), 2);
    }
}
