//! Sorted sets against a sorted `Vec`, and the encodings' thresholds.

use proptest::prelude::*;

use super::*;

/// The simplest sorted set: a vector, sorted after every change.
#[derive(Default)]
struct Model(Vec<(f64, Vec<u8>)>);

impl Model {
    fn insert(&mut self, member: &[u8], score: f64) -> Insert {
        let result = match self.0.iter_mut().find(|(_, name)| name == member) {
            Some((old, _)) if *old == score => Insert::Same,
            Some((old, _)) => Insert::Updated(std::mem::replace(old, score)),
            None => {
                self.0.push((score, member.to_vec()));
                Insert::Added
            }
        };
        self.0.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap().then_with(|| a.1.cmp(&b.1)));
        result
    }

    fn rank(&self, member: &[u8]) -> Option<usize> {
        self.0.iter().position(|(_, name)| name == member)
    }

    fn pairs(&self, ranks: Range<usize>) -> Vec<(Vec<u8>, f64)> {
        self.0[ranks].iter().map(|(score, name)| (name.clone(), *score)).collect()
    }
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0i64..60).prop_map(|value| value.to_string().into_bytes()),
        4 => prop::collection::vec(b'a'..=b'c', 0..4),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-3i32..4).prop_map(f64::from),
        2 => prop_oneof![Just(0.5), Just(-0.0), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(1e300)],
        1 => any::<f64>().prop_filter("NaN never enters", |score| !score.is_nan()),
    ]
}

