//! An allocator that counts calls and bytes while it is told to.
#![expect(unsafe_code, reason = "GlobalAlloc: the proof that writing takes no memory, and that reading takes little")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Watching;

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// What a thread took from the allocator since it began to look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Calls, to free as well.
    pub(crate) calls: u64,
    /// The most bytes held at once.
    pub(crate) peak_bytes: i64,
    held_bytes: i64,
}

thread_local! {
    static TAKEN: Cell<Option<Taken>> = const { Cell::new(None) };
}

/// Runs `f` and returns what this thread took from the allocator meanwhile.
pub(crate) fn taken_by<T>(f: impl FnOnce() -> T) -> (T, Taken) {
    TAKEN.set(Some(Taken::default()));
    let value = f();
    let taken = TAKEN.take().expect("set above");
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

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("no allocation is as large")
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

#[test]
fn the_counts_see_an_allocation() {
    let (_, taken) = taken_by(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(100))));
    assert_eq!((taken.calls, taken.peak_bytes, taken.held_bytes), (2, 100, 0));
    assert_eq!(taken_by(|| 1 + 1).1.calls, 0);
}
