//! The reply gate: what waits for the log, for how long, and what does not.

use bio::Kind;
use engine::ClientId;
use vfs::sim::Call;

use crate::support::{LOG, Rig, commands_take_ms};

#[test]
fn a_reply_to_a_write_is_not_sendable_before_the_turn_ends() {
    for policy in ["no", "everysec"] {
        let mut rig = Rig::new(policy);
        let client = rig.client();
        rig.send(client, "SET a 1");
        assert_eq!(rig.take(client), "", "{policy}");
        rig.turn();
        assert_eq!(rig.take(client), "+OK|", "{policy}");
        assert!(rig.aof().ends_with("SET|$1|a|$1|1|"));
    }
}

#[test]
fn a_turn_is_one_write_however_many_clients_have_written() {
    let mut rig = Rig::new("no");
    let clients: Vec<_> = (0..20).map(|_| rig.client()).collect();
    rig.disk.record(true);
    for client in &clients {
        rig.send(*client, "INCR a\nINCR b");
    }
    rig.turn();
    assert!(clients.iter().all(|client| rig.take(*client).starts_with(':')));
    let writes = rig.disk.trace().iter().filter(|r| r.call == Call::Append && r.name == LOG).count();
    assert_eq!(writes, 1);
}

#[test]
fn info_tells_how_far_the_log_is_appended_written_and_fsynced() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    let offsets = |rig: &mut Rig| {
        ["aof_appended_offset", "aof_written_offset", "aof_fsynced_offset"]
            .map(|field| rig.info(field).parse::<u64>().unwrap())
    };
    rig.ask(client, "SET a 1");
    rig.run_all();
    rig.turn();
    let first = rig.aof_bytes();
    assert_eq!(offsets(&mut rig), [first; 3]);
    rig.pass_ms(1_000);
    rig.ask(client, "SET a 2");
    let second = rig.aof_bytes();
    assert_eq!(offsets(&mut rig), [second, second, first], "its fsync runs");
    rig.send(client, "SET a 3");
    let [appended, written, fsynced] = offsets(&mut rig);
    assert!(appended > second && (written, fsynced) == (second, first));
    rig.turn();
    rig.ask(client, "CONFIG SET aof-use-rdb-preamble no\nBGREWRITEAOF");
    rig.settle();
    assert_eq!(rig.info("aof_rewrites"), "1");
    let after = offsets(&mut rig);
    assert!(after[0] > rig.aof_bytes() && after[2] >= appended, "they grow for ever, whichever the file: {after:?}");
}

#[test]
fn under_always_a_reply_waits_until_the_end_of_its_fsync_was_polled() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.send(client, "SET a 1");
    rig.turn();
    assert_eq!(rig.take(client), "", "written, not fsynced");
    assert!(rig.run(Kind::Fsync));
    assert_eq!(rig.take(client), "", "fsynced, and nobody knows");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
}

#[test]
fn a_read_of_a_key_waits_for_its_last_write_and_no_other() {
    let mut rig = Rig::new("always");
    let (writer, same, other) = (rig.client(), rig.client(), rig.client());
    rig.send(writer, "SET a 1");
    rig.send(same, "GET a");
    rig.send(other, "GET b");
    assert_eq!(rig.take(other), "$-1|");
    rig.turn();
    assert_eq!(rig.take(same), "", "a power cut could still take back what it shows");
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!((rig.take(writer), rig.take(same)), ("+OK|".to_owned(), "$1|1|".to_owned()));
}

#[test]
fn a_command_that_changes_nothing_waits_for_the_keys_it_names() {
    let mut rig = Rig::new("always");
    let (writer, second) = (rig.client(), rig.client());
    rig.send(writer, "DEL a\nSET a 1");
    rig.turn();
    rig.send(second, "SETNX a 2");
    rig.turn();
    assert_eq!(rig.take(second), "");
    rig.run_all();
    rig.turn();
    assert_eq!(rig.take(second), ":0|");
}

#[test]
fn what_sees_every_key_waits_for_every_write() {
    for request in ["KEYS *", "DBSIZE", "SCAN 0", "RANDOMKEY", "DEBUG DIGEST"] {
        let mut rig = Rig::new("always");
        let (writer, reader) = (rig.client(), rig.client());
        rig.send(writer, "SET a 1");
        rig.send(reader, request);
        rig.turn();
        assert_eq!(rig.take(reader), "", "{request}");
        rig.run_all();
        rig.turn();
        assert_ne!(rig.take(reader), "", "{request}");
    }
}

