//! WAITAOF and WAIT.

use bio::Kind;
use engine::{ClientId, Config};
use vfs::sim::{Call, Fault, Rule, SimDisk};

use crate::support::{BOOT, DIR, LOG, Rig, config, names_are_lost_after_the_rename};

/// Sends a write and WAITAOF behind it, and ends the turn.
fn write_and_wait(rig: &mut Rig, client: ClientId, timeout_ms: u64) {
    rig.send(client, &format!("SET mine 1\nWAITAOF 1 0 {timeout_ms}"));
    rig.turn();
}

/// Runs fsyncs until the client was sent something; what it was sent, and whether the log held the write durably by then.
fn answered(rig: &mut Rig, client: ClientId) -> (String, bool) {
    let mut text = String::new();
    for _ in 0..20 {
        text += &rig.take(client);
        if text.contains("*2|") {
            break;
        }
        rig.run(Kind::Write);
        rig.run(Kind::Fsync);
        rig.turn();
    }
    let durable = rig.disk.durable_content(DIR, LOG).unwrap_or_default();
    (text, durable.windows(4).any(|bytes| bytes == b"mine"))
}

/// A server whose disk has just failed an fsync.
fn with_failed_fsync(policy: &str) -> (Rig, ClientId) {
    let mut rig = Rig::new(policy);
    let client = rig.client();
    rig.ask(client, "SET first 1");
    rig.settle();
    rig.pass_ms(1_000);
    rig.disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
    (rig, client)
}

#[test]
fn waitaof_is_answered_when_the_fsync_of_the_clients_last_write_has_ended() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET first 1");
    rig.turn();
    assert_eq!(rig.queued(Kind::Fsync), 1, "the first fsync of everysec does not wait");
    write_and_wait(&mut rig, client, 0);
    rig.run(Kind::Write);
    rig.turn();
    assert_eq!(rig.take(client), "+OK|", "the write itself is acknowledged when it is written");
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!(rig.take(client), "", "that fsync began before the write");
    rig.pass_ms(1_000);
    assert_eq!(rig.take(client), "");
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!(rig.take(client), "*2|:1|:0|");
    assert!(rig.disk.durable_content(DIR, LOG).unwrap().ends_with(b"mine\r\n$1\r\n1\r\n"));
}

#[test]
fn requests_behind_waitaof_stay_in_order_and_other_clients_go_on() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.send(client, "SET a 1\nWAITAOF 1 0 0\nGET a\nSET a 3");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
    assert_eq!(rig.engine.query_spare(client), None, "who waits is not read");
    rig.send(other, "SET a 2\nGET a");
    rig.turn();
    rig.run(Kind::Write);
    rig.turn();
    assert_eq!(rig.take(other), "+OK|$1|2|");
    rig.run(Kind::Fsync);
    rig.turn();
    rig.settle();
    assert_eq!(rig.take(client), "*2|:1|:0|$1|2|+OK|");
    assert!(rig.engine.query_spare(client).is_some());
}

#[test]
fn under_no_waitaof_starts_an_fsync_of_its_own() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    write_and_wait(&mut rig, client, 0);
    assert_eq!(rig.queued(Kind::Fsync), 1);
    assert_eq!(answered(&mut rig, client), ("+OK|*2|:1|:0|".to_owned(), true));
    rig.ask(client, "SET other 1");
    rig.pass_ms(5_000);
    assert_eq!(rig.queued(Kind::Fsync), 0, "nobody waits any more");
}

#[test]
fn a_child_for_which_fsyncs_are_held_back_does_not_hold_back_that_of_waitaof() {
    let config = Config { no_appendfsync_on_rewrite: true, ..config("everysec") };
    let mut rig = Rig::on(&SimDisk::new(), config, BOOT).unwrap();
    let client = rig.client();
    rig.ask(client, "BGREWRITEAOF");
    rig.pass_ms(1_000);
    rig.ask(client, "SET other 1");
    rig.pass_ms(5_000);
    assert_eq!((rig.info("aof_effective_fsync"), rig.queued(Kind::Fsync)), ("no".to_owned(), 0));
    write_and_wait(&mut rig, client, 0);
    assert_eq!(answered(&mut rig, client), ("+OK|*2|:1|:0|".to_owned(), true));
}

