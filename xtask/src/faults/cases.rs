//! The matrix of disk faults: which calls fail, on what, with which error, for how long, and what may follow. Pure.

use std::path::Path;

use crate::crash::Policy;

/// What a fault may do to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Writes are refused. Not one is acknowledged that was asked for since the fault, as no byte can reach the log, or no
    /// fsync can succeed that a reply waits for.
    RefusesAtOnce,
    /// Writes are refused from the moment that the server has noticed.
    Refuses,
    /// The rewrite fails, and no client sees it.
    FailsRewrite,
    /// Nothing that a client could see.
    Nothing,
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
    Dir,
}

/// Calls that fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    /// As strace names them.
    pub(super) calls: &'static str,
    pub(super) on: On,
    pub(super) threads: Threads,
    /// Whether a rewrite is asked for while it lasts.
    pub(super) rewrite: bool,
    pub(super) effect: Effect,
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// For the first call of each thread.
    Once,
    /// Until the disk heals.
    UntilHealed,
    /// The server is killed before it ends.
    UntilKilled,
}

impl Extent {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::UntilHealed => "until healed",
            Self::UntilKilled => "until killed",
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
        let [policy, fault, error, extent] = [self.policy.name(), self.fault.name, self.error.name, self.extent.name()]
            .map(|word| word.replace(' ', "-"));
        format!("{policy}/{fault}/{error}/{extent}")
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

const fn fault(name: &'static str, calls: &'static str, on: On, effect: Effect) -> Fault {
    Fault { name, calls, on, threads: Threads::All, rewrite: false, effect }
}

const fn in_rewrite(name: &'static str, calls: &'static str, on: On, effect: Effect) -> Fault {
    Fault { name, calls, on, threads: Threads::All, rewrite: true, effect }
}

const RENAMES: &str = "rename,renameat,renameat2";

const LOG_WRITE: Fault = fault("write of the log", "write", On::Log, Effect::RefusesAtOnce);
const WRITER_THREAD: Fault = Fault {
    threads: Threads::OnlySlowFsync("bio_write"),
    ..fault("write in its thread", "write", On::Log, Effect::Refuses)
};
const FSYNC: Fault = fault("every fsync", "fdatasync,fsync", On::Anything, Effect::RefusesAtOnce);
const LOOP_FSYNC: Fault =
    Fault { threads: Threads::LoopAlone, ..fault("fsync in the loop", "fdatasync", On::Log, Effect::Refuses) };
const DIR_FSYNC: Fault = in_rewrite("fsync of the directory", "fsync", On::Dir, Effect::Refuses);

/// What no client may notice, and what error it meets.
const QUIET: &[(Fault, DiskError)] = &[
    (fault("state file write", "write", On::State, Effect::Nothing), ENOSPC),
    (fault("state file fsync", "fdatasync,fsync", On::State, Effect::Nothing), EIO),
    (fault("state file rename", RENAMES, On::State, Effect::Nothing), EIO),
    (in_rewrite("child's write", "write", On::New, Effect::FailsRewrite), ENOSPC),
    (in_rewrite("child's fsync", "fdatasync", On::New, Effect::FailsRewrite), EIO),
    (in_rewrite("child's rename", RENAMES, On::New, Effect::FailsRewrite), ENOSPC),
    (in_rewrite("rename to the log", RENAMES, On::LogName, Effect::FailsRewrite), EIO),
];

/// Every case, or with `reduced` one error for each fault and the two policies that promise something.
pub(super) fn all(reduced: bool) -> Vec<Case> {
    let policies: &[Policy] =
        if reduced { &[Policy::Always, Policy::Everysec] } else { &[Policy::Always, Policy::Everysec, Policy::No] };
    policies.iter().flat_map(|policy| of_policy(*policy, reduced)).collect()
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
    for (fault, error) in QUIET {
        // A state file tells of fsyncs, of which `no` has none.
        if policy != Policy::No || fault.on != On::State {
            add(*fault, *error, Extent::UntilHealed);
        }
    }
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
            Self::Dir => vec![data_dir.display().to_string()],
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
