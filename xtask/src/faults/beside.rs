//! The faults of calls on other files than the log, and of each thread that makes them: the state file, the file of a rewrite, the
//! probe, and names. The list is what strace shows of a server that rewrites and heals its log, and turns it off and on. Pure.

use super::cases::{Case, DiskError, During, EIO, EMFILE, ENOSPC, Effect, Extent, Fault, On, Threads, fault};
use crate::crash::Policy;

/// Calls that fail beside the log, with which errors.
type Row = (Fault, &'static [DiskError]);

const RENAMES: &str = "rename,renameat,renameat2";
const UNLINKS: &str = "unlink,unlinkat";

const RENAMER: Threads = Threads::Named("bio_rename");
const PROBER: Threads = Threads::Named("bio_dir_fsync");
const BULK_FSYNCER: Threads = Threads::Named("bio_bulk_fsync");
const LOOP: Threads = Threads::Named("loop");

const NO_FILE: &[DiskError] = &[EMFILE, EIO, ENOSPC];

/// A state file that cannot be written costs nothing while the log is well.
const STATE: &[Row] = &[
    (state("state file open", "openat"), NO_FILE),
    (state("state file write", "write"), &[ENOSPC, EIO]),
    // What the write that failed has left has to go first.
    (state("state file write and unlink", "write,unlink,unlinkat"), &[EIO]),
    (state("state file fsync", "fdatasync,fsync"), &[EIO]),
    (state("state file rename", RENAMES), &[EIO, ENOSPC]),
    (state("state file stat", "statx"), &[EIO]),
];

/// What fails in a rewrite beside a log that is well.
const REWRITE: &[Row] = &[
    (in_rewrite("new file's open", LOOP, "openat", On::New), NO_FILE),
    // Its fsyncs then go one at a time.
    (quiet_in_rewrite("new file's second open", LOOP, "openat", On::Reopened), &[EMFILE, EIO]),
    (in_rewrite("new file's stat", LOOP, "statx", On::New), &[EIO]),
    (in_rewrite("new file's fsync", BULK_FSYNCER, "fsync", On::Anything), &[EIO, ENOSPC]),
    (in_rewrite("announcement's open", RENAMER, "openat", On::State), NO_FILE),
    (in_rewrite("announcement's write", RENAMER, "write", On::State), &[ENOSPC]),
    (in_rewrite("announcement's fsync", RENAMER, "fsync", On::State), &[EIO]),
    (in_rewrite("announcement's rename", RENAMER, RENAMES, On::State), &[EIO]),
    (in_rewrite("announcement's directory", RENAMER, "fsync", On::Dir), &[EIO]),
    (in_rewrite("rename to the log", RENAMER, RENAMES, On::LogName), &[EIO]),
    (in_rewrite("child's write", Threads::All, "write", On::New), &[ENOSPC, EIO]),
    (in_rewrite("child's fsync", Threads::All, "fdatasync", On::New), &[EIO]),
    (in_rewrite("child's rename", Threads::All, RENAMES, On::New), &[ENOSPC]),
    (in_rewrite("child's write and every unlink", Threads::All, "write,unlink,unlinkat", On::New), &[EIO]),
];

/// What fails while the log heals: the probe, and the rewrite after it.
const HEAL: &[Row] = &[
    (in_heal("probe's stat", PROBER, "statx", On::Probe), &[EIO]),
    (in_heal("probe's open", PROBER, "openat", On::Probe), NO_FILE),
    (in_heal("probe's write", PROBER, "write", On::Probe), &[ENOSPC]),
    (in_heal("probe's fsync", PROBER, "fsync", On::Probe), &[EIO]),
    (in_heal("probe's unlink", PROBER, UNLINKS, On::Probe), &[EIO]),
    (in_heal("healing file's open", LOOP, "openat", On::New), NO_FILE),
    (in_heal("healing file's fsync", BULK_FSYNCER, "fsync", On::Anything), &[EIO]),
    (in_heal("healing announcement's open", RENAMER, "openat", On::State), &[EMFILE]),
    (in_heal("healing announcement's write", RENAMER, "write", On::State), &[ENOSPC]),
    (in_heal("healing announcement's fsync", RENAMER, "fsync", On::State), &[EIO]),
    (in_heal("healing rename", RENAMER, RENAMES, On::LogName), &[EIO]),
    (in_heal("healing directory's fsync", PROBER, "fsync", On::Dir), &[EIO]),
    (in_heal("healing child's write", Threads::All, "write", On::New), &[ENOSPC]),
    (in_heal("healing child's rename", Threads::All, RENAMES, On::New), &[EIO]),
];

/// What fails while the log is turned off, or on again.
const TURNING: &[Row] = &[
    (turning("last state file's open", During::TurningOff, LOOP, "openat", On::State), NO_FILE),
    (turning("last state file's write", During::TurningOff, LOOP, "write", On::State), &[ENOSPC]),
    (turning("last state file's fsync", During::TurningOff, LOOP, "fsync", On::State), &[EIO]),
    (turning("last state file's rename", During::TurningOff, LOOP, RENAMES, On::State), &[EIO]),
    (turning("first file's open", During::TurningOn, LOOP, "openat", On::New), NO_FILE),
    (turning("first file's fsync", During::TurningOn, BULK_FSYNCER, "fsync", On::Anything), &[EIO]),
    (turning("reading of the state file", During::TurningOn, RENAMER, "openat", On::StateName), &[EIO, EMFILE]),
    (turning("first announcement's write", During::TurningOn, RENAMER, "write", On::State), &[ENOSPC]),
    (turning("rename of the log before", During::TurningOn, RENAMER, RENAMES, On::LogName), &[EIO]),
    (FIRST_DIR_FSYNC, &[EIO]),
    (turning("first child's write", During::TurningOn, Threads::All, "write", On::New), &[ENOSPC]),
];

/// The log has its name then, and is as one whose fsync has failed.
const FIRST_DIR_FSYNC: Fault = Fault {
    effect: Effect::Refuses,
    ..turning("first directory's fsync", During::TurningOn, PROBER, "fsync", On::Dir)
};

const fn state(name: &'static str, calls: &'static str) -> Fault {
    Fault { threads: RENAMER, ..fault(name, calls, On::State, Effect::Nothing) }
}

const fn in_rewrite(name: &'static str, threads: Threads, calls: &'static str, on: On) -> Fault {
    Fault { threads, during: During::Rewrite, ..fault(name, calls, on, Effect::FailsRewrite) }
}

const fn quiet_in_rewrite(name: &'static str, threads: Threads, calls: &'static str, on: On) -> Fault {
    Fault { effect: Effect::Nothing, ..in_rewrite(name, threads, calls, on) }
}

const fn in_heal(name: &'static str, threads: Threads, calls: &'static str, on: On) -> Fault {
    Fault { threads, during: During::Heal, ..fault(name, calls, on, Effect::Refuses) }
}

const fn turning(name: &'static str, during: During, threads: Threads, calls: &'static str, on: On) -> Fault {
    Fault { threads, during, ..fault(name, calls, on, Effect::Nothing) }
}

/// The cases of a policy; with `reduced` each fault in one, of one policy or the other and of one extent or the other.
pub(super) fn beside_the_log(policy: Policy, reduced: bool) -> Vec<Case> {
    let rows: Vec<&Row> = [STATE, REWRITE, HEAL, TURNING].into_iter().flatten().collect();
    let turn = usize::from(policy == Policy::Always);
    let mut cases = Vec::new();
    for (number, (fault, errors)) in rows.into_iter().enumerate() {
        if !fault.is_met_under(policy) || reduced && number % 2 != turn {
            continue;
        }
        let of_row = errors.iter().flat_map(|error| {
            fault.extents().iter().map(|extent| Case { policy, fault: *fault, error: *error, extent: *extent })
        });
        let most = if reduced { 1 } else { usize::MAX };
        cases.extend(of_row.skip(if reduced { number / 2 % 2 } else { 0 }).take(most));
    }
    cases
}

impl Fault {
    /// A state file tells of fsyncs, of which `no` has none but in rewrites: none either that could fail and heal.
    fn is_met_under(&self, policy: Policy) -> bool {
        policy != Policy::No || matches!(self.during, During::Rewrite | During::TurningOff | During::TurningOn)
    }

    fn extents(&self) -> &'static [Extent] {
        match self.during {
            // Without a log nothing is promised, and so to a server that is killed before its first rewrite.
            During::TurningOff | During::TurningOn => &[Extent::Once, Extent::UntilHealed],
            // A state file is written every second besides, which would take the one failure to itself.
            During::Rewrite | During::Heal if self.on == On::State && self.calls != "fsync" => {
                &[Extent::UntilHealed, Extent::UntilKilled]
            }
            _ => &[Extent::Once, Extent::UntilHealed, Extent::UntilKilled],
        }
    }
}
