"""What redis-py reads for people who watch a server: INFO, the slow log, latencies, and pauses."""

import threading
import unittest

import redis

from support import REPLY_BOUND_S, ServerCase


class Statistics:
    def test_sections_of_info_are_parsed_into_numbers_and_maps(self):
        self.client.set("a", 1, ex=1_000)
        self.client.get("a")
        info = self.client.info()
        self.assertEqual(info["db0"]["keys"], 1)
        self.assertEqual(info["db0"]["expires"], 1)
        self.assertIsInstance(info["used_memory"], int)
        self.assertIsInstance(info["mem_fragmentation_ratio"], float)
        self.assertEqual((info["aof_enabled"], info["role"], info["loading"]), (1, "master", 0))
        self.assertNotIn("cmdstat_set", info)
        self.assertIn("cmdstat_set", self.client.info("everything"))
        self.assertEqual(set(self.client.info("keyspace")), {"db0"})

    def test_commands_are_counted_and_timed(self):
        self.assertIs(self.client.config_resetstat(), True)
        self.client.set("a", "x")
        self.client.set("b", "x")
        with self.assertRaises(redis.ResponseError):
            self.client.incr("a")
        with self.assertRaises(redis.ResponseError):
            self.client.execute_command("INCRBY")
        stats = self.client.info("commandstats")
        self.assertEqual((stats["cmdstat_set"]["calls"], stats["cmdstat_set"]["failed_calls"]), (2, 0))
        self.assertGreater(stats["cmdstat_set"]["usec_per_call"], 0)
        incr = stats["cmdstat_incrby"]
        self.assertEqual((incr["calls"], incr["failed_calls"], incr["rejected_calls"]), (1, 1, 1))
        self.assertEqual(self.client.info("errorstats")["errorstat_ERR"]["count"], 2)
        self.assertGreater(self.client.info("latencystats")["latency_percentiles_usec_set"]["p50"], 0)

    def test_the_slow_log(self):
        c = self.client
        before = c.config_get("slowlog-*")
        self.addCleanup(lambda: [c.config_set(name, value) for name, value in before.items()])
        c.config_set("slowlog-log-slower-than", 0)
        self.assertIs(c.slowlog_reset(), True)
        c.set("slow", "value")
        self.assertEqual(c.slowlog_len(), 2)
        entry = next(e for e in c.slowlog_get() if e["command"].startswith(b"SET "))
        self.assertEqual(entry["command"], b"SET slow value")
        self.assertGreaterEqual(entry["duration"], 0)
        self.assertGreater(entry["start_time"], 1_700_000_000)
        self.assertEqual(len(c.slowlog_get(1)), 1)
        c.config_set("slowlog-log-slower-than", -1)
        c.slowlog_reset()
        c.set("slow", "value")
        self.assertEqual(c.slowlog_get(), [])

    def test_latencies(self):
        c = self.client
        with self.latencies_watched(1):
            c.execute_command("DEBUG", "SLEEP", "0.01")
        event, at_s, last_ms, highest_ms = next(e for e in c.latency_latest() if e[0] == b"command")
        self.assertGreater(at_s, 1_700_000_000)
        self.assertGreaterEqual(highest_ms, last_ms)
        self.assertGreaterEqual(last_ms, 10)
        self.assertIn([at_s, last_ms], c.latency_history("command"))
        self.assertEqual(c.latency_history("fork"), [])
        self.assertGreaterEqual(c.latency_reset(), 1)
        self.assertEqual(c.latency_history("command"), [])

    def test_writes_wait_while_clients_are_paused(self):
        writer = self.connect()
        written = threading.Event()

        def write():
            writer.set("a", "late")
            written.set()

        self.assertIs(self.client.client_pause(REPLY_BOUND_S * 1_000, all=False), True)
        waiting = threading.Thread(target=write)
        waiting.start()
        self.assertEqual({self.client.get("a") for _ in range(500)}, {None})
        self.assertFalse(written.is_set())
        self.assertTrue(self.client.client_unpause())
        waiting.join(REPLY_BOUND_S)
        self.assertTrue(written.is_set())
        self.assertEqual(self.client.get("a"), b"late")


class StatisticsInResp2(Statistics, ServerCase):
    protocol = 2


class StatisticsInResp3(Statistics, ServerCase):
    protocol = 3


if __name__ == "__main__":
    unittest.main()
