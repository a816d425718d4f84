//! Files that nobody vouches for: no panic, no memory for what is only announced, an end.
#![expect(clippy::disallowed_methods, reason = "reads the corpus")]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use proptest::prelude::*;
use rdb::{Entry, Options, Reader, Unsupported, read_payload};
use rio::Source;

use crate::dataset::corpus;
use alloc_watch::taken_by;

/// Memory that any file may take: pieces of strings, buffers, errors.
const ANY_FILE_BYTES: i64 = 512 * 1024;
/// Memory that each byte of a file may take: LZF stands for 88 bytes, which may be elements that take three each, kept twice
/// while their sequence grows.
const PER_BYTE: i64 = 1024;

/// Reads a file to its end or first error, in memory that its size allows; the number of events.
fn read_bounded(file: &[u8], unsupported: Unsupported) -> usize {
    let options = Options { unsupported, parse_modules: true, verify_checksum: false, ..Options::default() };
    let (events, taken) = taken_by(|| {
        let source = Source::with_buffer(file, Vec::with_capacity(256));
        let Ok(mut reader) = Reader::new(source, options) else { return 0 };
        let mut events = 0;
        while let Ok(Some(_)) = reader.next_event() {
            events += 1;
        }
        events
    });
    let budget = ANY_FILE_BYTES + PER_BYTE * i64::try_from(file.len()).unwrap();
    assert!(taken.peak_bytes <= budget, "{} bytes of memory for {} of file", taken.peak_bytes, file.len());
    events
}

/// Keys as real servers wrote them, with everything in front of them: the shortest few of each type.
fn samples() -> &'static [Vec<u8>] {
    static SAMPLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let mut by_type: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
        for server in ["redis-4.0", "redis-6.2", "redis-7.0", "redis-7.4", "valkey-8.0"] {
            let bytes = std::fs::read(corpus().join(server).join("rdb/dump.rdb")).unwrap();
            let source = Source::with_buffer(&bytes[..], Vec::with_capacity(4096));
            let mut reader =
                Reader::new(source, Options { unsupported: Unsupported::Skip, ..Options::default() }).unwrap();
            while let Some(event) = reader.next_event().unwrap() {
                if let Entry::Key(key) = &event.entry {
                    let end = usize::try_from(reader.offset()).unwrap();
                    let mut start = usize::try_from(event.offset).unwrap();
                    if key.expire_at.is_some() {
                        start += 9;
                    }
                    by_type.entry(bytes[start]).or_default().push(bytes[start..end].to_vec());
                }
            }
        }
        // Types that no server of the corpus writes any more.
        let ziplist = b"\x10\x10\0\0\0\x0d\0\0\0\x02\0\x00\x01a\x03\xf2\xff";
        by_type.insert(3, vec![b"\x03\x01k\x02\x01a\x031.5\x01b\xfe".to_vec()]);
        by_type.insert(7, vec![b"\x07\x01k\x01\x02\x41\x2c\x05\x02ab\x03abcd\x04abcdefgh\x00".to_vec()]);
        by_type.insert(9, vec![b"\x09\x01k\x0d\x02\x01f\x01\x00v\x01g\x01\x01wx\xff".to_vec()]);
        by_type.insert(10, vec![[b"\x0a\x01k", &ziplist[..]].concat()]);
        assert!(by_type.len() >= 18, "{:?}", by_type.keys());
        by_type
            .into_values()
            .flat_map(|mut keys| {
                keys.sort_by_key(|key| (key.len() < 30, key.len()));
                keys.truncate(6);
                keys
            })
            .collect()
    })
}

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Self::Insert(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(bytes.len());
                let end = (at + count).min(bytes.len());
                bytes.drain(at..end);
                bytes.push(0);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let edge =
        prop_oneof![Just(0_u8), Just(0x7f), Just(0x80), Just(0x81), Just(0xc3), Just(0xfe), Just(0xff), any::<u8>()];
    prop_oneof![
        (at(), edge).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, new)| Change::Insert(at, new)),
        (at(), 1_usize..12).prop_map(|(at, count)| Change::Remove(at, count)),
    ]
}

