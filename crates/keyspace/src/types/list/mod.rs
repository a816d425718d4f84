//! Lists: one compact sequence, or a deque of them.
//!
//! Both ends are O(1); the middle is found by walking chunks, not elements, and a change there moves the bytes of one
//! chunk. One chunk within the limits is what Redis calls a listpack, anything more a quicklist; as in Redis, a list goes
//! back to a listpack when it has shrunk to one chunk of at most half the limit.

mod chunks;
mod iter;
mod limit;
#[cfg(test)]
mod tests;

use chunks::Chunks;
pub use iter::Iter;
use limit::ChunkLimit;

use super::elem::Elem;
use super::pack::Pack;
use super::thresholds::Thresholds;

/// A list.
#[derive(Clone, Debug, Default)]
pub struct List(Form);

#[derive(Clone, Debug)]
enum Form {
    /// What Redis calls a listpack.
    One(Pack),
    /// What Redis calls a quicklist.
    Many(Box<Chunks>),
}

impl Default for Form {
    fn default() -> Self {
        Self::One(Pack::default())
    }
}

impl List {
    /// Makes an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the form for `elems` that are going to be added: as in Redis, the lengths of their texts count, whether or not
    /// they are added in the end.
    ///
    /// Source: `listTypeTryConversionAppend` of Redis 7.2.
    pub fn make_ready_for<'e>(&mut self, elems: impl Iterator<Item = &'e [u8]>, limits: &Thresholds) {
        let limit = ChunkLimit::of(limits);
        let is_too_large = match &mut self.0 {
            Form::One(pack) => {
                let (bytes, count) = elems.fold((0, 0), |(bytes, count), elem| (bytes + elem.len(), count + 1));
                !limit.allows(pack.size_bytes().saturating_add(bytes), pack.len() + count)
            }
            Form::Many(_) => false,
        };
        if is_too_large {
            self.many(limit);
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::One(pack) => pack.len(),
            Form::Many(chunks) => chunks.len(),
        }
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Prepends an element.
    pub fn push_front(&mut self, elem: &[u8], limits: &Thresholds) {
        self.insert_elem(0, Elem::new(elem), limits);
    }

    /// Appends an element.
    pub fn push_back(&mut self, elem: &[u8], limits: &Thresholds) {
        self.insert_elem(self.len(), Elem::new(elem), limits);
    }

    /// Removes and returns the first element.
    pub fn pop_front(&mut self) -> Option<Vec<u8>> {
        let elem = self.iter().next()?.to_vec();
        self.remove_range(0, 1);
        Some(elem)
    }

    /// Removes and returns the last element.
    pub fn pop_back(&mut self) -> Option<Vec<u8>> {
        let elem = self.iter().next_back()?.to_vec();
        self.remove_range(self.len() - 1, self.len());
        Some(elem)
    }

    /// The element at `index`; negative indices count from the end.
    pub fn get(&self, index: i64) -> Option<Elem<'_>> {
        let index = self.resolve(index)?;
        match &self.0 {
            Form::One(pack) => pack.get(index),
            Form::Many(chunks) => chunks.get(index),
        }
    }

    /// Replaces the element at `index` (negative: from the end); false out of range.
    pub fn set(&mut self, index: i64, elem: &[u8], limits: &Thresholds) -> bool {
        let Some(index) = self.resolve(index) else { return false };
        let (elem, limit) = (Elem::new(elem), ChunkLimit::of(limits));
        if let Form::One(pack) = &mut self.0
            && limit.allows(pack.size_bytes() + Pack::encoded_size(elem), 1)
        {
            pack.replace(index, elem);
            return true;
        }
        self.many(limit).set(index, elem);
        self.become_one_if_small();
        true
    }

    /// Visits every element.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0, self.len())
    }

    /// Visits the elements `start..end`, clamped to the list.
    pub fn range(&self, start: usize, end: usize) -> Iter<'_> {
        let end = end.min(self.len());
        Iter::new(&self.0, start.min(end), end)
    }

    /// Inserts so that the new element has index `at` (at most `len`).
    ///
    /// # Panics
    ///
    /// When `at` is beyond the end.
    pub fn insert(&mut self, at: usize, elem: &[u8], limits: &Thresholds) {
        assert!(at <= self.len(), "insertion beyond the end of a list");
        self.insert_elem(at, Elem::new(elem), limits);
    }

    #[inline]
    fn insert_elem(&mut self, at: usize, elem: Elem<'_>, limits: &Thresholds) {
        let limit = ChunkLimit::of(limits);
        match &mut self.0 {
            Form::One(pack) if limit.takes(pack, elem) => pack.insert(at, elem),
            Form::One(_) | Form::Many(_) => self.many(limit).insert(at, elem),
        }
    }

    /// The list as chunks, which it is from now on, with this limit.
    fn many(&mut self, limit: ChunkLimit) -> &mut Chunks {
        if let Form::One(pack) = &mut self.0 {
            self.0 = Form::Many(Box::new(Chunks::from_one(std::mem::take(pack), limit)));
        }
        match &mut self.0 {
            Form::Many(chunks) => {
                chunks.set_limit(limit);
                chunks
            }
            Form::One(_) => unreachable!("made many above"),
        }
    }

    fn become_one_if_small(&mut self) {
        if let Form::Many(chunks) = &mut self.0
            && let Some(only) = chunks.take_if_small()
        {
            self.0 = Form::One(only);
        }
    }

    /// Removes the elements `start..end`, clamped to the list; returns how many.
    pub fn remove_range(&mut self, start: usize, end: usize) -> usize {
        let end = end.min(self.len());
        if start >= end {
            return 0;
        }
        match &mut self.0 {
            Form::One(pack) => pack.remove_range(start, end),
            Form::Many(chunks) => chunks.remove_range(start, end),
        }
        self.become_one_if_small();
        end - start
    }

    /// Keeps only the elements `start..end`.
    pub fn trim(&mut self, start: usize, end: usize) {
        self.remove_range(end.max(start), self.len());
        self.remove_range(0, start);
    }

    /// Removes elements equal to `elem` as LREM: the first `count`, the last `-count`, all for 0; returns how many.
    pub fn remove(&mut self, count: i64, elem: &[u8]) -> usize {
        let elem = Elem::new(elem);
        let mut budget = Budget::of(count);
        match &mut self.0 {
            Form::One(pack) => budget.remove_from(pack, elem),
            Form::Many(chunks) => chunks.remove_equal(&mut budget, elem),
        }
        self.become_one_if_small();
        budget.removed
    }

    /// The name that `OBJECT ENCODING` replies.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::One(_) => "listpack",
            Form::Many(_) => "quicklist",
        }
    }

    pub(crate) fn free_effort(&self) -> usize {
        match &self.0 {
            Form::One(_) => 1,
            Form::Many(chunks) => chunks.count(),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::One(pack) => pack.capacity_bytes(),
            Form::Many(chunks) => size_of::<Chunks>() + chunks.heap_bytes(),
        }
    }

    fn resolve(&self, index: i64) -> Option<usize> {
        let from_end = usize::try_from(index.unsigned_abs()).ok()?;
        let index = if index < 0 { self.len().checked_sub(from_end)? } else { from_end };
        (index < self.len()).then_some(index)
    }
}

/// How many more elements LREM removes, and from which end on.
#[derive(Clone, Copy, Debug)]
struct Budget {
    from_end: bool,
    most: usize,
    removed: usize,
}

impl Budget {
    fn of(count: i64) -> Self {
        let most = if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
        Self { from_end: count < 0, most, removed: 0 }
    }

    fn is_spent(&self) -> bool {
        self.removed == self.most
    }

    /// Removes equal elements from one chunk.
    fn remove_from(&mut self, pack: &mut Pack, elem: Elem<'_>) {
        let most = self.most - self.removed;
        let equal = || pack.iter().filter(|other| *other == elem).count();
        let skip = if self.from_end { equal().saturating_sub(most) } else { 0 };
        self.removed += pack.remove_equal(elem, skip, most);
    }
}
