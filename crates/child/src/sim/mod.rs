//! Simulated children: the same tasks and handles without processes, stepped by their owner.
//!
//! [`SimChildren`] is the owner's side: it makes the spawner, runs one step of every living child when told, and is where
//! faults come from (a fork that fails, a signal, a child stuck in the kernel). Pipes are bounded queues, so a full pipe is
//! as common as the owner wants. Nothing here depends on a clock, a thread or chance.

mod env;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Exit, Handle, Info, Kill, Spawner, Spec, Step, Task};
use env::SimEnv;

/// The data pipe's capacity unless set otherwise, in bytes: what Linux gives a pipe.
const PIPE_BYTES: usize = 64 * 1024;

/// The process id of the first simulated child.
const FIRST_PID: i32 = 1_000_001;

/// The owner's side of all simulated children. A clone is the same set.
#[derive(Clone, Default)]
pub struct SimChildren(Arc<Mutex<World>>);

struct World {
    next_pid: i32,
    children: BTreeMap<i32, Process>,
    fail_next_fork: Option<i32>,
    pipe_bytes: usize,
    cow_bytes: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            next_pid: FIRST_PID,
            children: BTreeMap::new(),
            fail_next_fork: None,
            pipe_bytes: PIPE_BYTES,
            cow_bytes: 0,
        }
    }
}

/// One simulated process and its pipes.
#[derive(Default)]
struct Process {
    task: Option<Box<dyn Task + Send>>,
    pipes: Pipes,
    waits: Option<Wait>,
    stuck: bool,
    signal: Option<i32>,
    exit: Option<Exit>,
    steps: u64,
}

/// The four pipes between parent and child.
#[derive(Default)]
struct Pipes {
    data: VecDeque<u8>,
    capacity_bytes: usize,
    stop_request: bool,
    /// The child has asked to stop, at some time.
    asked: bool,
    ack: bool,
    /// The next read of the data pipe fails so.
    read_errno: Option<i32>,
    infos: VecDeque<Info>,
}

#[derive(Clone, Copy)]
enum WaitFor {
    Data,
    Ack,
}

#[derive(Clone, Copy)]
struct Wait {
    what: WaitFor,
    until_ms: u64,
}

impl SimChildren {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A spawner whose children belong to this set.
    pub fn spawner(&self) -> SimSpawner {
        SimSpawner(self.clone())
    }

    /// Makes the next fork fail with this error.
    pub fn fail_next_fork(&self, errno: i32) {
        self.world().fail_next_fork = Some(errno);
    }

    /// Sets the capacity of the data pipes of children started from now on.
    pub fn set_pipe_bytes(&self, bytes: usize) {
        self.world().pipe_bytes = bytes;
    }

    /// Sets how much memory of its own every child finds when it measures.
    pub fn set_cow_bytes(&self, bytes: u64) {
        self.world().cow_bytes = bytes;
    }

    /// Runs one step of every child that can run at `mono_ms`; whether any did.
    pub fn step(&self, mono_ms: u64) -> bool {
        let mut any = false;
        let mut next = self.first_running(0);
        while let Some(pid) = next {
            any |= self.step_one(pid, mono_ms);
            next = self.first_running(pid + 1);
        }
        any
    }

    /// The child with the lowest process id of those that have not ended, from this one on.
    fn first_running(&self, from: i32) -> Option<i32> {
        self.world().children.range(from..).find(|(_, p)| p.exit.is_none()).map(|(pid, _)| *pid)
    }

    /// Runs one step of one child, if it lives, is not stuck and has nothing to wait for at `mono_ms`; whether it did.
    pub fn step_one(&self, pid: i32, mono_ms: u64) -> bool {
        let mut world = self.world();
        let cow_bytes = world.cow_bytes;
        let Some(process) = world.children.get_mut(&pid) else { return false };
        if process.exit.is_some() || process.stuck || process.must_wait(mono_ms) {
            return false;
        }
        let Some(mut task) = process.task.take() else { return false };
        let mut env = SimEnv::new(pid, mono_ms, cow_bytes, std::mem::take(&mut process.pipes));
        let step = task.step(&mut env);
        process.pipes = env.into_pipes();
        process.steps += 1;
        process.waits = match step {
            Step::Again => None,
            Step::WaitData { ms } => Some(Wait { what: WaitFor::Data, until_ms: mono_ms + u64::from(ms) }),
            Step::WaitAck { ms } => Some(Wait { what: WaitFor::Ack, until_ms: mono_ms + u64::from(ms) }),
            Step::Exit(code) => {
                process.exit = Some(Exit::Code(code));
                return true;
            }
        };
        process.task = Some(task);
        true
    }

