//! How large a chunk of a list may grow.

use crate::types::elem::Elem;
use crate::types::pack::Pack;
use crate::types::thresholds::Thresholds;

/// How large a chunk may grow; one element always fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkLimit {
    pub(super) bytes: usize,
    pub(super) count: usize,
}

impl ChunkLimit {
    /// Source: `quicklistNodeLimit` of Redis: with a limit of elements, 8 kB are a limit too.
    pub(super) fn of(limits: &Thresholds) -> Self {
        const SAFETY_LIMIT_BYTES: usize = 8192;
        match limits.list_max_listpack_size {
            -1 => Self { bytes: 4096, count: usize::MAX },
            -2 => Self { bytes: 8192, count: usize::MAX },
            -3 => Self { bytes: 16_384, count: usize::MAX },
            -4 => Self { bytes: 32_768, count: usize::MAX },
            ..=-5 => Self { bytes: 65_536, count: usize::MAX },
            count => Self { bytes: SAFETY_LIMIT_BYTES, count: usize::try_from(count).map_or(1, |count| count.max(1)) },
        }
    }

    pub(super) fn allows(self, bytes: usize, count: usize) -> bool {
        bytes <= self.bytes && count <= self.count
    }

    /// Whether a chunk has room for one more element.
    #[inline]
    pub(super) fn takes(self, chunk: &Pack, elem: Elem<'_>) -> bool {
        self.allows(chunk.size_bytes() + Pack::encoded_size(elem), chunk.len() + 1)
    }
}
