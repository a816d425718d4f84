//! Strings: integers in place, or bytes.

use numeric::IntBuf;

use super::capacity::rounded;
use super::elem::Elem;

/// Longest string that Redis stores in one allocation with its header; only the encoding's name depends on it.
///
/// Source: `OBJ_ENCODING_EMBSTR_SIZE_LIMIT` of Redis.
const EMBSTR_MAX_BYTES: usize = 44;

/// A string value.
#[derive(Clone, Debug)]
pub struct Str(StrForm);

#[derive(Clone, Debug)]
enum StrForm {
    Int(i64),
    Bytes(Box<[u8]>),
    /// Bytes that were changed in place: Redis calls them raw whatever their length.
    Raw(Vec<u8>),
}

impl Str {
    /// Makes a string; the canonical text of an integer is stored as one.
    pub fn new(bytes: &[u8]) -> Self {
        match Elem::new(bytes) {
            Elem::Int(value) => Self(StrForm::Int(value)),
            Elem::Bytes(bytes) => Self(StrForm::Bytes(bytes.into())),
        }
    }

    /// Makes a string from an integer.
    pub fn from_i64(value: i64) -> Self {
        Self(StrForm::Int(value))
    }

    /// Makes a string of bytes that may be changed in place, whatever they spell (BITOP).
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self(StrForm::Raw(bytes))
    }

    /// The plain bytes, to be changed at will; raw from now on.
    pub(crate) fn make_raw(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0, StrForm::Raw(_)) {
            self.0 = StrForm::Raw(match std::mem::replace(&mut self.0, StrForm::Int(0)) {
                StrForm::Int(value) => Elem::Int(value).to_vec(),
                StrForm::Bytes(bytes) => bytes.into_vec(),
                StrForm::Raw(bytes) => bytes,
            });
        }
        match &mut self.0 {
            StrForm::Raw(bytes) => bytes,
            StrForm::Int(_) | StrForm::Bytes(_) => unreachable!("made raw above"),
        }
    }

    /// Bytes of memory allocated for the text, with the room that a string changed in place keeps.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            StrForm::Int(_) => 0,
            StrForm::Bytes(bytes) => rounded(bytes.len()),
            StrForm::Raw(bytes) => rounded(bytes.capacity()),
        }
    }

    /// Borrows the string.
    pub fn as_ref(&self) -> StrRef<'_> {
        match &self.0 {
            StrForm::Int(value) => StrRef { elem: Elem::Int(*value), raw: false },
            StrForm::Bytes(bytes) => StrRef { elem: Elem::Bytes(bytes), raw: false },
            StrForm::Raw(bytes) => StrRef { elem: Elem::Bytes(bytes), raw: true },
        }
    }
}

impl From<Vec<u8>> for Str {
    /// Takes the bytes over, unless they are the canonical text of an integer.
    fn from(bytes: Vec<u8>) -> Self {
        match numeric::parse_i64(&bytes) {
            Some(value) => Self(StrForm::Int(value)),
            None => Self(StrForm::Bytes(bytes.into_boxed_slice())),
        }
    }
}

/// A borrowed string value.
#[derive(Clone, Copy, Debug)]
pub struct StrRef<'a> {
    elem: Elem<'a>,
    raw: bool,
}

impl<'a> StrRef<'a> {
    /// `raw`: the bytes were changed in place.
    pub(crate) fn new(elem: Elem<'a>, raw: bool) -> Self {
        Self { elem, raw }
    }

    pub(crate) fn is_raw(self) -> bool {
        self.raw
    }

    /// Length of the text in bytes.
    pub fn len(self) -> usize {
        self.elem.len()
    }

    /// Whether the string is empty.
    pub fn is_empty(self) -> bool {
        self.elem.is_empty()
    }

    /// The integer, from the integer encoding or from canonical text.
    pub fn as_i64(self) -> Option<i64> {
        match self.elem {
            Elem::Int(value) => Some(value),
            Elem::Bytes(bytes) => numeric::parse_i64(bytes),
        }
    }

    /// The string as an element: `Int` only if it is stored as an integer.
    pub fn elem(self) -> Elem<'a> {
        self.elem
    }

    /// The text; an integer is formatted into `buf`. Allocates nothing.
    pub fn bytes<'b>(self, buf: &'b mut IntBuf) -> &'b [u8]
    where
        'a: 'b,
    {
        self.elem.bytes(buf)
    }

    /// The text, copied.
    pub fn to_vec(self) -> Vec<u8> {
        self.elem.to_vec()
    }

    /// The string, copied with its encoding.
    pub fn to_str(self) -> Str {
        Str(match (self.elem, self.raw) {
            (Elem::Int(value), _) => StrForm::Int(value),
            (Elem::Bytes(bytes), false) => StrForm::Bytes(bytes.into()),
            (Elem::Bytes(bytes), true) => StrForm::Raw(bytes.to_vec()),
        })
    }

    /// The name that `OBJECT ENCODING` replies.
    pub fn encoding(self) -> &'static str {
        match self.elem {
            Elem::Int(_) => "int",
            Elem::Bytes(bytes) if !self.raw && bytes.len() <= EMBSTR_MAX_BYTES => "embstr",
            Elem::Bytes(_) => "raw",
        }
    }
}
