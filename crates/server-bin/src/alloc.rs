//! The allocator: jemalloc, which costs a forked child the least copy-on-write; in debug builds it also proves that such
//! a child never calls it.
//!
//! A child of a threaded process may find the allocator's locks taken for ever, so it must not allocate. In a release
//! build nothing is checked and nothing is added to the path.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout};

use tikv_jemallocator::Jemalloc;

/// jemalloc, with a check against use in a forked child.
pub(crate) struct ChildGuard;

fn check() {
    if cfg!(debug_assertions) && child::in_child() {
        // Neither panic nor print: both may allocate.
        std::process::abort();
    }
}

// SAFETY: every method hands its arguments on to jemalloc unchanged, so jemalloc's own promise holds.
unsafe impl GlobalAlloc for ChildGuard {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: the caller's promise to `alloc` is passed on.
        unsafe { Jemalloc.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        check();
        // SAFETY: the pointer came from `alloc` above, so from jemalloc, with this layout.
        unsafe { Jemalloc.dealloc(ptr, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: as in `alloc`.
        unsafe { Jemalloc.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        check();
        // SAFETY: as in `dealloc`, and the caller promises a valid new size.
        unsafe { Jemalloc.realloc(ptr, layout, new_size) }
    }
}
