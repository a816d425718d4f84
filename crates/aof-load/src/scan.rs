//! Recognises one item of a log, a command or an annotation line, in bytes that arrive piece by piece. Strict: a byte is
//! what the writers of logs write there, or it is a flaw; nothing is skipped or guessed.
//!
//! Invariant: no memory is taken from an announced count or length, and no byte of an argument is looked at twice.

use std::ops::Range;

use resp_codec::ArgSpan;

use crate::damage::Expected;

/// Longest annotation line, its line end included. Redis itself reads lines of at most 128 bytes.
pub(crate) const MAX_ANNOTATION_BYTES: usize = 64 * 1024;

/// Most arguments of a command. Source: `argc` is a signed int in Redis.
pub(crate) const MAX_COUNT: u64 = i32::MAX as u64;

/// Longest argument and longest command: spans are 32-bit offsets.
pub(crate) const MAX_LENGTH: u64 = u32::MAX as u64;

/// The first byte of an item that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Its position, from the item's first byte.
    pub at: usize,
    /// What should stand there.
    pub expected: Expected,
    /// The bytes that the broken argument announces, from the item's first byte.
    pub argument: Option<Range<usize>>,
}

impl Flaw {
    fn new(at: usize, expected: Expected) -> Self {
        Self { at, expected, argument: None }
    }
}

/// What stands at the start of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// One whole command of `len` bytes.
    Command { len: usize },
    /// One whole annotation line of `len` bytes.
    Annotation { len: usize },
    /// No whole item yet: scan again from the same first byte when there are more.
    Incomplete,
}

/// How far the current item was recognised.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    at: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Start,
    /// `left` arguments are still to come; the next is the `name`.
    Header {
        left: u64,
        name: bool,
    },
    /// In an argument, with `left` to come, this one included.
    Body {
        length: usize,
        left: u64,
        name: bool,
    },
    Annotation,
}

impl Scanner {
    /// Goes on with the item whose bytes so far are `item`, appending the spans of its arguments to `spans`. After a whole
    /// item the scanner is ready for the next.
    pub(crate) fn scan(&mut self, item: &[u8], spans: &mut Vec<ArgSpan>) -> Result<Scan, Flaw> {
        loop {
            let next = match self.state {
                State::Start => start(item)?,
                State::Header { left, name } => header(item, self.at, left, name)?,
                State::Body { length, left, name } => {
                    let next = body(item, self.at, length, left)?;
                    if next.is_some() {
                        if name {
                            check_name(item, self.at, length)?;
                        }
                        spans.push(span(self.at, length));
                    }
                    next
                }
                State::Annotation => return self.annotation(item),
            };
            let Some((state, at)) = next else { return Ok(Scan::Incomplete) };
            if let State::Header { left: 0, .. } = state {
                *self = Self::default();
                return Ok(Scan::Command { len: at });
            }
            (self.state, self.at) = (state, at);
        }
    }

    fn annotation(&mut self, item: &[u8]) -> Result<Scan, Flaw> {
        let end = memchr::memchr(b'\n', &item[self.at..]).map(|i| self.at + i + 1);
        if end.unwrap_or(item.len()) > MAX_ANNOTATION_BYTES {
            return Err(Flaw::new(MAX_ANNOTATION_BYTES, Expected::EndOfAnnotation));
        }
        self.at = item.len();
        let Some(len) = end else { return Ok(Scan::Incomplete) };
        *self = Self::default();
        Ok(Scan::Annotation { len })
    }

    /// What is missing if the bytes end here.
    pub(crate) fn missing(&self, item: &[u8]) -> Flaw {
        let expected = match self.state {
            State::Start if item.is_empty() => Expected::Command,
            State::Start => Expected::Count,
            State::Header { .. } if item.len() == self.at => Expected::Argument,
            State::Header { .. } => Expected::Length,
            State::Annotation => Expected::EndOfAnnotation,
            State::Body { length, .. } => {
                let expected = if item.len() < self.at + length {
                    Expected::Bytes { length: length as u64 }
                } else {
                    Expected::EndOfArgument { length: length as u64 }
                };
                return Flaw { at: item.len(), expected, argument: Some(self.at..self.at + length) };
            }
        };
        Flaw::new(item.len(), expected)
    }
}

/// A state and the position it starts at; `None` if the bytes end before.
type Next = Option<(State, usize)>;

fn start(item: &[u8]) -> Result<Next, Flaw> {
    match item.first() {
        None => Ok(None),
        Some(b'#') => Ok(Some((State::Annotation, 1))),
        Some(b'*') => match number(item, 1, MAX_COUNT, Expected::Count)? {
            Some((0, _)) => Err(Flaw::new(1, Expected::Count)),
            Some((left, at)) => Ok(Some((State::Header { left, name: true }, at))),
            None => Ok(None),
        },
        Some(_) => Err(Flaw::new(0, Expected::Command)),
    }
}

fn header(item: &[u8], at: usize, left: u64, name: bool) -> Result<Next, Flaw> {
    match item.get(at) {
        None => return Ok(None),
        Some(b'$') => (),
        Some(_) => return Err(Flaw::new(at, Expected::Argument)),
    }
    let Some((length, body_at)) = number(item, at + 1, MAX_LENGTH, Expected::Length)? else { return Ok(None) };
    if body_at as u64 + length + 2 > MAX_LENGTH {
        return Err(Flaw::new(at + 1, Expected::SmallerCommand));
    }
    let length = usize::try_from(length).map_err(|_| Flaw::new(at + 1, Expected::SmallerCommand))?;
    Ok(Some((State::Body { length, left, name }, body_at)))
}

