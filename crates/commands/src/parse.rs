//! Arguments as values: integers, floats, options, with Redis's errors.

use keyspace::UnixMs;
use numeric::{parse_f64, parse_i64};

use crate::CommandError;

/// An integer argument.
///
/// # Errors
/// `NotAnInteger`.
pub fn int(arg: &[u8]) -> Result<i64, CommandError> {
    parse_i64(arg).ok_or(CommandError::NotAnInteger)
}

/// An integer argument that must not be negative (`COUNT`, LPOP's count).
///
/// # Errors
/// `MustBePositive` for anything else, as Redis's `getPositiveLongFromObjectOrReply`.
pub fn not_negative(arg: &[u8]) -> Result<usize, CommandError> {
    parse_i64(arg).and_then(|value| usize::try_from(value).ok()).ok_or(CommandError::MustBePositive)
}

/// An integer argument within `min..=max`.
///
/// # Errors
/// `NotAnInteger`, `OutOfRangeBetween`.
pub fn int_in(arg: &[u8], min: i64, max: i64) -> Result<i64, CommandError> {
    let value = int(arg)?;
    if (min..=max).contains(&value) { Ok(value) } else { Err(CommandError::OutOfRangeBetween { min, max }) }
}

/// A number: a score, an increment of a score.
///
/// # Errors
/// `NotAFloat`.
pub fn float(arg: &[u8]) -> Result<f64, CommandError> {
    parse_f64(arg).ok_or(CommandError::NotAFloat)
}

/// Whether an argument is this option, in any case. Give `name` in upper case.
pub fn is(arg: &[u8], name: &str) -> bool {
    arg.eq_ignore_ascii_case(name.as_bytes())
}

/// A database number below `databases`.
///
/// # Errors
/// `NotAnInteger`, `OutOfRangeBetween` beyond 32 bits, `DbIndexOutOfRange`.
pub fn db_index(arg: &[u8], databases: u32) -> Result<u32, CommandError> {
    let index = int_in(arg, i32::MIN.into(), i32::MAX.into())?;
    u32::try_from(index).ok().filter(|db| *db < databases).ok_or(CommandError::DbIndexOutOfRange)
}

/// Resolves the `start` and `stop` of LRANGE, LTRIM, ZRANGE: inclusive, negative from the end, over `len`
/// elements. `None` if the range is empty, else first and one past the last.
pub fn range(start: i64, stop: i64, len: usize) -> Option<std::ops::Range<usize>> {
    let len = i64::try_from(len).ok()?;
    let from_end = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(len - 1));
    if start > stop {
        return None;
    }
    Some(usize::try_from(start).ok()?..usize::try_from(stop + 1).ok()?)
}

/// The unit and base of a deadline argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Seconds from now: `EX`, EXPIRE.
    Seconds,
    /// Milliseconds from now: `PX`, PEXPIRE.
    Millis,
    /// Seconds since the epoch: `EXAT`, EXPIREAT.
    UnixSeconds,
    /// Milliseconds since the epoch: `PXAT`, PEXPIREAT.
    UnixMillis,
}

impl Expiry {
    /// The unit of the option that `arg` spells, if it is one of the four.
    pub fn option(arg: &[u8]) -> Option<Self> {
        [("EX", Self::Seconds), ("PX", Self::Millis), ("EXAT", Self::UnixSeconds), ("PXAT", Self::UnixMillis)]
            .into_iter()
            .find_map(|(name, unit)| is(arg, name).then_some(unit))
    }

    /// The deadline that `value` in this unit means at `now`; `None` if it does not fit 64 bits of milliseconds.
    pub fn deadline(self, value: i64, now: UnixMs) -> Option<UnixMs> {
        let millis = match self {
            Self::Seconds | Self::UnixSeconds => value.checked_mul(1000)?,
            Self::Millis | Self::UnixMillis => value,
        };
        match self {
            Self::Seconds | Self::Millis => millis.checked_add(now.0).map(UnixMs),
            Self::UnixSeconds | Self::UnixMillis => Some(UnixMs(millis)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clamped_and_count_from_the_end() {
        for (start, stop, len, expected) in [
            (0, -1, 3, Some(0..3)),
            (-2, -1, 3, Some(1..3)),
            (-100, 100, 3, Some(0..3)),
            (1, 1, 3, Some(1..2)),
            (2, 1, 3, None),
            (3, 5, 3, None),
            (0, -4, 3, None),
            (0, 0, 0, None),
            (i64::MIN, i64::MAX, 3, Some(0..3)),
            (i64::MAX, i64::MIN, 3, None),
        ] {
            assert_eq!(range(start, stop, len), expected, "{start} {stop} of {len}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_told_apart() {
        assert_eq!(int_in(b"5", 0, 4), Err(CommandError::OutOfRangeBetween { min: 0, max: 4 }));
        assert_eq!(int_in(b"x", 0, 4), Err(CommandError::NotAnInteger));
        assert_eq!(int_in(b"4", 0, 4), Ok(4));
        assert_eq!(not_negative(b"-1"), Err(CommandError::MustBePositive));
        assert_eq!(not_negative(b"0"), Ok(0));
        assert_eq!(float(b"nan"), Err(CommandError::NotAFloat));
        assert_eq!(db_index(b"16", 16), Err(CommandError::DbIndexOutOfRange));
        assert_eq!(db_index(b"15", 16), Ok(15));
    }

    #[test]
    fn deadlines_that_do_not_fit_are_none() {
        let now = UnixMs(1_000);
        for (unit, value, expected) in [
            (Expiry::Seconds, 2, Some(3_000)),
            (Expiry::Millis, 2, Some(1_002)),
            (Expiry::UnixSeconds, 2, Some(2_000)),
            (Expiry::UnixMillis, 2, Some(2)),
            (Expiry::Seconds, i64::MAX / 1000 + 1, None),
            (Expiry::Seconds, i64::MAX / 1000, None),
            (Expiry::Millis, i64::MAX, None),
            (Expiry::UnixSeconds, i64::MIN / 1000 - 1, None),
            (Expiry::UnixMillis, i64::MAX, Some(i64::MAX)),
        ] {
            assert_eq!(unit.deadline(value, now), expected.map(UnixMs), "{unit:?} {value}");
        }
    }
}
