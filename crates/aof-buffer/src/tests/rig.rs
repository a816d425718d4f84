//! A disk and a bio for tests: faults on demand, jobs run when told.
//!
//! The disk keeps the truth that marks are held against: what is in the page cache, and what an fsync that succeeded
//! covers. After a failed fsync nothing more of a file becomes durable, as on Linux.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bio::{Bio, Completion, Job, JobId, Kind, Outcome};
use resp_codec::Effect;
use vfs::{File, FileKind, Metadata};

use crate::{AofBuffer, AppendFsync, Options, Turn};

/// What happens to a coming append.
#[derive(Clone, Copy, Debug)]
pub(super) enum AppendFault {
    Short(usize),
    Errno(i32),
    Interrupted,
    /// The bytes go out, then the job dies.
    Panic(usize),
}

#[derive(Default)]
pub(super) struct State {
    pub(super) content: Vec<u8>,
    pub(super) durable_bytes: usize,
    pub(super) appends: usize,
    pub(super) fsyncs: usize,
    pub(super) append_faults: VecDeque<AppendFault>,
    pub(super) cut_faults: usize,
    pub(super) fsync_faults: usize,
    /// It cannot be opened again.
    pub(super) single: bool,
    /// Failed fsyncs so far. Every description open at the time reports each once.
    errors: u64,
}

/// One description of a file.
#[derive(Default)]
pub(super) struct TestFile {
    state: Arc<Mutex<State>>,
    reported: AtomicU64,
}

impl TestFile {
    pub(super) fn with(content: &[u8]) -> Arc<Self> {
        let file = Arc::new(Self::default());
        file.state().content = content.to_vec();
        file.state().durable_bytes = content.len();
        file
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.state().content.clone()
    }

    pub(super) fn next_append(&self, fault: AppendFault) {
        self.state().append_faults.push_back(fault);
    }

    pub(super) fn heal(&self) {
        let mut s = self.state();
        s.append_faults.clear();
        (s.cut_faults, s.fsync_faults) = (0, 0);
    }
}

impl File for TestFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut s = self.state();
        s.appends += 1;
        let (n, end) = match s.append_faults.pop_front() {
            None => (bytes.len(), None),
            Some(AppendFault::Short(n)) => (n.min(bytes.len()), None),
            Some(AppendFault::Errno(code)) => (0, Some(Err(io::Error::from_raw_os_error(code)))),
            Some(AppendFault::Interrupted) => (0, Some(Err(io::ErrorKind::Interrupted.into()))),
            Some(AppendFault::Panic(n)) => {
                s.content.extend_from_slice(&bytes[..n.min(bytes.len())]);
                drop(s);
                panic!("injected");
            }
        };
        s.content.extend_from_slice(&bytes[..n]);
        end.unwrap_or(Ok(n))
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        unreachable!("the buffer never reads")
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        unreachable!("the buffer only appends")
    }

    fn fdatasync(&self) -> io::Result<()> {
        let mut s = self.state();
        s.fsyncs += 1;
        if s.fsync_faults > 0 {
            s.fsync_faults -= 1;
            s.errors += 1;
        }
        if self.reported.swap(s.errors, Ordering::Relaxed) < s.errors {
            return Err(io::Error::from_raw_os_error(5));
        }
        if s.errors == 0 {
            s.durable_bytes = s.content.len();
        }
        Ok(())
    }

    fn reopen(&self) -> io::Result<Arc<dyn File>> {
        if self.state().single {
            return Err(io::Error::from_raw_os_error(2));
        }
        let reported = self.state().errors.into();
        Ok(Arc::new(Self { state: Arc::clone(&self.state), reported }))
    }

    fn fsync(&self) -> io::Result<()> {
        unreachable!("the buffer only needs data and size")
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut s = self.state();
        if s.cut_faults > 0 {
            s.cut_faults -= 1;
            return Err(io::Error::from_raw_os_error(5));
        }
        let len = usize::try_from(len).unwrap();
        assert!(len <= s.content.len(), "a cut never lengthens");
        s.content.truncate(len);
        Ok(())
    }

    fn metadata(&self) -> io::Result<Metadata> {
        let len = self.state().content.len() as u64;
        Ok(Metadata { kind: FileKind::File, len, inode: 1, birth_ns: None, modified_ns: 0 })
    }

    fn mark(&self) -> io::Result<Option<[u8; 16]>> {
        Ok(None)
    }

    fn set_mark(&self, _: [u8; 16]) -> io::Result<bool> {
        Ok(false)
    }

    fn descriptor(&self) -> Option<i32> {
        None
    }
}

struct Queued {
    id: JobId,
    kind: Kind,
    job: Option<Job>,
    outcome: Option<Outcome>,
    released: bool,
}

/// Runs jobs when told; hands back completions in order of submission within a kind.
#[derive(Default)]
pub(super) struct TestBio {
    queue: Vec<Queued>,
    next: u64,
}

