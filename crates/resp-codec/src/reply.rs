//! Replies: appended to a client's output buffer in the protocol the client asked for.
//!
//! A command says what it answers (a map, a null, a double); this module knows how RESP2 and RESP3 spell it. Nothing is
//! allocated beyond the buffer. Invariant: what is appended is well-formed whatever bytes are given; line breaks inside
//! a status or an error become spaces.

use memchr::memchr2;
use numeric::{DoubleBuf, IntBuf};

use crate::encode::{Header, encode_bulk};

/// The protocol a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The default of every connection.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

impl Protocol {
    /// The number `HELLO` uses.
    pub fn version(self) -> u8 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }

    /// The protocol of that number.
    pub fn from_version(version: i64) -> Option<Self> {
        match version {
            2 => Some(Self::Resp2),
            3 => Some(Self::Resp3),
            _ => None,
        }
    }
}

/// Writes replies to one client.
///
/// ```
/// use resp_codec::{Protocol, Reply};
/// let mut out = Vec::new();
/// let mut reply = Reply::new(&mut out, Protocol::Resp2);
/// reply.map(1);
/// reply.bulk(b"score");
/// reply.double(1.5);
/// assert_eq!(out, b"*2\r\n$5\r\nscore\r\n$3\r\n1.5\r\n");
/// ```
#[derive(Debug)]
pub struct Reply<'a> {
    /// The output buffer. Whoever appends to it directly must append whole RESP values.
    pub out: &'a mut Vec<u8>,
    /// How values are spelled.
    pub proto: Protocol,
    /// From this length of the buffer on nothing long is appended.
    limit: usize,
}

/// The place of a length that is not known yet. Give it back to the `finish` function of its kind.
///
/// Several may be open; the one begun last is finished first.
#[derive(Debug)]
#[must_use = "an aggregate without its length is a broken reply"]
pub struct Deferred {
    at: usize,
}

/// What stands where a deferred length will be: as long as the header of fewer than ten items, the usual case.
const PLACEHOLDER: &[u8; 4] = b"*?\r\n";

impl<'a> Reply<'a> {
    /// Appends replies to `out`.
    pub fn new(out: &'a mut Vec<u8>, proto: Protocol) -> Self {
        Self { out, proto, limit: usize::MAX }
    }

    /// Stops appending strings, numbers and nulls once the buffer is so long: such a reply is never sent, and whoever writes it
    /// need not go on ([`is_full`](Self::is_full)).
    #[must_use]
    pub fn up_to(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Whether the reply has become longer than anybody wants it.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.out.len() >= self.limit
    }

    /// Lends the same buffer for a shorter time.
    pub fn reborrow(&mut self) -> Reply<'_> {
        Reply { out: self.out, proto: self.proto, limit: self.limit }
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A status line, `+text`.
    #[inline]
    pub fn status(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error with its code: `error("WRONGTYPE Operation against …")`. A leading `-` is not needed and not doubled.
    #[inline]
    pub fn error(&mut self, code_and_text: &str) {
        self.error_bytes(code_and_text.as_bytes());
    }

    /// An error with its code, in bytes, as it quotes what a client sent.
    pub fn error_bytes(&mut self, code_and_text: &[u8]) {
        let text = code_and_text.strip_prefix(b"-").unwrap_or(code_and_text);
        let end = text.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |last| last + 1);
        let start = text[..end].iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(end);
        self.line(b'-', &text[start..end]);
    }

    /// An error whose text stands as it is, a dash at its head and line ends at its tail included; CR and LF become
    /// blanks. For texts that a client chose, where [`error_bytes`](Self::error_bytes) would tidy them.
    pub fn error_verbatim(&mut self, text: &[u8]) {
        self.line(b'-', text);
    }

    /// An error with the generic code: `err("syntax error")` is `-ERR syntax error`.
    pub fn err(&mut self, text: &str) {
        self.err_bytes(text.as_bytes());
    }

    /// [`err`](Self::err) in bytes.
    pub fn err_bytes(&mut self, text: &[u8]) {
        let start = self.out.len();
        self.error_bytes(text);
        // The text stands; its code goes in behind the dash.
        self.out.splice(start..=start, *b"-ERR ");
    }

