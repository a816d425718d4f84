//! Walks a list from both ends, without allocating.
//!
//! The two ends move independently, each with a chunk number and a walk within that chunk; that they do not cross is
//! the business of `left` alone. One compact sequence is one walk.

use super::Form;
use super::chunks::Chunks;
use crate::types::elem::Elem;
use crate::types::pack;

/// Visits elements of a [`List`](crate::List), from both ends.
#[derive(Clone, Debug)]
pub struct Iter<'a>(Walk<'a>);

#[derive(Clone, Debug)]
enum Walk<'a> {
    One(pack::Iter<'a>),
    Many { chunks: &'a Chunks, front: End<'a>, back: End<'a>, left: usize },
}

#[derive(Clone, Debug)]
struct End<'a> {
    chunk: usize,
    walk: pack::Iter<'a>,
}

impl<'a> Iter<'a> {
    /// `start <= end <= len`.
    pub(super) fn new(form: &'a Form, start: usize, end: usize) -> Self {
        Self(match form {
            Form::One(pack) => Walk::One(pack.range(start, end)),
            Form::Many(_) if start == end => Walk::One(pack::Iter::default()),
            Form::Many(chunks) => {
                let (first, from) = chunks.locate(start);
                let (last, to) = chunks.locate(end - 1);
                let packs = &chunks.chunks;
                Walk::Many {
                    chunks,
                    front: End { chunk: first, walk: packs[first].range(from, packs[first].len()) },
                    back: End { chunk: last, walk: packs[last].range(0, to + 1) },
                    left: end - start,
                }
            }
        })
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Elem<'a>;

    fn next(&mut self) -> Option<Elem<'a>> {
        let (chunks, front, left) = match &mut self.0 {
            Walk::One(walk) => return walk.next(),
            Walk::Many { chunks, front, left, .. } => (chunks, front, left),
        };
        *left = left.checked_sub(1)?;
        loop {
            if let Some(elem) = front.walk.next() {
                return Some(elem);
            }
            front.chunk += 1;
            front.walk = chunks.chunks.get(front.chunk)?.iter();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Walk::One(walk) => walk.size_hint(),
            Walk::Many { left, .. } => (*left, Some(*left)),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let (chunks, back, left) = match &mut self.0 {
            Walk::One(walk) => return walk.next_back(),
            Walk::Many { chunks, back, left, .. } => (chunks, back, left),
        };
        *left = left.checked_sub(1)?;
        loop {
            if let Some(elem) = back.walk.next_back() {
                return Some(elem);
            }
            back.chunk = back.chunk.checked_sub(1)?;
            back.walk = chunks.chunks.get(back.chunk)?.iter();
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}
