//! The log changed under way: rewritten, turned on, turned off.

use bio::Kind;
use engine::{ClientId, Config};
use vfs::sim::{Call, CrashMode, Fault, NameMode, Rule};

use crate::support::{BOOT, DIR, LOG, Rig, config, names_are_lost_after_the_rename};

/// A server whose rewrite child is done: the new file waits for its early fsync, so that the one of the switch finds little to
/// do.
pub(crate) fn before_switch(policy: &str) -> Rig {
    let mut rig = Rig::new(policy);
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.run_all();
    rig.turn();
    rig.ask(client, "BGREWRITEAOF");
    for _ in 0..1_000 {
        if rig.logged("Background AOF rewrite terminated with success") {
            return rig;
        }
        rig.children.step(rig.mono_ms());
        rig.pass_ms(1);
    }
    panic!("the rewrite's child did not end: {:#?}", rig.lines());
}

/// A server in the middle of a switch: both files get everything, and the new one waits for its fsync.
fn switching(policy: &str) -> Rig {
    let mut rig = before_switch(policy);
    for _ in 0..10 {
        if rig.logged("Residual parent diff successfully flushed") {
            return rig;
        }
        rig.run(Kind::BulkFsync);
        rig.turn();
    }
    panic!("the rewrite did not come to its switch: {:#?}", rig.lines());
}

/// Sends a write, and runs what the log itself wants for it and nothing else, until the reply is there.
fn acknowledged_by_the_log_alone(rig: &mut Rig, request: &str) -> String {
    let client = rig.client();
    rig.send(client, request);
    for _ in 0..20 {
        rig.turn();
        if !rig.engine.sendable(client).is_empty() {
            break;
        }
        rig.run(Kind::Write);
        rig.run_newest(Kind::Fsync);
    }
    rig.take(client)
}

/// The early fsync of a rewrite's file, which may be of gigabytes, stood in one queue with the log's: what was written meanwhile
/// was fsynced, and acknowledged only when that had ended.
#[test]
fn while_the_new_file_of_a_rewrite_is_fsynced_early_a_write_is_acknowledged() {
    let mut rig = before_switch("always");
    assert_eq!(rig.info("aof_rewrite_phase"), "residual");
    for n in 0..3 {
        assert_eq!(acknowledged_by_the_log_alone(&mut rig, &format!("SET b {n}")), "+OK|");
    }
    assert_eq!(rig.info("aof_rewrite_phase"), "residual", "the early fsync has not ended");
    rig.settle();
    assert_eq!(rig.info("aof_rewrites_succeeded"), "1");
}

#[test]
fn in_a_switch_a_reply_waits_for_no_fsync_of_what_was_there_before() {
    let mut rig = switching("always");
    assert_eq!(acknowledged_by_the_log_alone(&mut rig, "SET b 2"), "+OK|");
    assert_eq!(rig.info("aof_rewrite_phase"), "fsync", "the switch's own fsync has not ended");
    // It fails: what was acknowledged stands in the log as it was.
    rig.disk.inject(Rule::nth(Call::Fsync, 1, Fault::FSYNC_EIO));
    rig.run(Kind::BulkFsync);
    rig.turn();
    assert_eq!((rig.info("aof_rewrite_phase"), rig.info("aof_last_bgrewrite_status")), ("idle".into(), "err".into()));
    let mut rng = fastrand::Rng::with_seed(1);
    let cut = rig.disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync);
    let mut next = Rig::on(&cut, config("always"), BOOT + 1).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "GET b"), "$1|2|");
}

#[test]
fn in_a_switch_a_reply_waits_for_both_files() {
    let mut rig = switching("always");
    let client = rig.client();
    rig.send(client, "SET b 2");
    rig.turn();
    let mut fsyncs = 0;
    while rig.engine.sendable(client).is_empty() {
        rig.run(Kind::Write);
        fsyncs += usize::from(rig.run(Kind::Fsync));
        rig.turn();
    }
    assert!(fsyncs >= 2, "only {fsyncs} fsync was waited for");
    let new = rig.disk.names(DIR).into_iter().find(|name| name.starts_with("temp-rewriteaof-bg"));
    for name in [LOG.to_owned()].into_iter().chain(new) {
        let durable = rig.disk.durable_content(DIR, &name).unwrap();
        assert!(durable.ends_with(b"$1\r\nb\r\n$1\r\n2\r\n"), "{name} holds the acknowledged write");
    }
}

