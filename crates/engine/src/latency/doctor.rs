//! LATENCY DOCTOR: what the samples of each event say, and what an operator can do about it.
//!
//! A function of the samples and of a few figures; nothing is measured here. Source: createLatencyReport of Redis 7.2 for
//! the form of the report, the figures of an event, and the bounds of a fork's speed. The advice is about this server.

use std::fmt::Write as _;

use super::{LatencyMonitor, Series};

/// What the report needs to know of the server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Circumstances {
    /// `latency-monitor-threshold`, 0 for off.
    pub(crate) threshold_ms: u64,
    /// `slowlog-log-slower-than`; `None` for off.
    pub(crate) slowlog_us: Option<u64>,
    /// Whether the policy is `always`.
    pub(crate) always: bool,
    /// `no-appendfsync-on-rewrite`.
    pub(crate) no_fsync_on_rewrite: bool,
    /// How fast the last child was forked, in gigabytes of memory a second; `None` if that is not known.
    pub(crate) fork_gb_per_second: Option<f64>,
    /// The process's memory in huge pages, in bytes.
    pub(crate) huge_pages_bytes: u64,
}

/// What may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Advice {
    FasterForks,
    TurnOnSlowLog,
    LowerSlowLog,
    LookAtSlowLog,
    LargeCollections,
    BusyMachine,
    LocalDisk,
    FasterDisk,
    Writeback,
    BusyDisk,
    HoldFsyncs,
    RelaxPolicy,
    LessToLog,
    SpreadDeadlines,
    NoHugePages,
}

/// The report on everything that was observed, as seen at `now_s`, in seconds since the epoch.
pub(crate) fn report(monitor: &LatencyMonitor, known: Circumstances, now_s: i64) -> String {
    if monitor.events().len() == 0 && known.threshold_ms == 0 {
        return "Latency monitoring is disabled in this instance, and nothing was observed. \
                \"CONFIG SET latency-monitor-threshold <milliseconds>\" enables it.\n"
            .to_owned();
    }
    let mut text = String::new();
    let mut advice = Vec::new();
    for (number, (event, series)) in monitor.events().enumerate() {
        if number == 0 {
            text += "Latency spikes were observed in this instance:\n\n";
        }
        write!(text, "{}. {event}: {}", number + 1, figures(series, now_s)).expect("writing to a String cannot fail");
        if event == "fork" {
            text += &fork_speed(known);
        }
        text.push('\n');
        advice.extend(advice_on(event, known));
    }
    if known.huge_pages_bytes > 0 {
        advice.push(Advice::NoHugePages);
    }
    advice.sort_unstable();
    advice.dedup();
    let quiet = text.is_empty();
    if quiet {
        text += "No latency spike was observed so far.\n";
    }
    text += match (quiet, advice.is_empty()) {
        (true, true) => "All is well.\n",
        (false, true) => "\nNothing that is known here causes them: look at the machine and its disk.\n",
        (_, false) => "\nWhat may help:\n\n",
    };
    for advice in advice {
        writeln!(text, "- {}", advice.text(known)).expect("writing to a String cannot fail");
    }
    text
}

/// The figures of an event, in the words of Redis.
fn figures(series: &Series, now_s: i64) -> String {
    let samples = series.samples();
    let count = samples.len() as u64;
    let all = || series.samples().map(|sample| sample.ms);
    let average_ms = all().sum::<u64>() / count.max(1);
    let deviation_ms = all().map(|ms| ms.abs_diff(average_ms)).sum::<u64>() / count.max(1);
    let oldest_s = series.samples().map(|sample| sample.unix_s).min().unwrap_or(now_s);
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let period_s = (now_s - oldest_s).max(1) as f64 / count.max(1) as f64;
    format!(
        "{count} latency spikes (average {average_ms}ms, mean deviation {deviation_ms}ms, period {period_s:.2} sec). \
         Worst all time event {}ms.",
        series.max_ms
    )
}

/// How fast children are forked, in words. The bounds are those of Redis.
fn fork_speed(known: Circumstances) -> String {
    let Some(speed) = known.fork_gb_per_second else { return String::new() };
    let word = match speed {
        ..10.0 => "terrible",
        10.0..25.0 => "poor",
        25.0..100.0 => "good",
        _ => "excellent",
    };
    format!(" Fork rate is {speed:.2} GB/sec ({word}).")
}

