//! Makes sure that what is about to be served is on stable storage.
//!
//! After an unclean end on the same boot, the page cache may hold bytes whose fsync failed: they are marked clean, a later
//! fsync succeeds without writing them, and a power loss takes them, also from under everything acked since. So they are
//! written again, which makes their pages dirty, and fsynced. A state file of an earlier boot does not say that the page cache
//! is gone: another server may have run since that could not write one. Without a state file nobody knows where the proven
//! bytes end: all are copied to a new file. So is an empty log, since its name may be lost in the same way.
//!
//! Invariant: at every instant the name stands for a file with the same bytes.

use std::io;
use std::sync::Arc;

use aof_state::TempFile;
use mutants::{Mutant, planted};
use vfs::{Dir, File, Open};

use crate::copy::{Copy, Failed, Target};
use crate::damage::Proven;
use crate::{Operation, Proof};

/// What is to be done. Pure, see [`plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All was fsynced before the end.
    Nothing,
    /// One fsync of file and directory.
    Fsync,
    /// The bytes from here on are written again, then as `Fsync`.
    Rewrite {
        /// The first unproven byte.
        from: u64,
    },
    /// The file is copied.
    Copy,
}

impl Plan {
    /// How many bytes of a file of `size_bytes` are written again.
    pub(crate) fn work_bytes(self, size_bytes: u64) -> u64 {
        match self {
            Self::Nothing | Self::Fsync => 0,
            Self::Rewrite { from } => size_bytes - from,
            Self::Copy => size_bytes,
        }
    }
}

/// Plans the proof of the first `size_bytes` of a file, which are all that will be left of `found_bytes`.
pub(crate) fn plan(proven: Option<Proven>, size_bytes: u64, found_bytes: u64) -> Plan {
    match proven {
        Some(_) if planted(Mutant::TailUnproven) => Plan::Nothing,
        // Somebody cut it, and may have written to it since: what the state file says is no proof of these bytes.
        Some(proven) if proven.fsynced_offset_bytes > found_bytes => Plan::Copy,
        Some(proven) if proven.clean_end && proven.fsynced_offset_bytes >= size_bytes => Plan::Nothing,
        // Also if the state file is of an earlier start of the machine: a server since then may have failed to write one.
        Some(proven) if proven.fsynced_offset_bytes < size_bytes => Plan::Rewrite { from: proven.fsynced_offset_bytes },
        Some(_) => Plan::Fsync,
        // Also an empty one: a name whose fsync failed may be readable, and lost for good.
        None => Plan::Copy,
    }
}

/// The file that stands under the name now, opened for appending, and how it was proven.
pub(crate) type ProvenFile = (Arc<dyn File>, Proof);

/// A proof in progress.
pub(crate) struct Prover {
    work_bytes: u64,
    work: Work,
}

enum Work {
    Nothing { log: Arc<dyn File> },
    Fsync { log: Arc<dyn File> },
    Rewrite { log: Arc<dyn File>, update: Arc<dyn File>, copy: Copy, from: u64 },
    Copy { new: Arc<dyn File>, copy: Copy },
}

impl Prover {
    /// Prepares to carry out `plan` on the first `size_bytes` of `log`, which stands under `name`.
    pub(crate) fn start(
        plan: Plan,
        dir: &dyn Dir,
        name: &str,
        log: Arc<dyn File>,
        size_bytes: u64,
    ) -> Result<Self, Failed> {
        let work = match plan {
            Plan::Nothing => Work::Nothing { log },
            Plan::Fsync => Work::Fsync { log },
            Plan::Rewrite { from } => {
                let update = dir.open(name, Open::Update).map_err(Failed::at(Operation::Open, 0))?;
                let copy = Copy::new(Arc::clone(&log), Target::SamePlace(Arc::clone(&update)), from, size_bytes);
                Work::Rewrite { log, update, copy, from }
            }
            Plan::Copy => {
                let new = create_temp(dir, name).map_err(Failed::at(Operation::Create, 0))?;
                Work::Copy { copy: Copy::new(log, Target::Append(Arc::clone(&new)), 0, size_bytes), new }
            }
        };
        Ok(Self { work_bytes: plan.work_bytes(size_bytes), work })
    }

