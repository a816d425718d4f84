//! Who writes and fsyncs when, without failures.

use bio::Kind;

use super::rig::{Rig, SELECT_0};
use crate::{AppendFsync, Turn};

#[test]
fn a_turn_is_one_write_whatever_was_fed() {
    let mut rig = Rig::new(AppendFsync::No);
    for _ in 0..100 {
        rig.feed("A");
    }
    rig.turn();
    rig.turn();
    assert_eq!(rig.file.state().appends, 1);
    assert_eq!(rig.marks().0, rig.marks().1);
}

#[test]
fn everysec_never_writes_in_the_loop_while_an_fsync_runs() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    let first = rig.feed("A");
    rig.turn();
    assert_eq!((rig.marks().1, rig.bio.count(Kind::Fsync)), (first, 1));
    let second = rig.feed("B");
    rig.turn();
    assert_eq!((rig.file.state().appends, rig.bio.count(Kind::Write)), (1, 1), "handed to a thread");
    let third = rig.feed("C");
    rig.turn();
    assert_eq!(rig.bio.count(Kind::Write), 1, "one write at a time");
    rig.finish(Kind::Write);
    assert_eq!((rig.marks().1, rig.bio.count(Kind::Write)), (second, 1), "the next goes out");
    rig.finish(Kind::Fsync);
    assert_eq!(rig.marks(), (third, second, first));
    rig.finish(Kind::Write);
    assert_eq!(rig.marks(), (third, third, first));
}

#[test]
fn a_forced_turn_writes_in_the_loop_beside_an_fsync() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    let end = rig.feed("B");
    rig.turn_with(|turn| Turn { force: true, ..turn });
    assert_eq!((rig.marks().1, rig.bio.count(Kind::Write)), (end, 0));
}

#[test]
fn everysec_fsyncs_the_tail_within_a_second_of_the_last_write_although_traffic_stops() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    rig.finish(Kind::Fsync);
    assert_eq!(rig.aof.next_wakeup_ms(), None);
    rig.now_ms += 400;
    let end = rig.feed("B");
    assert!(rig.aof.next_wakeup_ms().unwrap() <= rig.now_ms, "unwritten bytes cannot wait");
    rig.turn();
    assert_eq!((rig.bio.count(Kind::Fsync), rig.aof.next_wakeup_ms()), (0, Some(rig.now_ms + 600)));
    rig.turn_after(599);
    assert_eq!(rig.bio.count(Kind::Fsync), 0);
    rig.turn_after(1);
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks().2, rig.aof.next_wakeup_ms()), (end, None));
    rig.turn_after(5_000);
    assert_eq!(rig.bio.count(Kind::Fsync), 0, "nothing new, no fsync");
}

#[test]
fn fsyncs_of_everysec_are_held_back_while_a_child_does_io_and_made_up_for_after() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.aof.set_fsync_held(true);
    rig.feed("A");
    rig.turn_after(5_000);
    assert_eq!((rig.bio.count(Kind::Fsync), rig.aof.next_wakeup_ms()), (0, None));
    assert_eq!(rig.aof.stats().effective_fsync, AppendFsync::No);
    rig.aof.set_fsync_held(false);
    rig.turn();
    assert_eq!((rig.bio.count(Kind::Fsync), rig.aof.stats().pending_bio_fsync), (1, 1));
}

#[test]
fn under_no_only_an_end_fsyncs() {
    let mut rig = Rig::new(AppendFsync::No);
    let end = rig.feed("A");
    rig.turn();
    rig.turn_after(60_000);
    assert_eq!((rig.marks(), rig.aof.reply_mark().0), ((end, end, 0), end));
    rig.blocking().unwrap();
    assert_eq!((rig.marks(), rig.file.state().fsyncs), ((end, end, end), 1));
}

#[test]
fn under_no_an_fsync_that_is_wanted_starts_at_once_and_no_other_follows() {
    let mut rig = Rig::new(AppendFsync::No);
    let end = rig.feed("A");
    rig.turn();
    rig.aof.want_fsync(aof_state::LogOffset(end));
    assert_eq!(rig.aof.next_wakeup_ms(), Some(rig.now_ms));
    rig.turn();
    assert_eq!(rig.bio.count(Kind::Fsync), 1);
    let behind = rig.feed("B");
    rig.turn();
    rig.finish(Kind::Write);
    rig.aof.want_fsync(aof_state::LogOffset(end));
    rig.turn();
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks(), rig.bio.count(Kind::Fsync)), ((behind, behind, end), 0));
    rig.aof.want_fsync(aof_state::LogOffset(behind));
    rig.turn();
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks().2, rig.aof.next_wakeup_ms()), (behind, None));
}