#[test]
fn in_a_switch_the_fsync_of_the_old_file_alone_acknowledges_nothing() {
    let (mut rig, client) = written_to_both_files();
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!(rig.take(client), "", "a power cut after the rename would take the write");
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
}

/// A server in a switch under `always`, and a client whose write was written to both files, each of which is being fsynced.
fn written_to_both_files() -> (Rig, ClientId) {
    let mut rig = switching("always");
    let client = rig.client();
    rig.send(client, "SET b 2");
    rig.turn();
    rig.run(Kind::Write);
    rig.turns(2);
    assert_eq!(rig.queued(Kind::Fsync), 2, "one of each file");
    (rig, client)
}

/// Results of fsyncs came in the order of their submission, whichever file they were of: the old log's, on a disk that was dying, held up
/// every acknowledgement of the new one.
#[test]
fn after_a_switch_an_fsync_of_the_old_file_holds_up_no_acknowledgement() {
    acknowledged_beside_a_stuck_fsync(&mut beside_a_stuck_fsync_of_the_old_file());
}

/// A server whose log is a new file since a switch, while an fsync of the old one does not end.
pub(crate) fn beside_a_stuck_fsync_of_the_old_file() -> Rig {
    let (mut rig, client) = written_to_both_files();
    assert!(rig.run_newest(Kind::Fsync), "that of the new file");
    rig.turn();
    assert_eq!(rig.take(client), "", "both files count");
    while rig.info("aof_rewrites_succeeded") == "0" {
        let _ = [Kind::BulkFsync, Kind::Rename, Kind::DirFsync].map(|kind| rig.run(kind));
        rig.turn();
    }
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
    rig
}

/// A write, while an fsync of a file that no longer counts does not end: neither does it hold up the reply, nor does the loop fsync
/// itself, where it would wait for the same disk.
fn acknowledged_beside_a_stuck_fsync(rig: &mut Rig) {
    let client = rig.client();
    // Nobody else for so long: it counts as alone, for whom the loop fsyncs itself.
    rig.ask(client, "PING");
    rig.pass_ms(101);
    rig.send(client, "SET c 3");
    for _ in 0..5 {
        rig.turn();
        rig.run(Kind::Write);
    }
    assert_eq!((rig.queued(Kind::Fsync), rig.take(client)), (2, String::new()), "one has not ended");
    assert!(rig.run_newest(Kind::Fsync));
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
}

/// As above, for the new file of a rewrite that was given up.
#[test]
fn an_fsync_of_a_new_file_that_was_given_up_holds_up_no_acknowledgement() {
    let (mut rig, client) = written_to_both_files();
    rig.run(Kind::Fsync);
    rig.disk.inject(Rule::nth(Call::Fsync, 1, Fault::FSYNC_EIO));
    rig.run(Kind::BulkFsync);
    rig.turns(2);
    assert_eq!(rig.info("aof_rewrite_phase"), "idle");
    assert_eq!(rig.take(client), "+OK|");
    acknowledged_beside_a_stuck_fsync(&mut rig);
}

#[test]
fn while_the_new_file_of_a_rewrite_given_up_is_fsynced_the_loop_fsyncs_nothing_itself() {
    let mut rig = before_switch("always");
    let client = rig.client();
    rig.send(client, "DEBUG LOADAOF");
    assert_eq!((rig.take(client), rig.info("aof_rewrite_phase")), ("+OK|".to_owned(), "idle".to_owned()));
    rig.send(client, "GET a");
    rig.take(client);
    rig.pass_ms(101);
    rig.send(client, "SET b 2");
    for _ in 0..5 {
        rig.turn();
        rig.run(Kind::Write);
    }
    assert_eq!(rig.take(client), "", "the disk is busy, and the loop would wait for it");
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
}

