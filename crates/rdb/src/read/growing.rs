//! Collections that are written element by element, as they grow: a piece of one at a time, so that whoever loads a dataset can do
//! something else in the middle of a large value.

use keyspace::{Elem, HashBuilder, IntBuf, List, SetBuilder, Thresholds, Value, ZSetBuilder};
use rio::Input;

use super::blob::{listpack, ziplist};
use super::value::{COUNT, NEW_FIELD, NEW_MEMBER, Walk};
use super::wire::Wire;
use crate::error::RdbError;
use crate::format::{NODE_PACKED, NODE_PLAIN, ValueType};

/// How much of a value is read at once: whichever comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// As far as this offset.
    pub(crate) stop: u64,
    /// So many elements.
    pub(crate) elements: u64,
}

/// A collection that is being read.
#[derive(Debug)]
pub(super) struct Growing {
    collection: Collection,
    /// Elements or nodes that are still to come.
    left: u64,
    /// The string read last, and the one before where two belong together.
    text: Vec<u8>,
    other: Vec<u8>,
}

#[derive(Debug)]
enum Collection {
    List(List),
    /// A list as a sequence of ziplists, or of nodes that say what they are.
    Nodes(List, Nodes),
    Set(SetBuilder),
    Hash(HashBuilder),
    ZSet(ZSetBuilder, Scores),
}

#[derive(Clone, Copy, Debug)]
enum Nodes {
    Ziplists,
    OfAnyKind,
}

#[derive(Clone, Copy, Debug)]
enum Scores {
    Text,
    Binary,
}

impl Growing {
    /// Begins a value; `None` if its type is not written element by element.
    pub(super) fn begin<I: Input>(wire: &mut Wire<I>, kind: ValueType) -> Result<Option<Self>, RdbError> {
        let collection = match kind {
            ValueType::List => Collection::List(List::new()),
            ValueType::ListQuicklist => Collection::Nodes(List::new(), Nodes::Ziplists),
            ValueType::ListQuicklist2 => Collection::Nodes(List::new(), Nodes::OfAnyKind),
            ValueType::Set => Collection::Set(SetBuilder::new()),
            ValueType::Hash => Collection::Hash(HashBuilder::new()),
            ValueType::ZSet => Collection::ZSet(ZSetBuilder::new(), Scores::Text),
            ValueType::ZSet2 => Collection::ZSet(ZSetBuilder::new(), Scores::Binary),
            _ => return Ok(None),
        };
        let what = if matches!(collection, Collection::Nodes(..)) { "the number of nodes" } else { COUNT };
        let left = wire.number(what)?;
        Ok(Some(Self { collection, left, text: Vec::new(), other: Vec::new() }))
    }

    /// Whether all was read.
    pub(super) fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// Reads a piece, at least one element; how many elements that were.
    pub(super) fn step<I: Input>(
        &mut self,
        wire: &mut Wire<I>,
        limits: &Thresholds,
        budget: Budget,
    ) -> Result<u64, RdbError> {
        let mut elements = 0;
        while self.left > 0 {
            elements += self.element(wire, limits)?;
            self.left -= 1;
            if elements >= budget.elements || wire.offset() >= budget.stop {
                break;
            }
        }
        Ok(elements)
    }

    /// The value that was read.
    pub(super) fn finish(self) -> Value {
        match self.collection {
            Collection::List(list) | Collection::Nodes(list, _) => Value::List(list),
            Collection::Set(set) => Value::Set(set.finish()),
            Collection::Hash(hash) => Value::Hash(hash.finish()),
            Collection::ZSet(zset, _) => Value::ZSet(zset.finish()),
        }
    }

    /// Reads one element, or a node; how many elements that were.
    fn element<I: Input>(&mut self, wire: &mut Wire<I>, limits: &Thresholds) -> Result<u64, RdbError> {
        let Self { collection, text, other, .. } = self;
        let offset = wire.offset();
        match collection {
            Collection::List(list) => {
                wire.string(text)?;
                list.push_back(text, limits);
            }
            Collection::Nodes(list, nodes) => return node(wire, list, *nodes, text, limits),
            Collection::Set(set) => {
                wire.string(text)?;
                if !set.add(Elem::new(text), limits) {
                    return Err(RdbError::corrupt(offset, NEW_MEMBER, &text[..]));
                }
            }
            Collection::Hash(hash) => {
                wire.string(other)?;
                wire.string(text)?;
                if !hash.add(other, text, limits) {
                    return Err(RdbError::corrupt(offset, NEW_FIELD, &other[..]));
                }
            }
            Collection::ZSet(zset, scores) => {
                wire.string(text)?;
                let score = match scores {
                    Scores::Text => wire.text_score()?,
                    Scores::Binary => wire.binary_score()?,
                };
                if !zset.add(text, score, limits) {
                    return Err(RdbError::corrupt(offset, NEW_MEMBER, &text[..]));
                }
            }
        }
        Ok(1)
    }
}

/// Reads one node of a list; how many elements it has, at least one for the node itself.
fn node<I: Input>(
    wire: &mut Wire<I>,
    list: &mut List,
    nodes: Nodes,
    text: &mut Vec<u8>,
    limits: &Thresholds,
) -> Result<u64, RdbError> {
    let walk: Option<Walk> = match nodes {
        Nodes::Ziplists => Some(ziplist::walk),
        Nodes::OfAnyKind => node_kind(wire)?,
    };
    let offset = wire.offset();
    wire.string(text)?;
    let Some(walk) = walk else {
        list.push_back(text, limits);
        return Ok(1);
    };
    let mut elements = 0;
    let walked = walk(text, &mut |_, elem| {
        elements += 1;
        list.push_back(elem.bytes(&mut IntBuf::new()), limits);
        Ok(())
    });
    walked.map_err(|flaw| RdbError::inside(offset, flaw))?;
    Ok(elements.max(1))
}

/// How to walk the next node of a quicklist of version 2: `None` is one element.
fn node_kind<I: Input>(wire: &mut Wire<I>) -> Result<Option<Walk>, RdbError> {
    let offset = wire.offset();
    match wire.number("the kind of a node")? {
        NODE_PLAIN => Ok(None),
        NODE_PACKED => Ok(Some(listpack::walk)),
        other => Err(RdbError::corrupt(offset, "a node of kind 1 or 2", other)),
    }
}
