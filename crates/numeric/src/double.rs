//! Doubles: parsed as Redis parses scores, printed as Redis 7.2 prints them.
//!
//! The digits are the shortest that read back as the same value; the layout (when an exponent appears, and how) is that
//! of Redis 7.2 and is written here, because clients and logs compare texts. Redis 7.0 and older print `%.17g` instead.

use std::io::Write as _;

use crate::int::IntBuf;
use crate::scan::{self, Number};

/// Sign, 17 digits, up to 7 zeros or a point and `e-308`: nothing is longer than 26 bytes.
const MAX_LEN: usize = 32;

/// A stack buffer in which a double is printed. Allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct DoubleBuf {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl DoubleBuf {
    /// Makes an empty buffer.
    #[inline]
    pub fn new() -> Self {
        Self { bytes: [0; MAX_LEN], len: 0 }
    }

    /// Prints `value` as Redis 7.2 prints a score: integers below 2^62 without point or exponent, `inf`, `-inf`, `nan`,
    /// `-0`, otherwise the shortest digits, with an exponent (`1e+20`) where Redis writes one.
    ///
    /// Source: `d2string` and `fpconv_dtoa` of Redis 7.2 (layout).
    ///
    /// ```
    /// let mut buf = numeric::DoubleBuf::new();
    /// assert_eq!(buf.format(3.0), b"3");
    /// assert_eq!(buf.format(0.1), b"0.1");
    /// assert_eq!(buf.format(1e20), b"1e+20");
    /// assert_eq!(buf.format(f64::NEG_INFINITY), b"-inf");
    /// ```
    pub fn format(&mut self, value: f64) -> &[u8] {
        self.len = 0;
        if value.is_nan() {
            self.put(b"nan");
        } else if value.is_infinite() {
            self.put(if value < 0.0 { b"-inf" } else { b"inf" });
        } else if value == 0.0 {
            self.put(if value.is_sign_negative() { b"-0" } else { b"0" });
        } else if let Some(integer) = as_integer(value) {
            self.put(IntBuf::new().format(integer));
        } else {
            self.shortest(value);
        }
        &self.bytes[..self.len]
    }

    /// Prints `value` with the shortest digits and Redis 7.2's layout for them alone: a large integer gets an exponent
    /// (`1e+8`) where [`DoubleBuf::format`] writes it out.
    ///
    /// Source: `fpconv_dtoa` of Redis 7.2, which `DEBUG DIGEST` uses directly.
    pub fn format_shortest(&mut self, value: f64) -> &[u8] {
        if value.is_nan() || value.is_infinite() || value == 0.0 {
            return self.format(value);
        }
        self.len = 0;
        self.shortest(value);
        &self.bytes[..self.len]
    }

    /// Prints `value` as C's `%.17g`: 17 significant digits, zeros at the end left out, an exponent where C writes one.
    ///
    /// Source: `ld2string` of Redis 7.2, with which ZSCAN prints the scores of a large sorted set.
    ///
    /// ```
    /// let mut buf = numeric::DoubleBuf::new();
    /// assert_eq!(buf.format_17_digits(0.1), b"0.10000000000000001");
    /// assert_eq!(buf.format_17_digits(1e20), b"1e+20");
    /// assert_eq!(buf.format_17_digits(0.000012), b"1.2e-05");
    /// ```
    pub fn format_17_digits(&mut self, value: f64) -> &[u8] {
        const DIGITS: i32 = 17;
        if value.is_nan() || value.is_infinite() || value == 0.0 {
            return self.format(value);
        }
        // `d.dddddddddddddddde-308`: correctly rounded, as C does it.
        let mut text = [0; MAX_LEN];
        let mut rest = &mut text[..];
        write!(rest, "{:.16e}", value.abs()).expect("23 bytes at most");
        let left = rest.len();
        let text = &text[..MAX_LEN - left];
        let (mantissa, exponent) = text.split_at(text.iter().position(|b| *b == b'e').unwrap_or(text.len()));
        let exponent = signed(&exponent[1..]);
        let mut digits = [b'0'; DIGITS as usize];
        mantissa.iter().filter(|b| **b != b'.').zip(&mut digits).for_each(|(from, to)| *to = *from);
        let count = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
        self.len = 0;
        if value < 0.0 {
            self.put(b"-");
        }
        if (-4..DIGITS).contains(&exponent) {
            self.fixed(&digits[..count], exponent);
        } else {
            self.scientific(&digits[..count], exponent, 2);
        }
        &self.bytes[..self.len]
    }

    /// Digits without an exponent; the first stands for 10^`exponent`.
    fn fixed(&mut self, digits: &[u8], exponent: i32) {
        match usize::try_from(exponent + 1) {
            Ok(whole) if whole >= digits.len() => {
                self.put(digits);
                self.zeros(exponent + 1 - i32_of(digits.len()));
            }
            Ok(whole) if whole > 0 => {
                self.put(&digits[..whole]);
                self.put(b".");
                self.put(&digits[whole..]);
            }
            _ => {
                self.put(b"0.");
                self.zeros(-1 - exponent);
                self.put(digits);
            }
        }
    }

    /// Digits with an exponent of at least so many digits.
    fn scientific(&mut self, digits: &[u8], exponent: i32, least: i32) {
        self.put(&digits[..1]);
        if digits.len() > 1 {
            self.put(b".");
            self.put(&digits[1..]);
        }
        self.put(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            self.zeros(least - 1);
        }
        self.put(IntBuf::new().format(i64::from(exponent.abs())));
    }

    fn shortest(&mut self, value: f64) {
        let digits = Digits::of(value.abs());
        let negative = value < 0.0;
        if negative {
            self.put(b"-");
        }
        let count = digits.len;
        let significant = &digits.bytes[..count];
        let scale = digits.scale;
        // The decimal exponent of the first digit.
        let exponent = scale + i32_of(count) - 1;
        let whole = scale >= 0 && exponent < i32_of(count) + 7;
        if whole || scale < 0 && (scale > -7 || exponent.abs() < 4) {
            self.fixed(significant, exponent);
        } else {
            self.scientific(significant, exponent, 1);
        }
    }

    fn zeros(&mut self, count: i32) {
        for _ in 0..count {
            self.put(b"0");
        }
    }

    fn put(&mut self, text: &[u8]) {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }
}

