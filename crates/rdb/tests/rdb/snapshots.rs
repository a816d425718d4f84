//! Whole keyspaces, written in steps.

use keyspace::{Deadline, Hash, Keyspace, List, Set, Str, Thresholds, UnixMs, Unwritable, Value, ZSet};
use rdb::{
    Checksum, Content, Encoder, Entry, Event, KeyEntry, Options, Preface, Progress, Reader, SnapshotWriter, Step,
    Target, ValueType, WriteOptions,
};
use rio::{Output, Sink, Source};

use crate::dataset::{events, keys};
use crate::random::{empty, read, written};
use alloc_watch::taken_by;

/// Every type, small and large, integers, binary bytes, and strings that are compressed once and twice.
fn sample() -> Keyspace {
    let (mut keyspace, limits) = (empty(), Thresholds::default());
    for len in [1, 129, 513, 3_000_u32] {
        let (mut list, mut set, mut ints) = (List::new(), Set::new(), Set::new());
        let (mut hash, mut zset) = (Hash::new(), ZSet::new());
        for i in 0..len {
            let text = format!("\0\r\n{i}");
            list.push_back(if i % 2 == 0 { text.as_bytes() } else { b"-17" }, &limits);
            set.insert(text.as_bytes(), &limits);
            ints.insert(i.to_string().as_bytes(), &Thresholds { set_max_intset_entries: 2_000, ..limits });
            hash.set(text.as_bytes(), i.to_string().as_bytes(), &limits);
            zset.insert(text.as_bytes(), f64::from(i) / 3.0, &limits);
        }
        let values = [Value::List(list), Value::Set(set), Value::Set(ints), Value::Hash(hash), Value::ZSet(zset)];
        for (i, value) in values.into_iter().enumerate() {
            insert(&mut keyspace, len % 4, &format!("{i}:{len}"), value, Deadline::Clear);
        }
    }
    let (mut plain, elems) = (List::new(), [&[b'e'; 9_000][..], b"small"]);
    elems.iter().for_each(|elem| plain.push_back(elem, &limits));
    insert(&mut keyspace, 0, "an element too large for a ziplist", Value::List(plain), Deadline::Clear);
    let noise: Vec<u8> = (0..200_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let texts = [("", &b""[..]), ("int", b"-9223372036854775808"), ("bin", b"\xff\0$\r\n"), ("noise", &noise)];
    for (key, text) in texts {
        insert(&mut keyspace, 3, key, Value::Str(Str::new(text)), Deadline::At(UnixMs(1 << 50)));
    }
    let large = b"some text that comes again ".repeat(40_000);
    insert(&mut keyspace, 3, "large", Value::Str(Str::new(&large)), Deadline::Clear);
    keyspace
}

fn insert(keyspace: &mut Keyspace, db: u32, key: &str, value: Value, deadline: Deadline) {
    let key = keyspace.key(key.as_bytes());
    keyspace.db_mut(db).insert(key, value, deadline);
}

#[test]
fn every_kind_of_value_comes_back() {
    let keyspace = sample();
    for (version, compress) in (9..=11).flat_map(|version| [(version, false), (version, true)]) {
        let file = written(&keyspace, WriteOptions { version, compress });
        assert_eq!(read(&file).digest(), keyspace.digest());
    }
}

/// Counts and forgets.
#[derive(Default)]
struct Counting {
    bytes: u64,
}

impl Output for Counting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn fsync(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn writing_allocates_nothing() {
    let keyspace = sample();
    for version in 9..=11 {
        let options = WriteOptions { version, compress: true };
        let expected = written(&keyspace, options).len() as u64;
        let preface = Preface { redis_ver: "7.2.4".into(), ..Preface::default() };
        let mut sink = Sink::with_buffer(Counting::default(), Vec::with_capacity(4096)).checksummed();
        let mut writer = SnapshotWriter::new(&keyspace, Some(UnixMs(0)), Encoder::reserve(options), preface);
        let (result, taken) = taken_by(|| {
            while writer.step(&mut sink)? == Progress::More {}
            sink.fsync()
        });
        result.unwrap();
        assert_eq!(taken.calls, 0, "calls of the allocator");
        assert_eq!(sink.output().bytes, expected + "7.2.4".len() as u64);
    }
}

#[test]
fn a_step_writes_a_few_keys_and_says_how_many() {
    let mut keyspace = empty();
    for i in 0..1_000 {
        insert(&mut keyspace, i % 2, &format!("key:{i}"), Value::Str(Str::new(b"x")), Deadline::Clear);
    }
    let mut writer =
        SnapshotWriter::new(&keyspace, None, Encoder::reserve(WriteOptions::default()), Preface::default());
    let (mut out, mut steps) = (Vec::new(), 0);
    loop {
        let before = writer.keys();
        let progress = writer.step(&mut out).unwrap();
        assert!(writer.keys() - before < 200, "{} keys in one step", writer.keys() - before);
        steps += 1;
        if progress == Progress::Complete {
            break;
        }
    }
    assert!(steps > 10);
    assert_eq!(writer.keys(), 1_000);
    let len = out.len();
    assert_eq!(writer.step(&mut out), Ok(Progress::Complete), "no more comes");
    assert_eq!(out.len(), len);
    assert_eq!(read(&out).digest(), keyspace.digest());
}

#[test]
fn a_file_begins_with_what_was_said_about_it_and_names_databases_and_sizes() {
    let mut keyspace = empty();
    insert(&mut keyspace, 2, "a", Value::Str(Str::new(b"1")), Deadline::At(UnixMs(5)));
    insert(&mut keyspace, 2, "b", Value::Str(Str::new(b"2")), Deadline::Clear);
    let preface = Preface {
        redis_ver: "7.2.4".into(),
        ctime_s: 1_700_000_000,
        used_mem_bytes: 1_234_567,
        is_aof_base: true,
        others: vec![("ledgerstone-ver".into(), b"0.1".to_vec())],
    };
    let mut sink = Sink::with_buffer(Vec::new(), Vec::with_capacity(64)).checksummed();
    SnapshotWriter::new(&keyspace, None, Encoder::reserve(WriteOptions::default()), preface).run(&mut sink).unwrap();
    sink.flush().unwrap();
    let file = sink.into_parts().0;
    let mut aux = Vec::new();
    let mut others = Vec::new();
    for event in events(&file, Options::default()).unwrap() {
        match event.entry {
            Entry::Aux { key, value } => aux.push([key, value].map(|text| String::from_utf8(text).unwrap())),
            Entry::Key(_) => {}
            Entry::End(Checksum::Verified(_)) => others.push("verified".to_owned()),
            other => others.push(format!("{other:?}")),
        }
    }
    let expected = [
        ["redis-ver", "7.2.4"],
        ["redis-bits", "64"],
        ["ctime", "1700000000"],
        ["used-mem", "1234567"],
        ["ledgerstone-ver", "0.1"],
        ["aof-base", "1"],
    ];
    assert_eq!(aux, expected);
    assert_eq!(others, ["SelectDb(2)", "ResizeDb { keys: 2, expires: 1 }", "verified"]);
}

#[test]
fn keys_that_expired_before_the_snapshot_are_left_out_if_its_time_is_given() {
    let mut keyspace = empty();
    for (key, at) in [("gone", 99), ("now", 100), ("later", 101)] {
        insert(&mut keyspace, 0, key, Value::Str(Str::new(b"")), Deadline::At(UnixMs(at)));
    }
    for (now, expected) in [(Some(UnixMs(100)), &["later", "now"][..]), (None, &["gone", "later", "now"])] {
        let mut out = Vec::new();
        let encoder = Encoder::reserve(WriteOptions::default());
        SnapshotWriter::new(&keyspace, now, encoder, Preface::default()).run(&mut out).unwrap();
        let mut names: Vec<_> =
            keys(&out, Options::default()).unwrap().into_iter().map(|k| String::from_utf8(k.key).unwrap()).collect();
        names.sort();
        assert_eq!(names, expected);
    }
}

/// Remembers how much was written at each pause.
#[derive(Default)]
struct Pausing {
    bytes: usize,
    pauses: usize,
    longest_write: usize,
}

impl Target for Pausing {
    type Error = ();

    fn write(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.bytes += bytes.len();
        self.longest_write = self.longest_write.max(bytes.len());
        Ok(())
    }

    fn checksum(&mut self) -> Option<u64> {
        None
    }

    fn pause(&mut self) -> Result<(), ()> {
        self.pauses += 1;
        Ok(())
    }

    fn refuse(&mut self, _: &Unwritable<'_>) {}
}

#[test]
fn a_large_string_is_measured_with_pauses_and_written_in_pieces() {
    let large = b"some text that comes again ".repeat(40_000);
    let value = Str::new(&large);
    let mut out = Pausing::default();
    let mut encoder = Encoder::reserve(WriteOptions::default());
    encoder.key(&mut out, b"k", keyspace::ValueRef::Str(value.as_ref()), None).unwrap();
    assert!(out.pauses >= 16, "{} pauses in {} bytes", out.pauses, large.len());
    assert!(out.bytes < large.len() / 50);
    assert!(out.longest_write <= 80 * 1024);
}

#[test]
fn a_large_list_is_measured_with_pauses() {
    let (mut list, limits) = (List::new(), Thresholds::default());
    for i in 0..200_000_u32 {
        list.push_back(format!("element {i}").as_bytes(), &limits);
    }
    /// Ends where it would begin to write.
    #[derive(Default)]
    struct Measured(usize);
    impl Target for Measured {
        type Error = usize;
        fn write(&mut self, _: &[u8]) -> Result<(), usize> {
            Err(self.0)
        }
        fn checksum(&mut self) -> Option<u64> {
            None
        }
        fn pause(&mut self) -> Result<(), usize> {
            self.0 += 1;
            Ok(())
        }
        fn refuse(&mut self, _: &Unwritable<'_>) -> usize {
            0
        }
    }
    for version in [9, 11] {
        let mut encoder = Encoder::reserve(WriteOptions { version, compress: true });
        let pauses = encoder.key(&mut Measured::default(), b"k", keyspace::ValueRef::List(&list), None).unwrap_err();
        assert!(pauses > 40, "{pauses} pauses in 3 MB");
    }
}

#[test]
fn an_error_of_the_target_ends_the_writing() {
    struct Full;
    impl Target for Full {
        type Error = &'static str;
        fn write(&mut self, _: &[u8]) -> Result<(), &'static str> {
            Err("full")
        }
        fn checksum(&mut self) -> Option<u64> {
            None
        }
        fn refuse(&mut self, _: &Unwritable<'_>) -> &'static str {
            "refused"
        }
    }
    let keyspace = empty();
    let encoder = Encoder::reserve(WriteOptions::default());
    assert_eq!(SnapshotWriter::new(&keyspace, None, encoder, Preface::default()).step(&mut Full), Err("full"));
}

/// Such a hash was written field by field if it had more than some 150 fields: five times as many bytes.
#[test]
fn the_largest_hash_that_is_compact_by_default_is_one_string() {
    let (mut hash, limits) = (Hash::new(), Thresholds::default());
    for i in 0..512_u32 {
        hash.set(format!("{i:064}").as_bytes(), format!("{i:x>64}").as_bytes(), &limits);
    }
    assert!(!hash.is_large());
    for (version, kind) in [(9, ValueType::HashZiplist), (10, ValueType::HashListpack)] {
        let mut payload = Vec::new();
        let options = WriteOptions { version, compress: false };
        Encoder::reserve(options).payload(keyspace::ValueRef::Hash(&hash), &mut payload).unwrap();
        assert_eq!(ValueType::of(payload[0]), Some(kind));
        let read = rdb::read_payload(&payload, &Options::default()).unwrap();
        assert!(matches!(&read, Content::Value(Value::Hash(hash)) if hash.len() == 512), "{read:?}");
    }
}

/// What one reader gives in steps of so many elements: where events begin and what they are, the digest of all values, and how many
/// steps were no event.
fn read_in_steps(file: &[u8], stop_after: u64, elements: u64) -> (Vec<(u64, String)>, [u8; 20], usize) {
    let source = Source::with_buffer(file, Vec::with_capacity(64));
    let mut reader = Reader::new(source, Options::default()).unwrap();
    let (mut events, mut keyspace, mut pieces) = (Vec::new(), empty(), 0);
    loop {
        let (offset, before) = (reader.offset(), reader.elements());
        match reader.step(offset.saturating_add(stop_after), elements).unwrap() {
            Step::Event(Event { offset, entry: Entry::Key(KeyEntry { db, key, content, .. }) }) => {
                events.push((offset, format!("{db} {}", key.escape_ascii())));
                let Content::Value(value) = content else { panic!("no value") };
                let key = keyspace.key(&key);
                keyspace.db_mut(db).insert(key, value, Deadline::Clear);
            }
            Step::Event(Event { offset, entry }) => events.push((offset, format!("{entry:?}"))),
            Step::More => {
                pieces += 1;
                assert!(reader.offset() > offset, "each step comes on");
                assert!(reader.event_offset() <= offset, "the key began before");
            }
            Step::Over => return (events, keyspace.digest(), pieces),
        }
        // A node of a list is read whole: of numbers of one digit it holds no more than this.
        assert!(reader.elements() - before < elements.saturating_add(8192));
    }
}

#[test]
fn a_value_is_read_in_steps_of_any_size_as_it_is_read_at_once() {
    let keyspace = sample();
    for version in [9, 11] {
        let file = written(&keyspace, WriteOptions { version, compress: version == 9 });
        let (whole, digest, none) = read_in_steps(&file, u64::MAX, u64::MAX);
        assert_eq!(none, 0);
        for (stop_after, elements) in [(u64::MAX, 1), (u64::MAX, 100), (1, u64::MAX), (1_000, u64::MAX), (0, 0)] {
            let (events, found, pieces) = read_in_steps(&file, stop_after, elements);
            assert_eq!(
                (events, found),
                (whole.clone(), digest),
                "version {version}, {stop_after} bytes, {elements} elements"
            );
            assert!(pieces > 50, "{pieces} pieces in {stop_after} bytes, {elements} elements");
        }
    }
}

#[test]
fn what_is_cut_or_wrong_in_a_later_piece_is_an_error_with_its_key_and_the_end() {
    let (mut keyspace, limits) = (empty(), Thresholds::default());
    let mut set = Set::new();
    (0..1_000_u32).for_each(|i| _ = set.insert(format!("member {i:04}").as_bytes(), &limits));
    let key = keyspace.key(b"k");
    keyspace.db_mut(0).insert(key, Value::Set(set), Deadline::Clear);
    let file = written(&keyspace, WriteOptions { version: 9, compress: false });
    let at = file.windows(11).position(|bytes| bytes == b"member 0700").unwrap();
    let mut twice = file.clone();
    twice[at..at + 11].copy_from_slice(b"member 0000");
    for (bytes, text) in
        [(&file[..at], "unexpected end"), (&twice[..], "of key \"k\": expected a member that is not there yet")]
    {
        let mut reader = Reader::new(Source::with_buffer(bytes, Vec::with_capacity(64)), Options::default()).unwrap();
        let error = loop {
            match reader.step(u64::MAX, 10) {
                Ok(Step::Over) => panic!("no error"),
                Ok(_) => {}
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains(text), "{error}");
        assert!(matches!(reader.step(u64::MAX, 10), Ok(Step::Over)));
    }
}
