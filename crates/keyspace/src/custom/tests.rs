//! A small type of its own, through everything that the keyspace does with values.

use super::*;
use crate::{Deadline, HashSeed, Key, Keyspace, Removed, UnixMs, Value, ValueMut, ValueRef};

static WORDS: CustomType = CustomType::new("testwords", 3, &["words.add"], load);
static OTHER: CustomType = CustomType::new("testother", 0, &[], |_, _| Err(CannotLoad("never")));

fn load(_version: u16, parts: &mut dyn ReadParts) -> Result<Box<dyn CustomValue>, CannotLoad> {
    let mut words = Words(Vec::new());
    for _ in 0..parts.unsigned()? {
        words.0.push(parts.string()?);
    }
    Ok(Box::new(words))
}

/// Words in order.
#[derive(Clone, Debug, PartialEq)]
struct Words(Vec<Vec<u8>>);

impl CustomValue for Words {
    fn custom_type(&self) -> &'static CustomType {
        &WORDS
    }

    fn copy(&self) -> Box<dyn CustomValue> {
        Box::new(self.clone())
    }

    fn heap_bytes(&self) -> usize {
        self.0.iter().map(Vec::capacity).sum()
    }

    fn free_effort(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn rewrite(&self, key: &[u8], out: &mut dyn EmitCommands) -> Result<(), CannotRewrite> {
        out.command("words.add", 1 + self.0.len());
        out.arg(key);
        self.0.iter().for_each(|word| out.arg(word));
        Ok(())
    }

    fn save(&self, out: &mut dyn WriteParts) {
        out.unsigned(self.0.len() as u64);
        self.0.iter().for_each(|word| out.string(word));
    }
}

fn words(of: &[&str]) -> Box<dyn CustomValue> {
    Box::new(Words(of.iter().map(|word| word.as_bytes().to_vec()).collect()))
}

fn keyspace() -> Keyspace {
    let mut keyspace = Keyspace::new(2, HashSeed([3; 16]));
    keyspace.set_custom_types(CustomTypes::new([&WORDS, &OTHER]).unwrap());
    keyspace
}

fn put(keyspace: &mut Keyspace, name: &str, of: &[&str], deadline: Deadline) {
    let custom = keyspace.custom_types().adopt(words(of)).unwrap();
    let key = keyspace.key(name.as_bytes());
    keyspace.db_mut(0).insert(key, Value::Custom(custom), deadline);
}