impl Default for DoubleBuf {
    fn default() -> Self {
        Self::new()
    }
}

/// The value as an integer, if it is one whose neighbours are integers' doubles too: |value| at most 2^62.
#[expect(clippy::cast_possible_truncation, reason = "compared after the cast")]
fn as_integer(value: f64) -> Option<i64> {
    const SAFE: f64 = (1u64 << 62) as f64;
    if value.abs() > SAFE {
        return None;
    }
    let integer = value as i64;
    (integer as f64 == value).then_some(integer)
}

/// The shortest digits of a positive finite double: `bytes[..len] × 10^scale`, no zero at either end.
struct Digits {
    bytes: [u8; 24],
    len: usize,
    scale: i32,
}

impl Digits {
    fn of(value: f64) -> Self {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value).as_bytes();
        let mut digits = Self { bytes: [0; 24], len: 0, scale: 0 };
        let mut after_point = false;
        for (i, &byte) in text.iter().enumerate() {
            match byte {
                b'.' => after_point = true,
                b'e' | b'E' => {
                    digits.scale += signed(&text[i + 1..]);
                    break;
                }
                digit => {
                    digits.scale -= i32::from(after_point);
                    if digit != b'0' || digits.len > 0 {
                        digits.bytes[digits.len] = digit;
                        digits.len += 1;
                    }
                }
            }
        }
        while digits.len > 1 && digits.bytes[digits.len - 1] == b'0' {
            digits.len -= 1;
            digits.scale += 1;
        }
        digits
    }
}

