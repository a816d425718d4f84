//! Hashes: their rows.

mod counters;
mod fields;
#[cfg(test)]
mod tests;
mod walks;

use crate::command::{Flags, Group, Keys, Row};

const READ: u32 = Flags::READONLY;
const WRITE: u32 = Flags::WRITE | Flags::DENYOOM;
const FAST: u32 = Flags::FAST;

/// A row of this group.
macro_rules! row {
    ($name:literal $arity:literal $flags:expr, $keys:expr, $run:expr, $syntax:literal;
     $since:literal $cost:literal $summary:literal) => {
        Row::data($name, $arity, $flags, $keys, $run).doc(Group::Hash, $since, $cost, $summary).takes($syntax)
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!("hdel" -3 Flags::WRITE | FAST, Keys::FIRST, fields::hdel, "key field...";
        "2.0.0" "O(N) by the fields given" "Removes fields from a hash."),
    row!("hexists" 3 READ | FAST, Keys::FIRST, fields::hexists, "key field";
        "2.0.0" "O(1)" "Answers whether a hash has a field."),
    row!("hget" 3 READ | FAST, Keys::FIRST, fields::hget, "key field";
        "2.0.0" "O(1)" "Answers the value of a field."),
    row!("hgetall" 2 READ, Keys::FIRST, walks::hgetall, "key";
        "2.0.0" "O(N) by the fields" "Answers all fields of a hash with their values."),
    row!("hincrby" 4 WRITE | FAST, Keys::FIRST, counters::hincrby, "key field increment";
        "2.0.0" "O(1)" "Adds an integer to the value of a field; a missing one counts as 0."),
    row!("hincrbyfloat" 4 WRITE | FAST, Keys::FIRST, counters::hincrbyfloat, "key field increment:double";
        "2.6.0" "O(1)" "Adds a number to the value of a field; a missing one counts as 0."),
    row!("hkeys" 2 READ, Keys::FIRST, walks::hkeys, "key";
        "2.0.0" "O(N) by the fields" "Answers all fields of a hash."),
    row!("hlen" 2 READ | FAST, Keys::FIRST, fields::hlen, "key";
        "2.0.0" "O(1)" "Answers the number of fields of a hash."),
    row!("hmget" -3 READ | FAST, Keys::FIRST, fields::hmget, "key field...";
        "2.0.0" "O(N) by the fields given" "Answers the values of several fields."),
    row!("hmset" -4 WRITE | FAST, Keys::FIRST, fields::hmset, "key data:(field value)...";
        "2.0.0" "O(N) by the fields given" "Sets several fields of a hash; an old form of HSET."),
    row!("hrandfield" -2 READ, Keys::FIRST, walks::hrandfield, "key options:[count [WITHVALUES]]";
        "6.2.0" "O(N) by the fields answered" "Answers random fields of a hash, with their values if asked."),
    row!("hscan" -3 READ, Keys::FIRST, walks::hscan, "key cursor [MATCH pattern] [COUNT count]";
        "2.8.0" "O(1) a call, O(N) by the fields for all" "Iterates over the fields of a hash with their values."),
    row!("hset" -4 WRITE | FAST, Keys::FIRST, fields::hset, "key data:(field value)...";
        "2.0.0" "O(N) by the fields given" "Sets fields of a hash, which is made if there is none."),
    row!("hsetnx" 4 WRITE | FAST, Keys::FIRST, fields::hsetnx, "key field value";
        "2.0.0" "O(1)" "Sets a field of a hash, if the field does not exist."),
    row!("hstrlen" 3 READ | FAST, Keys::FIRST, fields::hstrlen, "key field";
        "3.2.0" "O(1)" "Answers the length of the value of a field."),
    row!("hvals" 2 READ, Keys::FIRST, walks::hvals, "key";
        "2.0.0" "O(N) by the fields" "Answers the values of all fields of a hash."),
];

#[cfg(test)]
pub(crate) const FUZZ: &[&str] = &[
    "HSET {k} {e} {v} {e} {v}",
    "HSET {k} {e} {v}",
    "HMSET {k} {e} {f} {e} {v}",
    "HSETNX {k} {e} {v}",
    "HDEL {k} {e} {e}",
    "HDEL {k} a b c 1 2",
    "HINCRBY {k} {e} {i}",
    "HINCRBYFLOAT {k} {e} {f}",
    "HINCRBYFLOAT {k} {e} 0.1",
    "{HGETALL|HKEYS|HVALS|HLEN} {k}",
    "{HGET|HMGET|HEXISTS|HSTRLEN} {k} {e}",
    "HRANDFIELD {k} {i} {|WITHVALUES}",
    "HSCAN {k} 0",
];
