//! Real children: fork(2), four non-blocking pipes, and a status taken without waiting.
//!
//! Why plain fork(2) and not a bare clone: libc's fork runs the handlers that allocators register, so that the allocator's
//! locks are in a known state in the child even though the child should never need them.
//!
//! Order in the child, before the task runs: mark the process as a child, ask to die with the parent and check that it
//! still lives, signals, descriptors, name. All of it without allocation; see `sys`.
#![expect(clippy::disallowed_methods, reason = "this is the seam to processes")]

mod cow;
mod env;
#[cfg(feature = "test-hooks")]
pub(crate) mod hooks;
mod pipes;
mod sys;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Once;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::{Exit, Handle, INFO_SIZE_BYTES, Info, Kill, Spawner, Spec, Task};
use env::ForkEnv;
use pipes::{ChildEnds, ParentEnds};
pub use sys::in_child;

/// Sets the process title. Called in the child: must not allocate, lock or free.
pub type TitleHook = Box<dyn Fn(&str) + Send>;

/// How long a dropped handle waits for a killed child, in milliseconds. SIGKILL takes effect at once unless the child is in
/// an uninterruptible call, and then nobody waits.
const DROP_WAIT_MS: u32 = 20;

/// Starts children by fork(2).
pub struct ForkSpawner {
    title: TitleHook,
}

impl ForkSpawner {
    /// Makes a spawner whose children call `title` to set their process title.
    ///
    /// Installs, once for the process, a panic hook that ends a panicking child with `_exit(1)` and hands every other panic to
    /// the hook that was there.
    pub fn new(title: TitleHook) -> Self {
        static PANIC_HOOK: Once = Once::new();
        PANIC_HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if in_child() {
                    sys::exit_now(1);
                }
                before(info);
            }));
        });
        Self { title }
    }
}

impl Spawner for ForkSpawner {
    fn spawn(
        &mut self,
        spec: &Spec<'_>,
        task: &mut dyn Task,
        _owned_copy: &mut dyn FnMut() -> Box<dyn Task + Send>,
    ) -> io::Result<Box<dyn Handle>> {
        let (parent_ends, child_ends) = pipes::create()?;
        let closed = sys::DescriptorGaps::around(&kept_descriptors(spec.keep, &child_ends));
        let thread_name = sys::thread_name(spec.title);
        let title = &self.title;
        let mut child = || {
            closed.close();
            sys::set_thread_name(&thread_name);
            title(spec.title);
            ForkEnv::new(&child_ends).run(task)
        };
        let started_us = sys::mono_us();
        let pid = sys::fork_into(&mut child)?;
        let fork_us = sys::mono_us().saturating_sub(started_us);
        Ok(Box::new(ForkHandle { pid: Pid::from_raw(pid), fork_us, ends: parent_ends, exit: None, kill_sent: false }))
    }
}

fn kept_descriptors(task: &[i32], ends: &ChildEnds) -> Vec<i32> {
    const STDIO: [i32; 3] = [0, 1, 2];
    task.iter().copied().chain(STDIO).chain(ends.descriptors()).collect()
}

/// A forked child.
struct ForkHandle {
    pid: Pid,
    fork_us: u64,
    ends: ParentEnds,
    exit: Option<Exit>,
    kill_sent: bool,
}

impl Handle for ForkHandle {
    fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    fn fork_us(&self) -> u64 {
        self.fork_us
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(pipes::write_some(&self.ends.data, bytes)?.unwrap_or(0))
    }

    fn take_stop_request(&mut self) -> bool {
        let mut byte = [0];
        matches!(pipes::read_some(&self.ends.stop_request, &mut byte), Ok(Some(1))) && byte == *b"!"
    }

    fn acknowledge_stop(&mut self) -> io::Result<()> {
        match pipes::write_some(&self.ends.ack, b"!")? {
            Some(1) => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn next_info(&mut self) -> Option<Info> {
        let mut record = [0; INFO_SIZE_BYTES];
        match pipes::read_some(&self.ends.info, &mut record) {
            Ok(Some(INFO_SIZE_BYTES)) => Info::decode(&record),
            _ => None,
        }
    }

    fn try_reap(&mut self) -> Option<Exit> {
        if self.exit.is_none() {
            self.exit = match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Some(Exit::Code(code)),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(Exit::Signal(signal as i32)),
                // ECHILD: somebody ignores SIGCHLD or waits for any child. The status is gone.
                Err(nix::Error::ECHILD) => Some(Exit::Lost),
                Ok(_) | Err(_) => None,
            };
        }
        self.exit
    }

    fn wait(&mut self, limit_ms: u32) -> Option<Exit> {
        let started_us = sys::mono_us();
        loop {
            let exit = self.try_reap();
            let waited_us = sys::mono_us().saturating_sub(started_us);
            if exit.is_some() || waited_us >= u64::from(limit_ms) * 1000 {
                return exit;
            }
            sys::pause_ms(1);
        }
    }

    fn kill(&mut self, how: Kill) {
        if self.try_reap().is_some() {
            return;
        }
        self.kill_sent |= how == Kill::Hard;
        let signal = match how {
            Kill::Polite => Signal::SIGUSR1,
            Kill::Hard => Signal::SIGKILL,
        };
        // ESRCH cannot come: an unreaped child keeps its pid. EPERM neither: the child is ours.
        let _ = kill(self.pid, signal);
    }
}

impl Drop for ForkHandle {
    fn drop(&mut self) {
        if self.exit.is_none() && !in_child() {
            if !self.kill_sent {
                self.kill(Kill::Hard);
            }
            self.wait(DROP_WAIT_MS);
        }
    }
}
