//! A log that holds nothing, beside a snapshot that holds keys: what a power cut may leave of a log that nobody had fsynced yet.
//!
//! Such a log is empty indeed only if its server said so when it ended in order, and the snapshot is older than that: a server whose log was
//! turned off says so too, and may save afterwards. Else the server does not start: whether the snapshot is of
//! the same dataset nobody knows but the operator, and nothing was promised of what the log lost.

use std::io;
use std::sync::Arc;

use aof_load::{Import, LoadOptions, Refusal, Sink, Unit};
use keyspace::{UnixMs, Value};
use resp_codec::Args;
use vfs::Dir;

use super::StartError;
use crate::clock::FileTime;
use crate::engine::Engine;

/// What is read of a snapshot at once.
const STEP_BYTES: u64 = 1 << 20;

/// The snapshot that stands beside a log, of which nobody says that it may be empty.
pub(super) struct Beside {
    dir: Arc<dyn Dir>,
    dump: String,
    options: LoadOptions,
}

impl Beside {
    /// Whether it was not there yet, or not as it is, when a file was written: the log's server may have gone on without it and saved.
    pub(super) fn is_newer_than(&self, name: &str) -> io::Result<bool> {
        let Some(dumped) = self.dir.stat(&self.dump)? else { return Ok(false) };
        Ok(self.dir.stat(name)?.is_none_or(|found| dumped.modified_ns >= found.modified_ns))
    }

    /// Whether it holds a key, or what cannot be read. Reads up to the first.
    pub(super) fn holds_data(&self) -> bool {
        match self.dir.stat(&self.dump) {
            Ok(None) => false,
            _ => self.holds_key().unwrap_or(true),
        }
    }

    fn holds_key(&self) -> Result<bool, aof_load::LoadError> {
        let Some(mut import) = Import::of_dump(&self.dir, &self.dump, self.options)? else { return Ok(false) };
        // The first key is refused, which is an error.
        while !import.step(&mut NoKeys, STEP_BYTES)?.is_done() {}
        Ok(false)
    }
}

/// Takes nothing.
struct NoKeys;

const NOTHING: Refusal = Refusal::CannotApply("nothing is loaded");

impl Sink for NoKeys {
    fn check(&mut self, _args: Args<'_>) -> Result<(), Refusal> {
        Err(NOTHING)
    }

    fn apply(&mut self, _unit: &Unit<'_>) -> Result<(), Refusal> {
        Err(NOTHING)
    }

    fn put(&mut self, _db: u32, _key: &[u8], _value: Value, _deadline: Option<UnixMs>) -> Result<(), Refusal> {
        Err(NOTHING)
    }
}

impl Engine {
    /// What stands beside the log.
    pub(super) fn beside(&self) -> Beside {
        Beside {
            dir: Arc::clone(&self.persistence.dir),
            dump: self.config.dbfilename.clone(),
            options: self.load_options(),
        }
    }

    /// The refusal to start with a log that holds nothing beside a snapshot, which names first what brings keys back.
    pub(super) fn lost_log(&self, log: &str) -> StartError {
        let dump = &self.config.dbfilename;
        let time = |name| FileTime(self.stat(name).ok().flatten().map_or(0, |found| found.modified_ns));
        let advice = format!(
            "{log} ({}) holds nothing, and nothing says that its server ended in order, so a crash may have taken what it held. Either {away} ({}), or \
             move {dump} away to start empty",
            time(log),
            time(dump),
            away = self.away(log)
        );
        StartError::BesideData { dir: self.persistence.dir_name(), found: dump.clone(), advice }
    }
}
