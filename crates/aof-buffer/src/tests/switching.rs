//! The second file: attach, detach, promote.

use std::sync::Arc;

use bio::Kind;
use vfs::File;

use super::rig::{AppendFault, Rig, SELECT_0, TestFile, command};
use crate::{AppendFsync, Health};

fn attach(rig: &mut Rig) -> Arc<TestFile> {
    let file = TestFile::with(b"base");
    rig.aof.attach(Arc::clone(&file) as Arc<dyn File>, 4);
    file
}

#[test]
fn the_mirror_gets_what_is_fed_after_it_was_attached_and_not_a_byte_before() {
    let mut rig = Rig::new(AppendFsync::No);
    rig.feed("A");
    let boundary = rig.feed("B");
    let mirror = attach(&mut rig);
    let end = rig.feed("C");
    rig.turn();
    assert_eq!(mirror.content(), [b"base", SELECT_0, &command("C")].concat());
    assert!(rig.file.content().ends_with(&[&command("B")[..], SELECT_0, &command("C")].concat()));
    assert_eq!(rig.marks().1, end);
    assert_eq!((mirror.state().appends, rig.file.state().appends), (1, 1));
    assert_eq!(rig.aof.mirror_marks().unwrap().fsynced.0, boundary);
}

#[test]
fn bytes_in_flight_when_the_mirror_comes_are_the_logs_alone() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    rig.feed("B");
    rig.turn();
    rig.feed("C");
    let mirror = attach(&mut rig);
    rig.feed("D");
    rig.finish(Kind::Write);
    rig.finish(Kind::Write);
    assert_eq!(mirror.content(), [b"base", SELECT_0, &command("D")].concat());
    assert!(rig.file.content().ends_with(&[&command("C")[..], SELECT_0, &command("D")].concat()));
}

#[test]
fn marks_are_the_lesser_of_both_files_and_both_are_fsynced() {
    let mut rig = Rig::new(AppendFsync::Always);
    attach(&mut rig);
    let end = rig.feed("A");
    rig.turn();
    assert_eq!(rig.bio.count(Kind::Fsync), 2);
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks(), rig.aof.reply_mark().0), ((end, end, 0), 0));
    assert_eq!(rig.aof.mirror_fsync_upto(), None, "by a description of its own");
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks().2, rig.aof.reply_mark().0), (end, end));
}

#[test]
fn a_mirror_that_cannot_be_opened_again_tells_of_its_fsync_in_flight() {
    let mut rig = Rig::new(AppendFsync::Always);
    let mirror = TestFile::with(b"base");
    mirror.state().single = true;
    rig.aof.attach(mirror, 4);
    let end = rig.feed("A");
    rig.turn();
    rig.finish(Kind::Fsync);
    assert_eq!(rig.aof.mirror_fsync_upto().unwrap().0, end);
    rig.finish(Kind::Fsync);
    assert_eq!(rig.aof.mirror_fsync_upto(), None);
}

#[test]
fn a_mirror_that_fails_holds_up_the_marks_until_it_is_detached_and_does_not_hurt_the_log() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    let mirror = attach(&mut rig);
    mirror.next_append(AppendFault::Errno(28));
    let end = rig.feed("A");
    rig.turn();
    assert!(matches!(rig.aof.mirror_health(), Some(Health::WriteError { .. })));
    assert!(rig.aof.health().is_ok() && rig.aof.take_failed().is_none() && rig.notices().is_empty());
    assert_eq!(rig.marks().1, 0);
    assert!(rig.aof.detach().is_some());
    assert_eq!((rig.marks().1, rig.aof.backlog_bytes()), (end, 0));
    assert!(rig.aof.mirror_health().is_none() && rig.aof.detach().is_none());
}

#[test]
fn promotion_makes_the_mirror_the_log_and_ends_the_old_ones_failures() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("A");
    rig.file.state().fsync_faults = 1;
    rig.turn();
    rig.finish(Kind::Fsync);
    rig.file.next_append(AppendFault::Errno(5));
    let mirror = attach(&mut rig);
    let end = rig.feed("B");
    rig.turn();
    assert!(matches!(rig.aof.health(), Health::FsyncFailed { .. }));
    assert_eq!(rig.aof.mirror_marks().unwrap().written.0, end, "a failing log does not hold up its successor");
    assert!(rig.aof.promote().is_some());
    assert!(rig.aof.health().is_ok());
    assert_eq!((rig.marks().1, rig.aof.backlog_bytes()), (end, 0));
    let stats = rig.aof.stats();
    assert_eq!(stats.base_size_bytes, 4 + (SELECT_0.len() + command("B").len()) as u64);
    assert_eq!(stats.base_size_bytes, stats.current_size_bytes);
    rig.feed("C");
    rig.turn();
    rig.finish(Kind::Fsync);
    rig.turn_after(1_000);
    if rig.bio.count(Kind::Write) > 0 {
        rig.finish(Kind::Write);
    }
    assert!(mirror.content().ends_with(&[SELECT_0, &command("C")].concat()));
    assert_eq!(rig.file.content(), [SELECT_0, &command("A")].concat());
}

