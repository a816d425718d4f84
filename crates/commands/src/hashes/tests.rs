//! Transcripts of the hash commands. Replies are those of Redis 7.0.15.

use crate::harness::{Bench, check};

#[test]
fn fields_are_set_read_and_removed() {
    check(
        r#"
        > HSET a f 1 g two
        2
        ~ HSET a f 1 g two
        > HSET a f 2 h 3
        1
        ~ HSET a f 2 h 3
        > HMSET a i 4
        +OK
        ~ HMSET a i 4
        > HSETNX a i 5
        0
        > HSETNX a j 5
        1
        ~ HSETNX a j 5
        > HGET a f
        "2"
        > HGET a missing
        nil
        > HMGET a f missing g
        ["2", nil, "two"]
        > HMGET missing f
        [nil]
        > HEXISTS a f
        1
        > HEXISTS a x
        0
        > HLEN a
        5
        > HSTRLEN a g
        3
        > HSTRLEN a x
        0
        > HKEYS a
        ["f", "g", "h", "i", "j"]
        > HVALS a
        ["2", "two", "3", "4", "5"]
        > HGETALL a
        ["f", "2", "g", "two", "h", "3", "i", "4", "j", "5"]
        > HDEL a x
        0
        > HDEL a f g x
        2
        ~ HDEL a f g x
        > HDEL a h i j
        3
        ~ HDEL a h i j
        > HLEN a
        0
        > HDEL a f
        0
        > HGETALL a
        []
        > HKEYS a
        []
        > HSETNX a f 1
        1
        ~ HSETNX a f 1
        > HSET a f
        -ERR wrong number of arguments for 'hset' command
        > HSET a f 1 g
        -ERR wrong number of arguments for 'hset' command
        > HMSET a f 1 g
        -ERR wrong number of arguments for 'hmset' command
        > SET s x
        +OK
        ~ SET s x
        > HSET s f 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > HGETALL s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > HSETNX s f 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > HDEL s f
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn hashes_answer_as_maps_in_resp3() {
    check(
        r#"
        > @resp 3
        > HSET a f 1 g two
        2
        ~ HSET a f 1 g two
        > HGETALL a
        {"f": "1", "g": "two"}
        > HGETALL missing
        {}
        > HKEYS a
        ["f", "g"]
        > HVALS missing
        []
        > HGET a x
        nil
        > HMGET a f x
        ["1", nil]
        > HRANDFIELD a 5 WITHVALUES
        [["f", "1"], ["g", "two"]]
        > HRANDFIELD a 5
        ["f", "g"]
        > HRANDFIELD missing
        nil
        > HRANDFIELD missing 1
        []
        > HSCAN a 0
        ["0", ["f", "1", "g", "two"]]
        > HINCRBYFLOAT a f 0.5
        "1.5"
        ~ HSET a f 1.5
        "#,
    );
}

#[test]
fn an_integer_field_is_counted() {
    check(
        r#"
        > HINCRBY a n 5
        5
        ~ HINCRBY a n 5
        > HINCRBY a n -7
        -2
        ~ HINCRBY a n -7
        > HSET a max 9223372036854775807 text x float 1.5
        3
        ~ HSET a max 9223372036854775807 text x float 1.5
        > HINCRBY a max 1
        -ERR increment or decrement would overflow
        > HINCRBY a text 1
        -ERR hash value is not an integer
        > HINCRBY a float 1
        -ERR hash value is not an integer
        > HINCRBY a n x
        -ERR value is not an integer or out of range
        > HINCRBY a n 1.5
        -ERR value is not an integer or out of range
        > HINCRBY a n 9223372036854775808
        -ERR value is not an integer or out of range
        > SET s x
        +OK
        ~ SET s x
        > HINCRBY s n 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > HINCRBY s n x
        -ERR value is not an integer or out of range
        > HINCRBY missing n x
        -ERR value is not an integer or out of range
        > EXISTS missing
        0
        "#,
    );
}

#[test]
fn a_sum_of_floats_is_logged_as_the_value() {
    check(
        r#"
        > HINCRBYFLOAT a n 0.1
        "0.1"
        ~ HSET a n 0.1
        > HINCRBYFLOAT a n 0.2
        "0.3"
        ~ HSET a n 0.3
        > HINCRBYFLOAT a n 1e3
        "1000.29999999999999999"
        ~ HSET a n 1000.29999999999999999
        > HSET a text x int 5
        2
        ~ HSET a text x int 5
        > HINCRBYFLOAT a int -5
        "0"
        ~ HSET a int 0
        > HINCRBYFLOAT a text 1
        -ERR hash value is not a float
        > HINCRBYFLOAT a n x
        -ERR value is not a valid float
        > HINCRBYFLOAT a n inf
        -ERR value is NaN or Infinity
        > HINCRBYFLOAT a n nan
        -ERR value is not a valid float
        > HSET a n inf
        0
        ~ HSET a n inf
        > HINCRBYFLOAT a n 1
        -ERR increment would produce NaN or Infinity
        > HINCRBYFLOAT missing n inf
        -ERR value is NaN or Infinity
        > EXISTS missing
        0
        > SET s x
        +OK
        ~ SET s x
        > HINCRBYFLOAT s n 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn random_fields_come_with_values_if_asked() {
    check(
        r#"
        > HRANDFIELD a
        nil
        > HRANDFIELD a 1
        []
        > HSET a f 1
        1
        ~ HSET a f 1
        > HRANDFIELD a
        "f"
        > HRANDFIELD a 2
        ["f"]
        > HRANDFIELD a 0
        []
        > HRANDFIELD a 2 withvalues
        ["f", "1"]
        > HRANDFIELD a -2
        ["f", "f"]
        > HRANDFIELD a -2 WITHVALUES
        ["f", "1", "f", "1"]
        > HRANDFIELD a x
        -ERR value is not an integer or out of range
        > HRANDFIELD a 1 VALUES
        -ERR syntax error
        > HRANDFIELD a 1 WITHVALUES x
        -ERR syntax error
        > HRANDFIELD a -9223372036854775808
        -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > HRANDFIELD a 4611686018427387904 WITHVALUES
        -ERR value is out of range
        > HRANDFIELD a -4611686018427387904 WITHVALUES
        -ERR value is out of range
        > HRANDFIELD a 4611686018427387903 WITHVALUES
        ["f", "1"]
        > SET s x
        +OK
        ~ SET s x
        > HRANDFIELD s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > HRANDFIELD s 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn random_fields_repeat_only_when_the_count_is_negative() {
    let mut bench = Bench::new();
    bench.line("HSET a 1 a 2 b 3 c 4 d 5 e");
    let distinct = bench.line("HRANDFIELD a 3");
    let mut fields: Vec<_> = distinct.trim_matches(['[', ']']).split(", ").collect();
    fields.sort_unstable();
    fields.dedup();
    assert_eq!(fields.len(), 3, "{distinct}");
    assert_eq!(bench.line("HRANDFIELD a -20 WITHVALUES").split(", ").count(), 40);
}

#[test]
fn a_scan_answers_fields_with_values() {
    check(
        r#"
        > HSET a f 1 g 2 ff 3
        3
        ~ HSET a f 1 g 2 ff 3
        > HSCAN a 0
        ["0", ["f", "1", "g", "2", "ff", "3"]]
        > HSCAN a 0 MATCH f* COUNT 100
        ["0", ["f", "1", "ff", "3"]]
        > HSCAN a 0 COUNT 0
        -ERR syntax error
        > HSCAN a 0 NOVALUES
        -ERR syntax error
        > HSCAN a x
        -ERR invalid cursor
        > HSCAN missing 0
        ["0", []]
        > SET s x
        +OK
        ~ SET s x
        > HSCAN s 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

/// HSET counted the fields as they were set; Redis counts the arguments, however often one comes.
#[test]
fn the_number_of_arguments_of_hset_decides_the_form() {
    check(
        r#"
        > @compact 3
        > HSET a f 1 f 2 f 3
        1
        ~ HSET a f 1 f 2 f 3
        > OBJECT ENCODING a
        "listpack"
        > HSET a f 1 f 2 f 3 f 4
        0
        ~ HSET a f 1 f 2 f 3 f 4
        > OBJECT ENCODING a
        "hashtable"
        "#,
    );
}
