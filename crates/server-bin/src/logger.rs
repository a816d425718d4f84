//! Log lines in Redis's format: `pid:role day mon year time.ms level message`, to a file or standard output.
//!
//! Source: serverLogRaw of Redis 7.2. A line that cannot be written is lost; the server goes on.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "the log file is no file of the engine's")]

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Context as _;
use engine::{Level, Log};

use crate::clock;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Where lines go.
#[derive(Clone)]
enum Target {
    Stdout,
    File(Arc<File>),
}

/// Writes log lines at or above a level. Clones write to the same file.
#[derive(Clone)]
pub(crate) struct Logger {
    target: Target,
    level: Level,
    pid: u32,
    line: String,
}

impl Logger {
    /// Opens the log: standard output for an empty name.
    pub(crate) fn open(name: &str, level: Level) -> anyhow::Result<Self> {
        let target = if name.is_empty() {
            Target::Stdout
        } else {
            let file = OpenOptions::new().create(true).append(true).open(name);
            Target::File(Arc::new(file.with_context(|| format!("Can't open the log file: {name}"))?))
        };
        Ok(Self { target, level, pid: std::process::id(), line: String::new() })
    }

    /// Whether lines go to a file, so that standard error shows none of them.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.target, Target::File(_))
    }
}

impl Log for Logger {
    fn set_level(&mut self, level: Level) {
        self.level = level;
    }

    fn line(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if level < self.level {
            return;
        }
        self.line.clear();
        let unix_us = clock::unix_us();
        let t = local_time(unix_us.div_euclid(1_000_000));
        let month = usize::try_from(t.tm_mon).ok().and_then(|m| MONTHS.get(m)).copied().unwrap_or("???");
        writeln!(
            self.line,
            "{}:M {:02} {month} {} {:02}:{:02}:{:02}.{:03} {} {text}",
            self.pid,
            t.tm_mday,
            t.tm_year + 1900,
            t.tm_hour,
            t.tm_min,
            t.tm_sec,
            unix_us.rem_euclid(1_000_000) / 1000,
            level.mark(),
        )
        .expect("writing to a String cannot fail");
        // Nobody is left to tell when the log itself cannot be written.
        let _lost: io::Result<()> = match &mut self.target {
            Target::Stdout => io::stdout().lock().write_all(self.line.as_bytes()),
            Target::File(file) => (&**file).write_all(self.line.as_bytes()),
        };
    }
}

#[expect(unsafe_code, reason = "std has no local time")]
fn local_time(unix_s: i64) -> libc::tm {
    // SAFETY: `tm` is plain data, for which all zeros is a value; its zone pointer is never followed here.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals, and localtime_r keeps neither.
    unsafe { libc::localtime_r(&raw const unix_s, &raw mut tm) };
    tm
}