#[test]
fn the_samples_are_read_whole() {
    for sample in samples() {
        let file = [b"REDIS0012", &sample[..], b"\xff\0\0\0\0\0\0\0\0"].concat();
        assert_eq!(read_bounded(&file, Unsupported::Skip), 2, "{}", sample.escape_ascii());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn changed_keys_of_real_servers_neither_panic_nor_take_much_memory(
        sample in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..5),
    ) {
        let mut bytes = samples()[sample.index(samples().len())].clone();
        for change in &changes {
            change.apply(&mut bytes);
        }
        let file = [b"REDIS0012", &bytes[..], b"\xff\0\0\0\0\0\0\0\0"].concat();
        read_bounded(&file, Unsupported::Skip);
        read_bounded(&file, Unsupported::Refuse);
    }

    #[test]
    fn any_bytes_neither_panic_nor_take_much_memory(
        kind in prop_oneof![0_u8..24, 244_u8..=255],
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let file = [b"REDIS0012", &[kind][..], &body].concat();
        read_bounded(&file, Unsupported::Skip);
        let mut payload = [&[kind][..], &body, b"\x0b\0"].concat();
        payload.extend_from_slice(&rio::crc64(&payload).to_le_bytes());
        let _ = read_payload(&payload, &Options::default());
    }

    #[test]
    fn compact_forms_of_any_bytes_neither_panic_nor_take_much_memory(
        kind in prop::sample::select(vec![9_u8, 10, 11, 12, 13, 16, 17, 20]),
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        // The sizes are right, so that what they stand before is looked at.
        let size = u32::try_from(body.len() + 7).unwrap();
        let form = match kind {
            10 | 12 | 13 => [&(size + 4).to_le_bytes()[..], &10_u32.to_le_bytes(), b"\xff\xff", &body, b"\xff"].concat(),
            11 => [&b"\x02\0\0\0"[..], &(size / 2 - 3).to_le_bytes(), &body].concat(),
            9 => [&b"\xfe"[..], &body, b"\xff"].concat(),
            _ => [&size.to_le_bytes()[..], b"\xff\xff", &body, b"\xff"].concat(),
        };
        let len = u8::try_from(form.len()).unwrap();
        read_bounded(&[b"REDIS0012", &[kind, 1, b'k', 0x40, len][..], &form].concat(), Unsupported::Refuse);
    }
}

#[test]
fn nothing_is_taken_for_what_is_only_announced() {
    const HUGE: &[u8] = b"\x81\0\0\0\0\xff\xff\0\0";
    const ENDLESS: &[u8] = b"\x81\xff\xff\xff\xff\xff\xff\xff\xff";
    let mut bodies = vec![
        [b"\0", HUGE].concat(),
        [b"\0\x01k", HUGE].concat(),
        [b"\0\x01k\xc3", HUGE, HUGE].concat(),
        [b"\0\x01k\xc3\x02", HUGE, b"\x00a"].concat(),
        [b"\x07\x01k", ENDLESS, b"\x05", HUGE].concat(),
        [b"\xfb", ENDLESS, ENDLESS].concat(),
    ];
    for kind in [1, 2, 3, 4, 5, 14, 15, 18, 19, 21] {
        bodies.push([&[kind, 1, b'k'][..], ENDLESS].concat());
        bodies.push([&[kind, 1, b'k'][..], ENDLESS, HUGE].concat());
    }
    for kind in [9, 10, 11, 12, 13, 16, 17, 20] {
        bodies.push([&[kind, 1, b'k'][..], HUGE].concat());
    }
    bodies.push(b"\x0b\x01k\x08\x08\0\0\0\xff\xff\xff\xff".to_vec());
    bodies.push(b"\x10\x01k\x08\xff\xff\xff\xff\xff\xff\xff\xff".to_vec());
    bodies.push(b"\x10\x01k\x0e\x0e\0\0\0\x01\0\xf0\xff\xff\xff\xff\x01\x01\xff".to_vec());
    for body in bodies {
        let file = [b"REDIS0012", &body[..]].concat();
        for unsupported in [Unsupported::Skip, Unsupported::Refuse] {
            read_bounded(&file, unsupported);
        }
    }
}

#[test]
fn a_long_string_grows_as_its_bytes_arrive() {
    let body = [&b"REDIS0004\0\x01k\x80\x7f\0\0\0"[..], &vec![b'x'; 300_000]].concat();
    let (result, taken) = taken_by(|| {
        let source = Source::with_buffer(&body[..], Vec::with_capacity(256));
        Reader::new(source, Options::default()).unwrap().next_event().map(|_| ())
    });
    assert!(result.is_err());
    assert!(taken.peak_bytes < 1_500_000, "{}", taken.peak_bytes);
}

#[test]
fn a_sequence_that_was_compressed_as_far_as_it_goes_takes_no_more_than_its_elements() {
    // 100,000 times the integer 0 in one listpack, in 2 kB of LZF: a token stands for 264 bytes.
    let entries = b"\x00\x01".repeat(100_000);
    let size = u32::try_from(entries.len() + 7).unwrap();
    let mut compressed = vec![5];
    compressed.extend_from_slice(&size.to_le_bytes());
    compressed.extend_from_slice(b"\xff\xff\x01\x00\x01");
    let mut left = entries.len() - 2;
    while left >= 9 {
        let len = left.min(264);
        compressed.extend_from_slice(&[0xe0, u8::try_from(len - 9).unwrap(), 1]);
        left -= len;
    }
    compressed.push(u8::try_from(left).unwrap());
    compressed.extend_from_slice(&entries[entries.len() - left..]);
    compressed.push(0xff);
    let [high, low] = u16::try_from(compressed.len()).unwrap().to_be_bytes();
    let mut file = [b"REDIS0011\x12\x01k\x01\x02\xc3", &[0x40 | high, low, 0x80][..], &size.to_be_bytes()].concat();
    file.extend_from_slice(&compressed);
    file.extend_from_slice(b"\xff\0\0\0\0\0\0\0\0");
    assert!(file.len() < 2_400);
    assert_eq!(read_bounded(&file, Unsupported::Refuse), 2);
}
