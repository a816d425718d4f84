//! SORT: which part of its reply is determined.
//!
//! Elements that weigh the same text stand in any order, and so do the members of a set that is not to be sorted. Then the
//! elements are compared without their order; with LIMIT, which may cut anywhere among them, no more than their number.
//! Nothing of that is ever stored.

use testkit::Value;

use super::manner::random_shape;
use super::step::Request;

/// The options of a request, as far as they decide the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    /// It has a pattern with a star.
    by_pattern: bool,
    /// It has a pattern without, which means that nothing is sorted.
    no_sort: bool,
    alpha: bool,
    limit: bool,
    store: bool,
    gets: usize,
}

impl Options {
    /// Of a request in which nothing is wrong.
    fn of(argv: &[Vec<u8>]) -> Self {
        let mut options = Self::default();
        let mut words = argv.iter().skip(2);
        while let Some(word) = words.next() {
            match word.to_ascii_lowercase().as_slice() {
                b"by" => {
                    options.by_pattern = words.next().is_some_and(|pattern| pattern.contains(&b'*'));
                    options.no_sort |= !options.by_pattern;
                }
                b"get" => options.gets += usize::from(words.next().is_some()),
                b"store" => options.store = words.next().is_some(),
                b"limit" => options.limit = words.nth(1).is_some(),
                b"alpha" => options.alpha = true,
                _ => {}
            }
        }
        options
    }

    /// Whether the order is, for a key of this type, if it is known.
    fn is_determined(self, key_type: Option<&[u8]>) -> bool {
        if self.no_sort { key_type.is_some_and(|known| known != b"set") } else { !(self.alpha && self.by_pattern) }
    }
}

/// Takes ALPHA out of a request that would store elements in any order.
pub(super) fn settle(argv: &mut Vec<Vec<u8>>) {
    let options = Options::of(argv);
    if options.store && options.alpha && options.by_pattern {
        let mut at = 0;
        argv.retain(|word| {
            at += 1;
            at <= 2 || !word.eq_ignore_ascii_case(b"ALPHA")
        });
    }
}

/// The reply in the form that is compared.
pub(super) fn form(request: &Request, reply: &Value, key_type: Option<&[u8]>) -> Value {
    let options = Options::of(&request.argv);
    match reply {
        Value::Array(_) if options.is_determined(key_type) => reply.clone(),
        Value::Array(_) if options.limit => random_shape(reply),
        Value::Array(items) => in_any_order(items, options.gets),
        other => other.clone(),
    }
}

/// The elements, each with what the GETs of the request found for it, in an order that depends on nothing else.
fn in_any_order(items: &[Value], gets: usize) -> Value {
    let mut rows: Vec<&[Value]> = items.chunks(gets.max(1)).collect();
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    Value::Array(rows.concat())
}

/// Whether replies differ only in the order of texts in which a zero byte stands.
pub(super) fn stops_at_zero_bytes(request: &Request, ours: &Value, theirs: &Value) -> bool {
    let options = Options::of(&request.argv);
    let (Value::Array(ours), Value::Array(theirs)) = (ours, theirs) else { return false };
    let is_text = options.alpha && !options.by_pattern && !options.no_sort && !options.store;
    let has_zero = |item: &Value| item.as_bytes().is_some_and(|bytes| bytes.contains(&0));
    let same = if options.limit {
        ours.len() == theirs.len()
    } else {
        in_any_order(ours, options.gets) == in_any_order(theirs, options.gets)
    };
    is_text && same && ours.iter().chain(theirs).any(has_zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulks(texts: &[&str]) -> Value {
        Value::Array(texts.iter().map(|text| Value::Bulk(text.as_bytes().to_vec())).collect())
    }

    #[test]
    fn an_order_is_compared_where_there_is_one() {
        let (one, other) = (bulks(&["a", "b"]), bulks(&["b", "a"]));
        let equal = |words: &[&str], key_type: Option<&[u8]>| {
            let request = Request::of(words);
            form(&request, &one, key_type) == form(&request, &other, key_type)
        };
        assert!(!equal(&["SORT", "k", "ALPHA"], Some(b"set")));
        assert!(!equal(&["SORT", "k", "BY", "s*"], Some(b"set")));
        assert!(!equal(&["SORT", "k", "BY", "nosort"], Some(b"list")));
        assert!(equal(&["SORT", "k", "BY", "nosort"], Some(b"set")));
        assert!(equal(&["SORT", "k", "by", "s*", "alpha"], Some(b"list")));
        assert!(!equal(&["SORT", "k", "BY", "s*", "ALPHA", "GET", "#", "GET", "s*"], Some(b"list")));
    }

    #[test]
    fn nothing_is_stored_in_any_order() {
        let settled = |line: &str| {
            let mut argv: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            settle(&mut argv);
            String::from_utf8(argv.join(&b' ')).unwrap()
        };
        assert_eq!(settled("SORT alpha BY s* alpha STORE d"), "SORT alpha BY s* STORE d");
        for kept in ["SORT k BY s* ALPHA", "SORT k ALPHA STORE d", "SORT k BY nosort ALPHA STORE d"] {
            assert_eq!(settled(kept), kept);
        }
    }
}
