//! Sets: a sorted array of integers, a compact sequence, or a vector with a hash index.
//!
//! Forms and thresholds are Redis's (intset, listpack, hashtable); a set grows from one to the next and never back, except
//! where a command makes its result anew.

mod build;
mod ints;
#[cfg(test)]
mod tests;

pub use build::SetBuilder;
use ints::IntSet;

use super::dense::Dense;
use super::elem::Elem;
use super::item::Item;
use super::pack::Pack;
use super::thresholds::Thresholds;

/// A set.
#[derive(Clone, Debug, Default)]
pub struct Set(Form);

#[derive(Clone, Debug)]
enum Form {
    Ints(IntSet),
    Pack(Pack),
    Table(Box<Dense<()>>),
}

impl Default for Form {
    fn default() -> Self {
        Self::Ints(IntSet::default())
    }
}

impl Set {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an empty set in the form of a sequence, whatever is added first.
    pub fn new_sequence() -> Self {
        Self(Form::Pack(Pack::default()))
    }

    /// Chooses the form for about `count` members that are going to be added, `first` before the others: of an empty set
    /// any, else one large enough.
    ///
    /// Source: `setTypeCreate` and `setTypeMaybeConvert` of Redis 7.2, which SADD goes through.
    pub fn make_ready_for(&mut self, first: &[u8], count: usize, limits: &Thresholds) {
        let (fits_ints, fits_pack) = (count <= limits.set_max_intset_entries, count <= limits.set_max_listpack_entries);
        if self.is_empty() {
            self.0 = match Elem::new(first) {
                Elem::Int(_) if fits_ints => Form::default(),
                _ if fits_pack => Form::Pack(Pack::default()),
                _ => Form::Table(Box::default()),
            };
        }
        match &self.0 {
            Form::Ints(_) if !fits_ints => self.become_table(),
            Form::Pack(_) if !fits_pack => self.become_table(),
            _ => {}
        }
    }

    /// Takes the form of integers if all members are, as Redis does with an intersection that is stored.
    pub fn become_ints(&mut self, limits: &Thresholds) {
        if matches!(self.0, Form::Ints(_)) || self.len() > limits.set_max_intset_entries {
            return;
        }
        let mut ints = IntSet::default();
        for member in self.iter() {
            let Some(value) = member.as_i64() else { return };
            ints.insert(value);
        }
        self.0 = Form::Ints(ints);
    }

    /// Makes the set anew from its members, as Redis does with what is left after most were popped.
    pub fn renew(&mut self, limits: &Thresholds) {
        let mut renewed = if matches!(self.0, Form::Ints(_)) { Self::new() } else { Self::new_sequence() };
        for member in self.iter() {
            renewed.insert_elem(member, limits);
        }
        *self = renewed;
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.len(),
            Form::Pack(pack) => pack.len(),
            Form::Table(table) => table.len(),
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a member; false if it was there.
    pub fn insert(&mut self, member: &[u8], limits: &Thresholds) -> bool {
        self.insert_elem(Elem::new(member), limits)
    }

    /// Adds a member taken from another collection; false if it was there.
    pub fn insert_elem(&mut self, member: Elem<'_>, limits: &Thresholds) -> bool {
        let known = self.contains_elem(member);
        if !known {
            self.add_new(member, limits);
        }
        !known
    }

    /// Adds a member that is not there yet.
    fn add_new(&mut self, member: Elem<'_>, limits: &Thresholds) {
        self.make_room_for(member, limits);
        match &mut self.0 {
            Form::Ints(ints) => {
                let value = member.as_i64().expect("made room for this member");
                ints.insert(value);
            }
            Form::Pack(pack) => pack.push_back(member),
            Form::Table(table) => table.insert_new(member, ()),
        }
    }

    /// Changes the form, if it must, so that `member` may be added.
    fn make_room_for(&mut self, member: Elem<'_>, limits: &Thresholds) {
        let (len, text_len) = (self.len(), member.len());
        let fits_pack = len < limits.set_max_listpack_entries && text_len <= limits.set_max_listpack_value;
        match &self.0 {
            Form::Ints(_) if member.as_i64().is_some() && len < limits.set_max_intset_entries => {}
            // Too many integers become a table even where a sequence would still take them, as in Redis.
            Form::Ints(_) if member.as_i64().is_some() => self.become_table(),
            Form::Ints(ints) if fits_pack && ints.longest_text() <= limits.set_max_listpack_value => {
                let mut pack = Pack::default();
                self.iter().for_each(|elem| pack.push_back(elem));
                self.0 = Form::Pack(pack);
            }
            Form::Ints(_) => self.become_table(),
            Form::Pack(pack) if fits_pack && pack.takes(text_len) => {}
            Form::Pack(_) => self.become_table(),
            Form::Table(_) => {}
        }
    }

    fn become_table(&mut self) {
        let mut table = Box::new(Dense::default());
        self.iter().for_each(|elem| table.insert_new(elem, ()));
        self.0 = Form::Table(table);
    }

    /// Removes a member; false if it was not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.remove_elem(Elem::new(member))
    }

