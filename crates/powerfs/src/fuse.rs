//! The kernel's requests, each turned into an [`Operation`] or into a look at the [`Disk`].
//!
//! The kernel writes through: every write(2) is a request before it returns. Locks are the kernel's own.
#![expect(clippy::disallowed_types, reason = "the kernel asks for times")]

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    AccessFlags, BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};

use crate::disk::Disk;
use crate::fault::{Call, Faults};
use crate::mount::Shared;
use crate::{Inode, NewNode, Operation, ROOT};

/// How long the kernel may rely on what it was told: nobody else changes anything.
const TTL: Duration = Duration::from_secs(1);
/// What a block counts in statfs(2) and in the sizes of files.
const BLOCK_BYTES: usize = 512;
/// The size that statfs(2) tells of without a quota.
const DISK_BYTES: usize = 1 << 34;

/// What the kernel talks to.
#[derive(Debug)]
pub(crate) struct Face {
    pub(crate) shared: Arc<Shared>,
}

/// A name as text: others are refused.
fn text(name: &OsStr) -> Result<String, i32> {
    name.to_str().map(str::to_owned).ok_or(libc::EINVAL)
}

/// The permission bits of a mode.
fn permissions(mode: u32) -> u16 {
    u16::try_from(mode & 0o7777).expect("twelve bits")
}

fn attr(disk: &Disk, inode: Inode, request: &Request) -> Result<FileAttr, i32> {
    let status = disk.status(inode).ok_or(libc::ENOENT)?;
    let kind = match (status.is_directory, status.is_link) {
        (true, _) => FileType::Directory,
        (_, true) => FileType::Symlink,
        _ => FileType::RegularFile,
    };
    Ok(FileAttr {
        ino: INodeNo(inode),
        size: status.len as u64,
        blocks: status.len.div_ceil(BLOCK_BYTES) as u64,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: status.mode,
        nlink: status.names.max(u32::from(status.is_directory)),
        uid: request.uid(),
        gid: request.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    })
}

impl Face {
    /// Makes something new under a name that nothing has.
    fn create(&self, parent: INodeNo, name: &OsStr, node: NewNode, mode: u32) -> Result<Inode, i32> {
        let name = text(name)?;
        self.shared.perform(|disk, faults| {
            faults.meet(Call::Create, &name)?;
            if disk.lookup(parent.0, &name).is_some() {
                return Err(libc::EEXIST);
            }
            let inode = disk.next_inode;
            let mode = permissions(mode);
            Ok((Operation::Create { parent: parent.0, name, inode, node, mode }, inode))
        })
    }

    fn remove(&self, parent: INodeNo, name: &OsStr, directory: bool) -> Result<(), i32> {
        let name = text(name)?;
        self.shared.perform(|disk, faults| {
            let inode = disk.lookup(parent.0, &name).ok_or(libc::ENOENT)?;
            if directory && disk.entries(inode).next().is_some() {
                return Err(libc::ENOTEMPTY);
            }
            faults.meet(Call::Unlink, &name)?;
            Ok((Operation::Unlink { parent: parent.0, name }, ()))
        })
    }

    fn rename(&self, from: (Inode, String), to: (Inode, String), flags: RenameFlags) -> Result<(), i32> {
        if flags.intersects(RenameFlags::RENAME_EXCHANGE | RenameFlags::RENAME_WHITEOUT) {
            return Err(libc::EINVAL);
        }
        self.shared.perform(|disk, faults| {
            disk.lookup(from.0, &from.1).ok_or(libc::ENOENT)?;
            let replaced = disk.lookup(to.0, &to.1);
            if replaced.is_some() && flags.contains(RenameFlags::RENAME_NOREPLACE) {
                return Err(libc::EEXIST);
            }
            if replaced.is_some_and(|inode| disk.entries(inode).next().is_some()) {
                return Err(libc::ENOTEMPTY);
            }
            faults.meet(Call::Rename, &to.1)?;
            Ok((Operation::Rename { from, to }, ()))
        })
    }

    fn write(&self, inode: Inode, offset: u64, data: &[u8]) -> Result<usize, i32> {
        let offset = usize::try_from(offset).map_err(|_| libc::EFBIG)?;
        self.shared.perform(|disk, faults| {
            faults.meet(Call::Write, disk.name_of(inode).unwrap_or_default())?;
            let len = disk.status(inode).ok_or(libc::ENOENT)?.len;
            let growth = (offset + data.len()).saturating_sub(len);
            let admitted = faults.admitted(disk.used_bytes(), growth, data.len())?;
            Ok((Operation::Write { inode, offset, bytes: Arc::from(&data[..admitted]) }, admitted))
        })
    }

    fn set_len(&self, inode: Inode, len: u64) -> Result<(), i32> {
        let len = usize::try_from(len).map_err(|_| libc::EFBIG)?;
        self.shared.perform(|disk, faults| {
            faults.meet(Call::SetLen, disk.name_of(inode).unwrap_or_default())?;
            Ok((Operation::SetLen { inode, len }, ()))
        })
    }

    fn set_attribute(&self, inode: Inode, name: &OsStr, value: Option<&[u8]>) -> Result<(), i32> {
        let name = text(name)?;
        self.shared.perform(|disk, _: &mut Faults| {
            if value.is_none() && !disk.attributes(inode).any(|(known, _)| known == name) {
                return Err(libc::ENODATA);
            }
            Ok((Operation::SetAttribute { inode, name, value: value.map(<[u8]>::to_vec) }, ()))
        })
    }