/// The rewrite buffer outlived its rewrite, and kept every byte fed from then on in memory.
#[test]
fn after_a_rewrite_nothing_is_kept_for_it() {
    let mut rig = switching("everysec");
    let client = rig.client();
    rig.ask(client, "SET b 2");
    assert_eq!(rig.info("aof_rewrite_buffer_length"), "0", "both files get it by themselves");
    rig.settle();
    rig.ask(client, "SET c 3");
    assert_eq!(rig.info("aof_rewrite_buffer_length"), "0");
}

#[test]
fn what_is_written_while_a_child_runs_is_in_the_new_log() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGREWRITEAOF");
    assert_eq!(rig.info("aof_rewrite_phase"), "child");
    rig.ask(client, "SET b 2");
    rig.settle();
    assert_eq!(rig.info("aof_last_bgrewrite_status"), "ok");
    assert!(rig.aof().ends_with("*3|$3|SET|$1|b|$1|2|"), "{}", rig.aof());
}

#[test]
fn a_new_name_that_is_not_durable_refuses_writes_with_the_systems_reason() {
    let mut rig = switching("everysec");
    let client = rig.client();
    rig.disk.inject(names_are_lost_after_the_rename(1));
    rig.settle();
    assert_eq!(rig.ask(client, "SET b 2"), "-MISCONF Errors writing to the AOF file: Input/output error|");
    assert_eq!(rig.ask(client, "GET a"), "$1|1|");
}

/// What was answered while nothing was promised yet is shown again only when it will last.
#[test]
fn after_a_first_rewrite_whose_name_may_not_last_always_shows_nothing_that_came_during_its_switch() {
    for policy in ["always", "everysec", "no"] {
        let before = Config { appendonly: false, ..config(policy) };
        let mut rig = Rig::on(&vfs::sim::SimDisk::new(), before, BOOT).unwrap();
        let client = rig.client();
        rig.ask(client, "SET a 1");
        rig.ask(client, "CONFIG SET appendonly yes");
        rig.pass_until_phase("rename");
        assert_eq!(rig.ask(client, "SET b 2"), "+OK|");
        rig.disk.inject(names_are_lost_after_the_rename(usize::MAX));
        rig.settle();
        assert_eq!(rig.ask(client, "GET a"), "$1|1|", "{policy}");
        let shown = rig.ask(client, "GET b");
        assert_eq!(shown == "$1|2|", policy != "always", "{policy}: {shown}");
        assert!(rig.ask(client, "SET c 3").starts_with("-MISCONF"), "{policy}");
        rig.disk.heal();
        rig.pass_ms(2_000);
        rig.settle();
        assert_eq!(rig.ask(client, "GET b"), "$1|2|", "{policy}: {:#?}", rig.lines());
    }
}

/// A state file that was made durable between the rename and the switch's own fsync of the directory took the error of that
/// rename: the switch believed a name that a power cut took back, with everything acknowledged since.
#[test]
fn nothing_else_fsyncs_the_directory_before_the_switch_has() {
    let mut rig = switching("always");
    while rig.info("aof_rewrite_phase") != "state" {
        rig.run(Kind::BulkFsync);
        rig.turn();
    }
    rig.pass_ms(1_500);
    assert_eq!(rig.queued(Kind::Rename), 1, "a state of the old log would no longer speak of the new one");
    rig.run(Kind::Rename);
    rig.turn();
    assert_eq!(rig.info("aof_rewrite_phase"), "rename");
    rig.pass_ms(1_500);
    assert_eq!(rig.queued(Kind::Rename), 1, "only the switch's own");
    rig.run(Kind::Rename);
    rig.turn();
    assert_eq!(rig.info("aof_rewrite_phase"), "dirsync");
    rig.pass_ms(1_500);
    assert_eq!(rig.queued(Kind::Rename), 0);
    rig.run(Kind::DirFsync);
    rig.pass_ms(1_500);
    assert_eq!(
        (rig.info("aof_rewrite_phase"), rig.queued(Kind::Rename)),
        ("idle".to_owned(), 1),
        "the state of the new log"
    );
}

