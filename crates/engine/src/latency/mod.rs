//! The latency monitor: what took at least `latency-monitor-threshold` milliseconds, by event, for LATENCY. `graph` draws them,
//! `doctor` judges them.
//!
//! Source: latency.c of Redis 7.2 (semantics): 160 samples an event, one a second at most, which keeps the worst of it.

mod doctor;
mod graph;

use std::collections::BTreeMap;

pub(crate) use doctor::{Circumstances, report};
pub(crate) use graph::graph;

/// Samples kept of an event. Source: LATENCY_TS_LEN of Redis.
const SAMPLES: usize = 160;

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// When, in seconds since the epoch.
    pub(crate) unix_s: i64,
    /// How long it took at worst in that second, in milliseconds.
    pub(crate) ms: u64,
}

/// The samples of one event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    samples: std::collections::VecDeque<Sample>,
    /// The worst since the event was reset, in milliseconds.
    pub(crate) max_ms: u64,
}

impl Series {
    fn add(&mut self, sample: Sample) {
        self.max_ms = self.max_ms.max(sample.ms);
        if let Some(last) = self.samples.back_mut().filter(|last| last.unix_s == sample.unix_s) {
            last.ms = last.ms.max(sample.ms);
            return;
        }
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The samples, the oldest first.
    pub(crate) fn samples(&self) -> impl ExactSizeIterator<Item = Sample> + '_ {
        self.samples.iter().copied()
    }

    /// The newest sample.
    pub(crate) fn latest(&self) -> Sample {
        *self.samples.back().expect("a series begins with a sample")
    }
}

/// The events that took long.
#[derive(Debug, Default)]
pub(crate) struct LatencyMonitor {
    series: BTreeMap<&'static str, Series>,
}

impl LatencyMonitor {
    /// Notes an event that took `sample.ms`, if `threshold_ms` is not 0 and lets it.
    pub(crate) fn add(&mut self, event: &'static str, sample: Sample, threshold_ms: u64) {
        if threshold_ms > 0 && sample.ms >= threshold_ms {
            self.series.entry(event).or_default().add(sample);
        }
    }

    /// An event with its series.
    pub(crate) fn event(&self, name: &[u8]) -> Option<(&'static str, &Series)> {
        self.events().find(|(event, _)| event.as_bytes() == name)
    }

    /// Every event with its series, by name.
    pub(crate) fn events(&self) -> impl ExactSizeIterator<Item = (&'static str, &Series)> {
        self.series.iter().map(|(event, series)| (*event, series))
    }

    /// Forgets one event; whether there was one.
    pub(crate) fn reset(&mut self, name: &[u8]) -> bool {
        let before = self.series.len();
        self.series.retain(|event, _| event.as_bytes() != name);
        self.series.len() < before
    }

    /// Forgets all events; how many there were.
    pub(crate) fn reset_all(&mut self) -> usize {
        std::mem::take(&mut self.series).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_keeps_its_worst_and_an_event_its_last_samples() {
        let mut monitor = LatencyMonitor::default();
        for (unix_s, ms) in [(1, 20), (1, 30), (1, 10), (2, 9), (2, 15)] {
            monitor.add("command", Sample { unix_s, ms }, 10);
        }
        let series = monitor.event(b"command").unwrap().1;
        let samples: Vec<_> = series.samples().collect();
        assert_eq!(samples, [Sample { unix_s: 1, ms: 30 }, Sample { unix_s: 2, ms: 15 }]);
        assert_eq!((series.latest().ms, series.max_ms), (15, 30));
        (3..500).for_each(|unix_s| monitor.add("command", Sample { unix_s, ms: 10 }, 10));
        assert_eq!(monitor.event(b"command").unwrap().1.samples().len(), SAMPLES);
        assert_eq!(monitor.event(b"command").unwrap().1.max_ms, 30);
    }

    #[test]
    fn a_threshold_of_zero_is_off() {
        let mut monitor = LatencyMonitor::default();
        monitor.add("fork", Sample { unix_s: 1, ms: 1_000 }, 0);
        assert_eq!(monitor.events().len(), 0);
        monitor.add("fork", Sample { unix_s: 1, ms: 1_000 }, 1_000);
        assert!(monitor.reset(b"fork") && !monitor.reset(b"fork"));
        assert_eq!(monitor.reset_all(), 0);
    }
}
