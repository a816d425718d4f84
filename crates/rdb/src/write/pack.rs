//! The two compact forms, as they grow in memory that was reserved before: ziplists (up to Redis 6) and listpacks (from 7 on).
//!
//! An entry is the same in both but for its head and for where sizes stand: a ziplist has in front of each entry the size of
//! the one before, a listpack behind each its own.
//!
//! Source: `ziplist.c` and `listpack.c` of Redis 7.2 (facts).

use keyspace::Elem;

/// Bytes in front of the entries of a ziplist: size, start of the last entry, count.
const ZIPLIST_HEAD_BYTES: usize = 10;
/// Bytes in front of the entries of a listpack: size, count.
const LISTPACK_HEAD_BYTES: usize = 6;
/// The byte behind the entries.
const END: u8 = 0xff;
/// Sizes from here on take five bytes where an entry of a ziplist states that of the one before it.
const LONG_LINK: usize = 254;

/// Which compact form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Ziplist,
    Listpack,
}

/// A compact form that grows.
#[derive(Debug)]
pub(super) struct Pack {
    form: Form,
    /// Most bytes of it.
    limit: usize,
    /// Bytes so far, without the end.
    len: usize,
    /// Where the last entry starts.
    last: usize,
    /// Its size; 0 if there is none.
    before: usize,
    count: u16,
}

impl Pack {
    /// One without entries, which will take at most `limit` bytes.
    pub(super) fn new(form: Form, limit: usize) -> Self {
        let head = match form {
            Form::Ziplist => ZIPLIST_HEAD_BYTES,
            Form::Listpack => LISTPACK_HEAD_BYTES,
        };
        Self { form, limit, len: head, last: head, before: 0, count: 0 }
    }

    /// The next one, when this one is full.
    pub(super) fn next(&self) -> Self {
        Self::new(self.form, self.limit)
    }

    /// Bytes so far, without the end.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an element without writing it; false if there is no room for it.
    #[inline]
    pub(super) fn measure(&mut self, elem: Elem<'_>) -> bool {
        self.add(&Entry::new(self.form, elem))
    }

    /// Adds an element to the entries that stand in `blob`, which has room for the limit; false if there is no room for it.
    #[inline]
    pub(super) fn push(&mut self, blob: &mut [u8], elem: Elem<'_>) -> bool {
        let entry = Entry::new(self.form, elem);
        let (at, link) = (self.len, self.before);
        let added = self.add(&entry);
        if added {
            entry.put(self.form, &mut blob[at..self.len], link);
        }
        added
    }

    #[inline]
    fn add(&mut self, entry: &Entry<'_>) -> bool {
        let size = entry.size(self.form, self.before);
        // `u16::MAX` entries would say that their number is not known.
        if self.len + size >= self.limit || self.count == u16::MAX - 1 {
            return false;
        }
        (self.last, self.before) = (self.len, size);
        self.len += size;
        self.count += 1;
        true
    }

    /// Writes head and end around the entries that stand in `blob`; the size of it all.
    pub(super) fn close(&self, blob: &mut [u8]) -> usize {
        let size = self.len + 1;
        let small = |number: usize| u32::try_from(number).expect("below the limit").to_le_bytes();
        blob[..4].copy_from_slice(&small(size));
        match self.form {
            Form::Ziplist => {
                blob[4..8].copy_from_slice(&small(self.last));
                blob[8..ZIPLIST_HEAD_BYTES].copy_from_slice(&self.count.to_le_bytes());
            }
            Form::Listpack => blob[4..LISTPACK_HEAD_BYTES].copy_from_slice(&self.count.to_le_bytes()),
        }
        blob[self.len] = END;
        size
    }
}

/// An element on its way into a compact form.
struct Entry<'a> {
    /// Kind and length, or kind and integer.
    head: [u8; 9],
    head_len: usize,
    bytes: &'a [u8],
}

