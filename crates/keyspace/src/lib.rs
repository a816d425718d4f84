//! An in-memory keyspace: databases, values, expiry.
//!
//! No RESP, no files, no clock and no randomness of its own: `now` and the random generator are arguments.

mod db;
mod digest;
mod hashing;
mod keyspace;
mod table;
mod time;
mod types;
mod value;

pub use db::{Db, EntryRef, Removed, StrMut};
pub use hashing::{HashSeed, Key, KeyHash};
pub use keyspace::Keyspace;
pub use numeric::IntBuf;
pub use time::{Deadline, UnixMs};
pub use types::elem::Elem;
pub use types::hash::Hash;
pub use types::list::List;
pub use types::set::Set;
pub use types::string::{Str, StrRef};
pub use types::thresholds::Thresholds;
pub use types::zset::{Insert, LexBound, ScoreBound, ZSet};
/// Iterators over collections, by type.
pub mod iter {
    pub use crate::types::hash::Iter as HashIter;
    pub use crate::types::list::Iter as ListIter;
    pub use crate::types::set::Iter as SetIter;
    pub use crate::types::zset::Iter as ZSetIter;
}
pub use value::{LAZY_FREE_THRESHOLD, Value, ValueMut, ValueRef};
