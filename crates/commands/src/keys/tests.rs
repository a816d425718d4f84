//! Replies and effects of the commands on keys and databases, as transcripts. Replies: redis-server 7.0.15.

use crate::harness::{Bench, check};

#[test]
fn del_and_unlink_count_what_was_there() {
    check(
        r#"
        > MSET a 1 b 2 c 3
        +OK
        ~ MSET a 1 b 2 c 3
        > DEL a missing a
        1
        ~ DEL a missing a
        > DEL missing
        0
        > UNLINK b c
        2
        ~ UNLINK b c
        > UNLINK b
        0
        "#,
    );
}

#[test]
fn exists_and_touch_count_doubles() {
    check(
        r#"
        > SET a 1
        +OK
        ~ SET a 1
        > EXISTS a a b
        2
        > TOUCH a b
        1
        > TYPE a
        +string
        > TYPE b
        +none
        "#,
    );
}

#[test]
fn expire_becomes_an_absolute_deadline() {
    check(
        r#"
        > SET a 1
        +OK
        ~ SET a 1
        > EXPIRE a 10
        1
        ~ PEXPIREAT a 1010000
        > PTTL a
        10000
        > PEXPIRE a 1500
        1
        ~ PEXPIREAT a 1001500
        > PTTL a
        1500
        > EXPIREAT a 2000
        1
        ~ PEXPIREAT a 2000000
        > PEXPIREAT a 3000000
        1
        ~ PEXPIREAT a 3000000
        > EXPIRETIME a
        3000
        > PEXPIRETIME a
        3000000
        > TTL a
        2000
        > EXPIRE missing 10
        0
        "#,
    );
}

#[test]
fn a_deadline_that_has_passed_deletes() {
    check(
        r#"
        > MSET a 1 b 2 c 3 d 4
        +OK
        ~ MSET a 1 b 2 c 3 d 4
        > EXPIRE a 0
        1
        ~ DEL a
        > EXPIRE b -1
        1
        ~ DEL b
        > PEXPIREAT c 1000000
        1
        ~ DEL c
        > EXPIREAT d -5
        1
        ~ DEL d
        > EXPIRE a 10
        0
        > DBSIZE
        0
        "#,
    );
}

#[test]
fn while_replaying_a_deadline_that_has_passed_is_stored() {
    check(
        r#"
        > SET a 1
        +OK
        ~ SET a 1
        > @replay on
        > PEXPIREAT a 5
        1
        > PTTL a
        0
        > PEXPIRETIME a
        5
        > @replay off
        > EXISTS a
        0
        ~ DEL a
        "#,
    );
}

#[test]
fn conditions_of_expire() {
    check(
        r#"
        > SET a 1
        +OK
        ~ SET a 1
        > EXPIRE a 100 XX
        0
        > EXPIRE a 100 GT
        0
        > EXPIRE a 100 NX
        1
        ~ PEXPIREAT a 1100000
        > EXPIRE a 200 NX
        0
        > EXPIRE a 50 GT
        0
        > EXPIRE a 200 gt
        1
        ~ PEXPIREAT a 1200000
        > EXPIRE a 300 LT
        0
        > EXPIRE a 100 LT XX
        1
        ~ PEXPIREAT a 1100000
        > PERSIST a
        1
        ~ PERSIST a
        > EXPIRE a 100 LT
        1
        ~ PEXPIREAT a 1100000
        > EXPIRE a 100 NX XX
        -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE a 100 NX LT
        -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE a 100 GT LT
        -ERR GT and LT options at the same time are not compatible
        > EXPIRE a 100 FOO
        -ERR Unsupported option FOO
        > EXPIRE a x FOO
        -ERR Unsupported option FOO
        > EXPIRE a x
        -ERR value is not an integer or out of range
        > EXPIRE a 9223372036854775807
        -ERR invalid expire time in 'expire' command
        > EXPIRE a -9223372036854775807
        -ERR invalid expire time in 'expire' command
        > EXPIRE a 9223372036854775
        -ERR invalid expire time in 'expire' command
        > PEXPIRE a 9223372036854775807
        -ERR invalid expire time in 'pexpire' command
        > PEXPIREAT a 9223372036854775807
        1
        ~ PEXPIREAT a 9223372036854775807
        > EXPIREAT a 9223372036854775807
        -ERR invalid expire time in 'expireat' command
        "#,
    );
}

#[test]
fn time_to_live() {
    check(
        r#"
        > TTL a
        -2
        > PTTL a
        -2
        > SET a 1
        +OK
        ~ SET a 1
        > TTL a
        -1
        > EXPIRETIME a
        -1
        > PEXPIRE a 1499
        1
        ~ PEXPIREAT a 1001499
        > TTL a
        1
        > PEXPIRE a 1500
        1
        ~ PEXPIREAT a 1001500
        > TTL a
        2
        > PERSIST a
        1
        ~ PERSIST a
        > PERSIST a
        0
        > PERSIST missing
        0
        > PEXPIRETIME missing
        -2
        "#,
    );
}

