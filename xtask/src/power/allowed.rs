//! When an acknowledgement must hold: the promise table of docs/durability.md as a function of when fsyncs of the log ran. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use powerfs::{Disk, Inode, Mode, Operation, ROOT, Record, Recording};

use crate::crash::Policy;

/// How much may be lost under `everysec`, beside what fsyncs take.
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// How much later a busy machine may let an fsync begin before it counts as a broken promise.
const BUSY: Duration = Duration::from_secs(1);

/// When a reply was there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    /// How many operations had taken effect.
    pub(super) position: u64,
    pub(super) at: Instant,
}

/// A crash: after so many operations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) position: u64,
    /// The latest time at which so many and no more had taken effect.
    pub(super) at: Instant,
}

impl Moment {
    /// The crash before operation number `position` of a recording.
    pub(super) fn before(records: &[Record], position: usize, end: Instant) -> Self {
        let at = records.get(position).map_or(end, |record| record.ended);
        Self { position: position as u64, at }
    }
}

/// An fsync of a file that has, or was to have, the log's name.
#[derive(Clone, Copy, Debug)]
struct LogSync {
    began: Instant,
    ended: Instant,
    /// From which operation on its file had the name.
    named_at: u64,
    /// Which operation it is itself.
    number: u64,
    succeeded: bool,
}

/// The fsyncs of a log: no others can delay what `everysec` promises. Those of state files, of the directory and of a child's
/// file that has not got the name yet run beside them.
#[derive(Clone, Debug, Default)]
pub(super) struct LogSyncs {
    all: Vec<LogSync>,
}

impl LogSyncs {
    /// Those of a recording.
    pub(super) fn of(recording: &Recording) -> Self {
        let named = named_logs(recording);
        let mut all = Vec::new();
        for (number, record) in (0..).zip(&recording.records) {
            let Operation::Sync { inode, succeeded, .. } = record.operation else { continue };
            let Some(&named_at) = named.get(&inode) else { continue };
            all.push(LogSync { began: record.began, ended: record.ended, named_at, number, succeeded });
        }
        Self { all }
    }

    /// Whether what was acknowledged then may be gone if the power goes at `cut`: in the last second, counted from the end of an
    /// fsync that could not cover it, or since then for as long as the next one runs.
    fn may_miss(&self, acked: Instant, cut: Moment) -> bool {
        let known = || self.all.iter().filter(|sync| sync.named_at < cut.position);
        let behind = known().filter(|sync| sync.began <= acked).map(|sync| sync.ended).max();
        let next_begins = behind.map_or(acked, |ended| ended.max(acked)) + SECOND + BUSY;
        let in_flight = |sync: &LogSync| sync.began < cut.at && cut.at <= sync.ended;
        cut.at <= next_begins || known().any(|sync| in_flight(sync) && sync.began <= next_begins)
    }

    /// From the first fsync of the log that fails, nothing becomes durable any more until acks go on: what was acked in the second
    /// before it is what `everysec` may lose with the power, however long that takes.
    pub(super) fn while_they_work(&self, moment: Moment, mut acks: impl Iterator<Item = Ack>) -> Moment {
        let failed = || self.all.iter().filter(|sync| !sync.succeeded);
        let (Some(first), Some(last)) = (failed().next(), failed().next_back()) else { return moment };
        let resumed = acks.find(|ack| ack.position > last.number).map_or(u64::MAX, |ack| ack.position);
        if (first.number..resumed).contains(&moment.position) {
            return Moment { at: moment.at.min(first.began), ..moment };
        }
        moment
    }
}

/// Whether an ack may not be lost.
pub(super) fn must_hold(ack: Ack, moment: Moment, policy: Policy, mode: Mode, syncs: &LogSyncs) -> bool {
    ack.position <= moment.position
        && match (mode, policy) {
            (Mode::Killed, _) | (_, Policy::Always) => true,
            (_, Policy::Everysec) => !syncs.may_miss(ack.at, moment),
            (_, Policy::No) => false,
        }
}

/// Whether a file of this name is a log, ours or redis-server's.
fn is_log(name: &str) -> bool {
    name.ends_with(".aof") && !name.starts_with("temp")
}

/// Every file that had the name of a log, each with the operation that gave it.
fn named_logs(recording: &Recording) -> BTreeMap<Inode, u64> {
    let mut names = names_of(&recording.start);
    let mut named: BTreeMap<Inode, u64> = BTreeMap::new();
    for ((_, name), inode) in &names {
        if is_log(name) {
            named.insert(*inode, 0);
        }
    }
    for (number, record) in (0..).zip(&recording.records) {
        let (at, inode) = match &record.operation {
            Operation::Create { parent, name, inode, .. } | Operation::Link { parent, name, inode } => {
                ((*parent, name.clone()), *inode)
            }
            Operation::Rename { from, to } => match names.remove(from) {
                Some(inode) => (to.clone(), inode),
                None => continue,
            },
            _ => continue,
        };
        if is_log(&at.1) {
            named.entry(inode).or_insert(number);
        }
        names.insert(at, inode);
    }
    named
}

