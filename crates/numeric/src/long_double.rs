//! The arithmetic of INCRBYFLOAT: x87 long doubles (64-bit mantissa), without such hardware.
//!
//! Redis adds in `long double`, so 0.1 + 0.2 prints as 0.3; with `f64` it would print 0.30000000000000004, and a log
//! written by one could not be compared with the other. Each operand is rounded once when it is parsed, the sum is
//! exact and rounded once, half to even: what the hardware does.
//!
//! Invariant: a mantissa of 64 bits at most, `2^-16445` as the lowest bit, nothing at or above `2^16384`.

use dashu_int::UBig;
use dashu_int::ops::{BitTest as _, DivRem as _};

use crate::scan::{self, Number};

/// Bits of an x87 mantissa.
const PRECISION: u32 = 64;
/// The lowest bit a (subnormal) value can have, as a power of two.
const LOWEST: i64 = -16_445;
/// Every finite value is below this power of two.
const LIMIT: i64 = 16_384;
/// Longer texts are refused unread. Source: `MAX_LONG_DOUBLE_CHARS` of Redis 7.2, its terminator included.
const MAX_TEXT_BYTES: usize = 5 * 1024;
/// Digits after the point that Redis prints.
const FRACTION_DIGITS: usize = 17;
const FRACTION_UNIT: u128 = 10u128.pow(17);

/// A long double: any value but NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

/// `Finite` is `mantissa × 2^scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Magnitude {
    Finite { mantissa: u64, scale: i64 },
    Infinite,
}

/// Why an increment was refused. `Display` is Redis's own text, without the `ERR` code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IncrFloatError {
    /// The stored value is no number.
    #[error("value is not a valid float")]
    CurrentNotFloat,
    /// The increment is no number.
    #[error("value is not a valid float")]
    IncrementNotFloat,
    /// The sum, or an operand, is infinite, or the sum is not a number.
    #[error("increment would produce NaN or Infinity")]
    NanOrInfinity,
}

/// Adds two numbers given as text, as INCRBYFLOAT does, and prints the sum.
///
/// ```
/// assert_eq!(numeric::incr_by_float(b"0.1", b"0.2")?.as_bytes(), b"0.3");
/// assert_eq!(numeric::incr_by_float(b"3.0e3", b"200")?.as_bytes(), b"3200");
/// # Ok::<(), numeric::IncrFloatError>(())
/// ```
///
/// # Errors
/// If either text is no number, or the sum is not finite.
pub fn incr_by_float(current: &[u8], increment: &[u8]) -> Result<LongDoubleText, IncrFloatError> {
    let current = parse_long_double(current).ok_or(IncrFloatError::CurrentNotFloat)?;
    let increment = parse_long_double(increment).ok_or(IncrFloatError::IncrementNotFloat)?;
    Ok(current.checked_add(increment).ok_or(IncrFloatError::NanOrInfinity)?.to_text())
}

/// Reads a long double from the whole of `text`, as strictly as Redis: no leading space, no NaN, nothing that overflows
/// or vanishes, less than 5,120 bytes. Infinities are numbers here.
///
/// Source: `string2ld` of Redis 7.2 (semantics).
pub fn parse_long_double(text: &[u8]) -> Option<LongDouble> {
    if text.len() >= MAX_TEXT_BYTES {
        return None;
    }
    let spelling = scan::scan(text)?;
    let magnitude = match spelling.number {
        Number::Infinity => Magnitude::Infinite,
        Number::Decimal { whole, fraction, exponent } => decimal(whole, fraction, exponent)?,
        Number::Hex { whole, fraction, exponent } => {
            let (bits, scale, sticky) = scan::hex_bits(whole, fraction, exponent);
            nonzero(bits, scale, sticky)?
        }
    };
    Some(LongDouble { negative: spelling.negative, magnitude })
}

impl LongDouble {
    /// Whether it is a number one can add to.
    pub fn is_finite(self) -> bool {
        self.magnitude != Magnitude::Infinite
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.negative && self.magnitude != Magnitude::Finite { mantissa: 0, scale: 0 }
    }