/// Reads the exponent that the digit generator wrote: at most three digits, perhaps a sign.
fn signed(text: &[u8]) -> i32 {
    let magnitude = text.iter().filter(|b| b.is_ascii_digit()).fold(0, |v, b| v * 10 + i32::from(b - b'0'));
    if text.first() == Some(&b'-') { -magnitude } else { magnitude }
}

fn i32_of(count: usize) -> i32 {
    i32::try_from(count).expect("at most 17 digits")
}

/// Reads a double as Redis reads scores and float arguments: all of the input, in any of C's spellings (`1e3`, `.5`,
/// `0x1p4`, `inf`); no leading space, no NaN, and nothing that overflows or vanishes to zero.
///
/// Source: `string2d` and `getDoubleFromObject` of Redis 7.2 (semantics).
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (value, number) = nearest(text)?;
    let fits = match number {
        Number::Infinity => true,
        Number::Decimal { whole, fraction, .. } | Number::Hex { whole, fraction, .. } => {
            value.is_finite() && (value != 0.0 || whole.iter().chain(fraction).all(|digit| *digit == b'0'))
        }
    };
    fits.then_some(value)
}

/// Reads a double as [`parse_f64`] does, but what overflows is infinite and what vanishes is zero.
///
/// Source: `zslParseRange` of Redis 7.2, which reads the ends of a range of scores with strtod alone (semantics).
///
/// ```
/// assert_eq!(numeric::parse_f64_saturating(b"1e999"), Some(f64::INFINITY));
/// assert_eq!(numeric::parse_f64_saturating(b"one"), None);
/// ```
pub fn parse_f64_saturating(text: &[u8]) -> Option<f64> {
    nearest(text).map(|(value, _)| value)
}

/// The double nearest to the number that `text` spells, and how it is spelled.
fn nearest(text: &[u8]) -> Option<(f64, Number<'_>)> {
    let spelling = scan::scan(text)?;
    let magnitude = match spelling.number {
        Number::Infinity => f64::INFINITY,
        // What `scan` accepts is a subset of what Rust's correctly rounding parser accepts.
        Number::Decimal { .. } => std::str::from_utf8(text).ok()?.parse::<f64>().ok()?.abs(),
        Number::Hex { whole, fraction, exponent } => hex(whole, fraction, exponent),
    };
    Some((if spelling.negative { -magnitude } else { magnitude }, spelling.number))
}

