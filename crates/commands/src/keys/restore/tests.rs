//! DUMP and RESTORE as transcripts. The order of errors: `restoreCommand` of Redis 7.2.

use crate::harness::{Bench, check};

#[test]
fn dump_answers_a_payload_of_version_9() {
    check(
        r#"
        > SET a v
        +OK
        ~ SET a v
        > DUMP a
        "\x00\x01v\t\x00A\xfa\x9f~M\xbe\xe9\x7f"
        > DUMP missing
        nil
        "#,
    );
}

#[test]
fn the_first_argument_that_is_wrong_is_told() {
    check(
        r#"
        > SET a v
        +OK
        ~ SET a v
        > RESTORE a x payload NOSUCH
        -ERR syntax error
        > RESTORE a x payload IDLETIME
        -ERR syntax error
        > RESTORE a x payload IDLETIME x FREQ
        -ERR value is not an integer or out of range
        > RESTORE a x payload IDLETIME -1
        -ERR Invalid IDLETIME value, must be >= 0
        > RESTORE a x payload FREQ 256
        -ERR Invalid FREQ value, must be >= 0 and <= 255
        > RESTORE a x payload IDLETIME 1 FREQ 1
        -ERR syntax error
        > RESTORE a x payload
        -BUSYKEY Target key name already exists.
        > RESTORE a x payload REPLACE
        -ERR value is not an integer or out of range
        > RESTORE a -1 payload replace
        -ERR Invalid TTL value, must be >= 0
        > RESTORE a 9223372036854775807 payload REPLACE
        -ERR invalid expire time in 'restore' command
        > RESTORE a 1 payload REPLACE
        -ERR DUMP payload version or checksum are wrong
        > RESTORE a 1 "" REPLACE
        -ERR DUMP payload version or checksum are wrong
        # Version 13, and a changed byte.
        > RESTORE a 1 "\x00\x01v\r\x003\xa1G\x01\x1e\x8d\xfd\x0e" REPLACE
        -ERR DUMP payload version or checksum are wrong
        > RESTORE a 1 "\x00\x01w\x09\x00A\xfa\x9f~M\xbe\xe9\x7f" REPLACE
        -ERR DUMP payload version or checksum are wrong
        "#,
    );
}

#[test]
fn what_a_right_checksum_does_not_make_a_value_is_refused() {
    check(
        r#"
        # Cut short, of an unknown type, a list without elements, a stream.
        > RESTORE a 0 "\x00\x05v\x09\x00\x8fPU\xfeeS\xde\x1a"
        -ERR Bad data format
        > RESTORE a 0 "\x08\x00\x09\x00\x11<\x98\x8d\n#\xae\xa1"
        -ERR Bad data format
        > RESTORE a 0 "\x01\x00\x09\x00\x8b\nt\x008\x91 \xe7"
        -ERR Bad data format
        > RESTORE a 0 "\x0f\x00\x09\x00\xbe\xa0N\xc1\xd5P\xe3z"
        -ERR Bad data format: stream (type 15) is not supported
        > EXISTS a
        0
        "#,
    );
}

#[test]
fn a_time_to_live_is_logged_as_the_deadline_that_it_meant() {
    check(
        r#"
        > RESTORE a 0 "\x00\x01v\x09\x00A\xfa\x9f~M\xbe\xe9\x7f"
        +OK
        ~ RESTORE a 0 "\x00\x01v\t\x00A\xfa\x9f~M\xbe\xe9\x7f" REPLACE
        > PTTL a
        -1
        > RESTORE a 500 "\x00\x01v\x09\x00A\xfa\x9f~M\xbe\xe9\x7f" REPLACE
        +OK
        ~ RESTORE a 1000500 "\x00\x01v\t\x00A\xfa\x9f~M\xbe\xe9\x7f" REPLACE ABSTTL
        > PTTL a
        500
        > restore-asking b 1000700 "\x00\x01v\x09\x00A\xfa\x9f~M\xbe\xe9\x7f" absttl
        +OK
        ~ RESTORE b 1000700 "\x00\x01v\t\x00A\xfa\x9f~M\xbe\xe9\x7f" REPLACE ABSTTL
        > PTTL b
        700
        > GET b
        "v"
        "#,
    );
}

#[test]
fn a_deadline_that_is_over_deletes_the_key_that_it_would_replace() {
    check(
        r#"
        > RESTORE a 1000 "\x00\x01v\x09\x00A\xfa\x9f~M\xbe\xe9\x7f" ABSTTL
        +OK
        > SET a x
        +OK
        ~ SET a x
        > RESTORE a 1000000 "\x00\x01v\x09\x00A\xfa\x9f~M\xbe\xe9\x7f" ABSTTL REPLACE
        +OK
        ~ DEL a
        > EXISTS a
        0
        "#,
    );
}

