//! Transcripts of the set commands. Replies are those of Redis 7.0.15, but for the order of members: ours is that of
//! insertion in small sets, that of the numbers in sets of integers.

use crate::harness::{Bench, check, decode, words};

#[test]
fn members_are_added_and_removed_once() {
    check(
        r#"
        > SADD a 3 1 2 1
        3
        ~ SADD a 3 1 2 1
        > SADD a 1
        0
        > SCARD a
        3
        > SMEMBERS a
        ["1", "2", "3"]
        > SISMEMBER a 1
        1
        > SISMEMBER a 01
        0
        > SMISMEMBER a 1 9 2
        [1, 0, 1]
        > SMISMEMBER missing 1 2
        [0, 0]
        > SREM a 9
        0
        > SREM a 9 1 2
        2
        ~ SREM a 9 1 2
        > SREM a 3
        1
        ~ SREM a 3
        > SCARD a
        0
        > SREM a 3
        0
        > SMEMBERS a
        []
        > SISMEMBER a 1
        0
        > SET s x
        +OK
        ~ SET s x
        > SADD s 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SREM s 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMEMBERS s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMISMEMBER s 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn sets_answer_as_sets_in_resp3() {
    check(
        r#"
        > @resp 3
        > SADD a 1 2
        2
        ~ SADD a 1 2
        > SMEMBERS a
        ~["1", "2"]
        > SMEMBERS missing
        ~[]
        > SINTER a a
        ~["1", "2"]
        > SUNION a missing
        ~["1", "2"]
        > SDIFF a missing
        ~["1", "2"]
        > SDIFF a a
        ~[]
        > SINTER a missing
        ~[]
        > SRANDMEMBER a 5
        ["1", "2"]
        > SRANDMEMBER missing 5
        []
        > SRANDMEMBER missing
        nil
        > SMISMEMBER a 1
        [1]
        > SISMEMBER a 1
        1
        > SSCAN a 0
        ["0", ["1", "2"]]
        > SPOP missing
        nil
        > SPOP missing 1
        ~[]
        > SPOP a 0
        ~[]
        > SPOP a 2
        ~["1", "2"]
        ~ DEL a
        "#,
    );
}

#[test]
fn a_member_moves_from_set_to_set() {
    check(
        r#"
        > SMOVE a b x
        0
        > SADD a x y
        2
        ~ SADD a x y
        > SADD b y
        1
        ~ SADD b y
        > SMOVE a b z
        0
        > SMOVE a a x
        1
        > SMOVE a a z
        0
        > SMOVE a b y
        1
        ~ SMOVE a b y
        > SMOVE a b x
        1
        ~ SMOVE a b x
        > SCARD a
        0
        > SMEMBERS b
        ["y", "x"]
        > SET s x
        +OK
        ~ SET s x
        > SMOVE b s x
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMOVE b s missing
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMOVE missing s x
        0
        > SMOVE s b x
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn a_pop_is_logged_as_the_removal_of_what_it_drew() {
    check(
        r#"
        > SADD a 1
        1
        ~ SADD a 1
        > SPOP a
        "1"
        ~ SREM a 1
        > SCARD a
        0
        > SPOP a
        nil
        > SPOP a 3
        []
        > SADD a 1
        1
        ~ SADD a 1
        > SPOP a 1
        ["1"]
        ~ DEL a
        > SADD a 1 2
        2
        ~ SADD a 1 2
        > SPOP a 0
        []
        > SPOP a 3
        ["1", "2"]
        ~ DEL a
        > SPOP a -1
        -ERR value is out of range, must be positive
        > SPOP a x
        -ERR value is out of range, must be positive
        > SPOP a 1 2
        -ERR syntax error
        > SRANDMEMBER a
        nil
        > SRANDMEMBER a 2
        []
        > SRANDMEMBER a x
        -ERR value is not an integer or out of range
        > SRANDMEMBER a 1 2
        -ERR syntax error
        > SRANDMEMBER a -9223372036854775808
        -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        "#,
    );
}

#[test]
fn a_pop_draws_from_the_set_and_its_effect_names_the_drawn() {
    let mut bench = Bench::new();
    bench.line("SADD a 1 2 3 x y z");
    for (request, left) in [("SPOP a", 5), ("SPOP a 3", 2)] {
        let outcome = bench.run(&words(request));
        let effect = decode(&outcome.effects[0].1);
        assert_eq!((&effect[0][..], &effect[1][..], outcome.effects.len()), (&b"SREM"[..], &b"a"[..], 1));
        for member in &effect[2..] {
            let member = String::from_utf8_lossy(member);
            assert!(outcome.reply.windows(member.len()).any(|part| part == member.as_bytes()));
            assert_eq!(bench.line(&format!("SISMEMBER a {member}")), "0");
        }
        assert_eq!(bench.line("SCARD a"), left.to_string());
    }
}

#[test]
fn random_members_repeat_only_when_the_count_is_negative() {
    let mut bench = Bench::new();
    bench.line("SADD a 1 2 3 4 5");
    let distinct = bench.line("SRANDMEMBER a 3");
    let mut members: Vec<_> = distinct.trim_matches(['[', ']']).split(", ").collect();
    members.sort_unstable();
    members.dedup();
    assert_eq!(members.len(), 3, "{distinct}");
    assert_eq!(bench.line("SRANDMEMBER a -20").split(", ").count(), 20);
}

#[test]
fn sets_are_intersected_united_and_subtracted() {
    check(
        r#"
        > SADD a 1 2 3 x
        4
        ~ SADD a 1 2 3 x
        > SADD b 2 3 x y
        4
        ~ SADD b 2 3 x y
        > SADD c 3 z
        2
        ~ SADD c 3 z
        > SINTER a b
        ["2", "3", "x"]
        > SINTER a b c
        ["3"]
        > SINTER a b missing
        []
        > SDIFF a b c
        ["1"]
        > SDIFF missing a
        []
        > SDIFF a missing
        ["1", "2", "3", "x"]
        > SUNION c c missing
        ["3", "z"]
        > SINTERCARD 2 a b
        3
        > SINTERCARD 2 a b LIMIT 2
        2
        > SINTERCARD 2 a b LIMIT 0
        3
        > SINTERCARD 1 missing
        0
        > SINTERCARD 0 a
        -ERR numkeys should be greater than 0
        > SINTERCARD x a
        -ERR numkeys should be greater than 0
        > SINTERCARD 3 a b
        -ERR Number of keys can't be greater than number of args
        > SINTERCARD 2 a b LIMIT -1
        -ERR LIMIT can't be negative
        > SINTERCARD 2 a b LIMIT
        -ERR syntax error
        > SINTERCARD 2 a b COUNT 1
        -ERR syntax error
        > SET s x
        +OK
        ~ SET s x
        > SINTER missing s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SUNION a s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SDIFF a s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTERSTORE d a s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTERCARD 1 s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn a_stored_result_replaces_whatever_was_there() {
    check(
        r#"
        > SADD a 1 2 3
        3
        ~ SADD a 1 2 3
        > SADD b 2 3 4
        3
        ~ SADD b 2 3 4
        > SET d x EX 100
        +OK
        ~ SET d x PXAT 1100000
        > SINTERSTORE d a b
        2
        ~ SINTERSTORE d a b
        > SMEMBERS d
        ["2", "3"]
        > TTL d
        -1
        > SUNIONSTORE a a b
        4
        ~ SUNIONSTORE a a b
        > SCARD a
        4
        > SDIFFSTORE d a b
        1
        ~ SDIFFSTORE d a b
        > SMEMBERS d
        ["1"]
        > SDIFFSTORE d a a
        0
        ~ SDIFFSTORE d a a
        > EXISTS d
        0
        > SDIFFSTORE d a a
        0
        > SET d x
        +OK
        ~ SET d x
        > SINTERSTORE d a missing
        0
        ~ SINTERSTORE d a missing
        > EXISTS d
        0
        "#,
    );
}

#[test]
fn a_scan_filters_by_pattern() {
    check(
        r#"
        > SADD a 1 2 12 x
        4
        ~ SADD a 1 2 12 x
        > SSCAN a 0
        ["0", ["1", "2", "12", "x"]]
        > SSCAN a 0 MATCH 1*
        ["0", ["1", "12"]]
        > SSCAN a 0 COUNT 1 MATCH x
        ["0", ["x"]]
        > SSCAN a 0 TYPE set
        -ERR syntax error
        > SSCAN a 0 COUNT 0
        -ERR syntax error
        > SSCAN a 0 COUNT x
        -ERR value is not an integer or out of range
        > SSCAN a x
        -ERR invalid cursor
        > SSCAN missing 0 WHAT
        ["0", []]
        > SSCAN missing 5
        ["0", []]
        > SET s x
        +OK
        ~ SET s x
        > SSCAN s 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn an_expired_destination_is_removed_before_nothing_is_stored() {
    check(
        r#"
        > SADD d 1
        1
        ~ SADD d 1
        > PEXPIREAT d 1000010
        1
        ~ PEXPIREAT d 1000010
        > @at 1000011
        > SINTERSTORE d missing
        0
        ~ DEL d
        > SADD d 2
        1
        ~ SADD d 2
        > SMEMBERS d
        ["2"]
        "#,
    );
}

/// SADD counted the members as they were added; Redis counts the arguments, however often one comes.
#[test]
fn the_number_of_arguments_of_sadd_decides_the_form() {
    check(
        r#"
        > @compact 3
        > SADD a x x x x
        1
        ~ SADD a x x x x
        > OBJECT ENCODING a
        "hashtable"
        > SADD b x y
        2
        ~ SADD b x y
        > OBJECT ENCODING b
        "listpack"
        > SADD b x x x x
        0
        > OBJECT ENCODING b
        "hashtable"
        > SADD i 1 2 3
        3
        ~ SADD i 1 2 3
        > OBJECT ENCODING i
        "intset"
        > SADD i 1 1 1 1
        0
        > OBJECT ENCODING i
        "hashtable"
        > SADD m 1
        1
        ~ SADD m 1
        > SMOVE m n 1
        1
        ~ SMOVE m n 1
        > OBJECT ENCODING n
        "intset"
        > @intset 0
        > SMOVE n o 1
        1
        ~ SMOVE n o 1
        > OBJECT ENCODING o
        "listpack"
        "#,
    );
}

/// A stored intersection or union began as a set of integers whatever came, and a table too late.
#[test]
fn a_stored_result_has_the_form_that_it_has_in_redis() {
    check(
        r#"
        > @compact 10
        > @intset 1
        > SADD a x 1 2 3
        4
        ~ SADD a x 1 2 3
        > SADD b y 1 2 3
        4
        ~ SADD b y 1 2 3
        > SINTERSTORE d a b
        3
        ~ SINTERSTORE d a b
        > OBJECT ENCODING d
        "listpack"
        > @intset 3
        > SINTERSTORE d a b
        3
        ~ SINTERSTORE d a b
        > OBJECT ENCODING d
        "intset"
        > @intset 0
        > SADD one 1
        1
        ~ SADD one 1
        > OBJECT ENCODING one
        "listpack"
        > SUNIONSTORE d one
        1
        ~ SUNIONSTORE d one
        > OBJECT ENCODING d
        "hashtable"
        "#,
    );
}

/// What was left of a set after most of it was popped stayed a table; Redis makes it anew.
#[test]
fn what_few_a_pop_leaves_is_made_anew() {
    let mut bench = Bench::new();
    bench.line("@compact 3");
    bench.line("SADD a a b c d e f g h");
    assert_eq!(bench.line("OBJECT ENCODING a"), "\"hashtable\"");
    bench.line("SPOP a 1");
    assert_eq!(bench.line("OBJECT ENCODING a"), "\"hashtable\"");
    bench.line("SPOP a 6");
    assert_eq!(bench.line("SCARD a"), "1");
    assert_eq!(bench.line("OBJECT ENCODING a"), "\"listpack\"");
}
