"""Keys and values of any bytes and sizes come back as they were sent."""

import os
import random
import unittest

from support import ServerCase

EVERY_BYTE = bytes(range(256))
LARGE_BYTES = 10 * 1024 * 1024


class Bytes:
    def test_every_byte_may_be_a_key_and_a_value(self):
        single = [bytes([b]) for b in range(256)]
        self.client.mset({key: key * 3 for key in single})
        self.assertEqual(self.client.mget(single), [key * 3 for key in single])
        self.assertEqual(set(self.client.keys()), set(single))
        self.assertEqual(self.client.delete(*single), 256)

    def test_every_byte_may_stand_in_every_type(self):
        c = self.client
        c.set(EVERY_BYTE, EVERY_BYTE)
        c.rpush(b"l" + EVERY_BYTE, EVERY_BYTE, b"")
        c.sadd(b"s" + EVERY_BYTE, EVERY_BYTE)
        c.hset(b"h" + EVERY_BYTE, EVERY_BYTE, EVERY_BYTE[::-1])
        c.zadd(b"z" + EVERY_BYTE, {EVERY_BYTE: 0.5})
        self.assertEqual(c.get(EVERY_BYTE), EVERY_BYTE)
        self.assertEqual(c.lrange(b"l" + EVERY_BYTE, 0, -1), [EVERY_BYTE, b""])
        self.assertEqual(c.smembers(b"s" + EVERY_BYTE), {EVERY_BYTE})
        self.assertEqual(c.hgetall(b"h" + EVERY_BYTE), {EVERY_BYTE: EVERY_BYTE[::-1]})
        self.assertEqual(c.zscore(b"z" + EVERY_BYTE, EVERY_BYTE), 0.5)

    def test_random_bytes_of_many_lengths(self):
        seed = int.from_bytes(os.urandom(4), "big")
        draw = random.Random(seed)
        sent = {draw.randbytes(draw.randint(1, 40)): draw.randbytes(draw.randint(0, 3_000)) for _ in range(2_000)}
        self.client.mset(sent)
        with self.subTest(seed=seed):
            self.assert_alike(self.client.mget(list(sent)), list(sent.values()))

    def test_a_key_and_a_value_may_be_empty(self):
        self.client.set(b"", b"")
        self.assertEqual((self.client.get(b""), self.client.strlen(b""), self.client.keys()), (b"", 0, [b""]))

    def test_large_values_in_every_type(self):
        c = self.client
        large = EVERY_BYTE * (LARGE_BYTES // 256)
        c.set("s", large)
        c.rpush("l", large, "x")
        c.hset("h", "f", large)
        self.assertTrue(c.get("s") == c.lindex("l", 0) == c.hget("h", "f") == large)
        self.assertEqual((c.strlen("s"), c.hstrlen("h", "f")), (LARGE_BYTES, LARGE_BYTES))
        self.assertEqual(c.append("s", "x"), LARGE_BYTES + 1)
        self.assertEqual(c.getrange("s", -3, -1), large[-2:] + b"x")
        self.assertEqual([len(value) for value in c.pipeline().get("s").get("s").get("s").execute()], [LARGE_BYTES + 1] * 3)

    def test_text_of_many_scripts(self):
        c = self.connect(decode_responses=True)
        texts = ["žluťoučký kůň", "日本語", "🦀🧱", "שלום", "a\u0000b", "\ud7ff"]
        c.hset("ключ", mapping={text: text * 2 for text in texts})
        self.assertEqual(c.hgetall("ключ"), {text: text * 2 for text in texts})
        self.assertEqual(list(c.scan_iter(match="кл?ч")), [])
        self.assertEqual(list(c.scan_iter(match="кл*ч")), ["ключ"])
        latin = self.connect(encoding="latin-1", decode_responses=True)
        latin.set("clé", "é")
        self.assertEqual((latin.get("clé"), self.client.get(b"cl\xe9")), ("é", b"\xe9"))


class BytesInResp2(Bytes, ServerCase):
    protocol = 2


class BytesInResp3(Bytes, ServerCase):
    protocol = 3


if __name__ == "__main__":
    unittest.main()
