//! The four pipes between parent and child: data, stop request, acknowledgement, child-info. All ends are non-blocking and
//! close-on-exec.
//!
//! Each process must close the other's ends, or it would never see the other's death: the parent drops [`ChildEnds`] after
//! the fork, the child closes everything that is not in its own.
#![expect(clippy::disallowed_methods, reason = "this is the seam to pipes between parent and child")]

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{pipe2, read, write};

/// The capacity asked for the data pipe, in bytes. The system may refuse; then it has its default of 64 KB.
const DATA_PIPE_BYTES: i32 = 1 << 20;

/// What the parent keeps.
pub(super) struct ParentEnds {
    pub(super) data: OwnedFd,
    pub(super) stop_request: OwnedFd,
    pub(super) ack: OwnedFd,
    pub(super) info: OwnedFd,
}

/// What the child keeps.
pub(super) struct ChildEnds {
    pub(super) data: OwnedFd,
    pub(super) stop_request: OwnedFd,
    pub(super) ack: OwnedFd,
    pub(super) info: OwnedFd,
}

impl ChildEnds {
    pub(super) fn descriptors(&self) -> [i32; 4] {
        [self.data.as_raw_fd(), self.stop_request.as_raw_fd(), self.ack.as_raw_fd(), self.info.as_raw_fd()]
    }
}

/// Makes all pipes, or none.
pub(super) fn create() -> io::Result<(ParentEnds, ChildEnds)> {
    let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let (data_out, data_in) = pipe2(flags)?;
    let (stop_out, stop_in) = pipe2(flags)?;
    let (ack_out, ack_in) = pipe2(flags)?;
    let (info_out, info_in) = pipe2(flags)?;
    // Over the user's pipe limit this is refused; a smaller pipe only needs more turns.
    let _ = fcntl(&data_in, FcntlArg::F_SETPIPE_SZ(DATA_PIPE_BYTES));
    Ok((
        ParentEnds { data: data_in, stop_request: stop_out, ack: ack_in, info: info_out },
        ChildEnds { data: data_out, stop_request: stop_in, ack: ack_out, info: info_in },
    ))
}

/// Reads what is there: `None` if nothing is, 0 at the end.
pub(super) fn read_some(end: &OwnedFd, buf: &mut [u8]) -> io::Result<Option<usize>> {
    again_is_none(read(end, buf))
}

/// Writes what there is room for: `None` if there is none.
pub(super) fn write_some(end: &OwnedFd, bytes: &[u8]) -> io::Result<Option<usize>> {
    #[cfg(feature = "test-hooks")]
    if let Some(hook) = super::hooks::pipe_write() {
        return hook(bytes, &mut || again_is_none(write(end, bytes)));
    }
    again_is_none(write(end, bytes))
}

fn again_is_none(result: nix::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(errno) => Err(io::Error::from_raw_os_error(errno as i32)),
    }
}
