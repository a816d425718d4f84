//! RDB files, with a checksum that is right: what is read is written and read again as the same dataset, by either version that
//! is written; nothing panics, and what is refused is refused with a place.
//!
//! The first byte chooses how the file is read.

use keyspace::{Deadline, HashSeed, Keyspace, Thresholds};
use rdb::{
    Content, Encoder, Entry, KeyEntry, Options, Preface, RdbError, Reader, SnapshotWriter, Unsupported, WriteOptions,
};
use rio::{Sink, Source};

/// Bytes of a checksum.
const SUM_BYTES: usize = 8;
const DATABASES: u32 = 16;

pub(crate) fn run(input: &[u8]) {
    let [flags, file @ ..] = input else { return };
    let mut file = file.to_vec();
    if flags & 1 == 0 {
        mend(&mut file);
    }
    let options = options(*flags);
    let entries = match entries(&file, &options) {
        Ok(entries) => entries,
        Err(error) => {
            assert!(error.offset() <= file.len() as u64, "{error:?} in {} bytes", file.len());
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let Some(keyspace) = keyspace_of(entries) else { return };
    for version in 9..=11 {
        let options = WriteOptions { version, compress: flags & 2 == 0 };
        let again = self::entries(&written(&keyspace, options), &Options::default());
        let again = again.unwrap_or_else(|error| panic!("what was written is refused: {error}"));
        let again = keyspace_of(again).expect("only values were written");
        assert_eq!(again.digest(), keyspace.digest(), "version {version}");
        assert_eq!(again.redis_digest(), keyspace.redis_digest(), "version {version}");
    }
}

fn options(flags: u8) -> Options {
    let small = Thresholds { set_max_intset_entries: 2, hash_max_listpack_entries: 2, ..Thresholds::default() };
    Options {
        limits: if flags & 4 == 0 { Thresholds::default() } else { small },
        verify_checksum: flags & 8 == 0,
        unsupported: if flags & 16 == 0 { Unsupported::Refuse } else { Unsupported::Skip },
        parse_modules: flags & 32 != 0,
        ..Options::default()
    }
}

/// Gives a file the checksum of its bytes, which no mutation would ever hit, as its last ones.
fn mend(file: &mut [u8]) {
    if let Some((body, sum)) = file.split_last_chunk_mut::<SUM_BYTES>() {
        *sum = rio::crc64(body).to_le_bytes();
    }
}

fn entries(file: &[u8], options: &Options) -> Result<Vec<KeyEntry>, RdbError> {
    let mut reader = Reader::new(Source::with_buffer(file, Vec::with_capacity(64)), options.clone())?;
    let mut entries = Vec::new();
    while let Some(event) = reader.next_event()? {
        assert!(event.offset < reader.offset() && reader.offset() <= file.len() as u64, "{event:?}");
        if let Entry::Key(entry) = event.entry {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// The values of some keys; `None` if the keyspace has no such database.
fn keyspace_of(entries: Vec<KeyEntry>) -> Option<Keyspace> {
    let mut keyspace = Keyspace::new(DATABASES, HashSeed([7; 16]));
    for KeyEntry { db, key, expire_at, content, .. } in entries {
        let Content::Value(value) = content else { continue };
        if db >= DATABASES {
            return None;
        }
        let key = keyspace.key(&key);
        keyspace.db_mut(db).insert(key, value, expire_at.map_or(Deadline::Clear, Deadline::At));
    }
    Some(keyspace)
}

fn written(keyspace: &Keyspace, options: WriteOptions) -> Vec<u8> {
    let mut sink = Sink::with_buffer(Vec::new(), Vec::with_capacity(64)).checksummed();
    let mut writer = SnapshotWriter::new(keyspace, None, Encoder::reserve(options), Preface::default());
    writer.run(&mut sink).and_then(|()| sink.flush()).expect("memory takes everything");
    sink.into_parts().0
}
