//! The set of numbered databases, with the hash seed they share.

use crate::custom::CustomTypes;
use crate::db::Db;
use crate::digest::{self, Digest};
use crate::hashing::{HashSeed, Key, Made};
use crate::redis_digest;
use crate::time::LruClock;

/// A set of numbered databases.
#[derive(Clone, Debug)]
pub struct Keyspace {
    seed: HashSeed,
    dbs: Vec<Db>,
    /// What every [`Key`] is told.
    clock: LruClock,
    uses_count: bool,
    types: CustomTypes,
}

impl Keyspace {
    /// Makes `databases` empty databases that hash keys with `seed`.
    pub fn new(databases: u32, seed: HashSeed) -> Self {
        Self {
            seed,
            dbs: (0..databases).map(|_| Db::new(seed)).collect(),
            clock: LruClock::default(),
            uses_count: true,
            types: CustomTypes::default(),
        }
    }

    /// Hashes `bytes`: once per key and command.
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.seed.hash(bytes), now: self.clock, counts: self.uses_count, _made: Made }
    }

    /// Says which custom types its values may be of; at first, none.
    pub fn set_custom_types(&mut self, types: CustomTypes) {
        self.types = types;
    }

    /// The custom types that its values may be of.
    pub fn custom_types(&self) -> &CustomTypes {
        &self.types
    }

    /// Sets the time of all uses from now on.
    pub fn set_clock(&mut self, now: LruClock) {
        self.clock = now;
    }

    /// Says whether look-ups through the keys made from now on count as uses; at first they do. A key that is new in a
    /// database is used then in any case.
    pub fn count_uses(&mut self, on: bool) {
        self.uses_count = on;
    }

    /// Number of databases.
    pub fn databases(&self) -> u32 {
        u32::try_from(self.dbs.len()).expect("made from a u32")
    }

    /// The database numbered `db`.
    ///
    /// # Panics
    ///
    /// When `db` is out of range: callers check client input.
    pub fn db(&self, db: u32) -> &Db {
        &self.dbs[db as usize]
    }

    /// The database numbered `db`, to be changed.
    ///
    /// # Panics
    ///
    /// When `db` is out of range: callers check client input.
    pub fn db_mut(&mut self, db: u32) -> &mut Db {
        &mut self.dbs[db as usize]
    }

    /// Swaps the contents of two databases, in constant time.
    ///
    /// # Panics
    ///
    /// When a number is out of range.
    pub fn swap(&mut self, a: u32, b: u32) {
        self.dbs.swap(a as usize, b as usize);
    }

    /// Digests all databases; [`Keyspace::digest_value`] says what counts of a value.
    ///
    /// Keys, values, deadlines and database numbers count; the order of keys, encodings, thresholds and the seed do
    /// not. All zeros: there is no key. The definition is our own, for tests: it sees more than [`Keyspace::redis_digest`].
    pub fn digest(&self) -> [u8; 20] {
        let mut sum = Digest::default();
        for (number, db) in self.dbs.iter().enumerate() {
            db.iter().for_each(|entry| sum.add(digest::entry(number, entry)));
        }
        sum.to_bytes()
    }

    /// Digests one value, without its key and deadline; `None` without such a key.
    ///
    /// Types and elements count, the order of a list's elements, and scores bit for bit (`-0` is not `0`). The order
    /// of other collections and how anything is encoded do not.
    pub fn digest_value(&self, db: u32, key: Key<'_>) -> Option<[u8; 20]> {
        self.db(db).get(key).map(|value| digest::value(value).to_bytes())
    }

    /// Digests all databases as `DEBUG DIGEST` of Redis 7.2 does.
    ///
    /// Keys, values, database numbers and whether a key has a deadline count; when the deadline is does not. All zeros:
    /// there is no key.
    pub fn redis_digest(&self) -> [u8; 20] {
        redis_digest::databases(self.dbs.iter())
    }

    /// Digests one value as `DEBUG DIGEST-VALUE` of Redis 7.2 does; `None` without such a key.
    pub fn redis_digest_value(&self, db: u32, key: Key<'_>) -> Option<[u8; 20]> {
        let entry = self.db(db).entry(key)?;
        Some(redis_digest::value(entry.value, entry.deadline.is_some()))
    }

    /// Holds back every resize that can wait while a forked child shares the memory (R4).
    pub fn freeze_growth(&mut self, on: bool) {
        for db in &mut self.dbs {
            db.freeze_growth(on);
        }
    }
}
