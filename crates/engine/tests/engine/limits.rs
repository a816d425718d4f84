//! What one client may make the server hold, by the server's own count, and who is closed for it.

use bio::Kind;
use engine::{ClientId, Config, Peer};
use vfs::sim::SimDisk;

use crate::support::{BOOT, Rig, config};

/// What a client may take that has not authenticated.
const UNAUTHENTICATED_BYTES: usize = 64 * 1024;
/// The largest size of memory that is asked for at once hereabouts is rounded up by the allocator by no more than this.
const ROUNDING: usize = 8 * 1024;
const MB: usize = 1 << 20;

fn rig_with(set: impl FnOnce(&mut Config)) -> Rig {
    let mut config = config("no");
    set(&mut config);
    Rig::on(&SimDisk::new(), config, BOOT).unwrap()
}

/// A field of CLIENT LIST, as another client sees it.
fn listed(rig: &mut Rig, asks: ClientId, client: ClientId, field: &str) -> String {
    let list = rig.ask(asks, &format!("CLIENT LIST ID {}", client.number));
    let prefix = format!("{field}=");
    list.split(' ').find_map(|word| word.strip_prefix(&prefix)).unwrap_or("absent").to_owned()
}

fn memory(rig: &mut Rig, asks: ClientId, client: ClientId) -> usize {
    listed(rig, asks, client, "tot-mem").parse().unwrap()
}

/// Gives the engine of `bytes` what it takes, turn by turn, while nothing is taken from it. Returns what it left.
fn offer<'b>(rig: &mut Rig, client: ClientId, mut bytes: &'b [u8]) -> &'b [u8] {
    for _ in 0..2_000 {
        let Some(room) = rig.engine.query_spare(client) else { break };
        let n = room.len().min(bytes.len());
        room[..n].copy_from_slice(&bytes[..n]);
        bytes = &bytes[n..];
        rig.engine.filled(client, n);
        rig.turn();
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

fn set_output_limit(rig: &mut Rig, client: ClientId, limit: &str) {
    let set = resp_codec::encode_request(&["CONFIG", "SET", "client-output-buffer-limit", limit]);
    rig.send_bytes(client, &set);
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
}

fn set_big(rig: &mut Rig, client: ClientId, bytes: usize) {
    let value = "x".repeat(bytes);
    rig.send_bytes(client, &resp_codec::encode_request(&["SET", "big", &value]));
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
}

#[test]
fn a_client_that_stopped_reading_is_closed_after_its_soft_seconds_though_it_says_nothing() {
    let mut rig = Rig::new("no");
    let (slow, other) = (rig.client(), rig.client());
    set_big(&mut rig, other, MB);
    set_output_limit(&mut rig, other, "normal 0 1mb 2");
    rig.send(slow, "GET big");
    rig.pass_ms(2_000);
    assert!(!rig.engine.wants_close(slow));
    rig.pass_ms(200);
    assert!(rig.engine.wants_close(slow));
    assert!(rig.logged(" closed for overcoming of output buffer limits."));
    assert_eq!(rig.info("client_output_buffer_limit_disconnections"), "1");
}

/// The soft seconds ran on from the first long reply, however soon it was read: the next one cost the connection.
#[test]
fn whoever_reads_a_long_reply_begins_the_soft_seconds_anew() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    set_big(&mut rig, other, MB);
    set_output_limit(&mut rig, other, "normal 0 1mb 2");
    for _ in 0..3 {
        rig.send(client, "GET big");
        assert!(rig.take(client).len() > MB);
        rig.pass_ms(5_000);
        assert!(!rig.engine.wants_close(client));
    }
}

/// Limits counted from the next request on.
#[test]
fn a_limit_set_at_run_time_counts_for_what_is_unread_already() {
    let mut rig = Rig::new("no");
    let (slow, other) = (rig.client(), rig.client());
    set_big(&mut rig, other, 2 * MB);
    rig.send(slow, "GET big");
    rig.turn();
    set_output_limit(&mut rig, other, "normal 1mb 0 0");
    rig.pass_ms(200);
    assert!(rig.engine.wants_close(slow));
}

