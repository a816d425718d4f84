//! Replies and effects of the string commands, as transcripts. The replies are those of redis-server 7.0.15.

use crate::harness::check;

#[test]
fn set_without_options_is_its_own_effect() {
    check(
        r#"
        > SET a 1
        +OK
        ~ SET a 1
        > GET a
        "1"
        > set a "two words"
        +OK
        ~ set a "two words"
        > GET a
        "two words"
        > SET a ""
        +OK
        ~ SET a ""
        > GET a
        ""
        > GET missing
        nil
        "#,
    );
}

#[test]
fn get_refuses_other_types_of_argument_counts() {
    check(
        r#"
        > GET
        -ERR wrong number of arguments for 'get' command
        > GET a b
        -ERR wrong number of arguments for 'get' command
        > SET a
        -ERR wrong number of arguments for 'set' command
        > MGET
        -ERR wrong number of arguments for 'mget' command
        "#,
    );
}

#[test]
fn set_with_a_lifetime_is_one_effect_with_the_absolute_deadline() {
    check(
        r#"
        > SET a v EX 10
        +OK
        ~ SET a v PXAT 1010000
        > PTTL a
        10000
        > SET a v PX 1500
        +OK
        ~ SET a v PXAT 1001500
        > PTTL a
        1500
        > SET a v EXAT 2000
        +OK
        ~ SET a v PXAT 2000000
        > SET a v PXAT 1000500
        +OK
        ~ SET a v PXAT 1000500
        > SET a v px 20 EX 30
        -ERR syntax error
        > SET a v EX 20 EX 30
        +OK
        ~ SET a v PXAT 1030000
        > TTL a
        30
        > SET a v
        +OK
        ~ SET a v
        > TTL a
        -1
        "#,
    );
}

#[test]
fn set_keeps_a_deadline_only_if_told() {
    check(
        r#"
        > SET a v EX 10
        +OK
        ~ SET a v PXAT 1010000
        > SET a w KEEPTTL
        +OK
        ~ SET a w KEEPTTL
        > PTTL a
        10000
        > SET a x
        +OK
        ~ SET a x
        > PTTL a
        -1
        > SET a y KEEPTTL
        +OK
        ~ SET a y
        "#,
    );
}

#[test]
fn set_with_a_condition() {
    check(
        r#"
        > SET a 1 XX
        nil
        > SET a 1 NX
        +OK
        ~ SET a 1
        > SET a 2 NX
        nil
        > SET a 2 XX
        +OK
        ~ SET a 2
        > GET a
        "2"
        > SET a 3 NX XX
        -ERR syntax error
        > SET a 3 XX NX
        -ERR syntax error
        > SET b 3 NX NX EX 5
        +OK
        ~ SET b 3 PXAT 1005000
        "#,
    );
}

#[test]
fn set_with_get_answers_the_old_value() {
    check(
        r#"
        > SET a 1 GET
        nil
        ~ SET a 1
        > SET a 2 GET
        "1"
        ~ SET a 2
        > SET a 3 NX GET
        "2"
        > SET a 4 XX GET
        "2"
        ~ SET a 4
        > SET b 4 XX GET
        nil
        > SET b 4 NX GET EX 100
        nil
        ~ SET b 4 PXAT 1100000
        > GET a
        "4"
        "#,
    );
}

#[test]
fn set_refuses_bad_options() {
    check(
        r#"
        > SET a 1 EX
        -ERR syntax error
        > SET a 1 EX x
        -ERR value is not an integer or out of range
        > SET a 1 EX 0
        -ERR invalid expire time in 'set' command
        > SET a 1 EX -1
        -ERR invalid expire time in 'set' command
        > SET a 1 PX 0
        -ERR invalid expire time in 'set' command
        > SET a 1 EX 9223372036854775807
        -ERR invalid expire time in 'set' command
        > SET a 1 EX 9223372036854775
        -ERR invalid expire time in 'set' command
        > SET a 1 PX 9223372036854775807
        -ERR invalid expire time in 'set' command
        > SET a 1 EXAT 9223372036854775
        +OK
        ~ SET a 1 PXAT 9223372036854775000
        > SET a 1 KEEPTTL EX 5
        -ERR syntax error
        > SET a 1 EX 5 KEEPTTL
        -ERR syntax error
        > SET a 1 PX 5 PXAT 5
        -ERR syntax error
        > SET a 1 PERSIST
        -ERR syntax error
        > SET a 1 FOO
        -ERR syntax error
        > SET a 1 KEEPTTL KEEPTTL
        +OK
        ~ SET a 1 KEEPTTL
        > SETEX a 0 v
        -ERR invalid expire time in 'setex' command
        > SETEX a x v
        -ERR value is not an integer or out of range
        > PSETEX a -5 v
        -ERR invalid expire time in 'psetex' command
        > PSETEX a 9223372036854775807 v
        -ERR invalid expire time in 'psetex' command
        > EXISTS a
        1
        "#,
    );
}