fn hex(whole: &[u8], fraction: &[u8], exponent: i64) -> f64 {
    const MANTISSA_BITS: u32 = 53;
    const LOWEST: i64 = -1074;
    let (bits, scale, sticky) = scan::hex_bits(whole, fraction, exponent);
    if bits == 0 {
        return 0.0;
    }
    let (mantissa, scale) = scan::round(bits, scale, sticky, MANTISSA_BITS, LOWEST);
    let width = i64::from(u64::BITS - mantissa.leading_zeros());
    if mantissa == 0 {
        return 0.0;
    }
    if scale + width > 1024 {
        return f64::INFINITY;
    }
    // Normalized to 53 bits (fewer only at the very bottom), so that the biased exponent is 1..=2046, or 0 below.
    let room = (i64::from(MANTISSA_BITS) - width).min(scale - LOWEST);
    let mantissa = mantissa << room;
    let scale = scale - room;
    let biased = if mantissa >> 52 == 0 { 0 } else { u64::try_from(scale - LOWEST + 1).expect("not below the lowest") };
    f64::from_bits(biased << 52 | mantissa & ((1 << 52) - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(value: f64) -> String {
        String::from_utf8(DoubleBuf::new().format(value).to_vec()).unwrap()
    }

    #[test]
    fn special_values_have_redis_names() {
        assert_eq!(printed(f64::NAN), "nan");
        assert_eq!(printed(f64::INFINITY), "inf");
        assert_eq!(printed(f64::NEG_INFINITY), "-inf");
        assert_eq!(printed(0.0), "0");
        assert_eq!(printed(-0.0), "-0");
    }

    #[test]
    fn the_longest_layouts_fit_the_buffer() {
        for value in [-1.234_567_890_123_456_7e-4, -5e-324, f64::MIN, -4.611_686_018_427_389e18, -9.87e22] {
            assert!(printed(value).len() <= MAX_LEN);
        }
    }

    #[test]
    fn seventeen_digits_are_those_of_c() {
        let printed = |value| String::from_utf8(DoubleBuf::new().format_17_digits(value).to_vec()).unwrap();
        for (value, text) in [
            (3.0, "3"),
            (-0.970_335_792_928_704_8, "-0.97033579292870475"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123_456_789.125, "123456789.125"),
            (0.000_1, "0.0001"),
            (0.000_01, "1.0000000000000001e-05"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-inf"),
            (-0.0, "-0"),
        ] {
            assert_eq!(printed(value), text);
        }
    }

    #[test]
    fn what_overflows_or_vanishes_is_refused_and_subnormals_are_not() {
        assert_eq!(parse_f64(b"1e309"), None);
        assert_eq!(parse_f64(b"-0x1p1024"), None);
        assert_eq!(parse_f64(b"1e-400"), None);
        assert_eq!(parse_f64(b"0x1p-1080"), None);
        assert_eq!(parse_f64(b"5e-324"), Some(5e-324));
        assert_eq!(parse_f64(b"0x1p-1074"), Some(5e-324));
        assert_eq!(parse_f64(b"0e99999999999999999999"), Some(0.0));
    }

    #[test]
    fn saturating_takes_what_overflows_or_vanishes() {
        assert_eq!(parse_f64_saturating(b"1e309"), Some(f64::INFINITY));
        assert_eq!(parse_f64_saturating(b"-0x1p1024"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_f64_saturating(b"1e-400"), Some(0.0));
        assert_eq!(parse_f64_saturating(b"0x1p-1080"), Some(0.0));
        assert_eq!(parse_f64_saturating(b"1.5"), Some(1.5));
        assert_eq!(parse_f64_saturating(b"nan"), None);
    }

    #[test]
    fn hexadecimal_is_rounded_half_to_even() {
        assert_eq!(parse_f64(b"0x1.00000000000008p0"), Some(1.0));
        assert_eq!(parse_f64(b"0x1.000000000000080000000000000000000001p0"), Some(1.0 + f64::EPSILON));
        assert_eq!(parse_f64(b"0x1.00000000000018p0"), Some(1.0 + 2.0 * f64::EPSILON));
        assert_eq!(parse_f64(b"-0xA.8p+1"), Some(-21.0));
    }

    proptest! {
        #[test]
        fn every_double_survives_the_round_trip(bits: u64) {
            let value = f64::from_bits(bits);
            let read = parse_f64(printed(value).as_bytes());
            if value.is_nan() {
                prop_assert_eq!(read, None);
            } else {
                prop_assert_eq!(read.map(f64::to_bits), Some(bits));
            }
        }

        #[test]
        fn exact_hexadecimal_spellings_are_read_exactly(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite() && value != 0.0);
            let exponent = (bits >> 52 & 0x7ff).max(1);
            let hidden = u64::from(bits >> 52 & 0x7ff != 0) << 52;
            let mantissa = bits & ((1 << 52) - 1) | hidden;
            let sign = if value < 0.0 { "-" } else { "" };
            let text = format!("{sign}0x{mantissa:x}p{}", exponent as i64 - 1075);
            prop_assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), Some(bits), "{}", text);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "[-+0-9.eExXpPa-finty]{0,30}") {
            let _ = parse_f64(text.as_bytes());
        }
    }
}
