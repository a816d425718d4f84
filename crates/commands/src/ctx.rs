//! What a data command is given: the keyspace behind a [`Store`], its reply, randomness and limits.
//!
//! The parts are separate fields, so that a value borrowed from `ctx.store` can be written to `ctx.reply`.

use keyspace::Thresholds;
use resp_codec::Reply;

use crate::{CommandTable, Store};

/// Everything one command may use.
#[derive(Debug)]
pub struct Ctx<'a> {
    /// The keyspace, the time, and what is recorded about changes.
    pub store: Store<'a>,
    /// Where the reply goes.
    pub reply: Reply<'a>,
    /// For SPOP, RANDOMKEY and the like.
    pub rng: &'a mut fastrand::Rng,
    /// Settings that commands obey.
    pub limits: &'a CommandLimits,
    /// All commands that there are, for COMMAND.
    pub table: CommandTable,
}

/// The settings that data commands obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLimits {
    /// `proto-max-bulk-len`: no command makes a string longer than this, in bytes.
    pub max_string_bytes: usize,
    /// Up to where small collections stay compact.
    pub thresholds: Thresholds,
    /// `rdbcompression`: whether DUMP compresses strings where that pays.
    pub compress_dumps: bool,
}

impl Default for CommandLimits {
    /// Source: the defaults of Redis 7.2.
    fn default() -> Self {
        Self { max_string_bytes: 512 * 1024 * 1024, thresholds: Thresholds::default(), compress_dumps: true }
    }
}
