//! Child-info records: what a child tells its parent about itself, as fixed-size records through a pipe.
//!
//! A record is shorter than `PIPE_BUF`, so that one write(2) of it is whole or not at all: a reader that reads whole records
//! never sees half of one, and neither side needs a frame or a buffer. What the phases and steps mean is the task's.

use crate::note::{NOTE_BYTES, Note};

/// The size of a record on the wire, in bytes. Far below `PIPE_BUF` (4096 on Linux, 512 by POSIX).
pub const INFO_SIZE_BYTES: usize = NOTE_AT + 1 + NOTE_BYTES;

/// Where the note stands in it.
const NOTE_AT: usize = 56;

const MAGIC: u32 = u32::from_le_bytes(*b"LSci");

/// How a child failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The step at which it failed, as the task numbers them.
    pub step: u16,
    /// The error of the system call, or 0 if none is to blame.
    pub errno: i32,
}

/// The state of a child, as it reports it now and then. Each record holds everything: a lost one is no loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Where the task stands, as it numbers its phases.
    pub phase: u16,
    /// Whether the child is about to enter an fsync. The watchdog does not count the time in it.
    pub in_fsync: bool,
    /// Bytes written to its file.
    pub written_bytes: u64,
    /// Bytes read from the data pipe.
    pub read_bytes: u64,
    /// Items of its work done (keys, for a rewrite).
    pub items: u64,
    /// Memory of its own so far, copied on write or newly touched, in bytes. 0 if not measured yet.
    pub cow_bytes: u64,
    /// How often that has been measured.
    pub cow_measurements: u64,
    /// Set in the last record of a child that fails.
    pub failure: Option<Failure>,
    /// What there is to say of the failure, beyond its step; empty if there is nothing.
    pub note: Note,
}

impl Info {
    /// The record's bytes. Allocates nothing.
    pub fn encode(&self) -> [u8; INFO_SIZE_BYTES] {
        let mut out = [0; INFO_SIZE_BYTES];
        let failure = self.failure.unwrap_or(Failure { step: 0, errno: 0 });
        out[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        out[4..6].copy_from_slice(&self.phase.to_le_bytes());
        out[6] = u8::from(self.in_fsync);
        out[7] = u8::from(self.failure.is_some());
        out[8..10].copy_from_slice(&failure.step.to_le_bytes());
        out[12..16].copy_from_slice(&failure.errno.to_le_bytes());
        let counters = [self.written_bytes, self.read_bytes, self.items, self.cow_bytes, self.cow_measurements];
        for (i, counter) in counters.into_iter().enumerate() {
            out[16 + i * 8..24 + i * 8].copy_from_slice(&counter.to_le_bytes());
        }
        if let Some(note) = out.last_chunk_mut() {
            self.note.encode(note);
        }
        out
    }

    /// Reads a record back; `None` for bytes that are none.
    pub fn decode(record: &[u8; INFO_SIZE_BYTES]) -> Option<Self> {
        let u16_at = |at: usize| u16::from_le_bytes([record[at], record[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if u32_at(0) != MAGIC || record[6] > 1 || record[7] > 1 {
            return None;
        }
        Some(Self {
            phase: u16_at(4),
            in_fsync: record[6] == 1,
            written_bytes: u64_at(16),
            read_bytes: u64_at(24),
            items: u64_at(32),
            cow_bytes: u64_at(40),
            cow_measurements: u64_at(48),
            note: Note::decode(record.last_chunk()?)?,
            failure: (record[7] == 1).then(|| Failure { step: u16_at(8), errno: u32_at(12).cast_signed() }),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn a_record_survives_the_pipe() {
        let mut note = Note::default();
        write!(note, "why").unwrap();
        let info = Info {
            phase: 7,
            in_fsync: true,
            written_bytes: u64::MAX,
            read_bytes: 1 << 40,
            items: 3,
            cow_bytes: 4096,
            cow_measurements: 5,
            failure: Some(Failure { step: 9, errno: -5 }),
            note,
        };
        assert_eq!(Info::decode(&info.encode()), Some(info));
        assert_eq!(Info::decode(&Info::default().encode()), Some(Info::default()));
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        assert_eq!(Info::decode(&[0; INFO_SIZE_BYTES]), None);
        let mut record = Info::default().encode();
        record[6] = 2;
        assert_eq!(Info::decode(&record), None);
    }
}
