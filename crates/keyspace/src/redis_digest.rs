//! The digest that DEBUG DIGEST of Redis 7.2 answers, so that a dataset here can be compared with one there.
//!
//! Source: computeDatasetDigest of Redis 7.2 (definition). Order counts in a list; in everything else the digests of the
//! parts are combined by exclusive or. That a key has a deadline counts, when it is does not. Redis 7.0 and older print
//! scores otherwise, so digests differ there as soon as a score is no integer.

use numeric::{DoubleBuf, IntBuf};
use sha1::{Digest as _, Sha1};

use crate::custom::DigestParts;
use crate::db::Db;
use crate::types::elem::Elem;
use crate::value::ValueRef;

/// Twenty bytes that texts are combined into.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mix(pub(crate) [u8; 20]);

impl Mix {
    /// Combines a text so that the order of texts does not count.
    fn xor(&mut self, text: &[u8]) {
        let hash = Sha1::digest(text);
        self.0.iter_mut().zip(hash).for_each(|(byte, other)| *byte ^= other);
    }

    /// Combines a text so that the order of texts counts.
    fn mix(&mut self, text: &[u8]) {
        self.xor(text);
        self.0 = Sha1::digest(self.0).into();
    }

    fn mix_elem(&mut self, elem: Elem<'_>) {
        self.mix(elem.bytes(&mut IntBuf::new()));
    }

    fn value(&mut self, value: ValueRef<'_>) {
        // The numbers are those of Redis's types.
        let kind: u32 = match value {
            ValueRef::Str(_) => 0,
            ValueRef::List(_) => 1,
            ValueRef::Set(_) => 2,
            ValueRef::ZSet(_) => 3,
            ValueRef::Hash(_) => 4,
            ValueRef::Custom(_) => 5,
        };
        self.mix(&kind.to_be_bytes());
        match value {
            ValueRef::Str(text) => self.mix_elem(text.elem()),
            ValueRef::List(list) => list.iter().for_each(|elem| self.mix_elem(elem)),
            ValueRef::Set(set) => set.iter().for_each(|elem| self.xor(elem.bytes(&mut IntBuf::new()))),
            ValueRef::Hash(hash) => hash.iter().for_each(|(field, value)| {
                let mut pair = Self::default();
                pair.mix_elem(field);
                pair.mix_elem(value);
                self.xor(&pair.0);
            }),
            ValueRef::ZSet(zset) => zset.iter().for_each(|(member, score)| {
                let mut pair = Self::default();
                pair.mix_elem(member);
                pair.mix(DoubleBuf::new().format_shortest(score));
                self.xor(&pair.0);
            }),
            ValueRef::Custom(custom) => {
                let mut parts = Parts::default();
                custom.value().digest(&mut parts);
                self.xor(&parts.sum.0);
            }
        }
    }
}

/// The elements of a custom value. Source: RedisModule_DigestAddStringBuffer and its kin (definition).
#[derive(Default)]
struct Parts {
    sum: Mix,
    element: Mix,
}

impl DigestParts for Parts {
    fn part(&mut self, bytes: &[u8]) {
        self.element.mix(bytes);
    }

    fn end(&mut self) {
        self.sum.xor(&std::mem::take(&mut self.element).0);
    }
}

/// Digests a value, and whether its key has a deadline.
pub(crate) fn value(value: ValueRef<'_>, has_deadline: bool) -> [u8; 20] {
    let mut digest = Mix::default();
    digest.value(value);
    if has_deadline {
        digest.xor(b"!!expire!!");
    }
    digest.0
}

/// Digests databases in the order of their numbers; empty ones do not count.
pub(crate) fn databases<'d>(dbs: impl Iterator<Item = &'d Db>) -> [u8; 20] {
    let mut digest = Mix::default();
    for (number, db) in (0u32..).zip(dbs) {
        if db.is_empty() {
            continue;
        }
        digest.mix(&number.to_be_bytes());
        for entry in db.iter() {
            let mut key = Mix::default();
            key.mix(entry.key);
            key.value(entry.value);
            if entry.deadline.is_some() {
                key.xor(b"!!expire!!");
            }
            digest.xor(&key.0);
        }
    }
    digest.0
}

#[cfg(test)]
mod tests {
    use crate::{Deadline, Hash, HashSeed, Keyspace, List, Set, Thresholds, UnixMs, Value, ZSet};

    /// Digests recorded from Redis 7.2.4.
    const RECORDED: [(&str, &str); 7] = [
        ("s", "36b23a1456b2dce2c3ed252c456761301dba8060"),
        ("n", "e1cf90774e995ae03de66e8109dc5cb9d9c2dc83"),
        ("exp", "311b17018163335616e089f6b951c82c477335ac"),
        ("l", "ee0459df5c2bca088b4d9863708e524cbad04efc"),
        ("st", "a6afcc473373536adb071da403abcb70a693d104"),
        ("h", "fc076e867f7dbf566ea58172a151d82d78b8f845"),
        ("z", "54cccf39eb38668f7564514baa3cd53a105520de"),
    ];
    const ALL_RECORDED: &str = "b1ee2bc3dad1914e90fb19fda39dae703af3bde3";

    fn hex(digest: [u8; 20]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn dataset() -> Keyspace {
        let limits = Thresholds::default();
        let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
        ["a", "b", "3", "a"].iter().for_each(|elem| list.push_back(elem.as_bytes(), &limits));
        for member in ["x", "y", "7"] {
            set.insert(member.as_bytes(), &limits);
        }
        hash.set(b"f1", b"v1", &limits);
        hash.set(b"f2", b"2", &limits);
        let scores = [(1.0, "one"), (2.5, "two"), (1e8, "big"), (1e20, "huge"), (f64::NEG_INFINITY, "low")];
        for (score, member) in scores {
            zset.insert(member.as_bytes(), score, &limits);
        }
        let mut keyspace = Keyspace::new(16, HashSeed([1; 16]));
        let collections =
            [("l", Value::List(list)), ("st", Value::Set(set)), ("h", Value::Hash(hash)), ("z", Value::ZSet(zset))];
        for (name, value) in collections {
            let key = keyspace.key(name.as_bytes());
            keyspace.db_mut(0).insert(key, value, Deadline::Clear);
        }
        let later = Deadline::At(UnixMs(1 << 50));
        for (db, name, text, deadline) in [
            (0, "s", "hello", Deadline::Clear),
            (0, "n", "12345", Deadline::Clear),
            (0, "exp", "v", later),
            (3, "other", "db", Deadline::Clear),
        ] {
            let key = keyspace.key(name.as_bytes());
            keyspace.db_mut(db).set_str(key, text.as_bytes(), deadline);
        }
        keyspace
    }

    #[test]
    fn digests_are_those_of_redis() {
        let keyspace = dataset();
        for (name, recorded) in RECORDED {
            let digest = keyspace.redis_digest_value(0, keyspace.key(name.as_bytes()));
            assert_eq!(digest.map(hex).as_deref(), Some(recorded), "{name}");
        }
        assert_eq!(hex(keyspace.redis_digest()), ALL_RECORDED);
        assert_eq!(hex(Keyspace::new(16, HashSeed([1; 16])).redis_digest()), "0".repeat(40));
        assert_eq!(keyspace.redis_digest_value(0, keyspace.key(b"nothing")), None);
    }
}