#[test]
fn after_a_flushall_every_key_waits_for_it() {
    let mut rig = Rig::new("always");
    let (writer, reader) = (rig.client(), rig.client());
    rig.ask(writer, "SET a 1");
    rig.send(writer, "FLUSHALL");
    rig.send(reader, "GET never-seen");
    rig.turns(2);
    assert_eq!(rig.take(reader), "");
    rig.run_all();
    rig.turn();
    assert_eq!(rig.take(reader), "$-1|");
}

#[test]
fn pipelined_replies_keep_their_order_behind_one_that_waits() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.send(client, "GET b\nSET a 1\nGET b\nPING");
    assert_eq!(rig.take(client), "$-1|");
    rig.turn();
    assert_eq!(rig.take(client), "");
    rig.run_all();
    rig.turn();
    assert_eq!(rig.take(client), "+OK|$-1|+PONG|");
}

#[test]
fn while_an_fsync_runs_the_write_goes_to_its_thread_and_the_reply_waits_for_it() {
    let mut rig = Rig::new("everysec");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    assert_eq!(rig.queued(Kind::Fsync), 1, "the first write starts the first fsync");
    rig.send(client, "SET a 2");
    rig.turn();
    assert_eq!((rig.take(client), rig.queued(Kind::Write)), (String::new(), 1));
    rig.run(Kind::Write);
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
    assert_eq!(rig.queued(Kind::Fsync), 1, "it did not wait for the fsync");
}

#[test]
fn the_removal_of_an_expired_key_delays_nobody() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.ask(client, "DEBUG SET-ACTIVE-EXPIRE 0");
    rig.ask(client, "SET a 1 PX 10");
    rig.pass_ms(20);
    rig.send(client, "GET a");
    assert_eq!(rig.take(client), "$-1|");
    rig.turns(2);
    assert!(rig.aof().ends_with("*2|$3|DEL|$1|a|"), "{}", rig.aof());
    assert_eq!(rig.queued(Kind::Fsync), 1, "its DEL is on the way like any other");
}

#[test]
fn giving_up_always_keeps_its_promise_for_what_was_fed_before() {
    let mut rig = Rig::new("always");
    let (early, late) = (rig.client(), rig.client());
    rig.send(early, "SET a 1");
    rig.turn();
    rig.send(late, "CONFIG SET appendfsync no\nSET b 2");
    rig.turn();
    assert_eq!((rig.take(early).as_str(), rig.take(late).as_str()), ("", "+OK|"));
    rig.settle();
    assert_eq!((rig.take(early).as_str(), rig.take(late).as_str()), ("+OK|", "+OK|"));
    rig.send(late, "SET b 3");
    rig.turn();
    assert_eq!(rig.take(late), "+OK|", "from here on the new policy counts");
}

#[test]
fn turning_to_always_holds_what_was_written_and_not_fsynced() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.send(client, "CONFIG SET appendfsync always\nGET a");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
    rig.run_all();
    rig.turn();
    assert_eq!(rig.take(client), "$1|1|");
}

#[test]
fn a_client_with_ten_thousand_held_replies_is_not_read_until_they_leave() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.send(client, &"INCR n\n".repeat(9_990));
    rig.send(client, &"INCR n\n".repeat(20));
    assert!(!rig.engine.wants_input(client));
    assert!(rig.engine.query_spare(client).is_none());
    rig.turn();
    rig.run_all();
    rig.turn();
    assert!(rig.engine.wants_input(client));
    let first = rig.take(client);
    assert!(first.ends_with(":10000|"), "the rest ran when the others had left: {}", &first[first.len() - 30..]);
    rig.turns(2);
    rig.run_all();
    rig.turn();
    assert!(rig.take(client).ends_with(":10010|"));
}

#[test]
fn a_client_with_more_than_a_megabyte_of_held_replies_is_not_read_until_they_leave() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    let mut request = Vec::new();
    resp_codec::encode_command(&mut request, [&b"SET"[..], b"k", &vec![b'v'; 128 << 10]].into_iter());
    rig.send_bytes(client, &request);
    rig.send(client, &"GET k\n".repeat(7));
    assert!(rig.engine.wants_input(client), "seven of them are just under it");
    rig.send(client, "GET k\n");
    assert!(!rig.engine.wants_input(client));
    rig.turn();
    rig.run_all();
    rig.turn();
    assert!(rig.engine.wants_input(client));
    assert_eq!(rig.engine.sendable(client).len(), 5 + 8 * ((128 << 10) + 11));
}

