//! Why a file or a payload was refused: where, what was expected there, and what was found.

use std::fmt;

use rio::SourceError;

use crate::format::{NEWEST_VERSION, OLDEST_VERSION, ValueType};
use crate::module::ModuleId;

/// Why bytes are not accepted as RDB. Offsets count from where the source began.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdbError {
    /// The bytes could not be had: a read failed, or the file ends too early.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The file does not begin as an RDB file does.
    #[error("no RDB file: expected REDIS and four digits at byte {offset}, found \"{}\"", found.escape_ascii())]
    NotRdb {
        /// Where the file begins.
        offset: u64,
        /// The first nine bytes.
        found: [u8; 9],
    },
    /// A version that nobody wrote yet, or a newer one than this reader knows.
    #[error("RDB version at byte {offset}: expected {OLDEST_VERSION} to {NEWEST_VERSION}, found {found}")]
    Version {
        /// Where the version stands.
        offset: u64,
        /// The version.
        found: u32,
    },
    /// Bytes that no server writes there.
    #[error("{}", Place { offset: *offset, inside: *inside, key: key.as_ref(), expected, found })]
    Corrupt {
        /// Where they stand, or where the string begins that holds them.
        offset: u64,
        /// How far inside that string, once it is decoded.
        inside: Option<u64>,
        /// The key whose value it is.
        key: Option<Excerpt>,
        /// What may stand there.
        expected: &'static str,
        /// What stands there.
        found: Found,
    },
    /// A well-formed file of a newer server, or of one with modules, holds what cannot be had here.
    #[error("{what} at byte {offset}{} is not supported", OfKey(key.as_ref()))]
    Unsupported {
        /// Where it stands.
        offset: u64,
        /// The key whose value it is.
        key: Option<Excerpt>,
        /// What it is.
        what: Foreign,
    },
    /// The type of a custom value refuses its parts.
    #[error("value of module type {id} at byte {offset}{} can't be loaded: {reason}", OfKey(key.as_ref()))]
    Custom {
        /// Where it stands.
        offset: u64,
        /// The key whose value it is.
        key: Option<Excerpt>,
        /// Its type, and the version of its layout.
        id: ModuleId,
        /// Why.
        reason: &'static str,
    },
    /// The file was changed since it was written.
    #[error("checksum at byte {offset}: expected {expected:016x}, found {found:016x}")]
    Checksum {
        /// Where the checksum stands.
        offset: u64,
        /// The sum of the bytes that were read.
        expected: u64,
        /// The sum that the file states.
        found: u64,
    },
}

impl RdbError {
    /// Where the trouble is.
    pub fn offset(&self) -> u64 {
        match self {
            Self::NotRdb { offset, .. }
            | Self::Version { offset, .. }
            | Self::Corrupt { offset, .. }
            | Self::Unsupported { offset, .. }
            | Self::Custom { offset, .. }
            | Self::Checksum { offset, .. } => *offset,
            Self::Source(SourceError::UnexpectedEnd { end, .. }) => *end,
            Self::Source(SourceError::Read { offset, .. } | SourceError::BufferFull { offset, .. }) => *offset,
            Self::Source(_) => 0,
        }
    }

    /// Names the key whose value was being read.
    pub(crate) fn with_key(mut self, name: &[u8]) -> Self {
        if let Self::Corrupt { key, .. } | Self::Unsupported { key, .. } | Self::Custom { key, .. } = &mut self {
            *key = Some(Excerpt::of(name));
        }
        self
    }

    pub(crate) fn corrupt(offset: u64, expected: &'static str, found: impl Into<Found>) -> Self {
        Self::Corrupt { offset, inside: None, key: None, expected, found: found.into() }
    }

    /// A flaw inside of the string that begins at `offset`.
    pub(crate) fn inside(offset: u64, flaw: Flaw) -> Self {
        let Flaw { at, expected, found } = flaw;
        Self::Corrupt { offset, inside: Some(at as u64), key: None, expected, found }
    }
}

/// What is wrong inside of a decoded string, counted from its start.
#[derive(Debug, PartialEq)]
pub(crate) struct Flaw {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
    pub(crate) found: Found,
}

impl Flaw {
    pub(crate) fn new(at: usize, expected: &'static str, found: impl Into<Found>) -> Self {
        Self { at, expected, found: found.into() }
    }
}

/// What was found in place of what was expected.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Found {
    /// A byte of the format.
    Byte(u8),
    /// A number, length or count.
    Number(u64),
    /// A score.
    Score(f64),
    /// Bytes of the data.
    Text(Excerpt),
    /// The end.
    End,
}

impl From<u8> for Found {
    fn from(byte: u8) -> Self {
        Self::Byte(byte)
    }
}

impl From<u64> for Found {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Found {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}

impl From<&[u8]> for Found {
    fn from(text: &[u8]) -> Self {
        Self::Text(Excerpt::of(text))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(byte) => write!(f, "byte {byte:#04x}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Score(score) => write!(f, "{score}"),
            Self::Text(text) => write!(f, "{text}"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// The first bytes of a key or an element, for messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt {
    bytes: Box<[u8]>,
    is_cut: bool,
}

/// How much of a key a message shows, in bytes.
pub(crate) const EXCERPT_BYTES: usize = 64;

impl Excerpt {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let shown = &bytes[..bytes.len().min(EXCERPT_BYTES)];
        Self { bytes: shown.into(), is_cut: shown.len() < bytes.len() }
    }

    /// The bytes, at most 64.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"{}", self.bytes.escape_ascii(), if self.is_cut { "…" } else { "" })
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What well-formed files hold and this crate does not turn into a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// A value of a type that the keyspace does not have.
    Type(ValueType),
    /// A value type of a newer server.
    UnknownType(u8),
    /// A module's value.
    Module(ModuleId),
    /// A module's data beside the keys.
    ModuleAux(ModuleId),
    /// Functions as release candidates of Redis 7.0 wrote them.
    FunctionPreGa,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(kind) => write!(f, "{} (type {})", kind.name(), kind.byte()),
            Self::UnknownType(byte) => write!(f, "unknown value type {byte}"),
            Self::Module(id) => write!(f, "value of module type {id}"),
            Self::ModuleAux(id) => write!(f, "data of module {id}"),
            Self::FunctionPreGa => f.write_str("function of a release candidate"),
        }
    }
}

struct OfKey<'a>(Option<&'a Excerpt>);

impl fmt::Display for OfKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |key| write!(f, " of key {key}"))
    }
}

/// The text of [`RdbError::Corrupt`].
struct Place<'a> {
    offset: u64,
    inside: Option<u64>,
    key: Option<&'a Excerpt>,
    expected: &'a str,
    found: &'a Found,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, expected, found, .. } = self;
        match self.inside {
            Some(inside) => write!(f, "corrupt at byte {inside} inside of the string at byte {offset}")?,
            None => write!(f, "corrupt at byte {offset}")?,
        }
        write!(f, "{}: expected {expected}, found {found}", OfKey(self.key))
    }
}
