//! Sorted sets: their rows.

mod add;
mod algebra;
mod interval;
mod members;
mod pop;
mod range;
mod scored;
#[cfg(test)]
mod tests;

use crate::command::{Flags, Group, Keys, Row, row};

const READ: u32 = Flags::READONLY;
const WRITE: u32 = Flags::WRITE | Flags::DENYOOM;
const REMOVE: u32 = Flags::WRITE;
const FAST: u32 = Flags::FAST;
const COUNTED: Keys = Keys::Numkeys { count_at: 1, destination: false };
const STORED: Keys = Keys::Numkeys { count_at: 2, destination: true };

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!(SortedSet "zadd" -4 WRITE | FAST, Keys::FIRST, add::zadd,
        "key condition:[NX | XX] comparison:[GT | LT] [change:CH] [increment:INCR] data:(score member)...";
        "1.2.0" "O(log(N)) for each member given" "Adds members to a sorted set or changes their scores."),
    row!(SortedSet "zcard" 2 READ | FAST, Keys::FIRST, members::zcard, "key";
        "1.2.0" "O(1)" "Answers the number of members of a sorted set."),
    row!(SortedSet "zcount" 4 READ | FAST, Keys::FIRST, range::zcount, "key min:double max:double";
        "2.0.0" "O(log(N))" "Answers how many members have scores within a range."),
    row!(SortedSet "zdiff" -3 READ, COUNTED, algebra::zdiff, "numkeys key... [WITHSCORES]";
        "6.2.0" "O(N) by the members of all sorted sets" "Answers the members of the first sorted set that no other has."),
    row!(SortedSet "zdiffstore" -4 WRITE, STORED, algebra::zdiffstore, "destination numkeys key...";
        "6.2.0" "O(N) by the members of all sorted sets" "Stores the members of the first sorted set that no other has."),
    row!(SortedSet "zincrby" 4 WRITE | FAST, Keys::FIRST, add::zincrby, "key increment member";
        "1.2.0" "O(log(N))" "Adds to the score of a member; a missing one counts as 0."),
    row!(SortedSet "zinter" -3 READ, COUNTED, algebra::zinter,
        "numkeys key... [WEIGHTS weight...] [AGGREGATE (SUM | MIN | MAX)] [WITHSCORES]";
        "6.2.0" "O(N*K)+O(M*log(M)) by the smallest sorted set, their number and the result" "Answers the members that all sorted sets have."),
    row!(SortedSet "zintercard" -3 READ, COUNTED, algebra::zintercard, "numkeys key... [LIMIT limit]";
        "7.0.0" "O(N*K) by the smallest sorted set and their number" "Answers how many members all sorted sets have."),
    row!(SortedSet "zinterstore" -4 WRITE, STORED, algebra::zinterstore,
        "destination numkeys key... [WEIGHTS weight...] [AGGREGATE (SUM | MIN | MAX)]";
        "2.0.0" "O(N*K)+O(M*log(M)) by the smallest sorted set, their number and the result" "Stores the members that all sorted sets have."),
    row!(SortedSet "zlexcount" 4 READ | FAST, Keys::FIRST, range::zlexcount, "key min max";
        "2.8.9" "O(log(N))" "Answers how many members lie within a range of members."),
    row!(SortedSet "zmpop" -4 REMOVE, COUNTED, pop::zmpop, "numkeys key... where:(MIN | MAX) [COUNT count]";
        "7.0.0" "O(K)+O(M*log(N)) by the keys and the members answered" "Takes members with the lowest or highest scores out of the first sorted set that there is."),
    row!(SortedSet "zmscore" -3 READ | FAST, Keys::FIRST, members::zmscore, "key member...";
        "6.2.0" "O(N) by the members given" "Answers the scores of several members."),
    row!(SortedSet "zpopmax" -2 REMOVE | FAST, Keys::FIRST, pop::zpopmax, "key [count]";
        "5.0.0" "O(log(N)) for each member answered" "Takes the members with the highest scores out of a sorted set."),
    row!(SortedSet "zpopmin" -2 REMOVE | FAST, Keys::FIRST, pop::zpopmin, "key [count]";
        "5.0.0" "O(log(N)) for each member answered" "Takes the members with the lowest scores out of a sorted set."),
    row!(SortedSet "zrandmember" -2 READ, Keys::FIRST, members::zrandmember, "key options:[count [WITHSCORES]]";
        "6.2.0" "O(N) by the members answered" "Answers random members of a sorted set, with their scores if asked."),
    row!(SortedSet "zrange" -4 READ, Keys::FIRST, range::zrange,
        "key start:string stop:string sortby:[BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]";
        "1.2.0" "O(log(N)+M) by the members answered" "Answers a range of a sorted set by rank, score or member."),
    row!(SortedSet "zrangebylex" -4 READ, Keys::FIRST, range::zrangebylex, "key min max [LIMIT offset count]";
        "2.8.9" "O(log(N)+M) by the members answered" "Answers the members within a range of members."),
    row!(SortedSet "zrangebyscore" -4 READ, Keys::FIRST, range::zrangebyscore,
        "key min:double max:double [WITHSCORES] [LIMIT offset count]";
        "1.0.5" "O(log(N)+M) by the members answered" "Answers the members with scores within a range."),
    row!(SortedSet "zrangestore" -5 WRITE, Keys::range(1, 2, 1), range::zrangestore,
        "dst src min max sortby:[BYSCORE | BYLEX] [REV] [LIMIT offset count]";
        "6.2.0" "O(log(N)+M) by the members stored" "Stores a range of a sorted set."),
    row!(SortedSet "zrank" -3 READ | FAST, Keys::FIRST, members::zrank, "key member [WITHSCORE]";
        "2.0.0" "O(log(N))" "Answers the place of a member in ascending order."),
    row!(SortedSet "zrem" -3 REMOVE | FAST, Keys::FIRST, members::zrem, "key member...";
        "1.2.0" "O(log(N)) for each member given" "Removes members from a sorted set."),
    row!(SortedSet "zremrangebylex" 4 REMOVE, Keys::FIRST, range::zremrangebylex, "key min max";
        "2.8.9" "O(log(N)+M) by the members removed" "Removes the members within a range of members."),
    row!(SortedSet "zremrangebyrank" 4 REMOVE, Keys::FIRST, range::zremrangebyrank, "key start stop";
        "2.0.0" "O(log(N)+M) by the members removed" "Removes the members within a range of ranks."),
    row!(SortedSet "zremrangebyscore" 4 REMOVE, Keys::FIRST, range::zremrangebyscore, "key min:double max:double";
        "1.2.0" "O(log(N)+M) by the members removed" "Removes the members with scores within a range."),
    row!(SortedSet "zrevrange" -4 READ, Keys::FIRST, range::zrevrange, "key start stop [WITHSCORES]";
        "1.2.0" "O(log(N)+M) by the members answered" "Answers a range of a sorted set by rank in descending order."),
    row!(SortedSet "zrevrangebylex" -4 READ, Keys::FIRST, range::zrevrangebylex, "key max min [LIMIT offset count]";
        "2.8.9" "O(log(N)+M) by the members answered" "Answers the members within a range of members in descending order."),
    row!(SortedSet "zrevrangebyscore" -4 READ, Keys::FIRST, range::zrevrangebyscore,
        "key max:double min:double [WITHSCORES] [LIMIT offset count]";
        "2.2.0" "O(log(N)+M) by the members answered" "Answers the members with scores within a range in descending order."),
    row!(SortedSet "zrevrank" -3 READ | FAST, Keys::FIRST, members::zrevrank, "key member [WITHSCORE]";
        "2.0.0" "O(log(N))" "Answers the place of a member in descending order."),
    row!(SortedSet "zscan" -3 READ, Keys::FIRST, members::zscan, "key cursor [MATCH pattern] [COUNT count]";
        "2.8.0" "O(1) a call, O(N) by the members for all" "Iterates over the members of a sorted set with their scores."),
    row!(SortedSet "zscore" 3 READ | FAST, Keys::FIRST, members::zscore, "key member";
        "1.2.0" "O(1)" "Answers the score of a member."),
    row!(SortedSet "zunion" -3 READ, COUNTED, algebra::zunion,
        "numkeys key... [WEIGHTS weight...] [AGGREGATE (SUM | MIN | MAX)] [WITHSCORES]";
        "6.2.0" "O(N)+O(M*log(M)) by the members of all sorted sets and the result" "Answers the members that any of the sorted sets has."),
    row!(SortedSet "zunionstore" -4 WRITE, STORED, algebra::zunionstore,
        "destination numkeys key... [WEIGHTS weight...] [AGGREGATE (SUM | MIN | MAX)]";
        "2.0.0" "O(N)+O(M*log(M)) by the members of all sorted sets and the result" "Stores the members that any of the sorted sets has."),
];

