"""What the tests share: where the servers are, and clients of them that are closed with their test.

The process that runs the tests starts the servers and starts one again, over the same files and port, that was killed.
"""

import contextlib
import os
import unittest

import redis


def _address(variable):
    host, port = os.environ[variable].rsplit(":", 1)
    return {"host": host, "port": int(port)}


#: The server that asks for no password.
SERVER = _address("LEDGERSTONE_ADDRESS")
#: The server that asks for one, and which.
GUARDED = _address("LEDGERSTONE_GUARDED_ADDRESS")
PASSWORD = os.environ["LEDGERSTONE_PASSWORD"]

#: How long one reply may take, in seconds.
REPLY_BOUND_S = 30


class ServerCase(unittest.TestCase):
    """A test that begins with an empty server and a client of it."""

    #: The version of RESP that clients ask for.
    protocol = 3

    def setUp(self):
        self.client = self.connect()
        self.client.flushall()

    def connect(self, **options):
        """A client that answers alike in RESP2 and RESP3."""
        wanted = {"protocol": self.protocol, "legacy_responses": False, "socket_timeout": REPLY_BOUND_S}
        client = redis.Redis(**{**SERVER, **wanted, **options})
        self.addCleanup(client.close)
        return client

    @contextlib.contextmanager
    def latencies_watched(self, least_ms):
        """Within, and only there, the latency monitor notes what takes so long.

        What a test asks about the events afterwards may take as long on a busy machine, and must not become one.
        """
        self.client.latency_reset()
        self.addCleanup(self.client.latency_reset)
        self.client.config_set("latency-monitor-threshold", least_ms)
        try:
            yield
        finally:
            self.client.config_set("latency-monitor-threshold", 0)

    def assert_alike(self, found, wanted):
        """Compares long lists without a diff of the whole, which takes longer than the test."""
        self.assertEqual(len(found), len(wanted))
        self.assertEqual([(n, f, w) for n, (f, w) in enumerate(zip(found, wanted)) if f != w][:5], [])
