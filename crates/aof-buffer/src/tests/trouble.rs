//! Failed writes and fsyncs.

use bio::Kind;

use super::rig::{AppendFault, Rig};
use crate::{AofError, AppendFsync, Failure, Health, Turn};

const POLICIES: [AppendFsync; 2] = [AppendFsync::EverySec, AppendFsync::No];

#[test]
fn a_short_write_is_cut_off_again_and_the_buffer_stays_whole() {
    let mut rig = Rig::new(AppendFsync::No);
    rig.feed("A");
    rig.turn();
    let good = rig.file.content();
    let end = rig.feed("BBBB");
    rig.file.next_append(AppendFault::Short(5));
    rig.turn();
    assert_eq!(rig.file.content(), good);
    assert_eq!(rig.aof.health().reason().unwrap(), "No space left on device");
    assert_eq!(
        rig.notices(),
        [
            "Short write while writing to the AOF file: (nwritten=5, expected=14). Is the disk full? Writes are refused until it succeeds."
        ]
    );
    rig.turn_after(1_000);
    assert_eq!((rig.marks().1, rig.file.content().len() as u64), (end, end));
    assert!(rig.aof.health().is_ok());
}

#[test]
fn a_short_write_that_cannot_be_cut_drops_exactly_the_bytes_written() {
    let mut rig = Rig::new(AppendFsync::No);
    let end = rig.feed("AAAA");
    rig.file.next_append(AppendFault::Short(5));
    rig.file.state().cut_faults = 1;
    rig.turn();
    assert_eq!((rig.marks().1, rig.file.content().len(), rig.aof.backlog_bytes()), (5, 5, end - 5));
    assert!(!rig.aof.health().is_ok(), "in error until the rest is written");
    assert_eq!(rig.notices().len(), 2);
    rig.turn_after(1_000);
    assert!(rig.aof.health().is_ok());
    assert_eq!(rig.file.content().len() as u64, end);
}

/// A state file that spoke of the half kept a server from starting once the power had left a hole behind it.
#[test]
fn a_part_that_cannot_be_cut_off_is_proven_with_the_rest_of_its_unit_whichever_fsync_ends_first() {
    let mut rig = Rig::new(AppendFsync::Always);
    let proven = |rig: &Rig| rig.aof.proven_size_bytes().unwrap();
    // It writes beside an fsync.
    let turn = |rig: &mut Rig| rig.turn_with(|turn| Turn { force: true, ..turn });
    let first = rig.feed("A");
    turn(&mut rig);
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks().2, proven(&rig)), (first, first));

    let second = rig.feed("BBBB");
    rig.file.next_append(AppendFault::Short(5));
    rig.file.state().cut_faults = 1;
    turn(&mut rig);
    // The fsync of the half is still under way when its rest is written, and ends when the next half is.
    rig.now_ms += 1_000;
    turn(&mut rig);
    assert_eq!((rig.marks().1, rig.bio.count(Kind::Fsync)), (second, 2));
    let third = rig.feed("CCCC");
    rig.file.next_append(AppendFault::Short(5));
    rig.file.state().cut_faults = 1;
    turn(&mut rig);
    assert_eq!(rig.marks().1, second + 5);
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks().2, proven(&rig)), (first + 5, first));
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks().2, proven(&rig)), (second, second));
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks().2, proven(&rig)), (second + 5, second));
    rig.turn_after(1_000);
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks().2, proven(&rig)), (third, third));
}

