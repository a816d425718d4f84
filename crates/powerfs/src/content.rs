//! The bytes of one file: what processes read, what is on the medium, and the changes between the two.

use std::sync::Arc;

/// A change of bytes that is not yet known to be on the medium.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Write { offset: usize, bytes: Arc<[u8]> },
    SetLen(usize),
}

impl Edit {
    /// What it counts when a cut is drawn: its bytes, so that large writes are cut as often as their size deserves.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len(),
            Self::SetLen(_) => 1,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) cache: Vec<u8>,
    pub(crate) durable: Vec<u8>,
    /// Oldest first, each with the number of the operation that made it.
    pub(crate) pending: Vec<(u64, Edit)>,
}

impl Content {
    /// Bytes that are on the medium.
    pub(crate) fn durable(bytes: Vec<u8>) -> Self {
        Self { cache: bytes.clone(), durable: bytes, pending: Vec::new() }
    }

    pub(crate) fn edit(&mut self, number: u64, edit: Edit) {
        apply(&mut self.cache, &edit);
        self.pending.push((number, edit));
    }

    /// An fsync of everything that was done before operation number `since`.
    pub(crate) fn sync(&mut self, since: u64, succeeded: bool) {
        let covered = self.pending.partition_point(|(number, _)| *number < since);
        for (_, edit) in self.pending.drain(..covered) {
            if succeeded {
                apply(&mut self.durable, &edit);
            }
        }
        if succeeded && self.pending.is_empty() {
            // The length is the inode's and goes with every commit of it: bytes lost by a failed fsync leave a hole.
            self.durable.resize(self.cache.len(), 0);
        }
    }
}

/// Makes a change, with zeros where a write begins behind the end.
pub(crate) fn apply(image: &mut Vec<u8>, edit: &Edit) {
    match edit {
        Edit::SetLen(len) => image.resize(*len, 0),
        Edit::Write { offset, bytes } => write_into(image, *offset, bytes),
    }
}

pub(crate) fn write_into(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(bytes);
}
