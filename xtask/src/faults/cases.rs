//! The matrix of disk faults: which calls fail, on what, with which error, for how long, and what may follow. Pure.

use std::path::Path;

use super::beside::beside_the_log;
use crate::crash::Policy;

/// What a fault may do to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Writes are refused. Not one is acknowledged that was asked for since the fault, as no byte can reach the log, or no
    /// fsync can succeed that a reply waits for.
    RefusesAtOnce,
    /// Writes are refused from the moment that the server has noticed.
    Refuses,
    /// Writes are refused and taken again by turns: what fails is one thread's alone, and a rewrite heals the log meanwhile.
    RefusesInTurns,
    /// The rewrite fails, and no client sees it.
    FailsRewrite,
    /// Nothing that a client could see.
    Nothing,
    /// Writes may be refused or not: the call is one of all, by its number.
    Open,
}

impl Effect {
    /// Whether writes may be refused.
    pub(super) fn refuses(self) -> bool {
        matches!(self, Self::RefusesAtOnce | Self::Refuses | Self::RefusesInTurns | Self::Open)
    }
}

/// Which threads meet the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Threads {
    /// All, and the rewrite's child.
    All,
    /// Those with this name, while fsyncs are slow: the loop hands a write to another thread only while one is in flight.
    OnlySlowFsync(&'static str),
    /// The loop, while there is one client: under `always` it fsyncs for one that is alone.
    LoopAlone,
    /// Those with this name; a rewrite before makes sure that they run.
    Named(&'static str),
    /// The child, and in it alone: what it calls on the files that it makes.
    Child,
}

impl During {
    /// The request that asks for it, if one does.
    pub(super) fn request(self) -> &'static [&'static str] {
        match self {
            Self::Writes | Self::Heal | Self::ShortWrites => &[],
            Self::Rewrite | Self::FirstRewrite => &["BGREWRITEAOF"],
            Self::TurningOff => &["CONFIG", "SET", "appendonly", "no"],
            Self::TurningOn => &["CONFIG", "SET", "appendonly", "yes"],
            Self::Save => &["SAVE"],
            Self::Bgsave => &["BGSAVE"],
            Self::Shutdown | Self::ShutdownSaving => &["SHUTDOWN"],
        }
    }

    /// Whether the server is to end by it.
    pub(super) fn ends_server(self) -> bool {
        matches!(self, Self::Shutdown | Self::ShutdownSaving)
    }
}

impl Threads {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::OnlySlowFsync(name) | Self::Named(name) => name,
            Self::LoopAlone => "loop",
            Self::Child => "child",
        }
    }
}

/// What the server is asked for while the fault lasts, beside writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum During {
    Writes,
    Rewrite,
    /// A rewrite that heals the log, after one of its fsyncs has failed.
    Heal,
    /// Writes that are short, from some size of the log on.
    ShortWrites,
    /// `CONFIG SET appendonly no`, and `yes` after it.
    TurningOff,
    /// `CONFIG SET appendonly yes`.
    TurningOn,
    /// The first rewrite of a server.
    FirstRewrite,
    Save,
    Bgsave,
    Shutdown,
    /// SHUTDOWN, with a save point that makes it save.
    ShutdownSaving,
}

/// What a path of a fault stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// Whatever the call names.
    Anything,
    Log,
    State,
    /// The file that a rewrite makes, until it is complete.
    New,
    /// The log, as the name to which another file is renamed.
    LogName,
    /// The small file that asks whether the disk is well again.
    Probe,
    /// The state file under its own name.
    StateName,
    Dir,
    /// A file opened once more, by way of its descriptor.
    Reopened,
    /// The server's files, as they were recorded.
    Recorded,
}

/// Calls that fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    /// As strace names them.
    pub(super) calls: &'static str,
    pub(super) on: On,
    pub(super) threads: Threads,
    pub(super) during: During,
    pub(super) effect: Effect,
    /// The how-manieth of these calls of a thread is the first to fail.
    pub(super) from: u32,
}

/// More than a server of these cases opens.
const MOST_DESCRIPTORS: u32 = 64;

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// For the first call of each thread.
    Once,
    /// Until the disk heals.
    UntilHealed,
    /// The server is killed before it ends.
    UntilKilled,
    /// The call is the last thing that its process does: it is killed.
    Deadly,
}

