"""prometheus-redis-exporter reads everything that it asks for, and reports nothing wrong."""

import os
import re
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from support import SERVER, ServerCase

PROGRAM = "prometheus-redis-exporter"
#: How long it may take until it answers, in seconds.
START_BOUND_S = 30
#: Where it may listen: below the range of outgoing connections, which any client of another test could take.
PORT = os.environ["LEDGERSTONE_FREE_PORT"]


class Exporter(ServerCase):
    def scrape(self, *options):
        """The metrics of one run as `{name with labels: value}`, and what was logged."""
        address = "redis://{host}:{port}".format(**SERVER)
        line = [PROGRAM, "-redis.addr", address, "-web.listen-address", f"127.0.0.1:{PORT}", *options]
        running = subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            text = self.fetch(running, f"http://127.0.0.1:{PORT}/metrics")
        finally:
            running.kill()
            _, log = running.communicate(timeout=START_BOUND_S)
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in samples}, log

    def fetch(self, running, url):
        deadline = time.monotonic() + START_BOUND_S
        while True:
            try:
                with urllib.request.urlopen(url, timeout=START_BOUND_S) as answer:
                    return answer.read().decode()
            except urllib.error.URLError:
                self.assertIsNone(running.poll(), "the exporter ended")
                self.assertLess(time.monotonic(), deadline, "the exporter does not answer")

    def setUp(self):
        super().setUp()
        c = self.client
        c.config_resetstat()
        # From here on every command is slow.
        self.addCleanup(c.config_set, "slowlog-log-slower-than", c.config_get("slowlog-*")["slowlog-log-slower-than"])
        c.config_set("slowlog-log-slower-than", 0)
        c.set("s", "text", ex=1_000)
        c.rpush("l", 1, 2, 3)
        c.hset("h", mapping={"a": 1, "b": 2})
        c.sadd("t", "a")
        c.zadd("z", {"a": 1})
        c.get("s")
        c.get("none")
        self.connect(db=4).set("other", 1)

    def test_the_metrics_of_info(self):
        found, log = self.scrape()
        self.assertEqual(re.findall(r"level=(?!info)\w+.*", log), [])
        self.assertEqual(found['redis_exporter_last_scrape_error{err=""}'], 0)
        for name, value in {
            "redis_up": 1,
            'redis_db_keys{db="db0"}': 5,
            'redis_db_keys_expiring{db="db0"}': 1,
            'redis_db_keys{db="db4"}': 1,
            'redis_db_keys{db="db5"}': 0,
            'redis_commands_total{cmd="rpush"}': 1,
            'redis_commands_failed_calls_total{cmd="rpush"}': 0,
            'redis_commands_rejected_calls_total{cmd="rpush"}': 0,
            "redis_aof_enabled": 1,
            "redis_aof_last_write_status": 1,
            "redis_aof_last_bgrewrite_status": 1,
            "redis_aof_rewrite_in_progress": 0,
            "redis_aof_rewrite_scheduled": 0,
            "redis_blocked_clients": 0,
            "redis_cluster_enabled": 0,
            "redis_loading_dump_file": 0,
            "redis_rejected_connections_total": 0,
            "redis_connected_slaves": 0,
            'redis_latency_percentiles_usec_count{cmd="rpush"}': 1,
        }.items():
            self.assertEqual(found.get(name), value, name)
        for name, least in {
            "redis_connected_clients": 2,
            "redis_config_maxclients": 100,
            "redis_memory_used_bytes": 100_000,
            "redis_memory_used_rss_bytes": 1_000_000,
            "redis_memory_used_peak_bytes": 100_000,
            "redis_commands_processed_total": 10,
            "redis_connections_received_total": 2,
            "redis_keyspace_hits_total": 1,
            "redis_keyspace_misses_total": 1,
            "redis_net_input_bytes_total": 100,
            "redis_net_output_bytes_total": 100,
            "redis_aof_current_size_bytes": 100,
            "redis_slowlog_length": 7,
            "redis_slowlog_last_id": 6,
            "redis_last_slow_execution_duration_seconds": 0,
            "redis_uptime_in_seconds": 0,
            "redis_cpu_sys_seconds_total": 0,
            "redis_cpu_user_seconds_total": 0,
            "redis_process_id": 2,
            'redis_db_avg_ttl_seconds{db="db0"}': 900,
            # How long it took is the machine's business.
            'redis_commands_duration_seconds_total{cmd="rpush"}': 0,
            'redis_latency_percentiles_usec{cmd="rpush",quantile="50"}': 0,
            'redis_latency_percentiles_usec_sum{cmd="rpush"}': 0,
        }.items():
            self.assertGreaterEqual(found.get(name, -1), least, name)
        instance = next(name for name in found if name.startswith("redis_instance_info{"))
        self.assertIn('role="master"', instance)
        self.assertIn('redis_version="7.2.4"', instance)
        self.assertIn(f'tcp_port="{SERVER["port"]}"', instance)

    def test_an_event_that_took_long(self):
        with self.latencies_watched(1):
            self.client.execute_command("DEBUG", "SLEEP", "0.01")
        found, _ = self.scrape()
        self.assertGreaterEqual(found['redis_latency_spike_duration_seconds{event_name="command"}'], 0.01)
        self.assertGreater(found['redis_latency_spike_last{event_name="command"}'], 1_700_000_000)

    def test_keys_clients_and_configuration_on_request(self):
        found, log = self.scrape(
            "-check-keys", "db0=*", "-count-keys", "db0=*", "-export-client-list", "-include-config-metrics",
            "-include-system-metrics", "-ping-on-connect",
        )
        self.assertEqual(re.findall(r"level=(?!info)\w+.*", log), [])
        sized = {name: size for name, size in found.items() if name.startswith("redis_key_size{")}
        sizes = {re.search(r'key="(\w+)"', name)[1]: size for name, size in sized.items()}
        self.assertEqual(sizes, {"s": 4, "l": 3, "h": 2, "t": 1, "z": 1})
        self.assertEqual(found['redis_keys_count{db="db0",key="*"}'], 5)
        self.assertEqual(found['redis_config_key_value{key="appendonly",value="yes"}'], 1)
        self.assertGreater(found["redis_total_system_memory_bytes"], 100_000_000)
        clients = [name for name in found if name.startswith("redis_connected_clients_details{")]
        self.assertTrue(any('name="redis_exporter"' in name for name in clients), clients)


if __name__ == "__main__":
    unittest.main()
