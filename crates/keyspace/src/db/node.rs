//! One key with its value and deadline, as a pointer to one allocation: 16 bytes where it stands.
//!
//! | bytes of the allocation | content |
//! | --- | --- |
//! | size of the value | the value itself; nothing for a packed string |
//! | 8, if the tag says so | deadline, little-endian |
//! | the rest | the tail: of a packed string the length of the key in one byte, key and text; else the key |
//!
//! This module knows where things lie and who owns them; what becomes of them is `entry`'s business. Its unsafe
//! code is justified by what was measured: a key with a small collection takes one allocation instead of two, and each value
//! the room of its own type instead of that of the largest.
//!
//! Invariants: `ptr` came from [`allocate`] with the layout that tag and tail length give; the value of the tag's kind lies at
//! its start and is dropped once, with the node.
#![expect(unsafe_code, reason = "a value and a key of any length in one allocation")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

use crate::custom::Custom;
use crate::time::{LruClock, UnixMs};
use crate::types::capacity::rounded;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::string::Str;
use crate::types::zset::ZSet;

/// What lies at the start of the allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Nothing: the tail holds key and text.
    PackedText,
    /// As `PackedText`, the text changed in place before.
    PackedRaw,
    /// As `PackedText`, the text an integer of eight bytes, little-endian.
    PackedInt,
    Str,
    List,
    Set,
    Hash,
    ZSet,
    Custom,
}

impl Kind {
    /// Bytes of the value at the start.
    #[inline]
    fn value_size(self) -> usize {
        match self {
            Self::PackedText | Self::PackedRaw | Self::PackedInt => 0,
            Self::Str => size_of::<Str>(),
            Self::List => size_of::<List>(),
            Self::Set => size_of::<Set>(),
            Self::Hash => size_of::<Hash>(),
            Self::ZSet => size_of::<ZSet>(),
            Self::Custom => size_of::<Custom>(),
        }
    }

    #[inline]
    pub(super) fn is_packed(self) -> bool {
        matches!(self, Self::PackedText | Self::PackedRaw | Self::PackedInt)
    }
}

/// A type of value that lies at the start of an allocation.
pub(super) trait Payload: Clone + Send {
    const KIND: Kind;
}

macro_rules! payload {
    ($($name:ident),*) => {
        $(impl Payload for $name {
            const KIND: Kind = Kind::$name;
        })*

        /// Does `$code` with the value of a node whose kind is not packed.
        macro_rules! with_payload {
            ($node:expr, $payload:ident => $code:expr) => {
                match $node.kind() {
                    Kind::PackedText | Kind::PackedRaw | Kind::PackedInt => {}
                    $(Kind::$name => {
                        type $payload = $name;
                        $code
                    })*
                }
            };
        }
    };
}

payload!(Str, List, Set, Hash, ZSet, Custom);

/// All values begin where the allocation begins, so one alignment serves them all.
const ALIGN: usize = 8;
const _: () = assert!(align_of::<Str>() <= ALIGN && align_of::<List>() <= ALIGN && align_of::<Set>() <= ALIGN);
const _: () = assert!(align_of::<Hash>() <= ALIGN && align_of::<ZSet>() <= ALIGN && align_of::<Custom>() <= ALIGN);

const DEADLINE_BYTES: usize = 8;

/// The longest key of a packed string: its length takes one byte.
pub(super) const MAX_PACKED_KEY_BYTES: usize = 255;

/// One key with its value and deadline.
pub(super) struct Node {
    ptr: NonNull<u8>,
    /// Bytes of the tail.
    tail_len: u32,
    /// When it was last used: see [`LruClock`].
    used: Cell<[u8; 3]>,
    tag: Tag,
}

/// A kind and whether there is a deadline, in one byte.
#[derive(Clone, Copy)]
struct Tag(u8);

impl Tag {
    const DEADLINE: u8 = 0x80;
    fn new(kind: Kind, has_deadline: bool) -> Self {
        let tag = Self(kind as u8 | if has_deadline { Self::DEADLINE } else { 0 });
        debug_assert!(tag.kind() == kind, "each kind is told by its number");
        tag
    }

