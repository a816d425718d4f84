//! Where the engine's log lines go. The text is Redis's own where operators and tools grep for it; the line around it
//! (pid, role, time) is the caller's.

use std::fmt;

/// Severity of a log line, as in `loglevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `.`
    Debug,
    /// `-`
    Verbose,
    /// `*`
    Notice,
    /// `#`
    Warning,
    /// `nothing` as a threshold: no line has it.
    Nothing,
}

impl Level {
    /// The character that stands for the level in a log line.
    pub fn mark(self) -> char {
        match self {
            Self::Debug => '.',
            Self::Verbose => '-',
            Self::Notice => '*',
            Self::Warning | Self::Nothing => '#',
        }
    }
}

/// Takes log lines.
pub trait Log {
    /// Writes one line; never fails towards the engine.
    fn line(&mut self, level: Level, text: fmt::Arguments<'_>);

    /// Lines below `level` are no longer written (CONFIG SET loglevel). One that keeps every line need not care.
    fn set_level(&mut self, _level: Level) {}
}

/// Keeps the lines: for tests, which fail on lines they did not expect.
#[derive(Debug, Default)]
pub struct MemoryLog(pub std::sync::Arc<parking_lot::Mutex<Vec<(Level, String)>>>);

impl Log for MemoryLog {
    fn line(&mut self, level: Level, text: fmt::Arguments<'_>) {
        self.0.lock().push((level, text.to_string()));
    }
}

macro_rules! from_level_of {
    ($crate_name:ident) => {
        impl From<$crate_name::Level> for Level {
            fn from(level: $crate_name::Level) -> Self {
                match level {
                    $crate_name::Level::Notice => Self::Notice,
                    $crate_name::Level::Warning => Self::Warning,
                }
            }
        }
    };
}

from_level_of!(aof_buffer);
from_level_of!(aof_load);
// Of `rdb_save` too: both have that of `child-file`.
from_level_of!(aof_rewrite);