/// Limits were looked at when all requests that had been read at once were run: 585 bytes of them took 128 MB under a limit of 1 MB.
#[test]
fn a_pipeline_answers_no_more_than_the_hard_limit_and_a_reply() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    set_big(&mut rig, other, MB / 2);
    set_output_limit(&mut rig, other, "normal 1mb 0 0");
    let reads = "GET big\n".repeat(100);
    rig.send(client, &format!("INCR n\n{reads}INCR n"));
    rig.turn();
    assert!(rig.engine.wants_close(client));
    let lines = rig.lines();
    let closed: Vec<&String> =
        lines.iter().filter(|line| line.contains("overcoming of output buffer limits")).collect();
    let length = closed[0].split_once(" obl=").and_then(|(_, rest)| rest.split(' ').next()?.parse::<usize>().ok());
    assert!(length.unwrap() < 2 * MB, "{closed:?}");
    assert_eq!(closed.len(), 1);
    assert_eq!(rig.ask(other, "GET n"), "$1|1|", "what stands behind it is not run");
}

/// Limits were looked at between requests: a transaction of many reads filled the memory whatever they said.
#[test]
fn a_transaction_answers_no_more_than_the_hard_limit_and_is_run_to_its_end() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    set_big(&mut rig, other, MB);
    set_output_limit(&mut rig, other, "normal 4mb 0 0");
    let reads = "GET big\n".repeat(200);
    rig.send(client, &format!("MULTI\n{reads}INCR n\nEXEC"));
    assert!(memory(&mut rig, other, client) < 12 * MB);
    rig.turn();
    assert!(rig.engine.wants_close(client));
    assert_eq!(rig.log_count("overcoming of output buffer limits"), 1);
    assert_eq!(rig.ask(other, "GET n"), "$1|1|");
}

#[test]
fn a_single_command_answers_no_more_than_the_hard_limit() {
    let mut rig = Rig::new("no");
    let other = rig.client();
    rig.ask(other, "SADD s a\nHSET h f v\nZADD z 1 a\nRPUSH l i i i");
    set_big(&mut rig, other, MB);
    set_output_limit(&mut rig, other, "normal 2mb 0 0");
    let endless = ["SRANDMEMBER s", "HRANDFIELD h", "ZRANDMEMBER z"].map(|words| format!("{words} -4000000000000"));
    let gets = ["SORT l BY nosort", &" GET b*g".repeat(1_000)].concat();
    let many = ["MGET", &" big".repeat(1_000)].concat();
    for request in endless.iter().chain([&gets, &many]) {
        let client = rig.client();
        rig.send(client, request);
        assert!(memory(&mut rig, other, client) < 6 * MB, "{request:.40}");
        rig.turn();
        assert!(rig.engine.wants_close(client), "{request:.40}");
        rig.engine.disconnect(client);
    }
}

#[test]
fn without_authentication_no_client_takes_more_than_64_kib_whatever_it_sends() {
    let mut rig = rig_with(|c| c.requirepass = "secret".to_owned());
    let asks = rig.client();
    assert_eq!(rig.ask(asks, "AUTH secret"), "+OK|");
    let long = "x".repeat(16_384);
    let quoted = resp_codec::encode_request(&["HELLO", "3", &long]);
    let login = resp_codec::encode_request(&["AUTH", &long, &long]);
    let words = ["a ".repeat(16_000).into_bytes(), b"\r\n".to_vec()].concat();
    for (what, bytes) in [
        ("pings", b"*1\r\n$4\r\nPING\r\n".repeat(1_000_000)),
        ("inline pings", b"PING\r\n".repeat(1_000_000)),
        ("empty lines", b"\r\n".repeat(1_000_000)),
        ("a line without end", b"x".repeat(4 * MB)),
        (
            "ten arguments and no end",
            [b"*10\r\n".to_vec(), [b"$16384\r\n", long.as_bytes(), b"\r\n"].concat().repeat(9)].concat(),
        ),
        ("quoted arguments", quoted.repeat(200)),
        ("long passwords", login.repeat(200)),
        ("lines of many words", words.repeat(100)),
        ("pings, then many words", [b"PING\r\n".repeat(30), words.repeat(100)].concat()),
        ("wrong passwords", b"AUTH wrong\r\n".repeat(100_000)),
        ("garbage", (0..=255).collect::<Vec<u8>>().repeat(4_000)),
    ] {
        let client = rig.client();
        let (mut rest, mut most) = (&bytes[..], 0);
        for _ in 0..20 {
            rest = offer(&mut rig, client, rest);
            most = most.max(memory(&mut rig, asks, client));
            if rest.is_empty() || rig.engine.wants_close(client) {
                break;
            }
            rig.take(client);
            rig.turn();
        }
        assert!(most + ROUNDING <= UNAUTHENTICATED_BYTES, "{what}: {most} bytes");
        rig.engine.disconnect(client);
    }
    assert_eq!(rig.ask(asks, "PING"), "+PONG|");
}

