//! What goes wrong beside a crash: calls that fail, at once or until the disk heals, and calls that take long.

use child::sim::SimChildren;
use vfs::sim::{Call, Fault, LostPages, Rule, SimDisk};

use crate::life::{Shape, once_in};
use crate::server::{DIR, LOG, Server, Stalls};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A write fails with EIO or ENOSPC.
    Write,
    /// A write takes a part.
    ShortWrite,
    /// The disk is full but for some bytes.
    FullDisk,
    /// An fsync fails, and its pages are lost.
    FsyncLost,
    /// An fsync fails, and its pages stay dirty.
    FsyncKept,
    /// An fsync of the directory fails.
    DirFsync,
    /// Any call is interrupted.
    Interrupt,
    /// A rename fails.
    Rename,
    /// An unlink fails.
    Unlink,
    /// An open fails.
    Open,
    /// A fork, or the pipes before it, fails.
    Fork,
    /// A pipe to the child fails, or is small.
    Pipe,
    /// A child is killed, or stuck for a while.
    Child,
    /// fsyncs take long.
    SlowFsync,
    /// All that is done in the background takes long.
    SlowOthers,
    /// Every call of a kind fails until the disk heals.
    ForEver,
    /// A call of another kind fails: a read, a stat, a cut, a mark.
    OtherCall,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Write,
        Self::ShortWrite,
        Self::FullDisk,
        Self::FsyncLost,
        Self::FsyncKept,
        Self::DirFsync,
        Self::Interrupt,
        Self::Rename,
        Self::Unlink,
        Self::Open,
        Self::Fork,
        Self::Pipe,
        Self::Child,
        Self::SlowFsync,
        Self::SlowOthers,
        Self::ForEver,
        Self::OtherCall,
    ];
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// Every kind.
    pub const ALL: Self = Self(u32::MAX);
    /// None.
    pub const NONE: Self = Self(0);

    /// These bits of a command line.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// As a command line has them.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// With one kind more.
    #[must_use]
    pub fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Without one kind.
    #[must_use]
    pub fn without(self, kind: Kind) -> Self {
        Self(self.0 & !(1 << kind as u8))
    }

    /// Whether a kind is in it.
    pub fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

/// What went wrong with one process, and still does.
#[derive(Debug, Default)]
pub struct Trouble {
    /// Faults beside those that the disk counts, by name.
    pub planted: Vec<&'static str>,
    fsyncs_until_ms: u64,
    others_until_ms: u64,
    stuck: Option<(i32, u64)>,
    fsync_failed: bool,
    /// Faults that last are healed now and then.
    lasts: bool,
}

impl Trouble {
    /// Once a turn, before it begins: something goes wrong, or heals.
    pub fn strike(&mut self, server: &Server, shape: Shape, rng: &mut fastrand::Rng) {
        let mono_ms = server.now.mono_ms();
        self.fsync_failed = server.disk.failed_fsyncs(DIR, LOG) > 0;
        if shape.faults.has(Kind::SlowFsync) && rng.u8(..60) == 0 {
            self.fsyncs_until_ms = mono_ms + rng.u64(100..3_000);
        }
        if let Some((pid, until_ms)) = self.stuck
            && mono_ms >= until_ms
        {
            server.children.set_stuck(pid, false);
            self.stuck = None;
        }
        if self.lasts && rng.u8(..20) == 0 {
            self.heal(&server.disk);
        }
        // Drawn whether it is wanted or not, so that leaving a kind out leaves the others where they were.
        let mut own = fastrand::Rng::with_seed(rng.u64(..));
        if once_in(shape.fault_every, rng) {
            let kind = Kind::ALL[own.usize(..Kind::ALL.len())];
            if shape.faults.has(kind) {
                self.plant(kind, server, &mut own);
            }
        }
    }

    /// Ends all faults of the disk.
    pub fn heal(&mut self, disk: &SimDisk) {
        disk.heal();
        disk.set_capacity(None);
        self.lasts = false;
    }

