//! A compact sequence of elements in one allocation, walkable from both ends: what Redis calls a listpack.
//!
//! It holds the small forms of every collection and the chunks of a list. An entry is a head (kind and length), the
//! payload, and a tail that repeats the size of head and payload so that the entry before can be found. The bytes
//! are ours alone: they never leave the process, so there is nothing to validate.
//!
//! A pack is 24 bytes and one allocation, because there may be one for every key. It holds less than 4 GiB: whoever adds asks
//! [`Pack::takes`] before.
//!
//! | head | payload |
//! | --- | --- |
//! | `00..=bf` | that many bytes |
//! | `c0`, u64 | that many bytes |
//! | `c1`, u16 | that many bytes |
//! | `c2` `c3` `c4` `c5` | integer of 1, 2, 4, 8 bytes |
//! | `d0..=ff` | the integer 0 to 47, in the head itself |
//!
//! Tail, read backwards: `00..=7f` is the size; `80..=bf` holds its high 6 bits, the byte before the low 8; `c0` is
//! preceded by a u64.

use std::ops::Range;

use super::capacity::{resize, rounded};
use super::elem::Elem;

const MAX_SHORT_BYTES: usize = 0xbf;
const HEAD_U64: u8 = 0xc0;
const HEAD_U16: u8 = 0xc1;
const HEAD_I8: u8 = 0xc2;
const HEAD_I16: u8 = 0xc3;
const HEAD_I32: u8 = 0xc4;
const HEAD_I64: u8 = 0xc5;
const HEAD_SMALL_INT: u8 = 0xd0;
const MAX_SMALL_INT: i64 = 0xff - HEAD_SMALL_INT as i64;
const TAIL_U64: u8 = 0xc0;

/// A compact sequence of elements.
#[derive(Debug, Default)]
pub(crate) struct Pack {
    /// The entries, and room behind them.
    buf: Box<[u8]>,
    /// Bytes of `buf` that entries take.
    len: u32,
    count: u32,
}

/// A pack of several elements does not grow beyond this many bytes. Source: LISTPACK_MAX_SAFETY_LIMIT of Redis.
const MAX_BYTES: usize = 1 << 30;

/// A few bytes on the stack: a head or a tail.
#[derive(Clone, Copy)]
struct Few {
    bytes: [u8; 9],
    len: usize,
}

impl Few {
    fn new(first: u8, rest: &[u8]) -> Self {
        let mut bytes = [0; 9];
        bytes[0] = first;
        bytes[1..=rest.len()].copy_from_slice(rest);
        Self { bytes, len: rest.len() + 1 }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// An element on its way in.
struct Encoded<'a> {
    head: Few,
    payload: &'a [u8],
    tail: Few,
}

impl<'a> Encoded<'a> {
    fn new(elem: Elem<'a>) -> Self {
        let (head, payload) = match elem {
            Elem::Int(value) => (int_head(value), &[][..]),
            Elem::Bytes(bytes) => (bytes_head(bytes.len()), bytes),
        };
        Self { tail: tail(head.len + payload.len()), head, payload }
    }

    fn size(&self) -> usize {
        self.head.len + self.payload.len() + self.tail.len
    }

    /// Writes the entry over `out`, which has exactly [`Self::size`] bytes.
    fn write(&self, out: &mut [u8]) {
        let (head, rest) = out.split_at_mut(self.head.len);
        let (payload, tail) = rest.split_at_mut(self.payload.len());
        head.copy_from_slice(self.head.as_slice());
        payload.copy_from_slice(self.payload);
        tail.copy_from_slice(self.tail.as_slice());
    }
}

fn int_head(value: i64) -> Few {
    if let (0..=MAX_SMALL_INT, Ok(small)) = (value, u8::try_from(value)) {
        Few::new(HEAD_SMALL_INT + small, &[])
    } else if let Ok(value) = i8::try_from(value) {
        Few::new(HEAD_I8, &value.to_le_bytes())
    } else if let Ok(value) = i16::try_from(value) {
        Few::new(HEAD_I16, &value.to_le_bytes())
    } else if let Ok(value) = i32::try_from(value) {
        Few::new(HEAD_I32, &value.to_le_bytes())
    } else {
        Few::new(HEAD_I64, &value.to_le_bytes())
    }
}

fn bytes_head(len: usize) -> Few {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short), _) if len <= MAX_SHORT_BYTES => Few::new(short, &[]),
        (_, Ok(len)) => Few::new(HEAD_U16, &len.to_le_bytes()),
        _ => Few::new(HEAD_U64, &(len as u64).to_le_bytes()),
    }
}

