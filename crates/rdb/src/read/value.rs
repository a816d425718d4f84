//! Values that are one string, a compact form among them: one function for each layout, all of which build the keyspace's own
//! collections. [`Growing`](super::growing::Growing) are those that are not.
//!
//! What Redis never writes is refused: a member or field twice, half a pair, a score that is not a number. A collection without
//! elements is no value: the caller decides.

use keyspace::{Elem, Hash, HashBuilder, IntBuf, List, Set, SetBuilder, Str, Thresholds, Value, ZSet, ZSetBuilder};
use rio::Input;

use super::blob::{Each, intset, listpack, ziplist, zipmap};
use super::wire::Wire;
use crate::error::{Flaw, Found, RdbError};
use crate::format::ValueType;

/// Walks one compact form.
pub(super) type Walk = fn(&[u8], Each<'_>) -> Result<(), Flaw>;

/// Takes where a pair stands, its first element and its second.
type EachPair<'f> = &'f mut dyn FnMut(usize, &[u8], Elem<'_>) -> Result<(), Flaw>;

pub(super) const COUNT: &str = "the number of elements";
pub(super) const NEW_MEMBER: &str = "a member that is not there yet";
pub(super) const NEW_FIELD: &str = "a field that is not there yet";

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

    /// Reads a value. `kind` is a type that the keyspace has, and is not read element by element.
    pub(super) fn read(mut self, kind: ValueType) -> Result<Value, RdbError> {
        Ok(match kind {
            ValueType::String => Value::Str(self.string()?),
            ValueType::HashZipmap => Value::Hash(self.packed_hash(zipmap::walk)?),
            ValueType::HashZiplist => Value::Hash(self.packed_hash(ziplist::walk)?),
            ValueType::HashListpack => Value::Hash(self.packed_hash(listpack::walk)?),
            ValueType::ListZiplist => Value::List(self.packed_list()?),
            ValueType::SetIntset => Value::Set(self.packed_set(SetBuilder::new(), intset::walk)?),
            ValueType::SetListpack => Value::Set(self.packed_set(SetBuilder::new_sequence(), listpack::walk)?),
            ValueType::ZSetZiplist => Value::ZSet(self.packed_zset(ziplist::walk)?),
            ValueType::ZSetListpack => Value::ZSet(self.packed_zset(listpack::walk)?),
            ValueType::List
            | ValueType::ListQuicklist
            | ValueType::ListQuicklist2
            | ValueType::Set
            | ValueType::Hash
            | ValueType::ZSet
            | ValueType::ZSet2 => unreachable!("these are read element by element"),
            ValueType::ModulePreGa
            | ValueType::Module2
            | ValueType::StreamListpacks
            | ValueType::StreamListpacks2
            | ValueType::StreamListpacks3 => unreachable!("the caller knows these"),
        })
    }

    fn string(&mut self) -> Result<Str, RdbError> {
        self.wire.string(&mut self.text)?;
        Ok(Str::from(std::mem::take(&mut self.text)))
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

    fn packed_set(&mut self, mut set: SetBuilder, walk: Walk) -> Result<Set, RdbError> {
        let limits = self.limits;
        self.packed(walk, &mut |at, elem| match set.add(elem, limits) {
            true => Ok(()),
            false => Err(Flaw::new(at, NEW_MEMBER, &elem.to_vec()[..])),
        })?;
        Ok(set.finish())
    }

    fn packed_hash(&mut self, walk: Walk) -> Result<Hash, RdbError> {
        let (mut hash, limits) = (HashBuilder::new(), self.limits);
        self.pairs(walk, &mut |at, field, value| match hash.add(field, value.bytes(&mut IntBuf::new()), limits) {
            true => Ok(()),
            false => Err(Flaw::new(at, NEW_FIELD, field)),
        })?;
        Ok(hash.finish())
    }

    fn packed_zset(&mut self, walk: Walk) -> Result<ZSet, RdbError> {
        let (mut zset, limits) = (ZSetBuilder::new(), self.limits);
        self.pairs(walk, &mut |at, member, score| {
            let mut buf = IntBuf::new();
            let text = score.bytes(&mut buf);
            let Some(score) = numeric::parse_f64_saturating(text) else { return Err(Flaw::new(at, "a score", text)) };
            match zset.add(member, score, limits) {
                true => Ok(()),
                false => Err(Flaw::new(at, NEW_MEMBER, member)),
            }
        })?;
        Ok(zset.finish())
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
