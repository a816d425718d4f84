//! Building a sorted set from members that are expected to be new, in any order, in time that follows their number.
//!
//! The compact form holds them in the order in which they came until all are there, and is sorted once if that is not theirs.

use super::{Form, ZSet, order, small};
use crate::types::elem::Elem;
use crate::types::names::Names;
use crate::types::pack::Pack;
use crate::types::thresholds::Thresholds;

/// A sorted set to which members are added, each once. It takes the forms that [`ZSet::insert`] gives it.
#[derive(Clone, Debug, Default)]
pub struct ZSetBuilder {
    /// Its compact form may be out of order.
    zset: ZSet,
    out_of_order: bool,
    names: Names,
}

impl ZSetBuilder {
    /// Begins an empty sorted set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member; false, and the member keeps its score, if it was added before.
    ///
    /// # Panics
    ///
    /// When `score` is NaN: callers check.
    pub fn add(&mut self, member: &[u8], score: f64, limits: &Thresholds) -> bool {
        assert!(!score.is_nan(), "a score is never NaN: it would have no place in the order");
        let member = Elem::new(member);
        let known = match &self.zset.0 {
            Form::Small(pack) => self.names.holds(pack, member, 2),
            Form::Large(large) => large.score(member).is_some(),
        };
        if known {
            return false;
        }
        self.zset.make_room_for(member, limits);
        match &mut self.zset.0 {
            Form::Small(pack) => {
                self.out_of_order |= !small::goes_last(pack, member, score);
                small::push(pack, member, score);
            }
            Form::Large(large) => large.insert_new(member, score),
        }
        true
    }

    /// The sorted set.
    pub fn finish(mut self) -> ZSet {
        if let Form::Small(pack) = &mut self.zset.0
            && self.out_of_order
        {
            *pack = sorted(pack);
        }
        self.zset
    }
}

fn sorted(pack: &Pack) -> Pack {
    let mut members: Vec<_> = small::range(pack, 0..pack.len() / 2).collect();
    members.sort_unstable_by(|&one, &other| order(one, other));
    let mut sorted = Pack::default();
    members.into_iter().for_each(|(member, score)| small::push(&mut sorted, member, score));
    sorted
}
