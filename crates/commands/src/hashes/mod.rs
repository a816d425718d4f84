//! Hashes: their rows.

mod counters;
mod fields;
#[cfg(test)]
mod tests;
mod walks;

use crate::command::{Flags, Group, Keys, Row, row};

const READ: u32 = Flags::READONLY;
const WRITE: u32 = Flags::WRITE | Flags::DENYOOM;
const FAST: u32 = Flags::FAST;

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!(Hash "hdel" -3 Flags::WRITE | FAST, Keys::FIRST, fields::hdel, "key field...";
        "2.0.0" "O(N) by the fields given" "Removes fields from a hash."),
    row!(Hash "hexists" 3 READ | FAST, Keys::FIRST, fields::hexists, "key field";
        "2.0.0" "O(1)" "Answers whether a hash has a field."),
    row!(Hash "hget" 3 READ | FAST, Keys::FIRST, fields::hget, "key field";
        "2.0.0" "O(1)" "Answers the value of a field."),
    row!(Hash "hgetall" 2 READ, Keys::FIRST, walks::hgetall, "key";
        "2.0.0" "O(N) by the fields" "Answers all fields of a hash with their values."),
    row!(Hash "hincrby" 4 WRITE | FAST, Keys::FIRST, counters::hincrby, "key field increment";
        "2.0.0" "O(1)" "Adds an integer to the value of a field; a missing one counts as 0."),
    row!(Hash "hincrbyfloat" 4 WRITE | FAST, Keys::FIRST, counters::hincrbyfloat, "key field increment:double";
        "2.6.0" "O(1)" "Adds a number to the value of a field; a missing one counts as 0."),
    row!(Hash "hkeys" 2 READ, Keys::FIRST, walks::hkeys, "key";
        "2.0.0" "O(N) by the fields" "Answers all fields of a hash."),
    row!(Hash "hlen" 2 READ | FAST, Keys::FIRST, fields::hlen, "key";
        "2.0.0" "O(1)" "Answers the number of fields of a hash."),
    row!(Hash "hmget" -3 READ | FAST, Keys::FIRST, fields::hmget, "key field...";
        "2.0.0" "O(N) by the fields given" "Answers the values of several fields."),
    row!(Hash "hmset" -4 WRITE | FAST, Keys::FIRST, fields::hmset, "key data:(field value)...";
        "2.0.0" "O(N) by the fields given" "Sets several fields of a hash; an old form of HSET."),
    row!(Hash "hrandfield" -2 READ, Keys::FIRST, walks::hrandfield, "key options:[count [WITHVALUES]]";
        "6.2.0" "O(N) by the fields answered" "Answers random fields of a hash, with their values if asked."),
    row!(Hash "hscan" -3 READ, Keys::FIRST, walks::hscan, "key cursor [MATCH pattern] [COUNT count]";
        "2.8.0" "O(1) a call, O(N) by the fields for all" "Iterates over the fields of a hash with their values."),
    row!(Hash "hset" -4 WRITE | FAST, Keys::FIRST, fields::hset, "key data:(field value)...";
        "2.0.0" "O(N) by the fields given" "Sets fields of a hash, which is made if there is none."),
    row!(Hash "hsetnx" 4 WRITE | FAST, Keys::FIRST, fields::hsetnx, "key field value";
        "2.0.0" "O(1)" "Sets a field of a hash, if the field does not exist."),
    row!(Hash "hstrlen" 3 READ | FAST, Keys::FIRST, fields::hstrlen, "key field";
        "3.2.0" "O(1)" "Answers the length of the value of a field."),
    row!(Hash "hvals" 2 READ, Keys::FIRST, walks::hvals, "key";
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
