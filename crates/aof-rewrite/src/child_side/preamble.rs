//! The snapshot as RDB, in front of the diff (`aof-use-rdb-preamble`): a quarter of the bytes of commands, and three times the work.
//!
//! What the format is made of is the `rdb` crate's business; here it meets [`Out`], which reads the diff, fsyncs and reports while
//! the bytes go through it.

use std::borrow::Borrow;

use child::Failure;
use keyspace::{Keyspace, UnixMs, Unwritable};
use rdb::{Progress, SnapshotSettings, SnapshotWriter};

use super::{CommandEmitter, Out, Snapshot, SnapshotProgress};

/// Writes a keyspace as an RDB preamble. `K` is a reference in a forked child, an owned keyspace in a simulated one.
pub struct PreambleWriter<K> {
    writer: SnapshotWriter<K>,
    checksum: bool,
}

impl<K: Borrow<Keyspace>> PreambleWriter<K> {
    /// Takes all memory that writing will need. Keys whose deadline lies before `now`, the time of the fork, are left out.
    pub fn reserve(keyspace: K, now: UnixMs, preamble: SnapshotSettings<'_>) -> Self {
        Self { writer: preamble.writer(keyspace, now, true), checksum: preamble.checksum }
    }
}

impl<K: Borrow<Keyspace>> Snapshot for PreambleWriter<K> {
    fn step(&mut self, out: &mut Out<'_>) -> Result<SnapshotProgress, Failure> {
        let before = self.writer.keys();
        let progress = self.writer.step(out)?;
        (before..self.writer.keys()).for_each(|_| out.item_done());
        Ok(match progress {
            Progress::More => SnapshotProgress::More,
            Progress::Complete => SnapshotProgress::Complete,
        })
    }

    fn wants_checksum(&self) -> bool {
        self.checksum
    }
}

impl rdb::Target for Out<'_> {
    type Error = Failure;

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Out::write(self, bytes)
    }

    fn checksum(&mut self) -> Option<u64> {
        self.end_checksum()
    }

    fn pause(&mut self) -> Result<(), Failure> {
        self.look_around()
    }

    fn refuse(&mut self, value: &Unwritable<'_>) -> Failure {
        self.cannot_write(value)
    }
}

/// A snapshot in the form that the settings ask for.
pub(crate) enum AnySnapshot<K> {
    Commands(CommandEmitter<K>),
    Preamble(PreambleWriter<K>),
}

impl<K: Borrow<Keyspace>> AnySnapshot<K> {
    /// Takes all memory that it will need.
    pub(crate) fn reserve(keyspace: K, now: UnixMs, preamble: Option<SnapshotSettings<'_>>) -> Self {
        match preamble {
            None => Self::Commands(CommandEmitter::new(keyspace, now)),
            Some(preamble) => Self::Preamble(PreambleWriter::reserve(keyspace, now, preamble)),
        }
    }
}

impl<K: Borrow<Keyspace>> Snapshot for AnySnapshot<K> {
    fn step(&mut self, out: &mut Out<'_>) -> Result<SnapshotProgress, Failure> {
        match self {
            Self::Commands(commands) => commands.step(out),
            Self::Preamble(preamble) => preamble.step(out),
        }
    }

    fn wants_checksum(&self) -> bool {
        match self {
            Self::Commands(commands) => commands.wants_checksum(),
            Self::Preamble(preamble) => preamble.wants_checksum(),
        }
    }
}