#[test]
fn a_deadline_in_the_past_is_stored_by_set_and_met_by_the_next_command() {
    check(
        r#"
        > SET a v PXAT 999999
        +OK
        ~ SET a v PXAT 999999
        > GET a
        nil
        ~ DEL a
        > SET b v PXAT 999999
        +OK
        ~ SET b v PXAT 999999
        > DEL b
        0
        ~ DEL b
        > SET c v PXAT 1000000
        +OK
        ~ SET c v PXAT 1000000
        > GET c
        "v"
        "#,
    );
}

#[test]
fn setex_and_psetex_carry_the_absolute_deadline() {
    check(
        r#"
        > SETEX a 10 v
        +OK
        ~ SET a v PXAT 1010000
        > PSETEX b 10 v
        +OK
        ~ SET b v PXAT 1000010
        > @at 1000010
        > GET b
        "v"
        > @at 1000011
        > GET b
        nil
        ~ DEL b
        > PTTL a
        9989
        "#,
    );
}

#[test]
fn setnx_sets_once() {
    check(
        r#"
        > SETNX a 1
        1
        ~ SETNX a 1
        > SETNX a 2
        0
        > GET a
        "1"
        "#,
    );
}

#[test]
fn mset_and_msetnx() {
    check(
        r#"
        > MSET a 1 b 2
        +OK
        ~ MSET a 1 b 2
        > MSET a 1 b
        -ERR wrong number of arguments for 'mset' command
        > MGET a b missing
        ["1", "2", nil]
        > MSETNX a 9 c 9
        0
        > MSETNX c 3 d 4 c 5
        1
        ~ MSETNX c 3 d 4 c 5
        > MSETNX c
        -ERR wrong number of arguments for 'msetnx' command
        > MSETNX c 1 d
        -ERR wrong number of arguments for 'msetnx' command
        > GET c
        "5"
        "#,
    );
}

#[test]
fn getset_replaces_and_forgets_the_deadline() {
    check(
        r#"
        > GETSET a 1
        nil
        ~ SET a 1
        > SET a 2 EX 10
        +OK
        ~ SET a 2 PXAT 1010000
        > GETSET a 3
        "2"
        ~ SET a 3
        > TTL a
        -1
        "#,
    );
}

#[test]
fn getdel_deletes() {
    check(
        r#"
        > SET a 1
        +OK
        ~ SET a 1
        > GETDEL a
        "1"
        ~ DEL a
        > GETDEL a
        nil
        "#,
    );
}

#[test]
fn getex_changes_the_deadline_only() {
    check(
        r#"
        > SET a 1
        +OK
        ~ SET a 1
        > GETEX a
        "1"
        > GETEX a PERSIST
        "1"
        > GETEX a EX 10
        "1"
        ~ PEXPIREAT a 1010000
        > GETEX a PERSIST
        "1"
        ~ PERSIST a
        > GETEX a PXAT 1000500
        "1"
        ~ PEXPIREAT a 1000500
        > GETEX a EXAT 2000
        "1"
        ~ PEXPIREAT a 2000000
        > PTTL a
        1000000
        > GETEX a PXAT 1000000
        "1"
        ~ DEL a
        > EXISTS a
        0
        > GETEX missing EX 10
        nil
        > SET a 1
        +OK
        ~ SET a 1
        > GETEX a EX 0
        -ERR invalid expire time in 'getex' command
        > GETEX a EX 10 PERSIST
        -ERR syntax error
        > GETEX a NX
        -ERR syntax error
        > GETEX a KEEPTTL
        -ERR syntax error
        > GETEX a EX
        -ERR syntax error
        > GETEX a PX x
        -ERR value is not an integer or out of range
        > GETEX a PX -1
        -ERR invalid expire time in 'getex' command
        "#,
    );
}

#[test]
fn append() {
    check(
        r#"
        > APPEND a ""
        0
        ~ APPEND a ""
        > EXISTS a
        1
        > APPEND a hello
        5
        ~ APPEND a hello
        > APPEND a ""
        5
        ~ APPEND a ""
        > APPEND a " world"
        11
        ~ APPEND a " world"
        > GET a
        "hello world"
        > SET n 10
        +OK
        ~ SET n 10
        > APPEND n 5
        3
        ~ APPEND n 5
        > INCR n
        106
        ~ INCR n
        > OBJECT ENCODING a
        "raw"
        "#,
    );
}

#[test]
fn strlen() {
    check(
        r#"
        > STRLEN a
        0
        > SET a hello
        +OK
        ~ SET a hello
        > STRLEN a
        5
        > SET a 12345
        +OK
        ~ SET a 12345
        > STRLEN a
        5
        > SET a -7
        +OK
        ~ SET a -7
        > STRLEN a
        2
        "#,
    );
}

