//! Decompression of bytes that nobody vouches for.
//!
//! The announced length is checked against what the compressed bytes could stand for before memory is taken for it.

use super::MAX_EXPANSION;
use crate::error::{Flaw, Found};

/// Appends to `out`, which is empty, what `compressed` stands for: exactly `announced` bytes.
pub(crate) fn decompress(compressed: &[u8], announced: u64, out: &mut Vec<u8>) -> Result<(), Flaw> {
    if announced > (compressed.len() as u64).saturating_mul(MAX_EXPANSION) {
        return Err(Flaw::new(0, "a length that so few compressed bytes can stand for", announced));
    }
    let announced = usize::try_from(announced).map_err(|_| Flaw::new(0, "a length that fits memory", announced))?;
    out.reserve_exact(announced);
    let mut at = 0;
    while let Some(&control) = compressed.get(at) {
        let token = at;
        at += 1;
        let room = announced - out.len();
        if control < 32 {
            let len = usize::from(control) + 1;
            let bytes =
                compressed.get(at..at + len).ok_or(Flaw::new(token, "as many bytes as announced", Found::End))?;
            check_room(token, len, room)?;
            out.extend_from_slice(bytes);
            at += len;
        } else {
            let (len, distance, size) = reference(&compressed[token..]).ok_or(Flaw::new(
                token,
                "a repetition of two or three bytes",
                Found::End,
            ))?;
            check_room(token, len, room)?;
            if distance > out.len() {
                return Err(Flaw::new(token, "a repetition of bytes that were there", distance));
            }
            repeat(out, distance, len);
            at = token + size;
        }
    }
    if out.len() < announced {
        return Err(Flaw::new(at, "more compressed bytes", Found::End));
    }
    Ok(())
}

fn check_room(token: usize, len: usize, room: usize) -> Result<(), Flaw> {
    if len > room {
        return Err(Flaw::new(token, "no more bytes than announced", len));
    }
    Ok(())
}

/// Length, distance and size of the repetition at the start of `bytes`.
fn reference(bytes: &[u8]) -> Option<(usize, usize, usize)> {
    let high = usize::from(bytes[0] & 0x1f) << 8;
    match (bytes[0] >> 5, bytes) {
        (7, [_, more, low, ..]) => Some((9 + usize::from(*more), (high | usize::from(*low)) + 1, 3)),
        (7, _) => None,
        (short, [_, low, ..]) => Some((usize::from(short) + 2, (high | usize::from(*low)) + 1, 2)),
        _ => None,
    }
}

/// Appends `len` bytes from `distance` bytes before the end on; those just appended count.
fn repeat(out: &mut Vec<u8>, distance: usize, len: usize) {
    let start = out.len() - distance;
    let mut left = len;
    while left > 0 {
        let now = left.min(out.len() - start);
        out.extend_from_within(start..start + now);
        left -= now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(compressed: &[u8], announced: u64) -> Result<Vec<u8>, Flaw> {
        let mut out = Vec::new();
        decompress(compressed, announced, &mut out).map(|()| out)
    }

    #[test]
    fn literals_and_repetitions_short_long_and_of_themselves_come_out() {
        assert_eq!(of(b"\x02abc", 3).unwrap(), b"abc");
        assert_eq!(of(b"\x02abc\x20\x02", 6).unwrap(), b"abcabc");
        assert_eq!(of(b"\x00a\xe0\xff\x00", 265).unwrap(), vec![b'a'; 265]);
        assert_eq!(of(b"\x01ab\x60\x01", 7).unwrap(), b"abababa");
        assert_eq!(of(b"", 0).unwrap(), b"");
    }

    #[test]
    fn what_does_not_hold_together_is_refused_where_it_stands() {
        for (compressed, announced, at) in [
            (&b"\x02abc"[..], 4, 4),
            (b"\x02abc", 2, 0),
            (b"\x02ab", 3, 0),
            (b"\x00a\x20", 4, 2),
            (b"\x00a\xe0\x00", 10, 2),
            (b"\x00a\x20\x01", 4, 2),
            (b"\x00a\x20\x00", 2, 2),
            (b"\x00a", 177, 0),
            (b"\x00a", u64::MAX, 0),
        ] {
            assert_eq!(of(compressed, announced).unwrap_err().at, at, "{compressed:?}");
        }
    }
}
