//! A log so simple that it cannot be wrong: it keeps the whole stream and writes to each file what that file lacks.

use std::io;
use std::sync::Arc;

use aof_rewrite::{LiveLog, Mirror};
use aof_state::{LogOffset, Marks, StateFile};
use vfs::File;

/// One file of the log and how far it has come in the stream.
struct Track {
    file: Arc<dyn File>,
    written: u64,
    fsynced: u64,
    failed: Option<i32>,
    /// How far an fsync goes that runs; only if `slow_fsync`.
    fsyncing: Option<u64>,
}

impl Track {
    fn new(file: Arc<dyn File>, written: u64) -> Self {
        Self { file, written, fsynced: 0, failed: None, fsyncing: None }
    }
}

/// The stream, the log's own file and, during a switch, the new one.
#[derive(Default)]
pub(crate) struct FakeLog {
    stream: Vec<u8>,
    own: Option<Track>,
    mirror: Option<Track>,
    /// Its bytes, and how many of them were consumed.
    diff: Option<(Vec<u8>, usize)>,
    db: Option<u32>,
    /// What replies may have promised: never goes back.
    promised: u64,
    pub(crate) promoted: u32,
    pub(crate) not_durable: Vec<i32>,
    /// The new file's fsyncs run until `end_mirror_fsync`.
    pub(crate) slow_fsync: bool,
}

impl FakeLog {
    /// A log over an empty file.
    pub(crate) fn over(file: Arc<dyn File>) -> Self {
        Self { own: Some(Track::new(file, 0)), ..Self::default() }
    }

    /// Feeds one command.
    pub(crate) fn feed(&mut self, db: u32, args: &[&[u8]]) {
        let mut bytes = Vec::new();
        if self.db != Some(db) {
            self.db = Some(db);
            resp_codec::encode_command(&mut bytes, [&b"SELECT"[..], db.to_string().as_bytes()].into_iter());
        }
        resp_codec::encode_command(&mut bytes, args.iter().copied());
        self.stream.extend_from_slice(&bytes);
        if let Some((diff, _)) = &mut self.diff {
            diff.extend_from_slice(&bytes);
        }
    }

    /// Writes what is pending to each file; a file that fails is tried again but for the new one, which has failed for good.
    pub(crate) fn flush(&mut self) {
        for track in [&mut self.own, &mut self.mirror].into_iter().flatten() {
            while track.failed.is_none() && track.written < self.stream.len() as u64 {
                match track.file.append(&self.stream[track.written as usize..]) {
                    Ok(n) => track.written += n as u64,
                    Err(e) => track.failed = e.raw_os_error(),
                }
            }
        }
    }

    /// Ends the fsync of the new file that runs.
    pub(crate) fn end_mirror_fsync(&mut self, result: Result<(), i32>) {
        let mirror = self.mirror.as_mut().expect("attached");
        let upto = mirror.fsyncing.take().expect("running");
        match result {
            Ok(()) => mirror.fsynced = upto,
            Err(errno) => mirror.failed = Some(errno),
        }
    }

    /// Fsyncs each file.
    pub(crate) fn fsync(&mut self) {
        if let Some(mirror) = self.mirror.as_mut().filter(|_| self.slow_fsync) {
            mirror.fsyncing.get_or_insert(mirror.written);
            return;
        }
        for track in [&mut self.own, &mut self.mirror].into_iter().flatten() {
            if track.failed.is_none() && track.fsynced < track.written {
                match track.file.fdatasync() {
                    Ok(()) => track.fsynced = track.written,
                    Err(e) => track.failed = e.raw_os_error(),
                }
            }
        }
        self.promised = self.marks().fsynced.0;
    }

    /// The stream from an offset on.
    pub(crate) fn stream_from(&self, at: u64) -> &[u8] {
        &self.stream[at as usize..]
    }

    /// Whether a file is open.
    pub(crate) fn is_open(&self) -> bool {
        self.own.is_some()
    }

    /// Whether the new file is attached.
    pub(crate) fn is_attached(&self) -> bool {
        self.mirror.is_some()
    }

    /// Whether the log's own file has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.failed.is_some())
    }

    fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.own.iter().chain(&self.mirror)
    }
}

impl LiveLog for FakeLog {
    fn marks(&self) -> Marks {
        let appended = self.stream.len() as u64;
        let written = self.tracks().map(|t| t.written).min().unwrap_or(0);
        let fsynced = self.tracks().map(|t| t.fsynced).min().unwrap_or(0).max(self.promised);
        Marks { appended: LogOffset(appended), written: LogOffset(written), fsynced: LogOffset(fsynced) }
    }

    fn log_fsynced(&self) -> LogOffset {
        LogOffset(self.own.as_ref().map_or(0, |own| own.fsynced))
    }

    fn state(&self) -> Option<StateFile> {
        None
    }

    fn diff_start(&mut self) {
        assert!(self.diff.is_none() && self.mirror.is_none(), "one rewrite at a time");
        self.db = None;
        self.diff = Some((Vec::new(), 0));
    }

    fn diff_len(&self) -> u64 {
        self.diff.as_ref().map_or(0, |(diff, at)| (diff.len() - at) as u64)
    }

    fn diff_front(&self) -> Option<&[u8]> {
        // In odd pieces, as blocks give them.
        let (diff, at) = self.diff.as_ref()?;
        diff[*at..].chunks(1009).next()
    }

    fn diff_consume(&mut self, n: usize) {
        assert!(self.diff_front().map_or(0, <[u8]>::len) >= n, "no more than the front");
        self.diff.as_mut().expect("a diff").1 += n;
    }

    fn diff_drop(&mut self) -> Option<Box<dyn Send>> {
        self.diff.take().map(|diff| Box::new(diff) as Box<dyn Send>)
    }

    fn attach(&mut self, file: Arc<dyn File>, size_bytes: u64) {
        assert_eq!(self.diff_len(), 0, "everything before the boundary is in the file");
        self.diff.take().expect("a diff");
        if let Ok(metadata) = file.metadata() {
            assert_eq!(metadata.len, size_bytes);
        }
        self.mirror = Some(Track::new(file, self.stream.len() as u64));
    }

    fn mirror(&self) -> Mirror {
        let mirror = self.mirror.as_ref().expect("attached");
        match mirror.failed {
            Some(errno) => Mirror::Failed { errno },
            None => Mirror::Sound(Marks {
                appended: LogOffset(self.stream.len() as u64),
                written: LogOffset(mirror.written),
                fsynced: LogOffset(mirror.fsynced),
            }),
        }
    }

    fn mirror_fsync_upto(&self) -> Option<LogOffset> {
        self.mirror.as_ref().expect("attached").fsyncing.map(LogOffset)
    }

    fn promote(&mut self, fsynced: LogOffset) -> Option<Arc<dyn File>> {
        let mut mirror = self.mirror.take().expect("attached");
        mirror.fsynced = mirror.fsynced.max(fsynced.0);
        self.promoted += 1;
        self.db = None;
        self.own.replace(mirror).map(|old| old.file)
    }

    fn detach(&mut self) {
        self.mirror.take().expect("attached");
    }

    fn switch_not_durable(&mut self, error: &io::Error) {
        self.not_durable.push(error.raw_os_error().unwrap_or(0));
    }
}
