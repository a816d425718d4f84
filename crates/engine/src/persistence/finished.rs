//! A log that was finished and has no name: a first rewrite had announced its file, or even named it, when the process was killed or the
//! power went.
//!
//! Before that rewrite there was no log, or one that had just been moved aside, so this file may be the only one that holds what was
//! executed since. It gets its name at the next start, whether that is to load it or only to refuse to leave it aside.

use aof_state::StateFile;

use super::StartError;
use crate::engine::Engine;
use crate::log::Level;

impl Engine {
    /// Gives such a file the log's name, if no other has it. To be called before temporary files are removed.
    pub(super) fn name_finished_log(&mut self) -> Result<(), StartError> {
        let (log, dump) = (self.config.appendfilename.clone(), self.config.dbfilename.clone());
        if self.stat(&log)?.is_some() {
            return Ok(());
        }
        let dir = std::sync::Arc::clone(&self.persistence.dir);
        let finished = StateFile::finished(&*dir, &log).map_err(|source| self.file_error("list", ".", source))?;
        let Some(finished) = finished else { return Ok(()) };
        // One that lies in the future says nothing but that the clock was set back.
        let later_ns = finished.modified_ns + 1..=self.now.unix_ns();
        let dumped_later = self.stat(&dump)?.is_some_and(|found| later_ns.contains(&found.modified_ns));
        // It was given up, or holds no more than what was saved after it: the snapshot is what would be loaded without it.
        if finished.announced && dumped_later && self.moved_aside(&log)?.is_none() {
            return Ok(());
        }
        dir.rename_new(&finished.name, &log)
            .and_then(|()| dir.fsync())
            .map_err(|source| self.file_error("rename", &finished.name, source))?;
        self.log_line(
            Level::Warning,
            format_args!(
                "{} is {log} now: it was finished, and the server ended before its name was on stable storage",
                finished.name
            ),
        );
        Ok(())
    }
}
