"""Every command of the base types through redis-py's own methods, with the types that it promises for their results."""

import unittest
from datetime import timedelta

from support import ServerCase


class Types:
    def test_strings(self):
        c = self.client
        self.assertIs(c.set("s", "10"), True)
        self.assertIsNone(c.set("s", "x", nx=True))
        self.assertEqual(c.set("s", "11", get=True, xx=True), b"10")
        self.assertEqual((c.get("s"), c.get("none")), (b"11", None))
        self.assertEqual((c.incr("s"), c.decrby("s", 5)), (12, 7))
        self.assertEqual(c.incrbyfloat("s", 0.1), 7.1)
        self.assertEqual((c.append("s", "!"), c.strlen("s")), (4, 4))
        self.assertEqual((c.setrange("s", 1, "xx"), c.getrange("s", 0, -2)), (4, b"7xx"))
        self.assertIs(c.mset({"a": 1, "b": 2}), True)
        self.assertIs(c.msetnx({"b": 3, "c": 4}), False)
        self.assertEqual(c.mget("a", "none", "b"), [b"1", None, b"2"])
        self.assertIs(c.setnx("a", 2), False)
        self.assertEqual((c.getset("a", 2), c.getdel("a"), c.getdel("a")), (b"1", b"2", None))
        self.assertIs(c.setex("t", 100, "v"), True)
        self.assertIs(c.psetex("t", timedelta(seconds=100), "v"), True)
        self.assertEqual(c.getex("t", persist=True), b"v")
        self.assertEqual(c.ttl("t"), -1)

    def test_keys(self):
        c = self.client
        c.mset({"a": 1, "b": 2})
        self.assertEqual((c.exists("a", "a", "none"), c.touch("a", "none"), c.type("a")), (2, 1, b"string"))
        self.assertEqual(c.type("none"), b"none")
        self.assertEqual((c.ttl("none"), c.pttl("a"), c.expiretime("a")), (-2, -1, -1))
        self.assertIs(c.expire("a", 100), True)
        self.assertIs(c.expire("a", 50, gt=True), False)
        self.assertIs(c.pexpireat("a", 4_000_000_000_000), True)
        self.assertEqual((c.expiretime("a"), c.pexpiretime("a")), (4_000_000_000, 4_000_000_000_000))
        self.assertIs(c.persist("a"), True)
        self.assertIs(c.persist("a"), False)
        self.assertIs(c.rename("a", "z"), True)
        self.assertIs(c.renamenx("z", "b"), False)
        self.assertIs(c.copy("z", "b"), False)
        self.assertIs(c.copy("z", "b", replace=True), True)
        self.assertIs(c.copy("z", "b", destination_db=1), True)
        self.assertIs(c.move("b", 1), False)
        self.assertIs(c.swapdb(0, 1), True)
        self.assertEqual((c.keys("*"), c.dbsize(), c.randomkey()), ([b"b"], 1, b"b"))
        self.assertEqual((c.object("encoding", "b"), c.object("refcount", "b")), (b"int", 1))
        self.assertEqual((c.delete("b", "none"), c.unlink("b")), (1, 0))
        self.assertIsNone(c.randomkey())
        self.assertIs(c.flushdb(asynchronous=True), True)

    def test_lists(self):
        c = self.client
        self.assertEqual((c.rpush("l", 1, 2, 3), c.lpush("l", 0), c.lpushx("none", 1)), (3, 4, 0))
        self.assertEqual((c.llen("l"), c.lindex("l", -1), c.lindex("l", 9)), (4, b"3", None))
        self.assertEqual(c.linsert("l", "BEFORE", "2", "1.5"), 5)
        self.assertEqual(c.linsert("l", "AFTER", "none", "x"), -1)
        self.assertEqual(c.lrange("l", 0, -1), [b"0", b"1", b"1.5", b"2", b"3"])
        self.assertIs(c.lset("l", 0, "first"), True)
        self.assertEqual((c.lrem("l", 0, "1.5"), c.lrem("l", 0, "none")), (1, 0))
        self.assertIs(c.ltrim("l", 0, 2), True)
        self.assertEqual((c.lpop("l"), c.rpop("l", 2), c.lpop("l"), c.rpop("l", 2)), (b"first", [b"2", b"1"], None, None))
        c.rpush("l", "a", "b", "a", "c", "a")
        self.assertEqual((c.lpos("l", "a", rank=2), c.lpos("l", "a", count=0), c.lpos("l", "x")), (2, [0, 2, 4], None))
        self.assertEqual((c.lmove("l", "m", "LEFT", "RIGHT"), c.rpoplpush("l", "m")), (b"a", b"a"))
        self.assertEqual(c.lmpop(2, "none", "m", direction="LEFT", count=5), [b"m", [b"a", b"a"]])
        self.assertIsNone(c.lmpop(1, "none", direction="LEFT"))

    def test_sets(self):
        c = self.client
        self.assertEqual((c.sadd("s", "a", "b", "b"), c.sadd("t", "b", "c"), c.scard("s")), (2, 2, 2))
        self.assertEqual(c.smembers("s"), {b"a", b"b"})
        self.assertEqual(c.smembers("none"), set())
        self.assertIs(bool(c.sismember("s", "a")), True)
        self.assertIs(bool(c.sismember("s", "x")), False)
        self.assertEqual(c.smismember("s", ["a", "x"]), [1, 0])
        self.assertEqual((c.sinter("s", "t"), c.sunion("s", "t"), c.sdiff("s", "t")), ({b"b"}, {b"a", b"b", b"c"}, {b"a"}))
        self.assertEqual((c.sintercard(2, ["s", "t"]), c.sinterstore("d", "s", "t"), c.sdiffstore("d", "s", "t")), (1, 1, 1))
        self.assertEqual(c.sunionstore("d", "s", "t"), 3)
        self.assertIs(bool(c.smove("s", "t", "a")), True)
        self.assertIs(bool(c.smove("s", "t", "a")), False)
        self.assertEqual((c.srandmember("s"), c.srandmember("s", -3), c.srandmember("none")), (b"b", [b"b"] * 3, None))
        self.assertEqual((c.spop("s"), c.spop("s"), c.srem("t", "a", "x")), (b"b", None, 1))
        self.assertEqual(set(c.spop("d", 5)), {b"a", b"b", b"c"})

    def test_hashes(self):
        c = self.client
        self.assertEqual((c.hset("h", "f", "1"), c.hset("h", mapping={"f": 2, "g": 3.5})), (1, 1))
        self.assertEqual(c.hgetall("h"), {b"f": b"2", b"g": b"3.5"})
        self.assertEqual(c.hgetall("none"), {})
        self.assertEqual((c.hget("h", "f"), c.hget("h", "x"), c.hmget("h", "f", "x")), (b"2", None, [b"2", None]))
        self.assertEqual((c.hincrby("h", "f", 5), c.hincrbyfloat("h", "g", 0.1)), (7, 3.6))
        self.assertEqual((c.hlen("h"), c.hstrlen("h", "g")), (2, 3))
        self.assertEqual((c.hkeys("h"), c.hvals("h")), ([b"f", b"g"], [b"7", b"3.6"]))
        self.assertIs(bool(c.hexists("h", "f")), True)
        self.assertIs(bool(c.hsetnx("h", "f", 1)), False)
        self.assertIn(c.hrandfield("h"), (b"f", b"g"))
        self.assertIsNone(c.hrandfield("none"))
        drawn = c.hrandfield("h", 9, withvalues=True)
        self.assertEqual(sorted(tuple(pair) for pair in drawn), [(b"f", b"7"), (b"g", b"3.6")])
        self.assertEqual((c.hdel("h", "f", "x"), c.hdel("none", "x")), (1, 0))

    def test_sorted_sets(self):
        c = self.client
        self.assertEqual((c.zadd("z", {"a": 1, "b": 2.5, "c": float("inf")}), c.zadd("z", {"a": 2}, ch=True)), (3, 1))
        self.assertEqual(c.zadd("z", {"a": 1.5}, incr=True), 3.5)
        self.assertIsNone(c.zadd("z", {"a": 1}, incr=True, nx=True))
        self.assertEqual((c.zscore("z", "b"), c.zscore("z", "c"), c.zscore("z", "x")), (2.5, float("inf"), None))
        self.assertEqual(c.zmscore("z", ["a", "x"]), [3.5, None])
        self.assertEqual(c.zrange("z", 0, -1, withscores=True), [[b"b", 2.5], [b"a", 3.5], [b"c", float("inf")]])
        self.assertEqual(c.zrange("z", 0, -1, desc=True), [b"c", b"a", b"b"])
        self.assertEqual(c.zrangebyscore("z", "(2.5", "+inf", start=0, num=1), [b"a"])
        self.assertEqual((c.zrank("z", "a"), c.zrevrank("z", "a"), c.zrank("z", "x")), (1, 1, None))
        self.assertEqual(c.zrank("z", "a", withscore=True), [1, 3.5])
        self.assertEqual((c.zcard("z"), c.zcount("z", 0, 3), c.zincrby("z", 1, "b")), (3, 1, 3.5))
        self.assertEqual(c.zpopmin("z"), [[b"a", 3.5]])
        self.assertEqual(c.zpopmax("z", 2), [[b"c", float("inf")], [b"b", 3.5]])
        self.assertEqual(c.zpopmin("z"), [])

    def test_sorted_sets_by_name_and_by_each_other(self):
        c = self.client
        c.zadd("l", dict.fromkeys("abcde", 0))
        self.assertEqual((c.zlexcount("l", "[b", "(d"), c.zrangebylex("l", "-", "(c")), (2, [b"a", b"b"]))
        self.assertEqual(c.zrevrangebylex("l", "+", "[d"), [b"e", b"d"])
        c.zadd("m", {"a": 1, "x": 2})
        self.assertEqual(c.zunion(["l", "m"], withscores=True)[-2:], [[b"a", 1.0], [b"x", 2.0]])
        self.assertEqual((c.zinter(["l", "m"]), c.zdiff(["m", "l"]), c.zintercard(2, ["l", "m"])), ([b"a"], [b"x"], 1))
        self.assertEqual(c.zunionstore("d", {"l": 1, "m": 10}, aggregate="MAX"), 6)
        self.assertEqual(c.zscore("d", "x"), 20.0)
        self.assertEqual((c.zinterstore("d", ["l", "m"]), c.zdiffstore("d", ["m", "l"])), (1, 1))
        self.assertEqual(c.zrangestore("d", "m", 0, -1), 2)
        self.assertLessEqual(set(c.zrandmember("d", -2)), {b"a", b"x"})
        self.assertEqual(c.zmpop(2, ["none", "d"], min=True), [b"d", [[b"a", 1.0]]])
        self.assertEqual((c.zrem("m", "a", "none"), c.zremrangebyrank("m", 0, -1)), (1, 1))
        self.assertEqual((c.zremrangebylex("l", "[b", "[c"), c.zremrangebyscore("l", 0, 0)), (2, 3))

    def test_answers_decoded_by_the_client_are_text(self):
        c = self.connect(decode_responses=True)
        c.hset("h", mapping={"f": "v"})
        c.rpush("l", "a")
        c.sadd("s", "m")
        self.assertEqual((c.hgetall("h"), c.lrange("l", 0, -1), c.smembers("s")), ({"f": "v"}, ["a"], {"m"}))


class TypesInResp2(Types, ServerCase):
    protocol = 2


class TypesInResp3(Types, ServerCase):
    protocol = 3


if __name__ == "__main__":
    unittest.main()
