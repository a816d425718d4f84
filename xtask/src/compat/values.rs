//! Draws what stands in the arguments of commands, from the domain of each.
//!
//! Keys and data come from small sets, so that commands meet. Numbers are mostly sensible, else at an edge or no numbers at
//! all. Deadlines are over, or at least an hour ahead and minutes apart from each other, so that no clock decides what a
//! command does. No number makes a server work or take memory without bound.

use std::collections::BTreeSet;

use commands::command::Group;
use commands::syntax::Argument;
use commands::{Command, TABLE};
use fastrand::Rng;

use super::domains::{Domain, NEW_THRESHOLDS, RangeBy, THRESHOLDS, domain};
use super::payloads;

/// What is never a number, and what only looks like one.
const NO_NUMBERS: &[&str] =
    &["abc", "", "1.5", " 1", "1 ", "+1", "01", "-0", "1e3", "0x10", "9223372036854775808", "--1"];
/// Integers at the edges of their type.
const EDGES: &[&str] = &["0", "9223372036854775807", "-9223372036854775808", "4294967296", "-1"];
const NO_FLOATS: &[&str] = &["abc", "", "nan", "-nan", " 1", "1 ", "1.5x", "1e999", "0x", "1_0", "..", "--1"];
/// Numbers at the edges of doubles. The first ones have no full mantissa.
const FLOAT_EDGES: &[&str] = &[
    "5e-324",
    "1e-320",
    "inf",
    "-inf",
    "+inf",
    "Infinity",
    "-0",
    "0.0",
    "1e308",
    "-1.7e308",
    "0x1p3",
    "0x1.8p-2",
    "+3",
    "1e21",
    "123456789012345678901234567890",
    "9007199254740993",
    "0.1",
    "0.30000000000000004",
    "1e17",
    "3.",
    ".5",
    "1e-5",
    "17e+0",
];

const SMALLEST_FLOATS: usize = 2;

/// Draws values; depends on its seed and the time it is given alone.
#[derive(Debug)]
pub(super) struct Values {
    rng: Rng,
    /// The time from which deadlines are counted.
    base_ms: i64,
    /// Which moment the next deadline is at: each is used once.
    moments: Vec<i64>,
    /// The absolute deadlines drawn so far, in milliseconds: two servers agree on them exactly.
    absolute_ms: BTreeSet<i64>,
    /// The reference does not know what is new in 7.2.
    before_7_2: bool,
    /// No double is too small for a full mantissa: where a score is one, SORT of Redis refuses all numbers.
    no_smallest_floats: bool,
    /// One in so many arguments that may be repeated is repeated very often.
    many_one_in: u8,
}

/// How many moments there are for deadlines.
const MOMENTS: i64 = 8192;
/// The first of them, as a time from now.
const FIRST_MOMENT_S: i64 = 3_600;
/// How far they lie apart. A sequence runs in far less.
const MOMENT_S: i64 = 120;

impl Values {
    pub(super) fn new(seed: u64, base_ms: i64, before_7_2: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut moments: Vec<i64> = (0..MOMENTS).collect();
        rng.shuffle(&mut moments);
        let many_one_in = if rng.u8(..3) == 0 { 6 } else { 60 };
        Self { rng, base_ms, moments, absolute_ms: BTreeSet::new(), before_7_2, no_smallest_floats: false, many_one_in }
    }

    pub(super) fn without_smallest_floats(self, no_smallest_floats: bool) -> Self {
        Self { no_smallest_floats, ..self }
    }

    pub(super) fn before_7_2(&self) -> bool {
        self.before_7_2
    }

    pub(super) fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// The absolute deadlines that were drawn.
    pub(super) fn into_absolute_ms(self) -> BTreeSet<i64> {
        self.absolute_ms
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(..100) < percent
    }

