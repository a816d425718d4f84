//! Every transition, without a process, a file or a clock.

use super::*;
use Action as A;
use Event as E;
use Phase as P;

/// Runs events through the machine; returns the phase and every action, in order.
fn run(mut phase: Phase, events: &[Event]) -> (Phase, Vec<Action>) {
    let mut all = Vec::new();
    for event in events {
        let (next_phase, actions) = next(phase, *event);
        phase = next_phase;
        all.extend_from_slice(actions);
    }
    (phase, all)
}

const UP_TO_ATTACH: [Event; 9] = [
    E::Forked,
    E::StopRequested,
    E::ChildSucceeded { diff: true },
    E::MuchLeft,
    E::Done,
    E::LittleLeft,
    E::Done,
    E::LittleLeft,
    E::Done,
];

#[test]
fn a_rewrite_that_goes_well_does_everything_in_order() {
    let mut events = UP_TO_ATTACH.to_vec();
    events.extend([E::Done, E::Done, E::Done, E::Done]);
    let (phase, actions) = run(P::Idle, &events);
    assert_eq!(phase, P::Idle);
    let expected = [
        A::AnswerStop,
        A::ForgetChild,
        A::WritePiece,
        A::FsyncNew,
        A::WriteRest,
        A::Attach,
        A::FsyncNew,
        A::Announce,
        A::Rename,
        A::FsyncDir,
        A::Promote,
        A::Succeed,
    ];
    assert_eq!(actions, expected);
}

#[test]
fn pieces_are_written_again_after_the_early_fsync_if_much_came_meanwhile() {
    let early = P::Residual { fsynced: true };
    let (phase, actions) = run(early, &[E::MuchLeft, E::Done, E::LittleLeft]);
    assert_eq!(phase, P::WritingRest);
    assert_eq!(actions, [A::WritePiece, A::WriteRest]);
}

#[test]
fn a_file_that_is_durable_less_far_than_the_old_one_is_fsynced_again_and_not_renamed() {
    let (phase, actions) = run(P::FsyncNew, &[E::Behind, E::Behind]);
    assert_eq!(phase, P::FsyncNew);
    assert_eq!(actions, [A::FsyncNew, A::FsyncNew]);
}

#[test]
fn a_snapshot_without_a_log_is_renamed_at_once_and_never_attached() {
    let events = [E::Forked, E::StopRequested, E::ChildSucceeded { diff: false }, E::Done, E::Done];
    let (phase, actions) = run(P::Idle, &events);
    assert_eq!(phase, P::Idle);
    assert_eq!(actions, [A::AnswerStop, A::ForgetChild, A::Rename, A::FsyncDir, A::Promote, A::Succeed]);
}

#[test]
fn a_failed_child_leaves_nothing_behind() {
    let (phase, actions) = run(P::Idle, &[E::Forked, E::ChildFailed]);
    assert_eq!(phase, P::Idle);
    assert_eq!(actions, [A::ForgetChild, A::DropDiff, A::RemoveFile, A::Fail]);
}

#[test]
fn a_stalled_child_is_killed_and_its_end_awaited_before_it_counts_as_a_failure() {
    let (phase, actions) = run(P::Child { sending: true }, &[E::ChildStalled, E::KillOverdue]);
    assert_eq!(phase, P::Dying { why: Killed::Stalled });
    assert_eq!(actions, [A::KillHard, A::DropDiff, A::KillHard]);
    let (phase, actions) = run(phase, &[E::ChildGone]);
    assert_eq!(phase, P::Idle);
    assert_eq!(actions, [A::ForgetChild, A::RemoveFile, A::Fail]);
}

#[test]
fn a_child_stopped_on_request_is_no_failure() {
    let (phase, actions) = run(P::Child { sending: false }, &[E::Abort, E::Abort, E::KillOverdue, E::ChildGone]);
    assert_eq!(phase, P::Idle);
    assert_eq!(actions, [A::KillPolitely, A::DropDiff, A::KillHard, A::ForgetChild, A::RemoveFile, A::Stop]);
}

#[test]
fn a_failure_before_the_rename_drops_the_new_file_and_detaches_it_if_it_was_attached() {
    let drop_only = [A::DropDiff, A::RemoveFile, A::Fail];
    for phase in [P::WritingPiece { fsynced: false }, P::WritingPiece { fsynced: true }, P::FsyncEarly, P::WritingRest]
    {
        assert_eq!(run(phase, &[E::Failed]), (P::Idle, drop_only.to_vec()), "{phase:?}");
    }
    let detach = vec![A::Detach, A::RemoveFile, A::Fail];
    for phase in [P::FsyncNew, P::Announcing] {
        assert_eq!(run(phase, &[E::Failed]), (P::Idle, detach.clone()), "{phase:?}");
        assert_eq!(run(phase, &[E::MirrorFailed]), (P::Idle, detach.clone()), "{phase:?}");
    }
    assert_eq!(run(P::Renaming, &[E::Failed]), (P::Idle, detach));
}

