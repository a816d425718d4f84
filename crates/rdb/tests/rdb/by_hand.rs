//! Files made byte by byte: versions, attributes, the layouts that no server of the corpus writes, and what is refused.

use keyspace::{Thresholds, UnixMs, Value};
use rdb::{Checksum, Content, Entry, Found, KeyEntry, Options, RdbError, Unsupported};

use crate::dataset::{described, events, keys};

/// A file of a version without checksum: head, `body`, end.
fn old(body: &[u8]) -> Vec<u8> {
    [b"REDIS0004", body, b"\xff"].concat()
}

/// A file whose checksum says that it was not computed.
fn file(body: &[u8]) -> Vec<u8> {
    [b"REDIS0011", body, b"\xff\0\0\0\0\0\0\0\0"].concat()
}

fn only_key(body: &[u8]) -> KeyEntry {
    let mut keys = keys(&file(body), Options::default()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(keys.len(), 1);
    keys.remove(0)
}

/// The value of the only key, as JSON.
fn json(body: &[u8]) -> String {
    described(&only_key(body)).unwrap().1.value.to_string()
}

fn error(body: &[u8]) -> RdbError {
    events(&file(body), Options::default()).err().unwrap_or_else(|| panic!("accepted: {}", body.escape_ascii()))
}

/// A string of less than 64 bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

#[test]
fn a_head_that_is_none_is_refused() {
    for head in [&b"REDIX0009"[..], b"REDIS00a9", b"redis0009"] {
        let error = events(head, Options::default()).err().unwrap();
        assert!(matches!(error, RdbError::NotRdb { offset: 0, .. }), "{error}");
    }
    let error = events(b"*2\r\n$6\r\nSELECT", Options::default()).err().unwrap();
    assert_eq!(error.to_string(), "no RDB file: expected REDIS and four digits at byte 0, found \"*2\\r\\n$6\\r\\nS\"");
    assert!(matches!(events(b"REDIS", Options::default()).err().unwrap(), RdbError::Source(_)));
}

#[test]
fn versions_1_to_12_are_read_and_no_others() {
    for version in [1, 4, 5, 9, 12] {
        let mut bytes = format!("REDIS{version:04}\u{0}\u{1}k\u{1}v").into_bytes();
        bytes.push(0xff);
        if version >= 5 {
            bytes.extend_from_slice(&rio::crc64(&bytes).to_le_bytes());
        }
        assert_eq!(keys(&bytes, Options::default()).unwrap().len(), 1, "{version}");
    }
    for version in [0, 13, 80, 9999] {
        let bytes = format!("REDIS{version:04}");
        let error = events(bytes.as_bytes(), Options::default()).err().unwrap();
        assert_eq!(error.to_string(), format!("RDB version at byte 5: expected 1 to 12, found {version}"));
    }
}

#[test]
fn the_checksum_is_compared_unless_there_is_none_or_nobody_wants_it() {
    let end = |bytes: &[u8], verify_checksum| {
        let options = Options { verify_checksum, ..Options::default() };
        events(bytes, options).map(|mut events| match events.pop().unwrap().entry {
            Entry::End(checksum) => checksum,
            other => panic!("{other:?}"),
        })
    };
    let body = b"REDIS0009\0\x01k\x01v\xff";
    let sum = rio::crc64(body);
    let right = [&body[..], &sum.to_le_bytes()].concat();
    let wrong = [&body[..], &(sum ^ 1).to_le_bytes()].concat();
    assert_eq!(end(&right, true).unwrap(), Checksum::Verified(sum));
    assert_eq!(end(&wrong, false).unwrap(), Checksum::NotVerified(sum ^ 1));
    assert_eq!(end(&[&body[..], &[0; 8]].concat(), true).unwrap(), Checksum::NotComputed);
    assert_eq!(end(&old(b""), true).unwrap(), Checksum::Absent);
    let error = end(&wrong, true).unwrap_err();
    assert_eq!(error.to_string(), format!("checksum at byte 15: expected {sum:016x}, found {:016x}", sum ^ 1));
    assert_eq!(error.offset(), 15);
}

#[test]
fn what_stands_in_front_of_a_key_belongs_to_it_and_to_no_other() {
    let body = b"\xfd\x01\0\0\0\xf8\x42\x58\xf9\x07\0\x01a\x01x\xfc\x05\0\0\0\0\0\0\0\0\x01b\x01x\0\x01c\x01x";
    let keys = keys(&old(body), Options::default()).unwrap();
    let seen: Vec<_> = keys.iter().map(|key| (&key.key[..], key.expire_at, key.idle_s, key.freq)).collect();
    assert_eq!(
        seen,
        [
            (&b"a"[..], Some(UnixMs(1_000)), Some(600), Some(7)),
            (b"b", Some(UnixMs(5)), None, None),
            (b"c", None, None, None)
        ]
    );
    let negative = only_key(b"\xfd\xff\xff\xff\xff\0\x01a\x01x");
    assert_eq!(negative.expire_at, Some(UnixMs(-1_000)));
}

#[test]
fn a_deadline_that_no_key_follows_is_refused() {
    for attribute in [&b"\xfc\x05\0\0\0\0\0\0\0"[..], b"\xfd\x01\0\0\0", b"\xf8\x01", b"\xf9\x01"] {
        for next in [&b""[..], b"\xfe\x01", b"\xfa\x01k\x01v"] {
            let error = error(&[attribute, next].concat());
            let expected = "expected the key that a deadline or a use belongs to, found byte 0xf";
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

#[test]
fn events_say_where_they_begin() {
    let body = b"\xfa\x01k\x01v\xfe\x03\xfb\x02\x01\xf4\x05\x02\x01\xf5\x04text\xfc\x05\0\0\0\0\0\0\0\0\x01b\x01x";
    let events = events(&file(body), Options::default()).unwrap();
    let seen: Vec<_> = events
        .iter()
        .map(|event| match &event.entry {
            Entry::Key(key) => (event.offset, format!("key of {}", key.db)),
            Entry::Aux { .. } => (event.offset, "aux".into()),
            Entry::Function(text) => (event.offset, String::from_utf8(text.clone()).unwrap()),
            other => (event.offset, format!("{other:?}")),
        })
        .collect();
    let expected = [
        (9, "aux"),
        (14, "SelectDb(3)"),
        (16, "ResizeDb { keys: 2, expires: 1 }"),
        (19, "SlotInfo { slot: 5, keys: 2, expires: 1 }"),
        (23, "text"),
        (29, "key of 3"),
        (43, "End(NotComputed)"),
    ];
    assert_eq!(seen, expected.map(|(offset, text)| (offset, text.to_owned())));
}

#[test]
fn strings_are_read_in_every_encoding() {
    for (encoded, text) in [
        (&b"\x02hi"[..], "\"hi\""),
        (b"\x40\x02hi", "\"hi\""),
        (b"\x80\0\0\0\x02hi", "\"hi\""),
        (b"\x81\0\0\0\0\0\0\0\x02hi", "\"hi\""),
        (b"\xc0\x80", "\"-128\""),
        (b"\xc1\x00\x80", "\"-32768\""),
        (b"\xc2\x00\x00\x00\x80", "\"-2147483648\""),
        (b"\xc3\x05\x15\x00a\xe0\x0b\x00", "\"aaaaaaaaaaaaaaaaaaaaa\""),
        (b"\0", "\"\""),
    ] {
        assert_eq!(json(&[b"\0\x01k", encoded].concat()), text);
    }
    assert_eq!(only_key(b"\0\xc0\x05\x01v").key, b"5", "a key may be an integer");
    for (encoded, expected) in [
        (&b"\x82"[..], "a length"),
        (b"\xbf", "a length"),
        (b"\xc4\x01", "a string encoded in a known way"),
        (b"\xc3\xc0\x15", "the length of compressed bytes"),
        (b"\x81\0\0\0\x01\0\0\0\0", "a string within the limit of length"),
    ] {
        let found = error(&[b"\0\x01k", encoded].concat());
        assert!(found.to_string().contains(&format!("key \"k\": expected {expected}, found")), "{found}");
        assert!((12..=13).contains(&found.offset()), "{found}");
    }
}

#[test]
fn lists_sets_and_hashes_are_read_element_by_element() {
    assert_eq!(json(b"\x01\x01k\x02\x01a\xc0\x07"), r#"["a","7"]"#);
    assert_eq!(json(b"\x02\x01k\x02\x01b\x01a"), r#"["a","b"]"#);
    assert_eq!(json(b"\x04\x01k\x01\x01f\x01v"), r#"[["f","v"]]"#);
}

#[test]
fn scores_are_read_as_text_and_as_doubles() {
    let old_zset = b"\x03\x01k\x04\x01a\x031.5\x01b\xfe\x01c\xff\x01d\x03-10";
    assert_eq!(json(old_zset), r#"[["c","-inf"],["d",-10.0],["a",1.5],["b","inf"]]"#);
    let zset = [&b"\x05\x01k\x02\x01a"[..], &1.5_f64.to_le_bytes(), b"\x01b", &(-0.0_f64).to_le_bytes()].concat();
    assert_eq!(json(&zset), r#"[["b",-0.0],["a",1.5]]"#);
    let nan = [&b"\x05\x01k\x01\x01a"[..], &f64::NAN.to_le_bytes()].concat();
    for (body, expected) in [
        (&nan[..], "a score that is a number"),
        (b"\x03\x01k\x01\x01a\xfd", "a score that is a number"),
        (b"\x03\x01k\x01\x01a\x03one", "a score"),
        (b"\x03\x01k\x01\x01a\x00", "a score"),
        (b"\x03\x01k\x01\x01a\x03nan", "a score"),
    ] {
        let error = error(body);
        assert!(matches!(error, RdbError::Corrupt { expected: found, offset: 15, .. } if found == expected), "{error}");
    }
}

#[test]
fn compact_forms_are_read_into_their_types() {
    let zipmap = string(b"\x01\x01f\x01\x00v\xff");
    assert_eq!(json(&[b"\x09\x01k", &zipmap[..]].concat()), r#"[["f","v"]]"#);
    // "a", 1
    let ziplist = string(b"\x10\0\0\0\x0d\0\0\0\x02\0\x00\x01a\x03\xf2\xff");
    let listpack = string(b"\x0c\0\0\0\x02\0\x81a\x02\x01\x01\xff");
    assert_eq!(json(&[b"\x0a\x01k", &ziplist[..]].concat()), r#"["a","1"]"#);
    assert_eq!(json(&[b"\x0c\x01k", &ziplist[..]].concat()), r#"[["a",1.0]]"#);
    assert_eq!(json(&[b"\x0d\x01k", &ziplist[..]].concat()), r#"[["a","1"]]"#);
    assert_eq!(json(&[b"\x0e\x01k\x02", &ziplist[..], &ziplist].concat()), r#"["a","1","a","1"]"#);
    assert_eq!(json(&[b"\x10\x01k", &listpack[..]].concat()), r#"[["a","1"]]"#);
    assert_eq!(json(&[b"\x11\x01k", &listpack[..]].concat()), r#"[["a",1.0]]"#);
    assert_eq!(json(&[b"\x12\x01k\x02\x02", &listpack[..], b"\x01\x05plain"].concat()), r#"["a","1","plain"]"#);
    assert_eq!(json(&[b"\x14\x01k", &listpack[..]].concat()), r#"["1","a"]"#);
    assert_eq!(json(b"\x0b\x01k\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0"), r#"["1","2"]"#);
    let error = error(b"\x12\x01k\x01\x03\x01x");
    assert!(error.to_string().contains("expected a node of kind 1 or 2, found 3"), "{error}");
}

#[test]
fn a_collection_takes_the_form_that_the_thresholds_say() {
    let encoding = |body: &[u8], limits: Thresholds| {
        let options = Options { limits, ..Options::default() };
        match &keys(&file(body), options).unwrap()[0].content {
            Content::Value(value) => value.as_ref().encoding(),
            other => panic!("{other:?}"),
        }
    };
    let intset = b"\x0b\x01k\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0";
    let listpack = b"\x14\x01k\x0b\x0b\0\0\0\x02\0\x01\x01\x02\x01\xff";
    let usual = Thresholds::default();
    assert_eq!(encoding(intset, usual), "intset");
    assert_eq!(encoding(listpack, usual), "listpack", "as it was, though all are integers");
    assert_eq!(encoding(intset, Thresholds { set_max_intset_entries: 1, ..usual }), "hashtable");
    assert_eq!(encoding(listpack, Thresholds { set_max_listpack_entries: 1, ..usual }), "hashtable");
}

#[test]
fn what_comes_twice_or_in_halves_is_refused_under_its_key() {
    let pair = |kind: u8, form: &[u8]| [&[kind, 1, b'k'][..], &string(form)].concat();
    // a a, as ziplist and listpack; a a a a; a
    let ziplist = b"\x11\0\0\0\x0d\0\0\0\x02\0\x00\x01a\x03\x01a\xff";
    let listpack = b"\x0d\0\0\0\x02\0\x81a\x02\x81a\x02\xff";
    let four = b"\x13\0\0\0\x04\0\x81a\x02\x811\x02\x81a\x02\x811\x02\xff";
    let one = b"\x0a\0\0\0\x01\0\x81a\x02\xff";
    let cases = [
        (b"\x02\x01k\x02\x01a\x01a".to_vec(), "a member that is not there yet, found \"a\""),
        (b"\x04\x01k\x02\x01a\x01b\x01a\x01b".to_vec(), "a field that is not there yet, found \"a\""),
        (b"\x03\x01k\x02\x01a\x011\x01a\x012".to_vec(), "a member that is not there yet, found \"a\""),
        (b"\x03\x01k\x02\x01a\x011\x01a\x011".to_vec(), "a member that is not there yet, found \"a\""),
        (pair(0x14, listpack), "a member that is not there yet, found \"a\""),
        (pair(0x10, four), "a field that is not there yet, found \"a\""),
        (pair(0x11, four), "a member that is not there yet, found \"a\""),
        (pair(0x09, b"\x02\x01a\x01\0v\x01a\x01\0v\xff"), "a field that is not there yet, found \"a\""),
        (pair(0x11, listpack), "a score, found \"a\""),
        (pair(0x0c, ziplist), "a score, found \"a\""),
        (pair(0x10, one), "pairs, found \"a\""),
        (pair(0x11, one), "pairs, found \"a\""),
    ];
    for (body, text) in cases {
        let error = error(&body);
        assert!(error.to_string().ends_with(&format!(" of key \"k\": expected {text}")), "{error}");
    }
}

/// The fields of a long compact form are not compared one by one.
#[test]
fn what_comes_twice_far_apart_is_refused_as_well() {
    let names: Vec<_> = (0..300).map(|at| format!("f{at:03}")).chain(["f007".to_owned()]).collect();
    let one = |bytes: &str| {
        [&[0x80 | u8::try_from(bytes.len()).unwrap()], bytes.as_bytes(), &[1 + bytes.len() as u8]].concat()
    };
    let listpack = |entries: Vec<Vec<u8>>| {
        let (count, body) = (entries.len(), entries.concat());
        let head =
            [&u32::try_from(body.len() + 7).unwrap().to_le_bytes()[..], &u16::try_from(count).unwrap().to_le_bytes()];
        [&head.concat()[..], &body, b"\xff"].concat()
    };
    let long = |bytes: &[u8]| [&[0x80][..], &u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let set = listpack(names.iter().map(|name| one(name)).collect());
    let pairs = listpack(names.iter().flat_map(|name| [one(name), one("1")]).collect());
    let plain = |kind: u8, each: &dyn Fn(&str) -> Vec<u8>| {
        let count = u16::try_from(names.len()).unwrap();
        let [high, low] = (0x4000 | count).to_be_bytes();
        [&[kind, 1, b'k', high, low][..], &names.iter().flat_map(|name| each(name)).collect::<Vec<_>>()].concat()
    };
    let text = |name: &str| [&[4][..], name.as_bytes()].concat();
    for (body, what) in [
        ([&b"\x14\x01k"[..], &long(&set)].concat(), "member"),
        ([&b"\x10\x01k"[..], &long(&pairs)].concat(), "field"),
        ([&b"\x11\x01k"[..], &long(&pairs)].concat(), "member"),
        (plain(2, &text), "member"),
        (plain(4, &|name| [text(name), vec![1, b'v']].concat()), "field"),
        (plain(5, &|name| [text(name), 1f64.to_le_bytes().to_vec()].concat()), "member"),
    ] {
        let error = error(&body).to_string();
        let expected = format!("of key \"k\": expected a {what} that is not there yet, found \"f007\"");
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn an_error_inside_of_a_compact_form_says_where_the_form_stands_and_where_in_it() {
    let body = [&b"\x10\x01k"[..], &string(b"\x0c\0\0\0\x03\0\x81a\x02\x01\x01\xff")].concat();
    let error = error(&body);
    assert_eq!(
        error.to_string(),
        "corrupt at byte 4 inside of the string at byte 12 of key \"k\": expected the number of elements, found 3"
    );
    assert!(matches!(error, RdbError::Corrupt { offset: 12, inside: Some(4), found: Found::Number(3), .. }));
}

#[test]
fn a_collection_without_elements_is_told_apart_from_a_value() {
    let empty_ziplist = string(b"\x0b\0\0\0\x0a\0\0\0\0\0\xff");
    let empty_listpack = string(b"\x07\0\0\0\0\0\xff");
    let mut bodies: Vec<Vec<u8>> = (1_u8..=5).map(|kind| vec![kind, 1, b'k', 0]).collect();
    bodies.extend([10, 12, 13].map(|kind| [&[kind, 1, b'k'][..], &empty_ziplist].concat()));
    bodies.extend([16, 17, 20].map(|kind| [&[kind, 1, b'k'][..], &empty_listpack].concat()));
    bodies.push([b"\x0e\x01k\x01", &empty_ziplist[..]].concat());
    bodies.push([b"\x12\x01k\x01\x02", &empty_listpack[..]].concat());
    bodies.push(b"\x0b\x01k\x08\x02\0\0\0\0\0\0\0".to_vec());
    bodies.push(b"\x09\x01k\x02\0\xff".to_vec());
    for body in bodies {
        let key = only_key(&body);
        assert!(matches!(key.content, Content::Empty(kind) if kind.byte() == body[0]), "{body:?}");
    }
    assert!(matches!(only_key(b"\0\x01k\0").content, Content::Value(Value::Str(_))), "an empty string is a value");
}

#[test]
fn what_is_no_opcode_is_refused_and_unknown_types_by_their_key() {
    let unknown = error(b"\x18\x03key\x00");
    assert_eq!(unknown.to_string(), "unknown value type 24 at byte 9 of key \"key\" is not supported");
    let unknown = error(b"\x08");
    assert_eq!(unknown.to_string(), "unknown value type 8 at byte 9 is not supported");
    let function = error(b"\xf6\x01f");
    assert_eq!(function.to_string(), "function of a release candidate at byte 9 is not supported");
    let number = error(b"\xfe\xc0\x01");
    assert!(number.to_string().contains("at byte 10: expected the number of a database, found byte 0xc0"), "{number}");
    let database = error(b"\xfe\x81\0\0\0\x01\0\0\0\0");
    assert!(database.to_string().contains("expected the number of a database below 2^32, found 4294967296"));
}

#[test]
fn nothing_comes_after_an_error_or_the_end() {
    let bytes = file(b"\0\x01k\x01v\x18");
    let source = rio::Source::with_buffer(&bytes[..], Vec::with_capacity(64));
    let mut reader = rdb::Reader::new(source, Options::default()).unwrap();
    assert!(reader.next_event().unwrap().is_some());
    assert!(reader.next_event().is_err());
    assert!(reader.next_event().unwrap().is_none());
}

#[test]
fn every_cut_of_a_file_is_an_unexpected_end() {
    let ziplist = string(b"\x10\0\0\0\x0d\0\0\0\x02\0\x00\x01a\x03\xf2\xff");
    let body = [
        b"\xfa\x01k\x01v\xfe\x03\xfb\x02\x01\xfc\x05\0\0\0\0\0\0\0\0\x01b\x01x\x02\x01s\x02\x01a\xc1\x01\x02",
        &b"\x0d\x01h"[..],
        &ziplist,
        b"\0\x01l\xc3\x05\x15\x00a\xe0\x0b\x00",
    ]
    .concat();
    let whole = file(&body);
    let options = Options { unsupported: Unsupported::Skip, ..Options::default() };
    assert!(events(&whole, options.clone()).is_ok());
    for len in 0..whole.len() {
        match events(&whole[..len], options.clone()) {
            Err(RdbError::Source(rio::SourceError::UnexpectedEnd { end, .. })) => assert_eq!(end, len as u64),
            Err(other) => panic!("cut at {len}: {other}"),
            Ok(_) => panic!("cut at {len}: accepted"),
        }
    }
}
