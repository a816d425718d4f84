//! Compression into memory that was reserved before.
//!
//! A hash table remembers where three bytes were last seen. Its places count from the first byte of the first string that
//! was ever compressed, so that what it remembers of earlier strings is recognised without clearing it: the tokens of a
//! string depend on the string alone, and a string too large for any buffer can be compressed twice, once to be measured.

use super::{MAX_DISTANCE, MAX_LITERAL, MAX_REPEAT};

/// Entries of the hash table: 32 kB, which a processor's first cache holds.
const TABLE_BITS: u32 = 13;

/// The least that is worth a repetition.
const MIN_REPEAT: usize = 3;

/// The memory of a compressor.
#[derive(Debug)]
pub(crate) struct Compressor {
    /// Places of three bytes by their hash, `base` added; below `base` they belong to an earlier string.
    table: Box<[u32]>,
    base: u32,
}

impl Compressor {
    /// Takes the memory.
    pub(crate) fn reserve() -> Self {
        Self { table: vec![0; 1 << TABLE_BITS].into_boxed_slice(), base: 1 }
    }

    /// The tokens of `input`, which is shorter than 4 GiB. Allocates nothing.
    pub(crate) fn tokens<'a>(&'a mut self, input: &'a [u8]) -> Tokens<'a> {
        let len = u32::try_from(input.len()).expect("no element is as large");
        let base = self.base;
        let base = match base.checked_add(len) {
            Some(next) => {
                self.base = next;
                base
            }
            None => {
                self.table.fill(0);
                self.base = len.saturating_add(1);
                1
            }
        };
        Tokens { table: &mut self.table, base, input, at: 0, pending: 0, found: None }
    }
}

/// A piece of compressed output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// At most 32 bytes as they are.
    Literal(&'a [u8]),
    /// `len` bytes from `distance` bytes before.
    Repeat { len: usize, distance: usize },
}

impl Token<'_> {
    /// Bytes that the token stands for.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Literal(bytes) => bytes.len(),
            Self::Repeat { len, .. } => *len,
        }
    }

    /// Bytes that the token takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Literal(bytes) => 1 + bytes.len(),
            Self::Repeat { len, .. } if *len < 9 => 2,
            Self::Repeat { .. } => 3,
        }
    }

    /// The token's own bytes, in front of the literal ones; and how many these are.
    #[expect(clippy::cast_possible_truncation, reason = "lengths and distances are within the bounds of the format")]
    pub(crate) fn head(&self) -> ([u8; 3], usize) {
        match *self {
            Self::Literal(bytes) => ([bytes.len() as u8 - 1, 0, 0], 1),
            Self::Repeat { len, distance } => {
                let [low, high] = (distance as u16 - 1).to_le_bytes();
                match len - 2 {
                    short @ ..7 => ([(short as u8) << 5 | high, low, 0], 2),
                    long => ([7 << 5 | high, (long - 7) as u8, low], 3),
                }
            }
        }
    }
}

/// The tokens of one string.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    table: &'a mut [u32],
    base: u32,
    input: &'a [u8],
    at: usize,
    /// Bytes before `at` that no token stands for yet.
    pending: usize,
    /// The place that `at` repeats, found before the bytes in front of it were a token.
    found: Option<usize>,
}

impl<'a> Tokens<'a> {
    /// The place before `at` where the same three bytes stand, if it is known and near enough; `at` is known from now on.
    fn seen(&mut self) -> Option<usize> {
        let three = self.input.get(self.at..self.at + MIN_REPEAT)?;
        let word = u32::from_le_bytes([three[0], three[1], three[2], 0]);
        let slot = (word.wrapping_mul(0x9e37_79b1) >> (32 - TABLE_BITS)) as usize;
        let here = u32::try_from(self.at).expect("the whole input is shorter") + self.base;
        let before = std::mem::replace(&mut self.table[slot], here).checked_sub(self.base)? as usize;
        (self.at - before <= MAX_DISTANCE && self.input[before..before + MIN_REPEAT] == *three).then_some(before)
    }

    /// The bytes in front of `at` that no token stands for, as many as one token takes.
    fn literal(&mut self) -> Token<'a> {
        let start = self.at - self.pending;
        let len = self.pending.min(MAX_LITERAL);
        self.pending -= len;
        Token::Literal(&self.input[start..start + len])
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.pending >= MAX_LITERAL || self.at == self.input.len() && self.pending > 0 {
                return Some(self.literal());
            }
            if self.at == self.input.len() {
                return None;
            }
            let Some(before) = self.found.take().or_else(|| self.seen()) else {
                self.at += 1;
                self.pending += 1;
                continue;
            };
            if self.pending > 0 {
                self.found = Some(before);
                return Some(self.literal());
            }
            let distance = self.at - before;
            let len = common(&self.input[before..], &self.input[self.at..]);
            self.at += len;
            return Some(Token::Repeat { len, distance });
        }
    }
}

/// How many bytes two texts begin with in common, as far as one repetition goes.
fn common(before: &[u8], here: &[u8]) -> usize {
    before.iter().zip(here).take(MAX_REPEAT).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decompress::decompress;
    use super::*;

    fn compressed(compressor: &mut Compressor, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for token in compressor.tokens(input) {
            let (head, size) = token.head();
            let start = out.len();
            out.extend_from_slice(&head[..size]);
            if let Token::Literal(bytes) = token {
                out.extend_from_slice(bytes);
            }
            assert_eq!(out.len() - start, token.size());
        }
        out
    }

    /// Both decompressors must give the input back.
    fn check(compressor: &mut Compressor, input: &[u8]) -> usize {
        let first = compressed(compressor, input);
        assert_eq!(compressed(compressor, input), first, "the same string, the same tokens");
        let mut ours = Vec::new();
        decompress(&first, input.len() as u64, &mut ours).unwrap();
        assert_eq!(ours, input);
        if !input.is_empty() {
            assert_eq!(lzf::decompress(&first, input.len()).unwrap(), input);
        }
        first.len()
    }

    #[test]
    fn repetitions_are_found_at_every_distance_that_a_token_can_name() {
        let mut compressor = Compressor::reserve();
        for gap in [1, 2, 3, 31, 32, 33, 8187, 8188, 8189, 8190, 20_000] {
            let mut input = b"0123".to_vec();
            input.extend((0..gap).map(|_| b'.'));
            input.extend_from_slice(b"0123");
            check(&mut compressor, &input);
        }
        let text = b"abcdefgh".repeat(1000);
        assert!(check(&mut compressor, &text) < 150);
        assert!(check(&mut compressor, &vec![0; 264 * 100]) <= 305);
    }

    #[test]
    fn places_start_anew_before_they_no_longer_fit_their_integer() {
        let mut compressor = Compressor::reserve();
        let text = b"abcabcabcabcabcabcabc";
        let usual = check(&mut compressor, text);
        compressor.base = u32::MAX - 30;
        assert_eq!(check(&mut compressor, text), usual);
        assert!(compressor.base < 100);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_strings_one_after_the_other_come_back(
            inputs in prop::collection::vec(prop::collection::vec(0_u8..4, 0..400), 1..6),
            noise in prop::collection::vec(any::<u8>(), 0..10_000),
        ) {
            let mut compressor = Compressor::reserve();
            for input in inputs.iter().chain([&noise]) {
                check(&mut compressor, input);
            }
        }
    }
}
