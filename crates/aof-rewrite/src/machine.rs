//! Decides what a rewrite does next: pure transitions, no resources, no time.
//!
//! The executor (`rewriter.rs` and the files it names) turns what happens into an [`Event`], asks [`next`], and carries out the
//! [`Action`]s in their order. Everything that makes the switch of files safe is visible here:
//!
//! - nothing is renamed before the new file is fsynced past what the old one holds ([`Phase::FsyncNew`]), nor before a state file
//!   speaks of it ([`Phase::Announcing`]);
//! - from `Attach` to `Promote` both files get every byte;
//! - the old file is given up only after the directory fsync;
//! - a failure before the rename leaves the old file as it was; from the rename on there is no way back.

/// Where a rewrite stands. What exists only in one phase is held by the executor for just that phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing runs.
    #[default]
    Idle,
    /// The child writes. `sending`: the diff still goes into its pipe.
    Child {
        /// Whether the child has not yet asked to stop.
        sending: bool,
    },
    /// The child was killed and is not yet reaped.
    Dying {
        /// Why it was killed.
        why: Killed,
    },
    /// The child's file is complete; the diff that is left has to follow. Decided anew at each turn.
    Residual {
        /// Whether the bulk of the file was fsynced since the child ended.
        fsynced: bool,
    },
    /// A piece of the residual diff is being written by a job.
    WritingPiece {
        /// As in `Residual`.
        fsynced: bool,
    },
    /// The new file is fsynced while no reply waits for it, so that the fsync after `Attach`, for which some may wait, is short.
    FsyncEarly,
    /// The last of the residual diff is being written, in this very turn.
    WritingRest,
    /// The new file is attached and gets every byte; a job fsyncs it.
    FsyncNew,
    /// A job writes a state file that speaks of it beside the old one.
    Announcing,
    /// A job renames it over the log. No way back.
    Renaming,
    /// A job makes the name durable.
    FsyncDir,
}

/// Why a child was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Killed {
    /// On request: no failure.
    OnRequest,
    /// It did nothing for too long: a failure.
    Stalled,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The fork succeeded.
    Forked,
    /// The child asks to stop sending.
    StopRequested,
    /// The child ended well and its account is right. `diff`: there is a log to go on with.
    ChildSucceeded {
        /// False for a one-time snapshot of a server without a log.
        diff: bool,
    },
    /// The child ended in any other way.
    ChildFailed,
    /// A killed child is gone, however it ended.
    ChildGone,
    /// The watchdog's time is up.
    ChildStalled,
    /// A killed child has not ended in time.
    KillOverdue,
    /// More is left of the diff than may be written in the loop.
    MuchLeft,
    /// So little is left of the diff that the loop may write it.
    LittleLeft,
    /// The job or write of the phase succeeded.
    Done,
    /// It failed.
    Failed,
    /// The fsync of the new file succeeded, and yet the old one is durable further.
    Behind,
    /// The log says that the attached file failed.
    MirrorFailed,
    /// Stop, if it is still possible.
    Abort,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Answer the child's `!`.
    AnswerStop,
    /// Kill the child by SIGUSR1.
    KillPolitely,
    /// Kill the child by SIGKILL.
    KillHard,
    /// Close the child's pipes: it is reaped.
    ForgetChild,
    /// Drop the diff.
    DropDiff,
    /// Write one bounded piece of the diff by a job.
    WritePiece,
    /// Write the rest of the diff at once; answers with `Done` or `Failed`.
    WriteRest,
    /// Attach the new file to the log.
    Attach,
    /// Fsync the new file by a job.
    FsyncNew,
    /// Write a state file that speaks of the new file as well, by a job.
    Announce,
    /// Rename the new file over the log by a job.
    Rename,
    /// Fsync the directory by a job.
    FsyncDir,
    /// The new file becomes the log; close the old one by a job.
    Promote,
    /// Tell the log that its name is not proven durable.
    NotDurable,
    /// Detach the new file from the log.
    Detach,
    /// Remove the new file under either of its names.
    RemoveFile,
    /// Account for a success.
    Succeed,
    /// Account for a failure.
    Fail,
    /// Account for a stop on request.
    Stop,
}

/// The next phase and what to do, in order.
///
/// # Panics
/// If the event cannot happen in the phase: a bug of the executor.
pub(crate) fn next(phase: Phase, event: Event) -> (Phase, &'static [Action]) {
    match phase {
        Phase::Idle | Phase::Child { .. } | Phase::Dying { .. } => with_child(phase, event),
        Phase::Renaming | Phase::FsyncDir => after_rename(phase, event),
        _ => before_rename(phase, event),
    }
}