#[test]
fn a_write_error_keeps_everything_fails_held_replies_and_is_retried_every_second() {
    for policy in POLICIES {
        let mut rig = Rig::new(policy);
        let end = rig.feed("A");
        rig.file.next_append(AppendFault::Errno(28));
        rig.file.next_append(AppendFault::Errno(28));
        rig.turn();
        let failed = rig.aof.take_failed().unwrap();
        assert_eq!((failed.upto.0, failed.failure.reason().as_str()), (end, "No space left on device"));
        assert!(rig.aof.take_failed().is_none());
        assert_eq!(rig.aof.next_wakeup_ms(), Some(rig.now_ms + 1_000));
        let began_ms = rig.now_ms;
        rig.turn_after(999);
        assert_eq!(rig.file.state().appends, 1);
        rig.turn_after(1);
        assert_eq!(rig.file.state().appends, 2);
        assert!(matches!(rig.aof.health(), Health::WriteError { since_ms, .. } if since_ms == began_ms));
        assert!(!rig.aof.stats().last_write_ok);
        rig.turn_after(1_000);
        assert!(rig.aof.health().is_ok());
        assert_eq!(rig.marks().1, end);
        assert_eq!(
            rig.notices(),
            [
                "Error writing to the AOF file: No space left on device",
                "AOF write error looks solved, Redis can write again."
            ]
        );
    }
}

#[test]
fn errors_are_told_at_most_once_in_thirty_seconds() {
    let mut rig = Rig::new(AppendFsync::No);
    rig.feed("A");
    for _ in 0..61 {
        rig.file.next_append(AppendFault::Errno(5));
    }
    for _ in 0..61 {
        rig.turn();
        rig.now_ms += 1_000;
    }
    assert_eq!(rig.notices().len(), 3);
}

#[test]
fn an_error_in_a_write_job_is_handled_like_one_in_the_loop() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    let first = rig.feed("A");
    rig.turn();
    rig.feed("B");
    rig.turn();
    let end = rig.feed("C");
    rig.file.next_append(AppendFault::Short(3));
    rig.finish(Kind::Write);
    assert_eq!(rig.aof.take_failed().unwrap().upto.0, end);
    assert_eq!((rig.marks().1, rig.file.content().len() as u64), (first, first));
    assert!(matches!(rig.aof.health(), Health::WriteError { .. }));
    rig.finish(Kind::Fsync);
    rig.turn_after(1_000);
    assert_eq!(rig.marks().1, end);
    assert!(String::from_utf8(rig.file.content()).unwrap().ends_with("A\r\n*1\r\n$1\r\nB\r\n*1\r\n$1\r\nC\r\n"));
}

#[test]
fn an_interrupted_write_is_repeated_at_once() {
    let mut rig = Rig::new(AppendFsync::No);
    let end = rig.feed("A");
    rig.file.next_append(AppendFault::Interrupted);
    rig.turn();
    assert_eq!((rig.marks().1, rig.aof.health().is_ok()), (end, true));
}

#[test]
fn what_a_job_that_died_left_behind_is_cut_off_before_the_next_write() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    let end = rig.feed("B");
    rig.turn();
    rig.file.next_append(AppendFault::Panic(4));
    rig.finish(Kind::Write);
    assert!(matches!(rig.aof.health(), Health::WriteError { .. }));
    rig.finish(Kind::Fsync);
    rig.file.state().cut_faults = 1;
    rig.turn_after(1_000);
    assert!(!rig.aof.health().is_ok(), "not written behind an unknown tail");
    rig.turn_after(1_000);
    assert!(rig.aof.health().is_ok());
    assert_eq!(rig.file.content().len() as u64, end);
}

