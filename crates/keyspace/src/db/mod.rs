//! One database: the table of keys and the index of their deadlines.
//!
//! Expiry is the caller's decision: an expired key is there until someone removes it. The invariant kept here is that
//! the index names exactly the keys that have a deadline.

mod entry;
mod expiry;
mod node;
mod str_mut;
#[cfg(test)]
mod tests;

pub(crate) use entry::Entry;
use expiry::Expiry;
pub use str_mut::StrMut;

use crate::hashing::{HashSeed, Key, KeyHash};
use crate::table::Table;
use crate::time::{Deadline, LruClock, UnixMs};
use crate::types::elem::Elem;
use crate::types::string::StrRef;
use crate::value::{Value, ValueMut, ValueRef};

/// One numbered database: keys, values, deadlines.
#[derive(Clone, Debug)]
pub struct Db {
    table: Table,
    expiry: Expiry,
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
    /// When the key was last used.
    pub used: LruClock,
}

impl<'a> From<&'a Entry> for EntryRef<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self { key: entry.key(), value: entry.value(), deadline: entry.deadline(), used: entry.used() }
    }
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

impl Deadline {
    /// The deadline after a write to a key that had `old`.
    fn after(self, old: Option<UnixMs>) -> Option<UnixMs> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::At(at) => Some(at),
        }
    }
}

impl Db {
    pub(crate) fn new(seed: HashSeed) -> Self {
        Self { table: Table::new(seed), expiry: Expiry::default() }
    }

    pub(crate) fn freeze_growth(&mut self, on: bool) {
        self.table.freeze(on);
    }

    /// Number of keys, expired ones included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of keys with a deadline.
    pub fn volatile_len(&self) -> usize {
        self.expiry.keys()
    }