    /// The sum, rounded once; `None` if it is not finite.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (a, b) = (self.normal()?, other.normal()?);
        let (high, low) = if a.is_above(&b) { (a, b) } else { (b, a) };
        if low.mantissa == 0 {
            return Some(if high.mantissa == 0 {
                ZERO
            } else if a.mantissa == 0 {
                other
            } else {
                self
            });
        }
        // `high` in the upper half of 128 bits, two bits of room; `low` below it, what falls off is sticky.
        let distance = u32::try_from(high.scale - low.scale).unwrap_or(u32::MAX);
        let (top, wide) = (u128::from(high.mantissa) << 62, u128::from(low.mantissa) << 62);
        let bottom = wide.checked_shr(distance).unwrap_or(0);
        let sticky = bottom.checked_shl(distance).unwrap_or(0) != wide;
        let (negative, bits) = if high.negative == low.negative {
            (high.negative, top + bottom)
        } else {
            // `is_above` made top at least as large, and nothing is sticky where they are close.
            (high.negative, top - bottom - u128::from(sticky))
        };
        if bits == 0 {
            return Some(ZERO);
        }
        let (mantissa, scale) = scan::round(bits, high.scale - 62, sticky, PRECISION, LOWEST);
        let magnitude = below_limit(mantissa, scale)?;
        Some(Self { negative, magnitude })
    }

    /// `factor` times the value in long double arithmetic, then rounded up to an integer: what a timeout in seconds is
    /// in milliseconds. `None` if it is outside 64 bits.
    pub fn scaled_ceil(self, factor: u32) -> Option<i64> {
        let Magnitude::Finite { mantissa, scale } = self.magnitude else { return None };
        let product = u128::from(mantissa) * u128::from(factor);
        let (mantissa, scale) = scan::round(product, scale, false, PRECISION, LOWEST);
        let magnitude = if let Ok(up) = u32::try_from(scale) {
            let up_fits = mantissa == 0 || up < mantissa.leading_zeros();
            i64::try_from(if up_fits { mantissa.checked_shl(up)? } else { return None }).ok()?
        } else {
            let down = u32::try_from(-scale).unwrap_or(u32::MAX);
            let whole = mantissa.checked_shr(down).unwrap_or(0);
            let exact = whole.checked_shl(down).unwrap_or(0) == mantissa;
            i64::try_from(whole).ok()?.checked_add(i64::from(!self.negative && !exact))?
        };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// Prints it as Redis stores it: 17 digits after the point, trailing zeros and a lone point removed, never `-0`.
    ///
    /// Source: `ld2string` of Redis 7.2 in its human mode.
    pub fn to_text(self) -> LongDoubleText {
        match self.magnitude {
            Magnitude::Infinite => LongDoubleText::from_parts(self.negative, b"inf", &[]),
            Magnitude::Finite { mantissa, scale } if scale < 0 => {
                fraction_text(self.negative, mantissa, scale.unsigned_abs())
            }
            Magnitude::Finite { mantissa, scale } if scale <= 64 => {
                let value = u128::from(mantissa) << scale;
                LongDoubleText::from_parts(self.negative, itoa::Buffer::new().format(value).as_bytes(), &[])
            }
            Magnitude::Finite { mantissa, scale } => {
                let value = UBig::from(mantissa) << usize::try_from(scale).expect("below the limit");
                LongDoubleText::from_parts(self.negative, value.to_string().as_bytes(), &[])
            }
        }
    }

    fn normal(self) -> Option<Normal> {
        match self.magnitude {
            Magnitude::Finite { mantissa: 0, .. } => Some(Normal { negative: false, mantissa: 0, scale: i64::MIN / 4 }),
            Magnitude::Finite { mantissa, scale } => {
                let room = mantissa.leading_zeros();
                Some(Normal { negative: self.negative, mantissa: mantissa << room, scale: scale - i64::from(room) })
            }
            Magnitude::Infinite => None,
        }
    }
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> Self {
        Self { negative: value < 0, magnitude: Magnitude::Finite { mantissa: value.unsigned_abs(), scale: 0 } }
    }
}

const ZERO: LongDouble = LongDouble { negative: false, magnitude: Magnitude::Finite { mantissa: 0, scale: 0 } };

/// A finite value with the top bit of its mantissa set, or zero at the bottom of all scales.
#[derive(Clone, Copy)]
struct Normal {
    negative: bool,
    mantissa: u64,
    scale: i64,
}

impl Normal {
    /// Whether its magnitude is at least the other's.
    fn is_above(&self, other: &Self) -> bool {
        (self.scale, self.mantissa) >= (other.scale, other.mantissa)
    }
}

fn fraction_text(negative: bool, mantissa: u64, down: u64) -> LongDoubleText {
    // Below 2^121, so one shift rounds it to units of 10^-17, half to even.
    let units = u128::from(mantissa) * FRACTION_UNIT;
    let (kept, _) = round_units(units, down);
    let (whole, mut rest) = (kept / FRACTION_UNIT, kept % FRACTION_UNIT);
    let mut digits = [b'0'; FRACTION_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).expect("one digit");
        rest /= 10;
    }
    let trailing = digits.iter().rev().take_while(|d| **d == b'0').count();
    LongDoubleText::from_parts(
        negative && kept != 0,
        itoa::Buffer::new().format(whole).as_bytes(),
        &digits[..FRACTION_DIGITS - trailing],
    )
}

