//! What an input may cost: patterns, LCS, SORT, BITFIELD, BITPOS, ranges and their like with any arguments, over values made of
//! the input, each within a bound on the time of the processor.
//!
//! The first byte chooses the command; the rest is cut in two at a place that the second byte chooses.

use std::cell::RefCell;

use commands::glob::Pattern;
use nix::time::{ClockId, clock_gettime};
use resp_codec::Value;

use crate::log::Words;
use crate::world::World;

/// What a request may take of the processor, in milliseconds: some ten times what the worst takes with coverage counted.
const MOST_MS: i64 = 1_000;

thread_local! {
    /// One server for all inputs: none leaves anything behind.
    static WORLD: RefCell<World> = RefCell::new(World::without_log());
}

pub(crate) fn run(input: &[u8]) {
    let [choice, place, rest @ ..] = input else { return };
    let (left, right) = rest.split_at(rest.len() * usize::from(*place) / 255);
    let started_ms = processor_ms();
    if choice % 8 == 0 {
        Pattern::new(left).matches(right);
        Pattern::ignoring_case(left).matches(right);
    } else {
        WORLD.with_borrow_mut(|world| requests(world, choice % 8, left, right));
    }
    let took_ms = processor_ms() - started_ms;
    assert!(took_ms <= MOST_MS, "{took_ms} ms of the processor");
}

/// The time that this thread has used.
#[expect(clippy::disallowed_methods, reason = "the cost of an input is what this target judges")]
fn processor_ms() -> i64 {
    let used = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every Linux has this clock");
    used.tv_sec() * 1_000 + used.tv_nsec() / 1_000_000
}

fn requests(world: &mut World, choice: u8, left: &[u8], right: &[u8]) {
    let words = |line: &[&[u8]]| line.iter().map(|word| word.to_vec()).collect::<Words>();
    let arguments = || right.split(|byte| *byte == b' ').map(<[u8]>::to_vec);
    let with =
        |name: &str, key: &[u8]| [name.as_bytes().to_vec(), key.to_vec()].into_iter().chain(arguments()).collect();
    let many =
        |name: &str| words(&[name.as_bytes(), b"k"]).into_iter().chain(left.chunks(3).map(<[u8]>::to_vec)).collect();
    let mut requests: Vec<Words> = match choice {
        1 => vec![words(&[b"MSET", b"a", left, b"b", right]), words(&[b"LCS", b"a", b"b", b"IDX", b"WITHMATCHLEN"])],
        2 => vec![many("RPUSH"), with("SORT", b"k")],
        3 => vec![words(&[b"SET", b"k", left]), with("BITFIELD", b"k")],
        4 => vec![words(&[b"SET", b"k", left]), with("BITPOS", b"k"), with("BITCOUNT", b"k")],
        5 => vec![many("SADD"), with("SSCAN", b"k"), words(&[b"KEYS", right])],
        6 => vec![many("RPUSH"), with("LPOS", b"k"), with("LREM", b"k"), with("LRANGE", b"k")],
        _ => vec![words(&[b"SET", b"k", left]), with("SETRANGE", b"k"), with("BITOP", b"NOT"), with("GETRANGE", b"k")],
    };
    requests.push(words(&[b"FLUSHALL"]));
    let replies = world.run(&requests);
    assert_eq!(replies.last(), Some(&Value::Status(b"OK".to_vec())));
}
