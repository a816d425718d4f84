//! Where recovered commands go, and why it may refuse one.

use keyspace::{CustomTypes, Thresholds, UnixMs, Value};
use resp_codec::Args;

use crate::Unit;

/// Takes the recovered units. The engine's applies them through the command table, on behalf of a client that is never
/// replied to; a tool's may only look at them.
///
/// Nothing on disk was changed when a method of the sink is called, and a refusal leaves it so.
pub trait Sink {
    /// Says whether this command may stand in a log: a known name, enough arguments, a command that is allowed there.
    /// Called for every command of a unit, in order, before the unit is applied.
    ///
    /// # Errors
    /// The reason why not. Loading ends with an error that names the command and its offset; or, if the command holds NUL
    /// bytes and lies in the unproven end of the file, with a cut before its unit.
    fn check(&mut self, args: Args<'_>) -> Result<(), Refusal>;

    /// Applies one unit whole. `SELECT` comes as an ordinary command, alone or inside of a transaction.
    ///
    /// # Errors
    /// The reason why it cannot be applied. Loading ends with an error; or, if the unit is a single command with a hole in
    /// the unproven end of the file, with a cut before it. So a single command that is refused must have changed nothing.
    fn apply(&mut self, unit: &Unit<'_>) -> Result<(), Refusal>;

    /// Takes a key of a snapshot, which stands before all commands and does not select a database for them. The deadline may be
    /// over; it is kept all the same.
    ///
    /// # Errors
    /// The reason why not. Loading ends with an error that names the key and its offset.
    fn put(&mut self, db: u32, key: &[u8], value: Value, deadline: Option<UnixMs>) -> Result<(), Refusal>;

    /// Up to where the collections of a snapshot take their compact forms. The defaults unless implemented.
    fn thresholds(&self) -> Thresholds {
        Thresholds::default()
    }

    /// The custom types whose values a snapshot may hold: those of other types are refused by name. None unless implemented.
    fn custom_types(&self) -> CustomTypes {
        CustomTypes::default()
    }

    /// Whether a log may end here, of whose `size_bytes` bytes the first `whole_bytes` are whole: asked once, before anything on disk
    /// changes. True unless implemented. A log that lost all that it held looks like an empty one, and only the sink knows what else there is.
    fn may_end(&mut self, whole_bytes: u64, size_bytes: u64) -> bool {
        let _ = (whole_bytes, size_bytes);
        true
    }

    /// Another file of the log begins: its commands are those of a new client, for which database 0 is selected. Does nothing
    /// unless implemented: a log in one file is one client's from its first byte.
    fn begin_file(&mut self) {}
}

/// Why a sink refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No command has this name.
    #[error("unknown command")]
    UnknownCommand,
    /// It has too few arguments, or too many.
    #[error("wrong number of arguments")]
    WrongArity,
    /// A command that is never logged: its presence says that this is no log, or that somebody wrote into it.
    #[error("command not allowed in an append-only file")]
    NotAllowedInLog,
    /// It may stand in a log, but it cannot be carried out here (a database number out of range, an argument that makes
    /// no sense).
    #[error("{0}")]
    CannotApply(&'static str),
}
