//! Replies and effects of the commands on bits, as transcripts. The replies are those of redis-server 7.2.4.

use crate::harness::{Bench, check, words};

#[test]
fn a_bit_is_set_in_place_and_logged_only_if_that_changes_something() {
    check(
        r#"
        > SETBIT a 7 1
        0
        ~ SETBIT a 7 1
        > GET a
        "\x01"
        > SETBIT a 7 1
        1
        > SETBIT a 0 0
        0
        > SETBIT a 9 0
        0
        ~ SETBIT a 9 0
        > GET a
        "\x01\x00"
        > SETBIT a 7 0
        1
        ~ SETBIT a 7 0
        > GETBIT a 7
        0
        > GETBIT a 100
        0
        > GETBIT missing 0
        0
        > SET n 1 PX 5000
        +OK
        ~ SET n 1 PXAT 1005000
        > SETBIT n 6 1
        0
        ~ SETBIT n 6 1
        > GET n
        "3"
        > OBJECT ENCODING n
        "raw"
        > PTTL n
        5000
        "#,
    );
}

#[test]
fn bits_refuse_offsets_and_values_that_are_none() {
    check(
        r#"
        > SETBIT a -1 1
        -ERR bit offset is not an integer or out of range
        > SETBIT a x 1
        -ERR bit offset is not an integer or out of range
        > SETBIT a 4294967296 1
        -ERR bit offset is not an integer or out of range
        > SETBIT a #1 1
        -ERR bit offset is not an integer or out of range
        > SETBIT a 1 2
        -ERR bit is not an integer or out of range
        > SETBIT a 1 x
        -ERR bit is not an integer or out of range
        > GETBIT a 4294967296
        -ERR bit offset is not an integer or out of range
        > GETBIT a 4294967295
        0
        > RPUSH l x
        1
        ~ RPUSH l x
        > SETBIT l 1 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETBIT l 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITCOUNT l
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITPOS l 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITFIELD l GET u1 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITFIELD l SET u1 0 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITOP OR l l a
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > @max_string 2
        > SETBIT a 15 1
        0
        ~ SETBIT a 15 1
        > SETBIT a 16 1
        -ERR bit offset is not an integer or out of range
        > BITFIELD a SET u8 15 1
        [128]
        ~ BITFIELD a SET u8 15 1
        > BITFIELD a SET u8 #2 1
        -ERR bit offset is not an integer or out of range
        "#,
    );
}

#[test]
fn bits_are_counted_in_a_range_of_bytes_or_bits() {
    check(
        r#"
        > SET a foobar
        +OK
        ~ SET a foobar
        > BITCOUNT a
        26
        > BITCOUNT a 0 0
        4
        > BITCOUNT a 1 1
        6
        > BITCOUNT a 0 -5
        10
        > BITCOUNT a -2 -1 BYTE
        7
        > BITCOUNT a 5 30 BIT
        17
        > BITCOUNT a 5 5 bit
        1
        > BITCOUNT a -1 -2 NONSENSE
        0
        > BITCOUNT a -100 -200
        0
        > BITCOUNT a 100 200
        0
        > BITCOUNT a 0
        -ERR syntax error
        > BITCOUNT a 0 1 NONSENSE
        -ERR syntax error
        > BITCOUNT a 0 1 BIT x
        -ERR syntax error
        > BITCOUNT a x 1
        -ERR value is not an integer or out of range
        > BITCOUNT missing 0
        0
        > SET n 12
        +OK
        ~ SET n 12
        > BITCOUNT n
        6
        "#,
    );
}

#[test]
fn the_first_bit_is_found_and_zeros_follow_an_end_that_nobody_named() {
    check(
        r#"
        > SET a "\xff\xf0\x00"
        +OK
        ~ SET a "\xff\xf0\x00"
        > BITPOS a 0
        12
        > BITPOS a 1 2
        -1
        > BITPOS a 1 -3 -2 BYTE
        0
        > BITPOS a 1 7 15 BIT
        7
        > BITPOS a 0 0 11 BIT
        -1
        > BITPOS a 1 5 3
        -1
        > SET b "\xff\xff"
        +OK
        ~ SET b "\xff\xff"
        > BITPOS b 0
        16
        > BITPOS b 0 1
        16
        > BITPOS b 0 0 -1
        -1
        > BITPOS b 0 2
        -1
        > SET empty ""
        +OK
        ~ SET empty ""
        > BITPOS empty 0
        -1
        > BITPOS missing 0
        0
        > BITPOS missing 1 nonsense
        -1
        > BITPOS a 2
        -ERR The bit argument must be 1 or 0.
        > BITPOS a x
        -ERR value is not an integer or out of range
        > BITPOS a 1 0 1 NONSENSE
        -ERR syntax error
        > BITPOS a 1 0 1 BIT x
        -ERR syntax error
        "#,
    );
}

