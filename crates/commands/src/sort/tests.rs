//! Replies and effects of SORT, as transcripts. The replies are those of redis-server 7.2.4.

use crate::harness::{Bench, check, words};

#[test]
fn elements_are_sorted_as_numbers_or_as_texts() {
    check(
        r#"
        > RPUSH l 10 2 33 -1 1.5 2
        6
        ~ RPUSH l 10 2 33 -1 1.5 2
        > SORT l
        ["-1", "1.5", "2", "2", "10", "33"]
        > SORT l desc
        ["33", "10", "2", "2", "1.5", "-1"]
        > SORT l ALPHA
        ["-1", "1.5", "10", "2", "2", "33"]
        > SORT l DESC ASC LIMIT 1 2
        ["1.5", "2"]
        > SORT l LIMIT -5 2
        ["-1", "1.5"]
        > SORT l LIMIT 4 -1
        ["10", "33"]
        > SORT l LIMIT 4 100
        ["10", "33"]
        > SORT l LIMIT 100 1
        []
        > SORT l LIMIT 0 0
        []
        > SORT_RO l LIMIT 5 1
        ["33"]
        > SORT missing
        []
        > SADD s b a 10
        3
        ~ SADD s b a 10
        > SORT s ALPHA DESC
        ["b", "a", "10"]
        > ZADD z 3 a 2 b 1 c
        3
        ~ ZADD z 3 a 2 b 1 c
        > SORT z ALPHA LIMIT 1 1
        ["b"]
        "#,
    );
}

#[test]
fn numbers_are_read_as_strtod_reads_them_and_equal_ones_are_told_apart_by_their_texts() {
    check(
        r#"
        > RPUSH l inf 0x10 " 5" 5.0 +5 "" 1e1 -inf
        8
        ~ RPUSH l inf 0x10 " 5" 5.0 +5 "" 1e1 -inf
        > SORT l
        ["-inf", "", " 5", "+5", "5.0", "1e1", "0x10", "inf"]
        > SORT l DESC
        ["inf", "0x10", "1e1", "5.0", "+5", " 5", "", "-inf"]
        > RPUSH bad 1 nan
        2
        ~ RPUSH bad 1 nan
        > SORT bad
        -ERR One or more scores can't be converted into double
        > RPUSH worse 1 "5 "
        2
        ~ RPUSH worse 1 "5 "
        > SORT worse STORE d
        -ERR One or more scores can't be converted into double
        "#,
    );
}

#[test]
fn by_and_get_name_strings_and_fields_of_hashes() {
    check(
        r#"
        > RPUSH l 1 2 3
        3
        ~ RPUSH l 1 2 3
        > MSET w_1 30 w_2 20 o_1 one o_3 three
        +OK
        ~ MSET w_1 30 w_2 20 o_1 one o_3 three
        > HSET h_1 f 5 t x
        2
        ~ HSET h_1 f 5 t x
        > HSET h_2 f 7 t a
        2
        ~ HSET h_2 f 7 t a
        > SORT l BY w_*
        ["3", "2", "1"]
        > SORT l BY w_* GET # GET o_* GET h_*->t GET nothing
        ["3", "three", nil, nil, "2", nil, "a", nil, "1", "one", "x", nil]
        > SORT l BY h_*->f DESC
        ["2", "1", "3"]
        > SORT l BY h_*->t ALPHA
        ["3", "2", "1"]
        > SORT l BY h_*->t ALPHA DESC
        ["1", "2", "3"]
        > SORT l BY nosort
        ["1", "2", "3"]
        > SORT l BY nosort DESC LIMIT 0 2
        ["3", "2"]
        > SORT l BY # DESC
        ["3", "2", "1"]
        > SORT l BY h_*
        ["1", "2", "3"]
        > SORT l BY w_*-> GET w_*->f LIMIT 0 1
        [nil]
        > SORT l BY o_*
        -ERR One or more scores can't be converted into double
        > ZADD z 3 a 2 b 1 c
        3
        ~ ZADD z 3 a 2 b 1 c
        > SORT z BY nosort
        ["c", "b", "a"]
        > SORT z BY nosort DESC LIMIT 1 5
        ["b", "c"]
        > @resp 3
        > SORT l LIMIT 0 1 GET o_* GET w_*
        ["one", "30"]
        > SORT l LIMIT 1 1 GET o_*
        [nil]
        "#,
    );
}

#[test]
fn what_is_stored_is_logged_as_the_list_it_is() {
    check(
        r#"
        > RPUSH l 3 1 2
        3
        ~ RPUSH l 3 1 2
        > SORT l STORE d
        3
        ~ RPUSH d 1 2 3
        > SET d x EX 100
        +OK
        ~ SET d x PXAT 1100000
        > SORT l BY nosort GET # GET w_* STORE d
        6
        ~ DEL d
        ~ RPUSH d 3 "" 1 "" 2 ""
        > TTL d
        -1
        > SORT missing STORE d
        0
        ~ DEL d
        > SORT missing STORE d
        0
        > SORT l STORE l
        3
        ~ DEL l
        ~ RPUSH l 1 2 3
        > SADD s b c a
        3
        ~ SADD s b c a
        > SORT s BY nosort DESC STORE d
        3
        ~ RPUSH d c b a
        "#,
    );
}

#[test]
fn sort_refuses_other_types_and_bad_options() {
    check(
        r#"
        > HSET h a 1
        1
        ~ HSET h a 1
        > SORT h
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SORT h NONSENSE
        -ERR syntax error
        > SORT l LIMIT 1
        -ERR syntax error
        > SORT l LIMIT 1 x
        -ERR value is not an integer or out of range
        > SORT l BY
        -ERR syntax error
        > SORT l GET
        -ERR syntax error
        > SORT_RO l STORE d
        -ERR syntax error
        "#,
    );
}

#[test]
fn the_keys_of_sort_are_the_one_it_sorts_and_the_one_it_stores_to() {
    check(
        r#"
        > COMMAND GETKEYS SORT l BY store GET store LIMIT store 1 STORE a STORE b
        ["l", "b"]
        > COMMAND GETKEYSANDFLAGS SORT l STORE d
        [["l", [+RO, +access]], ["d", [+OW, +update]]]
        > COMMAND GETKEYS SORT_RO l BY w_*
        ["l"]
        "#,
    );
}

#[test]
fn a_long_result_is_logged_in_pieces() {
    let mut bench = Bench::new();
    for number in 0..150 {
        bench.run(&words(&format!("RPUSH l {number}")));
    }
    let outcome = bench.run(&words("SORT l STORE d"));
    let pushed: Vec<_> = outcome.effects.iter().map(|(_, command)| crate::harness::decode(command).len() - 2).collect();
    assert_eq!(pushed, [64, 64, 22]);
}

#[test]
fn a_key_that_a_pattern_names_counts_as_named() {
    let mut bench = Bench::new();
    bench.run(&words("RPUSH l 1"));
    bench.run(&words("SORT l BY w_* GET o_*"));
    let named = ["l", "w_1", "o_1"].map(|key| bench.keyspace.key(key.as_bytes()).hash);
    assert_eq!(bench.keys.named.as_slice(), named);
}
