//! LZF, the compression of strings in RDB files.
//!
//! A compressed string is a sequence of tokens. `000nnnnn` is followed by n + 1 bytes as they are. `lllooooo oooooooo` repeats
//! l + 2 bytes (l from 1 to 6) from o + 1 bytes before; with l = 7 a byte between the two adds up to 255 to the length.

pub(crate) mod compress;
pub(crate) mod decompress;

/// Most bytes in one token as they are.
const MAX_LITERAL: usize = 32;
/// Longest repetition of one token.
const MAX_REPEAT: usize = 264;
/// Farthest place that a token repeats from.
const MAX_DISTANCE: usize = 8192;
/// Most bytes that one compressed byte stands for: a token of 3 bytes repeats 264.
const MAX_EXPANSION: u64 = 88;
