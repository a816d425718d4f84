//! The AOF buffer's part in a rewrite: the rewrite buffer, and the second file while the log is switched.
//!
//! The order the rewriter keeps: `diff_start` directly before the fork; `diff_front` and `diff_consume` until the rewrite
//! buffer is empty and all of it is in the new file; at that very point `attach`, which ends the rewrite buffer; then its
//! own fsync of the new file, the rename, the fsync of the directory; `promote`. On any failure before the rename
//! `detach`, or `diff_drop` if not yet attached.

use std::io;
use std::sync::Arc;

use aof_state::{LogOffset, Marks};
use mutants::{Mutant, planted};
use vfs::File;

use crate::buffer::AofBuffer;
use crate::diff::Diff;
use crate::files::LogFile;
use crate::health::{Failure, Health};
use crate::notice::Notice;
use crate::writer::WriteFault;

impl AofBuffer {
    /// Begins an empty rewrite buffer: whatever is fed from now on goes there too, a `SELECT` first.
    ///
    /// # Panics
    /// Inside a unit.
    pub fn diff_start(&mut self) {
        self.feed.forget_db();
        self.diff = Some(Diff::default());
    }

    /// Whether there is a rewrite buffer.
    pub fn diff_active(&self) -> bool {
        self.diff.is_some()
    }

    /// Bytes in the rewrite buffer.
    pub fn diff_len(&self) -> u64 {
        self.diff.as_ref().map_or(0, Diff::len_bytes)
    }

    /// The oldest bytes of the rewrite buffer in one piece; `None` if there are none. They stay where they are until
    /// consumed.
    pub fn diff_front(&self) -> Option<&[u8]> {
        self.diff.as_ref().and_then(Diff::front)
    }

    /// Forgets the `n` oldest bytes of the rewrite buffer.
    ///
    /// # Panics
    /// If it holds fewer.
    pub fn diff_consume(&mut self, n: usize) {
        match &mut self.diff {
            Some(diff) => diff.consume(n),
            None => assert!(n == 0, "there is no rewrite buffer"),
        }
    }

    /// Ends the rewrite buffer and returns what it held, to be freed off the loop: gigabytes take long. `None` if there is
    /// none.
    pub fn diff_drop(&mut self) -> Option<Box<dyn Send>> {
        self.diff.take().map(|diff| Box::new(diff) as Box<dyn Send>)
    }

    /// Makes `file` a second file of the log, its mirror. The boundary is exact: everything fed before this call is the
    /// caller's to have put into the file (its `size_bytes`), also what the log itself still has to write; everything
    /// fed after it is written here to both, a `SELECT` first. From here on [`marks`](Self::marks) are the lesser of
    /// both files', and both are fsynced as the policy asks. The caller's own part it fsyncs itself, before the rename.
    /// The rewrite buffer, if there is one, ends here.
    ///
    /// # Panics
    /// If there is a mirror, a unit is open, or the rewrite buffer still holds something.
    pub fn attach(&mut self, file: Arc<dyn File>, size_bytes: u64) {
        assert!(self.mirror.is_none(), "one mirror at a time");
        assert!(self.diff_len() == 0, "the file holds everything fed before it is attached");
        self.diff = None;
        self.feed.forget_db();
        self.mirror = Some(self.new_file(file, size_bytes));
    }

    /// How far the mirror has come with what was fed since it was attached.
    pub fn mirror_marks(&self) -> Option<Marks> {
        let appended = self.pending.end();
        self.mirror.as_ref().map(|m| Marks { appended, written: m.written(), fsynced: m.fsynced() })
    }

    /// The state of the mirror. Not being [`Health::Ok`], it holds up the marks until it is detached (or, once it has the
    /// log's name, promoted: its state then is the log's); the log itself is not hurt. `None` without a mirror.
    pub fn mirror_health(&self) -> Option<Health> {
        self.mirror.as_ref().map(LogFile::health)
    }

    /// How far the mirror's fsync goes that is in flight by the very description it was attached by; `None` if there is none,
    /// which is always so where files can be opened again. Whoever fsyncs by that description beside it must not believe a
    /// success before this one has succeeded too: the kernel reports an error to one of them only.
    pub fn mirror_fsync_upto(&self) -> Option<LogOffset> {
        self.mirror.as_ref().and_then(LogFile::shared_fsync_upto)
    }

    /// Gives up the mirror. The file is the caller's again, and what is in flight to it comes to nothing.
    pub fn detach(&mut self) -> Option<Arc<dyn File>> {
        let mirror = self.mirror.take()?;
        Some(self.retire(mirror))
    }

    /// Makes the mirror the log, with its state and marks, and its size the base size. Returns the old log, for a bio
    /// thread to close; `None` if there was none. All failures of the old log end here.
    ///
    /// Call it when the mirror durably has the log's name and the caller's part of it is fsynced.
    ///
    /// # Panics
    /// If there is no mirror, or a unit is open.
    pub fn promote(&mut self) -> Option<Arc<dyn File>> {
        let mirror = self.mirror.take().expect("a mirror is attached before it is promoted");
        self.feed.forget_db();
        let was_in_error = self.log.as_ref().is_some_and(|log| log.failure().is_some());
        if was_in_error && mirror.failure().is_none() {
            self.notices.push(Notice::WriteErrorSolved);
        }
        self.base_size_bytes = mirror.size_bytes();
        self.durable_before_switch = self.durable();
        self.name_in_doubt = false;
        let failure = mirror.failure();
        let old = self.log.replace(mirror).map(|old| self.retire(old));
        // A mirror is never promoted for its health, only for its name: what ails it ails the log from here on.
        match failure {
            None => {}
            Some(Failure::Fsync(error)) => self.report_failed_fsync(error),
            Some(Failure::Write(error)) => self.log_write_failed(&WriteFault { error, short: None, cut_error: None }),
        }
        old
    }

    /// Declares, directly after [`promote`](Self::promote), that the new log's name may not outlive a power cut: a failed fsync,
    /// and what the new file alone holds counts for nothing, because the old one may come back. Only another switch heals it.
    pub fn fail_switch(&mut self, error: io::Error) {
        if planted(Mutant::NameInDoubtIgnored) {
            return;
        }
        self.name_in_doubt = true;
        self.fail_log(error);
    }

    /// Whether the log's name may not outlive a power cut: then nothing may be stated of this file that is only true of its bytes.
    pub fn is_name_in_doubt(&self) -> bool {
        self.name_in_doubt
    }

    /// Declares that what the log fsyncs is no longer proven, as after a failed fsync: for failures that are seen
    /// elsewhere, such as that of closing a file.
    pub fn fail_log(&mut self, error: io::Error) {
        self.log_fsync_failed(Arc::new(error));
    }
}
