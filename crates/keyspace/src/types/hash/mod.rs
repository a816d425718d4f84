//! Hashes: a compact sequence of fields and values in insertion order, or a vector with a hash index.
//!
//! Forms and thresholds are Redis's (listpack, hashtable); a hash grows and never goes back.

mod build;
#[cfg(test)]
mod tests;

pub use build::HashBuilder;

use super::dense::{Dense, sampled};
use super::elem::Elem;
use super::item::Item;
use super::pack::{Pack, Pairs};
use super::thresholds::Thresholds;

/// A hash: fields with values.
#[derive(Clone, Debug, Default)]
pub struct Hash(Form);

#[derive(Clone, Debug)]
enum Form {
    /// Field, value, field, value, …
    Pack(Pack),
    Table(Box<Dense<Item>>),
}

impl Default for Form {
    fn default() -> Self {
        Self::Pack(Pack::default())
    }
}

/// The position of a field in a sequence of fields and values.
fn position(pack: &Pack, field: Elem<'_>) -> Option<usize> {
    Pairs(pack.iter()).position(|(name, _)| name == field).map(|pair| pair * 2)
}

impl Hash {
    /// Makes an empty hash.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the form for about `count` fields that are going to be set.
    ///
    /// Source: `hashTypeTryConversion` of Redis 7.2, which HSET goes through.
    pub fn make_ready_for(&mut self, count: usize, limits: &Thresholds) {
        if count > limits.hash_max_listpack_entries {
            self.become_table();
        }
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Pack(pack) => pack.len() / 2,
            Form::Table(table) => table.len(),
        }
    }

    /// Whether the hash is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets a field; true if the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Thresholds) -> bool {
        self.make_room_for(field, value, limits);
        let (name, value) = (Elem::new(field), Elem::new(value));
        let known = self.replace(name, value);
        if !known {
            self.add_new(name, value);
        }
        // Of a known field too: the threshold may have been lowered.
        self.keep_to(limits);
        !known
    }

    /// Changes the form, if it must, so that `field` may have `value`.
    fn make_room_for(&mut self, field: &[u8], value: &[u8], limits: &Thresholds) {
        let fits = match &self.0 {
            Form::Pack(pack) => pack.takes(field.len() + value.len()),
            Form::Table(_) => true,
        };
        if field.len().max(value.len()) > limits.hash_max_listpack_value || !fits {
            self.become_table();
        }
    }

    /// Gives a field another value; false if there is no such field.
    fn replace(&mut self, name: Elem<'_>, value: Elem<'_>) -> bool {
        match &mut self.0 {
            Form::Pack(pack) => {
                let at = position(pack, name);
                at.inspect(|&at| pack.replace(at + 1, value)).is_some()
            }
            Form::Table(table) => {
                let at = table.find(name);
                at.inspect(|&at| *table.value_mut(at) = value.into()).is_some()
            }
        }
    }

    /// Adds a field that is not there yet.
    fn add_new(&mut self, name: Elem<'_>, value: Elem<'_>) {
        match &mut self.0 {
            Form::Pack(pack) => {
                pack.push_back(name);
                pack.push_back(value);
            }
            Form::Table(table) => table.insert_new(name, value.into()),
        }
    }

    /// Changes the form if there are too many fields for it.
    fn keep_to(&mut self, limits: &Thresholds) {
        if self.len() > limits.hash_max_listpack_entries {
            self.become_table();
        }
    }

    fn become_table(&mut self) {
        if let Form::Pack(pack) = &self.0 {
            let mut table = Box::new(Dense::default());
            for (field, value) in Pairs(pack.iter()) {
                table.insert_new(field, value.into());
            }
            self.0 = Form::Table(table);
        }
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Elem<'_>> {
        let field = Elem::new(field);
        match &self.0 {
            Form::Pack(pack) => Pairs(pack.iter()).find(|(name, _)| *name == field).map(|(_, value)| value),
            Form::Table(table) => table.at(table.find(field)?).map(|(_, value)| value.elem()),
        }
    }

    /// Whether the field exists.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// Removes a field; false if it was not there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let field = Elem::new(field);
        match &mut self.0 {
            Form::Pack(pack) => {
                let at = position(pack, field);
                at.inspect(|&at| pack.remove_range(at, at + 2)).is_some()
            }
            Form::Table(table) => {
                let at = table.find(field);
                at.inspect(|&at| drop(table.remove_at(at))).is_some()
            }
        }
    }

    /// Visits every field with its value.
    pub fn iter(&self) -> Iter<'_> {
        Iter { hash: self, pairs: if let Form::Pack(pack) = &self.0 { Some(Pairs(pack.iter())) } else { None }, at: 0 }
    }

    /// The field at position `index` of the iteration order with its value, in O(1) for large hashes.
    pub fn get_index(&self, index: usize) -> Option<(Elem<'_>, Elem<'_>)> {
        match &self.0 {
            Form::Pack(pack) => pack.get(index * 2).zip(pack.get(index * 2 + 1)),
            Form::Table(table) => table.at(index).map(|(field, value)| (field, value.elem())),
        }
    }

    /// A random field with its value, evenly distributed.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Elem<'_>, Elem<'_>)> {
        if self.is_empty() { None } else { self.get_index(rng.usize(..self.len())) }
    }

    /// Visits about `count` fields from `cursor` on (0 starts); returns the next cursor, 0 at the end.
    ///
    /// A field that is in the hash from the first call to the last is visited at least once. A small hash is visited
    /// whole, as Redis does.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(Elem<'a>, Elem<'a>)) -> u64 {
        if let Form::Table(table) = &self.0 {
            return table.scan(cursor, count, &mut |field, value| f(field, value.elem()));
        }
        self.iter().for_each(|(field, value)| f(field, value));
        0
    }

    /// The name that `OBJECT ENCODING` replies.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Pack(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    /// Whether it is a hash table.
    pub fn is_large(&self) -> bool {
        matches!(self.0, Form::Table(_))
    }

    pub(crate) fn free_effort(&self) -> usize {
        if let Form::Table(table) = &self.0 { table.len() } else { 1 }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Pack(pack) => pack.capacity_bytes(),
            Form::Table(table) => {
                let values = sampled(table.len(), |at| table.at(at).map_or(0, |(_, value)| value.heap_bytes()));
                size_of::<Dense<Item>>() + table.heap_bytes() + values
            }
        }
    }
}

/// Visits the fields of a [`Hash`](struct@crate::Hash) with their values.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    hash: &'a Hash,
    /// A compact sequence is walked, not indexed.
    pairs: Option<Pairs<'a>>,
    at: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Elem<'a>, Elem<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let pair = match &mut self.pairs {
            Some(pairs) => pairs.next(),
            None => self.hash.get_index(self.at),
        }?;
        self.at += 1;
        Some(pair)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.hash.len() - self.at;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}
