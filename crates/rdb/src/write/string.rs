//! Lengths and strings: as an integer where the text is one, compressed where that pays, else as they are.

use keyspace::{Elem, Unwritable};
use numeric::IntBuf;

use super::list::NODE_BYTES;
use super::target::{STRING_TOO_LONG, Target};
use crate::format::{
    ENC_I8, ENC_I16, ENC_I32, ENC_LZF, LEN_14_BITS, LEN_32_BITS, LEN_64_BITS, LEN_ENCODED, MAX_STRING_BYTES,
};
use crate::lzf::compress::{Compressor, Token};

/// Longest text of an integer that is stored as one. Source: `rdbSaveRawString` of Redis.
const MAX_INT_TEXT: usize = 11;

/// Longest string that is not worth compressing. Source: `rdbSaveRawString` of Redis.
const MAX_UNCOMPRESSED: usize = 20;

/// By how many bytes a string must become shorter. Source: `rdbSaveLzfStringObject` of Redis.
const MIN_SAVED: usize = 4;

/// Size of the buffer of compressed bytes. A longer string is compressed twice: to be measured and to be written.
const BUFFER_BYTES: usize = BLOB_BYTES;

/// Largest compact form that is made in memory and compressed as a whole: 512 fields with values of 64 bytes, the most that is
/// compact by default, take 68 kB where the fields are as long.
pub(super) const BLOB_BYTES: usize = 80 * 1024;
const _: () = assert!(NODE_BYTES <= BLOB_BYTES);

/// How many bytes are measured between two pauses.
pub(super) const PAUSE_EVERY_BYTES: usize = 64 * 1024;

/// Writes strings through memory that was reserved before.
#[derive(Debug)]
pub(super) struct Strings {
    lzf: Option<Lzf>,
    /// A compact form on its way to be a string.
    pub(super) blob: Box<[u8]>,
    /// The longest string that is written: none that no reader takes back.
    pub(super) max_bytes: u64,
}

/// Why something was not written whole.
#[derive(Debug)]
pub(super) enum Failed<E> {
    /// The target did not take it.
    Target(E),
    /// A string is too long.
    TooLong,
}

impl<E> From<E> for Failed<E> {
    fn from(error: E) -> Self {
        Self::Target(error)
    }
}

impl<E> Failed<E> {
    /// The target's error. `value` says whose string is too long, with any reason.
    pub(super) fn told<T: Target<Error = E> + ?Sized>(self, out: &mut T, value: Unwritable<'_>) -> E {
        match self {
            Self::Target(error) => error,
            Self::TooLong => out.refuse(&Unwritable { reason: STRING_TOO_LONG, ..value }),
        }
    }
}

#[derive(Debug)]
struct Lzf {
    compressor: Compressor,
    buffer: Box<[u8]>,
}

impl Strings {
    pub(super) fn reserve(compress: bool) -> Self {
        let lzf = || Lzf { compressor: Compressor::reserve(), buffer: vec![0; BUFFER_BYTES].into_boxed_slice() };
        let blob = vec![0; BLOB_BYTES].into_boxed_slice();
        Self { lzf: compress.then(lzf), blob, max_bytes: MAX_STRING_BYTES }
    }

    /// Writes one element.
    #[inline]
    pub(super) fn elem<T: Target + ?Sized>(&mut self, out: &mut T, elem: Elem<'_>) -> Result<(), Failed<T::Error>> {
        match elem {
            Elem::Int(value) => Ok(write_int(out, value)?),
            Elem::Bytes(bytes) => self.write(out, bytes),
        }
    }

    /// Writes a string.
    #[inline]
    pub(super) fn write<T: Target + ?Sized>(&mut self, out: &mut T, bytes: &[u8]) -> Result<(), Failed<T::Error>> {
        if bytes.len() <= MAX_INT_TEXT
            && let Some(value) = numeric::parse_i64(bytes)
        {
            return Ok(write_int(out, value)?);
        }
        if bytes.len() as u64 > self.max_bytes {
            return Err(Failed::TooLong);
        }
        Ok(write_text(&mut self.lzf, out, bytes)?)
    }

    /// Writes bytes of a compact form, the first `len` of `self.blob`.
    pub(super) fn write_blob<T: Target + ?Sized>(&mut self, out: &mut T, len: usize) -> Result<(), T::Error> {
        write_text(&mut self.lzf, out, &self.blob[..len])
    }
}

fn write_text<T: Target + ?Sized>(lzf: &mut Option<Lzf>, out: &mut T, bytes: &[u8]) -> Result<(), T::Error> {
    if let Some(lzf) = lzf.as_mut().filter(|_| bytes.len() > MAX_UNCOMPRESSED)
        && lzf.write(out, bytes)?
    {
        return Ok(());
    }
    write_length(out, bytes.len() as u64)?;
    out.write(bytes)
}

