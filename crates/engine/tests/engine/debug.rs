//! DEBUG where it reaches the log, and what it answers.

use bio::Kind;
use vfs::Dir as _;
use vfs::sim::{Call, Fault, Rule};

use crate::support::{BOOT, DIR, LOG, Rig, config};

#[test]
fn a_reload_reads_the_same_dataset_back_and_the_log_goes_on() {
    for policy in ["always", "everysec", "no"] {
        let mut rig = Rig::new(policy);
        let client = rig.client();
        rig.send(client, "SET a 1 EX 1000\nRPUSH l x y\nSELECT 3\nHSET h f v\nSELECT 0\nDEBUG DIGEST");
        rig.settle();
        let before = rig.take(client);
        let digest = before.rsplit('+').next().unwrap().to_owned();
        rig.send(client, "DEBUG LOADAOF\nDEBUG DIGEST\nSET b 2");
        rig.settle();
        assert_eq!(rig.take(client), format!("+OK|+{digest}+OK|"), "{policy}");
        assert_eq!(rig.info("aof_state"), "on");
        let mut next = Rig::on(&rig.killed(), config(policy), BOOT).unwrap();
        let client = next.client();
        assert_eq!(next.ask(client, "GET b\nLRANGE l 0 -1\nTTL a"), "$1|2|*2|$1|x|$1|y|:1000|", "{policy}");
    }
}

#[test]
fn a_reload_breaks_every_watch() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    rig.ask(client, "SET a 1\nWATCH a");
    assert_eq!(rig.ask(other, "WATCH a\nDEBUG LOADAOF\nMULTI\nEXEC"), "+OK|+OK|+OK|*-1|");
    assert_eq!(rig.ask(client, "MULTI\nGET a\nEXEC"), "+OK|+QUEUED|*-1|");
}

#[test]
fn a_reload_that_cannot_write_the_log_out_drops_nothing() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.disk.inject(Rule::nth(Call::Fdatasync, 1, Fault::FSYNC_EIO));
    assert!(rig.ask(client, "DEBUG LOADAOF").starts_with("-ERR "));
    assert_eq!(rig.ask(client, "GET a"), "$1|1|");
}

#[test]
fn what_populate_makes_is_logged() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET pre:1 mine");
    assert_eq!(rig.ask(client, "DEBUG POPULATE 2001 pre 9"), "+OK|");
    assert_eq!(rig.ask(client, "DBSIZE\nGET pre:1\nGET pre:2000\nSTRLEN pre:7"), ":2001|$4|mine|$9|value:200|:9|");
    assert_eq!(rig.ask(client, "DEBUG POPULATE -1"), "-ERR value is out of range, must be positive|");
    let digest = rig.ask(client, "DEBUG DIGEST");
    assert_eq!(rig.queued(Kind::Write), 0);
    let mut next = Rig::on(&rig.killed(), config("no"), BOOT).unwrap();
    let client = next.client();
    assert_eq!(next.ask(client, "DEBUG DIGEST"), digest);
}

#[test]
fn an_object_is_described() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "RPUSH l abc 12");
    let text = rig.ask(client, "DEBUG OBJECT l");
    assert!(text.starts_with("+Value at:0x") && text.contains(" encoding:listpack serializedlength:5 "), "{text}");
    assert_eq!(rig.ask(client, "DEBUG OBJECT nothing"), "-ERR no such key|");
}

/// The dataset was dropped first, and with it the only whole copy of the data: the file was gone, or damaged.
#[test]
fn a_reload_of_a_log_that_cannot_be_read_back_drops_nothing() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    let refused = "-ERR the append only file can't be read back: ";
    let check = |rig: &mut Rig, harm: &dyn Fn(&Rig)| {
        harm(rig);
        let reply = rig.ask(client, "DEBUG LOADAOF");
        assert!(reply.starts_with(refused) && reply.ends_with(". BGREWRITEAOF writes it anew|"), "{reply}");
        assert_eq!((rig.ask(client, "GET a"), rig.status()), ("$1|1|".to_owned(), None));
        rig.ask(client, "BGREWRITEAOF");
        rig.settle();
        assert_eq!(rig.ask(client, "DEBUG LOADAOF\nGET a"), "+OK|$1|1|");
    };
    check(&mut rig, &|rig| rig.disk.dir(DIR).unlink(LOG).unwrap());
    check(&mut rig, &|rig| rig.disk.put(DIR, LOG, b""));
    check(&mut rig, &|rig| assert!(rig.disk.tamper(DIR, LOG, |bytes| bytes.truncate(bytes.len() - 5))));
    check(&mut rig, &|rig| assert!(rig.disk.tamper(DIR, LOG, |bytes| bytes[10] = b'#')));
}

/// It stated a clean end of the old log over the announcement of the new one, which then took the name if the old one could not be read.
#[test]
fn a_reload_is_refused_while_a_new_log_is_announced_and_leaves_the_announcement() {
    const RECORD_BYTES: usize = 80;
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.ask(client, "BGREWRITEAOF");
    rig.pass_until_phase("state");
    assert!(rig.disk.tamper(DIR, LOG, |bytes| bytes[10] = b'#'));
    rig.send(client, "DEBUG LOADAOF");
    let reply = rig.take(client);
    assert!(reply.contains("just taking its place: try again in a moment"), "{reply}");
    rig.pass_until_phase("rename");
    let stated = rig.disk.content(DIR, "appendonly.aof.state").unwrap();
    assert_eq!(stated.len(), 2 * RECORD_BYTES, "of the old log and of the new one");
    rig.settle();
    assert_eq!(rig.ask(client, "DEBUG LOADAOF\nGET a"), "+OK|$1|1|");
}

/// The dash of a text was taken for that of an error, and line ends at its tail were cut off.
#[test]
fn an_error_has_the_text_that_was_asked_for() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    assert_eq!(rig.ask(client, "DEBUG ERROR text\nDEBUG ERROR -text"), "-text|--text|");
    rig.send_bytes(client, b"*3\r\n$5\r\nDEBUG\r\n$5\r\nERROR\r\n$6\r\n\ra\nb\r\n\r\n");
    assert_eq!(rig.ask(client, "PING"), "- a b  |+PONG|");
}
