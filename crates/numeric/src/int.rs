//! Integers: the strict parser that Redis uses for everything it stores, and decimal output on the stack.
//!
//! Strict means canonical: whatever parses prints back as the same bytes, so that a string may be stored as an integer
//! and a length in a request may be fed to the log as it stands.

/// A stack buffer in which an integer is printed. Allocates nothing.
#[derive(Clone, Copy)]
pub struct IntBuf(itoa::Buffer);

impl IntBuf {
    /// Makes an empty buffer; costs nothing.
    #[inline]
    pub fn new() -> Self {
        Self(itoa::Buffer::new())
    }

    /// Prints `value` in decimal, at most 20 bytes.
    #[inline]
    pub fn format(&mut self, value: i64) -> &[u8] {
        self.0.format(value).as_bytes()
    }

    /// Prints an unsigned `value` in decimal, at most 20 bytes.
    #[inline]
    pub fn format_u64(&mut self, value: u64) -> &[u8] {
        self.0.format(value).as_bytes()
    }
}

impl Default for IntBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for IntBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IntBuf")
    }
}

/// Reads a decimal integer as strictly as Redis does: no `+`, no leading zeros, no `-0`, no spaces, nothing after it.
///
/// Source: `string2ll` of Redis 7.2 (semantics).
///
/// ```
/// assert_eq!(numeric::parse_i64(b"-42"), Some(-42));
/// for refused in ["", "+1", "007", "-0", " 1", "1 ", "12abc", "9223372036854775808"] {
///     assert_eq!(numeric::parse_i64(refused.as_bytes()), None);
/// }
/// ```
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', b'1'..=b'9', ..] => 0i64.checked_sub_unsigned(parse_u64(&text[1..])?),
        _ => i64::try_from(parse_u64(text)?).ok(),
    }
}

/// Reads an unsigned decimal integer as strictly as [`parse_i64`]: no sign at all.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    /// Digits that cannot overflow 64 bits, whatever they are.
    const SAFE_DIGITS: usize = 19;
    match text {
        b"0" => return Some(0),
        [b'1'..=b'9', ..] if text.len() <= SAFE_DIGITS + 1 => {}
        _ => return None,
    }
    let (safe, last) = text.split_at(text.len().min(SAFE_DIGITS));
    let mut value = 0u64;
    for byte in safe {
        value = value * 10 + decimal(*byte)?;
    }
    for byte in last {
        value = value.checked_mul(10)?.checked_add(decimal(*byte)?)?;
    }
    Some(value)
}

#[inline]
fn decimal(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(u64::from(digit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_edges_of_64_bits_parse_and_one_beyond_does_not() {
        assert_eq!(parse_i64(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_i64(b"9223372036854775808"), None);
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_i64(b"-9223372036854775809"), None);
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"99999999999999999999"), None);
        assert_eq!(parse_u64(b"100000000000000000000"), None);
    }

    #[test]
    fn nothing_but_the_canonical_spelling_is_accepted() {
        let refused: &[&[u8]] =
            &[b"", b"-", b"+", b"+5", b"-0", b"00", b"01", b"-01", b" 1", b"1 ", b"1\0", b"1a", b"0x1", b"1.0", b"1e3"];
        for text in refused {
            assert_eq!(parse_i64(text), None, "{text:?}");
            assert_eq!(parse_u64(text), None, "{text:?}");
        }
        assert_eq!(parse_u64(b"-1"), None);
        assert_eq!(parse_i64(b"0"), Some(0));
    }

    proptest! {
        #[test]
        fn whatever_parses_prints_back_the_same(text in "-?[0-9]{0,21}") {
            if let Some(value) = parse_i64(text.as_bytes()) {
                prop_assert_eq!(IntBuf::new().format(value).to_vec(), text.as_bytes());
            }
            if let Some(value) = parse_u64(text.as_bytes()) {
                prop_assert_eq!(IntBuf::new().format_u64(value).to_vec(), text.as_bytes());
            }
        }

        #[test]
        fn every_integer_survives_the_round_trip(value: i64) {
            prop_assert_eq!(parse_i64(IntBuf::new().format(value)), Some(value));
        }

        #[test]
        fn the_parser_agrees_with_the_standard_one_on_canonical_text(text in "\\PC{0,24}") {
            let canonical = text.parse::<i64>().ok().filter(|v| v.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), canonical);
        }
    }
}
