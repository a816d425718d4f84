//! Values in the form of the corpus's `expected.jsonl`.

use std::path::PathBuf;

use keyspace::{Elem, Value, ValueRef};
use rdb::{Content, Entry, Event, KeyEntry, Options, RdbError, Reader};
use rio::Source;
use serde_json::{Value as Json, json};
use testkit::dataset::Entry as Expected;

/// All events of a file, read through a small buffer.
pub(crate) fn events(file: &[u8], options: Options) -> Result<Vec<Event>, RdbError> {
    let mut reader = Reader::new(Source::with_buffer(file, Vec::with_capacity(16)), options)?;
    let mut events = Vec::new();
    while let Some(event) = reader.next_event()? {
        events.push(event);
    }
    Ok(events)
}

/// The keys of a file.
pub(crate) fn keys(file: &[u8], options: Options) -> Result<Vec<KeyEntry>, RdbError> {
    let entries = events(file, options)?.into_iter().filter_map(|event| match event.entry {
        Entry::Key(key) => Some(key),
        _ => None,
    });
    Ok(entries.collect())
}

/// The path of the corpus.
pub(crate) fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus")
}

pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// A key as the corpus describes it; `None` if it was walked over.
pub(crate) fn described(entry: &KeyEntry) -> Option<((u32, String), Expected)> {
    let Content::Value(value) = &entry.content else { return None };
    let (kind, value) = canonical(value);
    let deadline_ms = entry.expire_at.map(|at| at.0);
    Some(((entry.db, latin1(&entry.key)), Expected { kind, value, deadline_ms }))
}

fn canonical(value: &Value) -> (String, Json) {
    let value = value.as_ref();
    let text = |elem: Elem<'_>| latin1(&elem.to_vec());
    let json = match value {
        ValueRef::Str(value) => json!(text(value.elem())),
        ValueRef::List(list) => json!(list.iter().map(text).collect::<Vec<_>>()),
        ValueRef::Set(set) => {
            let mut members: Vec<String> = set.iter().map(text).collect();
            members.sort();
            json!(members)
        }
        ValueRef::Hash(hash) => {
            let mut fields: Vec<[String; 2]> = hash.iter().map(|(field, value)| [text(field), text(value)]).collect();
            fields.sort();
            json!(fields)
        }
        ValueRef::ZSet(zset) => {
            let score = |score: f64| match serde_json::Number::from_f64(score) {
                Some(number) => Json::Number(number),
                None => json!(if score > 0.0 { "inf" } else { "-inf" }),
            };
            json!(zset.iter().map(|(member, value)| json!([text(member), score(value)])).collect::<Vec<_>>())
        }
        ValueRef::Custom(_) => panic!("no custom type is registered"),
    };
    (value.type_name().to_owned(), json)
}