#[test]
fn a_login_of_the_longest_arguments_is_understood_and_frees_from_the_small_limits() {
    let password = "p".repeat(16_384);
    let mut rig = rig_with(|c| c.requirepass = password.clone());
    let client = rig.client();
    let login = resp_codec::encode_request(&["AUTH", "default", &password]);
    let value = "v".repeat(MB);
    let set = resp_codec::encode_request(&["SET", "k", &value]);
    rig.send_bytes(client, &[&login[..], &set].concat());
    rig.turn();
    assert_eq!(rig.take(client), "+OK|+OK|");
}

/// A client that is logged in, out and in again in one go has more behind it than one that never was may send.
#[test]
fn what_was_sent_before_a_reset_is_not_judged_by_the_limits_behind_it() {
    let mut rig = rig_with(|c| c.requirepass = "secret".to_owned());
    let client = rig.client();
    rig.ask(client, "AUTH secret\nSET k 1");
    let pings = b"*1\r\n$4\r\nPING\r\n".repeat(400);
    let (reset, auth) = (b"RESET\r\n", b"AUTH secret\r\n");
    let gets = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(2_500);
    let bytes = [&pings[..], reset, auth, &gets].concat();
    assert!(bytes.len() < 64 << 10, "one read");
    rig.send_bytes(client, &bytes);
    let mut replies = String::new();
    for _ in 0..10 {
        rig.turn();
        replies += &rig.take(client);
    }
    assert!(!rig.engine.wants_close(client));
    assert!(replies.ends_with("+RESET|+OK|") || replies.ends_with("$1|1|"), "{}", &replies[replies.len() - 40..]);
    assert_eq!(replies.matches("$1|1|").count(), 2_500);
}

#[test]
fn wrong_passwords_are_refused_by_name_and_counted() {
    let mut rig = rig_with(|c| c.requirepass = "secret".to_owned());
    let client = rig.client();
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.|";
    for attempt in ["AUTH x", "AUTH secre", "AUTH secretsecret", "AUTH root secret", "HELLO 2 AUTH default x"] {
        assert_eq!(rig.ask(client, attempt), wrong, "{attempt}");
        assert_eq!(rig.ask(client, "GET k"), "-NOAUTH Authentication required.|");
    }
    assert_eq!(rig.ask(client, "AUTH default secret"), "+OK|");
    let asks = rig.ask(client, "INFO stats");
    assert!(asks.contains("|acl_access_denied_auth:5|"), "{asks}");
}

#[test]
fn without_a_password_only_this_machine_is_let_in() {
    let mut rig = Rig::new("no");
    let peer = |addr: &str| Peer { addr: addr.to_owned(), ..Peer::default() };
    for addr in ["192.0.2.7:4711", "[2001:db8::1]:4711", "[::ffff:192.0.2.7]:4711", "0.0.0.0:1"] {
        let denied = rig.engine.connect(peer(addr)).unwrap_err();
        assert!(denied.starts_with(b"-DENIED Redis is running in protected mode"), "{addr}");
    }
    for addr in ["127.0.0.1:4711", "127.1.2.3:4711", "[::1]:4711", "[::ffff:127.0.0.1]:4711"] {
        assert!(rig.engine.connect(peer(addr)).is_ok(), "{addr}");
    }
    assert_eq!(rig.info("rejected_connections"), "4");
    let client = rig.client();
    rig.ask(client, "CONFIG SET protected-mode no");
    assert!(rig.engine.connect(peer("192.0.2.7:4711")).is_ok());
    rig.ask(client, "CONFIG SET protected-mode yes requirepass secret");
    assert!(rig.engine.connect(peer("192.0.2.7:4711")).is_ok());
}