#[test]
fn an_fsync_that_is_wanted_is_not_held_back_by_a_child() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.aof.set_fsync_held(true);
    let end = rig.feed("A");
    rig.turn();
    rig.aof.want_fsync(aof_state::LogOffset(end));
    rig.turn();
    rig.finish(Kind::Fsync);
    assert_eq!(rig.marks().2, end);
    rig.feed("B");
    rig.turn_after(5_000);
    assert_eq!(rig.bio.count(Kind::Fsync), 0, "nobody waits for it");
}

#[test]
fn always_fsyncs_what_gathered_during_an_fsync_as_one_group() {
    let mut rig = Rig::new(AppendFsync::Always);
    let first = rig.feed("A");
    rig.turn();
    rig.feed("B");
    rig.turn();
    let third = rig.feed("C");
    rig.turn();
    assert_eq!((rig.bio.count(Kind::Write), rig.bio.count(Kind::Fsync)), (0, 1), "they are few beside the first");
    assert_eq!(rig.aof.next_wakeup_ms(), None, "the end of the fsync in flight wakes the loop");
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks(), rig.aof.reply_mark().0), ((third, third, first), first));
    rig.finish(Kind::Fsync);
    assert_eq!(rig.marks().2, third);
    let file = rig.file.state();
    assert_eq!((file.fsyncs, file.appends), (2, 2));
}

#[test]
fn always_lets_the_loop_fsync_for_one_client_alone() {
    let mut rig = Rig::new(AppendFsync::Always);
    let end = rig.feed("A");
    rig.turn_with(|turn| Turn { alone: true, ..turn });
    assert_eq!((rig.marks().2, rig.bio.count(Kind::Fsync), rig.aof.reply_mark().0), (end, 0, end));
}

#[test]
fn a_flush_that_waits_two_seconds_is_counted_once() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    rig.feed("B");
    rig.turn();
    assert_eq!(rig.aof.next_wakeup_ms(), Some(rig.now_ms + 2_000));
    rig.turn_after(1_999);
    assert_eq!(rig.aof.stats().delayed_fsync, 0);
    rig.turn_after(1);
    rig.turn_after(10_000);
    assert_eq!((rig.aof.stats().delayed_fsync, rig.aof.next_wakeup_ms()), (1, None));
    let notices = rig.notices();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].contains("AOF fsync is taking too long (disk is busy?)"));
    rig.finish(Kind::Write);
    rig.aof.reset_stats();
    assert_eq!((rig.aof.stats().delayed_fsync, rig.aof.backlog_bytes()), (0, 0));
}

#[test]
fn giving_up_always_takes_effect_when_everything_fed_under_it_is_fsynced() {
    let mut rig = Rig::new(AppendFsync::Always);
    let before = rig.feed("A");
    rig.turn();
    rig.aof.set_policy(AppendFsync::No);
    let after = rig.feed("B");
    rig.turn();
    assert_eq!((rig.aof.reply_mark().0, rig.aof.stats().effective_fsync), (0, AppendFsync::Always));
    rig.finish(Kind::Fsync);
    assert_eq!((rig.aof.reply_mark().0, rig.aof.stats().effective_fsync), (after, AppendFsync::No));
    assert_eq!((rig.marks().2, rig.bio.count(Kind::Fsync)), (before, 0));
}

#[test]
fn turning_to_always_holds_earlier_replies_to_it_too() {
    let mut rig = Rig::new(AppendFsync::No);
    let end = rig.feed("A");
    rig.turn();
    assert_eq!(rig.aof.reply_mark().0, end);
    rig.aof.set_policy(AppendFsync::Always);
    assert_eq!(rig.aof.reply_mark().0, 0);
    rig.turn();
    rig.finish(Kind::Fsync);
    assert_eq!(rig.aof.reply_mark().0, end);
}

#[test]
fn a_blocking_flush_settles_what_is_in_flight_and_its_completions_come_to_nothing() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    rig.feed("B");
    rig.turn();
    let end = rig.feed("C");
    rig.blocking().unwrap();
    assert_eq!(rig.marks(), (end, end, end));
    rig.deliver();
    assert_eq!(rig.file.content(), [SELECT_0, b"*1\r\n$1\r\nA\r\n*1\r\n$1\r\nB\r\n*1\r\n$1\r\nC\r\n"].concat());
    let foreign = bio::Completion { id: bio::JobId(999), kind: Kind::Fsync, outcome: Ok(0) };
    assert!(!rig.aof.complete(&foreign, rig.now_ms));
}

#[test]
fn under_always_a_group_overlaps_those_in_flight_once_it_is_as_large_as_they_are() {
    let mut rig = Rig::new(AppendFsync::Always);
    let first = rig.feed("AAAA");
    rig.turn();
    rig.feed("B");
    rig.turn_after(1);
    rig.finish_write();
    assert_eq!(rig.bio.count(Kind::Fsync), 1, "a small group waits: more may join it");
    let second = rig.feed(&"C".repeat(40));
    rig.turn();
    rig.finish_write();
    assert_eq!(rig.bio.count(Kind::Fsync), 2);
    assert_eq!(rig.marks(), (second, second, 0));
    rig.finish(Kind::Fsync);
    assert_eq!(rig.aof.reply_mark().0, first, "each group is acknowledged by its own");
    rig.finish(Kind::Fsync);
    assert_eq!(rig.aof.reply_mark().0, second);
}

