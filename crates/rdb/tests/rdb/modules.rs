//! Values of custom types: written part by part, taken apart, walked over, refused by name.

use keyspace::UnixMs;
use rdb::{Content, Encoder, Entry, ModuleId, ModuleValue, Options, Part, Unsupported, WriteOptions};

use crate::dataset::{events, keys};

fn id() -> ModuleId {
    ModuleId::new("Ledger_v1", 7).unwrap()
}

fn parsing() -> Options {
    Options { parse_modules: true, ..Options::default() }
}

/// A file with one custom value, written part by part.
fn file() -> Vec<u8> {
    let mut encoder = Encoder::reserve(WriteOptions::default());
    let mut out = Vec::new();
    let Ok(()) = encoder.head(&mut out);
    let Ok(mut value) = encoder.module_key(&mut out, b"k", id(), Some(UnixMs(5)));
    let Ok(()) = value.unsigned(u64::MAX);
    let Ok(()) = value.signed(-2);
    let Ok(()) = value.float(1.5);
    let Ok(()) = value.double(-2.5);
    let Ok(()) = value.string(b"text");
    let Ok(()) = value.string(b"12");
    let Ok(()) = value.finish();
    let Ok(()) = encoder.end(&mut out);
    out
}

#[test]
fn a_value_comes_apart_as_it_was_written() {
    let mut found = keys(&file(), parsing()).unwrap();
    let Content::Module(value) = found.remove(0).content else { panic!("no module value") };
    assert_eq!(value.id, id());
    let expected = [
        Part::Unsigned(u64::MAX),
        Part::Unsigned(u64::MAX - 1),
        Part::Float(1.5),
        Part::Double(-2.5),
        Part::String(b"text".to_vec()),
        Part::String(b"12".to_vec()),
    ];
    assert_eq!(value.parts, expected);
    assert_eq!(value.parts[1].as_i64(), Some(-2));
    assert_eq!((value.parts[4].as_bytes(), value.parts[4].as_u64()), (Some(&b"text"[..]), None));
}

#[test]
fn the_bytes_are_those_of_a_module_of_redis() {
    let mut out = Vec::new();
    let mut encoder = Encoder::reserve(WriteOptions::default());
    let id = ModuleId::new("AAAAAAAAA", 1).unwrap();
    let Ok(mut value) = encoder.module_key(&mut out, b"k", id, None);
    let Ok(()) = value.unsigned(300);
    let Ok(()) = value.string(b"ab");
    let Ok(()) = value.finish();
    assert_eq!(out, b"\x07\x01k\x01\x02\x41\x2c\x05\x02ab\x00");
}

#[test]
fn a_value_is_refused_by_the_name_of_its_type_or_walked_over() {
    let error = events(&file(), Options::default()).err().unwrap();
    assert_eq!(error.to_string(), "value of module type Ledger_v1 version 7 at byte 18 of key \"k\" is not supported");
    let skipping = Options { unsupported: Unsupported::Skip, ..Options::default() };
    let keys = keys(&file(), skipping).unwrap();
    assert!(matches!(keys[0].content, Content::Skipped(kind) if kind.name() == "module value"));
    assert_eq!(keys[0].expire_at, Some(UnixMs(5)));
}

#[test]
fn what_is_no_part_and_no_end_is_refused() {
    for options in [parsing(), Options { unsupported: Unsupported::Skip, ..Options::default() }] {
        let bytes = b"REDIS0009\x07\x01k\x01\x06";
        let error = events(bytes, options.clone()).err().unwrap();
        assert!(error.to_string().ends_with("of key \"k\": expected a part of kind 0 to 5, found 6"), "{error}");
        assert!(events(b"REDIS0009\x07\x01k\x01\x02\x01", options).is_err(), "no end");
    }
}

#[test]
fn the_oldest_form_of_module_values_is_always_refused() {
    for unsupported in [Unsupported::Refuse, Unsupported::Skip] {
        let options = Options { unsupported, parse_modules: true, ..Options::default() };
        let error = events(b"REDIS0009\x06\x01k\x01", options).err().unwrap();
        let text = "module value of a release candidate (type 6) at byte 9 of key \"k\" is not supported";
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn data_of_modules_beside_the_keys_are_an_event() {
    let mut bytes = b"REDIS0004\xf7\x81".to_vec();
    bytes.extend_from_slice(&id().bits().to_be_bytes());
    bytes.extend_from_slice(b"\x02\x01\x05\x02hi\x00\xff");
    let aux = |options| match events(&bytes, options).map(|mut events| events.remove(0).entry) {
        Ok(Entry::ModuleAux { id, when, value }) => Ok((id, when, value)),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    let value = ModuleValue { id: id(), parts: vec![Part::String(b"hi".to_vec())] };
    assert_eq!(aux(parsing()), Ok((id(), 1, Some(value))));
    assert_eq!(aux(Options { unsupported: Unsupported::Skip, ..Options::default() }), Ok((id(), 1, None)));
    let text = "data of module Ledger_v1 version 7 at byte 9 is not supported";
    assert_eq!(aux(Options::default()), Err(text.to_owned()));
}
