//! Decides when the AOF buffer is written and fsynced, and by whom.
//!
//! Pure functions of state, inputs and `now_ms`; `turn.rs` gathers the inputs and `writer.rs` performs the I/O, so every
//! row of the table is a unit test that needs no disk and no clock.
//!
//! Invariant: at most one write runs at a time, and at most one fsync a file description. Linux reports a write-back error
//! once per description: of two fsyncs of one that run at the same time the later may take the error of the earlier one's
//! pages, whose success would then be a lie. So fsyncs of a file overlap only as far as it was opened several times, and
//! only under `always`, where replies wait for them. Bytes that arrive meanwhile are one group of the next.

use std::fmt;
use std::str::FromStr;

use aof_state::LogOffset;
use mutants::{Mutant, planted};

/// How long a flush may wait for its write before it counts as delayed, in milliseconds.
/// Source: Redis 4.0, `flushAppendOnlyFile`.
pub const DELAYED_AFTER_MS: u64 = 2_000;

/// The least time between the starts of two fsyncs of one file under `everysec`, in milliseconds.
pub const FSYNC_EVERY_MS: u64 = 1_000;

/// How long after a failed write the next try comes, in milliseconds.
pub const RETRY_EVERY_MS: u64 = 1_000;

/// The policy `appendfsync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFsync {
    /// No reply before its bytes are on stable storage.
    Always,
    /// fsync once a second in the background.
    EverySec,
    /// The kernel decides.
    No,
}

impl AppendFsync {
    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySec => "everysec",
            Self::No => "no",
        }
    }
}

impl fmt::Display for AppendFsync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argument must be one of always, everysec, no")]
pub struct UnknownPolicy;

impl FromStr for AppendFsync {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        [Self::Always, Self::EverySec, Self::No]
            .into_iter()
            .find(|policy| policy.as_str().eq_ignore_ascii_case(name))
            .ok_or(UnknownPolicy)
    }
}

/// A write job that is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WriterBusy {
    pub(crate) since_ms: u64,
    /// It was counted as delayed already.
    pub(crate) counted: bool,
}

/// What the decision to write depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteInput {
    /// A file that may be written now lacks bytes.
    pub(crate) unwritten: bool,
    pub(crate) writer: Option<WriterBusy>,
    /// Any fsync, of whichever file: write(2) may block behind it.
    pub(crate) fsync_running: bool,
    pub(crate) force: bool,
    pub(crate) now_ms: u64,
}

/// Whether, and where, everything pending is written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WritePlan {
    Nothing,
    InLoop,
    InThread,
    /// A write runs; what came meanwhile waits. `delayed`: this wait has just become long enough to be counted.
    Wait {
        delayed: bool,
    },
}

/// Plans the write of this loop turn.
pub(crate) fn plan_write(input: WriteInput) -> WritePlan {
    match input.writer {
        Some(busy) => {
            let waited_ms = input.now_ms.saturating_sub(busy.since_ms);
            WritePlan::Wait { delayed: !busy.counted && waited_ms >= DELAYED_AFTER_MS }
        }
        None if !input.unwritten => WritePlan::Nothing,
        // write(2) may block behind a running fsync(2) of the same file: not in the event loop, then.
        None if input.fsync_running && !input.force => WritePlan::InThread,
        None => WritePlan::InLoop,
    }
}

/// The longest that a group gathers after its first byte while nothing is in flight, in milliseconds.
pub(crate) const GATHER_MS: u64 = 1;

/// What it depends on whether a group of `always` is complete, for one file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupInput {
    /// Bytes fed that no fsync started so far covers, written or not.
    pub(crate) group_bytes: u64,
    /// How many bytes wait for the fsyncs in flight; `None` if none is.
    pub(crate) in_flight_bytes: Option<u64>,
    /// How large the last group was that an fsync ended for.
    pub(crate) last_bytes: u64,
    /// This turn brought more of it.
    pub(crate) fed: bool,
    /// How long ago its first byte came.
    pub(crate) waited_ms: u64,
}

/// Whether a group is complete: it is then written and fsynced, and not before.
///
/// Beside fsyncs in flight, it is when it has grown as large as everything in flight: writers that wait for replies cannot make
/// it much larger then. So the first of them do not wait for the last, and the rest do not wait for two fsyncs, as they would
/// if one group at a time were in flight and half of the writers missed each. With nothing in flight, the writers whose replies
/// have just left are about to come again: it is complete when it is as large as the last one, when a turn of the loop brings
/// nothing more, or after a millisecond. An fsync for each few that come first would cost as much as one for all.
pub(crate) fn is_complete(input: GroupInput) -> bool {
    match input.in_flight_bytes {
        Some(in_flight_bytes) => input.group_bytes >= in_flight_bytes,
        None => input.group_bytes >= input.last_bytes || !input.fed || input.waited_ms >= GATHER_MS,
    }
}