#[test]
fn jobs_of_the_old_file_come_to_nothing_after_promotion() {
    let mut rig = Rig::new(AppendFsync::Always);
    rig.feed("A");
    rig.turn();
    let mirror = attach(&mut rig);
    let second = rig.feed("B");
    rig.turn();
    assert_eq!((rig.bio.count(Kind::Fsync), rig.bio.count(Kind::Write)), (1, 1));
    rig.aof.promote();
    let third = rig.feed("C");
    rig.file.next_append(AppendFault::Errno(5));
    rig.file.state().fsync_faults = 1;
    rig.finish(Kind::Write);
    assert_eq!(rig.marks().1, second);
    rig.finish(Kind::Fsync);
    assert!(rig.aof.health().is_ok() && rig.aof.take_failed().is_none());
    while rig.bio.count(Kind::Write) > 0 {
        rig.finish(Kind::Write);
    }
    while rig.bio.count(Kind::Fsync) > 0 {
        rig.finish(Kind::Fsync);
    }
    assert_eq!(rig.marks(), (third, third, third));
    let parts = [b"base", SELECT_0, &command("B"), SELECT_0, &command("C")];
    assert_eq!(mirror.content(), parts.concat());
}

#[test]
fn a_mirror_promoted_in_trouble_brings_its_trouble_along() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    let mirror = attach(&mut rig);
    let end = rig.feed("A");
    mirror.next_append(AppendFault::Errno(28));
    rig.turn();
    rig.aof.promote();
    assert!(matches!(rig.aof.health(), Health::WriteError { .. }));
    assert_eq!(rig.aof.take_failed().unwrap().upto.0, end);
    rig.now_ms += 1_000;
    rig.turn();
    if rig.bio.count(Kind::Write) > 0 {
        rig.finish(Kind::Write);
    }
    assert_eq!((rig.marks().1, rig.aof.health().is_ok()), (end, true));
    assert_eq!(mirror.content(), [b"base", SELECT_0, &command("A")].concat());
}

#[test]
fn a_failure_seen_elsewhere_is_a_failed_fsync_of_the_log() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    rig.aof.fail_log(std::io::Error::from_raw_os_error(5));
    rig.finish(Kind::Fsync);
    assert_eq!(rig.marks().2, 0, "the success of an fsync in flight then no longer proves anything");
    assert!(matches!(rig.aof.health(), Health::FsyncFailed { .. }));
    assert!(rig.aof.take_failed().is_some());
    rig.turn_after(5_000);
    assert_eq!(rig.bio.count(Kind::Fsync), 0);
}

/// The marks took over what the new file alone had fsynced, though its name might not outlive a power cut: a reply that waited
/// for just that left as a success.
#[test]
fn a_switch_whose_name_may_not_last_proves_nothing_that_was_not_proven_before() {
    let mut rig = Rig::new(AppendFsync::Always);
    let proven = rig.feed("A");
    rig.turn();
    rig.finish(Kind::Fsync);
    rig.file.state().fsync_faults = 1;
    attach(&mut rig);
    let end = rig.feed("B");
    rig.turn();
    rig.finish(Kind::Fsync);
    rig.finish(Kind::Fsync);
    assert_eq!((rig.aof.mirror_marks().unwrap().fsynced.0, rig.marks().2), (end, proven));
    rig.aof.promote();
    rig.aof.fail_switch(std::io::Error::from_raw_os_error(5));
    assert_eq!(
        (rig.marks().2, rig.aof.reply_mark().0, rig.aof.durable().map(|mark| mark.0)),
        (proven, proven, Some(proven))
    );
    assert!(matches!(rig.aof.health(), Health::FsyncFailed { .. }));
    attach(&mut rig);
    rig.aof.promote();
    assert_eq!((rig.marks().2, rig.aof.durable().map(|mark| mark.0)), (end, Some(end)), "the next switch heals it");
}

#[test]
fn a_first_log_whose_name_may_not_last_proves_nothing_at_all() {
    let mut rig = Rig::new(AppendFsync::No);
    rig.aof.close();
    assert_eq!(rig.aof.durable(), None);
    attach(&mut rig);
    assert_eq!(rig.aof.durable(), None, "the new file has no name yet");
    rig.aof.promote();
    assert_eq!(rig.aof.durable().map(|mark| mark.0), Some(0));
    rig.aof.fail_switch(std::io::Error::from_raw_os_error(5));
    assert_eq!(rig.aof.durable(), None);
}

#[test]
fn a_first_rewrite_has_no_log_but_its_own_file() {
    let mut rig = Rig::new(AppendFsync::Always);
    rig.aof.close();
    rig.aof.diff_start();
    rig.feed("A");
    let residual = rig.aof.diff_front().unwrap().to_vec();
    rig.aof.diff_consume(residual.len());
    let mirror = TestFile::with(&residual);
    rig.aof.attach(Arc::clone(&mirror) as Arc<dyn File>, residual.len() as u64);
    let end = rig.feed("B");
    rig.turn();
    rig.finish(Kind::Fsync);
    assert!(rig.aof.promote().is_none());
    assert!(!rig.aof.diff_active(), "attaching ended it");
    assert_eq!(rig.marks(), (end, end, end));
    assert!(rig.aof.is_open());
    assert_eq!(mirror.content(), [&residual[..], SELECT_0, &command("B")].concat());
}
