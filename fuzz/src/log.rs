//! A log read so simply that it cannot be wrong: what the real readers are compared with.

use std::ops::Range;

/// The words of a command.
pub(crate) type Words = Vec<Vec<u8>>;

/// A command, or a whole transaction without its MULTI and EXEC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) transaction: bool,
    pub(crate) commands: Vec<Words>,
}

/// What stands in a log before its first damage.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) units: Vec<Unit>,
    /// The end of the last unit, or annotation outside of one.
    pub(crate) ok_up_to: usize,
}

/// Longest annotation line, its line end included.
const MAX_ANNOTATION_BYTES: usize = 64 * 1024;

/// Reads the commands of `bytes` from `start` on.
pub(crate) fn read(bytes: &[u8], start: usize) -> Log {
    let mut log = Log { units: Vec::new(), ok_up_to: start };
    let (mut at, mut open): (usize, Option<Vec<Words>>) = (start, None);
    while let Some(item) = item(bytes, at) {
        at = match item {
            Item::Annotation(end) => end,
            Item::Command(words, end) => {
                match (keyword(&words[0]), &mut open, words.len()) {
                    ("multi", None, 1) => open = Some(Vec::new()),
                    ("exec", Some(commands), 1) => {
                        log.units.push(Unit { transaction: true, commands: std::mem::take(commands) });
                        open = None;
                    }
                    ("multi" | "exec" | "discard", ..) => return log,
                    (_, Some(commands), _) => commands.push(words),
                    (_, None, _) => log.units.push(Unit { transaction: false, commands: vec![words] }),
                }
                end
            }
        };
        if open.is_none() {
            log.ok_up_to = at;
        }
    }
    log
}

fn keyword(name: &[u8]) -> &'static str {
    let known = ["multi", "exec", "discard"].into_iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    known.unwrap_or_default()
}

enum Item {
    Annotation(usize),
    Command(Words, usize),
}

/// The item at `at` and its end, if a whole one is there.
fn item(bytes: &[u8], at: usize) -> Option<Item> {
    if bytes.get(at) == Some(&b'#') {
        let len = bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
        return (len <= MAX_ANNOTATION_BYTES).then_some(Item::Annotation(at + len));
    }
    let (count, mut at) = header(bytes, at, b'*')?;
    let mut words = Vec::new();
    for _ in 0..Some(count).filter(|count| (1..=0x7fff_ffff).contains(count))? {
        let (length, start) = header(bytes, at, b'$')?;
        let word = body(start, length).and_then(|range| bytes.get(range))?;
        let end = start + word.len();
        if bytes.get(end..end + 2)? != b"\r\n" {
            return None;
        }
        words.push(word.to_vec());
        at = end + 2;
    }
    (!words[0].is_empty() && !words[0].contains(&0)).then_some(Item::Command(words, at))
}

fn body(start: usize, length: u64) -> Option<Range<usize>> {
    let length = usize::try_from(length).ok()?;
    Some(start..start.checked_add(length)?)
}

/// The number of a line `<kind><digits>\r\n`, and what follows.
fn header(bytes: &[u8], at: usize, kind: u8) -> Option<(u64, usize)> {
    let line = bytes.get(at..)?.strip_prefix(&[kind])?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = str::from_utf8(&line[..digits]).ok()?;
    let leading_zero = digits > 1 && number.starts_with('0');
    if leading_zero || line.get(digits..digits + 2)? != b"\r\n" {
        return None;
    }
    Some((number.parse().ok()?, at + 1 + digits + 2))
}