fn tail(size: usize) -> Few {
    match u16::try_from(size) {
        Ok(size @ 0..=0x7f) => Few::new(size.to_le_bytes()[0], &[]),
        Ok(size @ 0x80..=0x3fff) => {
            let [low, high] = size.to_le_bytes();
            Few::new(low, &[0x80 | high])
        }
        _ => {
            let mut bytes = [TAIL_U64; 9];
            bytes[..8].copy_from_slice(&(size as u64).to_le_bytes());
            Few { bytes, len: 9 }
        }
    }
}

/// Reads the little-endian integer at the start of `bytes`.
macro_rules! read_le {
    ($int:ty, $bytes:expr) => {{
        const SIZE: usize = size_of::<$int>();
        <$int>::from_le_bytes($bytes[..SIZE].try_into().expect("a slice of the integer's size"))
    }};
}

fn to_usize(len: u64) -> usize {
    usize::try_from(len).expect("a length that was a usize when it was written")
}

/// Reads the entry at the start of `bytes`: the element and the size of head and payload.
fn decode(bytes: &[u8]) -> (Elem<'_>, usize) {
    let rest = &bytes[1..];
    let (head, len) = match bytes[0] {
        short @ 0..=0xbf => (1, usize::from(short)),
        HEAD_U64 => (9, to_usize(read_le!(u64, rest))),
        HEAD_U16 => (3, usize::from(read_le!(u16, rest))),
        HEAD_I8 => return (Elem::Int(i64::from(read_le!(i8, rest))), 2),
        HEAD_I16 => return (Elem::Int(i64::from(read_le!(i16, rest))), 3),
        HEAD_I32 => return (Elem::Int(i64::from(read_le!(i32, rest))), 5),
        HEAD_I64 => return (Elem::Int(read_le!(i64, rest)), 9),
        small => return (Elem::Int(i64::from(small) - i64::from(HEAD_SMALL_INT)), 1),
    };
    (Elem::Bytes(&bytes[head..head + len]), head + len)
}

/// The whole size of the entry that ends at the end of `bytes`.
fn last_entry_size(bytes: &[u8]) -> usize {
    let last = bytes[bytes.len() - 1];
    match last {
        0..=0x7f => usize::from(last) + 1,
        0x80..=0xbf => (usize::from(last & 0x3f) << 8 | usize::from(bytes[bytes.len() - 2])) + 2,
        _ => to_usize(read_le!(u64, bytes[bytes.len() - 9..])) + 9,
    }
}

/// The whole size of the entry at the start of `bytes`.
fn first_entry_size(bytes: &[u8]) -> usize {
    let (_, size) = decode(bytes);
    size + tail(size).len
}

impl Pack {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    fn bytes(&self) -> &[u8] {
        &self.buf[..self.len as usize]
    }

    /// Whether elements of `more_bytes` in all, heads aside, may be added: always to an empty pack.
    pub(crate) fn takes(&self, more_bytes: usize) -> bool {
        self.is_empty() || self.size_bytes().saturating_add(more_bytes) < MAX_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that the elements take.
    pub(crate) fn size_bytes(&self) -> usize {
        self.len as usize
    }

    /// Bytes of memory that are reserved.
    pub(crate) fn capacity_bytes(&self) -> usize {
        self.buf.len()
    }

    /// Bytes that `elem` would take.
    pub(crate) fn encoded_size(elem: Elem<'_>) -> usize {
        Encoded::new(elem).size()
    }

    /// Visits the elements.
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter { bytes: self.bytes(), start: 0, end: self.size_bytes(), left: self.len() }
    }

