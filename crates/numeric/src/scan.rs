//! The spelling of floating-point numbers as C's `strtod` and `strtold` read them, whole input only.
//!
//! Decides what is a number and takes it apart; rounding to a precision is its users' business. The locale is always
//! "C". Invariant: the digit slices of a [`Number`] hold only digits of its radix.

/// A number taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spelling<'a> {
    pub(crate) negative: bool,
    pub(crate) number: Number<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number<'a> {
    Infinity,
    /// `whole.fraction × 10^exponent`.
    Decimal {
        whole: &'a [u8],
        fraction: &'a [u8],
        exponent: i64,
    },
    /// `whole.fraction` in hexadecimal, `× 2^exponent`.
    Hex {
        whole: &'a [u8],
        fraction: &'a [u8],
        exponent: i64,
    },
}

/// Takes `text` apart if all of it is one number: an optional sign, then `inf`, `infinity`, a decimal or a hexadecimal
/// number. NaN, leading space and trailing bytes are refused, as every reader of floats in Redis refuses them.
pub(crate) fn scan(text: &[u8]) -> Option<Spelling<'_>> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let number = match rest {
        [b'0', b'x' | b'X', hex @ ..] => {
            let (whole, fraction, tail) = mantissa(hex, u8::is_ascii_hexdigit)?;
            Number::Hex { whole, fraction, exponent: exponent(tail, b'p')? }
        }
        [b'0'..=b'9' | b'.', ..] => {
            let (whole, fraction, tail) = mantissa(rest, u8::is_ascii_digit)?;
            Number::Decimal { whole, fraction, exponent: exponent(tail, b'e')? }
        }
        _ if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") => Number::Infinity,
        _ => return None,
    };
    Some(Spelling { negative, number })
}

/// Splits `digits[.digits]rest`; at least one digit must be there.
fn mantissa(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<(&[u8], &[u8], &[u8])> {
    let digits = |t: &[u8]| t.iter().position(|b| !is_digit(b)).unwrap_or(t.len());
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest {
        [b'.', after @ ..] => after.split_at(digits(after)),
        _ => (&rest[..0], rest),
    };
    (!whole.is_empty() || !fraction.is_empty()).then_some((whole, fraction, rest))
}

/// Reads what follows the mantissa: nothing, or the mark, an optional sign and digits. Saturates far outside any range.
fn exponent(tail: &[u8], mark: u8) -> Option<i64> {
    /// No float's range comes near it, and sums with digit counts cannot overflow.
    const FAR: i64 = 1 << 40;
    let digits = match tail {
        [] => return Some(0),
        [m, rest @ ..] if m.eq_ignore_ascii_case(&mark) => rest,
        _ => return None,
    };
    let (sign, digits) = match digits {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().fold(0i64, |value, d| (value * 10 + i64::from(d - b'0')).min(FAR));
    Some(sign * magnitude)
}

/// A hexadecimal mantissa as its leading bits, the power of two of the lowest of them, and whether a bit below is set.
pub(crate) fn hex_bits(whole: &[u8], fraction: &[u8], exponent: i64) -> (u128, i64, bool) {
    let mut bits = 0u128;
    let mut sticky = false;
    let mut scale = exponent.saturating_sub(4 * i64::try_from(fraction.len()).unwrap_or(i64::MAX / 8));
    for byte in whole.iter().chain(fraction) {
        let digit = u128::from(char::from(*byte).to_digit(16).unwrap_or(0));
        if bits >> 124 == 0 {
            bits = bits << 4 | digit;
        } else {
            sticky |= digit != 0;
            scale = scale.saturating_add(4);
        }
    }
    (bits, scale, sticky)
}

/// Rounds `bits × 2^scale` (and a little more if `sticky`) half to even to a mantissa of at most `precision` bits whose
/// lowest bit is not below `2^lowest`. Returns the mantissa and its scale; the mantissa is 0 only if all of it vanished.
pub(crate) fn round(bits: u128, scale: i64, sticky: bool, precision: u32, lowest: i64) -> (u64, i64) {
    debug_assert!(precision <= 64, "the mantissa fits 64 bits");
    if bits == 0 {
        // Only exactly zero comes here: a sticky bit lies below at least 121 significant ones.
        return (0, 0);
    }
    let excess = i64::from(128 - bits.leading_zeros()) - i64::from(precision);
    let shift = excess.max(lowest.saturating_sub(scale));
    if shift <= 0 {
        // Exact; the caller's scale stays in range because `bits` has at most `precision` bits.
        return (low_64(bits), scale);
    }
    let kept = if shift < 128 { bits >> shift } else { 0 };
    let round_up = match shift {
        1..=128 => {
            let half = 1u128 << (shift - 1);
            let below = bits & (half | (half - 1));
            below > half || below == half && (sticky || kept & 1 == 1)
        }
        _ => false,
    };
    let rounded = kept + u128::from(round_up);
    let scale = scale.saturating_add(shift);
    // Rounding up may carry into one bit more; the bit shifted out then is zero.
    if rounded >> precision == 1 { (low_64(rounded >> 1), scale.saturating_add(1)) } else { (low_64(rounded), scale) }
}

/// The value as 64 bits, which it fits.
pub(crate) fn low_64(bits: u128) -> u64 {
    u64::try_from(bits).expect("rounded to at most 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_are_scanned() {
        for refused in [
            "", "+", "-", ".", "-.", "e5", "1e", "1e+", "0x", "0x.", "0x1p", "0xg", " 1", "1 ", "1_0", "nan", "NaN",
            "nan(1)", "infin", "--1", "+-1", "1..", "1.2.3", "1e1.5", "1f",
        ] {
            assert_eq!(scan(refused.as_bytes()), None, "{refused}");
        }
        for accepted in ["1", "1.", ".5", "+.5e-3", "0x1", "0X.8P-3", "0x1.", "inf", "-INFINITY", "1E5", "00012"] {
            assert!(scan(accepted.as_bytes()).is_some(), "{accepted}");
        }
    }

    #[test]
    fn rounding_is_half_to_even() {
        assert_eq!(round(0b1011, 0, false, 3, -100), (0b110, 1));
        assert_eq!(round(0b1001, 0, false, 3, -100), (0b100, 1));
        assert_eq!(round(0b1001, 0, true, 3, -100), (0b101, 1));
        assert_eq!(round(0b1111, 0, false, 3, -100), (0b100, 2));
        assert_eq!(round(u128::MAX, 0, false, 64, -100), (1 << 63, 65));
        assert_eq!(round(1, -101, false, 64, -100), (0, -100));
        assert_eq!(round(3, -102, false, 64, -100), (1, -100));
        assert_eq!(round(1, -400, false, 64, -100), (0, -100));
    }
}