/// The state file spoke of a log whose name was not durable: after kill -9 the next start served it, and a power cut then brought
/// the old log back.
#[test]
fn a_log_whose_name_may_not_last_is_copied_to_a_new_one_at_the_next_start() {
    let mut rig = switching("everysec");
    rig.disk.inject(names_are_lost_after_the_rename(usize::MAX));
    for _ in 0..100 {
        rig.run_all();
        rig.pass_ms(100);
    }
    assert!(rig.logged("AOF rewrite"), "{:#?}", rig.lines());
    rig.disk.heal();
    let mut next = Rig::on(&rig.killed(), config("everysec"), BOOT).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let cut = next.disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync);
    let client = next.client();
    assert_eq!(next.ask(client, "GET a"), "$1|1|");
    assert!(next.logged("to a new file"), "{:#?}", next.lines());
    let mut last = Rig::on(&cut, config("everysec"), BOOT + 1).unwrap();
    let client = last.client();
    assert_eq!(last.ask(client, "GET a"), "$1|1|");
}

/// Between the rename of a rewritten log and its first state file no state file spoke of it: a hole that a power cut left in its tail
/// was taken for corruption, and the server refused to start.
#[test]
fn a_hole_behind_a_switch_is_cut_though_no_state_file_was_written_since() {
    let mut rig = switching("no");
    while rig.info("aof_rewrites_succeeded") == "0" {
        let _ = [Kind::BulkFsync, Kind::Rename, Kind::DirFsync].map(|kind| rig.run(kind));
        rig.turn();
    }
    let client = rig.client();
    let proven_bytes = rig.disk.durable_content(DIR, LOG).unwrap().len();
    rig.send(client, "SET b 2");
    rig.turn();
    let hole = proven_bytes..usize::try_from(rig.aof_bytes()).unwrap();
    rig.send(client, "SET c 3");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|+OK|");
    let cut = rig.killed();
    cut.tamper(DIR, LOG, |bytes| bytes[hole].fill(0));
    let mut next = Rig::on(&cut, config("everysec"), BOOT + 1).unwrap();
    assert_eq!(next.status(), None, "{:#?}", next.lines());
    let client = next.client();
    assert_eq!(next.ask(client, "MGET a b c"), "*3|$1|1|$-1|$-1|");
}

/// As above, at every instant of a switch and of the next one, in every way that the power can go.
#[test]
fn whichever_file_a_power_cut_leaves_under_the_name_its_unproven_tail_is_cut_by_a_state_file() {
    let mut rig = switching("no");
    let client = rig.client();
    for seed in 0..100 {
        rig.send(client, &format!("SET {seed} {}", "x".repeat(600)));
        rig.pass_ms(1);
        rig.take(client);
        starts_after_every_cut(&rig, seed);
        rig.run(Kind::Write);
        let switch = [Kind::BulkFsync, Kind::Rename, Kind::DirFsync, Kind::Close];
        if switch.into_iter().any(|kind| rig.run(kind)) {
            continue;
        }
        match rig.info("aof_rewrites_succeeded").as_str() {
            "1" => run_child(&mut rig),
            "2" => return,
            _ => {}
        }
    }
    panic!("two rewrites did not end: {:#?}", rig.lines());
}

/// A further rewrite, up to the end of its child.
fn run_child(rig: &mut Rig) {
    let client = rig.client();
    rig.ask(client, "BGREWRITEAOF");
    while rig.info("aof_rewrite_phase") == "child" {
        rig.children.step(rig.mono_ms());
        rig.pass_ms(1);
    }
}

fn starts_after_every_cut(rig: &Rig, seed: u64) {
    for mode in CrashMode::ALL {
        for names in NameMode::ALL {
            let cut = rig.disk.crash(&mut fastrand::Rng::with_seed(seed), mode, names);
            let next = Rig::on(&cut, config("everysec"), BOOT + 1).unwrap();
            assert_eq!(next.status(), None, "seed {seed}, {mode:?}, {names:?}: {:#?}", next.lines());
        }
    }
}

