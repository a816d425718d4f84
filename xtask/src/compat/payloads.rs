//! Payloads of DUMP and RESTORE: drawn, and compared by the value they hold. The bytes differ: each server writes its own version.

use anyhow::{Result, bail};
use keyspace::{Deadline, Hash, HashSeed, Keyspace, List, Set, Str, Thresholds, Value, ZSet};
use rdb::{Content, Encoder, Options, WriteOptions};

use super::values::Values;

/// A value of any type, as we write it; now and then what is none.
pub(super) fn draw(values: &mut Values) -> Vec<u8> {
    let value = value(values);
    let newest = if values.before_7_2() { 10 } else { 11 };
    let options = WriteOptions { version: values.rng().u16(9..=newest), compress: values.chance(80) };
    let mut payload = Vec::new();
    Encoder::reserve(options).payload(value.as_ref(), &mut payload).expect("strings of less than 4 GiB");
    match values.rng().u8(..30) {
        0 => payload.clear(),
        1 => {
            let at = values.rng().usize(..payload.len());
            payload[at] ^= 0x10;
        }
        2 => {
            // An unknown type, under a right checksum.
            payload = b"\x08\x00\x09\x00".to_vec();
            payload.extend_from_slice(&rio::crc64(&payload).to_le_bytes());
        }
        _ => {}
    }
    payload
}

fn value(values: &mut Values) -> Value {
    let limits = Thresholds::default();
    let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
    let kind = values.rng().u8(..5);
    let integers = values.chance(30);
    for _ in 0..values.repetitions(true) {
        let elem = if integers { values.rng().i32(..).to_string().into_bytes() } else { values.data() };
        match kind {
            0 => list.push_back(&elem, &limits),
            1 => drop(set.insert(&elem, &limits)),
            2 => drop(hash.set(&elem, &values.data(), &limits)),
            3 => drop(zset.insert(&elem, f64::from(values.rng().i16(..)) / 8.0, &limits)),
            _ => return Value::Str(Str::new(&elem)),
        }
    }
    match kind {
        0 => Value::List(list),
        1 => Value::Set(set),
        2 => Value::Hash(hash),
        _ => Value::ZSet(zset),
    }
}

/// What tells a payload's value from others. The sign of a score of 0 does not: see the known difference `unsigned-zero`.
///
/// # Errors
/// If it is no payload.
pub(super) fn digest(payload: &[u8]) -> Result<Vec<u8>> {
    let Content::Value(value) = rdb::read_payload(payload, &Options::default())? else { bail!("no value") };
    let value = match value {
        Value::ZSet(signed) => {
            let mut zset = ZSet::new();
            for (member, score) in signed.iter() {
                zset.insert(&member.to_vec(), score + 0.0, &Thresholds::default());
            }
            Value::ZSet(zset)
        }
        value => value,
    };
    let mut keyspace = Keyspace::new(1, HashSeed([0; 16]));
    let key = keyspace.key(b"k");
    keyspace.db_mut(0).insert(key, value, Deadline::Clear);
    Ok(keyspace.digest_value(0, key).unwrap_or_default().to_vec())
}