/// Every name on a disk, with what it names.
fn names_of(disk: &Disk) -> BTreeMap<(Inode, String), Inode> {
    let (mut names, mut seen, mut directories) = (BTreeMap::new(), BTreeSet::new(), vec![ROOT]);
    while let Some(directory) = directories.pop() {
        for (name, inode) in disk.entries(directory) {
            names.insert((directory, name.to_owned()), inode);
            if disk.status(inode).is_some_and(|status| status.is_directory) && seen.insert(inode) {
                directories.push(inode);
            }
        }
    }
    names
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::OnceLock;

    use powerfs::NewNode;

    use super::*;

    /// A moment so many milliseconds after a beginning.
    pub(in crate::power) fn ms(after: u64) -> Instant {
        static BEGIN: OnceLock<Instant> = OnceLock::new();
        *BEGIN.get_or_init(Instant::now) + Duration::from_millis(after)
    }

    /// A recording of these operations on an empty disk, each from one millisecond to another.
    pub(in crate::power) fn recording(operations: Vec<(Operation, u64, u64)>) -> Recording {
        let record = |(operation, began, ended)| Record { operation, began: ms(began), ended: ms(ended) };
        Recording { start: Disk::default(), records: operations.into_iter().map(record).collect() }
    }

    pub(in crate::power) fn create(name: &str, inode: Inode) -> Operation {
        Operation::Create { parent: ROOT, name: name.to_owned(), inode, node: NewNode::File, mode: 0o600 }
    }

    pub(in crate::power) fn sync(inode: Inode, since: u64, succeeded: bool) -> Operation {
        Operation::Sync { inode, data_only: true, since, succeeded }
    }

    /// Whether an ack at `acked` may be lost at `cut`, of a server whose file `name` was fsynced at these times.
    fn may_be_lost(name: &str, syncs: &[(u64, u64)], acked: u64, cut: u64) -> bool {
        let mut operations = vec![(create("appendonly.aof", 2), 0, 0)];
        if name != "appendonly.aof" {
            operations.push((create(name, 3), 0, 0));
        }
        let inode = 1 + operations.len() as u64;
        operations.extend(syncs.iter().map(|(began, ended)| (sync(inode, 1, true), *began, *ended)));
        let syncs = LogSyncs::of(&recording(operations));
        let (ack, moment) = (Ack { position: 1, at: ms(acked) }, Moment { position: 9, at: ms(cut) });
        !must_hold(ack, moment, Policy::Everysec, Mode::Strict, &syncs)
    }

    #[test]
    fn a_second_may_be_lost_and_another_on_a_busy_machine_but_no_more() {
        assert!(may_be_lost("appendonly.aof", &[], 0, 2_000));
        assert!(!may_be_lost("appendonly.aof", &[], 0, 2_001));
    }

    #[test]
    fn a_second_counts_from_the_end_of_the_fsync_that_could_not_cover_it() {
        assert!(may_be_lost("appendonly.aof", &[(0, 700)], 100, 2_700));
        assert!(!may_be_lost("appendonly.aof", &[(0, 700)], 100, 2_701));
        assert!(!may_be_lost("appendonly.aof", &[(0, 700)], 800, 2_801), "one that had ended before delays nothing");
        assert!(!may_be_lost("appendonly.aof", &[(200, 900)], 100, 2_101), "one that began behind it covers it");
    }

    #[test]
    fn an_fsync_in_flight_is_waited_for_if_it_began_in_time() {
        assert!(may_be_lost("appendonly.aof", &[(1_900, 9_000)], 0, 8_000));
        assert!(!may_be_lost("appendonly.aof", &[(2_100, 9_000)], 0, 8_000));
        assert!(!may_be_lost("appendonly.aof", &[(1_900, 7_000)], 0, 8_000), "one that ended made it durable");
    }

    #[test]
    fn fsyncs_of_other_files_delay_nothing() {
        for name in ["appendonly.aof.state", "temp-rewriteaof-bg-1.aof", "dump.rdb"] {
            assert!(!may_be_lost(name, &[(0, 700)], 100, 2_200), "{name}");
            assert!(!may_be_lost(name, &[(1_900, 9_000)], 0, 8_000), "{name}");
        }
    }

    #[test]
    fn a_failed_fsync_of_another_file_stops_no_clock() {
        let moment = Moment { position: 4, at: ms(9_000) };
        let at = |inode| {
            let operations = vec![
                (create("appendonly.aof", 2), 0, 0),
                (create("appendonly.aof.state", 3), 0, 0),
                (sync(inode, 1, false), 50, 60),
            ];
            LogSyncs::of(&recording(operations)).while_they_work(moment, std::iter::empty()).at
        };
        assert_eq!(at(2), ms(50));
        assert_eq!(at(3), ms(9_000));
    }
}
