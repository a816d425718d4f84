//! What a record says of where it was made: processor, kernel, versions, commit. No name of a host and no path.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

/// The machine and the sources.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) rustc: String,
    pub(crate) redis_benchmark: String,
}

impl Machine {
    /// Looks at this one. What cannot be found out is `unknown`.
    pub(crate) fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let memory_kib = field(&read("/proc/meminfo"), "MemTotal").and_then(|text| number(&text)).unwrap_or(0);
        Self {
            date: date(days_since_1970()),
            commit: commit(),
            kernel: kernel(&read("/proc/sys/kernel/osrelease")),
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            memory_gib: memory_kib.div_ceil(1 << 20),
            rustc: said("rustc", &["--version"]).unwrap_or_else(unknown),
            redis_benchmark: said("redis-benchmark", &["--version"]).unwrap_or_else(unknown),
        }
    }

    /// For the record's JSON.
    pub(crate) fn json(&self) -> Json {
        json!({
            "date": self.date, "commit": self.commit, "kernel": self.kernel, "processor": self.processor,
            "cores": self.cores, "memory_gib": self.memory_gib, "rustc": self.rustc,
            "redis_benchmark": self.redis_benchmark,
        })
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// What a program prints, in the sources' directory.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).current_dir(testkit::binary::workspace_root()).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn commit() -> String {
    let Some(hash) = said("git", &["rev-parse", "--short=12", "HEAD"]) else { return unknown() };
    match said("git", &["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => hash,
        _ => format!("{hash} with changes"),
    }
}

/// The kernel's version without what a distribution or a host appends to it.
fn kernel(release: &str) -> String {
    let digits = release.trim().split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    if digits.is_empty() { unknown() } else { format!("Linux {digits}") }
}

/// The value of the first line that begins with `name`, in the form of /proc: `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn days_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400)
}

/// Year, month and day of a day, counted from 1970-01-01: a walk over years and months.
fn date(mut days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        let cases = [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (19_722, "2023-12-31"),
            (20_782, "2026-11-25"),
        ];
        for (days, expected) in cases {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn a_kernel_is_named_by_its_version_alone() {
        assert_eq!(kernel("6.1.0-28-amd64\n"), "Linux 6.1.0");
        assert_eq!(kernel(""), "unknown");
    }
}
