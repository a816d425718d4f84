//! The most frequent items of a stream, counted in bounded memory.
//!
//! The algorithm is Space-Saving (Metwally, Agrawal, El Abbadi 2005): an item that finds no room takes the place of the one with
//! the lowest count and goes on from that count, which is then the most that its own may be too high.
//!
//! Invariants: names differ; there are at most `capacity` of them; an error is lower than its count, and neither is negative. The order of the items is a
//! part of the value: among equal counts the first gives way, so two copies stay equal whatever is added to both.

/// The most items that can be asked for.
const MAX_CAPACITY: i64 = 1_000;

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub name: Box<[u8]>,
    /// How often it came, at most.
    pub count: i64,
    /// By how much that may be too high.
    pub error: i64,
}

/// The most frequent items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrequentItems {
    capacity: i64,
    items: Vec<Item>,
}

impl FrequentItems {
    /// Counts at most so many items; `None` if that is none or more than a thousand.
    pub fn new(capacity: i64) -> Option<Self> {
        (1..=MAX_CAPACITY).contains(&capacity).then_some(Self { capacity, items: Vec::new() })
    }

    /// The most items.
    pub fn capacity(&self) -> i64 {
        self.capacity
    }

    fn has_room(&self) -> bool {
        i64::try_from(self.items.len()).is_ok_and(|len| len < self.capacity)
    }

    /// The items, in their order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The items from the most frequent one down.
    pub fn by_count(&self) -> Vec<&Item> {
        let mut items: Vec<&Item> = self.items.iter().collect();
        items.sort_by_key(|item| std::cmp::Reverse(item.count));
        items
    }

    /// The item of this name.
    pub fn find(&self, name: &[u8]) -> Option<&Item> {
        self.items.iter().find(|item| *item.name == *name)
    }

    /// Counts an item; returns the one that gave way to it.
    pub fn add(&mut self, name: &[u8]) -> Option<Box<[u8]>> {
        if let Some(item) = self.items.iter_mut().find(|item| *item.name == *name) {
            item.count = item.count.saturating_add(1);
            return None;
        }
        if self.has_room() {
            self.items.push(Item { name: name.into(), count: 1, error: 0 });
            return None;
        }
        let least = self.items.iter_mut().min_by_key(|item| item.count)?;
        least.error = least.count;
        least.count = least.count.saturating_add(1);
        Some(std::mem::replace(&mut least.name, name.into()))
    }

    /// Puts an item behind the others as it was; false if no such item can be there.
    pub fn restore(&mut self, item: Item) -> bool {
        let fits = self.has_room() && (0..item.count).contains(&item.error) && self.find(&item.name).is_none();
        if fits {
            self.items.push(item);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_frequent_item_gives_way_and_leaves_its_count_as_an_error() {
        let mut items = FrequentItems::new(2).unwrap();
        for name in ["a", "b", "a"] {
            assert_eq!(items.add(name.as_bytes()), None);
        }
        assert_eq!(items.add(b"c").as_deref(), Some(&b"b"[..]));
        let c = items.find(b"c").unwrap();
        assert_eq!((c.count, c.error), (2, 1));
        let names: Vec<_> = items.by_count().iter().map(|item| item.name.clone()).collect();
        assert_eq!(names, [b"a"[..].into(), b"c"[..].into()], "equal counts stay in their order");
    }

    #[test]
    fn what_cannot_be_there_is_not_restored() {
        let item = |name: &[u8], count, error| Item { name: name.into(), count, error };
        let mut items = FrequentItems::new(2).unwrap();
        assert!(items.restore(item(b"a", 3, 2)));
        assert!(!items.restore(item(b"a", 1, 0)), "twice");
        assert!(!items.restore(item(b"b", 2, 2)), "more error than count");
        assert!(!items.restore(item(b"b", 2, -1)) && !items.restore(item(b"b", -1, -2)), "less than nothing");
        assert!(items.restore(item(b"b", 1, 0)));
        assert!(!items.restore(item(b"c", 1, 0)), "no room");
        assert!(FrequentItems::new(0).is_none() && FrequentItems::new(MAX_CAPACITY + 1).is_none());
    }
}
