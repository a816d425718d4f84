//! A whole dataset as clients can read it, in the form of `tests/corpus/*/expected.jsonl`.
//!
//! Byte strings are latin-1 text, so that every byte has one character. Sets and hashes are sorted, lists and sorted sets
//! keep their order. Deadlines are absolute, in milliseconds.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value as Json, json};

use crate::client::{Client, Pipeline};
use resp_codec::Value;

/// How far two deadlines may lie apart where one was read through PTTL, in milliseconds.
pub const DEADLINE_TOLERANCE_MS: i64 = 2_500;

/// One key's type, value and deadline.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name that TYPE gives.
    pub kind: String,
    /// The value in canonical form.
    pub value: Json,
    /// The deadline in milliseconds since the epoch, if there is one.
    pub deadline_ms: Option<i64>,
}

/// All keys of all databases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// By database and key (as latin-1 text).
    pub entries: BTreeMap<(u32, String), Entry>,
}

impl Dataset {
    /// Reads the text of an `expected.jsonl`. Lines that describe no key (functions) are left out.
    ///
    /// # Errors
    /// If a line is not of that form.
    pub fn parse(text: &str) -> Result<Self> {
        let mut entries = BTreeMap::new();
        for (i, line) in text.lines().enumerate() {
            let mut json: Json = serde_json::from_str(line).with_context(|| format!("line {}", i + 1))?;
            let Some(db) = json["db"].as_u64() else { continue };
            let (Some(key), Some(kind)) = (json["key"].as_str(), json["type"].as_str()) else {
                bail!("line {}: no key or no type", i + 1);
            };
            let at = (u32::try_from(db)?, key.to_owned());
            let kind = kind.to_owned();
            let deadline_ms = json["pexpireat"].as_i64();
            entries.insert(at, Entry { kind, value: json["value"].take(), deadline_ms });
        }
        Ok(Self { entries })
    }
}

/// Reads every key of every database.
///
/// # Errors
/// If the connection breaks, the server answers with an error, or a key has a type without canonical form.
pub fn dump_dataset(client: &mut Client) -> Result<Dataset> {
    let mut entries = BTreeMap::new();
    for db in 0.. {
        if client.call(&["SELECT", &db.to_string()])?.as_error().is_some() {
            break;
        }
        let reply = client.expect(&["KEYS", "*"])?;
        let keys = strings(&reply)?;
        for (key, entry) in keys.iter().zip(dump_keys(client, &keys)?) {
            entries.extend(entry.map(|entry| ((db, latin1(key)), entry)));
        }
    }
    client.expect(&["SELECT", "0"])?;
    Ok(Dataset { entries })
}

/// Reads the keys in two round trips: types and deadlines, then values. None for a key that expires meanwhile.
fn dump_keys(client: &mut Client, keys: &[Vec<u8>]) -> Result<Vec<Option<Entry>>> {
    let mut ask = Pipeline::default();
    for key in keys {
        ask.push(&[b"TYPE".as_slice(), key]).push(&[b"PEXPIRETIME".as_slice(), key]);
    }
    let about = client.run(&ask)?;
    let mut heads = Vec::new();
    ask.clear();
    for (key, pair) in keys.iter().zip(about.chunks(2)) {
        let kind = String::from_utf8(pair[0].as_bytes().context("TYPE")?.to_vec())?;
        let deadline_ms = pair[1].as_integer().with_context(|| format!("PEXPIRETIME: {:?}", pair[1]))?;
        push_read(&mut ask, &kind, key)?;
        heads.push((kind, (deadline_ms >= 0).then_some(deadline_ms)));
    }
    let values = client.run(&ask)?;
    let entry = |((kind, deadline_ms), reply): ((String, Option<i64>), &Value)| -> Result<Option<Entry>> {
        if reply.is_null() || reply.as_items().is_some_and(<[Value]>::is_empty) {
            return Ok(None);
        }
        let value = canonical(&kind, reply).with_context(|| format!("a {kind}"))?;
        Ok(Some(Entry { kind, value, deadline_ms }))
    };
    heads.into_iter().zip(&values).map(entry).collect()
}

fn push_read(ask: &mut Pipeline, kind: &str, key: &[u8]) -> Result<()> {
    match kind {
        "string" | "none" => ask.push(&[b"GET".as_slice(), key]),
        "list" => ask.push(&[b"LRANGE".as_slice(), key, b"0", b"-1"]),
        "set" => ask.push(&[b"SMEMBERS".as_slice(), key]),
        "hash" => ask.push(&[b"HGETALL".as_slice(), key]),
        "zset" => ask.push(&[b"ZRANGE".as_slice(), key, b"0", b"-1", b"WITHSCORES"]),
        other => bail!("no canonical form for type {other} of key {:?}", latin1(key)),
    };
    Ok(())
}

fn canonical(kind: &str, reply: &Value) -> Result<Json> {
    if kind == "string" {
        return Ok(latin1(reply.as_bytes().context("no string")?).into());
    }
    let items = strings(reply)?;
    Ok(match kind {
        "set" => {
            let mut members: Vec<String> = items.iter().map(|m| latin1(m)).collect();
            members.sort();
            json!(members)
        }
        "hash" => {
            let mut fields: Vec<[String; 2]> = items.chunks(2).map(|p| [latin1(&p[0]), latin1(&p[1])]).collect();
            fields.sort();
            json!(fields)
        }
        "zset" => {
            let pairs: Result<Vec<Json>> = items.chunks(2).map(|p| Ok(json!([latin1(&p[0]), score(&p[1])?]))).collect();
            Json::Array(pairs?)
        }
        _ => json!(items.iter().map(|i| latin1(i)).collect::<Vec<_>>()),
    })
}

