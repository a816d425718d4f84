//! The request decoder: what Redis accepts, what it refuses and how, wherever the input is cut.

use proptest::prelude::*;
use resp_codec::{Decoded, Limits, Protocol, ProtocolError, Reply, RequestDecoder, encode_request, inline};

/// What came out of a stream: every request's arguments and whether it may be logged as it stands, then the error.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    requests: Vec<(Vec<Vec<u8>>, bool)>,
    empty: usize,
    error: Option<ProtocolError>,
    left: Vec<u8>,
}

/// Decodes `input` as it arrives in `pieces` of these sizes, the rest at once.
fn decode(input: &[u8], limits: Limits, pieces: &[usize]) -> Outcome {
    let mut decoder = RequestDecoder::new(limits);
    let mut outcome = Outcome::default();
    let mut buffer = Vec::new();
    let mut rest = input;
    let mut pieces = pieces.iter();
    loop {
        let size = pieces.next().copied().unwrap_or(rest.len()).min(rest.len());
        // A new allocation each time: the decoder may not depend on the address.
        buffer = [&buffer[..], &rest[..size]].concat();
        rest = &rest[size..];
        loop {
            match decoder.decode(&buffer) {
                Ok(Decoded::Incomplete { need_hint }) => {
                    assert!(need_hint > 0);
                    break;
                }
                Ok(Decoded::Empty { consumed }) => {
                    outcome.empty += 1;
                    buffer.drain(..consumed);
                }
                Ok(Decoded::Request { consumed }) => {
                    let args = decoder.args(&buffer);
                    if let Some(bytes) = args.verbatim() {
                        assert_eq!(bytes, encode_request(&args.from(0).collect::<Vec<_>>()), "verbatim is canonical");
                    }
                    outcome.requests.push((args.from(0).map(<[u8]>::to_vec).collect(), args.verbatim().is_some()));
                    buffer.drain(..consumed);
                }
                Err(error) => {
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
        if rest.is_empty() {
            outcome.left = buffer;
            return outcome;
        }
    }
}

fn check(input: &[u8], expected: &[&[&str]]) {
    let outcome = decode(input, Limits::DEFAULT, &[]);
    let requests: Vec<Vec<_>> =
        outcome.requests.iter().map(|(args, _)| args.iter().map(|a| String::from_utf8_lossy(a)).collect()).collect();
    assert_eq!(requests, expected, "{}", input.escape_ascii());
    assert_eq!((outcome.error, outcome.left.len()), (None, 0));
}

fn refused(input: &[u8], limits: Limits) -> String {
    let outcome = decode(input, limits, &[]);
    let mut out = Vec::new();
    outcome.error.expect("an error").reply(&mut Reply::new(&mut out, Protocol::Resp2));
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn requests_are_decoded_one_after_another() {
    check(b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n", &[&["PING"], &["GET", ""]]);
    check(b"PING\r\n*1\r\n$4\r\nPING\r\nset a  b \n", &[&["PING"], &["PING"], &["set", "a", "b"]]);
}

#[test]
fn empty_requests_are_consumed_in_silence() {
    let outcome = decode(b"\r\n*0\r\n*-1\r\n*-7\r\n   \n\nPING\r\n", Limits::DEFAULT, &[]);
    assert_eq!((outcome.empty, outcome.requests.len()), (6, 1));
}

#[test]
fn inline_requests_become_canonical_multibulk_ones() {
    let outcome = decode(b"SET \"a b\" 'c'\r\n", Limits::DEFAULT, &[]);
    assert_eq!(outcome.requests, [(vec![b"SET".to_vec(), b"a b".to_vec(), b"c".to_vec()], true)]);
}

#[test]
fn what_redis_takes_for_a_line_end_is_accepted_but_not_logged_verbatim() {
    for input in [&b"*1\rX$4\r\nPING\r\n"[..], b"*1\r\n$4\rXPING\r\n", b"*1\r\n$4\r\nPINGXX"] {
        let outcome = decode(input, Limits::DEFAULT, &[]);
        assert_eq!(outcome.requests, [(vec![b"PING".to_vec()], false)], "{}", input.escape_ascii());
    }
}

#[test]
fn errors_are_those_of_redis_word_for_word() {
    let check = |input: &[u8], expected: &str| {
        assert_eq!(refused(input, Limits::DEFAULT), format!("-ERR Protocol error: {expected}\r\n"));
    };
    for count in ["", "a", "+1", "01", "-0", " 1", "1 ", "2147483648", "99999999999999999999"] {
        check(format!("*{count}\r\n").as_bytes(), "invalid multibulk length");
    }
    for len in ["", "a", "-1", "+1", "00", "536870913", "9223372036854775807", "99999999999999999999"] {
        check(format!("*1\r\n${len}\r\n").as_bytes(), "invalid bulk length");
    }
    check(b"*1\r\nx4\r\n", "expected '$', got 'x'");
    check(b"*1\r\n\r\nx", "expected '$', got ' '");
    check(b"get \"a\r\n", "unbalanced quotes in request");
    check(b"get 'a'b\r\n", "unbalanced quotes in request");
    check(&b"a".repeat(65_537), "too big inline request");
    check(&[&b"*"[..], &b"1".repeat(65_536)].concat(), "too big mbulk count string");
    check(&[&b"*1\r\n$"[..], &b"1".repeat(65_536)].concat(), "too big bulk count string");
}

#[test]
fn an_error_quotes_the_byte_that_was_sent() {
    let mut out = Vec::new();
    ProtocolError::ExpectedDollar { got: 0xff }.reply(&mut Reply::new(&mut out, Protocol::Resp3));
    assert_eq!(out, b"-ERR Protocol error: expected '$', got '\xff'\r\n");
}

#[test]
fn unauthenticated_clients_are_held_to_small_requests() {
    let limits = Limits::DEFAULT.unauthenticated();
    assert_eq!(refused(b"*11\r\n", limits), "-ERR Protocol error: unauthenticated multibulk length\r\n");
    assert_eq!(refused(b"*1\r\n$16385\r\n", limits), "-ERR Protocol error: unauthenticated bulk length\r\n");
    assert_eq!(decode(b"*10\r\n$16384\r\n", limits, &[]).error, None);
}

#[test]
fn hostile_counts_and_lengths_cost_no_memory() {
    for input in [&b"*2147483647\r\n"[..], b"*1\r\n$536870912\r\n"] {
        let mut decoder = RequestDecoder::new(Limits::DEFAULT);
        assert!(matches!(decoder.decode(input), Ok(Decoded::Incomplete { .. })));
        assert!(format!("{decoder:?}").len() < 1000, "nothing was stored");
    }
}

#[test]
fn the_hint_is_what_the_announced_argument_still_needs() {
    let mut decoder = RequestDecoder::new(Limits::DEFAULT);
    assert_eq!(decoder.decode(b"*1\r\n$10\r\nabc"), Ok(Decoded::Incomplete { need_hint: 9 }));
    assert!(decoder.is_partial());
    assert_eq!(decoder.decode(b"*1\r\n$10\r\nabcdefghij\r\n"), Ok(Decoded::Request { consumed: 21 }));
    assert!(!decoder.is_partial());
}

#[test]
fn quotes_follow_the_rules_of_redis() {
    let split = |line: &str| {
        inline::split(line.as_bytes())
            .map(|words| words.iter().map(|w| w.escape_ascii().to_string()).collect::<Vec<_>>())
    };
    assert_eq!(split(r#" a "b c"  'd e' "#).unwrap(), ["a", "b c", "d e"]);
    assert_eq!(split(r#""\x00\xfF\n\r\t\b\a\q\"""#).unwrap(), [r#"\x00\xff\n\r\t\x08\x07q\""#]);
    assert_eq!(split(r#""\x0g""#).unwrap(), ["x0g"]);
    assert_eq!(split(r"'\n\''").unwrap(), [r"\\n\'"]);
    assert_eq!(split(r#"a"b c" '' """#).unwrap(), ["ab c", "", ""]);
    assert_eq!(split("a\0b").unwrap(), ["a"]);
    assert_eq!(split("").unwrap(), [""; 0]);
    for open in ["\"", "'", "\"a", "'a", "\"a\"b", "'a'b", "\"a\\\"", "'a\\'"] {
        assert_eq!(split(open), None, "{open}");
    }
}

/// Streams that are mostly well-formed, so that the interesting paths are reached.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let arg = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        "[a-z]{0,8}".prop_map(String::into_bytes),
        prop::collection::vec(Just(b'v'), 90..120)
    ];
    let part = prop_oneof![
        6 => prop::collection::vec(arg, 1..12).prop_map(|args| encode_request(&args)),
        2 => "[a-z\"' \\\\x01]{0,12}\r?\n".prop_map(String::into_bytes),
        1 => "[*$][-+0-9]{0,3}\r[\n ]".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => Just(b"*1\r\n$4\r\nPINGxy".to_vec()),
        1 => Just(vec![b'7'; 70]),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// Small enough for the generated streams to pass them.
const SMALL: Limits =
    Limits { max_multibulk_count: 10, max_bulk_len_bytes: 110, max_inline_len_bytes: 64, authenticated: true };

proptest! {
    #[test]
    fn where_the_input_is_cut_makes_no_difference(stream in any_stream(), pieces in prop::collection::vec(0usize..40, 0..30)) {
        let whole = decode(&stream, SMALL, &[]);
        prop_assert_eq!(&decode(&stream, SMALL, &pieces), &whole);
        prop_assert_eq!(&decode(&stream, SMALL, &vec![1; stream.len()]), &whole);
    }

    #[test]
    fn what_is_encoded_is_decoded(requests in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 1..5), 0..5)) {
        let stream: Vec<u8> = requests.iter().flat_map(|args| encode_request(args)).collect();
        let outcome = decode(&stream, Limits::DEFAULT, &[]);
        prop_assert_eq!(outcome.requests, requests.into_iter().map(|args| (args, true)).collect::<Vec<_>>());
    }
}
