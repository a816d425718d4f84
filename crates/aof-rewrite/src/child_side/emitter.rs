//! The snapshot as commands: the shortest ones that rebuild each key (R3), as the keyspace stood at the fork.
//!
//! Reads only, allocates nothing, and builds no strings for integers (R4), so that as few pages as possible are touched.

use std::borrow::Borrow;

use child::Failure;
use keyspace::{CustomTypes, EntryRef, Keyspace, UnixMs, Unwritable, ValueRef};
use mutants::{Mutant, planted};
use resp_codec::MAX_REQUEST_BYTES;

use super::batch::{Item, emit_items};
use super::commands::{Commands, TOO_LONG};
use super::{Out, Snapshot, SnapshotProgress, custom};

/// How many entries one step asks for; a step may bring some more.
const ENTRIES_PER_STEP: usize = 16;

/// Emits a keyspace, database by database. `K` is a reference in a forked child, an owned keyspace in a simulated one.
pub struct CommandEmitter<K> {
    keyspace: K,
    now: UnixMs,
    db: u32,
    place: Place,
    longest_command_bytes: u64,
    /// Something was emitted.
    begun: bool,
}

#[derive(Clone, Copy)]
enum Place {
    BeforeDatabase,
    Inside { cursor: u64 },
}

impl<K: Borrow<Keyspace>> CommandEmitter<K> {
    /// Starts at the first database. Keys whose deadline lies before `now`, the time of the fork, are left out.
    pub fn new(keyspace: K, now: UnixMs) -> Self {
        Self {
            keyspace,
            now,
            db: 0,
            place: Place::BeforeDatabase,
            begun: false,
            longest_command_bytes: MAX_REQUEST_BYTES as u64,
        }
    }

    /// Fails at a command of more than `bytes`, in place of at one that no reader takes: one of 4 GiB.
    #[must_use]
    pub fn with_longest_command(mut self, bytes: u64) -> Self {
        self.longest_command_bytes = bytes;
        self
    }
}

impl<K: Borrow<Keyspace>> Snapshot for CommandEmitter<K> {
    fn step(&mut self, out: &mut Out<'_>) -> Result<SnapshotProgress, Failure> {
        let keyspace = self.keyspace.borrow();
        let mut out = Commands::new(out, self.longest_command_bytes);
        if self.db == keyspace.databases() {
            if !self.begun {
                // An empty file would not tell the next start that it is the log, and that there is nothing in it.
                select(&mut out, 0)?;
            }
            return Ok(SnapshotProgress::Complete);
        }
        let cursor = match self.place {
            Place::Inside { cursor } => emit_entries(&mut out, keyspace, self.db, cursor, self.now)?,
            Place::BeforeDatabase if keyspace.db(self.db).is_empty() => 0,
            Place::BeforeDatabase => {
                select(&mut out, self.db)?;
                self.begun = true;
                emit_entries(&mut out, keyspace, self.db, 0, self.now)?
            }
        };
        self.place = if cursor == 0 { Place::BeforeDatabase } else { Place::Inside { cursor } };
        self.db += u32::from(cursor == 0);
        Ok(SnapshotProgress::More)
    }
}

fn select(out: &mut Commands<'_, '_>, db: u32) -> Result<(), Failure> {
    out.array(2)?;
    out.bulk(b"SELECT")?;
    out.bulk_int(i64::from(db))
}

fn emit_entries(
    out: &mut Commands<'_, '_>,
    keyspace: &Keyspace,
    db: u32,
    cursor: u64,
    now: UnixMs,
) -> Result<u64, Failure> {
    let mut result = Ok(());
    let next = keyspace.db(db).scan(cursor, ENTRIES_PER_STEP, &mut |entry| {
        if result.is_ok() {
            result = emit_entry(out, keyspace.custom_types(), entry, now);
        }
    });
    result.map(|()| next)
}

fn emit_entry(
    out: &mut Commands<'_, '_>,
    types: &CustomTypes,
    entry: EntryRef<'_>,
    now: UnixMs,
) -> Result<(), Failure> {
    if entry.deadline.is_some_and(|at| at < now) {
        return Ok(());
    }
    match emit_key(out, types, &entry) {
        Err(TOO_LONG) => {
            let reason = "it takes a command that is longer than any may be";
            Err(out.out().cannot_write(&Unwritable::new(entry.value, entry.key, reason)))
        }
        result => result,
    }
}

fn emit_key(out: &mut Commands<'_, '_>, types: &CustomTypes, entry: &EntryRef<'_>) -> Result<(), Failure> {
    match entry.value {
        ValueRef::Str(value) => {
            out.array(3)?;
            out.bulk(b"SET")?;
            out.bulk(entry.key)?;
            value.elem().emit(out)?;
        }
        ValueRef::List(list) if planted(Mutant::SnapshotTail) => {
            emit_items(out, b"RPUSH", entry.key, list.iter().take(64))?;
        }
        ValueRef::List(list) => emit_items(out, b"RPUSH", entry.key, list.iter())?,
        ValueRef::Set(set) => emit_items(out, b"SADD", entry.key, set.iter())?,
        ValueRef::Hash(hash) => emit_items(out, b"HMSET", entry.key, hash.iter())?,
        ValueRef::ZSet(zset) => {
            emit_items(out, b"ZADD", entry.key, zset.iter().map(|(member, score)| (score, member)))?;
        }
        ValueRef::Custom(value) if value.value().is_empty() => return Ok(()),
        ValueRef::Custom(value) => custom::emit(out, types, entry.key, value)?,
    }
    if planted(Mutant::SnapshotDeadlineLost) {
        return Ok(());
    }
    if let Some(at) = entry.deadline {
        out.array(3)?;
        out.bulk(b"PEXPIREAT")?;
        out.bulk(entry.key)?;
        out.bulk_int(at.0)?;
    }
    out.out().item_done();
    Ok(())
}
