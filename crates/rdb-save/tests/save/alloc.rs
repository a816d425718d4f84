//! An allocator that counts while it is told to, and that aborts in a forked child.
#![expect(unsafe_code, reason = "GlobalAlloc: the tests' proof that a child's steps do not allocate")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Watching;

#[global_allocator]
static ALLOCATOR: Watching = Watching;

thread_local! {
    static CALLS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Runs `f` and returns how often this thread called the allocator, to free as well.
pub(crate) fn calls_during<T>(f: impl FnOnce() -> T) -> (T, u64) {
    CALLS.set(Some(0));
    let value = f();
    let calls = CALLS.take().expect("set above");
    (value, calls)
}

fn note() {
    if child::in_child() {
        std::process::abort();
    }
    // `try_with`: a thread's last frees come after its thread-locals are gone.
    let _ = CALLS.try_with(|calls| calls.set(calls.get().map(|n| n + 1)));
}

// SAFETY: every call is passed on to `System` unchanged; `note` does not allocate.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        note();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[test]
fn the_count_sees_an_allocation() {
    let (_, calls) = calls_during(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(calls, 2);
    assert_eq!(calls_during(|| 1 + 1).1, 0);
}
