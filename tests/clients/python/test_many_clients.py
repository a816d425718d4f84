"""Connection pools under threads and under asyncio."""

import asyncio
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from support import REPLY_BOUND_S, SERVER, ServerCase

THREADS = 8
ROUNDS = 200


class Threads(ServerCase):
    def test_threads_share_a_pool_and_nobody_gets_anothers_reply(self):
        pool = redis.ConnectionPool(**SERVER, max_connections=THREADS, socket_timeout=REPLY_BOUND_S)
        self.addCleanup(pool.disconnect)
        client = redis.Redis(connection_pool=pool)
        begin = threading.Barrier(THREADS)

        def work(worker):
            begin.wait(REPLY_BOUND_S)
            for n in range(ROUNDS):
                client.set(f"own:{worker}", n)
                self.assertEqual(client.get(f"own:{worker}"), str(n).encode())
                client.incr("shared")

        with ThreadPoolExecutor(THREADS) as workers:
            for done in [workers.submit(work, worker) for worker in range(THREADS)]:
                done.result(REPLY_BOUND_S)
        self.assertEqual(self.client.get("shared"), str(THREADS * ROUNDS).encode())

    def test_a_bounded_pool_makes_threads_wait_instead_of_connecting(self):
        pool = redis.BlockingConnectionPool(**SERVER, max_connections=2, timeout=REPLY_BOUND_S)
        self.addCleanup(pool.disconnect)
        client = redis.Redis(connection_pool=pool)
        with ThreadPoolExecutor(THREADS) as workers:
            numbers = set(workers.map(lambda _: client.client_id(), range(ROUNDS)))
        self.assertLessEqual(len(numbers), 2)

    def test_transactions_of_threads_do_not_mix(self):
        def transfer(worker):
            client = self.connect()
            for n in range(50):
                client.pipeline().rpush("a", f"{worker}:{n}").rpush("b", f"{worker}:{n}").execute()

        with ThreadPoolExecutor(THREADS) as workers:
            list(workers.map(transfer, range(THREADS)))
        self.assertEqual(self.client.lrange("a", 0, -1), self.client.lrange("b", 0, -1))
        self.assertEqual(self.client.llen("a"), THREADS * 50)


class Asyncio(ServerCase):
    def run_async(self, body, **options):
        """Runs `body` with an asynchronous client that is closed after it."""

        async def whole():
            # A client of redis-py that has no connection left retries, and so does one whose connection broke.
            wanted = {"protocol": self.protocol, "legacy_responses": False, "retry": Retry(NoBackoff(), 3)}
            async with redis.asyncio.Redis(**{**SERVER, **wanted, **options}) as client:
                await asyncio.wait_for(body(client), REPLY_BOUND_S)

        asyncio.run(whole())

    def test_many_tasks_share_a_pool(self):
        pool = redis.asyncio.BlockingConnectionPool(**SERVER, max_connections=10, timeout=REPLY_BOUND_S)

        async def one(client, n):
            await client.set(f"k:{n}", n)
            await client.incr("n")
            return int(await client.get(f"k:{n}"))

        async def body(client):
            self.assertEqual(await asyncio.gather(*(one(client, n) for n in range(500))), list(range(500)))
            self.assertEqual(int(await client.get("n")), 500)
            await pool.aclose()

        self.run_async(body, connection_pool=pool)

    def test_pipelines_transactions_and_conflicts(self):
        async def body(client):
            async with client.pipeline(transaction=True) as pipeline:
                results = await pipeline.set("a", 1).incr("a").hset("h", "f", "v").hgetall("h").execute()
            self.assertEqual(results, [True, 2, 1, {b"f": b"v"}])
            async with client.pipeline() as pipeline:
                await pipeline.watch("a")
                await client.set("a", 9)
                pipeline.multi()
                pipeline.set("a", 10)
                with self.assertRaises(redis.WatchError):
                    await pipeline.execute()
            self.assertEqual(await client.get("a"), b"9")

        self.run_async(body)

    def test_scans_and_errors(self):
        async def body(client):
            await client.mset({f"k:{n}": n for n in range(1_000)})
            found = [key async for key in client.scan_iter(match="k:*", count=30)]
            self.assertEqual(len(set(found)), 1_000)
            with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE"):
                await client.lpush("k:1", 1)

        self.run_async(body)


class AsyncioInResp2(Asyncio):
    protocol = 2


if __name__ == "__main__":
    unittest.main()
