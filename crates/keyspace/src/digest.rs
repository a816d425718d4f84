//! Digests of content: the same for the same keys and values, however they are stored.
//!
//! Unordered content is the sum of the digests of its parts, ordered content the digest of their sequence. Every text
//! is hashed with its length, so that no two different sequences look the same. The hash is SipHash-1-3 of 128 bits
//! under a fixed key, widened to 160 as `DEBUG DIGEST` shows them: it finds accidents, not forgeries.

use std::hash::Hasher;

use numeric::IntBuf;
use siphasher::sip::SipHasher13 as Sip64;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::custom::DigestParts;
use crate::db::EntryRef;
use crate::types::elem::Elem;
use crate::value::ValueRef;

/// The digest of some content; digests can be summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    high: u64,
    middle: u64,
    low: u32,
}

impl Digest {
    pub(crate) fn add(&mut self, other: Self) {
        self.high = self.high.wrapping_add(other.high);
        self.middle = self.middle.wrapping_add(other.middle);
        self.low = self.low.wrapping_add(other.low);
    }

    pub(crate) fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.high.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.middle.to_be_bytes());
        bytes[16..].copy_from_slice(&self.low.to_be_bytes());
        bytes
    }
}

/// Hashes a sequence of parts.
struct Sequence(SipHasher13);

impl Sequence {
    fn new(kind: &str) -> Self {
        Self(SipHasher13::new()).text(kind.as_bytes())
    }

    fn number(mut self, value: u64) -> Self {
        self.0.write(&value.to_le_bytes());
        self
    }

    fn text(self, bytes: &[u8]) -> Self {
        let mut this = self.number(bytes.len() as u64);
        this.0.write(bytes);
        this
    }

    fn elem(self, elem: Elem<'_>) -> Self {
        self.text(elem.bytes(&mut IntBuf::new()))
    }

    fn digest(self, digest: Digest) -> Self {
        self.text(&digest.to_bytes())
    }

    #[expect(clippy::cast_possible_truncation, reason = "32 of the 64 bits widen the digest")]
    fn finish(self) -> Digest {
        let hash = self.0.finish128();
        let mut wider = Sip64::new_with_keys(hash.h1, hash.h2);
        wider.write_u8(1);
        Digest { high: hash.h1, middle: hash.h2, low: wider.finish() as u32 }
    }
}

/// Sums the elements of a custom value.
struct Parts {
    sum: Digest,
    /// The parts so far of the element that has begun.
    element: Option<Sequence>,
}

impl DigestParts for Parts {
    fn part(&mut self, bytes: &[u8]) {
        let element = self.element.take().unwrap_or_else(|| Sequence::new("part"));
        self.element = Some(element.text(bytes));
    }

    fn end(&mut self) {
        if let Some(element) = self.element.take() {
            self.sum.add(element.finish());
        }
    }
}

/// Digests a key with its database, value and deadline.
pub(crate) fn entry(db: usize, entry: EntryRef<'_>) -> Digest {
    let key = Sequence::new("key").number(db as u64).text(entry.key).digest(value(entry.value));
    match entry.deadline {
        Some(at) => key.text(&at.0.to_le_bytes()).finish(),
        None => key.text(b"").finish(),
    }
}

/// Digests a value with its type.
pub(crate) fn value(value: ValueRef<'_>) -> Digest {
    let sequence = Sequence::new(value.type_name());
    let mut sum = Digest::default();
    match value {
        ValueRef::Str(text) => return sequence.elem(text.elem()).finish(),
        ValueRef::List(list) => return list.iter().fold(sequence, Sequence::elem).finish(),
        ValueRef::Set(set) => set.iter().for_each(|elem| sum.add(Sequence::new("elem").elem(elem).finish())),
        ValueRef::Hash(hash) => {
            hash.iter().for_each(|(field, value)| sum.add(Sequence::new("field").elem(field).elem(value).finish()));
        }
        ValueRef::ZSet(zset) => zset.iter().for_each(|(elem, score)| {
            sum.add(Sequence::new("member").elem(elem).number(score.to_bits()).finish());
        }),
        ValueRef::Custom(custom) => {
            let mut parts = Parts { sum, element: None };
            custom.value().digest(&mut parts);
            sum = parts.sum;
        }
    }
    sequence.digest(sum).finish()
}