/// Only what a client sent counted: one that took a long reply bit by bit was closed while it did.
#[test]
fn whoever_takes_a_reply_bit_by_bit_is_not_idle() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    set_big(&mut rig, other, MB);
    rig.ask(other, "CONFIG SET timeout 2");
    rig.send(client, "GET big");
    for _ in 0..5 {
        rig.pass_ms(1_500);
        rig.engine.sent(client, 1_000);
    }
    assert!(!rig.engine.wants_close(client));
    rig.pass_ms(2_500);
    assert!(rig.engine.wants_close(client));
}

/// A disk that stood still cost the clients that waited for it their connections.
#[test]
fn whoever_waits_for_the_log_is_not_idle() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    rig.ask(client, "CONFIG SET timeout 2");
    rig.send(client, "SET k 1");
    rig.pass_ms(5_000);
    assert!(!rig.engine.wants_close(client));
    rig.run(Kind::Fsync);
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
    rig.pass_ms(2_500);
    assert!(rig.engine.wants_close(client));
}

/// Ten thousand held replies took 160 KB to be told apart, which the client kept for as long as it was connected.
#[test]
fn idle_clients_give_back_what_their_buffers_kept() {
    let mut rig = Rig::new("no");
    let (client, asks) = (rig.client(), rig.client());
    let fresh = memory(&mut rig, asks, client);
    rig.send_bytes(client, &resp_codec::encode_request(&["SET", "k", "v"]).repeat(9_000));
    rig.turn();
    rig.take(client);
    // Half of what is left: the buffer of the next reply.
    assert!(memory(&mut rig, asks, client) < fresh + 24 * 1024);
    rig.pass_ms(2_000);
    rig.pass_ms(2_000);
    assert!(memory(&mut rig, asks, client) <= fresh, "{}", memory(&mut rig, asks, client));
}

#[test]
fn a_queue_and_watched_keys_count_as_an_unfinished_request_does() {
    let mut rig = Rig::new("no");
    let asks = rig.client();
    rig.ask(asks, "CONFIG SET client-query-buffer-limit 1mb");
    let long = "k".repeat(100_000);
    let watches: Vec<u8> =
        (0..20).flat_map(|n| resp_codec::encode_request(&["WATCH", &format!("{n}{long}")])).collect();
    let queue = [b"*1\r\n$5\r\nMULTI\r\n".to_vec(), resp_codec::encode_request(&["GET", &long]).repeat(20)].concat();
    let argument = [b"*2\r\n$4\r\nECHO\r\n$2000000\r\n".to_vec(), vec![b'x'; 1_900_000]].concat();
    for (count, bytes) in [(1, watches), (2, queue), (3, argument)] {
        let client = rig.client();
        offer(&mut rig, client, &bytes);
        assert!(rig.engine.wants_close(client));
        assert!(memory(&mut rig, asks, client) < 3 * MB);
        assert_eq!(rig.log_count("Closing client that reached max query buffer length: id="), count);
        rig.engine.disconnect(client);
    }
    assert_eq!(rig.info("client_query_buffer_limit_disconnections"), "3");
    assert!(rig.logged("(qbuf initial bytes: \"*2\\r\\n$4\\r\\nECHO\\r\\n$2000000\\r\\nxxx"));
}

