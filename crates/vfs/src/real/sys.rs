//! The system calls that neither std nor nix offers relative to a descriptor: statx(2), for the birth time, and the two
//! for extended attributes. Each wrapper is one call; nothing here decides anything but how errno is read.
#![expect(unsafe_code, reason = "statx, fgetxattr and fsetxattr have no safe wrapper in std or nix")]

use crate::{FileKind, Metadata};
use nix::NixPath as _;
use nix::errno::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// The extended attribute that holds a file's mark.
const MARK_ATTRIBUTE: &CStr = c"user.ledgerstone.mark";

/// What stands under `name` in `dir`, without following a link.
pub(super) fn stat_at(dir: BorrowedFd<'_>, name: &str) -> Result<Metadata, Errno> {
    name.with_nix_path(|name| statx(dir, name, libc::AT_SYMLINK_NOFOLLOW))?
}

/// What the descriptor refers to.
pub(super) fn stat_fd(fd: BorrowedFd<'_>) -> Result<Metadata, Errno> {
    statx(fd, c"", libc::AT_EMPTY_PATH)
}

fn statx(fd: BorrowedFd<'_>, name: &CStr, flags: libc::c_int) -> Result<Metadata, Errno> {
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    let mut out = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: statx demands an open descriptor (borrowed, so open), a C string (a CStr) and room for one struct (`out`),
    // all for the length of the call only.
    let code = unsafe { libc::statx(fd.as_raw_fd(), name.as_ptr(), flags, mask, out.as_mut_ptr()) };
    Errno::result(code)?;
    // SAFETY: a struct of integers, zeroed before the call: initialised whatever the kernel filled in.
    let out = unsafe { out.assume_init() };
    let kind = match libc::mode_t::from(out.stx_mode) & libc::S_IFMT {
        libc::S_IFREG => FileKind::File,
        libc::S_IFDIR => FileKind::Dir,
        libc::S_IFLNK => FileKind::Symlink,
        _ => FileKind::Other,
    };
    let modified_ns = since_epoch_ns(out.stx_mtime).unwrap_or(0);
    Ok(Metadata { kind, len: out.stx_size, inode: out.stx_ino, birth_ns: birth_ns(&out), modified_ns })
}

/// The birth time, if the file system said that it knows one. Before 1970 or after 2554: none.
fn birth_ns(out: &libc::statx) -> Option<u64> {
    if out.stx_mask & libc::STATX_BTIME == 0 {
        return None;
    }
    since_epoch_ns(out.stx_btime)
}

fn since_epoch_ns(time: libc::statx_timestamp) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(u64::from(time.tv_nsec))
}

/// The mark, if there is one of the right length.
pub(super) fn mark(fd: BorrowedFd<'_>) -> Result<Option<[u8; 16]>, Errno> {
    let mut value = [0_u8; 16];
    // SAFETY: fgetxattr demands an open descriptor, a C string and `value.len()` writable bytes at the pointer: all three
    // are borrowed for the call.
    let got =
        unsafe { libc::fgetxattr(fd.as_raw_fd(), MARK_ATTRIBUTE.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    match Errno::result(got) {
        Ok(16) => Ok(Some(value)),
        // Shorter or longer: someone else's, so not a mark.
        Ok(_) | Err(Errno::ERANGE | Errno::ENODATA | Errno::ENOTSUP | Errno::ENOSYS) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sets the mark; false where none can be kept. ENOSPC and EDQUOT count as "cannot": attributes have their own small room,
/// and a missing mark only costs proof at the next start.
pub(super) fn set_mark(fd: BorrowedFd<'_>, mark: [u8; 16]) -> Result<bool, Errno> {
    // SAFETY: fsetxattr demands an open descriptor, a C string and `mark.len()` readable bytes at the pointer: all three are
    // borrowed for the call.
    let code = unsafe { libc::fsetxattr(fd.as_raw_fd(), MARK_ATTRIBUTE.as_ptr(), mark.as_ptr().cast(), mark.len(), 0) };
    match Errno::result(code) {
        Ok(_) => Ok(true),
        Err(Errno::ENOTSUP | Errno::ENOSYS | Errno::EPERM | Errno::ENOSPC | Errno::EDQUOT | Errno::E2BIG) => Ok(false),
        Err(error) => Err(error),
    }
}
