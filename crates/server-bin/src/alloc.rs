//! The allocator: jemalloc, which costs a forked child the least copy-on-write; in debug builds it also proves that such
//! a child never calls it.
//!
//! A child of a threaded process may find the allocator's locks taken for ever, so it must not allocate. In a release
//! build nothing is checked and nothing is added to the path.
//!
//! The workspace builds jemalloc with size classes of 8 bytes (`.cargo/config.toml`), which makes small values smaller. Such
//! classes are not all aligned to 16 bytes, as the crate over jemalloc takes for granted: so a layout is padded to its
//! alignment, and a class of a multiple of 16 bytes is.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::CStr;

use tikv_jemalloc_ctl::stats_print::{Options, stats_print};
use tikv_jemallocator::Jemalloc;

/// Gives all pages that hold nothing back to the system; false if the allocator refuses.
pub(crate) fn purge() -> bool {
    // 4096 stands for all arenas: MALLCTL_ARENAS_ALL.
    const ALL_ARENAS: &CStr = c"arena.4096.purge";
    let none = std::ptr::null_mut();
    // SAFETY: the name ends with a zero byte and outlives the call; purging neither reads nor writes a value, so it is given
    // no place for one.
    unsafe { tikv_jemalloc_sys::mallctl(ALL_ARENAS.as_ptr(), none, std::ptr::null_mut(), none, 0) == 0 }
}

/// What the allocator knows of itself, for people.
pub(crate) fn report() -> String {
    let mut text = Vec::new();
    // Writing to memory cannot fail; what there is of it is shown.
    let _complete = stats_print(&mut text, Options::default());
    String::from_utf8_lossy(&text).into_owned()
}

/// jemalloc, with a check against use in a forked child.
pub(crate) struct ChildGuard;

fn check() {
    if cfg!(debug_assertions) && child::in_child() {
        // Neither panic nor print: both may allocate.
        std::process::abort();
    }
}

/// The layout with its size a multiple of its alignment. Every class of jemalloc that holds such a size is one too, so what
/// comes from it is aligned.
fn padded(layout: Layout) -> Layout {
    layout.pad_to_align()
}

// SAFETY: every method hands its arguments on to jemalloc, the size padded in the same way each time, so jemalloc's own
// promise holds: what it gives is at least as large as asked for, and is given back with the size it was asked with.
unsafe impl GlobalAlloc for ChildGuard {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: the caller's promise to `alloc` is passed on.
        unsafe { Jemalloc.alloc(padded(layout)) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        check();
        // SAFETY: the pointer came from `alloc` above, so from jemalloc, with this layout padded.
        unsafe { Jemalloc.dealloc(ptr, padded(layout)) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: as in `alloc`.
        unsafe { Jemalloc.alloc_zeroed(padded(layout)) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        check();
        // SAFETY: the caller promises that the new size with this alignment is a layout.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: as in `dealloc`, and the caller promises a valid new size.
        unsafe { Jemalloc.realloc(ptr, padded(layout), padded(new).size()) }
    }
}
