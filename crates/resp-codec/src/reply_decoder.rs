//! Decodes replies into [`Value`]s, incrementally.
//!
//! Open aggregates stand on an explicit stack, so depth costs memory that arrived and no recursion; a reply that
//! arrives in pieces is read once.

use memchr::memchr;

use crate::value::Value;

/// Bounds on one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Most aggregates inside each other.
    pub max_depth: usize,
    /// Largest reply, in bytes.
    pub max_bytes: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { max_depth: 64, max_bytes: 1 << 30 }
    }
}

/// Why bytes are no reply. `offset` counts from the first byte of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// No type begins with this byte.
    #[error("byte {offset}: unknown reply type {:?}", char::from(*got))]
    UnknownType {
        /// Where it stands.
        offset: usize,
        /// The byte.
        got: u8,
    },
    /// The line holds no value of its type.
    #[error("byte {offset}: expected {expected}")]
    Malformed {
        /// Where the value begins.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// Too many aggregates inside each other.
    #[error("byte {offset}: nested deeper than the limit")]
    TooDeep {
        /// Where the innermost begins.
        offset: usize,
    },
    /// The reply is, or would be, larger than the limit.
    #[error("byte {offset}: larger than the limit")]
    TooLarge {
        /// Where the value that does not fit begins.
        offset: usize,
    },
}

/// Decodes the replies of one connection.
///
/// ```
/// use resp_codec::{ReplyDecoder, Value};
/// let mut decoder = ReplyDecoder::default();
/// assert_eq!(decoder.decode(b"*2\r\n:1\r\n$3\r\nab")?, None);
/// let (value, consumed) = decoder.decode(b"*2\r\n:1\r\n$3\r\nabc\r\n+OK\r\n")?.unwrap();
/// assert_eq!(value, Value::Array(vec![Value::Integer(1), Value::Bulk(b"abc".to_vec())]));
/// assert_eq!(consumed, 17);
/// # Ok::<(), resp_codec::ReplyError>(())
/// ```
#[derive(Debug, Default)]
pub struct ReplyDecoder {
    limits: ReplyLimits,
    /// Where the next value begins, from the first byte of the reply.
    at: usize,
    /// Bytes from `at` on known to hold no end of line.
    searched: usize,
    open: Vec<Frame>,
}

/// An aggregate whose items are still to come.
#[derive(Debug)]
struct Frame {
    kind: Kind,
    /// Never 0.
    left: usize,
    items: Vec<Value>,
}

#[derive(Debug)]
enum Kind {
    Array,
    Set,
    Push,
    Map,
    Attributes,
    /// One item to come: the value that these attributes describe.
    Described(Vec<(Value, Value)>),
}

/// What the bytes at `at` begin.
enum Head {
    /// The buffer ends inside it.
    Partial,
    Whole(Value, usize),
    Open(Kind, usize, usize),
}

impl ReplyDecoder {
    /// A decoder for a new connection.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Decodes the reply at the start of `buf`: the value and the bytes it took, or `None` if it is not complete; then
    /// call again with the same bytes and more.
    ///
    /// # Errors
    /// If the bytes are no reply or pass a limit. The connection is of no more use.
    pub fn decode(&mut self, buf: &[u8]) -> Result<Option<(Value, usize)>, ReplyError> {
        loop {
            let value = match self.head(buf)? {
                Head::Partial => return Ok(None),
                Head::Whole(value, next) => {
                    self.advance(next);
                    value
                }
                Head::Open(kind, items, next) => {
                    if self.open.len() >= self.limits.max_depth {
                        return Err(ReplyError::TooDeep { offset: self.at });
                    }
                    self.advance(next);
                    self.open.push(Frame { kind, left: items, items: Vec::new() });
                    if items > 0 {
                        continue;
                    }
                    match self.close() {
                        Some(value) => value,
                        None => continue,
                    }
                }
            };
            if let Some(value) = self.deliver(value) {
                let consumed = std::mem::take(&mut self.at);
                return Ok(Some((value, consumed)));
            }
        }
    }

    /// Puts a complete value where it belongs; returns the reply if that completes it.
    fn deliver(&mut self, mut value: Value) -> Option<Value> {
        loop {
            let Some(frame) = self.open.last_mut() else { return Some(value) };
            frame.items.push(value);
            frame.left -= 1;
            if frame.left > 0 {
                return None;
            }
            value = self.close()?;
        }
    }

