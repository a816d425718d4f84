//! What happened on a mounted disk, operation by operation, so that one run gives every moment at which the power can go.
#![expect(clippy::disallowed_types, reason = "a recording says when things happened")]

use std::time::Instant;

use crate::{Disk, Operation};

/// An operation and its time.
#[derive(Clone, Debug)]
pub struct Record {
    /// What was done.
    pub operation: Operation,
    /// When it was asked for.
    pub began: Instant,
    /// When it took effect.
    pub ended: Instant,
}

/// A run: what was there, and what was done to it.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What was there.
    pub start: Disk,
    /// What was done, in the order in which it took effect.
    pub records: Vec<Record>,
}

impl Recording {
    /// The disk after so many operations, or after all if there are fewer.
    #[must_use]
    pub fn disk_after(&self, operations: usize) -> Disk {
        let mut disk = self.start.clone();
        self.records.iter().take(operations).for_each(|record| disk.apply(&record.operation));
        disk
    }
}