/// What the decisions to fsync have in common, whichever the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FsyncTerms {
    pub(crate) policy: AppendFsync,
    /// See [`FsyncInput::held`].
    pub(crate) held: bool,
    /// Somebody waits for what was fed up to here.
    pub(crate) wanted: LogOffset,
    /// See [`FsyncInput::alone`].
    pub(crate) alone: bool,
    /// See [`is_complete`].
    pub(crate) complete: bool,
    pub(crate) now_ms: u64,
}

/// What the decision to fsync one file depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FsyncInput {
    pub(crate) policy: AppendFsync,
    /// Bytes written that no fsync started so far covers.
    pub(crate) unsynced_bytes: u64,
    /// An fsync of this file is in flight.
    pub(crate) running: bool,
    /// No more fsyncs can overlap.
    pub(crate) busy: bool,
    /// Under `always`: see [`is_complete`].
    pub(crate) complete: bool,
    /// One failed: what a later one says about this file is worth nothing.
    pub(crate) failed: bool,
    /// `no-appendfsync-on-rewrite`, while a child does I/O.
    pub(crate) held: bool,
    /// One client alone waits and nothing else is ready.
    pub(crate) alone: bool,
    /// Somebody waits for bytes that no fsync started so far covers.
    pub(crate) wanted: bool,
    pub(crate) last_started_ms: Option<u64>,
    pub(crate) now_ms: u64,
}

/// Whether, where and when one file is fsynced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FsyncPlan {
    Nothing,
    InLoop,
    InBio,
    /// Not before this time.
    At {
        mono_ms: u64,
    },
}

