//! Values of custom types: written part by part, taken apart, walked over, refused by name.

use keyspace::{
    CannotLoad, CannotRewrite, CustomType, CustomTypes, CustomValue, Deadline, EmitCommands, Hash, HashSeed, Keyspace,
    List, ReadParts, Set, Str, Thresholds, UnixMs, Unwritable, Value, ValueRef, WriteParts, ZSet,
};
use rdb::{
    Content, Encoder, Entry, MAX_STRING_BYTES, ModuleId, ModuleValue, Options, Part, Preface, SnapshotWriter,
    StringTooLong, Target, Unsupported, WriteOptions,
};
use rio::{Sink, SinkError};

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
    encoder.head(&mut out).unwrap();
    let mut value = encoder.module_key(&mut out, b"k", id(), Some(UnixMs(5))).unwrap();
    value.unsigned(u64::MAX).unwrap();
    value.signed(-2).unwrap();
    value.float(1.5).unwrap();
    value.double(-2.5).unwrap();
    value.string(b"text").unwrap();
    value.string(b"12").unwrap();
    value.finish().unwrap();
    encoder.end(&mut out).unwrap();
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
    let mut value = encoder.module_key(&mut out, b"k", id, None).unwrap();
    value.unsigned(300).unwrap();
    value.string(b"ab").unwrap();
    value.finish().unwrap();
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

static PAIR: CustomType = CustomType::new("test-pair", 1, &[], load_pair);

/// A number and a text, each of which has every kind of part beside it.
#[derive(Clone, Debug, PartialEq)]
struct Pair(i64, Vec<u8>);

impl CustomValue for Pair {
    fn custom_type(&self) -> &'static CustomType {
        &PAIR
    }

    fn copy(&self) -> Box<dyn CustomValue> {
        Box::new(self.clone())
    }

    fn heap_bytes(&self) -> usize {
        self.1.capacity()
    }

    fn is_empty(&self) -> bool {
        self.1.is_empty()
    }

    fn rewrite(&self, _key: &[u8], _out: &mut dyn EmitCommands) -> Result<(), CannotRewrite> {
        Err(CannotRewrite("not asked for here"))
    }

    fn save(&self, out: &mut dyn WriteParts) {
        out.signed(self.0);
        out.unsigned(u64::MAX);
        out.float(1.5);
        out.double(f64::NEG_INFINITY);
        out.string(&self.1);
    }
}

fn load_pair(_version: u16, parts: &mut dyn ReadParts) -> Result<Box<dyn CustomValue>, CannotLoad> {
    let number = parts.signed()?;
    let others = (parts.unsigned()?, parts.float()?, parts.double()?);
    if others != (u64::MAX, 1.5, f64::NEG_INFINITY) {
        return Err(CannotLoad("no pair"));
    }
    Ok(Box::new(Pair(number, parts.string()?)))
}

fn registered() -> Options {
    Options { types: CustomTypes::new([&PAIR]).unwrap(), ..Options::default() }
}

/// A keyspace with one pair.
fn with_pair(pair: Pair) -> Keyspace {
    let mut keyspace = Keyspace::new(1, HashSeed([1; 16]));
    let custom = registered().types.adopt(Box::new(pair)).unwrap();
    let key = keyspace.key(b"k");
    keyspace.db_mut(0).insert(key, Value::Custom(custom), Deadline::At(UnixMs(5)));
    keyspace
}

fn snapshot(keyspace: &Keyspace, out: &mut Failing) -> Result<(), String> {
    SnapshotWriter::new(keyspace, None, Encoder::reserve(WriteOptions::default()), Preface::default()).run(out)
}

/// Takes so many pieces, and no more.
struct Failing {
    left: usize,
    bytes: Vec<u8>,
}

impl Target for Failing {
    type Error = String;

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.left = self.left.checked_sub(1).ok_or("no space")?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn checksum(&mut self) -> Option<u64> {
        None
    }

    fn refuse(&mut self, value: &Unwritable<'_>) -> String {
        value.to_string()
    }
}

#[test]
fn a_value_of_a_registered_type_goes_through_a_snapshot() {
    let pair = Pair(-7, vec![b't'; 300]);
    let mut out = Failing { left: usize::MAX, bytes: Vec::new() };
    snapshot(&with_pair(pair.clone()), &mut out).unwrap();
    let found = keys(&out.bytes, registered()).unwrap().remove(0);
    let Content::Value(Value::Custom(custom)) = found.content else { panic!("no value of the keyspace") };
    assert_eq!((custom.value().downcast_ref(), found.expire_at), (Some(&pair), Some(UnixMs(5))));
    // Unknown, it is refused, walked over or taken apart, as a module's.
    let refused = events(&out.bytes, Options::default()).err().unwrap().to_string();
    assert!(refused.contains("value of module type test-pair version 1 at byte"), "{refused}");
    let Content::Module(parts) = keys(&out.bytes, parsing()).unwrap().remove(0).content else { panic!("no parts") };
    assert_eq!((parts.parts.len(), parts.parts[0].as_i64()), (5, Some(-7)));
}

#[test]
fn a_value_that_is_empty_is_passed_over_as_an_empty_collection() {
    let mut out = Failing { left: usize::MAX, bytes: Vec::new() };
    snapshot(&with_pair(Pair(0, Vec::new())), &mut out).unwrap();
    let found = keys(&out.bytes, registered()).unwrap().remove(0);
    assert!(matches!(found.content, Content::Empty(kind) if kind.name() == "module value"));
}

