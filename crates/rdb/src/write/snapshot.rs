//! A whole keyspace in steps, so that its writer can do something else in between.
//!
//! A step writes a few keys, however large: while one key is written, what else must go on goes on in the target, which sees every
//! piece (and [`Target::pause`] where there is none).

use std::borrow::Borrow;

use keyspace::{Db, Keyspace, UnixMs};
use mutants::{Mutant, planted};
use numeric::IntBuf;

use super::{Encoder, Target, WriteOptions};

/// Milliseconds in a second.
const SECOND_MS: i64 = 1_000;

/// How many keys one step asks for; a step may bring some more.
const KEYS_PER_STEP: usize = 16;

/// What a file says about itself.
#[derive(Clone, Debug, Default)]
pub struct Preface {
    /// `redis-ver`: the version of Redis whose features it may use.
    pub redis_ver: String,
    /// `ctime`: when it was begun, in seconds since the epoch.
    pub ctime_s: i64,
    /// `used-mem`: what the writing process held then, in bytes.
    pub used_mem_bytes: i64,
    /// `aof-base`: whether an append-only file begins with it.
    pub is_aof_base: bool,
    /// More fields, with their values.
    pub others: Vec<(String, Vec<u8>)>,
}

/// How a server wants its snapshots written.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotSettings<'a> {
    /// The version of Redis that the server stands for, which the file states.
    pub redis_ver: &'a str,
    /// What the server has allocated, in bytes, which the file states.
    pub used_mem_bytes: u64,
    /// `rdbcompression`.
    pub compress: bool,
    /// `rdbchecksum`. The checksum is the target's: this one only says whether there should be one.
    pub checksum: bool,
    /// One more field of a file of its own, and what it says. Who does not know it passes over it.
    pub field: Option<(&'a str, &'a str)>,
}

impl SnapshotSettings<'_> {
    /// The writer of a snapshot that begins at `now`. Takes all memory that writing will need. Keys whose deadline lies before `now` are
    /// left out. `of_log`: it stands at the head of an append-only file.
    pub fn writer<K: Borrow<Keyspace>>(self, keyspace: K, now: UnixMs, of_log: bool) -> SnapshotWriter<K> {
        let encoder = Encoder::reserve(WriteOptions { compress: self.compress, ..WriteOptions::default() });
        let field = if of_log { Some(("aof-preamble", "1")) } else { self.field };
        let preface = Preface {
            redis_ver: self.redis_ver.to_owned(),
            ctime_s: now.0.div_euclid(SECOND_MS),
            used_mem_bytes: i64::try_from(self.used_mem_bytes).unwrap_or(i64::MAX),
            // Redis 7 says so of the base of a log, and Redis 4 to 6 of a snapshot with a tail behind it. Ours is both.
            is_aof_base: of_log,
            others: field.map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect(),
        };
        SnapshotWriter::new(keyspace, Some(now), encoder, preface)
    }
}

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to write.
    More,
    /// Everything was handed to the target, the checksum as well.
    Complete,
}

/// Writes a keyspace. `K` is a reference in a forked child, an owned keyspace in a simulated one.
#[derive(Debug)]
pub struct SnapshotWriter<K> {
    keyspace: K,
    now: Option<UnixMs>,
    encoder: Encoder,
    preface: Preface,
    place: Place,
    db: u32,
    keys: u64,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Head,
    BeforeDatabase,
    Inside { cursor: u64 },
    End,
}

impl<K: Borrow<Keyspace>> SnapshotWriter<K> {
    /// Starts at the head. Keys whose deadline lies before `now`, the time of the snapshot, are left out; without one, none is.
    pub fn new(keyspace: K, now: Option<UnixMs>, encoder: Encoder, preface: Preface) -> Self {
        Self { keyspace, now, encoder, preface, place: Place::Head, db: 0, keys: 0 }
    }

    /// How many keys were written.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Writes a part. Allocates nothing.
    ///
    /// # Errors
    /// What the target gave. The file is not to be continued then.
    pub fn step<T: Target + ?Sized>(&mut self, out: &mut T) -> Result<Progress, T::Error> {
        let cursor = match self.place {
            Place::Head => {
                self.head(out)?;
                self.place = Place::BeforeDatabase;
                return Ok(Progress::More);
            }
            Place::End => return Ok(Progress::Complete),
            _ if self.db == self.keyspace.borrow().databases() => {
                self.encoder.end(out)?;
                self.place = Place::End;
                return Ok(Progress::Complete);
            }
            Place::BeforeDatabase => self.begin_db(out)?,
            Place::Inside { cursor } => self.some_keys(out, cursor)?,
        };
        self.place = if cursor == 0 { Place::BeforeDatabase } else { Place::Inside { cursor } };
        self.db += u32::from(cursor == 0);
        Ok(Progress::More)
    }

    /// Writes everything that is left.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run<T: Target + ?Sized>(&mut self, out: &mut T) -> Result<(), T::Error> {
        while self.step(out)? == Progress::More {}
        Ok(())
    }

    /// Source: `rdbSaveInfoAuxFields` of Redis 7.2 (names and order).
    fn head<T: Target + ?Sized>(&mut self, out: &mut T) -> Result<(), T::Error> {
        let Self { encoder, preface, .. } = self;
        let mut buf = IntBuf::new();
        encoder.head(out)?;
        encoder.aux(out, b"redis-ver", preface.redis_ver.as_bytes())?;
        encoder.aux(out, b"redis-bits", if cfg!(target_pointer_width = "64") { b"64" } else { b"32" })?;
        encoder.aux(out, b"ctime", buf.format(preface.ctime_s))?;
        encoder.aux(out, b"used-mem", buf.format(preface.used_mem_bytes))?;
        for (key, value) in &preface.others {
            encoder.aux(out, key.as_bytes(), value)?;
        }
        encoder.aux(out, b"aof-base", if preface.is_aof_base { b"1" } else { b"0" })
    }

    /// Begins the current database, unless it is empty.
    fn begin_db<T: Target + ?Sized>(&mut self, out: &mut T) -> Result<u64, T::Error> {
        let db = self.keyspace.borrow().db(self.db);
        if db.is_empty() {
            return Ok(0);
        }
        if !planted(Mutant::PreambleOneDatabase) {
            self.encoder.select_db(out, self.db)?;
        }
        self.encoder.resize_db(out, db.len() as u64, db.volatile_len() as u64)?;
        self.some_keys(out, 0)
    }

    fn some_keys<T: Target + ?Sized>(&mut self, out: &mut T, cursor: u64) -> Result<u64, T::Error> {
        let Self { keyspace, encoder, keys, now, .. } = self;
        let db: &Db = (*keyspace).borrow().db(self.db);
        let mut result = Ok(());
        let next = db.scan(cursor, KEYS_PER_STEP, &mut |entry| {
            let expired = now.zip(entry.deadline).is_some_and(|(now, at)| at < now);
            let left_out = planted(Mutant::PreambleKeyLost) && *keys % 8 == 7;
            if left_out {
                *keys += 1;
                return;
            }
            if result.is_ok() && !expired {
                let deadline = entry.deadline.filter(|_| !planted(Mutant::PreambleDeadlineLost));
                result = encoder.key(out, entry.key, entry.value, deadline);
                *keys += 1;
            }
        });
        result.map(|()| next)
    }
}
