//! A failed fsync: nothing more is acknowledged on that file, and the data goes to a new one by itself.

use bio::Kind;
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule};

use crate::support::{BOOT, Rig, config, names_are_lost_after_the_rename};

const NOT_ON_DISK: &str = "-MISCONF Errors writing to the AOF file: Input/output error. \
     The command was executed but is not on disk|";
const REFUSED: &str = "-MISCONF Errors writing to the AOF file: Input/output error|";

/// A server whose last fsync failed: `a` is 1 in its log, and nobody was told so under `always`. The disk goes on failing.
fn failed_fsync(policy: &str) -> Rig {
    let mut rig = Rig::new(policy);
    let client = rig.client();
    rig.disk.inject(Rule::from_nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
    rig.disk.inject(Rule::from_nth(Call::Fsync, 1, Fault::FSYNC_EIO));
    rig.send(client, "SET a 1");
    rig.turn();
    rig.run(Kind::Fsync);
    rig.turn();
    let reply = if policy == "always" { NOT_ON_DISK } else { "+OK|" };
    assert_eq!(rig.take(client), reply);
    rig
}

/// What a server finds whose predecessor lost power now.
fn after_power_cut(rig: &Rig) -> Rig {
    let image = rig.disk.crash(&mut fastrand::Rng::with_seed(1), CrashMode::Strict, NameMode::OnlyDirFsync);
    Rig::on(&image, config("always"), BOOT + 1).unwrap()
}

#[test]
fn while_the_disk_fails_writes_are_refused_and_reads_go_on() {
    for policy in ["always", "everysec"] {
        let mut rig = failed_fsync(policy);
        let client = rig.client();
        for _ in 0..5 {
            rig.pass_ms(1_000);
            rig.run_all();
            for request in ["SET b 1", "PING", "DEL a"] {
                assert_eq!(rig.ask(client, request), REFUSED, "{policy}: {request}");
            }
            assert_eq!(rig.ask(client, "GET b"), "$-1|");
        }
        assert_eq!(rig.status(), None, "the server does not exit");
        assert_eq!(rig.info("total_forks"), "0", "no rewrite begins on a disk that fails");
    }
}

/// Each SHUTDOWN ended the rewrite that was healing the log, only to be refused: whoever asked again and again kept it from healing.
#[test]
fn a_shutdown_that_is_refused_for_a_failed_fsync_leaves_the_healing_rewrite_alone() {
    let mut rig = failed_fsync("everysec");
    let client = rig.client();
    rig.turn();
    rig.disk.heal();
    while !rig.logged("Background append only file rewriting started") {
        assert!(rig.lines().len() < 100, "{:#?}", rig.lines());
        rig.run_all();
        rig.pass_ms(100);
    }
    assert_eq!(rig.ask(client, "SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.|");
    assert!(rig.logged("an fsync of the append only file has failed (Input/output error)"), "{:#?}", rig.lines());
    assert!(!rig.logged("There is a child rewriting the AOF. Killing it!"), "{:#?}", rig.lines());
    rig.settle();
    assert_eq!(rig.info("aof_rewrites"), "1", "{:#?}", rig.lines());
    rig.send(client, "SHUTDOWN");
    rig.turn();
    assert_eq!(rig.status(), Some(0), "{:#?}", rig.lines());
}

/// It was refused, and nobody asks twice.
#[test]
fn a_signal_ends_the_server_as_soon_as_the_log_has_healed() {
    let mut rig = failed_fsync("everysec");
    rig.turn();
    rig.engine.stop_signal("SIGTERM", 1);
    rig.settle();
    assert_eq!(rig.status(), None, "{:#?}", rig.lines());
    rig.disk.heal();
    for _ in 0..100 {
        if rig.status().is_some() {
            break;
        }
        rig.pass_ms(100);
        rig.settle();
    }
    assert_eq!(rig.status(), Some(0), "{:#?}", rig.lines());
    let mut next = after_power_cut(&rig);
    let client = next.client();
    assert_eq!(next.ask(client, "GET a"), "$1|1|");
}

/// It was denied that one waited.
#[test]
fn a_signal_that_waits_for_the_log_is_taken_back_by_shutdown_abort() {
    let mut rig = failed_fsync("everysec");
    let client = rig.client();
    rig.turn();
    rig.engine.stop_signal("SIGTERM", 1);
    assert_eq!(rig.ask(client, "SHUTDOWN ABORT"), "+OK|");
    assert_eq!(rig.ask(client, "SHUTDOWN ABORT"), "-ERR No shutdown in progress.|");
    rig.disk.heal();
    rig.settle();
    rig.pass_ms(2_000);
    rig.settle();
    assert_eq!((rig.status(), rig.ask(client, "SET a 2").as_str()), (None, "+OK|"));
}

#[test]
fn the_disk_is_probed_once_a_second_and_the_log_heals_when_it_is_well() {
    for policy in ["always", "everysec"] {
        let mut rig = failed_fsync(policy);
        let client = rig.client();
        rig.turn();
        for second in 1..=3 {
            assert_eq!(rig.queued(Kind::DirFsync), 1, "{policy}: one probe in second {second}");
            rig.run_all();
            rig.pass_ms(999);
            assert_eq!(rig.queued(Kind::DirFsync), 0);
            rig.pass_ms(1);
        }
        rig.disk.heal();
        rig.settle();
        assert_eq!(rig.info("aof_rewrites_succeeded"), "1");
        assert_eq!(rig.ask(client, "SET b 2"), "+OK|");
        assert!(rig.logged("AOF write error looks solved, Redis can write again."));
        rig.pass_ms(1_000);
        rig.run_all();
        let mut next = after_power_cut(&rig);
        let client = next.client();
        assert_eq!(next.ask(client, "GET a"), "$1|1|", "{policy}");
        assert_eq!(next.ask(client, "GET b"), "$1|2|", "{policy}");
    }
}

#[test]
fn an_error_that_the_kernel_reports_once_heals_at_once() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
    rig.send(client, "SET a 1");
    rig.turn();
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!(rig.take(client), NOT_ON_DISK);
    let failed_ms = rig.mono_ms();
    rig.settle();
    assert!(rig.mono_ms() - failed_ms < 2_000, "within two seconds: {} ms", rig.mono_ms() - failed_ms);
    assert_eq!(rig.ask(client, "SET a 2"), "+OK|");
}

#[test]
fn nothing_is_acknowledged_between_the_failed_fsync_and_the_new_file() {
    let mut rig = failed_fsync("always");
    let client = rig.client();
    rig.disk.heal();
    let mut acknowledged = false;
    for _ in 0..400 {
        rig.send(client, "SET b 1");
        rig.turn();
        let done = rig.info("aof_rewrites_succeeded") == "1";
        let reply = rig.take(client);
        if reply == "+OK|" {
            assert!(done, "acknowledged on the file that failed");
            acknowledged = true;
            break;
        }
        assert!(reply.is_empty() || reply == REFUSED, "{reply}");
        rig.run_all();
        rig.children.step(rig.mono_ms());
        rig.pass_ms(10);
    }
    assert!(acknowledged);
}

#[test]
fn a_rewrite_by_hand_heals_as_well() {
    let mut rig = failed_fsync("everysec");
    let client = rig.client();
    rig.disk.heal();
    assert_eq!(rig.ask(client, "BGREWRITEAOF"), "+Background append only file rewriting started|");
    rig.settle();
    assert_eq!(rig.ask(client, "SET b 1"), "+OK|");
    assert_eq!(rig.info("aof_rewrites_succeeded"), "1", "the probe has not started a second one");
}

#[test]
fn a_healing_rewrite_that_fails_is_tried_again() {
    let mut rig = failed_fsync("always");
    let client = rig.client();
    rig.disk.heal();
    // The probe succeeds, the new file does not.
    rig.disk
        .inject(Rule::when(Fault::EIO, |attempt| attempt.call == Call::Append && attempt.name.contains("rewriteaof")));
    rig.settle();
    assert_eq!(rig.info("aof_last_bgrewrite_status"), "err");
    assert_eq!(rig.ask(client, "SET b 1"), REFUSED);
    rig.disk.heal();
    rig.pass_ms(1_000);
    rig.settle();
    assert_eq!(rig.ask(client, "SET b 1"), "+OK|");
}

#[test]
fn a_switch_whose_directory_fsync_failed_heals_by_another_switch() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    assert_eq!(rig.ask(client, "SET a 1"), "+OK|");
    rig.disk.inject(names_are_lost_after_the_rename(1));
    assert_eq!(rig.ask(client, "BGREWRITEAOF"), "+Background append only file rewriting started|");
    rig.settle();
    rig.settle();
    assert_eq!(rig.info("aof_rewrites_succeeded"), "1", "the first one counts as failed");
    assert_eq!(rig.ask(client, "SET b 2"), "+OK|");
    let mut next = after_power_cut(&rig);
    let client = next.client();
    assert_eq!(next.ask(client, "GET b"), "$1|2|");
}

#[test]
fn a_rewrite_asked_for_right_after_one_was_stopped_keeps_its_file() {
    // The file of both has the same name: the job that removed the first one's took the second one's away.
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.run_all();
    rig.ask(client, "BGREWRITEAOF");
    let child = rig.children.running()[0];
    rig.children.signal(child, 9);
    rig.pass_until("the file of the stopped one is to be removed", |rig| rig.queued(Kind::Close) > 0);
    assert_eq!(rig.ask(client, "BGREWRITEAOF"), "+Background append only file rewriting scheduled|");
    rig.settle();
    rig.settle();
    assert_eq!(
        (rig.info("aof_rewrites_succeeded"), rig.info("aof_last_bgrewrite_status")),
        ("1".to_owned(), "ok".to_owned())
    );
}