fn found<'k>(keyspace: &'k Keyspace, key: Key<'_>) -> &'k Words {
    match keyspace.db(0).get(key) {
        Some(ValueRef::Custom(custom)) => custom.value().downcast_ref().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_is_found_changed_copied_moved_and_removed_like_any_other() {
    let mut keyspace = keyspace();
    put(&mut keyspace, "k", &["a", "b"], Deadline::At(UnixMs(50)));
    let key = keyspace.key(b"k");
    let value = keyspace.db(0).get(key).unwrap();
    assert_eq!((value.type_name(), value.encoding(), value.text_bytes()), ("testwords", "raw", 8 + 2));
    let copy = value.to_value();
    let Some(ValueMut::Custom(value)) = keyspace.db_mut(0).get_mut(key) else { panic!("no custom value") };
    value.value_mut().downcast_mut::<Words>().unwrap().0.push(b"c".to_vec());
    assert_eq!(found(&keyspace, key).0.len(), 3);
    let to = keyspace.key(b"to");
    keyspace.db_mut(0).insert(to, copy, Deadline::Clear);
    assert_eq!(found(&keyspace, to).0.len(), 2, "a copy is its own");
    assert!(keyspace.db_mut(0).set_deadline(key, None));
    assert!(keyspace.db_mut(0).set_deadline(key, Some(UnixMs(60))));
    assert_eq!((found(&keyspace, key).0.len(), keyspace.db(0).deadline(key)), (3, Some(UnixMs(60))));
    assert!(keyspace.db(0).is_expired(key, UnixMs(61)));
    let (value, deadline) = keyspace.db_mut(0).remove(key).unwrap();
    assert_eq!((value.as_ref().text_bytes(), deadline), (8 + 3, Some(UnixMs(60))));
    keyspace.db_mut(0).set_str(to, b"text", Deadline::Clear);
    assert!(matches!(keyspace.db(0).get(to), Some(ValueRef::Str(_))));
}

#[test]
fn a_large_value_is_given_out_to_be_freed_elsewhere() {
    let mut keyspace = keyspace();
    put(&mut keyspace, "large", &["w"; 65], Deadline::Clear);
    put(&mut keyspace, "small", &["w"; 64], Deadline::Clear);
    let (large, small) = (keyspace.key(b"large"), keyspace.key(b"small"));
    assert!(matches!(keyspace.db_mut(0).delete(large), Removed::Large(Value::Custom(_))));
    assert!(matches!(keyspace.db_mut(0).delete(small), Removed::Freed));
}

#[test]
fn memory_is_that_of_key_head_value_and_what_the_value_has_allocated() {
    let mut keyspace = keyspace();
    put(&mut keyspace, "k", &["12345678"], Deadline::Clear);
    let mut bare = Keyspace::new(1, HashSeed([3; 16]));
    let key = bare.key(b"k");
    bare.db_mut(0).set_str(key, b"123456", Deadline::Clear);
    let [custom, bare] = [&keyspace, &bare].map(|keyspace| keyspace.db(0).memory_bytes(key).unwrap());
    // An integer takes 8 bytes beside the key, a custom value a head of 16; and it stands in 24 of its own.
    assert_eq!(custom - bare, (24 - 16) + 24 + 8);
}

#[test]
fn digests_see_type_elements_and_order_and_nothing_else() {
    let digests = |of: &[&str]| {
        let mut keyspace = keyspace();
        put(&mut keyspace, "k", of, Deadline::Clear);
        (keyspace.digest(), keyspace.redis_digest())
    };
    let before = digests(&["a", "b"]);
    assert_eq!(digests(&["a", "b"]), before);
    for other in [&["b", "a"][..], &["a"], &["ab"], &["a", "b", ""]] {
        let after = digests(other);
        assert!(after.0 != before.0 && after.1 != before.1, "{other:?}");
    }
}

/// Gives parts from memory.
struct FromMemory(std::vec::IntoIter<&'static str>);

impl ReadParts for FromMemory {
    fn unsigned(&mut self) -> Result<u64, CannotLoad> {
        self.0.next().and_then(|text| text.parse().ok()).ok_or(CannotLoad("no number"))
    }

    fn signed(&mut self) -> Result<i64, CannotLoad> {
        Err(CannotLoad("unused"))
    }

    fn float(&mut self) -> Result<f32, CannotLoad> {
        Err(CannotLoad("unused"))
    }

    fn double(&mut self) -> Result<f64, CannotLoad> {
        Err(CannotLoad("unused"))
    }

    fn string(&mut self) -> Result<Vec<u8>, CannotLoad> {
        self.0.next().map(|text| text.as_bytes().to_vec()).ok_or(CannotLoad("no text"))
    }
}

#[test]
fn a_type_loads_its_own_versions_and_nothing_else() {
    let loaded = |version, parts: &[&'static str]| WORDS.load(version, &mut FromMemory(Vec::from(parts).into_iter()));
    for version in [0, 3] {
        let custom = loaded(version, &["2", "a", "b"]).unwrap();
        assert_eq!(custom.value().downcast_ref::<Words>().unwrap().0, [b"a", b"b"]);
    }
    assert_eq!(loaded(4, &["0"]).unwrap_err().to_string(), "a newer version of its type has written it");
    assert_eq!(loaded(3, &["2", "a"]).unwrap_err(), CannotLoad("no text"));
    static LIAR: CustomType = CustomType::new("testliars", 0, &[], load);
    let lie = LIAR.load(0, &mut FromMemory(vec!["0"].into_iter()));
    assert_eq!(lie.unwrap_err(), CannotLoad("its type makes values of another type"));
}

#[test]
fn only_values_of_registered_types_are_adopted_and_names_are_taken_once() {
    let none = CustomTypes::default();
    let error = none.adopt(words(&["a"])).unwrap_err();
    assert_eq!(error.to_string(), "the custom type testwords is not registered");
    assert_eq!(CustomTypes::new([&WORDS, &OTHER, &WORDS]).unwrap_err(), TypeTwice("testwords"));
    let types = CustomTypes::new([&WORDS, &OTHER]).unwrap();
    assert_eq!(types.iter().map(CustomType::name).collect::<Vec<_>>(), ["testwords", "testother"]);
    assert!(types.find(b"testwords").is_some() && types.find(b"testWords").is_none());
}

#[test]
fn a_name_of_other_than_nine_plain_characters_is_no_name() {
    for (name, version) in [("short", 0), ("ten-characters", 0), ("nine.byte", 0), ("testwords", 1024)] {
        let made = std::panic::catch_unwind(|| CustomType::new(name, version, &[], load));
        assert!(made.is_err(), "{name} {version}");
    }
}
