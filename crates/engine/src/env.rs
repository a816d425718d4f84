//! What the engine reaches the world through, and what its owner tells it of the process. Everything else is behind these.

use std::error::Error;
use std::sync::Arc;

use bio::Bio;
use child::Spawner;
use vfs::Dir;

use crate::config::Config;
use crate::log::Log;

/// What the engine reaches the world through.
pub struct Env {
    /// The directory of the persistence files.
    pub dir: Arc<dyn Dir>,
    /// Background I/O.
    pub bio: Box<dyn Bio>,
    /// Makes rewrite children.
    pub spawner: Box<dyn Spawner>,
    /// Takes log lines.
    pub log: Box<dyn Log>,
    /// The file that the server was started with, for CONFIG REWRITE. `None` if it was started without.
    pub config_file: Option<Box<dyn ConfigFile>>,
    /// Facts about the process that INFO shows and the files need.
    pub process: Process,
    /// Seed of everything random here; 16 bytes from the system, or fixed in a simulation.
    pub seed: [u8; 16],
}

/// The file that the server was started with. What it has to say is decided in [`crate::config::rewrite`]; where it stands, and
/// how it is replaced, its owner knows.
pub trait ConfigFile {
    /// Makes the file say what is in force, durably. Blocks for as long as that takes.
    ///
    /// # Errors
    /// Why not. The file is as it was then, unless nothing but the durability of its new name failed.
    fn rewrite(&mut self, config: &Config) -> Result<(), Box<dyn Error>>;
}

/// Facts about the process.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Process id: part of temp file names.
    pub pid: u32,
    /// Boot id of the machine, as in `/proc/sys/kernel/random/boot_id`: the page cache lives as long.
    pub boot_id: [u8; 16],
    /// 40 hexadecimal digits that name this run of the server.
    pub run_id: String,
    /// The executable's path.
    pub executable: String,
    /// The configuration file's path, empty for none.
    pub config_file: String,
    /// Operating system, as `uname` says it.
    pub os: String,
    /// Reads memory statistics of the process: used by INFO memory. `None` in simulation.
    pub memory: Option<fn() -> Memory>,
    /// Tells what the allocator knows of itself, as text: used by MEMORY MALLOC-STATS. `None` in simulation.
    pub allocator_report: Option<fn() -> String>,
    /// Gives free memory back to the system, and says whether that went well: used by MEMORY PURGE. `None` in simulation.
    pub purge_memory: Option<fn() -> bool>,
    /// Reads how much memory of the process stands in transparent huge pages, in bytes: used by LATENCY DOCTOR. `None` in
    /// simulation.
    pub huge_pages_bytes: Option<fn() -> u64>,
    /// Reads the processor time used: used by INFO cpu. `None` in simulation.
    pub cpu: Option<fn() -> CpuTime>,
    /// Reads a clock that never goes back, in nanoseconds: used to tell how long commands and system calls take, and for nothing
    /// else. Called from any thread. `None` in simulation, where everything takes no time.
    pub nanos: Option<fn() -> u64>,
    /// Raises the limit of open descriptors for so many clients as far as it can be, and says for how many that is, at most so
    /// many: used by CONFIG SET maxclients. `None` in simulation.
    pub allow_clients: Option<fn(u32) -> u32>,
    /// Says whether a process of this id lives, is none of this program, and has the file of this name in the working directory open, as
    /// far as can be told: a rewrite's file that has its number may be its. `None` in simulation.
    pub is_others: Option<fn(u32, &str) -> bool>,
    /// Memory of the machine, in bytes.
    pub system_memory_bytes: u64,
    /// Whether recovery may start a thread of its own; a simulation has none.
    pub threads: bool,
    /// Test builds only: see [`TestHooks`].
    pub hooks: TestHooks,
}

/// Memory statistics, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Allocated by the program.
    pub allocated: u64,
    /// In active pages of the allocator.
    pub active: u64,
    /// Resident, as the allocator counts.
    pub allocator_resident: u64,
    /// Resident, as the kernel counts.
    pub resident: u64,
}

/// Processor time used, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    /// In the kernel, by the server.
    pub system_us: u64,
    /// In the program, by the server.
    pub user_us: u64,
    /// In the kernel, by children that have ended.
    pub children_system_us: u64,
    /// In the program, by children that have ended.
    pub children_user_us: u64,
    /// In the kernel, by the thread of the event loop.
    pub main_system_us: u64,
    /// In the program, by the thread of the event loop.
    pub main_user_us: u64,
}

/// Faults that a test build can be told to have, so that the tests are shown to find them. All off otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestHooks {
    /// Replies leave at once, and flushes wait for a running fsync. WAITAOF takes what is written for fsynced.
    pub ack_early: bool,
}

/// How the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The process's exit status.
    pub status: i32,
}
