//! Whether a server that refuses writes has a reason, and takes them again when the reason is gone.
//!
//! A reason is a failure of a change or an fsync of the log, or of an fsync of its directory, since the server was last seen to take
//! writes. Faults of anything else - a fork, a pipe, a rewrite's own file - are none.

use std::collections::BTreeMap;

use vfs::sim::SimDisk;

use crate::server::{DIR, LOG};

/// Within what time a server takes writes again after everything has healed, in milliseconds: a second until it looks, a second
/// for a rewrite, and what the simulated loop and background take.
/// Source: docs/durability.md, "When something fails"; a rewrite that failed is tried again after as long as it took.
pub const HEALS_WITHIN_MS: u64 = 10_000;

/// What is known of one process's reasons to refuse.
#[derive(Debug, Default)]
pub struct Health {
    /// Failures of each file that has had the log's name: one that has lost it may still be written.
    logs: BTreeMap<u64, u64>,
    dir_fsyncs: u64,
    /// How many failures there have been.
    reasons: u64,
    /// As many as it has been told of: what failed in the background it learns in the next turn, or later.
    told: u64,
    /// As many as it had been told of when it last took writes.
    reasons_when_well: u64,
    refusing: bool,
}

impl Health {
    /// At a turn's end: what has failed so far the server knows, unless some is `untold`. While both files are written, a failure of
    /// the new one may show only when it alone is the log; and one fsync's may be told only when an earlier one has ended.
    pub fn end_turn(&mut self, disk: &SimDisk, untold: bool) {
        self.look(disk);
        if !untold {
            self.told = self.reasons;
        }
    }

    /// Looks for failures since the last look.
    fn look(&mut self, disk: &SimDisk) {
        if let Some(log) = disk.file_id(DIR, LOG) {
            self.logs.entry(log).or_default();
        }
        for (&log, failures) in &mut self.logs {
            self.reasons += newly(disk.failed_changes(log), failures);
        }
        self.reasons += newly(disk.failed_dir_fsyncs(DIR), &mut self.dir_fsyncs);
    }

    /// Notes whether the server refuses writes; false if it does so without a reason.
    pub fn note(&mut self, disk: &SimDisk, refusing: bool) -> bool {
        self.look(disk);
        self.refusing = refusing;
        if !refusing {
            self.reasons_when_well = self.told;
        }
        !refusing || self.reasons > self.reasons_when_well
    }

    /// Whether the server was seen to refuse writes.
    pub fn is_refusing(&self) -> bool {
        self.refusing
    }

    /// How many failures the server had been told of when all was well last: those that came later explain an error.
    pub fn reasons(&self) -> u64 {
        if self.refusing { self.reasons_when_well } else { self.told }
    }

    /// Whether what was executed when [`reasons`](Self::reasons) said so may be answered with an error of the disk.
    pub fn explains_error(&self, reasons: u64) -> bool {
        self.reasons > reasons
    }
}

/// By how much a count has grown.
fn newly(now: u64, before: &mut u64) -> u64 {
    now.saturating_sub(std::mem::replace(before, now))
}

#[cfg(test)]
mod tests {
    use vfs::sim::{Call, Fault, Rule};
    use vfs::{Dir as _, Open};

    use super::*;

    #[test]
    fn a_failure_of_the_log_is_a_reason_until_the_server_takes_writes_again() {
        let disk = SimDisk::new();
        let log = disk.dir(DIR).open(LOG, Open::AppendOrCreate).expect("an empty disk");
        let mut health = Health::default();
        assert!(health.note(&disk, false));
        assert!(!health.note(&disk, true), "nothing has failed");
        disk.inject(Rule::nth(Call::Append, 1, Fault::EIO));
        log.append(b"x").expect_err("it was told to fail");
        assert!(health.note(&disk, true) && health.note(&disk, true));
        health.end_turn(&disk, false);
        assert!(health.note(&disk, false));
        assert!(!health.note(&disk, true), "that was before");
    }

    #[test]
    fn a_failure_of_another_file_is_none() {
        let disk = SimDisk::new();
        let other = disk.dir(DIR).open("temp", Open::AppendOrCreate).expect("an empty disk");
        let mut health = Health::default();
        disk.inject(Rule::nth(Call::Append, 1, Fault::EIO));
        other.append(b"x").expect_err("it was told to fail");
        assert!(!health.note(&disk, true));
    }
}