#[test]
fn under_always_waitaof_is_answered_with_the_write_before_it() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    write_and_wait(&mut rig, client, 0);
    assert_eq!(rig.take(client), "");
    assert_eq!(answered(&mut rig, client), ("+OK|*2|:1|:0|".to_owned(), true));
}

#[test]
fn who_wrote_nothing_or_waits_for_nobody_is_answered_at_once() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.ask(other, "SET a 1");
    assert_eq!(rig.ask(client, "WAITAOF 1 0 0\nWAITAOF 0 0 0"), "*2|:1|:0|*2|:1|:0|");
    assert_eq!(rig.ask(other, "WAITAOF 0 0 0"), "*2|:0|:0|", "it is told what is true");
    assert_eq!(rig.queued(Kind::Fsync), 0);
}

#[test]
fn inside_a_transaction_waitaof_tells_at_once_what_is_true() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    let queued = "+OK|+QUEUED|+QUEUED|+QUEUED|";
    let asked = "MULTI\nWAITAOF 1 0 0\nSET a 1\nWAITAOF 1 1 5000\nEXEC";
    // The offset that it asks about is that of the last write before: the transaction ends later.
    assert_eq!(rig.ask(client, asked), format!("{queued}*3|*2|:1|:0|+OK|*2|:1|:0|"));
    assert_eq!(rig.ask(client, asked), format!("{queued}*3|*2|:0|:0|+OK|*2|:0|:0|"));
    assert_eq!(rig.info("blocked_clients"), "0");
}

#[test]
fn arguments_are_refused_with_the_words_of_redis() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    for (words, error) in [
        ("WAITAOF x 0 0", "value is not an integer or out of range"),
        ("WAITAOF 2 0 0", "value is out of range, value must between 0 and 1"),
        ("WAITAOF -1 x 0", "value is out of range, value must between 0 and 1"),
        ("WAITAOF 1 x 0", "value is out of range, must be positive"),
        ("WAITAOF 1 -1 0", "value is out of range, must be positive"),
        ("WAITAOF 1 0 x", "timeout is not an integer or out of range"),
        ("WAITAOF 1 0 -1", "timeout is negative"),
        ("WAITAOF 1 0 9223372036854775807", "timeout is out of range"),
        ("WAITAOF 1 0", "wrong number of arguments for 'waitaof' command"),
        ("WAIT x 0", "value is not an integer or out of range"),
        ("WAIT 0 -1", "timeout is negative"),
    ] {
        assert_eq!(rig.ask(client, words), format!("-ERR {error}|"), "{words}");
    }
}

#[test]
fn without_a_log_waitaof_is_refused_unless_it_asks_for_none() {
    let config = Config { appendonly: false, ..config("no") };
    let mut rig = Rig::on(&SimDisk::new(), config, BOOT).unwrap();
    let client = rig.client();
    let refused = "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.|";
    assert_eq!(
        rig.ask(client, "WAITAOF 1 0 0\nMULTI\nWAITAOF 1 0 0\nEXEC"),
        format!("{refused}+OK|+QUEUED|*1|{refused}")
    );
    assert_eq!(rig.ask(client, "WAITAOF 0 0 0"), "*2|:0|:0|");
}

