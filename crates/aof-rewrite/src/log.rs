//! What the rewrite needs of the log that is being written while it runs. Implemented by whoever owns that log; this crate
//! never names it.
//!
//! Offsets are [`LogOffset`]s: positions in the stream of everything ever fed, not in a file.

use std::io;
use std::sync::Arc;

use aof_state::{LogOffset, Marks, StateFile};
use vfs::File;

/// The live log, as the rewrite sees it.
///
/// In the life of one rewrite the calls come in this order: `diff_start`; `diff_*` while the child works and the residual diff
/// is written; `attach`; then either `promote` (after rename and directory fsync) or `detach`. A rewrite that ends before
/// `attach` calls `diff_drop`. A rewrite in [`Mode::Once`](crate::Mode::Once) calls nothing but `marks`.
pub trait LiveLog {
    /// How far the log has come. While a second file is attached, `written` and `fsynced` count only what both files have.
    fn marks(&self) -> Marks;

    /// How far the log's own file alone is fsynced, a second file left aside. After a power cut before the rename, this is
    /// what would be found.
    fn log_fsynced(&self) -> LogOffset {
        self.marks().fsynced
    }

    /// What is known for certain of the log's own file now; `None` if nothing is, or there is none.
    fn state(&self) -> Option<StateFile>;

    /// Starts the diff: everything fed from now on is also kept for the new file, and the next command fed is preceded by a
    /// SELECT (in both streams). Called directly before the fork, when nothing fed is missing from the keyspace.
    fn diff_start(&mut self);

    /// Bytes in the diff.
    fn diff_len(&self) -> u64;

    /// The oldest contiguous bytes of the diff; `None` if it is empty.
    fn diff_front(&self) -> Option<&[u8]>;

    /// Drops `n` bytes at the front, which were handed on.
    ///
    /// # Panics
    /// If `n` is more than `diff_front` holds.
    fn diff_consume(&mut self, n: usize);

    /// Ends the diff and returns what is left of it, to be freed by a job: that takes long for gigabytes. `None` if there is
    /// none.
    fn diff_drop(&mut self) -> Option<Box<dyn Send>>;

    /// Ends the diff, which is empty, and attaches the new file as the second one.
    ///
    /// The boundary is exact: the file already holds everything fed up to `marks().appended`, *also what is still pending for
    /// the log's own file*. So what goes to it is what is fed from now on and nothing else. From here on every flush goes to
    /// both files, and under `always` and `everysec` both are fsynced. `marks().fsynced` never goes back: it stands still
    /// until the new file has caught up. `size_bytes` is the file's size now.
    ///
    /// The part before the boundary is not fsynced yet; the caller does that, by a full fsync, before the rename. So this is the
    /// moment to set a mark on the file, if marks are kept.
    ///
    /// With no file open (the first rewrite, [`Mode::First`](crate::Mode::First)) the new file becomes the only one.
    fn attach(&mut self, file: Arc<dyn File>, size_bytes: u64);

    /// The state of the attached file.
    ///
    /// # Panics
    /// If none is attached.
    fn mirror(&self) -> Mirror;

    /// How far an fsync of the attached file that the log itself has started, and whose result it does not know yet, goes;
    /// `None` if there is none. Linux reports a write-back error once: of two fsyncs of one file at the same time, one may
    /// succeed only because the other has taken the error. So the rewrite believes its own fsync when this one succeeded too.
    ///
    /// # Panics
    /// If none is attached.
    fn mirror_fsync_upto(&self) -> Option<LogOffset>;

    /// The attached file becomes the log: its name is durable. Base size and current size are its size; the next command is
    /// preceded by a SELECT. `fsynced` says how far the caller knows it to be fsynced, which may be more than the log knows
    /// under `no`. Returns the old file, if there was one: with what is not written to it dropped, its last reference is to
    /// be closed in bio, since closing frees its blocks.
    ///
    /// If the new file has failed since the rename, that is now the failure of the log. If the old one had failed, it no
    /// longer matters.
    fn promote(&mut self, fsynced: LogOffset) -> Option<Arc<dyn File>>;

    /// Drops the attached file: the log goes on with its own file alone, as before `attach`. (In the first rewrite: with
    /// none.)
    fn detach(&mut self);

    /// The directory fsync after the rename failed: after a power cut either file may stand under the name, whatever a
    /// later fsync says. Called directly after `promote`. A failed fsync in every respect: nothing more is acked until a
    /// rewrite to yet another file has succeeded.
    fn switch_not_durable(&mut self, error: &io::Error);
}

/// The state of the attached file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// All is well; the marks of this file alone. Of what the file held when it was attached they need not say anything: the
    /// rewrite fsyncs that itself.
    Sound(Marks),
    /// A write to it or an fsync of it failed with this error. Before the rename that costs the rewrite, not the log.
    Failed {
        /// The error number; 0 if the system gave none.
        errno: i32,
    },
}