    /// Bytes that it writes again.
    pub(crate) fn work_bytes(&self) -> u64 {
        self.work_bytes
    }

    /// How many of them are left.
    pub(crate) fn left_bytes(&self) -> u64 {
        match &self.work {
            Work::Nothing { .. } | Work::Fsync { .. } => 0,
            Work::Rewrite { copy, .. } | Work::Copy { copy, .. } => copy.left_bytes(),
        }
    }

    /// Whether the log has all its bytes, a torn tail included, after a step failed so.
    pub(crate) fn left_log_whole(&self, failed: &Failed) -> bool {
        matches!(self.work, Work::Copy { .. }) && failed.operation != Operation::FsyncDir
    }

    /// Goes on. When done: the file that stands under the name now, opened for appending, all of it durable.
    pub(crate) fn step(&mut self, dir: &dyn Dir, name: &str, budget_bytes: u64) -> Result<Option<ProvenFile>, Failed> {
        match &mut self.work {
            Work::Nothing { log } => Ok(Some((Arc::clone(log), Proof::CleanEnd))),
            Work::Fsync { log } => {
                fsync_with_name(&**log, dir)?;
                Ok(Some((Arc::clone(log), Proof::Fsynced)))
            }
            Work::Rewrite { log, update, copy, from } => {
                if !copy.step(budget_bytes)? {
                    return Ok(None);
                }
                fsync_with_name(&**update, dir)?;
                Ok(Some((Arc::clone(log), Proof::Rewritten { from: *from })))
            }
            Work::Copy { new, copy } => match copy_over(&**new, copy, dir, name, budget_bytes) {
                Ok(false) => Ok(None),
                Ok(true) => Ok(Some((Arc::clone(new), Proof::Copied))),
                Err(failed) => {
                    // Gone already if the rename was done: then only the directory's fsync failed.
                    let _still_there = dir.unlink(&TempFile::Copy.name(name));
                    Err(failed)
                }
            },
        }
    }
}

/// Creates the file to copy to. A crash may have left one.
fn create_temp(dir: &dyn Dir, name: &str) -> io::Result<Arc<dyn File>> {
    let temp = TempFile::Copy.name(name);
    match dir.unlink(&temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    dir.open(&temp, Open::CreateNew)
}

fn copy_over(new: &dyn File, copy: &mut Copy, dir: &dyn Dir, name: &str, budget_bytes: u64) -> Result<bool, Failed> {
    if !copy.step(budget_bytes)? {
        return Ok(false);
    }
    if !planted(Mutant::CopyWithoutFsync) {
        new.fsync().map_err(Failed::at(Operation::Fsync, 0))?;
    }
    dir.rename(&TempFile::Copy.name(name), name).map_err(Failed::at(Operation::Rename, 0))?;
    if planted(Mutant::CopyWithoutDirFsync) {
        return Ok(true);
    }
    dir.fsync().map_err(Failed::at(Operation::FsyncDir, 0))?;
    Ok(true)
}

fn fsync_with_name(file: &dyn File, dir: &dyn Dir) -> Result<(), Failed> {
    file.fsync().map_err(Failed::at(Operation::Fsync, 0))?;
    dir.fsync().map_err(Failed::at(Operation::FsyncDir, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_follows_from_the_end_before() {
        let proven = |fsynced_offset_bytes, clean_end| Some(Proven { fsynced_offset_bytes, clean_end });
        for (proven, size_bytes, found_bytes, expected) in [
            (None, 100, 100, Plan::Copy),
            (None, 0, 0, Plan::Copy),
            (proven(100, true), 100, 100, Plan::Nothing),
            (proven(90, true), 100, 100, Plan::Rewrite { from: 90 }),
            (proven(90, false), 100, 100, Plan::Rewrite { from: 90 }),
            (proven(100, false), 100, 100, Plan::Fsync),
            (proven(100, false), 100, 120, Plan::Fsync),
            (proven(110, true), 100, 100, Plan::Copy),
        ] {
            assert_eq!(plan(proven, size_bytes, found_bytes), expected, "{proven:?} {size_bytes} {found_bytes}");
        }
    }
}