#[test]
fn a_failed_fsync_counts_for_ever_and_is_never_tried_again() {
    for policy in [AppendFsync::EverySec, AppendFsync::Always] {
        let mut rig = Rig::new(policy);
        let first = rig.feed("A");
        rig.turn();
        rig.finish(Kind::Fsync);
        rig.now_ms += 1_000;
        let second = rig.feed("B");
        rig.turn();
        rig.turn();
        rig.file.state().fsync_faults = 1;
        rig.finish(Kind::Fsync);
        assert!(matches!(rig.aof.take_failed().unwrap().failure, Failure::Fsync(_)));
        let replied = rig.aof.reply_mark();
        // Bytes that were fed may still go out.
        let third = rig.feed("C");
        rig.turn_after(10_000);
        assert_eq!(rig.marks(), (third, third, first));
        assert_eq!(rig.aof.reply_mark(), replied, "nothing more is acked on this file");
        assert!(replied.0 <= second);
        assert_eq!((rig.bio.count(Kind::Fsync), rig.aof.next_wakeup_ms()), (0, None));
        assert!(matches!(rig.blocking(), Err(AofError::Fsync { .. })));
        assert_eq!(rig.file.state().fsyncs, 2);
        assert!(matches!(rig.aof.health(), Health::FsyncFailed { .. }));
        assert_eq!(rig.notices().len(), 1);
    }
}

#[test]
fn a_write_error_under_always_heals() {
    let mut rig = Rig::new(AppendFsync::Always);
    let end = rig.feed("A");
    rig.file.next_append(AppendFault::Errno(28));
    rig.turn();
    assert!(matches!(rig.aof.health(), Health::WriteError { .. }));
    rig.turn_after(1_000);
    rig.finish(Kind::Fsync);
    assert_eq!((rig.marks().2, rig.aof.health().is_ok()), (end, true));
}

#[test]
fn a_blocking_flush_that_fails_keeps_the_bytes() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    let end = rig.feed("A");
    rig.file.next_append(AppendFault::Errno(28));
    assert!(matches!(rig.blocking(), Err(AofError::Write { .. })));
    assert_eq!(rig.aof.backlog_bytes(), end);
    rig.blocking().unwrap();
    assert_eq!((rig.marks(), rig.aof.health().is_ok()), ((end, end, end), true));
}

/// The errors since the last call, in words.
fn errors(rig: &mut Rig) -> Vec<String> {
    let word = |failure: &Failure| match failure {
        Failure::Write(_) => "write",
        Failure::Fsync(_) => "fsync",
    };
    rig.aof.take_errors().iter().map(|failure| format!("{}: {}", word(failure), failure.reason())).collect()
}

#[test]
fn every_error_counts_once_also_where_the_log_keeps_quiet() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("AAAA");
    rig.file.next_append(AppendFault::Errno(28));
    rig.file.next_append(AppendFault::Short(5));
    rig.file.state().cut_faults = 1;
    rig.turn();
    assert_eq!(errors(&mut rig), ["write: No space left on device"]);
    rig.turn_after(1_000);
    assert_eq!(
        errors(&mut rig),
        ["write: No space left on device", "write: Input/output error"],
        "write and ftruncate"
    );
    assert_eq!(rig.notices().len(), 1);
    rig.file.state().fsync_faults = 1;
    rig.finish(Kind::Fsync);
    assert_eq!(errors(&mut rig), ["fsync: Input/output error"]);
}

#[test]
fn an_fsync_that_is_read_before_its_completion_counts_once() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    rig.file.state().fsync_faults = 1;
    assert!(rig.blocking().is_err());
    rig.deliver();
    assert_eq!(errors(&mut rig), ["fsync: Input/output error"]);
}

/// An error of a background fsync of a file that was just closed was dropped with its completion: nobody learnt that the disk
/// fails.
#[test]
fn a_failed_fsync_of_a_file_that_was_given_up_counts_and_is_logged_and_hurts_nobody() {
    let mut rig = Rig::new(AppendFsync::EverySec);
    rig.feed("A");
    rig.turn();
    rig.aof.attach(super::rig::TestFile::with(b"") as std::sync::Arc<dyn vfs::File>, 0);
    rig.aof.promote();
    rig.file.state().fsync_faults = 1;
    rig.finish(Kind::Fsync);
    assert_eq!(errors(&mut rig), ["fsync: Input/output error"]);
    assert!(rig.aof.health().is_ok());
    assert_eq!(
        rig.notices(),
        ["Fail to fsync an AOF file that is out of use: Input/output error. Nothing depends on it."]
    );
}
