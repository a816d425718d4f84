//! Replies: how each value is spelled in both protocols, and that a client reads back what was meant.

use proptest::prelude::*;
use resp_codec::{Protocol, Reply, ReplyDecoder, ReplyError, ReplyLimits, Value};

/// Checks what `write` appends in RESP2 and in RESP3.
fn check(write: impl Fn(&mut Reply<'_>), resp2: &str, resp3: &str) {
    for (proto, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
        let mut out = b"before".to_vec();
        write(&mut Reply::new(&mut out, proto));
        assert_eq!(out[6..].escape_ascii().to_string(), expected, "{proto:?}");
    }
}

fn same(write: impl Fn(&mut Reply<'_>), both: &str) {
    check(write, both, both);
}

#[test]
fn simple_values_are_the_same_in_both_protocols() {
    same(|r| r.ok(), r"+OK\r\n");
    same(|r| r.status("PONG"), r"+PONG\r\n");
    same(|r| r.integer(-7), r":-7\r\n");
    same(|r| r.count(12), r":12\r\n");
    same(|r| r.bulk(b""), r"$0\r\n\r\n");
    same(|r| r.bulk(b"hello, worl"), r"$11\r\nhello, worl\r\n");
    same(|r| r.bulk_int(i64::MIN), r"$20\r\n-9223372036854775808\r\n");
    same(|r| r.bulk_double(0.5), r"$3\r\n0.5\r\n");
    same(|r| r.array(0), r"*0\r\n");
    same(|r| r.array(1234), r"*1234\r\n");
}

#[test]
fn typed_values_fall_back_in_resp2() {
    check(|r| r.null(), r"$-1\r\n", r"_\r\n");
    check(|r| r.null_array(), r"*-1\r\n", r"_\r\n");
    check(|r| r.bool(true), r":1\r\n", r"#t\r\n");
    check(|r| r.bool(false), r":0\r\n", r"#f\r\n");
    check(|r| r.double(1e20), r"$5\r\n1e+20\r\n", r",1e+20\r\n");
    check(|r| r.double(f64::NEG_INFINITY), r"$4\r\n-inf\r\n", r",-inf\r\n");
    check(|r| r.map(2), r"*4\r\n", r"%2\r\n");
    check(|r| r.set(3), r"*3\r\n", r"~3\r\n");
    check(|r| r.push(3), r"*3\r\n", r">3\r\n");
    check(|r| r.verbatim(*b"txt", b"a\r\nb"), r"$4\r\na\r\nb\r\n", r"=8\r\ntxt:a\r\nb\r\n");
    check(|r| r.big_number(b"-12"), r"$3\r\n-12\r\n", r"(-12\r\n");
}

#[test]
fn errors_are_one_line_with_one_code() {
    same(|r| r.error("WRONGTYPE no"), r"-WRONGTYPE no\r\n");
    same(|r| r.error("-LOADING wait"), r"-LOADING wait\r\n");
    same(|r| r.err("syntax error"), r"-ERR syntax error\r\n");
    same(|r| r.err("unknown command 'a\r\nb'\r\n"), r"-ERR unknown command \'a  b\'\r\n");
    same(|r| r.error("\r\n"), r"-\r\n");
    same(|r| r.status("a\nb"), r"+a b\r\n");
}

#[test]
fn deferred_lengths_are_patched_innermost_first() {
    let write = |items: usize| {
        move |r: &mut Reply<'_>| {
            let outer = r.deferred();
            let inner = r.deferred();
            for _ in 0..items {
                r.integer(1);
            }
            r.finish_set(inner, items);
            r.bulk(b"x");
            r.finish_map(outer, 1);
        }
    };
    check(write(2), r"*2\r\n*2\r\n:1\r\n:1\r\n$1\r\nx\r\n", r"%1\r\n~2\r\n:1\r\n:1\r\n$1\r\nx\r\n");
    let ones = r":1\r\n".repeat(100);
    check(write(100), &format!(r"*2\r\n*100\r\n{ones}$1\r\nx\r\n"), &format!(r"%1\r\n~100\r\n{ones}$1\r\nx\r\n"));
    same(
        |r| {
            let begun = r.deferred();
            r.finish_array(begun, 0);
        },
        r"*0\r\n",
    );
}

#[test]
#[should_panic(expected = "innermost first")]
fn deferred_lengths_in_the_wrong_order_are_a_bug() {
    let mut out = Vec::new();
    let mut r = Reply::new(&mut out, Protocol::Resp2);
    let (outer, inner) = (r.deferred(), r.deferred());
    r.finish_array(outer, 1000);
    r.finish_array(inner, 0);
}

#[test]
fn what_was_begun_can_be_taken_back() {
    same(
        |r| {
            r.integer(1);
            let begun = r.deferred();
            r.integer(2);
            r.abandon(begun);
            let mark = r.mark();
            r.reborrow().integer(3);
            r.rollback(mark);
            r.err("no");
        },
        r":1\r\n-ERR no\r\n",
    );
}

#[test]
fn every_kind_of_reply_is_decoded() {
    let decoded = |input: &[u8]| {
        let (value, consumed) = ReplyDecoder::default().decode(input).unwrap().unwrap();
        assert_eq!(consumed, input.len());
        format!("{value:?}")
    };
    assert_eq!(decoded(b"+OK\r\n"), "+OK");
    assert_eq!(decoded(b"-ERR no\r\n"), "-ERR no");
    assert_eq!(decoded(b"!6\r\nERR\r\nx\r\n"), r"-ERR\r\nx");
    assert_eq!(decoded(b"*2\r\n$-1\r\n*-1\r\n"), "[null, null-array]");
    assert_eq!(decoded(b"%1\r\n+a\r\n~1\r\n#t\r\n"), "{+a: {#true}}");
    assert_eq!(decoded(b">2\r\n,inf\r\n,nan\r\n"), ">[,inf, ,NaN]");
    assert_eq!(decoded(b"=5\r\ntxt:a\r\n"), "=txt:a");
    assert_eq!(decoded(b"(-123456789012345678901234567890\r\n"), "(-123456789012345678901234567890");
    assert_eq!(decoded(b"|1\r\n+a\r\n:1\r\n*1\r\n_\r\n"), "Attributed { attributes: [(+a, :1)], value: [null] }");
    assert_eq!(decoded(b"*0\r\n"), "[]");
}

#[test]
fn what_is_no_reply_is_refused_with_its_place() {
    let refused = |input: &[u8]| ReplyDecoder::default().decode(input).unwrap_err().to_string();
    assert_eq!(refused(b"PING\r\n"), "byte 0: unknown reply type 'P'");
    assert_eq!(refused(b"*2\r\n:1\r\n:x\r\n"), "byte 8: expected an integer");
    assert_eq!(refused(b":01\r\n"), "byte 0: expected an integer");
    assert_eq!(refused(b"$-2\r\n"), "byte 0: expected a count");
    assert_eq!(refused(b"$1\r\nabc\r\n"), "byte 5: expected CRLF");
    assert_eq!(refused(b"+a\n"), "byte 0: expected a line ended by CRLF");
    assert_eq!(refused(b"\n"), "byte 0: expected a line ended by CRLF");
    assert_eq!(refused(b"=2\r\nab\r\n"), "byte 4: expected a format of three bytes and a colon");
    assert_eq!(refused(b"%9223372036854775807\r\n*1\r\n+a\n"), "byte 26: expected a line ended by CRLF");
}

#[test]
fn depth_and_size_are_bounded() {
    let limits = ReplyLimits { max_depth: 3, max_bytes: 100 };
    let refused = |input: &[u8]| ReplyDecoder::new(limits).decode(input).unwrap_err();
    assert!(ReplyDecoder::new(limits).decode(b"*1\r\n*1\r\n*1\r\n:1\r\n").unwrap().is_some());
    assert_eq!(refused(b"*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"), ReplyError::TooDeep { offset: 12 });
    assert_eq!(refused(&b"|0\r\n".repeat(10)), ReplyError::TooDeep { offset: 12 });
    assert_eq!(refused(b"$95\r\n"), ReplyError::TooLarge { offset: 0 });
    assert_eq!(refused(&[b'+'; 101]), ReplyError::TooLarge { offset: 0 });
    assert_eq!(refused(&[&b"*99\r\n"[..], &b":1\r\n".repeat(40)].concat()), ReplyError::TooLarge { offset: 97 });
}

/// Writes a value as a server would.
fn write(reply: &mut Reply<'_>, value: &Value) {
    match value {
        Value::Status(b) => reply.status(std::str::from_utf8(b).expect("generated as text")),
        Value::Integer(n) => reply.integer(*n),
        Value::Bulk(b) => reply.bulk(b),
        Value::Null => reply.null(),
        Value::Double(x) => reply.double(*x),
        Value::Bool(b) => reply.bool(*b),
        Value::Verbatim { format, text } => reply.verbatim(*format, text),
        Value::Array(items) => {
            let begun = reply.deferred();
            items.iter().for_each(|v| write(reply, v));
            reply.finish_array(begun, items.len());
        }
        Value::Set(items) => {
            reply.set(items.len());
            items.iter().for_each(|v| write(reply, v));
        }
        Value::Map(pairs) => {
            reply.map(pairs.len());
            pairs.iter().for_each(|(k, v)| {
                write(reply, k);
                write(reply, v);
            });
        }
        Value::Attributed { attributes, value } => {
            reply.attribute(attributes.len());
            attributes.iter().for_each(|(k, v)| {
                write(reply, k);
                write(reply, v);
            });
            write(reply, value);
        }
        other => unreachable!("not generated: {other:?}"),
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let leaf = prop_oneof![
        "[ -~]{0,10}".prop_map(|s| Value::Status(s.into_bytes())),
        any::<i64>().prop_map(Value::Integer),
        bytes().prop_map(Value::Bulk),
        Just(Value::Null),
        any::<f64>().prop_filter("NaN is not equal to itself", |x| !x.is_nan()).prop_map(Value::Double),
        any::<bool>().prop_map(Value::Bool),
        bytes().prop_map(|text| Value::Verbatim { format: *b"txt", text }),
    ];
    leaf.prop_recursive(4, 40, 13, |inner| {
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..13).prop_map(Value::Array),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Set),
            pairs.clone().prop_map(Value::Map),
            (pairs, inner).prop_map(|(attributes, value)| Value::Attributed { attributes, value: Box::new(value) }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_wherever_it_is_cut(value in any_value(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
        let mut out = Vec::new();
        write(&mut Reply::new(&mut out, Protocol::Resp3), &value);
        let mut decoder = ReplyDecoder::default();
        let mut cuts: Vec<_> = cuts.iter().map(|c| c.index(out.len())).collect();
        cuts.sort_unstable();
        for cut in cuts {
            prop_assert_eq!(decoder.decode(&out[..cut]), Ok(None));
        }
        let consumed = out.len();
        out.extend_from_slice(b"+next");
        prop_assert_eq!(decoder.decode(&out), Ok(Some((value, consumed))));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in "[*$:+,#_%~>|=(!0-9tf\r\n-]{0,60}") {
        let mut decoder = ReplyDecoder::default();
        let mut rest = bytes.as_bytes();
        while let Ok(Some((_, consumed))) = decoder.decode(rest) {
            prop_assert!(consumed > 0);
            rest = &rest[consumed..];
        }
    }
}
