//! The most important property of the crate: the effects of any sequence of commands, replayed on an empty keyspace at
//! any later time, give the same keyspace.
//!
//! The sequences come from templates. A module of commands gives its own in a constant `FUZZ`, listed in `TEMPLATES`.
//! Placeholders: `{k}` a key, mostly of the module's own (few, so that commands meet), `{v}` a value, `{i}` a small integer, `{f}` a number,
//! `{s}` a score as ZADD takes it, `{e}` an element, field or member, `{ms}` milliseconds from now (few, also negative),
//! `{sec}` seconds from now, `{at}` an absolute time in ms near now, `{atsec}` one in seconds, `{db}` a database of two,
//! `{n}` a count from 0 to 4, `{|NX|PX_{ms}}` one of these alternatives: `_` separates its words, it may be empty.

use keyspace::{Keyspace, UnixMs};
use proptest::prelude::*;

use crate::harness::{Bench, decode, show_reply};

/// The modules' templates, and the letter of the keys they mostly use: a new type gets a letter of its own. Commands on
/// keys of any type have none.
const TEMPLATES: &[(Option<char>, &[&str])] = &[(Some('s'), crate::strings::FUZZ), (None, crate::keys::FUZZ)];

/// One step: a template by number, the seed that fills it, how far the clock moves before, the client's database.
type Step = (usize, u64, i64, u32);

fn step() -> impl Strategy<Value = Step> {
    (
        0..templates().count(),
        any::<u64>(),
        prop_oneof![8 => Just(0_i64), 2 => 0..30_i64],
        prop_oneof![6 => Just(0_u32), 1 => Just(1)],
    )
}

/// Every template with the letter of its keys.
fn templates() -> impl Iterator<Item = (Option<char>, &'static str)> {
    TEMPLATES.iter().flat_map(|(letter, group)| group.iter().map(|template| (*letter, *template)))
}

/// What placeholders are filled from.
struct Filler {
    now: UnixMs,
    letter: Option<char>,
    rng: fastrand::Rng,
}

fn pick<'t>(rng: &mut fastrand::Rng, from: &[&'t str]) -> &'t str {
    from[rng.usize(..from.len())]
}

impl Filler {
    /// A key: of the own letter as a rule, else of any.
    fn key(&mut self) -> String {
        let letters: Vec<char> = TEMPLATES.iter().filter_map(|(letter, _)| *letter).collect();
        let other = letters[self.rng.usize(..letters.len())];
        let letter = self.letter.filter(|_| self.rng.u8(..5) > 0).unwrap_or(other);
        format!("{letter}{}", self.rng.u8(..3))
    }

    fn fill(&mut self, placeholder: &str) -> String {
        let (now, rng) = (self.now.0, &mut self.rng);
        match placeholder {
            "k" => self.key(),
            "v" => {
                pick(rng, &["a", "", "10", "-3", "9223372036854775807", "1.5", "hello", "0", "x y", "3e2"]).to_owned()
            }
            "i" => pick(rng, &["0", "1", "-1", "2", "-2", "5", "-100", "100", "9223372036854775807", "x"]).to_owned(),
            "f" => pick(rng, &["0.1", "-0.5", "1e2", "3", "inf", "x", "1.0e-3"]).to_owned(),
            "s" => pick(rng, &["0", "1", "-1", "2.5", "inf", "-inf", "(1", "nan", "1e3"]).to_owned(),
            "e" => pick(rng, &["a", "b", "c", "1", "2", "", "a longer element", "30", "é"]).to_owned(),
            "n" => rng.u8(..5).to_string(),
            "ms" => pick(rng, &["1", "10", "20", "1000", "-1", "0", "100000", "9223372036854775807"]).to_owned(),
            "sec" => pick(rng, &["1", "100", "-1", "0", "9223372036854775"]).to_owned(),
            "at" => (now + rng.i64(-20..60)).to_string(),
            "atsec" => (now / 1000 + rng.i64(-1..3)).to_string(),
            "db" => rng.u8(..2).to_string(),
            other => panic!("no placeholder {{{other}}}"),
        }
    }

    /// Fills the placeholders of a template.
    fn request(&mut self, template: &str) -> Vec<Vec<u8>> {
        let mut request = Vec::new();
        for word in template.split(' ') {
            self.word(&mut request, word);
        }
        request
    }

    fn word(&mut self, request: &mut Vec<Vec<u8>>, word: &str) {
        match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            None => request.push(word.as_bytes().to_vec()),
            Some(words) if words.contains('|') => {
                let chosen = pick(&mut self.rng, &words.split('|').collect::<Vec<_>>());
                for word in chosen.split('_').filter(|word| !word.is_empty()) {
                    self.word(request, word);
                }
            }
            Some(placeholder) => request.push(self.fill(placeholder).into_bytes()),
        }
    }
}

/// Runs the steps and returns the keyspace with all effects in order.
fn run(steps: &[Step]) -> (Keyspace, UnixMs, Vec<(u32, Vec<u8>)>) {
    let templates: Vec<_> = templates().collect();
    let mut bench = Bench::new();
    let mut log = Vec::new();
    for &(template, seed, millis, db) in steps {
        bench.now.0 += millis;
        bench.db = db;
        let before = bench.keyspace.digest();
        let (letter, template) = templates[template];
        let mut filler = Filler { now: bench.now, letter, rng: fastrand::Rng::with_seed(seed) };
        let request = filler.request(template);
        let outcome = bench.run(&request);
        let mut shown = String::new();
        let mut rest = &outcome.reply[..];
        show_reply(&mut shown, &mut rest);
        assert!(rest.is_empty(), "one well-formed reply: {request:?} {shown}");
        if outcome.effects.is_empty() {
            assert_eq!(before, bench.keyspace.digest(), "a change without an effect: {request:?} {shown}");
        }
        log.extend(outcome.effects);
    }
    (bench.keyspace, bench.now, log)
}

fn replay(log: &[(u32, Vec<u8>)], now: UnixMs) -> Keyspace {
    let mut bench = Bench::new();
    (bench.replay, bench.now) = (true, now);
    for (db, command) in log {
        bench.db = *db;
        let words = decode(command);
        let outcome = bench.run(&words);
        assert!(
            !outcome.reply.starts_with(b"-"),
            "an effect failed on replay: {words:?} {:?}",
            outcome.reply.escape_ascii().to_string()
        );
        assert!(outcome.effects.is_empty(), "replay records no effects");
    }
    bench.keyspace
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn replayed_effects_give_the_same_keyspace_at_any_later_time(
        steps in prop::collection::vec(step(), 1..60),
        later_ms in prop_oneof![Just(0_i64), Just(1_000_000_000_000)],
    ) {
        let (live, now, log) = run(&steps);
        let loaded = replay(&log, UnixMs(now.0 + later_ms));
        prop_assert_eq!(live.digest(), loaded.digest());
    }
}
