#![doc = include_str!("../README.md")]
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout};

use tikv_jemallocator::Jemalloc as Unpadded;

/// jemalloc, every allocation aligned as its layout says, whatever the size classes it was built with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jemalloc;

/// The layout with its size a multiple of its alignment. Every class of jemalloc that holds such a size is one too, so what
/// comes from it is aligned.
fn padded(layout: Layout) -> Layout {
    layout.pad_to_align()
}

// SAFETY: every method hands its arguments on to jemalloc, the size padded in the same way each time, so jemalloc's own
// promise holds: what it gives is at least as large as asked for, and is given back with the size it was asked with.
unsafe impl GlobalAlloc for Jemalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise to `alloc` is passed on.
        unsafe { Unpadded.alloc(padded(layout)) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, so from jemalloc, with this layout padded.
        unsafe { Unpadded.dealloc(ptr, padded(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe { Unpadded.alloc_zeroed(padded(layout)) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size with this alignment is a layout.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: as in `dealloc`, and the caller promises a valid new size.
        unsafe { Unpadded.realloc(ptr, padded(layout), padded(new).size()) }
    }
}
