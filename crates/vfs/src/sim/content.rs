//! The bytes of one simulated file: what processes see (the page cache), what is on the medium, and the changes between.

/// Longest file the simulation keeps, in bytes: a guard against an offset gone wrong, which on a real disk would be sparse.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 30;

/// A change that is in the page cache and not yet known to be on the medium.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

/// What a failed fsync leaves of the pages it could not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostPages {
    /// They stay dirty: the next fsync writes them. What naive programs hope for.
    Kept,
    /// They count as clean: they can be read until the machine stops, and no later fsync writes them. Linux on ext4 and XFS.
    Dropped,
    /// They are gone from the page cache too: reads give what the medium has, zeros where it has nothing.
    Evicted,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) cache: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Oldest first. Without a failed fsync: `durable` with these applied is `cache`.
    pub(super) pending: Vec<Change>,
}

impl Content {
    /// Content that is on the medium.
    pub(super) fn durable(bytes: Vec<u8>) -> Self {
        Self { cache: bytes.clone(), durable: bytes, pending: Vec::new() }
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        write_into(&mut self.cache, offset, bytes);
        if let Some(Change::Write { offset: start, bytes: last }) = self.pending.last_mut()
            && *start + last.len() == offset
        {
            last.extend_from_slice(bytes);
        } else {
            self.pending.push(Change::Write { offset, bytes: bytes.to_vec() });
        }
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.cache.resize(len, 0);
        self.pending.push(Change::SetLen(len));
    }

    /// An fsync that succeeds.
    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            match change {
                Change::Write { offset, bytes } => write_into(&mut self.durable, offset, &bytes),
                Change::SetLen(len) => self.durable.resize(len, 0),
            }
        }
        // The size is the inode's, and goes with every commit of it; bytes lost by a failed fsync leave a hole.
        self.durable.resize(self.cache.len(), 0);
    }

    /// An fsync that fails.
    pub(super) fn fail_sync(&mut self, pages: LostPages) {
        match pages {
            LostPages::Kept => {}
            LostPages::Dropped => self.pending.clear(),
            LostPages::Evicted => {
                self.pending.clear();
                let len = self.cache.len();
                self.cache.clone_from(&self.durable);
                self.cache.resize(len, 0);
            }
        }
    }
}

/// Writes at `offset`, with zeros between the end and there.
pub(super) fn write_into(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(pages: LostPages) -> Content {
        let mut content = Content::default();
        content.write(0, b"good");
        content.sync();
        content.write(4, b"lost");
        content.fail_sync(pages);
        content
    }

    #[test]
    fn dropped_pages_are_readable_but_a_later_fsync_leaves_a_hole() {
        let mut content = lost(LostPages::Dropped);
        assert_eq!(content.cache, b"goodlost");
        content.write(8, b"more");
        content.sync();
        assert_eq!(content.durable, b"good\0\0\0\0more");
    }

    #[test]
    fn evicted_pages_read_as_zeros() {
        assert_eq!(lost(LostPages::Evicted).cache, b"good\0\0\0\0");
    }

    #[test]
    fn kept_pages_are_written_by_the_next_fsync() {
        let mut content = lost(LostPages::Kept);
        content.sync();
        assert_eq!(content.durable, b"goodlost");
    }
}
