//! Recognises one item of a log, a command or an annotation line, by its structure alone: the bytes of arguments are skipped, not
//! held, so an argument of any length takes no memory. What it calls whole, and the flaw it names, is what the scanner of a
//! recovery does.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use vfs::File;

use crate::assemble::{Role, role};
use crate::damage::Expected;
use crate::scan::{Flaw, MAX_ANNOTATION_BYTES, MAX_COUNT, MAX_LENGTH, check_name, number};
use crate::window::Window;

/// The longest header: `*` or `$`, ten digits, CRLF.
const HEADER_BYTES: u64 = 16;

/// Bytes of a name that are kept: enough for every name that the structure of a log knows.
const NAME_BYTES: usize = 8;

/// Bytes looked at at once in search of NUL in a name.
const NAME_PIECE_BYTES: u64 = 4 * 1024;

/// What one look counts, in bytes of work.
const LOOK_WORK: u64 = 16;

/// What begins the annotation that carries a time.
const TIMESTAMP: &[u8] = b"#TS:";

/// One whole item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where the next one starts.
    pub(crate) end: u64,
    /// Line ends of its structure; those inside of arguments do not count, nor does that of an annotation.
    pub(crate) lines: u64,
    pub(crate) kind: Kind,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Annotation(Stamp),
    Command(Head),
}

/// The time in an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// It carries none.
    None,
    /// In seconds since the epoch.
    At(i64),
    /// It says that it carries one, and does not.
    Invalid,
}

/// What is kept of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Arguments, the name included.
    pub(crate) count: u64,
    name: [u8; NAME_BYTES],
    name_length: u64,
    /// The database of a `SELECT`, if it is a number.
    pub(crate) database: Option<u32>,
}

impl Head {
    /// The name, if it is short enough to mean anything here, else nothing.
    pub(crate) fn name(&self) -> &[u8] {
        let length = usize::try_from(self.name_length).unwrap_or(usize::MAX);
        self.name.get(..length).unwrap_or_default()
    }

    pub(crate) fn role(&self) -> Role {
        role(self.name())
    }

    /// Whether it could be a command's name: of at most `most_bytes`, as far as they are kept printable and no blank.
    pub(crate) fn is_plausible(&self, most_bytes: u64) -> bool {
        let kept = usize::try_from(self.name_length).unwrap_or(usize::MAX).min(NAME_BYTES);
        self.name_length <= most_bytes && self.name[..kept].iter().all(u8::is_ascii_graphic)
    }

    /// Whether it could be the command `name` with its name damaged: it has no argument, and a name of that length.
    pub(crate) fn resembles(&self, name: &[u8]) -> bool {
        self.count == 1 && self.name().len() == name.len() && !self.name().eq_ignore_ascii_case(name)
    }

    pub(crate) fn is_select(&self) -> bool {
        self.count == 2 && self.name().eq_ignore_ascii_case(b"select")
    }
}

/// An item that is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The first byte that is not as expected, or the end of the file.
    pub(crate) at: u64,
    pub(crate) found: Option<u8>,
    pub(crate) expected: Expected,
    /// The bytes that the broken argument announces.
    pub(crate) argument: Option<Range<u64>>,
    /// Line ends read before.
    pub(crate) lines: u64,
    /// Where the next argument or item stands, if only bytes of known places are wrong.
    pub(crate) next: Option<u64>,
    /// Arguments that then follow.
    pub(crate) left: u64,
    /// What was read of the command, if its name was.
    pub(crate) head: Option<Head>,
}

/// A command in the reading.
struct Reading {
    start: u64,
    at: u64,
    lines: u64,
    left: u64,
    head: Head,
}

/// Reads items from anywhere in a file.
pub(crate) struct Items {
    file: Arc<dyn File>,
    end: u64,
    window: Window,
    work_left: u64,
}

impl Items {
    /// Reads `file` up to `end`, through a window of `window_bytes`, at least as long as an annotation. When `work` bytes are
    /// read or headers' worth looked at, every command is broken.
    pub(crate) fn new(file: Arc<dyn File>, end: u64, window_bytes: u64, work: u64) -> Self {
        Self { file, end, window: Window::new(window_bytes), work_left: work }
    }

