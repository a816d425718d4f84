//! Signals as events: SIGTERM and SIGINT are blocked in every thread and read from a descriptor.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::Context as _;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The descriptor that the blocked signals are read from.
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals. Called before any thread is started, so that all inherit it.
    #[expect(unsafe_code, reason = "setting a signal's disposition")]
    pub(crate) fn block() -> anyhow::Result<Self> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGTERM);
        set.add(Signal::SIGINT);
        set.thread_block().context("can't block signals")?;
        // SIGXFSZ: a file at the limit of its size (ulimit -f) is then an error of write(2), as on a disk that is full.
        for ignored in [Signal::SIGHUP, Signal::SIGPIPE, Signal::SIGXFSZ] {
            // SAFETY: ignoring a signal installs no handler, so nothing can run at a bad moment.
            unsafe { signal(ignored, SigHandler::SigIgn) }.context("can't ignore a signal")?;
        }
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC);
        Ok(Self(fd.context("can't open a signal descriptor")?))
    }

    /// The next signal that came, if one did.
    pub(crate) fn next(&self) -> Option<Signal> {
        let info = self.0.read_signal().ok()??;
        i32::try_from(info.ssi_signo).ok().and_then(|n| Signal::try_from(n).ok())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