    /// Visits the elements `start..end`; both must be within the pack.
    pub(crate) fn range(&self, start: usize, end: usize) -> Iter<'_> {
        let (from, to) = (self.offset(start), self.offset(end));
        Iter { bytes: self.bytes(), start: from, end: to, left: end - start }
    }

    /// The element at `index`.
    pub(crate) fn get(&self, index: usize) -> Option<Elem<'_>> {
        (index < self.len()).then(|| decode(&self.bytes()[self.offset(index)..]).0)
    }

    /// The element that starts at byte `offset`, where one must start, and where the next would.
    pub(crate) fn entry_at(&self, offset: usize) -> (Elem<'_>, usize) {
        let (elem, size) = decode(&self.bytes()[offset..]);
        (elem, offset + size + tail(size).len)
    }

    /// Where the element at `index` (at most `len`) starts, found from the nearer end.
    fn offset(&self, index: usize) -> usize {
        let (bytes, count) = (self.bytes(), self.len());
        if index <= count / 2 {
            let mut offset = 0;
            for _ in 0..index {
                offset += first_entry_size(&bytes[offset..]);
            }
            offset
        } else {
            let mut offset = bytes.len();
            for _ in index..count {
                offset -= last_entry_size(&bytes[..offset]);
            }
            offset
        }
    }

    pub(crate) fn push_back(&mut self, elem: Elem<'_>) {
        let end = self.size_bytes();
        self.write_at(end, 0, &Encoded::new(elem));
        self.count += 1;
    }

    pub(crate) fn push_front(&mut self, elem: Elem<'_>) {
        self.write_at(0, 0, &Encoded::new(elem));
        self.count += 1;
    }

    /// Inserts so that the new element has index `at` (at most `len`).
    pub(crate) fn insert(&mut self, at: usize, elem: Elem<'_>) {
        let offset = self.offset(at);
        self.write_at(offset, 0, &Encoded::new(elem));
        self.count += 1;
    }

    /// Replaces the element at `index`, which must exist.
    pub(crate) fn replace(&mut self, index: usize, elem: Elem<'_>) {
        let offset = self.offset(index);
        let old_size = first_entry_size(&self.bytes()[offset..]);
        self.write_at(offset, old_size, &Encoded::new(elem));
    }

    /// Removes the elements `start..end`, which must exist.
    pub(crate) fn remove_range(&mut self, start: usize, end: usize) {
        let (from, to) = (self.offset(start), self.offset(end));
        self.buf.copy_within(to..self.len as usize, from);
        self.set_len(self.size_bytes() - (to - from));
        self.count -= small(end - start);
        self.shrink();
    }

    /// Removes elements equal to `elem`: after the first `skip` of them, at most `most`. Returns how many. One walk, however
    /// many they are.
    pub(crate) fn remove_equal(&mut self, elem: Elem<'_>, skip: usize, most: usize) -> usize {
        let len = self.size_bytes();
        // What is read at `from` and stays is written at `to`.
        let (mut from, mut to, mut seen, mut removed) = (0, 0, 0, 0);
        while from < len && removed < most {
            let (found, size) = decode(&self.buf[from..len]);
            let (equal, size) = (found == elem, size + tail(size).len);
            seen += usize::from(equal);
            if equal && seen > skip {
                removed += 1;
            } else {
                self.move_down(from..from + size, to);
                to += size;
            }
            from += size;
        }
        self.move_down(from..len, to);
        self.set_len(to + len - from);
        self.count -= small(removed);
        self.shrink();
        removed
    }

    /// Moves bytes towards the start; what is in its place already is not written to.
    fn move_down(&mut self, bytes: Range<usize>, to: usize) {
        if bytes.start != to {
            self.buf.copy_within(bytes, to);
        }
    }

    /// Removes the elements from `at` on; returns them.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        let offset = self.offset(at);
        let mut tail = Self::default();
        tail.append_bytes(&self.bytes()[offset..]);
        tail.count = self.count - small(at);
        self.set_len(offset);
        self.count = small(at);
        self.shrink();
        tail
    }

    /// Appends every element of `other`.
    pub(crate) fn append(&mut self, other: &Self) {
        self.append_bytes(other.bytes());
        self.count += other.count;
    }

    fn append_bytes(&mut self, entries: &[u8]) {
        let (end, new_end) = (self.size_bytes(), self.size_bytes() + entries.len());
        self.reserve(new_end);
        self.buf[end..new_end].copy_from_slice(entries);
        self.set_len(new_end);
    }

    /// Replaces `old_size` bytes at `offset` by the entry.
    fn write_at(&mut self, offset: usize, old_size: usize, entry: &Encoded<'_>) {
        let (new_size, old_len) = (entry.size(), self.size_bytes());
        let new_len = old_len - old_size + new_size;
        self.reserve(new_len);
        self.buf.copy_within(offset + old_size..old_len, offset + new_size);
        self.set_len(new_len);
        entry.write(&mut self.buf[offset..offset + new_size]);
    }

    fn set_len(&mut self, len: usize) {
        self.len = u32::try_from(len).expect("a pack is asked before whether it takes more");
    }

    /// Makes room for `needed` bytes in all, and for no more than the allocator gives anyway.
    fn reserve(&mut self, needed: usize) {
        if needed > self.buf.len() {
            resize(&mut self.buf, rounded(needed));
        }
    }

    fn shrink(&mut self) {
        if self.size_bytes() < self.buf.len() / 2 {
            let capacity = rounded(self.size_bytes());
            resize(&mut self.buf, capacity);
        }
    }
}

