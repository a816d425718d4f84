//! The allocator: jemalloc, which costs a forked child the least copy-on-write; in debug builds it also proves that such
//! a child never calls it.
//!
//! A child of a threaded process may find the allocator's locks taken for ever, so it must not allocate. In a release
//! build nothing is checked and nothing is added to the path.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::CStr;

use allocator::Jemalloc;
use tikv_jemalloc_ctl::stats_print::{Options, stats_print};

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
#[derive(Debug)]
pub struct ChildGuard;

fn check() {
    if cfg!(debug_assertions) && child::in_child() {
        // Neither panic nor print: both may allocate.
        std::process::abort();
    }
}

// SAFETY: every method hands its arguments on to the allocator unchanged, so its promises hold.
unsafe impl GlobalAlloc for ChildGuard {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: the caller's promise to `alloc` is passed on.
        unsafe { Jemalloc.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        check();
        // SAFETY: the pointer came from `alloc` above, with this layout.
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