    /// Ends everything that goes wrong, a child that is stuck included.
    pub fn end_all(&mut self, server: &Server) {
        self.heal(&server.disk);
        if let Some((pid, _)) = self.stuck.take() {
            server.children.set_stuck(pid, false);
        }
        (self.fsyncs_until_ms, self.others_until_ms) = (0, 0);
    }

    /// Which jobs do not end now.
    pub fn stalls(&self, mono_ms: u64) -> Stalls {
        Stalls { fsyncs: mono_ms < self.fsyncs_until_ms, others: mono_ms < self.others_until_ms }
    }

    /// Whether an fsync of the log had failed when the turn began: then the server has been told, unless it failed behind another.
    pub fn fsync_failed_before_turn(&self) -> bool {
        self.fsync_failed
    }

    fn plant(&mut self, kind: Kind, server: &Server, rng: &mut fastrand::Rng) {
        match kind {
            Kind::FullDisk => {
                server.disk.set_capacity(Some(used_bytes(&server.disk) + rng.u64(..3_000)));
                self.planted.push("full disk");
                self.lasts = true;
            }
            Kind::ForEver => {
                server.disk.inject(lasting(rng));
                self.planted.push("every call fails until the disk heals");
                self.lasts = true;
            }
            Kind::Fork => {
                let errno = [libc_errno::EAGAIN, libc_errno::ENOMEM, libc_errno::EMFILE][rng.usize(..3)];
                server.children.fail_next_fork(errno);
                self.planted.push(if errno == libc_errno::EMFILE { "pipe" } else { "fork" });
            }
            Kind::Pipe if rng.bool() => {
                server.children.set_pipe_bytes(rng.usize(1..2_000));
                self.planted.push("small pipe");
            }
            Kind::Pipe => {
                if server.children.fail_next_read(libc_errno::EIO) {
                    self.planted.push("read of a pipe");
                }
            }
            Kind::Child => self.hurt_child(&server.children, server.now.mono_ms(), rng),
            Kind::SlowOthers => {
                self.others_until_ms = server.now.mono_ms() + rng.u64(100..3_000);
                self.planted.push("slow background");
            }
            Kind::SlowFsync => {
                self.fsyncs_until_ms = server.now.mono_ms() + rng.u64(100..3_000);
                self.planted.push("slow fsyncs");
            }
            _ => server.disk.inject(once(kind, rng)),
        }
    }

    fn hurt_child(&mut self, children: &SimChildren, mono_ms: u64, rng: &mut fastrand::Rng) {
        const KILL: i32 = 9;
        let Some(&pid) = children.running().first() else { return };
        if rng.bool() {
            children.signal(pid, KILL);
            self.planted.push("child killed");
        } else if self.stuck.is_none() {
            children.set_stuck(pid, true);
            self.stuck = Some((pid, mono_ms + rng.u64(100..5_000)));
            self.planted.push("child stuck");
        }
    }
}

/// Error numbers of Linux.
mod libc_errno {
    pub(super) const EIO: i32 = 5;
    pub(super) const EAGAIN: i32 = 11;
    pub(super) const ENOMEM: i32 = 12;
    pub(super) const EMFILE: i32 = 24;
}

fn used_bytes(disk: &SimDisk) -> u64 {
    disk.names(DIR).iter().filter_map(|name| disk.content(DIR, name)).map(|content| content.len() as u64).sum()
}

/// The calls of other kinds that a server makes while it serves.
const OTHER_CALLS: [Call; 7] =
    [Call::ReadAt, Call::SetLen, Call::Stat, Call::Metadata, Call::Reopen, Call::Mark, Call::SetMark];

/// And while it starts.
const OTHER_CALLS_OF_STARTS: [Call; 10] = [
    Call::ReadAt,
    Call::WriteAt,
    Call::SetLen,
    Call::Stat,
    Call::List,
    Call::Lock,
    Call::Metadata,
    Call::Reopen,
    Call::Mark,
    Call::SetMark,
];