impl Clone for Pack {
    /// Copies the entries without the room behind them.
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.append(self);
        copy
    }
}

/// A number of elements of a pack, each of which takes at least two of its bytes.
fn small(count: usize) -> u32 {
    u32::try_from(count).expect("a pack has fewer than 2^32 bytes")
}

/// Visits the elements of a [`Pack`], from both ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Iter<'a> {
    bytes: &'a [u8],
    start: usize,
    end: usize,
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Elem<'a>;

    fn next(&mut self) -> Option<Elem<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (elem, size) = decode(&self.bytes[self.start..]);
        self.start += size + tail(size).len;
        Some(elem)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.end -= last_entry_size(&self.bytes[..self.end]);
        Some(decode(&self.bytes[self.end..]).0)
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The elements of a pack, two by two: fields with values, members with scores.
#[derive(Clone, Debug)]
pub(crate) struct Pairs<'a>(pub(crate) Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (Elem<'a>, Elem<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.left / 2, Some(self.0.left / 2))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let second = self.0.next_back()?;
        Some((self.0.next_back()?, second))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|value| value.to_string().into_bytes()),
            (-70i64..70).prop_map(|value| value.to_string().into_bytes()),
            (-70_000i64..70_000).prop_map(|value| value.to_string().into_bytes()),
            (prop_oneof![0usize..300, 16_370usize..16_400, 65_530usize..65_550], any::<u8>())
                .prop_map(|(len, byte)| vec![byte; len]),
        ]
    }

    fn check(pack: &Pack, model: &[Vec<u8>]) {
        let forward: Vec<_> = pack.iter().map(Elem::to_vec).collect();
        assert_eq!(forward, model);
        let mut backward: Vec<_> = pack.iter().rev().map(Elem::to_vec).collect();
        backward.reverse();
        assert_eq!(backward, model);
        assert_eq!(pack.len(), model.len());
        assert_eq!(pack.size_bytes(), pack.iter().map(Pack::encoded_size).sum::<usize>());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn a_pack_behaves_as_a_vec(steps in prop::collection::vec((0u8..7, any::<u16>(), any::<u16>(), element()), 1..40)) {
            let (mut pack, mut model) = (Pack::default(), Vec::<Vec<u8>>::new());
            for (kind, a, b, bytes) in steps {
                let at = usize::from(a) % (model.len() + 1);
                match kind {
                    0 => { pack.push_back(Elem::new(&bytes)); model.push(bytes); }
                    1 => { pack.push_front(Elem::new(&bytes)); model.insert(0, bytes); }
                    2 => { pack.insert(at, Elem::new(&bytes)); model.insert(at, bytes); }
                    3 if at < model.len() => { pack.replace(at, Elem::new(&bytes)); model[at] = bytes; }
                    4 => {
                        let end = at + usize::from(b) % (model.len() - at + 1);
                        prop_assert_eq!(pack.range(at, end).map(Elem::to_vec).collect::<Vec<_>>(), model[at..end].to_vec());
                        pack.remove_range(at, end);
                        model.drain(at..end);
                    }
                    5 if at < model.len() => {
                        let elem = model[at].clone();
                        let equal = model.iter().filter(|other| **other == elem).count();
                        let (skip, most) = (usize::from(b) % equal, usize::from(b) / 8 % (equal + 1));
                        prop_assert_eq!(pack.remove_equal(Elem::new(&elem), skip, most), most.min(equal - skip));
                        let mut seen = 0..equal;
                        model.retain(|other| *other != elem || !(skip..skip + most).contains(&seen.next().unwrap()));
                    }
                    _ => {
                        let tail = pack.split_off(at);
                        check(&tail, &model[at..]);
                        check(&pack, &model[..at]);
                        pack.append(&tail);
                    }
                }
                check(&pack, &model);
                prop_assert_eq!(pack.get(at).map(Elem::to_vec), model.get(at).cloned());
            }
        }
    }
}
