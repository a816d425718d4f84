"""Iteration with a cursor: what was there from the beginning to the end is seen, whatever changes meanwhile."""

import unittest

from support import ServerCase

#: More than the compact forms of collections hold.
MANY = 2_000


class Scans:
    def disturbed(self, items, disturb):
        """Goes through an iterator and changes the data at every step."""
        found = []
        for n, item in enumerate(items):
            found.append(item)
            disturb(n)
        return found

    def test_keys_that_stay_are_all_seen_while_others_come_and_go(self):
        c = self.client
        c.mset({f"stays:{n}": n for n in range(MANY)})
        c.mset({f"goes:{n}": n for n in range(MANY)})

        def disturb(n):
            c.pipeline(transaction=False).delete(f"goes:{n}").set(f"new:{n}", n).execute()

        found = self.disturbed(c.scan_iter(match="stays:*", count=50), disturb)
        self.assertEqual(set(found), {f"stays:{n}".encode() for n in range(MANY)})

    def test_nothing_is_seen_twice_while_nothing_changes(self):
        self.client.mset({n: n for n in range(MANY)})
        found = list(self.client.scan_iter(count=7))
        self.assertEqual((len(found), len(set(found))), (MANY, MANY))

    def test_keys_are_chosen_by_pattern_and_type(self):
        c = self.client
        c.mset({"a1": 1, "a2": 1, "b1": 1, "a[1]": 1})
        c.hset("a3", "f", 1)
        self.assertEqual(set(c.scan_iter(match="a[0-9]")), {b"a1", b"a2", b"a3"})
        self.assertEqual(set(c.scan_iter(match="a\\[*")), {b"a[1]"})
        self.assertEqual(list(c.scan_iter(_type="hash")), [b"a3"])
        self.assertEqual(list(c.scan_iter(_type="HASH", match="b*")), [])

    def test_fields_of_a_hash(self):
        c = self.client
        c.hset("h", mapping={f"stays:{n}": n for n in range(MANY)})
        found = self.disturbed(
            c.hscan_iter("h", match="stays:*", count=20),
            lambda n: c.pipeline(transaction=False).hset("h", f"new:{n}", n).hdel("h", f"new:{n // 2}").execute(),
        )
        self.assertEqual(dict(found), {f"stays:{n}".encode(): str(n).encode() for n in range(MANY)})
        c.hset("small", mapping={"f": 1, "g": 2})
        self.assertEqual(dict(c.hscan_iter("small")), {b"f": b"1", b"g": b"2"})

    def test_members_of_a_set(self):
        c = self.client
        c.sadd("s", *(f"stays:{n}" for n in range(MANY)))
        found = self.disturbed(
            c.sscan_iter("s", match="stays:*", count=20),
            lambda n: c.pipeline(transaction=False).sadd("s", f"new:{n}").srem("s", f"new:{n // 2}").execute(),
        )
        self.assertEqual(set(found), {f"stays:{n}".encode() for n in range(MANY)})
        c.sadd("numbers", 1, 2, 3)
        self.assertEqual(set(c.sscan_iter("numbers")), {b"1", b"2", b"3"})

    def test_members_of_a_sorted_set(self):
        c = self.client
        c.zadd("z", {f"stays:{n}": n + 0.5 for n in range(MANY)})
        found = self.disturbed(
            c.zscan_iter("z", match="stays:*", count=20),
            lambda n: c.pipeline(transaction=False).zadd("z", {f"new:{n}": n}).zrem("z", f"new:{n // 2}").execute(),
        )
        self.assertEqual({member: score for member, score in found}, {f"stays:{n}".encode(): n + 0.5 for n in range(MANY)})
        c.zadd("small", {"a": 1})
        self.assertEqual([tuple(pair) for pair in c.zscan_iter("small")], [(b"a", 1.0)])

    def test_a_missing_key_has_nothing(self):
        c = self.client
        for found in (c.scan_iter(), c.hscan_iter("none"), c.sscan_iter("none"), c.zscan_iter("none")):
            self.assertEqual(list(found), [])


class ScansInResp2(Scans, ServerCase):
    protocol = 2


class ScansInResp3(Scans, ServerCase):
    protocol = 3


if __name__ == "__main__":
    unittest.main()
