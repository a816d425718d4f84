//! Transcripts of the list commands. Replies are those of Redis 7.0.15, but for ranks below those that it checks.

use crate::harness::{Bench, check};

#[test]
fn pushing_makes_a_list_and_popping_the_last_removes_it() {
    check(
        r#"
        > RPUSH a 1 two 3
        3
        ~ RPUSH a 1 two 3
        > LPUSH a 0 -1
        5
        ~ LPUSH a 0 -1
        > LRANGE a 0 -1
        ["-1", "0", "1", "two", "3"]
        > LPOP a
        "-1"
        ~ LPOP a
        > RPOP a 2
        ["3", "two"]
        ~ RPOP a 2
        > LPOP a 0
        []
        > LPOP a 10
        ["0", "1"]
        ~ LPOP a 10
        > LPOP a
        nil
        > LPOP a 2
        nil[]
        > LLEN a
        0
        "#,
    );
}

#[test]
fn pushx_does_nothing_without_a_list() {
    check(
        r#"
        > LPUSHX a 1
        0
        > RPUSHX a 1
        0
        > RPUSH a 1
        1
        ~ RPUSH a 1
        > LPUSHX a 0
        2
        ~ LPUSHX a 0
        > RPUSHX a 2 3
        4
        ~ RPUSHX a 2 3
        > LRANGE a -100 100
        ["0", "1", "2", "3"]
        "#,
    );
}

#[test]
fn pops_refuse_what_is_no_count() {
    check(
        r#"
        > LPOP a -1
        -ERR value is out of range, must be positive
        > RPOP a x
        -ERR value is out of range, must be positive
        > LPOP a 1 2
        -ERR wrong number of arguments for 'lpop' command
        > RPOP a 1 2
        -ERR wrong number of arguments for 'rpop' command
        > @resp 3
        > LPOP a
        nil
        > LPOP a 1
        nil
        "#,
    );
}

