"""redis-cli and redis-benchmark of Debian (7.0.15), in the modes whose output is the same each time."""

import json
import re
import subprocess
import unittest

from support import SERVER, ServerCase

#: How long a tool may take, in seconds.
TOOL_BOUND_S = 60


def at_server(program, *arguments):
    """The command line of a tool that is pointed at the server."""
    return [program, "-h", SERVER["host"], "-p", str(SERVER["port"]), *arguments]


def run(program, *arguments, input=None, status=0):
    """What a tool writes."""
    line = at_server(program, *arguments)
    done = subprocess.run(line, input=input, capture_output=True, timeout=TOOL_BOUND_S)
    if done.returncode != status:
        raise AssertionError(f"{line}: status {done.returncode}: {done.stdout!r} {done.stderr!r}")
    return done.stdout


def cli(*arguments, **options):
    return run("redis-cli", *arguments, **options)


class Cli(ServerCase):
    def test_a_command_and_a_database_and_a_url(self):
        self.assertEqual(cli("set", "a", "1"), b"OK\n")
        self.assertEqual(cli("-r", "3", "incr", "a"), b"2\n3\n4\n")
        self.assertEqual(cli("-n", "3", "set", "b", "2"), b"OK\n")
        url = "redis://{host}:{port}/3".format(**SERVER)
        self.assertEqual(cli("-u", url, "get", "b"), b"2\n")

    def test_commands_from_standard_input(self):
        self.assertEqual(cli(input=b"multi\nset a 5\nincr a\nexec\nget a\n"), b"OK\nQUEUED\nQUEUED\nOK\n6\n6\n")

    def test_an_argument_from_standard_input(self):
        self.assertEqual(cli("-x", "set", "a", input=b"two\nlines"), b"OK\n")
        self.assertEqual(self.client.get("a"), b"two\nlines")
        self.assertEqual(cli("-X", "TAG", "mset", "k1", "TAG", "k2", "v", input=b"\x00\xff"), b"OK\n")
        self.assertEqual(self.client.mget("k1", "k2"), [b"\x00\xff", b"v"])

    def test_resp3_json_csv_and_the_form_for_people(self):
        self.client.hset("h", mapping={"f": "1", "g": 'a"b'})
        self.client.zadd("z", {"m": 1.5})
        self.client.rpush("l", "a", "b")
        self.assertEqual(cli("-3", "--no-raw", "hgetall", "h"), b'1# "f" => "1"\n2# "g" => "a\\"b"\n')
        self.assertEqual(cli("-3", "--no-raw", "zscore", "z", "m"), b"(double) 1.5\n")
        self.assertEqual(cli("--no-raw", "lrange", "l", "0", "-1"), b'1) "a"\n2) "b"\n')
        self.assertEqual(cli("--no-raw", "get", "none"), b"(nil)\n")
        self.assertEqual(json.loads(cli("--json", "hgetall", "h")), {"f": "1", "g": 'a"b'})
        self.assertEqual(json.loads(cli("--json", "mget", "none", "none")), [None, None])
        self.assertEqual(cli("--csv", "lrange", "l", "0", "-1"), b'"a","b"\n')

    def test_an_error_is_the_exit_status_if_asked_for(self):
        self.client.set("s", "x")
        self.assertEqual(cli("lpush", "s", "1").split(b" ")[0], b"WRONGTYPE")
        cli("-e", "lpush", "s", "1", status=1)

    def test_mass_insertion(self):
        commands = b"".join(b"*3\r\n$3\r\nSET\r\n$6\r\n%06d\r\n$1\r\nv\r\n" % n for n in range(50_000))
        output = cli("--pipe", input=commands + b"LPUSH 000001 x\r\n", status=1)
        self.assertIn(b"errors: 1, replies: 50001", output)
        self.assertEqual(self.client.dbsize(), 50_000)

    def test_scan_lists_the_keys_that_match(self):
        self.client.mset({f"{kind}:{n}": n for kind in "ab" for n in range(500)})
        found = cli("--scan", "--pattern", "a:*").split()
        self.assertEqual(sorted(found), sorted(f"a:{n}".encode() for n in range(500)))

    def test_bigkeys_finds_the_largest_of_each_type(self):
        self.client.mset({"small": "x", "large": "x" * 1_000})
        self.client.rpush("list", *range(50))
        self.client.hset("hash", mapping={n: n for n in range(30)})
        self.client.sadd("set", *range(20))
        self.client.zadd("zset", {n: n for n in range(10)})
        output = cli("--bigkeys").decode()
        self.assertIn("Sampled 6 keys in the keyspace!", output)
        lines = re.findall(r"Biggest +(\w+) found '\"(\w+)\"' has (\d+ \w+)", output)
        biggest = {kind: (key, size) for kind, key, size in lines}
        self.assertEqual(biggest, {
            "string": ("large", "1000 bytes"), "list": ("list", "50 items"), "hash": ("hash", "30 fields"),
            "set": ("set", "20 members"), "zset": ("zset", "10 members"),
        })

    def test_stat_and_latency_measure(self):
        self.client.mset({"a": 1, "b": 2})
        lowest, highest, average, samples = cli("-i", "0.1", "--latency", "--csv").decode().strip().split(",")
        self.assertLessEqual(float(lowest), float(average))
        self.assertLessEqual(float(average), float(highest))
        self.assertGreater(int(samples), 0)
        # It goes on until it is ended, and into a pipe it would write by the block.
        line = ["stdbuf", "-oL", *at_server("redis-cli", "-i", "0.01", "--stat")]
        stat = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        try:
            output = [stat.stdout.readline() for _ in range(4)]
        finally:
            stat.kill()
            stat.communicate()
        self.assertRegex(output[1], r"^keys +mem +clients +blocked +requests")
        self.assertRegex(output[3], r"^2 +[\d.]+[KM] +\d+ +0 +\d+ \(\+\d+\)")

    def test_help_of_a_command_comes_from_the_server(self):
        output = cli("help", "set").decode()
        self.assertRegex(output, r"SET")
        self.assertRegex(output, r"since:.* 1\.0\.0")


class Benchmark(ServerCase):
    def test_every_test_of_it_runs(self):
        output = run("redis-benchmark", "-n", "500", "-c", "10", "-P", "4", "-r", "100", "--csv").decode()
        rows = [[field.strip('"') for field in row.split(",")] for row in output.splitlines()]
        self.assertEqual(rows[0][:2], ["test", "rps"])
        per_second = {row[0].split(" ")[0]: float(row[1]) for row in rows[1:]}
        wanted = "PING_INLINE PING_MBULK SET GET INCR LPUSH RPUSH LPOP RPOP SADD HSET SPOP ZADD ZPOPMIN LRANGE_600 MSET"
        self.assertEqual(set(wanted.split()) - set(per_second), set())
        self.assertGreater(min(per_second.values()), 0)

    def test_a_command_of_ones_own_with_random_keys(self):
        run("redis-benchmark", "-n", "2000", "-r", "50", "-q", "set", "key:__rand_int__", "__rand_int__")
        self.assertEqual(self.client.dbsize(), len(set(self.client.keys("key:0000000000*"))))
        self.assertGreater(self.client.dbsize(), 30)


if __name__ == "__main__":
    unittest.main()