/// What may help against an event.
fn advice_on(event: &str, known: Circumstances) -> Vec<Advice> {
    use Advice as A;
    match event {
        "fork" if known.fork_gb_per_second.is_some_and(|speed| speed < 25.0) => vec![A::FasterForks],
        "command" => {
            let tune = match known.slowlog_us {
                None => Some(A::TurnOnSlowLog),
                Some(us) if us / 1_000 > known.threshold_ms => Some(A::LowerSlowLog),
                Some(_) => None,
            };
            tune.into_iter().chain([A::LookAtSlowLog, A::LargeCollections]).collect()
        }
        "fast-command" => vec![A::BusyMachine],
        "expire-cycle" => vec![A::SpreadDeadlines],
        "aof-write-pending-fsync" => vec![A::LocalDisk, A::FasterDisk, A::Writeback, A::BusyDisk],
        "aof-write-active-child" if known.no_fsync_on_rewrite || known.always => vec![A::FasterDisk, A::Writeback],
        "aof-write-active-child" => vec![A::FasterDisk, A::Writeback, A::HoldFsyncs],
        "aof-write-alone" => vec![A::LocalDisk, A::FasterDisk, A::Writeback],
        "aof-fsync-always" if known.always => vec![A::FasterDisk, A::RelaxPolicy],
        "aof-fstat" => vec![A::LocalDisk, A::BusyDisk],
        "aof-rename" | "aof-rewrite-diff-write" => vec![A::LocalDisk, A::FasterDisk, A::Writeback, A::LessToLog],
        _ => Vec::new(),
    }
}

impl Advice {
    fn text(self, known: Circumstances) -> String {
        let text = match self {
            Self::FasterForks => {
                "A fork copies the tables of all memory pages. Some hypervisors make that slow: another type of machine, or \
                 several smaller servers, fork faster."
            }
            Self::TurnOnSlowLog | Self::LowerSlowLog => return slow_log_text(self, known),
            Self::LookAtSlowLog => "SLOWLOG GET shows which commands took long, with their arguments and clients.",
            Self::LargeCollections => {
                "Commands that go through a whole collection or all keys (KEYS, SMEMBERS, HGETALL, SORT, LRANGE 0 -1, unions and \
                 intersections) take the longer the larger it is: use SCAN and its kind, or several smaller collections. Large \
                 values that are deleted are freed in the background."
            }
            Self::BusyMachine => {
                "Commands that do little took long: the server did not get the processor. Lower the load of the machine, keep other \
                 programs away from it, look whether a neighbour on the same host takes its time, and measure with 'redis-cli \
                 --intrinsic-latency 100'."
            }
            Self::LocalDisk => {
                "Keep 'dir' on a local disk: one behind a network takes longer for every write and every fsync."
            }
            Self::FasterDisk => {
                "A disk with flash memory, better one that is protected against power loss, ends an fsync in a fraction of the time."
            }
            Self::Writeback => {
                "On ext4 a write waits for the journal less often with data=writeback. After a power cut the end of the log is then \
                 more often torn; recovery cuts it at the last whole command, and what was fsynced is not touched."
            }
            Self::BusyDisk => "Find out what else keeps the disk busy, another server on it for example.",
            Self::HoldFsyncs => {
                "'no-appendfsync-on-rewrite yes' holds back fsyncs while a child writes. Until it ends, a power cut may then take \
                 more than the last second."
            }
            Self::RelaxPolicy => {
                "'appendfsync always' waits for the disk before every reply to a write. 'everysec' does not, if a power cut may \
                 take the last second."
            }
            Self::LessToLog => {
                "At the end of a rewrite everything written meanwhile goes into the new log. Fewer or smaller writes make that less, \
                 as does a rewrite at a quiet time."
            }
            Self::SpreadDeadlines => {
                "Many keys expired at the same time: add some seconds at random to their deadlines."
            }
            Self::NoHugePages => {
                "The process has memory in transparent huge pages: after a fork a write may copy 2 MB instead of 4 KB. \
                 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled', also at boot, and start the server again."
            }
        };
        text.to_owned()
    }
}

