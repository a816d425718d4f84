//! When keys were last used: OBJECT IDLETIME.

use crate::support::Rig;

/// The idle times of keys a, b and c, in seconds.
fn idle(rig: &mut Rig) -> String {
    let client = rig.client();
    let reply = rig.ask(client, "OBJECT IDLETIME a\nOBJECT IDLETIME b\nOBJECT IDLETIME c");
    rig.engine.disconnect(client);
    reply
}

#[test]
fn a_key_is_idle_since_it_was_last_read_or_written() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1\nRPUSH b 1\nSET c 1 EX 1000");
    rig.pass_ms(5_000);
    assert_eq!(idle(&mut rig), ":5|:5|:5|");
    rig.ask(client, "GET a\nRPUSH b 2\nEXPIRE c 100");
    rig.pass_ms(2_000);
    assert_eq!(idle(&mut rig), ":2|:2|:2|");
    assert_eq!(rig.ask(client, "OBJECT IDLETIME nothing"), "$-1|");
}

#[test]
fn looking_at_a_key_does_not_use_it() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1\nSET b 1\nSET c 1");
    rig.pass_ms(5_000);
    rig.ask(client, "EXISTS a\nTYPE b\nTTL c\nOBJECT ENCODING a\nSCAN 0\nKEYS *\nRANDOMKEY\nDEBUG OBJECT b");
    assert_eq!(idle(&mut rig), ":5|:5|:5|");
    rig.ask(client, "TOUCH a");
    assert_eq!(idle(&mut rig), ":0|:5|:5|");
}

#[test]
fn a_client_that_does_not_touch_uses_no_key_but_by_touch() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1\nSET b 1\nSET c 1");
    rig.pass_ms(5_000);
    rig.ask(client, "CLIENT NO-TOUCH ON\nGET a\nTOUCH b\nMULTI\nGET c\nEXEC");
    assert_eq!(idle(&mut rig), ":5|:0|:5|");
    rig.ask(client, "CLIENT NO-TOUCH OFF\nGET a");
    assert_eq!(idle(&mut rig), ":0|:0|:5|");
}

#[test]
fn no_use_is_noted_while_a_child_shares_the_memory() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1\nSET b 1\nSET c 1");
    rig.pass_ms(5_000);
    rig.ask(client, "BGREWRITEAOF");
    rig.turn();
    rig.ask(client, "GET a");
    assert_eq!(idle(&mut rig), ":5|:5|:5|");
    rig.settle();
    rig.ask(client, "GET a");
    assert!(idle(&mut rig).starts_with(":0|"));
}

/// Such a key had no time of its own: it was said to be idle since the clock's beginning, for weeks.
#[test]
fn a_key_that_is_made_while_no_use_counts_is_as_old_as_it_is() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET b 1\nSET c 1");
    rig.pass_ms(5_000);
    rig.ask(client, "CLIENT NO-TOUCH ON\nSET a 1\nBITOP OR b a");
    assert_eq!(idle(&mut rig), ":0|:5|:5|");
    rig.ask(client, "CLIENT NO-TOUCH OFF\nDEL a\nBGREWRITEAOF");
    rig.turn();
    rig.ask(client, "SET a 1\nBITOP OR b a");
    assert_eq!(idle(&mut rig), ":0|:5|:5|");
}

/// While a child runs, IDLETIME counted for a new key alone, and one that it replaced was said to be as idle as before.
#[test]
fn a_restored_key_is_as_idle_as_it_is_said_to_be_whether_a_child_runs_or_not() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    let mut payload = Vec::new();
    rdb::Encoder::reserve(rdb::WriteOptions::default())
        .payload(keyspace::ValueRef::Str(keyspace::Str::new(b"1").as_ref()), &mut payload)
        .unwrap();
    for a_child_runs in [false, true] {
        rig.ask(client, "DEL a\nSET b 1\nSET c 1");
        if a_child_runs {
            rig.ask(client, "BGREWRITEAOF");
        }
        rig.pass_ms(5_000);
        for key in [b"a", b"b"] {
            let words: [&[u8]; 7] = [b"RESTORE", key, b"0", &payload, b"REPLACE", b"IDLETIME", b"1000"];
            let mut request = Vec::new();
            resp_codec::encode_command(&mut request, words.into_iter());
            rig.send_bytes(client, &request);
            rig.turn();
            assert_eq!(rig.take(client), "+OK|");
        }
        assert_eq!(rig.children.running().len(), usize::from(a_child_runs));
        assert_eq!(idle(&mut rig), ":1000|:1000|:5|");
    }
}
