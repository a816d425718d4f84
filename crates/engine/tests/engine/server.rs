//! Commands on the server itself.

use crate::support::{CLIENTS_ALLOWED, Rig};

#[test]
fn memory_stats_has_the_fields_of_redis_with_a_part_for_each_database() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "SELECT 3\nSET a 1 EX 1000\nSET b 2");
    let text = rig.ask(client, "MEMORY STATS");
    assert!(text.starts_with("*56|$14|peak.allocated|"), "{text}");
    assert!(text.contains("|db.3|*6|$23|overhead.hashtable.main|:"), "{text}");
    assert!(text.contains("|keys.count|:2|"), "{text}");
    let text = rig.ask(client, "HELLO 3\nMEMORY STATS");
    assert!(text.contains("|%28|$14|peak.allocated|") && text.contains("|fragmentation|,0|"), "{text}");
}

#[test]
fn without_an_allocator_to_ask_memory_says_so() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    assert_eq!(rig.ask(client, "MEMORY MALLOC-STATS"), "$45|Stats not supported for the current allocator|");
    assert_eq!(rig.ask(client, "MEMORY PURGE"), "+OK|");
    assert!(rig.ask(client, "MEMORY DOCTOR").contains("Little memory is used"));
    assert!(rig.ask(client, "MEMORY HELP").starts_with("*14|+MEMORY <subcommand>"));
    assert_eq!(rig.ask(client, "MEMORY NONSENSE"), "-ERR unknown subcommand 'NONSENSE'. Try MEMORY HELP.|");
    assert_eq!(rig.ask(client, "MEMORY STATS x"), "-ERR wrong number of arguments for 'memory|stats' command|");
}

#[test]
fn role_is_a_master_without_replicas() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    assert_eq!(rig.ask(client, "ROLE"), "*3|$6|master|:0|*0|");
    assert_eq!(rig.ask(client, "ROLE x"), "-ERR wrong number of arguments for 'role' command|");
}

#[test]
fn the_memory_of_a_key_waits_for_the_write_that_made_it() {
    let mut rig = Rig::new("always");
    let (client, other) = (rig.client(), rig.client());
    rig.send(client, "SET a 1");
    rig.send(other, "MEMORY USAGE a");
    rig.turn();
    assert_eq!(rig.take(other), "");
    rig.settle();
    assert!(rig.take(other).starts_with(':'));
}

/// Words of CONFIG SET were read as text with replacements: a password of other bytes locked everybody out.
#[test]
fn a_value_that_is_no_text_is_refused() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    let mut request = Vec::new();
    resp_codec::encode_command(
        &mut request,
        [&b"CONFIG"[..], b"SET", b"hz", b"20", b"requirepass", b"p\xff"].into_iter(),
    );
    rig.send_bytes(client, &request);
    rig.turn();
    assert_eq!(
        rig.take(client),
        "-ERR CONFIG SET failed (possibly related to argument 'requirepass') - argument must be UTF-8 text|"
    );
    assert_eq!(rig.ask(client, "CONFIG GET hz requirepass"), "*4|$2|hz|$2|10|$11|requirepass|$0||");
}

/// INFO counted the keys that the active expiry found, not those that a look-up did.
#[test]
fn a_key_that_a_look_up_finds_expired_is_counted() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "DEBUG SET-ACTIVE-EXPIRE 0\nSET a 1 PX 5\nSET b 1 PX 5");
    let changes = rig.info("rdb_changes_since_last_save");
    rig.pass_ms(10);
    rig.ask(client, "GET a\nMULTI\nGET b\nEXEC\nGET a");
    assert_eq!(rig.info("expired_keys"), "2");
    assert_eq!(rig.info("rdb_changes_since_last_save"), changes);
}

/// A client that is to be closed stays in the table until its turn ends: it was killed once more.
#[test]
fn a_client_is_killed_once() {
    let mut rig = Rig::new("no");
    let (client, other) = (rig.client(), rig.client());
    assert_eq!(rig.ask(client, "CLIENT KILL ID 2\nCLIENT KILL ID 2\nCLIENT KILL TYPE normal"), ":1|:0|:0|");
    assert!(rig.engine.wants_close(other));
}

#[test]
fn resetstat_forgets_what_the_files_have_counted() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.ask(client, "BGREWRITEAOF");
    rig.settle();
    assert_eq!((rig.info("total_forks").as_str(), rig.info("aof_rewrites").as_str()), ("1", "1"));
    rig.ask(client, "CONFIG RESETSTAT");
    for field in ["total_forks", "latest_fork_usec", "aof_rewrites", "aof_delayed_fsync", "lazyfreed_objects"] {
        assert_eq!(rig.info(field), "0", "{field}");
    }
    rig.ask(client, "BGREWRITEAOF");
    rig.settle();
    assert_eq!((rig.info("total_forks").as_str(), rig.info("aof_rewrites").as_str()), ("1", "1"));
}

/// The client that asks is out of the table while it asks: alone, it had no memory.
#[test]
fn the_memory_of_clients_includes_who_asks() {
    let mut rig = Rig::new("no");
    assert_ne!(rig.info("mem_clients_normal"), "0");
    let client = rig.client();
    assert!(!rig.ask(client, "MEMORY STATS").contains("|clients.normal|:0|"));
}

/// Recorded from Redis 7.2.4.
#[test]
fn wrong_arguments_are_refused_in_the_words_of_redis() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    let words = "-ERR unknown subcommand or wrong number of arguments for";
    assert_eq!(rig.ask(client, "SLOWLOG get 1 2"), format!("{words} 'get'. Try SLOWLOG HELP.|"));
    assert_eq!(rig.ask(client, "CLIENT PAUSE 0 WRITE x"), format!("{words} 'PAUSE'. Try CLIENT HELP.|"));
    for (value, reason) in [
        ("101", "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"),
        ("50_x", "Invalid latency-tracking-info-percentiles parameters"),
    ] {
        let reply = rig.ask(client, &format!("CONFIG SET latency-tracking-info-percentiles {value}"));
        assert!(reply.starts_with("-ERR CONFIG SET failed ") && reply.ends_with(&format!(" - {reason}|")), "{reply}");
    }
}

/// `maxclients` was raised without a look at the limit of open files, and clients could take the descriptors that the log and its
/// rewrite need.
#[test]
fn more_clients_than_the_system_has_descriptors_for_are_refused() {
    let mut rig = Rig::new("no");
    let client = rig.client();
    assert_eq!(
        rig.ask(client, &format!("CONFIG SET hz 20 maxclients {}", CLIENTS_ALLOWED + 1)),
        "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle the \
         specified number of clients, try with 12000|"
    );
    assert_eq!(rig.ask(client, "CONFIG GET hz maxclients"), "*4|$2|hz|$2|10|$10|maxclients|$5|10000|");
    assert_eq!(
        rig.ask(client, &format!("CONFIG SET maxclients {CLIENTS_ALLOWED}\nCONFIG SET maxclients 10")),
        "+OK|+OK|"
    );
}