/// Plans the fsync of one file.
pub(crate) fn plan_fsync(input: FsyncInput) -> FsyncPlan {
    if planted(Mutant::EverysecNever) && input.policy == AppendFsync::EverySec && !input.wanted {
        return FsyncPlan::Nothing;
    }
    if input.unsynced_bytes == 0 || input.busy || input.failed {
        return FsyncPlan::Nothing;
    }
    match (input.policy, input.running) {
        (AppendFsync::No, false) if input.wanted => FsyncPlan::InBio,
        (AppendFsync::No, _) => FsyncPlan::Nothing,
        (AppendFsync::Always, _) if !input.complete => FsyncPlan::Nothing,
        (AppendFsync::Always, false) if input.alone => FsyncPlan::InLoop,
        (AppendFsync::Always, _) => FsyncPlan::InBio,
        (AppendFsync::EverySec, true) => FsyncPlan::Nothing,
        (AppendFsync::EverySec, false) if input.held && !input.wanted => FsyncPlan::Nothing,
        (AppendFsync::EverySec, false) => match input.last_started_ms.map(|last| last.saturating_add(FSYNC_EVERY_MS)) {
            Some(due_ms) if input.now_ms < due_ms => FsyncPlan::At { mono_ms: due_ms },
            _ => FsyncPlan::InBio,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: WriteInput =
        WriteInput { unwritten: true, writer: None, fsync_running: false, force: false, now_ms: 10_000 };

    fn busy(since_ms: u64, counted: bool) -> Option<WriterBusy> {
        Some(WriterBusy { since_ms, counted })
    }

    #[test]
    fn every_row_of_the_write_table() {
        use WritePlan::{InLoop, InThread, Nothing, Wait};
        let rows = [
            ("nothing pending", WriteInput { unwritten: false, ..WRITE }, Nothing),
            ("nothing pending, forced", WriteInput { unwritten: false, force: true, ..WRITE }, Nothing),
            ("idle disk", WRITE, InLoop),
            ("an fsync runs", WriteInput { fsync_running: true, ..WRITE }, InThread),
            ("an fsync runs, forced", WriteInput { fsync_running: true, force: true, ..WRITE }, InLoop),
            ("a write runs", WriteInput { writer: busy(9_000, false), ..WRITE }, Wait { delayed: false }),
            (
                "a write runs, forced: still one at a time",
                WriteInput { writer: busy(9_000, false), force: true, ..WRITE },
                Wait { delayed: false },
            ),
            ("just under 2 s", WriteInput { writer: busy(8_001, false), ..WRITE }, Wait { delayed: false }),
            ("2 s", WriteInput { writer: busy(8_000, false), ..WRITE }, Wait { delayed: true }),
            (
                "2 s, nothing behind it",
                WriteInput { unwritten: false, writer: busy(8_000, false), ..WRITE },
                Wait { delayed: true },
            ),
            ("counted once", WriteInput { writer: busy(1_000, true), ..WRITE }, Wait { delayed: false }),
            ("clock behind", WriteInput { writer: busy(20_000, false), ..WRITE }, Wait { delayed: false }),
        ];
        for (row, input, plan) in rows {
            assert_eq!(plan_write(input), plan, "{row}");
        }
    }

    #[test]
    fn every_row_of_the_table_of_groups() {
        let group = GroupInput { group_bytes: 100, in_flight_bytes: None, last_bytes: 101, fed: true, waited_ms: 0 };
        let rows = [
            ("more may come at once", group, false),
            ("as large as the last", GroupInput { last_bytes: 100, ..group }, true),
            ("the first", GroupInput { last_bytes: 0, ..group }, true),
            ("nothing more came", GroupInput { fed: false, ..group }, true),
            ("it has waited", GroupInput { waited_ms: GATHER_MS, ..group }, true),
            ("a larger one runs", GroupInput { in_flight_bytes: Some(101), last_bytes: 0, ..group }, false),
            (
                "a larger one runs, nothing more came",
                GroupInput { in_flight_bytes: Some(101), fed: false, ..group },
                false,
            ),
            ("a larger one runs for long", GroupInput { in_flight_bytes: Some(101), waited_ms: 9_999, ..group }, false),
            ("as large as all that run", GroupInput { in_flight_bytes: Some(100), ..group }, true),
        ];
        for (row, input, complete) in rows {
            assert_eq!(is_complete(input), complete, "{row}");
        }
    }

    const EVERYSEC: FsyncInput = FsyncInput {
        policy: AppendFsync::EverySec,
        unsynced_bytes: 100,
        running: false,
        busy: false,
        complete: true,
        failed: false,
        held: false,
        alone: false,
        wanted: false,
        last_started_ms: Some(9_000),
        now_ms: 10_000,
    };
    const ALWAYS: FsyncInput = FsyncInput { policy: AppendFsync::Always, ..EVERYSEC };
    const NO: FsyncInput = FsyncInput { policy: AppendFsync::No, ..EVERYSEC };

    #[test]
    fn every_row_of_the_fsync_table() {
        use FsyncPlan::{At, InBio, InLoop, Nothing};
        let rows = [
            ("everysec: due", EVERYSEC, InBio),
            ("everysec: first", FsyncInput { last_started_ms: None, ..EVERYSEC }, InBio),
            ("everysec: not yet", FsyncInput { last_started_ms: Some(9_001), ..EVERYSEC }, At { mono_ms: 10_001 }),
            ("everysec: nothing new", FsyncInput { unsynced_bytes: 0, ..EVERYSEC }, Nothing),
            ("everysec: one runs", FsyncInput { running: true, ..EVERYSEC }, Nothing),
            ("everysec: one failed", FsyncInput { failed: true, ..EVERYSEC }, Nothing),
            ("everysec: a child does I/O", FsyncInput { held: true, ..EVERYSEC }, Nothing),
            ("everysec: wanted, a child does I/O", FsyncInput { wanted: true, held: true, ..EVERYSEC }, InBio),
            (
                "everysec: wanted, still once a second",
                FsyncInput { wanted: true, last_started_ms: Some(9_001), ..EVERYSEC },
                At { mono_ms: 10_001 },
            ),
            ("everysec: never in the loop", FsyncInput { alone: true, ..EVERYSEC }, InBio),
            ("always", ALWAYS, InBio),
            ("always: at once", FsyncInput { last_started_ms: Some(10_000), ..ALWAYS }, InBio),
            ("always: one client alone", FsyncInput { alone: true, ..ALWAYS }, InLoop),
            ("always: one client alone, one runs", FsyncInput { alone: true, running: true, ..ALWAYS }, InBio),
            ("always: stays always beside a child", FsyncInput { held: true, ..ALWAYS }, InBio),
            ("always: nothing new", FsyncInput { unsynced_bytes: 0, ..ALWAYS }, Nothing),
            ("always: one runs", FsyncInput { running: true, ..ALWAYS }, InBio),
            ("always: the group gathers", FsyncInput { complete: false, ..ALWAYS }, Nothing),
            ("always: no description is free", FsyncInput { running: true, busy: true, ..ALWAYS }, Nothing),
            ("always: one failed", FsyncInput { failed: true, ..ALWAYS }, Nothing),
            ("no", NO, Nothing),
            ("no: one client alone", FsyncInput { alone: true, ..NO }, Nothing),
            ("no: wanted", FsyncInput { wanted: true, last_started_ms: Some(10_000), ..NO }, InBio),
            ("no: wanted, a child does I/O", FsyncInput { wanted: true, held: true, ..NO }, InBio),
            ("no: wanted, nothing new", FsyncInput { wanted: true, unsynced_bytes: 0, ..NO }, Nothing),
            ("no: wanted, one runs", FsyncInput { wanted: true, running: true, ..NO }, Nothing),
            ("no: wanted, one failed", FsyncInput { wanted: true, failed: true, ..NO }, Nothing),
            ("no: never", FsyncInput { last_started_ms: None, now_ms: u64::MAX, ..NO }, Nothing),
        ];
        for (row, input, plan) in rows {
            assert_eq!(plan_fsync(input), plan, "{row}");
        }
    }

    #[test]
    fn policies_are_named_as_in_redis() {
        for policy in [AppendFsync::Always, AppendFsync::EverySec, AppendFsync::No] {
            assert_eq!(policy.to_string().to_uppercase().parse(), Ok(policy));
        }
        assert_eq!("sometimes".parse::<AppendFsync>(), Err(UnknownPolicy));
    }
}