fn body(item: &[u8], at: usize, length: usize, left: u64) -> Result<Next, Flaw> {
    let end = at + length;
    for (i, expected) in [(end, b'\r'), (end + 1, b'\n')] {
        match item.get(i) {
            None => return Ok(None),
            Some(&found) if found == expected => (),
            Some(_) => {
                let expected = Expected::EndOfArgument { length: length as u64 };
                return Err(Flaw { at: i, expected, argument: Some(at..end) });
            }
        }
    }
    Ok(Some((State::Header { left: left - 1, name: false }, end + 2)))
}

/// A hole in a file reads as NUL bytes, and no command's name holds one.
pub(crate) fn check_name(item: &[u8], at: usize, length: usize) -> Result<(), Flaw> {
    match memchr::memchr(0, &item[at..at + length]) {
        Some(i) => Err(Flaw::new(at + i, Expected::Name)),
        None if length == 0 => Err(Flaw::new(at, Expected::Name)),
        None => Ok(()),
    }
}

fn span(at: usize, length: usize) -> ArgSpan {
    let offset = |n: usize| u32::try_from(n).expect("a command is shorter than 4 GiB");
    ArgSpan { start: offset(at), end: offset(at + length) }
}

/// The decimal number and CRLF at `at`: its value and the position behind them; `None` if the bytes end before.
pub(crate) fn number(item: &[u8], at: usize, max: u64, expected: Expected) -> Result<Option<(u64, usize)>, Flaw> {
    let mut value = 0;
    let mut i = at;
    loop {
        match item.get(i) {
            None => return Ok(None),
            Some(b'\r') if i > at => break,
            Some(digit @ b'0'..=b'9') if i == at || value > 0 => {
                value = value * 10 + u64::from(digit - b'0');
                if value > max {
                    return Err(Flaw::new(i, expected));
                }
            }
            Some(_) => return Err(Flaw::new(i, expected)),
        }
        i += 1;
    }
    match item.get(i + 1) {
        None => Ok(None),
        Some(b'\n') => Ok(Some((value, i + 2))),
        Some(_) => Err(Flaw::new(i + 1, expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(bytes: &[u8]) -> Result<Scan, Flaw> {
        Scanner::default().scan(bytes, &mut Vec::new())
    }

    #[test]
    fn a_command_is_recognised_only_whole() {
        let bytes = b"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n*1\r\n";
        let len = bytes.len() - 4;
        for end in 0..len {
            assert_eq!(scan(&bytes[..end]), Ok(Scan::Incomplete), "{end}");
        }
        let mut spans = Vec::new();
        assert_eq!(Scanner::default().scan(bytes, &mut spans), Ok(Scan::Command { len }));
        assert_eq!(spans, [ArgSpan { start: 8, end: 11 }, ArgSpan { start: 17, end: 19 }]);
    }

    #[test]
    fn every_other_byte_in_a_header_or_line_end_is_a_flaw_where_it_stands() {
        let bytes = b"*1\r\n$4\r\nPING\r\n";
        for at in [0, 1, 2, 3, 4, 5, 6, 7, 12, 13] {
            for other in 0..=255_u8 {
                let mut bytes = bytes.to_vec();
                bytes[at] = other;
                match scan(&bytes) {
                    Err(flaw) => {
                        let other_number = flaw.at > at && bytes[at].is_ascii_digit();
                        assert!(flaw.at == at || other_number, "{at} {other} {flaw:?}");
                    }
                    Ok(Scan::Command { .. }) => assert!(bytes == b"*1\r\n$4\r\nPING\r\n"),
                    Ok(Scan::Annotation { .. }) => assert_eq!((at, other), (0, b'#')),
                    Ok(Scan::Incomplete) => assert!(bytes[at].is_ascii_digit(), "{at} {other}"),
                }
            }
        }
    }

    #[test]
    fn what_is_missing_at_the_end_is_named() {
        for (bytes, expected) in [
            ("", Expected::Command),
            ("*", Expected::Count),
            ("*1\r", Expected::Count),
            ("*1\r\n", Expected::Argument),
            ("*1\r\n$4\r", Expected::Length),
            ("*1\r\n$4\r\nPIN", Expected::Bytes { length: 4 }),
            ("*1\r\n$4\r\nPING", Expected::EndOfArgument { length: 4 }),
            ("*1\r\n$4\r\nPING\r", Expected::EndOfArgument { length: 4 }),
            ("#TS", Expected::EndOfAnnotation),
        ] {
            let mut scanner = Scanner::default();
            assert_eq!(scanner.scan(bytes.as_bytes(), &mut Vec::new()), Ok(Scan::Incomplete));
            let flaw = scanner.missing(bytes.as_bytes());
            assert_eq!((flaw.at, flaw.expected), (bytes.len(), expected), "{bytes:?}");
        }
    }

    #[test]
    fn a_command_of_four_gigabytes_is_refused_at_its_length() {
        let flaw = scan(b"*2\r\n$3\r\nSET\r\n$4294967290\r\n").unwrap_err();
        assert_eq!((flaw.at, flaw.expected), (14, Expected::SmallerCommand));
    }
}
