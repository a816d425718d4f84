#![doc = include_str!("../README.md")]
#![expect(unsafe_code, reason = "GlobalAlloc: every call is passed on to the system's allocator, and counted")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Watching;

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// What a thread took from the allocator while it was watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Calls of the allocator, to free as well.
    pub calls: u64,
    /// The most bytes held at once, beyond what was held before.
    pub peak_bytes: i64,
    /// Bytes held at the end; below zero if older memory was freed.
    pub held_bytes: i64,
}

thread_local! {
    static TAKEN: Cell<Option<Taken>> = const { Cell::new(None) };
}

/// Runs `f` and returns what this thread took from the allocator meanwhile. Not to be nested.
pub fn taken_by<T>(f: impl FnOnce() -> T) -> (T, Taken) {
    TAKEN.set(Some(Taken::default()));
    let value = f();
    let taken = TAKEN.take().unwrap_or_default();
    (value, taken)
}

fn note(bytes: i64) {
    // `try_with`: a thread's last frees come after its thread-locals are gone.
    let _ = TAKEN.try_with(|cell| {
        if let Some(mut taken) = cell.get() {
            taken.calls += 1;
            taken.held_bytes += bytes;
            taken.peak_bytes = taken.peak_bytes.max(taken.held_bytes);
            cell.set(Some(taken));
        }
    });
}

/// A layout is at most `isize::MAX` bytes large.
fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

// SAFETY: every call is passed on to `System` unchanged; `note` does not allocate.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(signed(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        note(-signed(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(signed(new_size) - signed(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_see_an_allocation_and_nothing_where_there_is_none() {
        let (_, taken) = taken_by(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(100))));
        assert_eq!(taken, Taken { calls: 2, peak_bytes: 100, held_bytes: 0 });
        assert_eq!(taken_by(|| 1 + 1).1, Taken::default());
    }

    #[test]
    fn what_grows_is_held_once() {
        let (_, taken) = taken_by(|| {
            let mut bytes = std::hint::black_box(Vec::<u8>::with_capacity(100));
            bytes.reserve_exact(300);
            bytes
        });
        assert_eq!((taken.peak_bytes, taken.held_bytes), (300, 300));
    }
}
