//! What a command touched: enough for a reply gate to know which earlier writes a reply depends on, and for WATCH.
//!
//! Handlers never write here: [`Store`](crate::Store) does, as it is the only way to a key.

use keyspace::KeyHash;
use smallvec::SmallVec;

/// A key of a numbered database, by its hash: a collision makes a watcher or a reply a little too careful, no more.
pub type DbKey = (u32, KeyHash);

/// What one command, or all commands of a transaction, touched. Reused: [`Self::clear`] keeps its memory.
#[derive(Debug, Default)]
pub struct KeyLog {
    /// Every key that was looked up, whether it exists or not.
    pub named: SmallVec<[KeyHash; 8]>,
    /// Keys whose value or deadline changed. A key may stand here twice.
    pub modified: SmallVec<[DbKey; 4]>,
    /// Keys that a command wrote as they were: that breaks a WATCH, as in Redis, and means nothing else.
    pub rewritten: SmallVec<[DbKey; 1]>,
    /// Keys that were found past their deadline and removed: no client did that, so no reply waits for it.
    pub expired: SmallVec<[DbKey; 4]>,
    /// How many of the recorded effects are DELs of keys in `expired`. They precede the effect of the command that found
    /// them, so if all effects are such, the command itself changed nothing.
    pub expired_effects: usize,
    /// Keys looked up for reading that were there, and that were not: INFO's `keyspace_hits` and `keyspace_misses`.
    pub hits: u32,
    /// See `hits`.
    pub misses: u32,
    /// The command looks keys up only to change them: its look-ups are no reads. Source: lookupKeyWrite of Redis.
    pub only_writes: bool,
    /// The command is none that writes: no effect of it may stand in a log.
    pub reads_only: bool,
    /// It changed something all the same.
    pub changed_unlogged: bool,
    /// Databases that changed as a whole (FLUSHDB, FLUSHALL, SWAPDB).
    pub modified_dbs: SmallVec<[u32; 2]>,
    /// The reply depends on more than the named keys (KEYS, SCAN, DBSIZE, RANDOMKEY, FLUSHALL …).
    pub sees_all: bool,
}

impl KeyLog {
    /// Forgets everything, keeping a bounded amount of memory for the next command.
    pub fn clear(&mut self) {
        const KEEP_KEYS: usize = 4096;
        if self.named.capacity() > KEEP_KEYS {
            *self = Self::default();
            return;
        }
        self.named.clear();
        self.modified.clear();
        self.rewritten.clear();
        self.expired.clear();
        self.expired_effects = 0;
        (self.hits, self.misses, self.only_writes) = (0, 0, false);
        (self.reads_only, self.changed_unlogged) = (false, false);
        self.modified_dbs.clear();
        self.sees_all = false;
    }

    /// Counts one look-up for reading.
    #[inline]
    pub(crate) fn count_read(&mut self, found: bool) {
        self.hits += u32::from(found);
        self.misses += u32::from(!found);
    }

    /// Whether the command changed anything, or would have recorded that it did.
    #[inline]
    pub(crate) fn changed_by_command(&self) -> bool {
        self.changed_unlogged || !(self.modified.is_empty() && self.modified_dbs.is_empty())
    }

    /// Whether anything changed, expired keys included.
    pub fn changed_anything(&self) -> bool {
        !(self.modified.is_empty() && self.expired.is_empty() && self.modified_dbs.is_empty())
    }
}

#[cfg(test)]
mod tests;
