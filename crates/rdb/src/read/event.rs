//! What a reader is told and what it gives.

use keyspace::{CustomTypes, Thresholds, UnixMs, Value};

use crate::format::{MAX_STRING_BYTES, ValueType};
use crate::module::{ModuleId, ModuleValue};

/// How a file is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Up to where collections take their compact forms.
    pub limits: Thresholds,
    /// Whether the checksum is compared, if the file has one (`rdbchecksum`).
    pub verify_checksum: bool,
    /// What happens to values of types that the keyspace does not have.
    pub unsupported: Unsupported,
    /// The custom types whose values are loaded.
    pub types: CustomTypes,
    /// Whether values of other custom types are taken apart; else they are unsupported.
    pub parse_modules: bool,
    /// Longest key, element or compact collection that is accepted, in bytes; at most [`MAX_STRING_BYTES`].
    pub max_string_bytes: u64,
}

impl Default for Options {
    /// Redis's thresholds, the checksum verified, everything unsupported refused.
    fn default() -> Self {
        Self {
            limits: Thresholds::default(),
            verify_checksum: true,
            unsupported: Unsupported::Refuse,
            types: CustomTypes::default(),
            parse_modules: false,
            max_string_bytes: MAX_STRING_BYTES,
        }
    }
}

/// What happens to values of types that the keyspace does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsupported {
    /// They are an error that names type, key and offset: nothing is lost unnoticed.
    #[default]
    Refuse,
    /// They are walked over, so that the rest of the file can be checked.
    Skip,
}

/// What one step of a reader came to.
#[derive(Debug)]
pub enum Step {
    /// An event.
    Event(Event),
    /// A piece of one; the next step goes on with it.
    More,
    /// Nothing: the file has ended, or was refused.
    Over,
}

/// One thing in a file, and where it begins: for a key, at the first of its attributes.
#[derive(Debug)]
pub struct Event {
    /// Position of its first byte.
    pub offset: u64,
    /// What it is.
    pub entry: Entry,
}

/// One thing in a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Entry {
    /// A field about the file: `redis-ver`, `ctime`, `aof-base` and such. Unknown ones mean nothing.
    Aux {
        /// Its name.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// The keys that follow belong to this database.
    SelectDb(u32),
    /// How large the database will be: a hint, which nobody vouches for.
    ResizeDb {
        /// Number of keys.
        keys: u64,
        /// Number of keys with a deadline.
        expires: u64,
    },
    /// The keys that follow belong to this slot of a cluster: a hint.
    SlotInfo {
        /// The slot.
        slot: u64,
        /// Number of keys.
        keys: u64,
        /// Number of keys with a deadline.
        expires: u64,
    },
    /// The source text of a library of functions.
    Function(Vec<u8>),
    /// Data of a module beside the keys.
    ModuleAux {
        /// Whose data they are.
        id: ModuleId,
        /// When they are to be loaded: 1 before the keys, 2 after them.
        when: u64,
        /// The data; `None` if they were walked over.
        value: Option<ModuleValue>,
    },
    /// A key with its value.
    Key(KeyEntry),
    /// The end.
    End(Checksum),
}

/// A key with its value and what belongs to it.
#[derive(Debug)]
pub struct KeyEntry {
    /// The number of its database.
    pub db: u32,
    /// Its name.
    pub key: Vec<u8>,
    /// When it expires. That may be over: whether it counts is the caller's decision.
    pub expire_at: Option<UnixMs>,
    /// Seconds since it was last used, under an LRU policy.
    pub idle_s: Option<u64>,
    /// How often it was used, on a logarithmic scale, under an LFU policy.
    pub freq: Option<u8>,
    /// Its value.
    pub content: Content,
}

/// What stands under a key.
#[derive(Debug)]
pub enum Content {
    /// A value of the keyspace.
    Value(Value),
    /// A value of a custom type that is not registered.
    Module(ModuleValue),
    /// A collection without elements, which no command leaves behind but old servers with bugs have saved. Redis 7 passes over
    /// such keys and counts them; so should a loader.
    Empty(ValueType),
    /// An unsupported value, which was walked over.
    Skipped(ValueType),
}

/// What became of the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It is the sum of the bytes that were read.
    Verified(u64),
    /// The server that wrote the file computed none (`rdbchecksum no`).
    NotComputed,
    /// It was not compared, because the options say so.
    NotVerified(u64),
    /// Files of versions below 5 have none.
    Absent,
}