    /// Answers with the entry of an inode, or with the error that making it met.
    fn answer_entry(&self, request: &Request, made: Result<Inode, i32>, reply: ReplyEntry) {
        match made.and_then(|inode| attr(&self.shared.state.lock().disk, inode, request)) {
            Ok(attr) => reply.entry(&TTL, &attr, Generation(0)),
            Err(errno) => reply.error(Errno::from_i32(errno)),
        }
    }
}

fn answer_empty(done: Result<(), i32>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(Errno::from_i32(errno)),
    }
}

/// Answers with bytes of which the caller may have asked the size only.
fn answer_attribute(value: &[u8], size: u32, reply: ReplyXattr) {
    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
    match size {
        0 => reply.size(len),
        size if size < len => reply.error(Errno::ERANGE),
        _ => reply.data(value),
    }
}

impl Filesystem for Face {
    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found =
            text(name).and_then(|name| self.shared.state.lock().disk.lookup(parent.0, &name).ok_or(libc::ENOENT));
        self.answer_entry(request, found, reply);
    }

    fn getattr(&self, request: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match attr(&self.shared.state.lock().disk, ino.0, request) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(errno) => reply.error(Errno::from_i32(errno)),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut done = size.map_or(Ok(()), |size| self.set_len(ino.0, size));
        if let (Ok(()), Some(mode)) = (done, mode) {
            let operation = Operation::SetMode { inode: ino.0, mode: permissions(mode) };
            done = self.shared.perform(|_, _| Ok((operation, ())));
        }
        match done.and_then(|()| attr(&self.shared.state.lock().disk, ino.0, request)) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(errno) => reply.error(Errno::from_i32(errno)),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.shared.state.lock().disk.target(ino.0) {
            Some(target) => reply.data(target.as_bytes()),
            None => reply.error(Errno::EINVAL),
        }
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let made = self.create(parent, name, NewNode::Directory, mode & !umask);
        self.answer_entry(request, made, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.remove(parent, name, false), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.remove(parent, name, true), reply);
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let target = text(target.as_os_str());
        let made = target.and_then(|target| self.create(parent, name, NewNode::Link(target), 0o777));
        self.answer_entry(request, made, reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let names = text(name).and_then(|name| Ok((name, text(newname)?)));
        answer_empty(names.and_then(|(from, to)| self.rename((parent.0, from), (newparent.0, to), flags)), reply);
    }

    fn link(&self, request: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        let made = text(newname).and_then(|name| {
            self.shared.perform(|disk, _| match disk.lookup(newparent.0, &name) {
                Some(_) => Err(libc::EEXIST),
                None => Ok((Operation::Link { parent: newparent.0, name, inode: ino.0 }, ino.0)),
            })
        });
        self.answer_entry(request, made, reply);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let state = self.shared.state.lock();
        let bytes = state.disk.bytes(ino.0);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let len = (size as usize).min(bytes.len() - from);
        reply.data(&bytes[from..from + len]);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.write(ino.0, offset, data) {
            Ok(written) => reply.written(u32::try_from(written).expect("no more than was asked for")),
            Err(errno) => reply.error(Errno::from_i32(errno)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        answer_empty(self.shared.sync(ino.0, datasync), reply);
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        answer_empty(self.shared.sync(ino.0, datasync), reply);
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let state = self.shared.state.lock();
        let own = [(".", ino.0), ("..", ROOT)].into_iter();
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        for (number, (name, inode)) in (1..).zip(own.chain(state.disk.entries(ino.0))).skip(skip) {
            let kind = match state.disk.status(inode) {
                Some(status) if status.is_directory => FileType::Directory,
                Some(status) if status.is_link => FileType::Symlink,
                _ => FileType::RegularFile,
            };
            if reply.add(INodeNo(inode), number, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let state = self.shared.state.lock();
        let all = state.faults.quota_bytes.unwrap_or(DISK_BYTES);
        let free = all.saturating_sub(state.disk.used_bytes()) / BLOCK_BYTES;
        let (all, block) = (all / BLOCK_BYTES, u32::try_from(BLOCK_BYTES).expect("a small number"));
        reply.statfs(all as u64, free as u64, free as u64, 1 << 20, 1 << 20, block, 255, block);
    }

    fn setxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, value: &[u8], _: i32, _: u32, reply: ReplyEmpty) {
        answer_empty(self.set_attribute(ino.0, name, Some(value)), reply);
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let state = self.shared.state.lock();
        match state.disk.attributes(ino.0).find(|(known, _)| name == *known) {
            Some((_, value)) => answer_attribute(value, size, reply),
            None => reply.error(Errno::ENODATA),
        }
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let state = self.shared.state.lock();
        let names: String = state.disk.attributes(ino.0).map(|(name, _)| format!("{name}\0")).collect();
        answer_attribute(names.as_bytes(), size, reply);
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.set_attribute(ino.0, name, None), reply);
    }

    fn access(&self, _: &Request, _: INodeNo, _: AccessFlags, reply: ReplyEmpty) {
        reply.ok();
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let made = self.create(parent, name, NewNode::File, mode & !umask);
        match made.and_then(|inode| attr(&self.shared.state.lock().disk, inode, request)) {
            Ok(attr) => reply.created(&TTL, &attr, Generation(0), FileHandle(0), FopenFlags::empty()),
            Err(errno) => reply.error(Errno::from_i32(errno)),
        }
    }
}