/// Nothing is held for a client that wants no replies, so the log's backlog grew without bound behind a slow disk.
#[test]
fn a_client_that_wants_no_replies_is_not_read_while_too_much_is_unwritten() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.send(client, "CLIENT REPLY OFF");
    let mut request = Vec::new();
    resp_codec::encode_command(&mut request, [&b"SET"[..], b"k", &vec![b'v'; 30 << 20]].into_iter());
    for _ in 0..8 {
        rig.send_bytes(client, &request);
        assert!(rig.engine.wants_input(client));
    }
    rig.send_bytes(client, &request);
    assert!(!rig.engine.wants_input(client));
    rig.turn();
    rig.run_all();
    rig.turn();
    assert!(rig.engine.wants_input(client));
    assert_eq!(rig.engine.sendable(client), b"");
}

#[test]
fn a_client_that_leaves_loses_its_replies_and_not_its_writes() {
    let mut rig = Rig::new("always");
    let (gone, other) = (rig.client(), rig.client());
    rig.send(gone, "SET a 1");
    rig.engine.disconnect(gone);
    assert_eq!(rig.ask(other, "GET a"), "$1|1|");
}

#[test]
fn a_client_that_wants_no_replies_is_owed_none() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.send(client, "CLIENT REPLY SKIP\nSET a 1\nCLIENT REPLY OFF\nSET a 2\nGET a\nCLIENT REPLY ON");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|", "nothing is held before the reply of CLIENT REPLY ON");
}

#[test]
fn under_always_a_client_that_has_long_been_alone_waits_for_no_thread() {
    let mut rig = Rig::new("always");
    let (client, other) = (rig.client(), rig.client());
    rig.ask(client, "SET a 1");
    rig.pass_ms(101);
    rig.send(client, "SET a 2");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|", "fsynced in the loop, in the same turn");
    rig.ask(other, "GET b");
    rig.send(client, "SET a 3");
    rig.turns(2);
    assert_eq!(rig.take(client), "", "it is alone no longer");
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
}

#[test]
fn under_always_a_disk_that_was_slow_is_waited_for_by_a_thread() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.ask(client, "SET a 1");
    rig.pass_ms(101);
    commands_take_ms(5);
    rig.send(client, "SET a 2");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
    rig.send(client, "SET a 3");
    rig.turns(2);
    assert_eq!(rig.take(client), "", "the one before took 5 ms of the loop");
    commands_take_ms(0);
    rig.run_all();
    rig.turn();
    rig.take(client);
    rig.pass_ms(5_001);
    rig.send(client, "SET a 4");
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
}

#[test]
fn what_is_answered_at_once_leaves_before_what_waited_for_the_log() {
    // Many writers are released at once, and a reader waited for the writes to all their sockets.
    let mut rig = Rig::new("always");
    let writers: Vec<ClientId> = (0..3).map(|_| rig.client()).collect();
    let reader = rig.client();
    writers.iter().for_each(|writer| rig.send(*writer, "SET k v"));
    rig.turns(2);
    assert!(!rig.engine.has_released(), "no fsync has ended");
    rig.run_all();
    rig.send(reader, "GET other");
    rig.turn();
    let mut answered = Vec::new();
    rig.engine.take_answered(&mut answered);
    let released: Vec<ClientId> = std::iter::from_fn(|| rig.engine.next_released()).collect();
    assert_eq!((answered, released), (vec![reader], writers));
}

#[test]
fn a_client_released_again_before_it_was_sent_to_keeps_its_place_and_has_no_other() {
    // Each release added an entry, and under a load of pipelines the last in the queue waited for ever longer.
    let mut rig = Rig::new("everysec");
    let (first, second) = (rig.client(), rig.client());
    for n in 0..3 {
        rig.send(first, "SET k v");
        if n == 0 {
            rig.send(second, "SET k v");
        }
        rig.turn();
        rig.run_all();
        rig.turn();
    }
    assert_eq!(rig.engine.next_released(), Some(first));
    assert_eq!(rig.take(first), "+OK|".repeat(3));
    assert_eq!(rig.engine.next_released(), Some(second));
    assert_eq!(rig.engine.next_released(), None);
    rig.send(first, "SET k v");
    rig.turn();
    assert_eq!(rig.engine.next_released(), Some(first), "and stands there again when there is more");
}
