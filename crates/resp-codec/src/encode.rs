//! The canonical bytes of a request, as clients send it and as the AOF keeps it: `*argc`, then `$len` and the bytes of
//! each argument, every line ended by CRLF.
//!
//! Nothing here formats through `write!`: a header is a few bytes on the stack. A forked child may call all of it with
//! a buffer that it reserved before.

use numeric::IntBuf;

/// One header line on the stack, `*3\r\n` or `$11\r\n`: for sinks that are no `Vec`.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; HEADER_MAX_BYTES],
    len: usize,
}

/// Kind, 20 digits, CRLF.
const HEADER_MAX_BYTES: usize = 23;

impl Header {
    /// The line that announces `n` arguments.
    #[inline]
    pub fn array(n: usize) -> Self {
        Self::new(b'*', n)
    }

    /// The line that announces an argument of `len_bytes` bytes.
    #[inline]
    pub fn bulk(len_bytes: usize) -> Self {
        Self::new(b'$', len_bytes)
    }

    /// The line's bytes, CRLF included.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// A header of any kind.
    #[inline]
    pub(crate) fn new(kind: u8, n: usize) -> Self {
        let mut bytes = [0; HEADER_MAX_BYTES];
        bytes[0] = kind;
        let mut end = 1;
        if let Ok(digit @ 0..=9) = u8::try_from(n) {
            bytes[end] = b'0' + digit;
            end += 1;
        } else {
            let mut digits = IntBuf::new();
            let digits = digits.format_u64(n as u64);
            bytes[end..end + digits.len()].copy_from_slice(digits);
            end += digits.len();
        }
        bytes[end] = b'\r';
        bytes[end + 1] = b'\n';
        Self { bytes, len: end + 2 }
    }
}

/// Appends one command in the canonical form to `out`.
///
/// ```
/// let mut out = Vec::new();
/// resp_codec::encode_command(&mut out, [&b"SELECT"[..], b"3"].into_iter());
/// assert_eq!(out, b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n");
/// ```
pub fn encode_command<'a>(out: &mut Vec<u8>, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    encode_array_header(out, args.len());
    for arg in args {
        encode_bulk(out, arg);
    }
}

/// Appends `*n\r\n`.
#[inline]
pub fn encode_array_header(out: &mut Vec<u8>, n: usize) {
    out.extend_from_slice(Header::array(n).as_bytes());
}

/// Appends one argument: `$len\r\n`, the bytes, CRLF.
#[inline]
pub fn encode_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + HEADER_MAX_BYTES + 2);
    out.extend_from_slice(Header::bulk(bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends one argument that is an integer, without building a string.
#[inline]
pub fn encode_bulk_int(out: &mut Vec<u8>, value: i64) {
    encode_bulk(out, IntBuf::new().format(value));
}

/// The bytes that [`encode_bulk`] appends for an argument of `len_bytes` bytes.
pub fn bulk_size_bytes(len_bytes: usize) -> usize {
    Header::bulk(len_bytes).as_bytes().len() + len_bytes + 2
}