impl Lzf {
    /// Writes a string compressed, if that pays; false if it does not and nothing was written.
    fn write<T: Target + ?Sized>(&mut self, out: &mut T, bytes: &[u8]) -> Result<bool, T::Error> {
        let limit = bytes.len() - MIN_SAVED;
        if bytes.len() <= self.buffer.len() {
            let Some(size) = self.compress(bytes, limit) else { return Ok(false) };
            write_compressed_head(out, size, bytes.len())?;
            out.write(&self.buffer[..size])?;
            return Ok(true);
        }
        let Some(size) = self.measure(out, bytes, limit)? else { return Ok(false) };
        write_compressed_head(out, size, bytes.len())?;
        self.stream(out, bytes)?;
        Ok(true)
    }

    /// Compresses into the buffer; the size, if it is at most `limit`.
    fn compress(&mut self, bytes: &[u8], limit: usize) -> Option<usize> {
        let mut size = 0;
        for token in self.compressor.tokens(bytes) {
            let end = size + token.size();
            if end > limit {
                return None;
            }
            put(&mut self.buffer[size..end], token);
            size = end;
        }
        Some(size)
    }

    /// The compressed size, if it is at most `limit`.
    fn measure<T: Target + ?Sized>(
        &mut self,
        out: &mut T,
        bytes: &[u8],
        limit: usize,
    ) -> Result<Option<usize>, T::Error> {
        let (mut size, mut since_pause) = (0, 0);
        for token in self.compressor.tokens(bytes) {
            size += token.size();
            if size > limit {
                return Ok(None);
            }
            since_pause += token.len();
            if since_pause >= PAUSE_EVERY_BYTES {
                since_pause = 0;
                out.pause()?;
            }
        }
        Ok(Some(size))
    }

    /// Writes compressed bytes, a buffer at a time.
    fn stream<T: Target + ?Sized>(&mut self, out: &mut T, bytes: &[u8]) -> Result<(), T::Error> {
        let mut filled = 0;
        for token in self.compressor.tokens(bytes) {
            if filled + token.size() > self.buffer.len() {
                out.write(&self.buffer[..filled])?;
                filled = 0;
            }
            put(&mut self.buffer[filled..filled + token.size()], token);
            filled += token.size();
        }
        out.write(&self.buffer[..filled])
    }
}

/// Writes a token over `room`, which has exactly its size.
fn put(room: &mut [u8], token: Token<'_>) {
    let (head, head_len) = token.head();
    let (front, back) = room.split_at_mut(head_len);
    front.copy_from_slice(&head[..head_len]);
    if let Token::Literal(bytes) = token {
        back.copy_from_slice(bytes);
    }
}

fn write_compressed_head<T: Target + ?Sized>(out: &mut T, size: usize, len: usize) -> Result<(), T::Error> {
    out.write(&[LEN_ENCODED | ENC_LZF])?;
    write_length(out, size as u64)?;
    write_length(out, len as u64)
}

/// Writes an integer as a string: encoded if it fits 32 bits, else as text.
pub(super) fn write_int<T: Target + ?Sized>(out: &mut T, value: i64) -> Result<(), T::Error> {
    let mut encoded = [0; 5];
    let len = if let Ok(value) = i8::try_from(value) {
        encoded[0] = LEN_ENCODED | ENC_I8;
        encoded[1..2].copy_from_slice(&value.to_le_bytes());
        2
    } else if let Ok(value) = i16::try_from(value) {
        encoded[0] = LEN_ENCODED | ENC_I16;
        encoded[1..3].copy_from_slice(&value.to_le_bytes());
        3
    } else if let Ok(value) = i32::try_from(value) {
        encoded[0] = LEN_ENCODED | ENC_I32;
        encoded[1..5].copy_from_slice(&value.to_le_bytes());
        5
    } else {
        let mut text = IntBuf::new();
        let text = text.format(value);
        write_length(out, text.len() as u64)?;
        return out.write(text);
    };
    out.write(&encoded[..len])
}

/// Writes a length or a number.
pub(super) fn write_length<T: Target + ?Sized>(out: &mut T, len: u64) -> Result<(), T::Error> {
    let [.., high, low] = len.to_be_bytes();
    if len < 1 << 6 {
        out.write(&[low])
    } else if len < 1 << 14 {
        out.write(&[LEN_14_BITS | high, low])
    } else if let Ok(len) = u32::try_from(len) {
        let [a, b, c, d] = len.to_be_bytes();
        out.write(&[LEN_32_BITS, a, b, c, d])
    } else {
        let [a, b, c, d, e, f, g, h] = len.to_be_bytes();
        out.write(&[LEN_64_BITS, a, b, c, d, e, f, g, h])
    }
}