impl<'a> Entry<'a> {
    #[inline]
    fn new(form: Form, elem: Elem<'a>) -> Self {
        match (form, elem) {
            (Form::Ziplist, Elem::Int(value)) => Self::of_ziplist_integer(value),
            (Form::Listpack, Elem::Int(value)) => Self::of_listpack_integer(value),
            (Form::Ziplist, Elem::Bytes(bytes)) => {
                let [a, b, c, d, ..] = bytes.len().to_le_bytes();
                match bytes.len() {
                    ..0x40 => Self::with_head(a, &[], bytes),
                    0x40..0x4000 => Self::with_head(0x40 | b, &[a], bytes),
                    _ => Self::with_head(0x80, &[d, c, b, a], bytes),
                }
            }
            (Form::Listpack, Elem::Bytes(bytes)) => {
                let [a, b, c, d, ..] = bytes.len().to_le_bytes();
                match bytes.len() {
                    ..0x40 => Self::with_head(0x80 | a, &[], bytes),
                    0x40..0x1000 => Self::with_head(0xe0 | b, &[a], bytes),
                    _ => Self::with_head(0xf0, &[a, b, c, d], bytes),
                }
            }
        }
    }

    fn of_ziplist_integer(value: i64) -> Self {
        if let Ok(small @ 0..=12) = u8::try_from(value) {
            Self::with_head(0xf1 + small, &[], &[])
        } else if let Ok(value) = i8::try_from(value) {
            Self::with_head(0xfe, &value.to_le_bytes(), &[])
        } else if let Ok(value) = i16::try_from(value) {
            Self::with_head(0xc0, &value.to_le_bytes(), &[])
        } else if (-(1 << 23)..1 << 23).contains(&value) {
            Self::with_head(0xf0, &value.to_le_bytes()[..3], &[])
        } else if let Ok(value) = i32::try_from(value) {
            Self::with_head(0xd0, &value.to_le_bytes(), &[])
        } else {
            Self::with_head(0xe0, &value.to_le_bytes(), &[])
        }
    }

    fn of_listpack_integer(value: i64) -> Self {
        if let Ok(small @ 0..=0x7f) = u8::try_from(value) {
            Self::with_head(small, &[], &[])
        } else if (-(1 << 12)..1 << 12).contains(&value) {
            let [low, high, ..] = value.to_le_bytes();
            Self::with_head(0xc0 | high & 0x1f, &[low], &[])
        } else if let Ok(value) = i16::try_from(value) {
            Self::with_head(0xf1, &value.to_le_bytes(), &[])
        } else if (-(1 << 23)..1 << 23).contains(&value) {
            Self::with_head(0xf2, &value.to_le_bytes()[..3], &[])
        } else if let Ok(value) = i32::try_from(value) {
            Self::with_head(0xf3, &value.to_le_bytes(), &[])
        } else {
            Self::with_head(0xf4, &value.to_le_bytes(), &[])
        }
    }

    fn with_head(first: u8, rest: &[u8], bytes: &'a [u8]) -> Self {
        let mut head = [0; 9];
        head[0] = first;
        head[1..=rest.len()].copy_from_slice(rest);
        Self { head, head_len: rest.len() + 1, bytes }
    }

    /// Bytes of head and text.
    fn own_size(&self) -> usize {
        self.head_len + self.bytes.len()
    }

    /// Bytes that the entry takes behind one of `before` bytes.
    fn size(&self, form: Form, before: usize) -> usize {
        let own = self.own_size();
        own + match form {
            Form::Ziplist if before < LONG_LINK => 1,
            Form::Ziplist => 5,
            Form::Listpack => back_link_len(own),
        }
    }

    /// Writes the entry over `room`, which has exactly its size.
    fn put(&self, form: Form, room: &mut [u8], before: usize) {
        let own = self.own_size();
        let (front, back) = match form {
            Form::Ziplist => (room.len() - own, 0),
            Form::Listpack => (0, room.len() - own),
        };
        match front {
            0 => {}
            1 => room[0] = before.to_le_bytes()[0],
            _ => {
                let [a, b, c, d, ..] = before.to_le_bytes();
                room[..5].copy_from_slice(&[0xfe, a, b, c, d]);
            }
        }
        let (head, text) = room[front..front + own].split_at_mut(self.head_len);
        head.copy_from_slice(&self.head[..self.head_len]);
        text.copy_from_slice(self.bytes);
        // Seven bits a byte, the highest first; all bytes but that one are marked.
        for (i, byte) in room[front + own..].iter_mut().enumerate() {
            let [low, ..] = (own >> (7 * (back - 1 - i))).to_le_bytes();
            *byte = low & 0x7f | if i == 0 { 0 } else { 0x80 };
        }
    }
}

/// Bytes that say behind an entry of a listpack how large it is: with the highest number of so many bits, one more than it takes.
fn back_link_len(size: usize) -> usize {
    match size {
        ..128 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}