    /// An integer, `:n`.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        if self.is_full() {
            return;
        }
        self.out.push(b':');
        self.out.extend_from_slice(IntBuf::new().format(value));
        self.crlf();
    }

    /// A length or count as an integer.
    #[inline]
    pub fn count(&mut self, value: usize) {
        self.header(b':', value);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if !self.is_full() {
            encode_bulk(self.out, bytes);
        }
    }

    /// An integer as a bulk string.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(IntBuf::new().format(value));
    }

    /// A double as a bulk string in either protocol.
    #[inline]
    pub fn bulk_double(&mut self, value: f64) {
        self.bulk(DoubleBuf::new().format(value));
    }

    /// A double: `,1.5`, in RESP2 a bulk string.
    pub fn double(&mut self, value: f64) {
        match self.proto {
            Protocol::Resp2 => self.bulk_double(value),
            Protocol::Resp3 => self.line(b',', DoubleBuf::new().format(value)),
        }
    }

    /// A null: `_`, in RESP2 the null bulk `$-1`.
    #[inline]
    pub fn null(&mut self) {
        if self.is_full() {
            return;
        }
        self.out.extend_from_slice(match self.proto {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The null of a command that answers arrays: `_`, in RESP2 `*-1`.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.proto {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// A boolean: `#t` or `#f`, in RESP2 the integers 1 and 0.
    pub fn bool(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.proto, value) {
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
        });
    }

    /// Text of a format (`txt`, `mkd`): `=len fmt:text`, in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        match self.proto {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.header(b'=', text.len() + 4);
                self.out.extend_from_slice(&format);
                self.out.push(b':');
                self.out.extend_from_slice(text);
                self.crlf();
            }
        }
    }

    /// An integer of any size, given as its digits: `(digits`, in RESP2 a bulk string.
    pub fn big_number(&mut self, digits: &[u8]) {
        match self.proto {
            Protocol::Resp2 => self.bulk(digits),
            Protocol::Resp3 => self.line(b'(', digits),
        }
    }

    /// The head of an array; `n` values follow.
    #[inline]
    pub fn array(&mut self, n: usize) {
        self.header(b'*', n);
    }

    /// The head of a map; `n` keys follow, each with its value. In RESP2 an array of twice as many.
    pub fn map(&mut self, n: usize) {
        match self.proto {
            Protocol::Resp2 => self.header(b'*', 2 * n),
            Protocol::Resp3 => self.header(b'%', n),
        }
    }

    /// The head of a set; `n` values follow. In RESP2 an array.
    pub fn set(&mut self, n: usize) {
        self.header(if self.proto == Protocol::Resp2 { b'*' } else { b'~' }, n);
    }

    /// The head of a message that no request asked for; `n` values follow. In RESP2 an array.
    pub fn push(&mut self, n: usize) {
        self.header(if self.proto == Protocol::Resp2 { b'*' } else { b'>' }, n);
    }

    /// The head of attributes of the next value; `n` pairs follow.
    ///
    /// # Panics
    /// In RESP2, which has none: the caller leaves them out.
    pub fn attribute(&mut self, n: usize) {
        assert!(self.proto == Protocol::Resp3, "RESP2 has no attributes");
        self.header(b'|', n);
    }

    /// Begins an aggregate whose length is known only after its values are written.
    pub fn deferred(&mut self) -> Deferred {
        let at = self.out.len();
        self.out.extend_from_slice(PLACEHOLDER);
        Deferred { at }
    }

    /// Ends an array of `n` values begun with [`deferred`](Self::deferred).
    ///
    /// # Panics
    /// If an aggregate begun before it was finished already.
    pub fn finish_array(&mut self, begun: Deferred, n: usize) {
        self.patch(begun, Header::new(b'*', n));
    }

    /// Ends a map of `n` pairs begun with [`deferred`](Self::deferred).
    ///
    /// # Panics
    /// As [`finish_array`](Self::finish_array).
    pub fn finish_map(&mut self, begun: Deferred, n: usize) {
        let header = match self.proto {
            Protocol::Resp2 => Header::new(b'*', 2 * n),
            Protocol::Resp3 => Header::new(b'%', n),
        };
        self.patch(begun, header);
    }

    /// Ends a set of `n` values begun with [`deferred`](Self::deferred).
    ///
    /// # Panics
    /// As [`finish_array`](Self::finish_array).
    pub fn finish_set(&mut self, begun: Deferred, n: usize) {
        self.patch(begun, Header::new(if self.proto == Protocol::Resp2 { b'*' } else { b'~' }, n));
    }

    /// Takes back an aggregate begun with [`deferred`](Self::deferred) and all that was written since, so that an error
    /// or a null can be answered in its place.
    #[expect(clippy::needless_pass_by_value, reason = "the token is spent")]
    pub fn abandon(&mut self, begun: Deferred) {
        self.rollback(begun.at);
    }

    /// The length of the buffer: a mark for [`rollback`](Self::rollback).
    pub fn mark(&self) -> usize {
        self.out.len()
    }

    /// Takes back everything written since `mark`.
    pub fn rollback(&mut self, mark: usize) {
        self.out.truncate(mark);
    }

    #[expect(clippy::needless_pass_by_value, reason = "the token is spent")]
    fn patch(&mut self, begun: Deferred, header: Header) {
        let place = begun.at..begun.at + PLACEHOLDER.len();
        assert!(self.out.get(place.clone()) == Some(PLACEHOLDER), "aggregates are finished innermost first");
        let header = header.as_bytes();
        if header.len() == PLACEHOLDER.len() {
            self.out[place].copy_from_slice(header);
        } else {
            self.out.splice(place, header.iter().copied());
        }
    }

    #[inline]
    fn header(&mut self, kind: u8, n: usize) {
        self.out.extend_from_slice(Header::new(kind, n).as_bytes());
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        // At once, so that a long line does not double the buffer for its end.
        self.out.reserve(text.len() + 3);
        self.out.push(kind);
        if memchr2(b'\r', b'\n', text).is_none() {
            self.out.extend_from_slice(text);
        } else {
            self.out.extend(text.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
        }
        self.crlf();
    }

    #[inline]
    fn crlf(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}