#[test]
fn setrange_fills_with_zeros() {
    check(
        r#"
        > SETRANGE a 0 ""
        0
        > EXISTS a
        0
        > SETRANGE a 3 xyz
        6
        ~ SETRANGE a 3 xyz
        > GET a
        "\x00\x00\x00xyz"
        > SETRANGE a 1 b
        6
        ~ SETRANGE a 1 b
        > GET a
        "\x00b\x00xyz"
        > SETRANGE a 2 ""
        6
        > SETRANGE a -1 b
        -ERR offset is out of range
        > SETRANGE a x b
        -ERR value is not an integer or out of range
        > SETRANGE a 536870911 bb
        -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE missing 536870912 b
        -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE missing 9223372036854775807 b
        -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SET n 12345
        +OK
        ~ SET n 12345
        > SETRANGE n 1 99
        5
        ~ SETRANGE n 1 99
        > GET n
        "19945"
        "#,
    );
}

#[test]
fn getrange_and_its_old_name() {
    check(
        r#"
        > SET a "Hello World"
        +OK
        ~ SET a "Hello World"
        > GETRANGE a 0 4
        "Hello"
        > GETRANGE a -5 -1
        "World"
        > GETRANGE a 0 -1
        "Hello World"
        > GETRANGE a 4 2
        ""
        > GETRANGE a -1 -5
        ""
        > GETRANGE a -100 -100
        "H"
        > GETRANGE a -100 3
        "Hell"
        > GETRANGE a 5 100
        " World"
        > GETRANGE a 100 200
        ""
        > GETRANGE a 0 -100
        "H"
        > GETRANGE a -9223372036854775808 9223372036854775807
        "Hello World"
        > GETRANGE a x 1
        -ERR value is not an integer or out of range
        > GETRANGE a 1 9223372036854775808
        -ERR value is not an integer or out of range
        > GETRANGE missing 0 -1
        ""
        > SUBSTR a 1 2
        "el"
        > SET n 123456
        +OK
        ~ SET n 123456
        > GETRANGE n 2 3
        "34"
        > SET e ""
        +OK
        ~ SET e ""
        > GETRANGE e 0 0
        ""
        "#,
    );
}

#[test]
fn counters_count_in_place_and_keep_their_deadline() {
    check(
        r#"
        > INCR a
        1
        ~ INCR a
        > INCRBY a 10
        11
        ~ INCRBY a 10
        > DECR a
        10
        ~ DECR a
        > DECRBY a 3
        7
        ~ DECRBY a 3
        > GET a
        "7"
        > OBJECT ENCODING a
        "int"
        > SET b 10 EX 100
        +OK
        ~ SET b 10 PXAT 1100000
        > INCR b
        11
        ~ INCR b
        > PTTL b
        100000
        > INCRBY c -5
        -5
        ~ INCRBY c -5
        > DECRBY d 5
        -5
        ~ DECRBY d 5
        "#,
    );
}

#[test]
fn counters_refuse_what_is_no_integer_and_what_overflows() {
    check(
        r#"
        > SET a x
        +OK
        ~ SET a x
        > INCR a
        -ERR value is not an integer or out of range
        > SET a " 1"
        +OK
        ~ SET a " 1"
        > INCR a
        -ERR value is not an integer or out of range
        > SET a 1.5
        +OK
        ~ SET a 1.5
        > INCRBY a 1
        -ERR value is not an integer or out of range
        > SET a 9223372036854775807
        +OK
        ~ SET a 9223372036854775807
        > INCR a
        -ERR increment or decrement would overflow
        > DECRBY a -1
        -ERR increment or decrement would overflow
        > SET a -9223372036854775808
        +OK
        ~ SET a -9223372036854775808
        > DECR a
        -ERR increment or decrement would overflow
        > INCRBY a -1
        -ERR increment or decrement would overflow
        > INCRBY a x
        -ERR value is not an integer or out of range
        > INCRBY a 9223372036854775808
        -ERR value is not an integer or out of range
        > DECRBY a -9223372036854775808
        -ERR decrement would overflow
        > SET a ""
        +OK
        ~ SET a ""
        > INCR a
        -ERR value is not an integer or out of range
        "#,
    );
}