    /// Removes a member named by an element of another collection.
    pub fn remove_elem(&mut self, member: Elem<'_>) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => member.as_i64().is_some_and(|value| ints.remove(value)),
            Form::Pack(pack) => {
                let at = pack.iter().position(|elem| elem == member);
                at.inspect(|&at| pack.remove_range(at, at + 1)).is_some()
            }
            Form::Table(table) => {
                let at = table.find(member);
                at.inspect(|&at| drop(table.remove_at(at))).is_some()
            }
        }
    }

    /// Whether `member` is in the set.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.contains_elem(Elem::new(member))
    }

    /// Whether an element of another collection is in the set.
    pub fn contains_elem(&self, member: Elem<'_>) -> bool {
        match &self.0 {
            Form::Ints(ints) => member.as_i64().is_some_and(|value| ints.contains(value)),
            Form::Pack(pack) => pack.iter().any(|elem| elem == member),
            Form::Table(table) => table.find(member).is_some(),
        }
    }

    /// Visits every member.
    pub fn iter(&self) -> Iter<'_> {
        Iter { set: self, pack: if let Form::Pack(pack) = &self.0 { Some(pack.iter()) } else { None }, at: 0 }
    }

    /// The member at position `index` of the iteration order, in O(1) for large sets.
    pub fn get_index(&self, index: usize) -> Option<Elem<'_>> {
        match &self.0 {
            Form::Ints(ints) => ints.get(index).map(Elem::Int),
            Form::Pack(pack) => pack.get(index),
            Form::Table(table) => table.at(index).map(|(elem, ())| elem),
        }
    }

    /// A random member, evenly distributed.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<Elem<'_>> {
        if self.is_empty() { None } else { self.get_index(rng.usize(..self.len())) }
    }

    /// Removes and returns a random member.
    pub fn pop_random(&mut self, rng: &mut fastrand::Rng) -> Option<Vec<u8>> {
        if self.is_empty() {
            return None;
        }
        let at = rng.usize(..self.len());
        match &mut self.0 {
            Form::Ints(ints) => {
                let value = ints.get(at)?;
                ints.remove(value);
                Some(Item::Int(value).into_vec())
            }
            Form::Pack(pack) => {
                let member = pack.get(at)?.to_vec();
                pack.remove_range(at, at + 1);
                Some(member)
            }
            Form::Table(table) => Some(table.remove_at(at).0.into_vec()),
        }
    }

    /// Visits about `count` members from `cursor` on (0 starts); returns the next cursor, 0 at the end.
    ///
    /// A member that is in the set from the first call to the last is visited at least once. A small set is visited
    /// whole, as Redis does.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(Elem<'a>)) -> u64 {
        if let Form::Table(table) = &self.0 {
            return table.scan(cursor, count, &mut |elem, ()| f(elem));
        }
        self.iter().for_each(f);
        0
    }

    /// Whether the members are stored as a sorted array of integers.
    pub fn is_ints(&self) -> bool {
        matches!(self.0, Form::Ints(_))
    }

    /// The name that `OBJECT ENCODING` replies.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Ints(_) => "intset",
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
            Form::Ints(ints) => ints.heap_bytes(),
            Form::Pack(pack) => pack.capacity_bytes(),
            Form::Table(table) => size_of::<Dense<()>>() + table.heap_bytes(),
        }
    }
}

/// Visits the members of a [`Set`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    set: &'a Set,
    /// A compact sequence is walked, not indexed.
    pack: Option<super::pack::Iter<'a>>,
    at: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Elem<'a>;

    fn next(&mut self) -> Option<Elem<'a>> {
        let elem = match &mut self.pack {
            Some(pack) => pack.next(),
            None => self.set.get_index(self.at),
        }?;
        self.at += 1;
        Some(elem)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.set.len() - self.at;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}
