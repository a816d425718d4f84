//! Replies as a client sees them: owned values in either protocol.
//!
//! For clients, tests and tools; the server itself only writes. What arrives is not trusted: depth and size are bounded,
//! nothing is allocated from an announced length, and nothing recurses by input.

use std::fmt;

/// One reply.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `+OK`.
    Status(Vec<u8>),
    /// `-ERR text` or `!len text`, with its code.
    Error(Vec<u8>),
    /// `:n`.
    Integer(i64),
    /// `$len bytes`.
    Bulk(Vec<u8>),
    /// `_`, or RESP2's `$-1`.
    Null,
    /// RESP2's `*-1`.
    NullArray,
    /// `*n`.
    Array(Vec<Value>),
    /// `%n`.
    Map(Vec<(Value, Value)>),
    /// `~n`.
    Set(Vec<Value>),
    /// `>n`: not the answer to a request.
    Push(Vec<Value>),
    /// `,x`.
    Double(f64),
    /// `#t` or `#f`.
    Bool(bool),
    /// `(digits`.
    BigNumber(Vec<u8>),
    /// `=len fmt:text`.
    Verbatim {
        /// `txt` or `mkd`.
        format: [u8; 3],
        /// The text.
        text: Vec<u8>,
    },
    /// `|n`, pairs, and the value they belong to.
    Attributed {
        /// The attributes.
        attributes: Vec<(Value, Value)>,
        /// What they describe.
        value: Box<Value>,
    },
}

impl Value {
    /// The bytes of a bulk, verbatim text, status or big number.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(bytes) | Self::Status(bytes) | Self::BigNumber(bytes) | Self::Verbatim { text: bytes, .. } => {
                Some(bytes)
            }
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(n) => Some(*n),
            _ => None,
        }
    }

    /// The error with its code, if it is one.
    pub fn as_error(&self) -> Option<&[u8]> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The items of an array, set or push.
    pub fn as_items(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// Whether it is a null of any kind.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::NullArray)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        match self {
            Self::Status(b) => write!(f, "+{}", text(b)),
            Self::Error(b) => write!(f, "-{}", text(b)),
            Self::Integer(n) => write!(f, ":{n}"),
            Self::Bulk(b) => write!(f, "\"{}\"", text(b)),
            Self::Null => f.write_str("null"),
            Self::NullArray => f.write_str("null-array"),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(k, v)| (k, v))).finish(),
            Self::Set(items) => f.debug_set().entries(items).finish(),
            Self::Push(items) => f.write_str(">").and_then(|()| f.debug_list().entries(items).finish()),
            Self::Double(x) => write!(f, ",{x}"),
            Self::Bool(b) => write!(f, "#{b}"),
            Self::BigNumber(b) => write!(f, "({}", text(b)),
            Self::Verbatim { format, text: b } => write!(f, "={}:{}", text(format), text(b)),
            Self::Attributed { attributes, value } => {
                f.debug_struct("Attributed").field("attributes", attributes).field("value", value).finish()
            }
        }
    }
}

/// The bytes of a request made of `args`.
///
/// ```
/// assert_eq!(resp_codec::encode_request(&["GET", "k"]), b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
/// ```
pub fn encode_request<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut out = Vec::new();
    crate::encode::encode_command(&mut out, args.iter().map(AsRef::as_ref));
    out
}
