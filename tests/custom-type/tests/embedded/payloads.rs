//! Values as DUMP gives them and RESTORE takes them, and what a payload is refused for.

use anyhow::{Result, bail, ensure};
use keyspace::{CustomTypes, Value};
use rdb::{Content, Encoder, ModuleId, ModuleValue, Options, Part, WriteOptions, read_payload};
use tests_custom_type::{FrequentItems, TYPE};

fn options() -> Result<Options> {
    Ok(Options { types: CustomTypes::new([&TYPE])?, ..Options::default() })
}

fn items(payload: &[u8]) -> Result<FrequentItems> {
    match read_payload(payload, &options()?)? {
        Content::Value(Value::Custom(custom)) => match custom.value().downcast_ref::<FrequentItems>() {
            Some(items) => Ok(items.clone()),
            None => bail!("a value of another type"),
        },
        other => bail!("{other:?}"),
    }
}

/// A payload of these parts.
fn payload(version: u16, parts: &[Part]) -> Vec<u8> {
    let id = ModuleId::new(TYPE.name(), version).expect("a name and a version");
    let mut out = Vec::new();
    Encoder::reserve(WriteOptions::default())
        .module_payload(&ModuleValue { id, parts: parts.to_vec() }, &mut out)
        .expect("no string of 4 GiB");
    out
}

/// A payload of a type that the program does not have.
pub(crate) fn foreign() -> Vec<u8> {
    let id = ModuleId::new("elsewhere", 0).expect("a name and a version");
    let mut out = Vec::new();
    Encoder::reserve(WriteOptions::default())
        .module_payload(&ModuleValue { id, parts: vec![number(1)] }, &mut out)
        .expect("no string of 4 GiB");
    out
}

fn number(value: u64) -> Part {
    Part::Unsigned(value)
}

fn name(bytes: &[u8]) -> Part {
    Part::String(bytes.to_vec())
}

#[test]
fn a_value_comes_back_from_a_payload_as_it_was() -> Result<()> {
    let mut before = FrequentItems::new(2).expect("a capacity");
    for item in ["a", "b", "a", "c", "\0"] {
        before.add(item.as_bytes());
    }
    let custom = options()?.types.adopt(Box::new(before.clone()))?;
    let mut out = Vec::new();
    Encoder::reserve(WriteOptions::default())
        .payload(Value::Custom(custom).as_ref(), &mut out)
        .expect("no string of 4 GiB");
    ensure!(items(&out)? == before);
    // A tool that does not know the type sees its parts.
    let parsing = Options { parse_modules: true, ..Options::default() };
    match read_payload(&out, &parsing)? {
        Content::Module(value) => {
            ensure!(value.parts.len() == 2 + 2 * 3 && value.id.to_string() == "freqitems version 1");
        }
        other => bail!("{other:?}"),
    }
    let refused = read_payload(&out, &Options::default()).expect_err("no type is registered").to_string();
    ensure!(refused == "value of module type freqitems version 1 at byte 0 is not supported", "{refused}");
    Ok(())
}

#[test]
fn an_older_layout_is_loaded() -> Result<()> {
    let old = payload(0, &[number(5), number(1), name(b"a"), number(7)]);
    let items = items(&old)?;
    let a = items.find(b"a").expect("it is there");
    ensure!((items.capacity(), a.count, a.error) == (5, 7, 0));
    Ok(())
}

#[test]
fn parts_that_are_no_value_are_refused() -> Result<()> {
    let item = |name: &Part, count, error| [name.clone(), number(count), number(error)];
    let a = name(b"a");
    let with = |head: [u64; 2], items: &[[Part; 3]]| [head.map(number).to_vec(), items.concat()].concat();
    for (parts, text) in [
        (with([0, 0], &[]), "can't be loaded: no capacity that there can be"),
        (with([2, 1], &[item(&a, 1, 1)]), "can't be loaded: an item that cannot be there"),
        (with([2, 2], &[item(&a, 1, 0), item(&a, 1, 0)]), "can't be loaded: an item that cannot be there"),
        (with([2, 2], &[item(&a, 1, 0)]), "expected a string of a module (kind 5), found 0"),
        (with([2, u64::MAX], &[]), "expected a string of a module (kind 5), found 0"),
        (with([2, 0], &[item(&a, 1, 0)]), "expected the end of a module's value, found 5"),
        (vec![a.clone()], "expected an integer of a module (kind 1 or 2), found 5"),
    ] {
        let error = format!("{:#}", items(&payload(1, &parts)).expect_err("refused"));
        ensure!(error.ends_with(text), "{error}");
    }
    let newer = format!("{:#}", items(&payload(2, &[number(1), number(0)])).expect_err("refused"));
    ensure!(newer.ends_with("a newer version of its type has written it"), "{newer}");
    Ok(())
}
