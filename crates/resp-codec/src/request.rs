//! Decodes requests: multibulk and inline, incrementally, as spans of the buffer they arrived in.
//!
//! The caller owns the buffer and calls [`RequestDecoder::decode`] with everything it holds from the first byte of the
//! request on; the decoder remembers how far it came, so that a large request that arrives in many pieces is read once.
//! Memory follows the bytes that arrived, never the lengths that were announced.
//!
//! Invariant: the requests and errors do not depend on where the input was cut.

use memchr::memchr;

use crate::args::{ArgSpan, Args};
use crate::encode::encode_command;
use crate::inline;
use crate::limits::{Limits, ProtocolError};

/// What `decode` found at the start of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The request is not complete.
    Incomplete {
        /// At least so many more bytes will be needed. An announcement, not a fact: reserve for it within a bound.
        need_hint: usize,
    },
    /// No request but an empty line, `*0` or `*-1`, which is answered with silence.
    Empty {
        /// Bytes of the buffer it took.
        consumed: usize,
    },
    /// One request; [`RequestDecoder::args`] gives its arguments.
    Request {
        /// Bytes of the buffer it took.
        consumed: usize,
    },
}

/// Decodes the requests of one connection.
#[derive(Debug)]
pub struct RequestDecoder {
    limits: Limits,
    spans: Vec<ArgSpan>,
    /// An inline request, encoded as the multibulk request it stands for.
    scratch: Vec<u8>,
    state: State,
}

/// All offsets count from the first byte of the request.
#[derive(Clone, Copy, Debug)]
enum State {
    /// At the first byte. `searched` bytes are known to hold no end of line.
    Start { searched: usize },
    /// After the count.
    Args(Partial),
    /// A request was returned.
    Done { from: Source, canonical: bool },
}

#[derive(Clone, Copy, Debug)]
struct Partial {
    /// Where reading goes on: at a `$`, or at the first byte of an argument.
    at: usize,
    /// Arguments still to come, the current one included. Never 0.
    left: usize,
    stage: Stage,
    canonical: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// `searched` bytes from `at` on are known to hold no end of line.
    Length {
        searched: usize,
    },
    Bytes {
        len: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Buffer { len: usize },
    Scratch,
}

/// One header line: its number and where the next begins.
struct Line {
    number: i64,
    next: usize,
    canonical: bool,
}

impl RequestDecoder {
    /// A decoder for a new connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, spans: Vec::new(), scratch: Vec::new(), state: State::Start { searched: 0 } }
    }

    /// Sets other limits, for what has not been read yet.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Forgets a request that was returned and has been dealt with, and memory beyond what small ones need. The next
    /// `decode` would do so as well: for a connection that may not go on soon.
    pub fn release(&mut self) {
        if matches!(self.state, State::Done { .. }) {
            self.reset();
        }
    }

