//! Walks a list from both ends, without allocating.
//!
//! The two ends move independently, each with a chunk number and a walk within that chunk; that they do not cross is
//! the business of `left` alone.

use super::List;
use crate::types::elem::Elem;
use crate::types::pack;

/// Visits elements of a [`List`], from both ends.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    list: &'a List,
    front: End<'a>,
    back: End<'a>,
    left: usize,
}

#[derive(Clone, Debug)]
struct End<'a> {
    chunk: usize,
    walk: Option<pack::Iter<'a>>,
}

impl<'a> Iter<'a> {
    /// `start <= end <= len`.
    pub(super) fn new(list: &'a List, start: usize, end: usize) -> Self {
        let nowhere = End { chunk: 0, walk: None };
        if start == end {
            return Self { list, front: nowhere.clone(), back: nowhere, left: 0 };
        }
        let (first, from) = list.locate(start);
        let (last, to) = list.locate(end - 1);
        let front = list.chunks[first].range(from, list.chunks[first].len());
        let back = list.chunks[last].range(0, to + 1);
        Self {
            list,
            front: End { chunk: first, walk: Some(front) },
            back: End { chunk: last, walk: Some(back) },
            left: end - start,
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Elem<'a>;

    fn next(&mut self) -> Option<Elem<'a>> {
        self.left = self.left.checked_sub(1)?;
        loop {
            if let Some(elem) = self.front.walk.as_mut()?.next() {
                return Some(elem);
            }
            self.front.chunk += 1;
            self.front.walk = Some(self.list.chunks.get(self.front.chunk)?.iter());
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        loop {
            if let Some(elem) = self.back.walk.as_mut()?.next_back() {
                return Some(elem);
            }
            self.back.chunk = self.back.chunk.checked_sub(1)?;
            self.back.walk = Some(self.list.chunks.get(self.back.chunk)?.iter());
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}