/// `units / 2^down`, half to even, and whether it was exact.
fn round_units(units: u128, down: u64) -> (u128, bool) {
    let Some(kept) = u32::try_from(down).ok().and_then(|d| units.checked_shr(d)) else { return (0, units == 0) };
    let rest = units - (kept << down);
    let half = 1u128 << (down - 1);
    (kept + u128::from(rest > half || rest == half && kept & 1 == 1), rest == 0)
}

fn decimal(whole: &[u8], fraction: &[u8], exponent: i64) -> Option<Magnitude> {
    /// Largest count of digits before the point, and of zeros after it, that any finite value has.
    const MOST_WHOLE: i64 = 4_933;
    const MOST_ZEROS: i64 = 4_951;
    let digits = || whole.iter().chain(fraction).copied().skip_while(|d| *d == b'0');
    let count = digits().count();
    let scale10 = exponent - i64::try_from(fraction.len()).ok()?;
    let leading = scale10 + i64::try_from(count).ok()?;
    if count == 0 {
        return Some(Magnitude::Finite { mantissa: 0, scale: 0 });
    }
    if !(-MOST_ZEROS..=MOST_WHOLE).contains(&leading) {
        return None;
    }
    if let Some(small) = small_decimal(digits(), count, scale10) {
        return Some(small);
    }
    let text: String = digits().map(char::from).collect();
    let value = UBig::from_str_radix(&text, 10).ok()?;
    let power = UBig::from(10u8).pow(usize::try_from(scale10.unsigned_abs()).ok()?);
    if scale10 >= 0 {
        let (bits, scale, sticky) = top_bits(&(value * power));
        return nonzero(bits, scale, sticky);
    }
    // Enough bits in the quotient for one rounding: the remainder then is sticky.
    const QUOTIENT_BITS: usize = 100;
    let up = (power.bit_len() + QUOTIENT_BITS).saturating_sub(value.bit_len());
    let (quotient, rest) = (value << up).div_rem(power);
    let (bits, scale, sticky) = top_bits(&quotient);
    nonzero(bits, scale - i64::try_from(up).ok()?, sticky || !rest.is_zero())
}

/// Numbers of at most 19 digits near the point, which need no big integers and no allocation: nearly all.
fn small_decimal(digits: impl Iterator<Item = u8>, count: usize, scale10: i64) -> Option<Magnitude> {
    const MOST_DIGITS: usize = 19;
    const SMALLEST: i64 = -18;
    const LARGEST: i64 = 18;
    if count > MOST_DIGITS || !(SMALLEST..=LARGEST).contains(&scale10) {
        return None;
    }
    let value = digits.fold(0u64, |v, d| v * 10 + u64::from(d - b'0'));
    let power = 10u128.pow(u32::try_from(scale10.unsigned_abs()).ok()?);
    if scale10 >= 0 {
        return nonzero(u128::from(value) * power, 0, false);
    }
    // The numerator's top bit is bit 127 and the divisor is below 2^60: at least 67 bits of quotient.
    let room = value.leading_zeros();
    let numerator = u128::from(value << room) << 64;
    nonzero(numerator / power, -64 - i64::from(room), numerator % power != 0)
}

/// The highest 128 bits, the scale of the lowest of them, and whether a lower one is set.
fn top_bits(value: &UBig) -> (u128, i64, bool) {
    let down = value.bit_len().saturating_sub(128);
    let bits = u128::try_from(value >> down).expect("at most 128 bits are left");
    let sticky = value.trailing_zeros().is_some_and(|zeros| zeros < down);
    (bits, i64::try_from(down).expect("a bit count"), sticky)
}

/// Rounds; refuses what is too large, and what is not zero but rounds to it.
fn nonzero(bits: u128, scale: i64, sticky: bool) -> Option<Magnitude> {
    let (mantissa, scale) = scan::round(bits, scale, sticky, PRECISION, LOWEST);
    if mantissa == 0 && bits != 0 {
        return None;
    }
    below_limit(mantissa, scale)
}

fn below_limit(mantissa: u64, scale: i64) -> Option<Magnitude> {
    if mantissa == 0 {
        return Some(ZERO.magnitude);
    }
    let width = i64::from(u64::BITS - mantissa.leading_zeros());
    (scale.saturating_add(width) <= LIMIT).then_some(Magnitude::Finite { mantissa, scale })
}