fn owned((member, score): (Elem<'_>, f64)) -> (Vec<u8>, f64) {
    (member.to_vec(), score)
}

fn check(zset: &ZSet, model: &Model, min: f64, max: f64) {
    let all = model.pairs(0..model.0.len());
    assert_eq!(zset.iter().map(owned).collect::<Vec<_>>(), all);
    assert_eq!(zset.iter().rev().map(owned).collect::<Vec<_>>(), all.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(zset.len(), all.len());
    let within: Vec<_> = all.iter().filter(|(_, score)| *score >= min && *score < max).cloned().collect();
    let ranks = zset.ranks_by_score(ScoreBound::Incl(min), ScoreBound::Excl(max));
    assert_eq!(zset.range(ranks).map(owned).collect::<Vec<_>>(), within);
    let within = all.iter().filter(|(_, score)| *score > min && *score <= max).count();
    assert_eq!(zset.ranks_by_score(ScoreBound::Excl(min), ScoreBound::Incl(max)).len(), within);
}

proptest! {
    #[test]
    fn a_zset_behaves_as_a_sorted_vec(
        start in 0usize..200,
        steps in prop::collection::vec((0u8..10, member(), score(), any::<u16>()), 1..150),
    ) {
        let limits = Thresholds { zset_max_listpack_entries: 12, zset_max_listpack_value: 10, ..Default::default() };
        let (mut zset, mut model) = (ZSet::new(), Model::default());
        for number in 0..start {
            let (name, score) = (number.to_string(), f64::from(u32::try_from(number % 7).unwrap()));
            zset.insert(name.as_bytes(), score, &limits);
            model.insert(name.as_bytes(), score);
        }
        for (kind, member, score, place) in steps {
            let from = usize::from(place) % (model.0.len() + 1);
            let to = (from + usize::from(place % 5)).min(model.0.len());
            match kind {
                0..=5 => prop_assert_eq!(zset.insert(&member, score, &limits), model.insert(&member, score)),
                6 => {
                    let rank = model.rank(&member);
                    prop_assert_eq!(zset.remove(&member), rank.map(|rank| model.0.remove(rank).0));
                }
                7 => {
                    let min = (!model.0.is_empty()).then(|| model.0.remove(0)).map(|(score, name)| (name, score));
                    prop_assert_eq!(zset.pop_min(), min);
                }
                8 => prop_assert_eq!(zset.pop_max(), model.0.pop().map(|(score, name)| (name, score))),
                _ => {
                    prop_assert_eq!(zset.range(from..to).map(owned).collect::<Vec<_>>(), model.pairs(from..to));
                    prop_assert_eq!(zset.remove_ranks(from..to), to - from);
                    model.0.drain(from..to);
                }
            }
            prop_assert_eq!(zset.rank(&member), model.rank(&member));
            prop_assert_eq!(zset.score(&member), model.rank(&member).map(|rank| model.0[rank].0));
            prop_assert_eq!(zset.get_index(from).map(owned), model.0.get(from).map(|(score, name)| (name.clone(), *score)));
            check(&zset, &model, score, score.max(2.0));
        }
        let (mut scanned, mut cursor) = (Vec::new(), 0);
        loop {
            cursor = zset.scan(cursor, 5, &mut |member, score| scanned.push((member.to_vec(), score)));
            if cursor == 0 { break; }
        }
        let mut all = model.pairs(0..model.0.len());
        all.sort_by(|a, b| a.0.cmp(&b.0));
        scanned.sort_by(|a, b| a.0.cmp(&b.0));
        prop_assert_eq!(scanned, all);
    }

    #[test]
    fn a_sorted_set_that_is_built_is_as_one_that_members_are_added_to(
        members in prop::collection::vec((member(), score()), 0..120), more in 0u32..200, most in 0usize..200,
    ) {
        let limits = Thresholds { zset_max_listpack_entries: most, zset_max_listpack_value: 10, ..Default::default() };
        let (mut builder, mut zset) = (ZSetBuilder::new(), ZSet::new());
        let more = (0..more).map(|at| (format!("m{}", at % 150).into_bytes(), f64::from(more - at)));
        for (member, score) in members.into_iter().chain(more) {
            let new = zset.score(&member).is_none();
            prop_assert_eq!(builder.add(&member, score, &limits), new);
            if new {
                zset.insert(&member, score, &limits);
            }
        }
        let built = builder.finish();
        prop_assert_eq!(built.encoding(), zset.encoding());
        prop_assert_eq!(built.iter().collect::<Vec<_>>(), zset.iter().collect::<Vec<_>>());
    }

    #[test]
    fn ranges_of_members_are_those_of_a_sorted_vec(
        members in prop::collection::btree_set(member(), 0..40), min in member(), max in member(), small: bool,
    ) {
        let entries = if small { 128 } else { 0 };
        let limits = Thresholds { zset_max_listpack_entries: entries, ..Default::default() };
        let mut zset = ZSet::new();
        for member in &members {
            zset.insert(member, 1.0, &limits);
        }
        let count = |low: LexBound<'_>, high: LexBound<'_>| zset.ranks_by_lex(low, high).len();
        let expect = |inside: &dyn Fn(&Vec<u8>) -> bool| members.iter().filter(|member| inside(member)).count();
        prop_assert_eq!(count(LexBound::Incl(&min), LexBound::Incl(&max)), expect(&|m| *m >= min && *m <= max));
        prop_assert_eq!(count(LexBound::Excl(&min), LexBound::Excl(&max)), expect(&|m| *m > min && *m < max));
        prop_assert_eq!(count(LexBound::Min, LexBound::Excl(&max)), expect(&|m| *m < max));
        prop_assert_eq!(count(LexBound::Incl(&min), LexBound::Max), expect(&|m| *m >= min));
        prop_assert_eq!(count(LexBound::Max, LexBound::Min), 0);
    }
}

#[test]
fn encodings_change_at_the_thresholds_of_redis() {
    let limits = Thresholds::default();
    let mut zset = ZSet::new();
    for member in 0..128 {
        zset.insert(member.to_string().as_bytes(), 0.0, &limits);
    }
    assert_eq!(zset.encoding(), "listpack");
    zset.insert(b"128", 0.0, &limits);
    assert_eq!(zset.encoding(), "skiplist");

    let mut zset = ZSet::new();
    zset.insert(&[b'x'; 64], 0.0, &limits);
    assert_eq!(zset.encoding(), "listpack");
    zset.insert(&[b'x'; 65], 0.0, &limits);
    assert_eq!(zset.encoding(), "skiplist");
}

#[test]
fn scores_come_back_bit_for_bit_from_both_forms() {
    for entries in [0, 128] {
        let limits = Thresholds { zset_max_listpack_entries: entries, ..Default::default() };
        for score in [0.0, -0.0, 0.1, 1e15, 9_007_199_254_740_993.0, -1e300, f64::INFINITY, f64::MIN_POSITIVE] {
            let mut zset = ZSet::new();
            zset.insert(b"m", score, &limits);
            assert_eq!(zset.score(b"m").map(f64::to_bits), Some(score.to_bits()));
        }
    }
}

#[test]
#[should_panic(expected = "never NaN")]
fn nan_never_enters() {
    ZSet::new().insert(b"m", f64::NAN, &Thresholds::default());
}