impl TestBio {
    /// Runs the `nth` (modulo their number) job of `kind` that has not run; writes always the oldest.
    pub(super) fn run(&mut self, kind: Kind, nth: usize) -> bool {
        let waiting = || self.queue.iter().enumerate().filter(|(_, q)| q.kind == kind && q.job.is_some());
        let count = waiting().count();
        if count == 0 {
            return false;
        }
        let nth = if kind == Kind::Write { 0 } else { nth % count };
        let at = waiting().nth(nth).unwrap().0;
        let job = self.queue[at].job.take().unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(job));
        self.queue[at].outcome = Some(outcome.unwrap_or_else(|_| Err(io::Error::other("a job panicked"))));
        true
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        self.queue.iter().filter(|q| q.kind == kind && q.job.is_some()).count()
    }
}

impl Bio for TestBio {
    fn submit(&mut self, kind: Kind, job: Job) -> JobId {
        self.next += 1;
        let id = JobId(self.next);
        self.queue.push(Queued { id, kind, job: Some(job), outcome: None, released: false });
        id
    }

    fn poll(&mut self, out: &mut Vec<Completion>) {
        let mut blocked = Vec::new();
        for mut q in std::mem::take(&mut self.queue) {
            if q.outcome.is_none() && !q.released {
                blocked.push(q.kind);
            }
            match q.outcome.take_if(|_| !blocked.contains(&q.kind)) {
                Some(outcome) => out.push(Completion { id: q.id, kind: q.kind, outcome }),
                None => self.queue.push(q),
            }
        }
    }

    fn pending(&self, kind: Kind) -> usize {
        self.queue.iter().filter(|q| q.kind == kind).count()
    }

    fn release(&mut self, _: Kind, id: JobId) {
        self.queue.iter_mut().filter(|q| q.id == id).for_each(|q| q.released = true);
    }

    fn drain(&mut self, kind: Kind) {
        while self.run(kind, 0) {}
    }
}

/// A buffer with a file, a bio and a clock.
pub(super) struct Rig {
    pub(super) aof: AofBuffer,
    pub(super) bio: TestBio,
    pub(super) file: Arc<TestFile>,
    pub(super) now_ms: u64,
}

impl Rig {
    pub(super) fn new(policy: AppendFsync) -> Self {
        Self::on(policy, TestFile::with(b""))
    }

    /// On a file that cannot be opened again.
    pub(super) fn on_single(policy: AppendFsync) -> Self {
        let file = TestFile::with(b"");
        file.state().single = true;
        Self::on(policy, file)
    }

    fn on(policy: AppendFsync, file: Arc<TestFile>) -> Self {
        let mut aof = AofBuffer::new(Options { policy });
        aof.open(Arc::clone(&file) as Arc<dyn File>, 0);
        Self { aof, bio: TestBio::default(), file, now_ms: 100_000 }
    }

    /// Feeds one command of database 0 and returns the end of the stream.
    pub(super) fn feed(&mut self, name: &str) -> u64 {
        self.aof.feed(Effect { db: 0, command: &command(name) }).0
    }

    pub(super) fn turn(&mut self) {
        self.turn_with(|turn| turn);
    }

    pub(super) fn turn_with(&mut self, change: impl FnOnce(Turn) -> Turn) {
        self.aof.turn(change(Turn::at(self.now_ms)), &mut self.bio);
    }

    pub(super) fn turn_after(&mut self, ms: u64) {
        self.now_ms += ms;
        self.turn();
    }

    /// Runs the oldest job of `kind`, hands back its completion, and takes a turn.
    pub(super) fn finish(&mut self, kind: Kind) {
        assert!(self.bio.run(kind, 0), "a job of kind {kind:?} waits");
        self.deliver();
        self.turn();
    }

    /// Runs a write of the writer thread, if there is one.
    pub(super) fn finish_write(&mut self) {
        if self.bio.count(Kind::Write) > 0 {
            self.finish(Kind::Write);
        }
    }

    pub(super) fn deliver(&mut self) {
        let mut done = Vec::new();
        self.bio.poll(&mut done);
        for completion in done {
            assert!(self.aof.complete(&completion, self.now_ms), "every job here is the buffer's");
        }
    }

    /// `(appended, written, fsynced)`.
    pub(super) fn marks(&self) -> (u64, u64, u64) {
        let m = self.aof.marks();
        (m.appended.0, m.written.0, m.fsynced.0)
    }

    pub(super) fn notices(&mut self) -> Vec<String> {
        self.aof.take_notices().iter().map(ToString::to_string).collect()
    }

    pub(super) fn blocking(&mut self) -> Result<(), crate::AofError> {
        self.aof.flush_and_fsync_blocking(&mut self.bio)
    }
}

pub(super) fn command(name: &str) -> Vec<u8> {
    format!("*1\r\n${}\r\n{name}\r\n", name.len()).into_bytes()
}

pub(super) const SELECT_0: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