#[cfg(test)]
pub(crate) const FUZZ: &[&str] = &[
    "ZADD {k} {s} {e} {s} {e}",
    "ZADD {k} 1 a 2 b 2.5 c 0 é",
    "ZADD {k} {|NX|XX} {|GT|LT} {|CH} {s} {e} {s} {e}",
    "ZADD {k} {|NX|XX|GT|LT} INCR {s} {e}",
    "ZADD {k} 0 a 0 b 0 c 0 1 0 2",
    "ZINCRBY {k} {s} {e}",
    "ZINCRBY {k} 0.1 {e}",
    "ZREM {k} {e} {e}",
    "{ZSCORE|ZMSCORE|ZRANK|ZREVRANK} {k} {e}",
    "ZRANGE {k} {i} {i} {|REV} {|WITHSCORES}",
    "ZRANGE {k} {s} {s} BYSCORE {|REV} {|LIMIT_{n}_{i}} {|WITHSCORES}",
    "ZRANGE {k} {-|[b|(1} {+|(c|[a} BYLEX {|REV} {|LIMIT_{n}_{i}}",
    "{ZRANGEBYSCORE|ZREVRANGEBYSCORE|ZCOUNT} {k} {s} {s}",
    "ZRANGESTORE {k} {k} {i} {i} {|REV}",
    "ZRANGESTORE {k} {k} {s} {s} BYSCORE {|LIMIT_{n}_{i}}",
    "ZRANGESTORE {k} {k} {-|[b|(1} {+|(c|[2} BYLEX {|LIMIT_{n}_{i}}",
    "ZRANGESTORE {k} {k} {+|(c|[2} {-|[b|(1} BYLEX REV {|LIMIT_{n}_{i}}",
    "ZREMRANGEBYRANK {k} {i} {i}",
    "ZREMRANGEBYSCORE {k} {s} {s}",
    "ZREMRANGEBYLEX {k} {-|[b|(1} {+|(c|[2}",
    "{ZPOPMIN|ZPOPMAX} {k}",
    "{ZPOPMIN|ZPOPMAX} {k} {n}",
    "ZMPOP 2 {k} {k} {MIN|MAX} {|COUNT_{n}}",
    "ZRANDMEMBER {k} {i} {|WITHSCORES}",
    "ZSCAN {k} 0",
    "{ZUNION|ZINTER} 2 {k} {k} {|WEIGHTS_{s}_{f}} {|AGGREGATE_MIN|AGGREGATE_MAX|AGGREGATE_SUM} {|WITHSCORES}",
    "{ZUNIONSTORE|ZINTERSTORE} {k} 3 {k} {k} {k} {|WEIGHTS_{s}_{f}_{f}} {|AGGREGATE_MIN|AGGREGATE_MAX}",
    "ZDIFFSTORE {k} 2 {k} {k}",
    "ZINTERCARD 2 {k} {k} {|LIMIT_{n}}",
];
