//! What a server says of the copies under the log's name: in the state file of one that it has just made, and in its snapshots.
//!
//! Invariant: what it says lists every copy that a power cut may leave under the name, as long as there are no more than a state file has
//! records.

use std::io;
use std::sync::{Arc, OnceLock};

use aof_rewrite::Copied;
use aof_state::{Durability, Identity, MOST_RECORDS, StateFile, WriteError};
use bio::{Completion, JobId, Kind};

use super::order::{CopyId, FIELD, Saved};
use super::{Persistence, Phase};
use crate::engine::Engine;
use crate::log::Level;

/// The job that says that the log is a copy, and which file that is, once it has found out.
pub(super) struct CopyJob {
    id: JobId,
    made: Arc<OnceLock<CopyId>>,
    /// No other file can have the log's name.
    durable: bool,
}

impl Engine {
    /// Says in a state file that what a rewrite has just made is a copy, if one has made one.
    pub(super) fn state_copy(&mut self) {
        let Some(Copied { file, durable }) = self.persistence.rewriter.take_copied() else { return };
        // What was imported is no copy but the log.
        if !matches!(self.persistence.phase, Phase::Off | Phase::WaitRewrite) {
            return;
        }
        let mark = self.persistence.marker.next_mark();
        let p = &mut self.persistence;
        let (dir, name, boot_id) = (Arc::clone(&p.dir), p.log_name.clone(), p.boot_id);
        let made = Arc::new(OnceLock::new());
        let found = Arc::clone(&made);
        let job = move || -> io::Result<u64> {
            let marked = Identity::brand(&*file, mark);
            let len_bytes = file.metadata()?.len;
            // Snapshots know it all the same.
            if let Some(identity) = marked.as_ref().ok().copied().or_else(|| Identity::of(&*file).ok()) {
                let _first = found.set(CopyId { identity, len_bytes });
            }
            let identity = marked?;
            file.fsync()?;
            let state = StateFile {
                identity,
                boot_id,
                fsynced_offset_bytes: len_bytes,
                clean_end: true,
                announced: false,
                copy: true,
            };
            let written = match durable {
                true => state.write(&*dir, &name, Durability::Durable),
                // A power cut may leave the one before it.
                false => state.announce(None, &*dir, &name),
            };
            written.map(|()| 0).map_err(io::Error::other)
        };
        p.copy_job = Some(CopyJob { id: p.bio.submit(Kind::Rename, Box::new(job)), made, durable });
    }

    /// A copy that a child is making is older than what has just been done, though it would be the newer file: it is begun anew.
    pub(super) fn remake_copy(&mut self) {
        if !matches!(self.persistence.phase, Phase::Off) || !self.persistence.rewriter.is_copying() {
            return;
        }
        self.log_line(
            Level::Notice,
            format_args!("The copy that BGREWRITEAOF is making is older than what was just saved: it is begun anew"),
        );
        // It was not switching: the child runs.
        let _done = self.persistence.with_rewrite(self.now, |rewriter, env, _| rewriter.abort(env));
        self.persistence.rewriter.schedule(aof_rewrite::Mode::Once);
    }
}

impl Persistence {
    /// Takes the result of a job if it was the one that says that the log is a copy.
    pub(super) fn copy_stated(&mut self, completion: &Completion) -> bool {
        let Some(CopyJob { made, durable, .. }) = self.copy_job.take_if(|job| job.id == completion.id) else {
            return false;
        };
        if let Err(error) = &completion.outcome {
            let consequence = "a start may ask what is to be done with the copy that BGREWRITEAOF made, and one with 'appendonly yes' \
                               takes it for the log until a snapshot is saved";
            self.errors.warn("writing the state file", error, consequence);
        }
        // The state file may say so all the same; and if it does not, snapshots do from now on.
        if let Some(made) = made.get() {
            if durable {
                self.ended.clear();
            }
            add_copy(&mut self.ended, *made);
        }
        true
    }

    /// Sees to it that the state file does not call a log a copy that could not be turned off: a snapshot is about to be made of more than
    /// a power cut may leave of that.
    ///
    /// # Errors
    /// That of the state file. No snapshot may be begun then.
    pub(super) fn take_back_copy(&mut self) -> Result<(), WriteError> {
        if !self.copy_in_doubt {
            return Ok(());
        }
        // One that was queued before it must not be written after it.
        self.bio.drain(Kind::Rename);
        let (Some(keeper), Some(proven_bytes)) = (&self.keeper, self.aof.proven_size_bytes()) else { return Ok(()) };
        keeper.present(proven_bytes).write(&*self.dir, &self.log_name, Durability::Durable)?;
        self.copy_in_doubt = false;
        Ok(())
    }

    /// What a snapshot that begins now is to say of the log: the field and its value.
    pub(super) fn said_of_log(&self) -> Option<(&'static str, String)> {
        let value = if self.is_on() {
            self.keeper.as_ref().map(|keeper| Saved::Beside(keeper.identity()))
        } else {
            (!self.ended.is_empty()).then(|| Saved::After(self.ended.clone()))
        };
        value.map(|saved| (FIELD, saved.to_string()))
    }
}

/// Adds the last copy to those that may have the log's name. Where there are too many a start that finds the one that is left out asks.
pub(super) fn add_copy(ended: &mut Vec<CopyId>, copy: CopyId) {
    ended.push(copy);
    while ended.len() > MOST_RECORDS {
        // The first one has had its name durably, as far as is known.
        ended.remove(1);
    }
}