#[test]
fn after_a_rewrite_the_log_is_the_new_file_and_goes_on() {
    let mut rig = switching("everysec");
    let client = rig.client();
    rig.ask(client, "SET b 2");
    rig.settle();
    assert_eq!(rig.info("aof_last_bgrewrite_status"), "ok");
    rig.ask(client, "SET c 3");
    assert!(rig.aof().ends_with("*2|$6|SELECT|$1|0|*3|$3|SET|$1|c|$1|3|"), "SELECT comes first: {}", rig.aof());
    let mut next = Rig::on(&rig.killed(), config("everysec"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "MGET a b c"), "*3|$1|1|$1|2|$1|3|");
}

#[test]
fn a_rewrite_whose_new_file_fails_leaves_the_log_as_it_was() {
    let mut rig = switching("everysec");
    let client = rig.client();
    rig.disk.inject(Rule::nth(Call::Fsync, 1, Fault::EIO));
    rig.settle();
    assert_eq!(rig.info("aof_last_bgrewrite_status"), "err");
    assert_eq!(rig.ask(client, "SET b 2"), "+OK|");
    assert!(rig.aof().starts_with("*2|$6|SELECT|$1|0|*3|$3|SET|$1|a|$1|1|"));
    assert!(rig.disk.names(DIR).iter().all(|name| !name.starts_with("temp-rewriteaof")), "{:?}", rig.disk.names(DIR));
}

#[test]
fn turned_on_at_run_time_the_log_promises_from_its_first_rewrite_on() {
    let disk = vfs::sim::SimDisk::new();
    let mut rig = Rig::on(&disk, Config { appendonly: false, ..config("always") }, BOOT).unwrap();
    let client = rig.client();
    assert_eq!(rig.ask(client, "SET a 1"), "+OK|");
    assert_eq!(rig.ask(client, "CONFIG SET appendonly yes"), "+OK|");
    assert_eq!(rig.info("aof_state"), "wait_rewrite");
    assert_eq!(rig.ask(client, "SET b 2"), "+OK|");
    rig.settle();
    assert_eq!(rig.info("aof_state"), "on");
    rig.send(client, "SET c 3");
    rig.turn();
    assert_eq!(rig.take(client), "", "the promise of always holds");
    rig.run_all();
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
    let mut next = Rig::on(&rig.killed(), config("always"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "MGET a b c"), "*3|$1|1|$1|2|$1|3|");
}

/// INFO said that the log was on while bytes that were acknowledged before it were not yet in it.
#[test]
fn a_log_turned_on_is_called_so_only_when_it_holds_what_was_acknowledged_before() {
    let policies = ["always", "everysec", "no"];
    for (policy, fails) in policies.map(|policy| [(policy, false), (policy, true)]).into_iter().flatten() {
        let disk = vfs::sim::SimDisk::new();
        let mut rig = Rig::on(&disk, Config { appendonly: false, ..config(policy) }, BOOT).unwrap();
        let client = rig.client();
        rig.ask(client, "SET a 1");
        rig.ask(client, "CONFIG SET appendonly yes");
        while rig.info("aof_rewrite_phase") != "dirsync" {
            rig.children.step(rig.mono_ms());
            let _ = [Kind::BulkFsync, Kind::Rename].map(|kind| rig.run(kind));
            rig.pass_ms(1);
        }
        let other = rig.client();
        rig.send(other, &format!("SET b {}", "x".repeat(100)));
        rig.turn();
        assert_eq!(rig.take(other), "+OK|", "nothing is promised yet");
        rig.send(client, "SET c 3");
        if fails {
            rig.disk.inject(Rule::from_nth(Call::Append, 1, Fault::ENOSPC));
        }
        rig.run(Kind::DirFsync);
        rig.turn();
        for turn in 0..40 {
            if rig.info("aof_state") == "on" {
                break;
            }
            if turn == 20 {
                rig.disk.heal();
                rig.pass_ms(2_000);
                rig.settle();
            }
            let _ = [Kind::Write, Kind::Fsync].map(|kind| rig.run(kind));
            rig.turn();
        }
        assert_eq!(rig.info("aof_state"), "on");
        assert_eq!(rig.take(client), "+OK|", "{policy}, {fails}");
        let mut rng = fastrand::Rng::with_seed(1);
        let power_cut = rig.disk.crash(&mut rng, CrashMode::Strict, NameMode::OnlyDirFsync);
        let left = if policy == "always" { power_cut } else { rig.killed() };
        let mut next = Rig::on(&left, config(policy), BOOT + 1).unwrap();
        let client = next.client();
        assert_eq!(next.ask(client, "STRLEN b"), ":100|", "{policy}");
        assert_eq!(next.ask(client, "GET c"), "$1|3|", "{policy}, the disk was full: {fails}");
    }
}

