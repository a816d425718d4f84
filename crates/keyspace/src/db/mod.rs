//! One database.

use crate::hashing::{HashSeed, Key};
use crate::time::{Deadline, UnixMs};
use crate::types::string::StrRef;
use crate::value::{Value, ValueMut, ValueRef};

/// One numbered database: keys, values, deadlines.
#[derive(Clone, Debug)]
pub struct Db {
    seed: HashSeed,
}

/// One key as iteration shows it.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    /// The key's bytes.
    pub key: &'a [u8],
    /// The value.
    pub value: ValueRef<'a>,
    /// When the key expires, if it does.
    pub deadline: Option<UnixMs>,
}

/// What [`Db::delete`] did.
#[derive(Debug)]
pub enum Removed {
    /// There was no such key.
    Missing,
    /// The key is gone and its small value was freed on the spot.
    Freed,
    /// The key is gone; freeing this value takes long: drop it elsewhere.
    Large(Value),
}

/// A string value to be changed in place.
#[derive(Debug)]
pub struct StrMut<'a> {
    value: &'a mut crate::Str,
}

impl StrMut<'_> {
    /// The string as it is now.
    pub fn as_ref(&self) -> StrRef<'_> {
        self.value.as_ref()
    }
    /// Replaces the string.
    pub fn set(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }
    /// Replaces the string by an integer.
    pub fn set_i64(&mut self, value: i64) {
        let _ = value;
        todo!()
    }
    /// Appends; returns the new length.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let _ = bytes;
        todo!()
    }
    /// Overwrites from `offset` (SETRANGE), filling a gap with zeros; returns the new length.
    pub fn overwrite(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let _ = (offset, bytes);
        todo!()
    }
    /// The plain bytes, to be changed at will (SETBIT, BITFIELD): no integer encoding afterwards.
    pub fn make_mut(&mut self) -> &mut Vec<u8> {
        todo!()
    }
}

#[expect(unused_variables, reason = "first seam")]
impl Db {
    pub(crate) fn new(seed: HashSeed) -> Self {
        Self { seed }
    }
    pub(crate) fn freeze_growth(&mut self, on: bool) {
        todo!()
    }
    /// Number of keys, expired ones included.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Number of keys with a deadline.
    pub fn volatile_len(&self) -> usize {
        todo!()
    }
    /// The value of a key; ignores expiry, which is the caller's decision.
    pub fn get(&self, key: Key<'_>) -> Option<ValueRef<'_>> {
        todo!()
    }
    /// The value of a key, to be changed. The caller removes a collection that became empty.
    pub fn get_mut(&mut self, key: Key<'_>) -> Option<ValueMut<'_>> {
        todo!()
    }
    /// Whether the key exists, expired or not.
    pub fn contains(&self, key: Key<'_>) -> bool {
        todo!()
    }
    /// The key's deadline; `None` without a key or without a deadline.
    pub fn deadline(&self, key: Key<'_>) -> Option<UnixMs> {
        todo!()
    }
    /// Whether the key's deadline lies before `now`.
    pub fn is_expired(&self, key: Key<'_>, now: UnixMs) -> bool {
        todo!()
    }
    /// Sets or removes the deadline; false without such a key.
    pub fn set_deadline(&mut self, key: Key<'_>, at: Option<UnixMs>) -> bool {
        todo!()
    }
    /// Sets a string; returns a replaced value that takes long to free, to be dropped elsewhere.
    pub fn set_str(&mut self, key: Key<'_>, bytes: &[u8], deadline: Deadline) -> Option<Value> {
        todo!()
    }
    /// Inserts or replaces; returns the replaced value.
    pub fn insert(&mut self, key: Key<'_>, value: Value, deadline: Deadline) -> Option<Value> {
        todo!()
    }
    /// Removes a key; returns its value and deadline.
    pub fn remove(&mut self, key: Key<'_>) -> Option<(Value, Option<UnixMs>)> {
        todo!()
    }
    /// Removes a key without taking out a small value: cheaper than [`Db::remove`] for DEL.
    pub fn delete(&mut self, key: Key<'_>) -> Removed {
        todo!()
    }
    /// A random key, about evenly distributed.
    pub fn random_key(&self, rng: &mut fastrand::Rng) -> Option<&[u8]> {
        todo!()
    }
    /// Visits about `count` keys from `cursor` on (0 starts); returns the next cursor, 0 at the end.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(EntryRef<'a>)) -> u64 {
        todo!()
    }
    /// Visits every key, in hash order of segments.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        std::iter::empty()
    }
    /// Empties the database; returns the old content, to be dropped elsewhere.
    pub fn clear(&mut self) -> Self {
        todo!()
    }
    /// Collects up to `limit` keys whose deadline lies before `now`, earliest first; true when more may remain.
    pub fn expired(&self, now: UnixMs, limit: usize, out: &mut Vec<Box<[u8]>>) -> bool {
        todo!()
    }
}
