//! An in-memory keyspace: databases, values, expiry.
//!
//! No RESP, no files, no clock and no randomness of its own: `now` and the random generator are arguments.

mod db;
mod hashing;
mod int_text;
mod keyspace;
mod time;
mod types;
mod value;

pub use db::{Db, EntryRef, Removed, StrMut};
pub use hashing::{HashSeed, Key, KeyHash};
pub use int_text::IntBuf;
pub use keyspace::Keyspace;
pub use time::{Deadline, UnixMs};
pub use types::elem::Elem;
pub use types::hash::Hash;
pub use types::list::List;
pub use types::set::Set;
pub use types::string::{Str, StrRef};
pub use types::thresholds::Thresholds;
pub use types::zset::{Insert, LexBound, ScoreBound, ZSet};
pub use value::{LAZY_FREE_THRESHOLD, Value, ValueMut, ValueRef};
