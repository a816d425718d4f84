//! The end of a server: what a signal waits for, and what one that was refused leaves as it was.

use bio::Kind;
use vfs::sim::{Call, Fault, Rule};

use crate::snapshots::{DUMP, end_snapshot, started, without_points};
use crate::support::{DIR, Rig};
use crate::switches::{before_switch, beside_a_stuck_fsync_of_the_old_file};

/// No file of a rewrite can be made.
fn no_rewrite_can_begin() -> Rule {
    Rule::when(Fault::ENOSPC, |attempt| attempt.call == Call::Open && attempt.name.starts_with("temp-rewriteaof-"))
}

/// The snapshot can be written, and gets no name.
fn no_snapshot_gets_its_name() -> Rule {
    Rule::when(Fault::ENOSPC, |attempt| attempt.call == Call::Rename && attempt.to == DUMP)
}

/// Lets time pass until the server ends, a minute at most.
fn ends_within_a_minute(rig: &mut Rig) {
    let limit_ms = rig.mono_ms() + 60_000;
    while rig.status().is_none() && rig.mono_ms() < limit_ms {
        rig.work();
        rig.pass_ms(10);
    }
    assert_eq!(rig.status(), Some(0), "{:#?}", rig.lines());
}

/// SIGTERM waited up to an hour for the next try of a first rewrite that had failed several times.
#[test]
fn a_signal_does_not_wait_for_the_backoff_of_a_first_rewrite_that_failed() {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    assert_eq!(rig.ask(client, "CONFIG SET appendonly yes"), "+OK|");
    for failures in 1..=4 {
        let child = rig.children.running()[0];
        rig.children.signal(child, child::Kill::Hard.signal());
        rig.work();
        assert_eq!(rig.info("aof_rewrites_consecutive_failures"), failures.to_string());
        rig.run_all();
        if failures < 4 {
            rig.pass_until("the next try", |rig| !rig.children.running().is_empty());
        }
    }
    rig.disk.inject(no_rewrite_can_begin());
    rig.engine.stop_signal("SIGTERM", 1);
    rig.pass_ms(5_000);
    assert_eq!(rig.status(), None, "nothing holds the data yet");
    rig.disk.heal();
    ends_within_a_minute(&mut rig);
}

/// SIGTERM beside a BGSAVE killed it for a rewrite that then failed, and it was not made again.
#[test]
fn a_snapshot_that_a_signal_has_killed_is_made_while_the_first_log_cannot_be() {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    assert_eq!(rig.ask(client, "BGSAVE"), "+Background saving started|");
    assert_eq!(rig.ask(client, "CONFIG SET appendonly yes"), "+OK|");
    rig.disk.inject(no_rewrite_can_begin());
    rig.engine.stop_signal("SIGTERM", 1);
    rig.pass_until("the end of the child", |rig| rig.children.running().is_empty());
    assert_eq!(rig.disk.content(DIR, DUMP), None, "it was killed: {:#?}", rig.lines());
    for _ in 0..500 {
        rig.work();
        rig.pass_ms(10);
    }
    assert_eq!(rig.status(), None);
    assert!(rig.disk.content(DIR, DUMP).is_some(), "{:#?}", rig.lines());
    rig.disk.heal();
    ends_within_a_minute(&mut rig);
}

/// SHUTDOWN killed the child of a BGSAVE, was refused, and the BGSAVE was forgotten.
#[test]
fn a_snapshot_that_a_refused_shutdown_has_killed_is_made_again() {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    assert_eq!(rig.ask(client, "BGSAVE"), "+Background saving started|");
    rig.disk.inject(no_snapshot_gets_its_name());
    assert_eq!(rig.ask(client, "SHUTDOWN SAVE"), "-ERR Errors trying to SHUTDOWN. Check logs.|");
    rig.disk.heal();
    rig.pass_until("the snapshot", |rig| !rig.children.running().is_empty());
    end_snapshot(&mut rig);
    assert!(rig.disk.content(DIR, DUMP).is_some(), "{:#?}", rig.lines());
}

/// One that it had not touched was made twice.
#[test]
fn a_snapshot_that_a_refused_shutdown_has_left_alone_is_made_once() {
    let mut rig = started(without_points());
    let client = rig.client();
    rig.ask(client, "SET a 1");
    assert_eq!(rig.ask(client, "BGSAVE"), "+Background saving started|");
    assert_eq!(rig.ask(client, "CONFIG SET appendonly yes"), "+OK|");
    assert_eq!(rig.ask(client, "SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.|");
    end_snapshot(&mut rig);
    rig.settle();
    rig.pass_ms(10_000);
    rig.settle();
    assert_eq!((rig.info("aof_state"), rig.info("rdb_saves")), ("on".into(), "1".into()), "{:#?}", rig.lines());
}

/// Likewise a BGREWRITEAOF.
#[test]
fn a_rewrite_that_a_refused_shutdown_has_killed_is_made_again() {
    for appendonly in [false, true] {
        let mut rig = started(engine::Config { appendonly, ..without_points() });
        let client = rig.client();
        rig.ask(client, "SET a 1");
        assert_eq!(rig.ask(client, "BGREWRITEAOF"), "+Background append only file rewriting started|");
        rig.disk.inject(no_snapshot_gets_its_name());
        assert_eq!(rig.ask(client, "SHUTDOWN SAVE"), "-ERR Errors trying to SHUTDOWN. Check logs.|");
        rig.disk.heal();
        rig.settle();
        assert_eq!(rig.info("aof_rewrites_succeeded"), "1", "appendonly {appendonly}: {:#?}", rig.lines());
        rig.settle();
        assert_eq!(rig.info("aof_rewrites_succeeded"), "1", "and once is enough");
    }
}

/// What waits in the loop for all fsyncs waited for those of a file that had been given up, on a disk that was dying: for ever.
#[test]
fn nothing_waits_for_an_fsync_of_a_file_that_was_given_up() {
    for request in ["CONFIG SET appendonly no", "DEBUG LOADAOF", "SHUTDOWN"] {
        let mut rig = beside_a_stuck_fsync_of_the_old_file();
        let client = rig.client();
        rig.send(client, request);
        rig.turn();
        let ended = rig.status() == Some(0);
        assert!(ended || rig.take(client) == "+OK|", "{request}: {:#?}", rig.lines());
        assert_eq!(rig.queued(Kind::Fsync), 1, "{request}");
    }
}

/// An fsync of the new file of a rewrite that had been given up kept every later rewrite from its own.
#[test]
fn a_rewrite_does_not_wait_for_the_fsync_of_one_that_was_given_up() {
    let mut rig = before_switch("always");
    let client = rig.client();
    rig.send(client, "DEBUG LOADAOF");
    assert_eq!((rig.take(client).as_str(), rig.queued(Kind::BulkFsync)), ("+OK|", 1));
    rig.run(Kind::Close);
    rig.turn();
    rig.send(client, "BGREWRITEAOF");
    rig.turn();
    assert_eq!(rig.take(client), "+Background append only file rewriting started|");
    for _ in 0..100 {
        if rig.info("aof_rewrites_succeeded") == "1" {
            break;
        }
        rig.children.step(rig.mono_ms());
        if rig.queued(Kind::BulkFsync) == 2 {
            rig.run_newest(Kind::BulkFsync);
        }
        let _ = [Kind::Write, Kind::Rename, Kind::DirFsync].map(|kind| rig.run(kind));
        rig.pass_ms(1);
    }
    assert_eq!(rig.info("aof_rewrites_succeeded"), "1", "{:#?}", rig.lines());
    assert_eq!(rig.queued(Kind::BulkFsync), 1, "the first has not ended");
}
