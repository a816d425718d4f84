//! MULTI, EXEC and WATCH.

use crate::support::Rig;

/// What EXEC answers after WATCH `watched`, `meanwhile` by another client, MULTI and SET.
fn exec_after(watched: &str, own: &str, meanwhile: &str) -> String {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.ask(other, "DEBUG SET-ACTIVE-EXPIRE 0");
    rig.ask(other, "MSET a 1 b 2");
    rig.ask(other, "RPUSH list x y");
    rig.ask(other, "SET soon 1 PX 50");
    rig.ask(client, &format!("WATCH {watched}"));
    for request in own.lines() {
        rig.ask(client, request);
    }
    for request in meanwhile.lines() {
        match request.strip_prefix("pass ") {
            Some(ms) => rig.pass_ms(ms.parse().unwrap()),
            None => drop(rig.ask(other, request)),
        }
    }
    rig.ask(client, "MULTI\nSET result 1");
    rig.take(client);
    rig.ask(client, "EXEC")
}

const RAN: &str = "*1|+OK|";
const ABORTED: &str = "*-1|";

#[test]
fn exec_is_aborted_by_a_change_of_a_watched_key_and_only_by_that() {
    for (watched, meanwhile, expected) in [
        ("a", "", RAN),
        ("a", "SET b 3", RAN),
        ("a", "GET a", RAN),
        ("a", "SET a 1", ABORTED),
        ("a b", "DEL b", ABORTED),
        ("missing", "SET missing 1", ABORTED),
        ("a", "PEXPIRE a 100000", ABORTED),
        ("a", "FLUSHALL", ABORTED),
        ("a", "FLUSHDB", ABORTED),
        ("missing", "DEL missing", RAN),
        ("a", "SELECT 1\nSET a 1", RAN),
        ("a", "RENAME b a", ABORTED),
    ] {
        assert_eq!(exec_after(watched, "", meanwhile), expected, "WATCH {watched}, then {meanwhile}");
    }
}

/// An LTRIM that takes nothing out was no change to those who watched the list. To Redis it is one.
#[test]
fn a_list_that_was_trimmed_of_nothing_has_changed() {
    for (meanwhile, expected) in
        [("LTRIM list 0 -1", ABORTED), ("LTRIM missing 0 -1", RAN), ("LREM list 0 missing", RAN)]
    {
        assert_eq!(exec_after("list missing", "", meanwhile), expected, "{meanwhile}");
    }
}

#[test]
fn a_client_breaks_its_own_watch_before_multi_and_not_inside() {
    assert_eq!(exec_after("a", "SET a 2", ""), ABORTED);
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.send(client, "WATCH a\nMULTI\nSET a 1\nSET a 2\nEXEC\nMULTI\nGET a\nEXEC");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|+OK|+QUEUED|+QUEUED|*2|+OK|+OK|+OK|+QUEUED|*1|$1|2|");
}

#[test]
fn unwatch_and_discard_forget_the_watched_keys() {
    assert_eq!(exec_after("a", "UNWATCH", "SET a 2"), RAN);
    assert_eq!(exec_after("a", "MULTI\nDISCARD", "SET a 2"), RAN);
}

#[test]
fn the_expiry_of_a_watched_key_is_a_change_whether_it_was_removed_or_not() {
    assert_eq!(exec_after("soon", "", "pass 100"), ABORTED);
    assert_eq!(exec_after("soon", "", "pass 100\nGET soon"), ABORTED);
    assert_eq!(exec_after("a", "", "pass 100\nGET soon"), RAN);
}

#[test]
fn a_key_that_had_expired_when_it_was_watched_does_not_change_by_being_removed() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.ask(other, "DEBUG SET-ACTIVE-EXPIRE 0");
    rig.ask(other, "SET soon 1 PX 50");
    rig.pass_ms(100);
    rig.ask(client, "WATCH soon");
    rig.ask(client, "MULTI");
    rig.ask(client, "PING");
    assert_eq!(rig.ask(client, "EXEC"), "*1|+PONG|");
}

#[test]
fn the_active_expiry_of_a_watched_key_aborts_as_well() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET soon 1 PX 50");
    rig.ask(client, "WATCH soon");
    rig.pass_ms(1_000);
    assert!(rig.aof().ends_with("DEL|$4|soon|"), "{}", rig.aof());
    rig.ask(client, "MULTI");
    assert_eq!(rig.ask(client, "EXEC"), ABORTED);
}

#[test]
fn a_transaction_is_one_unit_in_the_log() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET z 0");
    let before = rig.aof().len();
    rig.ask(client, "MULTI\nSET a 1\nGET a\nINCR a\nDEL missing\nEXEC");
    assert_eq!(
        &rig.aof()[before..],
        "*1|$5|MULTI|*3|$3|SET|$1|a|$1|1|*2|$4|INCR|$1|a|*1|$4|EXEC|",
        "what changed something, between MULTI and EXEC"
    );
}

#[test]
fn a_transaction_that_changes_nothing_leaves_no_trace_in_the_log() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "MULTI\nGET a\nDEL a\nEXEC");
    assert_eq!(rig.aof(), "");
}

#[test]
fn an_error_while_queuing_spoils_the_transaction() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.send(client, "MULTI\nSET a\nSET a 1\nEXEC");
    rig.turn();
    let replies = rig.take(client);
    assert!(replies.starts_with("+OK|-ERR wrong number of arguments for 'set' command|+QUEUED|"), "{replies}");
    assert!(replies.ends_with("-EXECABORT Transaction discarded because of previous errors.|"), "{replies}");
    assert_eq!(rig.aof(), "");
}

#[test]
fn an_error_while_running_does_not_stop_the_rest() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET text abc");
    rig.send(client, "MULTI\nINCR text\nSET a 1\nEXEC");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|+QUEUED|+QUEUED|*2|-ERR value is not an integer or out of range|+OK|");
}

#[test]
fn the_reply_of_exec_waits_for_everything_its_commands_read_and_wrote() {
    let mut rig = Rig::new("always");
    let (writer, reader) = (rig.client(), rig.client());
    rig.send(writer, "SET a 1");
    rig.send(reader, "MULTI\nGET a\nEXEC");
    rig.turn();
    assert_eq!(rig.take(reader), "+OK|+QUEUED|");
    rig.run_all();
    rig.turn();
    assert_eq!(rig.take(reader), "*1|$1|1|");
}

#[test]
fn an_aborted_exec_waits_for_the_write_that_aborted_it() {
    let mut rig = Rig::new("always");
    let (writer, client) = (rig.client(), rig.client());
    rig.send(client, "WATCH a\nMULTI");
    rig.send(writer, "SET a 1");
    rig.send(client, "EXEC");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|+OK|");
    rig.run_all();
    rig.turn();
    assert_eq!(rig.take(client), ABORTED);
}