impl Extent {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::UntilHealed => "until healed",
            Self::UntilKilled => "until killed",
            Self::Deadly => "deadly",
        }
    }

    /// What strace is to make of calls, from the one of this number on, as its `inject` wants it.
    pub(super) fn injected(self, error: DiskError, from: u32) -> String {
        match self {
            Self::Once => format!("error={}:when={from}", error.name),
            Self::UntilHealed | Self::UntilKilled => format!("error={}:when={from}+", error.name),
            Self::Deadly => format!("signal=SIGKILL:when={from}"),
        }
    }
}

/// An error, as strace names it and as clients read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DiskError {
    pub(super) name: &'static str,
    pub(super) reason: &'static str,
}

pub(super) const EIO: DiskError = DiskError { name: "EIO", reason: "Input/output error" };
pub(super) const ENOSPC: DiskError = DiskError { name: "ENOSPC", reason: "No space left on device" };
pub(super) const EMFILE: DiskError = DiskError { name: "EMFILE", reason: "Too many open files" };
pub(super) const EAGAIN: DiskError = DiskError { name: "EAGAIN", reason: "Resource temporarily unavailable" };

/// One run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) policy: Policy,
    pub(super) fault: Fault,
    pub(super) error: DiskError,
    pub(super) extent: Extent,
}

impl Case {
    /// Its name, by which it is repeated.
    pub(super) fn name(&self) -> String {
        let fault = self.fault_name();
        let [policy, fault, error, extent] =
            [self.policy.name(), &fault, self.error.name, self.extent.name()].map(|word| word.replace(' ', "-"));
        format!("{policy}/{fault}/{error}/{extent}")
    }

    /// What fails.
    pub(super) fn fault_name(&self) -> String {
        match self.fault.effect {
            Effect::Open => {
                let Fault { name, threads, calls, from, .. } = self.fault;
                format!("{name} {} {calls} {from}", threads.name())
            }
            _ => self.fault.name.to_owned(),
        }
    }

    /// What strace is to make of the calls.
    pub(super) fn injected(&self) -> String {
        self.extent.injected(self.error, self.fault.from)
    }

    /// What a client reads that is refused, one or the other.
    pub(super) fn reasons(&self) -> [&'static str; 2] {
        match self.fault.during {
            // That the log cannot heal either is for INFO and the server's log.
            During::Heal => [EIO.reason; 2],
            // What was written in part counts as a full disk; nothing at all can be written at the limit.
            During::ShortWrites => [ENOSPC.reason, "File too large"],
            _ => [self.error.reason; 2],
        }
    }

    /// What clients may see of it.
    pub(super) fn effect(&self) -> Effect {
        match self.fault.effect {
            // Once: the next try may succeed before anybody asks. Without `always` a reply waits for no fsync.
            Effect::RefusesAtOnce if self.extent == Extent::Once => Effect::Refuses,
            Effect::RefusesAtOnce if self.fault.calls != "write" && self.policy != Policy::Always => Effect::Refuses,
            effect => effect,
        }
    }
}

pub(super) const fn fault(name: &'static str, calls: &'static str, on: On, effect: Effect) -> Fault {
    Fault { name, calls, on, threads: Threads::All, during: During::Writes, effect, from: 1 }
}

const LOG_WRITE: Fault = fault("write of the log", "write", On::Log, Effect::RefusesAtOnce);
const WRITER_THREAD: Fault = Fault {
    threads: Threads::OnlySlowFsync("bio_write"),
    ..fault("write in its thread", "write", On::Log, Effect::Refuses)
};
const FSYNC: Fault = fault("every fsync", "fdatasync,fsync", On::Anything, Effect::RefusesAtOnce);
/// What a short write has left cannot be cut off again: exactly the rest must follow.
const CUT: Fault = Fault {
    threads: Threads::Named("loop"),
    during: During::ShortWrites,
    ..fault("cut of a short write", "ftruncate", On::Log, Effect::Refuses)
};
/// Only those: the probe succeeds, and so does the rewrite that heals the log until it is fsynced again.
const FSYNC_THREAD: Fault = Fault {
    threads: Threads::Named("bio_fsync"),
    ..fault("fsync in its thread", "fdatasync", On::Log, Effect::RefusesInTurns)
};
const LOOP_FSYNC: Fault =
    Fault { threads: Threads::LoopAlone, ..fault("fsync in the loop", "fdatasync", On::Log, Effect::Refuses) };