/// A fault of one call soon, whichever file it is of.
fn once(kind: Kind, rng: &mut fastrand::Rng) -> Rule {
    let soon = rng.u64(1..4);
    let errno = if rng.bool() { Fault::EIO } else { Fault::ENOSPC };
    let fsync = [Call::Fdatasync, Call::Fsync][rng.usize(..2)];
    match kind {
        Kind::ShortWrite => Rule::nth(Call::Append, soon, Fault::Short(rng.usize(..60))),
        Kind::FsyncLost => Rule::nth(fsync, soon, Fault::FSYNC_EIO),
        Kind::FsyncKept => {
            Rule::nth(fsync, soon, Fault::FsyncFailed { errno: libc_errno::EIO, pages: LostPages::Kept })
        }
        Kind::DirFsync if soon == 3 => dir_fsync_of_switch(),
        Kind::DirFsync => Rule::nth(Call::DirFsync, soon, Fault::FSYNC_EIO),
        Kind::Interrupt => {
            let (mut calls, at) = (0, rng.u64(1..30));
            Rule::when(Fault::EINTR, move |_| {
                calls += 1;
                calls == at
            })
        }
        Kind::Rename => Rule::nth(Call::Rename, 1, errno),
        Kind::Unlink => Rule::nth(Call::Unlink, 1, errno),
        Kind::Open => Rule::nth(Call::Open, 1, errno),
        Kind::OtherCall => Rule::nth(OTHER_CALLS[rng.usize(..OTHER_CALLS.len())], soon, Fault::EIO),
        _ => Rule::nth(Call::Append, soon, errno),
    }
}

/// The first fsync of the directory fails after a file has got the log's name.
fn dir_fsync_of_switch() -> Rule {
    let (mut renamed, mut struck) = (false, false);
    Rule::when(Fault::FSYNC_EIO, move |attempt| {
        renamed |= attempt.call == Call::Rename && attempt.to == LOG;
        let strikes = renamed && !struck && attempt.call == Call::DirFsync;
        struck |= strikes;
        strikes
    })
}

/// A fault that lasts until the disk heals.
fn lasting(rng: &mut fastrand::Rng) -> Rule {
    match rng.u8(..8) {
        0 => Rule::from_nth(Call::Append, 1, Fault::EIO),
        1 => Rule::from_nth(Call::Append, 1, Fault::ENOSPC),
        2 => Rule::from_nth(Call::Fdatasync, 1, Fault::FSYNC_EIO),
        3 => Rule::from_nth(Call::DirFsync, 1, Fault::FSYNC_EIO),
        4 => Rule::from_nth(Call::Fsync, 1, Fault::FSYNC_EIO),
        5 => Rule::from_nth(Call::Rename, 1, Fault::EIO),
        6 => Rule::from_nth(Call::Open, 1, Fault::ENOSPC),
        _ => Rule::from_nth(Call::Unlink, 1, Fault::EIO),
    }
}

/// A fault that a server meets while it starts, in one of its first calls.
pub fn while_starting(disk: &SimDisk, faults: Faults, rng: &mut fastrand::Rng) {
    let kinds = [
        Kind::Write,
        Kind::ShortWrite,
        Kind::FsyncLost,
        Kind::FsyncKept,
        Kind::DirFsync,
        Kind::Interrupt,
        Kind::Rename,
        Kind::Unlink,
        Kind::Open,
        Kind::ForEver,
        Kind::OtherCall,
    ];
    let kind = kinds[rng.usize(..kinds.len())];
    if !faults.has(kind) {
        return;
    }
    let rule = match kind {
        Kind::ForEver => lasting(rng),
        Kind::OtherCall => {
            let call = OTHER_CALLS_OF_STARTS[rng.usize(..OTHER_CALLS_OF_STARTS.len())];
            Rule::nth(call, rng.u64(1..4), Fault::EIO)
        }
        Kind::Write if rng.u8(..4) == 0 => Rule::nth(Call::ReadAt, rng.u64(1..4), Fault::Short(rng.usize(1..40))),
        kind => once(kind, rng),
    };
    disk.inject(rule);
}