#[test]
fn a_failure_after_the_rename_keeps_the_new_file_and_is_told_as_not_durable() {
    let (phase, actions) = run(P::FsyncDir, &[E::Failed]);
    assert_eq!(phase, P::Idle);
    assert_eq!(actions, [A::Promote, A::NotDurable, A::Fail]);
}

#[test]
fn a_stop_is_possible_up_to_the_rename_and_changes_nothing_from_there_on() {
    let drop_only = [A::DropDiff, A::RemoveFile, A::Stop];
    for phase in [P::Residual { fsynced: false }, P::WritingPiece { fsynced: true }, P::FsyncEarly] {
        assert_eq!(run(phase, &[E::Abort]), (P::Idle, drop_only.to_vec()), "{phase:?}");
    }
    for phase in [P::FsyncNew, P::Announcing] {
        assert_eq!(run(phase, &[E::Abort]), (P::Idle, vec![A::Detach, A::RemoveFile, A::Stop]), "{phase:?}");
    }
    assert_eq!(run(P::Renaming, &[E::Abort]), (P::Renaming, vec![]));
    assert_eq!(run(P::FsyncDir, &[E::Abort]), (P::FsyncDir, vec![]));
    assert_eq!(run(P::Idle, &[E::Abort]), (P::Idle, vec![]));
}

#[test]
#[should_panic(expected = "cannot happen")]
fn an_event_of_another_phase_is_a_bug() {
    next(P::Renaming, E::StopRequested);
}

/// Walks every path of legal events to a depth that covers all phases, and holds each against the safety rules.
#[test]
fn no_path_breaks_the_rules_of_the_switch() {
    let events = [
        E::Forked,
        E::StopRequested,
        E::ChildSucceeded { diff: true },
        E::ChildFailed,
        E::ChildGone,
        E::ChildStalled,
        E::KillOverdue,
        E::MuchLeft,
        E::LittleLeft,
        E::Done,
        E::Failed,
        E::Behind,
        E::MirrorFailed,
        E::Abort,
    ];
    let mut paths = vec![(P::Idle, Vec::new())];
    for _ in 0..14 {
        let mut longer = Vec::new();
        for (phase, actions) in paths {
            if phase == P::Idle && !actions.is_empty() {
                check_rules(&actions);
                continue;
            }
            for event in events.into_iter().filter(|event| possible(phase, *event)) {
                let (after, more) = next(phase, event);
                let mut actions: Vec<Action> = actions.clone();
                actions.extend_from_slice(more);
                // Loops that change nothing need not be walked again and again.
                if after != phase || !more.is_empty() && actions.len() < 14 {
                    longer.push((after, actions));
                }
            }
        }
        longer.sort_by_key(|path| format!("{path:?}"));
        longer.dedup();
        paths = longer;
    }
}

fn check_rules(actions: &[Action]) {
    let at = |action| actions.iter().position(|a| *a == action);
    let ends = actions.iter().filter(|a| matches!(a, A::Succeed | A::Fail | A::Stop)).count();
    assert_eq!(ends, 1, "a rewrite is accounted for exactly once: {actions:?}");
    if let Some(rename) = at(A::Rename) {
        assert!(at(A::Attach).is_some_and(|attach| attach < rename), "{actions:?}");
        let attach = at(A::Attach).unwrap();
        assert!(actions[attach..rename].contains(&A::FsyncNew), "{actions:?}");
        assert_eq!(actions[rename - 1], A::Announce, "{actions:?}");
    }
    if let Some(promote) = at(A::Promote) {
        assert!(at(A::FsyncDir).is_some_and(|fsync| fsync < promote), "{actions:?}");
        assert!(at(A::RemoveFile).is_none() && at(A::Detach).is_none(), "{actions:?}");
    } else {
        assert!(at(A::RemoveFile).is_some(), "the file of a rewrite that failed is removed: {actions:?}");
        assert_eq!(at(A::Attach).is_some(), at(A::Detach).is_some(), "{actions:?}");
    }
    if at(A::Attach).is_none() && at(A::Promote).is_none() {
        assert!(at(A::DropDiff).is_some(), "{actions:?}");
    }
}

fn possible(phase: Phase, event: Event) -> bool {
    match phase {
        P::Idle => event == E::Forked,
        P::Child { .. } => {
            matches!(event, E::StopRequested | E::ChildSucceeded { .. } | E::ChildFailed | E::ChildStalled | E::Abort)
        }
        P::Dying { .. } => matches!(event, E::ChildGone | E::KillOverdue | E::Abort),
        P::Residual { .. } => matches!(event, E::MuchLeft | E::LittleLeft | E::Abort),
        P::WritingPiece { .. } | P::FsyncEarly => matches!(event, E::Done | E::Failed | E::Abort),
        P::WritingRest | P::Renaming | P::FsyncDir => matches!(event, E::Done | E::Failed),
        P::FsyncNew => matches!(event, E::Done | E::Failed | E::Behind | E::MirrorFailed | E::Abort),
        P::Announcing => matches!(event, E::Done | E::Failed | E::MirrorFailed | E::Abort),
    }
}
