//! Bytes, lengths, strings and numbers of a file, each read from where the source stands.
//!
//! A length is a claim: a string grows as its bytes arrive, and nothing is reserved for what is only announced.

use rio::{Input, Source};

use crate::error::{EXCERPT_BYTES, Excerpt, Found, RdbError};
use crate::format::{
    ENC_I8, ENC_I16, ENC_I32, ENC_LZF, LEN_14_BITS, LEN_32_BITS, LEN_64_BITS, LEN_ENCODED, MAX_STRING_BYTES, SCORE_INF,
    SCORE_NAN, SCORE_NEG_INF,
};
use crate::lzf::decompress::decompress;

/// How much memory is taken ahead of the bytes of a string.
const PIECE_BYTES: u64 = 64 * 1024;

/// The largest buffer that is kept from one string to the next.
const KEPT_BYTES: usize = 64 * 1024;

/// A length, or how a string is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Plain(u64),
    Encoded(u8),
}

/// The file as its smallest parts.
#[derive(Debug)]
pub(crate) struct Wire<I> {
    pub(crate) source: Source<I>,
    max_string_bytes: u64,
    /// The string read last as it was compressed; no more than a small one is kept.
    compressed: Vec<u8>,
}

impl<I: Input> Wire<I> {
    pub(crate) fn new(source: Source<I>, max_string_bytes: u64) -> Self {
        Self { source, max_string_bytes: max_string_bytes.min(MAX_STRING_BYTES), compressed: Vec::new() }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.source.offset()
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, RdbError> {
        if let Some(&byte) = self.source.buffered().first() {
            self.source.consume(1);
            return Ok(byte);
        }
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        Ok(self.source.read_array()?)
    }

    #[inline]
    fn length(&mut self) -> Result<Length, RdbError> {
        let offset = self.offset();
        let first = self.byte()?;
        Ok(match first {
            ..LEN_14_BITS => Length::Plain(u64::from(first)),
            LEN_14_BITS..LEN_32_BITS => Length::Plain(u64::from(first - LEN_14_BITS) << 8 | u64::from(self.byte()?)),
            LEN_32_BITS => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            LEN_64_BITS => Length::Plain(u64::from_be_bytes(self.array()?)),
            LEN_ENCODED.. => Length::Encoded(first - LEN_ENCODED),
            _ => return Err(RdbError::corrupt(offset, "a length", first)),
        })
    }

    /// A length or number.
    pub(crate) fn number(&mut self, expected: &'static str) -> Result<u64, RdbError> {
        let offset = self.offset();
        match self.length()? {
            Length::Plain(number) => Ok(number),
            Length::Encoded(how) => Err(RdbError::corrupt(offset, expected, LEN_ENCODED | how)),
        }
    }

    /// A string, whichever way it is encoded, in place of what `out` held.
    pub(crate) fn string(&mut self, out: &mut Vec<u8>) -> Result<(), RdbError> {
        out.clear();
        let offset = self.offset();
        match self.length()? {
            Length::Plain(len) => self.bytes(offset, len, out),
            Length::Encoded(ENC_LZF) => self.compressed(offset, out),
            Length::Encoded(how) => {
                let value = self.integer(offset, how)?;
                out.extend_from_slice(numeric::IntBuf::new().format(i64::from(value)));
                Ok(())
            }
        }
    }

    fn integer(&mut self, offset: u64, how: u8) -> Result<i32, RdbError> {
        Ok(match how {
            ENC_I8 => i32::from(i8::from_le_bytes(self.array()?)),
            ENC_I16 => i32::from(i16::from_le_bytes(self.array()?)),
            ENC_I32 => i32::from_le_bytes(self.array()?),
            _ => return Err(RdbError::corrupt(offset, "a string encoded in a known way", LEN_ENCODED | how)),
        })
    }

    /// Appends `len` bytes of the string that begins at `offset`.
    fn bytes(&mut self, offset: u64, len: u64, out: &mut Vec<u8>) -> Result<(), RdbError> {
        self.check_len(offset, len)?;
        let mut left = len;
        while left > 0 {
            let now = left.min(PIECE_BYTES);
            let start = out.len();
            out.resize(start + usize::try_from(now).expect("a small piece"), 0);
            self.source.read_exact(&mut out[start..])?;
            left -= now;
        }
        Ok(())
    }

    fn check_len(&self, offset: u64, len: u64) -> Result<(), RdbError> {
        if len > self.max_string_bytes {
            return Err(RdbError::corrupt(offset, "a string within the limit of length", len));
        }
        Ok(())
    }

    fn compressed(&mut self, offset: u64, out: &mut Vec<u8>) -> Result<(), RdbError> {
        let compressed_len = self.number("the length of compressed bytes")?;
        let len = self.number("the length before compression")?;
        self.check_len(offset, len)?;
        let mut compressed = std::mem::take(&mut self.compressed);
        compressed.clear();
        self.bytes(offset, compressed_len, &mut compressed)?;
        let result = decompress(&compressed, len, out).map_err(|flaw| RdbError::inside(offset, flaw));
        if compressed.capacity() <= KEPT_BYTES {
            self.compressed = compressed;
        }
        result
    }

    /// Passes over a string.
    pub(crate) fn skip_string(&mut self) -> Result<(), RdbError> {
        let offset = self.offset();
        let bytes = match self.length()? {
            Length::Plain(len) => len,
            Length::Encoded(ENC_LZF) => {
                let compressed_len = self.number("the length of compressed bytes")?;
                self.number("the length before compression")?;
                compressed_len
            }
            Length::Encoded(how) => return self.integer(offset, how).map(drop),
        };
        Ok(self.source.skip(bytes)?)
    }

    /// The beginning of a string that is not needed, as far as it can be had.
    pub(crate) fn excerpt(&mut self) -> Option<Excerpt> {
        let Ok(Length::Plain(len)) = self.length() else { return None };
        let shown = usize::try_from(len).unwrap_or(usize::MAX).min(EXCERPT_BYTES + 1);
        let bytes = self.source.peek(shown).ok()?;
        bytes.get(..shown).map(Excerpt::of)
    }

    /// A score of a sorted set of version 2.
    pub(crate) fn binary_score(&mut self) -> Result<f64, RdbError> {
        let offset = self.offset();
        let score = f64::from_le_bytes(self.array()?);
        not_nan(offset, score)
    }

    /// A score of a sorted set of version 1: the length of its text and the text, or a byte that stands for no number.
    pub(crate) fn text_score(&mut self) -> Result<f64, RdbError> {
        let offset = self.offset();
        let len = match self.byte()? {
            SCORE_NAN => return not_nan(offset, f64::NAN),
            SCORE_INF => return Ok(f64::INFINITY),
            SCORE_NEG_INF => return Ok(f64::NEG_INFINITY),
            len => usize::from(len),
        };
        let mut text = [0; 256];
        let text = &mut text[..len];
        self.source.read_exact(text)?;
        numeric::parse_f64_saturating(text).ok_or_else(|| RdbError::corrupt(offset, "a score", &*text))
    }
}

/// A NaN has no place in the order of scores.
fn not_nan(offset: u64, score: f64) -> Result<f64, RdbError> {
    if score.is_nan() {
        return Err(RdbError::corrupt(offset, "a score that is a number", Found::Score(score)));
    }
    Ok(score)
}
