//! Buffers without slack: how much memory to ask for, so that little of what the allocator gives is left over.

/// The least capacity of at least `bytes` that an allocator has a class of its own for.
///
/// Source: the size classes of jemalloc: multiples of 8 up to 64, then four between a power of two and the next. With another
/// allocator, or a coarser one, nothing is wrong but a few bytes.
pub(crate) fn rounded(bytes: usize) -> usize {
    const FINE_UP_TO: usize = 64;
    if bytes <= FINE_UP_TO {
        return bytes.next_multiple_of(8);
    }
    let step = 1 << ((bytes - 1).ilog2() - 2);
    bytes.checked_next_multiple_of(step).unwrap_or(bytes)
}

/// Gives a buffer another capacity, filled with zeros where it is new.
pub(crate) fn resize(buf: &mut Box<[u8]>, capacity: usize) {
    let mut bytes = std::mem::take(buf).into_vec();
    bytes.truncate(capacity);
    bytes.reserve_exact(capacity - bytes.len());
    bytes.resize(capacity, 0);
    *buf = bytes.into_boxed_slice();
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn capacities_are_classes_of_jemalloc() {
        for (bytes, capacity) in [
            (0, 0),
            (1, 8),
            (8, 8),
            (60, 64),
            (65, 80),
            (128, 128),
            (129, 160),
            (257, 320),
            (8192, 8192),
            (8193, 10_240),
            (usize::MAX, usize::MAX),
        ] {
            assert_eq!(rounded(bytes), capacity, "{bytes}");
        }
    }
}