/// A sixth of it was counted: not what the server keeps beside a client's own list.
#[test]
fn watched_keys_count_for_the_memory_that_they_take_and_give_it_back() {
    let mut rig = Rig::new("no");
    let (client, asks) = (rig.client(), rig.client());
    // What the first requests cost once and for all, and what a list that grows has to spare.
    let rest = 64 * 1024;
    for keys in [1, 1_000, 9_000, 60_000] {
        let names: Vec<String> = (0..keys).map(|n| format!("k{n}")).collect();
        let words: Vec<&str> = std::iter::once("WATCH").chain(names.iter().map(String::as_str)).collect();
        let request = resp_codec::encode_request(&words);
        let fresh = memory(&mut rig, asks, client);
        let (reply, taken) = alloc_watch::taken_by(|| {
            offer(&mut rig, client, &request);
            rig.take(client).len()
        });
        assert_eq!(reply, "+OK|".len());
        let (counted, held) = (memory(&mut rig, asks, client) - fresh, usize::try_from(taken.held_bytes).unwrap());
        assert!(counted + rest >= held, "{keys} keys take {held} bytes, {counted} are counted");
        assert!(counted <= 2 * held + rest, "{keys} keys take {held} bytes, {counted} are counted");
        let (_, given) = alloc_watch::taken_by(|| rig.ask(client, "UNWATCH").len());
        let kept = held.saturating_add_signed(isize::try_from(given.held_bytes).unwrap());
        assert!(kept <= rest, "{kept} of {held} bytes are kept for nothing");
    }
}

#[test]
fn a_key_watched_twice_is_watched_once() {
    let mut rig = Rig::new("no");
    let (client, asks) = (rig.client(), rig.client());
    rig.ask(client, "WATCH a b a\nWATCH a b");
    let once = memory(&mut rig, asks, client);
    rig.ask(client, &"WATCH a b\n".repeat(1_000));
    assert!(memory(&mut rig, asks, client) <= once + ROUNDING + 4096);
    rig.ask(client, "UNWATCH");
    rig.ask(client, "WATCH a\nSELECT 1\nWATCH a\nSELECT 0\nMULTI\nGET a");
    rig.ask(asks, "SET a 1");
    assert_eq!(rig.ask(client, "EXEC"), "*-1|");
}

#[test]
fn a_client_that_is_freed_while_it_waits_leaves_nothing_behind() {
    let mut rig = Rig::new("always");
    let asks = rig.client();
    for waits in ["SET k 1", "SET k 1\nWAITAOF 1 0 0", "MULTI\nSET k 1\nEXEC", "WATCH k\nMULTI\nSET k 1", "WAIT 1 0"] {
        let client = rig.client();
        rig.send(client, waits);
        let number = client.number;
        assert_eq!(rig.ask(asks, &format!("CLIENT KILL ID {number}")), ":1|", "{waits}");
        assert!(rig.engine.wants_close(client), "{waits}");
        rig.engine.disconnect(client);
        rig.run_all();
        rig.turns(4);
        for field in ["held_replies", "blocked_clients", "clients_in_timeout_table"] {
            assert_eq!(rig.info(field), "0", "{field} after {waits}");
        }
        assert_eq!(rig.info("connected_clients"), "2", "who asks, and who asked before");
    }
}

#[test]
fn a_client_that_kills_itself_gets_its_replies_and_runs_nothing_more() {
    let mut rig = Rig::new("always");
    let client = rig.client();
    let number = client.number;
    rig.send(client, &format!("SET k 1\nCLIENT KILL ID {number} SKIPME no\nSET k 2"));
    rig.run_all();
    rig.turns(4);
    rig.run_all();
    rig.turns(4);
    assert_eq!(rig.take(client), "+OK|:1|");
    assert!(rig.engine.wants_close(client));
    let asks = rig.client();
    assert_eq!(rig.ask(asks, "GET k"), "$1|1|");
    // Inside a transaction the rest of it runs: it is one unit.
    let client = rig.client();
    let number = client.number;
    rig.send(client, &format!("MULTI\nCLIENT KILL ID {number} SKIPME no\nSET k 3\nEXEC\nSET k 4"));
    rig.turn();
    rig.run_all();
    rig.turns(4);
    rig.run_all();
    rig.turns(4);
    assert_eq!(rig.take(client), "+OK|+QUEUED|+QUEUED|*2|:1|+OK|");
    assert!(rig.engine.wants_close(client));
    assert_eq!(rig.ask(asks, "GET k"), "$1|3|");
}

#[test]
fn a_transaction_in_a_transaction_is_refused_and_the_outer_one_goes_on() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    let nested = "MULTI\n".repeat(1_000);
    let refusals = "-ERR MULTI calls can not be nested|".repeat(1_000);
    assert_eq!(rig.ask(client, &format!("MULTI\n{nested}SET k 1\nEXEC")), format!("+OK|{refusals}+QUEUED|*1|+OK|"));
}