/// Under `always`, the fsyncs of two groups in flight; and where the second ends.
fn two_overlapping() -> (Rig, u64) {
    let mut rig = Rig::new(AppendFsync::Always);
    rig.feed("A");
    rig.turn();
    let end = rig.feed(&"B".repeat(80));
    rig.turn();
    rig.finish_write();
    assert_eq!(rig.bio.count(Kind::Fsync), 2);
    (rig, end)
}

#[test]
fn an_fsync_that_ends_before_an_earlier_one_acknowledges_nothing_yet() {
    let (mut rig, end) = two_overlapping();
    assert!(rig.bio.run(Kind::Fsync, 1));
    rig.deliver();
    assert_eq!(rig.aof.reply_mark().0, 0);
    rig.finish(Kind::Fsync);
    assert_eq!(rig.aof.reply_mark().0, end);
}

#[test]
fn an_error_that_one_overlapping_fsync_reports_is_reported_by_all() {
    // Linux tells each open file description of an error once. With one description for both the second fsync would take
    // the error of the first one's pages, and the first would succeed.
    let (mut rig, _) = two_overlapping();
    rig.file.state().fsync_faults = 1;
    assert!(rig.bio.run(Kind::Fsync, 1));
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks().2, rig.aof.reply_mark().0), (0, 0));
    assert!(rig.aof.needs_new_file());
}

#[test]
fn a_file_that_cannot_be_opened_again_has_one_fsync_at_a_time() {
    let mut rig = Rig::on_single(AppendFsync::Always);
    rig.feed("A");
    rig.turn();
    let end = rig.feed(&"B".repeat(80));
    rig.turn();
    rig.finish_write();
    assert_eq!(rig.bio.count(Kind::Fsync), 1);
    rig.finish(Kind::Fsync);
    rig.finish(Kind::Fsync);
    assert_eq!(rig.aof.reply_mark().0, end);
}

#[test]
fn with_nothing_in_flight_a_group_gathers_until_a_turn_brings_nothing_more() {
    let mut rig = Rig::new(AppendFsync::Always);
    rig.feed(&"A".repeat(100));
    rig.turn();
    rig.finish(Kind::Fsync);
    rig.feed("B");
    rig.turn();
    assert_eq!((rig.bio.count(Kind::Fsync), rig.aof.next_wakeup_ms()), (0, Some(rig.now_ms)), "more may come at once");
    rig.feed("C");
    rig.turn();
    assert_eq!(rig.bio.count(Kind::Fsync), 0);
    rig.turn();
    assert_eq!(rig.bio.count(Kind::Fsync), 1);
    rig.finish(Kind::Fsync);
    let marks = rig.marks();
    assert_eq!((marks.2, rig.file.state().appends), (marks.0, 2), "one write for the group");
}

#[test]
fn a_group_gathers_for_a_millisecond_at_most() {
    let mut rig = Rig::new(AppendFsync::Always);
    rig.feed(&"A".repeat(100));
    rig.turn();
    rig.finish(Kind::Fsync);
    rig.feed("B");
    rig.turn();
    rig.feed("C");
    rig.turn_after(1);
    assert_eq!(rig.bio.count(Kind::Fsync), 1);
}

#[test]
fn a_group_that_begins_behind_another_gathers_for_a_millisecond_of_its_own() {
    // The time of the first group was taken for the second one's as long as something gathered in every turn.
    let mut rig = Rig::new(AppendFsync::Always);
    rig.feed(&"A".repeat(300));
    rig.turn();
    rig.feed(&"B".repeat(200));
    rig.turn();
    rig.now_ms += 5;
    rig.finish(Kind::Fsync);
    assert_eq!(rig.bio.count(Kind::Fsync), 1, "B has waited long enough");
    rig.feed("C");
    rig.turn();
    rig.bio.run(Kind::Fsync, 0);
    rig.deliver();
    rig.feed("D");
    rig.turn();
    assert_eq!(rig.bio.count(Kind::Fsync), 0, "C came a moment ago, and more is coming");
    rig.turn();
    assert_eq!(rig.bio.count(Kind::Fsync), 1);
}

#[test]
fn a_log_that_is_closed_while_a_group_gathers_wants_no_more_turns() {
    // The group stayed incomplete for ever, and the loop was woken for it at once, again and again.
    let mut rig = Rig::new(AppendFsync::Always);
    rig.feed(&"A".repeat(100));
    rig.turn();
    rig.feed("B");
    rig.turn();
    rig.blocking().unwrap();
    rig.aof.close();
    assert_eq!(rig.aof.next_wakeup_ms(), None);
}