    /// Memory it holds beside itself, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<ArgSpan>() + self.scratch.capacity()
    }

    /// Whether it stands inside a request: the bytes it was last given are only the beginning of one.
    pub fn is_partial(&self) -> bool {
        !matches!(self.state, State::Start { searched: 0 } | State::Done { .. })
    }

    /// Decodes the request at the start of `buf`. After `Incomplete` call it again with the same bytes and more; after
    /// anything else with what follows the consumed bytes. The bytes may have moved in memory.
    ///
    /// # Errors
    /// If no request can begin so, or a limit is passed. The connection is of no more use: answer the error and close.
    pub fn decode(&mut self, buf: &[u8]) -> Result<Decoded, ProtocolError> {
        if matches!(self.state, State::Done { .. }) {
            self.reset();
        }
        if matches!(self.state, State::Start { searched: 0 }) {
            if let Some(consumed) = self.whole(buf) {
                self.state = State::Done { from: Source::Buffer { len: consumed }, canonical: true };
                return Ok(Decoded::Request { consumed });
            }
            self.spans.clear();
        }
        let partial = match self.state {
            State::Args(partial) => partial,
            State::Start { searched } => match buf.first() {
                None => return Ok(Decoded::Incomplete { need_hint: 1 }),
                Some(b'*') => match self.count(buf, searched)? {
                    Begin::Incomplete => return Ok(Decoded::Incomplete { need_hint: 1 }),
                    Begin::Empty { consumed } => return Ok(self.empty(consumed)),
                    Begin::Args(partial) => partial,
                },
                Some(_) => return self.inline(buf, searched),
            },
            State::Done { .. } => unreachable!("reset above"),
        };
        self.arguments(buf, partial)
    }

    /// The arguments of the request that `decode` just found at the start of `buf`.
    ///
    /// # Panics
    /// If the last `decode` did not return a request, or `buf` is shorter than it.
    #[inline]
    pub fn args<'a>(&'a self, buf: &'a [u8]) -> Args<'a> {
        let State::Done { from, canonical } = self.state else { unreachable!("args without a decoded request") };
        let bytes = match from {
            Source::Buffer { len } => &buf[..len],
            Source::Scratch => &self.scratch,
        };
        Args::from_decoder(bytes, &self.spans, canonical)
    }

    /// Reads a request that is there as a whole and as clients write it: what nearly all are. Returns its length; `None` if
    /// there is anything to wait for, to refuse or to look at twice, with spans that mean nothing.
    #[inline]
    fn whole(&mut self, buf: &[u8]) -> Option<usize> {
        let (count, mut at) = short_number(buf, b'*')?;
        if count == 0 || self.limits.check_count(count).is_err() {
            return None;
        }
        for _ in 0..count {
            let (len, header) = short_number(buf.get(at..)?, b'$')?;
            let start = at + header;
            self.limits.check_bulk(i64::try_from(len).ok()?, start).ok()?;
            let end = start + len;
            if *buf.get(end..end + 2)? != *b"\r\n" {
                return None;
            }
            self.spans.push(ArgSpan { start: offset(start), end: offset(end) });
            at = end + 2;
        }
        Some(at)
    }

    /// Reads the line `*count`.
    fn count(&mut self, buf: &[u8], searched: usize) -> Result<Begin, ProtocolError> {
        let line = match self.line(buf, 0, searched, ProtocolError::TooBigMultibulkCount)? {
            Ok(line) => line.ok_or(ProtocolError::InvalidMultibulkLength)?,
            Err(searched) => {
                self.state = State::Start { searched };
                return Ok(Begin::Incomplete);
            }
        };
        let Ok(left) = usize::try_from(line.number) else { return Ok(Begin::Empty { consumed: line.next }) };
        self.limits.check_count(left)?;
        if left == 0 {
            return Ok(Begin::Empty { consumed: line.next });
        }
        let stage = Stage::Length { searched: 0 };
        Ok(Begin::Args(Partial { at: line.next, left, stage, canonical: line.canonical }))
    }

    /// Reads arguments until the request or the buffer ends.
    fn arguments(&mut self, buf: &[u8], mut p: Partial) -> Result<Decoded, ProtocolError> {
        loop {
            let len = match p.stage {
                Stage::Bytes { len } => len,
                Stage::Length { searched } => {
                    let line = match self.line(buf, p.at, searched, ProtocolError::TooBigBulkCount)? {
                        Ok(line) => line,
                        Err(searched) => {
                            p.stage = Stage::Length { searched };
                            return Ok(self.pause(p, 1));
                        }
                    };
                    if buf[p.at] != b'$' {
                        return Err(ProtocolError::ExpectedDollar { got: buf[p.at] });
                    }
                    let line = line.ok_or(ProtocolError::InvalidBulkLength)?;
                    let len = self.limits.check_bulk(line.number, line.next)?;
                    p.at = line.next;
                    p.canonical &= line.canonical;
                    len
                }
            };
            let end = p.at + len;
            let Some(tail) = buf.get(end..end + 2) else {
                p.stage = Stage::Bytes { len };
                return Ok(self.pause(p, end + 2 - buf.len()));
            };
            p.canonical &= tail == b"\r\n";
            self.spans.push(ArgSpan { start: offset(p.at), end: offset(end) });
            p.at = end + 2;
            p.left -= 1;
            p.stage = Stage::Length { searched: 0 };
            if p.left == 0 {
                self.state = State::Done { from: Source::Buffer { len: p.at }, canonical: p.canonical };
                return Ok(Decoded::Request { consumed: p.at });
            }
        }
    }

    /// Reads the header line that begins with its kind at `at`: `Ok(None)` for one that holds no number, `Err` with
    /// the bytes searched so far if it has no end yet.
    #[inline]
    fn line(
        &self,
        buf: &[u8],
        at: usize,
        searched: usize,
        too_big: ProtocolError,
    ) -> Result<Result<Option<Line>, usize>, ProtocolError> {
        // Redis ends a header at its first CR, whatever the byte after it.
        let limit = self.limits.max_inline_len_bytes;
        let line = &buf[at..];
        let window = &line[..line.len().min(limit + 1)];
        let searched = searched.min(window.len());
        let Some(end) = memchr(b'\r', &window[searched..]).map(|i| searched + i) else {
            return if line.len() > limit { Err(too_big) } else { Ok(Err(window.len())) };
        };
        let Some(after) = line.get(end + 1) else { return Ok(Err(end)) };
        let number = numeric::parse_i64(line.get(1..end).unwrap_or_default());
        Ok(Ok(number.map(|number| Line { number, next: at + end + 2, canonical: *after == b'\n' })))
    }

    /// Reads an inline request: words up to the end of the line.
    fn inline(&mut self, buf: &[u8], searched: usize) -> Result<Decoded, ProtocolError> {
        let limit = self.limits.max_inline_len_bytes;
        let window = &buf[..buf.len().min(limit + 1)];
        let searched = searched.min(window.len());
        let Some(newline) = memchr(b'\n', &window[searched..]).map(|i| searched + i) else {
            if buf.len() > limit {
                return Err(ProtocolError::TooBigInline);
            }
            self.state = State::Start { searched: window.len() };
            return Ok(Decoded::Incomplete { need_hint: 1 });
        };
        let line = &buf[..newline];
        let words = inline::split(line.strip_suffix(b"\r").unwrap_or(line)).ok_or(ProtocolError::UnbalancedQuotes)?;
        if words.is_empty() {
            return Ok(self.empty(newline + 1));
        }
        encode_command(&mut self.scratch, words.iter().map(Vec::as_slice));
        let mut start = 0;
        let mut at = crate::encode::Header::array(words.len()).as_bytes().len();
        for word in &words {
            start = at + crate::encode::Header::bulk(word.len()).as_bytes().len();
            self.spans.push(ArgSpan { start: offset(start), end: offset(start + word.len()) });
            at = start + word.len() + 2;
        }
        debug_assert!(start <= at && at == self.scratch.len(), "the spans follow the encoding");
        self.state = State::Done { from: Source::Scratch, canonical: true };
        Ok(Decoded::Request { consumed: newline + 1 })
    }

    fn empty(&mut self, consumed: usize) -> Decoded {
        self.reset();
        Decoded::Empty { consumed }
    }

    fn pause(&mut self, partial: Partial, need_hint: usize) -> Decoded {
        self.state = State::Args(partial);
        Decoded::Incomplete { need_hint }
    }

    /// Forgets the request, and memory beyond what small ones need.
    fn reset(&mut self) {
        const KEEP_SPANS: usize = 1024;
        const KEEP_SCRATCH_BYTES: usize = 4096;
        self.spans.clear();
        self.spans.shrink_to(KEEP_SPANS);
        self.scratch.clear();
        self.scratch.shrink_to(KEEP_SCRATCH_BYTES);
        self.state = State::Start { searched: 0 };
    }
}

/// What the first line of a multibulk request says.
enum Begin {
    Incomplete,
    Empty { consumed: usize },
    Args(Partial),
}

/// Reads `<kind><digits>\r\n` if it is whole, canonical and short. Returns the number and the bytes it took.
#[inline]
fn short_number(line: &[u8], kind: u8) -> Option<(usize, usize)> {
    const MOST_DIGITS: usize = 10;
    if *line.first()? != kind {
        return None;
    }
    let (mut number, mut at) = (0, 1);
    loop {
        let digit = line.get(at)?.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if at > MOST_DIGITS {
            return None;
        }
        number = number * 10 + usize::from(digit);
        at += 1;
    }
    let canonical = at > 1 && (line[1] != b'0' || at == 2);
    (canonical && *line.get(at..at + 2)? == *b"\r\n").then_some((number, at + 2))
}

/// An offset in a request, which `check_bulk` keeps within 32 bits.
#[inline]
fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("requests are limited to 4 GiB")
}