#[test]
fn keys_by_pattern() {
    check(
        r#"
        > MSET foo 1 bar 2 baz 3 b*z 4
        +OK
        ~ MSET foo 1 bar 2 baz 3 b*z 4
        > KEYS foo
        ["foo"]
        > KEYS nothing*
        []
        > KEYS b\*z
        ["b*z"]
        > SET gone 1 PX 1
        +OK
        ~ SET gone 1 PXAT 1000001
        > @at 1000010
        > KEYS gon*
        []
        > DBSIZE
        5
        "#,
    );
}

#[test]
fn scan_visits_what_matches() {
    check(
        r#"
        > MSET foo 1 bar 2
        +OK
        ~ MSET foo 1 bar 2
        > SCAN 0 MATCH f*
        ["0", ["foo"]]
        > SCAN 0 COUNT 100 MATCH b?r TYPE string
        ["0", ["bar"]]
        > SCAN 0 TYPE list
        ["0", []]
        > SCAN 0 TYPE STRING MATCH foo
        ["0", ["foo"]]
        > SCAN x
        -ERR invalid cursor
        > SCAN -1x
        -ERR invalid cursor
        > SCAN -
        -ERR invalid cursor
        > SCAN " 0"
        -ERR invalid cursor
        > SCAN 18446744073709551616
        -ERR invalid cursor
        > SCAN "" MATCH f*
        ["0", ["foo"]]
        > SCAN +00 MATCH f*
        ["0", ["foo"]]
        > SCAN "0\x00x" MATCH f*
        ["0", ["foo"]]
        > SCAN -1 COUNT 100
        ["0", []]
        > SCAN 0 COUNT 0
        -ERR syntax error
        > SCAN 0 COUNT -1
        -ERR syntax error
        > SCAN 0 COUNT x
        -ERR value is not an integer or out of range
        > SCAN 0 COUNT
        -ERR syntax error
        > SCAN 0 FOO 1
        -ERR syntax error
        > SCAN 0 MATCH
        -ERR syntax error
        "#,
    );
}

#[test]
fn randomkey_deletes_what_is_past_its_deadline() {
    check(
        r#"
        > RANDOMKEY
        nil
        > SET a 1 PX 5
        +OK
        ~ SET a 1 PXAT 1000005
        > RANDOMKEY
        "a"
        > @at 1000006
        > RANDOMKEY
        nil
        ~ DEL a
        > RANDOMKEY
        nil
        "#,
    );
}

#[test]
fn rename_carries_value_and_deadline() {
    check(
        r#"
        > RENAME a b
        -ERR no such key
        > SET a 1 EX 100
        +OK
        ~ SET a 1 PXAT 1100000
        > SET b 2
        +OK
        ~ SET b 2
        > RENAME a b
        +OK
        ~ RENAME a b
        > GET b
        "1"
        > PTTL b
        100000
        > RENAME b b
        +OK
        > RENAMENX a c
        -ERR no such key
        > RENAMENX b b
        0
        > RENAMENX b c
        1
        ~ RENAMENX b c
        > SET d 1
        +OK
        ~ SET d 1
        > RENAMENX d c
        0
        > RENAME d c
        +OK
        ~ RENAME d c
        > TTL c
        -1
        "#,
    );
}

#[test]
fn rename_meets_keys_past_their_deadline() {
    check(
        r#"
        > SET a 1 PX 5
        +OK
        ~ SET a 1 PXAT 1000005
        > SET b 2 PX 5
        +OK
        ~ SET b 2 PXAT 1000005
        > SET c 3
        +OK
        ~ SET c 3
        > @at 1000006
        > RENAMENX c b
        1
        ~ DEL b
        ~ RENAMENX c b
        > RENAME a b
        -ERR no such key
        ~ DEL a
        "#,
    );
}

#[test]
fn move_changes_the_database() {
    check(
        r#"
        > SET a 1 EX 100
        +OK
        ~ SET a 1 PXAT 1100000
        > MOVE a 1
        1
        ~ MOVE a 1
        > MOVE a 1
        0
        > SET a 2
        +OK
        ~ SET a 2
        > MOVE a 1
        0
        > MOVE a 0
        -ERR source and destination objects are the same
        > MOVE a 16
        -ERR DB index is out of range
        > MOVE a -1
        -ERR DB index is out of range
        > MOVE a x
        -ERR value is not an integer or out of range
        > MOVE a 99999999999
        -ERR value is out of range, value must between -2147483648 and 2147483647
        > @db 1
        > PTTL a
        100000
        > GET a
        "1"
        > MOVE missing 2
        0
        "#,
    );
}