#[test]
fn a_log_turned_off_refuses_those_who_wait_for_it() {
    let mut rig = Rig::new("no");
    let (client, replicas, other) = (rig.client(), rig.client(), rig.client());
    write_and_wait(&mut rig, client, 0);
    rig.take(client);
    rig.send(replicas, "WAITAOF 1 1 0");
    rig.send(other, "CONFIG SET appendonly no");
    rig.turn();
    assert_eq!(rig.take(other), "+OK|");
    for waiter in [client, replicas] {
        let refused = "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.|";
        assert_eq!(rig.take(waiter), refused);
    }
    assert_eq!(rig.ask(client, "GET mine"), "$1|1|");
}

#[test]
fn when_its_time_is_over_waitaof_tells_what_is_true() {
    let mut rig = Rig::new("no");
    let (client, replicas) = (rig.client(), rig.client());
    write_and_wait(&mut rig, client, 50);
    rig.send(replicas, "WAITAOF 1 2 60");
    rig.turn();
    assert_eq!((rig.info("blocked_clients"), rig.info("clients_in_timeout_table")), ("2".to_owned(), "2".to_owned()));
    rig.take(client);
    rig.pass_ms(49);
    assert_eq!(rig.take(client), "");
    assert!(rig.engine.sleep_ms() <= 1, "the loop wakes for it");
    rig.pass_ms(1);
    assert_eq!(rig.take(client), "*2|:0|:0|");
    rig.pass_ms(9);
    assert_eq!(rig.take(replicas), "");
    rig.pass_ms(1);
    assert_eq!(rig.take(replicas), "*2|:1|:0|", "nobody but the replicas is missing");
    assert_eq!((rig.info("blocked_clients"), rig.info("clients_in_timeout_table")), ("0".to_owned(), "0".to_owned()));
}

#[test]
fn without_a_timeout_waitaof_waits_for_ever() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "WAITAOF 0 1 0");
    rig.pass_ms(100_000_000);
    assert_eq!(rig.take(client), "");
    assert_eq!((rig.info("blocked_clients"), rig.info("clients_in_timeout_table")), ("1".to_owned(), "0".to_owned()));
}

#[test]
fn during_a_switch_waitaof_waits_for_both_files() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1\nBGREWRITEAOF");
    for _ in 0..1_000 {
        if rig.logged("Residual parent diff successfully flushed") {
            break;
        }
        rig.run(Kind::BulkFsync);
        rig.children.step(rig.mono_ms());
        rig.pass_ms(1);
    }
    assert_eq!(rig.info("aof_rewrite_phase"), "fsync");
    write_and_wait(&mut rig, client, 0);
    let (reply, durable) = answered(&mut rig, client);
    assert!(reply.ends_with("*2|:1|:0|") && durable, "{reply}");
    for name in rig.disk.names(DIR).into_iter().filter(|name| name.starts_with("temp-rewriteaof-bg")) {
        let durable = rig.disk.durable_content(DIR, &name).unwrap();
        assert!(durable.ends_with(b"mine\r\n$1\r\n1\r\n"), "{name} holds it too");
    }
}

#[test]
fn after_a_failed_fsync_waitaof_waits_for_a_new_file_or_for_its_time() {
    let (mut rig, client) = with_failed_fsync("everysec");
    let (short, other) = (rig.client(), rig.client());
    write_and_wait(&mut rig, client, 0);
    rig.ask(short, "GET mine\nWAITAOF 1 0 5000");
    assert!(rig.take(client).starts_with("+OK|"));
    rig.run(Kind::Fsync);
    rig.turn();
    assert!(rig.ask(other, "PING").starts_with("-MISCONF"), "the fsync failed");
    assert_eq!(rig.take(client), "", "an error would say that it is lost");
    rig.pass_ms(2_000);
    rig.settle();
    assert_eq!(rig.take(client), "*2|:1|:0|");
    let durable = rig.disk.durable_content(DIR, LOG).unwrap();
    assert!(durable.windows(4).any(|bytes| bytes == b"mine"));
}

