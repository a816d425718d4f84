//! The log as the rewrite sees it: `aof-rewrite` asks through its own trait, `aof-buffer` answers.

use std::io;
use std::sync::Arc;

use aof_buffer::{AofBuffer, Health};
use aof_rewrite::{LiveLog, Mirror};
use aof_state::{Identity, LogOffset, Marks, StateFile, StateKeeper};
use vfs::File;

use super::errors::FileErrors;
use super::marker::Marker;

/// The buffer, and which files a rewrite has put beside it or in place of it.
pub(super) struct Live<'a> {
    pub(super) aof: &'a mut AofBuffer,
    pub(super) attached: &'a mut Option<Arc<dyn File>>,
    pub(super) promoted: &'a mut Option<Arc<dyn File>>,
    pub(super) keeper: Option<&'a StateKeeper>,
    pub(super) marker: &'a mut Marker,
    pub(super) errors: &'a mut FileErrors,
}

impl LiveLog for Live<'_> {
    fn marks(&self) -> Marks {
        self.aof.marks()
    }

    fn log_fsynced(&self) -> LogOffset {
        self.aof.log_fsynced()
    }

    fn state(&self) -> Option<StateFile> {
        Some(self.keeper?.present(self.aof.proven_size_bytes()?))
    }

    fn diff_start(&mut self) {
        self.aof.diff_start();
    }

    fn diff_len(&self) -> u64 {
        self.aof.diff_len()
    }

    fn diff_front(&self) -> Option<&[u8]> {
        self.aof.diff_front()
    }

    fn diff_consume(&mut self, n: usize) {
        self.aof.diff_consume(n);
    }

    fn diff_drop(&mut self) -> Option<Box<dyn Send>> {
        self.aof.diff_drop()
    }

    /// The file gets its generation here, before the full fsync that precedes its rename: so the mark is durable with it. One
    /// that cannot be set costs a proof at the next start, no data.
    fn attach(&mut self, file: Arc<dyn File>, size_bytes: u64) {
        if let Err(error) = Identity::brand(&*file, self.marker.next_mark()) {
            let consequence = "the next start has to prove all of it";
            self.errors.warn("marking the new append only file", &error, consequence);
        }
        *self.attached = Some(Arc::clone(&file));
        self.aof.attach(file, size_bytes);
    }

    fn mirror(&self) -> Mirror {
        let health = self.aof.mirror_health().expect("asked only while a file is attached");
        let marks = self.aof.mirror_marks().expect("asked only while a file is attached");
        match health {
            Health::Ok => Mirror::Sound(marks),
            Health::WriteError { error, .. } | Health::FsyncFailed { error, .. } => {
                Mirror::Failed { errno: errno(&error) }
            }
        }
    }

    fn mirror_fsync_upto(&self) -> Option<LogOffset> {
        self.aof.mirror_fsync_upto()
    }

    /// What the rewrite knows of the new file's fsyncs beyond the buffer's own is not handed on: the mark it would raise is a
    /// lower bound that the next fsync raises anyway.
    fn promote(&mut self, _fsynced: LogOffset) -> Option<Arc<dyn File>> {
        *self.promoted = self.attached.take();
        self.aof.promote()
    }

    fn detach(&mut self) {
        *self.attached = None;
        // The rewrite holds the file too and closes it in the background.
        drop(self.aof.detach());
    }

    fn switch_not_durable(&mut self, error: &io::Error) {
        let same = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
        self.aof.fail_switch(same);
    }
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}