#[test]
fn strings_are_combined_and_the_shorter_count_as_zeros_at_their_end() {
    check(
        r#"
        > MSET a "\xf0\xff" b "\x3c" n 1
        +OK
        ~ MSET a "\xf0\xff" b < n 1
        > BITOP AND r a b
        2
        ~ BITOP AND r a b
        > GET r
        "0\x00"
        > BITOP or r a b missing
        2
        ~ BITOP or r a b missing
        > GET r
        "\xfc\xff"
        > BITOP XOR r a b
        2
        ~ BITOP XOR r a b
        > GET r
        "\xcc\xff"
        > BITOP NOT r a
        2
        ~ BITOP NOT r a
        > GET r
        "\x0f\x00"
        > EXPIRE r 5
        1
        ~ PEXPIREAT r 1005000
        > BITOP OR r n
        1
        ~ BITOP OR r n
        > OBJECT ENCODING r
        "raw"
        > TTL r
        -1
        > BITOP OR r missing
        0
        ~ BITOP OR r missing
        > EXISTS r
        0
        > BITOP OR r missing
        0
        > BITOP NOT r a b
        -ERR BITOP NOT must be called with a single source key.
        > BITOP NAND r a b
        -ERR syntax error
        "#,
    );
}

#[test]
fn fields_of_any_width_are_answered_set_and_added_to() {
    check(
        r#"
        > BITFIELD a SET u8 0 255 GET u8 0 GET i8 0 GET u4 2 GET i64 #1
        [0, 255, -1, 15, 0]
        ~ BITFIELD a SET u8 0 255 GET u8 0 GET i8 0 GET u4 2 GET i64 #1
        > BITFIELD a SET u8 0 255
        [255]
        > BITFIELD a INCRBY u4 #1 -3 incrby i5 100 1
        [12, 1]
        ~ BITFIELD a INCRBY u4 #1 -3 incrby i5 100 1
        > STRLEN a
        14
        > BITFIELD a INCRBY u2 200 3 OVERFLOW SAT INCRBY u2 200 3 OVERFLOW FAIL INCRBY u2 200 1 OVERFLOW WRAP INCRBY u2 200 1
        [3, 3, nil, 0]
        ~ BITFIELD a INCRBY u2 200 3 OVERFLOW SAT INCRBY u2 200 3 OVERFLOW FAIL INCRBY u2 200 1 OVERFLOW WRAP INCRBY u2 200 1
        > BITFIELD b OVERFLOW FAIL SET i3 0 5
        [nil]
        ~ BITFIELD b OVERFLOW FAIL SET i3 0 5
        > GET b
        "\x00"
        > BITFIELD b OVERFLOW SAT SET i3 0 5 SET i3 0 -9 SET u3 0 -1 GET u3 0 SET i3 0 -9223372036854775808 GET i3 0
        [0, 3, 4, 7, -1, 3]
        ~ BITFIELD b OVERFLOW SAT SET i3 0 5 SET i3 0 -9 SET u3 0 -1 GET u3 0 SET i3 0 -9223372036854775808 GET i3 0
        > BITFIELD b INCRBY i64 0 9223372036854775807 INCRBY i64 0 9223372036854775807
        [-2305843009213693953, 6917529027641081854]
        ~ BITFIELD b INCRBY i64 0 9223372036854775807 INCRBY i64 0 9223372036854775807
        > BITFIELD b
        []
        > BITFIELD missing GET u8 0 GET i63 4294967295
        [0, 0]
        > EXISTS missing
        0
        > BITFIELD_RO b GET u8 0
        [95]
        > @resp 3
        > BITFIELD b OVERFLOW FAIL INCRBY u1 0 2
        [nil]
        "#,
    );
}

#[test]
fn fields_refuse_what_does_not_follow_their_grammar() {
    check(
        r#"
        > BITFIELD a GET u64 0
        -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
        > BITFIELD a GET i65 0
        -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
        > BITFIELD a GET U8 0
        -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
        > BITFIELD a GET u0 0
        -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
        > BITFIELD a GET u8 -1
        -ERR bit offset is not an integer or out of range
        > BITFIELD a GET u8 #x
        -ERR bit offset is not an integer or out of range
        > BITFIELD a GET u8 #9223372036854775807
        -ERR bit offset is not an integer or out of range
        > BITFIELD a SET u8 0 x
        -ERR value is not an integer or out of range
        > BITFIELD a SET u8 0 1 OVERFLOW NONSENSE
        -ERR Invalid OVERFLOW type specified
        > BITFIELD a SET u8 0
        -ERR syntax error
        > BITFIELD a GET u8
        -ERR syntax error
        > BITFIELD a OVERFLOW
        -ERR syntax error
        > BITFIELD a NONSENSE u8 0
        -ERR syntax error
        > EXISTS a
        0
        > BITFIELD_RO a SET u8 0 1
        -ERR BITFIELD_RO only supports the GET subcommand
        "#,
    );
}

#[test]
fn bitfield_says_of_a_request_that_only_reads_that_it_reads() {
    check(
        r#"
        > COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 OVERFLOW SAT GET u8 1
        [["k", [+RO, +access]]]
        > COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 SET u8 0 1
        [["k", [+RW, +access, +update]]]
        > COMMAND GETKEYSANDFLAGS BITFIELD k GET u8
        [["k", [+RW, +access, +update]]]
        "#,
    );
}

#[test]
fn a_missing_string_is_made_of_its_full_length_at_once() {
    let mut bench = Bench::new();
    bench.run(&words("SETBIT a 79999999 1"));
    let Some(keyspace::ValueRef::Str(value)) = bench.keyspace.db(0).get(bench.keyspace.key(b"a")) else {
        panic!("a string");
    };
    assert_eq!(value.len(), 10_000_000);
    assert_eq!(bench.line("BITPOS a 1"), "79999999");
}
