//! Against a vector of booleans.

use proptest::prelude::*;

use super::*;

fn flags(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0)).collect()
}

/// Strings in which runs of equal bytes are longer than a word, and a range of their bits.
fn string_and_range() -> impl Strategy<Value = (Vec<u8>, Range<usize>)> {
    let run = (prop_oneof![Just(0), Just(0xff), any::<u8>()], 0..20_usize).prop_map(|(byte, len)| vec![byte; len]);
    prop::collection::vec(run, 0..5).prop_map(|runs| runs.concat()).prop_flat_map(|bytes| {
        let bits = bytes.len() * 8;
        (Just(bytes), 0..=bits, 0..=bits).prop_map(|(bytes, a, b)| (bytes, a.min(b)..a.max(b)))
    })
}

proptest! {
    #[test]
    fn bits_are_counted_as_one_by_one((bytes, range) in string_and_range()) {
        let expected = flags(&bytes)[range.clone()].iter().filter(|on| **on).count();
        prop_assert_eq!(count(&bytes, &range), expected as u64);
    }

    #[test]
    fn the_first_bit_is_found_as_one_by_one((bytes, range) in string_and_range(), wanted: bool) {
        let expected = flags(&bytes)[range.clone()].iter().position(|on| *on == wanted);
        prop_assert_eq!(find(&bytes, &range, wanted), expected.map(|at| at + range.start));
    }

    #[test]
    fn a_field_is_read_as_bit_by_bit_with_zeros_behind_the_end(
        bytes in prop::collection::vec(any::<u8>(), 0..20),
        offset in 0..200_usize,
        width in 1..65_u32,
    ) {
        let flags = flags(&bytes);
        let bit = |at: usize| u64::from(flags.get(at).copied().unwrap_or(false));
        let expected = (offset..offset + width as usize).fold(0, |value, at| value << 1 | bit(at));
        prop_assert_eq!(read(&bytes, offset, width), expected);
    }

    #[test]
    fn a_field_is_written_and_nothing_beside_it(
        mut bytes in prop::collection::vec(any::<u8>(), 20),
        offset in 0..97_usize,
        width in 1..65_u32,
        value: u64,
    ) {
        let mut expected = flags(&bytes);
        for bit in 0..width as usize {
            expected[offset + width as usize - 1 - bit] = value >> bit & 1 == 1;
        }
        write(&mut bytes, offset, width, value);
        prop_assert_eq!(flags(&bytes), expected);
    }
}

#[test]
fn a_field_at_the_very_end_is_written() {
    let mut bytes = [0; 9];
    write(&mut bytes, 8, 64, u64::MAX);
    assert_eq!(bytes, [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    write(&mut bytes, 71, 1, 0);
    assert_eq!(bytes[8], 0xfe);
}
