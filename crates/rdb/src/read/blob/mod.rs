//! The compact forms of collections, as servers keep them in memory and write them as one string.
//!
//! Each walk validates everything: sizes and counts in the head, the links to the entry before, the end. Elements are handed
//! on as they are found; what turns out wrong behind them is reported then.

pub(crate) mod intset;
pub(crate) mod listpack;
pub(crate) mod ziplist;
pub(crate) mod zipmap;

#[cfg(test)]
mod tests;

use keyspace::Elem;

use crate::error::{Flaw, Found};

/// Takes one element and where it stands.
pub(crate) type Each<'f> = &'f mut dyn FnMut(usize, Elem<'_>) -> Result<(), Flaw>;

/// A place in a decoded string.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], Flaw> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else {
            return Err(Flaw::new(self.at, expected, Found::End));
        };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], Flaw> {
        Ok(self.take(N, expected)?.try_into().expect("as many bytes as were taken"))
    }

    pub(crate) fn byte(&mut self, expected: &'static str) -> Result<u8, Flaw> {
        Ok(self.array::<1>(expected)?[0])
    }

    pub(crate) fn u16(&mut self, expected: &'static str) -> Result<u16, Flaw> {
        Ok(u16::from_le_bytes(self.array(expected)?))
    }

    pub(crate) fn u32(&mut self, expected: &'static str) -> Result<usize, Flaw> {
        Ok(usize_of(u32::from_le_bytes(self.array(expected)?)))
    }

    /// The next byte, which stays.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Ends where the string ends.
    pub(crate) fn finish(self, expected: &'static str) -> Result<(), Flaw> {
        match self.peek() {
            None => Ok(()),
            Some(byte) => Err(Flaw::new(self.at, expected, byte)),
        }
    }
}

pub(crate) fn usize_of(number: u32) -> usize {
    usize::try_from(number).expect("at least 32 bits")
}

/// The integer of three bytes, the lowest first.
pub(crate) fn i24(bytes: [u8; 3]) -> i64 {
    let [a, b, c] = bytes;
    i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
}

/// A count in a head says how many elements there are, or, at its highest value, nothing.
pub(crate) fn check_count(at: usize, stated: u16, count: usize) -> Result<(), Flaw> {
    if stated != u16::MAX && usize::from(stated) != count {
        return Err(Flaw::new(at, "the number of elements", u64::from(stated)));
    }
    Ok(())
}