#[test]
fn an_element_moves_between_lists_and_within_one() {
    check(
        r#"
        > RPUSH a 1 2 3
        3
        ~ RPUSH a 1 2 3
        > RPOPLPUSH a b
        "3"
        ~ RPOPLPUSH a b
        > LMOVE a b left Right
        "1"
        ~ LMOVE a b left Right
        > LRANGE b 0 -1
        ["3", "1"]
        > LMOVE b b LEFT RIGHT
        "3"
        ~ LMOVE b b LEFT RIGHT
        > LMOVE a a RIGHT LEFT
        "2"
        ~ LMOVE a a RIGHT LEFT
        > LMOVE a b RIGHT LEFT
        "2"
        ~ LMOVE a b RIGHT LEFT
        > LLEN a
        0
        > LRANGE b 0 -1
        ["2", "1", "3"]
        > LMOVE a b RIGHT LEFT
        nil
        > LMOVE a b RIGHT UP
        -ERR syntax error
        > SET s x
        +OK
        ~ SET s x
        > RPOPLPUSH b s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > RPOPLPUSH a s
        nil
        > RPOPLPUSH s b
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn lmpop_is_logged_as_the_pop_it_was() {
    check(
        r#"
        > LMPOP 2 a b LEFT
        nil[]
        > RPUSH b 1 2 3 4
        4
        ~ RPUSH b 1 2 3 4
        > LMPOP 2 a b LEFT
        ["b", ["1"]]
        ~ LPOP b 1
        > LMPOP 2 a b RIGHT COUNT 10
        ["b", ["4", "3", "2"]]
        ~ RPOP b 3
        > LMPOP 0 a LEFT
        -ERR numkeys should be greater than 0
        > LMPOP x a LEFT
        -ERR numkeys should be greater than 0
        > LMPOP 2 a LEFT
        -ERR syntax error
        > LMPOP 9223372036854775807 a LEFT
        -ERR syntax error
        > LMPOP 1 a LEFT COUNT 0
        -ERR count should be greater than 0
        > LMPOP 1 a LEFT COUNT 1 COUNT 1
        -ERR syntax error
        > LMPOP 1 a LEFT COUNT
        -ERR syntax error
        > LMPOP 1 a MIDDLE
        -ERR syntax error
        > @resp 3
        > LMPOP 1 a LEFT
        nil
        "#,
    );
}

#[test]
fn elements_are_read_and_replaced_by_index() {
    check(
        r#"
        > LINDEX a x
        nil
        > LSET a x 1
        -ERR no such key
        > RPUSH a 1 2 3
        3
        ~ RPUSH a 1 2 3
        > LINDEX a x
        -ERR value is not an integer or out of range
        > LINDEX a -1
        "3"
        > LINDEX a 3
        nil
        > LINDEX a -4
        nil
        > LSET a -3 one
        +OK
        ~ LSET a -3 one
        > LSET a 3 x
        -ERR index out of range
        > LSET a 1.5 x
        -ERR value is not an integer or out of range
        > LRANGE a 0 0
        ["one"]
        > LRANGE a 2 1
        []
        > LRANGE a 0 x
        -ERR value is not an integer or out of range
        > LRANGE missing 0 -1
        []
        "#,
    );
}

#[test]
fn linsert_finds_its_pivot() {
    check(
        r#"
        > LINSERT a BEFORE 1 0
        0
        > RPUSH a 1 2
        2
        ~ RPUSH a 1 2
        > LINSERT a BEFORE 1 0
        3
        ~ LINSERT a BEFORE 1 0
        > LINSERT a after 2 3
        4
        ~ LINSERT a after 2 3
        > LINSERT a AFTER 9 3
        -1
        > LINSERT a NEAR 1 3
        -ERR syntax error
        > LRANGE a 0 -1
        ["0", "1", "2", "3"]
        "#,
    );
}

#[test]
fn lrem_and_ltrim_log_nothing_when_nothing_goes() {
    check(
        r#"
        > RPUSH a x y x z x
        5
        ~ RPUSH a x y x z x
        > LREM a 0 missing
        0
        > LREM a -1 x
        1
        ~ LREM a -1 x
        > LREM a 1 x
        1
        ~ LREM a 1 x
        > LRANGE a 0 -1
        ["y", "x", "z"]
        > LTRIM a 0 -1
        +OK
        > LTRIM a 1 1
        +OK
        ~ LTRIM a 1 1
        > LRANGE a 0 -1
        ["x"]
        > LTRIM a 5 10
        +OK
        ~ LTRIM a 5 10
        > LLEN a
        0
        > LTRIM a 0 1
        +OK
        > LREM a x x
        -ERR value is not an integer or out of range
        > RPUSH a x
        1
        ~ RPUSH a x
        > LREM a 0 x
        1
        ~ LREM a 0 x
        > LPUSHX a 1
        0
        "#,
    );
}

#[test]
fn lpos_counts_matches_from_either_end() {
    check(
        r#"
        > RPUSH a a b c 1 2 3 c c
        8
        ~ RPUSH a a b c 1 2 3 c c
        > LPOS a c
        2
        > LPOS a c RANK 2
        6
        > LPOS a c RANK -1
        7
        > LPOS a c RANK -4
        nil
        > LPOS a c COUNT 2
        [2, 6]
        > LPOS a c COUNT 0
        [2, 6, 7]
        > LPOS a c RANK -1 COUNT 0
        [7, 6, 2]
        > LPOS a c RANK -2 COUNT 1 MAXLEN 2
        [6]
        > LPOS a c COUNT 0 MAXLEN 2
        []
        > LPOS a 1 MAXLEN 3
        nil
        > LPOS a x
        nil
        > LPOS missing x
        nil
        > LPOS missing x COUNT 1
        []
        > LPOS a c RANK 0
        -ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list
        # Redis 7.0 overflows here.
        > LPOS a c RANK -9223372036854775808
        -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > LPOS a c COUNT -1
        -ERR COUNT can't be negative
        > LPOS a c MAXLEN x
        -ERR MAXLEN can't be negative
        > LPOS a c COUNT
        -ERR syntax error
        > LPOS a c LIMIT 1
        -ERR syntax error
        "#,
    );
}

/// The lowest count was refused; Redis takes it for all, from the end.
#[test]
fn lrem_takes_every_integer_as_a_count() {
    check(
        r#"
        > RPUSH a x y x
        3
        ~ RPUSH a x y x
        > LREM a -9223372036854775808 x
        2
        ~ LREM a -9223372036854775808 x
        > LREM missing -9223372036854775808 x
        0
        > LREM a -9223372036854775809 x
        -ERR value is not an integer or out of range
        "#,
    );
}

/// A list grew to a quicklist with its elements alone; in Redis with those that are to be added, even if none is.
#[test]
fn what_is_to_be_added_decides_the_form_of_a_list() {
    check(
        r#"
        > @compact 3
        > RPUSH a 1 2 3
        3
        ~ RPUSH a 1 2 3
        > OBJECT ENCODING a
        "listpack"
        > LINSERT a BEFORE nothing x
        -1
        > OBJECT ENCODING a
        "quicklist"
        > RPUSH b 1 2 3
        3
        ~ RPUSH b 1 2 3
        > LSET b 9 x
        -ERR index out of range
        > OBJECT ENCODING b
        "quicklist"
        > @compact 1
        > RPUSH c 1 2
        2
        ~ RPUSH c 1 2
        > LPOP c
        "1"
        ~ LPOP c
        > LMOVE c c LEFT RIGHT
        "2"
        ~ LMOVE c c LEFT RIGHT
        > OBJECT ENCODING c
        "quicklist"
        "#,
    );
}

/// The size of a list that grows was that of its elements as they are stored; in Redis those to be added count as texts.
#[test]
fn integers_to_be_added_to_a_list_count_as_texts() {
    let mut bench = Bench::new();
    bench.line(&format!("RPUSH stored {}", "1000000000 ".repeat(600)));
    bench.line(&format!("RPUSH stored {}", "1000000000 ".repeat(200)));
    assert_eq!(bench.line("OBJECT ENCODING stored"), "\"listpack\"");
    bench.line(&format!("RPUSH texts {}", "1000000000 ".repeat(900)));
    assert_eq!(bench.line("OBJECT ENCODING texts"), "\"quicklist\"");

    bench.line(&format!("RPUSH d {}", "x".repeat(8172)));
    bench.line("RPUSH s 1000000000000000000");
    bench.line("LMOVE s d LEFT RIGHT");
    assert_eq!(bench.line("OBJECT ENCODING d"), "\"quicklist\"");
}
