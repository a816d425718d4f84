//! Sets: their rows.

mod algebra;
mod members;
mod random;
#[cfg(test)]
mod tests;

use crate::command::{Flags, Group, Keys, Row, row};

const READ: u32 = Flags::READONLY;
const WRITE: u32 = Flags::WRITE | Flags::DENYOOM;
const FAST: u32 = Flags::FAST;
const COUNTED: Keys = Keys::Numkeys { count_at: 1, destination: false };

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!(Set "sadd" -3 WRITE | FAST, Keys::FIRST, members::sadd, "key member...";
        "1.0.0" "O(N) by the members given" "Adds members to a set, which is made if there is none."),
    row!(Set "scard" 2 READ | FAST, Keys::FIRST, members::scard, "key";
        "1.0.0" "O(1)" "Answers the number of members of a set."),
    row!(Set "sdiff" -2 READ, Keys::ALL, algebra::sdiff, "key...";
        "1.0.0" "O(N) by the members of all sets" "Answers the members of the first set that no other has."),
    row!(Set "sdiffstore" -3 WRITE, Keys::ALL, algebra::sdiffstore, "destination key...";
        "1.0.0" "O(N) by the members of all sets" "Stores the members of the first set that no other has."),
    row!(Set "sinter" -2 READ, Keys::ALL, algebra::sinter, "key...";
        "1.0.0" "O(N*M) by the members of the smallest set and the sets" "Answers the members that all sets have."),
    row!(Set "sintercard" -3 READ, COUNTED, algebra::sintercard, "numkeys key... [LIMIT limit]";
        "7.0.0" "O(N*M) by the members of the smallest set and the sets" "Answers how many members all sets have."),
    row!(Set "sinterstore" -3 WRITE, Keys::ALL, algebra::sinterstore, "destination key...";
        "1.0.0" "O(N*M) by the members of the smallest set and the sets" "Stores the members that all sets have."),
    row!(Set "sismember" 3 READ | FAST, Keys::FIRST, members::sismember, "key member";
        "1.0.0" "O(1)" "Answers whether a set has a member."),
    row!(Set "smembers" 2 READ, Keys::FIRST, members::smembers, "key";
        "1.0.0" "O(N) by the members" "Answers all members of a set."),
    row!(Set "smismember" -3 READ | FAST, Keys::FIRST, members::smismember, "key member...";
        "6.2.0" "O(N) by the members given" "Answers for each of several members whether a set has it."),
    row!(Set "smove" 4 Flags::WRITE | FAST, Keys::range(1, 2, 1), members::smove, "source destination member";
        "1.0.0" "O(1)" "Moves a member from a set to another."),
    row!(Set "spop" -2 Flags::WRITE | FAST, Keys::FIRST, random::spop, "key [count]";
        "1.0.0" "O(N) by the members answered" "Takes random members out of a set."),
    row!(Set "srandmember" -2 READ, Keys::FIRST, random::srandmember, "key [count]";
        "1.0.0" "O(N) by the members answered" "Answers random members of a set."),
    row!(Set "srem" -3 Flags::WRITE | FAST, Keys::FIRST, members::srem, "key member...";
        "1.0.0" "O(N) by the members given" "Removes members from a set."),
    row!(Set "sscan" -3 READ, Keys::FIRST, members::sscan, "key cursor [MATCH pattern] [COUNT count]";
        "2.8.0" "O(1) a call, O(N) by the members for all" "Iterates over the members of a set."),
    row!(Set "sunion" -2 READ, Keys::ALL, algebra::sunion, "key...";
        "1.0.0" "O(N) by the members of all sets" "Answers the members that any of the sets has."),
    row!(Set "sunionstore" -3 WRITE, Keys::ALL, algebra::sunionstore, "destination key...";
        "1.0.0" "O(N) by the members of all sets" "Stores the members that any of the sets has."),
];

#[cfg(test)]
pub(crate) const FUZZ: &[&str] = &[
    "SADD {k} {e} {e} {e}",
    "SADD {k} {e}",
    "SADD {k} 1 2 3 4 5 6",
    "SREM {k} {e} {e}",
    "SMOVE {k} {k} {e}",
    "SPOP {k}",
    "SPOP {k} {n}",
    "SRANDMEMBER {k} {i}",
    "SISMEMBER {k} {e}",
    "SMISMEMBER {k} {e} {e}",
    "SMEMBERS {k}",
    "SCARD {k}",
    "SSCAN {k} 0",
    "{SINTER|SUNION|SDIFF} {k} {k}",
    "{SINTERSTORE|SUNIONSTORE|SDIFFSTORE} {k} {k} {k}",
    "{SINTERSTORE|SUNIONSTORE|SDIFFSTORE} {k} {k}",
    "SINTERCARD 2 {k} {k} {|LIMIT_{n}}",
];
