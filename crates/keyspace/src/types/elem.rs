//! One element of a collection, borrowed: bytes, or an integer that stands for its decimal text.

use numeric::IntBuf;

/// One element of a collection, borrowed from it.
///
/// An integer stands for its canonical decimal text and never needs to be allocated as such. `PartialEq` compares
/// the text: canonical integers are always [`Elem::Int`], so the two variants never mean the same text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elem<'a> {
    /// An integer in place.
    Int(i64),
    /// Bytes that are not the canonical text of an `i64`.
    Bytes(&'a [u8]),
}

impl<'a> Elem<'a> {
    /// Classifies `bytes`: canonical integers become [`Elem::Int`].
    pub fn new(bytes: &'a [u8]) -> Self {
        match numeric::parse_i64(bytes) {
            Some(value) => Self::Int(value),
            None => Self::Bytes(bytes),
        }
    }

    /// The element's text; an integer is formatted into `buf`. Allocates nothing.
    pub fn bytes<'b>(self, buf: &'b mut IntBuf) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Int(value) => buf.format(value),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// Length of the text in bytes.
    pub fn len(self) -> usize {
        self.bytes(&mut IntBuf::new()).len()
    }

    /// Whether the text is empty.
    pub fn is_empty(self) -> bool {
        matches!(self, Self::Bytes([]))
    }

    /// The integer, if the text is the canonical form of one.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Bytes(_) => None,
        }
    }

    /// The text, copied.
    pub fn to_vec(self) -> Vec<u8> {
        self.bytes(&mut IntBuf::new()).to_vec()
    }

    /// Compares the texts byte by byte, as sorted sets order members.
    pub fn cmp_text(self, other: Elem<'_>) -> std::cmp::Ordering {
        let (mut left, mut right) = (IntBuf::new(), IntBuf::new());
        self.bytes(&mut left).cmp(other.bytes(&mut right))
    }
}