/// A printed long double: on the stack up to 40 bytes, which holds every value below 2^128.
#[derive(Clone, Debug)]
pub struct LongDoubleText(Text);

#[derive(Clone, Debug)]
enum Text {
    Short { bytes: [u8; SHORT], len: usize },
    Long(Vec<u8>),
}

/// Sign, 20 digits, point and 17 digits; or sign and 39 digits.
const SHORT: usize = 40;

impl LongDoubleText {
    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Short { bytes, len } => &bytes[..*len],
            Text::Long(bytes) => bytes,
        }
    }

    fn from_parts(negative: bool, whole: &[u8], fraction: &[u8]) -> Self {
        let zero = whole == b"0" && fraction.is_empty();
        let sign: &[u8] = if negative && !zero { b"-" } else { b"" };
        let point: &[u8] = if fraction.is_empty() { b"" } else { b"." };
        let parts = [sign, whole, point, fraction];
        let total: usize = parts.iter().map(|p| p.len()).sum();
        if total > SHORT {
            return Self(Text::Long(parts.concat()));
        }
        let mut bytes = [0; SHORT];
        let mut len = 0;
        for part in parts {
            bytes[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        Self(Text::Short { bytes, len })
    }
}

impl AsRef<[u8]> for LongDoubleText {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use dashu_int::IBig;
    use proptest::prelude::*;

    use super::*;

    fn sum(current: &str, increment: &str) -> String {
        match incr_by_float(current.as_bytes(), increment.as_bytes()) {
            Ok(text) => String::from_utf8(text.as_bytes().to_vec()).unwrap(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn documented_sums_print_as_documented() {
        assert_eq!(sum("0.1", "0.2"), "0.3");
        assert_eq!(sum("3.0e3", "200"), "3200");
        assert_eq!(sum("5.0e3", "0"), "5000");
        assert_eq!(sum("10.50", "0.1"), "10.6");
        assert_eq!(sum("0", "1e-5"), "0.00001");
        assert_eq!(sum("1", "-1"), "0");
        assert_eq!(sum("0", "-1e-18"), "0");
    }

    #[test]
    fn errors_say_which_operand_was_no_number() {
        assert_eq!(incr_by_float(b"a", b"b").unwrap_err(), IncrFloatError::CurrentNotFloat);
        assert_eq!(incr_by_float(b"1", b"b").unwrap_err(), IncrFloatError::IncrementNotFloat);
        assert_eq!(incr_by_float(b"inf", b"1").unwrap_err(), IncrFloatError::NanOrInfinity);
        assert_eq!(incr_by_float(b"inf", b"-inf").unwrap_err(), IncrFloatError::NanOrInfinity);
        assert_eq!(incr_by_float(b"1e4932", b"1e4932").unwrap_err(), IncrFloatError::NanOrInfinity);
    }

    #[test]
    fn the_length_of_a_text_is_limited_as_in_redis() {
        assert!(parse_long_double(&vec![b'1'; MAX_TEXT_BYTES - 1]).is_none(), "overflows");
        let mut zeros = vec![b'0'; MAX_TEXT_BYTES - 1];
        assert!(parse_long_double(&zeros).is_some());
        zeros.push(b'0');
        assert!(parse_long_double(&zeros).is_none());
    }

    #[test]
    fn timeouts_are_scaled_in_long_double_and_rounded_up() {
        let scaled = |text: &str| parse_long_double(text.as_bytes()).unwrap().scaled_ceil(1000);
        assert_eq!(scaled("0"), Some(0));
        assert_eq!(scaled("0.1"), Some(100));
        assert_eq!(scaled("0.0001"), Some(1));
        assert_eq!(scaled("1.5"), Some(1500));
        assert_eq!(scaled("-0.0001"), Some(0));
        assert_eq!(scaled("-1"), Some(-1000));
        assert_eq!(scaled("9223372036854775"), Some(9_223_372_036_854_775_000));
        assert_eq!(scaled("9223372036854776"), None);
        assert_eq!(scaled("1e300"), None);
        assert_eq!(scaled("1e-4000"), Some(1));
        assert_eq!(scaled("inf"), None);
    }

    #[test]
    fn infinities_and_signs_are_told() {
        let parsed = |text: &str| parse_long_double(text.as_bytes()).unwrap();
        assert!(!parsed("-inf").is_finite() && parsed("-inf").is_negative());
        assert_eq!(parsed("-inf").to_text().as_bytes(), b"-inf");
        assert!(!parsed("-0").is_negative() && parsed("-1e-9").is_negative());
        assert_eq!(LongDouble::from(i64::MIN).to_text().as_bytes(), b"-9223372036854775808");
    }

    /// The sum by exact integers: so simple that it cannot be wrong.
    fn naive_sum(a: LongDouble, b: LongDouble) -> Option<LongDouble> {
        let parts = |v: LongDouble| match v.magnitude {
            Magnitude::Finite { mantissa, scale } => {
                Some((if v.negative { -IBig::from(mantissa) } else { mantissa.into() }, scale))
            }
            Magnitude::Infinite => None,
        };
        let ((a, a_scale), (b, b_scale)) = (parts(a)?, parts(b)?);
        let scale = a_scale.min(b_scale);
        let exact = (a << usize::try_from(a_scale - scale).unwrap()) + (b << usize::try_from(b_scale - scale).unwrap());
        let negative = exact < IBig::ZERO;
        let (bits, up, sticky) = top_bits(&UBig::try_from(if negative { -exact } else { exact }).unwrap());
        let (mantissa, scale) = scan::round(bits, scale + up, sticky, PRECISION, LOWEST);
        Some(LongDouble { negative, magnitude: below_limit(mantissa, scale)? })
    }

    fn same_value(a: Option<LongDouble>, b: Option<LongDouble>) -> bool {
        let key = |v: LongDouble| v.normal().map(|n| (n.negative, n.mantissa, n.scale));
        a.map(key) == b.map(key)
    }

    fn any_finite() -> impl Strategy<Value = LongDouble> {
        let scale = prop_oneof![-70i64..70, LOWEST..LIMIT - 63, Just(LOWEST), Just(LIMIT - 64)];
        let mantissa =
            prop_oneof![any::<u64>(), (0u32..64).prop_map(|s| u64::MAX << s), (0u32..64).prop_map(|s| 1 << s)];
        (any::<bool>(), mantissa, scale).prop_map(|(negative, mantissa, scale)| LongDouble {
            negative,
            magnitude: if mantissa == 0 { ZERO.magnitude } else { Magnitude::Finite { mantissa, scale } },
        })
    }

    proptest! {
        #[test]
        fn sums_equal_exact_sums_rounded_once(a in any_finite(), b in any_finite()) {
            prop_assert!(same_value(a.checked_add(b), naive_sum(a, b)), "{a:?} + {b:?}");
        }

        #[test]
        fn sums_of_close_numbers_equal_exact_sums_rounded_once(a in any_finite(), mantissa: u64, shift in -3i64..3) {
            let Magnitude::Finite { scale, .. } = a.magnitude else { unreachable!("finite") };
            let scale = (scale + shift).clamp(LOWEST, LIMIT - 64);
            let b = LongDouble { negative: !a.negative, magnitude: Magnitude::Finite { mantissa, scale } };
            prop_assert!(same_value(a.checked_add(b), naive_sum(a, b)), "{a:?} + {b:?}");
        }

        /// The lower number lies around half a unit of the upper one's last bit: where rounding is decided.
        #[test]
        fn sums_near_a_tie_equal_exact_sums_rounded_once(
            upper in any::<u64>(),
            extra in 0u64..9,
            distance in 58i64..68,
            signs in any::<(bool, bool)>(),
        ) {
            let number = |negative, mantissa, scale| LongDouble { negative, magnitude: Magnitude::Finite { mantissa, scale } };
            let a = number(signs.0, upper | 1 << 63, 0);
            let b = number(signs.1, 1 << 63 | extra, -distance);
            prop_assert!(same_value(a.checked_add(b), naive_sum(a, b)), "{a:?} + {b:?}");
        }

        #[test]
        fn the_short_way_of_parsing_equals_the_long_one(value: u64, point in 0usize..19, exponent in -30i64..30) {
            let digits = format!("{value:019}");
            let (whole, fraction) = digits.split_at(point.min(digits.len()));
            let short = parse_long_double(format!("{whole}.{fraction}e{exponent}").as_bytes());
            // Thirty zeros more make it too long for the short way and change nothing.
            let long = parse_long_double(format!("{whole}.{fraction}{}e{exponent}", "0".repeat(30)).as_bytes());
            prop_assert!(same_value(short, long));
        }

        #[test]
        fn any_text_is_read_and_printed_without_a_panic(text in "[-+0-9.eExXpPa-f]{0,40}") {
            if let Some(value) = parse_long_double(text.as_bytes()) {
                let _ = value.to_text();
                let _ = value.scaled_ceil(1000);
            }
        }
    }
}
