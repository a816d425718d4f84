"""Pipelines, transactions and WATCH as redis-py makes them, and how it names what the server refuses."""

import unittest

import redis

from support import ServerCase


class Transactions:
    def test_a_pipeline_answers_in_order_and_its_errors_in_place(self):
        pipeline = self.client.pipeline(transaction=False)
        pipeline.set("a", "x").incr("a").get("a").hgetall("none")
        results = pipeline.execute(raise_on_error=False)
        self.assertEqual((results[0], results[2], results[3]), (True, b"x", {}))
        self.assertIsInstance(results[1], redis.ResponseError)

    def test_a_long_pipeline_is_answered_whole(self):
        pipeline = self.client.pipeline(transaction=False)
        for n in range(20_000):
            pipeline.rpush("l", n)
        self.assert_alike(pipeline.execute(), list(range(1, 20_001)))
        self.assert_alike(self.client.lrange("l", 0, -1), [str(n).encode() for n in range(20_000)])

    def test_a_transaction_is_whole(self):
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.set("a", 1).incrby("a", 2).sadd("s", "x").smembers("s").zadd("z", {"m": 1}).zscore("z", "m")
            self.assertEqual(pipeline.execute(), [True, 3, 1, {b"x"}, 1, 1.0])

    def test_an_error_inside_a_transaction_undoes_nothing_of_it(self):
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.set("a", "x").incr("a").set("b", 1)
            with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
                pipeline.execute()
        self.assertEqual(self.client.mget("a", "b"), [b"x", b"1"])

    def test_a_command_refused_before_exec_ends_the_transaction(self):
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.set("a", 1).execute_command("SET", "a")
            with self.assertRaisesRegex(redis.ResponseError, "wrong number of arguments"):
                pipeline.execute()
        self.assertIsNone(self.client.get("a"))

    def test_exec_after_a_refused_command_has_an_error_of_its_own(self):
        connection = self.client.connection_pool.get_connection()
        self.addCleanup(connection.disconnect)
        for command in (("MULTI",), ("NOSUCH",), ("EXEC",)):
            connection.send_command(*command)
        self.assertEqual(connection.read_response(), b"OK")
        with self.assertRaises(redis.ResponseError):
            connection.read_response()
        with self.assertRaises(redis.exceptions.ExecAbortError):
            connection.read_response()

    def test_a_watched_key_that_changed_ends_the_transaction(self):
        other = self.connect()
        for change in (lambda: other.set("a", 1), lambda: other.rpush("b", 1), other.flushall):
            with self.client.pipeline() as pipeline:
                pipeline.watch("a", "b")
                change()
                pipeline.multi()
                pipeline.set("ran", 1)
                with self.assertRaises(redis.WatchError):
                    pipeline.execute()
            self.assertIsNone(self.client.get("ran"))

    def test_a_watched_key_that_did_not_change_or_is_unwatched_does_not(self):
        other = self.connect()
        with self.client.pipeline() as pipeline:
            pipeline.watch("a")
            other.set("unrelated", 1)
            self.assertIsNone(pipeline.get("a"))
            pipeline.multi()
            pipeline.set("a", 1)
            self.assertEqual(pipeline.execute(), [True])
        with self.client.pipeline() as pipeline:
            pipeline.watch("a")
            other.set("a", 2)
            self.assertTrue(pipeline.unwatch())
            pipeline.multi()
            pipeline.incr("a")
            self.assertEqual(pipeline.execute(), [3])

    def test_the_library_repeats_a_transaction_until_it_ran(self):
        other = self.connect()
        self.client.set("n", 1)
        disturbances = iter(range(3))

        def double(pipeline):
            found = int(pipeline.get("n"))
            if next(disturbances, None) is not None:
                other.incr("n")
            pipeline.multi()
            pipeline.set("n", found * 2)

        self.assertEqual(self.client.transaction(double, "n"), [True])
        self.assertEqual(self.client.get("n"), b"8")

    def test_errors_have_the_classes_of_the_library(self):
        c = self.client
        c.set("s", "x")
        c.rpush("l", 1)
        for call, kind, text in (
            (lambda: c.lpush("s", 1), redis.ResponseError, "WRONGTYPE Operation against a key holding the wrong kind"),
            (lambda: c.incr("s"), redis.ResponseError, "value is not an integer or out of range"),
            (lambda: c.lset("l", 9, 1), redis.ResponseError, "index out of range"),
            (lambda: c.lset("none", 0, 1), redis.ResponseError, "no such key"),
            (lambda: c.rename("none", "x"), redis.ResponseError, "no such key"),
            (lambda: c.execute_command("NOSUCH", "a"), redis.ResponseError, "unknown command 'NOSUCH', with args beginning"),
            (lambda: c.execute_command("GET"), redis.ResponseError, "wrong number of arguments for 'get' command"),
            (lambda: c.execute_command("CLIENT", "NOSUCH"), redis.ResponseError, "unknown subcommand 'NOSUCH'"),
            (lambda: c.config_set("nosuch", 1), redis.ResponseError, "Unknown option or number of arguments"),
            (lambda: c.select(99), redis.ResponseError, "DB index is out of range"),
            (lambda: c.execute_command("EXEC"), redis.ResponseError, "EXEC without MULTI"),
        ):
            with self.assertRaisesRegex(kind, text):
                call()
        self.assertTrue(c.ping())


class TransactionsInResp2(Transactions, ServerCase):
    protocol = 2


class TransactionsInResp3(Transactions, ServerCase):
    protocol = 3


if __name__ == "__main__":
    unittest.main()