    // No table: written as a match it costs a comparison and no load.
    #[inline]
    fn kind(self) -> Kind {
        match self.0 & !Self::DEADLINE {
            0 => Kind::PackedText,
            1 => Kind::PackedRaw,
            2 => Kind::PackedInt,
            3 => Kind::Str,
            4 => Kind::List,
            5 => Kind::Set,
            6 => Kind::Hash,
            7 => Kind::ZSet,
            8 => Kind::Custom,
            other => unreachable!("no kind has the number {other}"),
        }
    }

    #[inline]
    fn has_deadline(self) -> bool {
        self.0 & Self::DEADLINE != 0
    }
}

// SAFETY: a node owns its allocation and the value in it as a `Box` does, and every `Payload` can be sent.
unsafe impl Send for Node {}

fn layout(kind: Kind, has_deadline: bool, tail_len: usize) -> Layout {
    let size = kind.value_size() + if has_deadline { DEADLINE_BYTES } else { 0 } + tail_len;
    Layout::from_size_align(size.max(1), ALIGN).expect("shorter than the address space")
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: a layout of `layout()` is never empty.
    let ptr = unsafe { alloc(layout) };
    NonNull::new(ptr).unwrap_or_else(|| handle_alloc_error(layout))
}

impl Node {
    /// An allocation for such a node with its deadline and its tail, made of parts. The value is still to be written.
    fn with_tail(kind: Kind, deadline: Option<UnixMs>, parts: [&[u8]; 3]) -> Self {
        let tail_len: usize = parts.iter().map(|part| part.len()).sum();
        let ptr = allocate(layout(kind, deadline.is_some(), tail_len));
        let tail_len = u32::try_from(tail_len).expect("a request, and so a key, is shorter than 4 GiB");
        let tag = Tag::new(kind, deadline.is_some());
        let mut node = Self { ptr, tail_len, used: Cell::new([0; 3]), tag };
        node.write_deadline(deadline);
        let mut at = node.tail_start();
        for part in parts {
            // SAFETY: the parts' lengths sum to that of the tail, which ends the allocation, and no one else knows it yet.
            unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), node.ptr.as_ptr().add(at), part.len()) };
            at += part.len();
        }
        node
    }

    /// A small key with a small string.
    pub(super) fn packed(kind: Kind, key: &[u8], text: &[u8], deadline: Option<UnixMs>) -> Self {
        assert!(kind.is_packed(), "{kind:?} has a value of its own");
        let key_len = u8::try_from(key.len()).expect("asked before whether the key is short enough");
        Self::with_tail(kind, deadline, [&[key_len], key, text])
    }

    /// A key with a value.
    pub(super) fn apart<T: Payload>(key: &[u8], value: T, deadline: Option<UnixMs>) -> Self {
        let node = Self::with_tail(T::KIND, deadline, [key, &[], &[]]);
        // SAFETY: the allocation begins with room for a `T`, aligned for it, that holds nothing yet.
        unsafe { node.ptr.cast::<T>().write(value) };
        node
    }

    #[inline]
    pub(super) fn kind(&self) -> Kind {
        self.tag.kind()
    }

    #[inline]
    fn tail_start(&self) -> usize {
        self.kind().value_size() + if self.tag.has_deadline() { DEADLINE_BYTES } else { 0 }
    }

    #[inline]
    fn tail(&self) -> &[u8] {
        // SAFETY: the tail was written when the node was made, lies inside the allocation, and lives as long as the node.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr().add(self.tail_start()), self.tail_len as usize) }
    }

    #[inline]
    fn tail_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `tail`; the node is borrowed mutably, so nobody else looks at it.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr().add(self.tail_start()), self.tail_len as usize) }
    }

    /// Where the key lies in the tail, and the text of a packed string behind it.
    #[inline]
    fn key_end(&self) -> usize {
        if self.kind().is_packed() { 1 + usize::from(self.tail()[0]) } else { self.tail_len as usize }
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        let tail = self.tail();
        if !self.kind().is_packed() {
            return tail;
        }
        let (len, rest) = tail.split_first().expect("the length of the key stands before it");
        &rest[..usize::from(*len)]
    }

    /// The text of a packed string; nothing for other kinds.
    #[inline]
    pub(super) fn text(&self) -> &[u8] {
        &self.tail()[self.key_end()..]
    }

    /// The same, to be overwritten.
    #[inline]
    pub(super) fn text_mut(&mut self) -> &mut [u8] {
        let start = self.key_end();
        &mut self.tail_mut()[start..]
    }

    /// Says what the text of a packed string is from now on.
    #[inline]
    pub(super) fn set_packed_kind(&mut self, kind: Kind) {
        assert!(self.kind().is_packed() && kind.is_packed(), "only what has no value of its own changes its kind");
        // As in `set_used`: a write to the table would copy a page that a child shares.
        if self.kind() != kind {
            self.tag = Tag::new(kind, self.tag.has_deadline());
        }
    }

    pub(super) fn deadline(&self) -> Option<UnixMs> {
        if !self.tag.has_deadline() {
            return None;
        }
        let mut bytes = [0; DEADLINE_BYTES];
        // SAFETY: a node with a deadline has eight bytes for it behind the value, written when it was made.
        unsafe {
            let from = self.ptr.as_ptr().add(self.kind().value_size());
            std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), DEADLINE_BYTES);
        }
        Some(UnixMs(i64::from_le_bytes(bytes)))
    }

    /// Writes a deadline where there is room for one, or none where there is none; false where the room does not fit.
    #[inline]
    pub(super) fn write_deadline(&mut self, deadline: Option<UnixMs>) -> bool {
        if let (Some(UnixMs(at)), true) = (deadline, self.tag.has_deadline()) {
            // SAFETY: as in `deadline`; the node is borrowed mutably.
            unsafe {
                let to = self.ptr.as_ptr().add(self.kind().value_size());
                std::ptr::copy_nonoverlapping(at.to_le_bytes().as_ptr(), to, DEADLINE_BYTES);
            }
        }
        deadline.is_some() == self.tag.has_deadline()
    }

    /// The value, which must be of this type.
    pub(super) fn value<T: Payload>(&self) -> &T {
        assert_eq!(self.kind(), T::KIND, "asked for what the kind says");
        // SAFETY: the kind says that a `T` lies at the start; it was written when the node was made and lives as long.
        unsafe { self.ptr.cast::<T>().as_ref() }
    }

    /// The value, which must be of this type, to be changed.
    pub(super) fn value_mut<T: Payload>(&mut self) -> &mut T {
        assert_eq!(self.kind(), T::KIND, "asked for what the kind says");
        // SAFETY: as in `value`; the node is borrowed mutably.
        unsafe { self.ptr.cast::<T>().as_mut() }
    }

    /// Takes the value, which must be of this type, out of the node and frees the rest.
    pub(super) fn into_value<T: Payload>(self) -> T {
        assert_eq!(self.kind(), T::KIND, "asked for what the kind says");
        let node = std::mem::ManuallyDrop::new(self);
        // SAFETY: as in `value`; the node is never dropped, so the value is read out once and for all.
        let value = unsafe { node.ptr.cast::<T>().read() };
        // SAFETY: the allocation was made with this layout and nobody uses it any more.
        unsafe { dealloc(node.ptr.as_ptr(), node.layout()) };
        value
    }

    fn layout(&self) -> Layout {
        layout(self.kind(), self.tag.has_deadline(), self.tail_len as usize)
    }

    pub(super) fn used(&self) -> LruClock {
        LruClock::from_bytes(self.used.get())
    }

    #[inline]
    pub(super) fn set_used(&self, at: LruClock) {
        // Memory that is not written to stays shared with a child, and clean in the cache.
        if self.used.get() != at.to_bytes() {
            self.used.set(at.to_bytes());
        }
    }

    /// Bytes of memory allocated for the node itself.
    pub(super) fn heap_bytes(&self) -> usize {
        rounded(self.layout().size())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SAFETY: a value of the kind lies at the start and is not used any more.
        with_payload!(self, T => unsafe { self.ptr.cast::<T>().drop_in_place() });
        // SAFETY: the allocation was made with this layout, and this is its only owner.
        unsafe { dealloc(self.ptr.as_ptr(), self.layout()) };
    }
}

impl Clone for Node {
    fn clone(&self) -> Self {
        let mut copy = None;
        with_payload!(self, T => copy = Some(Self::apart(self.key(), self.value::<T>().clone(), self.deadline())));
        let copy = copy.unwrap_or_else(|| Self::packed(self.kind(), self.key(), self.text(), self.deadline()));
        copy.used.set(self.used.get());
        copy
    }
}

#[cfg(test)]
mod tests;
