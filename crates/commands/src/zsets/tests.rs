//! Transcripts of the sorted set commands. Replies are those of Redis 7.0.15, but for WITHSCORE of ZRANK, which it does
//! not have, and for doubles with more than 17 digits, which 7.2 prints shortest.

use crate::harness::{Bench, check};

#[test]
fn zadd_adds_and_updates() {
    check(
        r#"
        > ZADD a 1 x 2 y 1.5 z
        3
        ~ ZADD a 1 x 2 y 1.5 z
        > ZADD a 1 x
        0
        > ZADD a 3 x 4 w
        1
        ~ ZADD a 3 x 4 w
        > ZADD a CH 4 x 4 w 5 v
        2
        ~ ZADD a CH 4 x 4 w 5 v
        > ZADD a ch nx 9 x 6 u
        1
        ~ ZADD a ch nx 9 x 6 u
        > ZADD a XX CH 9 x 9 new
        1
        ~ ZADD a XX CH 9 x 9 new
        > ZADD missing XX 1 x
        0
        > ZADD missing XX INCR 1 x
        nil
        > ZRANGE a 0 -1 WITHSCORES
        ["z", "1.5", "y", "2", "w", "4", "v", "5", "u", "6", "x", "9"]
        > ZCARD a
        6
        > ZCARD missing
        0
        > ZADD a inf x -inf y +inf z
        0
        ~ ZADD a inf x -inf y +inf z
        > ZSCORE a x
        "inf"
        > ZMSCORE a y missing z
        ["-inf", nil, "inf"]
        > ZMSCORE missing x
        [nil]
        > ZSCORE missing x
        nil
        > SET s x
        +OK
        ~ SET s x
        > ZADD s 1 x
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > ZADD s XX 1 x
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > ZSCORE s x
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn zadd_refuses_what_does_not_fit_together() {
    check(
        r#"
        > ZADD a 1
        -ERR wrong number of arguments for 'zadd' command
        > ZADD a NX 1
        -ERR syntax error
        > ZADD a 1 x 2
        -ERR syntax error
        > ZADD a NX XX 1 x
        -ERR XX and NX options at the same time are not compatible
        > ZADD a GT LT 1 x
        -ERR GT, LT, and/or NX options at the same time are not compatible
        > ZADD a GT NX 1 x
        -ERR GT, LT, and/or NX options at the same time are not compatible
        > ZADD a NX LT 1 x
        -ERR GT, LT, and/or NX options at the same time are not compatible
        > ZADD a INCR 1 x 2 y
        -ERR INCR option supports a single increment-element pair
        > ZADD a nan x
        -ERR value is not a valid float
        > ZADD a 1 x two y
        -ERR value is not a valid float
        > ZADD a x x
        -ERR value is not a valid float
        > EXISTS a
        0
        > ZINCRBY a x y
        -ERR value is not a valid float
        > ZINCRBY a NX y
        -ERR syntax error
        "#,
    );
}

#[test]
fn scores_change_only_in_the_direction_asked_for() {
    check(
        r#"
        > ZADD a 5 x 5 y
        2
        ~ ZADD a 5 x 5 y
        > ZADD a GT CH 4 x 6 y 1 z
        2
        ~ ZADD a GT CH 4 x 6 y 1 z
        > ZADD a LT CH 4 x 7 y
        1
        ~ ZADD a LT CH 4 x 7 y
        > ZADD a XX GT CH 10 x 10 missing
        1
        ~ ZADD a XX GT CH 10 x 10 missing
        > ZADD a GT INCR -1 x
        nil
        > ZADD a GT INCR 0 x
        nil
        > ZADD a LT INCR -1 x
        "9"
        ~ ZADD a LT INCR -1 x
        > ZADD a NX INCR 1 x
        nil
        > ZADD a NX INCR 1 new
        "1"
        ~ ZADD a NX INCR 1 new
        > ZRANGE a 0 -1 WITHSCORES
        ["new", "1", "z", "1", "y", "6", "x", "9"]
        "#,
    );
}

#[test]
fn increments_add_up_but_never_to_nan() {
    check(
        r#"
        > ZINCRBY a 1 x
        "1"
        ~ ZINCRBY a 1 x
        > ZINCRBY a 0.5 x
        "1.5"
        ~ ZINCRBY a 0.5 x
        > ZINCRBY a 0 x
        "1.5"
        > ZADD a INCR -3 x
        "-1.5"
        ~ ZADD a INCR -3 x
        > ZINCRBY a inf x
        "inf"
        ~ ZINCRBY a inf x
        > ZINCRBY a -inf x
        -ERR resulting score is not a number (NaN)
        > ZINCRBY a -inf y
        "-inf"
        ~ ZINCRBY a -inf y
        > ZRANGE a 0 -1 WITHSCORES
        ["y", "-inf", "x", "inf"]
        > ZINCRBY a 1e20 z
        "1e+20"
        ~ ZINCRBY a 1e20 z
        > ZINCRBY a 0.1 d
        "0.1"
        ~ ZINCRBY a 0.1 d
        > @resp 3
        > ZINCRBY a 0.5 d
        ,0.6
        ~ ZINCRBY a 0.5 d
        > ZADD a XX INCR 1 missing
        nil
        > ZSCORE a y
        ,-inf
        > ZMSCORE a x missing
        [,inf, nil]
        "#,
    );
}

#[test]
fn members_are_removed_and_ranked() {
    check(
        r#"
        > ZADD a 1 x 2 y 2 z
        3
        ~ ZADD a 1 x 2 y 2 z
        > ZRANK a z
        2
        > ZREVRANK a z
        0
        > ZRANK a missing
        nil
        > ZRANK missing x
        nil
        > ZREM a missing
        0
        > ZREM a missing x y
        2
        ~ ZREM a missing x y
        > ZRANK a z
        0
        > ZREM a z
        1
        ~ ZREM a z
        > ZCARD a
        0
        > ZREM a z
        0
        > SET s x
        +OK
        ~ SET s x
        > ZRANK s x
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > ZREM s x
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn a_rank_comes_with_its_score_if_asked() {
    check(
        r#"
        > ZADD a 1 x 2.5 y
        2
        ~ ZADD a 1 x 2.5 y
        > ZRANK a y WITHSCORE
        [1, "2.5"]
        > ZREVRANK a y withscore
        [0, "2.5"]
        > ZRANK a missing WITHSCORE
        nil[]
        > ZRANK missing x WITHSCORE
        nil[]
        > ZRANK a y SCORE
        -ERR syntax error
        > ZRANK a y WITHSCORE x
        -ERR wrong number of arguments for 'zrank' command
        > @resp 3
        > ZRANK a y WITHSCORE
        [1, ,2.5]
        > ZRANK a missing WITHSCORE
        nil
        "#,
    );
}

#[test]
fn ranges_by_rank() {
    check(
        r#"
        > ZADD a 1 x 2 y 3 z
        3
        ~ ZADD a 1 x 2 y 3 z
        > ZRANGE a 0 -1
        ["x", "y", "z"]
        > ZRANGE a 1 1
        ["y"]
        > ZRANGE a -2 10
        ["y", "z"]
        > ZRANGE a 2 1
        []
        > ZRANGE a 0 1 REV WITHSCORES
        ["z", "3", "y", "2"]
        > ZREVRANGE a 0 1
        ["z", "y"]
        > ZREVRANGE a -1 -1 WITHSCORES
        ["x", "1"]
        > ZRANGE a x 1
        -ERR value is not an integer or out of range
        > ZRANGE a 0 1 REV REV
        -ERR syntax error
        > ZREVRANGE a 0 1 REV
        -ERR syntax error
        > ZREVRANGE a 0 1 BYSCORE
        -ERR syntax error
        > ZRANGE a 0 1 LIMIT 0 1
        -ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX
        > ZRANGE a 0 1 LIMIT 0 -1
        ["x", "y"]
        > ZRANGE a 0 1 LIMIT 0
        -ERR syntax error
        > ZRANGE a 0 1 WHAT
        -ERR syntax error
        > ZRANGE missing 0 1
        []
        > SET s x
        +OK
        ~ SET s x
        > ZRANGE s 0 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn ranges_by_score() {
    check(
        r#"
        > ZADD a -inf min 1 x 2 y 3 z inf max
        5
        ~ ZADD a -inf min 1 x 2 y 3 z inf max
        > ZRANGEBYSCORE a -inf +inf
        ["min", "x", "y", "z", "max"]
        > ZRANGEBYSCORE a (1 3
        ["y", "z"]
        > ZRANGEBYSCORE a 1 (3 WITHSCORES
        ["x", "1", "y", "2"]
        > ZRANGEBYSCORE a (-inf (inf
        ["x", "y", "z"]
        > ZRANGEBYSCORE a 3 1
        []
        > ZREVRANGEBYSCORE a 3 1
        ["z", "y", "x"]
        > ZREVRANGEBYSCORE a 3 1 LIMIT 1 1 WITHSCORES
        ["y", "2"]
        > ZRANGEBYSCORE a 1 3 LIMIT 1 -1
        ["y", "z"]
        > ZRANGEBYSCORE a 1 3 LIMIT 1 -7
        ["y", "z"]
        > ZRANGEBYSCORE a 1 3 LIMIT 1 0
        []
        > ZRANGEBYSCORE a 1 3 LIMIT 9 1
        []
        > ZRANGEBYSCORE a 1 3 LIMIT -1 5
        []
        > ZRANGEBYSCORE a 1 3 LIMIT x 5
        -ERR value is not an integer or out of range
        > ZRANGEBYSCORE a 1 3 BYSCORE
        -ERR syntax error
        > ZRANGEBYSCORE a x 3
        -ERR min or max is not a float
        > ZRANGEBYSCORE a 1 (
        []
        > ZRANGEBYSCORE a "" 3
        ["x", "y", "z"]
        > ZRANGEBYSCORE a nan 3
        -ERR min or max is not a float
        > ZRANGE a 1 3 BYSCORE
        ["x", "y", "z"]
        > ZRANGE a 3 (1 BYSCORE REV LIMIT 0 1
        ["z"]
        > ZRANGE a 3 (1 BYSCORE BYLEX
        -ERR syntax error
        > ZCOUNT a 1 3
        3
        > ZCOUNT a (1 +inf
        3
        > ZCOUNT a x 3
        -ERR min or max is not a float
        > ZCOUNT missing 1 3
        0
        > ZCOUNT a 3 1
        0
        "#,
    );
}

#[test]
fn ranges_by_member() {
    check(
        r#"
        > ZADD a 0 a 0 b 0 c 0 d 0 10
        5
        ~ ZADD a 0 a 0 b 0 c 0 d 0 10
        > ZRANGEBYLEX a - +
        ["10", "a", "b", "c", "d"]
        > ZRANGEBYLEX a [b (d
        ["b", "c"]
        > ZRANGEBYLEX a (b +
        ["c", "d"]
        > ZRANGEBYLEX a - [10
        ["10"]
        > ZRANGEBYLEX a + -
        []
        > ZREVRANGEBYLEX a + (b
        ["d", "c"]
        > ZREVRANGEBYLEX a [c - LIMIT 1 2
        ["b", "a"]
        > ZRANGE a [a [c BYLEX LIMIT 0 2
        ["a", "b"]
        > ZRANGE a [c [a BYLEX REV
        ["c", "b", "a"]
        > ZRANGE a [a [c BYLEX WITHSCORES
        -ERR syntax error, WITHSCORES not supported in combination with BYLEX
        > ZRANGEBYLEX a - + WITHSCORES
        -ERR syntax error, WITHSCORES not supported in combination with BYLEX
        > ZRANGEBYLEX a a [c
        -ERR min or max not valid string range item
        > ZRANGEBYLEX a - ++
        -ERR min or max not valid string range item
        > ZRANGEBYLEX a 1 2
        -ERR min or max not valid string range item
        > ZRANGEBYLEX a [ [b
        ["10", "a", "b"]
        > ZLEXCOUNT a - +
        5
        > ZLEXCOUNT a [b (d
        2
        > ZLEXCOUNT missing - +
        0
        > ZLEXCOUNT a 1 +
        -ERR min or max not valid string range item
        "#,
    );
}

#[test]
fn scores_are_doubles_and_pairs_in_resp3() {
    check(
        r#"
        > @resp 3
        > ZADD a 1 x 2.5 y 1e30 z
        3
        ~ ZADD a 1 x 2.5 y 1e30 z
        > ZRANGE a 0 -1
        ["x", "y", "z"]
        > ZRANGE a 0 -1 WITHSCORES
        [["x", ,1], ["y", ,2.5], ["z", ,1e+30]]
        > ZRANGEBYSCORE a 1 2 WITHSCORES
        [["x", ,1]]
        > ZREVRANGE a 0 0 WITHSCORES
        [["z", ,1e+30]]
        > ZSCORE a x
        ,1
        > ZSCORE a missing
        nil
        > ZSCAN a 0
        ["0", ["x", "1", "y", "2.5", "z", "1e+30"]]
        > ZRANDMEMBER a 5 WITHSCORES
        [["x", ,1], ["y", ,2.5], ["z", ,1e+30]]
        > ZUNION 1 a WITHSCORES
        [["x", ,1], ["y", ,2.5], ["z", ,1e+30]]
        > ZUNION 1 a
        ["x", "y", "z"]
        > ZPOPMIN a
        ["x", ,1]
        ~ ZPOPMIN a
        > ZPOPMIN a 1
        [["y", ,2.5]]
        ~ ZPOPMIN a 1
        > ZMPOP 1 a MAX
        ["a", [["z", ,1e+30]]]
        ~ ZPOPMAX a 1
        > ZMPOP 1 a MAX
        nil
        > ZPOPMAX a
        []
        > ZPOPMAX a 1
        []
        "#,
    );
}

#[test]
fn members_are_popped_from_either_end() {
    check(
        r#"
        > ZADD a 1 a 2 b 3 c 4 d 5 e
        5
        ~ ZADD a 1 a 2 b 3 c 4 d 5 e
        > ZPOPMIN a
        ["a", "1"]
        ~ ZPOPMIN a
        > ZPOPMAX a
        ["e", "5"]
        ~ ZPOPMAX a
        > ZPOPMIN a 0
        []
        > ZPOPMAX a 2
        ["d", "4", "c", "3"]
        ~ ZPOPMAX a 2
        > ZPOPMIN a 10
        ["b", "2"]
        ~ ZPOPMIN a 10
        > ZPOPMIN a
        []
        > ZPOPMIN a 2
        []
        > ZPOPMIN a -1
        -ERR value is out of range, must be positive
        > ZPOPMIN a x
        -ERR value is out of range, must be positive
        > ZPOPMIN a 1 2
        -ERR syntax error
        > SET s x
        +OK
        ~ SET s x
        > ZPOPMIN s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > ZPOPMIN s 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn zmpop_is_logged_as_the_pop_it_was() {
    check(
        r#"
        > ZMPOP 2 a b MIN
        nil[]
        > ZADD b 1 x 2 y 3 z 4 w
        4
        ~ ZADD b 1 x 2 y 3 z 4 w
        > ZMPOP 2 a b min
        ["b", [["x", "1"]]]
        ~ ZPOPMIN b 1
        > ZMPOP 2 a b MAX COUNT 10
        ["b", [["w", "4"], ["z", "3"], ["y", "2"]]]
        ~ ZPOPMAX b 3
        > ZMPOP 0 a MIN
        -ERR numkeys should be greater than 0
        > ZMPOP x a MIN
        -ERR numkeys should be greater than 0
        > ZMPOP 2 a MIN
        -ERR syntax error
        > ZMPOP 1 a LEFT
        -ERR syntax error
        > ZMPOP 1 a MIN COUNT 0
        -ERR count should be greater than 0
        > ZMPOP 1 a MIN COUNT
        -ERR syntax error
        > ZMPOP 1 a MIN COUNT 1 COUNT 1
        -ERR syntax error
        > SET s x
        +OK
        ~ SET s x
        > ZMPOP 2 a s MIN
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn a_range_is_stored_in_place_of_whatever_was_there() {
    check(
        r#"
        > ZADD a 1 x 2 y 3 z
        3
        ~ ZADD a 1 x 2 y 3 z
        > SET d x EX 100
        +OK
        ~ SET d x PXAT 1100000
        > ZRANGESTORE d a 0 1
        2
        ~ ZRANGESTORE d a 0 1
        > ZRANGE d 0 -1 WITHSCORES
        ["x", "1", "y", "2"]
        > TTL d
        -1
        > ZRANGESTORE d a (1 3 BYSCORE LIMIT 1 1
        1
        ~ ZRANGESTORE d a (1 3 BYSCORE LIMIT 1 1
        > ZRANGE d 0 -1 WITHSCORES
        ["z", "3"]
        > ZRANGESTORE d a 0 0 REV
        1
        ~ ZRANGESTORE d a 0 0 REV
        > ZRANGE d 0 -1
        ["z"]
        > ZRANGESTORE a a 0 1
        2
        ~ ZRANGESTORE a a 0 1
        > ZRANGE a 0 -1
        ["x", "y"]
        > ZRANGESTORE d a 5 6
        0
        ~ ZRANGESTORE d a 5 6
        > EXISTS d
        0
        > ZRANGESTORE d a 5 6
        0
        > ZRANGESTORE d missing 0 1
        0
        > ZRANGESTORE d a 0 1 WITHSCORES
        -ERR syntax error
        > ZRANGESTORE d a x 1
        -ERR value is not an integer or out of range
        > SET s x
        +OK
        ~ SET s x
        > ZRANGESTORE d s 0 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn ranges_are_removed() {
    check(
        r#"
        > ZADD a 1 a 2 b 3 c 4 d 5 e 6 f
        6
        ~ ZADD a 1 a 2 b 3 c 4 d 5 e 6 f
        > ZREMRANGEBYRANK a 0 0
        1
        ~ ZREMRANGEBYRANK a 0 0
        > ZREMRANGEBYRANK a 9 10
        0
        > ZREMRANGEBYSCORE a (2 3
        1
        ~ ZREMRANGEBYSCORE a (2 3
        > ZREMRANGEBYSCORE a 2.5 3.5
        0
        > ZRANGE a 0 -1
        ["b", "d", "e", "f"]
        > ZREMRANGEBYRANK a 0 -1
        4
        ~ ZREMRANGEBYRANK a 0 -1
        > EXISTS a
        0
        > ZREMRANGEBYRANK a 0 -1
        0
        > ZADD a 0 a 0 b 0 c
        3
        ~ ZADD a 0 a 0 b 0 c
        > ZREMRANGEBYLEX a [b +
        2
        ~ ZREMRANGEBYLEX a [b +
        > ZRANGE a 0 -1
        ["a"]
        > ZREMRANGEBYLEX a [b +
        0
        > ZREMRANGEBYLEX a b +
        -ERR min or max not valid string range item
        > ZREMRANGEBYSCORE a x 1
        -ERR min or max is not a float
        > ZREMRANGEBYRANK a x 1
        -ERR value is not an integer or out of range
        > SET s x
        +OK
        ~ SET s x
        > ZREMRANGEBYRANK s 0 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn a_range_of_members_is_logged_by_rank_where_scores_differ() {
    check(
        r#"
        > ZADD a 1 a 2 b 3 c 4 d
        4
        ~ ZADD a 1 a 2 b 3 c 4 d
        > ZRANGESTORE d a [b [c BYLEX
        2
        ~ ZRANGESTORE d a 1 2
        > ZRANGESTORE d a [d [b BYLEX REV LIMIT 0 2
        2
        ~ ZRANGESTORE d a 2 3
        > ZRANGESTORE d a [x [y BYLEX
        0
        ~ DEL d
        > ZRANGESTORE d a [x [y BYLEX
        0
        > ZREMRANGEBYLEX a [b [c
        2
        ~ ZREMRANGEBYRANK a 1 2
        > ZREMRANGEBYLEX a [x [y
        0
        "#,
    );
}

#[test]
fn sorted_sets_are_united_intersected_and_subtracted() {
    check(
        r#"
        > ZADD a 1 x 2 y 3 z
        3
        ~ ZADD a 1 x 2 y 3 z
        > ZADD b 10 y 20 z 30 w
        3
        ~ ZADD b 10 y 20 z 30 w
        > SADD s y z
        2
        ~ SADD s y z
        > ZUNION 2 a b WITHSCORES
        ["x", "1", "y", "12", "z", "23", "w", "30"]
        > ZUNION 2 a b
        ["x", "y", "z", "w"]
        > ZUNION 2 a b WEIGHTS 2 0.5 WITHSCORES
        ["x", "2", "y", "9", "w", "15", "z", "16"]
        > ZUNION 2 a b AGGREGATE MIN WITHSCORES
        ["x", "1", "y", "2", "z", "3", "w", "30"]
        > ZUNION 2 a b AGGREGATE max WEIGHTS 1 -1 WITHSCORES
        ["w", "-30", "x", "1", "y", "2", "z", "3"]
        > ZINTER 2 a b WITHSCORES
        ["y", "12", "z", "23"]
        > ZINTER 3 a b s WITHSCORES
        ["y", "13", "z", "24"]
        > ZINTER 2 a s WEIGHTS 1 5 WITHSCORES
        ["y", "7", "z", "8"]
        > ZINTER 2 a missing
        []
        > ZINTER 2 a a WITHSCORES
        ["x", "2", "y", "4", "z", "6"]
        > ZDIFF 2 a b WITHSCORES
        ["x", "1"]
        > ZDIFF 2 a s
        ["x"]
        > ZDIFF 2 missing a
        []
        > ZDIFF 1 s WITHSCORES
        ["y", "1", "z", "1"]
        > ZUNION 1 s WITHSCORES
        ["y", "1", "z", "1"]
        > ZUNION 1 missing
        []
        > ZINTERCARD 2 a b
        2
        > ZINTERCARD 2 a b LIMIT 1
        1
        > ZINTERCARD 2 a missing
        0
        "#,
    );
}

#[test]
fn infinities_never_become_nan() {
    check(
        r#"
        > ZADD a inf x 1 y
        2
        ~ ZADD a inf x 1 y
        > ZADD b -inf x 1 y
        2
        ~ ZADD b -inf x 1 y
        > ZUNION 2 a b WITHSCORES
        ["x", "0", "y", "2"]
        > ZINTER 2 a b WITHSCORES
        ["x", "0", "y", "2"]
        > ZUNION 2 a b WEIGHTS 0 1 WITHSCORES
        ["x", "-inf", "y", "1"]
        > ZINTER 2 a b WEIGHTS 0 1 AGGREGATE MAX WITHSCORES
        ["x", "0", "y", "1"]
        "#,
    );
}

#[test]
fn combinations_refuse_wrong_arguments() {
    check(
        r#"
        > ZADD a 1 x
        1
        ~ ZADD a 1 x
        > ZUNION 0 a
        -ERR at least 1 input key is needed for 'zunion' command
        > ZUNION x a
        -ERR value is not an integer or out of range
        > ZUNION 2 a
        -ERR syntax error
        > ZUNIONSTORE d 0 a
        -ERR at least 1 input key is needed for 'zunionstore' command
        > ZINTER -1 a
        -ERR at least 1 input key is needed for 'zinter' command
        > ZINTERSTORE d 0 a
        -ERR at least 1 input key is needed for 'zinterstore' command
        > ZDIFF 0 a
        -ERR at least 1 input key is needed for 'zdiff' command
        > ZDIFFSTORE d 0 a
        -ERR at least 1 input key is needed for 'zdiffstore' command
        > ZINTERCARD 0 a
        -ERR at least 1 input key is needed for 'zintercard' command
        > ZUNION 1 a WEIGHTS
        -ERR syntax error
        > ZUNION 1 a WEIGHTS x
        -ERR weight value is not a float
        > ZUNION 1 a WEIGHTS 1 2
        -ERR syntax error
        > ZUNION 1 a AGGREGATE
        -ERR syntax error
        > ZUNION 1 a AGGREGATE AVG
        -ERR syntax error
        > ZUNIONSTORE d 1 a WITHSCORES
        -ERR syntax error
        > ZDIFF 1 a WEIGHTS 1
        -ERR syntax error
        > ZDIFF 1 a AGGREGATE SUM
        -ERR syntax error
        > ZINTERCARD 1 a LIMIT -1
        -ERR LIMIT can't be negative
        > ZINTERCARD 1 a LIMIT
        -ERR syntax error
        > ZINTERCARD 1 a WITHSCORES
        -ERR syntax error
        > ZINTER 1 a LIMIT 1
        -ERR syntax error
        > SET s x
        +OK
        ~ SET s x
        > ZUNION 1 s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > ZDIFF 2 a s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > ZUNION 1 s WHAT
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn a_stored_combination_replaces_whatever_was_there() {
    check(
        r#"
        > ZADD a 1 x 2 y
        2
        ~ ZADD a 1 x 2 y
        > ZADD b 1 y
        1
        ~ ZADD b 1 y
        > SET d x EX 100
        +OK
        ~ SET d x PXAT 1100000
        > ZUNIONSTORE d 2 a b
        2
        ~ ZUNIONSTORE d 2 a b
        > ZRANGE d 0 -1 WITHSCORES
        ["x", "1", "y", "3"]
        > TTL d
        -1
        > ZINTERSTORE a 2 a b AGGREGATE MAX
        1
        ~ ZINTERSTORE a 2 a b AGGREGATE MAX
        > ZRANGE a 0 -1 WITHSCORES
        ["y", "2"]
        > ZDIFFSTORE d 2 d a
        1
        ~ ZDIFFSTORE d 2 d a
        > ZRANGE d 0 -1 WITHSCORES
        ["x", "1"]
        > ZDIFFSTORE d 2 d d
        0
        ~ ZDIFFSTORE d 2 d d
        > EXISTS d
        0
        > ZDIFFSTORE d 2 d d
        0
        > ZINTERSTORE b 2 b missing
        0
        ~ ZINTERSTORE b 2 b missing
        > EXISTS b
        0
        "#,
    );
}

#[test]
fn random_members_come_with_scores_if_asked() {
    check(
        r#"
        > ZRANDMEMBER a
        nil
        > ZRANDMEMBER a 1
        []
        > ZADD a 1.5 x
        1
        ~ ZADD a 1.5 x
        > ZRANDMEMBER a
        "x"
        > ZRANDMEMBER a 2
        ["x"]
        > ZRANDMEMBER a 0
        []
        > ZRANDMEMBER a 2 withscores
        ["x", "1.5"]
        > ZRANDMEMBER a -2
        ["x", "x"]
        > ZRANDMEMBER a -2 WITHSCORES
        ["x", "1.5", "x", "1.5"]
        > ZRANDMEMBER a x
        -ERR value is not an integer or out of range
        > ZRANDMEMBER a 1 SCORES
        -ERR syntax error
        > ZRANDMEMBER a -9223372036854775808
        -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > ZRANDMEMBER a -4611686018427387904 WITHSCORES
        -ERR value is out of range
        > SET s x
        +OK
        ~ SET s x
        > ZRANDMEMBER s
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn random_members_repeat_only_when_the_count_is_negative() {
    let mut bench = Bench::new();
    bench.line("ZADD a 1 a 2 b 3 c 4 d 5 e");
    let distinct = bench.line("ZRANDMEMBER a 3");
    let mut members: Vec<_> = distinct.trim_matches(['[', ']']).split(", ").collect();
    members.sort_unstable();
    members.dedup();
    assert_eq!(members.len(), 3, "{distinct}");
    assert_eq!(bench.line("ZRANDMEMBER a -20 WITHSCORES").split(", ").count(), 40);
}

#[test]
fn a_scan_answers_members_with_scores() {
    check(
        r#"
        > ZADD a 1 x 2.5 y 3 xx
        3
        ~ ZADD a 1 x 2.5 y 3 xx
        > ZSCAN a 0
        ["0", ["x", "1", "y", "2.5", "xx", "3"]]
        > ZSCAN a 0 MATCH x*
        ["0", ["x", "1", "xx", "3"]]
        > ZSCAN a 0 COUNT 0
        -ERR syntax error
        > ZSCAN a x
        -ERR invalid cursor
        > ZSCAN missing 0
        ["0", []]
        > SET s x
        +OK
        ~ SET s x
        > ZSCAN s 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn zero_has_no_sign_once_stored() {
    check(
        r#"
        > ZADD a -0 x
        1
        ~ ZADD a -0 x
        > ZSCORE a x
        "0"
        > ZINCRBY a -0 y
        "-0"
        ~ ZINCRBY a -0 y
        > ZSCORE a y
        "0"
        > ZUNIONSTORE d 1 a WEIGHTS -1
        2
        ~ ZUNIONSTORE d 1 a WEIGHTS -1
        > ZRANGE d 0 -1 WITHSCORES
        ["x", "0", "y", "0"]
        "#,
    );
}

/// ZADD counted the members as they were added; Redis counts the arguments, whether or not any is added.
#[test]
fn the_number_of_arguments_of_zadd_decides_the_form() {
    check(
        r#"
        > @compact 3
        > ZADD a 1 x
        1
        ~ ZADD a 1 x
        > OBJECT ENCODING a
        "listpack"
        > ZADD a XX 1 p 1 q 1 r 1 s
        0
        > OBJECT ENCODING a
        "skiplist"
        > ZADD b 1 x 1 x 1 x 1 x
        1
        ~ ZADD b 1 x 1 x 1 x 1 x
        > OBJECT ENCODING b
        "skiplist"
        "#,
    );
}

/// A stored range of scores was compact where it was small; Redis, not knowing how many come, makes it for many.
#[test]
fn a_stored_range_is_compact_only_if_its_ends_are_ranks() {
    check(
        r#"
        > ZADD a 1 x 1 y
        2
        ~ ZADD a 1 x 1 y
        > ZRANGESTORE d a 0 -1
        2
        ~ ZRANGESTORE d a 0 -1
        > OBJECT ENCODING d
        "listpack"
        > ZRANGESTORE d a -inf +inf BYSCORE
        2
        ~ ZRANGESTORE d a -inf +inf BYSCORE
        > OBJECT ENCODING d
        "skiplist"
        > ZRANGESTORE d a - + BYLEX
        2
        ~ ZRANGESTORE d a - + BYLEX
        > OBJECT ENCODING d
        "skiplist"
        "#,
    );
}

/// An end of a range of scores was refused where it was out of the range of doubles, or had a zero byte; strtod takes both.
#[test]
fn ends_of_a_range_of_scores_are_read_as_strtod_reads_them() {
    check(
        r#"
        > ZADD a 1 x 2 y
        2
        ~ ZADD a 1 x 2 y
        > ZRANGEBYSCORE a -1e999 (1e999
        ["x", "y"]
        > ZCOUNT a 1e-999 +inf
        2
        > ZCOUNT a "\x00junk" "1\x00junk"
        1
        > ZCOUNT a 1x 2
        -ERR min or max is not a float
        > ZADD a 1e999 z
        -ERR value is not a valid float
        "#,
    );
}

/// LIMIT with a count of -1 may stand beside ranks, and skipped members there.
#[test]
fn a_limit_beside_ranks_means_nothing() {
    check(
        r#"
        > ZADD a 1 x 2 y
        2
        ~ ZADD a 1 x 2 y
        > ZRANGE a 0 -1 LIMIT 1 -1
        ["x", "y"]
        > ZRANGE a 0 -1 REV LIMIT -3 -1
        ["y", "x"]
        "#,
    );
}

/// ZSCAN printed all scores with the shortest digits; Redis prints those of a large sorted set with 17.
#[test]
fn a_scan_of_a_large_sorted_set_prints_17_digits() {
    check(
        r#"
        > ZADD a 0.1 x
        1
        ~ ZADD a 0.1 x
        > ZSCAN a 0
        ["0", ["x", "0.1"]]
        > @compact 0
        > ZADD b 0.1 x
        1
        ~ ZADD b 0.1 x
        > ZSCAN b 0
        ["0", ["x", "0.10000000000000001"]]
        > ZSCORE b x
        "0.1"
        "#,
    );
}
