//! Values in the layouts that every server since Redis 4 reads: lists as ziplists, sets of integers as intsets, everything else
//! element by element.

use keyspace::{Elem, Set, ValueRef};

use super::string::{Strings, write_length};
use super::{Target, list};
use crate::format::ValueType;

/// Bytes in front of the integers of an intset.
const INTSET_HEAD_BYTES: usize = 8;

/// How a value is laid out.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) kind: ValueType,
    /// How many ziplists a list makes.
    nodes: u64,
}

impl Layout {
    /// Chooses; of a list, measures every element.
    pub(super) fn of(value: ValueRef<'_>) -> Self {
        let mut nodes = 0;
        let kind = match value {
            ValueRef::Str(_) => ValueType::String,
            ValueRef::List(list) => match list::nodes(list) {
                Some(count) => {
                    nodes = count;
                    ValueType::ListQuicklist
                }
                None => ValueType::List,
            },
            ValueRef::Set(set) if is_intset(set) => ValueType::SetIntset,
            ValueRef::Set(_) => ValueType::Set,
            ValueRef::Hash(_) => ValueType::Hash,
            ValueRef::ZSet(_) => ValueType::ZSet2,
            ValueRef::Custom(_) => ValueType::Module2,
        };
        Self { kind, nodes }
    }
}

/// Whether a set is written as sorted integers. An empty intset is refused by Redis, an empty set passed over.
fn is_intset(set: &Set) -> bool {
    set.is_ints() && !set.is_empty()
}

impl Strings {
    /// Writes a value in its layout, without the type.
    pub(super) fn value<T: Target + ?Sized>(
        &mut self,
        out: &mut T,
        value: ValueRef<'_>,
        layout: Layout,
    ) -> Result<(), T::Error> {
        match value {
            ValueRef::Str(text) => self.elem(out, text.elem())?,
            ValueRef::List(list) if layout.kind == ValueType::ListQuicklist => {
                self.ziplists(out, list, layout.nodes)?;
            }
            ValueRef::List(list) => {
                write_length(out, list.len() as u64)?;
                for elem in list.iter() {
                    self.elem(out, elem)?;
                }
            }
            ValueRef::Set(set) if is_intset(set) => self.intset(out, set)?,
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
            ValueRef::Custom(custom) => self.custom(out, custom.value())?,
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