#[test]
fn a_failed_fsync_does_not_take_back_what_was_fsynced_before() {
    let (mut rig, client) = with_failed_fsync("everysec");
    let other = rig.client();
    write_and_wait(&mut rig, other, 100);
    rig.run(Kind::Fsync);
    rig.turn();
    rig.take(other);
    assert_eq!(rig.ask(client, "WAITAOF 1 0 0"), "*2|:1|:0|");
    rig.pass_ms(100);
    assert_eq!(rig.take(other), "*2|:0|:0|");
}

#[test]
fn a_log_whose_name_may_not_last_answers_nobody() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.disk.inject(names_are_lost_after_the_rename(usize::MAX));
    rig.ask(client, "SET mine 1");
    rig.ask(other, "BGREWRITEAOF");
    rig.settle();
    assert!(rig.ask(other, "PING").starts_with("-MISCONF"), "the name is not durable");
    assert_eq!(rig.ask(client, "WAITAOF 1 0 0"), "");
    rig.pass_ms(5_000);
    rig.settle();
    assert_eq!(rig.take(client), "");
    rig.disk.heal();
    // The next try may wait for as long as the last one took; first comes its probe, then a rewrite.
    for _ in 0..3 {
        rig.pass_ms(60_000);
        rig.settle();
    }
    assert_eq!(rig.take(client), "*2|:1|:0|");
}

#[test]
fn until_the_first_rewrite_is_done_waitaof_waits() {
    let config = Config { appendonly: false, ..config("no") };
    let mut rig = Rig::on(&SimDisk::new(), config, BOOT).unwrap();
    let client = rig.client();
    rig.ask(client, "SET mine 1\nCONFIG SET appendonly yes");
    assert_eq!(rig.ask(client, "WAITAOF 1 0 0"), "");
    rig.settle();
    assert_eq!(rig.take(client), "*2|:1|:0|");
    assert!(rig.disk.durable_content(DIR, LOG).unwrap().windows(4).any(|bytes| bytes == b"mine"));
}

#[test]
fn who_leaves_or_is_killed_waits_no_longer() {
    let mut rig = Rig::new("no");
    let (leaves, killed, other) = (rig.client(), rig.client(), rig.client());
    for client in [leaves, killed] {
        rig.send(client, "SET a 1\nWAITAOF 1 0 9000\nSET a 2");
        assert!(rig.engine.is_blocked(client), "its owner has to watch for its end");
    }
    let listed = rig.ask(other, "CLIENT LIST ID 1 2");
    assert_eq!(listed.matches(" flags=bU ").count(), 2, "{listed}");
    assert_eq!(listed.matches(" cmd=waitaof ").count(), 2, "{listed}");
    rig.engine.disconnect(leaves);
    assert_eq!(rig.info("blocked_clients"), "1");
    assert_eq!(rig.ask(other, "CLIENT KILL ID 2"), ":1|");
    assert!(rig.engine.wants_close(killed));
    rig.engine.disconnect(killed);
    assert_eq!((rig.info("blocked_clients"), rig.info("clients_in_timeout_table")), ("0".to_owned(), "0".to_owned()));
    rig.settle();
    rig.pass_ms(9_000);
    assert_eq!(rig.ask(other, "GET a"), "$1|1|", "what stood behind was not run");
}

