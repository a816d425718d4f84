//! The snapshot as commands: the shortest ones that rebuild each key (R3), as the keyspace stood at the fork.
//!
//! Reads only, allocates nothing, and builds no strings for integers (R4), so that as few pages as possible are touched.

use std::borrow::Borrow;

use child::Failure;
use keyspace::{Db, Elem, EntryRef, Hash, Keyspace, UnixMs, ValueRef, ZSet};
use mutants::{Mutant, planted};

use super::{Out, Snapshot, SnapshotProgress, custom};

/// The most items in one command. Source: `AOF_REWRITE_ITEMS_PER_CMD` of Redis 4.0.
const ITEMS_PER_COMMAND: usize = 64;

/// How many entries one step asks for; a step may bring some more.
const ENTRIES_PER_STEP: usize = 16;

/// Emits a keyspace, database by database. `K` is a reference in a forked child, an owned keyspace in a simulated one.
pub struct CommandEmitter<K> {
    keyspace: K,
    now: UnixMs,
    db: u32,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    BeforeDatabase,
    Inside { cursor: u64 },
}

impl<K: Borrow<Keyspace>> CommandEmitter<K> {
    /// Starts at the first database. Keys whose deadline lies before `now`, the time of the fork, are left out.
    pub fn new(keyspace: K, now: UnixMs) -> Self {
        Self { keyspace, now, db: 0, place: Place::BeforeDatabase }
    }
}

impl<K: Borrow<Keyspace>> Snapshot for CommandEmitter<K> {
    fn step(&mut self, out: &mut Out<'_>) -> Result<SnapshotProgress, Failure> {
        let keyspace = self.keyspace.borrow();
        if self.db == keyspace.databases() {
            return Ok(SnapshotProgress::Complete);
        }
        let db = keyspace.db(self.db);
        let cursor = match self.place {
            Place::Inside { cursor } => emit_entries(out, db, cursor, self.now)?,
            Place::BeforeDatabase if db.is_empty() => 0,
            Place::BeforeDatabase => {
                out.array(2)?;
                out.bulk(b"SELECT")?;
                out.bulk_int(i64::from(self.db))?;
                emit_entries(out, db, 0, self.now)?
            }
        };
        self.place = if cursor == 0 { Place::BeforeDatabase } else { Place::Inside { cursor } };
        self.db += u32::from(cursor == 0);
        Ok(SnapshotProgress::More)
    }
}

fn emit_entries(out: &mut Out<'_>, db: &Db, cursor: u64, now: UnixMs) -> Result<u64, Failure> {
    let mut result = Ok(());
    let next = db.scan(cursor, ENTRIES_PER_STEP, &mut |entry| {
        if result.is_ok() {
            result = emit_entry(out, entry, now);
        }
    });
    result.map(|()| next)
}

fn emit_entry(out: &mut Out<'_>, entry: EntryRef<'_>, now: UnixMs) -> Result<(), Failure> {
    if entry.deadline.is_some_and(|at| at < now) {
        return Ok(());
    }
    match entry.value {
        ValueRef::Str(value) => {
            out.array(3)?;
            out.bulk(b"SET")?;
            out.bulk(entry.key)?;
            emit_elem(out, value.elem())?;
        }
        ValueRef::List(list) if planted(Mutant::SnapshotTail) => {
            let len = list.len().min(ITEMS_PER_COMMAND);
            emit_elems(out, b"RPUSH", entry.key, len, list.iter().take(len))?;
        }
        ValueRef::List(list) => emit_elems(out, b"RPUSH", entry.key, list.len(), list.iter())?,
        ValueRef::Set(set) => emit_elems(out, b"SADD", entry.key, set.len(), set.iter())?,
        ValueRef::Hash(hash) => emit_hash(out, entry.key, hash)?,
        ValueRef::ZSet(zset) => emit_zset(out, entry.key, zset)?,
        ValueRef::Custom(value) if value.value().is_empty() => return Ok(()),
        ValueRef::Custom(value) => custom::emit(out, entry.key, value.value())?,
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
    out.item_done();
    Ok(())
}

fn emit_elem(out: &mut Out<'_>, elem: Elem<'_>) -> Result<(), Failure> {
    match elem {
        Elem::Int(value) => out.bulk_int(value),
        Elem::Bytes(bytes) => out.bulk(bytes),
    }
}

fn emit_elems<'a>(
    out: &mut Out<'_>,
    command: &[u8],
    key: &[u8],
    len: usize,
    elems: impl Iterator<Item = Elem<'a>>,
) -> Result<(), Failure> {
    let mut batches = Batches { command, key, args_per_item: 1, left: len, in_command: 0 };
    for elem in elems {
        batches.before_item(out)?;
        emit_elem(out, elem)?;
    }
    batches.finish();
    Ok(())
}

fn emit_hash(out: &mut Out<'_>, key: &[u8], hash: &Hash) -> Result<(), Failure> {
    let mut batches = Batches { command: b"HMSET", key, args_per_item: 2, left: hash.len(), in_command: 0 };
    for (field, value) in hash.iter() {
        batches.before_item(out)?;
        emit_elem(out, field)?;
        emit_elem(out, value)?;
    }
    batches.finish();
    Ok(())
}

fn emit_zset(out: &mut Out<'_>, key: &[u8], zset: &ZSet) -> Result<(), Failure> {
    let mut batches = Batches { command: b"ZADD", key, args_per_item: 2, left: zset.len(), in_command: 0 };
    for (member, score) in zset.iter() {
        batches.before_item(out)?;
        out.bulk_double(score)?;
        emit_elem(out, member)?;
    }
    batches.finish();
    Ok(())
}

/// Cuts the items of a collection into commands, whose length is announced before their items come.
struct Batches<'a> {
    command: &'a [u8],
    key: &'a [u8],
    args_per_item: usize,
    left: usize,
    in_command: usize,
}

impl Batches<'_> {
    /// To be called before each item.
    fn before_item(&mut self, out: &mut Out<'_>) -> Result<(), Failure> {
        assert!(self.left > 0, "a collection has as many items as it says");
        if self.in_command == 0 {
            self.in_command = self.left.min(ITEMS_PER_COMMAND);
            out.array(2 + self.in_command * self.args_per_item)?;
            out.bulk(self.command)?;
            out.bulk(self.key)?;
        }
        self.in_command -= 1;
        self.left -= 1;
        Ok(())
    }

    /// To be called after the last: a command with fewer items than announced would make the rest of the file garbage.
    fn finish(self) {
        assert!(self.left == 0, "a collection has as many items as it says");
    }
}
