//! Strings as arrays of bits: what the commands compute, without a keyspace.
//!
//! Bit 0 is the highest bit of the first byte. Strings are read in words of eight bytes, the cut bytes at the ends of
//! a range apart. Invariant: a range given here lies within the string.

use std::ops::Range;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Bytes that are compared at a time when a bit is looked for.
const SKIPPED_BYTES: usize = 4 * WORD;

/// A byte's bits from number `bit` on.
const fn from_bit(bit: usize) -> u8 {
    0xff >> bit
}

/// A range of bits as the bytes it has whole, with the cut bytes before and behind: where they stand, and their bits in
/// the range.
struct Cut {
    before: Option<(usize, u8)>,
    whole: Range<usize>,
    behind: Option<(usize, u8)>,
}

impl Cut {
    fn of(bits: &Range<usize>) -> Self {
        let (first, last) = (bits.start / 8, bits.end / 8);
        let (from, to) = (bits.start % 8, bits.end % 8);
        if first == last {
            let inside = (from < to).then(|| (first, from_bit(from) & !from_bit(to)));
            return Self { before: inside, whole: 0..0, behind: None };
        }
        Self {
            before: (from > 0).then(|| (first, from_bit(from))),
            whole: first + usize::from(from > 0)..last,
            behind: (to > 0).then(|| (last, !from_bit(to))),
        }
    }
}

/// Counts the bits that are set in a range of bits.
pub(super) fn count(bytes: &[u8], bits: &Range<usize>) -> u64 {
    let Cut { before, whole, behind } = Cut::of(bits);
    let cut = |byte: Option<(usize, u8)>| byte.map_or(0, |(at, mask)| (bytes[at] & mask).count_ones());
    u64::from(cut(before) + cut(behind)) + count_whole(&bytes[whole])
}

fn count_whole(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<WORD>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    in_words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// Finds the first bit of a range that is `wanted`.
pub(super) fn find(bytes: &[u8], bits: &Range<usize>, wanted: bool) -> Option<usize> {
    let Cut { before, whole, behind } = Cut::of(bits);
    let cut = |byte: Option<(usize, u8)>| {
        let (at, mask) = byte?;
        first_in(if wanted { bytes[at] } else { !bytes[at] } & mask, at)
    };
    cut(before).or_else(|| find_whole(bytes, whole, wanted)).or_else(|| cut(behind))
}

/// The first bit that is set in the byte at `at`.
fn first_in(byte: u8, at: usize) -> Option<usize> {
    (byte != 0).then(|| at * 8 + byte.leading_zeros() as usize)
}

fn find_whole(bytes: &[u8], range: Range<usize>, wanted: bool) -> Option<usize> {
    let skipped = if wanted { 0 } else { u8::MAX };
    let (pieces, _) = bytes[range.clone()].as_chunks::<SKIPPED_BYTES>();
    let full = pieces.iter().take_while(|piece| **piece == [skipped; SKIPPED_BYTES]).count();
    let start = range.start + full * SKIPPED_BYTES;
    let at = start + bytes[start..range.end].iter().position(|byte| *byte != skipped)?;
    first_in(bytes[at] ^ skipped, at)
}

/// Where a field of up to 64 bits lies: the window of 16 bytes from the byte of its first bit on, and how far its last bit
/// is from the window's end.
fn window(bytes: &[u8], offset: usize, width: u32) -> (u128, u32) {
    let mut window = [0; 16];
    let from = bytes.len().min(offset / 8);
    let held = &bytes[from..bytes.len().min(from + FIELD_BYTES)];
    window[..held.len()].copy_from_slice(held);
    #[expect(clippy::cast_possible_truncation, reason = "a bit within a byte")]
    let below = u128::BITS - (offset % 8) as u32 - width;
    (u128::from_be_bytes(window), below)
}

/// Bytes that a field of 64 bits may touch.
const FIELD_BYTES: usize = 9;

/// The bits of a field at their place in its window.
fn field_mask(below: u32, width: u32) -> u128 {
    ((1 << width) - 1) << below
}

/// Reads `width` bits, 1 to 64, from `offset` on; beyond the end of the string all are 0.
pub(super) fn read(bytes: &[u8], offset: usize, width: u32) -> u64 {
    let (window, below) = window(bytes, offset, width);
    u64::try_from((window & field_mask(below, width)) >> below).expect("at most 64 bits remain")
}

/// Writes the lower `width` bits, 1 to 64, of a value. They must lie within the string.
pub(super) fn write(bytes: &mut [u8], offset: usize, width: u32, value: u64) {
    let (old, below) = window(bytes, offset, width);
    let mask = field_mask(below, width);
    let new = (old & !mask) | ((u128::from(value) << below) & mask);
    let from = offset / 8;
    let len = FIELD_BYTES.min(bytes.len() - from);
    bytes[from..from + len].copy_from_slice(&new.to_be_bytes()[..len]);
}

#[cfg(test)]
mod tests;
