//! Payloads of RESTORE, with a footer that is right: a value that is read is dumped and read again as the same value, and a
//! payload that was changed is refused.
//!
//! The first byte chooses how it is read; the last bytes of the rest give way to the footer.

use keyspace::{Deadline, HashSeed, Keyspace, Thresholds, Value};
use rdb::{Content, Encoder, Options, Unsupported, WriteOptions, read_payload};

pub(crate) fn run(input: &[u8]) {
    let [flags, value @ ..] = input else { return };
    let _refused_or_not = read_payload(value, &Options::default());
    let payload = payload(value, u16::from(flags & 15));
    let small = Thresholds { zset_max_listpack_entries: 1, list_max_listpack_size: 2, ..Thresholds::default() };
    let options = Options {
        limits: if flags & 16 == 0 { Thresholds::default() } else { small },
        parse_modules: flags & 32 != 0,
        unsupported: if flags & 64 == 0 { Unsupported::Refuse } else { Unsupported::Skip },
        ..Options::default()
    };
    match read_payload(&payload, &options) {
        Ok(Content::Value(value)) => check_value(value, &options),
        Ok(Content::Module(module)) => {
            let mut dumped = Vec::new();
            Encoder::reserve(WriteOptions::default())
                .module_payload(&module, &mut dumped)
                .expect("strings of less than 4 GiB");
            match read_payload(&dumped, &options) {
                Ok(Content::Module(again)) => assert_eq!(format!("{again:?}"), format!("{module:?}")),
                other => panic!("a module's value came back as {other:?}"),
            }
        }
        Ok(_) => (),
        Err(error) => {
            assert!(error.offset() <= payload.len() as u64, "{error:?} in {} bytes", payload.len());
            assert!(!error.to_string().is_empty());
        }
    }
}

/// A value behind which version and checksum stand.
fn payload(value: &[u8], version: u16) -> Vec<u8> {
    let mut payload = [value, &version.to_le_bytes()].concat();
    let sum = rio::crc64(&payload);
    payload.extend_from_slice(&sum.to_le_bytes());
    payload
}

fn check_value(value: Value, options: &Options) {
    let mut dumped = Vec::new();
    Encoder::reserve(WriteOptions::default()).payload(value.as_ref(), &mut dumped).expect("strings of less than 4 GiB");
    let again = match read_payload(&dumped, options) {
        Ok(Content::Value(again)) => again,
        other => panic!("{} came back as {other:?}", value.as_ref().type_name()),
    };
    assert_eq!(digest(again), digest(value), "a value that was dumped");
    let middle = dumped.len() / 2;
    dumped[middle] ^= 1;
    assert!(read_payload(&dumped, options).is_err(), "a payload that was changed");
}

fn digest(value: Value) -> [[u8; 20]; 2] {
    let mut keyspace = Keyspace::new(1, HashSeed([7; 16]));
    let key = keyspace.key(b"key");
    keyspace.db_mut(0).insert(key, value, Deadline::Clear);
    [keyspace.digest(), keyspace.redis_digest()]
}
