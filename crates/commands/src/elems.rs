//! What the commands of lists, sets, hashes and sorted sets share: replies made of elements, counts and key lists among
//! the arguments, and the end of every removal.

use std::collections::HashSet;
use std::ops::Range;

use keyspace::{Deadline, Elem, Key, Value};
use numeric::parse_i64;
use resp_codec::{Args, Reply};

use crate::{CommandError, Store, parse};

/// Replies an element as a bulk string.
#[inline]
pub(crate) fn bulk(reply: &mut Reply<'_>, elem: Elem<'_>) {
    match elem {
        Elem::Int(value) => reply.bulk_int(value),
        Elem::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// Replies an element as a bulk string, or null.
#[inline]
pub(crate) fn bulk_or_null(reply: &mut Reply<'_>, elem: Option<Elem<'_>>) {
    match elem {
        None => reply.null(),
        Some(elem) => bulk(reply, elem),
    }
}

/// Logs that something was taken out of a collection, and removes the key if that was all.
pub(crate) fn took_out(store: &mut Store<'_>, key: Key<'_>) {
    if !store.remove_if_empty(key) {
        store.modified(key);
    }
}

/// Ends a command that stores its result, and propagates it if it changed something.
pub(crate) fn store_result(store: &mut Store<'_>, destination: Key<'_>, result: Option<Value>) {
    if put_result(store, destination, result) {
        store.propagate();
    }
}

/// Puts a result in place of whatever the key held, deadline included; no result removes the key. False if nothing
/// changed. Records no effect.
pub(crate) fn put_result(store: &mut Store<'_>, destination: Key<'_>, result: Option<Value>) -> bool {
    if let Some(result) = result {
        store.insert(destination, result, Deadline::Clear);
        return true;
    }
    store.expire_if_due(destination);
    store.delete(destination)
}

/// Records one effect: a command's name, a key, and elements.
pub(crate) fn effect_of_elems(store: &mut Store<'_>, name: &[u8], key: Key<'_>, elems: &[Vec<u8>]) {
    if store.replay {
        return;
    }
    let mut effect = store.effects.begin(store.db, elems.len() + 2);
    effect.arg(name).arg(key.bytes);
    for elem in elems {
        effect.arg(elem);
    }
    effect.finish();
}

/// An integer argument of at least `least`; `otherwise` is the whole error for everything else.
pub(crate) fn at_least(arg: &[u8], least: i64, otherwise: &'static str) -> Result<usize, CommandError> {
    parse_i64(arg)
        .filter(|value| *value >= least)
        .and_then(|value| usize::try_from(value).ok())
        .ok_or(CommandError::Text(otherwise))
}

/// Where the keys stand of a command whose argument `at` says how many follow it (LMPOP, ZMPOP, SINTERCARD). The end
/// may lie beyond the arguments: what error that is differs.
pub(crate) fn counted_keys(args: Args<'_>, at: usize) -> Result<Range<usize>, CommandError> {
    let count = match parse_i64(args.at(at)) {
        Some(count) if count > 0 => usize::try_from(count).unwrap_or(usize::MAX),
        _ => return Err(CommandError::NumkeysNotPositive),
    };
    Ok(at + 1..count.saturating_add(at + 1))
}

/// The `COUNT count` that may end LMPOP and ZMPOP, at argument `at`; 1 without it.
pub(crate) fn optional_count(args: Args<'_>, at: usize) -> Result<usize, CommandError> {
    match (args.get(at), args.get(at + 1)) {
        (None, _) => Ok(1),
        (Some(option), Some(count)) if parse::is(option, "COUNT") => {
            let count = at_least(count, 1, "ERR count should be greater than 0")?;
            if args.len() > at + 2 { Err(CommandError::Syntax) } else { Ok(count) }
        }
        _ => Err(CommandError::Syntax),
    }
}

/// The count of SRANDMEMBER, HRANDFIELD and ZRANDMEMBER: negative allows repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RandomCount {
    /// At most this many, each once.
    Distinct(usize),
    /// Exactly this many, any of them more than once.
    Repeated(usize),
}

impl RandomCount {
    /// Reads the argument.
    pub(crate) fn parse(arg: &[u8]) -> Result<Self, CommandError> {
        let count = parse::int_in(arg, -i64::MAX, i64::MAX)?;
        let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        match count {
            ..0 => Ok(Self::Repeated(size)),
            0.. => Ok(Self::Distinct(size)),
        }
    }

    /// Refuses counts whose double would not fit, as for replies of pairs.
    pub(crate) fn of_pairs(self) -> Result<Self, CommandError> {
        let (Self::Distinct(count) | Self::Repeated(count)) = self;
        if count > usize::MAX / 4 { Err(CommandError::OutOfRange) } else { Ok(self) }
    }

    /// How many elements are answered out of a collection of `len`.
    pub(crate) fn drawn_from(self, len: usize) -> usize {
        match self {
            Self::Distinct(count) => count.min(len),
            Self::Repeated(count) => count,
        }
    }
}

/// Positions of `count` different elements out of `len`, evenly distributed.
///
/// The memory is that of the result: Floyd's method for few, a partial shuffle where most are wanted.
pub(crate) fn distinct_positions(rng: &mut fastrand::Rng, len: usize, count: usize) -> Vec<usize> {
    assert!(count <= len, "only {len} positions differ");
    if count > len / 4 {
        let mut all: Vec<usize> = (0..len).collect();
        for at in 0..count {
            all.swap(at, rng.usize(at..len));
        }
        all.truncate(count);
        return all;
    }
    let (mut seen, mut positions) = (HashSet::with_capacity(count), Vec::with_capacity(count));
    for bound in len - count..len {
        let position = rng.usize(..=bound);
        let position = if seen.insert(position) { position } else { bound };
        seen.insert(position);
        positions.push(position);
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_positions_are_distinct_and_within_the_length() {
        let mut rng = fastrand::Rng::with_seed(7);
        for (len, count) in [(0, 0), (1, 1), (10, 1), (10, 2), (10, 9), (10, 10), (1000, 100), (1000, 900)] {
            let positions = distinct_positions(&mut rng, len, count);
            assert_eq!(positions.len(), count);
            assert!(positions.iter().all(|position| *position < len));
            assert_eq!(positions.iter().collect::<HashSet<_>>().len(), count);
        }
    }

    #[test]
    fn every_position_is_drawn_about_as_often_as_any_other() {
        let mut rng = fastrand::Rng::with_seed(11);
        for count in [2, 6] {
            let mut drawn = [0_u32; 12];
            for _ in 0..6000 {
                distinct_positions(&mut rng, 12, count).into_iter().for_each(|position| drawn[position] += 1);
            }
            let expected = 500 * u32::try_from(count).unwrap();
            assert!(drawn.iter().all(|times| times.abs_diff(expected) < expected / 5), "{drawn:?}");
        }
    }
}