#[test]
fn client_unblock_ends_a_wait_as_its_time_would_or_with_an_error() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    for (reason, reply) in
        [("", "*2|:0|:0|"), ("TIMEOUT", "*2|:0|:0|"), ("error", "-UNBLOCKED client unblocked via CLIENT UNBLOCK|")]
    {
        rig.ask(client, "INCR n");
        rig.send(client, "WAITAOF 1 1 0\nGET n");
        rig.turn();
        assert_eq!(rig.ask(other, &format!("CLIENT UNBLOCK 1 {reason}")), ":1|", "{reason}");
        assert!(rig.take(client).starts_with(reply), "{reason}");
        assert_eq!(rig.ask(other, "CLIENT UNBLOCK 1"), ":0|");
    }
    // In a transaction the one unblocked goes on after it.
    rig.send(client, "WAIT 1 0\nINCR n");
    rig.turn();
    let replies = rig.ask(other, "MULTI\nCLIENT UNBLOCK 1\nGET n\nEXEC");
    assert_eq!(replies, "+OK|+QUEUED|+QUEUED|*2|:1|$1|3|");
    rig.settle();
    assert_eq!(rig.take(client), ":0|:4|");
    assert_eq!(rig.ask(other, "CLIENT UNBLOCK 77\nCLIENT UNBLOCK 2"), ":0|:0|");
    assert_eq!(rig.ask(other, "CLIENT UNBLOCK x"), "-ERR value is not an integer or out of range|");
    assert_eq!(rig.ask(other, "CLIENT UNBLOCK 1 now"), "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR|");
}

#[test]
fn client_unblock_does_not_end_a_pause_for_anybody() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.ask(other, "CLIENT PAUSE 1000 WRITE");
    assert_eq!(rig.ask(client, "SET a 1"), "");
    assert_eq!(rig.ask(other, "CLIENT UNBLOCK 1"), ":0|");
    rig.pass_ms(1_000);
    assert_eq!(rig.take(client), "+OK|");
}

#[test]
fn who_waits_is_not_idle() {
    let config = Config { timeout_s: 1, ..config("no") };
    let mut rig = Rig::on(&SimDisk::new(), config, BOOT).unwrap();
    let client = rig.client();
    rig.send(client, "WAITAOF 0 1 5000");
    rig.pass_ms(4_999);
    assert!(!rig.engine.wants_close(client));
    rig.pass_ms(1);
    rig.pass_ms(500);
    assert_eq!(rig.take(client), "*2|:0|:0|".replace(":0|:0|", ":1|:0|"));
    assert!(!rig.engine.wants_close(client), "it was answered half a second ago");
    rig.pass_ms(1_200);
    assert!(rig.engine.wants_close(client));
}

#[test]
fn a_shutdown_answers_those_who_wait_for_the_log() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.send(client, "SET mine 1\nWAITAOF 1 0 0\nSET mine 2");
    rig.turn();
    rig.send(other, "SHUTDOWN");
    rig.engine.end_turn();
    assert_eq!(rig.status(), Some(0));
    assert_eq!(rig.take(client), "+OK|*2|:1|:0|");
    assert!(rig.disk.durable_content(DIR, LOG).unwrap().ends_with(b"mine\r\n$1\r\n1\r\n"));
}

#[test]
fn who_wants_no_reply_waits_all_the_same() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.send(client, "CLIENT REPLY SKIP\nWAITAOF 0 1 100\nGET a");
    rig.pass_ms(99);
    assert_eq!(rig.take(client), "");
    rig.pass_ms(1);
    assert_eq!(rig.take(client), "$-1|");
}

#[test]
fn what_stands_behind_waitaof_is_postponed_by_a_pause() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.send(client, "WAITAOF 0 1 100\nSET a 1");
    rig.ask(other, "CLIENT PAUSE 1000 WRITE");
    rig.pass_ms(100);
    assert_eq!(rig.take(client), "*2|:1|:0|");
    rig.pass_ms(800);
    assert_eq!((rig.take(client), rig.info("blocked_clients")), (String::new(), "1".to_owned()));
    rig.pass_ms(100);
    assert_eq!(rig.take(client), "+OK|");
}

#[test]
fn there_are_no_replicas_to_wait_for() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    assert_eq!(rig.ask(client, "WAIT 0 0\nWAIT -1 0\nMULTI\nWAIT 1 0\nEXEC"), ":0|:0|+OK|+QUEUED|*1|:0|");
    assert_eq!(rig.ask(client, "WAIT 1 20\nGET a"), "");
    rig.pass_ms(20);
    assert_eq!(rig.take(client), ":0|$-1|");
}