    /// The process ids of the children that have not ended.
    pub fn running(&self) -> Vec<i32> {
        self.world().children.iter().filter(|(_, p)| p.exit.is_none()).map(|(pid, _)| *pid).collect()
    }

    /// How many steps a child has run.
    pub fn steps(&self, pid: i32) -> u64 {
        self.world().children.get(&pid).map_or(0, |p| p.steps)
    }

    /// Whether a child that lives has asked to stop: it is in the handshake, or behind it.
    pub fn in_handshake(&self) -> bool {
        self.world().children.values().any(|p| p.exit.is_none() && p.pipes.asked)
    }

    /// Makes the next read of the data pipe of every living child fail with this error; whether there is one.
    pub fn fail_next_read(&self, errno: i32) -> bool {
        let mut world = self.world();
        let mut living = world.children.values_mut().filter(|p| p.exit.is_none()).peekable();
        let any = living.peek().is_some();
        living.for_each(|p| p.pipes.read_errno = Some(errno));
        any
    }

    /// Sends a signal from outside; a stuck child takes it when it is stuck no more.
    pub fn signal(&self, pid: i32, signal: i32) {
        if let Some(process) = self.world().children.get_mut(&pid) {
            process.take_signal(signal);
        }
    }

    /// Sticks a child in an uninterruptible call, or frees it.
    pub fn set_stuck(&self, pid: i32, stuck: bool) {
        if let Some(process) = self.world().children.get_mut(&pid) {
            process.stuck = stuck;
            if let Some(signal) = process.signal.take_if(|_| !stuck) {
                process.take_signal(signal);
            }
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    fn must_wait(&self, mono_ms: u64) -> bool {
        self.waits.is_some_and(|wait| {
            let ready = match wait.what {
                WaitFor::Data => !self.pipes.data.is_empty(),
                WaitFor::Ack => self.pipes.ack,
            };
            !ready && mono_ms < wait.until_ms
        })
    }

    fn take_signal(&mut self, signal: i32) {
        if self.exit.is_some() {
            return;
        }
        if self.stuck {
            self.signal = Some(signal);
            return;
        }
        self.exit = Some(Exit::Signal(signal));
        self.task = None;
    }
}

/// Starts simulated children. Made by [`SimChildren::spawner`].
pub struct SimSpawner(SimChildren);

impl Spawner for SimSpawner {
    fn spawn(
        &mut self,
        _spec: &Spec<'_>,
        _task: &mut dyn Task,
        owned_copy: &mut dyn FnMut() -> Box<dyn Task + Send>,
    ) -> io::Result<Box<dyn Handle>> {
        let task = owned_copy();
        let mut world = self.0.world();
        if let Some(errno) = world.fail_next_fork.take() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let pid = world.next_pid;
        world.next_pid += 1;
        let pipes = Pipes { capacity_bytes: world.pipe_bytes, ..Pipes::default() };
        world.children.insert(pid, Process { task: Some(task), pipes, ..Process::default() });
        Ok(Box::new(SimHandle { children: self.0.clone(), pid }))
    }
}

struct SimHandle {
    children: SimChildren,
    pid: i32,
}

impl SimHandle {
    fn with<T>(&self, f: impl FnOnce(&mut Process) -> T) -> T {
        let mut world = self.children.world();
        f(world.children.get_mut(&self.pid).expect("a process stays in the table until its handle is dropped"))
    }
}

impl Handle for SimHandle {
    fn pid(&self) -> i32 {
        self.pid
    }

    fn fork_us(&self) -> u64 {
        1
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|p| {
            if p.exit.is_some() {
                return Err(io::Error::from_raw_os_error(libc::EPIPE));
            }
            let n = bytes.len().min(p.pipes.capacity_bytes.saturating_sub(p.pipes.data.len()));
            p.pipes.data.extend(&bytes[..n]);
            Ok(n)
        })
    }

    fn take_stop_request(&mut self) -> bool {
        self.with(|p| std::mem::take(&mut p.pipes.stop_request))
    }

    fn acknowledge_stop(&mut self) -> io::Result<()> {
        self.with(|p| {
            if p.exit.is_some() {
                return Err(io::Error::from_raw_os_error(libc::EPIPE));
            }
            p.pipes.ack = true;
            Ok(())
        })
    }

    fn next_info(&mut self) -> Option<Info> {
        self.with(|p| p.pipes.infos.pop_front())
    }

    fn try_reap(&mut self) -> Option<Exit> {
        self.with(|p| p.exit)
    }

    fn wait(&mut self, _limit_ms: u32) -> Option<Exit> {
        self.try_reap()
    }

    fn kill(&mut self, how: Kill) {
        self.with(|p| p.take_signal(how.signal()));
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.children.world().children.remove(&self.pid);
    }
}