    pub(super) fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.rng.usize(..of.len())]
    }

    fn word(&mut self, of: &[&str]) -> Vec<u8> {
        self.pick(of).as_bytes().to_vec()
    }

    /// How often an argument stands that may be repeated: a few times, now and then many.
    pub(super) fn repetitions(&mut self, may_be_many: bool) -> usize {
        if may_be_many && self.rng.u8(..self.many_one_in) == 0 {
            return self.rng.usize(10..160);
        }
        match self.rng.u8(..6) {
            0..=2 => 1,
            3 | 4 => 2,
            _ => self.rng.usize(3..8),
        }
    }

    /// A value for an argument of a command.
    pub(super) fn draw(&mut self, command: &Command, argument: &Argument<'_>, by: RangeBy) -> Vec<u8> {
        match domain(command, argument, by) {
            Domain::Key => self.key(command.docs.group),
            Domain::Data => self.data(),
            Domain::Value if self.chance(50) => self.small(200),
            Domain::Value => self.data(),
            Domain::Increment if command.name.contains("float") || command.docs.group == Group::SortedSet => {
                self.float()
            }
            Domain::Increment => self.integer(300, EDGES),
            Domain::Index => self.integer(8, EDGES),
            Domain::NearIndex => self.integer(6, &["0", "-1", "2147483647"]),
            Domain::StringIndex => self.integer(40, &["0", "-1", "3000", "536870912", "9223372036854775807"]),
            Domain::BitIndex => self.bit_index(),
            Domain::Sortable => {
                let group = *self.pick(&[Group::List, Group::Set, Group::SortedSet]);
                self.key(group)
            }
            Domain::Count => self.count(),
            Domain::Float => self.float(),
            Domain::ScoreBound => self.score_bound(),
            Domain::MemberBound => self.member_bound(),
            Domain::After(unit_ms) => self.after(unit_ms),
            Domain::At(unit_ms) => self.at(unit_ms),
            // With ABSTTL `draw.rs` puts a deadline in its place.
            Domain::RestoreTtl if self.chance(40) => b"0".to_vec(),
            // The largest one would not fit: see the known difference `restore-overflow`.
            Domain::RestoreTtl => Some(self.after(1)).filter(|ttl| ttl.len() < 19).unwrap_or_else(|| b"-1".to_vec()),
            Domain::Payload => payloads::draw(self),
            Domain::Pattern => self.pattern(),
            Domain::Cursor => self.cursor(),
            Domain::Database => self.database(),
            Domain::CommandName => self.command_name(),
            Domain::Threshold if self.before_7_2 => self.word(&THRESHOLDS[..THRESHOLDS.len() - NEW_THRESHOLDS]),
            Domain::Threshold => self.word(THRESHOLDS),
            Domain::Words(words) => self.word(words),
        }
    }

    /// What no command expects where it stands.
    pub(super) fn junk(&mut self) -> Vec<u8> {
        match self.rng.u8(..4) {
            0 => self.word(NO_NUMBERS),
            1 => self.word(&["BOGUS", "NX", "withscores", "LIMIT", "KEEPTTL", "N", "COUNT"]),
            2 => b"-9223372036854775808".to_vec(),
            _ => self.word(&["", "a", "*"]),
        }
    }

    /// A key, mostly one that commands of this group write.
    pub(super) fn key(&mut self, group: Group) -> Vec<u8> {
        let own = match group {
            Group::String | Group::Bitmap => "s",
            Group::List => "l",
            Group::Set => "t",
            Group::Hash => "h",
            Group::SortedSet => "z",
            _ => "",
        };
        if !own.is_empty() && self.chance(85) {
            return format!("{own}{}", self.rng.u8(1..4)).into_bytes();
        }
        self.pick(&all_keys()).clone()
    }

    /// A key for ranges of members, which mean something only where all scores are equal: one of a few that nothing else
    /// writes, and one that is no sorted set.
    pub(super) fn lex_key(&mut self) -> Vec<u8> {
        if self.chance(5) { NO_LEX_KEY.to_vec() } else { format!("lex{}", self.rng.u8(1..4)).into_bytes() }
    }

    pub(super) fn data(&mut self) -> Vec<u8> {
        match self.rng.u8(..10) {
            0..=3 => vec![self.rng.u8(b'a'..=b'h')],
            4..=6 => self.small(12),
            7 => self.rng.i64(-40..1000).to_string().into_bytes(),
            _ => self.odd_data(),
        }
    }

    /// Data at the edges of representations.
    fn odd_data(&mut self) -> Vec<u8> {
        match self.rng.u8(..8) {
            0 => Vec::new(),
            1 => b"n\0\xff\r\n$1".to_vec(),
            2 => "\u{fc}\u{1f980}".into(),
            3 => self.word(NO_NUMBERS),
            4 => self.float_edge(),
            5 => self.word(EDGES),
            // Lengths at which representations change.
            6 => vec![b'x'; *self.pick(&[6, 8, 9, 44, 45, 64, 65, 200, 3000])],
            _ => (0..self.rng.usize(1..12)).map(|_| self.rng.u8(..)).collect(),
        }
    }

    fn small(&mut self, below: i64) -> Vec<u8> {
        self.rng.i64(-below / 4..below).to_string().into_bytes()
    }

    fn integer(&mut self, near: i64, edges: &[&str]) -> Vec<u8> {
        match self.rng.u8(..20) {
            0 => self.word(NO_NUMBERS),
            1 => self.word(edges),
            _ => self.rng.i64(-near..=near).to_string().into_bytes(),
        }
    }

    fn bit_index(&mut self) -> Vec<u8> {
        match self.rng.u8(..20) {
            0 => self.word(NO_NUMBERS),
            1 => self.word(&["0", "-1", "24000", "4294967296", "9223372036854775807"]),
            _ => self.rng.i64(0..200).to_string().into_bytes(),
        }
    }

    /// Never far below zero: random commands answer so many elements then.
    fn count(&mut self) -> Vec<u8> {
        match self.rng.u8(..20) {
            0 => self.word(NO_NUMBERS),
            1 => self.word(EDGES),
            2..=4 => self.rng.i64(-6..0).to_string().into_bytes(),
            5 => self.word(&["100", "1000"]),
            _ => self.rng.i64(0..6).to_string().into_bytes(),
        }
    }

    fn float(&mut self) -> Vec<u8> {
        match self.rng.u8(..20) {
            0 => self.word(NO_FLOATS),
            1 | 2 => self.float_edge(),
            3 => self.rng.f64().to_string().into_bytes(),
            4..=7 => (f64::from(self.rng.i16(-400..400)) / 8.0).to_string().into_bytes(),
            _ => self.rng.i64(-5..20).to_string().into_bytes(),
        }
    }

    fn float_edge(&mut self) -> Vec<u8> {
        let left_out = if self.no_smallest_floats { SMALLEST_FLOATS } else { 0 };
        self.word(&FLOAT_EDGES[left_out..])
    }

    fn score_bound(&mut self) -> Vec<u8> {
        let mut bound = if self.chance(20) { b"(".to_vec() } else { Vec::new() };
        let end = if self.chance(30) { self.word(&["-inf", "+inf", "inf"]) } else { self.float() };
        bound.extend(end);
        bound
    }

    fn member_bound(&mut self) -> Vec<u8> {
        match self.rng.u8(..12) {
            0..=2 => b"-".to_vec(),
            3..=5 => b"+".to_vec(),
            6 => self.data(),
            at => {
                let mut bound = if at < 10 { b"[".to_vec() } else { b"(".to_vec() };
                bound.extend(self.data());
                bound
            }
        }
    }

    fn moment_s(&mut self) -> i64 {
        FIRST_MOMENT_S + MOMENT_S * self.moments.pop().unwrap_or(MOMENTS)
    }

    fn after(&mut self, unit_ms: i64) -> Vec<u8> {
        match self.rng.u8(..20) {
            0 => self.word(NO_NUMBERS),
            1 => self.word(&["0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775"]),
            2 => ((100_000_000_000 + self.moment_s()) * (1000 / unit_ms)).to_string().into_bytes(),
            _ => (self.moment_s() * 1000 / unit_ms).to_string().into_bytes(),
        }
    }

    /// Half a moment beside those of times to live.
    pub(super) fn at(&mut self, unit_ms: i64) -> Vec<u8> {
        match self.rng.u8(..20) {
            0 => return self.word(NO_NUMBERS),
            1 => return self.word(EDGES),
            2 => return self.word(&["1", "1000000000", "9223372036854775"]),
            _ => {}
        }
        let at_ms = self.base_ms + (self.moment_s() + MOMENT_S / 2) * 1000 + self.rng.i64(0..1000);
        let given = at_ms / unit_ms;
        self.absolute_ms.insert(given * unit_ms);
        given.to_string().into_bytes()
    }

    fn pattern(&mut self) -> Vec<u8> {
        const PATTERNS: &[&str] = &[
            "*", "*", "s*", "?1", "[a-f]*", "[^s]*", "*[1-2]", "l?", "", "[", "\\*", "[a", "*\\", "**", "[z-a]*",
            "[\\]]*", "?", "h[1-", "*x*",
        ];
        self.word(PATTERNS)
    }

    fn cursor(&mut self) -> Vec<u8> {
        match self.rng.u8(..20) {
            0 => self.word(&["abc", "", "-1", " 0", "99999999999999999999", "1.5"]),
            1 => b"18446744073709551615".to_vec(),
            _ => b"0".to_vec(),
        }
    }

    fn command_name(&mut self) -> Vec<u8> {
        if self.chance(10) { self.data() } else { self.pick(&TABLE).name.into() }
    }

    fn database(&mut self) -> Vec<u8> {
        match self.rng.u8(..20) {
            0 => self.word(NO_NUMBERS),
            1 => self.word(&["4", "-1", "4294967296", "100"]),
            _ => self.rng.u8(..3).to_string().into_bytes(),
        }
    }
}