fn slow_log_text(advice: Advice, known: Circumstances) -> String {
    let why = match advice {
        Advice::TurnOnSlowLog => "The slow log is off, so that nothing tells which commands took long",
        _ => "The slow log leaves out commands that were observed here",
    };
    format!("{why}: 'CONFIG SET slowlog-log-slower-than {}'.", known.threshold_ms.max(1).saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Sample;

    const NOW_S: i64 = 1_000_000;

    /// Every event that there is here.
    const EVENTS: [&str; 12] = [
        "aof-fstat",
        "aof-fsync-always",
        "aof-rename",
        "aof-rewrite-diff-write",
        "aof-write",
        "aof-write-active-child",
        "aof-write-alone",
        "aof-write-pending-fsync",
        "command",
        "expire-cycle",
        "fast-command",
        "fork",
    ];

    fn known() -> Circumstances {
        Circumstances { threshold_ms: 100, slowlog_us: Some(10_000), ..Circumstances::default() }
    }

    /// A monitor in which each event took 100, 200 and 400 ms, a minute and half a minute ago and now.
    fn observed(events: &[&'static str]) -> LatencyMonitor {
        let mut monitor = LatencyMonitor::default();
        for event in events {
            for (ago_s, ms) in [(60, 100), (30, 200), (0, 400)] {
                monitor.add(event, Sample { unix_s: NOW_S - ago_s, ms }, 100);
            }
        }
        monitor
    }

    fn advice(event: &'static str, known: Circumstances) -> String {
        report(&observed(&[event]), known, NOW_S)
    }

    #[test]
    fn the_report_on_all_events() {
        let known = Circumstances {
            always: true,
            fork_gb_per_second: Some(9.5),
            huge_pages_bytes: 2 << 20,
            slowlog_us: None,
            ..known()
        };
        insta::assert_snapshot!(report(&observed(&EVENTS), known, NOW_S));
    }

    #[test]
    fn the_report_on_nothing() {
        let quiet = LatencyMonitor::default();
        let off = Circumstances { threshold_ms: 0, ..known() };
        let huge = Circumstances { huge_pages_bytes: 1, ..known() };
        let texts = [off, known(), huge].map(|known| report(&quiet, known, NOW_S));
        insta::assert_snapshot!(texts.join("---\n"));
    }

    #[test]
    fn what_was_observed_is_told_also_after_the_monitor_was_turned_off() {
        let off = Circumstances { threshold_ms: 0, ..known() };
        assert!(advice("command", off).contains("1. command: 3 latency spikes (average 233ms, mean deviation 111ms"));
    }

    #[test]
    fn an_event_alone_gets_its_advice_and_no_other() {
        let texts: Vec<String> = EVENTS.iter().map(|event| advice(event, known())).collect();
        insta::assert_snapshot!(texts.join("---\n"));
    }

    #[test]
    fn a_fast_fork_needs_no_advice() {
        let fork = |speed| advice("fork", Circumstances { fork_gb_per_second: Some(speed), ..known() });
        assert!(fork(24.9).contains("24.90 GB/sec (poor)") && fork(24.9).contains("What may help"));
        assert!(fork(25.0).contains("25.00 GB/sec (good)") && !fork(25.0).contains("What may help"));
        assert!(fork(100.0).contains("100.00 GB/sec (excellent)"));
        assert!(!advice("fork", known()).contains("GB/sec"), "of an unknown memory nothing is said");
    }

    #[test]
    fn advice_that_was_taken_is_not_given_again() {
        let held = Circumstances { no_fsync_on_rewrite: true, ..known() };
        assert!(advice("aof-write-active-child", known()).contains("no-appendfsync-on-rewrite"));
        assert!(!advice("aof-write-active-child", held).contains("no-appendfsync-on-rewrite"));
        let always = Circumstances { always: true, ..known() };
        assert!(advice("aof-fsync-always", always).contains("'everysec'"));
        assert!(!advice("aof-fsync-always", known()).contains("'everysec'"));
        let leaves_out = Circumstances { slowlog_us: Some(101_000), ..known() };
        assert!(advice("command", leaves_out).contains("slowlog-log-slower-than 100000"));
        assert!(!advice("command", known()).contains("slowlog-log-slower-than"));
    }
}
