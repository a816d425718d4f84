//! Everything a simulated disk holds: inodes, directories, clock, faults, trace. One value behind one lock.

use super::content::{Content, LostPages, MAX_FILE_BYTES};
use super::faults::{Attempt, Call, Fault, Record, Rule};
use super::names::Names;
use crate::name::errno;
use crate::{FileKind, Metadata};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Names an inode for ever, unlike its number, which is reused at once.
pub(super) type InodeId = u64;

/// Where the clock starts: some time in November 2023.
const START_NS: u64 = 1_700_000_000_000_000_000;
/// What one call takes on the simulated clock.
const CALL_NS: u64 = 1_000;
/// Granularity of the times of files: the tick of Linux's coarse clock at 250 Hz. Two files made within one share it.
const TICK_NS: u64 = 4_000_000;

#[derive(Clone, Debug)]
pub(super) struct Inode {
    pub(super) number: u64,
    pub(super) kind: FileKind,
    pub(super) birth_ns: u64,
    pub(super) modified_ns: u64,
    pub(super) content: Content,
    pub(super) mark: Option<[u8; 16]>,
    pub(super) durable_mark: Option<[u8; 16]>,
    /// Names that processes see. 0 or 1.
    pub(super) links: u32,
    /// Open handles.
    pub(super) handles: u32,
    /// Write-back errors so far; every handle open at the time reports each of them once.
    pub(super) errors: u64,
    pub(super) last_errno: i32,
    /// Changes and fsyncs of it that failed, or took a part.
    pub(super) failures: u64,
}

impl Inode {
    fn in_use(&self) -> bool {
        self.links > 0 || self.handles > 0
    }
}

/// What the simulated file system is like.
#[derive(Clone, Debug)]
pub(super) struct Traits {
    pub(super) capacity_bytes: Option<u64>,
    pub(super) keeps_marks: bool,
    pub(super) keeps_birth_times: bool,
    pub(super) pid: u32,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) inodes: BTreeMap<InodeId, Inode>,
    pub(super) dirs: BTreeMap<String, Names>,
    pub(super) traits: Traits,
    pub(super) now_ns: u64,
    next_id: InodeId,
    pub(super) calls: u64,
    pub(super) frozen_at: Option<u64>,
    pub(super) rules: Vec<Rule>,
    /// How often each fault struck each kind of call.
    pub(super) struck: BTreeMap<(Call, &'static str), u64>,
    /// Of every call so far and its outcome.
    pub(super) digest: u64,
    pub(super) trace: Option<Vec<Record>>,
}

impl State {
    pub(super) fn new() -> Self {
        let traits = Traits { capacity_bytes: None, keeps_marks: true, keeps_birth_times: true, pid: 1 };
        Self::of(BTreeMap::new(), BTreeMap::new(), traits, START_NS, 1)
    }

    fn of(
        inodes: BTreeMap<InodeId, Inode>,
        dirs: BTreeMap<String, Names>,
        traits: Traits,
        now_ns: u64,
        next_id: InodeId,
    ) -> Self {
        Self {
            inodes,
            dirs,
            traits,
            now_ns,
            next_id,
            calls: 0,
            frozen_at: None,
            rules: Vec::new(),
            struck: BTreeMap::new(),
            digest: 0,
            trace: None,
        }
    }

    /// The disk a later process finds: these inodes and directories, no faults, no trace, a second later.
    pub(super) fn successor(&self, inodes: BTreeMap<InodeId, Inode>, dirs: BTreeMap<String, Names>) -> Self {
        Self::of(inodes, dirs, self.traits.clone(), self.now_ns + 1_000_000_000, self.next_id)
    }

    /// Counts a call and says what fault it meets, if any; a frozen disk fails everything.
    pub(super) fn begin(&mut self, attempt: &mut Attempt<'_>) -> io::Result<Option<Fault>> {
        attempt.index = self.calls;
        if self.frozen_at.is_some_and(|at| self.calls >= at) {
            return Err(errno(libc::EIO));
        }
        self.calls += 1;
        self.now_ns += CALL_NS;
        // Every rule is asked, so that those that count do not miss a call that another one struck.
        let struck: Vec<Fault> = self.rules.iter_mut().filter_map(|rule| rule.strike(attempt)).collect();
        if let Some(fault) = struck.first() {
            *self.struck.entry((attempt.call, fault.name())).or_default() += 1;
        }
        match struck.first().copied() {
            Some(Fault::Errno(code)) => Err(errno(code)),
            Some(Fault::FsyncFailed { errno: code, .. })
                if !matches!(attempt.call, Call::Fdatasync | Call::Fsync | Call::DirFsync) =>
            {
                Err(errno(code))
            }
            other => Ok(other),
        }
    }

    /// Makes an inode with the lowest free number.
    pub(super) fn create(&mut self, kind: FileKind) -> InodeId {
        let id = self.next_id;
        self.next_id += 1;
        // While a power cut may give a file its name back, no other has its number.
        let named: BTreeSet<InodeId> = self.dirs.values().flat_map(|names| names.durable.values().copied()).collect();
        let keeps = |(id, inode): &(&InodeId, &Inode)| inode.in_use() || named.contains(*id);
        let taken: BTreeSet<u64> = self.inodes.iter().filter(keeps).map(|(_, inode)| inode.number).collect();
        let inode = Inode {
            number: lowest_free(&taken),
            kind,
            birth_ns: self.now_ns - self.now_ns % TICK_NS,
            modified_ns: self.now_ns - self.now_ns % TICK_NS,
            content: Content::default(),
            mark: None,
            durable_mark: None,
            links: 0,
            handles: 0,
            errors: 0,
            last_errno: 0,
            failures: 0,
        };
        self.inodes.insert(id, inode);
        id
    }