#[test]
fn incrbyfloat_logs_the_sum() {
    check(
        r#"
        > SET a 10.50
        +OK
        ~ SET a 10.50
        > INCRBYFLOAT a 0.1
        "10.6"
        ~ SET a 10.6 KEEPTTL
        > INCRBYFLOAT a -5
        "5.6"
        ~ SET a 5.6 KEEPTTL
        > INCRBYFLOAT a 5.0e3
        "5005.60000000000000009"
        ~ SET a 5005.60000000000000009 KEEPTTL
        > SET b 1 EX 100
        +OK
        ~ SET b 1 PXAT 1100000
        > INCRBYFLOAT b 0.1
        "1.1"
        ~ SET b 1.1 KEEPTTL
        > PTTL b
        100000
        > INCRBYFLOAT c 0.1
        "0.1"
        ~ SET c 0.1 KEEPTTL
        > INCRBYFLOAT c 0.2
        "0.3"
        ~ SET c 0.3 KEEPTTL
        > INCRBYFLOAT c -0.3
        "0"
        ~ SET c 0 KEEPTTL
        > INCRBYFLOAT a x
        -ERR value is not a valid float
        > INCRBYFLOAT a inf
        -ERR increment would produce NaN or Infinity
        > INCRBYFLOAT a nan
        -ERR value is not a valid float
        > SET a x
        +OK
        ~ SET a x
        > INCRBYFLOAT a 1
        -ERR value is not a valid float
        > SET a " 1"
        +OK
        ~ SET a " 1"
        > INCRBYFLOAT a 1
        -ERR value is not a valid float
        "#,
    );
}

#[test]
fn strings_may_not_pass_the_limit() {
    check(
        r#"
        > @max_string 10
        > SET a 12345678
        +OK
        ~ SET a 12345678
        > APPEND a 90
        10
        ~ APPEND a 90
        > APPEND a 1
        -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE a 9 x
        10
        ~ SETRANGE a 9 x
        > SETRANGE a 10 x
        -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE a 9 xx
        -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE b 10 x
        -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        "#,
    );
}

#[test]
fn a_key_past_its_deadline_is_deleted_before_the_command_that_meets_it() {
    check(
        r#"
        > SET a 1 PX 10
        +OK
        ~ SET a 1 PXAT 1000010
        > SET b 1 PX 10
        +OK
        ~ SET b 1 PXAT 1000010
        > SET c 1 PX 10
        +OK
        ~ SET c 1 PXAT 1000010
        > SET d 1 PX 10
        +OK
        ~ SET d 1 PXAT 1000010
        > SET e 1 PX 10
        +OK
        ~ SET e 1 PXAT 1000010
        > @at 1000011
        > GET a
        nil
        ~ DEL a
        > INCR b
        1
        ~ DEL b
        ~ INCR b
        > SET c 2
        +OK
        ~ DEL c
        ~ SET c 2
        > APPEND d x
        1
        ~ DEL d
        ~ APPEND d x
        > MSETNX e 1 f 2
        1
        ~ DEL e
        ~ MSETNX e 1 f 2
        "#,
    );
}

#[test]
fn while_replaying_nothing_expires_and_nothing_is_logged() {
    check(
        r#"
        > @replay on
        > SET a 1 PXAT 5
        +OK
        > GET a
        "1"
        > INCR a
        2
        > PTTL a
        0
        > PEXPIREAT a 7
        1
        > EXISTS a
        1
        > @replay off
        > GET a
        nil
        ~ DEL a
        "#,
    );
}

#[test]
fn the_longest_common_subsequence_and_where_it_stands() {
    check(
        r#"
        > MSET a ohmytext b mynewtext n 1234
        +OK
        ~ MSET a ohmytext b mynewtext n 1234
        > LCS a b
        "mytext"
        > LCS a b LEN
        6
        > LCS a b IDX
        ["matches", [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], "len", 6]
        > LCS a b IDX MINMATCHLEN 4
        ["matches", [[[4, 7], [5, 8]]], "len", 6]
        > LCS a b IDX WITHMATCHLEN minmatchlen -5
        ["matches", [[[4, 7], [5, 8], 4], [[2, 3], [0, 1], 2]], "len", 6]
        > LCS a missing
        ""
        > LCS missing missing IDX
        ["matches", [], "len", 0]
        > LCS n n
        "1234"
        > @resp 3
        > LCS a b IDX MINMATCHLEN 5
        {"matches": [], "len": 6}
        "#,
    );
}

#[test]
fn lcs_refuses_other_types_bad_options_and_what_redis_has_no_memory_for() {
    check(
        r#"
        > RPUSH l x
        1
        ~ RPUSH l x
        > LCS l missing NONSENSE
        -ERR The specified keys must contain string values
        > LCS a b NONSENSE
        -ERR syntax error
        > LCS a b MINMATCHLEN
        -ERR syntax error
        > LCS a b MINMATCHLEN x
        -ERR value is not an integer or out of range
        > LCS a b LEN IDX
        -ERR If you want both the length and indexes, please just use IDX.
        > MSET a 123456789 b 123456789
        +OK
        ~ MSET a 123456789 b 123456789
        > @max_string 400
        > LCS a b LEN
        9
        > @max_string 399
        > LCS a b LEN
        -ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len
        "#,
    );
}
