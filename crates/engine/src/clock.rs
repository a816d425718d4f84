//! The two clocks of the server, read once a loop turn by whoever owns them and passed in.
//!
//! Wall time sets deadlines of keys; monotonic time sets every waiting period. Neither is ever read in this crate.

use std::fmt;

use keyspace::UnixMs;

/// The time of one loop turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Microseconds of a clock that never goes back, from an arbitrary start.
    pub mono_us: u64,
    /// Microseconds since the Unix epoch; may jump.
    pub unix_us: i64,
}

impl Now {
    /// Monotonic time in milliseconds.
    pub fn mono_ms(self) -> u64 {
        self.mono_us / 1_000
    }

    /// Wall time in milliseconds, as deadlines are kept.
    pub fn unix(self) -> UnixMs {
        UnixMs(self.unix_us.div_euclid(1_000))
    }

    /// Wall time in seconds.
    pub fn unix_s(self) -> i64 {
        self.unix_us.div_euclid(1_000_000)
    }
}

impl Now {
    /// So much later.
    pub(crate) fn after_us(self, us: u64) -> Self {
        let unix_us = self.unix_us.saturating_add(i64::try_from(us).unwrap_or(i64::MAX));
        Self { mono_us: self.mono_us.saturating_add(us), unix_us }
    }

    /// Wall time in nanoseconds, as times of files are kept; 0 before 1970.
    pub(crate) fn unix_ns(self) -> u64 {
        u64::try_from(self.unix_us).unwrap_or(0).saturating_mul(1_000)
    }
}

/// The time of a file, in nanoseconds since the epoch, as operators read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileTime(pub(crate) u64);

impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000_000_000;
        let (year, month, day) = date_of(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// Year, month and day of a number of days since 1970. Years begin in March here, so that a leap day is the last of its year.
fn date_of(days: u64) -> (u64, u64, u64) {
    /// Days from 0000-03-01 to 1970-01-01.
    const TO_1970: u64 = 719_468;
    /// Days of 400 years.
    const ERA: u64 = 146_097;
    let days = days + TO_1970;
    let (era, of_era) = (days / ERA, days % ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_file_is_a_date_and_a_time_of_day() {
        let shown = |seconds: u64| FileTime(seconds * 1_000_000_000 + 999).to_string();
        assert_eq!(shown(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(shown(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(shown(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(shown(1_700_000_000), "2023-11-14 22:13:20 UTC");
        assert_eq!(shown(1_709_251_199), "2024-02-29 23:59:59 UTC");
        assert_eq!(shown(1_735_689_599), "2024-12-31 23:59:59 UTC");
        assert_eq!(shown(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }
}
