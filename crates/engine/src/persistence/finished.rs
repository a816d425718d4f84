//! A log that was finished and has no name: a first rewrite had announced its file, or even named it, when the process was killed or the
//! power went.
//!
//! Before that rewrite there was no log, or one that had just been moved aside, so this file may be the only one that holds what was
//! executed since. It gets its name at the next start, whether that is to load it or only to refuse to leave it aside.

use aof_state::{Finished, StateFile};

use super::StartError;
use super::order::Dataset;
use crate::clock::FileTime;
use crate::engine::Engine;
use crate::log::Level;

impl Engine {
    /// Gives such a file the log's name, if no other has it. To be called before temporary files are removed.
    pub(super) fn name_finished_log(&mut self) -> Result<(), StartError> {
        let (log, dump) = (self.config.appendfilename.clone(), self.config.dbfilename.clone());
        if self.stat(&log)?.is_some() {
            return Ok(());
        }
        let finished = StateFile::finished(&*self.persistence.dir, &log);
        let finished = finished.map_err(|unread| self.file_error("read", &unread.name, unread.source))?;
        let Some(finished) = finished else { return Ok(()) };
        let dumped_ns = self.stat(&dump)?.map(|found| found.modified_ns);
        if finished.announced
            && let Some(dumped_ns) = dumped_ns
        {
            match self.dataset_beside(&finished.name, &log)? {
                Some(Dataset::Copy) => return self.name_finished(&finished, &log),
                Some(Dataset::Dump) => return Ok(()),
                Some(Dataset::Unknown) => return Err(self.beside_finished(&finished, dumped_ns)),
                None => {}
            }
            let in_future = dumped_ns.max(finished.modified_ns) > self.now.unix_ns();
            let dumped_later = dumped_ns > finished.modified_ns;
            // A snapshot that is certainly the later one holds all that was promised of a file that was given up. One that is older than what
            // was moved aside is still to be chosen by somebody, unless it says that it is not.
            let aside = if dumped_later { self.moved_aside(&log)? } else { None };
            let older_than_aside = match aside {
                Some(aside) => !self.dump_follows(&aside, &log)?,
                None => false,
            };
            if in_future || older_than_aside {
                return Err(self.beside_finished(&finished, dumped_ns));
            }
            if dumped_later {
                return Ok(());
            }
        }
        self.name_finished(&finished, &log)
    }

    fn name_finished(&mut self, finished: &Finished, log: &str) -> Result<(), StartError> {
        self.name_log(&finished.name, log)?;
        self.log_line(
            Level::Warning,
            format_args!(
                "{} is {log} now: it was finished, and the server ended before its name was on stable storage",
                finished.name
            ),
        );
        Ok(())
    }

    /// The refusal to choose between a finished log and a snapshot that may be newer.
    fn beside_finished(&self, finished: &Finished, dumped_ns: u64) -> StartError {
        let (log, dump, name) = (&self.config.appendfilename, &self.config.dbfilename, &finished.name);
        let advice = format!(
            "a finished log that has no name yet ({}), beside {dump} ({}), and nobody knows which was written last. Rename {name} to {log} to \
             load it, or move it away to go on without it",
            FileTime(finished.modified_ns),
            FileTime(dumped_ns)
        );
        StartError::BesideData { dir: self.persistence.dir_name(), found: name.clone(), advice }
    }
}
