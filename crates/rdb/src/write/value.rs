//! Values in the layouts that servers of the file's version write: lists and small collections in their compact form, sets of
//! integers as intsets, everything else element by element.
//!
//! A compact form is made in the blob before its key is written, for its type stands in front of the key: what turns out too
//! large for the blob is written element by element.

use keyspace::{Elem, Hash, Set, ValueRef, ZSet};
use numeric::DoubleBuf;

use super::Target;
use super::list::Nodes;
use super::pack::{Form, Pack};
use super::string::{BLOB_BYTES, Failed, Strings, write_length};
use crate::format::ValueType;

/// Bytes in front of the integers of an intset.
const INTSET_HEAD_BYTES: usize = 8;

/// The version from which on compact forms are listpacks.
const LISTPACKS_SINCE: u16 = 10;
/// The version from which on small sets have one.
const SET_LISTPACKS_SINCE: u16 = 11;

/// How a value is laid out.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) kind: ValueType,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    Plain,
    /// So many bytes of the blob.
    Blob(usize),
    Nodes(Form, Nodes),
}

impl Layout {
    fn plain(kind: ValueType) -> Self {
        Self { kind, how: How::Plain }
    }

    /// A compact form if one was made, else the plain one.
    fn compact(kind: ValueType, blob: Option<usize>, plain: ValueType) -> Self {
        blob.map_or(Self::plain(plain), |size| Self { kind, how: How::Blob(size) })
    }
}

impl Strings {
    /// Whether a set is written as sorted integers. An empty intset is refused by Redis, an empty set passed over.
    fn is_intset(&self, set: &Set) -> bool {
        let fits = || (INTSET_HEAD_BYTES + set.len() * size_of::<i64>()) as u64 <= self.max_bytes;
        set.is_ints() && !set.is_empty() && fits()
    }

    /// Chooses a layout; of a list, measures every element. A compact form stands in the blob afterwards.
    pub(super) fn layout<T: Target + ?Sized>(
        &mut self,
        out: &mut T,
        value: ValueRef<'_>,
        version: u16,
    ) -> Result<Layout, T::Error> {
        use ValueType as Type;
        let form = if version < LISTPACKS_SINCE { Form::Ziplist } else { Form::Listpack };
        let by_form = |ziplist, listpack| if form == Form::Ziplist { ziplist } else { listpack };
        Ok(match value {
            ValueRef::Str(_) => Layout::plain(Type::String),
            ValueRef::List(list) => match self.nodes(out, list, form)? {
                Some(nodes) => {
                    Layout { kind: by_form(Type::ListQuicklist, Type::ListQuicklist2), how: How::Nodes(form, nodes) }
                }
                None => Layout::plain(Type::List),
            },
            ValueRef::Set(set) if self.is_intset(set) => Layout::plain(Type::SetIntset),
            ValueRef::Set(set) if version < SET_LISTPACKS_SINCE || set.is_large() => Layout::plain(Type::Set),
            ValueRef::Set(set) => Layout::compact(Type::SetListpack, self.packed_set(set), Type::Set),
            ValueRef::Hash(hash) if hash.is_large() => Layout::plain(Type::Hash),
            ValueRef::Hash(hash) => Layout::compact(
                by_form(Type::HashZiplist, Type::HashListpack),
                self.packed_hash(form, hash),
                Type::Hash,
            ),
            ValueRef::ZSet(zset) if zset.is_large() => Layout::plain(Type::ZSet2),
            ValueRef::ZSet(zset) => Layout::compact(
                by_form(Type::ZSetZiplist, Type::ZSetListpack),
                self.packed_zset(form, zset),
                Type::ZSet2,
            ),
            ValueRef::Custom(_) => Layout::plain(Type::Module2),
        })
    }

    /// Makes the listpack of a set; its size, unless it is empty or too large.
    fn packed_set(&mut self, set: &Set) -> Option<usize> {
        let mut pack = Pack::new(Form::Listpack, BLOB_BYTES);
        set.iter().all(|member| pack.push(&mut self.blob, member)).then(|| self.packed(&pack))?
    }

