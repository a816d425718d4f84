//! How values of directives are read and shown: yes and no, integers, memory sizes, names.

use super::directives::ConfigError;
use super::{Config, DebugCommand, OutputLimit};
use crate::log::Level;

pub(super) fn yes_no(value: &str) -> Result<bool, ConfigError> {
    match value {
        v if v.eq_ignore_ascii_case("yes") => Ok(true),
        v if v.eq_ignore_ascii_case("no") => Ok(false),
        _ => Err(ConfigError::NotYesNo),
    }
}

pub(super) fn show_bool(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

pub(super) fn integer(value: &str, min: u64, max: u64) -> Result<u64, ConfigError> {
    let n = numeric::parse_i64(value.as_bytes()).ok_or(ConfigError::NotAnInteger)?;
    u64::try_from(n).ok().filter(|n| (min..=max).contains(n)).ok_or(ConfigError::OutOfRange { min, max })
}

/// An integer that may be negative.
pub(super) fn integer_from(value: &str, min: i64, max: i64) -> Result<i64, ConfigError> {
    let n = numeric::parse_i64(value.as_bytes()).ok_or(ConfigError::NotAnInteger)?;
    if (min..=max).contains(&n) { Ok(n) } else { Err(ConfigError::OutOfSignedRange { min, max }) }
}

pub(super) fn integer_u32(value: &str, min: u32, max: u32) -> Result<u32, ConfigError> {
    integer(value, min.into(), max.into()).map(|n| u32::try_from(n).expect("bounded by a u32"))
}

/// Reads a number of bytes: `1k` is 1000, `1kb` is 1024, and so on. Source: memtoull of Redis.
pub(super) fn memory(value: &str) -> Result<u64, ConfigError> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let unit: u64 = match value[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return Err(ConfigError::NotMemory),
    };
    // No digits at all are 0.
    let number = if digits == 0 { "0" } else { &value[..digits] };
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).ok_or(ConfigError::NotMemory)
}

/// Writes a number of bytes, with a unit where it is a whole number of it. Source: rewriteConfigFormatMemory of Redis.
pub(super) fn show_memory(bytes: u64) -> String {
    let units = [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)];
    let whole = units.into_iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

pub(super) fn memory_between(value: &str, min: u64, max: u64) -> Result<u64, ConfigError> {
    let n = memory(value)?;
    if (min..=max).contains(&n) { Ok(n) } else { Err(ConfigError::OutOfRange { min, max }) }
}

/// Up to how many elements; as large as Redis takes it. Source: createSizeTConfig of Redis 7.2.
pub(super) fn size(value: &str) -> Result<usize, ConfigError> {
    integer(value, 0, i64::MAX.unsigned_abs()).map(in_memory)
}

/// The same in bytes.
pub(super) fn size_bytes(value: &str) -> Result<usize, ConfigError> {
    memory_between(value, 0, i64::MAX.unsigned_abs()).map(in_memory)
}

fn in_memory(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// Percentiles, separated by spaces. Source of the errors: setConfigLatencyTrackingInfoPercentilesOutputOption of Redis 7.2.
pub(super) fn percentiles(value: &str) -> Result<Vec<f64>, ConfigError> {
    let percentile = |word: &str| {
        let reason = "Invalid latency-tracking-info-percentiles parameters";
        let percentile = numeric::parse_f64(word.as_bytes()).ok_or(ConfigError::Malformed { reason })?;
        let reason = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
        if (0.0..=100.0).contains(&percentile) { Ok(percentile) } else { Err(ConfigError::Malformed { reason }) }
    };
    value.split_ascii_whitespace().map(percentile).collect()
}

pub(super) fn show_percentiles(percentiles: &[f64]) -> String {
    percentiles.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
}

pub(super) const FSYNC_NAMES: &str = "everysec, always, no";
pub(super) const LEVEL_NAMES: &str = "debug, verbose, notice, warning, nothing";

pub(super) fn level(value: &str) -> Result<Level, ConfigError> {
    match value.to_ascii_lowercase().as_str() {
        "debug" => Ok(Level::Debug),
        "verbose" => Ok(Level::Verbose),
        "notice" => Ok(Level::Notice),
        "warning" => Ok(Level::Warning),
        "nothing" => Ok(Level::Nothing),
        _ => Err(ConfigError::NotOneOf { names: LEVEL_NAMES }),
    }
}

pub(super) fn show_level(level: Level) -> String {
    match level {
        Level::Debug => "debug",
        Level::Verbose => "verbose",
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Nothing => "nothing",
    }
    .to_owned()
}

pub(super) fn debug_command(value: &str) -> Result<DebugCommand, ConfigError> {
    match value.to_ascii_lowercase().as_str() {
        "no" => Ok(DebugCommand::No),
        "yes" => Ok(DebugCommand::Yes),
        "local" => Ok(DebugCommand::Local),
        _ => Err(ConfigError::NotOneOf { names: "no, yes, local" }),
    }
}

pub(super) fn show_debug_command(who: DebugCommand) -> String {
    match who {
        DebugCommand::No => "no",
        DebugCommand::Yes => "yes",
        DebugCommand::Local => "local",
    }
    .to_owned()
}

/// A name in the directory of the persistence files; `reason` says why a path is none.
pub(super) fn name_in_dir(value: &str, reason: &'static str) -> Result<String, ConfigError> {
    if value.is_empty() || value.contains('/') || value == "." || value == ".." {
        return Err(ConfigError::Malformed { reason });
    }
    Ok(value.to_owned())
}

pub(super) fn set_output_limits(c: &mut Config, value: &str) -> Result<(), ConfigError> {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    if !words.len().is_multiple_of(4) {
        return Err(ConfigError::Malformed { reason: "Wrong number of arguments in buffer limit configuration." });
    }
    for w in words.chunks(4) {
        let wrong = ConfigError::Malformed {
            reason: "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        };
        let bytes = |text| memory(text).map_err(|_| wrong.clone());
        let limit = OutputLimit {
            hard_bytes: bytes(w[1])?,
            soft_bytes: bytes(w[2])?,
            soft_seconds: w[3].parse::<u32>().map_err(|_| wrong.clone())?.into(),
        };
        match w[0].to_ascii_lowercase().as_str() {
            "normal" => c.output_limit_normal = limit,
            "replica" | "slave" => c.output_limit_replica = limit,
            "pubsub" => c.output_limit_pubsub = limit,
            _ => {
                return Err(ConfigError::Malformed {
                    reason: "Invalid client class specified in buffer limit configuration.",
                });
            }
        }
    }
    Ok(())
}

pub(super) fn show_output_limits(c: &Config) -> String {
    [("normal", c.output_limit_normal), ("slave", c.output_limit_replica), ("pubsub", c.output_limit_pubsub)]
        .map(|(class, l)| format!("{class} {} {} {}", l.hard_bytes, l.soft_bytes, l.soft_seconds))
        .join(" ")
}
