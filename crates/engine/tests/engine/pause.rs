//! CLIENT PAUSE.

use crate::support::{BOOT, Rig, config};

#[test]
fn a_paused_client_is_answered_in_order_when_the_pause_ends() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    assert_eq!(rig.ask(other, "CLIENT PAUSE 100"), "+OK|");
    assert_eq!(rig.ask(client, "SET a 1\nGET a\nGET b"), "");
    assert_eq!(rig.engine.query_spare(client), None);
    rig.pass_ms(99);
    assert_eq!(rig.take(client), "");
    rig.pass_ms(1);
    assert_eq!(rig.take(client), "+OK|$1|1|$-1|");
    assert!(rig.engine.query_spare(client).is_some());
}

#[test]
fn a_pause_of_writes_lets_reads_run() {
    let mut rig = Rig::new("no");
    let (client, other, third) = (rig.client(), rig.client(), rig.client());
    rig.ask(client, "SET a 1");
    assert_eq!(rig.ask(other, "CLIENT PAUSE 1000 WRITE"), "+OK|");
    assert_eq!(rig.ask(client, "GET a\nMULTI\nGET a\nEXEC"), "$1|1|+OK|+QUEUED|*1|$1|1|");
    assert_eq!(rig.ask(client, "MULTI"), "+OK|");
    assert_eq!(rig.ask(client, "SET a 2"), "");
    assert_eq!(rig.ask(third, "DEL a\nGET a"), "");
    assert_eq!(rig.info("blocked_clients"), "2");
    // Whoever waits longest goes first.
    assert_eq!(rig.ask(other, "CLIENT UNPAUSE"), "+OK|");
    assert_eq!(rig.take(client), "+QUEUED|");
    assert_eq!(rig.take(third), ":1|$-1|");
    assert_eq!(rig.info("blocked_clients"), "0");
}

#[test]
fn a_transaction_that_writes_waits_as_a_whole() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.ask(client, "MULTI\nSET a 2");
    rig.ask(other, "CLIENT PAUSE 1000 WRITE");
    assert_eq!(rig.ask(client, "EXEC"), "");
    assert_eq!(rig.ask(other, "GET a"), "$-1|");
    rig.ask(other, "CLIENT UNPAUSE");
    assert_eq!(rig.take(client), "*1|+OK|");
}

#[test]
fn what_is_refused_is_refused_at_once() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.ask(other, "CLIENT PAUSE 1000");
    assert!(rig.ask(client, "NOTHING").starts_with("-ERR unknown command"));
    assert!(rig.ask(client, "GET").starts_with("-ERR wrong number"));
    assert_eq!(rig.ask(client, "PING"), "");
    rig.engine.disconnect(client);
    rig.pass_ms(1000);
    assert_eq!(rig.ask(other, "PING"), "+PONG|");
}

#[test]
fn a_second_pause_keeps_the_later_end_and_the_stricter_mode() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    assert_eq!(rig.ask(other, "CLIENT PAUSE 50 WRITE\nCLIENT PAUSE 10 ALL"), "+OK|+OK|");
    assert_eq!(rig.ask(client, "PING"), "");
    // Of all clients: also the one that asked for it, so that nobody ends it early.
    assert_eq!(rig.ask(other, "CLIENT UNPAUSE"), "");
    rig.pass_ms(49);
    assert_eq!(rig.take(client), "");
    rig.pass_ms(1);
    assert_eq!((rig.take(client), rig.take(other)), ("+PONG|".to_owned(), "+OK|".to_owned()));
    for wrong in ["x", "-1", "9223372036854775807"] {
        assert!(rig.ask(other, &format!("CLIENT PAUSE {wrong}")).starts_with("-ERR timeout is "), "{wrong}");
    }
    assert_eq!(rig.ask(other, "CLIENT PAUSE 1 NONE"), "-ERR CLIENT PAUSE mode must be WRITE or ALL|");
}

#[test]
fn nothing_expires_in_a_pause_and_nothing_expired_is_shown() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET soon 1 PX 50");
    rig.pass_ms(1);
    rig.ask(client, "CLIENT PAUSE 10000 WRITE");
    let before = rig.aof();
    rig.pass_ms(500);
    assert_eq!(rig.ask(client, "GET soon\nEXISTS soon\nTTL soon\nRANDOMKEY\nDBSIZE"), "$-1|:0|:-2|$-1|:1|");
    rig.pass_ms(500);
    assert_eq!(rig.aof(), before);
    rig.ask(client, "CLIENT UNPAUSE");
    rig.pass_ms(500);
    assert_eq!(rig.ask(client, "DBSIZE"), ":0|");
    assert!(rig.aof().ends_with("DEL|$4|soon|"), "{}", rig.aof());
}

/// A write may follow CLIENT PAUSE in the transaction that paused: it met the value of a key past its deadline and was logged on
/// top of it, so what was acknowledged was gone after a restart.
#[test]
fn a_write_behind_the_pause_in_its_own_transaction_finds_no_expired_value() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "DEBUG SET-ACTIVE-EXPIRE 0\nRPUSH l old\nPEXPIRE l 5\nSET n 7 PX 5");
    rig.pass_ms(10);
    assert_eq!(
        rig.ask(client, "MULTI\nCLIENT PAUSE 10000 WRITE\nRPUSH l new\nINCR n\nEXEC"),
        "+OK|+QUEUED|+QUEUED|+QUEUED|*3|+OK|:1|:1|"
    );
    let mut next = Rig::on(&rig.killed(), config("no"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "LRANGE l 0 -1\nGET n\nTTL l"), "*1|$3|new|$1|1|:-1|");
}

/// Clients that gave up waiting stayed in the list, and in INFO, until the pause ended.
#[test]
fn who_leaves_during_a_pause_waits_no_longer() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.ask(other, "CLIENT PAUSE 10000 WRITE");
    assert_eq!(rig.ask(client, "SET a 1"), "");
    assert_eq!(rig.info("blocked_clients"), "1");
    // CLIENT LIST tells what it is that waits.
    let listed = rig.ask(other, "CLIENT LIST ID 1");
    assert!(listed.contains(" flags=bU ") && listed.contains(" cmd=set "), "{listed}");
    rig.engine.disconnect(client);
    assert_eq!(rig.info("blocked_clients"), "0");
}