    /// Ends the innermost aggregate. Attributes are no value: the one they describe is still to come.
    fn close(&mut self) -> Option<Value> {
        let Frame { kind, items, .. } = self.open.pop()?;
        Some(match kind {
            Kind::Array => Value::Array(items),
            Kind::Set => Value::Set(items),
            Kind::Push => Value::Push(items),
            Kind::Map => Value::Map(pairs(items)),
            Kind::Attributes => {
                self.open.push(Frame { kind: Kind::Described(pairs(items)), left: 1, items: Vec::new() });
                return None;
            }
            Kind::Described(attributes) => {
                let value = items.into_iter().next().expect("its one item was delivered");
                Value::Attributed { attributes, value: Box::new(value) }
            }
        })
    }

    fn advance(&mut self, next: usize) {
        self.at = next;
        self.searched = 0;
    }

    /// Reads the value, or the head of the aggregate, at `at`.
    fn head(&mut self, buf: &[u8]) -> Result<Head, ReplyError> {
        let offset = self.at;
        let rest = &buf[offset..];
        let Some(&kind) = rest.first() else { return Ok(Head::Partial) };
        let Some(end) = memchr(b'\n', &rest[self.searched..]).map(|i| self.searched + i) else {
            self.searched = rest.len();
            self.check_size(offset, buf.len())?;
            return Ok(Head::Partial);
        };
        let malformed = |expected| ReplyError::Malformed { offset, expected };
        let line = rest[1.min(end)..end].strip_suffix(b"\r").ok_or(malformed("a line ended by CRLF"))?;
        let next = offset + end + 1;
        self.check_size(offset, next)?;
        let integer = || numeric::parse_i64(line).ok_or(malformed("an integer"));
        let count = || integer().and_then(|n| usize::try_from(n).map_err(|_| malformed("a count")));
        let whole = |value| Ok(Head::Whole(value, next));
        match kind {
            b'+' => whole(Value::Status(line.to_vec())),
            b'-' => whole(Value::Error(line.to_vec())),
            b':' => whole(Value::Integer(integer()?)),
            b'(' => whole(Value::BigNumber(big_number(line).ok_or(malformed("digits"))?)),
            b',' => whole(Value::Double(double(line).ok_or(malformed("a double"))?)),
            b'#' if line == b"t" => whole(Value::Bool(true)),
            b'#' if line == b"f" => whole(Value::Bool(false)),
            b'_' if line.is_empty() => whole(Value::Null),
            b'#' | b'_' => Err(malformed("a boolean or null")),
            b'$' if line == b"-1" => whole(Value::Null),
            b'*' if line == b"-1" => whole(Value::NullArray),
            b'$' | b'=' | b'!' => self.blob(buf, kind, count()?, next),
            b'*' => Ok(Head::Open(Kind::Array, count()?, next)),
            b'~' => Ok(Head::Open(Kind::Set, count()?, next)),
            b'>' => Ok(Head::Open(Kind::Push, count()?, next)),
            b'%' => Ok(Head::Open(Kind::Map, count()?.checked_mul(2).ok_or(malformed("a count"))?, next)),
            b'|' => Ok(Head::Open(Kind::Attributes, count()?.checked_mul(2).ok_or(malformed("a count"))?, next)),
            got => Err(ReplyError::UnknownType { offset, got }),
        }
    }

    /// Reads `len` bytes from `start` on, and their CRLF.
    fn blob(&self, buf: &[u8], kind: u8, len: usize, start: usize) -> Result<Head, ReplyError> {
        let offset = self.at;
        let end = start.saturating_add(len);
        self.check_size(offset, end.saturating_add(2))?;
        let Some(tail) = buf.get(end..end + 2) else { return Ok(Head::Partial) };
        if tail != b"\r\n" {
            return Err(ReplyError::Malformed { offset: end, expected: "CRLF" });
        }
        let bytes = &buf[start..end];
        let value = match (kind, bytes) {
            (b'$', _) => Value::Bulk(bytes.to_vec()),
            (b'!', _) => Value::Error(bytes.to_vec()),
            (_, [a, b, c, b':', text @ ..]) => Value::Verbatim { format: [*a, *b, *c], text: text.to_vec() },
            _ => return Err(ReplyError::Malformed { offset: start, expected: "a format of three bytes and a colon" }),
        };
        Ok(Head::Whole(value, end + 2))
    }

    fn check_size(&self, offset: usize, end: usize) -> Result<(), ReplyError> {
        if end > self.limits.max_bytes { Err(ReplyError::TooLarge { offset }) } else { Ok(()) }
    }
}

fn pairs(items: Vec<Value>) -> Vec<(Value, Value)> {
    let mut pairs = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn double(line: &[u8]) -> Option<f64> {
    if matches!(line, b"nan" | b"-nan") { Some(f64::NAN) } else { numeric::parse_f64(line) }
}

fn big_number(line: &[u8]) -> Option<Vec<u8>> {
    let digits = line.strip_prefix(b"-").or(line.strip_prefix(b"+")).unwrap_or(line);
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then(|| line.to_vec())
}
