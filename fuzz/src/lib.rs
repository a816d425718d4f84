#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - `targets`: one module for each; what must hold stands at its top.
//! - `memory`: the bound on what an input may take, by an allocator that counts. `time`: the longest that one took.
//! - `log`: a naive reader of logs. `model`: naive data types. Both are what the real ones are compared with.
//! - `world`: an engine over a simulated disk, fed with requests.
#![allow(clippy::panic, clippy::print_stderr, reason = "a target that panics has found something")]

mod log;
mod memory;
mod model;
mod targets;
mod time;
mod world;

/// A property of every input.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of its program, its corpus and its words.
    pub name: &'static str,
    run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Logs: check, salvage and recovery.
pub const AOF: Target = target("aof", targets::aof::run);
/// Commands with any arguments.
pub const COMMANDS: Target = target("commands", targets::commands::run);
/// Configuration files.
pub const CONFIG: Target = target("config", targets::config::run);
/// Commands that could take long.
pub const COST: Target = target("cost", targets::cost::run);
/// Inline requests.
pub const INLINE: Target = target("inline", targets::inline::run);
/// Manifests of logs in several files.
pub const MANIFEST: Target = target("manifest", targets::manifest::run);
/// Commands against naive data types.
pub const MODEL: Target = target("model", targets::model::run);
/// RDB files.
pub const RDB: Target = target("rdb", targets::rdb::run);
/// Requests.
pub const RESP: Target = target("resp", targets::resp::run);
/// Payloads of RESTORE.
pub const RESTORE: Target = target("restore", targets::restore::run);

/// Every target. A program names its own, so that nothing else is linked into it.
pub const TARGETS: [Target; 10] = [AOF, COMMANDS, CONFIG, COST, INLINE, MANIFEST, MODEL, RDB, RESP, RESTORE];

impl Target {
    /// Runs it with an input, within the bound on memory.
    ///
    /// # Panics
    /// If the input shows that something does not hold. Memory beyond the bound ends the process.
    pub fn run(&self, input: &[u8]) {
        time::told(input.len(), || memory::bounded(input.len(), || (self.run)(input)));
    }
}
