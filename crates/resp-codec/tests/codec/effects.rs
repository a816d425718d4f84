//! Effects: every one is a canonical command, whatever the request looked like.

use resp_codec::{
    ArgSpan, Args, Decoded, Effects, Limits, RequestDecoder, bulk_size_bytes, encode_bulk, encode_request,
};

/// The effects of a command that pushed some, given the request as sent.
fn recorded(effects: &Effects, request: &[u8]) -> Vec<(u32, String)> {
    let mut decoder = RequestDecoder::new(Limits::DEFAULT);
    assert!(matches!(decoder.decode(request), Ok(Decoded::Request { .. })));
    let mut seen = Vec::new();
    effects.for_each(&decoder.args(request), |e| seen.push((e.db, e.command.escape_ascii().to_string())));
    seen
}

#[test]
fn effects_come_out_in_order_with_their_databases() {
    let mut effects = Effects::default();
    assert!(effects.is_empty());
    effects.push(3, &[b"DEL", b"k"]);
    effects.push_verbatim(0);
    let mut e = effects.begin(1, 3);
    e.arg(b"PEXPIREAT").arg(b"").arg_int(-12);
    e.finish();
    assert_eq!(effects.len(), 3);
    assert_eq!(
        recorded(&effects, b"*1\r\n$8\r\nFLUSHALL\r\n"),
        [
            (3, r"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n".to_owned()),
            (0, r"*1\r\n$8\r\nFLUSHALL\r\n".to_owned()),
            (1, r"*3\r\n$9\r\nPEXPIREAT\r\n$0\r\n\r\n$3\r\n-12\r\n".to_owned()),
        ]
    );
    effects.clear();
    assert!(effects.is_empty());
}

#[test]
fn a_verbatim_effect_is_canonical_whatever_the_client_sent() {
    let mut effects = Effects::default();
    effects.push_verbatim(0);
    let expected = encode_request(&["INCR", "a b"]).escape_ascii().to_string();
    for request in [&b"*2\r\n$4\r\nINCR\r\n$3\r\na b\r\n"[..], b"INCR 'a b'\r\n", b"*2\rx$4\rxINCRxx$3\r\na bxx"] {
        assert_eq!(recorded(&effects, request), [(0, expected.clone())]);
    }
}

#[test]
#[should_panic(expected = "fewer arguments than announced")]
fn an_effect_with_too_few_arguments_is_a_bug() {
    let mut effects = Effects::default();
    effects.begin(0, 2).finish();
}

#[test]
#[should_panic(expected = "more arguments than announced")]
fn an_effect_with_too_many_arguments_is_a_bug() {
    let mut effects = Effects::default();
    effects.begin(0, 1).arg(b"a").arg(b"b");
}

#[test]
#[should_panic(expected = "spans lie inside the request")]
fn arguments_outside_of_the_request_are_a_bug() {
    let _ = Args::new(b"abc", &[ArgSpan { start: 2, end: 4 }], false);
}

#[test]
fn owned_arguments_equal_the_borrowed_ones() {
    let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    let mut decoder = RequestDecoder::new(Limits::DEFAULT);
    assert!(matches!(decoder.decode(bytes), Ok(Decoded::Request { .. })));
    let owned = decoder.args(bytes).to_owned();
    let args = owned.args();
    assert_eq!((args.len(), args.name(), args.at(1), args.get(2)), (2, &b"GET"[..], &b"k"[..], None));
    assert_eq!(args.verbatim(), Some(&bytes[..]));
    assert_eq!(format!("{args:?}"), r#"["GET", "k"]"#);
    assert!(owned.size_bytes() >= bytes.len());
}

#[test]
fn the_size_of_a_bulk_is_known_before_it_is_encoded() {
    for len in [0, 1, 9, 10, 99, 100, 12_345] {
        let mut out = Vec::new();
        encode_bulk(&mut out, &vec![b'x'; len]);
        assert_eq!(out.len(), bulk_size_bytes(len));
    }
}
