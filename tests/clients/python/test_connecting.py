"""How redis-py makes itself known: HELLO or not, passwords, and CLIENT as a library calls it."""

import unittest

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from support import GUARDED, PASSWORD, SERVER, ServerCase


class Connecting:
    def test_the_protocol_is_the_one_asked_for(self):
        known = self.client.client_info()
        self.assertEqual(int(known["resp"]), self.protocol)

    def test_the_library_says_its_name_and_version(self):
        known = self.client.client_info()
        self.assertEqual(known["lib-name"], "redis-py")
        self.assertEqual(known["lib-ver"], redis.__version__)

    def test_a_database_and_a_name_given_to_the_client_are_those_of_its_connection(self):
        other = self.connect(db=9, client_name="nine")
        other.set("only", "here")
        known = other.client_info()
        self.assertEqual((int(known["db"]), known["name"]), (9, "nine"))
        self.assertEqual(other.client_getname(), "nine")
        self.assertIsNone(self.client.get("only"))

    def test_an_address_may_be_a_url(self):
        url = "redis://{host}:{port}/5?protocol={protocol}".format(protocol=self.protocol, **SERVER)
        client = redis.Redis.from_url(url, decode_responses=True)
        self.addCleanup(client.close)
        client.set("a", "1")
        self.assertEqual(client.get("a"), "1")
        self.assertEqual(self.connect(db=5).get("a"), b"1")

    def test_the_list_of_clients_has_every_connection_under_its_number(self):
        other = self.connect(client_name="other")
        number = other.client_id()
        listed = {int(entry["id"]): entry for entry in self.client.client_list()}
        self.assertEqual(listed[number]["name"], "other")
        self.assertIn(self.client.client_id(), listed)
        only = self.client.client_list(client_id=[number])
        self.assertEqual([int(entry["id"]) for entry in only], [number])
        self.assertEqual(self.client.client_list(_type="pubsub"), [])

    def test_a_connection_that_was_killed_is_made_anew(self):
        victim = self.connect(retry=Retry(NoBackoff(), 3), single_connection_client=True)
        before = victim.client_id()
        self.assertEqual(self.client.client_kill_filter(_id=before), 1)
        self.assertGreater(victim.client_id(), before)
        with self.assertRaisesRegex(redis.ResponseError, "No such client"):
            self.client.client_kill("127.0.0.1:1")

    def test_eviction_and_touch_are_switched_by_connection(self):
        self.assertTrue(self.client.client_no_evict("ON"))
        self.assertTrue(self.client.client_no_evict("OFF"))
        self.assertTrue(self.client.client_no_touch("ON"))
        self.assertTrue(self.client.client_no_touch("OFF"))

    def test_a_connection_may_want_no_replies(self):
        connection = self.client.connection_pool.get_connection()
        self.addCleanup(connection.disconnect)
        connection.send_command("CLIENT", "REPLY", "OFF")
        connection.send_command("SET", "unheard", "1")
        connection.send_command("CLIENT", "REPLY", "ON")
        self.assertEqual(connection.read_response(), b"OK")
        connection.send_command("CLIENT", "REPLY", "SKIP")
        connection.send_command("INCR", "unheard")
        connection.send_command("GET", "unheard")
        self.assertEqual(connection.read_response(), b"2")

    def test_what_a_library_asks_of_a_server_is_answered(self):
        self.assertTrue(self.client.ping())
        self.assertEqual(self.client.echo("x"), b"x")
        self.assertEqual(self.client.info("server")["redis_version"], "7.2.4")
        self.assertEqual(self.client.config_get("port"), {"port": str(SERVER["port"])})
        self.assertEqual(self.client.command_count(), len(self.client.command()))
        self.assertEqual(self.client.command_getkeys("MSET", "a", "1", "b", "2"), [b"a", b"b"])
        seconds, micros = self.client.time()
        self.assertGreater(seconds, 1_700_000_000)
        self.assertLess(micros, 1_000_000)


class ConnectingInResp2(Connecting, ServerCase):
    protocol = 2


class ConnectingInResp3(Connecting, ServerCase):
    protocol = 3

    def test_hello_answers_what_the_server_is(self):
        hello = self.client.execute_command("HELLO", 3)
        self.assertEqual((hello[b"server"], hello[b"proto"], hello[b"mode"]), (b"redis", 3, b"standalone"))
        with self.assertRaisesRegex(redis.ResponseError, "NOPROTO"):
            self.client.execute_command("HELLO", 4)


class Guarded:
    #: What a server says to one that gave no password: to HELLO it says more.
    refusal = "Authentication required"

    def guarded(self, **options):
        # To redis-py a refused password is a failed connection, and it would try again.
        return self.connect(**GUARDED, retry=Retry(NoBackoff(), 0), **options)

    def test_the_right_password_lets_in(self):
        self.assertTrue(self.guarded(password=PASSWORD).ping())
        self.assertTrue(self.guarded(username="default", password=PASSWORD).set("a", "1"))

    def test_a_wrong_password_and_an_unknown_user_do_not(self):
        with self.assertRaisesRegex(redis.AuthenticationError, "invalid username-password pair"):
            self.guarded(password="wrong").ping()
        with self.assertRaisesRegex(redis.AuthenticationError, "invalid username-password pair"):
            self.guarded(username="nobody", password=PASSWORD).ping()

    def test_without_a_password_nothing_is_answered(self):
        with self.assertRaisesRegex(redis.AuthenticationError, self.refusal):
            self.guarded().get("a")


class GuardedInResp2(Guarded, ServerCase):
    protocol = 2

    def test_a_password_may_come_later(self):
        client = self.guarded(single_connection_client=True, driver_info=None)
        with self.assertRaises(redis.AuthenticationError):
            client.get("a")
        self.assertTrue(client.auth(PASSWORD))
        self.assertTrue(client.ping())


class GuardedInResp3(Guarded, ServerCase):
    protocol = 3
    refusal = "HELLO must be called with the client already authenticated"


if __name__ == "__main__":
    unittest.main()
