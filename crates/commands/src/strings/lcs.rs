//! LCS: the longest common subsequence of two strings.
//!
//! The usual table holds, for all heads of both strings, the length of what they have in common. A row of it never falls and
//! rises by at most one from column to column, so one bit a cell says all; and the bits of a row follow from those of the
//! row above by one addition, 64 at a time (Crochemore and others, 2001). What Redis computes in 4 bytes a cell takes a
//! thirty-second of that here, and another thirty-second at most for the places of each byte. The limit on the strings is
//! Redis's all the same.

use keyspace::{IntBuf, ValueRef};
use resp_codec::{Args, Reply};

use crate::parse::{self, is};
use crate::{CommandError, Ctx};

/// What Redis takes for a cell of the table.
const CELL_BYTES: usize = 4;

/// The text of whoever cannot have the memory for it.
const NO_MEMORY: CommandError =
    CommandError::Text("ERR Insufficient memory, failed allocating transient memory for LCS");

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    with_match_len: bool,
    min_match_len: i64,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut rest = args.from(3);
        while let Some(option) = rest.next() {
            if is(option, "IDX") {
                options.idx = true;
            } else if is(option, "LEN") {
                options.len = true;
            } else if is(option, "WITHMATCHLEN") {
                options.with_match_len = true;
            } else if is(option, "MINMATCHLEN") {
                options.min_match_len = parse::int(rest.next().ok_or(CommandError::Syntax)?)?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if options.len && options.idx {
            return Err(CommandError::Text("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

/// Words of zeros, unless there is no memory for them.
fn zeros(len: usize) -> Result<Vec<u64>, CommandError> {
    let mut words = Vec::new();
    words.try_reserve_exact(len).map_err(|_| NO_MEMORY)?;
    words.resize(len, 0);
    Ok(words)
}

/// Where each byte of one string stands in another: a row of bits for each.
struct Places {
    bits: Vec<u64>,
    /// The row of a byte.
    rows: [u16; 256],
    words: usize,
}

impl Places {
    fn of(bytes: &[u8], within: &[u8]) -> Result<Self, CommandError> {
        const ABSENT: u16 = u16::MAX;
        let (mut rows, mut count) = ([ABSENT; 256], 0);
        for byte in bytes {
            let row = &mut rows[usize::from(*byte)];
            if *row == ABSENT {
                (*row, count) = (count, count + 1);
            }
        }
        let words = within.len().div_ceil(64);
        let mut bits = zeros(usize::from(count) * words)?;
        for (at, byte) in within.iter().enumerate() {
            let row = rows[usize::from(*byte)];
            if row != ABSENT {
                bits[usize::from(row) * words + at / 64] |= 1 << (at % 64);
            }
        }
        Ok(Self { bits, rows, words })
    }

    fn row(&self, byte: u8) -> &[u64] {
        let start = usize::from(self.rows[usize::from(byte)]) * self.words;
        &self.bits[start..start + self.words]
    }
}

/// Makes a row of the table into the one below it. A bit is 0 where the length rises from the column before.
fn advance(row: &mut [u64], places: &[u64]) {
    let mut carry = false;
    for (bits, places) in row.iter_mut().zip(places) {
        let (sum, over) = bits.overflowing_add(*bits & places);
        let (sum, over_again) = sum.overflowing_add(carry.into());
        carry = over || over_again;
        *bits = sum | (*bits & !places);
    }
}

/// The length of what two strings have in common.
fn common_len(a: &[u8], b: &[u8]) -> Result<usize, CommandError> {
    let places = Places::of(a, b)?;
    let mut row = zeros(places.words)?;
    row.fill(u64::MAX);
    a.iter().for_each(|byte| advance(&mut row, places.row(*byte)));
    Ok(row.iter().map(|bits| bits.count_zeros() as usize).sum())
}

/// The table of two strings.
struct Table<'s> {
    a: &'s [u8],
    b: &'s [u8],
    /// A row for each byte of `a`, of a bit for each byte of `b`.
    bits: Vec<u64>,
    words: usize,
}

impl<'s> Table<'s> {
    fn of(a: &'s [u8], b: &'s [u8]) -> Result<Self, CommandError> {
        let places = Places::of(a, b)?;
        let words = places.words;
        let mut bits = zeros(a.len() * words)?;
        let mut row = zeros(words)?;
        row.fill(u64::MAX);
        for (byte, kept) in a.iter().zip(bits.chunks_exact_mut(words.max(1))) {
            advance(&mut row, places.row(*byte));
            kept.copy_from_slice(&row);
        }
        Ok(Self { a, b, bits, words })
    }

    /// Whether the length rises between these heads, from the one that lacks the last byte of `b`.
    fn rises(&self, a_len: usize, b_len: usize) -> bool {
        let at = b_len - 1;
        self.bits[(a_len - 1) * self.words + at / 64] & (1 << (at % 64)) == 0
    }

    /// The places of the bytes in common, from the last to the first. Of several ways, the one that Redis takes.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let (mut a_len, mut b_len) = (self.a.len(), self.b.len());
        std::iter::from_fn(move || {
            while a_len > 0 && b_len > 0 {
                if self.a[a_len - 1] == self.b[b_len - 1] {
                    (a_len, b_len) = (a_len - 1, b_len - 1);
                    return Some((a_len, b_len));
                }
                if self.rises(a_len, b_len) { a_len -= 1 } else { b_len -= 1 }
            }
            None
        })
    }
}

/// Bytes in common that stand side by side in both strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    a: usize,
    b: usize,
    len: usize,
}

/// The runs of pairs that come from the last to the first.
fn runs(pairs: impl Iterator<Item = (usize, usize)>) -> impl Iterator<Item = Run> {
    let mut pairs = pairs.peekable();
    std::iter::from_fn(move || {
        let (a, b) = pairs.next()?;
        let mut run = Run { a, b, len: 1 };
        while let Some((a, b)) = pairs.next_if(|(a, b)| a + 1 == run.a && b + 1 == run.b) {
            run = Run { a, b, len: run.len + 1 };
        }
        Some(run)
    })
}

/// The answer to IDX: where the runs are that are long enough.
fn answer_runs(reply: &mut Reply<'_>, table: &Table<'_>, options: &Options) {
    let mut common_len = 0;
    reply.map(2);
    reply.bulk(b"matches");
    let begun = reply.deferred();
    let mut answered = 0;
    for run in runs(table.pairs()) {
        common_len += run.len;
        if options.min_match_len > i64::try_from(run.len).unwrap_or(i64::MAX) {
            continue;
        }
        answered += 1;
        reply.array(if options.with_match_len { 3 } else { 2 });
        for start in [run.a, run.b] {
            reply.array(2);
            reply.count(start);
            reply.count(start + run.len - 1);
        }
        if options.with_match_len {
            reply.count(run.len);
        }
    }
    reply.finish_array(begun, answered);
    reply.bulk(b"len");
    reply.count(common_len);
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]`
pub(super) fn lcs(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = [ctx.store.key(args.at(1)), ctx.store.key(args.at(2))];
    // Both are looked up, whatever the first one holds; only then is either borrowed.
    for key in keys {
        ctx.store.read(key);
    }
    let mut strings = [None; 2];
    for (string, key) in strings.iter_mut().zip(keys) {
        *string = match ctx.store.peek(key) {
            None => None,
            Some(ValueRef::Str(value)) => Some(value),
            Some(_) => return Err(CommandError::Text("ERR The specified keys must contain string values")),
        };
    }
    let options = Options::parse(args)?;
    let mut ints = [IntBuf::new(); 2];
    let [a_int, b_int] = &mut ints;
    let a = strings[0].map_or(&b""[..], |value| value.bytes(a_int));
    let b = strings[1].map_or(&b""[..], |value| value.bytes(b_int));
    let table_bytes = (a.len() + 1).saturating_mul(b.len() + 1).saturating_mul(CELL_BYTES);
    if table_bytes > ctx.limits.max_string_bytes {
        return Err(CommandError::Text("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
    }
    if options.len {
        ctx.reply.count(common_len(a, b)?);
        return Ok(());
    }
    let table = Table::of(a, b)?;
    if options.idx {
        answer_runs(&mut ctx.reply, &table, &options);
    } else {
        let mut common: Vec<u8> = table.pairs().map(|(at, _)| a[at]).collect();
        common.reverse();
        ctx.reply.bulk(&common);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The table of Redis, and the way through it.
    fn naive(a: &[u8], b: &[u8]) -> Vec<(usize, usize)> {
        let mut lens = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                lens[i][j] =
                    if a[i - 1] == b[j - 1] { lens[i - 1][j - 1] + 1 } else { lens[i - 1][j].max(lens[i][j - 1]) };
            }
        }
        let (mut i, mut j, mut pairs) = (a.len(), b.len(), Vec::new());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                pairs.push((i, j));
            } else if lens[i - 1][j] > lens[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        pairs
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(0..3_u8, 0..200),
            prop::collection::vec(0..20_u8, 0..200),
            prop::collection::vec(any::<u8>(), 0..200),
        ]
    }

    proptest! {
        #[test]
        fn the_way_through_bits_is_the_way_through_numbers(a in text(), b in text()) {
            let expected = naive(&a, &b);
            prop_assert_eq!(common_len(&a, &b).unwrap(), expected.len());
            let table = Table::of(&a, &b).unwrap();
            prop_assert_eq!(table.pairs().collect::<Vec<_>>(), expected.clone());
            let runs: Vec<_> = runs(expected.into_iter()).collect();
            let bytes = |run: &Run| a[run.a..run.a + run.len] == b[run.b..run.b + run.len];
            prop_assert!(runs.iter().all(bytes));
            prop_assert!(runs.windows(2).all(|pair| pair[1].a + pair[1].len < pair[0].a || pair[1].b + pair[1].len < pair[0].b));
        }
    }
}
