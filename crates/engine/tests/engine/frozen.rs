//! While a child shares the memory of the dataset, no table of it is made smaller, and afterwards they are again (R4).

use crate::support::Rig;

/// Keys of the dataset: their table has many segments.
const KEYS: u32 = 10_000;

/// A server with a table of many segments.
fn filled() -> Rig {
    let mut rig = Rig::new("no");
    let client = rig.client();
    rig.send(client, &format!("DEBUG POPULATE {KEYS}"));
    rig.turn();
    assert_eq!(rig.take(client), "+OK|");
    rig
}

/// Removes the keys from `first` on.
fn remove_from(rig: &mut Rig, first: u32) {
    let keys: Vec<String> = (first..KEYS).map(|n| format!("key:{n}")).collect();
    let client = rig.client();
    rig.send(client, &format!("DEL {}", keys.join(" ")));
    rig.turn();
    assert_eq!(rig.take(client), format!(":{}|", keys.len()));
}

/// What the table of the keys takes, in bytes.
fn table_bytes(rig: &mut Rig) -> u64 {
    let client = rig.client();
    rig.send(client, "MEMORY STATS");
    let stats = rig.take(client);
    let (_, behind) = stats.split_once("overhead.hashtable.main|:").expect("MEMORY STATS tells of it");
    behind.split('|').next().unwrap().parse().unwrap()
}

#[test]
fn no_table_is_made_smaller_while_a_child_lives() {
    let mut rig = filled();
    let full_bytes = table_bytes(&mut rig);
    let client = rig.client();
    rig.ask(client, "BGREWRITEAOF");
    assert_eq!(rig.children.running().len(), 1);
    remove_from(&mut rig, 1);
    rig.turns(3);
    assert_eq!(table_bytes(&mut rig), full_bytes);
}

#[test]
fn once_the_child_is_gone_tables_are_made_smaller_again() {
    let mut rig = filled();
    let full_bytes = table_bytes(&mut rig);
    let client = rig.client();
    rig.ask(client, "BGREWRITEAOF");
    rig.settle();
    assert_eq!(rig.info("aof_rewrites_succeeded"), "1");
    remove_from(&mut rig, 1);
    assert!(table_bytes(&mut rig) * 10 < full_bytes, "{} of {full_bytes}", table_bytes(&mut rig));
}

#[test]
fn where_the_fork_fails_there_is_no_child_to_wait_for() {
    let mut rig = filled();
    let full_bytes = table_bytes(&mut rig);
    let client = rig.client();
    rig.children.fail_next_fork(11);
    assert!(rig.ask(client, "BGREWRITEAOF").starts_with("-ERR Can't execute an AOF background rewriting"));
    remove_from(&mut rig, 1);
    assert!(table_bytes(&mut rig) * 10 < full_bytes, "{} of {full_bytes}", table_bytes(&mut rig));
}
