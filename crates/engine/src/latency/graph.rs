//! LATENCY GRAPH: the samples of an event as columns of characters, with how long ago each was beneath it.
//!
//! Source: latencyCommandGenSparkeline and sparklineRender of Redis 7.2 (the format, which tools and people know).

use super::{Sample, Series};

/// Columns of a line; more samples go on in another graph below.
const COLUMNS: usize = 80;
/// Lines that a column may be high.
const ROWS: u64 = 4;
/// What stands at the top of a column, by how much of its line it fills.
const TOPS: &[u8] = b"_o#";
/// What stands below the top.
const BODY: u8 = b'|';

/// Draws the samples of `event` as seen at `now_s`, in seconds since the epoch.
pub(crate) fn graph(event: &str, series: &Series, now_s: i64) -> String {
    let samples: Vec<Sample> = series.samples().collect();
    let all = || samples.iter().map(|sample| sample.ms);
    let scale = Scale { low_ms: all().min().unwrap_or(0), high_ms: all().max().unwrap_or(0) };
    let mut text = format!(
        "{event} - high {} ms, low {} ms (all time high {} ms)\n{}\n",
        scale.high_ms,
        scale.low_ms,
        series.max_ms,
        "-".repeat(COLUMNS)
    );
    for (number, samples) in samples.chunks(COLUMNS).enumerate() {
        if number > 0 {
            text.push('\n');
        }
        draw(&mut text, samples, scale, now_s);
    }
    text
}

/// The lowest and the highest sample of an event: the whole height of a graph.
#[derive(Clone, Copy)]
struct Scale {
    low_ms: u64,
    high_ms: u64,
}

impl Scale {
    /// How high a column is, in parts of a line, from 0.
    fn step(self, ms: u64) -> u64 {
        let steps = ROWS * TOPS.len() as u64;
        let range_ms = (self.high_ms - self.low_ms).max(1);
        let step = u128::from(ms - self.low_ms) * u128::from(steps) / u128::from(range_ms);
        u64::try_from(step).unwrap_or(u64::MAX).min(steps - 1)
    }
}

fn draw(text: &mut String, samples: &[Sample], scale: Scale, now_s: i64) {
    for row in (0..ROWS).rev() {
        line(text, samples.iter().map(|sample| block(scale.step(sample.ms), row)));
    }
    line(text, samples.iter().map(|_| b' '));
    let labels: Vec<String> = samples.iter().map(|sample| age(now_s - sample.unix_s)).collect();
    let longest = labels.iter().map(String::len).max().unwrap_or(0);
    for at in 0..longest {
        line(text, labels.iter().map(|label| label.as_bytes().get(at).copied().unwrap_or(b' ')));
    }
}

/// What a column of `step` parts shows in a line, counted from the lowest.
fn block(step: u64, row: u64) -> u8 {
    let Some(above) = step.checked_sub(row * TOPS.len() as u64) else { return b' ' };
    usize::try_from(above).ok().and_then(|above| TOPS.get(above)).copied().unwrap_or(BODY)
}

fn line(text: &mut String, characters: impl Iterator<Item = u8>) {
    text.extend(characters.map(char::from));
    text.push('\n');
}

/// How long ago something was, in the largest unit that fits.
fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        86_400.. => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The graph of samples taken so many seconds ago, a dot at the end of each line.
    fn drawn(samples: impl IntoIterator<Item = (i64, u64)>) -> String {
        let mut series = Series::default();
        for (ago_s, ms) in samples {
            series.add(Sample { unix_s: 1_000_000 - ago_s, ms });
        }
        graph("command", &series, 1_000_000).replace('\n', ".\n")
    }

    /// Recorded from redis-server 7.2.4, which had slept for so long each time.
    #[test]
    fn a_graph_is_that_of_redis() {
        let samples = [
            (14, 10),
            (13, 25),
            (12, 60),
            (11, 11),
            (9, 300),
            (8, 120),
            (7, 45),
            (6, 15),
            (5, 200),
            (3, 99),
            (2, 30),
            (1, 110),
        ];
        let redis = "\
command - high 300 ms, low 10 ms (all time high 300 ms).
--------------------------------------------------------------------------------.
    #       .
    |   o   .
    |o  |_ o.
__#_||o_||_|.
            .
111198765321.
4321ssssssss.
ssss        .
";
        assert_eq!(drawn(samples), redis);
    }

    #[test]
    fn ages_are_in_seconds_minutes_hours_and_days() {
        let samples = [172_800, 86_400, 86_399, 3_600, 3_599, 60, 59, 0].map(|ago_s| (ago_s, 7));
        insta::assert_snapshot!(drawn(samples));
    }

    #[test]
    fn eighty_samples_fill_a_line_and_the_rest_goes_on_below() {
        insta::assert_snapshot!(drawn((1..=100).rev().map(|ago_s: i64| (ago_s, 1_000 - ago_s.unsigned_abs() * 10))));
    }

    #[test]
    fn durations_as_long_as_they_can_be_do_not_overflow() {
        assert!(drawn([(2, 0), (1, u64::MAX), (0, 1)]).contains("_|_."));
    }
}