#[test]
fn turned_off_at_run_time_the_log_is_complete_and_grows_no_more() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    assert_eq!(rig.ask(client, "CONFIG SET appendonly no"), "+OK|");
    assert_eq!(rig.disk.durable_content(DIR, LOG), rig.disk.content(DIR, LOG));
    let before = rig.aof();
    assert_eq!(rig.ask(client, "SET b 2"), "+OK|");
    assert_eq!(rig.aof(), before);
    assert_eq!(rig.info("aof_enabled"), "0");
}

#[test]
fn turning_off_a_log_that_cannot_be_fsynced_fails_and_changes_nothing() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.run_all();
    rig.turn();
    rig.pass_ms(1_000);
    rig.ask(client, "SET a 2");
    rig.disk.inject(Rule::from_nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
    let reply = rig.ask(client, "CONFIG SET appendonly no");
    assert_eq!(
        reply,
        "-ERR CONFIG SET failed (possibly related to argument 'appendonly') - \
         cannot fsync the append only file: Input/output error|"
    );
    assert_eq!(rig.info("aof_enabled"), "1");
    assert_eq!(rig.ask(client, "CONFIG GET appendonly"), "*2|$10|appendonly|$3|yes|");
}

#[test]
fn off_and_on_again_sets_the_old_log_aside() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "CONFIG SET appendonly no");
    rig.ask(client, "SET a 2");
    assert_eq!(rig.ask(client, "CONFIG SET appendonly yes"), "+OK|");
    let is_aside = |rig: &Rig| rig.disk.names(DIR).iter().any(|name| name.starts_with("appendonly.aof.old-"));
    assert!(!is_aside(&rig), "it keeps its name until the new log is ready");
    rig.settle();
    assert!(is_aside(&rig));
    let mut next = Rig::on(&rig.killed(), config("no"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "GET a"), "$1|2|");
}

/// Once `appendonly` was turned on again, a crash before the first rewrite was done left no log under the name, but one that had been moved
/// aside, and the start refused.
#[test]
fn whenever_a_server_ends_that_was_just_turned_on_there_is_a_log() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "CONFIG SET appendonly no");
    rig.ask(client, "SET a 2");
    let before = rig.disk.calls();
    rig.ask(client, "CONFIG SET appendonly yes");
    rig.settle();
    let calls = rig.disk.calls() - before;
    assert_eq!(rig.info("aof_state"), "on");
    let mut found = [0; 2];
    for nth in 0..=calls {
        for seed in 0..4 {
            for after in ended_at_call(nth, seed) {
                let mut next = Rig::on(&after, config("no"), BOOT + 1).unwrap();
                assert_eq!(next.status(), None, "call {nth}: {:#?}", next.lines());
                let client = next.client();
                match next.ask(client, "GET a").as_str() {
                    "$1|1|" => found[0] += 1,
                    "$1|2|" => found[1] += 1,
                    other => panic!("call {nth}: {other}: {:#?}", next.lines()),
                }
            }
        }
    }
    assert!(found.iter().all(|&times| times > 10), "{found:?}");
}

