//! Strings as arrays of bits: their rows.

mod bits;
mod combine;
mod field;
mod ranges;
mod single;

use crate::command::{Flags, Group, Keys, Row, row};
use crate::{CommandError, CommandLimits};

const READ: u32 = Flags::READONLY;
const WRITE: u32 = Flags::WRITE | Flags::DENYOOM;
const FAST: u32 = Flags::FAST;

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!(Bitmap "bitcount" -2 READ, Keys::FIRST, ranges::bitcount, "key range:[start end unit:[BYTE | BIT]]";
        "2.6.0" "O(N) by the length of the string" "Counts the bits that are set in a string."),
    row!(Bitmap "bitfield" -2 WRITE, Keys::FIRST, field::bitfield,
        "key operation:[GET get-block:(encoding offset) \
            | write:([OVERFLOW overflow-block:(WRAP | SAT | FAIL)] \
                write-operation:(SET set-block:(encoding offset value:integer) \
                    | INCRBY incrby-block:(encoding offset increment)))]...";
        "3.2.0" "O(1) for each operation" "Answers and changes integers of any width in a string."),
    row!(Bitmap "bitfield_ro" -2 READ | FAST, Keys::FIRST, field::bitfield_ro, "key [GET get-block:(encoding offset)]...";
        "6.0.0" "O(1) for each operation" "Answers integers of any width in a string."),
    row!(Bitmap "bitop" -4 WRITE, Keys::range(2, -1, 1), combine::bitop, "operation:(AND | OR | XOR | NOT) destkey key...";
        "2.6.0" "O(N) by the length of the strings" "Combines strings bit by bit and stores the result."),
    row!(Bitmap "bitpos" -3 READ, Keys::FIRST, ranges::bitpos,
        "key bit:integer range:[start end-unit-block:[end unit:[BYTE | BIT]]]";
        "2.8.7" "O(N) by the length of the string" "Finds the first bit that is set, or is not, in a string."),
    row!(Bitmap "getbit" 3 READ | FAST, Keys::FIRST, single::getbit, "key offset";
        "2.2.0" "O(1)" "Answers a bit of a string."),
    row!(Bitmap "setbit" 4 WRITE, Keys::FIRST, single::setbit, "key offset value:integer";
        "2.2.0" "O(1) amortized" "Sets or clears a bit of a string, which is made long enough."),
];

#[cfg(test)]
pub(crate) const FUZZ: &[&str] = &[
    "SETBIT {k} {n} {|0|1|1}",
    "SETBIT {k} 7{n} {|0|1}",
    "SETBIT {k} 82{n}{n} 1",
    "GETBIT {k} {i}",
    "BITCOUNT {k} {|0_-1|{i}_{i}_BIT|1_{n}_BYTE}",
    "BITPOS {k} {0|1} {|{i}|{i}_{i}|{i}_{n}_BIT}",
    "BITOP {AND|OR|XOR} {k} {k} {k}",
    "BITOP NOT {k} {k}",
    "BITOP OR {k} {k} {k} {k}",
    "BITFIELD {k} SET u8 {i} {i} GET i5 {n}",
    "BITFIELD {k} OVERFLOW {WRAP|SAT|FAIL} INCRBY {u3|i8|i64|u63} #{n} {i}",
    "BITFIELD {k} OVERFLOW {SAT|FAIL} SET i3 9{n} {i} INCRBY u2 {n} 3",
    "BITFIELD {k} GET u8 0",
    "BITFIELD_RO {k} GET i16 {n}",
];

/// The offset of a bit among the arguments. Source: getBitOffsetFromArgument of Redis.
fn bit_offset(arg: &[u8], limits: &CommandLimits) -> Result<usize, CommandError> {
    scaled_offset(arg, 1, limits)
}

/// An offset that counts in units of `scale` bits. The byte it lies in must be one that a string may have.
fn scaled_offset(number: &[u8], scale: u32, limits: &CommandLimits) -> Result<usize, CommandError> {
    let bit = numeric::parse_i64(number)
        .and_then(|offset| offset.checked_mul(scale.into()))
        .and_then(|bit| usize::try_from(bit).ok());
    bit.filter(|bit| bit / 8 < limits.max_string_bytes)
        .ok_or(CommandError::Text("ERR bit offset is not an integer or out of range"))
}

#[cfg(test)]
mod tests;