    /// Makes the compact form of a hash: field, value, field, value.
    fn packed_hash(&mut self, form: Form, hash: &Hash) -> Option<usize> {
        let mut pack = Pack::new(form, BLOB_BYTES);
        hash.iter()
            .all(|(field, value)| pack.push(&mut self.blob, field) && pack.push(&mut self.blob, value))
            .then(|| self.packed(&pack))?
    }

    /// Makes the compact form of a sorted set: member, score as text or integer, from the lowest on.
    fn packed_zset(&mut self, form: Form, zset: &ZSet) -> Option<usize> {
        let mut pack = Pack::new(form, BLOB_BYTES);
        zset.iter()
            .all(|(member, score)| {
                let mut text = DoubleBuf::new();
                pack.push(&mut self.blob, member) && pack.push(&mut self.blob, Elem::new(text.format(score)))
            })
            .then(|| self.packed(&pack))?
    }

    fn packed(&mut self, pack: &Pack) -> Option<usize> {
        (!pack.is_empty()).then(|| pack.close(&mut self.blob))
    }

    /// Writes a value in its layout, without the type.
    pub(super) fn value<T: Target + ?Sized>(
        &mut self,
        out: &mut T,
        value: ValueRef<'_>,
        layout: Layout,
    ) -> Result<(), Failed<T::Error>> {
        if let How::Blob(size) = layout.how {
            return Ok(self.write_blob(out, size)?);
        }
        match value {
            ValueRef::Str(text) => self.elem(out, text.elem())?,
            ValueRef::List(list) if let How::Nodes(form, nodes) = layout.how => self.list(out, list, form, nodes)?,
            ValueRef::List(list) => {
                write_length(out, list.len() as u64)?;
                for elem in list.iter() {
                    self.elem(out, elem)?;
                }
            }
            ValueRef::Set(set) if layout.kind == ValueType::SetIntset => self.intset(out, set)?,
            ValueRef::Set(set) => {
                write_length(out, set.len() as u64)?;
                for elem in set.iter() {
                    self.elem(out, elem)?;
                }
            }
            ValueRef::Hash(hash) => {
                write_length(out, hash.len() as u64)?;
                for (field, value) in hash.iter() {
                    self.elem(out, field)?;
                    self.elem(out, value)?;
                }
            }
            ValueRef::ZSet(zset) => {
                write_length(out, zset.len() as u64)?;
                // From the highest score down, as Redis does: it inserts in front of what it has, without searching.
                for (member, score) in zset.iter().rev() {
                    self.elem(out, member)?;
                    out.write(&score.to_le_bytes())?;
                }
            }
            ValueRef::Custom(custom) => self.parts(out, custom.value())?,
        }
        Ok(())
    }

    fn intset<T: Target + ?Sized>(&mut self, out: &mut T, set: &Set) -> Result<(), T::Error> {
        let ends = [set.get_index(0), set.get_index(set.len() - 1)];
        let width = ends.into_iter().flatten().filter_map(Elem::as_i64).map(width_of).max().unwrap_or(2);
        let size = INTSET_HEAD_BYTES + set.len() * usize::from(width);
        let mut head = [0; INTSET_HEAD_BYTES];
        head[0] = width;
        let count = u32::try_from(set.len()).expect("a set has at most 2^32 members");
        head[4..].copy_from_slice(&count.to_le_bytes());
        let integers = set.iter().filter_map(Elem::as_i64).map(i64::to_le_bytes);
        let width = usize::from(width);
        if size <= self.blob.len() {
            self.blob[..INTSET_HEAD_BYTES].copy_from_slice(&head);
            for (place, bytes) in self.blob[INTSET_HEAD_BYTES..].chunks_exact_mut(width).zip(integers) {
                place.copy_from_slice(&bytes[..width]);
            }
            return self.write_blob(out, size);
        }
        write_length(out, size as u64)?;
        out.write(&head)?;
        for bytes in integers {
            out.write(&bytes[..width])?;
        }
        Ok(())
    }
}

/// Bytes that an integer of an intset takes.
fn width_of(value: i64) -> u8 {
    match (i16::try_from(value), i32::try_from(value)) {
        (Ok(_), _) => 2,
        (_, Ok(_)) => 4,
        _ => 8,
    }
}
