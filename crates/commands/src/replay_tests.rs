//! The most important property of the crate: the effects of any sequence of commands, replayed on an empty keyspace at
//! any later time, give the same keyspace: after each command, so that nothing later can cover a difference.
//!
//! The sequences come from templates. A module of commands gives its own in a constant `FUZZ`, listed in `TEMPLATES`.
//! Placeholders: `{k}` a key, mostly of the module's own (few, so that commands meet), `{v}` a value, `{i}` a small integer, `{f}` a number,
//! `{s}` a score as ZADD takes it, `{e}` an element, field or member, `{ms}` milliseconds from now (few, also negative),
//! `{sec}` seconds from now, `{at}` an absolute time in ms near now, `{atsec}` one in seconds, `{db}` a database of two,
//! `{n}` a count from 0 to 4, `{p}` a payload of RESTORE, `{|NX|PX_{ms}}` one of these alternatives: `_` separates its words, it may be empty.

use std::collections::BTreeMap;

use keyspace::{Hash, Keyspace, List, Set, Str, Thresholds, UnixMs, ValueRef, ZSet};
use proptest::prelude::*;

use crate::harness::{Bench, decode, show_reply};

/// The modules' templates, and the letter of the keys they mostly use: a new type gets a letter of its own. Commands on
/// keys of any type have none.
const TEMPLATES: &[(Option<char>, &[&str])] = &[
    (Some('s'), crate::strings::FUZZ),
    (Some('s'), crate::bitmaps::FUZZ),
    (None, crate::keys::FUZZ),
    (None, crate::sort::FUZZ),
    (Some('l'), crate::lists::FUZZ),
    (Some('t'), crate::sets::FUZZ),
    (Some('h'), crate::hashes::FUZZ),
    (Some('z'), crate::zsets::FUZZ),
];

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
            Some("p") => request.push(payload(&mut self.rng)),
            Some(placeholder) => request.push(self.fill(placeholder).into_bytes()),
        }
    }
}

/// A value of any type in any version, now and then with a byte changed.
fn payload(rng: &mut fastrand::Rng) -> Vec<u8> {
    let limits = Thresholds::default();
    let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
    for number in 0..rng.u8(1..6) {
        let elem = pick(rng, &["a", "b", "1", "2", "a longer element", ""]).as_bytes();
        list.push_back(elem, &limits);
        set.insert(elem, &limits);
        hash.set(elem, &[number], &limits);
        zset.insert(elem, number.into(), &limits);
    }
    let text = Str::new(b"text");
    let values = [
        ValueRef::Str(text.as_ref()),
        ValueRef::List(&list),
        ValueRef::Set(&set),
        ValueRef::Hash(&hash),
        ValueRef::ZSet(&zset),
    ];
    let mut payload = Vec::new();
    let options = rdb::WriteOptions { version: rng.u16(9..=11), compress: rng.bool() };
    rdb::Encoder::reserve(options).payload(values[rng.usize(..values.len())], &mut payload).unwrap();
    if rng.u8(..10) == 0 {
        let at = rng.usize(..payload.len());
        payload[at] ^= 1;
    }
    payload
}

/// Thresholds at which tests reach the forms for large collections, or Redis's. A log may be loaded with others than it
/// was written with, so what commands do must not depend on the form of a value.
fn thresholds() -> impl Strategy<Value = Thresholds> {
    let tiny = Thresholds {
        list_max_listpack_size: 2,
        set_max_intset_entries: 2,
        set_max_listpack_entries: 2,
        hash_max_listpack_entries: 2,
        zset_max_listpack_entries: 2,
        ..Thresholds::default()
    };
    prop_oneof![Just(Thresholds::default()), Just(tiny)]
}

/// What must be equal if a key did not change, by database and key.
type Contents = BTreeMap<(u32, Vec<u8>), ([u8; 20], Option<UnixMs>)>;

fn contents(keyspace: &Keyspace) -> Contents {
    let mut contents = Contents::new();
    for db in 0..2 {
        for entry in keyspace.db(db).iter() {
            let digest = keyspace.digest_value(db, keyspace.key(entry.key)).unwrap();
            contents.insert((db, entry.key.to_vec()), (digest, entry.deadline));
        }
    }
    contents
}

/// Every key that changed stands in the log: else WATCH and the reply gate would miss it.
fn check_logged(live: &Bench, before: &Contents, after: &Contents, told: &str) {
    for (db, key) in before.keys().chain(after.keys()) {
        let place = (*db, key.clone());
        let hash = live.keyspace.key(key).hash;
        let logged = live.keys.modified.contains(&(*db, hash))
            || live.keys.expired.contains(&(*db, hash))
            || live.keys.modified_dbs.contains(db);
        assert!(
            logged || before.get(&place) == after.get(&place),
            "{told} changed {db} {} in secret",
            key.escape_ascii()
        );
    }
}

/// Runs a command on the live keyspace and its effects on the loaded one; afterwards they must be the same.
fn step_and_compare(live: &mut Bench, loaded: &mut Bench, request: &[Vec<u8>]) {
    let before = contents(&live.keyspace);
    let outcome = live.run(request);
    let mut shown = String::new();
    let mut rest = &outcome.reply[..];
    show_reply(&mut shown, &mut rest);
    let told: String = request.iter().map(|word| format!("{} ", word.escape_ascii())).collect();
    assert!(rest.is_empty(), "one well-formed reply: {} {shown}", told);
    let after = contents(&live.keyspace);
    check_logged(live, &before, &after, &told);
    if outcome.effects.is_empty() {
        assert!(before == after, "a change without an effect: {} {shown}", told);
    }
    for (db, command) in &outcome.effects {
        loaded.db = *db;
        let words = decode(command);
        let replayed = loaded.run(&words);
        let reply = replayed.reply.escape_ascii();
        assert!(!replayed.reply.starts_with(b"-"), "an effect of {} fails: {words:?} {reply}", told);
        assert!(replayed.effects.is_empty(), "replay records no effects");
    }
    let effects: Vec<_> =
        outcome.effects.iter().map(|(db, command)| (db, command.escape_ascii().to_string())).collect();
    assert_eq!(live.keyspace.digest(), loaded.keyspace.digest(), "replay differs after {} {shown} {effects:?}", told);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn replayed_effects_give_the_same_keyspace_at_any_later_time(
        steps in prop::collection::vec(step(), 1..80),
        later_ms in prop_oneof![Just(0_i64), Just(1_000_000_000_000)],
        (live_limits, loaded_limits) in (thresholds(), thresholds()),
    ) {
        let templates: Vec<_> = templates().collect();
        let (mut live, mut loaded) = (Bench::new(), Bench::new());
        (live.limits.thresholds, loaded.limits.thresholds) = (live_limits, loaded_limits);
        (loaded.replay, loaded.now) = (true, UnixMs(live.now.0 + later_ms));
        for (template, seed, millis, db) in steps {
            live.now.0 += millis;
            live.db = db;
            let (letter, template) = templates[template];
            let mut filler = Filler { now: live.now, letter, rng: fastrand::Rng::with_seed(seed) };
            step_and_compare(&mut live, &mut loaded, &filler.request(template));
        }
    }
}