#[test]
fn while_a_log_is_loaded_a_deadline_that_is_over_is_kept() {
    check(
        r#"
        > @replay on
        > RESTORE a 1000 "\x00\x01v\x09\x00A\xfa\x9f~M\xbe\xe9\x7f" ABSTTL
        +OK
        > PEXPIRETIME a
        1000
        > @replay off
        > EXISTS a
        0
        ~ DEL a
        "#,
    );
}

#[test]
fn a_key_past_its_deadline_is_not_in_the_way() {
    check(
        r#"
        > SET a x PX 5
        +OK
        ~ SET a x PXAT 1000005
        > @at 1000006
        > RESTORE a 0 "\x00\x01v\x09\x00A\xfa\x9f~M\xbe\xe9\x7f"
        +OK
        ~ DEL a
        ~ RESTORE a 0 "\x00\x01v\t\x00A\xfa\x9f~M\xbe\xe9\x7f" REPLACE
        "#,
    );
}

/// Redis 6.2 loads our log and refuses these versions and layouts.
#[test]
fn a_payload_that_only_newer_servers_read_is_logged_in_the_version_that_all_do() {
    check(
        r#"
        > RESTORE a 0 "\x00\x01v\x0b\x00\xf8\xd7s\xc1\xe4\xa7cG"
        +OK
        ~ RESTORE a 0 "\x00\x01v\t\x00A\xfa\x9f~M\xbe\xe9\x7f" REPLACE
        # A set as a listpack, which a footer of version 9 does not make older.
        > RESTORE s 0 "\x14\x0b\x0b\x00\x00\x00\x02\x00\x01\x01\x02\x01\xff\x09\x00\x84\xb1\xfc\xf8m\xec\xe4\x8e"
        +OK
        ~ RESTORE s 0 "\x02\x02\xc0\x01\xc0\x02\t\x00P\xca\xed8O\xd4\x1ex" REPLACE
        > SMEMBERS s
        ["1", "2"]
        "#,
    );
}

#[test]
fn what_is_known_of_the_use_of_a_key_is_kept_as_far_as_it_fits() {
    check(
        r#"
        > @at 100000000
        > RESTORE a 0 "\x00\x01v\x09\x00A\xfa\x9f~M\xbe\xe9\x7f" IDLETIME 60
        +OK
        ~ RESTORE a 0 "\x00\x01v\t\x00A\xfa\x9f~M\xbe\xe9\x7f" REPLACE IDLETIME 60
        > OBJECT IDLETIME a
        60
        > RESTORE a 0 "\x00\x01v\x09\x00A\xfa\x9f~M\xbe\xe9\x7f" REPLACE FREQ 255
        +OK
        ~ RESTORE a 0 "\x00\x01v\t\x00A\xfa\x9f~M\xbe\xe9\x7f" REPLACE FREQ 255
        > OBJECT IDLETIME a
        0
        "#,
    );
}

/// A small payload may stand for much: no command makes a string longer than the limit.
#[test]
fn a_string_beyond_the_limit_is_refused() {
    let mut bench = Bench::new();
    bench.line("SETRANGE a 1000000 x");
    let payload = bench.run(&[b"DUMP".to_vec(), b"a".to_vec()]).reply;
    let start = payload.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let payload = payload[start..payload.len() - 2].to_vec();
    assert!(payload.len() < 20_000, "{}", payload.len());
    let restore = [b"RESTORE".to_vec(), b"b".to_vec(), b"0".to_vec(), payload];
    bench.limits.max_string_bytes = 1_000_000;
    assert_eq!(bench.run(&restore).reply, b"-ERR Bad data format\r\n");
    bench.limits.max_string_bytes = 1_000_001;
    assert_eq!(bench.run(&restore).reply, b"+OK\r\n");
}

/// A request of just below 4 GiB was logged as a command of more, which no start reads back.
#[test]
fn an_effect_that_no_log_may_hold_is_refused() {
    let words: [&[u8]; 6] = [b"RESTORE", b"key", b"1700000000000", &[b'p'; 900], b"REPLACE", b"ABSTTL"];
    let mut encoded = Vec::new();
    resp_codec::encode_command(&mut encoded, words.into_iter());
    for most in 0..=encoded.len() + 20 {
        let refused = super::check_size(&words, most).is_err();
        assert!(refused || most >= encoded.len(), "{most}");
        assert!(!refused || most <= encoded.len() + 16, "{most}");
    }
    assert_eq!(super::check_size(&words, 100).unwrap_err().to_string(), "ERR the value is too large to be logged");
}