    /// The names of a directory, which exists as long as a handle of it.
    pub(super) fn names(&mut self, dir: &str) -> &mut Names {
        if !self.dirs.contains_key(dir) {
            self.dirs.insert(dir.to_owned(), Names::default());
        }
        self.dirs.get_mut(dir).expect("it was just made")
    }

    /// The inode of an open handle or a name.
    pub(super) fn inode(&mut self, id: InodeId) -> &mut Inode {
        self.inodes.get_mut(&id).expect("an inode lives as long as a handle or a name refers to it")
    }

    pub(super) fn inode_named(&mut self, dir: &str, name: &str) -> Option<InodeId> {
        self.names(dir).cache.get(name).copied()
    }

    pub(super) fn link(&mut self, dir: &str, name: &str, id: InodeId) {
        self.names(dir).link(name, id);
        self.inode(id).links += 1;
    }

    /// One name fewer.
    pub(super) fn unlinked(&mut self, id: InodeId) {
        self.inode(id).links -= 1;
        self.collect();
    }

    /// One handle fewer.
    pub(super) fn closed(&mut self, id: InodeId) {
        self.inode(id).handles -= 1;
        self.collect();
    }

    /// Forgets inodes that neither a process nor a surviving image can refer to.
    pub(super) fn collect(&mut self) {
        let referred: BTreeSet<InodeId> = self.dirs.values().flat_map(Names::referred).collect();
        self.inodes.retain(|id, inode| inode.in_use() || referred.contains(id));
    }

    pub(super) fn metadata(&mut self, id: InodeId) -> Metadata {
        let keeps_birth_times = self.traits.keeps_birth_times;
        let inode = self.inode(id);
        Metadata {
            kind: inode.kind,
            len: inode.content.cache.len() as u64,
            inode: inode.number,
            birth_ns: keeps_birth_times.then_some(inode.birth_ns),
            modified_ns: inode.modified_ns,
        }
    }

    /// How many bytes beyond its present end a file may grow.
    pub(super) fn room(&self) -> u64 {
        let Some(capacity) = self.traits.capacity_bytes else { return u64::MAX };
        let used: u64 =
            self.inodes.values().filter(|inode| inode.in_use()).map(|inode| inode.content.cache.len() as u64).sum();
        capacity.saturating_sub(used)
    }

    /// Writes as much as there is room for; the number of bytes taken.
    pub(super) fn write(&mut self, id: InodeId, offset: u64, bytes: &[u8], most: usize) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(most)];
        if offset.saturating_add(bytes.len() as u64) > MAX_FILE_BYTES {
            return Err(errno(libc::EFBIG));
        }
        let room = self.room();
        let content = &mut self.inode(id).content;
        let within = (content.cache.len() as u64).saturating_add(room).saturating_sub(offset);
        let take = bytes.len().min(usize::try_from(within).unwrap_or(usize::MAX));
        if take == 0 && !bytes.is_empty() {
            return Err(errno(libc::ENOSPC));
        }
        if take > 0 {
            content.write(to_usize(offset), &bytes[..take]);
            self.touch(id);
        }
        Ok(take)
    }

    pub(super) fn set_len(&mut self, id: InodeId, len: u64) -> io::Result<()> {
        if len > MAX_FILE_BYTES {
            return Err(errno(libc::EFBIG));
        }
        let room = self.room();
        let content = &mut self.inode(id).content;
        if len.saturating_sub(content.cache.len() as u64) > room {
            return Err(errno(libc::ENOSPC));
        }
        content.set_len(to_usize(len));
        self.touch(id);
        Ok(())
    }

    fn touch(&mut self, id: InodeId) {
        self.inode(id).modified_ns = self.now_ns - self.now_ns % TICK_NS;
    }

    /// An fsync of a file, which `fault` may make fail, by a handle that has reported `reported` of its errors.
    pub(super) fn sync(
        &mut self,
        id: InodeId,
        marks_too: bool,
        fault: Option<Fault>,
        reported: &mut u64,
    ) -> io::Result<()> {
        let inode = self.inode(id);
        if let Some(Fault::FsyncFailed { errno: code, pages }) = fault {
            inode.content.fail_sync(pages);
            (inode.errors, inode.last_errno) = (inode.errors + 1, code);
        }
        if *reported < inode.errors {
            *reported = inode.errors;
            return Err(errno(inode.last_errno));
        }
        inode.content.sync();
        if marks_too {
            inode.durable_mark = inode.mark;
        }
        for names in self.dirs.values_mut() {
            names.committed_by_any_fsync = names.pending.len();
        }
        Ok(())
    }

    /// An fsync of a directory, which `fault` may make fail, by a handle that has reported `reported` of its errors.
    pub(super) fn sync_names(&mut self, dir: &str, fault: Option<Fault>, reported: &mut u64) -> io::Result<()> {
        let names = self.names(dir);
        if let Some(Fault::FsyncFailed { errno: code, pages }) = fault {
            if pages != LostPages::Kept {
                names.drop_pending();
            }
            (names.errors, names.last_errno) = (names.errors + 1, code);
        } else {
            names.sync();
        }
        let (errors, last_errno) = (names.errors, names.last_errno);
        self.collect();
        if *reported < errors {
            *reported = errors;
            return Err(errno(last_errno));
        }
        Ok(())
    }
}

/// The lowest inode number not taken. The first ones belong to the file system, as everywhere.
pub(super) fn lowest_free(taken: &BTreeSet<u64>) -> u64 {
    (11..).find(|number| !taken.contains(number)).expect("there are more numbers than inodes")
}

/// An offset inside a file of at most [`MAX_FILE_BYTES`].
pub(super) fn to_usize(offset: u64) -> usize {
    usize::try_from(offset).expect("bounded by the largest file")
}