/// The key of [`Values::lex_key`] that holds no sorted set.
pub(super) const NO_LEX_KEY: &[u8] = b"nolex";

/// Every key that is drawn for commands of all kinds.
pub(super) fn all_keys() -> Vec<Vec<u8>> {
    let plain = ["s", "l", "t", "h", "z"].iter().flat_map(|own| (1..4).map(move |n| format!("{own}{n}").into_bytes()));
    let odd: [&[u8]; 5] = [b"", b"a key", b"\0\xff\r\n", b"[s]*?\\", &[b'k'; 90]];
    plain.chain(odd.map(<[u8]>::to_vec)).collect()
}

#[cfg(test)]
mod tests {
    use commands::syntax::parse;

    use super::*;

    #[test]
    fn deadlines_are_over_or_an_hour_ahead() {
        const BASE_MS: i64 = 1_700_000_000_000;
        let set = commands::find(b"set").unwrap();
        let mut values = Values::new(1, BASE_MS, false);
        for line in ["seconds", "milliseconds", "unix-time-seconds", "unix-time-milliseconds"] {
            let argument = parse(line).unwrap().remove(0);
            let unit_ms = if line.contains("milli") { 1 } else { 1000 };
            let from_ms = if line.starts_with("unix") { BASE_MS } else { 0 };
            let mut ahead = 0;
            for _ in 0..2_000 {
                let drawn = String::from_utf8(values.draw(set, &argument, RangeBy::Rank)).unwrap();
                let number = drawn.parse::<i64>().ok().filter(|_| !NO_NUMBERS.contains(&&*drawn));
                let Some(number) = number else { continue };
                let ahead_ms = number.saturating_mul(unit_ms).saturating_sub(from_ms);
                assert!(!(1..3_600_000).contains(&ahead_ms), "{line} {drawn}");
                ahead += u32::from(ahead_ms > 0);
            }
            assert!(ahead > 1_500, "{line}: most are ahead");
        }
    }

    #[test]
    fn no_deadline_is_drawn_twice() {
        let mut values = Values::new(2, 0, false);
        let mut moments: Vec<i64> = (0..500).map(|_| values.moment_s()).collect();
        moments.sort_unstable();
        assert!(moments.windows(2).all(|pair| pair[1] - pair[0] >= MOMENT_S));
    }
}
