//! Any command of the table with any arguments, one a line in the form of inline requests: each is answered, nothing panics, and the
//! log, replayed into a fresh server, gives the same keys, values and deadlines.

use resp_codec::inline;

use crate::log::Words;
use crate::world::World;

/// The most requests of an input.
const MOST_REQUESTS: usize = 64;

pub(crate) fn run(input: &[u8]) {
    let lines = input.split(|byte| *byte == b'\n').filter_map(inline::split);
    let requests: Vec<Words> = lines.filter(|words| is_sent(words)).take(MOST_REQUESTS).collect();
    if requests.is_empty() {
        return;
    }
    let mut world = World::new();
    world.run(&requests);
    // A start on an empty log is the same for every input.
    if !world.is_untouched() {
        world.restarted(String::new);
    }
}

/// Whether a request is sent: what ends the server or the connection, takes replies away, makes requests wait, or turns off the log or
/// a bound on memory is not.
fn is_sent(words: &[Vec<u8>]) -> bool {
    let Some(name) = words.first() else { return false };
    let word = |i: usize| words.get(i).map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    match (name.to_ascii_lowercase().as_slice(), word(1).as_slice()) {
        (b"shutdown" | b"quit" | b"wait" | b"waitaof", _) | (b"client", b"kill" | b"reply" | b"pause") => false,
        // Whoever speaks HTTP is disconnected.
        (b"post" | b"host:", _) => false,
        (b"config", b"set") => words.iter().skip(2).step_by(2).all(|word| is_threshold(word)),
        // A reply or a dataset as large as was asked for is no fault.
        (b"debug", b"populate") => word(2).len() <= 3 && word(4).len() <= 3,
        (b"srandmember" | b"hrandfield" | b"zrandmember", _) => word(2).len() <= 4,
        _ => true,
    }
}

/// Whether a directive is the threshold of a compact form.
fn is_threshold(directive: &[u8]) -> bool {
    let types = ["hash", "list", "set", "zset"];
    types.iter().any(|name| directive.to_ascii_lowercase().starts_with(format!("{name}-max-").as_bytes()))
}