fn with_child(phase: Phase, event: Event) -> (Phase, &'static [Action]) {
    use Action as A;
    match (phase, event) {
        (Phase::Idle, Event::Forked) => (Phase::Child { sending: true }, &[]),
        (Phase::Idle, Event::Abort) => (Phase::Idle, &[]),
        (Phase::Child { .. }, Event::StopRequested) => (Phase::Child { sending: false }, &[A::AnswerStop]),
        (Phase::Child { .. }, Event::ChildSucceeded { diff: true }) => {
            (Phase::Residual { fsynced: false }, &[A::ForgetChild])
        }
        // Nothing is fed and nothing will follow: the child's own fsync has made the file durable.
        (Phase::Child { .. }, Event::ChildSucceeded { diff: false }) => (Phase::Renaming, &[A::ForgetChild, A::Rename]),
        (Phase::Child { .. }, Event::ChildFailed) => {
            (Phase::Idle, &[A::ForgetChild, A::DropDiff, A::RemoveFile, A::Fail])
        }
        (Phase::Child { .. }, Event::ChildStalled) => {
            (Phase::Dying { why: Killed::Stalled }, &[A::KillHard, A::DropDiff])
        }
        (Phase::Child { .. }, Event::Abort) => {
            (Phase::Dying { why: Killed::OnRequest }, &[A::KillPolitely, A::DropDiff])
        }
        (Phase::Dying { .. }, Event::KillOverdue) => (phase, &[A::KillHard]),
        (Phase::Dying { .. }, Event::Abort) => (Phase::Dying { why: Killed::OnRequest }, &[]),
        (Phase::Dying { why: Killed::OnRequest }, Event::ChildGone) => {
            (Phase::Idle, &[A::ForgetChild, A::RemoveFile, A::Stop])
        }
        (Phase::Dying { why: Killed::Stalled }, Event::ChildGone) => {
            (Phase::Idle, &[A::ForgetChild, A::RemoveFile, A::Fail])
        }
        _ => impossible(phase, event),
    }
}

fn before_rename(phase: Phase, event: Event) -> (Phase, &'static [Action]) {
    use Action as A;
    match (phase, event) {
        (Phase::Residual { fsynced }, Event::MuchLeft) => (Phase::WritingPiece { fsynced }, &[A::WritePiece]),
        (Phase::WritingPiece { fsynced }, Event::Done) => (Phase::Residual { fsynced }, &[]),
        (Phase::Residual { fsynced: false }, Event::LittleLeft) => (Phase::FsyncEarly, &[A::FsyncNew]),
        (Phase::FsyncEarly, Event::Done) => (Phase::Residual { fsynced: true }, &[]),
        (Phase::Residual { fsynced: true }, Event::LittleLeft) => (Phase::WritingRest, &[A::WriteRest]),
        (Phase::WritingRest, Event::Done) => (Phase::FsyncNew, &[A::Attach, A::FsyncNew]),
        (Phase::FsyncNew, Event::Behind) => (Phase::FsyncNew, &[A::FsyncNew]),
        (Phase::FsyncNew, Event::Done) => (Phase::Announcing, &[A::Announce]),
        (Phase::Announcing, Event::Done) => (Phase::Renaming, &[A::Rename]),
        (Phase::FsyncNew | Phase::Announcing, Event::Failed | Event::MirrorFailed) => {
            (Phase::Idle, &[A::Detach, A::RemoveFile, A::Fail])
        }
        (Phase::FsyncNew | Phase::Announcing, Event::Abort) => (Phase::Idle, &[A::Detach, A::RemoveFile, A::Stop]),
        (Phase::WritingPiece { .. } | Phase::FsyncEarly | Phase::WritingRest, Event::Failed) => {
            (Phase::Idle, &[A::DropDiff, A::RemoveFile, A::Fail])
        }
        (Phase::Residual { .. } | Phase::WritingPiece { .. } | Phase::FsyncEarly, Event::Abort) => {
            (Phase::Idle, &[A::DropDiff, A::RemoveFile, A::Stop])
        }
        _ => impossible(phase, event),
    }
}

fn after_rename(phase: Phase, event: Event) -> (Phase, &'static [Action]) {
    use Action as A;
    match (phase, event) {
        (Phase::Renaming, Event::Done) => (Phase::FsyncDir, &[A::FsyncDir]),
        // The job has looked: the name still stands for the old file.
        (Phase::Renaming, Event::Failed) => (Phase::Idle, &[A::Detach, A::RemoveFile, A::Fail]),
        (Phase::FsyncDir, Event::Done) => (Phase::Idle, &[A::Promote, A::Succeed]),
        // For every process the name stands for the new file, so it has to be the log, whatever a power cut would leave.
        (Phase::FsyncDir, Event::Failed) => (Phase::Idle, &[A::Promote, A::NotDurable, A::Fail]),
        (Phase::Renaming | Phase::FsyncDir, Event::Abort) => (phase, &[]),
        _ => impossible(phase, event),
    }
}

fn impossible(phase: Phase, event: Event) -> ! {
    unreachable!("{event:?} cannot happen in {phase:?}")
}

#[cfg(test)]
mod tests;
