//! Single values as DUMP gives them and RESTORE takes them.

use keyspace::{Str, Value, ValueRef};
use proptest::prelude::*;
use rdb::{Content, Encoder, ModuleId, ModuleValue, Options, Part, RdbError, WriteOptions, read_payload};

use crate::random;

fn payload(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::reserve(WriteOptions { version: 11, compress: true }).payload(value.as_ref(), &mut out).unwrap();
    out
}

fn value(payload: &[u8]) -> Value {
    match read_payload(payload, &Options::default()) {
        Ok(Content::Value(value)) => value,
        other => panic!("{other:?}"),
    }
}

fn error(payload: &[u8]) -> String {
    read_payload(payload, &Options::default()).expect_err("refused").to_string()
}

/// Adds a right footer.
fn sealed(value: &[u8], version: u16) -> Vec<u8> {
    let mut bytes = [value, &version.to_le_bytes()].concat();
    bytes.extend_from_slice(&rio::crc64(&bytes).to_le_bytes());
    bytes
}

#[test]
fn payloads_of_redis_are_read() {
    // From the documentation of DUMP and RESTORE.
    let ten = b"\x00\xc0\n\n\x00n\x9fWE\x0e\xaec\xbb";
    assert!(matches!(value(ten), Value::Str(text) if text.as_ref().as_i64() == Some(10)));
    let list = b"\n\x17\x17\x00\x00\x00\x12\x00\x00\x00\x03\x00\x00\xc0\x01\x00\x04\xc0\x02\x00\x04\xc0\x03\x00\xff\
                 \x04\x00u#<\xc0;.\xe9\xdd";
    let Value::List(list) = value(list) else { panic!("no list") };
    assert_eq!(list.iter().map(|elem| elem.as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_payload_that_was_changed_cut_or_is_of_a_newer_version_is_refused() {
    let whole = payload(&Value::Str(Str::new(b"hello")));
    assert_eq!(&whole[..9], b"\x00\x05hello\x0b\x00");
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x20;
        assert!(read_payload(&changed, &Options::default()).is_err(), "byte {at}");
        assert!(read_payload(&whole[..at], &Options::default()).is_err(), "cut at {at}");
    }
    assert_eq!(error(&sealed(b"\x00\x01v", 13)), "RDB version at byte 3: expected 1 to 12, found 13");
    assert_eq!(error(b"short"), "corrupt at byte 0: expected a value, its version and a checksum, found the end");
}

#[test]
fn a_payload_holds_one_value_and_nothing_else() {
    assert_eq!(error(&sealed(b"\x00\x01vx", 9)), "corrupt at byte 3: expected nothing behind the value, found 1");
    assert_eq!(error(&sealed(b"\x01\x00", 9)), "corrupt at byte 0: expected a value with elements, found 0");
    assert_eq!(error(&sealed(b"\x08\x00", 9)), "corrupt at byte 0: expected a value type, found byte 0x08");
    assert_eq!(error(&sealed(b"\xfe\x00", 9)), "corrupt at byte 0: expected a value type, found byte 0xfe");
    assert_eq!(error(&sealed(b"\x0f\x00", 9)), "stream (type 15) at byte 0 is not supported");
    assert!(matches!(read_payload(&sealed(b"\x00\x05v", 9), &Options::default()), Err(RdbError::Source(_))));
    assert!(matches!(read_payload(&sealed(b"", 9), &Options::default()), Err(RdbError::Source(_))));
}

#[test]
fn payloads_are_appended_and_summed_each_for_itself() {
    let mut both = payload(&Value::Str(Str::new(b"first")));
    let first = both.len();
    let text = Str::new(b"second");
    Encoder::reserve(WriteOptions::default()).payload(ValueRef::Str(text.as_ref()), &mut both).unwrap();
    assert!(matches!(value(&both[first..]), Value::Str(text) if text.as_ref().to_vec() == b"second"));
}

#[test]
fn custom_values_go_both_ways_with_every_part_as_it_was() {
    let id = ModuleId::new("Ledger_v1", 7).unwrap();
    let parts = vec![
        Part::Signed(-5),
        Part::Unsigned(5),
        Part::Float(0.5),
        Part::Double(f64::INFINITY),
        Part::String(vec![b'x'; 100]),
    ];
    let value = ModuleValue { id, parts };
    let mut out = Vec::new();
    Encoder::reserve(WriteOptions::default()).module_payload(&value, &mut out).unwrap();
    let options = Options { parse_modules: true, ..Options::default() };
    match read_payload(&out, &options) {
        Ok(Content::Module(found)) => assert_eq!(found, value),
        other => panic!("{other:?}"),
    }
    assert!(error(&out).contains("module type Ledger_v1 version 7"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_value_comes_back(value in random::value()) {
        let found = self::value(&payload(&value));
        let digest = |value: Value| {
            let mut keyspace = random::empty();
            let key = keyspace.key(b"k");
            keyspace.db_mut(0).insert(key, value, keyspace::Deadline::Clear);
            keyspace.digest_value(0, key)
        };
        prop_assert_eq!(digest(found), digest(value));
    }
}