/// What the next start finds if a server that was turned off and on again fails from call number `nth` on, killed and without power.
fn ended_at_call(nth: u64, seed: u64) -> Vec<vfs::sim::SimDisk> {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "CONFIG SET appendonly no");
    rig.ask(client, "SET a 2");
    rig.disk.freeze_at(Some(rig.disk.calls() + nth));
    rig.ask(client, "CONFIG SET appendonly yes");
    for _ in 0..200 {
        rig.work();
    }
    let cut = |mode, names| rig.disk.crash(&mut fastrand::Rng::with_seed(seed), mode, names);
    let cuts = CrashMode::ALL.into_iter().flat_map(|mode| NameMode::ALL.map(|names| cut(mode, names)));
    std::iter::once(rig.killed()).chain(cuts).collect()
}

#[test]
fn a_second_rewrite_is_refused_while_one_runs() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    assert_eq!(rig.ask(client, "BGREWRITEAOF"), "+Background append only file rewriting started|");
    assert_eq!(rig.ask(client, "BGREWRITEAOF"), "-ERR Background append only file rewriting already in progress|");
    rig.settle();
    assert_eq!(rig.ask(client, "BGREWRITEAOF"), "+Background append only file rewriting started|");
}

#[test]
fn a_log_that_has_grown_enough_is_rewritten_by_itself() {
    let grown = Config { auto_aof_rewrite_min_size_bytes: 100, aof_use_rdb_preamble: false, ..config("everysec") };
    let mut rig = Rig::on(&vfs::sim::SimDisk::new(), grown, BOOT).unwrap();
    let client = rig.client();
    for _ in 0..20 {
        rig.ask(client, "INCR a");
    }
    let before = rig.aof().len();
    rig.pass_ms(200);
    assert!(rig.logged("Starting automatic rewriting of AOF on"), "{:#?}", rig.lines());
    rig.settle();
    assert!(rig.aof().len() < before / 4, "{}", rig.aof());
}

#[test]
fn a_rewrite_asked_for_inside_a_transaction_is_scheduled_and_starts_after_it() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.send(client, "MULTI\nSET a 1\nBGREWRITEAOF\nSET b 2\nEXEC");
    rig.turn();
    assert!(rig.take(client).ends_with("|+Background append only file rewriting scheduled|+OK|"));
    assert_eq!(rig.info("aof_rewrite_in_progress"), "1");
    rig.settle();
    assert_eq!(rig.info("aof_last_bgrewrite_status"), "ok");
    let mut next = Rig::on(&rig.killed(), config("everysec"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "MGET a b"), "*2|$1|1|$1|2|");
}

#[test]
fn with_no_appendfsync_on_rewrite_only_always_fsyncs_while_a_child_runs() {
    for (policy, effective, fsyncs) in [("everysec", "no", 0), ("always", "always", 1)] {
        let held = Config { no_appendfsync_on_rewrite: true, ..config(policy) };
        let mut rig = Rig::on(&vfs::sim::SimDisk::new(), held, BOOT).unwrap();
        let client = rig.client();
        rig.ask(client, "SET a 1");
        rig.run_all();
        rig.turn();
        assert_eq!(rig.info("aof_effective_fsync"), policy);
        rig.ask(client, "BGREWRITEAOF");
        rig.pass_ms(1_500);
        rig.run_all();
        assert_eq!(rig.info("aof_rewrite_phase"), "child");
        assert_eq!(rig.info("aof_effective_fsync"), effective, "{policy}");
        rig.send(client, "SET a 2");
        rig.pass_ms(1_500);
        assert_eq!(rig.queued(Kind::Fsync), fsyncs, "{policy}");
        rig.settle();
        assert_eq!(rig.info("aof_effective_fsync"), policy, "the child is gone");
    }
}

#[test]
fn inside_a_transaction_the_log_is_not_turned_off() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.send(client, "MULTI\nSET a 1\nCONFIG SET appendonly no\nSET b 2\nEXEC");
    rig.turn();
    let reply = rig.take(client);
    assert!(reply.contains("|+OK|-ERR CONFIG SET failed") && reply.ends_with("|+OK|"), "{reply}");
    assert_eq!(rig.info("aof_enabled"), "1");
    assert!(rig.aof().ends_with("*3|$3|SET|$1|b|$1|2|*1|$4|EXEC|"), "the unit is whole: {}", rig.aof());
}