    /// Whether it gave up, because the bytes were made to take long.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.work_left == 0
    }

    /// Some bytes at `offset`, as many as are at hand; none at the end of the file.
    pub(crate) fn ahead(&mut self, offset: u64) -> io::Result<&[u8]> {
        self.bytes(offset, 1)?;
        Ok(self.window.from(offset))
    }

    /// Up to `len` bytes at `offset`: fewer at the end of the file.
    pub(crate) fn bytes(&mut self, offset: u64, len: u64) -> io::Result<&[u8]> {
        let loaded = self.window.load(&*self.file, offset, self.end, len)?;
        self.work_left = self.work_left.saturating_sub(loaded + LOOK_WORK);
        let bytes = self.window.from(offset);
        Ok(&bytes[..bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX))])
    }

    /// The item that starts at `start`, before the end of the file.
    pub(crate) fn item(&mut self, start: u64) -> io::Result<Result<Item, Broken>> {
        match self.bytes(start, 1)?.first() {
            Some(b'#') => self.annotation(start),
            Some(b'*') => self.command(start),
            found => Ok(Err(Broken::new(start, found.copied(), Expected::Command))),
        }
    }

    fn annotation(&mut self, start: u64) -> io::Result<Result<Item, Broken>> {
        let most = MAX_ANNOTATION_BYTES as u64;
        let line = self.bytes(start, most + 1)?;
        let Some(last) = memchr::memchr(b'\n', line).filter(|&last| last < MAX_ANNOTATION_BYTES) else {
            let at = (line.len() as u64).min(most);
            let found = line.get(MAX_ANNOTATION_BYTES).copied();
            return Ok(Err(Broken::new(start + at, found, Expected::EndOfAnnotation)));
        };
        let kind = Kind::Annotation(stamp(&line[..last]));
        Ok(Ok(Item { end: start + last as u64 + 1, lines: 0, kind }))
    }

    fn command(&mut self, start: u64) -> io::Result<Result<Item, Broken>> {
        let mut reading = Reading { start, at: start, lines: 0, left: 0, head: Head::default() };
        match self.header(start, b'*', MAX_COUNT, Expected::Count)? {
            Ok((0, _)) => {
                let found = self.bytes(start + 1, 1)?.first().copied();
                return Ok(Err(Broken::new(start + 1, found, Expected::Count)));
            }
            Ok((count, at)) => {
                reading.head.count = count;
                (reading.left, reading.at, reading.lines) = (count, at, 1);
            }
            Err(broken) => return Ok(Err(broken)),
        }
        while reading.left > 0 {
            if let Err(broken) = self.argument(&mut reading)? {
                return Ok(Err(reading.broken(broken)));
            }
            if self.is_exhausted() {
                return Ok(Err(reading.broken(Broken::new(reading.at, None, Expected::Argument))));
            }
        }
        let Reading { at, lines, head, .. } = reading;
        Ok(Ok(Item { end: at, lines, kind: Kind::Command(head) }))
    }

    /// Reads one argument and moves behind it.
    fn argument(&mut self, reading: &mut Reading) -> io::Result<Result<(), Broken>> {
        let first = reading.left == reading.head.count;
        let (length, body) = match self.header(reading.at, b'$', MAX_LENGTH, Expected::Length)? {
            Ok(header) => header,
            Err(broken) => return Ok(Err(broken)),
        };
        if body - reading.start + length + 2 > MAX_LENGTH {
            let found = self.bytes(reading.at + 1, 1)?.first().copied();
            return Ok(Err(Broken::new(reading.at + 1, found, Expected::SmallerCommand)));
        }
        reading.lines += 1;
        if let Err(broken) = self.end_of_argument(body, length)? {
            return Ok(Err(broken));
        }
        if first && let Err(broken) = self.name(body, length, &mut reading.head)? {
            return Ok(Err(Broken { next: Some(body + length + 2), ..broken }));
        }
        if reading.left == 1 && reading.head.is_select() {
            let bytes = self.bytes(body, length.min(HEADER_BYTES))?;
            reading.head.database = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
        }
        (reading.at, reading.left, reading.lines) = (body + length + 2, reading.left - 1, reading.lines + 1);
        Ok(Ok(()))
    }

    /// Where the first argument of the command that starts at `start` stands, if its count is whole.
    pub(crate) fn first_argument(&mut self, start: u64) -> io::Result<Option<u64>> {
        Ok(self.header(start, b'*', MAX_COUNT, Expected::Count)?.ok().map(|(_, at)| at))
    }

    /// The bytes of the argument that starts at `offset`, if it is whole. Its line end is behind them.
    pub(crate) fn argument_at(&mut self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let Ok((length, body)) = self.header(offset, b'$', MAX_LENGTH, Expected::Length)? else { return Ok(None) };
        Ok(self.end_of_argument(body, length)?.is_ok().then_some(body..body + length))
    }

    fn end_of_argument(&mut self, body: u64, length: u64) -> io::Result<Result<(), Broken>> {
        let end = body + length;
        let argument = Some(body..end);
        if end > self.end {
            let broken = Broken::new(self.end, None, Expected::Bytes { length });
            return Ok(Err(Broken { argument, ..broken }));
        }
        let line_end = self.bytes(end, 2)?;
        let good = line_end.iter().zip(b"\r\n").take_while(|(found, expected)| found == expected).count();
        if good == 2 {
            return Ok(Ok(()));
        }
        let found = line_end.get(good).copied();
        let broken = Broken::new(end + good as u64, found, Expected::EndOfArgument { length });
        // Two wrong bytes there may be all that is wrong.
        let next = (end + 2 <= self.end).then_some(end + 2);
        Ok(Err(Broken { argument, next, ..broken }))
    }

    /// Looks at a name by the rule of the scanner, piece by piece, and keeps its start.
    fn name(&mut self, body: u64, length: u64, head: &mut Head) -> io::Result<Result<(), Broken>> {
        let mut done = 0;
        loop {
            let piece = self.bytes(body + done, (length - done).min(NAME_PIECE_BYTES))?;
            if let Err(Flaw { at, expected, .. }) = check_name(piece, 0, piece.len()) {
                let at = body + done + at as u64;
                let found = self.bytes(at, 1)?.first().copied();
                return Ok(Err(Broken::new(at, found, expected)));
            }
            if done == 0 {
                let kept = piece.len().min(NAME_BYTES);
                head.name[..kept].copy_from_slice(&piece[..kept]);
            }
            done += piece.len() as u64;
            if done == length {
                head.name_length = length;
                return Ok(Ok(()));
            }
        }
    }

    /// The number in the header line at `offset`, and where the line ends.
    fn header(
        &mut self,
        offset: u64,
        kind: u8,
        max: u64,
        expected: Expected,
    ) -> io::Result<Result<(u64, u64), Broken>> {
        let bytes = self.bytes(offset, HEADER_BYTES)?;
        if bytes.first() != Some(&kind) {
            let expected = if kind == b'*' { Expected::Command } else { Expected::Argument };
            return Ok(Err(Broken::new(offset, bytes.first().copied(), expected)));
        }
        Ok(match number(bytes, 1, max, expected) {
            Ok(Some((value, len))) => Ok((value, offset + len as u64)),
            Ok(None) => Err(Broken::new(offset + bytes.len() as u64, None, expected)),
            Err(flaw) => Err(Broken::new(offset + flaw.at as u64, bytes.get(flaw.at).copied(), expected)),
        })
    }
}

impl Broken {
    fn new(at: u64, found: Option<u8>, expected: Expected) -> Self {
        Self { at, found, expected, argument: None, lines: 0, next: None, left: 0, head: None }
    }
}

impl Reading {
    /// Adds what was read of the command before it broke.
    fn broken(&self, broken: Broken) -> Broken {
        let head = (self.head.name_length > 0).then_some(self.head);
        Broken { lines: self.lines, left: self.left.saturating_sub(1), head, ..broken }
    }
}

fn stamp(line: &[u8]) -> Stamp {
    let Some(rest) = line.strip_prefix(TIMESTAMP) else { return Stamp::None };
    let text = rest.strip_suffix(b"\r").and_then(|digits| std::str::from_utf8(digits).ok());
    text.and_then(|text| text.parse().ok()).map_or(Stamp::Invalid, Stamp::At)
}
