//! Databases, values, deadlines and digests; no RESP, no files, no clock: `now` and random generators are arguments.
//!
#![doc = include_str!("../README.md")]

#[cfg(test)]
mod alloc_tests;
mod batches;
mod custom;
mod db;
mod digest;
mod hashing;
mod keyspace;
mod redis_digest;
mod table;
mod time;
mod types;
mod unwritable;
mod value;

pub use batches::Batches;
pub use custom::{
    CannotLoad, CannotRewrite, Custom, CustomType, CustomTypes, CustomValue, DigestParts, Emission, EmitCommands,
    LoadParts, MAX_TYPE_VERSION, NotRegistered, ReadParts, Rebuilder, TYPE_NAME_BYTES, TypeTwice, WriteParts,
};
pub use db::{Db, EntryRef, Removed, StrMut};
pub use hashing::{HashSeed, Key, KeyHash};
pub use keyspace::Keyspace;
pub use numeric::IntBuf;
pub use time::{Deadline, LruClock, UnixMs};
pub use types::elem::Elem;
pub use types::hash::{Hash, HashBuilder};
pub use types::list::List;
pub use types::set::{Set, SetBuilder};
pub use types::string::{Str, StrRef};
pub use types::thresholds::Thresholds;
pub use types::zset::{Insert, LexBound, ScoreBound, ZSet, ZSetBuilder};
pub use unwritable::Unwritable;
pub use value::{LAZY_FREE_THRESHOLD, Value, ValueMut, ValueRef};

/// Iterators over collections, by type.
pub mod iter {
    pub use crate::types::hash::Iter as HashIter;
    pub use crate::types::list::Iter as ListIter;
    pub use crate::types::set::Iter as SetIter;
    pub use crate::types::zset::Iter as ZSetIter;
}