    /// The earliest deadline of any key.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        self.expiry.next()
    }

    /// The average deadline of the keys that have one.
    pub fn average_deadline(&self) -> Option<UnixMs> {
        self.expiry.average()
    }

    /// The value of a key; ignores expiry, which is the caller's decision.
    pub fn get(&self, key: Key<'_>) -> Option<ValueRef<'_>> {
        let entry = self.table.get(key.hash, key.bytes)?;
        entry.touch(key);
        Some(entry.value())
    }

    /// The value of a key, to be changed. The caller removes a collection that became empty.
    pub fn get_mut(&mut self, key: Key<'_>) -> Option<ValueMut<'_>> {
        let entry = self.table.get_mut(key.hash, key.bytes)?;
        entry.touch(key);
        Some(entry.value_mut())
    }

    /// The key with its value and deadline, for one lookup instead of two. Does not count as a use.
    pub fn entry(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        self.table.get(key.hash, key.bytes).map(EntryRef::from)
    }

    /// Whether the key exists, expired or not.
    pub fn contains(&self, key: Key<'_>) -> bool {
        self.table.get(key.hash, key.bytes).is_some()
    }

    /// The key's deadline; `None` without a key or without a deadline.
    pub fn deadline(&self, key: Key<'_>) -> Option<UnixMs> {
        if self.expiry.keys() == 0 {
            return None;
        }
        self.table.get(key.hash, key.bytes)?.deadline()
    }

    /// Whether the key's deadline lies before `now`.
    pub fn is_expired(&self, key: Key<'_>, now: UnixMs) -> bool {
        self.deadline(key).is_some_and(|at| at < now)
    }

    /// Sets or removes the deadline; false without such a key.
    pub fn set_deadline(&mut self, key: Key<'_>, at: Option<UnixMs>) -> bool {
        let Some(entry) = self.table.get_mut(key.hash, key.bytes) else { return false };
        entry.touch(key);
        let old = entry.deadline();
        if old != at {
            entry.set_deadline(at);
            self.note_deadline(key.hash, old, at);
        }
        true
    }

    /// Sets a string; returns a replaced value that takes long to free, to be dropped elsewhere.
    pub fn set_str(&mut self, key: Key<'_>, bytes: &[u8], deadline: Deadline) -> Option<Value> {
        let text = StrRef::new(Elem::new(bytes), false);
        let Some(entry) = self.table.get_mut(key.hash, key.bytes) else {
            let at = deadline.after(None);
            self.add(key, Entry::with_str(key.bytes, text, at), at);
            return None;
        };
        let old = entry.deadline();
        let new = deadline.after(old);
        let replaced = entry.set_str(text, new);
        entry.touch(key);
        self.note_deadline(key.hash, old, new);
        replaced
    }

    /// Inserts or replaces; returns the replaced value.
    pub fn insert(&mut self, key: Key<'_>, value: Value, deadline: Deadline) -> Option<Value> {
        let Some(entry) = self.table.get_mut(key.hash, key.bytes) else {
            let at = deadline.after(None);
            self.add(key, Entry::new(key.bytes, value, at), at);
            return None;
        };
        let old = entry.deadline();
        let new = deadline.after(old);
        let replaced = entry.replace(value, new);
        entry.touch(key);
        self.note_deadline(key.hash, old, new);
        Some(replaced)
    }

    fn add(&mut self, key: Key<'_>, entry: Entry, at: Option<UnixMs>) {
        entry.set_used(key.now);
        self.table.insert_new(key.hash, entry);
        self.note_deadline(key.hash, None, at);
    }

    /// Tells the index that the deadline of a key, already changed in the table, was `old` and is `new`.
    fn note_deadline(&mut self, hash: KeyHash, old: Option<UnixMs>, new: Option<UnixMs>) {
        if old == new {
            return;
        }
        if let Some(at) = old {
            let shared = self.table.with_hash(hash).any(|entry| entry.deadline() == Some(at));
            self.expiry.forget(at, hash, shared);
        }
        if let Some(at) = new {
            self.expiry.add(at, hash);
        }
    }

    fn take(&mut self, key: Key<'_>) -> Option<Entry> {
        let entry = self.table.remove(key.hash, key.bytes)?;
        self.note_deadline(key.hash, entry.deadline(), None);
        Some(entry)
    }

    /// Removes a key; returns its value and deadline.
    pub fn remove(&mut self, key: Key<'_>) -> Option<(Value, Option<UnixMs>)> {
        let entry = self.take(key)?;
        let deadline = entry.deadline();
        Some((entry.into_value(), deadline))
    }

    /// Removes a key without taking out a small value: cheaper than [`Db::remove`] for DEL.
    pub fn delete(&mut self, key: Key<'_>) -> Removed {
        match self.take(key).map(Entry::into_large_value) {
            None => Removed::Missing,
            Some(None) => Removed::Freed,
            Some(Some(value)) => Removed::Large(value),
        }
    }

    /// A random key, about evenly distributed.
    pub fn random_key(&self, rng: &mut fastrand::Rng) -> Option<&[u8]> {
        self.table.random(rng).map(Entry::key)
    }

    /// Visits about `count` keys from `cursor` on (0 starts); returns the next cursor, 0 at the end.
    ///
    /// A key present from the first call to the last is visited at least once, whatever else is added, removed,
    /// renamed or resized meanwhile; with an unchanged database, every key exactly once. A call may visit some dozens
    /// of keys more than asked for. Allocates nothing.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(EntryRef<'a>)) -> u64 {
        self.table.scan(cursor, count, &mut |entry| f(entry.into()))
    }

    /// Visits every key once, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.table.iter().map(EntryRef::from)
    }

    /// Empties the database; returns the old content, to be dropped elsewhere.
    #[must_use = "dropping a large database takes long: it is given out to be dropped elsewhere"]
    pub fn clear(&mut self) -> Self {
        let mut empty = Self::new(self.table.seed());
        empty.table.freeze(self.table.is_frozen());
        std::mem::replace(self, empty)
    }

    /// Collects up to `limit` keys whose deadline lies before `now`, earliest first; true when more may remain.
    ///
    /// The cost depends on the keys found, not on those without or with a later deadline.
    pub fn expired(&self, now: UnixMs, limit: usize, out: &mut Vec<Box<[u8]>>) -> bool {
        let full = out.len().saturating_add(limit);
        for (at, hash) in self.expiry.before(now) {
            for entry in self.table.with_hash(hash).filter(|entry| entry.deadline() == Some(at)) {
                if out.len() >= full {
                    return true;
                }
                out.push(entry.key().into());
            }
        }
        false
    }

    /// About how many bytes of memory a key takes with its value and its place in the table (`MEMORY USAGE`).
    pub fn memory_bytes(&self, key: Key<'_>) -> Option<usize> {
        let entry = self.table.get(key.hash, key.bytes)?;
        // The table is about three fifths full.
        let place = (size_of::<Entry>() + 1) * 5 / 3;
        Some(place + entry.heap_bytes())
    }

    /// About how many bytes of memory the tables take, without keys and values.
    pub fn overhead_bytes(&self) -> usize {
        self.table_bytes() + self.expiry_bytes()
    }

    /// About how many bytes of memory the table of keys takes, without keys and values.
    pub fn table_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    /// About how many bytes of memory the index of deadlines takes.
    pub fn expiry_bytes(&self) -> usize {
        self.expiry.heap_bytes()
    }
}
