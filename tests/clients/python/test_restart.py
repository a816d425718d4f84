"""A server killed with SIGKILL under load and started again over its files: what was acknowledged is there.

The clients reconnect by themselves; nothing in the workload knows of the restart.
"""

import os
import queue
import signal
import threading
import unittest

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from support import REPLY_BOUND_S, ServerCase

WRITERS = 4
KILLS = 3
#: How many writes are acknowledged before each kill, and after the last.
BETWEEN_KILLS = 200


class Restart(ServerCase):
    def patient(self, **options):
        """A client that asks again, for as long as a restart may take."""
        return self.connect(retry=Retry(ConstantBackoff(0.01), 2_000), **options)

    def kill(self):
        os.kill(self.patient().info("server")["process_id"], signal.SIGKILL)

    def test_what_was_acknowledged_is_there_and_clients_go_on(self):
        acknowledged = queue.Queue()
        enough = threading.Event()
        failures = []

        def write(writer):
            client = self.patient()
            n = 0
            try:
                while not enough.is_set():
                    n += 1
                    # A repeated transaction leaves the same: the library cannot know whether a lost reply was a write.
                    client.pipeline().set(f"a:{writer}:{n}", n).hset(f"b:{writer}", n, n).execute()
                    acknowledged.put((writer, n))
            except redis.RedisError as error:
                failures.append(error)

        writers = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
        for writer in writers:
            writer.start()
        seen = []
        try:
            for _ in range(KILLS):
                seen += [acknowledged.get(timeout=REPLY_BOUND_S) for _ in range(BETWEEN_KILLS)]
                self.kill()
            seen += [acknowledged.get(timeout=REPLY_BOUND_S) for _ in range(BETWEEN_KILLS)]
        finally:
            enough.set()
            for writer in writers:
                writer.join(REPLY_BOUND_S)
        self.assertEqual(failures, [])
        self.kill()
        while not acknowledged.empty():
            seen.append(acknowledged.get())
        client = self.patient()
        found = client.mget([f"a:{writer}:{n}" for writer, n in seen])
        self.assert_alike(found, [str(n).encode() for _, n in seen])
        self.assertEqual(sum(client.hlen(f"b:{writer}") for writer in range(WRITERS)), len(client.keys("a:*")))

    def test_every_type_is_there_after_the_restart(self):
        c = self.patient()
        c.set("s", b"\x00\xff", ex=10_000)
        c.rpush("l", *range(300))
        c.sadd("t", *range(300))
        c.hset("h", mapping={n: "x" * n for n in range(300)})
        c.zadd("z", {n: n / 4 for n in range(300)})
        deadline = c.pexpiretime("s")
        self.kill()
        self.assertEqual((c.get("s"), c.pexpiretime("s")), (b"\x00\xff", deadline))
        self.assertEqual(c.lrange("l", 0, -1), [str(n).encode() for n in range(300)])
        self.assertEqual(c.smembers("t"), {str(n).encode() for n in range(300)})
        self.assertEqual(c.hgetall("h"), {str(n).encode(): b"x" * n for n in range(300)})
        self.assertEqual(c.zrange("z", 0, -1, withscores=True), [[str(n).encode(), n / 4] for n in range(300)])

    def test_a_new_connection_is_set_up_like_the_one_that_broke(self):
        c = self.patient(db=3, client_name="named", decode_responses=True)
        c.set("only", "here")
        self.kill()
        self.assertEqual((c.get("only"), c.client_getname()), ("here", "named"))
        known = c.client_info()
        self.assertEqual((int(known["db"]), known["lib-name"], int(known["resp"])), (3, "redis-py", self.protocol))


class RestartInResp2(Restart):
    protocol = 2


if __name__ == "__main__":
    unittest.main()
