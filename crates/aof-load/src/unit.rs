//! What is applied at once: a command alone, or the commands of a whole `MULTI` … `EXEC`.
//!
//! A [`Batch`] owns the bytes of many units, so that one allocation serves thousands of commands and a batch can cross
//! from the reader's thread; a [`Unit`] and its [`Command`]s borrow from it. `SELECT` is an ordinary command here: the
//! sink keeps the current database.
//!
//! Invariant: a batch holds whole units only. Every offset is one in the file.

use std::ops::Range;

use resp_codec::{ArgSpan, Args};

/// Where one command lies in its batch.
#[derive(Clone, Debug)]
pub(crate) struct CommandRecord {
    pub(crate) bytes: Range<usize>,
    pub(crate) spans: Range<usize>,
    pub(crate) index: u64,
}

/// Where one unit lies in its batch: `commands` without the `MULTI` and the `EXEC` around them.
#[derive(Clone, Debug)]
pub(crate) struct UnitRecord {
    pub(crate) bytes: Range<usize>,
    pub(crate) commands: Range<usize>,
    pub(crate) index: u64,
    pub(crate) transaction: bool,
}

/// Whole units in file order, and the bytes they were parsed from.
#[derive(Debug, Default)]
pub struct Batch {
    /// Where the first byte stands in the file.
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) spans: Vec<ArgSpan>,
    pub(crate) commands: Vec<CommandRecord>,
    pub(crate) units: Vec<UnitRecord>,
}

impl Batch {
    /// The units, in file order.
    pub fn units(&self) -> impl ExactSizeIterator<Item = Unit<'_>> {
        self.units.iter().map(|record| Unit { batch: self, record })
    }

    /// The number of units.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether there is no unit in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The memory it holds, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.spans.capacity() * size_of::<ArgSpan>()
            + self.commands.capacity() * size_of::<CommandRecord>()
            + self.units.capacity() * size_of::<UnitRecord>()
    }

    /// The `i`-th unit.
    #[must_use]
    pub fn unit(&self, i: usize) -> Option<Unit<'_>> {
        self.units.get(i).map(|record| Unit { batch: self, record })
    }
}

/// A command alone, or the commands of a whole transaction: applied all or none.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    batch: &'a Batch,
    record: &'a UnitRecord,
}

impl<'a> Unit<'a> {
    /// Where it lies in the file, a transaction's `MULTI` and `EXEC` included.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.batch.offset + self.record.bytes.start as u64..self.batch.offset + self.record.bytes.end as u64
    }

    /// The number of its first command in the file, counted from 0; a `MULTI` counts.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.record.index
    }

    /// Whether `MULTI` and `EXEC` stand around its commands.
    #[must_use]
    pub fn is_transaction(&self) -> bool {
        self.record.transaction
    }

    /// Its commands in order, without the `MULTI` and the `EXEC` around them. A transaction may be empty.
    pub fn commands(&self) -> impl ExactSizeIterator<Item = Command<'a>> + use<'a> {
        let batch = self.batch;
        batch.commands[self.record.commands.clone()].iter().map(move |record| Command { batch, record })
    }
}

/// One command of a unit.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    batch: &'a Batch,
    record: &'a CommandRecord,
}

impl<'a> Command<'a> {
    /// Its arguments, the name included; canonical, so that they may be fed verbatim.
    #[must_use]
    pub fn args(&self) -> Args<'a> {
        Args::new(&self.batch.bytes[self.record.bytes.clone()], &self.batch.spans[self.record.spans.clone()], true)
    }

    /// The offset of its first byte in the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.batch.offset + self.record.bytes.start as u64
    }

    /// Its number in the file, counted from 0; `MULTI` and `EXEC` count.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.record.index
    }
}
