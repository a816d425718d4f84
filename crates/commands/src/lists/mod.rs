//! Lists: their rows, and what an end of a list is.

mod ends;
mod inside;
#[cfg(test)]
mod tests;

use keyspace::List;

use crate::CommandError;
use crate::command::{Flags, Group, Keys, Row, row};
use crate::parse::is;

const READ: u32 = Flags::READONLY;
const WRITE: u32 = Flags::WRITE | Flags::DENYOOM;
const FAST: u32 = Flags::FAST;
const COUNTED: Keys = Keys::Numkeys { count_at: 1, destination: false };

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!(List "lindex" 3 READ, Keys::FIRST, inside::lindex, "key index";
        "1.0.0" "O(N) by the distance from the nearer end" "Answers the element of a list at an index."),
    row!(List "linsert" 5 WRITE, Keys::FIRST, inside::linsert, "key where:(BEFORE | AFTER) pivot element";
        "2.2.0" "O(N) by the elements before the pivot" "Inserts an element before or after another one of a list."),
    row!(List "llen" 2 READ | FAST, Keys::FIRST, inside::llen, "key";
        "1.0.0" "O(1)" "Answers the length of a list."),
    row!(List "lmove" 5 WRITE, Keys::range(1, 2, 1), ends::lmove,
        "source destination wherefrom:(LEFT | RIGHT) whereto:(LEFT | RIGHT)";
        "6.2.0" "O(1)" "Moves an element from an end of a list to an end of a list."),
    row!(List "lmpop" -4 Flags::WRITE, COUNTED, ends::lmpop, "numkeys key... where:(LEFT | RIGHT) [COUNT count]";
        "7.0.0" "O(N+M) by the keys and the elements answered" "Takes elements off the first list that there is."),
    row!(List "lpop" -2 Flags::WRITE | FAST, Keys::FIRST, ends::lpop, "key [count]";
        "1.0.0" "O(N) by the elements answered" "Takes elements off the start of a list."),
    row!(List "lpos" -3 READ, Keys::FIRST, inside::lpos, "key element [RANK rank] [COUNT num-matches] [MAXLEN len]";
        "6.0.6" "O(N) by the elements compared" "Answers where elements of a value stand in a list."),
    row!(List "lpush" -3 WRITE | FAST, Keys::FIRST, ends::lpush, "key element...";
        "1.0.0" "O(N) by the elements given" "Prepends elements to a list, which is made if there is none."),
    row!(List "lpushx" -3 WRITE | FAST, Keys::FIRST, ends::lpushx, "key element...";
        "2.2.0" "O(N) by the elements given" "Prepends elements to a list, if there is one."),
    row!(List "lrange" 4 READ, Keys::FIRST, inside::lrange, "key start stop";
        "1.0.0" "O(S+N) by the distance from the nearer end and the elements answered" "Answers a range of a list."),
    row!(List "lrem" 4 Flags::WRITE, Keys::FIRST, inside::lrem, "key count element";
        "1.0.0" "O(N) by the length of the list" "Removes elements of a value from a list."),
    row!(List "lset" 4 WRITE, Keys::FIRST, inside::lset, "key index element";
        "1.0.0" "O(N) by the distance from the nearer end" "Replaces the element of a list at an index."),
    row!(List "ltrim" 4 Flags::WRITE, Keys::FIRST, inside::ltrim, "key start stop";
        "1.0.0" "O(N) by the elements removed" "Removes all of a list but a range."),
    row!(List "rpop" -2 Flags::WRITE | FAST, Keys::FIRST, ends::rpop, "key [count]";
        "1.0.0" "O(N) by the elements answered" "Takes elements off the end of a list."),
    row!(List "rpoplpush" 3 WRITE, Keys::range(1, 2, 1), ends::rpoplpush, "source destination";
        "1.2.0" "O(1)" "Moves the last element of a list to the start of a list."),
    row!(List "rpush" -3 WRITE | FAST, Keys::FIRST, ends::rpush, "key element...";
        "1.0.0" "O(N) by the elements given" "Appends elements to a list, which is made if there is none."),
    row!(List "rpushx" -3 WRITE | FAST, Keys::FIRST, ends::rpushx, "key element...";
        "2.2.0" "O(N) by the elements given" "Appends elements to a list, if there is one."),
];

#[cfg(test)]
pub(crate) const FUZZ: &[&str] = &[
    "LPUSH {k} {e} {e}",
    "RPUSH {k} {e} {e} {e}",
    "RPUSH {k} {e} {e} {e} {e} {e} {e}",
    "{LPUSHX|RPUSHX} {k} {e}",
    "{LPOP|RPOP} {k}",
    "{LPOP|RPOP} {k} {n}",
    "LMPOP 2 {k} {k} {LEFT|RIGHT} {|COUNT_{n}}",
    "LMOVE {k} {k} {LEFT|RIGHT} {LEFT|RIGHT}",
    "RPOPLPUSH {k} {k}",
    "LRANGE {k} {i} {i}",
    "LINDEX {k} {i}",
    "LPOS {k} {e} RANK {i} COUNT {n}",
    "LSET {k} {i} {e}",
    "LINSERT {k} {BEFORE|AFTER} {e} {e}",
    "LREM {k} {i} {e}",
    "LTRIM {k} {i} {i}",
];

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Left,
    Right,
}

impl End {
    /// `LEFT` or `RIGHT`.
    fn parse(arg: &[u8]) -> Result<Self, CommandError> {
        match arg {
            _ if is(arg, "LEFT") => Ok(Self::Left),
            _ if is(arg, "RIGHT") => Ok(Self::Right),
            _ => Err(CommandError::Syntax),
        }
    }

    /// The command that takes elements off this end.
    fn pop_name(self) -> &'static str {
        match self {
            Self::Left => "lpop",
            Self::Right => "rpop",
        }
    }

    /// The `count` elements at this end of a list, as positions.
    fn positions(self, list: &List, count: usize) -> std::ops::Range<usize> {
        let count = count.min(list.len());
        match self {
            Self::Left => 0..count,
            Self::Right => list.len() - count..list.len(),
        }
    }
}
