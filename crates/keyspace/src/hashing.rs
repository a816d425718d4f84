//! Keyed hashing of keys: SipHash-1-3 with a random seed, so that clients cannot choose keys that collide.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::time::LruClock;

/// The secret key of the hash function: 16 random bytes, chosen once per server.
#[derive(Clone, Copy)]
pub struct HashSeed(pub [u8; 16]);

impl HashSeed {
    /// Hashes the bytes of a key.
    pub(crate) fn hash(&self, bytes: &[u8]) -> KeyHash {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(bytes);
        KeyHash(hasher.finish())
    }
}

impl std::fmt::Debug for HashSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A secret: whoever knows it can choose colliding keys.
        f.write_str("HashSeed(..)")
    }
}

/// The seeded hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub u64);

/// A key with its hash, made by [`Keyspace::key`](crate::Keyspace::key) once per command.
#[derive(Clone, Copy, Debug)]
pub struct Key<'k> {
    /// The key's bytes.
    pub bytes: &'k [u8],
    /// The seeded hash of `bytes`.
    pub hash: KeyHash,
    /// The time: that of the first use of a key that is made.
    pub now: LruClock,
    /// Whether a look-up through this key counts as a use of it.
    pub counts: bool,
    /// Only `Keyspace::key` makes keys: a wrong hash would make a key unfindable.
    pub(crate) _made: Made,
}

impl Key<'_> {
    /// The same key, whose look-ups do not count as a use of it.
    #[must_use]
    pub fn unused(self) -> Self {
        Self { counts: false, ..self }
    }
}

/// Private proof that a [`Key`] was made by this crate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made;