/// That of the directory after the rename of a rewrite: no other thread has this name.
const DIR_FSYNC: Fault = Fault {
    threads: Threads::Named("bio_dir_fsync"),
    during: During::Rewrite,
    ..fault("fsync of the directory", "fsync", On::Anything, Effect::Refuses)
};
/// The policies, or with `reduced` the two that promise something.
pub(super) fn policies(reduced: bool) -> &'static [Policy] {
    if reduced { &[Policy::Always, Policy::Everysec] } else { &[Policy::Always, Policy::Everysec, Policy::No] }
}

/// Every case, or with `reduced` one error for each fault.
pub(super) fn all(reduced: bool) -> Vec<Case> {
    policies(reduced).iter().flat_map(|policy| of_policy(*policy, reduced)).collect()
}

/// What another server can be asked: writes and fsyncs of its log.
pub(super) fn of_any_server() -> Vec<Case> {
    let mut cases = all(false);
    cases.retain(|case| case.fault.name == LOG_WRITE.name || case.fault.name == FSYNC.name);
    cases
}

fn of_policy(policy: Policy, reduced: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |fault, error, extent| cases.push(Case { policy, fault, error, extent });
    for extent in [Extent::Once, Extent::UntilHealed, Extent::UntilKilled] {
        for (number, error) in [EIO, ENOSPC].into_iter().enumerate() {
            if !reduced || number == 1 {
                add(LOG_WRITE, error, extent);
            }
            // Under `no` a log is fsynced in a rewrite alone.
            if policy != Policy::No && (!reduced || number == 0) {
                add(FSYNC, error, extent);
            }
        }
        if extent != Extent::Once {
            add(DIR_FSYNC, EIO, extent);
        }
    }
    if policy == Policy::Everysec {
        add(WRITER_THREAD, ENOSPC, Extent::Once);
        add(WRITER_THREAD, EIO, Extent::Once);
    }
    if policy == Policy::Always {
        add(LOOP_FSYNC, EIO, Extent::Once);
    }
    if policy != Policy::No {
        add(FSYNC_THREAD, EIO, Extent::UntilHealed);
        if !reduced {
            add(FSYNC_THREAD, EIO, Extent::UntilKilled);
        }
    }
    for extent in [Extent::Once, Extent::UntilHealed, Extent::UntilKilled] {
        if !reduced || extent == Extent::UntilHealed {
            add(CUT, EIO, extent);
        }
    }
    cases.extend(beside_the_log(policy, reduced));
    cases
}

impl On {
    /// The paths that strace looks for. Calls that name a file relative to a directory show only that name.
    pub(super) fn paths(self, data_dir: &Path, server: i32, log: &Path) -> Vec<String> {
        let both = |name: &str| vec![data_dir.join(name).display().to_string(), name.to_owned()];
        match self {
            Self::Anything => Vec::new(),
            Self::Log => vec![log.display().to_string()],
            Self::State => both("temp-appendonly.aof.state"),
            Self::New => both(&format!("temp-rewriteaof-{server}.aof")),
            Self::LogName => vec!["appendonly.aof".to_owned()],
            Self::Probe => both("temp-appendonly.aof.probe"),
            Self::StateName => vec!["appendonly.aof.state".to_owned()],
            Self::Dir => vec![data_dir.display().to_string()],
            Self::Recorded => Vec::new(),
            Self::Reopened => (0..MOST_DESCRIPTORS).map(|fd| format!("/proc/self/fd/{fd}")).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let cases = all(false);
        let names: BTreeSet<String> = cases.iter().map(Case::name).collect();
        assert_eq!(names.len(), cases.len());
        assert!(names.contains("always/every-fsync/EIO/until-healed"), "{names:?}");
    }

    #[test]
    fn the_reduced_matrix_leaves_out_no_fault() {
        let names = |reduced| all(reduced).iter().map(|case| case.fault.name).collect::<BTreeSet<_>>();
        assert_eq!(names(true), names(false));
    }

    #[test]
    fn an_fsync_that_fails_stops_acks_at_once_under_always_alone() {
        let effect = |policy, extent| Case { policy, fault: FSYNC, error: EIO, extent }.effect();
        assert_eq!(effect(Policy::Always, Extent::UntilHealed), Effect::RefusesAtOnce);
        assert_eq!(effect(Policy::Always, Extent::Once), Effect::Refuses);
        assert_eq!(effect(Policy::Everysec, Extent::UntilHealed), Effect::Refuses);
    }
}
