//! Values: one function for each layout, all of which build the keyspace's own collections.
//!
//! What Redis never writes is refused: a member or field twice, half a pair, a score that is not a number. A collection without
//! elements is no value: the caller decides.

use keyspace::{Elem, Hash, Insert, IntBuf, List, Set, Str, Thresholds, Value, ZSet};
use rio::Input;

use super::blob::{Each, intset, listpack, ziplist, zipmap};
use super::wire::Wire;
use crate::error::{Flaw, Found, RdbError};
use crate::format::{NODE_PACKED, NODE_PLAIN, ValueType};

/// Walks one compact form.
type Walk = fn(&[u8], Each<'_>) -> Result<(), Flaw>;

/// Takes where a pair stands, its first element and its second.
type EachPair<'f> = &'f mut dyn FnMut(usize, &[u8], Elem<'_>) -> Result<(), Flaw>;

const COUNT: &str = "the number of elements";
const NEW_MEMBER: &str = "a member that is not there yet";
const NEW_FIELD: &str = "a field that is not there yet";

/// Reads values of the types that the keyspace has.
pub(super) struct Values<'a, I> {
    pub(super) wire: &'a mut Wire<I>,
    pub(super) limits: &'a Thresholds,
    /// The string read last, and the one before where two belong together.
    text: Vec<u8>,
    other: Vec<u8>,
}

impl<'a, I: Input> Values<'a, I> {
    pub(super) fn new(wire: &'a mut Wire<I>, limits: &'a Thresholds) -> Self {
        Self { wire, limits, text: Vec::new(), other: Vec::new() }
    }

    /// Reads a value; `None` if it is an empty collection. `kind` is a type that the keyspace has.
    pub(super) fn read(mut self, kind: ValueType) -> Result<Option<Value>, RdbError> {
        let value = match kind {
            ValueType::String => return Ok(Some(Value::Str(self.string()?))),
            ValueType::List => Value::List(self.list()?),
            ValueType::Set => Value::Set(self.set()?),
            ValueType::ZSet => Value::ZSet(self.zset(Wire::text_score)?),
            ValueType::ZSet2 => Value::ZSet(self.zset(Wire::binary_score)?),
            ValueType::Hash => Value::Hash(self.hash()?),
            ValueType::HashZipmap => Value::Hash(self.packed_hash(zipmap::walk)?),
            ValueType::HashZiplist => Value::Hash(self.packed_hash(ziplist::walk)?),
            ValueType::HashListpack => Value::Hash(self.packed_hash(listpack::walk)?),
            ValueType::ListZiplist => Value::List(self.packed_list()?),
            ValueType::ListQuicklist => Value::List(self.quicklist(|_| Ok(Some(ziplist::walk)))?),
            ValueType::ListQuicklist2 => Value::List(self.quicklist(node_kind)?),
            ValueType::SetIntset => Value::Set(self.packed_set(Set::new(), intset::walk)?),
            ValueType::SetListpack => Value::Set(self.packed_set(Set::new_sequence(), listpack::walk)?),
            ValueType::ZSetZiplist => Value::ZSet(self.packed_zset(ziplist::walk)?),
            ValueType::ZSetListpack => Value::ZSet(self.packed_zset(listpack::walk)?),
            ValueType::ModulePreGa
            | ValueType::Module2
            | ValueType::StreamListpacks
            | ValueType::StreamListpacks2
            | ValueType::StreamListpacks3 => unreachable!("the caller knows these"),
        };
        Ok(Some(value).filter(|value| !is_empty(value)))
    }

    fn string(&mut self) -> Result<Str, RdbError> {
        self.wire.string(&mut self.text)?;
        Ok(Str::from(std::mem::take(&mut self.text)))
    }

    fn list(&mut self) -> Result<List, RdbError> {
        let mut list = List::new();
        for _ in 0..self.wire.number(COUNT)? {
            self.wire.string(&mut self.text)?;
            list.push_back(&self.text, self.limits);
        }
        Ok(list)
    }

    fn set(&mut self) -> Result<Set, RdbError> {
        let mut set = Set::new();
        for _ in 0..self.wire.number(COUNT)? {
            let offset = self.wire.offset();
            self.wire.string(&mut self.text)?;
            if !set.insert(&self.text, self.limits) {
                return Err(RdbError::corrupt(offset, NEW_MEMBER, &self.text[..]));
            }
        }
        Ok(set)
    }

    fn zset(&mut self, score: fn(&mut Wire<I>) -> Result<f64, RdbError>) -> Result<ZSet, RdbError> {
        let mut zset = ZSet::new();
        for _ in 0..self.wire.number(COUNT)? {
            let offset = self.wire.offset();
            self.wire.string(&mut self.text)?;
            let score = score(self.wire)?;
            if zset.insert(&self.text, score, self.limits) != Insert::Added {
                return Err(RdbError::corrupt(offset, NEW_MEMBER, &self.text[..]));
            }
        }
        Ok(zset)
    }

    fn hash(&mut self) -> Result<Hash, RdbError> {
        let mut hash = Hash::new();
        for _ in 0..self.wire.number(COUNT)? {
            let offset = self.wire.offset();
            self.wire.string(&mut self.other)?;
            self.wire.string(&mut self.text)?;
            if !hash.set(&self.other, &self.text, self.limits) {
                return Err(RdbError::corrupt(offset, NEW_FIELD, &self.other[..]));
            }
        }
        Ok(hash)
    }

    /// Reads a string and walks the compact form in it.
    fn packed(&mut self, walk: Walk, each: Each<'_>) -> Result<(), RdbError> {
        let offset = self.wire.offset();
        self.wire.string(&mut self.text)?;
        walk(&self.text, each).map_err(|flaw| RdbError::inside(offset, flaw))
    }

    /// Reads a string and walks the pairs of the compact form in it.
    fn pairs(&mut self, walk: Walk, each: EachPair<'_>) -> Result<(), RdbError> {
        let offset = self.wire.offset();
        let mut first = std::mem::take(&mut self.other);
        let mut open = None;
        self.packed(walk, &mut |at, elem| match open.take() {
            Some(start) => each(start, &first, elem),
            None => {
                first.clear();
                first.extend_from_slice(elem.bytes(&mut IntBuf::new()));
                open = Some(at);
                Ok(())
            }
        })?;
        match open {
            Some(at) => Err(RdbError::inside(offset, Flaw::new(at, "pairs", Found::from(&first[..])))),
            None => Ok(()),
        }
    }

    fn packed_list(&mut self) -> Result<List, RdbError> {
        let (mut list, limits) = (List::new(), self.limits);
        self.packed(ziplist::walk, &mut |_, elem| {
            list.push_back(elem.bytes(&mut IntBuf::new()), limits);
            Ok(())
        })?;
        Ok(list)
    }

    /// Reads nodes, each of which `kind` says how to walk: `None` is one element.
    fn quicklist(&mut self, kind: fn(&mut Wire<I>) -> Result<Option<Walk>, RdbError>) -> Result<List, RdbError> {
        let (mut list, limits) = (List::new(), self.limits);
        for _ in 0..self.wire.number("the number of nodes")? {
            match kind(self.wire)? {
                Some(walk) => self.packed(walk, &mut |_, elem| {
                    list.push_back(elem.bytes(&mut IntBuf::new()), limits);
                    Ok(())
                })?,
                None => {
                    self.wire.string(&mut self.text)?;
                    list.push_back(&self.text, limits);
                }
            }
        }
        Ok(list)
    }

    fn packed_set(&mut self, mut set: Set, walk: Walk) -> Result<Set, RdbError> {
        let limits = self.limits;
        self.packed(walk, &mut |at, elem| match set.insert_elem(elem, limits) {
            true => Ok(()),
            false => Err(Flaw::new(at, NEW_MEMBER, &elem.to_vec()[..])),
        })?;
        Ok(set)
    }

    fn packed_hash(&mut self, walk: Walk) -> Result<Hash, RdbError> {
        let (mut hash, limits) = (Hash::new(), self.limits);
        self.pairs(walk, &mut |at, field, value| match hash.set(field, value.bytes(&mut IntBuf::new()), limits) {
            true => Ok(()),
            false => Err(Flaw::new(at, NEW_FIELD, field)),
        })?;
        Ok(hash)
    }

    fn packed_zset(&mut self, walk: Walk) -> Result<ZSet, RdbError> {
        let (mut zset, limits) = (ZSet::new(), self.limits);
        self.pairs(walk, &mut |at, member, score| {
            let mut buf = IntBuf::new();
            let text = score.bytes(&mut buf);
            let Some(score) = numeric::parse_f64_saturating(text) else { return Err(Flaw::new(at, "a score", text)) };
            match zset.insert(member, score, limits) {
                Insert::Added => Ok(()),
                _ => Err(Flaw::new(at, NEW_MEMBER, member)),
            }
        })?;
        Ok(zset)
    }
}

/// How to walk the next node of a quicklist of version 2.
fn node_kind<I: Input>(wire: &mut Wire<I>) -> Result<Option<Walk>, RdbError> {
    let offset = wire.offset();
    match wire.number("the kind of a node")? {
        NODE_PLAIN => Ok(None),
        NODE_PACKED => Ok(Some(listpack::walk)),
        other => Err(RdbError::corrupt(offset, "a node of kind 1 or 2", other)),
    }
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Str(_) => false,
        Value::List(list) => list.is_empty(),
        Value::Set(set) => set.is_empty(),
        Value::Hash(hash) => hash.is_empty(),
        Value::ZSet(zset) => zset.is_empty(),
        Value::Custom(custom) => custom.value().is_empty(),
    }
}
