//! RESTORE of payloads that nobody vouches for: no panic, an answer, and no memory but what the bytes that came allow.

use alloc_watch::taken_by;
use commands::{CommandLimits, Ctx, KeyLog, Store, execute, resolve};
use keyspace::{HashSeed, Keyspace, UnixMs};
use proptest::prelude::*;
use resp_codec::{ArgSpan, Args, Effects, Protocol, Reply};

/// Memory that any payload may take: what DUMP and its LZF reserve, buffers, errors.
const ANY_PAYLOAD_BYTES: i64 = 512 * 1024;
/// Memory that each byte of a payload may take: LZF stands for 88 bytes, which may be elements that take three each, kept twice
/// while their sequence grows.
const PER_BYTE: i64 = 1024;

struct Server {
    keyspace: Keyspace,
    limits: CommandLimits,
}

impl Server {
    fn new() -> Self {
        Self { keyspace: Keyspace::new(1, HashSeed([3; 16])), limits: CommandLimits::default() }
    }

    /// Runs a request; its reply.
    fn run(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let bytes = words.concat();
        let mut end = 0;
        let spans: Vec<ArgSpan> = words
            .iter()
            .map(|word| {
                let start = end;
                end += u32::try_from(word.len()).expect("a short word");
                ArgSpan { start, end }
            })
            .collect();
        let args = Args::new(&bytes, &spans, false);
        let (mut effects, mut keys, mut trash, mut out) =
            (Effects::default(), KeyLog::default(), Vec::new(), Vec::new());
        let mut ctx = Ctx {
            store: Store {
                keyspace: &mut self.keyspace,
                db: 0,
                now: UnixMs(1_000_000),
                effects: &mut effects,
                keys: &mut keys,
                trash: &mut trash,
                replay: false,
                keep_expired: false,
            },
            reply: Reply::new(&mut out, Protocol::Resp2),
            rng: &mut fastrand::Rng::with_seed(1),
            limits: &self.limits,
            table: commands::CommandTable::default(),
        };
        execute(resolve(args).expect("a known command"), &mut ctx, args);
        out
    }

    /// The payload of a key.
    fn dump(&mut self, key: &[u8]) -> Vec<u8> {
        let reply = self.run(&[b"DUMP", key]);
        let start = reply.iter().position(|byte| *byte == b'\n').expect("a bulk string") + 1;
        reply[start..reply.len() - 2].to_vec()
    }
}

/// The checksum of a payload, bit by bit. Source: CRC-64 of Redis, reflected.
fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(
            sum ^ u64::from(*byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x95ac_9329_ac4b_c9b5 } else { sum >> 1 },
        )
    })
}

fn sealed(value: &[u8], version: u16) -> Vec<u8> {
    let mut payload = [value, &version.to_le_bytes()].concat();
    payload.extend_from_slice(&crc64(&payload).to_le_bytes());
    payload
}

/// Values of all types, small and large, without their footers: as our DUMP writes them, and in the forms of newer servers.
fn samples() -> Vec<Vec<u8>> {
    let mut server = Server::new();
    server.run(&[b"SET", b"text", &b"abcd".repeat(30)]);
    server.run(&[b"SET", b"number", b"12345"]);
    for count in [3, 700] {
        for number in 0..count {
            let (digits, text) = (number.to_string(), format!("element {number}"));
            let (digits, text) = (digits.as_bytes(), text.as_bytes());
            let name = |kind: &str| format!("{kind}{count}").into_bytes();
            server.run(&[b"RPUSH", &name("list"), text, digits]);
            server.run(&[b"SADD", &name("set"), text]);
            server.run(&[b"SADD", &name("ints"), digits]);
            server.run(&[b"HSET", &name("hash"), text, digits]);
            server.run(&[b"ZADD", &name("zset"), digits, text]);
        }
    }
    let names = server.run(&[b"KEYS", b"*"]);
    let names = String::from_utf8(names).expect("names of ours");
    let names: Vec<&str> =
        names.split("\r\n").filter(|line| !line.starts_with(['*', '$']) && !line.is_empty()).collect();
    assert_eq!(names.len(), 12);
    let mut samples: Vec<Vec<u8>> = names.iter().map(|name| server.dump(name.as_bytes())).collect();
    samples.iter_mut().for_each(|payload| payload.truncate(payload.len() - 10));
    let listpack = b"\x0b\x0b\0\0\0\x02\0\x01\x01\x02\x01\xff";
    samples.extend([16, 17, 20].map(|kind| [&[kind], &listpack[..]].concat()));
    samples.push([b"\x12\x02\x02", &listpack[..], b"\x01\x05plain"].concat());
    samples
}

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
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
    let edge = prop_oneof![Just(0_u8), Just(0x7f), Just(0x80), Just(0x81), Just(0xc3), Just(0xfe), any::<u8>()];
    prop_oneof![
        (at(), edge).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, new)| Change::Insert(at, new)),
        (at(), 1_usize..12).prop_map(|(at, count)| Change::Remove(at, count)),
    ]
}

/// Restores a payload in memory that its size allows; whether it was taken.
fn restored(server: &mut Server, payload: &[u8]) -> bool {
    let (reply, taken) = taken_by(|| server.run(&[b"RESTORE", b"k", b"0", payload, b"REPLACE"]));
    let budget = ANY_PAYLOAD_BYTES + PER_BYTE * i64::try_from(payload.len()).expect("a short payload");
    assert!(taken.peak_bytes <= budget, "{taken:?} of memory for {} bytes of payload", payload.len());
    let refusal = reply.starts_with(b"-ERR Bad data format") || reply.starts_with(b"-ERR DUMP payload version or");
    assert!(refusal || reply == b"+OK\r\n", "{}", reply.escape_ascii());
    !refusal
}

#[test]
fn every_sample_is_taken_as_it_is() {
    let mut server = Server::new();
    for sample in samples() {
        assert!(restored(&mut server, &sealed(&sample, 11)), "{}", sample[..sample.len().min(40)].escape_ascii());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn a_changed_payload_is_refused_or_holds_a_value(
        sample in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..4),
        version in 0_u16..14,
    ) {
        thread_local! {
            static SAMPLES: Vec<Vec<u8>> = samples();
        }
        let mut bytes = SAMPLES.with(|samples| samples[sample.index(samples.len())].clone());
        changes.iter().for_each(|change| change.apply(&mut bytes));
        let mut server = Server::new();
        if restored(&mut server, &sealed(&bytes, version)) {
            // What was taken is a value like any other: it is dumped and taken again.
            let digest = server.keyspace.digest();
            let payload = server.dump(b"k");
            prop_assert!(restored(&mut server, &payload));
            prop_assert_eq!(server.keyspace.digest(), digest);
        }
    }
}

#[test]
fn nothing_is_taken_for_what_is_only_announced() {
    const HUGE: &[u8] = b"\x81\0\0\0\0\xff\xff\0\0";
    const ENDLESS: &[u8] = b"\x81\xff\xff\xff\xff\xff\xff\xff\xff";
    let mut server = Server::new();
    for kind in 0..22_u8 {
        for body in [HUGE.to_vec(), ENDLESS.to_vec(), [ENDLESS, HUGE].concat(), [b"\xc3", HUGE, HUGE].concat()] {
            assert!(!restored(&mut server, &sealed(&[&[kind][..], &body].concat(), 11)), "type {kind}");
        }
    }
}
