//! Strings and counters: their rows.

mod counters;
mod lcs;
mod parts;
mod read;
mod set;

use crate::command::{Flags, Group, Keys, Row, row};

const READ: u32 = Flags::READONLY;
const READ_FAST: u32 = Flags::READONLY | Flags::FAST;
const WRITE: u32 = Flags::WRITE | Flags::DENYOOM;
const WRITE_FAST: u32 = Flags::WRITE | Flags::DENYOOM | Flags::FAST;

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!(String "append" 3 WRITE_FAST, Keys::FIRST, parts::append, "key value";
        "2.0.0" "O(1) amortized" "Appends to a string, which is made if there is none."),
    row!(String "decr" 2 WRITE_FAST, Keys::FIRST, counters::decr, "key";
        "1.0.0" "O(1)" "Subtracts one from a counter; a missing one counts as 0."),
    row!(String "decrby" 3 WRITE_FAST, Keys::FIRST, counters::decrby, "key decrement";
        "1.0.0" "O(1)" "Subtracts an integer from a counter; a missing one counts as 0."),
    row!(String "get" 2 READ_FAST, Keys::FIRST, read::get, "key";
        "1.0.0" "O(1)" "Answers a string."),
    row!(String "getdel" 2 Flags::WRITE | Flags::FAST, Keys::FIRST, read::getdel, "key";
        "6.2.0" "O(1)" "Answers a string and deletes its key."),
    row!(String "getex" -2 Flags::WRITE | Flags::FAST, Keys::FIRST, read::getex,
        "key expiration:[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]";
        "6.2.0" "O(1)" "Answers a string and sets or removes its deadline."),
    row!(String "getrange" 4 READ, Keys::FIRST, parts::getrange, "key start end";
        "2.4.0" "O(N) by the length of the answer" "Answers a part of a string."),
    row!(String "getset" 3 WRITE_FAST, Keys::FIRST, set::getset, "key value";
        "1.0.0" "O(1)" "Answers a string and replaces it."),
    row!(String "incr" 2 WRITE_FAST, Keys::FIRST, counters::incr, "key";
        "1.0.0" "O(1)" "Adds one to a counter; a missing one counts as 0."),
    row!(String "incrby" 3 WRITE_FAST, Keys::FIRST, counters::incrby, "key increment";
        "1.0.0" "O(1)" "Adds an integer to a counter; a missing one counts as 0."),
    row!(String "incrbyfloat" 3 WRITE_FAST, Keys::FIRST, counters::incrbyfloat, "key increment:double";
        "2.6.0" "O(1)" "Adds a number to a number stored as a string; a missing one counts as 0."),
    row!(String "lcs" -3 READ, Keys::range(1, 2, 1), lcs::lcs,
        "key1 key2@0 [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]";
        "7.0.0" "O(N*M) by the lengths of both strings, 64 steps at a time"
        "Finds the longest common subsequence of two strings."),
    row!(String "mget" -2 READ_FAST, Keys::ALL, read::mget, "key...";
        "1.0.0" "O(N) by the keys" "Answers several strings at once."),
    row!(String "mset" -3 WRITE, Keys::range(1, -1, 2), set::mset, "data:(key value)...";
        "1.0.1" "O(N) by the keys" "Sets several strings at once."),
    row!(String "msetnx" -3 WRITE, Keys::range(1, -1, 2), set::msetnx, "data:(key value)...";
        "1.0.1" "O(N) by the keys" "Sets several strings at once, if none of the keys exists."),
    row!(String "psetex" 4 WRITE, Keys::FIRST, set::psetex, "key milliseconds value";
        "2.6.0" "O(1)" "Sets a string with a time to live in milliseconds."),
    row!(String "set" -3 WRITE, Keys::FIRST, set::set,
        "key value condition:[NX | XX] [GET] expiration:[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]";
        "1.0.0" "O(1)" "Sets a string, whatever the key held; options set conditions and a deadline."),
    row!(String "setex" 4 WRITE, Keys::FIRST, set::setex, "key seconds value";
        "2.0.0" "O(1)" "Sets a string with a time to live in seconds."),
    row!(String "setnx" 3 WRITE_FAST, Keys::FIRST, set::setnx, "key value";
        "1.0.0" "O(1)" "Sets a string if the key does not exist."),
    row!(String "setrange" 4 WRITE, Keys::FIRST, parts::setrange, "key offset value";
        "2.2.0" "O(N) by the length of the value" "Overwrites a part of a string, filling a gap with zero bytes."),
    row!(String "strlen" 2 READ_FAST, Keys::FIRST, read::strlen, "key";
        "2.2.0" "O(1)" "Answers the length of a string."),
    row!(String "substr" 4 READ, Keys::FIRST, parts::getrange, "key start end";
        "1.0.0" "O(N) by the length of the answer" "Answers a part of a string; an old name of GETRANGE."),
];

#[cfg(test)]
pub(crate) const FUZZ: &[&str] = &[
    "GET {k}",
    "SET {k} {v}",
    "SET {k} {v} {|GET|NX|XX|NX_GET|XX_GET|get_nx} {|KEEPTTL|EX_{sec}|PX_{ms}|EXAT_{atsec}|PXAT_{at}}",
    "SET {k} {v} {|KEEPTTL|EX_{sec}|PX_{ms}|PXAT_{at}} {|GET|NX|XX}",
    "SETNX {k} {v}",
    "SETEX {k} {sec} {v}",
    "PSETEX {k} {ms} {v}",
    "MSET {k} {v} {k} {v}",
    "MSETNX {k} {v} {k} {v}",
    "MGET {k} {k}",
    "GETSET {k} {v}",
    "GETDEL {k}",
    "GETEX {k} {|PERSIST|EX_{sec}|PX_{ms}|EXAT_{atsec}|PXAT_{at}}",
    "APPEND {k} {v}",
    "STRLEN {k}",
    "SETRANGE {k} {n} {v}",
    "GETRANGE {k} {i} {i}",
    "SUBSTR {k} {i} {i}",
    "INCR {k}",
    "DECR {k}",
    "INCRBY {k} {i}",
    "DECRBY {k} {i}",
    "INCRBYFLOAT {k} {f}",
    "LCS {k} {k} {|LEN|IDX|IDX_MINMATCHLEN_{i}_WITHMATCHLEN}",
];

#[cfg(test)]
mod tests;