#[test]
fn copy_takes_the_deadline_along() {
    check(
        r#"
        > SET a 1 EX 100
        +OK
        ~ SET a 1 PXAT 1100000
        > COPY a b
        1
        ~ COPY a b
        > PTTL b
        100000
        > COPY a b
        0
        > COPY a b REPLACE
        1
        ~ COPY a b REPLACE
        > COPY a a
        -ERR source and destination objects are the same
        > COPY a a DB 0
        -ERR source and destination objects are the same
        > COPY a a DB 1
        1
        ~ COPY a a DB 1
        > COPY a a DB 1
        0
        > COPY a a DB 1 REPLACE
        1
        ~ COPY a a DB 1 REPLACE
        > COPY missing b
        0
        > COPY a c DB
        -ERR syntax error
        > COPY a c DB 99
        -ERR DB index is out of range
        > COPY a c DB x
        -ERR value is not an integer or out of range
        > COPY a c FOO
        -ERR syntax error
        > @db 1
        > PTTL a
        100000
        "#,
    );
}

#[test]
fn swapdb_swaps_whole_databases() {
    check(
        r#"
        > SET a 1
        +OK
        ~ SET a 1
        > SWAPDB 0 1
        +OK
        ~ SWAPDB 0 1
        > EXISTS a
        0
        > SWAPDB 0 0
        +OK
        > SWAPDB x 1
        -ERR invalid first DB index
        > SWAPDB 0 x
        -ERR invalid second DB index
        > SWAPDB 0 16
        -ERR DB index is out of range
        > SWAPDB -1 0
        -ERR DB index is out of range
        > @db 1
        > GET a
        "1"
        "#,
    );
}

#[test]
fn flushing() {
    check(
        r#"
        > FLUSHDB
        +OK
        > FLUSHALL
        +OK
        > SET a 1
        +OK
        ~ SET a 1
        > FLUSHDB SYNC
        +OK
        ~ FLUSHDB SYNC
        > SET a 1
        +OK
        ~ SET a 1
        > @db 2
        > SET b 1
        +OK
        ~2 SET b 1
        > FLUSHDB async
        +OK
        ~2 FLUSHDB async
        > SET b 1
        +OK
        ~2 SET b 1
        > FLUSHALL ASYNC
        +OK
        ~2 FLUSHALL ASYNC
        > FLUSHALL FOO
        -ERR syntax error
        > FLUSHALL SYNC ASYNC
        -ERR syntax error
        > DBSIZE
        0
        "#,
    );
}

#[test]
fn what_object_tells() {
    check(
        r#"
        > OBJECT ENCODING a
        nil
        > SET a 1
        +OK
        ~ SET a 1
        > OBJECT ENCODING a
        "int"
        > SET a x
        +OK
        ~ SET a x
        > OBJECT encoding a
        "embstr"
        > SET a aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeee
        +OK
        ~ SET a aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeee
        > OBJECT ENCODING a
        "raw"
        > OBJECT REFCOUNT a
        1
        > OBJECT IDLETIME a
        0
        > OBJECT FREQ a
        -ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.
        > OBJECT FREQ missing
        nil
        > OBJECT REFCOUNT missing
        nil
        > OBJECT IDLETIME missing
        nil
        > OBJECT
        -ERR wrong number of arguments for 'object' command
        > OBJECT FOO
        -ERR unknown subcommand 'FOO'. Try OBJECT HELP.
        > OBJECT ENCODING
        -ERR wrong number of arguments for 'object|encoding' command
        > OBJECT ENCODING a b
        -ERR wrong number of arguments for 'object|encoding' command
        "#,
    );
}

#[test]
fn nulls_in_resp3() {
    check(
        r#"
        > @resp 3
        > GET a
        nil
        > SET a 1 XX
        nil
        > MGET a
        [nil]
        > OBJECT ENCODING a
        nil
        > RANDOMKEY
        nil
        "#,
    );
}

#[test]
fn memory_usage_answers_what_a_key_takes_and_takes_samples_as_they_come() {
    check(
        r#"
        > MEMORY USAGE missing
        nil
        > MEMORY USAGE missing SAMPLES 0
        nil
        > MEMORY USAGE missing SAMPLES -1
        -ERR syntax error
        > MEMORY USAGE missing SAMPLES x
        -ERR value is not an integer or out of range
        > MEMORY USAGE missing SAMPLES
        -ERR syntax error
        > MEMORY USAGE missing NONSENSE 1
        -ERR syntax error
        "#,
    );
    let mut bench = Bench::new();
    let mut bytes = |line: &str| {
        bench.line(line);
        bench.line("MEMORY USAGE k SAMPLES 3").parse::<usize>().unwrap()
    };
    let (short, long) = (bytes("SET k 1"), bytes("SETRANGE k 99999 x"));
    assert!((20..80).contains(&short) && (100_000..130_000).contains(&long), "{short} {long}");
}

#[test]
fn memory_usage_is_no_use_of_a_key() {
    check(
        r#"
        > SET a 1
        +OK
        ~ SET a 1
        > @at 9000000
        > MEMORY USAGE missing
        nil
        > OBJECT IDLETIME a
        8000
        "#,
    );
}
