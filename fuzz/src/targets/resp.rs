//! Requests in arbitrary cuts: the requests, and the error that ends them, are the same whatever the cuts; what is canonical is
//! encoded to the bytes it came from, and what is encoded is read back as it was; announced lengths take no memory.
//!
//! The first byte chooses the limits and the second the size of the cuts; the rest is what arrives.

use resp_codec::{Decoded, Limits, ProtocolError, RequestDecoder, encode_command};

/// What was read: requests in words, `None` for one that is answered with silence, and why it ended.
type Read = (Vec<Option<Vec<Vec<u8>>>>, Option<ProtocolError>);

pub(crate) fn run(input: &[u8]) {
    let [flags, cut, bytes @ ..] = input else { return };
    let limits = limits(*flags);
    let whole = read(bytes, limits, usize::MAX);
    assert_eq!(read(bytes, limits, 1), whole, "one byte at a time");
    assert_eq!(read(bytes, limits, usize::from(*cut).max(2)), whole, "{cut} bytes at a time");
}

fn limits(flags: u8) -> Limits {
    let limits = match flags & 3 {
        0 => Limits { max_multibulk_count: 4, max_bulk_len_bytes: 8, max_inline_len_bytes: 16, ..Limits::DEFAULT },
        1 => Limits { max_inline_len_bytes: 64, ..Limits::DEFAULT },
        _ => Limits::DEFAULT,
    };
    if flags & 4 == 0 { limits } else { limits.unauthenticated() }
}

/// Reads all requests, `step` more bytes at a time.
pub(crate) fn read(bytes: &[u8], limits: Limits, step: usize) -> Read {
    let (mut decoder, mut requests) = (RequestDecoder::new(limits), Vec::new());
    let (mut start, mut end) = (0, step.min(bytes.len()));
    loop {
        let buffer = &bytes[start..end];
        match decoder.decode(buffer) {
            Ok(Decoded::Request { consumed }) => {
                assert!(0 < consumed && consumed <= buffer.len(), "{consumed} of {}", buffer.len());
                requests.push(Some(request(&decoder, buffer, consumed)));
                start += consumed;
            }
            Ok(Decoded::Empty { consumed }) => {
                assert!(0 < consumed && consumed <= buffer.len(), "{consumed} of {}", buffer.len());
                requests.push(None);
                start += consumed;
            }
            Ok(Decoded::Incomplete { need_hint }) => {
                assert!(need_hint > 0, "something is missing");
                if end == bytes.len() {
                    return (requests, None);
                }
                end = end.saturating_add(step).min(bytes.len());
            }
            Err(error) => return (requests, Some(error)),
        }
    }
}

fn request(decoder: &RequestDecoder, buffer: &[u8], consumed: usize) -> Vec<Vec<u8>> {
    let args = decoder.args(buffer);
    let words: Vec<Vec<u8>> = args.from(0).map(<[u8]>::to_vec).collect();
    let mut encoded = Vec::new();
    encode_command(&mut encoded, args.from(0));
    if let Some(verbatim) = args.verbatim() {
        assert_eq!(verbatim.escape_ascii().to_string(), encoded.escape_ascii().to_string(), "canonical bytes");
    }
    let mut again = RequestDecoder::new(Limits::DEFAULT);
    assert_eq!(again.decode(&encoded), Ok(Decoded::Request { consumed: encoded.len() }), "what was encoded is read");
    assert!(again.args(&encoded).from(0).eq(args.from(0)), "as it was, from {consumed} bytes");
    words
}