#[test]
fn whichever_piece_of_a_value_the_target_does_not_take_is_the_error() {
    let keyspace = with_pair(Pair(1, b"text".to_vec()));
    let mut whole = Failing { left: usize::MAX, bytes: Vec::new() };
    snapshot(&keyspace, &mut whole).unwrap();
    let pieces = usize::MAX - whole.left;
    for left in 0..pieces {
        let mut out = Failing { left, bytes: Vec::new() };
        assert_eq!(snapshot(&keyspace, &mut out), Err("no space".to_owned()), "after {left} pieces");
        assert!(whole.bytes.starts_with(&out.bytes), "nothing comes behind the error");
    }
}

#[test]
fn a_value_that_is_cut_or_changed_anywhere_is_refused_and_never_a_panic() {
    let mut out = Failing { left: usize::MAX, bytes: Vec::new() };
    snapshot(&with_pair(Pair(1, b"text".to_vec())), &mut out).unwrap();
    let start = out.bytes.windows(2).rposition(|bytes| bytes == b"\x01k").unwrap();
    for at in start..out.bytes.len() - 9 {
        assert!(events(&out.bytes[..at], registered()).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut changed = out.bytes.clone();
            changed[at] ^= 1 << bit;
            // There is no checksum: what it is read as does not matter, but that there is an end.
            let _any = events(&changed, registered());
        }
    }
}

#[test]
fn a_string_that_no_reader_takes_back_is_not_written_and_named() {
    let limits = Thresholds { hash_max_listpack_value: 10, ..Thresholds::default() };
    // Longer than a node of a list, which is one string.
    let long = vec![b'l'; 10_000];
    let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
    list.push_back(&long, &limits);
    set.insert(&long, &limits);
    hash.set(b"f", &long, &limits);
    zset.insert(&long, 1.0, &limits);
    let pair = Value::Custom(registered().types.adopt(Box::new(Pair(1, long.to_vec()))).unwrap());
    let values =
        [Value::Str(Str::new(&long)), Value::List(list), Value::Set(set), Value::Hash(hash), Value::ZSet(zset), pair];
    for (value, name) in values.iter().zip(["string", "list", "set", "hash", "zset", "test-pair"]) {
        let custom = if name == "test-pair" { "custom " } else { "" };
        let whose = format!("a value of the {custom}type {name}: a string in it is longer than any may be (key \"k\")");
        let mut out = Failing { left: usize::MAX, bytes: Vec::new() };
        let mut small = Encoder::reserve(WriteOptions::default()).with_max_string_bytes(9_999);
        let refused = small.key(&mut out, b"k", value.as_ref(), None);
        assert_eq!(refused.unwrap_err(), whose);
        assert_eq!(small.payload(value.as_ref(), &mut Vec::new()), Err(StringTooLong));
        let mut enough = Encoder::reserve(WriteOptions::default()).with_max_string_bytes(10_000);
        enough.payload(value.as_ref(), &mut Vec::new()).unwrap();
    }
    let mut small = Encoder::reserve(WriteOptions::default()).with_max_string_bytes(9_999);
    let mut out = Failing { left: usize::MAX, bytes: Vec::new() };
    let mut parts = small.module_key(&mut out, b"k", id(), None).unwrap();
    assert!(parts.string(&long).unwrap_err().contains("a string in it is longer than any may be (key \"k\")"));
    let refused = small.key(&mut out, &long, ValueRef::Str(Str::new(b"v").as_ref()), None).unwrap_err();
    assert!(refused.contains("(key \"llll"), "{refused}");
    let mut sink = Sink::with_buffer(Vec::new(), Vec::with_capacity(4096));
    let refused = small.key(&mut sink, b"k", ValueRef::Str(Str::new(&long).as_ref()), None).unwrap_err();
    assert!(
        matches!(&refused, SinkError::Write { source, .. } if source.to_string().contains("(key \"k\")")),
        "{refused:?}"
    );
}

#[test]
fn what_is_longer_than_4_gib_is_refused_before_a_byte_of_it_is_looked_at() {
    // Never written to, so that it takes no memory.
    let huge = vec![0; usize::try_from(MAX_STRING_BYTES).unwrap() + 1];
    let mut out = Failing { left: usize::MAX, bytes: Vec::new() };
    let refused = snapshot(&with_pair(Pair(1, huge)), &mut out).unwrap_err();
    assert_eq!(refused, "a value of the custom type test-pair: a string in it is longer than any may be (key \"k\")");
    assert!(out.bytes.len() < 1000);
}

#[test]
fn integers_that_are_too_many_for_one_string_are_written_one_by_one() {
    let mut set = Set::new();
    (0..100).for_each(|i: u32| _ = set.insert(i.to_string().as_bytes(), &Thresholds::default()));
    let mut payload = Vec::new();
    let mut small = Encoder::reserve(WriteOptions::default()).with_max_string_bytes(100);
    small.payload(ValueRef::Set(&set), &mut payload).unwrap();
    let options = Options { max_string_bytes: 100, ..Options::default() };
    let Content::Value(Value::Set(read)) = rdb::read_payload(&payload, &options).unwrap() else { panic!("no set") };
    assert_eq!(read.len(), 100);
}
