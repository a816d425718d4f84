//! A sorted array of integers, each as wide as the widest needs: what Redis calls an intset.
//!
//! Little-endian in one allocation, so that the set is 24 bytes and its room is exactly what the allocator gives.

use crate::types::capacity::{resize, rounded};
use crate::types::elem::Elem;

/// Distinct integers in ascending order.
#[derive(Debug, Default)]
pub(crate) struct IntSet {
    /// The integers, and room behind them.
    buf: Box<[u8]>,
    count: u32,
    width: Width,
}

/// How many bytes one integer takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    #[default]
    Two,
    Four,
    Eight,
}

impl Width {
    fn of(value: i64) -> Self {
        if i16::try_from(value).is_ok() {
            Self::Two
        } else if i32::try_from(value).is_ok() {
            Self::Four
        } else {
            Self::Eight
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

impl IntSet {
    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    pub(crate) fn get(&self, at: usize) -> Option<i64> {
        (at < self.len()).then(|| self.read(at))
    }

    fn read(&self, at: usize) -> i64 {
        let width = self.width.bytes();
        let bytes = &self.buf[at * width..(at + 1) * width];
        let array = "a slice of the integer's width";
        match self.width {
            Width::Two => i16::from_le_bytes(bytes.try_into().expect(array)).into(),
            Width::Four => i32::from_le_bytes(bytes.try_into().expect(array)).into(),
            Width::Eight => i64::from_le_bytes(bytes.try_into().expect(array)),
        }
    }

    fn write(&mut self, at: usize, value: i64) {
        let width = self.width.bytes();
        // The low bytes are the integer in fewer bytes.
        self.buf[at * width..(at + 1) * width].copy_from_slice(&value.to_le_bytes()[..width]);
    }

    fn search(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.read(middle).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    pub(crate) fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// Adds a value; false if it was there.
    pub(crate) fn insert(&mut self, value: i64) -> bool {
        let Err(at) = self.search(value) else { return false };
        if Width::of(value) > self.width {
            self.widen(Width::of(value));
        }
        let (width, len) = (self.width.bytes(), self.len());
        let needed = (len + 1) * width;
        if needed > self.buf.len() {
            resize(&mut self.buf, rounded(needed));
        }
        self.buf.copy_within(at * width..len * width, (at + 1) * width);
        self.write(at, value);
        self.count += 1;
        true
    }

    fn widen(&mut self, width: Width) {
        let values: Vec<i64> = (0..self.len()).map(|at| self.read(at)).collect();
        self.width = width;
        resize(&mut self.buf, rounded((values.len() + 1) * width.bytes()));
        values.into_iter().enumerate().for_each(|(at, value)| self.write(at, value));
    }

    /// Removes a value; false if it was not there.
    pub(crate) fn remove(&mut self, value: i64) -> bool {
        let Ok(at) = self.search(value) else { return false };
        let (width, len) = (self.width.bytes(), self.len());
        self.buf.copy_within((at + 1) * width..len * width, at * width);
        self.count -= 1;
        let used = self.len() * width;
        if used < self.buf.len() / 2 {
            resize(&mut self.buf, rounded(used));
        }
        true
    }

    /// Length of the longest value as decimal text.
    pub(crate) fn longest_text(&self) -> usize {
        let ends = [self.get(0), self.get(self.len().wrapping_sub(1))];
        ends.into_iter().flatten().map(|value| Elem::Int(value).len()).max().unwrap_or(0)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.buf.len()
    }
}

impl Clone for IntSet {
    /// Copies the integers without the room behind them.
    fn clone(&self) -> Self {
        let mut copy = Self { width: self.width, ..Self::default() };
        let used = self.len() * self.width.bytes();
        resize(&mut copy.buf, rounded(used));
        copy.buf[..used].copy_from_slice(&self.buf[..used]);
        copy.count = self.count;
        copy
    }
}
