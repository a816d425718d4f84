//! The system calls around a fork that have no safe face: fork itself, signal dispositions, closing descriptors by number,
//! prctl, `_exit`.
//!
//! Everything that runs in the child is free of allocation and locks: what it needs is computed before the fork.
#![expect(clippy::disallowed_methods, reason = "this is the seam to fork(2)")]
#![expect(unsafe_code, reason = "fork(2) and what a child must do directly after it")]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set in the child only: its memory is its own.
static IN_CHILD: AtomicBool = AtomicBool::new(false);

/// Whether this process is a forked child, where nothing may be allocated. For the wrapper around the allocator, which
/// aborts then in test builds, and for panic hooks. Costs one relaxed load.
pub fn in_child() -> bool {
    IN_CHILD.load(Ordering::Relaxed)
}

/// Forks. The child prepares itself, runs `child` and leaves with the code it returns; the parent gets the child's pid.
pub(super) fn fork_into(child: &mut dyn FnMut() -> i32) -> io::Result<i32> {
    let parent = nix::unistd::getpid();
    let mask = block_all_signals();
    // SAFETY: in the child only the calling thread exists. It runs code that takes no lock another thread may hold: this
    // module, and tasks, whose contract forbids allocation. It leaves by `_exit`, so that no destructor and no exit handler
    // of the parent's runs.
    let pid = unsafe { libc::fork() };
    if pid != 0 {
        let error = io::Error::last_os_error();
        restore_signals(&mask);
        return if pid > 0 { Ok(pid) } else { Err(error) };
    }
    IN_CHILD.store(true, Ordering::Relaxed);
    // SAFETY: prctl with these arguments takes and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // The parent may have died before the call above; then the signal never comes.
    if nix::unistd::getppid() != parent {
        exit_now(1);
    }
    reset_signals();
    exit_now(child())
}

/// Leaves the process at once: no destructors, no exit handlers, no flushing of stdio.
pub(super) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no demands.
    unsafe { libc::_exit(code) }
}

fn block_all_signals() -> libc::sigset_t {
    // SAFETY: `sigset_t` is plain data for which all zeros is a value; both pointers are to live locals.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    }
}

fn restore_signals(mask: &libc::sigset_t) {
    // SAFETY: `mask` was filled by `block_all_signals`.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, std::ptr::null_mut()) };
}

/// Gives every signal its default, so that no handler of the parent's runs in the child: SIGUSR1 then ends it. What is meant
/// for the server (SIGINT from a terminal, SIGTERM to the whole group) is ignored, since the server decides about its child;
/// so are SIGPIPE and SIGXFSZ, so that a dead parent, and a file that reaches the limit of its size, are errors and not signals.
fn reset_signals() {
    const LAST_SIGNAL: i32 = 64;
    const IGNORED: [i32; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGPIPE, libc::SIGXFSZ];
    for signal in 1..=LAST_SIGNAL {
        let action = if IGNORED.contains(&signal) { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: the action is plain data, valid when zeroed, with a disposition that is no function of ours. Numbers that
        // cannot be set (SIGKILL, SIGSTOP, libc's own) are refused with an error, which is of no interest.
        unsafe {
            let mut new: libc::sigaction = std::mem::zeroed();
            new.sa_sigaction = action;
            libc::sigaction(signal, &raw const new, std::ptr::null_mut());
        }
    }
    // SAFETY: as in `block_all_signals`.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// The ranges of descriptor numbers between those that are kept. Computed before the fork, used after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DescriptorGaps(Vec<(u32, u32)>);

impl DescriptorGaps {
    /// The gaps around `kept`, up to the largest number there is.
    pub(super) fn around(kept: &[i32]) -> Self {
        let mut kept: Vec<u32> = kept.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
        kept.sort_unstable();
        kept.dedup();
        let mut gaps = Vec::with_capacity(kept.len() + 1);
        let mut first = 0;
        for fd in kept {
            if first < fd {
                gaps.push((first, fd - 1));
            }
            first = fd + 1;
        }
        gaps.push((first, u32::MAX));
        Self(gaps)
    }

    /// Closes every descriptor in the gaps. Only in a child: it takes descriptors from owners that do not know of it.
    pub(super) fn close(&self) {
        assert!(in_child(), "the owners of these descriptors live on in a parent");
        for (first, last) in &self.0 {
            // SAFETY: closing numbers touches no memory. Owners of them in this process exist, but none is dropped or used
            // again: the task's contract names all it uses, and the process leaves by `_exit`.
            let closed = unsafe { libc::syscall(libc::SYS_close_range, *first, *last, 0) };
            if closed != 0 {
                close_one_by_one(*first, *last);
            }
        }
    }
}

/// For kernels without close_range(2) (before 5.9) and for filters that refuse it.
fn close_one_by_one(first: u32, last: u32) {
    const NO_LIMIT: u64 = 1 << 20;
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
    let end = u64::from(last).saturating_add(1).min(limit.map_or(NO_LIMIT, |(soft, _)| soft.min(NO_LIMIT)));
    for fd in u64::from(first)..end {
        let Ok(fd) = i32::try_from(fd) else { return };
        // SAFETY: as in `DescriptorGaps::close`.
        unsafe { libc::close(fd) };
    }
}

/// A thread name as the kernel takes it: 15 bytes and a NUL.
pub(super) fn thread_name(title: &str) -> [u8; 16] {
    let mut name = [0; 16];
    for (to, from) in name[..15].iter_mut().zip(title.bytes().filter(|b| *b != 0)) {
        *to = from;
    }
    name
}

/// Names the calling thread, and with it the process, as `top` shows it.
pub(super) fn set_thread_name(name: &[u8; 16]) {
    // SAFETY: the kernel reads at most 16 bytes from the pointer, and the last of these is NUL.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// The monotonic clock in microseconds.
pub(super) fn mono_us() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live local. The clock exists on every Linux, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000 + time.tv_nsec.cast_unsigned() / 1_000
}

/// Waits for `ms` milliseconds, or less if a signal comes.
pub(super) fn pause_ms(ms: u16) {
    let _ = nix::poll::poll(&mut [], nix::poll::PollTimeout::from(ms));
}

/// Whether a descriptor number is in use.
#[cfg(test)]
pub(super) fn is_open(fd: i32) -> bool {
    // SAFETY: F_GETFD reads a flag of the descriptor and touches no memory of ours.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// The signal that this process gets when its parent dies; 0 is none.
#[cfg(test)]
pub(super) fn parent_death_signal() -> i32 {
    let mut signal = 0;
    // SAFETY: the kernel writes one int to a live local.
    unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal) };
    signal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_leave_out_exactly_what_is_kept() {
        assert_eq!(DescriptorGaps::around(&[0, 1, 2, 5]), DescriptorGaps(vec![(3, 4), (6, u32::MAX)]));
        assert_eq!(DescriptorGaps::around(&[7, 3, 3]), DescriptorGaps(vec![(0, 2), (4, 6), (8, u32::MAX)]));
        assert_eq!(DescriptorGaps::around(&[-1]), DescriptorGaps(vec![(0, u32::MAX)]));
    }

    #[test]
    fn a_thread_name_is_cut_to_fifteen_bytes() {
        assert_eq!(&thread_name("ledgerstone-aof-rewrite"), b"ledgerstone-aof\0");
        assert_eq!(&thread_name("aof\0x")[..5], b"aofx\0");
    }
}