/// A score as a number, or as text where JSON has no number for it.
fn score(text: &[u8]) -> Result<Json> {
    let text = std::str::from_utf8(text)?;
    let number: f64 = text.parse().with_context(|| format!("score {text:?}"))?;
    Ok(serde_json::Number::from_f64(number).map_or_else(|| text.into(), Json::Number))
}

fn strings(reply: &Value) -> Result<Vec<Vec<u8>>> {
    let items = reply.as_items().with_context(|| format!("no array: {reply:?}"))?;
    items.iter().map(|i| Ok(i.as_bytes().context("an item that is no string")?.to_vec())).collect()
}

/// One character a byte.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}

/// The bytes of such a text; none if a character is no byte.
pub fn bytes_of_latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

/// One way in which two datasets differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The database.
    pub db: u32,
    /// The key, as latin-1 text.
    pub key: String,
    /// What differs.
    pub what: What,
}

/// What differs about a key.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// It should be there.
    Missing,
    /// It should not be there.
    Unexpected,
    /// Its type or value.
    Value {
        /// What it should be.
        expected: Box<Entry>,
        /// What it is.
        found: Box<Entry>,
    },
    /// Its deadline, by more than the tolerance.
    Deadline {
        /// What it should be, in milliseconds.
        expected_ms: Option<i64>,
        /// What it is, in milliseconds.
        found_ms: Option<i64>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "db {} key {:?}: ", self.db, self.key)?;
        match &self.what {
            What::Missing => write!(f, "missing"),
            What::Unexpected => write!(f, "should not be there"),
            What::Value { expected, found } => {
                let [e, v] = [expected, found].map(|x| format!("{} {}", x.kind, x.value));
                write!(f, "expected {e:.300}, found {v:.300}")
            }
            What::Deadline { expected_ms, found_ms } => {
                write!(f, "expected deadline {expected_ms:?}, found {found_ms:?}")
            }
        }
    }
}

/// Compares what is there with what should be. Deadlines may differ by `tolerance_ms`.
pub fn compare(expected: &Dataset, found: &Dataset, tolerance_ms: i64) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (at, want) in &expected.entries {
        let what = match found.entries.get(at) {
            None => Some(What::Missing),
            Some(have) => differs(want, have, tolerance_ms),
        };
        differences.extend(what.map(|what| Difference { db: at.0, key: at.1.clone(), what }));
    }
    let unexpected = found.entries.keys().filter(|at| !expected.entries.contains_key(at));
    differences.extend(unexpected.map(|at| Difference { db: at.0, key: at.1.clone(), what: What::Unexpected }));
    differences
}

fn differs(want: &Entry, have: &Entry, tolerance_ms: i64) -> Option<What> {
    if want.kind != have.kind || want.value != have.value {
        return Some(What::Value { expected: Box::new(want.clone()), found: Box::new(have.clone()) });
    }
    let near = match (want.deadline_ms, have.deadline_ms) {
        (None, None) => true,
        (Some(a), Some(b)) => a.abs_diff(b) <= tolerance_ms.unsigned_abs(),
        _ => false,
    };
    (!near).then_some(What::Deadline { expected_ms: want.deadline_ms, found_ms: have.deadline_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str, deadline: &str) -> Dataset {
        let line = format!(r#"{{"db": 3, "key": "k", "pexpireat": {deadline}, "type": "string", "value": "{value}"}}"#);
        Dataset::parse(&line).unwrap()
    }

    #[test]
    fn deadlines_within_the_tolerance_are_equal_and_beyond_it_are_not() {
        assert_eq!(compare(&one("v", "10000"), &one("v", "12500"), DEADLINE_TOLERANCE_MS), vec![]);
        let beyond = compare(&one("v", "10000"), &one("v", "12501"), DEADLINE_TOLERANCE_MS);
        let what = What::Deadline { expected_ms: Some(10_000), found_ms: Some(12_501) };
        assert_eq!(beyond, vec![Difference { db: 3, key: "k".to_owned(), what }]);
    }

    #[test]
    fn a_lost_deadline_is_a_difference() {
        assert_eq!(compare(&one("v", "10000"), &one("v", "null"), i64::MAX).len(), 1);
    }

    #[test]
    fn missing_and_unexpected_keys_and_other_values_are_differences() {
        let empty = Dataset::default();
        assert_eq!(compare(&one("v", "null"), &empty, 0)[0].what, What::Missing);
        assert_eq!(compare(&empty, &one("v", "null"), 0)[0].what, What::Unexpected);
        assert!(matches!(compare(&one("v", "null"), &one("w", "null"), 0)[0].what, What::Value { .. }));
    }

    #[test]
    fn a_line_without_a_database_number_is_no_key() {
        let functions = r#"{"db": "functions", "key": "", "pexpireat": null, "type": "functions", "value": []}"#;
        assert_eq!(Dataset::parse(functions).unwrap(), Dataset::default());
    }

    #[test]
    fn every_byte_has_one_character() {
        assert_eq!(latin1(&[0, 0xff, b'a']), "\u{0}\u{ff}a");
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(bytes_of_latin1(&latin1(&all)), Some(all));
        assert_eq!(bytes_of_latin1("\u{100}"), None);
    }
}
